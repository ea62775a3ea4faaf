# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables with errors stop everything before any host is touched."""

from __future__ import annotations

import json
import re
import typing as t
from pathlib import Path

import pytest
from gateway import Gateway
from playbook import site

SOUND = {
    "websockets_upstreams": [{"name": "chat", "servers": ["127.0.0.1:9000"]}],
    "websockets_sites": [{"server_name": "a", "listen": 3000, "locations": [{"path": "/", "upstream": "chat"}]}],
}
INVALID = {
    "websockets_upstream": [],
    "websockets_upstreams": [
        {"name": "chat-backend", "servers": ["10.0.0.1:3000"]},
        {"name": "chat-backend", "servers": ["10.0.0.2:70000"]},
        {"name": "empty", "servers": []},
    ],
    "websockets_sites": [
        {"server_name": "a.example", "listen": "80", "locations": [{"path": "/", "upstream": "chat-backnd"}]},
        {"server_name": ["b.example"], "listne": 80, "locations": [{"path": "/", "upstream": "empty", "websocket": 1}]},
    ],
}
MESSAGE = """\
Invalid variables for invalid:
- websockets_upstream: unknown variable (did you mean 'websockets_upstreams'?)
- websockets_upstreams[1].servers[0]: 70000 is out of range: 1 to 65535
- websockets_sites[1].listne: unknown key (did you mean 'listen'?)
- websockets_sites[1]: missing required key 'listen'
- websockets_sites[1].locations[0].websocket: must be true, false or required, not 1
- websockets_upstreams[2]: no servers: requires 'servers', or 'group' with 'port'
- websockets_upstreams[1].name: 'chat-backend' is already the name of websockets_upstreams[0]
- websockets_sites[0].locations[0].upstream: 'chat-backnd' is not an upstream (did you mean 'chat-backend'?)
"""


@pytest.fixture
def inventory(tmp_path: Path) -> t.Callable[[t.Mapping[str, t.Any]], Path]:
    """An inventory of hosts that do not exist, so that the first attempt to touch one shows."""

    def write(hosts: t.Mapping[str, t.Any]) -> Path:
        nowhere = {"ansible_connection": "containers.podman.podman", "ansible_host": "no-such-container"}
        groups = {
            "ws_gateways": {"hosts": hosts, "vars": nowhere},
            "echo_backends": {"hosts": {"backend": None}, "vars": nowhere},
        }
        path = tmp_path / "hosts.json"
        path.write_text(json.dumps(groups))
        return path

    return write


def test_sound_variables_go_on_to_the_hosts(inventory: t.Any) -> None:
    run = site({}, inventories=[inventory({"sound": SOUND})])
    assert "UNREACHABLE!" in run.output


@pytest.mark.usefixtures("unchanged")
def test_those_that_cannot_be_reached_are_named_and_hold_up_nobody(inventory: t.Any, bare: Gateway) -> None:
    # In check mode apt cannot fetch the lists that a new container lacks.
    bare.run("apt-get update")
    away = {"away": SOUND, "gone": SOUND}
    here = {**SOUND, "ansible_host": bare.container, "ansible_python_interpreter": "/usr/bin/python3"}
    run = site({}, inventories=[inventory({**away, "here": here})], arguments=["--check", "--limit", "ws_gateways"])
    assert run.failed
    assert re.search(r"^3 gateways: 1 would change, 2 unreachable$", run.output, re.MULTILINE), run.output
    for name in away:
        assert "This gateway was unreachable" in run.message(name)


def test_one_message_lists_every_error_and_no_host_is_touched(inventory: t.Any) -> None:
    run = site({}, inventories=[inventory({"sound": SOUND, "invalid": INVALID})])
    assert run.failed
    assert MESSAGE in run.output
    assert "UNREACHABLE!" not in run.output


def test_what_is_to_be_removed_need_not_be_sound(inventory: t.Any) -> None:
    run = site({"websockets_state": "absent"}, inventories=[inventory({"invalid": INVALID})])
    assert "Invalid variables" not in run.output
    assert "UNREACHABLE!" in run.output
