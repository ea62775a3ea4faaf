# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a report says of a fleet: what is wrong, in which words, and with all that it concerns."""

from __future__ import annotations

import typing as t
from dataclasses import replace

import pytest
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report import text
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report.schema import Problem, Report
from fleets import (
    BAD_GATEWAY,
    REFUSED,
    asked,
    but,
    model,
    outside,
    reported,
    troubled,
    unreachable,
    well,
    wide,
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
FLEET = [well(f"g{number}", MODEL) for number in range(1, 5)]


def problems(report: Report, kind: str) -> list[Problem]:
    return [problem for problem in report["problems"] if problem["kind"] == kind]


def only(report: Report, kind: str) -> Problem:
    (found,) = problems(report, kind)
    return found


def titles(report: Report) -> list[str]:
    return [problem["title"] for problem in report["problems"]]


def test_a_fleet_that_is_well_has_no_problems() -> None:
    report = reported(*asked(FLEET, {}))
    assert (report["state"], report["verdict"], report["problems"]) == (
        *("well", "All 4 gateways serve all their routes", []),
    )
    assert report["time"] == "2026-01-31T03:00:00Z"
    counts = {key: number for key, number in report["counts"].items() if number}
    assert counts == {
        **{"gateways": 4, "gateways_well": 4, "routes": 8, "routes_verified": 8},
        **{"servers": 4, "servers_up": 4},
    }
    assert text.failure(report) == ""


@pytest.mark.parametrize(
    ("fleet", "verdict"),
    [
        ([], "No gateway was asked"),
        (FLEET[:1], "g1 serves all its routes"),
        ([unreachable("g1", MODEL)], "g1 does not serve all its routes"),
        ([FLEET[0], unreachable("g2", MODEL)], "1 of 2 gateways serves all its routes"),
        ([*FLEET, unreachable("g5", MODEL)], "4 of 5 gateways serve all their routes"),
        ([but(FLEET[0], file="edited"), FLEET[1]], "All 2 gateways serve all their routes, with 1 warning"),
    ],
)
def test_the_first_line_says_who_serves_all_routes(fleet: t.Any, verdict: str) -> None:
    report = reported(*fleet)
    assert report["verdict"] == verdict
    assert text.summary(report).splitlines()[0] == f"{verdict}."


def test_routes_that_fail_alike_on_the_same_gateways_are_one_problem() -> None:
    broken = [but(but(found, 0, **BAD_GATEWAY), 1, **BAD_GATEWAY) for found in FLEET[:3]]
    other = but(FLEET[3], 1, status=None, failure="timed out after 5 s", milliseconds=None)
    first, second = problems(reported(*broken, other), "route")
    assert first["title"] == "a.example /, a.example /feed/ are not verified on g1, g2, g3"
    assert first["text"] == f"Returned 502 Bad Gateway. Probed directly: server01:3000 {REFUSED}."
    assert (first["severity"], first["gateways"], first["routes"]) == (
        *("error", ["g1", "g2", "g3"], ["a.example /", "a.example /feed/"]),
    )
    assert (second["title"], second["gateways"]) == ("a.example /feed/ is not verified on g4", ["g4"])


def test_a_route_that_only_the_controller_cannot_reach_points_at_what_is_between() -> None:
    refused = {"status": None, "failure": "g1:80 refused the connection: nothing listens there"}
    report = reported(outside(FLEET[0], 0, **refused), *FLEET[1:])
    problem = only(report, "route")
    assert problem["title"] == "a.example / is not verified on g1, seen from the controller"
    assert problem["text"].endswith("The gateway itself probes it: look at what is between, such as a firewall.")
    assert report["gateways"][0]["state"] == "failed"
    # What both see is told once, as the gateway sees it.
    both = but(outside(FLEET[0], 0, **refused), 0, **BAD_GATEWAY)
    assert only(reported(both), "route")["text"].startswith("Returned 502")


WHY = "the backend returns 404 at /; set probe.path, such as /socket.io/?EIO=4&transport=websocket"
UNVERIFIED = {"status": 404, "unverified": WHY}
ELSEWHERE = {"status": 404, "failure": "returned 404 Not Found", "hint": "it serves nothing there"}


def test_a_route_that_is_not_verified_is_a_warning_that_says_what_to_set() -> None:
    fleet = [outside(but(found, 0, **UNVERIFIED), 0, **ELSEWHERE) for found in FLEET[:2]]
    report = reported(*asked(fleet, {"s1:80": "answered", "s2:80": "closed", "s3:80": "closed"}))
    problem = only(report, "route")
    assert (problem["severity"], problem["title"]) == ("warning", "a.example / is not verified on g1, g2")
    assert problem["text"] == f"T{WHY[1:]}."
    # What its servers answer is no error of theirs.
    assert titles(report) == [problem["title"]]
    assert (report["state"], report["verdict"]) == (
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


def test_a_route_that_is_not_verified_fails_where_the_controller_is_answered_otherwise() -> None:
    found = outside(but(FLEET[0], 0, **UNVERIFIED), 0, status=403, failure="returned 403 Forbidden")
    report = reported(found)
    assert only(report, "route")["title"] == "a.example / is not verified on g1, seen from the controller"
    # It was not sent through nginx, and nothing listens there for the controller.
    refused = outside(but(FLEET[0], 0, status=None, unverified=WHY), 0, status=None, failure="refused the connection")
    assert reported(refused)["gateways"][0]["state"] == "failed"
    unasked = replace(but(FLEET[0], 0, **UNVERIFIED), controller={"probes": []})
    assert [route["state"] for route in reported(unasked)["gateways"][0]["routes"]] == ["unverified", "verified"]


@pytest.mark.parametrize("state", ["answered", "closed"])
def test_a_server_that_takes_no_handshake_is_down_where_another_one_does(state: str) -> None:
    report = reported(*asked(FLEET, {"s2:80": state}))
    assert titles(report) == ["1 server is down: s2:80"]


def test_a_gateway_that_cannot_be_asked_is_an_error_whatever_the_controller_probes() -> None:
    report = reported(*FLEET[:2], unreachable("g3", MODEL, "Task failed: ssh:\n  No route to host"))
    problem = only(report, "unreachable")
    assert problem["items"] == ["g3: ssh: No route to host (from the controller 2 of 2 routes verified)"]
    assert report["state"] == "errors"
    assert [route["state"] for route in report["gateways"][2]["routes"]] == ["unknown", "unknown"]
    assert text.failure(report) == "2 of 3 gateways serve all their routes. Not these: g3"
    silent = replace(unreachable("g3", MODEL), controller={})
    assert only(reported(silent), "unreachable")["items"] == ["g3: Connection timed out"]


def test_a_server_that_is_down_is_told_with_who_sees_it_and_what_it_serves() -> None:
    report = reported(*asked(FLEET, {"s2:80": "refused"}))
    problem = only(report, "server")
    assert problem["title"] == "1 server is down: s2:80"
    seen = f"Probed directly: {REFUSED}; seen by 3 of 3 gateways that asked, "
    assert problem["text"].startswith(seen)
    assert problem["text"].endswith(". 2 others of chat are left.")
    assert (problem["severity"], problem["routes"], len(problem["gateways"])) == ("warning", ["a.example /"], 3)
    both = only(reported(*asked(FLEET, {"s2:80": "refused", "s3:80": "refused"})), "server")
    assert both["title"] == "2 servers are down: s2:80, s3:80"
    assert [item.split(":80: ")[0] for item in both["items"]] == ["s2", "s3"]
    assert report["state"] == "warnings"


def test_a_server_that_only_some_gateways_reach_is_told_apart() -> None:
    fleet = asked(FLEET[:2], {"s2:80": "silent"})
    report = reported(fleet[0], *asked(FLEET[1:2], {}))
    assert only(report, "server")["title"] == "1 server is down for some: s2:80"
    assert report["counts"]["servers_partly"] == 1


def test_an_upstream_without_a_live_server_is_one_problem_and_not_one_for_each() -> None:
    report = reported(*asked(FLEET, {"s1:80": "refused", "s2:80": "silent", "s3:80": "refused"}))
    problem = only(report, "upstream")
    assert problem["title"] == "The upstream chat has no live server"
    assert (len(problem["items"]), problem["routes"]) == (3, ["a.example /"])
    assert problems(report, "server") == []


def test_servers_that_want_what_nginx_adds_are_not_down() -> None:
    all_alike = reported(*asked(FLEET, {f"s{number}:80": "answered" for number in (1, 2, 3)}))
    assert all_alike["problems"] == []
    one = only(reported(*asked(FLEET, {"s2:80": "answered"})), "server")
    assert one["title"] == "1 server is down: s2:80"


def test_drained_servers_are_told_and_no_error() -> None:
    drained = [but(found, drained=["s2:80"]) for found in asked(FLEET, {"s2:80": "refused"})]
    report = reported(*drained)
    assert titles(report) == ["1 server is drained"]
    assert (report["state"], report["counts"]["servers_drained"]) == ("well", 1)
    off = model([{"name": "chat", "servers": ["s1:80", {"address": "s2:80", "down": True}]}, UPSTREAMS[1]], SITES)
    report = reported(*asked([well("g1", off)], {"s2:80": "refused"}))
    assert titles(report) == ["1 server is down by the inventory"]
    assert report["problems"][0]["items"] == ["s2:80 of the upstream chat"]


def test_a_gateway_that_is_out_of_its_balancers_is_told_and_no_error() -> None:
    report = reported(but(FLEET[0], out=True), *FLEET[1:])
    assert (titles(report), report["state"]) == (["1 gateway is out of the balancers: g1"], "well")


def test_a_gateway_that_serves_another_configuration_than_its_equals_stands_out() -> None:
    odd = but(FLEET[1], fingerprint="b" * 64)
    problem = only(reported(FLEET[0], odd, *FLEET[2:]), "configuration")
    assert problem["title"] == "1 gateway serves another configuration than 3 others: g2"
    assert (problem["gateways"], problem["items"]) == (["g2"], ["g2: bbbbbbbb"])


def test_gateways_whose_variables_differ_may_serve_different_configurations() -> None:
    other = model([UPSTREAMS[0], {"name": "feed", "servers": ["f2:80"]}], SITES)
    assert reported(*FLEET, but(well("g5", other), fingerprint="b" * 64))["problems"] == []


def test_the_text_may_depend_on_the_version_of_nginx() -> None:
    fleet = [well(f"g{number}", MODEL) for number in (1, 2, 3)]
    old = but(but(fleet[0], nginx_version="1.18.0"), fingerprint="b" * 64)
    assert [problem["kind"] for problem in reported(old, *fleet[1:])["problems"]] == ["nginx"]
    # It does not change with each of them.
    for version in ("1.26.3", "1.29.1"):
        same = but(but(fleet[0], nginx_version=version), fingerprint="b" * 64)
        assert only(reported(same, *fleet[1:]), "configuration")["gateways"] == ["g1"]


@pytest.mark.parametrize(("depends", "kinds"), [(True, []), (False, ["configuration"])])
def test_the_text_may_depend_on_the_version_of_openssl(depends: bool, kinds: list[str]) -> None:
    fleet = [well(f"g{number}", {**MODEL, "depends_on_openssl": depends}) for number in (1, 2, 3)]
    old = but(but(fleet[0], openssl_version="3.0.15"), fingerprint="b" * 64)
    assert [problem["kind"] for problem in reported(old, *fleet[1:])["problems"]] == kinds


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"file": "edited"}, "The file is not as the last deploy left it on g2"),
        ({"file": "other"}, "The file is not what nginx serves on g2"),
        ({"file": "missing"}, "The file is not there on g2"),
        ({"file": "missing", "fingerprint": None}, "nginx does not tell its configuration on g2"),
    ],
)
def test_a_file_that_is_not_what_was_deployed_is_a_warning(told: dict[str, t.Any], words: str) -> None:
    report = reported(FLEET[0], but(FLEET[1], **told), *FLEET[2:])
    assert (titles(report), report["state"]) == ([words], "warnings")


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ("2026-01-31T02:59:59Z", "has expired"),
        ("2026-01-31T12:00:00Z", "ends in less than a day"),
        ("2026-02-14T03:00:00Z", "ends in 14 days"),
        ("2026-02-14T03:00:01Z", None),
    ],
)
def test_a_certificate_that_soon_ends_is_a_warning(end: str, words: str | None) -> None:
    report = reported(but(FLEET[0], 0, expires=end), *FLEET[1:])
    assert titles(report) == ([f"The certificate of a.example {words}"] if words else [])


