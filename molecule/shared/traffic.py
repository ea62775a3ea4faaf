# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients that hold WebSockets open while something happens to what is between them and their backends."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gateway import enter_network
from waiting import PATIENCE, wait_until
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import WebSocketException

# Seconds between two messages of a socket.
INTERVAL = 2.0
OPENED_AT_ONCE = 50
# Seconds before a client tries again: up to the first, twice as many each time, up to the second.
SHORTEST_PAUSE, LONGEST_PAUSE = 0.5, 8.0
# Seconds that a socket of a client lasts that comes and goes, at least and at most.
SHORTEST_VISIT, LONGEST_VISIT = 2.0, 6.0
# How an error begins that is no end of a socket: a message that is not the next one, such as one that came before.
UNWANTED = "Unwanted: "

# Opens a socket of the client with this number.
Dial = Callable[[int], Awaitable[ClientConnection]]


@dataclass(eq=False)
class Socket:
    """One WebSocket, and the hosts that it is on as their answer to its handshake names them."""

    client: int
    gateway: str | None
    backend: str | None
    asked: float
    sent: int = 0
    heard: int = 0
    over: bool = False

    @property
    def missing(self) -> int:
        """How many messages have not come back."""
        return self.sent - self.heard


class Traffic:
    """Clients with one WebSocket each, who send numbered messages and have to hear each of them once and in order.

    Nobody but a client itself may end a socket, except where a test has killed a host that it is on. Whoever loses one
    comes back, after a pause that grows with each try and differs from client to client.
    """

    def __init__(
        self, dial: Dial, number: int, *, visitors: int = 0, network: str | None = None, interval: float = INTERVAL
    ) -> None:
        """Take the number of all clients, how many of them come and go, the network they are in, and how many seconds
        are between two messages of a socket.
        """
        self.errors: list[str] = []
        self.sockets: list[Socket] = []
        self.count: Counter[str] = Counter()
        self.number = number
        self._dial = dial
        self.visitors = visitors
        self.ends: list[float] = []
        self._network = network
        self._interval = interval
        self._expected = 0
        self._killed: set[str] = set()
        self._ending = False
        self._thread = threading.Thread(target=self._run)

    @property
    def open(self) -> list[Socket]:
        """All that are open now."""
        return [socket for socket in list(self.sockets) if not socket.over]

    @property
    def staying(self) -> set[Socket]:
        """Those of all who do not come and go."""
        return {socket for socket in self.open if socket.client >= self.visitors}

    def start(self) -> None:
        """Return when all clients are there."""
        self._thread.start()
        self.wait_for_all()

    def wait_for_all(self) -> None:
        """Return when each client has a socket that does not come and go."""
        self.wait(lambda: len(self.staying) == self.number - self.visitors, "all clients are there")

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        """Return when it holds, unless a client finds something wrong before that."""

        def holds() -> bool:
            holding = condition()
            assert holding or not self.errors, self.errors[:5]
            return holding

        wait_until(holds, what)

    def settle(self) -> None:
        """Return when all that was sent until now has come back on every open socket."""
        sent = [(socket, socket.sent) for socket in self.open]
        self.wait(
            lambda: all(socket.over or socket.heard >= number for socket, number in sent), "every message came back"
        )

    @contextmanager
    def without(self, host: str) -> Iterator[None]:
        """Kill a host in here, and bring it back: what was on it may end, and is gone afterwards."""
        self._killed.add(host)
        start = time.monotonic()
        try:
            yield
            self.wait(
                lambda: not [socket for socket in self.on(host) if socket.asked < start], f"no socket on {host} is open"
            )
        finally:
            self._killed.remove(host)

    @contextmanager
    def ended(self) -> Iterator[None]:
        """A gateway may end sockets until all clients are there again: that is no drop, and new ones are let in."""
        self._expected += 1
        try:
            yield
            self.wait_for_all()
        finally:
            self._expected -= 1

    @staticmethod
    def clock() -> float:
        """The time now, for ends_since."""
        return time.time()

    def ends_since(self, start: float) -> list[int]:
        """How many sockets were ended as expected, in each second from the first one to the last one."""
        seconds = Counter(int(end) for end in self.ends if end >= start)
        return [seconds[second] for second in range(min(seconds), max(seconds) + 1)] if seconds else []

    def on(self, host: str) -> set[Socket]:
        """The open sockets of a host."""
        return {socket for socket in self.open if host in (socket.gateway, socket.backend)}

    def end(self) -> None:
        """Return when each client has heard all that it sent and has left."""
        self._ending = True
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        if self._network:
            enter_network(self._network)
        try:
            asyncio.run(self._attend())
        except Exception as error:
            self._tell(f"an error of the test's clients: {error!r}")

    async def _attend(self) -> None:
        turns = asyncio.Semaphore(OPENED_AT_ONCE)
        await asyncio.gather(*(self._come_back(number, turns) for number in range(self.number)))

    async def _come_back(self, number: int, turns: asyncio.Semaphore) -> None:
        tries = 0
        while not self._ending:
            if tries:
                await asyncio.sleep(random.uniform(0, min(LONGEST_PAUSE, SHORTEST_PAUSE * 2 ** (tries - 1))))
            try:
                async with turns:
                    asked = time.monotonic()
                    connection = await self._dial(number)
            except (OSError, WebSocketException) as error:
                tries += 1
                self._tell_refused(number, error)
                continue
            headers = connection.response.headers if connection.response else {}
            socket = Socket(number, headers.get("X-Gateway"), headers.get("X-Echo-Backend"), asked)
            self.sockets.append(socket)
            self.count["opened"] += 1
            tries = 0 if await self._visit(connection, socket) else 1

    def _tell_refused(self, number: int, error: Exception) -> None:
        self.count["refused"] += 1
        if not self._killed:
            self._tell(f"client {number} was refused: {error!r}")

    def _tell(self, error: str) -> None:
        self.errors.append(f"{time.strftime('%X')} {error}")

    async def _visit(self, connection: ClientConnection, socket: Socket) -> bool:
        """Send and hear; whether the client itself has ended it."""
        visit = random.uniform(SHORTEST_VISIT, LONGEST_VISIT) if socket.client < self.visitors else float("inf")
        hearing = asyncio.create_task(self._hear(connection, socket))
        try:
            while not (self._ending or hearing.done() or time.monotonic() > socket.asked + visit):
                await connection.send(f"{socket.client} {socket.sent}")
                socket.sent += 1
                self.count["sent"] += 1
                await asyncio.wait({hearing}, timeout=self._interval)
            deadline = time.monotonic() + PATIENCE
            while socket.missing and not hearing.done() and time.monotonic() < deadline:
                await asyncio.wait({hearing}, timeout=0.05)
            # What comes twice comes at once.
            if self._ending:
                await asyncio.wait({hearing}, timeout=INTERVAL)
        except WebSocketException:
            # The other task tells why.
            await asyncio.wait({hearing})
        left = not hearing.done()
        await connection.close()
        socket.over = True
        self._tell_the_end(socket, left, await hearing)
        return left

    def _tell_the_end(self, socket: Socket, left: bool, reason: str) -> None:
        # A host that fell silent does not answer a goodbye either.
        if self._killed & {socket.gateway, socket.backend} and (not left or socket.missing or reason):
            self.count["cut with their host"] += 1
            self.count["unanswered there"] += socket.missing
            return
        if self._expected and not left and not reason.startswith(UNWANTED):
            self.ends.append(self.clock())
            self.count["ended"] += 1
            self.count["in flight at an end"] += socket.missing
            return
        self.count["doubled"] += reason.startswith(UNWANTED)
        self.count["left" if left else "dropped"] += 1
        self.count["lost"] += socket.missing
        if not left or socket.missing or reason:
            self._tell(
                f"the socket of client {socket.client} on {socket.gateway} and {socket.backend}"
                f" {'was left' if left else 'was dropped'}: {reason} {socket.missing} messages are lost"
            )

    async def _hear(self, connection: ClientConnection, socket: Socket) -> str:
        """Hear every message until the end; what was wrong with it."""
        try:
            async for message in connection:
                wanted = f"{socket.client} {socket.heard}"
                if message != wanted:
                    return f"{UNWANTED}{message!r} came back, not {wanted!r}."
                socket.heard += 1
                self.count["heard"] += 1
        except WebSocketException as error:
            return f"{error!r}."
        return ""
