# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The running nginx: its master, and its workers."""

from __future__ import annotations

import os
import re
import typing as t
from contextlib import suppress
from pathlib import Path

from ansible_collections.wsfleet.nginx.plugins.module_utils import _sockets
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx.binary import Build


def master_pid(build: Build) -> int | None:
    """The process id of the running master, or None."""
    if build.pid_file is None:
        return None
    try:
        pid = int(build.pid_file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return pid if _command_line(pid).startswith("nginx: master") else None


def masters() -> dict[int, str]:
    """The masters on this host, by their process ids, each with its binary."""
    pids = sorted(int(process.name) for process in Path("/proc").glob("[0-9]*"))
    found = {pid: _binary(pid) for pid in pids if _command_line(pid).startswith("nginx: master")}
    return {pid: binary for pid, binary in found.items() if binary and _is_on_this_host(pid)}


def is_of(build: Build | None, pid: int) -> bool:
    """Whether a process is one of the installed nginx. nginx.org's package has a second binary, nginx-debug."""
    if build is None or not _is_on_this_host(pid):
        return False
    return _binary(pid) == os.path.realpath(build.binary) or pid == master_pid(build)


def _binary(pid: int) -> str | None:
    try:
        path = os.readlink(f"/proc/{pid}/exe")
    except OSError:  # The process has ended.
        return None
    # After the upgrade of a package.
    return path[: -len(" (deleted)")] if path.endswith(" (deleted)") else path


def _is_on_this_host(pid: int) -> bool:
    """Whether a process has the root directory of this one. Those of containers can be seen from their host."""
    try:
        return Path(f"/proc/{pid}/root").samefile("/")
    except OSError:
        return False


def accepting_workers(master: int) -> set[int]:
    """The workers of a master that still accept connections: all but those that are shutting down."""
    return {worker for worker, parent in _workers(accepting=True) if parent == master}


def is_stopping(master: int) -> bool:
    """Whether a master is shutting down and only waits for the open connections of its workers. It ignores SIGHUP."""
    ending = any(parent == master for _worker, parent in _workers(accepting=False))
    return ending and not accepting_workers(master)


def orphans() -> set[int]:
    """The workers that still accept connections although their master was killed."""
    workers = _workers(accepting=True)
    return {worker for worker, parent in workers if not _command_line(parent).startswith("nginx: master")}


def sockets(build: Build | None) -> tuple[set[str], set[str]]:
    """The inodes of the sockets of all workers, of those too that are shutting down. A container may not show the files
    of other users: instead of them, the users of these workers.
    """
    own = {pid for pid in masters() if is_of(build, pid)}
    inodes: set[str] = set()
    users: set[str] = set()
    for accepting in (True, False):
        for worker, parent in _workers(accepting=accepting):
            if parent not in own and not is_of(build, worker):
                continue
            with suppress(FileNotFoundError):  # It has ended.
                try:
                    inodes.update(_sockets.inodes(worker))
                except PermissionError:
                    users.add(str(_user(worker)))
    return inodes, users


def _user(pid: int) -> int:
    """The owner of its directory may be root instead (proc(5), /proc/sys/fs/suid_dumpable)."""
    status = Path(f"/proc/{pid}/status").read_text(errors="replace")
    return int(re.findall(r"^Uid:\s+\d+\s+(\d+)", status, re.MULTILINE)[0])


def _workers(*, accepting: bool) -> t.Iterator[tuple[int, int]]:
    """The workers that accept connections, or those that are shutting down; each with its parent."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        pid = int(stat.parent.name)
        title = _command_line(pid)
        if not title.startswith("nginx: worker process") or ("shutting down" in title) == accepting:
            continue
        try:
            # The name in parentheses may contain anything; after it come the state and the parent.
            yield pid, int(stat.read_text(errors="replace").rpartition(")")[2].split()[1])
        except (OSError, IndexError, ValueError):
            continue


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return ""
