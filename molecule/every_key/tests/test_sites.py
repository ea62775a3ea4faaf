# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each way to reach a site: by name, over IPv6, a Unix socket and TLS; and what is logged of it."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import ssl
import struct
import uuid

import hpack
import pytest
from gateway import Gateway
from waiting import PATIENCE, wait_until
from websockets.asyncio.client import connect

TENANTS = ["tenants.example", "a.tenants.example", "a.b.tenants.example", "www.tenant.example", "www.tenant.co.example"]
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def any_certificate(*protocols: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(protocols)
    return context


def tls(gateway: Gateway, name: str, port: int, *protocols: str) -> ssl.SSLSocket:
    return any_certificate(*protocols).wrap_socket(gateway.open_socket(port), server_hostname=name)


def frame(kind: int, flags: int, stream: int, content: bytes = b"") -> bytes:
    """A frame of HTTP/2 (RFC 9113 section 4.1)."""
    return struct.pack(">I", len(content))[1:] + struct.pack(">BBI", kind, flags, stream) + content


def http2_answer(connection: ssl.SSLSocket, host: str, path: str = "/") -> tuple[dict[str, str], bytes]:
    """The headers and the body of GET over HTTP/2."""
    asked = {":method": "GET", ":scheme": "https", ":path": path, ":authority": host}
    connection.sendall(PREFACE + frame(4, 0, 0) + frame(1, 5, 1, hpack.Encoder().encode(asked.items())))
    headers: dict[str, str] = {}
    body = b""
    with connection.makefile("rb") as stream:
        while True:
            head = stream.read(9)
            content = stream.read(int.from_bytes(head[:3], "big"))
            if head[3] == 1:
                headers = {str(name): str(value) for name, value in hpack.Decoder().decode(content)}
            if head[3] == 0:
                body += content
            if head[3] in (0, 1) and head[4] & 1:
                return headers, body


@pytest.mark.parametrize(
    "name", ["chat.example", "CHAT.example", "a.chat.example", "a.b.chat.example", "chat-07.example"]
)
def test_a_site_answers_to_each_of_its_names_wildcards_and_expressions(gateway: Gateway, name: str) -> None:
    with gateway.site(name).websocket("/?describe") as connection:
        headers = json.loads(connection.recv(PATIENCE))["headers"]
    assert headers["host"][0].partition(":")[0] == name.lower()


@pytest.mark.parametrize("name", TENANTS)
def test_a_domain_with_all_below_it_and_a_name_under_any_domain_are_one_site(gateway: Gateway, name: str) -> None:
    assert gateway.site(name).request("GET", "/").body == f"tenant {name}".encode()


def test_another_site_shares_the_port(gateway: Gateway) -> None:
    assert gateway.site("api.example").request("GET", "/").body == b"inner"


@pytest.mark.parametrize("name", ["other.example", "chat-7.example", "www.chat-07.example", "tenant.example"])
def test_any_other_name_gets_no_answer(gateway: Gateway, name: str) -> None:
    with pytest.raises(http.client.RemoteDisconnected):
        gateway.site(name).request("GET", "/")


def test_a_websocket_opens_over_ipv6(gateway: Gateway) -> None:
    with gateway.site("chat.example").websocket("/?describe", source="::1") as connection:
        headers = json.loads(connection.recv(PATIENCE))["headers"]
        connection.send("hello")
        assert connection.recv(PATIENCE) == "hello"
    assert headers["x-real-ip"] == ["::1"]


def test_a_websocket_opens_over_a_unix_socket(gateway: Gateway) -> None:
    chat = gateway.site("chat.example")
    with chat.websocket("/", sock=gateway.open_unix_socket("/run/chat.sock")) as connection:
        connection.send("hello")
        assert connection.recv(PATIENCE) == "hello"


def test_the_options_of_a_listen_are_those_of_its_socket(gateway: Gateway) -> None:
    workers = int(gateway.run("nproc"))
    sockets = gateway.run("ss --no-header --listening --tcp --numeric -4 'sport = :8080'").splitlines()
    # With reuseport each worker has its own.
    assert [line.split()[2] for line in sockets] == ["1024"] * workers


def test_an_nginx_that_does_not_spread_connections_has_a_socket_for_each_worker(gateway: Gateway) -> None:
    """Before 1.21.6 one worker would get all."""
    sockets = gateway.run("ss --no-header --listening --tcp --numeric -4 'sport = :8443'").splitlines()
    assert len(sockets) == (int(gateway.run("nproc")) if gateway.name == "gateway-bullseye" else 1)


@pytest.mark.parametrize(("name", "port"), [("secure.example", 8443), ("also-secure.example", 8444)])
def test_tls_speaks_http_2_and_1(gateway: Gateway, name: str, port: int) -> None:
    with tls(gateway, name, port, "h2", "http/1.1") as connection:
        assert connection.selected_alpn_protocol() == "h2"
        headers, body = http2_answer(connection, name)
        assert (headers[":status"], body) == ("200", f"HTTP/2.0 {name}".encode())
    answer = gateway.site(name, port).request("GET", "/", sock=tls(gateway, name, port, "http/1.1"))
    assert answer.body == f"HTTP/1.1 {name}".encode()


def test_http_2_is_told_to_use_websockets_without_the_header_that_it_forbids(gateway: Gateway) -> None:
    """RFC 9113 section 8.2.2."""
    with tls(gateway, "secure.example", 8443, "h2") as connection:
        headers, body = http2_answer(connection, "secure.example", "/required/")
    assert headers[":status"] == "426"
    assert "upgrade" not in headers
    assert b"WebSocket" in body
    answer = gateway.site("secure.example", 8443).request(
        "GET", "/required/", sock=tls(gateway, "secure.example", 8443, "http/1.1")
    )
    assert (answer.status, answer.headers["Upgrade"]) == (426, "websocket")


@pytest.mark.parametrize("name", ["192.0.2.10", "[2001:db8::10]", "beside.example"])
def test_a_site_with_tls_is_reached_by_its_ip_address(gateway: Gateway, name: str) -> None:
    """Clients name no address in their handshake (RFC 6066 section 3)."""
    told = name if name == "beside.example" else None
    connection = any_certificate("http/1.1").wrap_socket(gateway.open_socket(8445), server_hostname=told)
    answer = gateway.site(name, 8445).request("GET", "/", sock=connection)
    assert (answer.status, answer.body) == (200, name.encode())


def test_an_unknown_name_is_refused_beside_a_site_with_an_ip_address(gateway: Gateway) -> None:
    answer = gateway.site("other.example", 8445).request("GET", "/", sock=tls(gateway, "other.example", 8445))
    assert answer.status == 421


def test_a_websocket_opens_over_tls(gateway: Gateway) -> None:
    """With asyncio: the other client reads and writes in two threads, and Python's TLS sockets do not bear that."""

    async def exchange() -> tuple[str | bytes, str | bytes]:
        sock = gateway.open_socket(8443)
        sock.setblocking(False)
        url = "wss://secure.example:8443/ws/?describe"
        async with connect(url, sock=sock, ssl=any_certificate("http/1.1"), proxy=None) as connection:
            await connection.send("hello")
            return await connection.recv(), await connection.recv()

    description, echo = asyncio.run(asyncio.wait_for(exchange(), PATIENCE))
    assert json.loads(description)["headers"]["x-forwarded-proto"] == ["https"]
    assert echo == "hello"


def test_a_site_logs_where_and_how_it_is_told_or_not_at_all(gateway: Gateway) -> None:
    path = f"/{uuid.uuid4()}"
    assert gateway.site("api.example").request("GET", path).status == 200
    assert gateway.site("chat.example").request("GET", path).status == 200
    # Each worker writes its lines after a second.
    log = gateway.path("/var/log/nginx/chat.log")
    wait_until(lambda: path in log.read_text(), "nginx has written the log")
    found = [line for line in log.read_text().splitlines() if path in line]
    assert found == [f"chat.example 200 {path}"]
    everywhere = gateway.run(f"grep -rhF {path} /var/log/nginx").splitlines()
    # Between the two is the inner site, which has no log of its own.
    assert [line for line in everywhere if "unix:" not in line] == found


def test_the_configuration_is_where_it_is_told_and_nowhere_else(gateway: Gateway) -> None:
    files = gateway.run("ls /etc/nginx/conf.d").split()
    assert files == ["10-log-formats.conf", "50-websockets.conf"]


def test_the_live_configuration_tells_which_one_it_is_at_the_given_address(gateway: Gateway) -> None:
    fingerprint = gateway.request("GET", "/", sock=gateway.open_socket(489, source="::1")).body.decode().strip()
    assert re.fullmatch("[0-9a-f]{64}", fingerprint)
    assert fingerprint in gateway.console.file(gateway.configuration).content_string
    with pytest.raises(ConnectionRefusedError):
        gateway.open_socket(488, source="127.0.0.1")


def test_an_open_websocket_survives_a_reload(gateway: Gateway) -> None:
    with gateway.site("chat.example").websocket("/") as connection:
        gateway.reload()
        connection.send("still there?")
        assert connection.recv(PATIENCE) == "still there?"
