# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A WebSocket server that echoes messages and describes requests.

On any path it echoes text and binary messages. On a path whose query has the key `describe` it first sends a
description of the request, as one JSON text message. A plain request gets that description as its response.

It runs on python3-websockets as Debian 11 (8.1) to sid ship it: 13 and later have a new asyncio API, earlier releases
only the one that is called legacy today.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
from http import HTTPStatus
from importlib import import_module
from typing import Any, Iterable, Tuple
from urllib.parse import parse_qs, urlsplit

from websockets.exceptions import ConnectionClosed

api: Any
try:
    api = import_module("websockets.asyncio.server")
    LEGACY = False
except ImportError:
    api = import_module("websockets.server")
    LEGACY = True

NAME_HEADER = "X-Echo-Backend"
SUBPROTOCOL = "echo"

# Options of both APIs. Compression and pings are off, so that only what a test sends is on the wire, and an idle
# connection stays idle until a proxy's timeout.
OPTIONS = {
    "max_size": 64 * 2**20,
    "compression": None,
    "ping_interval": None,
    "close_timeout": 1,
}

Fields = Iterable[Tuple[str, str]]


def describe(name: str, path: str, fields: Fields, peer: Any) -> str:
    """Return the request as this backend saw it, in JSON."""
    headers: dict[str, list[str]] = {}
    for field, value in fields:
        headers.setdefault(field.lower(), []).append(value)
    return json.dumps({"backend": name, "path": path, "headers": headers, "peer": peer[0] if peer else None})


def wants_description(path: str) -> bool:
    """Return whether the path's query has the key `describe`."""
    return "describe" in parse_qs(urlsplit(path).query, keep_blank_values=True)


def wants_websocket(fields: Fields) -> bool:
    """Return whether the request asks for an upgrade to WebSocket."""
    return any(field.lower() == "upgrade" and value.lower() == "websocket" for field, value in fields)


async def converse(connection: Any, *, path: str, description: str) -> None:
    """Send the description if requested, then echo until the peer leaves."""
    try:
        if wants_description(path):
            await connection.send(description)
        async for message in connection:
            await connection.send(message)
    except ConnectionClosed:
        pass


def current_server(name: str, address: str, port: int) -> Any:
    """Return the server on the API of websockets 13 and later."""

    def describe_request(connection: Any, request: Any) -> str:
        return describe(name, request.path, request.headers.raw_items(), connection.remote_address)

    def answer_plain_request(connection: Any, request: Any) -> Any:
        if wants_websocket(request.headers.raw_items()):
            return None
        response = connection.respond(HTTPStatus.OK, describe_request(connection, request))
        del response.headers["Content-Type"]
        response.headers["Content-Type"] = "application/json"
        return response

    def name_backend(connection: Any, request: Any, response: Any) -> None:
        response.headers[NAME_HEADER] = name

    def select_subprotocol(connection: Any, offered: Any) -> Any:
        return SUBPROTOCOL if SUBPROTOCOL in offered else None

    async def handle(connection: Any) -> None:
        request = connection.request
        await converse(connection, path=request.path, description=describe_request(connection, request))

    return api.serve(
        handle,
        address,
        port,
        process_request=answer_plain_request,
        process_response=name_backend,
        select_subprotocol=select_subprotocol,
        **OPTIONS,
    )


def legacy_server(name: str, address: str, port: int) -> Any:
    """Return the server on the API of websockets before 13."""

    class Protocol(api.WebSocketServerProtocol):  # type: ignore[misc]
        """Behaviour that only a subclass can change in the legacy API."""

        async def process_request(self, path: str, request_headers: Any) -> Any:
            """Respond to requests that do not ask for a WebSocket."""
            fields = list(request_headers.raw_items())
            if wants_websocket(fields):
                return None
            body = describe(name, path, fields, self.remote_address).encode()
            return HTTPStatus.OK, {"Content-Type": "application/json"}, body

        def write_http_response(self, status: Any, headers: Any, body: Any = None) -> None:
            """Name the backend in every response, including rejections."""
            headers[NAME_HEADER] = name
            super().write_http_response(status, headers, body)

    async def handle(connection: Any, path: str) -> None:
        description = describe(name, path, connection.request_headers.raw_items(), connection.remote_address)
        await converse(connection, path=path, description=description)

    return api.serve(handle, address, port, create_protocol=Protocol, subprotocols=[SUBPROTOCOL], **OPTIONS)


async def run(name: str, address: str, port: int) -> None:
    """Serve until told to stop."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    server = legacy_server(name, address, port) if LEGACY else current_server(name, address, port)
    async with server:
        await stopped.wait()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description="Echo WebSocket messages and describe plain requests.")
    parser.add_argument("--name", required=True, help="how the backend names itself")
    parser.add_argument("--address", required=True, help="the address to listen on")
    parser.add_argument("--port", required=True, type=int, help="the port to listen on")
    options = parser.parse_args()
    asyncio.run(run(options.name, options.address, options.port))


if __name__ == "__main__":
    main()
