# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host that must not change, the one that serves, and what is in the way of a deploy."""

from __future__ import annotations

import typing as t
from contextlib import contextmanager

import pytest
from gateway import Gateway
from waiting import wait_until

# Everything but what apt keeps about the packages that it could install.
FILES = r"find /etc /usr /var -xdev -type f -not -path '/var/lib/apt/*' -not -path '/var/cache/*' \
    -not -path '/var/log/*' -printf '%p %s %T@\n' | sort"


@pytest.fixture(scope="session")
def bare() -> Gateway:
    return Gateway("gateway-bare", "ws.serverlab.ca", 3000)


@pytest.fixture(scope="session")
def serving() -> Gateway:
    return Gateway("gateway-serving", "ws.serverlab.ca", 8080)


@pytest.fixture
def unchanged(bare: Gateway) -> t.Iterator[None]:
    """The test must leave the host's packages and files as they were."""
    before = bare.run("dpkg-query --show"), bare.run(FILES).splitlines()
    yield
    after = bare.run("dpkg-query --show"), bare.run(FILES).splitlines()
    assert after == before


@contextmanager
def squatting(host: Gateway) -> t.Iterator[None]:
    """Another program on port 3000 and on a Unix socket."""
    host.run("systemd-run --unit=squatter python3 -m http.server 3000")
    host.run(
        "systemd-run --unit=squatter-unix python3 -c "
        "'import signal, socket; s = socket.socket(1); s.bind(\"/run/held.sock\"); s.listen(); signal.pause()'"
    )
    try:
        listen = "test -S /run/held.sock && ss -ltn | grep -q :3000"
        wait_until(lambda: host.console.run(listen).rc == 0, "the other program listens")
        yield
    finally:
        host.run("systemctl stop squatter squatter-unix; rm -f /run/held.sock")


@pytest.fixture
def squatter_on_bare(bare: Gateway) -> t.Iterator[None]:
    with squatting(bare):
        yield


@pytest.fixture
def squatter_on_serving(serving: Gateway) -> t.Iterator[None]:
    with squatting(serving):
        yield
