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

from ansible_collections.wsfleet.nginx.plugins.module_utils import _sockets, _worker_sockets
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx.binary import Build
from ansible_collections.wsfleet.nginx.plugins.module_utils._worker_sockets import Held

_MASTER = "nginx: master"
_NO_DAEMON = re.compile(r"(?:^|[\s;])daemon\s+off\s*;", re.MULTILINE)
# What proc(5) adds to a path whose file was removed or replaced.
_DELETED = " (deleted)"
# The options -c and -p of nginx, which may follow others in one word.
_OTHER_CONFIGURATION = re.compile(r"-[?hvVtTq]*[cp]")


def master_pid(build: Build) -> int | None:
    """The process id of the running master, or None."""
    recorded = recorded_pid(build)
    return _unrecorded_pid(build) if recorded is None else recorded


def recorded_pid(build: Build) -> int | None:
    """The process id of the running master, if it is in the pid file."""
    return _read_pid(build.pid_file) if build.pid_file else None


def _read_pid(file: Path) -> int | None:
    try:
        pid = int(file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return pid if is_master(pid) else None


def is_master(pid: int) -> bool:
    return _command_line(pid).startswith(_MASTER)


def _unrecorded_pid(build: Build) -> int | None:
    """The master whose pid file is lost: the only one that runs this binary with the configuration that is built in."""
    own = os.path.realpath(build.binary)
    found = [pid for pid, path in masters().items() if path == own and not _has_other_configuration(pid)]
    return found[0] if len(found) == 1 else None


def _has_other_configuration(pid: int) -> bool:
    return any(map(_OTHER_CONFIGURATION.match, _command_line(pid).split()))


def masters() -> dict[int, str]:
    """The masters on this host, by their process ids, each with its binary."""
    pids = sorted(int(process.name) for process in Path("/proc").glob("[0-9]*"))
    found = {pid: _binary(pid) for pid in pids if is_master(pid)}
    return {pid: binary for pid, binary in found.items() if binary}


def is_of(build: Build | None, pid: int) -> bool:
    """Whether a process is one of the installed nginx. nginx.org's package has a second binary, nginx-debug."""
    found = _binary(pid)
    if build is None or found is None:
        return False
    return found == os.path.realpath(build.binary) or pid == master_pid(build)


def _binary(pid: int) -> str | None:
    """The binary of a process that is known to have the root directory of this one."""

    def look() -> str | None:
        return os.readlink(executable(pid)) if Path(f"/proc/{pid}/root").samefile("/") else None

    try:
        path = _worker_sockets.as_owner(pid, look)
    except OSError:  # The process has ended, or is another user's.
        return None
    # After the upgrade of a package.
    return path[: -len(_DELETED)] if path and path.endswith(_DELETED) else path


def _is_in_container(pid: int) -> bool:
    """Whether a process is known to have another root directory. Those of containers can be seen from their host."""
    try:
        return not Path(f"/proc/{pid}/root").samefile("/")
    except OSError:  # A container may not show that of another user.
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
    started = [started_at(worker) for worker in accepting_workers(master)] if master else []
    return min(filter(None, started), default=None)


def started_at(pid: int) -> float | None:
    """As seconds of the system's clock."""
    ticks = start_ticks(pid)
    if ticks is None:
        return None
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + ticks / os.sysconf("SC_CLK_TCK")


def start_ticks(pid: int) -> int | None:
    """When a process was started, in clock ticks since boot (proc(5)): with its id, that names it for ever."""
    try:
        return int(_stat(pid)[19])
    except (OSError, IndexError, ValueError):
        return None


def accepts(worker: int) -> bool:
    """Whether a process is a worker that accepts connections."""
    title = _command_line(worker)
    return title.startswith("nginx: worker process") and "shutting down" not in title


def workers_of(build: Build, *, accepting: bool) -> set[int]:
    """The workers of this nginx that accept connections, or those that are shutting down, also if their master is gone.

    Not those of another instance, with a configuration of its own. Without root rights too, for its own workers.
    """
    own = {pid for pid in masters() if is_of(build, pid)}
    return {
        worker
        for worker, parent in _workers(accepting=accepting)
        if (parent in own or is_of(build, worker)) and not (is_master(parent) and _has_other_configuration(parent))
    }


def earlier_master(build: Build) -> int | None:
    """The master that an exchange of binaries by USR2 has left running, if it can still take over again: its workers
    accept connections, or it keeps the ports for new ones (WINCH). One that only waits for connections (QUIT) does not.
    """
    # https://nginx.org/en/docs/control.html#upgrade
    pid = waiting_master(build)
    return pid if pid and (accepting_workers(pid) or list(listening(pid))) else None


def waiting_master(build: Build) -> int | None:
    """The master that an exchange of binaries has left running, whatever it does."""
    pid = _read_pid(oldbin(build.pid_file)) if build.pid_file else None
    return pid if pid != recorded_pid(build) else None


def oldbin(pid_file: Path) -> Path:
    """Where nginx moves its pid file as long as two masters run."""
    return pid_file.with_name(f"{pid_file.name}.oldbin")


def starting(master: int) -> set[int]:
    """The processes that a master has started and that have no title of nginx yet, as a new binary before it runs."""
    pids = [int(process.name) for process in Path("/proc").glob("[0-9]*")]
    return {pid for pid in pids if _parent(pid) == master and not _command_line(pid).startswith("nginx: ")}


def listening(pid: int) -> t.Iterator[str]:
    """The TCP addresses that a process listens on, as /proc/net has them."""
    try:
        own = set(_sockets.inodes(pid))
    except OSError:  # It has ended.
        return
    for table in ("tcp", "tcp6"):
        yield from (row[1] for row in _sockets.rows(table) if row[3] == _sockets.LISTEN and row[9] in own)


def program(master: int) -> str:
    """The binary of a master as it was started, and as it starts the next one: nginx uses its first argument as it
    is.
    """
    return _command_line(master)[len(f"{_MASTER} process") :].strip().partition(" ")[0]


def has_no_daemon(master: int, configuration: Path) -> bool:
    """Whether a master was started with "daemon off": it ignores the signals of an exchange of binaries."""
    text = configuration.read_text(encoding="utf-8", errors="replace") if configuration.exists() else ""
    return any(map(_NO_DAEMON.search, (_command_line(master), text)))


def replaced_files(master: int) -> list[str]:
    """The files that a master has loaded, its binary, modules and libraries, that are others on the disk by now."""
    try:
        maps = Path(f"/proc/{master}/maps").read_text(encoding="utf-8", errors="replace").splitlines()
        own, binary = os.readlink(executable(master)), program(master)
        # Not filecmp, which remembers its results by sizes and times.
        is_same = executable(master).read_bytes() == Path(binary).read_bytes()
    except OSError:  # It has ended, or its binary is not there.
        return []
    found = [] if is_same else [binary]
    for line in maps:
        # proc(5): the addresses, permissions, offset, device, inode and path. The start of a file has its build id.
        addresses, permissions, offset, _device, _inode, path = [*line.split(None, 5), ""][:6]
        is_start_of_file = int(offset, 16) == 0 and permissions.endswith("p")
        if is_start_of_file and path.startswith("/") and path.endswith(_DELETED) and path != own:
            start, end = (int(address, 16) for address in addresses.split("-"))
            if not _is_loaded(master, start, end, path[: -len(_DELETED)]):
                found.append(path[: -len(_DELETED)])
    return found


def _is_loaded(pid: int, start: int, end: int, path: str) -> bool:
    """Whether a process has the start of a file in its memory: a package may be installed again as it was."""
    try:
        with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory, Path(path).open("rb") as file:
            memory.seek(start)
            content = file.read(end - start)
            # After its end a page is filled with zeros.
            return bool(content) and memory.read(len(content)) == content
    except OSError:
        return False


def executable(pid: int) -> Path:
    """The binary of a process, which can be run even if another one has replaced it."""
    return Path(f"/proc/{pid}/exe")


def orphans() -> set[int]:
    """The workers that still accept connections although their master was killed."""
    workers = _workers(accepting=True)
    return {worker for worker, parent in workers if not is_master(parent) and not _is_in_container(worker)}


def sockets(build: Build | None) -> list[Held]:
    """The sockets of all workers, of those too that are shutting down."""
    own = {pid for pid in masters() if is_of(build, pid)}
    workers = [worker for accepting in (True, False) for worker in _workers(accepting=accepting)]
    of_own = [worker for worker, parent in workers if parent in own or is_of(build, worker)]
    return [found for worker in of_own for found in _worker_sockets.held(worker)]


def _workers(*, accepting: bool) -> t.Iterator[tuple[int, int]]:
    """The workers that accept connections, or those that are shutting down; each with its parent."""
    for directory in Path("/proc").glob("[0-9]*"):
        pid = int(directory.name)
        title = _command_line(pid)
        if not title.startswith("nginx: worker process") or ("shutting down" in title) == accepting:
            continue
        parent = _parent(pid)
        if parent is not None:
            yield pid, parent


def _parent(pid: int) -> int | None:
    try:
        return int(_stat(pid)[1])
    except (OSError, IndexError, ValueError):
        return None


def _stat(pid: int) -> list[str]:
    """The fields of proc(5) after the name in parentheses, which may contain anything: the state, the parent, ..."""
    return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return ""
