# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The running nginx: its master, and its workers."""

from __future__ import annotations

import os
import re
import time
import typing as t
from pathlib import Path

from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx.binary import Build

_MASTER = "nginx: master"
# The options -c and -p of nginx, which may follow others in one word.
_OTHER_CONFIGURATION = re.compile(r"-[?hvVtTq]*[cp]")


def master_pid(build: Build) -> int | None:
    """The process id of the running master, or None."""
    recorded = recorded_pid(build)
    return _unrecorded_pid(build) if recorded is None else recorded


def recorded_pid(build: Build) -> int | None:
    """The process id of the running master, if it is in the pid file."""
    if build.pid_file is None:
        return None
    try:
        pid = int(build.pid_file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return pid if is_master(pid) else None


def is_master(pid: int) -> bool:
    return _command_line(pid).startswith(_MASTER)


def _unrecorded_pid(build: Build) -> int | None:
    """The master whose pid file is lost: the only one that runs this binary with the configuration that is built in."""
    pids = [int(directory.name) for directory in Path("/proc").glob("[0-9]*")]
    found = [pid for pid in pids if is_master(pid) and _is_of(build, pid)]
    return found[0] if len(found) == 1 else None


def _is_of(build: Build, pid: int) -> bool:
    if any(map(_OTHER_CONFIGURATION.match, _command_line(pid).split())):
        return False
    process = Path(f"/proc/{pid}")
    try:
        # After an upgrade of the package " (deleted)" follows. Those of a container have a root of their own.
        is_same = os.readlink(process / "exe").split(" ")[0] == os.path.realpath(build.binary)
        return is_same and (process / "root").samefile("/")
    except OSError:
        return False


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
    started = [_started(worker) for worker in accepting_workers(master)] if master else []
    return min(filter(None, started), default=None)


def _started(pid: int) -> float | None:
    try:
        ticks = int(_stat(pid)[19])
    except (OSError, IndexError, ValueError):
        return None
    # proc(5): since boot, in clock ticks.
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + ticks / os.sysconf("SC_CLK_TCK")


def orphans() -> set[int]:
    """The workers that still accept connections although their master was killed."""
    workers = _workers(accepting=True)
    return {worker for worker, parent in workers if not is_master(parent)}


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
