# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of modules in processes of their own, with the options in a file and the result on the standard output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

from waiting import PATIENCE

COLLECTIONS = Path(__file__).resolve().parents[2] / ".venv" / "collections"


def run(tmp_path: Path, program: t.Sequence[str], options: t.Mapping[str, t.Any]) -> subprocess.CompletedProcess[str]:
    """Run a module by these arguments of the interpreter."""
    arguments = tmp_path / "arguments.json"
    arguments.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": options}))
    return subprocess.run(
        [sys.executable, *program, str(arguments)],
        env={**os.environ, "PYTHONPATH": str(COLLECTIONS)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
