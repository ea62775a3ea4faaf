# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of the report: whatever a fleet is like, nothing is lost, nothing breaks out, and the counts add up."""

from __future__ import annotations

import json
import re
import typing as t
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import yaml
from ansible_collections.wsfleet.nginx.plugins.filter.fleet_report import fleet_report
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report.build import Found
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report.html import page
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report.junit import junit
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report.schema import Report, clean
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report.text import summary
from fleets import changed, from_controller, healthy, model, probed, reported, troubled, unreachable, wide, with_nginx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rendering import ROOT

SLOW = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60)
HOSTILE = "<script>alert(1)</script>&\"'</td>\x00\x1b[2J\ud800]]>"
WORDS = st.one_of(st.just(HOSTILE), st.text(min_size=1, max_size=20))
STATES = st.sampled_from(["up", "refused", "timeout", "unexpected", "closed"])


# More servers than a picture shows one by one, more routes than a table, and neither.
MODELS = [wide(1, 3, 12), wide(2, 9, 2), wide(1, 1, 1)]
UPSTREAMS = [upstream for of in MODELS for upstream in of["upstreams"]]
ADDRESSES = sorted({server["address"] for upstream in UPSTREAMS for server in upstream["servers"]})


@st.composite
def fleets(draw: st.DrawFn) -> list[Found]:
    """Some gateways, each with anything wrong."""
    fleet = []
    for number in range(draw(st.integers(0, 4))):
        found = healthy(f"g{number}{draw(st.sampled_from(['', HOSTILE[:30]]))}", draw(st.sampled_from(MODELS)))
        for place in range(len(found.model["probes"])):
            failed = {"status": draw(st.sampled_from([None, 502])), "failure": draw(WORDS), "hint": draw(WORDS)}
            which = draw(st.sampled_from(["", "", "gateway", "controller", "both", "unverified"]))
            unverified = {"status": draw(st.sampled_from([None, 404])), "unverified": draw(WORDS)}
            found = changed(found, place, **unverified) if which == "unverified" else found
            found = changed(found, place, **failed) if which in ("gateway", "both") else found
            found = from_controller(found, place, **failed) if which in ("controller", "both") else found
        found = changed(found, file=draw(st.sampled_from(["live", "not_loaded", "edited", "missing"])))
        found = changed(found, fingerprint=draw(st.sampled_from(["a" * 64, "b" * 64, None])))
        if draw(st.integers(0, 4)) == 0:
            found = replace(found, gateway=unreachable("", found.model, draw(WORDS)).gateway)
        fleet.append(found)
    return probed(fleet, draw(st.dictionaries(st.sampled_from(ADDRESSES), STATES)))


class Page(HTMLParser):
    """The elements of a page, the texts of its findings, and whether its elements nest."""

    VOID = ("meta", "input", "br", "rect", "path")
    # Whose end tags HTML lets out.
    OPEN = ("td", "th", "tr")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str | None]] = []
        self.findings: list[str] = []
        self._open: list[str] = []
        self._is_problem = False
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += attrs
        if tag == "h3":
            self.findings.append("")
        if tag in ("h2", "h3"):
            self._is_problem = tag == "h3"
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._open[-1] in self.OPEN and self._open[-1] != tag:
            self._open.pop()
        if tag not in self.VOID:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._is_problem:
            self.findings[-1] += data


def failing(report: Report) -> set[tuple[str, str]]:
    """Each gateway with each of its routes that is not verified, but for those of gateways that were not asked."""
    return in_state(report, "failed")


def in_state(report: Report, state: str) -> set[tuple[str, str]]:
    return {
        (gateway["name"], f"{route['site']} {route['path']}")
        for gateway in report["gateways"]
        for route in gateway["routes"]
        if route["state"] == state
    }


def of_routes(suites: ElementTree.Element, result: str) -> set[tuple[str | None, str | None]]:
    """The testcases of routes with a result."""
    cases = suites.iterfind(f"testsuite/testcase/{result}/..")
    found = {(case.get("classname"), case.get("name")) for case in cases}
    return {(name, route) for name, route in found if not str(name).startswith("findings.")}


