# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters as tasks call them. What they are made of has tests of its own."""

from __future__ import annotations

import importlib
import inspect
import json
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import import grammar
from fleets import probe_result, wide
from rendering import ROOT

FILTERS = sorted(path.stem for path in (ROOT / "plugins/filter").glob("*.py"))
SITE = "websockets_sites[0].locations[{}]"


def module(name: str) -> t.Any:
    return importlib.import_module(f"ansible_collections.wsfleet.nginx.plugins.filter.{name}")


def call(name: str, *arguments: t.Any) -> t.Any:
    return module(name).FilterModule().filters()[name](*arguments)


@pytest.mark.parametrize("name", FILTERS)
def test_the_documentation_has_the_arguments_in_their_order(name: str) -> None:
    documented = yaml.safe_load(module(name).DOCUMENTATION)
    assert documented["name"] == name
    function = module(name).FilterModule().filters()[name]
    positional = [part.strip() for part in documented.get("positional", "_input").split(",")]
    assert positional == list(documented["options"])
    assert len(positional) == len(inspect.signature(function).parameters)
    assert yaml.safe_load(module(name).EXAMPLES)
    assert yaml.safe_load(module(name).RETURN)["_value"]["description"]


def test_gateways_that_are_unreachable_are_left_out_where_there_are_any() -> None:
    assert call("reachable_gateways", {"ws_gateways": ["a"]}) == ["ws_gateways"]
    lost, failed = {"websockets_result": {"unreachable": True}}, {"__websockets_failure": {"msg": "no"}}
    hostvars = {"a": {}, "b": {"__websockets_preflight": {"unreachable": True}}, "c": lost, "d": failed, "e": lost}
    groups = {"ws_gateways": ["a", "b"], "edge": ["a", "c", "d"]}
    assert call("reachable_gateways", groups, "ws_gateways", hostvars) == ["ws_gateways", "!b"]
    assert call("reachable_gateways", groups, "edge", hostvars) == ["edge", "!c", "!d"]
    assert call("unreachable_gateways", groups, "edge", hostvars) == ["c"]
    # A first play has no hostvars.
    assert call("reachable_gateways", groups, "edge", {}) == ["edge"]
    assert call("unreachable_gateways", groups, "edge", {}) == []


GROUPS = {"all": ["a", "b", "w"], "ungrouped": [], "ws_gateways": ["a", "b"], "web": ["w"], "empty": []}


def test_a_play_without_a_gateway_has_another_host_to_fail_with() -> None:
    def first(group: str, hosts: list[str]) -> list[str]:
        found: list[str] = call("reachable_gateways", GROUPS, group, {}, hosts)
        return found

    assert first("ws_gateways", ["a", "b", "w"]) == ["ws_gateways"]
    assert first("ws_gateways", ["b"]) == ["ws_gateways"]
    assert first("edge", ["a", "b", "w"]) == ["localhost"]
    assert first("empty", ["a", "b", "w"]) == ["localhost"]
    # With --limit w, no other host may be in a play.
    assert first("ws_gateways", ["w"]) == ["w"]
    assert call("reachable_gateways", {"all": [], "ungrouped": []}, "ws_gateways", {}, []) == ["localhost"]


@pytest.mark.parametrize(
    ("group", "host", "limit", "message"),
    [
        ("ws_gateways", "a", "", ""),
        ("ws_gateways", "a", "a", ""),
        (
            "ws_gatewys",
            "localhost",
            "",
            "no gateway: the inventory has no group 'ws_gatewys', did you mean 'ws_gateways'? It has: empty, web, "
            "ws_gateways. Another group than ws_gateways is given with -e websockets_group=NAME.",
        ),
        ("empty", "localhost", "", "no gateway: the group 'empty' of the inventory has no hosts"),
        ("ws_gateways", "w", "w", "no gateway: with --limit w, no host of the group 'ws_gateways' is left"),
        (
            "web",
            "localhost",
            "",
            "no gateway: websockets_group is 'web' in the inventory, but a play is given its hosts",
        ),
    ],
)
def test_the_reason_for_no_gateway_is_a_message(group: str, host: str, limit: str, message: str) -> None:
    found = call("no_gateway", GROUPS, group, host, limit)
    assert found.startswith(message)
    assert bool(found) is bool(message)


