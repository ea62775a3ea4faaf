# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""500 clients on each of the two gateways, through all tests that take them."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest
from deployment import as_deployed
from gateway import gateways
from traffic import Traffic
from waiting import PATIENCE
from websockets.asyncio.client import ClientConnection, connect

CLIENTS = 1000
LOG = "/var/log/nginx/error.log"
GATEWAYS = gateways()


async def dial(number: int) -> ClientConnection:
    """Open a socket to the gateway whose turn it is."""
    gateway = GATEWAYS[number % len(GATEWAYS)]
    connection = await connect(
        f"ws://{gateway.server_name}:{gateway.port}/",
        host=gateway.address,
        port=gateway.port,
        proxy=None,
        compression=None,
        open_timeout=PATIENCE,
    )
    assert connection.response
    # As a load balancer of another scenario tells it.
    connection.response.headers["X-Gateway"] = gateway.name
    return connection


@pytest.fixture(scope="session")
def all_clients() -> Iterator[Traffic]:
    clients = Traffic(dial, CLIENTS, interval=5.0)
    try:
        clients.start()
        yield clients
    finally:
        clients.end()


@pytest.fixture
def clients(
    all_clients: Traffic, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> Iterator[Traffic]:
    """All of them are there before a test and after it; none lost a message or was dropped unless the test expects it.

    What became of them, and how many closes each second had, is in the log.
    """
    all_clients.errors.clear()
    all_clients.wait_for_all()
    all_clients.settle()
    before, start = all_clients.count.copy(), all_clients.clock()
    try:
        yield all_clients
        all_clients.wait_for_all()
        all_clients.settle()
    finally:
        errors = [*all_clients.errors]
        all_clients.errors.clear()
    count = all_clients.count - before
    with capsys.disabled():
        print(
            f"\n{request.node.name}, {all_clients.clock() - start:.0f} s:"
            f"\n  messages: {count['sent']} sent, {count['heard']} came back, {count['doubled']} twice,"
            f" {count['lost']} lost, {count['in flight at an end']} in flight when a socket was ended"
            f"\n  sockets: {count['opened']} opened, {count['ended']} ended as expected, {count['dropped']} dropped,"
            f" {count['refused']} handshakes refused"
        )
        ends = all_clients.ends_since(start)
        if ends:
            print(f"  ends a second: {' '.join(map(str, ends))}")
    assert not errors, "\n".join(errors[:5])
    assert count["lost"] == count["doubled"] == count["dropped"] == count["refused"] == 0


@pytest.fixture
def restored() -> Iterator[None]:
    """The gateways as the scenario deployed them, before and after a test."""
    with as_deployed(*GATEWAYS):
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Function) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        for gateway in GATEWAYS:
            lines = gateway.path(LOG).read_text(errors="replace").splitlines()[-20:]
            units = gateway.console.run("journalctl --no-pager --lines=40 --unit='nginx*' --unit='wsfleet*'").stdout
            report.sections.append((f"nginx on {gateway.name}", "\n".join(lines)))
            report.sections.append((f"units on {gateway.name}", units))
    return report
