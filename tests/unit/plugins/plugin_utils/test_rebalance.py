# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rebalance reports of all gateways."""

from __future__ import annotations

import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils import _rebalance

UPSTREAM = {
    "name": "chat",
    "state": "balanced",
    "reason": "",
    "before": {"s1:1": 150, "s2:1": 0},
    "now": {"s1:1": 78, "s2:1": 72},
    "needed": 0,
    "closed": 140,
}
STAYED = {**UPSTREAM, "name": "api", "state": "untouched", "reason": "it is bound", "closed": 0}
LOST = "9 of the 9 clients whose sockets were closed did not come back to this gateway within 60 s"
STOPPED = {**UPSTREAM, "state": "stopped", "reason": LOST, "closed": 9}


def facts(*upstreams: t.Mapping[str, t.Any], **more: t.Any) -> dict[str, t.Any]:
    return {"__websockets_model": {}, "__websockets_rebalanced": {"upstreams": list(upstreams), **more}}


def result(gateways: t.Mapping[str, t.Any], forks: int = 5, *, check_mode: bool = False) -> _rebalance.Rebalanced:
    return _rebalance.result(gateways.get, [*gateways, "left out"], forks, check_mode=check_mode)


def test_it_says_what_was_moved_where_and_once_what_was_not() -> None:
    even = {**UPSTREAM, "closed": 0, "now": UPSTREAM["before"]}
    found = result({"g1": facts(UPSTREAM, STAYED), "g2": facts(even, STAYED), "g3": facts(even, STAYED)})
    assert found == {
        "text": "chat on g1: balanced, 140 sockets moved (s1:1 150 to 78, s2:1 0 to 72).\n"
        "api on g1, g2, g3: nothing is moved: it is bound.\n"
        "chat on g2, g3: balanced already.",
        "failures": {},
    }


def test_check_mode_says_what_would_be_moved_at_least() -> None:
    moving = {**UPSTREAM, "state": "moving", "now": UPSTREAM["before"], "needed": 1, "closed": 0}
    assert result({"g1": facts(moving)}, check_mode=True) == {
        "text": "chat on g1: would move 1 socket or more (s1:1 150, s2:1 0).",
        "failures": {},
    }


def test_a_gateway_that_is_not_balanced_fails_the_run() -> None:
    assert result({"g1": facts(STOPPED)}) == {
        "text": f"chat on g1: not balanced, 9 sockets moved (s1:1 150 to 78, s2:1 0 to 72): {LOST}.",
        "failures": {"g1": f"Not balanced: chat: {LOST}."},
    }


def test_clients_may_be_on_gateways_whose_turn_has_not_come() -> None:
    gateways = {f"g{number}": facts(STOPPED) for number in range(6)}
    assert result(gateways).get("text", "").splitlines()[-1] == (
        "Clients may have come back to other gateways: all 6 have to be rebalanced at once, so run the playbook again "
        "with --forks 6."
    )
    assert "--forks" not in result(gateways, forks=6)["text"]


def test_gateways_that_were_not_asked_are_named() -> None:
    gone = {"__websockets_model": {}, "__websockets_rebalanced": {"unreachable": True, "msg": "no route"}}
    failed = {"__websockets_model": {}, "__websockets_rebalanced": {"msg": "cannot count the connections: why"}}
    removed: dict[str, t.Any] = {"__websockets_model": {}}
    assert result({"g1": gone, "g2": failed, "g3": removed}) == {
        "text": "Not done on g1, g2: see below.",
        "failures": {
            "g1": "This gateway was unreachable, so its sockets are where they were.",
            "g2": "The sockets of this gateway are not balanced: cannot count the connections: why",
        },
    }


def test_progress_is_one_line() -> None:
    assert _rebalance.progress("g1", {**UPSTREAM, "closed": 1}) == "g1: chat: 1 socket moved, s1:1 78, s2:1 72"
