# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A transaction and its probes; nginx and the probes are stood in for."""

from __future__ import annotations

import typing as t
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import processes, service
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe import diagnosis, routes
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import deploy
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction.journal import Deployed
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction.transaction import (
    Transaction,
    TransactionError,
)
from transacting import Host, stand_in

PROBE = {
    "site": "a.example",
    "path": "/",
    "connect_to": "127.0.0.1:80",
    "url": "ws://a.example/",
    "websocket": True,
    "strict": True,
}


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    stand_in(monkeypatch)
    monkeypatch.setattr(diagnosis, "probe_backends", lambda results: results)
    return Host(tmp_path)


def probes(count: int) -> list[dict[str, t.Any]]:
    return [{**PROBE, "path": f"/{number}/"} for number in range(count)]


# The address of a site is on another host.
ELSEWHERE = "192.0.2.10 is not on this host now"
ABROAD = routes.Result(PROBE, routes.Response(None, ""), "", None, unverified=ELSEWHERE, is_elsewhere=True)


def answers(*rounds: str | Exception) -> t.Callable[..., list[routes.Result]]:
    """The results of each round of probes: all fail with these words, or pass with none, or cannot be made."""
    left = list(rounds)

    def probed(
        given: t.Sequence[routes.Probe], _patience: float = 0.0, *, on_gateway: bool = True
    ) -> list[routes.Result]:
        assert on_gateway
        words = left.pop(0)
        if isinstance(words, Exception):
            raise words
        if words == ELSEWHERE:
            return [replace(ABROAD, probe=probe) for probe in given]
        response = routes.Response(502 if words else 101, words)
        return [routes.Result(probe, response, "" if words else "handshake", 1.0) for probe in given]

    return probed


def respond(monkeypatch: pytest.MonkeyPatch, *rounds: str | Exception) -> None:
    probed = answers(*rounds)
    for module in (deploy, diagnosis):
        monkeypatch.setattr(module, "probe_all", probed)


def transaction_after_test(host: Host) -> Transaction:
    deal = host.transaction(host.after)
    deal.test()
    return deal


NO_THREADS = RuntimeError("can't start new thread")
UNPROBED = "the routes could not be probed: RuntimeError: can't start new thread"


