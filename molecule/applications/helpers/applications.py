# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The applications of the scenario as their clients reach them: past the gateways, and through each of them."""

from __future__ import annotations

import asyncio
import functools
import http.client
import json
import socket
import ssl
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway import Answer, Gateway, gateways, group_variables
from waiting import PATIENCE
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake, InvalidStatus
from websockets.typing import Origin, Subprotocol

# Where all sites listen, see the inventory.
PORTS = (3000, 80, 443)
HTTP, HTTPS = 80, 443
BACKENDS = Gateway(name="backends", server_name="backends", port=0)
Message = str | bytes


@dataclass(frozen=True)
class Place:
    """An application at the address that a client knows."""

    name: str
    address: str
    port: int
    secure: bool = False

    @property
    def host(self) -> str:
        """What a client sends as Host."""
        return self.name if self.port == (HTTPS if self.secure else HTTP) else f"{self.name}:{self.port}"

    @property
    def origin(self) -> str:
        """Whose pages these are, RFC 6454 section 6.2."""
        return f"http{'s' if self.secure else ''}://{self.host}"

    def open_socket(self) -> socket.socket:
        sock = socket.create_connection((self.address, self.port), PATIENCE)
        return trusting().wrap_socket(sock, server_hostname=self.name) if self.secure else sock

    def request(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        """Send an HTTP request."""
        connection = http.client.HTTPConnection(self.name, self.port, timeout=PATIENCE)
        with self.open_socket() as connection.sock:
            connection.request(method, path, body=body, headers={"Host": self.host, **(headers or {})})
            response = connection.getresponse()
            return Answer(response.status, response.headers, b"" if response.status == 101 else response.read())

    def get(self, path: str, **headers: str) -> Answer:
        """Ask for a page."""
        return self.request("GET", path, headers=headers)

    def handshake(
        self,
        path: str,
        *,
        origin: str | None = None,
        subprotocol: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> int:
        """The status that a handshake is answered with; 0 where the server hangs up."""

        async def ask() -> int:
            try:
                async with self._dial(path, origin=origin, subprotocol=subprotocol, headers=headers):
                    return 101
            except InvalidStatus as error:
                return error.response.status_code
            except (InvalidHandshake, EOFError, ConnectionError):
                return 0

        return asyncio.run(ask())

    def converse(
        self,
        path: str,
        messages: Sequence[Message],
        *,
        until: str | None = None,
        subprotocol: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> list[Message]:
        """Open a WebSocket as a page of the application does, and say one thing after the other; what is answered.

        As many messages as were sent, or all up to the first that holds a text.
        """

        async def speak() -> list[Message]:
            async with self._dial(path, origin=self.origin, subprotocol=subprotocol, headers=headers) as websocket:
                for message in messages:
                    await websocket.send(message)
                heard: list[Message] = []
                while len(heard) < len(messages) if until is None else not heard or until not in str(heard[-1]):
                    heard.append(await asyncio.wait_for(websocket.recv(), PATIENCE))
                return heard

        return asyncio.run(speak())

    def _dial(
        self,
        path: str,
        *,
        origin: str | None,
        subprotocol: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> connect:
        sock = socket.create_connection((self.address, self.port), PATIENCE)
        sock.setblocking(False)
        return connect(
            f"ws{'s' if self.secure else ''}://{self.name}:{self.port}{path}",
            sock=sock,
            ssl=trusting() if self.secure else None,
            origin=Origin(origin) if origin else None,
            subprotocols=[Subprotocol(subprotocol)] if subprotocol else None,
            additional_headers=headers,
            compression=None,
            proxy=None,
            open_timeout=PATIENCE,
            max_size=None,
        )


@dataclass(frozen=True)
class Way:
    """A way to all applications: past the gateways, or through one of them, to one of its ports."""

    gateway: Gateway | None = None
    port: int = 0

    def __str__(self) -> str:
        return f"{self.gateway.name}:{self.port}" if self.gateway else "direct"

    def to(self, application: str) -> Place:
        """Where an application is, this way."""
        name = f"{application}.example"
        if self.gateway is None:
            host, port = servers()[application]
            return Place(name, address(host), port)
        return Place(name, address(self.gateway.name), self.port, secure=self.port == HTTPS)


def ways() -> list[Way]:
    """All of them."""
    return [Way(), *(Way(gateway, port) for gateway in gateways() for port in PORTS)]


@functools.cache
def address(host: str) -> str:
    """The address of a host of the scenario."""
    return Gateway(name=host, server_name=host, port=0).address


@functools.cache
def servers() -> dict[str, tuple[str, int]]:
    """The host and the port of each application's first server."""
    upstreams = group_variables()["applications_upstreams"]
    split = {upstream["name"]: upstream["servers"][0].split(":") for upstream in upstreams}
    return {name: (host, int(port)) for name, (host, port) in split.items()}


@functools.cache
def trusting() -> ssl.SSLContext:
    """Trust everybody: whom clients trust is another scenario's."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def run_client(*command: str, environment: Mapping[str, str] | None = None) -> str:
    """Run a program beside the applications; what it writes."""
    variables = {"PYTHONPATH": "/srv/applications/python", **(environment or {})}
    options = [f"--env={name}={value}" for name, value in variables.items()]
    ended = subprocess.run(
        ["podman", "exec", "--workdir=/srv/applications", *options, BACKENDS.container, *command],
        check=False,
        capture_output=True,
        text=True,
        timeout=3 * PATIENCE,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def json_lines(text: str) -> list[Any]:
    """One value a line."""
    return [json.loads(line) for line in text.splitlines()]


def cookies(answer: Answer) -> str:
    """What a browser sends back."""
    return "; ".join(cookie.partition(";")[0] for cookie in answer.headers.get_all("Set-Cookie", []))
