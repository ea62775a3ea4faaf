# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The open connections of some processes, counted and closed. The processes are this one."""

from __future__ import annotations

import os
import socket
import typing as t
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils import _connections, _worker_sockets
from waiting import wait_until


def own() -> list[_worker_sockets.Held]:
    return _worker_sockets.held(os.getpid())


def opened(
    peers: t.Sequence[str], listening: t.Sequence[str] = (), sockets: t.Sequence[_worker_sockets.Held] | None = None
) -> list[_connections.Connection]:
    return _connections.Connections(peers, listening).open(own() if sockets is None else sockets)


def count(peers: t.Sequence[str], listening: t.Sequence[str] = ()) -> int:
    return len(opened(peers, listening))


@contextmanager
def server(
    address: str = "127.0.0.1", family: socket.AddressFamily = socket.AF_INET, **options: t.Any
) -> t.Iterator[tuple[int, t.Callable[..., tuple[socket.socket, socket.socket]]]]:
    """A port, and a function that opens a connection to it: both ends."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server((address, 0), family=family, **options))
        port = listening.getsockname()[1]

        def connect(host: str = address) -> tuple[socket.socket, socket.socket]:
            client = stack.enter_context(socket.create_connection((host, port)))
            return client, stack.enter_context(listening.accept()[0])

        yield port, connect


def test_open_connections_are_counted_by_either_end() -> None:
    with server() as (port, connect), server() as (other, connect_other):
        addresses = [f"127.0.0.1:{port}", f"localhost:{port}"]
        assert count(addresses) == 0
        for _number in range(3):
            connect()
        connect_other()
        assert [count([address]) for address in addresses] == [3, 3]
        assert count([], [f"127.0.0.1:{port}"]) == count([], [f"{port}"]) == count([], [f"*:{port}"]) == 3
        assert count([addresses[0]], [f"*:{other}"]) == 4
        assert {connection.where for connection in opened([addresses[0]], [f"{other}"])} == {
            addresses[0],
            f"port {other}",
        }


def test_clients_at_another_address_of_the_same_port_are_anothers() -> None:
    with server() as (port, connect):
        connect()
        assert count([], [f"127.0.0.2:{port}"]) == count([], [f"[::1]:{port}"]) == count([], [f"[::]:{port}"]) == 0


def test_connections_by_ipv6_are_counted_and_those_of_ipv4_on_its_sockets() -> None:
    with server("::1", socket.AF_INET6) as (port, connect):
        connect()
        assert count([f"[::1]:{port}"]) == count([], [f"[::]:{port}"]) == count([], [f"[::1]:{port}"]) == 1
    with server("::", socket.AF_INET6, dualstack_ipv6=True) as (port, connect):
        connect("127.0.0.1")
        assert count([f"127.0.0.1:{port}"]) == 1
        assert count([], [f"[::]:{port}"]) == 1
        assert count([], [f"{port}"]) == 0


def test_connections_of_other_programs_are_not_counted() -> None:
    with server() as (port, connect):
        _client, accepted = connect()
        inode = os.readlink(f"/proc/self/fd/{accepted.fileno()}")[len("socket:[") : -1]
        sockets = [_worker_sockets.Held(os.getpid(), accepted.fileno(), inode)]
        assert opened([f"127.0.0.1:{port}"], sockets=sockets) == []
        (found,) = opened([], [f"{port}"], sockets=sockets)
        assert (found.where, found.inode) == (f"port {port}", inode)
        assert opened([], [f"{port}"], sockets=[]) == []


def closed(connections: t.Collection[_connections.Connection]) -> tuple[str, int]:
    """Why some stay, and how many turns were waited for."""
    turns: list[None] = []
    reason = _connections.close(connections, own(), lambda: turns.append(None))
    return reason, len(turns)


@pytest.mark.parametrize(
    ("address", "family", "client"),
    [
        ("127.0.0.1", socket.AF_INET, "127.0.0.1"),
        ("::1", socket.AF_INET6, "::1"),
        ("::", socket.AF_INET6, "127.0.0.1"),
    ],
)
def test_those_that_are_counted_are_closed_and_no_others(
    address: str, family: socket.AddressFamily, client: str
) -> None:
    host = f"[{client}]" if ":" in client else client
    options = {"dualstack_ipv6": True} if address == "::" else {}
    with server(address, family, **options) as (port, connect), server() as (_other, connect_other):
        pairs, others = [connect(client) for _number in range(3)], connect_other()
        connections = opened([f"{host}:{port}"])
        assert len(connections) == 3
        assert closed(connections) == ("", 3)
        for end, _accepted in pairs:
            # As if the server had closed it; nginx then closes it.
            assert end.recv(1) == b""
            end.close()
        wait_until(lambda: count([f"{host}:{port}"]) == 0, "they are gone")
        others[0].sendall(b"x")
        assert others[1].recv(1) == b"x"
        # What is gone is no error.
        assert closed(connections) == ("", 0)


def test_connections_to_a_unix_socket_are_closed(tmp_path: Path) -> None:
    path, other = str(tmp_path / "s"), str(tmp_path / "o")
    with ExitStack() as stack:
        ends = []
        for name in (path, other):
            listening, client = (stack.enter_context(socket.socket(socket.AF_UNIX)) for _number in range(2))
            listening.bind(name)
            listening.listen()
            client.connect(name)
            ends.append((client, stack.enter_context(listening.accept()[0])))
        assert closed(opened([f"unix:{path}"])) == ("", 1)
        assert ends[0][0].recv(1) == b""
        ends[1][1].sendall(b"x")
        assert ends[1][0].recv(1) == b"x"


def test_connections_to_a_unix_socket_are_counted(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as client:
        listening.bind(path)
        listening.listen()
        assert count([f"unix:{path}"]) == 0
        client.connect(path)
        with listening.accept()[0]:
            assert count([f"unix:{path}", "unix:/other"]) == 1


def test_a_peer_that_does_not_resolve_is_an_error() -> None:
    with pytest.raises(OSError, match=r"not known|resolution"):
        _connections.Connections(["nowhere.invalid:1"], [])
