# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""examples/molecule, the repository of docs/molecule.md, as a user runs it: a copy in a place of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PROJECT = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"])
# What a user has of podman's registry is made of Debian's packages here.
IMAGE = subprocess.run([PROJECT / "molecule/shared/build-image", "trixie"], check=True, capture_output=True, text=True)

Molecule = Callable[..., str]


@pytest.fixture(scope="module")
def molecule(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Molecule]:
    repository = tmp_path_factory.mktemp("user") / "repository"
    shutil.copytree(PROJECT / "examples/molecule", repository, symlinks=True)
    # None of the variables of the Molecule that runs this test.
    environment = {name: os.environ[name] for name in ("HOME", "PATH", "CONTAINERS_CONF")} | {
        "ANSIBLE_COLLECTIONS_PATH": str(PROJECT / ".venv/collections"),
        "BASE_IMAGE": IMAGE.stdout.strip(),
        "NO_COLOR": "1",
    }

    def run(command: str, scenario: str, *arguments: str, **variables: str) -> str:
        ended = subprocess.run(
            ["molecule", command, "--scenario-name", scenario, *arguments],
            cwd=repository,
            env=environment | variables,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert ended.returncode == 0, ended.stdout
        return ended.stdout

    run("destroy", "podman")
    run("create", "podman")
    # What a deploy would do to a host that has nothing yet.
    assert "1 would change" in run("converge", "podman", "--", "--check")
    run("converge", "podman")
    yield run
    run("destroy", "podman")
    subprocess.run(["podman", "rmi", "localhost/gateway-test"], check=True, capture_output=True)


def test_the_scenario_for_podman_deploys_a_gateway_and_sees_its_websockets(molecule: Molecule) -> None:
    assert " 2 passed " in molecule("verify", "podman")


def test_the_scenario_for_existing_hosts_sees_the_same_on_hosts_of_an_inventory(molecule: Molecule) -> None:
    assert " 2 passed " in molecule("verify", "existing", INVENTORY="molecule/podman/inventory")
