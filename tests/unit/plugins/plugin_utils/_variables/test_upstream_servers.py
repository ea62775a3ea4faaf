# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The servers of an upstream: those it names, and the hosts of its group."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._model.gateway import gateway_model
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.addresses import host_address
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.errors import Errors
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.upstream_servers import (
    Inventory,
    group_upstreams,
)
from hypothesis import assume, given
from hypothesis import strategies as st
from modelling import INVENTORY, SITE, Model, errors_of, read, sound, upstream


def test_one_more_host_of_a_group_is_one_more_line() -> None:
    hostvars = {f"chat{number:04}": {"ansible_host": f"10.0.{number // 250}.{number % 250}"} for number in range(2001)}

    def lines(count: int) -> list[str]:
        inventory = Inventory(groups={"chat": list(hostvars)[:count]}, hostvars=hostvars)
        variables = {"websockets_upstreams": [{"name": "chat", "group": "chat", "port": 80, "balance": "ip_hash"}]}
        model = gateway_model(variables, inventory, Errors())
        assert model is not None
        return read(model)["upstream_lines"][0]

    assert lines(2001) == [*lines(2000)[:-1], "server 10.0.8.0:80 max_fails=0;", "keepalive 32;"]


def group_servers(**keys: t.Any) -> list[str]:
    """The servers of an upstream by turns, without those that are listed again."""
    upstreams = [{"name": "ws-backend", "balance": "round_robin", **keys}]
    lines = sound(upstreams, [SITE])["upstream_lines"][0][1:-1]
    return lines[: next((number for number, line in enumerate(lines) if line.startswith("#")), None)]


def test_a_group_becomes_an_upstream_in_the_order_of_names() -> None:
    assert group_servers(group="chat", port=9000) == [
        "server 192.0.2.1:9000;",
        "server chat10:9000;",
        "server [2001:db8::2]:9000;",
    ]


def test_a_group_takes_each_hosts_port_from_the_variable_named() -> None:
    assert group_servers(group="chat", port="chat_port") == [
        "server 192.0.2.1:9001;",
        "server chat10:9010;",
        "server [2001:db8::2]:9002;",
    ]


def test_a_group_adds_to_the_servers_named() -> None:
    assert group_servers(group="chat", port=9000, servers=["extra:1"])[0] == "server extra:1;"


def test_a_host_of_a_group_brings_its_own_parameters() -> None:
    assert group_servers(group="spare", port=9000, servers=["a:1"]) == [
        "server a:1;",
        "server 192.0.2.10:9000 weight=2 max_fails=0 backup;",
    ]


def test_the_parameters_of_all_hosts_are_checked() -> None:
    upstreams = [{"name": name, "group": "wrong", "port": 9000} for name in ("ws-backend", "other")]
    assert errors_of(upstreams, [SITE]) == [
        "host wrong1, websockets_server.dwon: unknown key (did you mean 'down'?)",
        "host wrong1, websockets_server.weight: must be an integer, not a string ('2')",
        "host wrong2, websockets_sever: unknown variable (did you mean 'websockets_server'?)",
        "host wrong2, websockets_server: must be a mapping, not an integer (0)",
    ]


def test_a_host_without_an_address_or_a_port_is_named() -> None:
    upstreams = [{"name": "ws-backend", "group": "chat", "port": "lan_port", "address": "lan"}]
    at = "websockets_upstreams[0].group 'chat', host"
    assert errors_of(upstreams, [SITE]) == [
        f"{at} chat1: has no variable 'lan_port', which websockets_upstreams[0].port names",
        f"{at} chat10: has no variable 'lan_port', which websockets_upstreams[0].port names",
        f"{at} chat10: has no variable 'lan', which websockets_upstreams[0].address names",
        f"{at} chat2: has no variable 'lan_port', which websockets_upstreams[0].port names",
        f"{at} chat2: has no variable 'lan', which websockets_upstreams[0].address names",
    ]


class Asked(dict[str, t.Mapping[str, t.Any]]):
    """Variables of hosts that remember whose were asked for."""

    def __init__(self, variables: t.Mapping[str, t.Mapping[str, t.Any]]) -> None:
        super().__init__(variables)
        self.hosts: list[str] = []

    def __getitem__(self, host: str) -> t.Mapping[str, t.Any]:
        self.hosts.append(host)
        return super().__getitem__(host)


UPSTREAMS = [
    {"name": "ws-backend", "group": "chat", "port": 9000},
    {"name": "again", "group": "chat", "port": 9000},
    {"name": "own", "group": "chat", "port": "chat_port"},
    {"name": "spare", "group": "spare", "port": 9000, "servers": ["a:1"]},
]


def test_the_hosts_of_a_group_are_asked_once_for_all_gateways() -> None:
    hostvars = Asked(INVENTORY.hostvars)
    upstreams = group_upstreams([*UPSTREAMS, *UPSTREAMS], Inventory(INVENTORY.groups, hostvars))
    assert sorted(hostvars.hosts) == ["chat1", "chat1", "chat10", "chat10", "chat2", "chat2", "spare1"]
    # As it comes through a fact.
    found = Inventory(INVENTORY.groups, Asked({}), json.loads(json.dumps(upstreams)))
    variables = {"websockets_upstreams": UPSTREAMS, "websockets_sites": [SITE]}
    assert gateway_model(variables, found, Errors()) == gateway_model(variables, INVENTORY, Errors())


