# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The limits that nginx needs for a number of sockets, and whether nginx.conf and the running workers have them."""

from __future__ import annotations

import math
import os
import typing as t
from pathlib import Path

from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import times

_LIMITS = ("worker_connections", "worker_rlimit_nofile")
# https://nginx.org/en/docs/ngx_core_module.html#worker_connections
_DEFAULT_CONNECTIONS = 512

# A tunnel is two connections, one to the client and one to the backend.
_CONNECTIONS_PER_SOCKET = 2
# Other connections: plain requests, idle ones to backends, and listening sockets.
_OTHER_CONNECTIONS = 512
# Files other than connections: logs, certificates while they are read, responses buffered on disk.
_OTHER_FILES = 512
# The kernel spreads connections over the workers unevenly. With a thousand sockets a worker, this margin is eight times
# the standard deviation.
_UNEVEN = 1.25

Directives = t.Mapping[str, t.Optional[str]]


def limits(sockets: int, workers: int) -> dict[str, str]:
    """The limits of each worker, for a number of sockets that all workers hold together."""
    share = min(sockets, math.ceil(_UNEVEN * sockets / workers))
    connections = share * _CONNECTIONS_PER_SOCKET + _OTHER_CONNECTIONS
    return {"worker_rlimit_nofile": str(connections + _OTHER_FILES), "worker_connections": str(connections)}


def workers(worker_processes: str | None) -> int:
    """How many workers nginx starts on this host for this worker_processes; without the directive, one."""
    if worker_processes is None:
        return 1
    return max(_number(worker_processes) or (os.cpu_count() or 1), 1)


def patience(shutdown_timeout: str) -> float:
    """How long a worker_shutdown_timeout lasts: 0 is for ever."""
    return times.seconds_of(shutdown_timeout) or math.inf


def largest(wanted: t.Sequence[t.Mapping[str, t.Any]]) -> dict[str, str]:
    """The directives that are enough for each of these: directives of nginx.conf, and a number of sockets or None."""
    processes = [item["directives"].get("worker_processes") for item in wanted]
    most = max(processes, key=workers, default=None)
    found: dict[str, str] = {}
    for item in wanted:
        own = limits(item["sockets"], workers(most)) if item["sockets"] else {}
        for name, value in {**item["directives"], **own}.items():
            found[name] = max(found.get(name, value), value, key=_SIZES.get(name, _number))
    return found


def raised(wanted: Directives, original: t.Mapping[str, str]) -> dict[str, str | None]:
    """The wanted directives, with no limit lower than before the first deploy.

    The number of files beyond the connections stays the same.
    """
    found = dict(wanted)
    more = 0
    for name in _LIMITS:
        value = found.get(name)
        if value is not None:
            limit = max(_number(value) + more, _number(original.get(name)))
            more = limit - _number(value)
            found[name] = str(limit)
    return found


def shortfalls(wanted: Directives, now: t.Mapping[str, str], open_files: int | None) -> list[str]:
    """The limits that are too low, in nginx.conf and for the files that a running worker may open."""
    found = []
    needed, there = _number(wanted.get("worker_connections")), _number(now.get("worker_connections"))
    if needed > (there or _DEFAULT_CONNECTIONS):
        found.append(f"worker_connections is {there or _DEFAULT_CONNECTIONS}, but {needed} are needed")
    needed = _number(wanted.get("worker_rlimit_nofile"))
    if open_files is not None and needed > open_files:
        found.append(f"a worker of the running nginx may open {open_files} files, but {needed} are needed")
    return found


def open_files(pid: int) -> int | None:
    """How many files a process may open; None if that is unknown or unlimited."""
    try:
        lines = Path(f"/proc/{pid}/limits").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    # proc(5): "Max open files            1024                 524288               files"
    soft = next((line.split()[3] for line in lines if line.startswith("Max open files")), "")
    return int(soft) if soft.isdigit() else None


def _number(value: str | None) -> int:
    return int(value) if value and value.isdigit() else 0


# What makes the value of a directive the larger one; by default, its number.
_SIZES: t.Mapping[str, t.Callable[[str], float]] = {
    "worker_processes": workers,
    "worker_shutdown_timeout": patience,
}
