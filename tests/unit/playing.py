# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of the playbooks that need no host."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from rendering import ROOT


def run(directory: Path, *arguments: str) -> tuple[int, str]:
    """How ansible-playbook ends with the inventory of a folder, and all that it says."""
    ended = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), "-i", "inventory", *arguments],
        check=False,
        capture_output=True,
        text=True,
        cwd=directory,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
    )
    return ended.returncode, ended.stdout + ended.stderr