def test_an_upstream_with_an_error_is_left_to_each_gateway() -> None:
    for group, port in (("wrong", 9000), ("chat", "lan_port"), ("none", 1), ("chat", "no name"), (["chat"], 9000)):
        assert group_upstreams([{"name": "ws-backend", "group": group, "port": port}], INVENTORY) == {}
    assert group_upstreams([None, 1, {"name": "a"}, {"group": None}], INVENTORY) == {}


def without(upstreams: list[dict[str, t.Any]], names: list[str], **others: t.Any) -> tuple[Model | None, list[str]]:
    errors = Errors()
    variables = {"websockets_upstreams": upstreams, "websockets_sites": [SITE], **others}
    model = gateway_model(variables, INVENTORY, errors, names)
    return None if model is None else read(model), errors.lines


def drained(upstreams: list[dict[str, t.Any]], names: list[str], **others: t.Any) -> list[str]:
    model, errors = without(upstreams, names, **others)
    return errors if model is None else model["upstream_lines"][0][1:-1]


def test_a_drained_server_is_down_and_its_line_says_so() -> None:
    upstreams = [{"name": "ws-backend", "balance": "ip_hash", "group": "chat", "port": 9000, "servers": ["a:1", "b:2"]}]
    assert drained(upstreams, ["chat2", "a", "b:2", "elsewhere"]) == [
        "ip_hash;",
        "server a:1 max_fails=0 down; # drained: a",
        "server b:2 max_fails=0 down; # drained: b:2",
        "server 192.0.2.1:9000 max_fails=0;",
        "server chat10:9000 max_fails=0;",
        "server [2001:db8::2]:9000 max_fails=0 down; # drained: chat2",
    ]


def test_a_drained_server_is_listed_once() -> None:
    """As a backup it would be in the upstream again."""
    upstreams = [{"name": "ws-backend", "balance": "round_robin", "servers": ["10.0.0.1:1", "10.0.0.2:1"]}]
    first, second, _comment, *again = drained(upstreams, ["10.0.0.1"])
    assert first == "server 10.0.0.1:1 down; # drained: 10.0.0.1"
    assert [second, *again] == ["server 10.0.0.2:1;", "server 10.0.0.2:1 max_fails=0 backup;"]


def test_a_server_comes_back_by_any_of_its_names() -> None:
    upstreams = [{"name": "ws-backend", "balance": "ip_hash", "group": "chat", "port": 9000}]
    for name in ("chat1", "192.0.2.1", "192.0.2.1:9000"):
        back = drained(upstreams, ["chat1", "chat2"], websockets_undrain=name)
        assert [line for line in back if "drained" in line] == [
            "server [2001:db8::2]:9000 max_fails=0 down; # drained: chat2"
        ]


def test_what_the_inventory_has_down_is_drained_once() -> None:
    upstreams = [upstream(servers=[{"address": "a:1", "down": True, "weight": 2}, "b:1"])]
    assert drained(upstreams, ["a"])[1] == "server a:1 weight=2 max_fails=0 down; # drained: a"


def test_no_upstream_is_left_without_a_server() -> None:
    assert drained([upstream(servers=["a:1", {"address": "b:1", "down": True}])], ["a"]) == [
        "websockets_upstreams[0]: draining a would leave the upstream empty"
    ]


NAMES = st.from_regex(r"[a-z0-9][a-z0-9.-]{0,20}[a-z]", fullmatch=True)


@given(st.lists(NAMES, min_size=2, max_size=6, unique=True), st.data())
def test_the_model_has_what_was_drained(names: list[str], data: st.DataObject) -> None:
    assume(all(host_address(name) for name in names))
    out = data.draw(st.lists(st.sampled_from(names[1:]), unique=True))
    balance = data.draw(st.sampled_from(["ip_hash", "least_conn"]))
    model, _errors = without([upstream(balance=balance, servers=[f"{name}:1" for name in names])], out)
    assert model is not None
    assert model["drained"] == [{"name": name, "address": f"{name}:1"} for name in sorted(out)]


def test_the_model_has_the_state_of_each_server() -> None:
    """One that is listed again, as a backup, is one server."""
    servers = ["a:1", {"address": "[::1]:2", "down": True}, "unix:/run/down.sock", "b:3", "down:4"]
    model, _errors = without([upstream(balance="least_conn", servers=servers)], ["b"])
    assert model is not None
    assert [(server["address"], server["state"]) for server in model["upstreams"][0]["servers"]] == [
        ("a:1", ""),
        ("[::1]:2", "disabled"),
        ("unix:/run/down.sock", ""),
        ("b:3", "drained"),
        ("down:4", ""),
    ]


def test_a_server_is_recorded_once_for_each_name_by_which_it_was_drained() -> None:
    """A name that is not recorded would bring back its server."""
    again: dict[str, t.Any] = {"name": "again", "servers": ["[2001:db8::2]:9000", "a:1"]}
    upstreams = [{"name": "ws-backend", "group": "chat", "port": 9000}, again, {**again, "name": "third"}]
    model, _errors = without(upstreams, ["chat2", "2001:db8::2", "chat1"])
    assert model is not None
    names = [(server["name"], server["address"]) for server in model["drained"]]
    assert names == [("2001:db8::2", "[2001:db8::2]:9000"), ("chat1", "192.0.2.1:9000")]
    model, _errors = without(upstreams, ["chat1", "[2001:db8::2]:9000", "chat2"], websockets_undrain="chat1")
    assert model is not None
    assert [server["name"] for server in model["drained"]] == ["[2001:db8::2]:9000"]
