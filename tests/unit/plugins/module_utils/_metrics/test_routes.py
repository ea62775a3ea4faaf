# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures of what a turn of probes has found."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.wsfleet.nginx.plugins.module_utils._metrics import exposition, routes
from ansible_collections.wsfleet.nginx.plugins.module_utils._metrics.record import UpstreamServer
from ansible_collections.wsfleet.nginx.plugins.module_utils._metrics.routes import Found
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.certificate import Presented
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.errors import Cause
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.routes import Response, Result

UP, DOWN = Response(101, "", 12.5), Response(None, "timed out", cause=Cause.TIMEOUT)
REJECTED = Response(404, "returned 404", 3.0, is_refusal=True)
NOTHING = Found((), (), {}, {}, None)


def result(response: Response, path: str = "/", site: str = "a.example", **others: t.Any) -> Result:
    rule = others.pop("rule", None)
    probe = {"site": site, "path": path, "connect_to": "127.0.0.1:80", **({"rule": rule} if rule else {})}
    return Result(probe, response, "" if response.failure else "handshake", None, **others)


def shown(found: Found) -> dict[str, float]:
    lines = exposition.text(routes.families(found)).splitlines()
    return {
        name: float(value) for name, _space, value in (one.rpartition(" ") for one in lines if not one.startswith("#"))
    }


def of_routes(*results: Result) -> dict[str, float]:
    return shown(NOTHING._replace(results=results))


def test_a_route_is_up_or_down_with_its_status_and_the_seconds_of_each_phase() -> None:
    up = result(UP, phases={"connect": 0.001, "tls": 0.004, "handshake": 0.0125, "message": 0.002})
    assert of_routes(up, result(DOWN, "/b", phases={"connect": 0.003})) == {
        'wsfleet_route_up{site="a.example",path="/"}': 1,
        'wsfleet_route_up{site="a.example",path="/b"}': 0,
        'wsfleet_route_status{site="a.example",path="/"}': 101,
        'wsfleet_route_connect_seconds{site="a.example",path="/"}': 0.001,
        'wsfleet_route_connect_seconds{site="a.example",path="/b"}': 0.003,
        'wsfleet_route_tls_seconds{site="a.example",path="/"}': 0.004,
        'wsfleet_route_handshake_seconds{site="a.example",path="/"}': 0.0125,
        'wsfleet_route_message_seconds{site="a.example",path="/"}': 0.002,
    }


def test_a_route_that_is_not_verified_is_neither_up_nor_down_and_one_elsewhere_is_nothing() -> None:
    unverified = result(REJECTED, unverified="the backend returns 404 at /")
    assert of_routes(unverified) == {'wsfleet_route_status{site="a.example",path="/"}': 404}
    assert of_routes(result(UP, unverified="not on this host", is_elsewhere=True)) == {}


def test_no_two_samples_have_the_same_labels_and_the_worst_of_a_name_counts() -> None:
    """node_exporter leaves out a file with such: one name may have several sites, at other ports."""
    assert of_routes(result(UP), result(DOWN), result(UP)) == {'wsfleet_route_up{site="a.example",path="/"}': 0}


def test_what_a_rule_forbids_is_refused_and_is_no_route() -> None:
    kept, open_to_all = result(UP, rule="origin"), result(Response(101, "returned 101"), rule="token")
    assert of_routes(kept, open_to_all) == {
        'wsfleet_refusal_upheld{site="a.example",path="/",rule="origin"}': 1,
        'wsfleet_refusal_upheld{site="a.example",path="/",rule="token"}': 0,
    }


def test_the_earliest_certificate_of_a_site_counts() -> None:
    ends = [Presented(f"{year}-01-01T00:00:00Z") for year in (2027, 2026, 2028)]
    results = [result(UP, f"/{number}", certificate=end) for number, end in enumerate(ends)]
    found = of_routes(*results, result(UP, site="plain.example"))
    assert {name: value for name, value in found.items() if "certificate" in name} == {
        'wsfleet_certificate_expiry_timestamp_seconds{site="a.example"}': 1767225600
    }


def servers(*responses: Response | None, state: str = "") -> dict[str, float]:
    """The figures by what they are of, and the number of the server."""
    found = [(UpstreamServer("chat", f"s{n}:80", state), response) for n, response in enumerate(responses)]
    return {
        re.sub(r'wsfleet_server_(\w+)\{upstream="chat",server="(s\d):80"\}', r"\1 \2", name): value
        for name, value in shown(NOTHING._replace(servers=found)).items()
    }


def test_a_server_is_up_or_down_as_in_the_report() -> None:
    assert servers(UP, DOWN) == {"up s0": 1, "up s1": 0, "handshake_seconds s0": 0.0125}
    # If all reject the handshake, it may require what nginx adds.
    rejected = {"handshake_seconds s0": 0.003, "handshake_seconds s1": 0.003}
    assert servers(REJECTED, REJECTED) == {"up s0": 1, "up s1": 1, **rejected}
    assert servers(REJECTED, UP) == {"up s0": 0, "up s1": 1, **rejected, "handshake_seconds s1": 0.0125}
    assert servers(None) == {}
    assert servers(None, state="drained") == {"drained s0": 1}
    assert servers(None, state="disabled") == {}


def test_a_configuration_is_live_and_edited_or_that_is_not_known() -> None:
    assert shown(NOTHING._replace(live={"/a.conf": False}, edited={"/a.conf": True, "/b.conf": None})) == {
        'wsfleet_configuration_live{configuration="/a.conf"}': 0,
        'wsfleet_configuration_edited{configuration="/a.conf"}': 1,
    }
    assert shown(NOTHING._replace(connections=0)) == {"wsfleet_client_connections": 0}
