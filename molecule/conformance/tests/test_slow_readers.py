# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An end that does not read: the other one is held back, nginx keeps next to nothing, and nothing is lost."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from gateway import Gateway
from tunnel import Backend, End, Tunnel

MIB = 2**20
# More than all buffers of all kernels on the way will take.
MESSAGE = random.Random(64).randbytes(64 * MIB)
# Slow readers at a time, and the growth of all workers together, in kB.
TUNNELS = 5
GROWTH = 1024

Direction = Callable[[Tunnel], "tuple[End, End]"]
DIRECTIONS: dict[str, Direction] = {
    "a client that does not read": lambda tunnel: (tunnel.backend, tunnel.client),
    "a backend that does not read": lambda tunnel: (tunnel.client, tunnel.backend),
}


def memory(host: Gateway) -> int:
    """What nginx's workers have of it, in kB."""
    status = "".join(host.path(f"/proc/{pid}/status").read_text() for pid in host.workers())
    return sum(map(int, re.findall(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)))


@pytest.mark.parametrize("direction", DIRECTIONS.values(), ids=DIRECTIONS)
def test_the_sender_is_held_back_and_nothing_is_lost(tunnel: Tunnel, direction: Direction) -> None:
    sender, receiver = direction(tunnel)
    sent = sender.send_until_held_back(MESSAGE)
    assert sent < len(MESSAGE)
    with ThreadPoolExecutor(max_workers=1) as executor:
        rest = executor.submit(sender.send, MESSAGE[sent:])
        # Not compared in an assert: pytest would look for the difference in 64 MiB for ever.
        same = receiver.receive(len(MESSAGE)) == MESSAGE
        rest.result()
    assert same


@pytest.mark.parametrize("direction", DIRECTIONS.values(), ids=DIRECTIONS)
def test_the_memory_of_nginx_does_not_grow(gateway: Gateway, backend: Backend, direction: Direction) -> None:
    senders = [direction(backend.open_tunnel(gateway))[0] for _number in range(TUNNELS)]
    before = memory(gateway)
    assert before > 0
    with ThreadPoolExecutor(max_workers=TUNNELS) as executor:
        sent = list(executor.map(lambda sender: sender.send_until_held_back(MESSAGE), senders))
    assert max(sent) < len(MESSAGE)
    assert memory(gateway) - before <= GROWTH


def test_nginx_gives_an_end_up_that_takes_nothing_for_too_long(gateway: Gateway, backend: Backend) -> None:
    """Without nginx the sender would wait for as long as it likes.

    nginx waits for send_timeout for a client and for proxy_send_timeout for a backend, 60s each unless it is told
    otherwise, and ends the tunnel then. Here they are 5s.
    """
    variants = gateway.site("variants.example")
    senders = [direction(backend.open_tunnel(variants, "/impatient/"))[0] for direction in DIRECTIONS.values()]

    def is_held_back_and_given_up(sender: End) -> bool:
        # It returns where nothing more is taken, and raises where the tunnel has ended by then.
        sent = sender.send_until_held_back(MESSAGE)
        sender.receive_rest()
        return sent < len(MESSAGE)

    with ThreadPoolExecutor(max_workers=len(senders)) as executor:
        assert all(executor.map(is_held_back_and_given_up, senders))
