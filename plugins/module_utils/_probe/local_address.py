# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether an address is one of this host, as the kernel sees it: a floating one may be on another host now."""

from __future__ import annotations

import ipaddress
import socket
import struct

# rtnetlink(7): a request for the route to an address, and its answer.
_GET_ROUTE, _ROUTE = 26, 24
_REQUEST = 1
_DESTINATION = 1
_LOCAL = 2
_HEADER = struct.Struct("=IHHII")
_ROUTE_MESSAGE = struct.Struct("=BBBBBBBBI")
_ATTRIBUTE = struct.Struct("=HH")
_SECONDS = 5.0


def is_elsewhere(address: str) -> bool:
    """Whether an IP address is not on this host, so that another one would answer a connection to it.

    The addresses of interfaces would not tell: a route may make a whole network local. Neither does a bind, which
    ip_nonlocal_bind allows for any address, nor the source of a connection, which may be another address of this host.
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if ip.is_link_local:
        # Each link has such a network.
        return False
    found = _route_type(getattr(ip, "ipv4_mapped", None) or ip)
    return found is not None and found != _LOCAL


def _route_type(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> int | None:
    """The type of the route to an address; 0 without a route, None if the kernel does not tell."""
    family = socket.AF_INET if ip.version == 4 else socket.AF_INET6
    message = _ROUTE_MESSAGE.pack(family, ip.max_prefixlen, 0, 0, 0, 0, 0, 0, 0)
    message += _ATTRIBUTE.pack(_ATTRIBUTE.size + len(ip.packed), _DESTINATION) + ip.packed
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
            kernel.settimeout(_SECONDS)
            kernel.send(_HEADER.pack(_HEADER.size + len(message), _GET_ROUTE, _REQUEST, 1, 0) + message)
            answer = kernel.recv(65536)
    except OSError:
        return None
    kind = _HEADER.unpack_from(answer)[1]
    return _ROUTE_MESSAGE.unpack_from(answer, _HEADER.size)[7] if kind == _ROUTE else 0