def test_versions_of_nginx_that_differ_are_noted() -> None:
    report = reported(but(FLEET[0], nginx_version="1.22.1"), *FLEET[1:])
    assert only(report, "nginx")["items"] == ["nginx 1.22.1: 1 gateway, g1", "nginx 1.26.3: 3 gateways, g2, g3, g4"]
    assert report["state"] == "well"


def test_gateways_that_lead_to_the_same_places_share_a_topology() -> None:
    elsewhere = model([UPSTREAMS[0], {"name": "feed", "servers": ["f2:80"]}], SITES)
    # Another text, and the same way.
    slower = model(UPSTREAMS, [{**SITES[0], "client_header_timeout": "20s"}])
    report = reported(FLEET[0], well("g5", elsewhere), well("g6", slower))
    assert [topology["gateways"] for topology in report["topologies"]] == [["g1", "g6"], ["g5"]]
    assert [gateway["topology"] for gateway in report["gateways"]] == [0, 1, 0]
    assert [upstream["name"] for upstream in report["topologies"][0]["upstreams"]] == ["chat", "feed"]


def test_a_route_without_an_upstream_leads_to_its_server_or_to_nothing() -> None:
    locations = [{"path": "/", "proxy_pass": "http://10.0.0.1:8080"}, {"path": "/x", "return": 404}]
    found = well("g1", model([], [{"server_name": "a.example", "listen": 80, "locations": locations}]))
    (topology,) = reported(*asked([found], {"10.0.0.1:8080": "refused"}))["topologies"]
    (upstream,) = topology["upstreams"]
    assert (upstream["name"], upstream["servers"][0]["address"], upstream["servers"][0]["state"]) == (
        *("http://10.0.0.1:8080", "10.0.0.1:8080", "down"),
    )


