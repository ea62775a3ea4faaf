# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The running nginx: its master, and its workers."""

from __future__ import annotations

import os
import time
import typing as t
from pathlib import Path

from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx.binary import Build


def master_pid(build: Build) -> int | None:
    """The process id of the running master, or None."""
    return recorded_pid(build)


def recorded_pid(build: Build) -> int | None:
    """The process id of the running master, if it is in the pid file."""
    return _read_pid(build.pid_file) if build.pid_file else None


def _read_pid(file: Path) -> int | None:
    try:
        pid = int(file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return pid if _command_line(pid).startswith("nginx: master") else None


def accepting_workers(master: int) -> set[int]:
    """The workers of a master that still accept connections: all but those that are shutting down."""
    return {worker for worker, parent in _workers(accepting=True) if parent == master}


def is_stopping(master: int) -> bool:
    """Whether a master is shutting down and only waits for the open connections of its workers. It ignores SIGHUP."""
    ending = any(parent == master for _worker, parent in _workers(accepting=False))
    return ending and not accepting_workers(master)


def loaded_at(build: Build) -> float | None:
    """When the running nginx had loaded its configuration: the start of its oldest worker that accepts connections, as
    seconds of the system's clock. Another one may have replaced a worker that crashed.
    """
    master = master_pid(build)
    started = [started_at(worker) for worker in accepting_workers(master)] if master else []
    return min(filter(None, started), default=None)


def started_at(pid: int) -> float | None:
    try:
        ticks = int(_stat(pid)[19])
    except (OSError, IndexError, ValueError):
        return None
    # proc(5): since boot, in clock ticks.
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + ticks / os.sysconf("SC_CLK_TCK")


def retiring() -> set[int]:
    """The workers of earlier configurations, which accept no connections and wait for the open ones to close."""
    return {worker for worker, _parent in _workers(accepting=False)}


def earlier_master(build: Build) -> int | None:
    """The master that an upgrade of the binary by USR2 has left running, if its workers still accept connections."""
    # https://nginx.org/en/docs/control.html#upgrade
    pid = _read_pid(build.pid_file.with_name(f"{build.pid_file.name}.oldbin")) if build.pid_file else None
    return pid if pid and accepting_workers(pid) else None


def executable(pid: int) -> Path:
    """The binary of a process, which can be run even if another one has replaced it."""
    return Path(f"/proc/{pid}/exe")


def orphans() -> set[int]:
    """The workers that still accept connections although their master was killed."""
    workers = _workers(accepting=True)
    return {worker for worker, parent in workers if not _command_line(parent).startswith("nginx: master")}


def _workers(*, accepting: bool) -> t.Iterator[tuple[int, int]]:
    """The workers that accept connections, or those that are shutting down; each with its parent."""
    for directory in Path("/proc").glob("[0-9]*"):
        pid = int(directory.name)
        title = _command_line(pid)
        if not title.startswith("nginx: worker process") or ("shutting down" in title) == accepting:
            continue
        try:
            yield pid, int(_stat(pid)[1])
        except (OSError, IndexError, ValueError):
            continue


def _stat(pid: int) -> list[str]:
    """The fields of proc(5) after the name in parentheses, which may contain anything: the state, the parent, ..."""
    return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return ""
