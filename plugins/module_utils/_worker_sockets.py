# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sockets of nginx's workers: which there are, and how one is ended so that nginx closes both ends of its tunnel.

The descriptor of a worker is duplicated (pidfd_getfd(2), since Linux 5.6) and shut down for reading (shutdown(2)). The
worker reads the end of the stream, as if the other end had closed it, passes on what it has, and closes both ends in
order, without a line in its error log. With SOCK_DESTROY of sock_diag(7) both would get a reset, nginx would log an
error for each, and it takes CAP_NET_ADMIN.

That takes what ptrace(2) takes: the user of the worker, where Yama's ptrace_scope is 0, or else CAP_SYS_PTRACE. Root
without that capability, as in a container, becomes the user of the worker in a process of its own.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import re
import socket
import typing as t
from pathlib import Path

from ansible_collections.wsfleet.nginx.plugins.module_utils import _sockets

# The same numbers on all architectures. Python has the first since 3.9, and not the second.
_PIDFD_OPEN, _PIDFD_GETFD = 434, 438
_REASONS = {
    errno.EPERM: "that takes root rights, and CAP_SYS_PTRACE where kernel.yama.ptrace_scope is not 0",
    errno.ENOSYS: "the kernel has no pidfd_getfd(2), which Linux 5.6 brought",
}

# What a socket is to nginx: a tunnel has one of each of the first two.
BACKEND, CLIENT, OTHER = "backend", "client", "other"


class Held(t.NamedTuple):
    """A socket that a process holds."""

    pid: int
    descriptor: int
    inode: str


class End(t.NamedTuple):
    """What a socket is, and the path of the Unix socket that it is connected to, if it is one to a backend."""

    kind: str
    path: str = ""


def held(pid: int) -> list[Held]:
    """The sockets of a worker; none if it has ended."""

    def listed() -> list[tuple[str, int]]:
        return list(_sockets.descriptors(pid))

    try:
        return [Held(pid, descriptor, inode) for inode, descriptor in as_owner(pid, listed)]
    except OSError as error:
        if not _has_ended(pid, error):
            raise
        return []


def ends(sockets: t.Sequence[Held]) -> list[tuple[Held, End]]:
    """Each of these sockets of one worker, with what it is."""

    def look() -> list[tuple[str, str]]:
        with _Process(sockets[0].pid) as process:
            return [_end(process, one) for one in sockets]

    try:
        return [(one, End(*found)) for one, found in zip(sockets, as_owner(sockets[0].pid, look) if sockets else ())]
    except OSError as error:
        if not _has_ended(sockets[0].pid, error):
            raise
        return []


def end(one: Held) -> bool:
    """Have nginx close a connection; whether it was still open. An OSError says why that cannot be done."""

    def shut() -> bool:
        with _Process(one.pid) as process, process.socket(one) as found:
            found.shutdown(socket.SHUT_RD)
        return True

    try:
        return as_owner(one.pid, shut)
    except OSError as error:
        if error.errno in _GONE or _has_ended(one.pid, error):
            return False
        raise


def _has_ended(pid: int, error: OSError) -> bool:
    """Whether a look into a process failed because it has ended. The kernel permits none into one whose parent has not
    waited for it yet: that has no memory any more, and so no command line.
    """
    if not isinstance(error, PermissionError):
        return isinstance(error, (FileNotFoundError, ProcessLookupError))
    try:
        return not Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return True


def obstacle() -> str:
    """Why the kernel lets no descriptor be duplicated, or nothing."""
    with socket.socket(socket.AF_UNIX) as own:
        inode = str(os.fstat(own.fileno()).st_ino)
        try:
            with _Process(os.getpid()) as process, process.socket(Held(os.getpid(), own.fileno(), inode)):
                return ""
        except OSError as error:
            return reason(error)


def reason(error: OSError) -> str:
    """Why no connection can be closed."""
    return _REASONS.get(error.errno or 0, error.strerror or str(error))


# The process has ended, or closed the descriptor, or has another file there; the other end has closed the connection.
_GONE = (errno.ESRCH, errno.ENOENT, errno.EBADF, errno.ENOTSOCK, errno.ENOTCONN)


class _Process:
    """A process whose descriptors can be duplicated."""

    def __init__(self, pid: int) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._pidfd = self._call(_PIDFD_OPEN, pid, 0)

    def __enter__(self) -> _Process:
        return self

    def __exit__(self, *_error: object) -> None:
        os.close(self._pidfd)

    @contextlib.contextmanager
    def socket(self, one: Held) -> t.Iterator[socket.socket]:
        descriptor = self._call(_PIDFD_GETFD, self._pidfd, one.descriptor, 0)
        try:
            if os.fstat(descriptor).st_ino != int(one.inode):
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            found = socket.socket(fileno=descriptor)
        except OSError:
            os.close(descriptor)
            raise
        with found:
            yield found

    def _call(self, number: int, *arguments: int) -> int:
        result = int(self._libc.syscall(*map(ctypes.c_long, (number, *arguments))))
        if result < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return result


def _end(process: _Process, one: Held) -> tuple[str, str]:
    try:
        with process.socket(one) as found:
            peer = found.getpeername()
            if found.type != socket.SOCK_STREAM:
                # To a resolver, or to syslog.
                return End(OTHER)
            if found.family == socket.AF_UNIX:
                # One of a pair, as each worker has with the master, has no path.
                kind = CLIENT if found.getsockname() else BACKEND if peer else OTHER
                return End(kind, os.fsdecode(peer))
            # nginx sets this option of each socket that it listens on, and what is accepted there inherits it.
            return End(CLIENT if found.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR) else BACKEND)
    except OSError as error:
        if error.errno in _GONE:
            return End(OTHER)
        raise


_Found = t.TypeVar("_Found")


def as_owner(pid: int, do: t.Callable[[], _Found]) -> _Found:
    """What a function returns that needs the rights of ptrace(2) over a process. It has to be JSON."""
    try:
        return do()
    except PermissionError:
        if os.geteuid() != 0:
            raise
    return t.cast(_Found, _in_child(*_owner(pid), do))


def _in_child(user: int, group: int, do: t.Callable[[], object]) -> object:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        # Whatever happens, this process must not return. Nor can it import: Python's files may be root's alone.
        try:
            with os.fdopen(writing, "wb") as file:
                file.write(_answer(user, group, do))
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        answered = file.read()
    os.waitpid(child, 0)
    result, *error = json.loads(answered or b'[null, 5, "Input/output error"]')
    if error:
        raise OSError(*error)
    return result


def _answer(user: int, group: int, do: t.Callable[[], object]) -> bytes:
    try:
        os.setgroups([])
        os.setresgid(group, group, group)
        os.setresuid(user, user, user)
        return json.dumps([do()]).encode()
    except OSError as error:
        return json.dumps([None, error.errno, str(error.strerror)]).encode()


def _owner(pid: int) -> tuple[int, int]:
    """The user and the group of a process."""
    status = Path(f"/proc/{pid}/status").read_text(errors="replace")
    user, group = (re.findall(rf"^{name}:\s+(\d+)", status, re.MULTILINE)[0] for name in ("Uid", "Gid"))
    return int(user), int(group)
