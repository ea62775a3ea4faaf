# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tables of sockets in /proc/net (proc(5)), and the request to the kernel that closes one."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import struct
import sys
import typing as t
from pathlib import Path

# States in /proc/net: an established TCP connection, a listening socket, and a connected Unix socket.
ESTABLISHED, LISTEN, CONNECTED = "01", "0A", "03"

# <linux/netlink.h>, <linux/sock_diag.h> and <linux/inet_diag.h>.
_NETLINK_SOCK_DIAG, _SOCK_DESTROY = 4, 21
_REQUEST_AND_ACK = 0x01 | 0x04
_NO_COOKIE = 0xFFFFFFFF
_HEADER, _DIAG = struct.Struct("=IHHII"), struct.Struct("=BBBBI")
_REASONS = {
    errno.EPERM: "that takes root rights with CAP_NET_ADMIN",
    errno.EOPNOTSUPP: "the kernel is built without CONFIG_INET_DIAG_DESTROY",
}


def rows(table: str) -> t.Iterator[list[str]]:
    """Of tcp and tcp6: number, local address:port, remote, state, queues, timer, retransmits, user, timeout, inode.
    Of unix: number, references, protocol, flags, type, state, inode and, on the listening end, the path.
    """
    try:
        found = Path(f"/proc/net/{table}").read_text(encoding="utf-8", errors="replace").splitlines()[1:]
    except OSError:
        return
    for row in found:
        yield row.split()


def inodes(pid: int) -> t.Iterator[str]:
    """Those of the sockets of a process."""
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            link = os.readlink(descriptor)
        except FileNotFoundError:  # It was closed meanwhile.
            continue
        if link.startswith("socket:["):
            yield link[len("socket:[") : -1]


def port(address: str) -> int:
    return int(address.rpartition(":")[2], 16)


def ip(address: str) -> str:
    """An IPv4 address may be mapped to IPv6."""
    found = ipaddress.ip_address(_packed(address))
    return str(getattr(found, "ipv4_mapped", None) or found)


def _packed(address: str) -> bytes:
    """/proc/net has words in the byte order of the machine."""
    words = address.partition(":")[0]
    return b"".join(int(words[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(words), 8))


class Closer:
    """Closes TCP connections as "ss --kill" does: both ends notice at once (sock_diag(7))."""

    def __init__(self) -> None:
        self._netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG)
        self._netlink.settimeout(10)

    def close(self, local: str, remote: str) -> str:
        """Close a connection, by the addresses of its row; why the kernel does not, or nothing."""
        ends = _packed(local), _packed(remote)
        family = socket.AF_INET if len(ends[0]) == 4 else socket.AF_INET6
        request = _DIAG.pack(family, socket.IPPROTO_TCP, 0, 0, 1 << int(ESTABLISHED, 16))
        request += struct.pack("!HH16s16s", port(local), port(remote), *ends)
        request += struct.pack("=III", 0, _NO_COOKIE, _NO_COOKIE)
        self._netlink.send(_HEADER.pack(_HEADER.size + len(request), _SOCK_DESTROY, _REQUEST_AND_ACK, 1, 0) + request)
        # An acknowledgement is an error, of the number 0.
        (error,) = struct.unpack_from("=i", self._netlink.recv(4096), _HEADER.size)
        # ENOENT: it is closed already.
        return "" if error in (0, -errno.ENOENT) else _REASONS.get(-error, os.strerror(-error))
