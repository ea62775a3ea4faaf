# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The open connections of nginx: to servers of its upstreams, and from clients."""

from __future__ import annotations

import ipaddress
import socket
import time
import typing as t

from ansible_collections.wsfleet.nginx.plugins.module_utils import _sockets

# Not all at once, so that clients do not come back all at once.
_PAUSE_SECONDS = 0.002


class Owned(t.NamedTuple):
    """The sockets of some processes: by their inodes or, if these cannot be seen, by the users that they run as."""

    inodes: t.Collection[str]
    users: t.Collection[str]

    def has(self, row: t.Sequence[str]) -> bool:
        return row[9] in self.inodes or row[7] in self.users


class Connection(t.NamedTuple):
    """An open connection, by the addresses in its row of /proc/net."""

    local: str
    remote: str
    # The server as it was given, or the port that a client is connected to.
    where: str


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

    def open(self, owned: Owned) -> list[Connection]:
        """Those to Unix sockets are without addresses."""
        found = [
            Connection(row[1], row[2], where)
            for table, any_ip in (("tcp", "0.0.0.0"), ("tcp6", "::"))
            for row in _sockets.rows(table)
            if row[3] == _sockets.ESTABLISHED and owned.has(row)
            for where in [self._where(row, any_ip)]
            if where
        ]
        if self._paths:
            at = [row[7] for row in _sockets.rows("unix") if len(row) > 7 and row[5] == _sockets.CONNECTED]
            found += [Connection("", "", self._paths[path]) for path in at if path in self._paths]
        return found

    def _where(self, row: t.Sequence[str], any_ip: str) -> str:
        # Most others are left out by their ports.
        if _sockets.port(row[2]) in self._remote_ports and _end(row[2]) in self._remote:
            return self._remote[_end(row[2])]
        port = _sockets.port(row[1])
        is_client = (any_ip, port) in self._local or (port in self._local_ports and _end(row[1]) in self._local)
        return f"port {port}" if is_client else ""


def close(connections: t.Iterable[Connection]) -> str:
    """Close TCP connections; why some stay open, or nothing."""
    try:
        closer = _sockets.Closer()
        for connection in connections:
            reason = closer.close(connection.local, connection.remote)
            if reason:
                return reason
            time.sleep(_PAUSE_SECONDS)
    except OSError as error:
        return f"the kernel does not say whether it closed them ({error})"
    return ""


def _end(address: str) -> tuple[str, int]:
    return _sockets.ip(address), _sockets.port(address)


def _resolved(address: str) -> set[tuple[str, int]]:
    name, _colon, port = address.rpartition(":")
    found = socket.getaddrinfo(name.strip("[]"), int(port), type=socket.SOCK_STREAM)
    return {(str(ipaddress.ip_address(entry[4][0])), int(port)) for entry in found}


def _listened(address: str) -> set[tuple[str, int]]:
    name, _colon, port = address.rpartition(":")
    return {("0.0.0.0", int(port))} if name in ("", "*") else _resolved(address)
