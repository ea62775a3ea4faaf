# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which gateway probes which server, and what the controller probes."""

from __future__ import annotations

import typing as t
from collections import Counter

from ansible_collections.wsfleet.nginx.plugins.filter.gateway_model import gateway_model
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report.survey import (
    outside_probes,
    safe_routes,
    servers_to_probe,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from modelling import LOCATION, SITE, UPSTREAM, location, proxied, site


def model(upstreams: t.Any, sites: t.Any) -> dict[str, t.Any]:
    found = gateway_model({"websockets_upstreams": upstreams, "websockets_sites": sites}, {}, {})
    assert found["errors"] == []
    return found


def upstream_of(*addresses: str, name: str = "ws-backend") -> dict[str, t.Any]:
    return {"name": name, "servers": list(addresses)}


FLEETS = st.lists(st.lists(st.integers(1, 30), min_size=1, unique=True), min_size=1, max_size=12)


@given(fleet=FLEETS)
@settings(deadline=None)
def test_every_server_is_probed_by_three_of_its_gateways_or_by_all(fleet: list[list[int]]) -> None:
    models = {
        f"g{number}": model([upstream_of(*(f"s{server}:80" for server in upstream))], [SITE])
        for number, upstream in enumerate(fleet)
    }
    asked: Counter[str] = Counter()
    for name, items in servers_to_probe(models).items():
        own = {f"s{server}:80" for server in fleet[int(name[1:])]}
        for item in items:
            assert item["at"] == "websockets_sites[0].locations[0]"
            assert own.issuperset(item["addresses"])
            assert len(set(item["addresses"])) == len(item["addresses"])
            asked.update(item["addresses"])
    having = Counter(f"s{server}:80" for upstream in fleet for server in upstream)
    assert asked == {server: min(3, gateways) for server, gateways in having.items()}


def test_the_work_is_spread_evenly() -> None:
    same = model([upstream_of(*(f"s{number}:80" for number in range(1000)))], [SITE])
    found = servers_to_probe({f"g{number}": same for number in range(100)})
    assert {len(item["addresses"]) for items in found.values() for item in items} == {30}


def test_servers_are_probed_by_a_route_that_has_a_probe() -> None:
    unprobed, verified = location(path="/a", probe=False), location(path="/b")
    direct = proxied(path="/c", proxy_pass="http://10.0.0.1:8080")
    nowhere = proxied(path="/d", root="/srv")
    found = servers_to_probe({"g": model([UPSTREAM], [site(locations=[unprobed, verified, direct, nowhere])])})
    assert found == {
        "g": [
            {"at": "websockets_sites[0].locations[1]", "addresses": [f"server0{n}:3000" for n in (1, 2, 3)]},
            {"at": "websockets_sites[0].locations[2]", "addresses": ["10.0.0.1:8080"]},
        ]
    }


def test_the_controller_probes_where_it_reaches_the_gateway() -> None:
    listens = ["3000", "192.0.2.7:3001", "127.0.0.1:3002", "unix:/run/a.sock"]
    sites = [
        {"server_name": f"{number}.example", "listen": listen, "locations": [LOCATION]}
        for number, listen in enumerate(listens)
    ]
    found = model([UPSTREAM], sites)
    places = [probe["at"] for probe in found["probes"]]
    asked = outside_probes(found["probes"], found["routes"], "gateway1.example.com", places, is_reached=True)
    assert [probe["connect_to"] for probe in asked] == ["gateway1.example.com:3000", "192.0.2.7:3001"]
    assert asked[0] == {**found["probes"][0], "connect_to": "gateway1.example.com:3000", "backends": None}
    # Who has that address if this gateway is unreachable is another one.
    (first,) = outside_probes(found["probes"], found["routes"], "2001:db8::1", places, is_reached=False)
    assert first["connect_to"] == "[2001:db8::1]:3000"
    assert outside_probes(found["probes"], found["routes"], None, places, is_reached=True) == []


def test_the_controller_probes_safe_routes_and_those_without_a_backend() -> None:
    locations = [location(path="/a"), location(path="/b"), proxied(path="/c", root="/srv")]
    found = model([UPSTREAM], [site(locations=locations)])
    asked = outside_probes(found["probes"], found["routes"], "g", ["websockets_sites[0].locations[1]"], is_reached=True)
    assert [probe["path"] for probe in asked] == ["/b", "/c"]


def of_statuses(*statuses: int | None) -> list[dict[str, t.Any]]:
    return [
        {"at": str(number), "status": status, "verified": "handshake" if status == 101 else ""}
        for number, status in enumerate(statuses)
    ]


def test_a_route_is_safe_whose_backend_gives_the_gateway_an_http_response() -> None:
    own = of_statuses(101, 404, 426, None, 502, 503, 504, 500)
    assert safe_routes({"g": own, "h": of_statuses(*[101] * 8)}, {"g": "a", "h": "a"}, "g") == ["0", "1", "2", "7"]


def test_an_unreachable_gateway_has_the_safe_routes_of_those_with_the_same_configuration() -> None:
    results = {
        **{"g": None, "same": of_statuses(101, None, 404), "too": of_statuses(101, 101, None)},
        **{"other": of_statuses(101, 101, 101), "lost": None},
    }
    digests = {"g": "a", "same": "a", "too": "a", "other": "b"}
    assert safe_routes(results, digests, "g") == ["0", "1"]
    assert safe_routes({"g": None}, {"g": "a"}, "g") == []
