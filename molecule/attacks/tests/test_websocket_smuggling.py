# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WebSocket smuggling: an upgrade that no backend takes for a handshake, and that the gateway takes for one.

The gateway has to believe in a WebSocket that the backend has not opened. nginx believes in a 101 alone, so a backend
must be made to answer that: by a health check, say, that answers with the status of a URL of the attacker's choice.
"""

from __future__ import annotations

import contextlib
import uuid
from typing import Any

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
    arrived,
    assert_refused,
    assert_smuggled,
    ours,
    request,
    tutorial,
)
from gateway import Gateway

MADE_TO_SWITCH = "status=101"
ON_BOTH = pytest.mark.parametrize("route", [CHAT, WS], ids=["port 3000", "/ws/"])
NO_HANDSHAKES = [
    pytest.param(HANDSHAKE, {"method": "POST"}, id="POST"),
    pytest.param(HANDSHAKE, {"method": "POST", "content": "length"}, id="POST, length"),
    pytest.param(HANDSHAKE, {"method": "POST", "content": "chunked"}, id="POST, chunked"),
    pytest.param(HANDSHAKE, {"method": "PUT", "content": "length"}, id="PUT, length"),
    pytest.param(HANDSHAKE, {"method": "PUT", "content": "chunked"}, id="PUT, chunked"),
    pytest.param(HANDSHAKE, {"method": "OPTIONS"}, id="OPTIONS"),
    pytest.param(HANDSHAKE, {"method": "GETS"}, id="no method at all"),
    pytest.param(HANDSHAKE, {"content": "length"}, id="GET, length"),
    pytest.param(HANDSHAKE, {"content": "chunked"}, id="GET, chunked"),
    pytest.param(HANDSHAKE, {"version": "HTTP/1.0"}, id="HTTP 1.0"),
    pytest.param((*HANDSHAKE[:3], "Sec-WebSocket-Version: 12"), {}, id="version 12"),
    pytest.param((*HANDSHAKE[:3], "Sec-WebSocket-Version: 999"), {}, id="version 999"),
    pytest.param((*HANDSHAKE[:3], "Sec-WebSocket-Version: 13, 12"), {}, id="version 13, 12"),
    pytest.param(HANDSHAKE[:3], {}, id="no version"),
    pytest.param(("Upgrade: websocket", KEY, VERSION), {}, id="no Connection"),
    pytest.param(("Upgrade: websocket", "Connection: close", KEY, VERSION), {}, id="close"),
    pytest.param(("Upgrade: websocket", "Connection: keep-alive", KEY, VERSION), {}, id="keep-alive"),
    pytest.param(("Upgrade: websocket", "Connection: upgrades", KEY, VERSION), {}, id="upgrades"),
    pytest.param(("Upgrade: websocket", "Connection: Upgrade", VERSION), {}, id="no key"),
    pytest.param(("Upgrade: websocket", "Connection: close", "Sec-WebSocket-Key: x upgrade,", VERSION), {}, id="key"),
    pytest.param(("Upgrade: websocket", "Connection: a upgrade, b", KEY, VERSION), {}, id="a upgrade"),
    pytest.param(("Upgrade: websockets", *HANDSHAKE[1:]), {}, id="websockets"),
    pytest.param(("Upgrade: websocket/13", *HANDSHAKE[1:]), {}, id="websocket/13"),
    pytest.param(("Upgrade: websocket, websocket", *HANDSHAKE[1:]), {}, id="websocket, websocket"),
    pytest.param(("Upgrade: ,websocket", *HANDSHAKE[1:]), {}, id=",websocket"),
    pytest.param(("Upgrade:\twebsocket", *HANDSHAKE[1:]), {}, id="tab before websocket"),
    pytest.param(("Upgrade: websocket\t", *HANDSHAKE[1:]), {}, id="tab after websocket"),
]
# Upgrades that are ignored: a backend sees a plain request.
IGNORED = [
    pytest.param(H2C, id="h2c"),
    pytest.param(("Upgrade: TLS/1.0", "Connection: Upgrade"), id="TLS"),
    pytest.param(("Upgrade:",), id="empty"),
    pytest.param(("Upgrade:", "Upgrade:"), id="two empty ones"),
]


@pytest.mark.parametrize("version", [("Sec-WebSocket-Version: 12",), ("Sec-WebSocket-Version: 999",), ()])
@ON_BOTH
def test_a_bad_version_that_is_answered_426(gateway: Gateway, route: Route, version: tuple[str, ...]) -> None:
    """The first scenario of https://github.com/0ang3el/websocket-smuggle works with proxies that look at the request
    alone. nginx, also with the tutorial's file, passes the 426 on and goes on with HTTP. Here it never gets that far.
    """
    fields = (*HANDSHAKE[:3], *version)
    before = tutorial(gateway).smuggle(route, *fields)
    assert before.answer.status == 426
    assert len(before.arrived) == 1
    for target in (tutorial(gateway), ours(gateway)):
        with target.connect(route.port) as connection:
            assert connection.ask(request(route, *fields)).status == 426
            page = connection.ask(request(route._replace(path="/page"))).json
        assert not page["tunnel"]
        assert page["headers"]["host"] == [route.host]
    assert_refused(ours(gateway).smuggle(route, *fields), 426)


@pytest.mark.parametrize(("fields", "how"), NO_HANDSHAKES)
@ON_BOTH
def test_a_backend_of_websockets_made_to_answer_101(
    gateway: Gateway, route: Route, fields: tuple[str, ...], how: dict[str, Any]
) -> None:
    assert_smuggled(tutorial(gateway).smuggle(route, *fields, query=MADE_TO_SWITCH, **how))
    assert_refused(ours(gateway).smuggle(route, *fields, query=MADE_TO_SWITCH, **how), 426)


@pytest.mark.parametrize(("fields", "how"), [*NO_HANDSHAKES, pytest.param(HANDSHAKE, {}, id="handshake")])
@pytest.mark.parametrize("route", [REST1, REST2, PAGE], ids=["/apiv1/", "/apiv2/", "/"])
def test_a_backend_without_websockets_made_to_answer_101(
    gateway: Gateway, route: Route, fields: tuple[str, ...], how: dict[str, Any]
) -> None:
    """The tutorial does not pass the upgrade on. That is not enough: to nginx the client has asked for one."""
    assert_smuggled(tutorial(gateway).smuggle(route, *fields, query=MADE_TO_SWITCH, **how))
    assert_refused(ours(gateway).smuggle(route, *fields, query=MADE_TO_SWITCH, **how), 400)


@pytest.mark.parametrize("content", ["length", "chunked"])
@ON_BOTH
def test_a_body_that_hides_a_request(gateway: Gateway, route: Route, content: str) -> None:
    """With a body that belongs to it, a request is one request, to the tutorial's nginx too."""
    before = tutorial(gateway).smuggle(route, *HANDSHAKE, method="POST", content=content)
    assert before.answer.status == 200
    assert len(before.arrived) == 1
    assert_refused(ours(gateway).smuggle(route, *HANDSHAKE, method="POST", content=content), 426)


