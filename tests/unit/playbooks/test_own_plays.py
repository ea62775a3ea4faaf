# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role in plays of the operator's own, which have other hosts too."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest
import yaml
from playing import DEPLOYED, PREFLIGHT, Fleet, Variables
from rendering import ROOT

ROLE = "wsfleet.nginx.websockets"
ON_EDGE = "inventory_hostname in groups['edge']"
SPARE: Variables = {"name": "spare", "servers": ["10.0.0.1:3000"]}
DRAINED: Variables = {**PREFLIGHT, "drained": ["10.0.0.2"]}


def uses(how: str, **keys: t.Any) -> Variables:
    options: Variables = {"name": ROLE, **{key: keys.pop(key) for key in ("tasks_from", "apply") if key in keys}}
    return {"name": "Deploy", f"ansible.builtin.{how}_role": options, **keys}


def play(*tasks: Variables, **keys: t.Any) -> list[Variables]:
    return [{"name": "Own", "hosts": "all", "gather_facts": False, "tasks": list(tasks), **keys}]


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    """A host that is no gateway comes first."""
    found = Fleet(tmp_path)
    found.group = "edge"
    found.others = {"a_web": {"web1": {"ansible_connection": "local"}, "web2": {"ansible_connection": "local"}}}
    found.add("one")
    found.add("two")
    return found


# Facts of each host: ansible-core 2.21 may have hosts share one dict, ansible/ansible#87148.
SHOWN: list[Variables] = [
    {"ansible.builtin.set_fact": {"own": "{{ inventory_hostname }}", "cacheable": True}},
    {"ansible.builtin.debug": {"msg": "{{ inventory_hostname }} is {{ ansible_facts['own'] }}."}},
    {
        "ansible.builtin.debug": {"msg": "{{ inventory_hostname }} has {{ websockets_result.actions | join }}."},
        "when": ON_EDGE,
    },
]


def assert_deployed(output: str) -> None:
    for name in ("one", "two"):
        assert f"{name} has reloaded nginx." in output
    for name in ("one", "two", "web1", "web2"):
        assert f"{name} is {name}." in output


@pytest.mark.parametrize("how", ["include", "import"])
def test_a_condition_leaves_out_the_first_hosts_of_the_play(fleet: Fleet, how: str) -> None:
    """What is done once for all gateways is done: warnings, what is drained elsewhere, what was noticed, and errors."""
    fleet.add("one", preflight=DRAINED, deploy={**DEPLOYED, "notices": ["too low"]})
    upstreams = [{"name": "chat", "servers": ["10.0.0.1:3000", "10.0.0.2:3000"]}, SPARE]
    task = uses(how, when=ON_EDGE)
    code, output = fleet.play_own(play(task, *SHOWN, vars={"websockets_upstreams": upstreams}))
    assert code == 0, output
    assert_deployed(output)
    assert output.count("no location uses this upstream") == 1
    assert "10.0.0.2:3000 down; # drained: 10.0.0.2" in fleet.ran("transaction", "two")
    assert output.count("- one: too low") == 1
    code, output = fleet.play_own(play(task, vars={"websockets_upstreams": "none"}))
    assert code == 2, output
    assert output.count("Invalid variables for one, two: - websockets_upstreams: ") == 1
    assert fleet.ran("preflight", "two").count('"config_path"') == 1


def test_hosts_at_their_own_speed_are_deployed_to_alike(fleet: Fleet) -> None:
    code, output = fleet.play_own(play(uses("import", when=ON_EDGE), *SHOWN, strategy="free"))
    assert code == 0, output
    assert_deployed(output)


def test_the_role_twice_in_a_play_by_tags_in_batches_and_with_a_limit(fleet: Fleet) -> None:
    tagged = {"tags": "nginx", "when": ON_EDGE}
    other: Variables = {"name": "Other", "ansible.builtin.debug": {"msg": "not this"}}
    tasks = (uses("import", **tagged), uses("include", apply={"tags": "nginx"}, **tagged), other)
    code, output = fleet.play_own(play(*tasks, serial=2), "--tags", "nginx", "--limit", "web1,two")
    assert code == 0, output
    assert "not this" not in output
    assert fleet.ran("transaction", "two").count("server_name a.example") == 2
    assert not fleet.ran("transaction", "one")


@pytest.mark.parametrize("step", ["inspect", "deploy"])
def test_a_step_without_those_before_it_says_that_they_are_missing(fleet: Fleet, step: str) -> None:
    code, output = fleet.play_own(play(uses("import", tasks_from=step), hosts="edge"))
    assert code == 2, output
    assert f"Steps of the role {ROLE} are missing, as with --start-at-task. Begin with its entry point" in output
    assert not fleet.ran("transaction", "one")


def test_the_playbook_of_the_documentation_rolls_with_a_step_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "docs/rolling.md").read_text()
    (example,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    fleet = Fleet(tmp_path)
    fleet.add("one")
    fleet.add("two", deploy={"failed": True, "rolled_back": True, "msg": "Rolled back: 1 of 1 routes failed."})
    fleet.add("three")
    fleet.others = {
        "balancers": {
            "haproxy": {
                "ansible_connection": "local",
                "ansible_become": False,
                "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            }
        }
    }
    said = tmp_path / "haproxy"
    socat = tmp_path / "socat"
    socat.write_text(f"#!/bin/sh\ncat >>{said}\nls {tmp_path} | grep ^transaction-[a-z]*$ >>{said}\ntrue\n")
    socat.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    code, output = fleet.play_own(yaml.safe_load(example))
    assert code == 2, output
    assert said.read_text().split("\n") == [
        "set server gateways/one state drain",
        "set server gateways/one state ready",
        "transaction-one",
        "set server gateways/two state drain",
        "transaction-one",
        "set server gateways/two state ready",
        "transaction-one",
        "transaction-two",
        "",
    ]
    assert '"msg": [ "reloaded nginx" ]' in output
    assert "Rolled back: 1 of 1 routes failed." in output
    assert fleet.ran("preflight", "three")
    assert not fleet.ran("transaction", "three")
