# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tornado as its own documentation has it: WebSockets of its own pages alone, by the handler's own check_origin."""

from __future__ import annotations

import asyncio
import sys

from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketHandler


class Page(RequestHandler):
    """Says what the application takes its own address to be."""

    def get(self) -> None:
        self.write(f"<!DOCTYPE html><title>Tornado</title><p>{self.request.protocol}://{self.request.host}</p>")


class Away(RequestHandler):
    """Sends clients to a page, by its whole address."""

    def get(self) -> None:
        self.redirect(f"{self.request.protocol}://{self.request.host}/?from=away")


class Echo(WebSocketHandler):
    """Says what it hears. Tornado compares the Origin's host and port with those of the Host header."""

    def on_message(self, message: str | bytes) -> None:
        self.write_message(message, binary=isinstance(message, bytes))


async def main() -> None:
    application = Application([("/", Page), ("/away", Away), ("/ws", Echo)])
    # Behind a proxy: X-Forwarded-Proto and X-Real-IP are believed.
    HTTPServer(application, xheaders=True).listen(int(sys.argv[1]))
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
