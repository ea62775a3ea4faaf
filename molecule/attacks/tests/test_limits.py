# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Floods: handshakes and open sockets are counted by client, and an IPv6 client is its /64."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from contextlib import ExitStack

import pytest
from attacker import HANDSHAKE, Route, Target, ours, tutorial
from gateway import Gateway
from waiting import wait_until

# One handshake in ten seconds, so that a slow machine floods too, and four more at once.
RATE = Route("rate.example", 4000, "/")
REQUIRED = RATE._replace(path="/required/")
# Two sockets.
SOCKETS = Route("sockets.example", 4000, "/")
# Both limits, in dry run.
TRIAL = Route("trial.example", 4000, "/")
FLOOD = 12
CLIENTS = ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", "2001:db8:0:2::1")


def flood(target: Target, route: Route, source: str, *fields: str, requests: int = FLOOD) -> Sequence[int]:
    """The statuses of the same request again and again."""
    return [target.ask(route, *fields, source=source).status for _request in range(requests)]


def opened(target: Target, route: Route, source: str, sockets: int) -> Sequence[int]:
    """The statuses of handshakes whose sockets stay open."""
    with ExitStack() as stack:
        return [stack.enter_context(target.websocket(route, source)) for _socket in range(sockets)]


@pytest.mark.parametrize(
    ("route", "source"),
    [pytest.param(RATE, "127.0.1.1", id="true"), pytest.param(REQUIRED, "127.0.5.1", id="required")],
)
def test_handshakes_are_counted(gateway: Gateway, route: Route, source: str) -> None:
    statuses = flood(ours(gateway), route, source, *HANDSHAKE)
    assert statuses[:5] == [101] * 5
    assert statuses[-1] == 429
    assert set(statuses) == {101, 429}


@pytest.mark.parametrize(
    ("route", "fields", "status", "source"),
    [
        pytest.param(RATE, HANDSHAKE[:3], 426, "127.0.2.1", id="without version"),
        pytest.param(RATE, ("Upgrade: h2c",), 200, "127.0.3.1", id="h2c"),
        pytest.param(RATE, (*HANDSHAKE, "Origin: https://evil.example"), 403, "127.0.4.1", id="of another origin"),
        pytest.param(REQUIRED, (), 426, "127.0.5.2", id="plain, where a handshake is required"),
    ],
)
def test_what_is_no_handshake_or_refused_uses_up_none(
    gateway: Gateway, route: Route, fields: tuple[str, ...], status: int, source: str
) -> None:
    """No backend is asked for it, and a page of another origin's takes no handshakes from its visitor."""
    assert flood(ours(gateway), route, source, *fields) == [status] * FLOOD
    assert flood(ours(gateway), route, source, *HANDSHAKE, requests=1) == [101]


def test_a_flood_of_handshakes_passes_the_tutorial(gateway: Gateway) -> None:
    assert flood(tutorial(gateway), RATE, "127.0.1.1", *HANDSHAKE) == [101] * FLOOD


def test_plain_requests_are_no_handshakes(gateway: Gateway) -> None:
    assert flood(ours(gateway), RATE, "127.0.6.1") == [200] * FLOOD


def test_one_client_does_not_use_up_the_handshakes_of_another(gateway: Gateway) -> None:
    assert 429 in flood(ours(gateway), RATE, "127.0.7.1", *HANDSHAKE)
    assert flood(ours(gateway), RATE, "127.0.7.2", *HANDSHAKE, requests=1) == [101]


def test_open_sockets_are_counted_until_they_close(gateway: Gateway) -> None:
    target = ours(gateway)
    assert opened(tutorial(gateway), SOCKETS, "127.0.8.1", FLOOD) == [101] * FLOOD
    assert opened(target, SOCKETS, "127.0.8.1", 4) == [101, 101, 429, 429]
    # They are closed by now, and nginx learns of it at its own pace.
    wait_until(lambda: opened(target, SOCKETS, "127.0.8.1", 2) == [101, 101], "the closed sockets do not count")


def test_a_client_with_all_its_sockets_open_is_served_plain_requests_and_others_are_served(gateway: Gateway) -> None:
    target = ours(gateway)
    with target.websocket(SOCKETS, "127.0.9.1"), target.websocket(SOCKETS, "127.0.9.1"):
        assert opened(target, SOCKETS, "127.0.9.1", 1) == [429]
        assert target.ask(SOCKETS, source="127.0.9.1").status == 200
        assert opened(target, SOCKETS, "127.0.9.2", 1) == [101]


def test_a_dry_run_refuses_nobody(gateway: Gateway) -> None:
    assert flood(ours(gateway), TRIAL, "127.0.10.1", *HANDSHAKE[:3]) == [426] * FLOOD
    assert opened(ours(gateway), TRIAL, "127.0.10.2", FLOOD) == [101] * FLOOD


def test_a_client_has_all_addresses_of_its_ipv6_network(gateway: Gateway) -> None:
    network = f"--net={gateway.path('/').parent / 'ns/net'}"
    for address in CLIENTS:
        subprocess.run(["nsenter", network, "ip", "address", "replace", f"{address}/128", "dev", "lo"], check=True)
    first, neighbour, stranger = CLIENTS
    assert 429 in flood(ours(gateway), RATE, first, *HANDSHAKE)
    assert 429 in flood(ours(gateway), RATE, neighbour, *HANDSHAKE, requests=3)
    assert flood(ours(gateway), RATE, stranger, *HANDSHAKE, requests=3) == [101] * 3
