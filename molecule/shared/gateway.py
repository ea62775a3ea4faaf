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
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import testinfra
import yaml
from waiting import PATIENCE, wait_until
from websockets.sync.client import ClientConnection, connect

SCENARIO = os.environ["MOLECULE_SCENARIO_NAME"]
INVENTORY = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"], "inventory")
# setns(2)
CLONE_NEWNET = 0x40000000


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
    """One host of ws_gateways and a site that it serves."""

    name: str
    server_name: str
    port: int
    configuration: str = "/etc/nginx/conf.d/00-websockets.conf"

    def site(self, server_name: str, port: int | None = None) -> Gateway:
        """Another site of the same host."""
        other = replace(self, server_name=server_name, port=port or self.port)
        # podman is asked once for all of them: it takes longer than a request.
        vars(other)["_inspection"] = self._inspection
        return other

    @property
    def container(self) -> str:
        """Its name in podman."""
        return f"{SCENARIO}-{self.name}"

    @cached_property
    def console(self) -> Any:
        """A testinfra host."""
        return testinfra.get_host(f"podman://{self.container}")

    @cached_property
    def has_systemd(self) -> bool:
        """The test of sd_booted(3)."""
        return bool(self.console.file("/run/systemd/system").is_directory)

    @cached_property
    def _inspection(self) -> Any:
        command = ["podman", "container", "inspect", self.container]
        return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)[0]

    @property
    def address(self) -> str:
        """Its address in the scenario's network."""
        (network,) = self._inspection["NetworkSettings"]["Networks"].values()
        return str(network["IPAddress"])

    @property
    def network(self) -> str:
        """The namespace of its network, for enter_network."""
        return f"/proc/{self._inspection['State']['Pid']}/ns/net"

    def open_socket(self, port: int, source: str | None = None) -> socket.socket:
        """Connect from this machine, or where a loopback address is given as source, inside the gateway from there.

        The kernel takes every address of 127.0.0.0/8 as a source, so one gateway can be visited from many networks.
        """
        if source is None:
            return socket.create_connection((self.address, port), PATIENCE)
        target = ("::1" if ":" in source else "127.0.0.1", port)
        with ThreadPoolExecutor(max_workers=1, initializer=enter_network, initargs=(self.network,)) as inside:
            # A socket stays in the network namespace of the thread that made it.
            return inside.submit(socket.create_connection, target, PATIENCE, (source, 0)).result()

    def listens(self, port: int) -> bool:
        """Whether something accepts connections on a port."""
        try:
            self.open_socket(port).close()
        except OSError:
            return False
        return True

    def open_unix_socket(self, path: str) -> socket.socket:
        """Connect to a Unix socket of the gateway."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(PATIENCE)
        connection.connect(f"/proc/{self._inspection['State']['Pid']}/root{path}")
        return connection

    def websocket(
        self, path: str, *, source: str | None = None, sock: socket.socket | None = None, **options: Any
    ) -> ClientConnection:
        """Open a WebSocket. The client checks the status and Sec-WebSocket-Accept."""
        connection: ClientConnection = connect(
            f"ws://{self.server_name}:{self.port}{path}",
            sock=sock or self.open_socket(self.port, source),
            proxy=None,
            compression=None,
            open_timeout=PATIENCE,
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
        sock: socket.socket | None = None,
    ) -> Answer:
        """Send an HTTP request."""
        connection = http.client.HTTPConnection(self.server_name, self.port, timeout=PATIENCE)
        connection.sock = sock or self.open_socket(self.port)
        connection.request(method, path, body=body, headers={"Host": self.server_name, **(headers or {})})
        response = connection.getresponse()
        answer = Answer(response.status, response.headers, b"" if response.status == 101 else response.read())
        connection.close()
        return answer

    def run(self, command: str) -> str:
        """Run a command on the gateway that has to succeed."""
        return str(self.console.check_output(command))

    def path(self, path: str) -> Path:
        """A file of the gateway, as this machine reaches it."""
        return Path(f"/proc/{self._inspection['State']['Pid']}/root{path}")

    @property
    def master(self) -> int:
        """The process id of nginx's master; 0 while that writes its pid file."""
        return int(self.path("/run/nginx.pid").read_text() or 0)

    def titles(self) -> dict[int, str]:
        """What each of its processes calls itself, by its id."""
        found = {}
        for process in self.path("/proc").glob("[0-9]*"):
            # Others come and go.
            with suppress(FileNotFoundError, ProcessLookupError):
                found[int(process.name)] = (process / "cmdline").read_text(errors="replace").replace("\0", " ")
        return found

    def workers(self) -> set[int]:
        """The workers of nginx that accept connections."""
        titles = self.titles().items()
        return {
            pid for pid, title in titles if title.startswith("nginx: worker process") and "shutting down" not in title
        }

    def reload(self) -> None:
        """Have nginx read its files; return when no worker that has the earlier ones accepts connections."""
        before = self.workers()
        self.run("kill -HUP $(cat /run/nginx.pid)")
        wait_until(lambda: (now := self.workers()) and not now & before, f"nginx on {self.name} has reloaded")

    @contextmanager
    def stopped(self, service: str = "nginx") -> Iterator[None]:
        """A service of systemd, until it is started again."""
        self.run(f"systemctl stop {service}")
        try:
            yield
        finally:
            self.run(f"systemctl start {service}")

    @property
    def fingerprint(self) -> str:
        """Which configuration nginx serves, in its own words."""
        inside = self.open_socket(488, "127.0.0.1")
        return self.request("GET", "/", sock=inside).body.decode().strip()

    def echoes(self, path: str = "/") -> bool:
        """Whether a WebSocket opens and what is sent comes back."""
        with self.websocket(path) as connection:
            return echoes(connection)


def enter_network(namespace: str) -> None:
    """Move the calling thread, and no other, into a network namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path(namespace).open("rb") as handle:
        if libc.setns(handle.fileno(), CLONE_NEWNET):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), namespace)


def echoes(connection: ClientConnection, message: str = "Is anybody there?") -> bool:
    """Whether what is sent comes back."""
    connection.send(message)
    return connection.recv(PATIENCE) == message


def group_variables() -> dict[str, Any]:
    """Return the variables of the scenario's groups."""
    variables: dict[str, Any] = {}
    for file in sorted((INVENTORY / "group_vars").rglob("*.yml")):
        variables.update(yaml.safe_load(file.read_text()))
    return variables


def gateways() -> list[Gateway]:
    """Return the gateways of the scenario, each with its first site, from its inventory."""
    hosts = yaml.safe_load((INVENTORY / "hosts.yml").read_text())["ws_gateways"]["hosts"]
    variables = group_variables()
    # A list of sites may be composed of several; they follow each other by name.
    lists = [value for name, value in sorted(variables.items()) if "_sites" in name and isinstance(value, list)]
    server_name, listen = (_first(lists[0][0][key]) for key in ("server_name", "listen"))
    port = int(listen.split()[0].rpartition(":")[2])
    usual = variables.get("websockets_config_path", Gateway.configuration)
    # Beside sites of others the file may be elsewhere.
    places = {name: (host or {}).get("configuration", usual) for name, host in hosts.items()}
    return [Gateway(name=name, server_name=server_name, port=port, configuration=places[name]) for name in hosts]


def _first(value: Any) -> str:
    return str(value[0] if isinstance(value, list) else value)
