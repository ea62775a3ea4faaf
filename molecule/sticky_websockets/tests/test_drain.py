# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook drain where a gateway is of no use, which holds up no other, and where sockets stay open at the end."""

from __future__ import annotations

import itertools
import typing as t
from contextlib import ExitStack, contextmanager

import pytest
from gateway import Gateway, echoes, gateways
from playbook import Run, site
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

LOST = "This gateway was unreachable"


def drain(*arguments: str, **variables: str) -> Run:
    given = {f"websockets_{name}": value for name, value in variables.items()}
    return site(given, arguments=[*arguments, "--limit", "ws_gateways"], playbook="wsfleet.nginx.drain")


def backend_of(connection: ClientConnection) -> str:
    return connection.response.headers["X-Echo-Backend"] if connection.response else ""


def drained(gateway: Gateway, backend: str) -> bool:
    line = f"server {backend}:3000 max_fails=0 down; # drained: {backend}"
    return line in gateway.path(gateway.configuration).read_text()


@pytest.fixture(autouse=True)
def in_service() -> t.Iterator[None]:
    """What a test has drained comes back, however it ends."""
    before = [gateway.path(gateway.configuration).read_bytes() for gateway in gateways()]
    yield
    names = [f"server0{number}" for number in (1, 2, 3)]
    out = [name for name in names if any(drained(gateway, name) for gateway in gateways())]
    if out:
        back = drain(undrain=",".join(out))
        assert not back.failed, back.output
    assert [gateway.path(gateway.configuration).read_bytes() for gateway in gateways()] == before


def test_the_others_wait_and_the_run_fails_for_the_one_that_is_not_reached(lost: list[str]) -> None:
    first = gateways()[0]
    with first.websocket("/") as connection:
        backend = backend_of(connection)
        out = drain(*lost, drain=backend, drain_timeout="1s")
        assert out.failed
        assert f"Still open after 1 s: 1 connection on {first.name}." in " ".join(out.output.split())
        assert LOST in out.message("lost")
        assert f"Still open: 1 connection (1 to {backend}:3000)." in out.message(first.name)
        assert all(drained(gateway, backend) for gateway in gateways())
        back = drain(*lost, undrain=backend)
        assert back.failed
        assert LOST in back.message("lost")
        assert echoes(connection)


@contextmanager
def without_names(gateway: Gateway) -> t.Iterator[None]:
    """No name server answers the gateway, and it knows no names itself."""
    # A container's files are mounts, which cannot be renamed.
    gateway.run("cd /etc && cp resolv.conf hosts /root && echo nameserver 127.0.0.9 >resolv.conf && >hosts")
    try:
        yield
    finally:
        gateway.run("cd /root && cat resolv.conf >/etc/resolv.conf && cat hosts >/etc/hosts && rm resolv.conf hosts")


def test_a_gateway_that_resolves_no_names_is_left_out_alike() -> None:
    first, second = gateways()
    with without_names(first):
        out = drain(drain="server01", drain_timeout="1s")
    assert out.failed
    assert "does not resolve" in out.output
    assert "The drain is not done on this gateway" in " ".join(out.output.split())
    assert not drained(first, "server01")
    assert drained(second, "server01")
    again = drain(drain="server01", drain_timeout="1s")
    assert not again.failed, again.output
    assert drained(first, "server01")


def connections_to_two_servers(gateway: Gateway, stack: ExitStack) -> dict[str, ClientConnection]:
    """By their servers. The network of a client decides."""
    found: dict[str, ClientConnection] = {}
    for network in itertools.count(1):
        connection = stack.enter_context(gateway.websocket("/", source=f"127.0.{network}.1"))
        found.setdefault(backend_of(connection), connection)
        if len(found) == 2:
            return found
    raise AssertionError


# Opens a WebSocket of its own, responds to pings, and tells when it is closed.
NEIGHBOUR = """
import socket
from pathlib import Path

state = Path("/run/neighbour")
connection = socket.create_connection(("BACKEND", 3000))
key = "Sec-WebSocket-Version: 13\\r\\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
head = f"GET / HTTP/1.1\\r\\nHost: a\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n{key}\\r\\n\\r\\n"
connection.sendall(head.encode())
state.write_text("open")
try:
    while data := connection.recv(4096):
        if data[0] == 0x89:
            connection.sendall(bytes([0x8A, 0x80 | data[1], 0, 0, 0, 0]) + data[2 : 2 + data[1]])
finally:
    state.write_text("closed")
"""


def test_what_is_left_is_closed_by_force_and_nothing_else() -> None:
    first = gateways()[0]
    with ExitStack() as stack:
        connections = connections_to_two_servers(first, stack)
        backend, other = sorted(connections)
        closed, kept = connections[backend], connections[other]
        first.path("/run/neighbour.py").write_text(NEIGHBOUR.replace("BACKEND", backend))
        first.run("systemd-run --unit=neighbour python3 /run/neighbour.py")
        stack.callback(first.run, "systemctl stop neighbour; rm /run/neighbour*")
        out = drain(drain=backend, drain_timeout="1s", drain_force="true")
        assert not out.failed, out.output
        assert "No connection is left." in out.output
        assert f"on {first.name}." in " ".join(out.output.partition("Closed:")[2].split())
        with pytest.raises(ConnectionClosed):
            closed.recv()
        assert echoes(kept)
        assert first.run("cat /run/neighbour") == "open"
