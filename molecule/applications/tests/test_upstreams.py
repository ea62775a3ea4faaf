# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No client takes an upstream away from the others, and a server that is gone costs them at most one attempt."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pytest
from applications import Way
from gateway import Gateway, gateways
from waiting import PATIENCE, wait_until

LOG = "/var/log/nginx/websockets.log"
IN_TURN = ["round-robin", "least-conn"]
BALANCES = [*IN_TURN, "ip-hash", "hash", "random"]
HANDSHAKE = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)
# ws agrees to the first of these, and the gateway hears of it in the header of the response.
PROTOCOLS = tuple(f"Sec-WebSocket-Protocol: {letter * 1100}" for letter in "abc")
POLL = "GET /socket.io/?EIO=4&transport=polling"
SECONDS, HOSTILE_A_SECOND, OTHERS_A_SECOND = 12, 5, 3


class Request(NamedTuple):
    """What is sent: method and path, and header lines."""

    line: str
    fields: Sequence[str] = ()


# What others lose an upstream by, if it was made badly.
HOSTILE = {
    "express": [
        Request("GET /ws?bytes=2000", HANDSHAKE),
        Request("GET /ws?bytes=32000", HANDSHAKE),
        Request("GET /ws", (*HANDSHAKE, *PROTOCOLS)),
        Request("POST /login", ("Content-Length: 0",)),
        Request("POST /login?bytes=32000", ("Content-Length: 0",)),
        Request("GET /long?bytes=20000"),
    ],
    # Socket.IO hangs up on what it does not know.
    "socketio": [Request("GET /foo", HANDSHAKE)],
}
# Upstreams of which one server is gone: it refuses connections, or answers nothing.
GONE = ["refusing", "silent"]
USERS = 12
# What must go on meanwhile, and the status that it is answered with.
OTHERS = {
    "express": [(Request("GET /"), 200), (Request("GET /ws", HANDSHAKE), 101)],
    "socketio": [(Request(POLL), 200), (Request(POLL.replace("polling", "websocket"), HANDSHAKE), 101)],
}


class Siege:
    """Somebody who does harm to an upstream, and somebody else who uses it."""

    def __init__(self, gateway: Gateway, upstream: str, balance: str) -> None:
        self.place = Way(gateway, 3000).to(f"{upstream}-{balance}")
        self.hostile: list[int] = []
        self.failed: list[tuple[Request, int]] = []
        self.served = 0
        self._upstream = upstream

    async def attack(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            requests = itertools.cycle(HOSTILE[self._upstream])
            for _number in range(SECONDS * HOSTILE_A_SECOND):
                tasks.create_task(self._harm(next(requests)))
                await asyncio.sleep(1 / HOSTILE_A_SECOND)

    async def _harm(self, request: Request) -> None:
        self.hostile.append(await self._ask(request))

    async def use(self) -> None:
        requests = itertools.cycle(OTHERS[self._upstream])
        for _number in range(SECONDS * OTHERS_A_SECOND):
            request, wanted = next(requests)
            status = await self._ask(request)
            self.served += status == wanted
            if status != wanted:
                self.failed.append((request, status))
            await asyncio.sleep(1 / OTHERS_A_SECOND)

    async def _ask(self, request: Request) -> int:
        """The status, or 0 where there is none."""
        reader, writer = await asyncio.open_connection(self.place.address, self.place.port)
        lines = [f"{request.line} HTTP/1.1", f"Host: {self.place.host}", *request.fields, "", ""]
        writer.write("\r\n".join(lines).encode())
        try:
            line = await asyncio.wait_for(reader.readline(), PATIENCE)
            return int(line.split()[1]) if line else 0
        except (ConnectionError, TimeoutError):
            return 0
        finally:
            writer.close()


Key = tuple[Gateway, str, str]
Visits = dict[Key, tuple[list[int], list["Entry"]]]


@pytest.fixture(scope="session")
def sieges() -> dict[Key, Siege]:
    """All of them, those of one kind of application at the same time."""
    result = {}
    for upstream in HOSTILE:
        keys = itertools.product(gateways(), [upstream], BALANCES)
        result.update(asyncio.run(besiege({key: Siege(*key) for key in keys})))
    return result


async def besiege(sieges: dict[Key, Siege]) -> dict[Key, Siege]:
    await asyncio.gather(*(act() for siege in sieges.values() for act in (siege.attack, siege.use)))
    return sieges


@pytest.mark.parametrize("balance", BALANCES)
@pytest.mark.parametrize("upstream", HOSTILE)
def test_nobody_takes_an_upstream_away_from_others(
    gateway: Gateway, sieges: dict[Key, Siege], upstream: str, balance: str
) -> None:
    siege = sieges[gateway, upstream, balance]
    assert siege.failed == []
    assert siege.served == SECONDS * OTHERS_A_SECOND
    assert len(siege.hostile) == SECONDS * HOSTILE_A_SECOND


class Entry(NamedTuple):
    """What the log has on a request: its status, and the servers that were asked."""

    status: str
    servers: Sequence[str]


def logged(gateway: Gateway, site: str) -> list[Entry]:
    """What the log has on a site."""
    lines = [json.loads(line) for line in gateway.path(LOG).read_text(errors="replace").splitlines() if site in line]
    return [Entry(line["status"], line["upstream"].split(", ")) for line in lines]


def visit(key: Key) -> tuple[list[int], list[Entry]]:
    """Come to an upstream of which one server is gone, as users from many networks: the statuses, and the log.

    With a balance by which every client may meet any server they come one after the other, else all at once.
    """
    gateway, upstream, balance = key
    place = Way(gateway, 3000).to(f"{upstream}-{balance}")

    def ask(user: int) -> int:
        with gateway.open_socket(place.port, f"127.1.{user}.1") as sock:
            sock.settimeout(PATIENCE)
            try:
                return gateway.site(place.name, place.port).request("GET", "/", sock=sock).status
            except TimeoutError:
                return 0

    before = len(logged(gateway, place.name))
    with ThreadPoolExecutor(max_workers=1 if balance in IN_TURN else USERS) as users:
        statuses = list(users.map(ask, range(USERS)))
    # nginx logs a request after it has answered.
    wait_until(lambda: len(logged(gateway, place.name)) >= before + USERS, f"all requests of {place.name} are logged")
    return statuses, logged(gateway, place.name)[before:]


@pytest.fixture(scope="session")
def visits() -> Visits:
    """All of them, at the same time."""
    keys = list(itertools.product(gateways(), GONE, BALANCES))
    with ThreadPoolExecutor(max_workers=len(keys)) as visitors:
        return dict(zip(keys, visitors.map(visit, keys), strict=True))


@pytest.mark.parametrize("upstream", GONE)
@pytest.mark.parametrize("balance", BALANCES)
def test_a_server_that_is_gone_costs_a_client_one_attempt(
    gateway: Gateway, visits: Visits, upstream: str, balance: str
) -> None:
    statuses, entries = visits[gateway, upstream, balance]
    assert statuses == [200] * USERS
    assert max(len(entry.servers) for entry in entries) <= 2


@pytest.mark.parametrize("upstream", GONE)
@pytest.mark.parametrize("balance", IN_TURN)
def test_a_server_that_is_gone_costs_all_clients_one_attempt_until_nginx_tries_it_again(
    gateway: Gateway, visits: Visits, upstream: str, balance: str
) -> None:
    """That is after fail_timeout: nginx's ten seconds, and here ten minutes, so that a slow machine counts the same."""
    _statuses, entries = visits[gateway, upstream, balance]
    assert len([entry for entry in entries if len(entry.servers) > 1]) == 1