def test_the_most_severe_comes_first() -> None:
    report = reported(*troubled(40))
    kinds = list(dict.fromkeys(problem["kind"] for problem in report["problems"]))
    assert kinds == ["unreachable", "route", "upstream", "server", "certificate", "configuration", "nginx", "drained"]
    severities = [("error", "warning", "note").index(problem["severity"]) for problem in report["problems"]]
    assert severities == sorted(severities)


def test_a_terminal_gets_a_screenful_of_a_large_fleet() -> None:
    small, large = (text.summary(reported(*troubled(number))).splitlines() for number in (20, 500))
    assert len(large) == len(small) < 80
    routes = wide(100, 10, 1)
    many = text.summary(reported(*(well(f"g{number}", routes) for number in range(3))))
    assert len(many.splitlines()) < 30
    assert "and 980 more" in many


def test_the_table_shows_what_fails_and_counts_the_rest() -> None:
    report = reported(but(FLEET[0], 1, **BAD_GATEWAY), *FLEET[1:])
    table = text.summary(report).rpartition("\n\n")[2].splitlines()
    assert [" ".join(line.split()) for line in table] == [
        "gateway site path status verified ms ms from here",
        "g1 a.example /feed/ 502 FAILED 1.8 2.5",
        "g1 and 1 more all verified",
        "g2 and 2 more a.example / 101 handshake 1.8 (most 1.8) 2.5 (most 2.5)",
        "g2 and 2 more a.example /feed/ 101 handshake 1.8 (most 1.8) 2.5 (most 2.5)",
    ]
