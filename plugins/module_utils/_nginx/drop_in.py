# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The drop-in of nginx's systemd unit: how many files it may open, how it is stopped, and when it is started again."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import capacity, times

# systemd's own default. With a lower one a reload could not raise the limit of the workers later.
_HARD_LIMIT = 524_288
# As long as Debian's unit gives it. What a configuration needs that an earlier release has deployed does not say.
_STOP_TIMEOUT = "5s"
_DEBIANS_SECONDS = 5
# What nginx needs to end after SIGTERM, as in Debian's unit; then it is killed.
_TERM_SECONDS = 5
_QUIT = "ExecStop=-/usr/bin/timeout {seconds} /bin/sh -c '{script}'\n"
# As Debian's unit does. $MAINPID may be another master, after an exchange of binaries. nginx removes its pid file.
_CURRENT = r"""exec 2>/dev/null; kill -s QUIT $(cat {pid_file}); \
    while kill -s 0 $(cat {pid_file}); do sleep 0.2; done"""
# Those of an earlier binary have all of the operator's time too. They are found among the unit's own processes, as
# their masters may have ended: $(titles) are the files of /proc with their titles.
_ALL = r"""cd /proc; \
    unit=$(grep -E -m 1 "name=systemd:|^0::" self/cgroup); \
    titles() {{ grep -slxF "$unit" [0-9]*/cgroup | sed s/cgroup/cmdline/; }}; \
    kill -s QUIT $(dirname $(grep -ls "^nginx: master" $(titles))); \
    while grep -qs "^nginx: " $(titles); do sleep 0.2; done"""


def content(wanted: t.Sequence[t.Mapping[str, t.Any]], pid_file: Path | None) -> str:
    """The drop-in that has enough for each of these: sockets, and a stop_timeout."""
    sockets = max(item["sockets"] for item in wanted)
    seconds = max(int(times.seconds_of(item.get("stop_timeout", _STOP_TIMEOUT))) for item in wanted)
    script = (_ALL if seconds > _DEBIANS_SECONDS else _CURRENT).format(pid_file=pid_file or "/run/nginx.pid")
    # For timeout(1), 0 would be for ever.
    quit_first = _QUIT.format(seconds=seconds, script=script) if seconds else ""
    # One worker that holds all is the most that the host's processors can ask for.
    files = int(capacity.limits(sockets, workers=1)["worker_rlimit_nofile"])
    return f"""\
# By the role wsfleet.nginx.websockets, from websockets_capacity and websockets_stop_timeout.
[Unit]
StartLimitIntervalSec=0

[Service]
LimitNOFILE={files}:{max(files, _HARD_LIMIT)}
# nginx does not start while the name of a backend does not resolve, as at boot: try until it does.
Restart=on-failure
RestartSec=5s
# No client gets in while nginx is being stopped: what is open then has websockets_stop_timeout to end.
ExecStop=
{quit_first}\
# What is left ends at once: it would hold the ports of the next nginx.
KillMode=control-group
KillSignal=SIGTERM
TimeoutStopSec={seconds + _TERM_SECONDS}s
"""
