# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The clients that programs use: Java's, those of npm, and curl."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from applications import PORTS, Way, json_lines, run_client
from gateway import Gateway

SIZES = [128, 4 << 10, 16 << 10, 64 << 10, 1 << 20]
SOCKETS = [("express", "/ws"), ("tornado", "/ws"), ("asgi", "/ws")]
CURL = [[], ["--http2"], ["--http2", "--data", "hello"]]


@dataclass(frozen=True)
class Visits:
    """The same client's visits to all ports of one gateway, or past the gateways: programs start slowly."""

    gateway: Gateway | None

    @property
    def ways(self) -> list[Way]:
        return [Way(self.gateway, port) for port in PORTS] if self.gateway else [Way()]

    @property
    def address(self) -> str:
        """Where all applications are."""
        return self.ways[0].to("asgi").address

    def urls(self, *targets: tuple[str, str]) -> list[str]:
        """These paths of applications, for each port."""
        return [way.to(application).origin + path for way in self.ways for application, path in targets]

    def of(self, way: Way, results: Sequence[Any]) -> Any:
        """The results of this port."""
        each = len(results) // len(self.ways)
        at = self.ways.index(way) * each
        return results[at : at + each]


@functools.cache
def results_of_node(visits: Visits, kind: str) -> list[Any]:
    targets = SOCKETS if kind == "ws" else [("socketio", "")]
    command = ["node", "clients/node_client.js", kind, visits.address]
    return json_lines(run_client(*command, *visits.urls(*targets)))


@functools.cache
def results_of_java(visits: Visits) -> list[Any]:
    hosts = f"/tmp/hosts-{visits.address}"
    run_client("sh", "-c", f"echo '{visits.address} asgi.example' >{hosts}")
    options = [f"-Djdk.net.hosts.file={hosts}", "-Djdk.internal.httpclient.disableHostnameVerification"]
    return json_lines(run_client("java", *options, "clients/Client.java", *visits.urls(("asgi", ""))))


@functools.cache
def results_of_curl(visits: Visits) -> list[str]:
    """The HTTP versions and statuses of requests by each of these options."""
    command = ["curl"]
    for url in visits.urls(("asgi", "/request")):
        for options in CURL:
            command += [*options, "--silent", "--show-error", "--insecure", "--max-time", "60"]
            command += ["--connect-to", f"::{visits.address}:", "--output", "/dev/null"]
            command += ["--write-out", "%{http_version} %{http_code}\\n", url, "--next"]
    return run_client(*command[:-1]).splitlines()


def test_ws_of_node(way: Way) -> None:
    visits = Visits(way.gateway)
    assert visits.of(way, results_of_node(visits, "ws")) == [SIZES] * len(SOCKETS)


def test_the_client_of_socketio_polls_first_and_stays_on_one_server(way: Way) -> None:
    visits = Visits(way.gateway)
    (result,) = visits.of(way, results_of_node(visits, "socketio"))
    assert result["sizes"] == SIZES
    assert result["transport"] == "websocket"
    assert len(result["ports"]) == 1


def test_java(way: Way) -> None:
    """Its HttpClient asks for h2c, and Uvicorn as well as the gateways go on in HTTP/1.1."""
    visits = Visits(way.gateway)
    (result,) = visits.of(way, results_of_java(visits))
    assert (result["get"], result["post"], result["heard"]) == (200, 200, 65536)
    assert result["request"]["bytes"] == 100_000
    if way.gateway:
        assert "upgrade" not in result["request"]["headers"]


def test_curl(way: Way) -> None:
    visits = Visits(way.gateway)
    assert visits.of(way, results_of_curl(visits)) == ["1.1 200"] * len(CURL)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("upgrade", ["h2c", "TLS/1.2"])
def test_an_upgrade_that_nobody_here_knows_is_passed_over(way: Way, upgrade: str, method: str) -> None:
    """Apache's HttpClient asks for TLS/1.2 since 5.4."""
    headers = {"Connection": "Upgrade", "Upgrade": upgrade}
    answer = way.to("asgi").request(method, "/request", headers=headers, body=b"x" * 1000 if method == "POST" else None)
    assert answer.status == 200
    assert answer.json["bytes"] == (1000 if method == "POST" else 0)
    if way.gateway:
        assert "upgrade" not in answer.json["headers"]


def test_a_refusal_in_http2_names_no_upgrade(gateway: Gateway) -> None:
    """RFC 9113 section 8.2.2; curl takes a response that does for malformed."""
    address = Visits(gateway).address
    options = ["--http2", "--silent", "--show-error", "--insecure", "--max-time", "60", "--connect-to", f"::{address}:"]
    output = ["--output", "/dev/null", "--write-out", "%{http_version} %{http_code}\\n"]
    urls = ["https://http2.example:8443/", "https://http2.example:8443/ws"]
    assert run_client("curl", *options, *output, urls[0]).split() == ["2", "200"]
    assert run_client("curl", *options, *output, urls[1]).split() == ["2", "426"]
