# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The drop-in of nginx's systemd unit: how many files it may open, how it is stopped, and when it is started again."""

from __future__ import annotations

import math
import typing as t

from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import capacity, times

# systemd's own default. With a lower one a reload could not raise the limit of the workers later.
_HARD_LIMIT = 524_288
# What nginx itself needs to end after its last socket.
_STOP_SECONDS = 30


def content(wanted: t.Sequence[t.Mapping[str, t.Any]]) -> str:
    """The drop-in that has enough for each of these: sockets, and a shutdown_timeout as in nginx.conf."""
    sockets = max(item["sockets"] for item in wanted)
    seconds = times.seconds_of(max((item["shutdown_timeout"] for item in wanted), key=capacity.patience))
    stop = f"{math.ceil(seconds) + _STOP_SECONDS}s" if seconds else "infinity"
    # One worker that holds all is the most that the host's processors can ask for.
    files = int(capacity.limits(sockets, workers=1)["worker_rlimit_nofile"])
    return f"""\
# By the role wsfleet.nginx.websockets, from websockets_capacity and websockets_worker_shutdown_timeout.
[Unit]
StartLimitIntervalSec=0

[Service]
LimitNOFILE={files}:{max(files, _HARD_LIMIT)}
# nginx does not start while the name of a backend does not resolve, as at boot: try until it does.
Restart=on-failure
RestartSec=5s
# What is open when nginx is stopped has half a minute to end: no client gets in meanwhile.
ExecStop=
ExecStop=-/bin/sh -c 'kill -s QUIT $MAINPID'
ExecStop=-/usr/bin/timeout 30 /usr/bin/tail --pid=${{MAINPID}} --sleep-interval=0.2 --follow /dev/null
# Workers whose master was killed hold the ports, so they end at once, or nginx could not start again.
KillMode=control-group
KillSignal=SIGTERM
TimeoutStopSec={stop}
"""