def test_the_groups_of_upstreams_are_read_once_whatever_else_is_wrong() -> None:
    upstream = {"name": "chat", "group": "backends", "port": 3000}
    hostvars = {"g1": {"websockets_upstreams": [upstream]}, "g2": {"websockets_upstreams": 1}, "g3": {}, "b1": {}}
    found = json.loads(call("fleet_upstreams", ["g1", "g2", "g3"], {"backends": ["b1"]}, hostvars))
    assert len(found) == 1
    given = {"websockets_upstreams": [upstream]}
    with_groups = call("gateway_model", given, {"backends": ["b1"]}, hostvars)
    # The groups are not read again.
    assert call("gateway_model", given, {"backends": ["b1"]}, {}, json.dumps(found)) == with_groups


def test_what_is_known_of_a_gateway_with_errors_is_what_it_leaves_on_its_host() -> None:
    given = {"websockets_config_path": "/etc/nginx/conf.d/ws.conf", "websockets_status_listen": "127.0.0.1:7000"}
    run = {"websockets_serial": "25%", "websockets_stop_timeout": "1m30s"}
    found = call("gateway_model", {**given, "websockets_sites": 1, **run}, {}, {})
    assert found.pop("errors") != []
    assert found == {
        "files": {
            "flag": "/etc/nginx/conf.d/.ws.out",
            "former_flag": "/etc/nginx/conf.d/ws.out",
            "log": "/var/log/nginx/websockets_7000.log",
        },
        "serial": ["25%"],
        "stop_seconds": 90,
    }
    sound = call("gateway_model", given, {}, {})
    assert (sound["files"], sound["serial"], sound["stop_seconds"]) == (found["files"], [1, "10%", "25%"], 5)
    removed = {"websockets_state": "absent", "websockets_status_listen": 1, "websockets_config_path": 2}
    assert call("gateway_model", {**removed, "websockets_serial": 0, "websockets_stop_timeout": "soon"}, {}, {}) == {
        "errors": [],
        "files": {
            "flag": "/etc/nginx/conf.d/.00-websockets.out",
            "former_flag": "/etc/nginx/conf.d/00-websockets.out",
            "log": "/var/log/nginx/websockets.log",
        },
        "serial": None,
        "stop_seconds": 5,
    }


def test_the_models_are_checked_together() -> None:
    hostvars = {
        "g1": {"__websockets_model": {"errors": ["a: is"], "serial": [1]}},
        "g2": {"__websockets_model": {"errors": [], "warnings": ["w"], "serial": [1]}},
        "g3": {},
    }
    assert call("fleet_check", hostvars, ["g1", "g2"]) == {
        "errors": "Invalid variables for g1:\n- a: is",
        "warnings": ["g2: w"],
    }


def test_a_summary_leaves_out_gateways_that_the_run_does() -> None:
    hostvars: dict[str, t.Any] = {
        "g1": {"__websockets_model": {}, "websockets_result": {"changed": False}},
        "g2": {},
        "g3": {"__websockets_model": {}},
    }
    found = call("fleet_summary", hostvars, ["g1", "g2", "g3"], ["g1"], ["g1"], False)
    assert found["text"].splitlines() == [
        "2 gateways: 1 unchanged, 1 not started",
        "",
        "unchanged    g1",
        "not started  g3",
    ]


def test_backends_are_probed_by_gateways_whose_variables_are_sound() -> None:
    model = {**wide(routes=1, servers=2), "errors": []}
    hostvars = {
        "g1": {"__websockets_model": model},
        "g2": {"__websockets_model": {"errors": []}, "websockets_state": "absent"},
        "g3": {"__websockets_model": {"errors": ["a: is"]}},
    }
    assert list(call("fleet_backends", hostvars, ["g1", "g2", "g3"])) == ["g1"]


# The result of a gateway that is removed.
SKIPPED = {"__websockets_probe": {"changed": False, "skipped": True}}


def outside(hostvars: t.Mapping[str, t.Any]) -> list[tuple[str, str]]:
    """The probes of g1, which is one of two gateways."""
    made = call("fleet_outside_probes", hostvars, hostvars)
    found = [(*probe["at"].split(" "), probe["connect_to"]) for probe in made]
    return [(at, connect_to) for name, at, connect_to in found if name == "g1"]


def test_the_controller_probes_what_the_gateway_got_a_response_for() -> None:
    model = wide(routes=2, servers=1)
    refused = probe_result(SITE.format(1), status=None, failure="refused the connection")
    here = {"__websockets_model": model, "__websockets_probe": {"probes": [probe_result(SITE.format(0)), refused]}}
    assert outside({"g1": {**here, "ansible_host": "192.0.2.1"}, "g2": SKIPPED}) == [(SITE.format(0), "192.0.2.1:80")]


