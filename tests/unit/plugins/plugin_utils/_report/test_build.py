# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a report says of a fleet: what is wrong, in which words, and with all that it concerns."""

from __future__ import annotations

import typing as t
from dataclasses import replace

import pytest
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report import text
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report.findings import findings as all_findings
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report.schema import Finding, Report
from fleets import (
    BAD_GATEWAY,
    REFUSED,
    RUN,
    changed,
    from_controller,
    healthy,
    model,
    probed,
    refusal_result,
    reported,
    troubled,
    unreachable,
    wide,
    with_nginx,
)

UPSTREAMS = [{"name": "chat", "servers": ["s1:80", "s2:80", "s3:80"]}, {"name": "feed", "servers": ["f1:80"]}]
SITES = [
    {
        "server_name": "a.example",
        "listen": 80,
        "locations": [{"path": "/", "upstream": "chat"}, {"path": "/feed/", "upstream": "feed"}],
    }
]
MODEL = model(UPSTREAMS, SITES)
FLEET = [healthy(f"g{number}", MODEL) for number in range(1, 5)]


def findings(report: Report, kind: str) -> list[Finding]:
    return [finding for finding in report["findings"] if finding["kind"] == kind]


def only(report: Report, kind: str) -> Finding:
    (found,) = findings(report, kind)
    return found


def titles(report: Report) -> list[str]:
    return [finding["title"] for finding in report["findings"]]


def test_a_healthy_fleet_has_no_findings() -> None:
    report = reported(*probed(FLEET, {}))
    assert (report["state"], report["summary"], report["findings"]) == (
        *("ok", "All 4 gateways serve all their routes", []),
    )
    assert report["time"] == "2026-01-31T03:00:00Z"
    counts = {key: number for key, number in report["counts"].items() if number}
    assert counts == {
        **{"gateways": 4, "gateways_ok": 4, "routes": 8, "routes_verified": 8, "refusals": 4},
        **{"servers": 4, "servers_up": 4},
    }
    assert text.failure(report) == ""
    assert text.failure(report, "warnings") == ""


def test_warnings_fail_a_run_that_is_to_fail_on_them() -> None:
    report = reported(*probed(FLEET, {"f1:80": "refused"}))
    assert (report["state"], text.failure(report)) == ("warnings", "")
    said = text.failure(report, "warnings")
    assert said.startswith(
        "All 4 gateways serve all their routes, with 1 warning. websockets_verify_fail_on is warnings"
    )
    # Those that have probed it.
    assert said.endswith(": g2, g3, g4")


@pytest.mark.parametrize(
    ("fleet", "summary"),
    [
        ([], "No gateway was probed"),
        (FLEET[:1], "g1 serves all its routes"),
        ([unreachable("g1", MODEL)], "g1 does not serve all its routes"),
        ([FLEET[0], unreachable("g2", MODEL)], "1 of 2 gateways serves all its routes"),
        ([*FLEET, unreachable("g5", MODEL)], "4 of 5 gateways serve all their routes"),
        ([changed(FLEET[0], file="edited"), FLEET[1]], "All 2 gateways serve all their routes, with 1 error"),
        (
            probed([changed(FLEET[0], file="edited"), changed(FLEET[1], unfinished="now")], {"s2:80": "refused"}),
            "All 2 gateways serve all their routes, with 2 errors and 1 warning",
        ),
    ],
)
def test_the_summary_says_how_many_gateways_serve_all_routes(fleet: t.Any, summary: str) -> None:
    report = reported(*fleet)
    assert report["summary"] == summary
    assert text.summary(report).splitlines()[0] == f"{summary}."


def test_routes_that_fail_for_one_reason_on_the_same_gateways_are_one_finding() -> None:
    broken = [changed(changed(found, 0, **BAD_GATEWAY), 1, **BAD_GATEWAY) for found in FLEET[:3]]
    other = changed(FLEET[3], 1, status=None, failure="timed out after 5 s", milliseconds=None)
    first, second = findings(reported(*broken, other), "route")
    assert first["title"] == "a.example /, a.example /feed/ fail their probes on g1, g2, g3"
    assert f"- error: {first['title']}" in text.summary(reported(*broken, other)).splitlines()
    assert first["text"] == f"Returned 502 Bad Gateway. Probed directly: server01:3000 {REFUSED}."
    assert (first["severity"], first["gateways"], first["routes"]) == (
        *("error", ["g1", "g2", "g3"], ["a.example /", "a.example /feed/"]),
    )
    assert (second["title"], second["gateways"]) == ("a.example /feed/ fails its probe on g4", ["g4"])


