# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Emptying a pool: plain requests to backends that know WebSockets alone, until nginx takes all of them for dead."""

from __future__ import annotations

import pytest
from attacker import HANDSHAKE, Route, Target, ours, request, tutorial
from gateway import Gateway

STRICT = Route("app.example", 4000, "/strict/")
AGREEING = Route("app.example", 4000, "/agreeing/")


def emptied(target: Target, route: Route, *fields: str) -> tuple[set[int], int]:
    """The statuses of some requests to a pool that is open, and that of a handshake after them."""
    assert target.ask(route, *HANDSHAKE).status == 101
    statuses = {target.ask(route, *fields).status for _request in range(6)}
    return statuses, target.ask(route, *HANDSHAKE).status


def test_plain_requests_to_a_pool_of_websockets(gateway: Gateway) -> None:
    """The handshake's 502 is "no live upstreams": for ten seconds nobody gets in."""
    assert emptied(tutorial(gateway), STRICT) == ({502}, 502)
    assert emptied(ours(gateway), STRICT) == ({426}, 101)


@pytest.mark.parametrize("fields", [(), ("Upgrade: h2c",), ("Connection: Upgrade",), (*HANDSHAKE[1:],)], ids=str)
def test_the_refusal_says_what_to_ask_for(gateway: Gateway, fields: tuple[str, ...]) -> None:
    """RFC 9110 section 15.5.22: a 426 names the protocol."""
    answer = ours(gateway).ask(STRICT, *fields)
    assert answer.status == 426
    assert answer.headers.get_all("Upgrade") == ["websocket"]
    assert b"WebSocket" in answer.body
    assert answer.headers["Content-Type"] == "text/plain"


def test_a_refusal_leaves_the_connection_to_the_next_request(gateway: Gateway) -> None:
    with ours(gateway).connect(STRICT.port) as connection:
        assert connection.ask(request(STRICT)).status == 426
        assert connection.ask(request(STRICT, *HANDSHAKE)).status == 101


def test_handshakes_with_an_answer_that_is_too_large(gateway: Gateway) -> None:
    """A backend that agrees to what is offered puts it into its answer. One that does not fit in proxy_buffer_size is a
    failure of the backend to nginx, whatever proxy_next_upstream says.

    Not closed by default: small buffers are what makes tunnels cheap. A larger proxy_buffer_size closes it.
    """
    offer = f"Sec-WebSocket-Protocol: {'x' * 7000}"
    assert emptied(tutorial(gateway), AGREEING, *HANDSHAKE, offer) == ({502}, 502)
    _refusals, afterwards = emptied(ours(gateway), AGREEING, *HANDSHAKE, offer)
    assert afterwards == 101
