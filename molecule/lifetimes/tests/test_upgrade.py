# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Upgrades of nginx's packages: by the playbook, with a binary that does not start, and killed at random moments."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from gateway import Gateway, gateways
from package_versions import BROKEN, GOOD, OTHER, add_versions, installed_version, remove_versions
from playbook import Run, site
from traffic import Traffic

SEED = 6455
KILLS = 50
GATEWAYS = gateways()
SENT = "find /root/.ansible/tmp -name AnsiballZ_nginx_upgrade.py"
LEFT_BEHIND = "ls -d /var/lib/wsfleet-nginx-upgrade /usr/sbin/policy-rc.d.* /run/nginx.pid.oldbin 2>/dev/null"


def upgrade(**variables: object) -> Run:
    return site(variables, arguments=["--limit", "ws_gateways"], playbook="wsfleet.nginx.upgrade")


def by_host(versions: dict[str, str]) -> str:
    """The variable's value for each gateway."""
    return f"{{{{ {json.dumps(versions)}[inventory_hostname] }}}}"


def assert_one_master_runs_what_is_installed(gateway: Gateway) -> None:
    gateway.run("cmp /proc/$(cat /run/nginx.pid)/exe /usr/sbin/nginx")
    masters = [title for title in gateway.titles().values() if title.startswith("nginx: master")]
    assert len(masters) == 1, masters
    shown = gateway.run("systemctl show --property MainPID,ActiveState nginx")
    assert f"MainPID={gateway.master}\n" in shown
    assert "ActiveState=active" in shown
    assert gateway.console.run(LEFT_BEHIND).stdout == ""
    assert gateway.run("dpkg --audit") == ""
    assert gateway.echoes()


@pytest.fixture(scope="module")
def versions() -> Iterator[dict[str, str]]:
    """What was installed before, with the others in the archive; and again at the end."""
    found = {gateway.name: add_versions(gateway) for gateway in GATEWAYS}
    try:
        yield found
    finally:
        back = upgrade(websockets_nginx_package_version=by_host(found))
        for gateway in GATEWAYS:
            remove_versions(gateway)
        assert not back.failed, back.output


def test_a_security_update_of_the_archive_drops_nothing(clients: Traffic) -> None:
    before = {gateway.name: (gateway.master, installed_version(gateway)) for gateway in GATEWAYS}
    run = upgrade()
    assert not run.failed, run.output
    try:
        for gateway in GATEWAYS:
            master, version = before[gateway.name]
            now = installed_version(gateway)
            if version != now:
                assert f"installed nginx, nginx-common {version} -> {now}" in run.output
                assert gateway.master != master
            assert_one_master_runs_what_is_installed(gateway)
        # Every client was there before, and each of them is in an earlier worker.
        assert f"{clients.number:,} connections of clients kept" in run.output or not changed(run)
        again = upgrade()
        assert set(again.states.values()) == {"unchanged"}, again.output
    finally:
        back = upgrade(websockets_nginx_package_version=by_host({name: old for name, (_m, old) in before.items()}))
        assert not back.failed, back.output


def changed(run: Run) -> bool:
    return "changed" in run.states.values()


@pytest.mark.usefixtures("clients")
def test_a_binary_that_does_not_start_leaves_the_earlier_one_in_service(versions: dict[str, str]) -> None:
    masters = {gateway.name: gateway.master for gateway in GATEWAYS}
    run = upgrade(websockets_nginx_package_version=by_host({name: old + BROKEN for name, old in versions.items()}))
    assert run.failed
    assert set(run.states.values()) == {"rolled back"}, run.output
    for gateway in GATEWAYS:
        assert "the installed nginx did not start; the earlier one serves as before" in run.message(gateway.name)
        assert installed_version(gateway) == versions[gateway.name]
        assert gateway.master == masters[gateway.name]
        assert_one_master_runs_what_is_installed(gateway)


@pytest.fixture(scope="module")
def programs(versions: dict[str, str]) -> list[str]:
    """What Ansible sends for the role's task, for each of two versions: the playbook takes seconds."""
    found = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANSIBLE_KEEP_REMOTE_FILES", "1")
        for suffix in (GOOD, OTHER):
            for gateway in GATEWAYS:
                gateway.run("rm -rf /root/.ansible/tmp")
            wanted = {name: old + suffix for name, old in versions.items()}
            run = upgrade(websockets_nginx_package_version=by_host(wanted))
            assert not run.failed, run.output
            found.append(f"/root/upgrade{suffix}.py")
            for gateway in GATEWAYS:
                gateway.run(f"cp $({SENT}) {found[-1]}")
    return found


def kill_often(gateway: Gateway, programs: list[str]) -> tuple[Counter[str], str]:
    """Kill upgrades from one version to the other and back, at random moments; how they were left, and what failed."""
    chance, left = random.Random(f"{SEED} {gateway.name}"), Counter[str]()
    what = ""
    try:
        for number in range(KILLS):
            program, seconds = programs[number % 2], chance.uniform(0, 5)
            # With all that it has started, as by a power cut, or alone: dpkg then goes on.
            target = chance.choice(["-$upgrade", "$upgrade"])
            what = f"kill {number} of {program} after {seconds:.2f} s, {target}"
            gateway.console.run(
                f"setsid python3 {program} >/root/printed 2>&1 & upgrade=$!; sleep {seconds:.3f}; "
                f"kill -KILL -- {target}; wait $upgrade"
            )
            assert gateway.echoes()
            left["nothing" if gateway.console.run(LEFT_BEHIND).stdout == "" else "something"] += 1
            if chance.random() < 0.7:
                # A new goal after a kill, or the same one.
                gateway.console.run(f"python3 {chance.choice(programs)} >/root/printed 2>&1")
                printed = gateway.path("/root/printed").read_text()
                assert not json.loads(printed).get("failed"), printed
                assert_one_master_runs_what_is_installed(gateway)
                left["completed"] += 1
        gateway.console.run(f"python3 {programs[0]} >/root/printed 2>&1")
        assert_one_master_runs_what_is_installed(gateway)
    except Exception as error:
        return left, f"{what}: {error!r}"
    return left, ""


@pytest.mark.usefixtures("clients")
def test_upgrades_that_are_killed_drop_nothing_and_the_next_one_ends_them(
    programs: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with ThreadPoolExecutor() as executor:
        found = list(executor.map(lambda gateway: kill_often(gateway, programs), GATEWAYS))
    with capsys.disabled():
        for gateway, (left, _error) in zip(GATEWAYS, found, strict=True):
            print(f"\n{gateway.name}, seed {SEED}, {KILLS} kills: {dict(left)}")
    assert [error for _left, error in found if error] == []
    assert all(left["something"] for left, _error in found)
