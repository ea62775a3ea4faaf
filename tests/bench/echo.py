# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The backends of the benchmarks, on every given port of every address.

They echo each text message. They do not respond to binary messages, except to one of ORDER's size, which requests a
number of binary messages of a given size.
"""

from __future__ import annotations

import asyncio
import logging
import struct
import sys

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

ORDER = struct.Struct("!II")


class Echo(WSListener):
    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()
        elif frame.msg_type == WSMsgType.BINARY:
            if frame.payload_size == ORDER.size:
                count, size = ORDER.unpack(frame.get_payload_as_bytes())
                for _message in range(count):
                    transport.send(WSMsgType.BINARY, bytes(size))
        else:
            transport.send(frame.msg_type, frame.get_payload_as_bytes())


def echo(_request: WSUpgradeRequest) -> WSListener:
    return Echo()


async def main() -> None:
    servers = [await ws_create_server(echo, "0.0.0.0", int(port)) for port in sys.argv[1:]]
    print("ready", flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    # It warns of each full buffer.
    logging.getLogger("picows").setLevel(logging.ERROR)
    uvloop.run(main())
