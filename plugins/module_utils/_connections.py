# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The open connections of nginx: to servers of its upstreams, and from clients."""

from __future__ import annotations

import ipaddress
import itertools
import socket
import typing as t

from ansible_collections.wsfleet.nginx.plugins.module_utils import _sockets, _worker_sockets
from ansible_collections.wsfleet.nginx.plugins.module_utils._worker_sockets import Held


class Connection(t.NamedTuple):
    """An open connection, by the addresses in its row of /proc/net."""

    local: str
    remote: str
    # The server as it was given, or the port that a client is connected to.
    where: str
    # Of nginx's end; of the other one for a Unix socket.
    inode: str


class Connections:
    """Those to peers, and those of clients to listening addresses.

    Both are HOST:PORT or [V6]:PORT, listening ones also PORT, and peers also unix:/PATH. Names are resolved once.
    """

    def __init__(self, peers: t.Sequence[str], listening: t.Sequence[str]) -> None:
        self._paths = {peer[len("unix:") :]: peer for peer in peers if peer.startswith("unix:")}
        self._remote: dict[tuple[str, int], str] = {}
        for peer in peers:
            if not peer.startswith("unix:"):
                self._remote.update(dict.fromkeys(_resolved(peer), peer))
        self._local = {end for address in listening for end in _listened(address)}
        self._remote_ports, self._local_ports = ({port for _ip, port in ends} for ends in (self._remote, self._local))

    def open(self, sockets: t.Iterable[Held]) -> list[Connection]:
        """Those of the given sockets. Those to Unix sockets are of any program, and without addresses."""
        inodes = {one.inode for one in sockets}
        found = [
            Connection(row[1], row[2], where, row[9])
            for table, any_ip in (("tcp", "0.0.0.0"), ("tcp6", "::"))
            for row in _sockets.rows(table)
            if row[3] == _sockets.ESTABLISHED and row[9] in inodes
            for where in [self._where(row, any_ip)]
            if where
        ]
        if self._paths:
            rows = [row for row in _sockets.rows("unix") if len(row) > 7 and row[5] == _sockets.CONNECTED]
            found += [Connection("", "", self._paths[row[7]], row[6]) for row in rows if row[7] in self._paths]
        return found

    def _where(self, row: t.Sequence[str], any_ip: str) -> str:
        # Most others are left out by their ports.
        if _sockets.port(row[2]) in self._remote_ports and _end(row[2]) in self._remote:
            return self._remote[_end(row[2])]
        port = _sockets.port(row[1])
        is_client = (any_ip, port) in self._local or (port in self._local_ports and _end(row[1]) in self._local)
        return f"port {port}" if is_client else ""


def close(connections: t.Collection[Connection], sockets: t.Sequence[Held], wait: t.Callable[[], None]) -> str:
    """Close connections of these sockets, each after a wait; why some stay open, or nothing."""
    inodes = {connection.inode for connection in connections if connection.local}
    paths = {connection.where for connection in connections if not connection.local}
    try:
        closing = [one for one in sockets if one.inode in inodes]
        for one in [*closing, *(_to_paths(sockets, paths) if paths else ())]:
            wait()
            _worker_sockets.end(one)
    except OSError as error:
        return _worker_sockets.reason(error)
    return ""


def _to_paths(sockets: t.Sequence[Held], paths: t.Collection[str]) -> t.Iterator[Held]:
    """Those that are connected to these Unix sockets, which the tables of the kernel do not tell."""
    unix = {row[6] for row in _sockets.rows("unix")}
    for _pid, of_one in itertools.groupby((one for one in sockets if one.inode in unix), key=lambda one: one.pid):
        for one, end in _worker_sockets.ends(list(of_one)):
            if end.kind == _worker_sockets.BACKEND and f"unix:{end.path}" in paths:
                yield one


def _end(address: str) -> tuple[str, int]:
    return _sockets.ip(address), _sockets.port(address)


def _resolved(address: str) -> set[tuple[str, int]]:
    name, _colon, port = address.rpartition(":")
    found = socket.getaddrinfo(name.strip("[]"), int(port), type=socket.SOCK_STREAM)
    return {(str(ipaddress.ip_address(entry[4][0])), int(port)) for entry in found}


def _listened(address: str) -> set[tuple[str, int]]:
    name, _colon, port = address.rpartition(":")
    return {("0.0.0.0", int(port))} if name in ("", "*") else _resolved(address)
