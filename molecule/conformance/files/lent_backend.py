# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A WebSocket backend on port 3000 whose listening socket a test may borrow.

By itself it takes every handshake and answers every other request with 200, which is all that a deploy asks for.
Whoever connects to its Unix socket is sent the listening socket and has it alone until the connection ends. So a test
on the machine of the containers holds both ends of a tunnel, and the backend's part in an exchange stands beside the
client's.
"""

from __future__ import annotations

import base64
import hashlib
import select
import socket
import threading
from pathlib import Path

PORT = 3000
COUNTER = Path("/run/lent-backend/socket")
MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def answer(connection: socket.socket) -> None:
    """Take a handshake and keep what it opens for as long as the client does, or answer a plain request."""
    with connection, connection.makefile("rb") as lines:
        headers = {}
        for line in lines:
            name, _colon, value = line.strip().partition(b":")
            if not name:
                break
            headers[name.lower()] = value.strip()
        if headers.get(b"upgrade") != b"websocket":
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n")
            return
        accept = base64.b64encode(hashlib.sha1(headers[b"sec-websocket-key"] + MAGIC).digest())
        connection.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        lines.read()


def lend(listener: socket.socket, borrower: socket.socket) -> None:
    """Return once the borrower has gone, whatever became of it."""
    with borrower:
        socket.send_fds(borrower, [b"listener"], [listener.fileno()])
        borrower.recv(1)


def main() -> None:
    """Serve, unless a test does."""
    listener = socket.create_server(("", PORT))
    counter = socket.socket(socket.AF_UNIX)
    counter.bind(str(COUNTER))
    counter.listen()
    while True:
        ready, _writable, _failed = select.select([counter, listener], [], [])
        if counter in ready:
            lend(listener, counter.accept()[0])
        else:
            threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()


if __name__ == "__main__":
    main()
