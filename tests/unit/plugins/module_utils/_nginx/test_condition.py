# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is found out about processes that have the titles of nginx's."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
import typing as t
from contextlib import contextmanager
from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import capacity, condition, memory, processes
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx.binary import Build
from waiting import wait_until

CONFIGURATION = "worker_processes 1;\nworker_rlimit_nofile 9216;\nevents { worker_connections 8704; }\n"


@contextmanager
def running(build: Build, *workers: str) -> t.Iterator[int]:
    """A master and its workers, of the binary of a build."""
    children = "".join(f"(exec -a 'nginx: {worker}' sleep 60) & " for worker in workers)
    command = f"{children} exec -a 'nginx: master process nginx' {build.binary} 60"
    with subprocess.Popen(["bash", "-c", command], start_new_session=True) as process:
        assert build.pid_file
        build.pid_file.write_text(str(process.pid))
        try:
            wait_until(lambda: processes.master_pid(build) is not None, "the master has its title")
            accepting = [worker for worker in workers if "shutting" not in worker]
            wait_until(lambda: len(processes.accepting_workers(process.pid)) == len(accepting), "so have the workers")
            yield process.pid
        finally:
            os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture
def build(tmp_path: Path) -> Build:
    shutil.copy("/bin/sleep", tmp_path / "nginx")
    (tmp_path / "nginx.conf").write_text(CONFIGURATION)
    return Build(str(tmp_path / "nginx"), "1.26.3", None, tmp_path / "nginx.conf", tmp_path / "nginx.pid", None)


def found(build: Build, sockets: int | None = None) -> condition.Condition:
    return condition.condition(build, sockets, with_service=False)


def test_a_sound_nginx_has_nothing_to_report(build: Build) -> None:
    with running(build, "worker process") as master:
        before = time.time()
        result = found(build)
        loaded_at = processes.loaded_at(build)
    assert (result["master"], result["version"], result["is_replaced"]) == (master, "1.26.3", False)
    assert result["is_recorded"]
    assert (result["earlier_master"], result["shortfalls"], result["is_enabled"]) == (None, [], None)
    assert loaded_at is not None
    assert loaded_at <= before


def test_nothing_runs(build: Build) -> None:
    result = found(build, 4096)
    assert (result["master"], result["version"], result["shortfalls"]) == (None, None, [])
    assert not result["is_recorded"]


def test_a_binary_that_was_replaced_is_noticed(build: Build) -> None:
    with running(build):
        assert not found(build)["is_replaced"]
        shutil.copy("/bin/sleep", f"{build.binary}.new")
        Path(f"{build.binary}.new").replace(build.binary)
        result = found(build)
    # It is no nginx, so its version is not known.
    assert (result["is_replaced"], result["version"]) == (True, None)


def test_an_upgrade_that_was_not_completed_is_noticed(build: Build) -> None:
    assert build.pid_file
    with running(build, "worker process") as earlier:
        build.pid_file.rename(f"{build.pid_file}.oldbin")
        assert found(build)["earlier_master"] == earlier
    # Its workers are gone, or only wait for their connections.
    with running(build, "worker process is shutting down"):
        build.pid_file.rename(f"{build.pid_file}.oldbin")
        assert found(build)["earlier_master"] is None


def test_generations_and_memory_are_of_this_nginx(build: Build) -> None:
    with running(build, "worker process is shutting down") as master:
        wait_until(lambda: found(build)["generations"], "the worker has its title")
        (old,) = found(build)["generations"]
        assert found(build)["memory"] is None
        shown, expected = found(build, 1000)["memory"], memory.memory(master, 1000)
        assert shown
        assert expected
        assert shown["needed"] == expected["needed"]
    assert (old["workers"], old["sockets"]) == (1, 0)
    assert old["since"].endswith("Z")
    assert found(build)["pacer"] is None


def test_limits_are_those_of_the_file_and_of_the_running_workers(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "open_files", lambda _pid: 20_000)
    with running(build, "worker process"):
        assert found(build, 4096)["shortfalls"] == []
        monkeypatch.setattr(capacity, "open_files", lambda _pid: 1024)
        assert found(build, 4096)["shortfalls"] == [
            "a worker of the running nginx may open 1024 files, but 9216 are needed"
        ]
        build.configuration.write_text("events {}\n")
        assert found(build, 4096)["shortfalls"][0] == "worker_connections is 512, but 8704 are needed"
        build.configuration.write_text("events {\n")
        assert found(build, 4096)["shortfalls"] == []
