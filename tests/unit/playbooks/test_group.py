# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every playbook on the group of its gateways: another one, and one that has none."""

from __future__ import annotations

from pathlib import Path

import pytest
from playing import Fleet
from rendering import ROOT

# import has no gateways.
PLAYBOOKS = sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml") if path.stem != "import")
GIVEN = (
    *("-e", "websockets_render_dir=out", "-e", "websockets_nginx_version=1.26.3"),
    *("-e", "websockets_blackbox_dir=out", "-e", "websockets_drain=10.0.0.1"),
)


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    found = Fleet(tmp_path)
    found.add("one")
    found.others = {"web": {"web1": {"ansible_connection": "local"}}}
    return found


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_a_playbook_without_a_gateway_fails_with_the_reason(fleet: Fleet, playbook: str) -> None:
    code, output = fleet.play(playbook, *GIVEN, "-e", "websockets_group=ws_gatewys")
    assert code == 2, output
    assert "no gateway: the inventory has no group 'ws_gatewys', did you mean 'ws_gateways'?" in output
    assert output.count("fatal: ") == 1
    assert output.count("PLAY [") == 1
    code, output = fleet.play(playbook, *GIVEN, "--limit", "web1")
    assert code == 2, output
    assert "fatal: [web1]: FAILED!" in output
    assert "no gateway: with --limit web1, no host of the group 'ws_gateways' is left" in output
    assert not fleet.ran("preflight", "one")


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_a_playbook_works_on_another_group(fleet: Fleet, playbook: str) -> None:
    """The inventory has no group ws_gateways."""
    fleet.group = "edge"
    plays = [
        {"import_playbook": f"wsfleet.nginx.{playbook}", "vars": {"websockets_group": "edge"}},
    ]
    upstreams = [{"name": "chat", "servers": ["10.0.0.1:3000", "10.0.0.2:3000"]}]
    (fleet.directory / "left-one.json").write_text(
        '{"changed": false, "open": 0, "left": {}, "closed": 0, "reason": "", "seconds": 0.1}'
    )
    (fleet.directory / "rebalance-one.json").write_text(
        '{"closed": 0, "upstreams": [{"name": "chat", "state": "balanced", "closed": 0, "reason": ""}]}'
    )
    code, output = fleet.play_own(plays, *GIVEN, **{"websockets_upstreams": upstreams})
    # What the module of verify answers here is that of another.
    assert code == (2 if playbook == "verify" else 0), output
    expected = {
        "blackbox": "Blackbox | Write the modules and the targets",
        "drain": "No connection is left.",
        "rebalance": "chat on one: balanced already.",
        "render": "Render | Write the file",
        "rollback": "1 gateway: 1 changed",
        "site": "1 gateway: 1 changed",
        "upgrade": "1 gateway: 1 changed",
        "verify": "one serves all its routes, with 1 error. Failed or unreachable: one",
    }
    assert expected[playbook] in output
    assert "Could not match supplied host pattern" not in output
