# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each playbook does the same on each ansible-core, without a warning, and leaves the same bytes."""

from __future__ import annotations

import os
import re
import typing as t
from pathlib import Path

import pytest
from cores import PINNED, Core
from gateway import Gateway, gateways

pytestmark = pytest.mark.parametrize("core", PINNED, indirect=True, scope="session")
FACTS = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"], "facts.yml")
GATEWAYS = gateways()
CHANGE = {"greeting": "Good evening"}
# By what they are of; from the first core that wrote them.
_first_seen: dict[str, t.Any] = {}


def deployed() -> dict[str, bytes]:
    return {gateway.name: _configuration(gateway) for gateway in GATEWAYS}


def _configuration(gateway: Gateway) -> bytes:
    return gateway.path(gateway.configuration).read_bytes()


def assert_as_on_other_cores(name: str, found: object) -> None:
    assert found == _first_seen.setdefault(name, found)


def test_a_second_run_changes_nothing_and_check_mode_says_what_one_would(core: Core) -> None:
    before = deployed()
    run = core.succeeds("wsfleet.nginx.site")
    assert [run.changed(gateway.name) for gateway in GATEWAYS] == [0, 0]
    predicted = core.succeeds("wsfleet.nginx.site", CHANGE, "--check", "--diff")
    assert [predicted.changed(gateway.name) for gateway in GATEWAYS] == [1, 1]
    assert deployed() == before
    assert_as_on_other_cores("the inventory", before)


def test_a_deploy_leaves_each_host_its_own_facts_and_is_rolled_back(core: Core) -> None:
    before = deployed()
    try:
        run = core.succeeds(FACTS, CHANGE)
        assert [run.changed(gateway.name) for gateway in GATEWAYS] == [1, 1]
        assert_as_on_other_cores("a change", deployed())
        assert deployed() != before
    finally:
        core.succeeds("wsfleet.nginx.rollback")
    assert deployed() == before


def test_a_route_that_fails_is_reported_and_nothing_stays_of_it(core: Core) -> None:
    before = deployed()
    run = core.run("wsfleet.nginx.site", {"websockets_upstreams": [{"name": "chat", "servers": ["server01:1"]}]})
    assert run.failed
    assert "rolled back" in run.output
    assert "server01:1 refused the connection" in run.output, run.output
    assert deployed() == before


def test_a_drained_server_is_left_out_until_it_is_brought_back(core: Core) -> None:
    before = deployed()
    try:
        core.succeeds("wsfleet.nginx.drain", {"websockets_drain": "server01", "websockets_drain_force": True})
        assert all(re.search(rb"server server01:3000 .*\bdown;", found) for found in deployed().values())
        assert_as_on_other_cores("drained", deployed())
        core.succeeds("wsfleet.nginx.verify")
    finally:
        core.succeeds("wsfleet.nginx.drain", {"websockets_undrain": "server01"})
    assert deployed() == before


def test_the_files_are_rendered_alike_without_a_host(core: Core, tmp_path: Path) -> None:
    newest = GATEWAYS[-1]
    variables = {"websockets_render_dir": str(tmp_path), "websockets_nginx_version": _version(newest)}
    core.succeeds("wsfleet.nginx.render", variables)
    assert (tmp_path / f"{newest.name}.conf").read_bytes() == _configuration(newest)
    assert_as_on_other_cores("rendered", {path.name: path.read_bytes() for path in tmp_path.iterdir()})


def _version(gateway: Gateway) -> str:
    return gateway.run("nginx -v 2>&1").rpartition("/")[2].strip()


def test_the_configuration_of_a_host_is_imported_alike(core: Core, tmp_path: Path) -> None:
    """The role's own file comes back as the variables that it was made of."""
    variables = {"websockets_import": GATEWAYS[-1].name, "websockets_import_to": str(tmp_path / "vars.yml")}
    core.succeeds("wsfleet.nginx.import", variables)
    text = (tmp_path / "vars.yml").read_text()
    assert "websockets_upstreams:" in text
    assert_as_on_other_cores("imported", text)


def test_errors_end_a_run_before_a_host_is_touched(core: Core) -> None:
    run = core.run("wsfleet.nginx.site", {"websockets_stat": "present", "websockets_capacity": "many"})
    assert run.failed
    assert "websockets_stat: unknown variable" in run.output, run.output
    assert "websockets_capacity: must be an integer" in run.output, run.output
    assert "Preflight" not in run.output
