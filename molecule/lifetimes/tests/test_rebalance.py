# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that was drained comes back empty, and the sockets of the full ones are moved to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from gateway import gateways
from playbook import Run, site
from traffic import Traffic

GATEWAYS = gateways()
SERVERS = ("server01", "server02", "server03")
RATE = {"websockets_reconnect_rate": 100}
# nginx sends one of three clients where they are missing.
MOST = 0.95


def run(playbook: str, variables: Mapping[str, Any] | None = None, *arguments: str) -> Run:
    ended = site(
        {**RATE, **(variables or {})},
        playbook=f"wsfleet.nginx.{playbook}",
        arguments=["--limit", "ws_gateways", *arguments],
    )
    assert not ended.failed, ended.output
    return ended


@pytest.fixture
def empty(restored: None, clients: Traffic) -> Iterator[str]:
    """A server that takes clients, and has none."""
    out = {"websockets_drain": SERVERS[-1], "websockets_drain_timeout": "1s", "websockets_drain_force": "true"}
    with clients.ended():
        run("drain", out)
    run("drain", {"websockets_undrain": SERVERS[-1]})
    assert not clients.on(SERVERS[-1])
    yield SERVERS[-1]


def spread(clients: Traffic) -> dict[str, Counter[str]]:
    """The sockets of each server, by gateway."""
    found: dict[str, Counter[str]] = {gateway.name: Counter() for gateway in GATEWAYS}
    for socket in clients.open:
        found[str(socket.gateway)][str(socket.backend)] += 1
    return found


def test_an_empty_server_is_filled_to_within_a_tenth(clients: Traffic, empty: str) -> None:
    before, start = spread(clients), clients.clock()
    shown = run("rebalance", RATE, "--check")
    assert shown.output.count("sockets or more (server01:3000 ") == len(GATEWAYS)
    assert spread(clients) == before
    with clients.ended():
        moved = run("rebalance")
    assert moved.output.count("echo on gateway-") == moved.output.count(": balanced, ") == len(GATEWAYS)
    for servers in spread(clients).values():
        wanted = sum(servers.values()) / len(SERVERS)
        assert all(abs(servers[server] - wanted) <= 0.1 * wanted + 1 for server in SERVERS), servers
    assert clients.on(empty)
    assert sum(clients.ends_since(start)) <= MOST * clients.number
    assert run("rebalance").output.count("echo on gateway-12, gateway-13: balanced already.") == 1
