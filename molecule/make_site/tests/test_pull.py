# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bare machine that pulls the repository and makes itself the gateway that the inventory says."""

from __future__ import annotations

import re
import typing as t

import pytest
import yaml
from gateway import Gateway

# ansible-pull looks for the name of its machine in the inventory.
PULLING = Gateway("pulling", "ws.serverlab.ca", 3000)
REPOSITORY = "/root/repository"
INVENTORY = "inventories/pulled/hosts.yml"
# A checkout at this place is the collection.
COLLECTIONS = "/root/pulled"
CHECKOUT = f"{COLLECTIONS}/ansible_collections/wsfleet/nginx"
SITE = {"server_name": "ws.serverlab.ca", "listen": 3000, "locations": [{"path": "/", "upstream": "ws-backend"}]}


class Pull(t.NamedTuple):
    """How a run of ansible-pull ended."""

    status: int
    output: str

    @property
    def changed(self) -> set[str]:
        """How many tasks changed something, for each summary of this machine; of others there is none."""
        return set(re.findall(r"^\S+ +: .*\bchanged=(\d+)", self.output, re.MULTILINE))


def commit(site: t.Mapping[str, t.Any]) -> None:
    """Have the repository say what all gateways are to serve."""
    upstream = {"name": "ws-backend", "servers": ["127.0.0.1:9001"]}
    inventory = {
        "ws_gateways": {
            # The other one is nowhere: who pulls has no connection to anybody.
            "hosts": {"pulling": {}, "elsewhere": {"ansible_connection": "ssh", "ansible_host": "192.0.2.1"}},
            "vars": {"websockets_upstreams": [upstream], "websockets_sites": [site]},
        },
        "echo_backends": {"hosts": {"pulling": {"echo_backend_port": 9001}}},
    }
    file = PULLING.path(f"{REPOSITORY}/{INVENTORY}")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump(inventory))
    author = "-c user.name=Operator -c user.email=operator@example.com"
    PULLING.run(f"cd {REPOSITORY} && git add --all && git {author} commit --quiet --message 'Say what to serve'")


def pull() -> Pull:
    ended = PULLING.console.run(
        f"cd /root && ANSIBLE_COLLECTIONS_PATH={COLLECTIONS} checkout/.venv/bin/ansible-pull"
        f" -U file://{REPOSITORY} -d {CHECKOUT} -i {CHECKOUT}/{INVENTORY} playbooks/site.yml 2>&1"
    )
    return Pull(ended.rc, ended.stdout)


@pytest.fixture(scope="module", autouse=True)
def first() -> Pull:
    """The first run on a machine that has ansible-core and git."""
    PULLING.run("make -C /root/checkout PIP_NO_INDEX=1 PIP_FIND_LINKS=/root/wheels .venv/site")
    PULLING.run(f"cp -r /root/checkout {REPOSITORY} && rm -r {REPOSITORY}/.venv && git init --quiet {REPOSITORY}")
    commit(SITE)
    return pull()


def test_a_machine_that_pulls_becomes_the_gateway_that_the_inventory_says(first: Pull) -> None:
    assert first.status == 0, first.output
    assert re.search(r"^pulling +ws\.serverlab\.ca +/ +101 +handshake ", first.output, re.MULTILINE), first.output
    assert PULLING.echoes()


def test_a_second_pull_changes_nothing() -> None:
    second = pull()
    assert (second.status, second.changed) == (0, {"0"}), second.output


def test_an_error_that_is_pulled_is_told_and_changes_nothing() -> None:
    before = PULLING.fingerprint
    commit({**SITE, "locations": [{"path": "/", "upstream": "ws-backnd"}]})
    try:
        invalid = pull()
    finally:
        commit(SITE)
    assert invalid.status != 0
    assert "'ws-backnd' is not an upstream (did you mean 'ws-backend'?)" in invalid.output
    assert PULLING.fingerprint == before