@given(fleet=fleets())
@SLOW
def test_every_failing_route_is_in_all_three_files(fleet: list[Found]) -> None:
    report = reported(*fleet)
    expected = {
        (found.name, f"{route['site']} {route['path']}")
        for found in fleet
        for route in found.model["routes"]
        for answers in (found.gateway.get("probes", ()), found.controller)
        for probe in answers
        if probe["at"] == route["at"] and probe["failure"]
    }
    assert failing(json.loads(json.dumps(report))) == expected
    findings = Page(page(report)).findings
    suites = ElementTree.fromstring(junit(report).encode())
    cases = of_routes(suites, "failure")
    assert cases == {(clean(name), route) for name, route in expected}
    for name, route in expected:
        assert any(clean(name) in finding and route in finding for finding in findings), (name, route)
    unverified = in_state(report, "unverified")
    skipped = of_routes(suites, "skipped")
    assert skipped == {(clean(name), route) for name, route in unverified}
    assert page(report).count("<small>not verified: ") <= len(unverified)
    for name, route in unverified:
        assert any(clean(name) in finding and route in finding for finding in findings), (name, route)
    lost = {found.name for found in fleet if "probes" not in found.gateway}
    assert {gateway["name"] for gateway in report["gateways"] if gateway["state"] == "unreachable"} == lost
    assert all(any(clean(name) in finding for finding in findings) for name in lost)


@given(fleet=fleets())
@SLOW
def test_the_counts_of_junit_are_those_of_its_elements_and_of_the_report(fleet: list[Found]) -> None:
    report = reported(*fleet)
    root = ElementTree.fromstring(junit(report).encode())
    check_schema(root)
    for suite in [root, *root]:
        assert int(suite.attrib["tests"]) == len(suite.findall(".//testcase"))
        for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(suite.attrib[attribute]) == len(suite.findall(f".//{tag}"))
    counts = report["counts"]
    # Those that are not the failures of routes and gateways.
    others = Counter(
        f["severity"]
        for f in report["findings"]
        if f["kind"] not in ("route", "unreachable") and (f["kind"], f["severity"]) != ("upstream", "error")
    )
    assert {name: int(root.attrib[name]) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": counts["routes"] + others.total(),
        "failures": counts["routes_failed"] + others["error"],
        "errors": counts["routes_unknown"],
        "skipped": counts["routes_not_probed"] + counts["routes_unverified"] + others["warning"],
    }
    assert counts["gateways"] == len(fleet) == sum(counts[f"gateways_{s}"] for s in ("ok", "failed", "unreachable"))
    states = ("up", "down", "partial", "drained", "disabled", "not_probed")
    assert counts["servers"] == sum(counts[f"servers_{state}"] for state in states)


# What the schema of Jenkins' xUnit plugin allows, and GitLab and GitHub's actions read.
SCHEMA = {
    "testsuites": ({"name", "tests", "failures", "errors", "skipped", "time"}, {"testsuite"}),
    "testsuite": ({"name", "timestamp", "tests", "failures", "errors", "skipped", "time"}, {"properties", "testcase"}),
    "properties": (set(), {"property"}),
    "property": ({"name", "value"}, set()),
    "testcase": ({"classname", "name", "time"}, {"failure", "error", "skipped", "system-out"}),
    "system-out": (set(), set()),
    "failure": ({"type", "message"}, set()),
    "error": ({"type", "message"}, set()),
    "skipped": ({"message"}, set()),
}


def check_schema(root: ElementTree.Element) -> None:
    assert root.tag == "testsuites"
    for element in root.iter():
        attributes, children = SCHEMA[element.tag]
        assert set(element.keys()) == attributes
        assert {child.tag for child in element} <= children
        if element.tag == "testcase":
            assert len(element) <= 1
        assert float(element.get("time", "0")) >= 0


