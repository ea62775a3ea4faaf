# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WebSockets as a library sees them at both ends: negotiation, large messages and close codes."""

from __future__ import annotations

import asyncio
import hashlib
import random
import socket
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest
from gateway import Gateway
from waiting import PATIENCE
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.connection import Connection
from websockets.asyncio.server import ServerConnection, serve
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, ServerPerMessageDeflateFactory
from websockets.frames import Close

MIB = 2**20
COMMON: dict[str, Any] = {"compression": None, "max_size": None, "ping_interval": None, "close_timeout": PATIENCE}
# Those of RFC 6455, section 7.4.1, and of IANA's registry that may be on the wire, and the ends of the free ranges.
CODES = (*range(1000, 1004), *range(1007, 1015), 3000, 4999)
# As long as a control frame lets it be, in characters of two bytes.
REASON = "é" * 61


class Ends(NamedTuple):
    """Both ends of a WebSocket."""

    client: ClientConnection
    backend: ServerConnection


class Parameters(NamedTuple):
    """What both sides want of permessage-deflate, and what they are agreed on: RFC 7692, section 7.1."""

    client: Mapping[str, Any]
    backend: Mapping[str, Any]
    agreed: str


DEFLATE = {
    "plain": Parameters({}, {}, "permessage-deflate"),
    "the backend takes over no context": Parameters(
        {"server_no_context_takeover": True}, {}, "permessage-deflate; server_no_context_takeover"
    ),
    "the client takes over no context": Parameters(
        {}, {"client_no_context_takeover": True}, "permessage-deflate; client_no_context_takeover"
    ),
    "small windows": Parameters(
        {"server_max_window_bits": 10, "client_max_window_bits": True},
        {"client_max_window_bits": 9},
        "permessage-deflate; server_max_window_bits=10; client_max_window_bits=9",
    ),
}


@asynccontextmanager
async def websocket(
    route: Gateway,
    listener: socket.socket,
    *,
    client: Mapping[str, Any] | None = None,
    backend: Mapping[str, Any] | None = None,
) -> AsyncIterator[Ends]:
    """A WebSocket, with the options of each end."""
    arrived: asyncio.Future[ServerConnection] = asyncio.get_running_loop().create_future()

    async def keep(connection: ServerConnection) -> None:
        arrived.set_result(connection)
        await connection.wait_closed()

    uri = f"ws://{route.server_name}:{route.port}/"
    to: dict[str, Any] = {"host": route.address, "port": route.port, "proxy": None}
    serving = serve(keep, sock=listener.dup(), **COMMON, **(backend or {}))
    connecting = connect(uri, **to, **COMMON, **(client or {}))
    async with serving, connecting as connection:
        yield Ends(connection, await arrived)


def run(exchange: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(exchange, PATIENCE))


@pytest.mark.parametrize(
    ("offered", "known", "chosen"),
    [(["v1", "v2"], ["v2", "v1"], "v2"), (["v1", "v2"], ["v1"], "v1"), (["v1"], None, None), (None, None, None)],
)
def test_the_subprotocol_is_the_backends_choice(
    route: Gateway, listener: socket.socket, offered: Any, known: Any, chosen: str | None
) -> None:
    async def exchange() -> None:
        options = {"client": {"subprotocols": offered}, "backend": {"subprotocols": known}}
        async with websocket(route, listener, **options) as ends:
            assert ends.client.subprotocol == ends.backend.subprotocol == chosen
            assert ends.client.response is not None
            assert ends.client.response.headers.get("Sec-WebSocket-Protocol") == chosen

    run(exchange())


@pytest.mark.parametrize("parameters", DEFLATE.values(), ids=DEFLATE)
def test_permessage_deflate_is_negotiated_and_used(
    route: Gateway, listener: socket.socket, parameters: Parameters
) -> None:
    # The second time, a context that was taken over is all that there is of it.
    messages: list[str | bytes] = ["Grüße, 世界 " * 1000, "Grüße, 世界 " * 1000, "", random.Random(7692).randbytes(MIB)]

    async def exchange() -> None:
        options: dict[str, Any] = {
            "client": {"extensions": [ClientPerMessageDeflateFactory(**parameters.client)]},
            "backend": {"extensions": [ServerPerMessageDeflateFactory(**parameters.backend)]},
        }
        async with websocket(route, listener, **options) as ends:
            assert ends.client.response is not None
            assert ends.client.response.headers["Sec-WebSocket-Extensions"] == parameters.agreed
            assert [extension.name for extension in ends.client.protocol.extensions] == ["permessage-deflate"]
            for message in messages:
                await ends.client.send(message)
                assert await ends.backend.recv() == message
                await ends.backend.send(message)
                assert await ends.client.recv() == message

    run(exchange())


