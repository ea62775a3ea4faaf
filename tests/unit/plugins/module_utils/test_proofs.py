# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What counts as the proof of a route, against real servers on loopback."""

from __future__ import annotations

import http
import threading
import typing as t
from contextlib import contextmanager

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils import proofs
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve
from websockets.typing import Subprotocol


@contextmanager
def backend(plain: http.HTTPStatus | None = None, upgrade: http.HTTPStatus | None = None) -> t.Iterator[int]:
    """A WebSocket server that answers plain requests, and upgrades where a status is given, as a route would."""

    def answer(connection: ServerConnection, request: Request) -> Response | None:
        status = upgrade if "Upgrade" in request.headers else plain
        return None if status is None else connection.respond(status, "")

    with serve(lambda connection: None, "127.0.0.1", 0, process_request=answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.socket.getsockname()[1]
        server.shutdown()
        thread.join()


def prove(port: int, websocket: bool | str, **options: t.Any) -> dict[str, t.Any]:
    scheme = "ws" if websocket else "http"
    (result,) = proofs.prove_all(
        [
            {
                "site": "a.example",
                "path": "/x",
                "url": f"{scheme}://a.example:{port}/x",
                "connect_to": f"127.0.0.1:{port}",
                "websocket": websocket,
                **options,
            }
        ]
    )
    return result


@pytest.mark.parametrize(
    ("websocket", "plain", "upgrade", "status", "proven"),
    [
        (True, None, None, 101, "handshake"),
        ("required", http.HTTPStatus.UPGRADE_REQUIRED, None, 101, "handshake, 426 to plain HTTP"),
        (False, None, http.HTTPStatus.OK, 200, "plain HTTP, upgrade not passed on"),
        (False, None, http.HTTPStatus.NOT_FOUND, 404, "plain HTTP, upgrade not passed on"),
    ],
)
def test_a_route_that_answers_as_it_should_is_proven(
    websocket: bool | str,
    plain: http.HTTPStatus | None,
    upgrade: http.HTTPStatus | None,
    status: int,
    proven: str,
) -> None:
    with backend(plain, upgrade) as port:
        result = prove(port, websocket)
    assert (result["status"], result["proven"], result["failure"]) == (status, proven, "")
    assert result["milliseconds"] > 0


@pytest.mark.parametrize(
    ("websocket", "plain", "upgrade", "failure"),
    [
        (True, None, http.HTTPStatus.OK, "answered 200 OK: a plain HTTP answer"),
        ("required", http.HTTPStatus.OK, None, "a plain request was answered 200 OK, not 426 Upgrade Required"),
        ("required", http.HTTPStatus.UPGRADE_REQUIRED, http.HTTPStatus.FORBIDDEN, "answered 403 Forbidden"),
        (False, None, None, "the upgrade was passed on, although websocket is false"),
        (False, None, http.HTTPStatus.BAD_GATEWAY, "answered 502 Bad Gateway: no server of the pool gave an answer"),
    ],
)
def test_a_route_that_answers_otherwise_is_not(
    websocket: bool | str, plain: http.HTTPStatus | None, upgrade: http.HTTPStatus | None, failure: str
) -> None:
    with backend(plain, upgrade) as port:
        result = prove(port, websocket)
    assert failure in result["failure"]
    assert result["proven"] == ""


def test_a_route_where_nothing_listens_is_not() -> None:
    with backend() as port:
        pass
    result = prove(port, False)
    assert "refused" in result["failure"]
    assert result["status"] is None


@pytest.mark.parametrize(("status", "failure"), [(503, ""), (200, "answered 503 Service Unavailable, not 200")])
def test_a_route_may_be_told_what_to_answer(status: int, failure: str) -> None:
    with backend(http.HTTPStatus.OK, http.HTTPStatus.SERVICE_UNAVAILABLE) as port:
        assert prove(port, False, status=status)["failure"] == failure


def test_a_route_is_asked_with_the_headers_and_the_message_of_its_probe() -> None:
    asked: list[Request] = []

    def answer(connection: ServerConnection, request: Request) -> Response | None:
        asked.append(request)
        return None

    def converse(connection: ServerConnection) -> None:
        connection.send("welcome")
        connection.send(f"you said {connection.recv(decode=True)}")

    with serve(converse, "127.0.0.1", 0, process_request=answer, subprotocols=[Subprotocol("chat")]) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        ask = {"origin": "https://a.example", "headers": {"X-Token": "secret"}, "subprotocols": ["chat"], "send": "hi"}
        port = server.socket.getsockname()[1]
        heard = prove(port, True, **ask, expect="you said hi")
        silent = prove(port, True, **ask, expect="you said ho")
        server.shutdown()
        thread.join()
    assert heard["proven"] == "handshake, message"
    assert "the last text message that came was" in silent["failure"]
    assert [(item.headers["Origin"], item.headers["X-Token"]) for item in asked] == [
        ("https://a.example", "secret")
    ] * 2


def test_a_route_without_a_backend_yet_is_asked_again_while_there_is_time() -> None:
    statuses = iter([http.HTTPStatus.BAD_GATEWAY] * 3)

    def answer(connection: ServerConnection, request: Request) -> Response | None:
        status = next(statuses, None)
        return None if status is None else connection.respond(status, "")

    with serve(lambda connection: None, "127.0.0.1", 0, process_request=answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        port = server.socket.getsockname()[1]
        assert "answered 502 Bad Gateway" in prove(port, True)["failure"]
        assert prove(port, True, wait=5)["proven"] == "handshake"
        server.shutdown()
        thread.join()