@pytest.mark.parametrize(
    ("given", "variables", "address"),
    [
        (None, {}, "g1:80"),
        (None, {"ansible_host": "192.0.2.1"}, "192.0.2.1:80"),
        ("ws.example", {"ansible_host": "192.0.2.1"}, "ws.example:80"),
        (False, {"ansible_host": "192.0.2.1"}, None),
        # A port of the controller that is forwarded to a virtual machine, and a gateway that is the controller.
        (None, {"ansible_host": "127.0.0.1", "ansible_port": 2222}, None),
        (None, {"ansible_host": "127.0.0.1", "ansible_connection": "local"}, "127.0.0.1:80"),
        ("127.0.0.1", {"ansible_port": 2222}, "127.0.0.1:80"),
    ],
)
def test_the_controller_connects_to_the_gateways_own_address(
    given: t.Any, variables: dict[str, t.Any], address: str | None
) -> None:
    model = {**wide(routes=1, servers=1), "verify_address": given}
    here = {"__websockets_model": model, "__websockets_probe": {"probes": [probe_result(SITE.format(0))]}}
    assert outside({"g1": {**here, **variables}}) == ([(SITE.format(0), address)] if address else [])


def test_the_controller_probes_of_an_unreachable_gateway_what_others_verified() -> None:
    model = wide(routes=2, servers=1)
    unreachable = {"__websockets_model": model, "__websockets_probe": {"unreachable": True}}
    other = {"__websockets_model": model, "__websockets_probe": {"probes": [probe_result(SITE.format(1))]}}
    assert outside({"g1": unreachable, "g2": other}) == [(SITE.format(1), "g1:80")]
    assert outside({"g1": unreachable, "g2": SKIPPED}) == []


def test_each_probe_from_the_controller_has_the_headers_of_its_gateway_and_its_result_goes_there() -> None:
    upstream = {"name": "chat", "servers": ["10.0.0.1:3000"]}
    hostvars: dict[str, t.Any] = {"gone": SKIPPED}
    sites = {
        name: [
            {
                "server_name": "a.example",
                "listen": 80,
                "locations": [{"path": "/", "upstream": "chat", "probe": {"headers": {"X-Token": f"of {name}"}}}],
            }
        ]
        for name in ("g1", "g2", "play")
    }
    for name, given in sites.items():
        model = call("gateway_model", {"websockets_upstreams": [upstream], "websockets_sites": given}, {}, {})
        found = {"probes": [probe_result(probe["at"]) for probe in model["probes"]]}
        hostvars[name] = {"__websockets_model": model, "__websockets_probe": found, "websockets_sites": given}
    # What a play sets is not among the variables of a host.
    del hostvars["play"]["websockets_sites"]
    made = call("fleet_outside_probes", hostvars, list(hostvars), sites["play"])
    assert [(probe["connect_to"], probe["headers"]) for probe in made] == [
        (f"{name}:80", {"X-Token": f"of {name}"}) for name in sites
    ]
    status = {"g1": 101, "g2": 403, "play": 101}
    results = [probe_result(probe["at"], status=status[probe["connect_to"][:-3]]) for probe in made]
    outside = {"probes": results}
    report = call("fleet_report", hostvars, list(hostvars), "2026-01-31T12:00:00", [], "errors", outside)
    gateways = json.loads(report["files"]["report.json"])["gateways"]
    assert {gateway["name"]: gateway["routes"][0]["controller"]["status"] for gateway in gateways} == status


@pytest.mark.parametrize(
    ("names", "is_there"), [(["a.b.c", "d.e.f"], True), (["a.b.c", "a.b.f"], False), (["d.b.c"], False)]
)
def test_modules_of_collections_are_found_if_all_are_installed(
    names: list[str], is_there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = ["/nowhere", *(str(tmp_path / name) for name in "12")]
    for name in ("1/ansible_collections/a/b/plugins/modules/c.py", "2/ansible_collections/d/e/plugins/modules/f.py"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    monkeypatch.setattr(module("has_modules"), "AnsibleCollectionConfig", type("", (), {"collection_paths": paths}))
    assert call("has_modules", names) == is_there


def test_an_import_wants_texts_and_names_the_library_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert call("imported", {"a.conf": "server { listen 80; location / { return 204; } }"})["variables"] == {
        "websockets_sites": [{"server_name": "_", "listen": 80, "locations": [{"path": "/", "return": 204}]}]
    }
    for wrong in ("server {}", {"a.conf": None}, ["a.conf"]):
        with pytest.raises(AnsibleFilterError, match="requires a mapping of names of files to their texts"):
            call("imported", wrong)
    monkeypatch.setattr(grammar, "crossplane", None)
    with pytest.raises(
        AnsibleFilterError, match=r"library crossplane on the controller: \S+ -m pip install crossplane"
    ):
        call("imported", {"a.conf": "listen 80;"})
