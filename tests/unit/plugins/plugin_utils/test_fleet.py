# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of each gateway of a run."""

from __future__ import annotations

import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._fleet import Summary, outcome, summary, verdict

ASKED: dict[str, t.Any] = {"__websockets_preflight": {"nginx_version": "1.22.1"}}
PROBE = {"site": "a", "path": "/", "status": 101, "verified": "handshake", "milliseconds": 1.0}


def deployed(**result: t.Any) -> dict[str, t.Any]:
    return {**ASKED, "__websockets_result": {"changed": False, "probes": [PROBE], "actions": [], **result}}


CHANGED = deployed(changed=True, actions=["wrote /a", "reloaded nginx"])
VERIFIED = deployed()
LOST = {**ASKED, "__websockets_result": {"unreachable": True, "msg": "No route to host\nand more"}}
NEVER_THERE = {"__websockets_preflight": {"unreachable": True, "msg": "Task failed: Connection timed out"}}
UNDONE = {
    **ASKED,
    "__websockets_failure": {"rolled_back": True, "msg": "This deploy is rolled back: 1 route.\nLive now: it."},
}
FAILED = {**ASKED, "__websockets_failure": {"msg": "apt-get failed"}, "__websockets_result": {"changed": True}}


def of(gateways: dict[str, t.Any], batch: list[str], **others: bool) -> Summary:
    return summary(gateways, batch, list(gateways)[-1], **others)


def test_each_gateway_has_one_state() -> None:
    assert [outcome(facts)[0] for facts in (CHANGED, VERIFIED, LOST, NEVER_THERE, UNDONE, FAILED, ASKED)] == [
        *("changed", "verified", "unreachable", "unreachable", "rolled back", "failed", "not started"),
    ]
    assert outcome(deployed(probes=[])).state == "unchanged"


def test_the_summary_counts_and_names_all_of_them() -> None:
    gateways = {"g1": CHANGED, "g2": CHANGED, "g3": UNDONE, "g4": ASKED, "g5": NEVER_THERE, "g6": VERIFIED}
    assert of(gateways, ["g2", "g3"])["text"].splitlines() == [
        "6 gateways: 2 changed, 1 verified, 1 not started, 1 unreachable, 1 rolled back",
        "",
        "changed      g1, g2: wrote /a, reloaded nginx",
        "verified     g6",
        "not started  g4",
        "unreachable  g5: Connection timed out",
        "rolled back  g3: This deploy is rolled back: 1 route.",
        "",
        "gateway  site  path  status  verified    ms",
        "g1       a     /        101  handshake  1.0",
        "g2       a     /        101  handshake  1.0",
        "g6       a     /        101  handshake  1.0",
    ]


def test_routes_that_are_not_verified_are_counted_and_marked() -> None:
    unverified = {**PROBE, "status": 404, "verified": "", "unverified": "the backend itself answers 404 at /"}
    gateways = {
        "g1": deployed(changed=True, actions=["reloaded nginx"], probes=[unverified, PROBE, unverified]),
        "g2": deployed(probes=[unverified]),
    }
    assert of(gateways, ["g2"])["text"].splitlines() == [
        "2 gateways: 1 changed, 1 verified",
        "",
        "changed   g1: reloaded nginx, 2 routes not verified",
        "verified  g2: 1 route not verified",
        "",
        "gateway  site  path  status  verified       ms",
        "g1       a     /        404  not verified  1.0",
        "g1       a     /        101  handshake     1.0",
        "g1       a     /        404  not verified  1.0",
        "g2       a     /        404  not verified  1.0",
    ]


def test_check_mode_says_what_would_be() -> None:
    first = of({"g1": CHANGED}, ["g1"], check_mode=True)["text"].splitlines()[0]
    assert first == "1 gateway: 1 would change"


def test_a_failure_in_the_batch_stops_the_run() -> None:
    for failure in (UNDONE, FAILED):
        found = of({"g1": VERIFIED, "g2": failure, "g3": ASKED}, ["g1", "g2"])
        assert (found["stops"], found["is_last"]) == (True, True)


def test_one_that_is_lost_stops_nobody_unless_it_is_the_whole_batch() -> None:
    gateways = {"g1": VERIFIED, "g2": LOST, "g3": ASKED}
    some = of(gateways, ["g1", "g2"])
    assert (some["stops"], some["is_last"], some["unreachable"]) == (False, False, ["g2"])
    assert of(gateways, ["g2"])["stops"]


def test_the_last_batch_is_the_one_with_the_last_gateway() -> None:
    gateways = {"g1": VERIFIED, "g2": CHANGED}
    assert not of(gateways, ["g1"])["is_last"]
    assert of(gateways, ["g2"])["is_last"]


def test_the_errors_of_all_gateways_are_one_message() -> None:
    both = {"errors": ["a: is", "b: too"]}
    models: dict[str, dict[str, t.Any]] = {"g1": both, "g2": {"errors": []}, "g3": both}
    assert verdict(models, {})["errors"].splitlines() == [
        "The variables of g1, g3 have errors:",
        "- a: is",
        "- b: too",
    ]
    assert verdict({"g2": models["g2"]}, {})["errors"] == ""


def test_a_warning_is_told_once_in_a_run_and_names_who_it_is_for() -> None:
    models: dict[str, dict[str, t.Any]] = {
        "g1": {"errors": [], "warnings": ["w", "v"]},
        "g2": {"errors": [], "warnings": ["w"]},
    }
    first = verdict(models, {})
    assert first["warnings"] == ["w", "g1: v"]
    more: dict[str, dict[str, t.Any]] = {**models, "g2": {"errors": [], "warnings": ["w", "u"]}}
    assert verdict(more, first["told"])["warnings"] == ["g2: u"]