@given(fleet=fleets())
@SLOW
def test_text_of_gateways_and_peers_is_escaped(fleet: list[Found]) -> None:
    text = page(reported(*fleet))
    text.encode()
    found = Page(text)
    assert not {"link", "img", "iframe", "object", "base", "form"} & found.tags.keys()
    names = {name for name, _value in found.attributes}
    assert not {name for name in names if name.startswith("on")} | ({"src", "action", "style"} & names)
    assert all(value and value.startswith("#") for name, value in found.attributes if name == "href")
    # One element of each kind for what has one, whatever the texts hold.
    assert [found.tags[tag] for tag in ("html", "body", "h1", "style", "script")] == [1] * 5


def test_every_file_and_the_terminal_name_the_inventory_the_time_and_the_version() -> None:
    report = reported(healthy("g1", wide()))
    assert (report["inventory"], report["collection_version"]) == (["/fleet/production"], "0.8.0")
    suite = ElementTree.fromstring(junit(report).encode())[0]
    assert suite.get("timestamp") == "2026-01-31T03:00:00"
    properties = {item.get("name"): item.get("value") for item in suite.iterfind("properties/property")}
    assert properties == {"inventory": "/fleet/production", "wsfleet.nginx": "0.8.0"}
    said = "inventory /fleet/production; wsfleet.nginx 0.8.0."
    assert said in page(report)
    assert summary(report).splitlines()[1] == f"Probed at 2026-01-31T03:00:00Z; {said}"


def test_text_that_was_made_to_break_out_is_shown_as_it_is() -> None:
    fleet = [changed(healthy(HOSTILE, wide()), 0, status=None, failure=HOSTILE, hint=HOSTILE)]
    text = page(reported(*fleet))
    assert text.count("<script>") == 1
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&amp;&quot;&#x27;&lt;/td&gt;\ufffd\ufffd[2J\ufffd]]&gt;" in text


def test_a_name_within_another_one_is_listed_all_the_same() -> None:
    """A gateway gw1 whose site is called gw10."""
    ends = changed(
        healthy("gw1", model([], [{**SITE, "server_name": "gw10", "locations": LOCATIONS}])), 0, expires=SOON
    )
    (finding,) = Page(page(reported(ends))).findings
    assert finding.strip().endswith("Gateways: gw1")


SOON = "2026-02-01T00:00:00Z"
LOCATIONS = [{"path": "/", "return": 200}]


def test_a_large_fleet_makes_a_page_of_less_than_a_megabyte() -> None:
    many_routes = wide(1000, 3, 2)
    for fleet in (troubled(500), [healthy(f"g{number}", many_routes) for number in range(20)]):
        assert len(page(reported(*fleet))) < 1_000_000


def test_a_thousand_healthy_sites_take_no_more_room_than_a_few() -> None:
    """But in the list of all names, where they are found."""
    large, small = (page(reported(healthy("g", wide(number, 1, 1)))) for number in (1000, 30))
    large, small = (re.sub('<details class="all">.*?</details>', "", text) for text in (large, small))
    assert len(large) < len(small) + 200


def test_every_topology_is_drawn_or_described() -> None:
    fleet = [
        healthy(f"g{number}", model([{"name": "a", "servers": [f"s{number}:80"]}], [SITE])) for number in range(30)
    ]
    text = page(reported(*probed(fleet, {"s25:80": "refused"})))
    assert text.count("<svg ") == 6
    assert all(f">g{number}" in text for number in range(30))
    # What has something wrong comes first.
    assert text.index("s25:80 refused") < text.index(">s0:80<")


SITE = {"server_name": "a.example", "listen": 80, "locations": [{"path": "/", "upstream": "a"}]}


