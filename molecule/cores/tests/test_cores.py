# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each playbook does the same on each ansible-core, without a warning, and leaves the same bytes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import typing as t
from pathlib import Path

import pytest
from gateway import Gateway, gateways
from playbook import INVENTORIES, PROJECT, Run

SCENARIO = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])
PINNED = [
    line.split()[0] for line in (PROJECT / "tests/cores.txt").read_text().splitlines() if not line.startswith("#")
]
GATEWAYS = gateways()
CHANGE = {"greeting": "Good evening"}
# By what they are of; from the first core that wrote them.
_first_seen: dict[str, t.Any] = {}


@pytest.fixture(scope="session")
def collections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built collection, as it is installed from Galaxy or from a file."""
    directory = tmp_path_factory.mktemp("collections")
    galaxy: list[str | Path] = [PROJECT / ".venv/bin/ansible-galaxy", "collection"]
    quiet: dict[str, t.Any] = {"check": True, "cwd": PROJECT, "capture_output": True}
    subprocess.run([*galaxy, "build", "--output-path", directory], **quiet)
    (artifact,) = directory.glob("*.tar.gz")
    subprocess.run([*galaxy, "install", "--offline", "--collections-path", directory, artifact], **quiet)
    return directory


class Core:
    """An ansible-core with its default settings, but for colours and the time that its connections take."""

    def __init__(self, version: str, collections: Path, home: Path) -> None:
        self.binaries = PROJECT / ".cache/cores" / version / "bin"
        (home / "ansible.cfg").write_text("")
        foreign = {name for name in os.environ if name.startswith("ANSIBLE_")}
        self.environment = {
            **{name: value for name, value in os.environ.items() if name not in foreign},
            "ANSIBLE_CONFIG": str(home / "ansible.cfg"),
            "ANSIBLE_HOME": str(home),
            "ANSIBLE_COLLECTIONS_PATH": str(collections),
            "ANSIBLE_DEPRECATION_WARNINGS": "1",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_PIPELINING": "1",
        }

    def run(self, playbook: str | Path, variables: t.Mapping[str, t.Any] | None = None, *arguments: str) -> Run:
        """Run a playbook. It must not warn."""
        command: list[str | Path] = [self.binaries / "ansible-playbook", playbook, *arguments]
        command += ["--extra-vars", json.dumps(variables or {})]
        for inventory in INVENTORIES:
            command += ["--inventory", inventory]
        ended = subprocess.run(
            command, check=False, capture_output=True, text=True, cwd=PROJECT, env=self.environment
        )
        run = Run(failed=ended.returncode != 0, output=ended.stdout + ended.stderr)
        assert not re.findall(r"^.*\bWARNING\b.*$", run.output, re.MULTILINE), run.output
        return run

    def succeeds(self, playbook: str | Path, variables: t.Mapping[str, t.Any] | None = None, *arguments: str) -> Run:
        run = self.run(playbook, variables, *arguments)
        assert not run.failed, run.output
        return run


@pytest.fixture(scope="session", params=PINNED)
def core(request: pytest.FixtureRequest, collections: Path, tmp_path_factory: pytest.TempPathFactory) -> Core:
    found = Core(request.param, collections, tmp_path_factory.mktemp("home"))
    if not found.binaries.exists():
        pytest.skip(f"ansible-core {request.param}: no Python that it is made for, see tests/cores.txt")
    return found


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
        run = core.succeeds(SCENARIO / "facts.yml", CHANGE)
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
    assert "websockets_upstreams[0].servers[0]" in run.output, run.output
    assert deployed() == before


def test_a_drained_server_is_left_out_until_it_is_brought_back(core: Core) -> None:
    before = deployed()
    try:
        core.succeeds("wsfleet.nginx.drain", {"websockets_drain": "server01", "websockets_drain_force": True})
        assert all(b"server01:3000 down;" in configuration for configuration in deployed().values())
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


def test_errors_end_a_run_before_a_host_is_touched(core: Core) -> None:
    run = core.run("wsfleet.nginx.site", {"websockets_stat": "present", "websockets_capacity": "many"})
    assert run.failed
    assert "websockets_stat: unknown variable" in run.output, run.output
    assert "websockets_capacity: must be an integer" in run.output, run.output
    assert "Preflight" not in run.output
