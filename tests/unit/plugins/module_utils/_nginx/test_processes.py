# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which processes of nginx run, and what they do."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import typing as t
from contextlib import contextmanager
from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import binary, processes
from waiting import wait_until


@contextmanager
def master(*workers: str) -> t.Iterator[int]:
    """A process with children, all with the titles that nginx gives to its own."""
    children = "".join(f"(exec -a 'nginx: {worker}' sleep 60) & " for worker in workers)
    command = f"exec -a 'nginx: master process nginx' bash -c \"{children}wait\""
    with subprocess.Popen(["bash", "-c", command], start_new_session=True) as process:
        try:
            wait_until(lambda: len(titles(process.pid)) == len(workers), "all processes have their titles")
            yield process.pid
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def titles(pid: int) -> list[str]:
    """Of the children that have theirs already."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    found = [Path(f"/proc/{child}/cmdline").read_text() for child in children]
    return [title for title in found if title.startswith("nginx: worker")]


@pytest.mark.parametrize(
    ("workers", "accepting", "is_stopping"),
    [
        (["worker process"], 1, False),
        # A reload: those of the old configuration have open sockets.
        (["worker process is shutting down", "worker process", "worker process"], 2, False),
        # A stop.
        (["worker process is shutting down"], 0, True),
        # It has just started.
        ([], 0, False),
    ],
)
def test_a_master_is_being_stopped_where_all_its_workers_are_shutting_down(
    workers: list[str], accepting: int, is_stopping: bool
) -> None:
    with master("worker process"), master("worker process is shutting down"), master(*workers) as pid:
        assert len(processes.accepting_workers(pid)) == accepting
        assert processes.is_stopping(pid) == is_stopping


def test_the_configuration_was_loaded_before_the_oldest_worker_that_accepts_connections_was_started(
    tmp_path: Path,
) -> None:
    """A worker that crashed was started again later, without the master having read a file."""
    (tmp_path / "before").touch()
    # The start of a process is counted in ticks.
    time.sleep(0.1)
    with master("worker process is shutting down", "worker process", "worker process") as pid:
        (tmp_path / "nginx.pid").write_text(str(pid))
        build = binary.Build("nginx", "1.22.1", None, tmp_path / "nginx.conf", tmp_path / "nginx.pid", None)
        loaded = processes.loaded_at(build)
        (tmp_path / "after").touch()
        assert loaded
        assert (tmp_path / "before").stat().st_ctime < loaded < (tmp_path / "after").stat().st_ctime
    assert processes.loaded_at(build) is None
