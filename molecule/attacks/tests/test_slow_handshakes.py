# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Slow handshakes: a client holds a connection for as long as it sends a byte now and then."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from attacker import CHAT, HANDSHAKE, Target, ours, request, tutorial
from gateway import Gateway, gateways

# client_header_timeout is 10 s in the role's file, and nginx's own 60 s in the tutorial's.
PATIENCE = 13


def trickle(target: Target) -> float:
    """Send a handshake byte by byte, until nginx hangs up or patience ends. How many seconds that took."""
    start = time.monotonic()
    with target.connect(CHAT.port) as connection:
        connection.sock.settimeout(0.5)
        for byte in request(CHAT, *HANDSHAKE):
            try:
                connection.sock.send(bytes([byte]))
                connection.sock.recv(1)
                break
            except TimeoutError:
                if time.monotonic() > start + PATIENCE:
                    break
            except ConnectionError:
                break
    return time.monotonic() - start


@pytest.fixture(scope="session")
def held() -> dict[Target, float]:
    """How long each nginx can be held, all tried at the same time."""
    targets = [of(gateway) for gateway in gateways() for of in (tutorial, ours)]
    with ThreadPoolExecutor() as attackers:
        return dict(zip(targets, attackers.map(trickle, targets)))


def test_a_handshake_byte_by_byte(gateway: Gateway, held: dict[Target, float]) -> None:
    assert held[tutorial(gateway)] > PATIENCE
    assert 9 < held[ours(gateway)] < 12
