# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a gateway needs to hold its sockets: limits of nginx, and how its service is stopped."""

from __future__ import annotations

import math

from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx.capacity import limits
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.values import seconds_of

# systemd's own default. With a lower one a reload could not raise the limit of the workers later.
_HARD_LIMIT = 524_288
# What nginx itself needs to end after its last socket.
_STOP_SECONDS = 30


def directives(shutdown_timeout: str) -> dict[str, str]:
    """The directives of nginx.conf that do not depend on the host's processors."""
    return {"worker_processes": "auto", "worker_shutdown_timeout": shutdown_timeout}


def drop_in(capacity: int, shutdown_timeout: str) -> str:
    """The drop-in of nginx's systemd unit."""
    seconds = seconds_of(shutdown_timeout)
    stop = f"{math.ceil(seconds) + _STOP_SECONDS}s" if seconds else "infinity"
    # One worker that holds all is the most that the host's processors can ask for.
    files = int(limits(capacity, workers=1)["worker_rlimit_nofile"])
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