def test_what_is_not_refused_is_an_error_with_its_variable_and_what_came_back() -> None:
    failure = "rule host: a request for a foreign Host returned 404 Not Found, not 421"
    (refusal,) = MODEL["refusals"]
    opened = refusal_result(refusal, status=404, verified="", failure=failure)
    report = reported(changed(FLEET[0], refusals=[opened]), FLEET[1], changed(FLEET[2], refusals=[opened]))
    found = only(report, "refusal")
    assert (found["severity"], found["title"]) == (
        "error",
        "a.example / does not refuse what websockets_sites[0].server_name requires on g1, g3",
    )
    assert found["text"].startswith(f"R{failure[1:]}. Check the directives")
    assert (found["gateways"], found["routes"]) == (["g1", "g3"], ["a.example /"])
    assert [gateway["state"] for gateway in report["gateways"]] == ["failed", "ok", "failed"]
    assert (report["counts"]["refusals"], report["counts"]["refusals_failed"]) == (3, 2)
    assert report["summary"] == "All 3 gateways serve all their routes, with 1 error"


def test_a_route_that_fails_from_the_controller_only_points_at_what_is_between() -> None:
    refused = {"status": None, "failure": "g1:80 refused the connection: nothing listens there"}
    report = reported(from_controller(FLEET[0], 0, **refused), *FLEET[1:])
    finding = only(report, "route")
    assert finding["title"] == "a.example / fails its probe on g1, from the controller"
    assert "It passes on the gateway itself: check what is between" in finding["text"]
    assert finding["text"].endswith("websockets_verify_address, where the controller connects to.")
    assert report["gateways"][0]["state"] == "failed"
    # What both see is told once, as the gateway sees it.
    both = changed(from_controller(FLEET[0], 0, **refused), 0, **BAD_GATEWAY)
    assert only(reported(both), "route")["text"].startswith("Returned 502")


WHY = "the backend returns 404 at /; set probe.path, such as /socket.io/?EIO=4&transport=websocket"
UNVERIFIED = {"status": 404, "unverified": WHY}
ELSEWHERE = {"status": 404, "failure": "returned 404 Not Found", "hint": "it serves nothing there"}


def test_a_route_that_is_not_verified_is_a_warning_that_says_what_to_set() -> None:
    fleet = [from_controller(changed(found, 0, **UNVERIFIED), 0, **ELSEWHERE) for found in FLEET[:2]]
    report = reported(*probed(fleet, {"s1:80": "unexpected", "s2:80": "closed", "s3:80": "closed"}))
    finding = only(report, "route")
    assert (finding["severity"], finding["title"]) == ("warning", "a.example / is not verified on g1, g2")
    assert finding["text"] == f"T{WHY[1:]}."
    # What its servers answer is no error of theirs.
    assert titles(report) == [finding["title"]]
    assert (report["state"], report["summary"]) == (
        *("warnings", "All 2 gateways serve all their routes, with 1 warning"),
    )
    assert (report["counts"]["routes_unverified"], report["counts"]["routes_verified"]) == (2, 2)
    route = report["gateways"][0]["routes"][0]
    assert route["state"] == "unverified"
    for answer in (route["gateway"], route["controller"]):
        assert answer is not None
        assert (answer["verified"], answer["failure"], answer["unverified"], answer["hint"]) == ("", "", WHY, "")
    assert text.failure(report) == ""
    assert "404  not verified" in text.summary(report)


def test_an_unverified_route_fails_where_the_controller_has_another_result() -> None:
    found = from_controller(changed(FLEET[0], 0, **UNVERIFIED), 0, status=403, failure="returned 403 Forbidden")
    report = reported(found)
    assert only(report, "route")["title"] == "a.example / fails its probe on g1, from the controller"
    # It was not sent through nginx, and nothing listens there for the controller.
    refused = from_controller(
        changed(FLEET[0], 0, status=None, unverified=WHY), 0, status=None, failure="refused the connection"
    )
    assert reported(refused)["gateways"][0]["state"] == "failed"
    not_probed = replace(changed(FLEET[0], 0, **UNVERIFIED), controller=[])
    assert [route["state"] for route in reported(not_probed)["gateways"][0]["routes"]] == ["unverified", "verified"]


@pytest.mark.parametrize("state", ["unexpected", "closed"])
def test_a_server_that_rejects_the_handshake_is_down_where_another_one_accepts_it(state: str) -> None:
    report = reported(*probed(FLEET, {"s2:80": state}))
    assert titles(report) == ["1 server is down: s2:80"]


