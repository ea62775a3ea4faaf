# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a WebSocket costs the gateway, and what the gateway tells of it."""

from __future__ import annotations

import json
import re
import socket
import time
import uuid
from contextlib import ExitStack
from typing import Any

import pytest
from gateway import Gateway
from waiting import PATIENCE, wait_until

HANDSHAKE = (
    b"GET /chat HTTP/1.1\r\nHost: ws.serverlab.ca\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
SOCKETS = 600
# proc(5): a timer of a socket is counted in hundredths of a second here.
TICKS = 100


def opened(gateway: Gateway, stack: ExitStack, fields: bytes = b"") -> socket.socket:
    connection = stack.enter_context(gateway.open_socket(gateway.port))
    connection.sendall(HANDSHAKE[:-2] + fields + b"\r\n")
    assert connection.recv(4096).startswith(b"HTTP/1.1 101 ")
    # A text of two letters, masked with zeros; nginx has both its buffers from here on.
    connection.sendall(b"\x81\x82\0\0\0\0hi")
    assert connection.recv(4096).endswith(b"hi")
    return connection


def private_kilobytes(gateway: Gateway) -> int:
    """The memory that nginx's workers share with nobody."""
    status = "".join(gateway.path(f"/proc/{pid}/status").read_text() for pid in gateway.workers())
    return sum(map(int, re.findall(r"^RssAnon:\s+(\d+) kB$", status, re.MULTILINE)))


# What a browser says beyond that, 1.7 kB in all: a few headers, and the cookies of somebody who has logged in.
BROWSER = b"Origin: http://ws.serverlab.ca:3000\r\nUser-Agent: %s\r\nCookie: %s\r\n" % (b"u" * 150, b"c" * 1250)


@pytest.mark.parametrize(("fields", "most"), [(b"", 21), (BROWSER, 23.5)], ids=["bare", "browser"])
def test_an_idle_websocket_costs_little_whoever_opened_it(gateway: Gateway, fields: bytes, most: float) -> None:
    """With the tutorials' file it is 17.6 and 26.6 kB (make bench). The first blocks of workers fill up here too."""
    with ExitStack() as stack:
        for _warming in range(50):
            opened(gateway, stack, fields)
    with ExitStack() as stack:
        before = private_kilobytes(gateway)
        for _socket in range(SOCKETS):
            opened(gateway, stack, fields)
        cost = (private_kilobytes(gateway) - before) / SOCKETS
    assert cost <= most


def timers(gateway: Gateway, port: int) -> tuple[set[tuple[str, int]], set[str]]:
    """The kernel's timers of the connection to a client's port, with their time, and of those to backends.

    man 5 proc has the fields: addresses, state, queues, and the timer.
    """
    found = re.findall(
        r"^\s*\d+: \S+:(\w+) \S+:(\w+) 01 \S+ (\d\d):(\w+)", gateway.run("cat /proc/net/tcp"), re.MULTILINE
    )
    ours = f"{gateway.port:04X}"
    to_client = {(timer, int(when, 16)) for local, to, timer, when in found if (local, to) == (ours, f"{port:04X}")}
    return to_client, {timer for local, to, timer, _when in found if to == ours and local != ours}


def test_both_ends_are_asked_whether_they_are_still_there(gateway: Gateway) -> None:
    """The kernel's timer of TCP keepalive runs on both connections, and on that of the client within a minute."""
    keepalive = "02"
    with ExitStack() as stack:
        port = opened(gateway, stack).getsockname()[1]

        def are_asked() -> bool:
            # Until all data is acknowledged, that has the timer.
            to_client, to_backend = timers(gateway, port)
            return {timer for timer, _when in to_client} == {keepalive} and keepalive in to_backend

        wait_until(are_asked, "keepalive has the timers")
        ((_timer, when),), _to_backend = timers(gateway, port)
        assert when <= 60 * TICKS


def lines_of(gateway: Gateway, path: str) -> list[dict[str, Any]]:
    """The log's lines of the requests for a path."""
    lines = gateway.path("/var/log/nginx/websockets.log").read_text().splitlines()
    return [line for line in map(json.loads, lines) if line["path"] == path]


def test_a_websocket_leaves_one_line_when_it_is_closed_and_no_token_in_it(gateway: Gateway) -> None:
    path = f"/logged/{uuid.uuid4().hex}"
    secret = {"Authorization": "Bearer s3cr3t", "Cookie": "session=s3cr3t"}
    with gateway.websocket(f"{path}?token=s3cr3t", origin="https://a.example", additional_headers=secret) as connection:
        connection.send("x" * 1000)
        connection.recv(PATIENCE)
        # The handshake takes less.
        time.sleep(1)
        before = lines_of(gateway, path)
    wait_until(lambda: len(lines_of(gateway, path)) > len(before), "nginx has logged the socket")
    assert before == []
    (line,) = lines_of(gateway, path)
    assert (line["status"], line["method"], line["site"]) == ("101", "GET", "ws.serverlab.ca")
    assert line["origin"] == "https://a.example"
    assert line["upstream"].endswith(":3000")
    assert 0 <= float(line["handshake_seconds"]) < float(line["seconds"])
    assert int(line["bytes_to_client"]) > 1000
    assert int(line["bytes_from_client"]) > 1000
    assert "s3cr3t" not in gateway.path("/var/log/nginx/websockets.log").read_text()


def test_nginxs_counters_are_on_the_local_address_alone(gateway: Gateway) -> None:
    local = gateway.request("GET", "/stub_status", sock=gateway.open_socket(488, "127.0.0.1"))
    assert b"Active connections:" in local.body
    assert b"Active connections:" not in gateway.request("GET", "/stub_status").body
