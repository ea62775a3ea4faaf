# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `ansible-galaxy collection build` puts into the file that users install."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from rendering import ROOT

BIN = Path(sys.executable).parent
# What plugins, roles and playbooks may use: a rule of the Ansible community package.
USED = {"extensions", "meta", "playbooks", "plugins", "roles"}
READ = {
    *("CHANGELOG.md", "CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "LICENSE", "LICENSES", "README.md", "REUSE.toml"),
    *("SECURITY.md", "changelogs", "docs", "inventories"),
}
WRITTEN_BY_GALAXY = {"FILES.json", "MANIFEST.json"}


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("artifact")
    subprocess.run(
        [BIN / "ansible-galaxy", "collection", "build", "--output-path", directory],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (path,) = directory.glob("wsfleet-nginx-*.tar.gz")
    return path


def test_it_has_what_is_used_and_read_and_nothing_that_serves_the_work(artifact: Path) -> None:
    with tarfile.open(artifact) as tar:
        names = [Path(name) for name in tar.getnames()]
    assert {name.parts[0] for name in names} == USED | READ | WRITTEN_BY_GALAXY
    assert [name for name in names if name.name.startswith(".") or name.suffix == ".pyc"] == []


def test_it_works_without_any_file_that_is_there_to_be_read(artifact: Path, tmp_path: Path) -> None:
    collection = tmp_path / "collections/ansible_collections/wsfleet/nginx"
    collection.mkdir(parents=True)
    with tarfile.open(artifact) as tar:
        tar.extractall(collection, filter="data")
    for path in collection.iterdir():
        if path.name in READ:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    ended = subprocess.run(
        [
            BIN / "ansible-playbook",
            f"--inventory={ROOT / 'inventories/local'}",
            "wsfleet.nginx.render",
            f"--extra-vars=websockets_render_dir={tmp_path} websockets_nginx_version=1.26.3",
        ],
        # Elsewhere Ansible finds the checkout's ansible.cfg, and with it the checkout.
        cwd=tmp_path,
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(tmp_path / "collections")},
        check=False,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert (tmp_path / "gateway.conf").read_text().startswith("# Ansible managed\n")
