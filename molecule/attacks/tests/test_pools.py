# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Emptying an upstream: requests that its servers fail on, until nginx takes all of them for dead."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import sleep

import pytest
from attacker import HANDSHAKE, Route, Target, ours, request, tutorial
from gateway import Gateway
from waiting import wait_until

STRICT = Route("app.example", 4000, "/strict/")
AGREEING = Route("app.example", 4000, "/agreeing/")


def emptied(target: Target, route: Route, *fields: str) -> tuple[set[int], int]:
    """The statuses of some requests to an upstream that is open, and that of a handshake after them."""
    # An earlier attack may have emptied it for ten seconds.
    wait_until(lambda: target.ask(route, *HANDSHAKE).status == 101, "the upstream is open")
    statuses = {target.ask(route, *fields).status for _request in range(6)}
    return statuses, target.ask(route, *HANDSHAKE).status


def test_plain_requests_to_an_upstream_of_websockets(gateway: Gateway) -> None:
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
    """
    offer = f"Sec-WebSocket-Protocol: {'x' * 7000}"
    assert emptied(tutorial(gateway), AGREEING, *HANDSHAKE, offer) == ({502}, 502)
    assert emptied(ours(gateway), AGREEING, *HANDSHAKE, offer) == ({101}, 101)


def seen_by_others(target: Target, route: Route, attack: str) -> Counter[int]:
    """What a user is answered who polls, while somebody else makes every server fail ten times a second."""
    with ThreadPoolExecutor() as executor:
        attacks = executor.submit(attacked, target, route._replace(path=f"{route.path}{attack}"))
        statuses: Counter[int] = Counter()
        while not attacks.done():
            statuses[target.ask(route._replace(path=f"{route.path}?user=other"), source="127.0.11.1").status] += 1
            sleep(0.2)
        assert set(attacks.result()) == {502}
    return statuses


def attacked(target: Target, route: Route) -> Sequence[int]:
    """The answers to 120 requests, for longer than the ten seconds that nginx leaves a server out."""
    statuses = []
    for _request in range(120):
        statuses.append(target.ask(route).status)
        sleep(0.1)
    return statuses


def at_once(seen: partial[Counter[int]], routes: Sequence[Route]) -> dict[str, set[int]]:
    """What others see on each of the routes, all under attack at the same time."""
    with ThreadPoolExecutor(max_workers=len(routes)) as executor:
        return {route.path: set(statuses) for route, statuses in zip(routes, executor.map(seen, routes), strict=True)}


BALANCES = [
    Route("app.example", 4000, f"/{name}/")
    for name in ("round-robin", "least-conn", "ip-hash", "hash", "consistent", "random", "random-two", "by-name")
]


@pytest.mark.parametrize("attack", ["?hang=up", "?header=40000"])
def test_requests_that_make_servers_fail_take_them_from_nobody_else(gateway: Gateway, attack: str) -> None:
    """A few of them are enough where nginx leaves a server out after its first failure."""
    before = seen_by_others(tutorial(gateway), Route("ws.serverlab.ca", 3000, "/"), attack)
    assert 502 in before
    assert at_once(partial(seen_by_others, ours(gateway), attack=attack), BALANCES) == {
        route.path: {200} for route in BALANCES
    }
