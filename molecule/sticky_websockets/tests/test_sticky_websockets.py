# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WebSockets over three backends, each client always at the same one."""

from __future__ import annotations

import json
import os
from typing import Any

from gateway import Gateway
from waiting import PATIENCE
from websockets.sync.client import ClientConnection

BACKENDS = {"server01", "server02", "server03"}
H2C = {"Upgrade": "h2c", "Connection": "Upgrade, HTTP2-Settings", "HTTP2-Settings": "AAMAAABkAAQAAP__"}


def backend_of(connection: ClientConnection) -> str:
    assert connection.response is not None
    return connection.response.headers["X-Echo-Backend"]


def described(connection: ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(connection.recv(timeout=PATIENCE))
    return message


def test_the_handshake_of_rfc_6455_gets_101_and_the_rfcs_accept(gateway: Gateway) -> None:
    handshake = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
    }
    answer = gateway.request("GET", "/chat", headers=handshake)
    assert answer.status == 101
    assert answer.headers["Sec-WebSocket-Accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert answer.headers["Upgrade"].lower() == "websocket"
    assert answer.headers["Connection"].lower() == "upgrade"


def test_text_is_echoed(gateway: Gateway) -> None:
    with gateway.websocket("/") as connection:
        connection.send("Grüße, 世界")
        assert connection.recv(timeout=PATIENCE) == "Grüße, 世界"


def test_a_mebibyte_is_echoed(gateway: Gateway) -> None:
    message = os.urandom(2**20)
    with gateway.websocket("/") as connection:
        connection.send(message)
        assert connection.recv(timeout=PATIENCE) == message


def test_the_subprotocol_is_negotiated_with_the_backend(gateway: Gateway) -> None:
    with gateway.websocket("/", subprotocols=["other", "echo"]) as connection:
        assert connection.subprotocol == "echo"


def test_the_backend_learns_path_host_and_client(gateway: Gateway) -> None:
    with gateway.websocket("/rooms/1?describe&x=%20", source="127.0.7.1") as connection:
        request = described(connection)
    assert request["path"] == "/rooms/1?describe&x=%20"
    assert request["headers"]["host"][0].partition(":")[0] == "ws.serverlab.ca"
    assert request["headers"]["x-forwarded-for"] == ["127.0.7.1"]
    assert request["headers"]["x-real-ip"] == ["127.0.7.1"]
    assert request["headers"]["x-forwarded-proto"] == ["http"]


def test_a_client_cannot_hide_behind_its_own_forwarded_for(gateway: Gateway) -> None:
    lie = {"X-Forwarded-For": "192.0.2.1"}
    with gateway.websocket("/?describe", source="127.0.7.1", additional_headers=lie) as connection:
        (addresses,) = described(connection)["headers"]["x-forwarded-for"]
    assert addresses == "192.0.2.1, 127.0.7.1"


def test_the_backend_sees_the_upgrade_that_nginx_wrote(gateway: Gateway) -> None:
    with gateway.websocket("/?describe") as connection:
        headers = described(connection)["headers"]
    assert headers["upgrade"] == ["websocket"]
    assert [value.lower() for value in headers["connection"]] == ["upgrade"]


def test_a_client_always_meets_the_same_backend(gateway: Gateway) -> None:
    met = set()
    for _visit in range(20):
        with gateway.websocket("/", source="127.0.9.1") as connection:
            met.add(backend_of(connection))
    assert len(met) == 1


def test_clients_of_many_networks_spread_over_all_backends(gateway: Gateway) -> None:
    met = set()
    for network in range(1, 61):
        with gateway.websocket("/", source=f"127.0.{network}.1") as connection:
            met.add(backend_of(connection))
    assert met == BACKENDS


def test_plain_http_passes_on_the_same_route(gateway: Gateway) -> None:
    answer = gateway.request("GET", "/status?describe")
    assert answer.status == 200
    assert answer.json["path"] == "/status?describe"
    assert "upgrade" not in answer.json["headers"]


def test_an_h2c_upgrade_does_not_reach_the_backend(gateway: Gateway) -> None:
    answer = gateway.request("GET", "/?describe", headers=H2C)
    assert answer.status == 200
    assert "upgrade" not in answer.json["headers"]


def test_what_names_websocket_and_is_no_handshake_is_refused(gateway: Gateway) -> None:
    answer = gateway.request("GET", "/?describe", headers={"Upgrade": "websocket"})
    assert answer.status == 426
    assert answer.headers["Upgrade"] == "websocket"
    assert answer.headers["Sec-WebSocket-Version"] == "13"


def test_a_name_that_no_site_has_is_refused(gateway: Gateway) -> None:
    assert gateway.site("other.example").request("GET", "/").status == 421


def test_an_open_websocket_survives_a_reload(gateway: Gateway) -> None:
    with gateway.websocket("/") as connection:
        gateway.run("systemctl reload nginx")
        connection.send("still there?")
        assert connection.recv(timeout=PATIENCE) == "still there?"
