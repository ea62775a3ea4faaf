# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""REST, WebSockets and a frontend behind one name, each kept to its own routes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from gateway import Gateway
from waiting import PATIENCE
from websockets.exceptions import InvalidStatus

PAGE = Path(__file__).parents[1] / "files" / "index.html"
H2C = {"Upgrade": "h2c", "Connection": "Upgrade, HTTP2-Settings", "HTTP2-Settings": "AAMAAABkAAQAAP__"}
HANDSHAKE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}


def assert_no_upgrade(headers: dict[str, list[str]]) -> None:
    assert "upgrade" not in headers
    assert "upgrade" not in "".join(headers.get("connection", [])).lower()


def test_a_websocket_opens_and_echoes(gateway: Gateway) -> None:
    message = os.urandom(2**20)
    with gateway.websocket("/ws/rooms/1?describe", source="127.0.7.1") as connection:
        request = json.loads(connection.recv(timeout=PATIENCE))
        connection.send("hello")
        assert connection.recv(timeout=PATIENCE) == "hello"
        connection.send(message)
        assert connection.recv(timeout=PATIENCE) == message
    assert request["backend"] == "apicommon"
    assert request["path"] == "/ws/rooms/1?describe"
    assert request["headers"]["host"][0].partition(":")[0] == "localhost"
    assert request["headers"]["x-forwarded-for"] == ["127.0.7.1"]


@pytest.mark.parametrize("headers", [{}, H2C], ids=["plain", "h2c"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_websocket_route_asks_others_to_upgrade(gateway: Gateway, method: str, headers: dict[str, str]) -> None:
    answer = gateway.request(method, "/ws/", headers=headers)
    assert answer.status == 426
    assert answer.headers["Upgrade"].lower() == "websocket"
    assert answer.headers["X-Echo-Backend"] is None


@pytest.mark.parametrize(
    ("method", "body", "status"),
    [("GET", None, 200), ("POST", '{"name": "ü"}', 201), ("PUT", '{"name": "ö"}', 200), ("DELETE", None, 204)],
)
def test_rest_passes_untouched(gateway: Gateway, method: str, body: str | None, status: int) -> None:
    headers = {"Content-Type": "application/json; charset=utf-8", "X-Request-Id": "4711"}
    path = "/apiv1/items/7?sort=name&q=%C3%BC%20x"
    content = body.encode() if body else None
    answer = gateway.request(method, path, headers=headers, body=content)
    assert answer.status == status
    assert answer.headers["X-Method"] == method
    if status == 204:
        assert answer.body == b""
        return
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json["method"] == method
    assert answer.json["path"] == path
    assert answer.json["body"] == (body or "")
    assert answer.json["headers"]["content-type"] == [headers["Content-Type"]]
    assert answer.json["headers"]["x-request-id"] == ["4711"]
    assert answer.json["headers"]["host"][0].partition(":")[0] == "localhost"


def test_the_status_of_a_failed_rest_call_passes(gateway: Gateway) -> None:
    answer = gateway.request("GET", "/apiv1/missing")
    assert answer.status == 404
    assert answer.json["path"] == "/apiv1/missing"


def test_the_second_api_is_another_upstream(gateway: Gateway) -> None:
    answer = gateway.request("GET", "/apiv2/users")
    assert answer.status == 200
    assert answer.json["backend"] == "apicommon"
    assert answer.json["path"] == "/apiv2/users"


@pytest.mark.parametrize("path", ["/apiv1/?describe", "/apiv2/?describe"])
def test_a_handshake_does_not_reach_a_rest_backend(gateway: Gateway, path: str) -> None:
    assert gateway.request("GET", path, headers=HANDSHAKE).status == 400


@pytest.mark.parametrize("headers", [{"Connection": "Upgrade"}, H2C], ids=["none", "h2c"])
@pytest.mark.parametrize("path", ["/apiv1/?describe", "/apiv2/?describe"])
def test_a_rest_backend_sees_no_upgrade(gateway: Gateway, path: str, headers: dict[str, str]) -> None:
    answer = gateway.request("GET", path, headers=headers)
    assert answer.status == 200
    assert_no_upgrade(answer.json["headers"])


def test_a_websocket_client_is_refused_on_a_rest_route(gateway: Gateway) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        gateway.websocket("/apiv2/")
    assert refusal.value.response.status_code == 400


def test_the_frontends_page_arrives_byte_for_byte(gateway: Gateway) -> None:
    answer = gateway.request("GET", "/")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.body == PAGE.read_bytes()


def test_an_h2c_upgrade_does_not_reach_the_frontend(gateway: Gateway) -> None:
    """The frontend, lighttpd, accepts h2c: an upgrade that got through would be answered with 101."""
    assert gateway.request("GET", "/", headers=H2C).body == PAGE.read_bytes()
