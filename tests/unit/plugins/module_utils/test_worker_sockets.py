# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sockets of another process, seen and ended: one that passes on what a client and a backend send, as nginx does."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
import typing as t
from collections import Counter
from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils import _sockets, _worker_sockets
from waiting import PATIENCE

# It closes a tunnel at the end of either side, like nginx, and has sockets of other kinds too.
WORKER = """
import ctypes, os, selectors, socket, sys
address, path, user = sys.argv[1], sys.argv[2], int(sys.argv[3])
if user:
    os.setgid(user); os.setuid(user)
    ctypes.CDLL(None).prctl(4, 1)  # PR_SET_DUMPABLE, as nginx does
pair, resolver = socket.socketpair(), socket.socket(type=socket.SOCK_DGRAM)
resolver.connect(("127.0.0.1", 53))
listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
selector, other = selectors.DefaultSelector(), {}
selector.register(listening, selectors.EVENT_READ)
while True:
    for key, _events in selector.select():
        if key.fileobj is listening:
            client = listening.accept()[0]
            backend = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
            backend.connect(path or ("127.0.0.1", int(address)))
            other.update({client: backend, backend: client})
            for end in (client, backend):
                selector.register(end, selectors.EVENT_READ)
            continue
        if key.fileobj not in other:
            continue
        data = key.fileobj.recv(1000)
        if data:
            other[key.fileobj].sendall(data)
            continue
        for end in (key.fileobj, other[key.fileobj]):
            selector.unregister(end); other.pop(end); end.close()
"""


class Worker:
    """A process with tunnels between clients and a backend."""

    def __init__(self, directory: Path, *, is_unix: bool = False, user: int = 0) -> None:
        self.path = str(directory / "backend") if is_unix else ""
        if is_unix:
            self.backend = socket.socket(socket.AF_UNIX)
            self.backend.bind(self.path)
            Path(self.path).chmod(0o666)
            self.backend.listen()
        else:
            self.backend = socket.create_server(("127.0.0.1", 0))
        port = "" if is_unix else str(self.backend.getsockname()[1])
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORKER, port, self.path, str(user)], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout
        self.port = int(self.process.stdout.readline())
        self.tunnels: list[tuple[socket.socket, socket.socket]] = []

    def connect(self) -> None:
        client = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
        backend = self.backend.accept()[0]
        backend.settimeout(PATIENCE)
        self.tunnels.append((client, backend))

    @property
    def ends(self) -> list[tuple[_worker_sockets.Held, _worker_sockets.End]]:
        return _worker_sockets.ends(_worker_sockets.held(self.process.pid))

    def of_kind(self, kind: str) -> list[_worker_sockets.Held]:
        return [one for one, end in self.ends if end.kind == kind]

    def is_open(self, number: int) -> bool:
        """Whether a tunnel passes on what either end sends; one that does not was closed in order at both."""
        client, backend = self.tunnels[number]
        try:
            client.sendall(b"x")
            if backend.recv(1) == b"x":
                return True
        except ConnectionError:
            pass
        assert client.recv(1) == b""
        return False

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for end in (self.backend, *(end for pair in self.tunnels for end in pair)):
            end.close()


@pytest.fixture
def started(tmp_path: Path) -> t.Iterator[t.Callable[..., Worker]]:
    workers: list[Worker] = []

    def start(**options: t.Any) -> Worker:
        workers.append(Worker(tmp_path, **options))
        return workers[-1]

    yield start
    for worker in workers:
        worker.end()


@pytest.mark.parametrize("is_unix", [False, True])
@pytest.mark.parametrize("kind", [_worker_sockets.BACKEND, _worker_sockets.CLIENT])
def test_one_tunnel_is_ended_by_either_end_and_the_others_stay(
    started: t.Callable[..., Worker], kind: str, is_unix: bool
) -> None:
    worker = started(is_unix=is_unix)
    for _number in range(3):
        worker.connect()
    kinds = Counter(end.kind for _one, end in worker.ends)
    # The others: what it listens on, a pair, and one to a resolver.
    assert (kinds["backend"], kinds["client"], kinds["other"]) == (3, 3, 4)
    assert {end.path for _one, end in worker.ends if end.kind == "backend"} == {worker.path}
    one = worker.of_kind(kind)[1]
    assert _worker_sockets.end(one)
    assert [worker.is_open(number) for number in range(3)].count(False) == 1
    # It is gone, and its descriptor may be that of another one.
    assert not _worker_sockets.end(one)
    worker.connect()
    assert not _worker_sockets.end(one)
    assert worker.is_open(3)


def test_what_a_process_has_is_nothing_once_it_has_ended(started: t.Callable[..., Worker]) -> None:
    worker = started()
    worker.connect()
    sockets = worker.of_kind("backend")
    worker.process.kill()
    worker.process.wait()
    assert _worker_sockets.held(worker.process.pid) == []
    assert _worker_sockets.ends(sockets) == []
    assert not _worker_sockets.end(sockets[0])


def test_one_that_nobody_has_waited_for_has_ended_although_it_is_not_permitted_to_look(
    started: t.Callable[..., Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = started()
    worker.connect()
    sockets = worker.of_kind("backend")

    def refused(*_arguments: t.Any) -> t.Any:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(_worker_sockets, "as_owner", refused)
    for look in (lambda: _worker_sockets.ends(sockets), lambda: _worker_sockets.end(sockets[0])):
        with pytest.raises(PermissionError):
            look()
    worker.process.kill()
    os.waitid(os.P_PID, worker.process.pid, os.WEXITED | os.WNOWAIT)
    assert _worker_sockets.held(worker.process.pid) == []
    assert _worker_sockets.ends(sockets) == []
    assert not _worker_sockets.end(sockets[0])


@pytest.mark.skipif(os.geteuid() != 0, reason="that takes root rights")
def test_root_without_the_capability_becomes_the_user_of_the_worker(
    started: t.Callable[..., Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = started(user=65534)
    worker.connect()
    calls = []

    def refused(function: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
        def call(*arguments: t.Any) -> t.Any:
            calls.append(os.geteuid())
            if os.geteuid() == 0:
                raise PermissionError(errno.EPERM, "Operation not permitted")
            return function(*arguments)

        return call

    # As in a container: root may neither read its files nor duplicate them.
    monkeypatch.setattr(_sockets, "descriptors", refused(_sockets.descriptors))
    monkeypatch.setattr(_worker_sockets._Process, "_call", refused(_worker_sockets._Process._call))
    (one,) = worker.of_kind("backend")
    assert _worker_sockets.end(one)
    assert not worker.is_open(0)
    assert set(calls) == {0}


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.EPERM, "that takes root rights, and CAP_SYS_PTRACE where kernel.yama.ptrace_scope is not 0"),
        (errno.ENOSYS, "the kernel has no pidfd_getfd(2), which Linux 5.6 brought"),
        (errno.EMFILE, "Too many open files"),
    ],
)
def test_why_none_can_be_closed_is_told(number: int, reason: str) -> None:
    assert _worker_sockets.reason(OSError(number, os.strerror(number))) == reason
