# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way of site.yml, rollback.yml, upgrade.yml and drain.yml over gateways whose modules are answered for by a
script. Real gateways are for scenarios of Molecule."""

from __future__ import annotations

import json
import re
import typing as t
from pathlib import Path

import pytest
import yaml
from playing import DEPLOYED, PREFLIGHT, VARIABLES, Fleet, Variables
from rendering import ROOT


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)


def test_each_gateway_is_deployed_what_its_own_variables_say(fleet: Fleet) -> None:
    fleet.add("one", websockets_status_listen="127.0.0.1:701")
    fleet.add("two", websockets_status_listen="127.0.0.1:702")
    code, output = fleet.play("site", websockets_serial="100%")
    assert code == 0, output
    assert "2 gateways: 2 changed changed one, two: reloaded nginx" in output
    for name, address in (("one", "127.0.0.1:701"), ("two", "127.0.0.1:702")):
        assert re.findall(r"listen (127\.0\.0\.1:\d+)", fleet.ran("transaction", name)) == [address]


def test_sizes_of_batches_that_differ_are_one_error_before_any_host_is_touched(fleet: Fleet) -> None:
    fleet.add("gateway1", websockets_serial=1)
    fleet.add("gateway2", websockets_serial="25%")
    for playbook in ("site", "rollback", "upgrade"):
        code, output = fleet.play(playbook)
        assert code == 2, output
        assert "websockets_serial differs: gateway1 1, gateway2 25%" in output
        assert output.count("fatal: ") == 1
        assert not fleet.ran("preflight", "gateway1")


@pytest.mark.parametrize("playbook", ["site", "rollback", "upgrade"])
def test_a_failure_stops_the_run_after_its_batch(fleet: Fleet, playbook: str) -> None:
    fleet.add("one")
    fleet.add("two", deploy={"failed": True, "rolled_back": True, "msg": "Rolled back: 1 of 1 routes failed."})
    fleet.add("three")
    code, output = fleet.play(playbook, websockets_serial=1)
    assert code == 2, output
    assert "3 gateways: 1 changed, 1 not started, 1 rolled back" in output
    assert "rolled back two: Rolled back: 1 of 1 routes failed." in output
    assert "The summary above says why, and what is live. Fix that, and run the playbook again." in output
    assert output.count("1 of 1 routes failed") == 1
    assert not fleet.ran("transaction", "three")


@pytest.mark.parametrize("playbook", ["site", "rollback", "upgrade"])
def test_an_unreachable_gateway_holds_up_nobody_and_fails_the_run_at_its_end(fleet: Fleet, playbook: str) -> None:
    fleet.add_unreachable("one")
    fleet.add("two")
    fleet.add("three")
    code, output = fleet.play(playbook)
    assert code == 2, output
    assert "3 gateways: 2 changed, 1 unreachable" in output
    assert "This gateway was unreachable, so its configuration may differ from the inventory." in output
    assert output.count("fatal: [one]") == 2


def test_a_rollback_goes_in_batches_out_of_the_balancers_and_without_the_sites(fleet: Fleet) -> None:
    fleet.add("one")
    fleet.add("two")
    wait = {"websockets_health_path": "/up", "websockets_health_wait": "10s"}
    code, output = fleet.play("rollback", websockets_sites="nonsense", websockets_upstreams={"no": "list"}, **wait)
    assert code == 0, output
    assert output.count("PLAY [Roll the gateways back]") == 2
    for name in ("one", "two"):
        options = fleet.ran("transaction", name)
        assert '"state": "previous"' in options
        assert '"health": {"flag": "/etc/nginx/conf.d/.00-websockets.out", "wait": 10}' in options


def test_an_upgrade_goes_in_batches_out_of_the_balancers_to_the_version_that_is_set(fleet: Fleet) -> None:
    upgraded = {"changed": True, "rolled_back": False, "actions": ["installed nginx 1 -> 2"], "probes": []}
    fleet.add("one", deploy={**upgraded, "kept": 1500})
    fleet.add("two", deploy={**upgraded, "kept": 500})
    fleet.add("three", deploy={**upgraded, "actions": [], "changed": False, "kept": None})
    wait = {"websockets_health_path": "/up", "websockets_health_wait": "10s"}
    code, output = fleet.play("upgrade", websockets_nginx_package_version="1.26.3-3+deb13u11", **wait)
    assert code == 0, output
    assert output.count("PLAY [Upgrade the gateways]") == 3
    assert "3 gateways: 2 changed, 1 unchanged; 2,000 connections of clients kept" in output
    assert "changed one, two: installed nginx 1 -> 2" in output
    for name in ("one", "two"):
        options = fleet.ran("transaction", name)
        assert '"version": "1.26.3-3+deb13u11"' in options
        assert '"health": {"flag": "/etc/nginx/conf.d/.00-websockets.out", "wait": 10}' in options


def test_an_upgrade_with_invalid_variables_touches_no_host(fleet: Fleet) -> None:
    fleet.add("one")
    code, output = fleet.play("upgrade", websockets_nginx_package_version=1.26, websockets_sites="nonsense")
    assert code == 2, output
    assert "websockets_nginx_package_version: " in output
    assert not fleet.ran("preflight", "one")


def test_a_rollback_without_a_health_path_waits_for_nothing(fleet: Fleet) -> None:
    fleet.add("one")
    assert fleet.play("rollback")[0] == 0
    assert '"flag": "/etc/nginx' not in fleet.ran("transaction", "one")


def test_a_host_without_python_is_failed_by_its_reason_and_nothing_is_changed(fleet: Fleet) -> None:
    fleet.add("one")
    fleet.add("two", ansible_python_interpreter="/nowhere/python3")
    code, output = fleet.play("site")
    assert code == 2, output
    assert "2 gateways: 1 not started, 1 failed" in output
    assert re.search(
        r"failed two: /nowhere/python3 does not start: ansible-core \S+ requires Python \S+ or later on its hosts; "
        r"install one, and set ansible_python_interpreter to its path",
        output,
    ), output
    assert not fleet.ran("transaction", "one")


def test_a_new_nginx_and_what_is_drained_elsewhere_change_the_model_before_anything_is_deployed(fleet: Fleet) -> None:
    fleet.add("one", preflight={**PREFLIGHT, "drained": ["10.0.0.2"]})
    fleet.add("new", preflight=PREFLIGHT)
    upstreams = [{"name": "chat", "servers": ["10.0.0.1:3000", "10.0.0.2:3000"]}]
    code, output = fleet.play("site", websockets_upstreams=upstreams)
    assert code == 0, output
    assert output.count("10.0.0.2 is drained") == 1
    for name in ("one", "new"):
        assert "10.0.0.2:3000 down; # drained: 10.0.0.2" in fleet.ran("transaction", name)


def test_other_sites_of_a_host_change_its_model_and_the_place_of_its_file_alone(fleet: Fleet) -> None:
    path = "/etc/nginx/sites-enabled/zz-websockets.conf"
    found = {"defaults": ["3000"], "options": ["3000"], "path": path, "warnings": ["3000 is shared"]}
    fleet.add("shared", preflight={**PREFLIGHT, "neighbours": found})
    fleet.add("alone")
    code, output = fleet.play("site")
    assert code == 0, output
    assert output.count("3000 is shared") == 1
    assert '"names": ["a.example"]' in fleet.ran("preflight", "alone")
    for name, is_shared in (("shared", True), ("alone", False)):
        deployed = fleet.ran("transaction", name)
        assert (f'"path": "{path}"' in deployed) is is_shared
        assert (f"configuration after other sites: {path}" in deployed) is is_shared
        assert ("return 421;" in deployed) is not is_shared


def test_what_the_detected_nginx_cannot_do_is_one_error_for_all_gateways(fleet: Fleet) -> None:
    fleet.add("one")
    fleet.add("two")
    upstreams = [{"name": "chat", "servers": ["10.0.0.1:3000"], "balance": "sticky cookie srv"}]
    code, output = fleet.play("site", websockets_upstreams=upstreams)
    assert code == 2, output
    assert "Invalid variables for one, two: - websockets_upstreams[0].balance" in output
    assert output.count("fatal: ") == 1
    assert not fleet.ran("transaction", "one")


ROLE: list[Variables] = [{"hosts": "ws_gateways", "gather_facts": False, "roles": ["wsfleet.nginx.websockets"]}]


def test_what_was_noticed_on_hosts_is_shown_by_playbooks_and_by_the_role_alone(fleet: Fleet) -> None:
    for name in ("one", "two", "three"):
        notices = ["websockets_capacity: too low"] if name != "three" else []
        fleet.add(name, deploy={**DEPLOYED, "notices": notices})
    code, output = fleet.play("site", websockets_serial=1)
    assert code == 0, output
    assert output.count("Warnings: - one, two: websockets_capacity: too low") == 1
    code, output = fleet.play_own(ROLE)
    assert code == 0, output
    assert output.count("one, two: websockets_capacity: too low") == 1


def test_a_failure_of_the_role_alone_is_one_of_its_task(fleet: Fleet) -> None:
    fleet.add("one", deploy={"failed": True, "msg": "nginx rejects it"})
    code, output = fleet.play_own(ROLE)
    assert code == 2
    assert re.search(r"fatal: \[one\]: FAILED! => .*nginx rejects it", output), output


def test_texts_are_lines_of_the_output_and_the_run_says_how_far_it_is(fleet: Fleet) -> None:
    fleet.add("one")
    fleet.add("two")
    code, output = fleet.play("site", websockets_serial=1)
    assert code == 0, output
    first, _line, rest = output.partition("batch 1 of 2: 1 of 2 gateways done, 0 failed, next 1 ok: [one]")
    assert "PLAY [Deploy to the gateways]" in first
    assert "2 gateways: 2 changed changed one, two: reloaded nginx ok: [two]" in rest


def test_a_module_that_dies_in_a_deploy_is_failed_by_what_it_printed(fleet: Fleet) -> None:
    fleet.add("one")
    (fleet.directory / "transaction-one.json").write_text("")
    with (fleet.directory / "python-one").open("a") as interpreter:
        interpreter.write("echo Killed >&2\n")
    code, output = fleet.play("site")
    assert code == 2
    assert "1 gateway: 1 failed failed one: Killed" in output


def test_warnings_are_shown_once(fleet: Fleet) -> None:
    fleet.add("one")
    fleet.add("two")
    spare = [*VARIABLES["websockets_upstreams"], {"name": "spare", "servers": ["10.0.0.1:3000"]}]
    code, output = fleet.play("site", websockets_upstreams=spare)
    assert code == 0, output
    assert output.count("no location uses this upstream") == 1


def test_a_run_that_starts_after_the_check_says_what_is_missing(fleet: Fleet) -> None:
    fleet.add("one")
    code, output = fleet.play("site", "--start-at-task", "Preflight | Inspect the host")
    assert code == 2, output
    assert "1 gateway: 1 failed" in output
    assert "Steps of the role wsfleet.nginx.websockets are missing, as with --start-at-task." in output
    assert not fleet.ran("preflight", "one")


def tasks(items: t.Any) -> t.Iterator[Variables]:
    for item in items or ():
        yield item
        for part in ("block", "rescue", "always", "tasks"):
            yield from tasks(item.get(part))


def test_no_task_sets_state_of_gateways_once_for_all() -> None:
    """With set_fact or debug, ansible-core 2.21 has them share one dict then: docs/architecture.md."""
    files = [*(ROOT / "roles/websockets/tasks").rglob("*.yml"), *(ROOT / "playbooks").glob("*.yml")]
    for file in files:
        for task in tasks(yaml.safe_load(file.read_text())):
            if task.get("run_once"):
                assert not {"ansible.builtin.set_fact", "ansible.builtin.debug"}.intersection(task), task["name"]
                # It reads the facts of all gateways of the batch.
                is_module = task.get("delegate_to") == "localhost"
                assert "register" not in task or "wsfleet.nginx.shared_value" in task or is_module, task["name"]


def test_every_play_waits_for_all_gateways_whatever_strategy_ansible_is_configured_to() -> None:
    for file in (ROOT / "playbooks").glob("*.yml"):
        plays = [play for play in yaml.safe_load(file.read_text()) if "hosts" in play]
        assert {play.get("strategy") for play in plays} == {"ansible.builtin.linear"}, file.name


NO_NAME: Variables = {
    "failed": True,
    "msg": "This host cannot become a gateway yet; nothing was changed:\n'b' does not resolve",
}
LEFT = {"changed": False, "open": 0, "left": {}, "closed": 0, "reason": "", "seconds": 0.1}
AGAIN = "Run the same command again to wait longer, or with websockets_drain_force=true to close them."


class Drains(Fleet):
    """A fleet with two servers and a health check, that answers what a drain asks."""

    tmp_path: Path

    def add(self, name: str, *arguments: t.Any, **keys: t.Any) -> None:
        super().add(name, *arguments, **keys)
        self.answers("left", name, LEFT)
        self.answers("rotation", name, {"changed": True, "state": "out"})

    def answers(self, step: str, name: str, result: Variables) -> None:
        (self.tmp_path / f"{step}-{name}.json").write_text(json.dumps(result))

    def drain(self, names: str = "10.0.0.1", *, back: str = "", **variables: t.Any) -> tuple[int, str]:
        upstreams = [{"name": "chat", "servers": ["10.0.0.1:3000", "10.0.0.2:3000"]}]
        variables = {"websockets_upstreams": upstreams, "websockets_health_path": "/up", **variables}
        named = "undrain" if back else "drain"
        return self.play("drain", "-e", f"websockets_{named}={back or names}", **variables)


@pytest.fixture
def drains(tmp_path: Path) -> Drains:
    fleet = Drains(tmp_path)
    fleet.tmp_path = tmp_path
    return fleet


@pytest.mark.parametrize("step", ["preflight", "deploy"])
@pytest.mark.parametrize("failing", ["one", "two", "three"])
def test_a_gateway_that_fails_holds_up_no_drain_and_fails_the_run_at_its_end(
    drains: Drains, step: str, failing: str
) -> None:
    for name in ("one", "two", "three"):
        drains.add(name, **({step: NO_NAME} if name == failing else {}))
    code, output = drains.drain(websockets_serial=1)
    assert code == 2, output
    for name in {"one", "two", "three"} - {failing}:
        assert drains.ran("transaction", name)
        assert drains.ran("left", name)
    assert not drains.ran("left", failing)
    assert "3 gateways: 2 changed, 1 failed" in output
    assert f"No connection is left. Not done on {failing}: see below." in output
    assert f"The drain is not done on this gateway: {NO_NAME['msg'].splitlines()[1]}" in output


def test_unreachable_gateways_and_failed_ones_are_left_out_alike(drains: Drains) -> None:
    drains.add_unreachable("one")
    drains.add("two", preflight=NO_NAME)
    drains.add("three")
    code, output = drains.drain()
    assert code == 2, output
    assert drains.ran("left", "three")
    assert "3 gateways: 1 changed, 1 unreachable, 1 failed" in output
    assert "This gateway was unreachable, so its configuration may differ from the inventory." in output
    assert "The drain is not done on this gateway: " in output


def test_a_drain_that_is_rolled_back_stops_the_run(drains: Drains) -> None:
    """It would take service from clients of the others too."""
    drains.add("one", deploy={"failed": True, "rolled_back": True, "msg": "Rolled back: 1 of 1 routes failed."})
    drains.add("two")
    code, output = drains.drain(websockets_serial=1)
    assert code == 2, output
    assert "2 gateways: 1 not started, 1 rolled back" in output
    assert not drains.ran("transaction", "two")


def test_a_site_run_stops_after_the_same_failure(drains: Drains) -> None:
    drains.add("one", preflight=NO_NAME)
    drains.add("two")
    code, output = drains.play("site")
    assert code == 2, output
    assert "2 gateways: 1 not started, 1 failed" in output
    assert not drains.ran("transaction", "two")


def test_a_drain_fails_for_connections_that_are_left_and_says_where(drains: Drains) -> None:
    drains.add("one")
    drains.add("two")
    drains.answers("left", "two", {**LEFT, "open": 3, "left": {"10.0.0.1:3000": 2, "port 80": 1}})
    code, output = drains.drain(websockets_drain_timeout="0s")
    assert code == 2, output
    assert "Still open after 0 s: 3 connections on two." in output
    assert f"Still open: 3 connections (2 to 10.0.0.1:3000, 1 from clients at port 80). {AGAIN}" in output
    assert output.count("fatal: ") == 1
    assert '"force": false' in drains.ran("left", "two")


def test_a_drain_may_close_what_is_left(drains: Drains) -> None:
    drains.add("one")
    drains.answers("left", "one", {**LEFT, "changed": True, "closed": 3})
    code, output = drains.drain(websockets_drain_timeout="0s", websockets_drain_force=True)
    assert code == 0, output
    assert "Closed: 3 connections on one. No connection is left." in output
    assert '"force": true' in drains.ran("left", "one")


def test_what_cannot_be_closed_fails_the_run_with_the_reason(drains: Drains) -> None:
    drains.add("one")
    left = {"open": 1, "left": {"10.0.0.1:3000": 1}, "reason": "that takes root rights, and CAP_SYS_PTRACE"}
    drains.answers("left", "one", {**LEFT, **left})
    code, output = drains.drain(websockets_drain_timeout="0s", websockets_drain_force=True)
    assert code == 2, output
    assert "1 connection (1 to 10.0.0.1:3000). They cannot be closed: that takes root rights, and CAP_SYS" in output


def test_a_gateway_that_goes_out_is_in_the_result_and_no_deploy_is_made(drains: Drains) -> None:
    drains.add("one")
    drains.add("two")
    code, output = drains.drain("two")
    assert code == 0, output
    assert "Out of their load balancers: two. No connection is left." in output
    assert not drains.ran("rotation", "one")
    assert not drains.ran("transaction", "two")
    drains.answers("rotation", "two", {"changed": True, "state": "in"})
    code, output = drains.drain(back="two")
    assert code == 0, output
    assert "Back in their load balancers: two." in output


def test_a_gateway_that_cannot_go_out_holds_up_nobody(drains: Drains) -> None:
    drains.add("one")
    drains.add("two")
    drains.answers("rotation", "one", {"failed": True, "msg": "ws.conf does not test for .ws.out"})
    code, output = drains.drain("one,two")
    assert code == 2, output
    assert "Out of their load balancers: two. No connection is left. Not done on one: see below." in output
    assert "The drain is not done on this gateway: ws.conf does not test for .ws.out" in output
    assert not drains.ran("left", "one")


def test_connections_that_cannot_be_counted_fail_the_run(drains: Drains) -> None:
    drains.add("one")
    drains.answers("left", "one", {"failed": True, "msg": "cannot count the connections: 'b' does not resolve"})
    code, output = drains.drain()
    assert code == 2, output
    assert "The drain is not done on this gateway: cannot count the connections: 'b' does not resolve" in output


def test_an_unreachable_gateway_that_is_to_go_out_holds_up_nobody(drains: Drains) -> None:
    drains.add_unreachable("one")
    drains.add("two")
    code, output = drains.drain("one,two")
    assert code == 2, output
    assert "Out of their load balancers: two. No connection is left. Not done on one: see below." in output
    assert "This gateway was unreachable, so its configuration may differ from the inventory." in output
    assert output.count("UNREACHABLE!") == 1
