# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Handshakes: what the backend hears of the client's, and the client of the backend's answer."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping

import pytest
from gateway import Answer, Gateway
from tunnel import ACCEPTANCE, BINARY, HANDSHAKE, TEXT, Backend, frame, masked, request, response
from waiting import PATIENCE
from websockets.asyncio.server import ServerConnection, serve

SWITCHING = "101 Switching Protocols"
# These belong to each connection: RFC 9110, section 7.6.1.
BETWEEN_NEIGHBOURS = {"connection", "keep-alive"}
# nginx tells its own: proxy_hide_header in its manual.
OF_NGINX = {"server", "date"}
COOKIE = "session=" + "c" * 6000
SUBPROTOCOL = {"Sec-WebSocket-Protocol": "v1.chat, v2.chat"}
EXTENSION = {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits, x-other; q=1"}
ORIGIN = {"Origin": "https://app.example", "Authorization": "Basic Z3JheTpjYXQ="}

ASKED: dict[str, dict[str, str]] = {
    "as in the RFC": HANDSHAKE,
    "with subprotocols": {**HANDSHAKE, **SUBPROTOCOL},
    "with extensions": {**HANDSHAKE, **EXTENSION},
    "with an origin and credentials": {**HANDSHAKE, **ORIGIN},
    "with a cookie of 6 kB": {**HANDSHAKE, "Cookie": COOKIE},
    "with a short key": {**HANDSHAKE, "Sec-WebSocket-Key": "dG9vIHNob3J0"},
}
ANSWERED: dict[str, dict[str, str]] = {
    "as in the RFC": ACCEPTANCE,
    "with a subprotocol": {**ACCEPTANCE, "Sec-WebSocket-Protocol": "v2.chat"},
    "with an extension": {
        **ACCEPTANCE,
        "Sec-WebSocket-Extensions": "permessage-deflate; server_no_context_takeover; client_max_window_bits=10",
    },
    "with headers of 800 bytes": {**ACCEPTANCE, "Set-Cookie": "session=" + "c" * 700},
}
REFUSED: dict[str, tuple[str, dict[str, str], bytes]] = {
    "401": ("401 Unauthorized", {"WWW-Authenticate": 'Basic realm="chat"', "Content-Type": "text/plain"}, b"Who?\n"),
    "403": ("403 Forbidden", {"Content-Type": "text/html", "X-Reason": "origin"}, b"<p>No.</p>" * 1000),
    "302": ("302 Found", {"Location": "/login?next=%2Fchat", "Set-Cookie": "a=b; HttpOnly"}, b""),
    "503": ("503 Service Unavailable", {"Retry-After": "7", "Content-Type": "application/json"}, b'{"full": true}'),
    "426": ("426 Upgrade Required", {"Sec-WebSocket-Version": "13, 8"}, b"older, please"),
}


def fields(head: bytes) -> set[tuple[str, str]]:
    """A head's fields, without those that change hands at every hop."""
    pairs = (line.partition(": ") for line in head.decode("latin-1").split("\r\n")[1:-2])
    return {(name.lower(), value) for name, _colon, value in pairs} - {("connection", "Upgrade")}


def end_to_end(answer: Answer) -> tuple[int, set[tuple[str, str]], bytes]:
    """What of an answer is for the client, and not for its neighbour."""
    own = {(name.lower(), value) for name, value in answer.headers.items()}
    kept = {(name, value) for name, value in own if name not in BETWEEN_NEIGHBOURS | OF_NGINX}
    return answer.status, kept, answer.body


@pytest.mark.parametrize("headers", ASKED.values(), ids=ASKED)
def test_the_backend_hears_the_clients_handshake(route: Gateway, backend: Backend, headers: Mapping[str, str]) -> None:
    tunnel = backend.ask(route, request(route.server_name, "/chat?room=%201", headers))
    head = tunnel.backend.receive_head()
    assert head.startswith(b"GET /chat?room=%201 HTTP/1.1\r\n")
    wanted = {(name.lower(), value) for name, value in headers.items() if name != "Connection"}
    assert {field for field in fields(head) if field[0].startswith("sec-websocket-")} == {
        field for field in wanted if field[0].startswith("sec-websocket-")
    }
    assert wanted <= fields(head)
    assert b"\r\nconnection: upgrade\r\n" in head.lower()


@pytest.mark.parametrize("headers", ANSWERED.values(), ids=ANSWERED)
def test_the_client_hears_the_backends_acceptance(route: Gateway, backend: Backend, headers: Mapping[str, str]) -> None:
    tunnel = backend.ask(route, request(route.server_name, "/", HANDSHAKE))
    tunnel.backend.receive_head()
    tunnel.backend.send(response(SWITCHING, headers))
    head = tunnel.client.receive_head()
    assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    heard = {field for field in fields(head) if field[0] not in OF_NGINX | BETWEEN_NEIGHBOURS}
    assert heard == {(name.lower(), value) for name, value in headers.items() if name != "Connection"}
    assert b"\r\nconnection: upgrade\r\n" in head.lower()


@pytest.mark.parametrize(("status", "headers", "body"), REFUSED.values(), ids=REFUSED)
def test_the_client_hears_the_backends_refusal(
    route: Gateway, backend: Backend, status: str, headers: Mapping[str, str], body: bytes
) -> None:
    tunnel = backend.ask(route, request(route.server_name, "/", HANDSHAKE))
    tunnel.backend.receive_head()
    sent = {**headers, "Content-Length": str(len(body))}
    tunnel.backend.send(response(status, {**sent, "Connection": "close"}) + body)
    tunnel.backend.close()
    expected = {(name.lower(), value) for name, value in sent.items()}
    assert end_to_end(tunnel.client.receive_answer()) == (int(status[:3]), expected, body)


def test_a_invalid_key_is_refused_in_the_backends_own_words(
    gateway: Gateway, direct: Gateway, listener: socket.socket
) -> None:
    async def refusals() -> list[tuple[int, set[tuple[str, str]], bytes]]:
        async def nobody(_connection: ServerConnection) -> None:
            """No handshake gets this far."""

        async with serve(nobody, sock=listener.dup(), open_timeout=PATIENCE):
            answers = [
                await asyncio.to_thread(route.request, "GET", "/", headers=ASKED["with a short key"])
                for route in (direct, gateway)
            ]
        return [end_to_end(answer) for answer in answers]

    past, through = asyncio.run(refusals())
    assert past[0] == 400
    assert b"Sec-WebSocket-Key" in past[2]
    assert through == past


def test_a_handshake_without_a_key_is_refused_by_the_gateway(gateway: Gateway) -> None:
    keyless = {name: value for name, value in HANDSHAKE.items() if name != "Sec-WebSocket-Key"}
    assert gateway.request("GET", "/", headers=keyless).status == 426


@pytest.mark.parametrize("size", [1, 500, 3000, 20_000])
def test_frames_that_come_together_with_the_clients_handshake_are_not_lost(
    route: Gateway, backend: Backend, size: int
) -> None:
    early = masked(TEXT, b"first") + masked(BINARY, b"x" * size) + masked(TEXT, b"last")
    tunnel = backend.ask(route, request(route.server_name, "/", HANDSHAKE) + early)
    tunnel.backend.receive_head()
    tunnel.backend.send(response(SWITCHING, ACCEPTANCE))
    assert tunnel.backend.receive(len(early)) == early
    tunnel.client.receive_head()
    tunnel.client.send(masked(TEXT, b"later"))
    assert tunnel.backend.receive(len(masked(TEXT, b"later"))) == masked(TEXT, b"later")


@pytest.mark.parametrize("headers", ANSWERED.values(), ids=ANSWERED)
@pytest.mark.parametrize("size", [1, 500, 3000, 20_000])
def test_frames_that_come_together_with_the_backends_acceptance_are_not_lost(
    route: Gateway, backend: Backend, size: int, headers: Mapping[str, str]
) -> None:
    early = frame(TEXT, b"first") + frame(BINARY, b"x" * size) + frame(TEXT, b"last")
    tunnel = backend.ask(route, request(route.server_name, "/", HANDSHAKE))
    tunnel.backend.receive_head()
    tunnel.backend.send(response(SWITCHING, headers) + early)
    tunnel.client.receive_head()
    assert tunnel.client.receive(len(early)) == early
    tunnel.backend.send(frame(TEXT, b"later"))
    assert tunnel.client.receive(len(frame(TEXT, b"later"))) == frame(TEXT, b"later")


def test_frames_of_both_sides_cross_with_the_acceptance(route: Gateway, backend: Backend) -> None:
    up, down = masked(BINARY, b"u" * 5000), frame(BINARY, b"d" * 5000)
    tunnel = backend.ask(route, request(route.server_name, "/", HANDSHAKE) + up)
    tunnel.backend.receive_head()
    tunnel.backend.send(response(SWITCHING, ACCEPTANCE) + down)
    tunnel.client.receive_head()
    assert tunnel.client.receive(len(down)) == down
    assert tunnel.backend.receive(len(up)) == up


@pytest.mark.parametrize("size", [3000, 6000, 20_000])
def test_a_backends_large_header_fits(gateway: Gateway, backend: Backend, size: int) -> None:
    tunnel = backend.ask(gateway, request(gateway.server_name, "/", HANDSHAKE))
    tunnel.backend.receive_head()
    cookie = "session=" + "c" * size
    tunnel.backend.send(response(SWITCHING, {**ACCEPTANCE, "Set-Cookie": cookie}) + frame(TEXT, b"early"))
    assert ("set-cookie", cookie) in fields(tunnel.client.receive_head())
    assert tunnel.client.receive(len(frame(TEXT, b"early"))) == frame(TEXT, b"early")


def test_a_header_that_does_not_fit_is_a_bad_gateway(gateway: Gateway, backend: Backend) -> None:
    """A location's proxy_buffer_size is the way up, and the way down to leaner sockets."""
    variants = gateway.site("variants.example")
    tunnel = backend.ask(variants, request(variants.server_name, "/lean/", HANDSHAKE))
    tunnel.backend.receive_head()
    tunnel.backend.send(response(SWITCHING, {**ACCEPTANCE, "Set-Cookie": "session=" + "c" * 6000}))
    assert tunnel.client.receive_answer().status == 502
