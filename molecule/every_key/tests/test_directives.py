# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of nginx beside the keys act on handshakes as on plain requests."""

from __future__ import annotations

import http.client
import json
import uuid
from typing import Any

import pytest
from gateway import Gateway
from waiting import PATIENCE, wait_until
from websockets.exceptions import InvalidStatus

SESSION = {"Cookie": "session=good"}
BYTES = ["\xff\xfe", "caf\xe9", "\xed\xa0\x80", 'a"\\b']


@pytest.fixture
def lines(gateway: Gateway) -> Gateway:
    return gateway.site("lines.example")


def seen(site: Gateway, path: str, *, handshake: bool, **headers: str) -> tuple[int, Any]:
    """The status of a request, and what its backend saw of it."""
    if not handshake:
        answer = site.request("GET", path, headers=headers)
        return answer.status, answer.json if answer.status == 200 else None
    try:
        with site.websocket(f"{path}?describe", additional_headers=headers) as connection:
            return 101, json.loads(connection.recv(PATIENCE))
    except InvalidStatus as refusal:
        return refusal.response.status_code, None


both = pytest.mark.parametrize("handshake", [True, False], ids=["handshake", "plain"])


@both
def test_headers_of_a_site_are_those_of_its_locations_unless_they_have_their_own(
    lines: Gateway, *, handshake: bool
) -> None:
    _status, request = seen(lines, "/a", handshake=handshake)
    assert request["headers"]["x-which"] == ["shared"]
    _status, request = seen(lines, "/own/a", handshake=handshake)
    assert request["headers"]["x-which"] == ["own"]
    assert "x-forwarded-for" in request["headers"]


@both
def test_a_map_of_the_operators_is_known_in_headers(lines: Gateway, *, handshake: bool) -> None:
    plans = [
        seen(lines, "/a", handshake=handshake, **headers)[1]["headers"]["x-plan"]
        for headers in ({}, {"X-Plan": "gold"})
    ]
    assert plans == [["free"], ["paid"]]


@both
@pytest.mark.parametrize("path", ["/session/a", "/limited-session/a"])
def test_a_session_is_checked_by_a_location_without_websockets(lines: Gateway, path: str, *, handshake: bool) -> None:
    assert seen(lines, path, handshake=handshake)[0] == 401
    assert seen(lines, path, handshake=handshake, **SESSION)[0] == (101 if handshake else 200)


@both
@pytest.mark.parametrize("path", ["/down/a", "/moved/a"])
def test_who_is_sent_elsewhere_gets_there(lines: Gateway, path: str, *, handshake: bool) -> None:
    status, request = seen(lines, path, handshake=handshake)
    assert status == (101 if handshake else 200)
    assert request["path"].startswith("/own/a" if path == "/moved/a" else path)


@both
def test_who_is_denied_is_denied(lines: Gateway, *, handshake: bool) -> None:
    assert seen(lines, "/denied/", handshake=handshake)[0] == 403


@pytest.mark.parametrize("path", ["/own", "/limited-session"])
def test_a_path_without_its_slash_is_redirected_to_the_same_name_and_port(lines: Gateway, path: str) -> None:
    answer = lines.request("GET", path, headers={"Host": "lines.example:8123"})
    assert (answer.status, answer.headers["Location"]) == (301, f"{path}/")


@both
@pytest.mark.parametrize("name", ["chat.numbered.example", "chat.example.numbered"])
def test_captures_of_a_name_and_of_a_location_are_there(gateway: Gateway, name: str, *, handshake: bool) -> None:
    """The maps of the file have expressions too, and nginx keeps the captures of the last one alone."""
    site = gateway.site(name)
    _status, request = seen(site, "/a", handshake=handshake)
    assert request["headers"]["x-name"] == ["chat"]
    assert request["headers"].get("x-tenant") == (["chat"] if name.endswith("numbered") else None)
    assert request["headers"]["host"] == [f"{name}:8080" if handshake else name]
    _status, request = seen(site, "/room-12", handshake=handshake)
    assert request["headers"]["x-room"] == ["12"]


@both
def test_a_name_without_an_expression_has_no_captures(gateway: Gateway, *, handshake: bool) -> None:
    _status, request = seen(gateway.site("plain.numbered"), "/a", handshake=handshake)
    assert "x-name" not in request["headers"]


@pytest.mark.parametrize("text", BYTES, ids=ascii)
def test_the_log_is_json_in_utf_8_whatever_a_client_sends(lines: Gateway, text: str) -> None:
    token = uuid.uuid4().hex
    with lines.open_socket(lines.port) as connection:
        request = (
            f"GET /{token}/%ff{text} HTTP/1.1\r\nHost: lines.example\r\nOrigin: {text}\r\nUser-Agent: a{text}\r\n\r\n"
        )
        connection.sendall(request.encode("latin-1"))
        response = http.client.HTTPResponse(connection)
        response.begin()
    log = "/var/log/nginx/websockets_489.log"
    wait_until(lambda: token.encode() in lines.path(log).read_bytes(), "nginx has logged the request")
    (line,) = (line for line in lines.path(log).read_bytes().splitlines() if token.encode() in line)
    entry = json.loads(line.decode())
    ascii_part = text if text.isascii() else text[: next(at for at, char in enumerate(text) if not char.isascii())]
    assert entry["path"] == f"/{token}/%ff{ascii_part}"
    assert (entry["origin"], entry["user_agent"]) == (ascii_part, f"a{ascii_part}")
    assert len(entry["id"]) == 32
    assert (entry["upstream_status"], entry["tls"]) == (str(response.status), "")
