# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names without a site, over TLS: in the handshake of TLS (SNI), and in the request."""

from __future__ import annotations

import ssl
import uuid
from collections.abc import Generator
from contextlib import contextmanager

import pytest
from attacker import HANDSHAKE, Connection, Route, Target, arrived, ours, request, tutorial
from gateway import Gateway

SECURE = "secure.example"
PORT = 8443
EVIL = "evil.example"


@contextmanager
def connect(target: Target, name: str | None) -> Generator[Connection, None, None]:
    """Open a connection for a name, or for none. Any certificate will do."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with target.gateway.open_socket(PORT + target.ports) as sock:  # noqa: SIM117
        with context.wrap_socket(sock, server_hostname=name) as secure, secure.makefile("rb") as stream:
            yield Connection(secure, stream)


def statuses(target: Target, name: str | None, host: str) -> tuple[int, int]:
    """Those of a handshake and of a plain request."""
    with connect(target, name) as plain, connect(target, name) as connection:
        route = Route(host, PORT, "/")
        return connection.ask(request(route, *HANDSHAKE)).status, plain.ask(request(route)).status


@pytest.mark.parametrize("name", [EVIL, f"{SECURE}.{EVIL}", f"a.{SECURE}", None], ids=str)
def test_a_name_without_a_site_gets_no_certificate(gateway: Gateway, name: str | None) -> None:
    """The tutorial's only site shows its certificate, and answers to the name.

    nginx before 1.19.4 has no ssl_reject_handshake: it ends the handshake for want of a certificate.
    """
    assert statuses(tutorial(gateway), name, name or EVIL) == (101, 200)
    with pytest.raises(ssl.SSLError, match=r"UNRECOGNIZED_NAME|INTERNAL_ERROR"), connect(ours(gateway), name):
        pass


def test_a_name_that_the_handshake_of_tls_did_not_have(gateway: Gateway) -> None:
    route = Route(EVIL, PORT, f"/{uuid.uuid4().hex}")
    for target, status, requests in ((ours(gateway), 421, 0), (tutorial(gateway), 101, 1)):
        with connect(target, SECURE) as connection:
            assert connection.ask(request(route, *HANDSHAKE)).status == status
        assert len(arrived(route.path)) == requests


def test_the_sites_own_name_is_served(gateway: Gateway) -> None:
    assert statuses(ours(gateway), SECURE, SECURE) == (101, 200)
    with connect(ours(gateway), SECURE) as connection:
        connection.ask(request(Route(SECURE, PORT, "/"), *HANDSHAKE))
        assert connection.message()["headers"]["x-forwarded-proto"] == ["https"]