def test_an_unverified_route_is_shown_with_what_to_set_and_fails_no_pipeline() -> None:
    why = "the backend closes the connection at /; set probe.origin: http://a.example"
    report = reported(changed(healthy("g1", wide(1, 2, 2)), 0, status=None, unverified=why, milliseconds=None))
    (case,) = ElementTree.fromstring(junit(report).encode()).iterfind(".//skipped/..")
    assert [child.get("message") for child in case] == [f"not verified: {why}"]
    text = page(report)
    assert f"<td class=unverified>! no response / 101 2.5<small>not verified: {why}</small>" in text
    assert "1 route not verified; 1 of 2 routes verified." in text


def test_each_finding_is_a_testcase_that_fails_as_the_run_does() -> None:
    found = probed([with_nginx(healthy("g1", wide(1, 1, 2)), is_enabled=False)], {"10.0.0.0:3000": "refused"})
    old = [{"workers": 2, "since": "2026-01-31T02:00:00Z", "sockets": None, "bytes": None}]
    report = reported(*found, with_nginx(healthy("g2", wide(1, 1, 2)), generations=old))
    for fail_on, results in (
        ("errors", ["failure", "skipped", "system-out"]),
        ("warnings", ["failure"] * 2 + ["system-out"]),
    ):
        suite = ElementTree.fromstring(junit(report, fail_on).encode())[0].findall("testcase")
        assert [(case.get("classname"), case.get("name"), case[0].tag) for case in suite] == [
            ("findings.nginx", "nginx does not start at boot on g1", results[0]),
            ("findings.server", "1 server is down: 10.0.0.0:3000", results[1]),
            ("findings.nginx", "Earlier generations of nginx's workers still have open sockets on g2", results[2]),
        ]
        assert "systemctl enable nginx" in str(suite[0][0].text)
        assert str(suite[0][0].text).endswith("gateways: g1")


def test_a_dead_upstream_is_the_failure_of_its_routes_alone() -> None:
    bad = {"status": 502, "failure": "returned 502 Bad Gateway", "hint": ""}
    report = reported(*probed([changed(healthy("g1", wide(1, 1, 1)), 0, **bad)], {"10.0.0.0:3000": "refused"}))
    assert [finding["severity"] for finding in report["findings"]] == ["error"]
    (failure,) = ElementTree.fromstring(junit(report).encode()).iterfind(".//failure/..")
    assert failure.get("classname") == "g1"


def test_the_filter_leaves_out_removed_gateways() -> None:
    found = healthy("g1", wide())
    variables: dict[str, dict[str, t.Any]] = {
        "g1": {"__websockets_model": found.model, "__websockets_probe": found.gateway},
        "g2": {
            "__websockets_model": {"errors": ["any"]},
            "__websockets_probe": {"changed": False, "skipped": True, "skip_reason": "Conditional result was False"},
        },
    }
    made = fleet_report(variables, ["g1", "g2"], "2026-01-31T12:00:00.123456+00:00", ["/fleet"])
    assert made["failure"] == ""
    report = json.loads(made["files"]["report.json"])
    assert ([gateway["name"] for gateway in report["gateways"]], report["time"]) == (["g1"], "2026-01-31T12:00:00Z")
    galaxy = yaml.safe_load((ROOT / "galaxy.yml").read_text())
    assert (report["inventory"], report["collection_version"]) == (["/fleet"], galaxy["version"])
    assert made["files"].keys() == {"report.json", "junit.xml", "index.html"}


class CountedGateways(list[t.Any]):
    """A list that counts how often its members are read."""

    reads = 0

    def __iter__(self) -> t.Iterator[t.Any]:
        for member in super().__iter__():
            CountedGateways.reads += 1
            yield member


def test_the_work_for_gateways_that_all_differ_is_linear() -> None:
    size = 60
    models = [model([{"name": "a", "servers": [f"s{number}:80"]}], [SITE]) for number in range(size)]
    report = reported(*(healthy(f"g{number}", of) for number, of in enumerate(models)))
    gateways: t.Any = CountedGateways(report["gateways"])
    CountedGateways.reads = 0
    page({**report, "gateways": gateways})
    assert CountedGateways.reads <= 5 * size
