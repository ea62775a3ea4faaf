# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Of which upstreams a rebalance moves sockets, and why of others it does not."""

from __future__ import annotations

import typing as t

import pytest
from modelling import SITE, site, sound

LOCATION = {"path": "/", "upstream": "a"}
LEADING = {**SITE, "locations": [LOCATION]}


def upstream(name: str = "a", **keys: t.Any) -> dict[str, t.Any]:
    return {"name": name, "balance": "least_conn", **keys}


def balanced(*upstreams: dict[str, t.Any], **variables: t.Any) -> list[t.Any]:
    return sound(list(upstreams), [LEADING], **variables)["balanced"]


@pytest.mark.parametrize(
    ("method", "moves"),
    [
        *((method, True) for method in ("least_conn", "round_robin", "random", "random two", "random two least_conn")),
        *((method, False) for method in ("ip_hash", "hash $arg_room", "hash $arg_room consistent")),
        *((method, False) for method in ("sticky cookie server", "least_time header")),
    ],
)
def test_clients_that_are_bound_to_their_server_are_left_alone(method: str, moves: bool) -> None:
    (found,) = balanced(upstream(servers=["s1:1", "s2:1"], balance=method))
    assert found["name"] == "a"
    if moves:
        assert not found["obstacle"]
    else:
        assert f"with `balance: {method.split(maxsplit=1)[0]}` " in found["obstacle"]


def test_servers_have_the_share_of_their_weight_and_those_that_are_down_none() -> None:
    servers = [
        *("s1:1", {"address": "s2:1", "weight": 3}, {"address": "s3:1", "down": True}),
        *({"address": "unix:/run/s4", "backup": True, "weight": 2}, "s5:1"),
    ]
    (found,) = balanced(upstream(servers=servers), websockets_drain="s5")
    assert found == {
        "name": "a",
        "servers": [
            {"address": "s1:1", "weight": 1},
            {"address": "s2:1", "weight": 3},
            {"address": "unix:/run/s4", "weight": 0},
        ],
        "obstacle": "",
    }


def test_upstreams_with_the_same_servers_are_one() -> None:
    first, second = (upstream(name, servers=["s1:1", "s2:1"]) for name in "ab")
    assert [(found["name"], found["obstacle"]) for found in balanced(first, second)] == [("a, b", "")]


@pytest.mark.parametrize(
    "other", [{"servers": ["s2:1", "s3:1"]}, {"servers": ["s1:1", {"address": "s2:1", "weight": 2}]}]
)
def test_upstreams_that_share_some_servers_are_left_alone(other: dict[str, t.Any]) -> None:
    first, second = balanced(upstream(servers=["s1:1", "s2:1"]), upstream("b", **other))
    assert first["obstacle"].startswith("the upstream b has s")
    assert second["obstacle"].startswith("the upstream a has s")
    assert second["obstacle"].endswith(" too, and their sockets cannot be told apart")


def test_one_method_that_binds_clients_to_shared_servers_keeps_the_other_upstream_too() -> None:
    servers = ["s1:1", "s2:1"]
    first, second = balanced(upstream(servers=servers), upstream("b", servers=servers, balance="ip_hash"))
    assert first["obstacle"] == "the upstream b has s1:1 too, and their sockets cannot be told apart"
    assert "ip_hash" in second["obstacle"]


def test_a_server_that_a_location_leads_to_by_itself_is_left_alone() -> None:
    locations = [LOCATION, {"path": "/s2", "proxy_pass": "http://s2:1"}]
    (found,) = sound([upstream(servers=["s1:1", "s2:1"])], [site(locations=locations)])["balanced"]
    assert found["obstacle"] == (
        "websockets_sites[0].locations[1].proxy_pass leads to s2:1 too, and their sockets cannot be told apart"
    )
