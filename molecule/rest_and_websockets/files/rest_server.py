# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A REST server on port 8000 that answers with what it was asked: method, path, headers and body."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

STATUS = {"GET": 200, "POST": 201, "PUT": 200, "DELETE": 204}


class Handler(BaseHTTPRequestHandler):
    """Answers every method alike."""

    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        """Answer with the request, without a body where the status allows none."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers: dict[str, list[str]] = {}
        for field, value in self.headers.items():
            headers.setdefault(field.lower(), []).append(value)
        status = 404 if "/missing" in self.path else STATUS[self.command]
        asked = {"method": self.command, "path": self.path, "headers": headers, "body": body.decode()}
        answer = b"" if status == 204 else json.dumps(asked).encode()
        self.send_response(status)
        self.send_header("X-Method", self.command)
        if status != 204:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_PUT = do_DELETE = answer


if __name__ == "__main__":
    ThreadingHTTPServer(("", 8000), Handler).serve_forever()
