# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The releases of ansible-core that the tests run, each with the built collection and settings of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import typing as t
from pathlib import Path

import pytest
from playbook import INVENTORIES, PROJECT, Run

PINNED = [
    line.split()[0] for line in (PROJECT / "tests/cores.txt").read_text().splitlines() if not line.startswith("#")
]


def install_collection(directory: Path) -> None:
    """Build the collection, and install it as from Galaxy or from a file."""
    galaxy: list[str | Path] = [PROJECT / ".venv/bin/ansible-galaxy", "collection"]
    # It would find this checkout installed.
    elsewhere = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(directory)}

    def run(*arguments: str | Path) -> None:
        subprocess.run([*galaxy, *arguments], check=True, capture_output=True, cwd=PROJECT, env=elsewhere)

    run("build", "--output-path", directory)
    (artifact,) = directory.glob("*.tar.gz")
    run("install", "--offline", "--collections-path", directory, artifact)


class Core:
    """An ansible-core with its default settings, but for colours and the time that its connections take."""

    def __init__(self, version: str, collections: Path, home: Path) -> None:
        self.binaries = PROJECT / ".cache/cores" / version / "bin"
        if not self.binaries.exists():
            pytest.skip(f"ansible-core {version}: no Python that it is made for, see tests/cores.txt")
        (home / "ansible.cfg").write_text("")
        foreign = {name for name in os.environ if name.startswith("ANSIBLE_")}
        self.environment = {
            **{name: value for name, value in os.environ.items() if name not in foreign},
            "ANSIBLE_CONFIG": str(home / "ansible.cfg"),
            "ANSIBLE_HOME": str(home),
            "ANSIBLE_COLLECTIONS_PATH": str(collections),
            "ANSIBLE_DEPRECATION_WARNINGS": "1",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_PIPELINING": "1",
        }

    def run(self, playbook: str | Path, variables: t.Mapping[str, t.Any] | None = None, *arguments: str) -> Run:
        """Run a playbook. It must not warn."""
        command: list[str | Path] = [self.binaries / "ansible-playbook", playbook, *arguments]
        command += ["--extra-vars", json.dumps(variables or {})]
        for inventory in INVENTORIES:
            command += ["--inventory", inventory]
        ended = subprocess.run(command, check=False, capture_output=True, text=True, cwd=PROJECT, env=self.environment)
        run = Run(failed=ended.returncode != 0, output=ended.stdout + ended.stderr)
        assert not re.findall(r"^.*\bWARNING\b.*$", run.output, re.MULTILINE), run.output
        return run

    def succeeds(self, playbook: str | Path, variables: t.Mapping[str, t.Any] | None = None, *arguments: str) -> Run:
        run = self.run(playbook, variables, *arguments)
        assert not run.failed, run.output
        return run
