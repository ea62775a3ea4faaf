# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a WebSocket costs the gateway, and what the gateway tells of it."""

from __future__ import annotations

import json
import re
import socket
import time
from contextlib import ExitStack
from typing import Any

import pytest
from gateway import TIMEOUT, Gateway

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
    workers = gateway.run(f"cat /proc/{gateway.master}/task/{gateway.master}/children").split()
    status = gateway.run(f"cat {' '.join(f'/proc/{worker}/status' for worker in workers)}")
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


def test_both_ends_are_asked_whether_they_are_still_there(gateway: Gateway) -> None:
    """The kernel's timer of TCP keepalive runs on both connections, and on that of the client within a minute."""
    with ExitStack() as stack:
        port = opened(gateway, stack).getsockname()[1]
        time.sleep(1)
        # man 5 proc: addresses, state, queues, and the timer: 02 is keepalive.
        found = re.findall(
            r"^\s*\d+: \S+:(\w+) \S+:(\w+) 01 \S+ (\d\d):(\w+)", gateway.run("cat /proc/net/tcp"), re.MULTILINE
        )
    ours = f"{gateway.port:04X}"
    to_client = [
        (timer, int(when, 16)) for local, remote, timer, when in found if (local, remote) == (ours, f"{port:04X}")
    ]
    to_backend = [timer for local, remote, timer, _when in found if remote == ours and local != ours]
    ((timer, when),) = to_client
    assert timer == "02"
    assert when <= 60 * TICKS
    assert "02" in to_backend


def last_line(gateway: Gateway, path: str) -> dict[str, Any]:
    """The line of a request's path, which comes at its end."""
    deadline = time.monotonic() + TIMEOUT
    while True:
        lines = gateway.path("/var/log/nginx/websockets.log").read_text().splitlines()
        found: list[dict[str, Any]] = [line for line in map(json.loads, lines) if line["path"] == path]
        if found or time.monotonic() > deadline:
            return found[-1]
        time.sleep(0.1)


def test_a_websocket_leaves_one_line_when_it_is_closed_and_no_token_in_it(gateway: Gateway) -> None:
    secret = {"Authorization": "Bearer s3cr3t", "Cookie": "session=s3cr3t"}
    with gateway.websocket("/logged?token=s3cr3t", origin="https://a.example", additional_headers=secret) as connection:
        connection.send("x" * 1000)
        connection.recv(TIMEOUT)
        time.sleep(1.1)
        assert '"/logged"' not in gateway.path("/var/log/nginx/websockets.log").read_text()
    line = last_line(gateway, "/logged")
    assert (line["status"], line["method"], line["site"]) == ("101", "GET", "ws.serverlab.ca")
    assert line["origin"] == "https://a.example"
    assert line["upstream"].endswith(":3000")
    assert float(line["seconds"]) >= 1.1
    assert float(line["handshake_seconds"]) < 1
    assert int(line["bytes_to_client"]) > 1000
    assert int(line["bytes_from_client"]) > 1000
    assert "s3cr3t" not in gateway.path("/var/log/nginx/websockets.log").read_text()


def test_nginxs_counters_are_on_the_local_address_alone(gateway: Gateway) -> None:
    local = gateway.request("GET", "/stub_status", sock=gateway.open_socket(6455, "127.0.0.1"))
    assert b"Active connections:" in local.body
    assert b"Active connections:" not in gateway.request("GET", "/stub_status").body
