# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tables of sockets in /proc/net (proc(5))."""

from __future__ import annotations

import ipaddress
import os
import sys
import typing as t
from pathlib import Path

# States in /proc/net: an established TCP connection, a listening socket, and a connected Unix socket.
ESTABLISHED, LISTEN, CONNECTED = "01", "0A", "03"


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
    for inode, _descriptor in descriptors(pid):
        yield inode


def descriptors(pid: int) -> t.Iterator[tuple[str, int]]:
    """The sockets of a process, each with its inode and its descriptor."""
    for path in Path(f"/proc/{pid}/fd").iterdir():
        try:
            link = os.readlink(path)
        except FileNotFoundError:  # It was closed meanwhile.
            continue
        if link.startswith("socket:["):
            yield link[len("socket:[") : -1], int(path.name)


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
