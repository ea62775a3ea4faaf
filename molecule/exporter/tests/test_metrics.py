# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the exporter shows of nginx, and what of that is a WebSocket."""

from __future__ import annotations

import re
import socket
import time
from contextlib import ExitStack

import pytest
from gateway import Gateway
from roles.test_dashboard import METRICS, OF_NGINX, metrics
from waiting import PATIENCE, wait_until

SOCKETS = 5


def scraped(gateway: Gateway) -> str:
    """What Prometheus gets."""
    return gateway.request("GET", "/metrics", sock=gateway.open_socket(9113, "127.0.0.1")).body.decode()


def figures(gateway: Gateway) -> dict[str, float]:
    """The metrics without labels."""
    return {name: float(value) for name, value in re.findall(r"^(nginx_\w+) (\S+)$", scraped(gateway), re.M)}


def test_nginx_is_up(gateway: Gateway) -> None:
    assert figures(gateway)["nginx_up"] == 1


def test_the_metrics_of_nginx_are_those_that_the_unit_tests_know(gateway: Gateway) -> None:
    shown = dict(re.findall(r"^# TYPE (nginx_\w+) (\w+)$", scraped(gateway), re.MULTILINE))
    assert {name: kind for name, kind in shown.items() if name != "nginx_exporter_build_info"} == METRICS


def test_every_metric_of_the_dashboard_is_there(gateway: Gateway) -> None:
    assert set.union(*map(metrics, OF_NGINX)) <= set(figures(gateway))


def test_a_websocket_is_one_active_connection_one_that_nginx_writes_to_and_one_request(gateway: Gateway) -> None:
    before = figures(gateway)
    with ExitStack() as stack:
        for _number in range(SOCKETS):
            stack.enter_context(gateway.websocket("/"))
        during = figures(gateway)
    grown = {name: during[name] - before[name] for name in METRICS}
    assert grown == {
        "nginx_up": 0,
        "nginx_connections_active": SOCKETS,
        "nginx_connections_writing": SOCKETS,
        "nginx_connections_reading": 0,
        "nginx_connections_waiting": 0,
        "nginx_connections_accepted": SOCKETS,
        "nginx_connections_handled": SOCKETS,
        # One for the scrape.
        "nginx_http_requests_total": SOCKETS + 1,
    }
    wait_until(
        lambda: figures(gateway)["nginx_connections_active"] == before["nginx_connections_active"],
        "nginx has closed the connections",
    )


def test_nobody_else_reaches_it(gateway: Gateway) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((gateway.address, 9113), PATIENCE)


def test_it_starts_at_boot(gateway: Gateway) -> None:
    gateway.run("systemctl is-enabled prometheus-nginx-exporter")


def test_it_waits_for_an_nginx_that_starts_after_it(gateway: Gateway) -> None:
    with gateway.stopped():
        gateway.run("systemctl restart prometheus-nginx-exporter")
        # Without nginx, systemd would have given it up by then.
        time.sleep(2)
    wait_until(lambda: figures(gateway)["nginx_up"] == 1, "the exporter shows nginx")


def test_it_says_that_nginx_is_down(gateway: Gateway) -> None:
    with gateway.stopped():
        assert figures(gateway)["nginx_up"] == 0
    assert figures(gateway)["nginx_up"] == 1
