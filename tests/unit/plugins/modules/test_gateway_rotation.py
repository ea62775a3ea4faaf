# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a gateway is taken out of its load balancers and brought back."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import journal
from running import run

# The module with what deploys keep in the folder that is given first.
PROGRAM = """
import sys
from pathlib import Path
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import journal
from ansible_collections.wsfleet.nginx.plugins.modules import gateway_rotation

journal.Journal.__init__.__defaults__ = (Path(sys.argv.pop(1)),)
gateway_rotation.main()
"""
ADDRESS = "127.0.0.1:488"


class Gateway:
    """A configuration that tests for one flag, and what the module does with it."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.configuration = directory, directory / "ws.conf"
        self.flag, self.former, self.kept = directory / ".ws.out", directory / "ws.out", directory / "kept"

    def tests_for(self, flag: Path) -> None:
        self.configuration.write_text(f"if (-f {flag}) {{\n    return 503;\n}}\n")

    def run(self, state: str, *, check_mode: bool = False) -> dict[str, t.Any]:
        options = {"state": state, "flag": str(self.flag), "config_path": str(self.configuration)}
        options["live_address"] = ADDRESS
        done = run(self.directory, ["-c", PROGRAM, str(self.kept)], {**options, "_ansible_check_mode": check_mode})
        found: dict[str, t.Any] = json.loads(done.stdout)
        return found

    @property
    def flags(self) -> list[str]:
        return sorted(path.name for path in self.directory.glob("*.out"))


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    return Gateway(tmp_path)


def test_it_goes_out_and_comes_back_once(gateway: Gateway) -> None:
    gateway.tests_for(gateway.flag)
    assert [gateway.run("out")["changed"] for _time in range(2)] == [True, False]
    assert gateway.flags == [".ws.out"]
    # Whatever includes it.
    assert gateway.flag.read_text().startswith("#")
    assert [gateway.run("in")["changed"] for _time in range(2)] == [True, False]
    assert gateway.flags == []


def test_in_check_mode_it_says_so_alone(gateway: Gateway) -> None:
    gateway.tests_for(gateway.flag)
    assert gateway.run("out", check_mode=True)["changed"]
    assert gateway.flags == []
    gateway.run("out")
    assert gateway.run("in", check_mode=True)["changed"]
    assert gateway.flags == [".ws.out"]


def test_what_a_deploy_has_out_for_a_moment_stays_out(gateway: Gateway) -> None:
    gateway.tests_for(gateway.flag)
    gateway.flag.write_text("# deploy\n")
    assert gateway.run("out")["changed"]
    assert gateway.flag.read_text() == "# drained\n"


def test_one_that_release_0_7_0_deployed_goes_out_by_the_flag_that_it_tests_for(gateway: Gateway) -> None:
    gateway.tests_for(gateway.former)
    assert gateway.run("out")["changed"]
    assert gateway.flags == ["ws.out"]
    assert gateway.former.read_text().startswith("#")
    assert gateway.run("in")["changed"]
    assert gateway.flags == []


def test_both_flags_go_whatever_the_configuration_tests_for(gateway: Gateway) -> None:
    for flag in (gateway.flag, gateway.former):
        flag.write_text("drained\n")
    assert gateway.run("in")["changed"]
    assert gateway.flags == []


@pytest.mark.parametrize("text", [None, "server {}\n"])
def test_one_without_a_health_check_is_refused(gateway: Gateway, text: str | None) -> None:
    if text is not None:
        gateway.configuration.write_text(text)
    result = gateway.run("out")
    assert result["failed"]
    assert f"{gateway.configuration} does not test for {gateway.flag}" in result["msg"]
    assert "nothing was changed. Deploy websockets_health_path with the playbook site first." in result["msg"]
    assert gateway.flags == []


def test_another_file_of_the_configuration_may_test_for_the_flag(gateway: Gateway) -> None:
    gateway.configuration = gateway.directory / "zz-ws.conf"
    gateway.tests_for(gateway.flag)
    kept = journal.Journal(ADDRESS, gateway.kept)
    kept.set_deployed(journal.Deployed([], [], files=(str(gateway.configuration),), live_address=ADDRESS))
    gateway.configuration = gateway.directory / "ws.conf"
    assert gateway.run("out")["changed"]
    assert gateway.flags == [".ws.out"]
