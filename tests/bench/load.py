# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The clients of the data path's benchmark: read commands, one JSON list a line, and print a JSON object for each.

["reach"]                             waits until a first socket can be opened
["open", 1000, {"Header": "value"}]   opens that many sockets
["exchange", 64]                      sends 64 bytes on each socket, on a few at a time, and waits for the echo
["saturate", 64, 2.0, 100]            does so on 100 sockets at a time for 2 seconds, and sends again after each echo
["download", 16384, 500, 10]          has the backends send 500 messages of 16 KiB on each of 10 sockets in turn
["upload", 16384, 500, 10]            sends them, and waits until the backends have received all
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
import sys
import time
import typing as t

import uvloop
from echo import ORDER
from picows import WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

SITE = "ws.serverlab.ca"
# So many handshakes are under way at a time, and so many messages.
AT_ONCE = 16


class Client(WSListener):
    """One socket. It continues to send until it has no more turns."""

    transport: WSTransport
    message = b""
    turns = 0.0
    echoes = 0
    expected = 0
    done: asyncio.Future[None]

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.BINARY:
            self.expected -= 1
            if not self.expected:
                self.done.set_result(None)
            return
        if frame.msg_type != WSMsgType.TEXT or frame.payload_size != len(self.message):
            sys.exit(f"not an echo: {frame}")
        self.echoes += 1
        self.turns -= 1
        if self.turns > 0:
            transport.send(WSMsgType.TEXT, self.message)
        else:
            self.done.set_result(None)

    def start(self, message: bytes, turns: float) -> asyncio.Future[None]:
        self.message, self.turns, self.echoes = message, turns, 0
        self.done = asyncio.get_running_loop().create_future()
        self.transport.send(WSMsgType.TEXT, self.message)
        return self.done

    def order(self, count: int, size: int) -> asyncio.Future[None]:
        """Have the backend send this number of messages."""
        self.expected = count
        self.done = asyncio.get_running_loop().create_future()
        self.transport.send(WSMsgType.BINARY, ORDER.pack(count, size))
        return self.done


class Load:
    def __init__(self, url: str, certificate: str) -> None:
        self.url = url
        self.tls: dict[str, t.Any] = {}
        if url.startswith("wss:"):
            context = ssl.create_default_context(cafile=certificate)
            self.tls = {"ssl_context": context, "server_hostname": SITE}
        self.clients: list[Client] = []

    async def reach(self) -> None:
        """Retry, as some proxies listen before they know their backends."""
        deadline = time.monotonic() + 20
        while True:
            try:
                await self.open(AT_ONCE, {})
            except (WSError, OSError):
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.1)
            else:
                return

    async def open(self, count: int, headers: t.Mapping[str, str]) -> None:
        headers = {"Host": SITE, **headers}

        async def some(count: int) -> None:
            for _socket in range(count):
                _transport, client = await ws_connect(Client, self.url, extra_headers=headers, **self.tls)
                self.clients.append(t.cast(Client, client))

        await asyncio.gather(*(some(count // AT_ONCE) for _runner in range(AT_ONCE)))

    async def exchange(self, size: int) -> None:
        clients = iter(self.clients)

        async def some() -> None:
            for client in clients:
                await client.start(b"x" * size, turns=1)

        await asyncio.gather(*(some() for _runner in range(AT_ONCE)))

    async def saturate(self, size: int, seconds: float, sockets: int) -> None:
        for client in self.clients:
            client.echoes = 0
        clients = self.clients[:sockets]
        done = [client.start(b"x" * size, turns=float("inf")) for client in clients]
        await asyncio.sleep(seconds)
        for client in clients:
            client.turns = 0
        await asyncio.gather(*done)

    async def download(self, size: int, messages: int, sockets: int) -> None:
        for client in self.clients[:sockets]:
            await client.order(messages, size)

    async def upload(self, size: int, messages: int, sockets: int) -> None:
        for client in self.clients[:sockets]:
            for _message in range(messages):
                client.transport.send(WSMsgType.BINARY, bytes(size))
            await client.order(1, 0)

    async def obey(self, order: str, *arguments: t.Any) -> dict[str, float]:
        cpu, start = time.process_time(), time.monotonic()
        await getattr(self, order)(*arguments)
        return {
            "seconds": time.monotonic() - start,
            "cpu": time.process_time() - cpu,
            "sockets": len(self.clients),
            "echoes": sum(client.echoes for client in self.clients),
        }


async def main() -> None:
    load = Load(*sys.argv[1:])
    loop = asyncio.get_running_loop()
    while order := await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(await load.obey(*json.loads(order))), flush=True)


if __name__ == "__main__":
    # It warns of each full buffer.
    logging.getLogger("picows").setLevel(logging.ERROR)
    uvloop.run(main())
