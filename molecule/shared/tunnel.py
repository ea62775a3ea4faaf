# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Both ends of a tunnel, byte by byte, in the hands of one test."""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping
from http.client import HTTPResponse
from typing import NamedTuple

from gateway import Answer, Gateway
from waiting import PATIENCE

# RFC 6455, section 1.3.
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
HANDSHAKE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
}
ACCEPTANCE = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": ACCEPT}
# RFC 6455, section 11.8.
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
# A client may choose any key; with this one it sends the same bytes each time.
MASK = bytes.fromhex("37fa213d")
# Whoever can send nothing for so many seconds is held back.
STALL = 1.0
# How a connection ended: the peer has closed it, or has lost it.
FIN, RST = "FIN", "RST"


def request(server_name: str, path: str, headers: Mapping[str, str]) -> bytes:
    """A request's head."""
    return _head(f"GET {path} HTTP/1.1", {"Host": server_name, **headers})


def response(status: str, headers: Mapping[str, str]) -> bytes:
    """An answer's head."""
    return _head(f"HTTP/1.1 {status}", headers)


def _head(line: str, headers: Mapping[str, str]) -> bytes:
    fields = [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([line, *fields, "", ""]).encode("latin-1")


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv1: bool = False) -> bytes:
    """A frame as a server sends it: RFC 6455, section 5.2."""
    return _frame_head(opcode, len(payload), fin=fin, rsv1=rsv1, masked=False) + payload


def masked(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv1: bool = False) -> bytes:
    """A frame as a client sends it."""
    length = len(payload)
    mask = (MASK * (length // 4 + 1))[:length]
    covered = int.from_bytes(payload, "big") ^ int.from_bytes(mask, "big")
    return _frame_head(opcode, length, fin=fin, rsv1=rsv1, masked=True) + MASK + covered.to_bytes(length, "big")


def _frame_head(opcode: int, length: int, *, fin: bool, rsv1: bool, masked: bool) -> bytes:
    first = fin << 7 | rsv1 << 6 | opcode
    mask_bit = masked << 7
    if length < 126:
        return struct.pack("!BB", first, mask_bit | length)
    if length < 2**16:
        return struct.pack("!BBH", first, mask_bit | 126, length)
    return struct.pack("!BBQ", first, mask_bit | 127, length)


class End:
    """One end of a connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        connection.settimeout(PATIENCE)

    def send(self, data: bytes) -> None:
        """Send everything; sendall would have PATIENCE for all of it, however long it is."""
        rest = memoryview(data)
        while rest:
            rest = rest[self.socket.send(rest) :]

    def send_until_held_back(self, data: bytes) -> int:
        """Send to an end that nobody reads from, until nothing more is taken; how much was."""
        sent = 0
        self.socket.settimeout(STALL)
        try:
            while sent < len(data):
                sent += self.socket.send(data[sent : sent + 2**16])
        except TimeoutError:
            pass
        finally:
            self.socket.settimeout(PATIENCE)
        return sent

    def receive(self, length: int) -> bytes:
        """So many bytes, or what came before the end."""
        received = bytearray()
        while len(received) < length:
            piece = self.socket.recv(min(length - len(received), 2**20))
            if not piece:
                break
            received += piece
        return bytes(received)

    def receive_head(self) -> bytes:
        """Everything up to the first empty line, and nothing of what follows."""
        head = bytearray()
        while not head.endswith(b"\r\n\r\n"):
            byte = self.socket.recv(1)
            assert byte, f"the connection ended after {bytes(head)!r}"
            head += byte
        return bytes(head)

    def receive_answer(self) -> Answer:
        """An answer that is not 101."""
        answer = HTTPResponse(self.socket)
        answer.begin()
        return Answer(answer.status, answer.headers, answer.read())

    def receive_rest(self) -> tuple[bytes, str]:
        """What comes until the connection ends, and how it does."""
        received = bytearray()
        try:
            while piece := self.socket.recv(2**20):
                received += piece
        except ConnectionResetError:
            return bytes(received), RST
        return bytes(received), FIN

    def end_sending(self) -> None:
        """Say that nothing more will come from here, and go on listening."""
        self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """End the connection as every program does."""
        self.socket.close()

    def reset(self) -> None:
        """End the connection as a host does that has forgotten it."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


class Tunnel(NamedTuple):
    """What both ends hold."""

    client: End
    backend: End


class Backend:
    """A backend's listening socket, and all that was opened to it."""

    def __init__(self, listener: socket.socket) -> None:
        self.listener = listener
        self._ends: list[End] = []
        self._turn_away_the_waiting()

    def ask(self, route: Gateway, asked: bytes) -> Tunnel:
        """Send a request through a gateway, or to the backend itself."""
        client = End(route.open_socket(route.port))
        self._ends.append(client)
        client.send(asked)
        self.listener.settimeout(PATIENCE)
        backend = End(self.listener.accept()[0])
        self._ends.append(backend)
        return Tunnel(client, backend)

    def open_tunnel(self, route: Gateway, path: str = "/") -> Tunnel:
        """Do a handshake."""
        tunnel = self.ask(route, request(route.server_name, path, HANDSHAKE))
        tunnel.backend.receive_head()
        tunnel.backend.send(response("101 Switching Protocols", ACCEPTANCE))
        head = tunnel.client.receive_head()
        assert head.startswith(b"HTTP/1.1 101 "), head
        return tunnel

    def close(self) -> None:
        """Leave nothing open."""
        for end in self._ends:
            end.close()

    def _turn_away_the_waiting(self) -> None:
        """A test that failed may have left connections that nobody took."""
        self.listener.settimeout(0)
        try:
            while True:
                self.listener.accept()[0].close()
        except BlockingIOError:
            pass
