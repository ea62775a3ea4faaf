# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which location takes a request, and what each key makes of it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from gateway import INVENTORY, Gateway
from waiting import PATIENCE
from websockets.exceptions import ConnectionClosed, InvalidStatus

PAGE = Path(__file__).parents[1] / "files" / "note.txt"
H2C = {"Upgrade": "h2c", "Connection": "Upgrade, HTTP2-Settings", "HTTP2-Settings": "AAMAAABkAAQAAP__"}


def described(gateway: Gateway, path: str, **options: Any) -> dict[str, Any]:
    with gateway.websocket(path, **options) as connection:
        message: dict[str, Any] = json.loads(connection.recv(PATIENCE))
    return message


def given_headers() -> dict[str, str]:
    """The headers of the location /headers/, from the inventory."""
    sites = yaml.safe_load((INVENTORY / "group_vars/ws_gateways/chat.yml").read_text())["gateway_sites_chat"]
    (headers,) = (location["headers"] for location in sites[0]["locations"] if location["path"] == "/headers/")
    return dict(headers)


@pytest.fixture
def chat(gateway: Gateway) -> Gateway:
    return gateway.site("chat.example")


@pytest.fixture
def api(gateway: Gateway) -> Gateway:
    return gateway.site("api.example")


def test_headers_arrive_byte_for_byte(chat: Gateway) -> None:
    expected = {
        **given_headers(),
        "X-Variables": "GET httpx/headers/?describe",
        "X-Brace": "http{2}",
    }
    # nginx sends no header that is empty.
    assert expected.pop("X-Real-IP") == ""
    arrived = described(chat, "/headers/?describe")["headers"]
    # The backend shows bytes that are not ASCII as lone surrogates.
    found = {name: [value.encode(errors="surrogateescape") for value in values] for name, values in arrived.items()}
    assert "x-real-ip" not in found
    assert {name: found.get(name.lower()) for name in expected} == {
        name: [value.encode()] for name, value in expected.items()
    }


def test_the_other_headers_stay_beside_given_ones(chat: Gateway) -> None:
    headers = described(chat, "/headers/?describe", source="127.0.7.1")["headers"]
    assert headers["x-forwarded-for"] == ["127.0.7.1"]
    assert headers["upgrade"] == ["websocket"]


def test_a_stripped_prefix_does_not_reach_the_backend(chat: Gateway) -> None:
    assert described(chat, "/by-room/a/b%20c?describe&room=1")["path"] == "/a/b%20c?describe&room=1"


def test_the_path_of_a_url_takes_the_place_of_the_locations_own(api: Gateway) -> None:
    assert described(api, "/old/a?describe")["path"] == "/new/a?describe"


def test_a_url_may_lead_over_a_unix_socket(api: Gateway) -> None:
    """The other end is the chat site, and behind it its upstream."""
    request = described(api, "/rooms/a?describe&room=1", source="127.0.7.1")
    assert request["path"] == "/a?describe&room=1"
    assert request["headers"]["x-forwarded-for"] == ["127.0.7.1, unix:"]


def test_a_url_may_lead_over_tls(api: Gateway) -> None:
    assert api.request("GET", "/secure/").body == b"HTTP/1.1 secure.example"


@pytest.mark.parametrize(
    ("path", "room"),
    [
        ("/room-12/live?describe", ["room:12"]),
        ("/ab-7/ws?describe", ["ab:7"]),
        ("/rooms-12/live?describe", None),
        ("/Room-12/live?describe", None),
        ("/room-12/live/?describe", None),
    ],
)
def test_an_expression_takes_what_it_matches_and_its_parts_are_variables(
    chat: Gateway, path: str, room: list[str] | None
) -> None:
    request = described(chat, path)
    assert request["path"] == path
    assert request["headers"].get("x-room") == room


def test_an_exact_location_takes_that_path_alone(chat: Gateway) -> None:
    assert described(chat, "/exact?describe")["path"] == "/exact?describe"
    assert chat.request("GET", "/exact").status == 426
    assert chat.request("GET", "/exact/").status == 200


