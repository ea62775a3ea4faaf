# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pacer's figures in Debian's node_exporter, which the role does not install."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from exporters import GATEWAYS, changes, everywhere, run
from gateway import Gateway
from roles.test_dashboard import PACER
from waiting import wait_until

PACKAGE = "prometheus-node-exporter"
LINK = "/var/lib/prometheus/node-exporter/wsfleet_pacer.prom"


@pytest.fixture(scope="module", autouse=True)
def node_exporters() -> Iterator[None]:
    everywhere(f"apt-get install --yes --no-install-recommends {PACKAGE} && systemctl start {PACKAGE}")
    yield
    everywhere(f"rm -f {LINK}; apt-get purge --yes --autoremove {PACKAGE}")


def shown(gateway: Gateway) -> dict[str, str]:
    """The metrics of the pacer, with their types."""
    answer = gateway.request("GET", "/metrics", sock=gateway.open_socket(9100, "127.0.0.1")).body.decode()
    assert "node_textfile_scrape_error 0" in answer
    return dict(re.findall(r"^# TYPE (wsfleet_\w+) (\w+)$", answer, re.MULTILINE))


def test_node_exporter_shows_them_while_the_role_is_there() -> None:
    assert changes(run()) == {1}
    wait_until(
        lambda: all(shown(gateway).items() >= PACER.items() for gateway in GATEWAYS), "the pacer's figures are there"
    )
    assert changes(run()) == {0}
    assert 0 not in changes(run(exporter_state="absent"))
    assert [shown(gateway) for gateway in GATEWAYS] == [{}] * len(GATEWAYS)
    assert 0 not in changes(run())
