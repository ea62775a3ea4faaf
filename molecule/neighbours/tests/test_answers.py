# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sites of others answer beside the gateway as they did before it, and without it as they did before."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from gateway import Gateway, gateways, group_variables
from neighbourhood import changed
from playbook import Run, site

SITES = group_variables()["websockets_sites"]
EARLIER = "/etc/nginx/conf.d/00-websockets.conf"


@pytest.fixture
def deployed() -> Iterator[None]:
    """Leave the scenario's own configuration behind."""
    yield
    run = site({})
    assert not run.failed, run.output


def succeeded(run: Run) -> Run:
    assert not run.failed, run.output
    for gateway in gateways():
        assert changed(gateway) == {}, gateway.name
    return run


def test_neighbours_answer_as_before_the_first_deploy(gateway: Gateway) -> None:
    assert changed(gateway) == {}


def test_the_gateway_answers_beside_them(gateway: Gateway) -> None:
    assert gateway.echoes()
    assert gateway.site(gateway.server_name, 8080).echoes()
    secure = gateway.site(SITES[1]["server_name"], 80)
    assert secure.request("GET", "/x").headers["Location"] == f"https://{secure.server_name}/x"
    # Where it is alone it refuses what it does not know.
    assert gateway.site("unknown.example").request("GET", "/").status == 421


def test_the_gateway_is_verified_beside_them(tmp_path: Path) -> None:
    """On one host another site has 127.0.0.1:443, where a probe would go."""
    given = {"websockets_verify_address": False, "websockets_report": str(tmp_path)}
    run = site(given, playbook="wsfleet.nginx.verify")
    assert not run.failed, run.output
    report = json.loads((tmp_path / "report.json").read_text())
    assert {gateway["file"] for gateway in report["gateways"]} == {"live"}


@pytest.mark.usefixtures("deployed")
def test_a_deploy_a_rollback_and_a_removal_leave_their_answers_as_they_were() -> None:
    """The neighbours' files, too."""
    files = {gateway: theirs(gateway) for gateway in gateways()}
    succeeded(site({"websockets_sites": [{**SITES[0], "client_header_timeout": "9s"}]}))
    succeeded(site({}, playbook="wsfleet.nginx.rollback"))
    succeeded(site({"websockets_state": "absent"}))
    assert {gateway: theirs(gateway) for gateway in gateways()} == files
    assert not [gateway for gateway in gateways() if gateway.path(gateway.configuration).exists()]
    # What an earlier release left: its file is read first, and has become the default of all ports.
    succeeded(site({}))
    for gateway in gateways():
        gateway.path(gateway.configuration).rename(gateway.path(EARLIER))
    succeeded(site({}))
    for gateway in gateways():
        # It says where to look.
        assert gateway.path(EARLIER).read_text().splitlines() == [
            f"# nginx has to read this gateway's configuration after other sites: {gateway.configuration}"
        ]


def theirs(gateway: Gateway) -> str:
    files = "find /etc/nginx/conf.d /etc/nginx/sites-* ! -name '*websockets*' -type f"
    return gateway.run(f"{files} -exec sha256sum {{}} + | sort")
