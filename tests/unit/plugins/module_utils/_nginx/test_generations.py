# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The generations of workers that are shutting down, told by processes with the titles of nginx's."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import generations, processes
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx.binary import Build
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx.generations import Worker
from waiting import wait_until

pytestmark = pytest.mark.xdist_group("nginx processes")

OLD, NEW = "nginx: worker process is shutting down", "nginx: worker process"
# Each with a connection to a backend, as the port is none that it listens on, and one of a client.
HOLDER = """
import signal, socket
backend = socket.create_server(("127.0.0.1", 0))
to_backend = socket.socket()
to_backend.connect(backend.getsockname())
kept = backend.accept()
signal.pause()
"""


class Nginx:
    """A master whose workers are told from those of others by the binary, which is this interpreter."""

    def __init__(self, directory: Path, *titles: str) -> None:
        program = directory / "worker.py"
        program.write_text(HOLDER)
        lines = "".join(f"(exec -a '{title}' {sys.executable} {program}) & " for title in titles)
        (directory / "master.sh").write_text(f"{lines}wait")
        command = f"exec -a 'nginx: master process nginx' bash {directory}/master.sh"
        self.process = subprocess.Popen(["bash", "-c", command], start_new_session=True)
        self.build = Build(os.path.realpath(sys.executable), "1.26.3", None, Path("/x"), None, None)

    def workers(self) -> list[int]:
        return sorted(processes.workers_of(self.build, accepting=False))

    def end(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def nginx(tmp_path: Path) -> t.Iterator[Nginx]:
    found = Nginx(tmp_path, OLD, OLD, NEW)
    yield found
    found.end()


def record(directory: Path, began: t.Mapping[Worker, float]) -> None:
    (directory / generations.RECORD).write_text(generations.plain(began))


def test_a_generation_has_its_sockets_and_its_memory(nginx: Nginx, tmp_path: Path) -> None:
    def found() -> list[generations.Generation]:
        return generations.generations(nginx.build, tmp_path)

    before = time.time()
    # Nobody has seen them, and there are no later workers: as of now.
    wait_until(lambda: [(one.tunnels, one.clients) for one in found()] == [(2, 2)], "both hold their sockets")
    (one,) = found()
    assert list(one.workers) == nginx.workers()
    assert one.bytes
    assert one.since >= before


def test_workers_of_different_times_are_different_generations(nginx: Nginx, tmp_path: Path) -> None:
    wait_until(lambda: len(nginx.workers()) == 2, "both are there")
    first, second = generations.shutting_down(nginx.build)
    now = time.time()
    record(tmp_path, {first: now - 50, second: now - 100, Worker(1, 2): now - 200})
    found = generations.generations(nginx.build, tmp_path)
    assert [(one.workers, one.since) for one in found] == [([second.pid], now - 100), ([first.pid], now - 50)]


@pytest.mark.parametrize(
    "left",
    ["", "{", "[[1]]", "[[1, 2, null]]", '"x"', "[" * 100_000, "[[1, 2, NaN]]", "[[1, 2, 1e300]]", "[[1, 2, -1]]"],
)
def test_what_is_no_record_counts_as_nothing(tmp_path: Path, left: str) -> None:
    (tmp_path / generations.RECORD).write_text(left)
    assert generations.recorded(tmp_path) == {}


def test_a_pipe_in_its_place_holds_up_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / generations.RECORD)
    assert generations.recorded(tmp_path) == {}


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    began = {Worker(7, 1234): 1_700_000_000.5}
    record(tmp_path, began)
    assert json.loads(generations.plain(began)) == [[7, 1234, 1_700_000_000.5]]
    assert generations.recorded(tmp_path) == began


def test_workers_that_nobody_has_seen_began_when_the_next_ones_were_started(monkeypatch: pytest.MonkeyPatch) -> None:
    # Two of the first generation, two of the second one, and those that accept connections.
    starts = {11: 100.0, 12: 100.1, 21: 200.0, 22: 200.1, 31: 300.0, 32: 300.1}
    monkeypatch.setattr(processes, "started_at", starts.get)
    monkeypatch.setattr(processes, "workers_of", lambda _build, accepting: {31, 32})
    workers = [Worker(pid, 0) for pid in (11, 12, 21, 22)]
    build = Build("nginx", "1.26.3", None, Path("/x"), None, None)
    assert [*generations.since(workers, build, {workers[2]: 250.0}, 999.0).values()] == [200.0, 200.0, 250.0, 300.0]
    # All are shutting down, as at a stop.
    monkeypatch.setattr(processes, "workers_of", lambda _build, accepting: set())
    assert [*generations.since(workers, build, {}, 999.0).values()] == [200.0, 200.0, 999.0, 999.0]
