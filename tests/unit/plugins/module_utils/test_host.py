# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host has to offer: names that resolve, and addresses that are free."""

from __future__ import annotations

import errno
import os
import pwd
import socket
import typing as t
from contextlib import contextmanager
from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils import _host


def blockers(address: str, own: t.Collection[int] = ()) -> list[_host.Program] | None:
    return _host.blockers(address, own.__contains__)


@contextmanager
def listener(address: str, family: socket.AddressFamily = socket.AF_INET) -> t.Iterator[int]:
    with socket.socket(family, socket.SOCK_STREAM) as listening:
        listening.bind((address, 0))
        listening.listen()
        yield listening.getsockname()[1]


def test_an_address_that_is_free_is_not_held() -> None:
    with listener("127.0.0.1") as port:
        pass
    assert blockers(f"127.0.0.1:{port}") is None


@pytest.mark.parametrize("address", ["{}", "*:{}", "0.0.0.0:{}", "127.0.0.1:{}"])
def test_the_program_that_holds_an_address_is_named(address: str) -> None:
    with listener("127.0.0.1") as port:
        (program,) = blockers(address.format(port)) or []
    assert program.pid == os.getpid()
    assert program.name
    assert str(program) == f"{program.name} (pid {os.getpid()}, user {pwd.getpwuid(os.getuid()).pw_name})"


def test_the_nginx_of_the_gateway_holds_nothing() -> None:
    with listener("127.0.0.1") as port:
        assert blockers(f"127.0.0.1:{port}", [os.getpid()]) is None


def test_a_program_whose_name_is_not_utf_8_is_named() -> None:
    comm = Path("/proc/self/comm")
    before = comm.read_bytes()
    with listener("127.0.0.1") as port:
        comm.write_bytes(b"caf\xe9")
        try:
            (program,) = blockers(f"127.0.0.1:{port}") or []
        finally:
            comm.write_bytes(before.strip())
    assert program[:2] == (os.getpid(), "caf\ufffd")


def test_an_address_of_a_family_that_the_kernel_does_not_have_has_no_blocker(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_ipv6(family: int, kind: int) -> t.NoReturn:
        raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))

    monkeypatch.setattr(socket, "socket", without_ipv6)
    assert blockers("[::]:80") is None


@pytest.mark.parametrize("name", ["a..example", f"{'a' * 64}.example"])
def test_a_name_that_no_resolver_takes_does_not_resolve(name: str) -> None:
    assert "label empty or too long" in _host.unresolved([name])[name]


def test_another_address_of_the_same_port_is_free() -> None:
    with listener("127.0.0.2") as port:
        assert blockers(f"127.0.0.1:{port}") is None


def test_an_ipv6_address_is_held_apart_from_ipv4() -> None:
    with listener("::1", socket.AF_INET6) as port:
        assert blockers(f"[::]:{port}")
        assert blockers(f"{port}") is None


def test_a_connection_that_waits_to_end_holds_nothing() -> None:
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = listening.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        server, _peer = listening.accept()
        server.close()
        client.close()
    assert blockers(f"127.0.0.1:{port}") is None


def test_names_that_do_not_resolve_are_told_apart_from_those_that_do() -> None:
    reasons = _host.unresolved(["localhost", "no-such-name.invalid"])
    assert list(reasons) == ["no-such-name.invalid"]
    assert reasons["no-such-name.invalid"]


def test_a_socket_that_nobody_listens_on_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "dead.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
        dead.listen()
    _host.remove_dead_socket(path)
    assert not path.exists()
    _host.remove_dead_socket(path)


def test_a_live_socket_and_any_other_file_stay(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with socket.socket(socket.AF_UNIX) as alive:
        alive.bind(str(tmp_path / "alive.sock"))
        alive.listen()
        _host.remove_dead_socket(tmp_path / "alive.sock")
        _host.remove_dead_socket(file)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["alive.sock", "file"]


def test_a_live_socket_whose_program_accepts_nobody_holds_nobody_up(tmp_path: Path) -> None:
    path = tmp_path / "busy.sock"
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as first:
        busy.bind(str(path))
        busy.listen(0)
        first.connect(str(path))
        _host.remove_dead_socket(path)
        assert path.exists()
