# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drop-in of nginx's unit, from the capacity of all gateways of a host."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import drop_in


def content(*wanted: tuple[int, str]) -> str:
    needs = [{"sockets": sockets, "stop_timeout": timeout} for sockets, timeout in wanted]
    return drop_in.content(needs, Path("/run/n.pid"))


def test_the_unit_may_open_as_many_files_as_one_worker_with_all_sockets_and_is_stopped_with_quit() -> None:
    assert (
        content((100, "5s"))
        == """\
# By the role wsfleet.nginx.websockets, from websockets_capacity and websockets_stop_timeout.
[Unit]
StartLimitIntervalSec=0

[Service]
LimitNOFILE=1224:524288
# nginx does not start while the name of a backend does not resolve, as at boot: try until it does.
Restart=on-failure
RestartSec=5s
# No client gets in while nginx is being stopped: what is open then has websockets_stop_timeout to end.
ExecStop=
ExecStop=-/usr/bin/timeout 5 /bin/sh -c 'exec 2>/dev/null; kill -s QUIT $(cat /run/n.pid); \\
    while kill -s 0 $(cat /run/n.pid); do sleep 0.2; done'
# What is left ends at once: it would hold the ports of the next nginx.
KillMode=control-group
KillSignal=SIGTERM
TimeoutStopSec=10s
"""
    )


def test_a_longer_time_is_for_the_sockets_of_earlier_binaries_too() -> None:
    unit = content((100, "1m30s"))
    assert "ExecStop=-/usr/bin/timeout 90 /bin/sh -c 'cd /proc; \\\n" in unit
    assert "TimeoutStopSec=95s" in unit


def test_without_time_nginx_is_not_asked_to_quit_first() -> None:
    unit = content((100, "0s"))
    assert "QUIT" not in unit
    assert "ExecStop=\n#" in unit
    assert "TimeoutStopSec=5s" in unit


@pytest.mark.parametrize(
    ("wanted", "like"),
    [
        ([(100, "1h"), (4096, "90s")], (4096, "1h")),
        ([(100, "2m"), (100, "90s")], (100, "2m")),
        ([(100, "0"), (4096, "5s")], (4096, "5s")),
    ],
)
def test_each_value_is_the_largest_that_a_gateway_of_the_host_needs(
    wanted: list[tuple[int, str]], like: tuple[int, str]
) -> None:
    assert content(*wanted) == content(*reversed(wanted)) == content(like)


def test_a_gateway_that_an_earlier_release_deployed_has_the_default() -> None:
    assert drop_in.content([{"sockets": 100, "shutdown_timeout": "1h"}], Path("/run/n.pid")) == content((100, "5s"))
