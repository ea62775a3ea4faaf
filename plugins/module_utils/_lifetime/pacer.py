# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service that ends the sockets of nginx's old workers at a pace, where nginx ends all of a worker at once.

It runs as nginx's user and needs no more rights than that, but CAP_SYS_PTRACE where Yama restricts ptrace(2).
"""

from __future__ import annotations

import argparse
import os
import time
import typing as t
from pathlib import Path

from ansible_collections.wsfleet.nginx.plugins.module_utils import _pace, _units, _worker_sockets
from ansible_collections.wsfleet.nginx.plugins.module_utils._metrics import exposition
from ansible_collections.wsfleet.nginx.plugins.module_utils._metrics.exposition import Family, Sample
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import generations, processes, service
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx.binary import Build
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx.generations import Generation, Worker
from ansible_collections.wsfleet.nginx.plugins.module_utils._worker_sockets import Held

METRICS = "wsfleet.prom"
# How often it looks which workers are shutting down, for all processes and for the metrics.
_LOOK_SECONDS, _ALL_SECONDS, _METRICS_SECONDS = 1.0, 10.0, 30.0
# So that nginx itself can end before systemd kills it.
_MARGIN_SECONDS = 1.0
# A client without a backend has its request's response to read, or was left by a tunnel that has just ended.
_CLIENTS_SECONDS = 10.0


class Settings(t.NamedTuple):
    """As the variables have them, in seconds and sockets a second."""

    rate: float
    timeout: float
    stop_timeout: float


def due(began: t.Mapping[Worker, float], now: float, timeout: float, *, is_stopping: bool) -> list[Worker]:
    """The workers whose sockets are to be ended, the oldest generation first."""
    found = [worker for worker, at in began.items() if is_stopping or now - at >= timeout]
    return sorted(found, key=lambda worker: (began[worker], worker))


def rate_of(settings: Settings, left: int, seconds: float | None) -> float:
    """The rate for so many sockets; given how long nginx waits for them where it is being stopped, the one needed."""
    if seconds is None:
        return settings.rate
    return max(settings.rate, left / max(seconds - _MARGIN_SECONDS, 0.1))


class Pacer:
    """Looks after the workers of one nginx."""

    def __init__(self, build: Build, settings: Settings, directory: Path) -> None:
        self._build, self._settings, self._directory = build, settings, directory
        self._pace = _pace.Pace(settings.rate, directory)
        self._pace.create()
        self._began = generations.recorded(directory)
        self._accepting: set[int] = set()
        self._looked = self._measured = -_ALL_SECONDS - _METRICS_SECONDS
        self._needed_at = time.monotonic()
        self._ended = 0
        # When the last socket to a backend of a worker was seen.
        self._tunnels_at: dict[Worker, float] = {}

    def run_once(self) -> None:
        """Look once, and end what is due until the next look."""
        start = time.monotonic()
        if self._has_changed(start):
            self._look(start)
        is_stopping = bool(self._began) and not self._accepting
        workers = due(self._began, time.time(), self._settings.timeout, is_stopping=is_stopping)
        self._end_some([worker for worker in workers if self._is_there(worker)], start, is_stopping=is_stopping)
        if start - self._measured >= _METRICS_SECONDS:
            self._measure(start)
        time.sleep(max(0.0, start + _LOOK_SECONDS - time.monotonic()))

    def is_needed(self) -> bool:
        """Whether it is set up; if not any more, as long as workers of before are there."""
        now = time.monotonic()
        if self._began or service.PACER.exists() or os.path.lexists(service.PACER_AT_BOOT):
            self._needed_at = now
        # It has looked again by then: nginx tells old workers of a reload a moment after it has started others.
        return now - self._needed_at <= 2 * _ALL_SECONDS

    def _has_changed(self, now: float) -> bool:
        """Reading the titles of all processes is not for each second."""
        return (
            now - self._looked >= _ALL_SECONDS
            or not all(map(processes.accepts, self._accepting))
            or not all(map(self._is_there, self._began))
        )

    def _is_there(self, worker: Worker) -> bool:
        return processes.start_ticks(worker.pid) == worker.ticks

    def _look(self, now: float) -> None:
        self._looked = now
        before = dict(self._began)
        self._accepting = processes.workers_of(self._build, accepting=True)
        workers = generations.shutting_down(self._build)
        self._began = generations.since(workers, self._build, before, time.time())
        if self._began != before:
            exposition.write(self._directory / generations.RECORD, generations.plain(self._began))

    def _end_some(self, workers: t.Sequence[Worker], start: float, *, is_stopping: bool) -> None:
        queue = [found for worker in workers for found in self._to_end(worker)]
        seconds = None
        if is_stopping and queue:
            seconds = self._settings.stop_timeout - (time.time() - max(self._began.values()))
        rate = rate_of(self._settings, len(queue), seconds)
        for one in queue:
            # The next turn may be later than the next look, which finds the socket again.
            if time.monotonic() + 1 / rate > start + _LOOK_SECONDS and rate > 1 / _LOOK_SECONDS:
                return
            self._pace.wait(rate)
            self._ended += _worker_sockets.end(one)
            if time.monotonic() - start >= _LOOK_SECONDS:
                return

    def _to_end(self, worker: Worker) -> list[Held]:
        """The sockets to backends; once there are none, those of clients that are still there."""
        ends = _worker_sockets.ends(_worker_sockets.held(worker.pid))
        backends = [one for one, end in ends if end.kind == _worker_sockets.BACKEND]
        now = time.monotonic()
        if backends:
            self._tunnels_at[worker] = now
            return backends
        if now - self._tunnels_at.setdefault(worker, now) < _CLIENTS_SECONDS:
            return []
        return [one for one, end in ends if end.kind == _worker_sockets.CLIENT]

    def _measure(self, now: float) -> None:
        self._measured = now
        found = generations.generations(self._build, self._directory)
        exposition.write(self._directory / METRICS, exposition.text(families(found, self._ended)))


def families(found: t.Sequence[Generation], ended: int) -> list[Family]:
    values = [
        ("old_generations", "gauge", "Generations of workers that are shutting down.", len(found)),
        ("old_workers", "gauge", "Workers that are shutting down.", sum(len(one.workers) for one in found)),
        ("old_tunnels", "gauge", "Their sockets to backends.", sum(one.tunnels or 0 for one in found)),
        ("old_memory_bytes", "gauge", "Their private memory.", sum(one.bytes or 0 for one in found)),
        ("ended_sockets_total", "counter", "Sockets of old workers that were ended at a pace.", ended),
    ]
    if found:
        about = "When the oldest generation began to shut down."
        values.append(("oldest_generation_since_timestamp_seconds", "gauge", about, round(found[0].since)))
    return [Family(f"wsfleet_{name}", kind, about, [Sample(value)]) for name, kind, about, value in values]


def main(arguments: t.Sequence[str]) -> int:
    """The command of the program on the gateway."""
    parser = argparse.ArgumentParser(prog="pace")
    parser.add_argument("--binary", required=True)
    for name in ("rate", "timeout", "stop-timeout"):
        parser.add_argument(f"--{name}", type=float, required=True)
    given = parser.parse_args(arguments)
    build = Build(given.binary, "", None, Path("/"), None, None)
    pacer = Pacer(build, Settings(given.rate, given.timeout, given.stop_timeout), _pace.DIRECTORY)
    _units.notify_ready()
    while pacer.is_needed():
        pacer.run_once()
    return 0
