# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A gateway more, of which nothing is known but its name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


@pytest.fixture
def lost(tmp_path: Path) -> list[str]:
    """Arguments of a playbook: with the gateway "lost", where nothing listens."""
    host = {"ansible_ssh_common_args": "", "ansible_host": "127.0.0.1", "ansible_port": 1}
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(json.dumps({"ws_gateways": {"hosts": {"lost": host}}}))
    return ["--inventory", str(inventory)]
