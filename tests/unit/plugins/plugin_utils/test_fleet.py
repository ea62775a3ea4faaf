# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of each gateway of a run."""

from __future__ import annotations

import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._fleet import Summary, outcome, summary, verdict

ASKED: dict[str, t.Any] = {"__websockets_preflight": {"nginx_version": "1.22.1"}}
PROOF = {"site": "a", "path": "/", "status": 101, "proven": "handshake", "milliseconds": 1.0}


def deployed(**result: t.Any) -> dict[str, t.Any]:
    return {**ASKED, "__websockets_result": {"changed": False, "proofs": [PROOF], "actions": [], **result}}


CHANGED = deployed(changed=True, actions=["wrote /a", "reloaded nginx"])
PROVEN = deployed()
LOST = {**ASKED, "__websockets_result": {"unreachable": True, "msg": "No route to host\nand more"}}
NEVER_THERE = {"__websockets_preflight": {"unreachable": True, "msg": "Task failed: Connection timed out"}}
UNDONE = {**ASKED, "__websockets_failure": {"undone": True, "msg": "This deploy is undone: 1 route.\nLive now: it."}}
FAILED = {**ASKED, "__websockets_failure": {"msg": "apt-get failed"}, "__websockets_result": {"changed": True}}


def of(gateways: dict[str, t.Any], batch: list[str], **others: bool) -> Summary:
    return summary(gateways, batch, list(gateways)[-1], **others)


def test_each_gateway_has_one_state() -> None:
    assert [outcome(facts)[0] for facts in (CHANGED, PROVEN, LOST, NEVER_THERE, UNDONE, FAILED, ASKED)] == [
        *("changed", "proven", "unreachable", "unreachable", "undone", "failed", "untouched"),
    ]
    assert outcome(deployed(proofs=[])).state == "unchanged"


def test_the_summary_counts_and_names_all_of_them() -> None:
    gateways = {"g1": CHANGED, "g2": CHANGED, "g3": UNDONE, "g4": ASKED, "g5": NEVER_THERE, "g6": PROVEN}
    assert of(gateways, ["g2", "g3"])["text"].splitlines() == [
        "6 gateways: 2 changed, 1 proven, 1 untouched, 1 unreachable, 1 undone",
        "",
        "changed      g1, g2: wrote /a, reloaded nginx",
        "proven       g6",
        "untouched    g4",
        "unreachable  g5: Connection timed out",
        "undone       g3: This deploy is undone: 1 route.",
        "",
        "gateway  site  path  status  proven      ms",
        "g1       a     /        101  handshake  1.0",
        "g2       a     /        101  handshake  1.0",
        "g6       a     /        101  handshake  1.0",
    ]


def test_routes_that_are_not_verified_are_counted_and_marked() -> None:
    unverified = {**PROOF, "status": 404, "proven": "", "unverified": "the backend itself answers 404 at /"}
    gateways = {
        "g1": deployed(changed=True, actions=["reloaded nginx"], proofs=[unverified, PROOF, unverified]),
        "g2": deployed(proofs=[unverified]),
    }
    assert of(gateways, ["g2"])["text"].splitlines() == [
        "2 gateways: 1 changed, 1 proven",
        "",
        "changed  g1: reloaded nginx, 2 routes not verified",
        "proven   g2: 1 route not verified",
        "",
        "gateway  site  path  status  proven         ms",
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
        found = of({"g1": PROVEN, "g2": failure, "g3": ASKED}, ["g1", "g2"])
        assert (found["stops"], found["is_last"]) == (True, True)


def test_one_that_is_lost_stops_nobody_unless_it_is_the_whole_batch() -> None:
    gateways = {"g1": PROVEN, "g2": LOST, "g3": ASKED}
    some = of(gateways, ["g1", "g2"])
    assert (some["stops"], some["is_last"], some["unreachable"]) == (False, False, ["g2"])
    assert of(gateways, ["g2"])["stops"]


def test_the_last_batch_is_the_one_with_the_last_gateway() -> None:
    gateways = {"g1": PROVEN, "g2": CHANGED}
    assert not of(gateways, ["g1"])["is_last"]
    assert of(gateways, ["g2"])["is_last"]


def test_the_faults_of_all_gateways_are_one_message() -> None:
    both = {"faults": ["a: is", "b: too"]}
    models: dict[str, dict[str, t.Any]] = {"g1": both, "g2": {"faults": []}, "g3": both}
    assert verdict(models, {})["faults"].splitlines() == [
        "The variables of g1, g3 have faults:",
        "- a: is",
        "- b: too",
    ]
    assert verdict({"g2": models["g2"]}, {})["faults"] == ""


def test_a_warning_is_told_once_in_a_run_and_names_who_it_is_for() -> None:
    models: dict[str, dict[str, t.Any]] = {
        "g1": {"faults": [], "warnings": ["w", "v"]},
        "g2": {"faults": [], "warnings": ["w"]},
    }
    first = verdict(models, {})
    assert first["warnings"] == ["w", "g1: v"]
    more: dict[str, dict[str, t.Any]] = {**models, "g2": {"faults": [], "warnings": ["w", "u"]}}
    assert verdict(more, first["told"])["warnings"] == ["g2: u"]
