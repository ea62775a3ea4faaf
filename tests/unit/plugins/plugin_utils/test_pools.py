# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The servers of a pool: those it names, and the hosts of its group."""

from __future__ import annotations

import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils.faults import Faults
from ansible_collections.wsfleet.nginx.plugins.plugin_utils.gateway import gateway_model
from ansible_collections.wsfleet.nginx.plugins.plugin_utils.pools import Inventory
from modelling import SITE, faults_of, sound


def test_one_more_host_of_a_group_is_one_more_line() -> None:
    hostvars = {f"chat{number:04}": {"ansible_host": f"10.0.{number // 250}.{number % 250}"} for number in range(2001)}

    def lines(count: int) -> list[str]:
        inventory = Inventory(groups={"chat": list(hostvars)[:count]}, hostvars=hostvars)
        variables = {"websockets_upstreams": [{"name": "chat", "group": "chat", "port": 80}]}
        model = gateway_model(variables, inventory, Faults())
        assert model is not None
        return model["upstreams"][0]["lines"]

    assert lines(2001) == [*lines(2000)[:-1], "server 10.0.8.0:80;", "keepalive 32;"]


def group_servers(**keys: t.Any) -> list[str]:
    pools = [{"name": "ws-backend", "balance": "round_robin", **keys}]
    return sound(pools, [SITE])["upstreams"][0]["lines"][1:-1]


def test_a_group_becomes_a_pool_in_the_order_of_names() -> None:
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
        "server 192.0.2.10:9000 weight=2 backup;",
    ]


def test_the_parameters_of_all_hosts_are_checked() -> None:
    pools = [{"name": name, "group": "wrong", "port": 9000} for name in ("ws-backend", "other")]
    assert faults_of(pools, [SITE]) == [
        "host wrong1, websockets_server.dwon: is not a key known here (did you mean 'down'?)",
        "host wrong1, websockets_server.weight: must be an integer, not a string ('2')",
        "host wrong2, websockets_sever: is not a variable known here (did you mean 'websockets_server'?)",
        "host wrong2, websockets_server: must be a mapping, not an integer (0)",
    ]


def test_a_host_without_an_address_or_a_port_is_named() -> None:
    pools = [{"name": "ws-backend", "group": "chat", "port": "lan_port", "address": "lan"}]
    at = "websockets_upstreams[0].group 'chat', host"
    assert faults_of(pools, [SITE]) == [
        f"{at} chat1: has no variable 'lan_port', which websockets_upstreams[0].port names",
        f"{at} chat10: has no variable 'lan_port', which websockets_upstreams[0].port names",
        f"{at} chat10: has no variable 'lan', which websockets_upstreams[0].address names",
        f"{at} chat2: has no variable 'lan_port', which websockets_upstreams[0].port names",
        f"{at} chat2: has no variable 'lan', which websockets_upstreams[0].address names",
    ]
