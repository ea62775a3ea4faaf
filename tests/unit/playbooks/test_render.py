# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files rendered without a host, from variables of several teams. No gateway here has an address that answers."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest
import yaml
from playing import run
from rendering import ROOT, render

EXAMPLES = (ROOT / "docs/examples.md").read_text().split("## Several teams, one gateway\n", 1)[1]
TEAMS = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", EXAMPLES, re.DOTALL)]
HOSTS: dict[str, dict[str, t.Any]] = {
    "ws_gateways": {"hosts": {"gateway1.example.com": {}, "gateway2.example.com": {}}},
    # Nothing answers there: whatever the inventory says of this machine, it is not connected to.
    "machines": {"hosts": {"localhost": {"ansible_connection": "ssh", "ansible_port": 1}}},
    "chat_backends": {"hosts": {"chat2": {"ansible_host": "192.0.2.2"}, "chat1": {"ansible_host": "192.0.2.1"}}},
}


def write(directory: Path, files: t.Mapping[str, t.Any]) -> Path:
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content, sort_keys=False))
    return directory


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    """The inventory of docs/examples.md."""
    gateway, chat, shop = TEAMS[:3]
    files = {
        "hosts.yml": HOSTS,
        "group_vars/ws_gateways/gateway.yml": gateway,
        "group_vars/ws_gateways/chat.yml": chat,
        "host_vars/gateway2.example.com.yml": shop,
    }
    return write(tmp_path / "inventory", files)


RENDER = ("wsfleet.nginx.render", "-e", "websockets_render_dir=out", "-e", "websockets_nginx_version=1.26.3")


def expected(*teams: t.Mapping[str, t.Any]) -> str:
    lists: dict[str, list[t.Any]] = {"websockets_upstreams": [], "websockets_sites": []}
    for team in teams:
        for name, part in team.items():
            lists["websockets_sites" if "sites" in name else "websockets_upstreams"] += part
    hosts = HOSTS["chat_backends"]["hosts"]
    groups = {"chat_backends": list(hosts)}
    return render({**lists, "websockets_nginx_version": "1.26.3"}, groups=groups, hostvars=hosts)


def test_each_gateway_gets_its_own_file_of_what_all_teams_say(inventory: Path) -> None:
    code, output = run(inventory.parent, *RENDER)
    assert code == 0, output
    files = {path.name: path.read_text() for path in (inventory.parent / "out").iterdir()}
    assert files == {
        "gateway1.example.com.conf": expected(TEAMS[1]),
        "gateway2.example.com.conf": expected(TEAMS[1], TEAMS[2]),
    }


def test_a_parameter_of_the_role_adds_to_what_the_teams_say(inventory: Path) -> None:
    (play,) = TEAMS[3]
    (role,) = play["roles"]
    render_role = {"name": role["role"], "tasks_from": "render"}
    tasks = [{"ansible.builtin.include_role": render_role, "vars": role["vars"]}]
    only = {"hosts": "gateway1.example.com", "gather_facts": False, "tasks": tasks}
    write(inventory.parent, {"play.yml": [only]})
    code, output = run(inventory.parent, "play.yml", *RENDER[1:])
    assert code == 0, output
    rendered = (inventory.parent / "out/gateway1.example.com.conf").read_text()
    assert rendered == expected(TEAMS[1], role["vars"])


def test_one_invalid_gateway_keeps_all_files_from_being_written(inventory: Path) -> None:
    slip = [{"server_name": "slip.example.com", "listen": 80, "locations": [{"path": "/", "upstream": "caht"}]}]
    write(inventory, {"host_vars/gateway1.example.com.yml": {"gateway_sites_slip": slip}})
    code, output = run(inventory.parent, *RENDER)
    assert code != 0
    assert "websockets_sites[1].locations[0].upstream: 'caht' is not an upstream (did you mean 'chat'?)" in output
    assert not (inventory.parent / "out").exists()


def test_what_only_a_host_could_tell_is_asked_for(inventory: Path) -> None:
    code, output = run(inventory.parent, *RENDER[:3])
    assert code != 0
    assert "such as '1.26.3'" in " ".join(output.split())
    assert not (inventory.parent / "out").exists()


def test_limit_and_the_order_of_hosts_make_no_difference(inventory: Path) -> None:
    reordered = {group: {"hosts": dict(reversed(members["hosts"].items()))} for group, members in HOSTS.items()}
    write(inventory, {"hosts.yml": dict(reversed(reordered.items()))})
    code, output = run(inventory.parent, *RENDER, "--limit", "gateway2.example.com")
    assert code == 0, output
    (only,) = (inventory.parent / "out").iterdir()
    assert only.read_text() == expected(TEAMS[1], TEAMS[2])