@ON_BOTH
def test_a_handshake_that_the_backend_is_made_to_answer_101(gateway: Gateway, route: Route) -> None:
    """A limit of nginx: this is a handshake in each byte, and nginx does not miss the Sec-WebSocket-Accept."""
    for target in (tutorial(gateway), ours(gateway)):
        outcome = target.smuggle(route, *HANDSHAKE, query=MADE_TO_SWITCH)
        assert_smuggled(outcome)
        assert "Upgrade: websocket\r\n" in outcome.arrived[0]


@pytest.mark.parametrize("fields", IGNORED)
@pytest.mark.parametrize("route", [CHAT, REST1, REST2, PAGE], ids=["port 3000", "/apiv1/", "/apiv2/", "/"])
def test_a_backend_that_answers_101_to_a_plain_request(gateway: Gateway, route: Route, fields: tuple[str, ...]) -> None:
    """A limit of nginx: to it the client has asked for an upgrade, whatever of it was passed on.

    So a backend that can be made to answer 101 opens a tunnel. Where a handshake is required, it opens none.
    """
    assert_smuggled(tutorial(gateway).smuggle(route, *fields, query=MADE_TO_SWITCH))
    outcome = ours(gateway).smuggle(route, *fields, query=MADE_TO_SWITCH)
    assert_smuggled(outcome)
    assert all("Upgrade" not in head for head in outcome.arrived)
    assert_refused(ours(gateway).smuggle(WS, *fields, query=MADE_TO_SWITCH), 426)


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        *((path, fields) for path in ("/plain/", "/") for fields in (H2C, ("Upgrade:",))),
    ],
)
def test_where_headers_more_takes_the_upgrade_away_such_a_backend_gets_no_tunnel(
    gateway: Gateway, path: str, fields: tuple[str, ...]
) -> None:
    if gateway.name != "gateway-trixie":
        pytest.skip("only the other gateway has the module")
    route = Route("clear.example", 4000, path)
    token = uuid.uuid4().hex
    with ours(gateway).connect(route.port) as connection:
        connection.sock.settimeout(3)
        made_to_switch = request(route._replace(path=f"{path}?{MADE_TO_SWITCH}"), *fields)
        connection.sock.sendall(made_to_switch + request(route._replace(path=f"/admin/{token}")))
        # To nginx the 101 begins a response whose end it waits for.
        with contextlib.suppress(TimeoutError):
            connection.sock.recv(1)
    assert arrived(token) == []
    assert ours(gateway).ask(route, *fields).status == 200
