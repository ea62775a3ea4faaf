# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an attacker does, byte for byte, and what comes of it: at the attacker's end and at that of the backends."""

from __future__ import annotations

import json
import socket
import uuid
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPMessage, parse_headers
from typing import Any, BinaryIO, NamedTuple

from gateway import Gateway

# The tutorial's nginx listens on these ports beside the role's.
TUTORIAL_PORTS = 10000

H2C = ("Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAAQAAP__")
KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
VERSION = "Sec-WebSocket-Version: 13"
HANDSHAKE = ("Upgrade: websocket", "Connection: Upgrade", KEY, VERSION)


class Route(NamedTuple):
    """Where a request goes."""

    host: str
    port: int
    path: str


# The first founding configuration, and the second one.
CHAT = Route("ws.serverlab.ca", 3000, "/chat")
REST1 = Route("localhost", 80, "/apiv1/items")
REST2 = Route("localhost", 80, "/apiv2/items")
WS = Route("localhost", 80, "/ws/rooms")
PAGE = Route("localhost", 80, "/page")


# What the backends have seen.
RECORD = Gateway(name="backends", server_name="backends", port=9000)


class Answer(NamedTuple):
    """What a request was answered with."""

    status: int
    headers: HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        """The body's content."""
        return json.loads(self.body)


class Outcome(NamedTuple):
    """What came of an attack."""

    answer: Answer
    # What a backend answered in the connection after a 101, where no gateway looks any more.
    smuggled: Any
    # The requests that backends saw.
    arrived: Sequence[str]


@dataclass(frozen=True)
class Connection:
    """A connection to a gateway."""

    sock: socket.socket
    stream: BinaryIO

    def ask(self, request: bytes = b"") -> Answer:
        """Send a request and read an answer."""
        self.sock.sendall(request)
        status = int(self.stream.readline().split()[1])
        headers = parse_headers(self.stream)
        if status < 200:
            return Answer(status, headers, b"")
        length = headers["Content-Length"]
        return Answer(status, headers, self.stream.read(int(length) if length else -1))

    def message(self) -> Any:
        """Read the first message of a WebSocket: what the backend tells the session that it takes this to be."""
        length = int.from_bytes(self.stream.read(4)[2:], "big")
        return json.loads(self.stream.read(length))


@dataclass(frozen=True)
class Target:
    """One of the two nginx of a gateway: that with the role's file, or that with the tutorial's."""

    gateway: Gateway
    ports: int = 0

    @contextmanager
    def connect(self, port: int, source: str | None = None) -> Generator[Connection, None, None]:
        """Open a connection; where a source is given, from that address inside the gateway."""
        with self.gateway.open_socket(port + self.ports, source) as sock, sock.makefile("rb") as stream:
            yield Connection(sock, stream)

    def ask(self, route: Route, *fields: str, source: str | None = None, **line: str) -> Answer:
        """Send one request and read the answer."""
        with self.connect(route.port, source) as connection:
            return connection.ask(request(route, *fields, **line))

    def session(self, route: Route, *fields: str) -> tuple[Answer, Any]:
        """Open a WebSocket, and read what the backend tells the session that it takes this to be."""
        with self.connect(route.port) as connection:
            answer = connection.ask(request(route, *HANDSHAKE, *fields))
            return answer, connection.message() if answer.status == 101 else None

    @contextmanager
    def websocket(self, route: Route, source: str | None = None) -> Generator[int, None, None]:
        """Ask for a WebSocket, and keep open what comes of it. Gives the status."""
        with self.connect(route.port, source) as connection:
            yield connection.ask(request(route, *HANDSHAKE)).status

    def smuggle(
        self, route: Route, *fields: str, url: str = "", query: str = "", content: str = "", **line: str
    ) -> Outcome:
        """Send a request, and if a tunnel comes of it, in there one that the gateway would not pass on.

        With a content, a length or chunked, that one comes along as the body already.
        """
        token = uuid.uuid4().hex
        hidden = f"GET /admin/{token} HTTP/1.1\r\nHost: internal\r\n\r\n".encode()
        described, body = BODIES[content](hidden)
        route = route._replace(path=f"{url or route.path}?{query}&{token}")
        with self.connect(route.port) as connection:
            answer = connection.ask(request(route, *fields, *described, **line) + body)
            # What has a Sec-WebSocket-Accept is a WebSocket indeed.
            tunnel = answer.status == 101 and "Sec-WebSocket-Accept" not in answer.headers
            smuggled = connection.ask(b"" if body else hidden).json if tunnel else None
        return Outcome(answer, smuggled, arrived(token))


Body = tuple[Sequence[str], bytes]
BODIES: Mapping[str, Callable[[bytes], Body]] = {
    "": lambda body: ((), b""),
    "length": lambda body: ([f"Content-Length: {len(body)}"], body),
    "chunked": lambda body: (["Transfer-Encoding: chunked"], b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)),
}


def tutorial(gateway: Gateway) -> Target:
    """The nginx with the tutorial's file."""
    return Target(gateway, TUTORIAL_PORTS)


def ours(gateway: Gateway) -> Target:
    """The nginx with the role's file."""
    return Target(gateway)


def request(route: Route, *fields: str, method: str = "GET", version: str = "HTTP/1.1") -> bytes:
    """The head of a request. A field of the caller's own stands in for the route's Host."""
    named = any(field.lower().startswith("host:") for field in fields)
    lines = [f"{method} {route.path} {version}", *([] if named else [f"Host: {route.host}"]), *fields, "", ""]
    return "\r\n".join(lines).encode()


def arrived(token: str) -> Sequence[str]:
    """The heads of the requests with a token that any backend has seen."""
    heads: Sequence[str] = RECORD.request("GET", f"/{token}").json
    return heads


def assert_smuggled(outcome: Outcome) -> None:
    """A backend answered in a tunnel."""
    assert outcome.answer.status == 101
    assert outcome.smuggled["tunnel"]
    assert outcome.smuggled["path"].startswith("/admin/")


def assert_refused(outcome: Outcome, status: int) -> None:
    """The gateway itself answered, and no backend knows of the attack."""
    assert outcome.answer.status == status
    assert outcome.arrived == []
    if status == 426:
        # RFC 9110 section 15.5.22 and RFC 6455 section 4.4
        assert outcome.answer.headers.get_all("Upgrade") == ["websocket"]
        assert outcome.answer.headers.get_all("Sec-WebSocket-Version") == ["13"]
        assert outcome.answer.body