def test_probes_that_cannot_be_made_roll_back_and_say_what_is_live(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    respond(monkeypatch, "", NO_THREADS)
    with pytest.raises(TransactionError) as raised:
        deploy.run(transaction_after_test(host), probes(1), "rollback")
    assert str(raised.value) == f"{UNPROBED}\nLive now: the earlier files are back, and nginx serves them."
    assert host.now == host.whole(host.before)
    assert (host.kept.unfinished(), host.left_over) == (None, [])


def test_probes_that_cannot_be_made_before_the_deploy_change_nothing(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    respond(monkeypatch, NO_THREADS)
    with pytest.raises(TransactionError) as raised:
        deploy.run(transaction_after_test(host), probes(1), "rollback")
    assert str(raised.value) == f"{UNPROBED}; nothing was changed"
    assert host.now == host.whole(host.before)


def test_probes_that_cannot_be_made_after_a_roll_back_are_said(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    respond(monkeypatch, "", "refused the connection", NO_THREADS)
    report = deploy.run(transaction_after_test(host), probes(1), "rollback")
    assert report.rolled_back
    live = "Live now: the earlier files are back, and nginx serves them."
    assert report.failure.splitlines()[:2] == [
        "Rolled back: 1 of 1 routes failed its probe.",
        f"{live} After that {UNPROBED}",
    ]


def test_a_deploy_that_breaks_a_route_is_rolled_back(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    respond(monkeypatch, "", "refused the connection", "")
    report = deploy.run(transaction_after_test(host), probes(2), "rollback")
    assert report.rolled_back
    assert report.failure.splitlines()[:3] == [
        "Rolled back: 2 of 2 routes failed their probes.",
        "Live now: the earlier files are back, and nginx serves them. Routes that passed before pass again.",
        "What to fix:",
    ]
    assert host.now == host.whole(host.before)


@pytest.mark.parametrize(
    ("policy", "rounds", "why"),
    [
        ("rollback", ["refused", "refused"], "this deploy did not cause the failure"),
        ("warn", ["refused"], "policy is warn"),
    ],
)
def test_a_deploy_that_is_kept_says_why(
    host: Host, monkeypatch: pytest.MonkeyPatch, policy: str, rounds: list[str], why: str
) -> None:
    host.kept.set_deployed(host.kept.deployed()._replace(probes=probes(1)))
    respond(monkeypatch, *rounds)
    report = deploy.run(transaction_after_test(host), probes(1), policy)
    assert not report.rolled_back
    assert report.failure.splitlines()[:2] == [
        "1 of 1 routes failed its probe.",
        f"Live now: the new configuration. Kept: {why}.",
    ]
    assert host.now == host.whole(host.after)
    assert host.is_called_ok(host.after)


def test_a_thousand_routes_that_fail_are_not_compared_with_each_other(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compared(_one: object, _other: object) -> bool:
        raise AssertionError

    respond(monkeypatch, "", "refused", "")
    monkeypatch.setattr(routes.Result, "__eq__", compared)
    assert deploy.run(transaction_after_test(host), probes(1000), "rollback").rolled_back


def test_an_nginx_that_ends_while_its_routes_are_probed_is_not_called_live(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was killed, say. A first deploy, which has no earlier configuration, is no exception."""
    respond(monkeypatch, "refused")
    started: list[object] = []

    def start(build: object) -> None:
        started.append(build)
        host.reload()

    deployment = transaction_after_test(host)
    deployment.apply([])
    monkeypatch.setattr(processes, "master_pid", lambda _build: None)
    monkeypatch.setattr(processes, "orphans", set)
    monkeypatch.setattr(service, "start", start)
    monkeypatch.setattr(deployment, "apply", lambda _passed: [])
    with pytest.raises(TransactionError) as raised:
        deploy.run(deployment, probes(1), "warn")
    assert str(raised.value) == (
        "the routes could not be probed: nginx has ended: see its error log and `systemctl status nginx`\n"
        "Live now: the earlier files are back, and nginx serves them: it had ended, and was started again."
    )
    assert len(started) == 1
    assert host.now == host.whole(host.before)


@pytest.mark.parametrize("rounds", [("", ELSEWHERE), (ELSEWHERE, ELSEWHERE)])
def test_a_route_whose_address_has_left_the_host_is_no_reason_to_roll_back(
    host: Host, monkeypatch: pytest.MonkeyPatch, rounds: tuple[str, ...]
) -> None:
    respond(monkeypatch, *rounds)
    found = deploy.run(transaction_after_test(host), probes(1), "rollback")
    assert (found.failure, found.rolled_back) == ("", False)
    assert [result.unverified for result in found.results] == [ELSEWHERE]
    assert host.kept.deployed().passed == []


def test_a_route_whose_address_comes_to_the_host_did_not_pass_before(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    respond(monkeypatch, ELSEWHERE, "returned 502")
    host.kept.set_deployed(Deployed(probes(1), []))
    found = deploy.run(transaction_after_test(host), probes(1), "rollback")
    assert "Kept: this deploy did not cause the failure" in found.failure


REFUSAL = {**PROBE, "rule": "origin", "variable": "websockets_sites[0].allowed_origins", "refused_with": [403]}
OPENED = "rule origin: a handshake with a foreign Origin returned 101 Switching Protocols, not 403"


def judged(monkeypatch: pytest.MonkeyPatch, opened: t.Sequence[bool]) -> list[list[tuple[str, str]]]:
    """All routes pass; whether what is to be refused is open in each round. Returns what each round probes."""
    left, rounds = list(opened), []

    def probed(
        given: t.Sequence[routes.Probe], _patience: float = 0.0, *, on_gateway: bool = True
    ) -> list[routes.Result]:
        rounds.append([(probe["path"], probe.get("rule") or "") for probe in given])
        is_open = left.pop(0)
        return [
            routes.Result(probe, routes.Response(101, OPENED), "", 1.0)
            if probe.get("rule") and is_open
            else routes.Result(probe, routes.Response(101, ""), "passed", 1.0)
            for probe in given
        ]

    for module in (deploy, diagnosis):
        monkeypatch.setattr(module, "probe_all", probed)
    return rounds


WITH_RULES = [{**PROBE, "rule": None}, REFUSAL]


def test_a_deploy_that_opens_what_was_refused_is_rolled_back(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.kept.set_deployed(host.kept.deployed()._replace(probes=WITH_RULES))
    judged(monkeypatch, [False, True, False])
    report = deploy.run(transaction_after_test(host), WITH_RULES, "rollback")
    assert report.rolled_back
    assert report.failure.splitlines() == [
        "Rolled back: 1 of 1 requests that must be refused was not.",
        "Live now: the earlier files are back, and nginx serves them. Routes that passed before pass again.",
        "What to fix:",
        f"- websockets_sites[0].allowed_origins (a.example /): {OPENED}, but passed before this deploy",
        "  nginx does not refuse it: check the directives of this location and its site, and other files of nginx",
    ]
    assert host.now == host.whole(host.before)


@pytest.mark.parametrize(
    ("recorded", "is_rolled_back"),
    [
        # A rule that is new in this deploy: to try it before might have reached a backend.
        ([{**PROBE, "rule": None}], True),
        # Recorded by a release that did not know rules: it may have been open before.
        ([PROBE], False),
    ],
)
def test_what_is_to_be_refused_from_now_on_is_tried_after_the_deploy_alone(
    host: Host, monkeypatch: pytest.MonkeyPatch, recorded: list[dict[str, t.Any]], is_rolled_back: bool
) -> None:
    host.kept.set_deployed(host.kept.deployed()._replace(probes=recorded))
    rounds = judged(monkeypatch, [False, True, False])
    report = deploy.run(transaction_after_test(host), WITH_RULES, "rollback")
    assert rounds[:2] == [[("/", "")], [("/", ""), ("/", "origin")]]
    assert (report.rolled_back, OPENED in report.failure) == (is_rolled_back, True)


def test_nothing_that_is_to_be_refused_is_tried_at_files_that_no_deploy_has_recorded(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds = judged(monkeypatch, [False, False])
    report = deploy.run(transaction_after_test(host), WITH_RULES, "rollback")
    assert rounds == [[("/", "")], [("/", ""), ("/", "origin")]]
    assert not report.failure
    assert host.kept.deployed().passed == ["127.0.0.1:80 a.example /", "127.0.0.1:80 a.example / origin"]