def test_permessage_deflate_is_not_used_with_a_backend_that_has_none(route: Gateway, listener: socket.socket) -> None:
    async def exchange() -> None:
        options = {"client": {"extensions": [ClientPerMessageDeflateFactory()]}}
        async with websocket(route, listener, **options) as ends:
            assert ends.backend.request is not None
            offer = ends.backend.request.headers["Sec-WebSocket-Extensions"]
            assert offer == "permessage-deflate; client_max_window_bits"
            assert ends.client.response is not None
            assert "Sec-WebSocket-Extensions" not in ends.client.response.headers
            await ends.client.send("uncompressed")
            assert await ends.backend.recv() == "uncompressed"

    run(exchange())


def test_a_message_of_16_mib_passes_each_way(route: Gateway, listener: socket.socket) -> None:
    up, down = (random.Random(seed).randbytes(16 * MIB) for seed in (1, 2))

    async def exchange() -> None:
        async with websocket(route, listener) as ends:
            for sender, receiver, message in ((ends.client, ends.backend, up), (ends.backend, ends.client, down)):
                # The sender waits for the receiver, so they go side by side.
                sending = asyncio.create_task(sender.send(message))
                received = await receiver.recv(decode=False)
                await sending
                assert len(received) == len(message)
                assert hashlib.sha256(received).digest() == hashlib.sha256(message).digest()

    run(exchange())


def test_a_message_in_fragments_and_pings_within_it(route: Gateway, listener: socket.socket) -> None:
    async def exchange() -> None:
        async with websocket(route, listener) as ends:
            for sender, receiver in ((ends.client, ends.backend), (ends.backend, ends.client)):
                pongs: list[Any] = []

                async def fragments(sender: Connection, pongs: list[Any]) -> AsyncIterator[str]:
                    for number in range(3):
                        yield f"part {number} "
                        pongs.append(await sender.ping(bytes([number]) * 125))

                sending = asyncio.create_task(sender.send(fragments(sender, pongs)))
                received = [fragment async for fragment in receiver.recv_streaming()]
                await sending
                assert [fragment for fragment in received if fragment] == ["part 0 ", "part 1 ", "part 2 "]
                await asyncio.gather(*pongs)

    run(exchange())


@pytest.mark.parametrize("code", CODES)
def test_a_close_code_of_the_client_reaches_the_backend_and_comes_back(
    route: Gateway, listener: socket.socket, code: int
) -> None:
    async def exchange() -> None:
        async with websocket(route, listener) as ends:
            await ends.client.close(code, REASON)
            await ends.backend.wait_closed()
            assert ends.backend.protocol.close_rcvd == ends.client.protocol.close_rcvd == Close(code, REASON)
            assert ends.client.protocol.close_rcvd_then_sent is False
            assert ends.backend.protocol.close_rcvd_then_sent is True

    run(exchange())


@pytest.mark.parametrize("code", CODES)
def test_a_close_code_of_the_backend_reaches_the_client_and_comes_back(
    route: Gateway, listener: socket.socket, code: int
) -> None:
    async def exchange() -> None:
        async with websocket(route, listener) as ends:
            await ends.backend.close(code, REASON)
            await ends.client.wait_closed()
            assert ends.client.protocol.close_rcvd == ends.backend.protocol.close_rcvd == Close(code, REASON)
            assert ends.backend.protocol.close_rcvd_then_sent is False
            assert ends.client.protocol.close_rcvd_then_sent is True

    run(exchange())


def test_a_connection_that_is_lost_is_1006_to_the_other_end(route: Gateway, listener: socket.socket) -> None:
    async def exchange() -> None:
        async with websocket(route, listener) as ends:
            ends.client.transport.abort()
            await ends.backend.wait_closed()
            assert (ends.backend.close_code, ends.backend.protocol.close_rcvd) == (1006, None)
        async with websocket(route, listener) as ends:
            ends.backend.transport.abort()
            await ends.client.wait_closed()
            assert (ends.client.close_code, ends.client.protocol.close_rcvd) == (1006, None)

    run(exchange())