def test_a_file_is_served_before_any_expression_is_tried(api: Gateway) -> None:
    answer = api.request("GET", "/files/note.txt")
    assert answer.body == PAGE.read_bytes()
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert api.request("GET", "/files/missing.txt").status == 404
    assert api.request("GET", "/other/note.TXT").body == b"no file"


@pytest.mark.parametrize(
    ("path", "status", "address"),
    [
        ("/login", 302, "https://secure.example/login?from=/login"),
        ("/moved/a?b=c", 301, "http://new.example/moved/a?b=c"),
    ],
)
def test_a_redirect_names_its_address(api: Gateway, path: str, status: int, address: str) -> None:
    answer = api.request("GET", path)
    assert (answer.status, answer.headers["Location"]) == (status, address)


def test_a_text_is_returned_to_the_letter_with_its_own_type(api: Gateway) -> None:
    answer = api.request("GET", "/health")
    assert answer.body == rb'{"status": "fine; # \ isn' + b"'" + rb't it", "host": "api.example"}'
    assert answer.headers["Content-Type"] == "application/json"
    assert api.request("GET", "/").headers["Content-Type"] == "text/plain"


@pytest.mark.parametrize(("size", "status"), [(10240, 200), (10241, 413)])
def test_a_body_may_have_the_given_size_and_no_more(api: Gateway, size: int, status: int) -> None:
    assert api.request("POST", "/upload/", body=b"x" * size).status == status


def test_an_unbuffered_request_reaches_the_backend_before_its_body(api: Gateway) -> None:
    with api.open_socket(8080) as connection:
        connection.settimeout(PATIENCE)
        connection.sendall(b"POST /upload/ HTTP/1.1\r\nHost: api.example\r\nContent-Length: 100\r\n\r\nfirst part")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")


def test_the_headers_of_frameworks_pass_by_default(api: Gateway) -> None:
    answer = api.request("GET", "/framed/")
    assert (answer.status, answer.headers["X-Larger"]) == (200, "L" * 3000)


def test_a_buffer_that_is_given_takes_no_larger_headers(api: Gateway) -> None:
    answer = api.request("GET", "/large/")
    assert answer.body == b"large"
    assert answer.headers["X-Largest"] == "L" * 3000
    assert api.request("GET", "/too-large/").status == 502


def test_silence_closes_a_socket_and_talk_keeps_it_open(chat: Gateway) -> None:
    with chat.websocket("/impatient/") as connection:
        # For longer than the three seconds that it may be silent.
        for _number in range(8):
            connection.send("hello")
            assert connection.recv(PATIENCE) == "hello"
            time.sleep(0.5)
        connection.send("hello")
        assert connection.recv(PATIENCE) == "hello"
        with pytest.raises(ConnectionClosed):
            connection.recv(PATIENCE)


def test_own_directives_guard_a_location(chat: Gateway) -> None:
    """The deploy's probe has passed them with all that its keys say."""
    token = {"X-Token": "open; sesame"}
    with pytest.raises(InvalidStatus) as refusal:
        chat.websocket("/guarded/", additional_headers=token)
    assert refusal.value.response.status_code == 403
    with pytest.raises(InvalidStatus) as refusal:
        chat.websocket("/guarded/", origin="https://chat.example")
    assert refusal.value.response.status_code == 401
    with chat.websocket(
        "/guarded/", origin="https://chat.example", additional_headers=token, subprotocols=["echo"]
    ) as connection:
        assert connection.subprotocol == "echo"


def test_a_sites_own_directives_answer_for_a_dead_backend(chat: Gateway) -> None:
    answer = chat.request("GET", "/gone/")
    assert (answer.status, answer.body) == (503, b"away; {back} soon")


@pytest.mark.parametrize("path", ["/", "/kept/", "/secure/"])
def test_an_h2c_upgrade_is_a_plain_request(api: Gateway, path: str) -> None:
    assert api.request("GET", path, headers=H2C).status == 200
