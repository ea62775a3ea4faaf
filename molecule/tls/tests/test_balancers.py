# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who the client is behind load balancers: believed from them, and from nobody else."""

from __future__ import annotations

import json

import pytest
from gateway import Gateway
from secure import ECHOED, messages, proxy_1, proxy_2, received, secured, verifying

BALANCER, SECOND_BALANCER, SOMEBODY = "127.0.0.10", "127.0.0.17", "127.0.0.11"
CLIENTS = ("198.51.100.7", "2001:db8::7")
VERSIONS = {"1": proxy_1, "2": proxy_2}


@pytest.fixture
def plain(gateway: Gateway) -> Gateway:
    return gateway.site("balanced.example", 8083)


@pytest.fixture
def secure(gateway: Gateway) -> Gateway:
    return gateway.site("balanced.example", 8444)


def seen(site: Gateway, source: str, header: bytes) -> str:
    """Who the client is to the backend."""
    sock = site.open_socket(site.port, source)
    sock.sendall(header)
    (found,) = site.request("GET", "/", sock=sock).json["headers"]["x-real-ip"]
    return str(found)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("version", VERSIONS)
def test_a_balancer_tells_the_client_by_the_proxy_protocol(plain: Gateway, version: str, client: str) -> None:
    assert seen(plain, BALANCER, VERSIONS[version](client)) == client


@pytest.mark.parametrize("version", VERSIONS)
def test_nobody_else_does(plain: Gateway, version: str) -> None:
    assert seen(plain, SOMEBODY, VERSIONS[version](CLIENTS[0])) == SOMEBODY


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("version", VERSIONS)
def test_before_tls_too(secure: Gateway, version: str, client: str) -> None:
    sock = secure.open_socket(secure.port, BALANCER)
    sock.sendall(VERSIONS[version](client))
    described, *echoed = messages(secure, sock, path="/?describe")
    assert json.loads(described)["headers"]["x-real-ip"] == [client]
    assert echoed == ECHOED


def test_who_does_not_speak_it_is_not_answered(plain: Gateway, secure: Gateway) -> None:
    with plain.open_socket(plain.port, BALANCER) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: balanced.example\r\n\r\n")
        assert received(sock) == b""
    with pytest.raises(OSError, match=r"EOF|reset|Broken pipe"):
        secured(secure, verifying(), source=BALANCER)


@pytest.mark.parametrize(
    ("source", "header", "client"),
    [
        (BALANCER, "198.51.100.7", "198.51.100.7"),
        # What stands before it the client itself may have written.
        (BALANCER, "203.0.113.9, 198.51.100.7", "198.51.100.7"),
        (BALANCER, "203.0.113.9, 198.51.100.7, 127.0.0.17", "198.51.100.7"),
        (SECOND_BALANCER, "198.51.100.7", "198.51.100.7"),
        (SOMEBODY, "198.51.100.7", SOMEBODY),
        (SOMEBODY, "198.51.100.7, 127.0.0.10", SOMEBODY),
    ],
)
def test_a_balancer_tells_the_client_by_a_header(gateway: Gateway, source: str, header: str, client: str) -> None:
    site = gateway.site("forwarded.example", 8082)
    sock = site.open_socket(site.port, source)
    answer = site.request("GET", "/", headers={"X-Forwarded-For": header}, sock=sock)
    assert answer.json["headers"]["x-real-ip"] == [client]


def test_the_proxy_protocol_is_no_way_to_a_site_that_does_not_expect_it(gateway: Gateway) -> None:
    site = gateway.site("forwarded.example", 8082)
    with site.open_socket(site.port, BALANCER) as sock:
        sock.sendall(proxy_1(CLIENTS[0]) + b"GET / HTTP/1.1\r\nHost: forwarded.example\r\n\r\n")
        assert b" 400 " in received(sock).splitlines()[0]


def forwarded(site: Gateway, source: str, headers: dict[str, str], name: str, start: bytes = b"") -> str | None:
    """What a backend sees of a header that is forwarded."""
    sock = site.open_socket(site.port, source)
    sock.sendall(start)
    found = site.request("GET", "/", headers=headers, sock=sock).json["headers"]
    return ", ".join(found.get(name, [])) or None


@pytest.mark.parametrize(
    ("source", "said", "passed"),
    [
        (BALANCER, "https", "https"),
        (BALANCER, "http", "http"),
        (BALANCER, "HTTPS", "https"),
        (BALANCER, "httpx", "http"),
        (BALANCER, "https, http", "http"),
        (BALANCER, "javascript", "http"),
        (SOMEBODY, "https", "http"),
    ],
)
def test_a_balancer_tells_the_scheme_and_nobody_else_does(
    gateway: Gateway, source: str, said: str, passed: str
) -> None:
    site = gateway.site("forwarded.example", 8082)
    headers = {"X-Forwarded-For": CLIENTS[0], "X-Forwarded-Proto": said}
    assert forwarded(site, source, headers, "x-forwarded-proto") == passed


@pytest.mark.parametrize(
    ("source", "said", "passed"),
    [
        (BALANCER, "198.51.100.7", "198.51.100.7, 127.0.0.10"),
        (BALANCER, "203.0.113.9, 198.51.100.7", "203.0.113.9, 198.51.100.7, 127.0.0.10"),
        (BALANCER, "198.51.100.7, 127.0.0.17", "198.51.100.7, 127.0.0.17, 127.0.0.10"),
        (SOMEBODY, "198.51.100.7", "198.51.100.7, 127.0.0.11"),
        (SOMEBODY, None, "127.0.0.11"),
        (BALANCER, None, "127.0.0.10"),
    ],
)
def test_the_client_and_the_balancer_are_named_once_each(
    gateway: Gateway, source: str, said: str | None, passed: str
) -> None:
    site = gateway.site("forwarded.example", 8082)
    headers = {"X-Forwarded-For": said} if said else {}
    assert forwarded(site, source, headers, "x-forwarded-for") == passed


@pytest.mark.parametrize("version", VERSIONS)
def test_so_they_are_with_the_proxy_protocol_behind_which_a_client_writes_the_headers(
    plain: Gateway, version: str
) -> None:
    start, headers = VERSIONS[version](CLIENTS[0]), {"X-Forwarded-Proto": "https"}
    assert forwarded(plain, BALANCER, headers, "x-forwarded-for", start) == f"{CLIENTS[0]}, {BALANCER}"
    assert forwarded(plain, BALANCER, headers, "x-forwarded-proto", start) == "http"
    headers["X-Forwarded-For"] = CLIENTS[0]
    assert forwarded(plain, BALANCER, headers, "x-forwarded-for", start) == f"{CLIENTS[0]}, {BALANCER}"
