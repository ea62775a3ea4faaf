# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a gateway needs to hold its sockets: limits of nginx, and how its service is stopped."""

from __future__ import annotations

import math

from ansible_collections.wsfleet.nginx.plugins.plugin_utils.values import seconds_of

# A tunnel is two connections, one to the client and one to the backend.
_CONNECTIONS_PER_SOCKET = 2
# Connections that are no tunnels: plain requests, idle ones to backends, those that nginx listens on.
_OTHER_CONNECTIONS = 512
# Files that are no connections: logs, certificates while they are read, answers that are buffered on the disk.
_OTHER_FILES = 512
# systemd's own default. With a lower one a reload could not raise the limit of the workers later.
_HARD_LIMIT = 524_288
# What nginx itself needs to end after its last socket.
_STOP_SECONDS = 30


def directives(capacity: int, shutdown_timeout: str) -> dict[str, str]:
    """The directives of nginx.conf for so many sockets.

    Nothing spreads sockets evenly over the workers, so each of them must be able to hold all.
    """
    connections = capacity * _CONNECTIONS_PER_SOCKET + _OTHER_CONNECTIONS
    return {
        "worker_processes": "auto",
        "worker_rlimit_nofile": str(connections + _OTHER_FILES),
        "worker_shutdown_timeout": shutdown_timeout,
        "worker_connections": str(connections),
    }


def drop_in(capacity: int, shutdown_timeout: str) -> str:
    """The drop-in of nginx's systemd unit."""
    seconds = seconds_of(shutdown_timeout)
    stop = f"{math.ceil(seconds) + _STOP_SECONDS}s" if seconds else "infinity"
    files = int(directives(capacity, shutdown_timeout)["worker_rlimit_nofile"])
    return f"""\
# By the role wsfleet.nginx.websockets, from websockets_capacity and websockets_worker_shutdown_timeout.
[Service]
LimitNOFILE={files}:{max(files, _HARD_LIMIT)}
# What is open when nginx is stopped has half a minute to end: no client gets in meanwhile.
ExecStop=
ExecStop=-/bin/sh -c 'kill -s QUIT $MAINPID'
ExecStop=-/usr/bin/timeout 30 /usr/bin/tail --pid=${{MAINPID}} --sleep-interval=0.2 --follow /dev/null
# Workers whose master was killed hold the ports, so they end at once, or nginx could not start again.
KillMode=control-group
KillSignal=SIGTERM
TimeoutStopSec={stop}
"""
