# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WebSocket backends that refuse the handshake of a client who does not know what they want, each on its own port."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from functools import partial
from typing import Callable, Dict, Optional

Headers = Dict[str, str]
# The status that a request is answered with, or None to take it, or HANG_UP.
HANG_UP = 0
Refusal = Callable[[str, Headers], Optional[int]]

MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def socket_io(path: str, headers: Headers) -> int | None:
    """As Socket.IO's server: it polls, takes handshakes at its own path, and hangs up on those at any other."""
    is_handshake = "upgrade" in headers
    if path.startswith("/socket.io/"):
        return None if is_handshake else 200
    return HANG_UP if is_handshake else 404


def rails(path: str, headers: Headers) -> int | None:
    """As Action Cable: nothing is there for a page of another host, or for none."""
    return None if headers.get("origin") == f"http://{headers['host']}" else 404


REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found"}
REFUSALS: dict[int, Refusal] = {
    4001: lambda path, headers: 200,
    4002: lambda path, headers: None if headers.get("authorization") == "Bearer sesame" else 401,
    4003: lambda path, headers: None if headers.get("origin") == "https://app.example" else 403,
    4004: lambda path, headers: None if path.endswith("/socket") else 404,
    4005: lambda path, headers: None if headers.get("sec-websocket-protocol") == "v2" else 400,
    4008: rails,
    **dict.fromkeys((4011, 4012, 4013), socket_io),
}
SILENT = 4006
CLOSING = 4007


async def answer(refusal: Refusal, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take or refuse a handshake, and keep what was taken open as long as the client does."""
    try:
        request, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = (line.partition(":") for line in lines if line)
        headers = {name.lower(): value.strip() for name, _colon, value in fields}
        status = refusal(request.split()[1], headers)
        if status is None:
            writer.write(acceptance(headers).encode())
            await reader.read()
        elif status != HANG_UP:
            writer.write(
                f"HTTP/1.1 {status} {REASONS[status]}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
            )
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


def acceptance(headers: Headers) -> str:
    key = headers["sec-websocket-key"].encode()
    accept = base64.b64encode(hashlib.sha1(key + MAGIC).digest()).decode()
    lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
    lines.append(f"Sec-WebSocket-Accept: {accept}")
    lines += [f"Sec-WebSocket-Protocol: {headers[name]}" for name in headers if name == "sec-websocket-protocol"]
    return "\r\n".join([*lines, "", ""])


async def keep_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read until the client gives up."""
    await reader.read()
    writer.close()


async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Hang up."""
    writer.close()


async def main() -> None:
    """Serve all of them."""
    for port, refusal in REFUSALS.items():
        await asyncio.start_server(partial(answer, refusal), port=port)
    await asyncio.start_server(keep_silent, port=SILENT)
    await asyncio.start_server(close, port=CLOSING)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
