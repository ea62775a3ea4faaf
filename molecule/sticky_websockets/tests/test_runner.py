# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook under ansible-runner, the engine of AWX and the automation controller."""

from __future__ import annotations

import copy
import os
import re
import typing as t
from pathlib import Path

import ansible_runner
import pytest
from gateway import Gateway, group_variables
from playbook import INVENTORIES, PROJECT

TOKEN = "t0p-s3cr3t"


@pytest.fixture(scope="module")
def private_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runner")


@pytest.fixture(scope="module")
def ended(private_data: Path) -> t.Any:
    """A run whose extra variables have each route verified by another path, with a token in a header."""
    sites = copy.deepcopy(group_variables()["websockets_sites"])
    for location in (location for site in sites for location in site["locations"]):
        location["probe"] = {"path": "/verified-by-runner", "headers": {"Authorization": f"Bearer {TOKEN}"}}
    return ansible_runner.run(
        private_data_dir=str(private_data),
        # Where the command line looks for ansible-playbook.
        envvars={
            "PATH": f"{PROJECT}/.venv/bin:{os.environ['PATH']}",
            "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"),
        },
        playbook="wsfleet.nginx.site",
        inventory=[str(inventory) for inventory in INVENTORIES],
        extravars={"websockets_sites": sites},
        quiet=True,
    )


def test_a_run_that_changes_nothing_says_so_of_every_gateway(ended: t.Any, gateway: Gateway) -> None:
    assert (ended.status, ended.rc) == ("successful", 0), ended.stdout.read()
    assert gateway.name in ended.stats["ok"]
    assert not any(ended.stats[verdict] for verdict in ("changed", "failures", "dark"))
    # Each line of the summary is a line of the output, with Ansible's own settings.
    assert re.search(rf"^{gateway.name} +ws\S+ +/ +101 +handshake ", ended.stdout.read(), re.MULTILINE)


def test_the_events_tell_what_was_verified_on_which_gateway(ended: t.Any, gateway: Gateway) -> None:
    results = [event["event_data"].get("res") or {} for event in ended.host_events(gateway.name)]
    (probes,) = [result["probes"] for result in results if "probes" in result]
    assert [probe["verified"] for probe in probes] == ["handshake"]
    assert "/verified-by-runner" in gateway.path("/var/log/nginx/websockets.log").read_text()


def test_nothing_that_is_kept_of_a_run_holds_a_token(ended: t.Any, private_data: Path) -> None:
    kept = [path for path in (private_data / "artifacts").rglob("*") if path.is_file()]
    assert len(kept) > len(list(ended.events))
    assert [path for path in kept if TOKEN in path.read_text()] == []
