# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections on which nothing is sent, with the timeout in seconds that is an hour on the founding route."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from gateway import Gateway
from tunnel import FIN, PING, PONG, TEXT, Backend, End, Tunnel, frame, masked

TIMEOUT_OF_ROUTE = 3.0
# nginx looks at the clock once a turn.
TOLERANCE = 0.1
PINGS = 8


def until_end(end: End) -> tuple[bytes, str, float]:
    """What comes until the connection ends, how it ends and when."""
    return (*end.receive_rest(), time.monotonic())


def assert_open(tunnel: Tunnel) -> None:
    tunnel.client.send(masked(TEXT, b"still there?"))
    assert tunnel.backend.receive(len(masked(TEXT, b"still there?"))) == masked(TEXT, b"still there?")
    tunnel.backend.send(frame(TEXT, b"here"))
    assert tunnel.client.receive(len(frame(TEXT, b"here"))) == frame(TEXT, b"here")


def test_silence_ends_a_tunnel_at_its_timeout_and_a_ping_a_second_prevents_that(
    gateway: Gateway, backend: Backend
) -> None:
    variants = gateway.site("variants.example")
    founding = backend.open_tunnel(gateway)
    by_client, by_backend, answered = (backend.open_tunnel(variants, "/short/") for _number in range(3))
    started = time.monotonic()
    silent = backend.open_tunnel(variants, "/short/")
    ping, pong = masked(PING), frame(PONG)
    with ThreadPoolExecutor(max_workers=2) as executor:
        ends = [executor.submit(until_end, end) for end in silent]
        for _second in range(PINGS):
            by_client.client.send(ping)
            by_backend.backend.send(frame(PING))
            answered.client.send(ping)
            assert answered.backend.receive(len(ping)) == ping
            answered.backend.send(pong)
            assert answered.client.receive(len(pong)) == pong
            time.sleep(1)
        pinged = time.monotonic() - started
        for end in ends:
            received, how, when = end.result()
            assert (received, how) == (b"", FIN)
            assert TIMEOUT_OF_ROUTE - TOLERANCE <= when - started < pinged
    assert by_client.backend.receive(len(ping) * PINGS) == ping * PINGS
    assert by_backend.client.receive(len(frame(PING)) * PINGS) == frame(PING) * PINGS
    for tunnel in (by_client, by_backend, answered, founding):
        assert_open(tunnel)


def test_the_founding_route_waits_for_an_hour(gateway: Gateway) -> None:
    """So ten minutes of silence, which is more than most applications keep, are no matter to it."""
    founding, _server_name, _rest = gateway.path(gateway.configuration).read_text().partition("variants.example;")
    assert "proxy_read_timeout 1h;" in founding
