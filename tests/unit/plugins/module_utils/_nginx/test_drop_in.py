# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drop-in of nginx's unit, from the capacity of all gateways of a host."""

from __future__ import annotations

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import drop_in


def content(*wanted: tuple[int, str]) -> str:
    return drop_in.content([{"sockets": sockets, "shutdown_timeout": timeout} for sockets, timeout in wanted])


def test_the_unit_may_open_as_many_files_as_one_worker_with_all_sockets_and_is_stopped_with_quit() -> None:
    assert (
        content((100, "90s"))
        == """\
# By the role wsfleet.nginx.websockets, from websockets_capacity and websockets_worker_shutdown_timeout.
[Unit]
StartLimitIntervalSec=0

[Service]
LimitNOFILE=1224:524288
# nginx does not start while the name of a backend does not resolve, as at boot: try until it does.
Restart=on-failure
RestartSec=5s
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
    assert f"TimeoutStopSec={stop}\n" in content((1, timeout))


@pytest.mark.parametrize(
    ("wanted", "like"),
    [
        ([(100, "1h"), (4096, "90s")], (4096, "1h")),
        ([(100, "2h"), (100, "90m")], (100, "2h")),
        # 0 is for ever.
        ([(100, "0"), (4096, "1w")], (4096, "0")),
    ],
)
def test_each_value_is_the_largest_that_a_gateway_of_the_host_needs(
    wanted: list[tuple[int, str]], like: tuple[int, str]
) -> None:
    assert content(*wanted) == content(*reversed(wanted)) == content(like)
