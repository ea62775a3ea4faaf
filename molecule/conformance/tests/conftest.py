# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways to the backend: past the gateways and through each of them; and the backend itself, lent to these tests.

A test that asks for a route expects the same on each: what goes past nginx shows that the expectation is the backend's.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from gateway import Gateway, gateways
from tunnel import Backend, Tunnel

GATEWAYS = gateways()
DIRECT = Gateway("server01", GATEWAYS[0].server_name, GATEWAYS[0].port)
COUNTER = "/run/lent-backend/socket"


@pytest.fixture
def direct() -> Gateway:
    return DIRECT


@pytest.fixture(params=[DIRECT, *GATEWAYS], ids=["direct", *(gateway.name for gateway in GATEWAYS)])
def route(request: pytest.FixtureRequest) -> Gateway:
    found: Gateway = request.param
    return found


@pytest.fixture(scope="module")
def listener() -> Iterator[socket.socket]:
    """The listening socket of the backend, which is inside its container."""
    with DIRECT.open_unix_socket(COUNTER) as borrowing:
        _message, (descriptor,), _flags, _address = socket.recv_fds(borrowing, 16, 1)
        with socket.socket(fileno=descriptor) as listening:
            yield listening


@pytest.fixture
def backend(listener: socket.socket) -> Iterator[Backend]:
    lent = Backend(listener)
    yield lent
    lent.close()


@pytest.fixture
def tunnel(route: Gateway, backend: Backend) -> Tunnel:
    return backend.open_tunnel(route)
