# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The generations of workers that are shutting down: those of earlier configurations, with the sockets they still have.

A generation are the workers that began to shut down together, at a reload, a stop, or an exchange of the binary. The
kernel does not tell when that was. The pacer has seen it and keeps it in a record; otherwise it is about when the next
workers were started.
"""

from __future__ import annotations

import json
import os
import re
import time
import typing as t
from collections import Counter
from pathlib import Path

from ansible_collections.wsfleet.nginx.plugins.module_utils import _pace, _worker_sockets
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import processes
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx.binary import Build

RECORD = "generations.json"
# Workers that began to shut down within this time are one generation: the pacer looks once a second.
_TOGETHER_SECONDS = 3.0
# nginx starts all workers of a generation at once. It tells the earlier ones 0.1 seconds later (src/os/unix).
_STARTED_TOGETHER_SECONDS = 1.0
_MOST_BYTES = 1 << 20
_PRIVATE = re.compile(r"^Private_\w+: +(\d+) kB$", re.MULTILINE)


class Worker(t.NamedTuple):
    """A worker that is shutting down; its start tells it from a later process with the same id."""

    pid: int
    ticks: int


class Generation(t.NamedTuple):
    """Workers that began to shut down together. A number is None if it cannot be seen."""

    workers: t.Sequence[int]
    # As seconds of the system's clock.
    since: float
    # Sockets to backends, which is one for each tunnel, and those of clients.
    tunnels: int | None
    clients: int | None
    # The memory that the host gets back when they end.
    bytes: int | None


def generations(build: Build, directory: Path = _pace.DIRECTORY) -> list[Generation]:
    """The oldest one first."""
    began = since(shutting_down(build), build, recorded(directory), time.time())
    return [_generation(workers, at) for at, workers in grouped(began)]


def shutting_down(build: Build) -> list[Worker]:
    """The workers of this nginx that accept no connections and wait for the open ones to close."""
    found = ((pid, processes.start_ticks(pid)) for pid in sorted(processes.workers_of(build, accepting=False)))
    return [Worker(pid, ticks) for pid, ticks in found if ticks is not None]


def since(
    workers: t.Iterable[Worker], build: Build, known: t.Mapping[Worker, float], now: float
) -> dict[Worker, float]:
    """When each worker began to shut down: as known, or about when the next workers were started."""
    found = {worker: known.get(worker) for worker in workers}
    if None not in found.values():
        return t.cast(t.Dict[Worker, float], found)
    pids = {*processes.workers_of(build, accepting=True), *(worker.pid for worker in found)}
    starts = sorted(start for start in map(processes.started_at, pids) if start is not None)
    return {worker: _estimated(worker, starts, now) if at is None else at for worker, at in found.items()}


def _estimated(worker: Worker, starts: t.Iterable[float], now: float) -> float:
    own = processes.started_at(worker.pid)
    return next((start for start in starts if own is not None and start > own + _STARTED_TOGETHER_SECONDS), now)


def grouped(began: t.Mapping[Worker, float]) -> list[tuple[float, list[Worker]]]:
    """The workers by when they began to shut down, the earliest first."""
    found: list[tuple[float, list[Worker]]] = []
    last = 0.0
    for worker, at in sorted(began.items(), key=lambda item: (item[1], item[0])):
        if found and at - last <= _TOGETHER_SECONDS:
            found[-1][1].append(worker)
        else:
            found.append((at, [worker]))
        last = at
    return found


def _generation(workers: t.Sequence[Worker], at: float) -> Generation:
    pids = [worker.pid for worker in workers]
    try:
        kinds = Counter(end.kind for pid in pids for _one, end in _worker_sockets.ends(_worker_sockets.held(pid)))
        tunnels, clients = kinds[_worker_sockets.BACKEND], kinds[_worker_sockets.CLIENT]
    except OSError:
        return Generation(pids, at, None, None, _private_bytes(pids))
    return Generation(pids, at, tunnels, clients, _private_bytes(pids))


def _private_bytes(pids: t.Iterable[int]) -> int | None:
    try:
        return sum(_worker_sockets.as_owner(pid, lambda pid=pid: _private_of(pid)) for pid in pids)  # type: ignore[misc]
    except OSError:
        return None


def _private_of(pid: int) -> int:
    """Memory that no other process has: pages that workers share with their master are the host's only once."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return 1024 * sum(map(int, _PRIVATE.findall(text)))


def recorded(directory: Path = _pace.DIRECTORY) -> dict[Worker, float]:
    """What the pacer has seen, which runs as nginx's user: whatever else is there counts as nothing."""
    try:
        # Neither a pipe nor an endless file may hold up a deploy.
        descriptor = os.open(directory / RECORD, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            plain = json.loads(file.read(_MOST_BYTES))
        found = {Worker(int(pid), int(ticks)): float(at) for pid, ticks, at in plain}
    except (OSError, ValueError, TypeError, RecursionError):
        return {}
    return {worker: at for worker, at in found.items() if 0 < at <= time.time()}


def plain(began: t.Mapping[Worker, float]) -> str:
    """As recorded() reads it."""
    return json.dumps([[*worker, at] for worker, at in began.items()])
