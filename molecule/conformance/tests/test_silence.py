# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections on which nothing is sent, with the timeout in seconds that is an hour on the founding route."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from gateway import Gateway
from tunnel import FIN, PING, PONG, TEXT, Backend, Tunnel, frame, masked

# Seconds; the route's timeout is 6.
PAUSE = 0.5


def assert_open(tunnel: Tunnel) -> None:
    tunnel.client.send(masked(TEXT, b"still there?"))
    assert tunnel.backend.receive(len(masked(TEXT, b"still there?"))) == masked(TEXT, b"still there?")
    tunnel.backend.send(frame(TEXT, b"here"))
    assert tunnel.client.receive(len(frame(TEXT, b"here"))) == frame(TEXT, b"here")


def test_silence_ends_a_tunnel_at_its_timeout_and_pings_prevent_that(gateway: Gateway, backend: Backend) -> None:
    """So the silent tunnel is over first, and one ping in half a second is enough for the others."""
    variants = gateway.site("variants.example")
    founding = backend.open_tunnel(gateway)
    by_client, by_backend, answered = (backend.open_tunnel(variants, "/short/") for _number in range(3))
    silent = backend.open_tunnel(variants, "/short/")
    ping, pong = masked(PING), frame(PONG)
    pings = 0
    with ThreadPoolExecutor(max_workers=2) as executor:
        ends = [executor.submit(end.receive_rest) for end in silent]
        while not all(end.done() for end in ends):
            by_client.client.send(ping)
            by_backend.backend.send(frame(PING))
            answered.client.send(ping)
            assert answered.backend.receive(len(ping)) == ping
            answered.backend.send(pong)
            assert answered.client.receive(len(pong)) == pong
            pings += 1
            time.sleep(PAUSE)
        assert [end.result() for end in ends] == [(b"", FIN)] * 2
    # It was not ended at once.
    assert pings > 1
    assert by_client.backend.receive(len(ping) * pings) == ping * pings
    assert by_backend.client.receive(len(frame(PING)) * pings) == frame(PING) * pings
    for tunnel in (by_client, by_backend, answered, founding):
        assert_open(tunnel)


def test_the_founding_route_waits_for_an_hour(gateway: Gateway) -> None:
    """So ten minutes of silence, which is more than most applications keep, are no matter to it."""
    founding, _server_name, _rest = gateway.path(gateway.configuration).read_text().partition("variants.example;")
    assert "proxy_read_timeout 1h;" in founding