def test_an_unreachable_gateway_is_an_error_whatever_passes_from_the_controller() -> None:
    report = reported(*FLEET[:2], unreachable("g3", MODEL, "Task failed: ssh:\n  No route to host"))
    finding = only(report, "unreachable")
    assert finding["details"] == ["g3: ssh: No route to host (from the controller, 2 of 2 routes passed)"]
    assert report["state"] == "errors"
    assert [route["state"] for route in report["gateways"][2]["routes"]] == ["unknown", "unknown"]
    assert text.failure(report) == "2 of 3 gateways serve all their routes. Failed or unreachable: g3"
    silent = replace(unreachable("g3", MODEL), controller=[])
    assert only(reported(silent), "unreachable")["details"] == ["g3: Connection timed out"]


def test_a_server_that_is_down_is_reported_with_its_gateways_and_routes() -> None:
    report = reported(*probed(FLEET, {"s2:80": "refused"}))
    finding = only(report, "server")
    assert finding["title"] == "1 server is down: s2:80"
    seen = f"Probed directly: {REFUSED}; from 3 of 3 gateways, "
    assert finding["text"].startswith(seen)
    assert finding["text"].endswith(". 2 other servers of chat remain.")
    assert (finding["severity"], finding["routes"], len(finding["gateways"])) == ("warning", ["a.example /"], 3)
    both = only(reported(*probed(FLEET, {"s2:80": "refused", "s3:80": "refused"})), "server")
    assert both["title"] == "2 servers are down: s2:80, s3:80"
    assert [item.split(":80: ")[0] for item in both["details"]] == ["s2", "s3"]
    assert report["state"] == "warnings"


FLOATING = {
    "status": None,
    "unverified": "192.0.2.10 is not on this host now, so another one would respond",
    "elsewhere": True,
}


def test_a_floating_address_that_another_gateway_has_is_a_note() -> None:
    report = reported(*(changed(found, 0, **FLOATING) for found in FLEET[:3]), FLEET[3])
    finding = only(report, "route")
    assert (finding["severity"], finding["title"]) == ("note", "a.example / is not verified on g1, g2, g3")
    assert "192.0.2.10 is not on this host now" in finding["text"]
    assert (report["state"], report["summary"]) == ("ok", "All 4 gateways serve all their routes")
    nowhere = only(reported(*(changed(found, 0, **FLOATING) for found in FLEET)), "route")
    assert (nowhere["severity"], "None of the gateways" in nowhere["text"]) == ("warning", True)


def test_a_server_that_only_some_gateways_reach_is_partial() -> None:
    fleet = probed(FLEET[:2], {"s2:80": "timeout"})
    report = reported(fleet[0], *probed(FLEET[1:2], {}))
    assert only(report, "server")["title"] == "1 server is down for some gateways: s2:80"
    assert report["counts"]["servers_partial"] == 1


def test_an_upstream_without_a_live_server_is_one_finding() -> None:
    report = reported(*probed(FLEET, {"s1:80": "refused", "s2:80": "timeout", "s3:80": "refused"}))
    finding = only(report, "upstream")
    assert finding["title"] == "The upstream chat has no live server"
    assert (len(finding["details"]), finding["routes"]) == (3, ["a.example /"])
    assert findings(report, "server") == []


DEAD = {"s1:80": "refused", "s2:80": "timeout", "s3:80": "refused"}


def test_a_dead_upstream_and_its_failing_routes_are_one_finding_with_those_that_it_concerns() -> None:
    fleet = probed([changed(FLEET[0], 0, **BAD_GATEWAY), changed(FLEET[1], 0, **BAD_GATEWAY), FLEET[2]], DEAD)
    report = reported(*fleet)
    (finding,) = report["findings"]
    assert finding["title"] == "The upstream chat has no live server: a.example / fails its probe on g1, g2"
    assert finding["text"] == "None of its 3 servers accepts connections. nginx returned 502 Bad Gateway."
    assert (finding["severity"], finding["kind"]) == ("error", "upstream")
    assert (finding["gateways"], finding["routes"]) == (["g1", "g2"], ["a.example /"])
    assert len(finding["details"]) == 3


def test_a_route_that_waits_for_a_dead_upstream_as_long_as_a_probe_is_no_finding_of_its_own() -> None:
    silent = {"status": None, "failure": "timed out after 5 s waiting for the response from 127.0.0.1:80"}
    report = reported(*probed([changed(FLEET[0], 0, **silent), *FLEET[1:]], DEAD))
    (finding,) = report["findings"]
    assert finding["text"] == "None of its 3 servers accepts connections. nginx did not respond in time."
    assert finding["gateways"] == ["g1"]


