# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Upgrades of nginx's packages: by the playbook, with a binary that does not start, and killed at random moments."""

from __future__ import annotations

import json
import random
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from gateway import Gateway, gateways
from package_versions import BROKEN, GOOD, OTHER, add_versions, installed_version, remove_versions
from playbook import Run, site
from traffic import Traffic

SEED = 6455
GATEWAYS = gateways()
KILLS_OF_A_GATEWAY = 25
# How many of the killed upgrades the next run may complete; the others are followed by another kill.
RECOVERED = 0.6
LEAST_LEFT = 15
ARCHIVE = "/etc/apt/sources.list"
KEPT = "/var/lib/wsfleet-nginx-upgrade"
SENT = "find /root/.ansible/tmp -name AnsiballZ_nginx_upgrade.py"
# Starts a program, and so many seconds after a file is there kills it alone, after which apt goes on, or with all that
# it has started, as a power cut does: apt has dpkg in a session of its own, and root cannot read apt's environment
# everywhere.
KILLER = """\
import os, pathlib, signal, subprocess, sys, time

program, after, seconds, scope = sys.argv[1:]
with open("/root/printed", "wb") as printed:
    upgrade = subprocess.Popen(["python3", program], stdin=subprocess.DEVNULL, stdout=printed, stderr=printed)

def parents():
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            yield int(process.name), int((process / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            pass

while upgrade.poll() is None and not os.path.exists(after):
    time.sleep(0.002)
try:
    upgrade.wait(float(seconds))
    print("ended before")
except subprocess.TimeoutExpired:
    stopped, found = [], {upgrade.pid}
    while found:
        for pid in found:
            try:
                os.kill(pid, signal.SIGSTOP)
            except ProcessLookupError:
                pass
        stopped += found
        found = {pid for pid, parent in parents() if scope == "all" and parent in stopped} - set(stopped)
    for pid in stopped:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    upgrade.wait()
    print("killed")
"""
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
def programs(versions: dict[str, str]) -> Iterator[list[str]]:
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
    # Most of a run would be the look into Debian's archive, where a kill changes nothing.
    for gateway in GATEWAYS:
        gateway.run(f"mv {ARCHIVE} {ARCHIVE}.aside && apt-get update --quiet=2")
    try:
        yield found
    finally:
        for gateway in GATEWAYS:
            gateway.run(f"mv {ARCHIVE}.aside {ARCHIVE} && apt-get update --quiet=2")


def run(gateway: Gateway, program: str) -> None:
    """A run that is not killed ends with what it was sent for, and nothing else."""
    gateway.console.run(f"python3 {program} >/root/printed 2>&1")
    printed = gateway.path("/root/printed").read_text()
    assert not json.loads(printed).get("failed"), printed
    assert_one_master_runs_what_is_installed(gateway)


def phase(gateway: Gateway) -> str:
    """How far a killed upgrade got, by what it has left."""
    if gateway.path("/run/nginx.pid.oldbin").exists():
        return "two masters"
    if not gateway.path(f"{KEPT}/packages.json").exists():
        return "the earlier packages not kept yet" if gateway.path(KEPT).exists() else "nothing left"
    if gateway.console.run("dpkg --audit").stdout:
        return "packages half installed"
    return "binary exchanged" if is_live(gateway) else "binary not exchanged yet"


def is_live(gateway: Gateway) -> bool:
    return bool(gateway.console.run("cmp /proc/$(cat /run/nginx.pid)/exe /usr/sbin/nginx").rc == 0)


def kill_often(gateway: Gateway, programs: list[str]) -> tuple[Counter[str], str]:
    """Kill upgrades from one version to the other and back, at random moments; how they were left, and what failed."""
    chance, found = random.Random(f"{SEED} {gateway.name}"), Counter[str]()
    gateway.path("/root/kill.py").write_text(KILLER)
    what, wanted = "the first run", 0
    try:
        run(gateway, programs[0])
        start = time.monotonic()
        run(gateway, programs[1])
        usual = time.monotonic() - start
        for number in range(KILLS_OF_A_GATEWAY):
            program = programs[wanted]
            # Each other one hits the part that changes something.
            after = (KEPT, "/")[number % 2]
            part = 0.4 if after == KEPT else 0.8
            seconds, scope = chance.uniform(0, usual * part), chance.choice(["all", "alone"])
            what = f"kill {number} of {program}, {scope}, {seconds:.2f} s after {after}"
            printed = gateway.run(f"python3 /root/kill.py {program} {after} {seconds:.3f} {scope}")
            found[printed.strip()] += 1
            if printed.strip() == "killed":
                found[phase(gateway)] += 1
            what += f", {phase(gateway)}"
            assert gateway.echoes()
            wanted = chance.randrange(2)
            # Now and then the next one is killed too.
            if chance.random() < RECOVERED:
                what += f", and then {programs[wanted]}"
                run(gateway, programs[wanted])
                found["completed by the next run"] += 1
                wanted = 1 - wanted
        what = f"the last run of {programs[wanted]}"
        run(gateway, programs[wanted])
    except Exception:
        return found, f"{what}:\n{traceback.format_exc()}"
    return found, ""


@pytest.mark.usefixtures("clients")
def test_upgrades_that_are_killed_drop_nothing_and_the_next_one_ends_them(
    programs: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with ThreadPoolExecutor() as executor:
        found = list(executor.map(lambda gateway: kill_often(gateway, programs), GATEWAYS))
    with capsys.disabled():
        for gateway, (counts, error) in zip(GATEWAYS, found, strict=True):
            print(f"\n{gateway.name}, seed {SEED}: {', '.join(f'{count} {name}' for name, count in counts.items())}")
            print(error)
    assert not any(error for _counts, error in found)
    total = sum((counts for counts, _error in found), Counter[str]())
    assert total["killed"] + total["ended before"] == KILLS_OF_A_GATEWAY * len(GATEWAYS)
    # Enough of them to verify something.
    assert total["killed"] - total["nothing left"] >= LEAST_LEFT
