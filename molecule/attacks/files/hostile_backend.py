# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backends that do what an attacker needs, and that record every request that they see.

All but one are a WebSocket server by RFC 6455, speak HTTP, and take an upgrade to h2c. A path with `status=101` is what
a health check is that answers with the status of a URL of the attacker's choice: it is answered 101, whatever was
asked. After each 101 but that of a WebSocket the connection is a tunnel, in which anything is answered. With `hang=up`
it hangs up, and with `header=N` its response has a header of so many bytes.

One is strict: it hangs up on all that is no handshake. Another one gives the record.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from functools import partial
from typing import Awaitable, Callable, NamedTuple

Service = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

NAMES = {80: "frontend", 3000: "ws-backend", 8000: "apirest1", 8001: "apicommon"}
STRICT = 4000
RECORD = 9000
# RFC 6455 section 1.3
MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
OLD_VERSION = b"HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\nContent-Length: 0\r\n\r\n"

seen: list[bytes] = []


class Request(NamedTuple):
    """The head of a request."""

    method: str
    path: str
    headers: dict[str, list[str]]

    def lists(self, field: str) -> set[str]:
        """The words of a header that is a list."""
        return {word.strip().lower() for line in self.headers.get(field, []) for word in line.split(",")}

    @property
    def asks_for_websocket(self) -> bool:
        """As RFC 6455 section 4.2.1 has it, but for the version."""
        upgrade = "websocket" in self.lists("upgrade") and "upgrade" in self.lists("connection")
        return self.method == "GET" and upgrade and "sec-websocket-key" in self.headers


async def read_request(reader: asyncio.StreamReader) -> Request:
    """Read the head of a request and record it."""
    head = await reader.readuntil(b"\r\n\r\n")
    seen.append(head)
    line, *fields = head.decode("latin-1").strip().split("\r\n")
    method, path = line.split()[:2]
    headers: dict[str, list[str]] = {}
    for field in fields:
        name, _colon, value = field.partition(":")
        headers.setdefault(name.lower(), []).append(value.strip())
    return Request(method, path, headers)


def described(name: str, request: Request, *, tunnel: bool) -> bytes:
    """What came in, and which way."""
    return json.dumps({"backend": name, "tunnel": tunnel, **request._asdict()}).encode()


def answer(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body


async def dig_tunnel(name: str, protocol: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Switch protocols and answer all that follows, which no gateway has looked at."""
    writer.write(SWITCH + b"Upgrade: %s\r\n\r\n" % protocol)
    while True:
        request = await read_request(reader)
        writer.write(answer(described(name, request, tunnel=True)))


async def open_websocket(
    name: str, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Take a handshake, tell in a first message what the session may know, and keep the socket open.

    As many servers do, it agrees to whatever subprotocol is offered first.
    """
    (key,) = request.headers["sec-websocket-key"]
    accept = base64.b64encode(hashlib.sha1((key + MAGIC).encode()).digest())
    message = described(name, request, tunnel=False)
    frame = b"\x81\x7e" + len(message).to_bytes(2, "big") + message
    chosen = [protocol.partition(",")[0] for protocol in request.headers.get("sec-websocket-protocol", [])[:1]]
    agreed = "".join(f"Sec-WebSocket-Protocol: {protocol}\r\n" for protocol in chosen).encode()
    writer.write(SWITCH + b"Upgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n%s\r\n" % (accept, agreed) + frame)
    await reader.read()


async def converse(name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one request after the other."""
    while True:
        request = await read_request(reader)
        if "hang=up" in request.path:
            return None
        if "header=" in request.path:
            long = b"X-Long: " + b"x" * int(request.path.partition("header=")[2])
            writer.write(b"HTTP/1.1 200 OK\r\n%s\r\nContent-Length: 0\r\n\r\n" % long)
            continue
        if "status=101" in request.path:
            await dig_tunnel(name, b"websocket", reader, writer)
        if "h2c" in request.lists("upgrade") and "upgrade" in request.lists("connection"):
            await dig_tunnel(name, b"h2c", reader, writer)
        if request.asks_for_websocket:
            if request.headers.get("sec-websocket-version") != ["13"]:
                writer.write(OLD_VERSION)
                continue
            return await open_websocket(name, request, reader, writer)
        await reader.readexactly(int(request.headers.get("content-length", ["0"])[0]))
        writer.write(answer(described(name, request, tunnel=False)))


async def take_handshakes_only(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Hang up on all else."""
    request = await read_request(reader)
    if request.asks_for_websocket:
        await open_websocket("strict", request, reader, writer)


async def show_record(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer with the requests that hold a token, the path without its slash."""
    line = await reader.readuntil(b"\r\n\r\n")
    token = line.split()[1][1:]
    writer.write(answer(json.dumps([head.decode("latin-1") for head in seen if token in head]).encode()))


async def serve(service: Service, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serve one connection, to the end of which anything may lead."""
    try:
        await service(reader, writer)
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main() -> None:
    """Serve all of them."""
    services: dict[int, Service] = {port: partial(converse, name) for port, name in NAMES.items()}
    services |= {STRICT: take_handshakes_only, RECORD: show_record}
    for port, service in services.items():
        await asyncio.start_server(partial(serve, service), port=port)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
