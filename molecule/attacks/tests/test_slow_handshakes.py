# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Slow handshakes: a client holds a connection for as long as it sends a byte now and then."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from attacker import CHAT, HANDSHAKE, Connection, ours, request, tutorial
from gateway import Gateway, gateways


def hangs_up(connection: Connection, byte: int) -> bool:
    """Send one more byte, if nginx has not hung up; whether it has."""
    try:
        connection.sock.sendall(bytes([byte]))
        return connection.sock.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def outlasts(gateway: Gateway) -> bool:
    """Whether the tutorial's nginx still waits for the rest of a handshake when the role's has given its own up.

    client_header_timeout is 10 s in the role's file, and nginx's own 60 s in the tutorial's.
    """
    with tutorial(gateway).connect(CHAT.port) as longer, ours(gateway).connect(CHAT.port) as shorter:
        for connection in (longer, shorter):
            connection.sock.settimeout(0.25)
        for byte in request(CHAT, *HANDSHAKE):
            if hangs_up(longer, byte):
                return False
            if hangs_up(shorter, byte):
                return True
    pytest.fail("both got the whole handshake")


@pytest.fixture(scope="session")
def outlasting() -> dict[Gateway, bool]:
    """All gateways, tried at the same time."""
    with ThreadPoolExecutor() as attackers:
        return dict(zip(gateways(), attackers.map(outlasts, gateways()), strict=True))


def test_a_handshake_byte_by_byte(gateway: Gateway, outlasting: dict[Gateway, bool]) -> None:
    assert outlasting[gateway]
