# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The schedule of the pacer: workers, sockets and the clock are the test's."""

from __future__ import annotations

import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils import _worker_sockets
from ansible_collections.wsfleet.nginx.plugins.module_utils._lifetime import pacer
from ansible_collections.wsfleet.nginx.plugins.module_utils._metrics import exposition
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import generations, processes, service
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx.binary import Build
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx.generations import Generation, Worker
from ansible_collections.wsfleet.nginx.plugins.module_utils._worker_sockets import BACKEND, CLIENT, End, Held
from hypothesis import given
from hypothesis import strategies as st

ACCEPTING = 9


class Nginx:
    """Workers that are shutting down, each with so many tunnels; a client of each tunnel goes with it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tunnels: t.Sequence[int], settings: pacer.Settings) -> None:
        self.now = 1_000_000.0
        self.left = {Worker(pid, 1): set(range(number)) for pid, number in enumerate(tunnels, 100)}
        self.clients: set[Worker] = set()
        self.accepting = {ACCEPTING}
        self.ended: list[tuple[float, int]] = []
        self.settings = settings
        replacements: dict[str, t.Any] = {"time": lambda: self.now, "monotonic": lambda: self.now, "sleep": self.sleep}
        for name, replacement in replacements.items():
            monkeypatch.setattr(time, name, replacement)
        monkeypatch.setattr(generations, "shutting_down", lambda _build: sorted(self.there()))
        monkeypatch.setattr(generations, "generations", lambda _build, _directory: [])
        monkeypatch.setattr(processes, "workers_of", lambda _build, accepting: set(self.accepting))
        monkeypatch.setattr(processes, "accepts", self.accepting.__contains__)
        monkeypatch.setattr(processes, "started_at", lambda _pid: None)
        monkeypatch.setattr(processes, "start_ticks", lambda pid: 1 if Worker(pid, 1) in self.there() else None)
        monkeypatch.setattr(_worker_sockets, "held", self.held)
        monkeypatch.setattr(_worker_sockets, "ends", lambda sockets: [(one, self.kind(one)) for one in sockets])
        monkeypatch.setattr(_worker_sockets, "end", self.end)

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def there(self) -> set[Worker]:
        return {worker for worker, tunnels in self.left.items() if tunnels} | self.clients

    def held(self, pid: int) -> list[Held]:
        sockets = [Held(pid, number, str(number)) for number in sorted(self.left[Worker(pid, 1)])]
        return [*sockets, *([Held(pid, 9999, "9999")] if Worker(pid, 1) in self.clients else [])]

    def kind(self, one: Held) -> End:
        return End(CLIENT if one.descriptor == 9999 else BACKEND)

    def end(self, one: Held) -> bool:
        self.ended.append((self.now, one.pid))
        if one.descriptor == 9999:
            self.clients.discard(Worker(one.pid, 1))
        self.left[Worker(one.pid, 1)].discard(one.descriptor)
        return True

    def run(self, directory: t.Any, looks: int) -> None:
        one = pacer.Pacer(Build("nginx", "", None, directory, None, None), self.settings, directory)
        for _look in range(looks):
            one.run_once()


@given(st.integers(1, 60), st.lists(st.integers(1, 40), min_size=1, max_size=4), st.floats(0, 30))
def test_all_sockets_end_after_the_time_and_never_more_in_a_second_than_the_rate(
    tmp_path_factory: pytest.TempPathFactory, rate: int, tunnels: list[int], timeout: float
) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        nginx = Nginx(monkeypatch, tunnels, pacer.Settings(rate, timeout, 5))
        start = nginx.now
        nginx.run(tmp_path_factory.mktemp("pacer"), int(timeout) + 3 + 2 * -(-sum(tunnels) // rate))
    assert len(nginx.ended) == sum(tunnels)
    times = [at for at, _pid in nginx.ended]
    assert times[0] >= start + timeout
    for number, at in enumerate(times):
        assert sum(other < at + 1 - 1e-6 for other in times[number:]) <= rate


def test_the_oldest_generation_ends_first(monkeypatch: pytest.MonkeyPatch, tmp_path: t.Any) -> None:
    nginx = Nginx(monkeypatch, [30, 30, 30], pacer.Settings(10, 60, 5))
    began = {Worker(100, 1): nginx.now - 100, Worker(101, 1): nginx.now - 200, Worker(102, 1): nginx.now}
    (tmp_path / generations.RECORD).write_text(generations.plain(began))
    nginx.run(tmp_path, 15)
    assert [pid for _at, pid in nginx.ended] == [101] * 30 + [100] * 30
    # What began just now stays, and its time is kept for a later pacer.
    assert generations.recorded(tmp_path)[Worker(102, 1)] == began[Worker(102, 1)]


def test_where_nginx_stops_all_end_within_its_time(monkeypatch: pytest.MonkeyPatch, tmp_path: t.Any) -> None:
    nginx = Nginx(monkeypatch, [300, 300], pacer.Settings(10, 3600, 5))
    nginx.accepting.clear()
    start = nginx.now
    nginx.run(tmp_path, 6)
    assert len(nginx.ended) == 600
    assert nginx.ended[-1][0] < start + 5
    # Not all at once.
    assert nginx.ended[300][0] > start + 1


def test_once_removed_it_ends_with_the_workers_of_before(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(service, "PACER", tmp_path / "pacer.service")
    monkeypatch.setattr(service, "PACER_AT_BOOT", tmp_path / "at-boot")
    service.PACER_AT_BOOT.symlink_to(service.PACER)
    nginx = Nginx(monkeypatch, [0], pacer.Settings(10, 60, 5))
    one = pacer.Pacer(Build("nginx", "", None, tmp_path, None, None), nginx.settings, tmp_path)

    def needed_for(looks: int) -> int:
        """How many of so many looks it takes."""
        taken = 0
        while taken < looks and one.is_needed():
            one.run_once()
            taken += 1
        return taken

    # A deploy removes first the unit, before nginx reloads, and then that it starts at boot.
    assert needed_for(100) == 100
    service.PACER_AT_BOOT.unlink()
    # The workers of before, which nginx tells a moment later.
    assert needed_for(2) == 2
    nginx.left[Worker(100, 1)] = set(range(40))
    assert needed_for(200) < 110
    assert len(nginx.ended) == 40


def test_clients_without_a_backend_end_once_no_tunnel_is_left(monkeypatch: pytest.MonkeyPatch, tmp_path: t.Any) -> None:
    nginx = Nginx(monkeypatch, [5], pacer.Settings(10, 0.5, 5))
    nginx.clients.add(Worker(100, 1))
    start = nginx.now
    nginx.run(tmp_path, 20)
    assert not nginx.there()
    assert nginx.ended[-1][0] >= start + 10


def test_the_metrics_are_few_and_in_prometheus_format() -> None:
    found = [Generation([1, 2], 1_700_000_000.4, 12, 13, 4096), Generation([3], 1_700_000_100, None, None, None)]
    lines = exposition.text(pacer.families(found, 7)).splitlines()
    assert [line for line in lines if not line.startswith("#")] == [
        "wsfleet_old_generations 2",
        "wsfleet_old_workers 3",
        "wsfleet_old_tunnels 12",
        "wsfleet_old_memory_bytes 4096",
        "wsfleet_ended_sockets_total 7",
        "wsfleet_oldest_generation_since_timestamp_seconds 1700000000",
    ]
    assert "# TYPE wsfleet_ended_sockets_total counter" in lines