def test_a_route_that_fails_for_another_reason_than_its_dead_upstream_is_a_finding_of_its_own() -> None:
    refused = {"status": 403, "failure": "returned 403 Forbidden"}
    report = reported(*probed([changed(FLEET[0], 0, **refused), *FLEET[1:]], DEAD))
    assert [finding["kind"] for finding in report["findings"]] == ["route", "upstream"]


def test_a_dead_upstream_whose_routes_pass_concerns_those_that_have_probed_it() -> None:
    many = [replace(FLEET[0], name=f"g{number:03}") for number in range(500)]
    finding = only(reported(*probed(many, DEAD)), "upstream")
    assert (finding["severity"], len(finding["gateways"])) == ("warning", 3 * 3)


def test_a_server_that_is_down_concerns_the_routes_of_all_configurations_that_have_it() -> None:
    other = model(UPSTREAMS, [{**SITES[0], "server_name": "z.example"}])
    fleet = probed([*FLEET, healthy("z1", other)], {"s2:80": "refused"})
    assert only(reported(*fleet), "server")["routes"] == ["a.example /", "z.example /"]


def test_servers_that_all_reject_a_direct_probe_are_not_down() -> None:
    all_alike = reported(*probed(FLEET, {f"s{number}:80": "unexpected" for number in (1, 2, 3)}))
    assert all_alike["findings"] == []
    one = only(reported(*probed(FLEET, {"s2:80": "unexpected"})), "server")
    assert one["title"] == "1 server is down: s2:80"


S2 = {"name": "s2", "address": "s2:80"}


def test_a_server_that_is_drained_on_some_gateways_is_a_warning_that_says_how_they_become_equal() -> None:
    fleet = probed(FLEET, {"s2:80": "refused"})
    # What it has of an unreachable gateway, and of one that was never deployed to, is not known.
    unknown = [unreachable("g5", MODEL), changed(healthy("g6", MODEL), fingerprint=None, file="missing")]
    report = reported(*(changed(found, drained=[S2]) for found in fleet[:2]), *fleet[2:], *unknown)
    finding = only(report, "drained")
    assert (finding["severity"], finding["title"]) == (
        *("warning", "s2:80 of chat is drained on g1, g2, and not on g3, g4"),
    )
    for command in ("playbooks/drain.yml -e websockets_drain=s2;", "-e websockets_undrain=s2."):
        assert command in finding["text"]
    assert finding["details"] == ["drained on g1, g2", "not drained on g3, g4"]
    assert finding["gateways"] == ["g1", "g2", "g3", "g4"]


def test_drained_servers_are_a_note() -> None:
    drained = [changed(found, drained=[S2]) for found in probed(FLEET, {"s2:80": "refused"})]
    report = reported(*drained)
    assert titles(report) == ["1 server is drained"]
    assert (report["state"], report["counts"]["servers_drained"]) == ("ok", 1)
    off = model([{"name": "chat", "servers": ["s1:80", {"address": "s2:80", "down": True}]}, UPSTREAMS[1]], SITES)
    report = reported(*probed([healthy("g1", off)], {"s2:80": "refused"}))
    assert titles(report) == ["1 server is disabled in the inventory"]
    assert report["findings"][0]["details"] == ["s2:80 of the upstream chat"]


def test_a_gateway_that_is_out_of_its_load_balancers_is_a_note() -> None:
    report = reported(changed(FLEET[0], out_of_rotation=True), *FLEET[1:])
    assert (titles(report), report["state"]) == (["1 gateway is out of the load balancers: g1"], "ok")


def test_versions_of_nginx_that_differ_are_noted() -> None:
    report = reported(with_nginx(changed(FLEET[0], nginx_version="1.22.1"), version="1.22.1"), *FLEET[1:])
    assert only(report, "nginx")["details"] == ["nginx 1.22.1: 1 gateway, g1", "nginx 1.26.3: 3 gateways, g2, g3, g4"]
    assert report["state"] == "ok"


def test_gateways_whose_routes_lead_to_the_same_servers_share_a_topology() -> None:
    elsewhere = model([UPSTREAMS[0], {"name": "feed", "servers": ["f2:80"]}], SITES)
    # Another text, and the same way.
    slower = model(UPSTREAMS, [{**SITES[0], "client_header_timeout": "20s"}])
    report = reported(FLEET[0], healthy("g5", elsewhere), healthy("g6", slower))
    assert [topology["gateways"] for topology in report["topologies"]] == [["g1", "g6"], ["g5"]]
    assert [gateway["topology"] for gateway in report["gateways"]] == [0, 1, 0]
    assert [upstream["name"] for upstream in report["topologies"][0]["upstreams"]] == ["chat", "feed"]


