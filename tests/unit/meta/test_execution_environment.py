# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The execution environment is the controller that the tests run on; `make build` has ansible-builder take it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import yaml
from rendering import ROOT

DEPENDENCIES = yaml.safe_load((ROOT / "execution-environment.yml").read_text())["dependencies"]
PINNED = "\n".join((ROOT / name).read_text() for name in ("requirements.txt", "requirements-test.txt"))


def test_its_ansible_is_the_one_that_the_tests_run_on() -> None:
    wanted = {DEPENDENCIES[name]["package_pip"] for name in ("ansible_core", "ansible_runner")}
    assert wanted == set(re.findall(r"^ansible-(?:core|runner)==.*$", PINNED, re.MULTILINE))


def test_an_environment_that_brings_this_collection_needs_nothing_more_for_it() -> None:
    """ansible-builder reads meta/execution-environment.yml of each collection that an image has."""
    told = subprocess.run(
        [Path(sys.executable).with_name("ansible-builder"), "introspect", ROOT / ".venv/collections"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert yaml.safe_load(told.stdout) == {"python": [], "system": []}
