# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deploys that alternate between two configurations, most of them ended by SIGKILL at a random moment.

What runs is what Ansible sent for the role's task: the playbook, which takes seconds, is run once for each of the two.
"""

from __future__ import annotations

import json
import random
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from deployment import FILES, LEFT_BEHIND, Contents, as_deployed, contents
from gateway import Gateway, echoes, gateways, group_variables
from playbook import site
from waiting import wait_until

SEED = 6455
KILLS = 50
# Enough of them to verify something.
LEAST_JOURNALS = 10

(SITE,) = group_variables()["websockets_sites"]
(LOCATION,) = SITE["locations"]
# They differ in the site and in the limits, so that each deploy is one of several files.
CONFIGURATIONS = [
    {
        "websockets_sites": [{**SITE, "locations": [{**LOCATION, "proxy_read_timeout": timeout}]}],
        "websockets_capacity": capacity,
    }
    for timeout, capacity in (("10m", 3000), ("20m", 4000))
]
# Nothing listens there, so that it is rolled back.
BAD = {"websockets_upstreams": [{"name": "echo", "servers": ["server01:3999"]}], "websockets_capacity": 5000}
JOURNAL = "/var/lib/wsfleet-nginx/127.0.0.1:488/journal"
BAD_PROGRAM = "/root/deploy-bad.py"
SENT = "find /root/.ansible/tmp -name AnsiballZ_config_transaction.py"


@dataclass(frozen=True)
class Version:
    """One of the two configurations: the program that deploys it, and the files as they are then."""

    program: str
    files: Contents


@dataclass
class Kills:
    """What became of a gateway."""

    phases: Counter[str] = field(default_factory=Counter)
    journals: int = 0
    recoveries: int = 0
    ways_back: int = 0
    error: str = ""


def run(gateway: Gateway, version: Version, seconds: float | None = None, after: str = "/") -> str:
    """Run a deploy, or kill it so many seconds after a file is there; what it printed."""
    # Processes that outlive it would hold a pipe open.
    deploy = f"python3 {version.program} >/root/printed 2>&1"
    if seconds is not None:
        kill = f"until [ -e {after} ]; do sleep 0.005; done; sleep {seconds:.3f}; kill -KILL $deploy"
        deploy += f" & deploy=$!; ({kill}) >/dev/null 2>&1 & killer=$!; wait $deploy; kill $killer; wait"
    gateway.console.run(deploy)
    return gateway.path("/root/printed").read_text()


def usual_seconds(gateway: Gateway, versions: list[Version]) -> tuple[float, float]:
    """How long a deploy takes at least, and for how long of that there is a journal."""
    lasted, with_journal = [], []
    with ThreadPoolExecutor() as executor:
        for version in versions * 2:
            start = time.monotonic()
            running = executor.submit(run, gateway, version)
            seen = []
            while not running.done():
                if gateway.path(JOURNAL).exists():
                    seen.append(time.monotonic())
                time.sleep(0.002)
            running.result()
            lasted.append(time.monotonic() - start)
            with_journal.append(seen[-1] - seen[0])
            assert contents(gateway) == version.files
    return min(lasted), min(with_journal)


def wait_for_stragglers(gateway: Gateway) -> None:
    """Until what a killed deploy has started is over."""
    wait_until(lambda: not any(map(is_straggler, gateway.titles().values())), f"{gateway.name} is rid of stragglers")


def is_straggler(title: str) -> bool:
    return title.startswith(("/usr/sbin/nginx ", "systemctl ", "python3 /root/"))


def phase(gateway: Gateway, before: Contents, version: Version) -> str:
    """How far a killed deploy got."""
    now = contents(gateway)
    if gateway.fingerprint in str(version.files[FILES[0]]):
        return "live, not yet committed" if gateway.path(JOURNAL).exists() else "done"
    if now == version.files:
        return "all files in place"
    if now != before:
        return "some files in place"
    return "journal written" if gateway.path(JOURNAL).exists() else "nothing written"


def assert_serves(gateway: Gateway, versions: list[Version]) -> None:
    gateway.run("nginx -t")
    assert gateway.echoes()
    assert any(gateway.fingerprint in str(version.files[FILES[0]]) for version in versions)
    now = contents(gateway)
    for name in FILES:
        assert now[name] in [version.files[name] for version in versions], name


def recover(gateway: Gateway, version: Version) -> None:
    """A run that is not killed ends with the wanted configuration, live, and nothing beside it."""
    printed = run(gateway, version)
    answer = json.loads(printed)
    assert not answer.get("failed"), printed
    assert [probe["verified"] for probe in answer["probes"]] == ["handshake"], printed
    assert contents(gateway) == version.files
    assert gateway.fingerprint in str(version.files[FILES[0]])
    assert gateway.console.run(LEFT_BEHIND).stdout == ""


def go_back(gateway: Gateway, bad: str, last: Version) -> None:
    """A deploy that fails leads to the last configuration that was verified, not to what a killed one left."""
    printed = run(gateway, Version(bad, {}))
    assert json.loads(printed)["rolled_back"], printed
    assert contents(gateway) == last.files
    assert gateway.fingerprint in str(last.files[FILES[0]])
    assert gateway.console.run(LEFT_BEHIND).stdout == ""


def kill_often(gateway: Gateway, versions: list[Version]) -> Kills:
    kills = Kills()
    chance = random.Random(f"{SEED} {gateway.name}")
    what = "the first run"
    try:
        master = gateway.master
        usual, with_journal = usual_seconds(gateway, versions)
        wanted, last = 0, versions[-1]
        with gateway.websocket("/") as connection:
            for number in range(KILLS):
                before, version = contents(gateway), versions[wanted]
                # Most of a deploy is reading and asking; each other kill hits the part that writes.
                after, most = ((JOURNAL, with_journal), ("/", usual))[number % 2]
                seconds = chance.uniform(0, most)
                what = f"kill {number} of {version.program} {seconds:.3f} s after {after}"
                run(gateway, version, seconds, after)
                wait_for_stragglers(gateway)
                what += f", {phase(gateway, before, version)}"
                kills.phases[phase(gateway, before, version)] += 1
                kills.journals += gateway.path(JOURNAL).exists()
                assert_serves(gateway, versions)
                assert gateway.master == master
                assert echoes(connection)
                if not gateway.path(JOURNAL).exists() and contents(gateway) == version.files:
                    last = version
                # Now and then one is killed after another, with the same goal or with the other. The way back is worth
                # a look where it is not where the files are.
                weights = [2, 2, 1] if gateway.path(JOURNAL).exists() else [4, 0, 2]
                (then,) = chance.choices(["recover", "go back", "kill again"], weights)
                wanted = chance.randrange(2)
                if then == "recover":
                    recover(gateway, version)
                    kills.recoveries += 1
                    last, wanted = version, 1 - versions.index(version)
                elif then == "go back":
                    what += f", and then {BAD_PROGRAM}"
                    go_back(gateway, BAD_PROGRAM, last)
                    kills.ways_back += 1
                    wanted = 1 - versions.index(last)
        recover(gateway, versions[wanted])
    except Exception:
        kills.error = f"{what}:\n{traceback.format_exc()}"
    return kills


@pytest.fixture(scope="module")
def versions() -> Iterator[dict[str, list[Version]]]:
    """Each configuration as a deploy of the role leaves it, with the program that Ansible has sent."""
    with as_deployed(*gateways()):
        yield deployed_versions()


def deployed_versions() -> dict[str, list[Version]]:
    found: dict[str, list[Version]] = {gateway.name: [] for gateway in gateways()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANSIBLE_KEEP_REMOTE_FILES", "1")
        for number, variables in enumerate([*CONFIGURATIONS, BAD]):
            program = f"/root/deploy-{number}.py" if variables is not BAD else BAD_PROGRAM
            for gateway in gateways():
                gateway.run("rm -rf /root/.ansible/tmp")
            deploy = site(variables, arguments=["--limit", "ws_gateways"])
            assert deploy.failed == (variables is BAD), deploy.output
            for gateway in gateways():
                gateway.run(f"cp $({SENT}) {program}")
                if variables is not BAD:
                    found[gateway.name].append(Version(program, contents(gateway)))
    return found


@pytest.fixture(scope="module")
def kills(versions: dict[str, list[Version]]) -> dict[str, Kills]:
    names = [gateway.name for gateway in gateways()]
    with ThreadPoolExecutor() as executor:
        return dict(
            zip(
                names,
                executor.map(lambda gateway: kill_often(gateway, versions[gateway.name]), gateways()),
                strict=True,
            )
        )


def test_after_each_kill_nginx_serves_and_the_next_deploy_recovers(gateway: Gateway, kills: dict[str, Kills]) -> None:
    assert kills[gateway.name].error == "", kills[gateway.name].error


def test_the_kills_hit_deploys_in_all_phases(
    gateway: Gateway, kills: dict[str, Kills], capsys: pytest.CaptureFixture[str]
) -> None:
    found = kills[gateway.name]
    phases = ", ".join(f"{count} {name}" for name, count in found.phases.most_common())
    with capsys.disabled():
        print(f"\n{gateway.name}, seed {SEED}: {phases}; {found.journals} journals left", end=", ")
        print(f"{found.recoveries} recoveries, {found.ways_back} ways back")
    assert found.phases.total() >= KILLS
    assert found.journals >= LEAST_JOURNALS
    assert found.phases["nothing written"] > 0


@pytest.mark.usefixtures("kills")
def test_the_inventorys_configuration_comes_back() -> None:
    again = site({}, arguments=["--limit", "ws_gateways"])
    assert not again.failed, again.output
