# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read from the live address, where any program may answer."""

from __future__ import annotations

import socket
import threading
import time
import typing as t
from contextlib import contextmanager

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import live_config

FINGERPRINT = "0123456789abcdef" * 4
OK = b"HTTP/1.1 200 OK\r\nServer: nginx\r\nConnection: close\r\n\r\n"


@contextmanager
def answering(respond: t.Callable[[socket.socket], None]) -> t.Iterator[str]:
    """A server with this response to each request; returns its address."""

    def serve() -> None:
        while True:
            try:
                connection, _peer = listening.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                respond(connection)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
    thread.join()


def sends(data: bytes) -> t.Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(data)


def trickles(start: bytes) -> t.Callable[[socket.socket], None]:
    """Sends byte after byte until the other side has enough of it."""

    def respond(connection: socket.socket) -> None:
        connection.sendall(start)
        for _byte in range(200):
            time.sleep(0.05)
            try:
                connection.sendall(b"0")
            except OSError:
                return
        is_stretched.append(True)

    is_stretched.clear()
    return respond


is_stretched: list[bool] = []


@pytest.mark.parametrize("rest", [b"", b"\n"])
def test_the_fingerprint_is_the_whole_body(rest: bytes) -> None:
    with answering(sends(OK + FINGERPRINT.encode() + rest)) as address:
        assert live_config.fingerprint(address) == FINGERPRINT


def test_connections_are_counted_without_the_one_that_asks() -> None:
    with answering(sends(OK + b"Active connections: 3 \nserver accepts handled requests\n 7 7 9 \n")) as address:
        assert live_config.connections(address) == 2


@pytest.mark.parametrize(
    "data",
    [b"", b"SSH-2.0-OpenSSH_9.2\r\n", OK, OK + b"hello", OK + FINGERPRINT.encode() + b"0", OK + b"\xff" * 300],
)
def test_other_words_are_no_fingerprint(data: bytes) -> None:
    with answering(sends(data)) as address:
        assert live_config.fingerprint(address) is None
        assert live_config.connections(address) is None


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\nX: ", OK, OK + FINGERPRINT.encode()[:40]])
def test_a_program_that_sends_byte_after_byte_holds_nobody_up(monkeypatch: pytest.MonkeyPatch, start: bytes) -> None:
    monkeypatch.setattr(live_config, "_RESPONSE_SECONDS", 0.3)
    with answering(trickles(start)) as address:
        assert live_config.fingerprint(address) is None
    assert not is_stretched


def test_where_nothing_listens_nothing_is_live() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"127.0.0.1:{listening.getsockname()[1]}"
    assert live_config.fingerprint(address) is None
    assert live_config.fingerprint("no address") is None
