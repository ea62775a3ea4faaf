# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A gateway of a scenario as its users see it: over HTTP, over WebSockets, and on its own console."""

from __future__ import annotations

import ctypes
import http.client
import json
import os
import socket
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import testinfra
import yaml
from websockets.sync.client import ClientConnection, connect

SCENARIO = os.environ["MOLECULE_SCENARIO_NAME"]
INVENTORY = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"], "inventory")
# setns(2)
CLONE_NEWNET = 0x40000000
# Nothing here takes longer than this, so a test that waits has failed.
TIMEOUT = 10


@dataclass(frozen=True)
class Answer:
    """What an HTTP request was answered with."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        """The body's content."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Gateway:
    """One host of ws_gateways and the first site that it serves."""

    name: str
    server_name: str
    port: int

    @property
    def container(self) -> str:
        """Its name in podman."""
        return f"{SCENARIO}-{self.name}"

    @cached_property
    def console(self) -> Any:
        """A testinfra host."""
        return testinfra.get_host(f"podman://{self.container}")

    @cached_property
    def _inspection(self) -> Any:
        command = ["podman", "container", "inspect", self.container]
        return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)[0]

    @property
    def address(self) -> str:
        """Its address in the scenario's network."""
        (network,) = self._inspection["NetworkSettings"]["Networks"].values()
        return str(network["IPAddress"])

    def _socket(self, port: int, source: str | None) -> socket.socket:
        """Connect from this machine, or where a loopback address is given as source, inside the gateway from there.

        The kernel takes every address of 127.0.0.0/8 as a source, so one gateway can be visited from many networks.
        """
        if source is None:
            return socket.create_connection((self.address, port), TIMEOUT)
        namespace = f"/proc/{self._inspection['State']['Pid']}/ns/net"
        with ThreadPoolExecutor(max_workers=1, initializer=_enter_network, initargs=(namespace,)) as inside:
            # A socket stays in the network namespace of the thread that made it.
            return inside.submit(socket.create_connection, ("127.0.0.1", port), TIMEOUT, (source, 0)).result()

    def websocket(self, path: str, *, source: str | None = None, **options: Any) -> ClientConnection:
        """Open a WebSocket. The client checks the status and Sec-WebSocket-Accept."""
        connection: ClientConnection = connect(
            f"ws://{self.server_name}:{self.port}{path}",
            sock=self._socket(self.port, source),
            proxy=None,
            compression=None,
            open_timeout=TIMEOUT,
            max_size=None,
            **options,
        )
        return connection

    def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        port: int | None = None,
    ) -> Answer:
        """Send an HTTP request to the site, or with another Host header to another one."""
        connection = http.client.HTTPConnection(self.server_name, port or self.port, timeout=TIMEOUT)
        connection.sock = self._socket(port or self.port, None)
        connection.request(method, path, body=body, headers={"Host": self.server_name, **(headers or {})})
        response = connection.getresponse()
        answer = Answer(response.status, response.headers, b"" if response.status == 101 else response.read())
        connection.close()
        return answer

    def run(self, command: str) -> str:
        """Run a command on the gateway that has to succeed."""
        return str(self.console.check_output(command))


def _enter_network(namespace: str) -> None:
    """Move the calling thread, and no other, into a network namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path(namespace).open("rb") as handle:
        if libc.setns(handle.fileno(), CLONE_NEWNET):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), namespace)


def gateways() -> list[Gateway]:
    """Return the gateways of the scenario, from its inventory."""
    hosts = yaml.safe_load((INVENTORY / "hosts.yml").read_text())["ws_gateways"]["hosts"]
    variables = yaml.safe_load((INVENTORY / "group_vars" / "ws_gateways.yml").read_text())
    site = variables["websockets_sites"][0]
    return [Gateway(name=name, server_name=site["server_name"], port=site["listen"]) for name in hosts]
