# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a request asks of nginx, and what came of it, in the response and at the servers behind nginx."""

from __future__ import annotations

import typing as t
from dataclasses import asdict, dataclass, field

# By this header a request tells the recording backend how to respond, where it gets there.
RESPOND = "X-Compare-Respond"


@dataclass(frozen=True)
class Request:
    # What nginx has in listen; where a wildcard is connected to is the client's matter.
    address: str
    # The Host header; None for none, which takes HTTP/1.0.
    host: str | None
    target: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    # The length of a body of which only the header is sent, as nginx decides by that.
    announced: int | None = None
    websocket: bool = False
    tls: bool = False
    # The server name in the TLS handshake; None for that of the Host.
    sni: str | None = None
    proxy_protocol: bool = False
    # The client's address; None for one that no other request has, which is CLIENT in the answer.
    client: str | None = None
    # Whether no server of either configuration has the name of the Host.
    foreign: bool = False
    # What else there is to it, for the report.
    note: str = ""
    tls_version: str | None = None
    alpn: str = "http/1.1"
    # Whether nginx may count the response as a failure of the server, which it then leaves out for a while.
    fails: bool = False
    # How often it is sent, by one client and without an end of the connections in between.
    times: int = 1
    # Whether the client shows its certificate where it is asked for one.
    certificate: bool = True

    @property
    def name(self) -> str:
        """How the report calls it."""
        scheme = ("wss" if self.tls else "ws") if self.websocket else ("https" if self.tls else "http")
        where = f"{scheme}://{self.host or ''}{self.target}"
        note = f", {self.note}" if self.note else ""
        port = "" if self.address.startswith("unix:") else self.address.rpartition(":")[2]
        at = self.address if not port else f"port {port}"
        method = "" if self.websocket and self.method == "GET" else f"{self.method} "
        return f"{method}{where} ({at}{note})"

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def as_dict(self) -> dict[str, t.Any]:
        return asdict(self)


def request_from(data: t.Mapping[str, t.Any]) -> Request:
    return Request(**{**data, "headers": tuple((str(name), str(value)) for name, value in data["headers"])})


@dataclass
class Received:
    """A request as a server behind nginx got it."""

    # As in the configuration: HOST:PORT or unix:/PATH.
    server: str
    # HTTP, FastCGI, …
    protocol: str = "HTTP"
    tls: bool = False
    method: str = ""
    target: str = ""
    version: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: str = ""


@dataclass
class Answer:
    # Why there is no response.
    error: str | None = None
    status: int | None = None
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: str = ""
    # Whether nginx has asked for the body.
    continued: bool = False
    # What came of the messages in an open WebSocket.
    websocket: str | None = None
    tls: str | None = None
    # Of a request that is sent several times: whether and how some of them are refused.
    refused: str | None = None
    received: list[Received] = field(default_factory=list)

    def as_dict(self) -> dict[str, t.Any]:
        return asdict(self)


def answer_from(data: t.Mapping[str, t.Any]) -> Answer:
    received = [
        Received(**{**one, "headers": [(field[0], field[1]) for field in one["headers"]]}) for one in data["received"]
    ]
    headers = [(field[0], field[1]) for field in data["headers"]]
    return Answer(**{**data, "headers": headers, "received": received})
