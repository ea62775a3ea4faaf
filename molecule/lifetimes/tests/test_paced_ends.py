# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sockets that a gateway has to end are ended at websockets_reconnect_rate, and not all at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from gateway import Gateway, gateways, group_variables
from playbook import Run, site
from traffic import Traffic
from waiting import wait_until

LOG = "/var/log/nginx/error.log"
GATEWAYS = gateways()
(SITE,) = group_variables()["websockets_sites"]
(LOCATION,) = SITE["locations"]
DEPLOYS = 10
RATE = 25
PACED: Mapping[str, Any] = {"websockets_worker_shutdown_timeout": "20s", "websockets_reconnect_rate": RATE}
# The sockets of a gateway take 20 seconds at this rate. A busy machine may put some of them together.
LEAST_SECONDS = 10


def deploy(variables: Mapping[str, Any], **options: Any) -> Run:
    run = site(variables, arguments=["--limit", "ws_gateways"], **options)
    assert not run.failed, run.output
    return run


def changed(number: int) -> dict[str, Any]:
    """A harmless change of the site."""
    return {"websockets_sites": [{**SITE, "locations": [{**LOCATION, "proxy_read_timeout": f"{600 + number}s"}]}]}


def old_workers(gateway: Gateway) -> list[str]:
    return [title for title in gateway.titles().values() if "worker process is shutting down" in title]


def error_lines() -> dict[str, str]:
    return {gateway.name: gateway.path(LOG).read_text(errors="replace") for gateway in GATEWAYS}


@pytest.mark.usefixtures("restored")
def test_ten_deploys_end_the_sockets_of_their_old_workers_at_a_rate(clients: Traffic) -> None:
    before, start = error_lines(), clients.clock()
    with clients.ended():
        for number in range(DEPLOYS):
            deploy({**PACED, **changed(number)})
        wait_until(lambda: not any(map(old_workers, GATEWAYS)), "the last old worker has ended")
        clients.wait_for_all()
    ends = clients.ends_since(start)
    assert sum(ends) >= clients.number
    assert len(list(filter(None, ends))) >= LEAST_SECONDS
    assert max(ends) < clients.number / 4
    # Each end is one that nginx itself would log so, which is not at all.
    assert error_lines() == before


@pytest.mark.usefixtures("restored")
def test_a_drain_with_force_ends_them_at_the_rate(clients: Traffic) -> None:
    # With the usual timeout, so that no old worker ends others.
    rate = {"websockets_reconnect_rate": RATE}
    deploy(rate)
    before, start = len(clients.on("server01")), clients.clock()
    drained = {"websockets_drain": "server01", "websockets_drain_timeout": "1s", "websockets_drain_force": "true"}
    try:
        with clients.ended():
            run = deploy({**rate, **drained}, playbook="wsfleet.nginx.drain")
            clients.wait_for_all()
        assert not clients.on("server01"), run.output
        ends = clients.ends_since(start)
        assert sum(ends) == before
        assert len(list(filter(None, ends))) >= LEAST_SECONDS / 3
    finally:
        deploy({"websockets_undrain": "server01"}, playbook="wsfleet.nginx.drain")
