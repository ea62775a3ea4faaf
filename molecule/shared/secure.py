# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients of a gateway that speak TLS, and load balancers before it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

from gateway import Gateway
from waiting import PATIENCE
from websockets.asyncio.client import connect
from websockets.typing import Origin

EPHEMERAL = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
CERTIFICATES = EPHEMERAL / "certificates"
ECHOED = ["before", "after"]
ORIGIN = Origin("https://app.example")

# RFC 8446 section 5.1.
ALERT = 21
# OpenSSL itself takes neither old versions nor old cipher suites below that.
ANYTHING = "ALL:@SECLEVEL=0"


def verifying(certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    """Trust the scenario's CA alone, and show a certificate if one is given."""
    context = ssl.create_default_context(cafile=str(CERTIFICATES / "gateway/root.pem"))
    if certificate:
        context.load_cert_chain(certificate, key)
    return context


def only(version: ssl.TLSVersion, ciphers: str = ANYTHING) -> ssl.SSLContext:
    """Speak one version of TLS, with these cipher suites where it is 1.2 or older."""
    context = verifying()
    context.set_ciphers(ciphers)
    context.minimum_version = context.maximum_version = version
    return context


def secured(
    gateway: Gateway,
    context: ssl.SSLContext,
    *,
    session: ssl.SSLSession | None = None,
    source: str | None = None,
    header: bytes = b"",
) -> ssl.SSLSocket:
    """Connect to a site by TLS, after the header of a load balancer if one is given."""
    sock = gateway.open_socket(gateway.port, source)
    try:
        sock.sendall(header)
        return context.wrap_socket(sock, server_hostname=gateway.server_name, session=session)
    except BaseException:
        sock.close()
        raise


def messages(
    gateway: Gateway,
    sock: socket.socket | None = None,
    *,
    path: str = "/",
    certificate: tuple[Path, Path] | None = None,
    meanwhile: Callable[[], object] = lambda: None,
) -> list[str]:
    """Open a WebSocket by TLS, send one message before and one after what happens meanwhile; all that comes back.

    One thread reads and writes, for OpenSSL's connections are not for two, as websockets' other client has it.
    """

    async def converse() -> list[str]:
        connection = sock or gateway.open_socket(gateway.port)
        connection.setblocking(False)
        heard = []
        async with connect(
            f"wss://{gateway.server_name}:{gateway.port}{path}",
            sock=connection,
            ssl=verifying(*certificate or ()),
            origin=ORIGIN,
            proxy=None,
            compression=None,
            ping_interval=None,
            open_timeout=PATIENCE,
        ) as websocket:
            for message in ("before", "after"):
                await websocket.send(message)
                while message not in heard:
                    heard.append(str(await asyncio.wait_for(websocket.recv(), PATIENCE)))
                if message == "before":
                    await asyncio.to_thread(meanwhile)
        return heard

    return asyncio.run(converse())


def first_record(gateway: Gateway, context: ssl.SSLContext, name: str | None) -> bytes:
    """Send a ClientHello; the first record that comes back. All that a client sees of a server begins with it."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname=name)
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    with gateway.open_socket(gateway.port) as sock:
        sock.sendall(outgoing.read())
        return received(sock)


def received(sock: socket.socket) -> bytes:
    """What comes at once; nothing where the connection is closed without a word."""
    sock.settimeout(PATIENCE)
    try:
        return sock.recv(65536)
    except ConnectionResetError:
        return b""


def proxy_1(client: str) -> bytes:
    """Return the header of version 1 of the PROXY protocol, section 2.1."""
    family = "TCP6" if ":" in client else "TCP4"
    return f"PROXY {family} {client} {client} 40000 443\r\n".encode()


def proxy_2(client: str) -> bytes:
    """Return the header of version 2 of the PROXY protocol, section 2.2."""
    family = socket.AF_INET6 if ":" in client else socket.AF_INET
    packed = socket.inet_pton(family, client)
    addresses = packed + packed + (40000).to_bytes(2, "big") + (443).to_bytes(2, "big")
    command, transport = 0x21, 0x21 if ":" in client else 0x11
    return b"\r\n\r\n\0\r\nQUIT\n" + bytes([command, transport]) + len(addresses).to_bytes(2, "big") + addresses
