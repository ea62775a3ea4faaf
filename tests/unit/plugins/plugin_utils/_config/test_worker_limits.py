# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx's limits and the unit's drop-in, from the capacity."""

from __future__ import annotations

import pytest
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._config import worker_limits


def test_the_limits_of_workers_are_left_to_the_host_whose_processors_they_depend_on() -> None:
    assert worker_limits.directives("1h") == {"worker_processes": "auto", "worker_shutdown_timeout": "1h"}


def test_the_unit_may_open_as_many_files_as_one_worker_with_all_sockets_and_is_stopped_with_quit() -> None:
    assert (
        worker_limits.drop_in(100, "90s")
        == """\
# By the role wsfleet.nginx.websockets, from websockets_capacity and websockets_worker_shutdown_timeout.
[Service]
LimitNOFILE=1224:524288
# What is open when nginx is stopped has half a minute to end: no client gets in meanwhile.
ExecStop=
ExecStop=-/bin/sh -c 'kill -s QUIT $MAINPID'
ExecStop=-/usr/bin/timeout 30 /usr/bin/tail --pid=${MAINPID} --sleep-interval=0.2 --follow /dev/null
# Workers whose master was killed hold the ports, so they end at once, or nginx could not start again.
KillMode=control-group
KillSignal=SIGTERM
TimeoutStopSec=120s
"""
    )


@pytest.mark.parametrize(
    ("timeout", "stop"),
    [("0", "infinity"), ("1500ms", "32s"), ("1h30m", "5430s"), ("1w 1d", "691230s"), ("20", "50s")],
)
def test_systemd_waits_longer_than_nginx(timeout: str, stop: str) -> None:
    assert f"TimeoutStopSec={stop}\n" in worker_limits.drop_in(1, timeout)
