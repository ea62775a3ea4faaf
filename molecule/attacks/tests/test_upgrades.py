# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Smuggling by an upgrade to h2c, and every other way to ask for an upgrade.

A backend that takes the upgrade turns the connection into a tunnel, through which requests reach it that the gateway
would have sent elsewhere, or nowhere.
"""

from __future__ import annotations

import re

import pytest
from attacker import (
    CHAT,
    H2C,
    HANDSHAKE,
    KEY,
    PAGE,
    REST1,
    REST2,
    VERSION,
    WS,
    Route,
    assert_refused,
    assert_smuggled,
    ours,
    request,
    tutorial,
)
from gateway import Gateway

SETTINGS = "HTTP2-Settings: AAMAAABkAAQAAP__"
OFFER = ("Connection: Upgrade, HTTP2-Settings", SETTINGS)
ON_BOTH = pytest.mark.parametrize("route", [CHAT, WS], ids=["port 3000", "/ws/"])


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(H2C, id="h2c"),
        pytest.param(("Upgrade: H2C", *OFFER), id="capitals"),
        pytest.param(("Upgrade:\th2c", *OFFER), id="tab"),
        pytest.param(("Upgrade: h2c",), id="no Connection"),
        pytest.param(("Upgrade: h2c", "Connection: close", SETTINGS), id="Connection close"),
        pytest.param(("Upgrade: h2c", *HANDSHAKE[1:]), id="else a handshake"),
    ],
)
def test_h2c_smuggling(gateway: Gateway, fields: tuple[str, ...]) -> None:
    """A plain request, as RFC 9110 section 7.8 allows; and none where a handshake is required."""
    for route in (CHAT, WS):
        assert_smuggled(tutorial(gateway).smuggle(route, *fields))
    outcome = ours(gateway).smuggle(CHAT, *fields)
    assert outcome.answer.status == 200
    assert "upgrade: " not in outcome.arrived[0].lower()
    assert_refused(ours(gateway).smuggle(WS, *fields), 426)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(("Upgrade: websocket, h2c", *HANDSHAKE[1:]), id="after websocket"),
        pytest.param(("Upgrade: h2c, websocket", *HANDSHAKE[1:]), id="before websocket"),
    ],
)
@ON_BOTH
def test_h2c_beside_websocket(gateway: Gateway, route: Route, fields: tuple[str, ...]) -> None:
    assert_smuggled(tutorial(gateway).smuggle(route, *fields))
    assert_refused(ours(gateway).smuggle(route, *fields), 426)


def test_h2c_in_a_line_before_that_to_websocket(gateway: Gateway) -> None:
    """nginx before 1.23.0 knows the first line alone, and passes on neither."""
    fields = ("Upgrade: h2c", "Upgrade: websocket", *HANDSHAKE[1:])
    assert_smuggled(tutorial(gateway).smuggle(CHAT, *fields))
    outcome = ours(gateway).smuggle(CHAT, *fields)
    if gateway.name == "gateway-trixie":
        assert_refused(outcome, 426)
    else:
        assert outcome.answer.status == 200
        assert "upgrade: " not in outcome.arrived[0].lower()
    assert_refused(ours(gateway).smuggle(WS, *fields), 426)


@pytest.mark.parametrize("fields", [H2C, ("Upgrade: TLS/1.2", "Connection: Upgrade")], ids=["h2c", "TLS"])
@pytest.mark.parametrize("route", [CHAT, REST1, REST2, PAGE], ids=["port 3000", "/apiv1/", "/apiv2/", "/"])
def test_a_client_that_offers_another_protocol_is_served_with_its_body(
    gateway: Gateway, route: Route, fields: tuple[str, ...]
) -> None:
    """As Java's HttpClient, curl --http2 and Apache's HttpClient do by themselves."""
    outcome = ours(gateway).smuggle(route, *fields, method="POST", content="length")
    assert outcome.answer.status == 200
    assert "upgrade: " not in outcome.arrived[0].lower()
    assert "Content-Length: " in outcome.arrived[0]


def test_what_is_smuggled_reaches_what_the_gateway_keeps_from_clients(gateway: Gateway) -> None:
    """Under /admin/ the gateway has the frontend, not the API's own administration."""
    smuggled = tutorial(gateway).smuggle(WS, *H2C).smuggled
    assert smuggled["backend"] == "apicommon"
    assert smuggled["headers"] == {"host": ["internal"]}


@ON_BOTH
def test_an_upgrade_to_h2c_in_a_line_after_that_to_websocket(gateway: Gateway, route: Route) -> None:
    """nginx before 1.23.0 knows the first line alone: all that the attack gets is a WebSocket then, from both files."""
    fields = ("Upgrade: websocket", "Upgrade: h2c", *HANDSHAKE[1:])
    before, now = (target.smuggle(route, *fields) for target in (tutorial(gateway), ours(gateway)))
    if gateway.name == "gateway-trixie":
        assert_smuggled(before)
        assert_refused(now, 426)
    else:
        for outcome in (before, now):
            assert outcome.answer.status == 101
            assert outcome.smuggled is None
            assert "h2c" not in outcome.arrived[0]


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(HANDSHAKE, id="as in the RFC"),
        pytest.param(("Upgrade: WebSocket", "Connection: keep-alive, Upgrade", KEY, VERSION), id="as Firefox has it"),
        pytest.param(("upgrade: WEBSOCKET", "connection: UPGRADE", KEY, VERSION), id="capitals"),
        pytest.param(("Upgrade: websocket", "Connection: Upgrade,Keep-Alive", KEY, VERSION), id="Upgrade first"),
        pytest.param((*HANDSHAKE, "Content-Length: 0"), id="empty body"),
        *(
            pytest.param(("Upgrade: websocket", f"Connection: {value}", KEY, VERSION), id=f"Connection: {value!r}")
            for value in (
                *("keep-alive, Upgrade, foo", "upgrade,", ", upgrade", "close, Upgrade", "keep-alive,  Upgrade"),
                *("keep-alive,\tUpgrade", "Upgrade\t, x", "keep-alive ,Upgrade"),
            )
        ),
    ],
)
@ON_BOTH
def test_handshakes_that_are_none_of_this_pass(gateway: Gateway, route: Route, fields: tuple[str, ...]) -> None:
    with ours(gateway).connect(route.port) as connection:
        assert connection.ask(request(route, *fields)).status == 101
        headers = connection.message()["headers"]
    assert headers["upgrade"] == ["websocket"]
    assert headers["connection"] == ["upgrade"]


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(("Connection: Upgrade", "Connection: keep-alive"), id="Upgrade first"),
        pytest.param(("Connection: keep-alive", "Connection: Upgrade"), id="Upgrade last"),
        pytest.param(("Connection: Upgrade", "Connection: close, X-Real-IP"), id="takes away"),
    ],
)
@ON_BOTH
def test_two_lines_of_connection_are_taken_for_a_handshake_or_refused(
    gateway: Gateway, route: Route, lines: tuple[str, ...]
) -> None:
    """No attack with the tutorial either: both write a Connection of their own. Which one it is depends on nginx."""
    for target in (tutorial(gateway), ours(gateway)):
        outcome = target.smuggle(route, "Upgrade: websocket", *lines, KEY, VERSION)
        if outcome.answer.status == 101:
            (head,) = outcome.arrived
            assert re.findall(r"(?im)^connection: (.*?)\r?$", head) in (["upgrade"], ["Upgrade"])
        else:
            assert target == ours(gateway)
            assert_refused(outcome, 426)
