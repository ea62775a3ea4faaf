# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether nginx may hold as many sockets as it has to: what nginx.conf says, and what the running workers may."""

from __future__ import annotations

import typing as t
from pathlib import Path

_LIMITS = ("worker_connections", "worker_rlimit_nofile")
# https://nginx.org/en/docs/ngx_core_module.html#worker_connections
_DEFAULT_CONNECTIONS = 512

Directives = t.Mapping[str, t.Optional[str]]


def raised(wanted: Directives, original: t.Mapping[str, str]) -> dict[str, str | None]:
    """The wanted directives, with no limit below the one that was there before the first deploy.

    A worker keeps as many files beyond its connections.
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
    """What is too low for the wanted limits: in nginx.conf, and for the files that a running worker may open."""
    found = []
    needed, there = _number(wanted.get("worker_connections")), _number(now.get("worker_connections"))
    if needed > (there or _DEFAULT_CONNECTIONS):
        found.append(f"worker_connections is {there or _DEFAULT_CONNECTIONS}, and {needed} are needed")
    needed = _number(wanted.get("worker_rlimit_nofile"))
    if open_files is not None and needed > open_files:
        found.append(f"a worker of the running nginx may open {open_files} files, and {needed} are needed")
    return found


def open_files(pid: int) -> int | None:
    """How many files a process may open; None where that cannot be seen, or there is no limit."""
    try:
        lines = Path(f"/proc/{pid}/limits").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    # proc(5): "Max open files            1024                 524288               files"
    soft = next((line.split()[3] for line in lines if line.startswith("Max open files")), "")
    return int(soft) if soft.isdigit() else None


def _number(value: str | None) -> int:
    return int(value) if value and value.isdigit() else 0
