# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each way to spread sockets over servers, and what the parameters of servers and upstreams do."""

from __future__ import annotations

import http.client
from collections import Counter
from contextlib import ExitStack

from gateway import Gateway
from waiting import wait_until
from websockets.sync.client import ClientConnection

BACKENDS = {"server01", "server02"}


def backend_of(connection: ClientConnection) -> str:
    assert connection.response is not None
    return connection.response.headers["X-Echo-Backend"]


def backend_met(gateway: Gateway, path: str) -> str:
    with gateway.site("chat.example").websocket(path) as connection:
        return backend_of(connection)


def requests_per_connection(gateway: Gateway, path: str) -> list[int]:
    """How many requests each answer's connection to the backend had seen, for one client, so for one worker."""
    client = http.client.HTTPConnection("api.example")
    client.sock = gateway.open_socket(8080)
    seen = []
    for _visit in range(7):
        client.request("GET", path)
        seen.append(int(client.getresponse().read()))
    client.close()
    return seen


def test_round_robin_follows_the_weights_and_never_meets_the_host_that_is_down(gateway: Gateway) -> None:
    met = Counter(backend_met(gateway, "/") for _visit in range(8))
    assert met == {"server01": 6, "server02": 2}


def test_a_hash_keeps_each_room_on_one_server_and_uses_all_servers(gateway: Gateway) -> None:
    first = [backend_met(gateway, f"/by-room/?room={room}") for room in range(20)]
    again = [backend_met(gateway, f"/by-room/?room={room}") for room in range(20)]
    assert first == again
    assert set(first) == BACKENDS


def test_random_meets_all_servers(gateway: Gateway) -> None:
    assert {backend_met(gateway, "/by-chance/") for _visit in range(25)} == BACKENDS


def test_by_default_a_socket_goes_where_the_fewest_are_open(gateway: Gateway) -> None:
    with ExitStack() as stack:
        chat = gateway.site("chat.example")
        open_at = Counter(backend_of(stack.enter_context(chat.websocket("/by-load/"))) for _visit in range(6))
    assert open_at == {"server01": 3, "server02": 3}


def test_the_backup_serves_what_the_others_cannot_take(gateway: Gateway) -> None:
    """Of the others one is dead, and one takes a single connection."""
    with gateway.site("chat.example").websocket("/spare/") as connection:
        assert backend_of(connection) == "server01"
        assert backend_met(gateway, "/spare/") == "server02"
        assert backend_met(gateway, "/spare/") == "server02"
    wait_until(lambda: backend_met(gateway, "/spare/") == "server01", "the server is free again")


def test_kept_connections_end_where_the_upstreams_own_directive_says(gateway: Gateway) -> None:
    assert set(requests_per_connection(gateway, "/kept/requests")) == {1, 2, 3}


def test_without_keepalive_each_request_has_its_own_connection(gateway: Gateway) -> None:
    assert set(requests_per_connection(gateway, "/fresh/requests")) == {1}
