# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the host has memory for one more generation of workers.

Workers that are shutting down keep the memory of their sockets until they end, while the clients of sockets that were
closed open new ones in the workers of the new configuration.
"""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

# An idle socket over TLS, or one that had a message of 64 KiB (docs/scale.md).
_BYTES_OF_A_SOCKET = 48_000
_PROC, _CGROUP = Path("/proc"), Path("/sys/fs/cgroup")
# The limit and the use of a group in each version of cgroups, and its row in /proc/PID/cgroup.
_VERSIONS = (
    (re.compile(r"^0::(.*)$", re.MULTILINE), "", "memory.max", "memory.current", "inactive_file"),
    (
        re.compile(r"^\d+:(?:\S*,)?memory(?:,\S*)?:(.*)$", re.MULTILINE),
        "memory",
        "memory.limit_in_bytes",
        "memory.usage_in_bytes",
        "total_inactive_file",
    ),
)


class Memory(t.TypedDict):
    """In bytes: what is available to nginx, and what a full generation of workers takes."""

    available: int
    needed: int


def memory(master: int, sockets: int) -> Memory | None:
    """The memory for so many sockets; None if it cannot be seen how much is available."""
    try:
        text = (_PROC / "meminfo").read_text(encoding="ascii")
        free = [1024 * int(re.findall(r"^MemAvailable:\s+(\d+) kB$", text, re.MULTILINE)[0])]
    except (OSError, IndexError):
        return None
    return Memory(available=min([*free, *_left(master)]), needed=sockets * _BYTES_OF_A_SOCKET)


def _left(pid: int) -> t.Iterator[int]:
    """What is left of each limit that holds for a process."""
    try:
        groups = (_PROC / str(pid) / "cgroup").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    for row, directory, most, now, cache in _VERSIONS:
        root = _CGROUP / directory
        for path in row.findall(groups):
            group = root / path.lstrip("/")
            for level in (group, *group.parents):
                if level != root and root not in level.parents:
                    break
                left = _left_of(level, most, now, cache)
                if left is not None:
                    yield left


def _left_of(group: Path, most: str, now: str, cache: str) -> int | None:
    try:
        limit, used = (int((group / name).read_text(encoding="ascii")) for name in (most, now))
        # The kernel frees this part of the use when it has to.
        found = re.search(rf"^{cache} (\d+)$", (group / "memory.stat").read_text(encoding="ascii"), re.MULTILINE)
    except (OSError, ValueError):  # There is no limit: "max".
        return None
    return max(0, limit - used + (int(found[1]) if found else 0))


def megabytes(number: int) -> str:
    return f"{round(number / 1e6):,} MB"
