# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server at which no connection comes about: its queue of them is full, so the kernel drops whoever else comes."""

from __future__ import annotations

import signal
import socket
import sys

if __name__ == "__main__":
    address = ("", int(sys.argv[1]))
    server = socket.create_server(address, backlog=0)
    # The kernel takes one more than the backlog says; those that are too many wait in vain, as everybody does.
    waiting = [socket.socket() for _number in range(4)]
    for client in waiting:
        client.setblocking(False)
        client.connect_ex(("127.0.0.1", address[1]))
    signal.pause()