def test_a_route_without_an_upstream_leads_to_its_server_or_to_nothing() -> None:
    locations = [{"path": "/", "proxy_pass": "http://10.0.0.1:8080"}, {"path": "/x", "return": 404}]
    found = healthy("g1", model([], [{"server_name": "a.example", "listen": 80, "locations": locations}]))
    (topology,) = reported(*probed([found], {"10.0.0.1:8080": "refused"}))["topologies"]
    (upstream,) = topology["upstreams"]
    assert (upstream["name"], upstream["servers"][0]["address"], upstream["servers"][0]["state"]) == (
        *("http://10.0.0.1:8080", "10.0.0.1:8080", "down"),
    )


def test_the_most_severe_comes_first() -> None:
    report = reported(*troubled(40))
    kinds = list(dict.fromkeys(finding["kind"] for finding in report["findings"]))
    assert kinds == [
        *("unreachable", "route", "upstream", "deploy", "nginx", "configuration"),
        *("server", "certificate", "drained"),
    ]
    severities = [("error", "warning", "note").index(finding["severity"]) for finding in report["findings"]]
    assert severities == sorted(severities)


def test_a_terminal_gets_a_screenful_of_a_large_fleet() -> None:
    small, large = (text.summary(reported(*troubled(number))).splitlines() for number in (20, 500))
    assert len(large) == len(small) < 80
    routes = wide(100, 10, 1)
    many = text.summary(reported(*(healthy(f"g{number}", routes) for number in range(3))))
    assert len(many.splitlines()) < 30
    assert "and 980 more" in many


def test_the_table_shows_what_fails_and_counts_the_rest() -> None:
    report = reported(changed(FLEET[0], 1, **BAD_GATEWAY), *FLEET[1:])
    table = text.summary(report).rpartition("\n\n")[2].splitlines()
    assert [" ".join(line.split()) for line in table] == [
        "gateway site path status verified ms ms from here",
        "g1 a.example /feed/ 502 FAILED 1.8 2.5",
        "g1 and 1 more all verified",
        "g2 and 2 more a.example / 101 handshake 1.8 (max 1.8) 2.5 (max 2.5)",
        "g2 and 2 more a.example /feed/ 101 handshake 1.8 (max 1.8) 2.5 (max 2.5)",
    ]


class CountedRoutes(list[t.Any]):
    """A list that counts how often its members are read."""

    reads = 0

    def __iter__(self) -> t.Iterator[t.Any]:
        for member in super().__iter__():
            CountedRoutes.reads += 1
            yield member


def test_the_work_for_upstreams_that_are_down_is_linear_in_the_routes() -> None:
    size = 300
    server = {"address": "s:80", "state": "down", "probes": [{"gateway": "g", "failure": REFUSED}]}
    down = {"name": "", "servers": [server]}
    partly = {"name": "", "servers": [server, {**server, "address": "t:80", "state": "up", "probes": []}]}
    routes = CountedRoutes({"site": "a", "path": f"/{n}", "upstream": f"u{n}", "target": ""} for n in range(size))
    upstreams = [{**(down if n % 2 else partly), "name": f"u{n}"} for n in range(size)]
    topology: t.Any = {"gateways": ["g"], "routes": routes, "upstreams": upstreams}
    CountedRoutes.reads = 0
    found = all_findings([], [topology], RUN.time)
    assert sorted(finding["routes"][0] for finding in found) == sorted(f"a /{n}" for n in range(size))
    assert CountedRoutes.reads <= 3 * size


class CountedName(str):
    """A name that counts how often it is hashed."""

    hashes = 0

    def __hash__(self) -> int:
        CountedName.hashes += 1
        return super().__hash__()


def test_the_work_for_gateways_that_differ_is_linear_in_the_gateways() -> None:
    size = 300
    fleet = [healthy(f"g{number}", MODEL) for number in range(size)]
    report = reported(*(changed(found, fingerprint=f"{number:064}") for number, found in enumerate(fleet)))
    gateways: t.Any = [{**gateway, "name": CountedName(gateway["name"])} for gateway in report["gateways"]]
    CountedName.hashes = 0
    (finding,) = all_findings(gateways, [], RUN.time)
    assert len(finding["details"]) == size
    assert CountedName.hashes <= 10 * size
