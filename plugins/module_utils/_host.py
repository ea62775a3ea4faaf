# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a gateway needs of its host: names that resolve, and addresses that no other program listens on."""

from __future__ import annotations

import errno
import pwd
import socket
import stat
import typing as t
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ansible_collections.wsfleet.nginx.plugins.module_utils import _sockets

_LOOKUPS_AT_ONCE = 32
# The first line of a message that lists why.
UNFIT = "This host cannot become a gateway yet; nothing was changed:"


# In a container that shares the network of the host, say.
UNSEEN = "a program that is not visible from here"


class Program(t.NamedTuple):
    """A running program."""

    pid: int
    name: str
    user: str

    def __str__(self) -> str:
        return f"{self.name} (pid {self.pid}, user {self.user})"


def unresolved(names: t.Sequence[str]) -> dict[str, str]:
    """The names that this host cannot resolve, each with the resolver's reason."""
    with ThreadPoolExecutor(max_workers=_LOOKUPS_AT_ONCE) as executor:
        reasons = executor.map(_lookup_failure, names)
    return {name: reason for name, reason in zip(names, reasons) if reason}


def _lookup_failure(name: str) -> str:
    try:
        socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        return str(error.strerror)
    except UnicodeError as error:  # A part of it is empty, or too long.
        return str(error.__cause__ or error)
    return ""


def blockers(address: str, is_own: t.Callable[[int], bool]) -> list[Program] | None:
    """The programs other than the gateway's own nginx that keep it from listening on an address; None if the address is
    free.

    The address is PORT, HOST:PORT or [V6]:PORT. The list is empty if the program cannot be seen, as in a container
    that shares the network of the host.
    """
    host, _colon, port = address.rpartition(":")
    if not _in_use(host.strip("[]"), int(port)):
        return None
    programs = []
    for program in listening(int(port)):
        # On a running gateway it is nginx, and the thousands of descriptors of its workers need not be read.
        if is_own(program.pid):
            return None
        programs.append(program)
    return programs


def lowest_unprivileged_port() -> int:
    """The first port that a program without root rights may listen on (ip_unprivileged_port_start in ip-sysctl)."""
    try:
        return int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 1024


def remove_dead_socket(path: Path) -> None:
    """Remove a Unix socket that no program listens on any more; anything else stays."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as attempt:
            # Else it waits for ever for a program that accepts no connection.
            attempt.settimeout(1)
            attempt.connect(str(path))
    except ConnectionRefusedError:
        path.unlink()
    except OSError:
        # It does not exist, or cannot be connected to for another reason.
        return


def _in_use(host: str, port: int) -> bool:
    """Whether a bind is refused; the socket is closed at once, and never listens."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        attempt = socket.socket(family, socket.SOCK_STREAM)
    except OSError:  # A kernel without IPv6, say, where nothing can hold such an address.
        return False
    with attempt:
        # As nginx does (src/core/ngx_connection.c): a connection in TIME_WAIT does not count.
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            attempt.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            attempt.bind(("" if host == "*" else host, port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False


def listening(port: int) -> t.Iterator[Program]:
    """The programs that listen on a port, in the order of their process ids, so that a master precedes its workers."""
    sockets = {inode for table in ("tcp", "tcp6") for inode in _listening_inodes(table, port)}
    for process in sorted(Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name)):
        try:
            if any(inode in sockets for inode in _sockets.inodes(int(process.name))):
                yield Program(pid=int(process.name), name=_name(process), user=_user(process))
        except OSError:  # The process has ended, or may not be read.
            continue


def _name(process: Path) -> str:
    """Any bytes but a line break, as the program sets it (prctl(2))."""
    return (process / "comm").read_text(encoding="utf-8", errors="replace").strip()


def _user(process: Path) -> str:
    number = process.stat().st_uid
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _listening_inodes(table: str, port: int) -> t.Iterator[str]:
    for row in _sockets.rows(table):
        if row[3] == _sockets.LISTEN and _sockets.port(row[1]) == port:
            yield row[9]
