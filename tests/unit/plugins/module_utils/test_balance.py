# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which sockets of an upstream are ended so that its servers even out, with nginx's methods as they choose servers."""

from __future__ import annotations

import random
import typing as t

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils import _balance
from hypothesis import given
from hypothesis import strategies as st

Servers = t.Dict[str, int]
Chooses = t.Callable[["Nginx"], str]


class Nginx:
    """What nginx has of an upstream: since its last reload it counts from zero, and has the rest in old workers."""

    def __init__(self, old: Servers, weights: Servers, choose: Chooses) -> None:
        self.old, self.counted = dict(old), dict.fromkeys(old, 0)
        self.weights, self._choose = weights, choose
        self.turn = dict.fromkeys(old, 0)

    @property
    def counts(self) -> Servers:
        return {server: self.old[server] + self.counted[server] for server in self.old}

    @property
    def takes(self) -> list[str]:
        return [server for server, weight in self.weights.items() if weight]

    def move(self, server: str, *, comes_back: bool = True) -> None:
        """End a socket of a server, of an old worker first."""
        where = self.old if self.old[server] else self.counted
        where[server] -= 1
        if comes_back:
            self.counted[self._choose(self)] += 1


def least_conn(nginx: Nginx) -> str:
    return min(nginx.takes, key=lambda server: nginx.counted[server] / nginx.weights[server])


def round_robin(nginx: Nginx) -> str:
    """Smooth weighted round robin, as nginx has it (ngx_http_upstream_round_robin.c)."""
    for server in nginx.takes:
        nginx.turn[server] += nginx.weights[server]
    chosen = max(nginx.takes, key=nginx.turn.__getitem__)
    nginx.turn[chosen] -= sum(nginx.weights.values())
    return chosen


def random_two_least_conn(nginx: Nginx) -> str:
    weights = [nginx.weights[server] for server in nginx.takes]
    two = random.choices(nginx.takes, weights, k=2)
    return min(two, key=lambda server: nginx.counted[server] / nginx.weights[server])


def found(nginx: Nginx) -> _balance.Found:
    return _balance.Found(nginx.counts, nginx.counts, 2.0)


def moved(nginx: Nginx, *, lost: bool = False, most: int = 20) -> tuple[_balance.Progress, list[list[str]]]:
    """The end of a rebalance, and the servers of each step."""
    progress = _balance.begin("chat", nginx.counts, nginx.weights)
    steps = []
    while progress["state"] == "moving":
        steps.append(_balance.step(progress, nginx.weights, found(nginx), most))
        for server in steps[-1]:
            nginx.move(server, comes_back=not lost)
    return progress, steps


servers = st.lists(st.tuples(st.integers(0, 400), st.integers(1, 5)), min_size=2, max_size=6).map(
    lambda found: (
        {f"s{number}": count for number, (count, _weight) in enumerate(found)},
        {f"s{number}": weight for number, (_count, weight) in enumerate(found)},
    )
)
methods = st.sampled_from([least_conn, round_robin, random_two_least_conn])


@given(servers, methods)
def test_it_ends_with_each_server_within_a_tenth_or_with_a_reason(
    shape: tuple[Servers, Servers], method: Chooses
) -> None:
    counts, weights = shape
    nginx = Nginx(counts, weights, method)
    progress, _steps = moved(nginx)
    assert sum(nginx.counts.values()) == sum(counts.values())
    assert progress["now"] == nginx.counts
    if progress["state"] == "balanced":
        for server, weight in weights.items():
            wanted = sum(counts.values()) * weight / sum(weights.values())
            assert abs(nginx.counts[server] - wanted) <= max(1, 0.1 * wanted) + 1e-6
    else:
        assert progress["reason"]


@given(servers, methods, st.integers(1, 50))
def test_no_step_ends_more_than_would_be_enough_or_takes_a_server_below_its_share(
    shape: tuple[Servers, Servers], method: Chooses, most: int
) -> None:
    counts, weights = shape
    nginx, total = Nginx(counts, weights, method), sum(counts.values())
    progress = _balance.begin("chat", counts, weights)
    while progress["state"] == "moving":
        before = nginx.counts
        chosen = _balance.step(progress, weights, found(nginx), most)
        assert len(chosen) <= min(most, _balance.needed(before, weights, total), max(5, total // 10))
        for server in set(chosen):
            assert before[server] - chosen.count(server) > total * weights[server] / sum(weights.values()) - 1
        for server in chosen:
            nginx.move(server)


@given(servers)
def test_as_few_are_ended_as_possible_where_all_go_where_they_are_missing(shape: tuple[Servers, Servers]) -> None:
    counts, weights = shape

    def emptiest(nginx: Nginx) -> str:
        share = sum(counts.values()) / sum(weights.values())
        off = {server: nginx.counts[server] - share * weight for server, weight in weights.items()}
        return min(nginx.takes, key=lambda server: off[server] / max(1, 0.1 * share * weights[server]))

    progress, _steps = moved(Nginx(counts, weights, emptiest))
    assert progress["state"] in ("balanced", "untouched"), progress
    if progress["state"] == "balanced":
        assert progress["closed"] == _balance.needed(counts, weights, sum(counts.values()))


@given(servers, methods)
def test_a_gateway_whose_clients_do_not_come_back_keeps_nearly_all(
    shape: tuple[Servers, Servers], method: Chooses
) -> None:
    counts, weights = shape
    nginx = Nginx(counts, weights, method)
    progress, _steps = moved(nginx, lost=True)
    assert sum(counts.values()) - sum(nginx.counts.values()) <= max(6, sum(counts.values()) // 10)
    if progress["state"] == "stopped":
        assert "did not come back to this gateway within 60 s" in progress["reason"]


FULL = {"a": 150, "b": 150, "c": 0}
EVEN = {"a": 1, "b": 1, "c": 1}


@pytest.mark.parametrize(("method", "most"), [(least_conn, 275), (round_robin, 275), (random_two_least_conn, 330)])
def test_a_third_server_is_filled_without_moving_clients_twice(method: Chooses, most: int) -> None:
    """A reload has nginx count from zero, so of three clients one goes where they are missing."""
    random.seed(17)
    progress, _steps = moved(Nginx(FULL, EVEN, method))
    assert progress["state"] == "balanced"
    assert progress["closed"] <= most


def test_clients_that_nginx_counts_go_where_they_are_missing() -> None:
    """After a server was away without a reload."""
    nginx = Nginx(dict.fromkeys(FULL, 0), EVEN, least_conn)
    nginx.counted = dict(FULL)
    progress, _steps = moved(nginx)
    assert (progress["state"], progress["closed"]) == ("balanced", 90)


def test_a_server_that_takes_none_ends_it() -> None:
    nginx = Nginx(FULL, EVEN, lambda nginx: min("ab", key=nginx.counted.__getitem__))
    progress, _steps = moved(nginx)
    assert progress["state"] == "stopped"
    assert progress["reason"].endswith("nginx sends too few of them to c: is it reachable, and below its max_conns?")
    assert progress["closed"] < 60


def test_a_server_that_gets_most_again_ends_it() -> None:
    others = [f"s{number}" for number in range(9)]
    nginx = Nginx({"a": 160, **dict.fromkeys(others, 100)}, dict.fromkeys(["a", *others], 1), lambda _nginx: "a")
    progress, _steps = moved(nginx)
    assert progress["state"] == "stopped"
    assert progress["reason"].endswith("nginx sends most of them to a again")


def test_backup_servers_are_emptied() -> None:
    nginx = Nginx({"a": 50, "b": 50, "spare": 40}, {"a": 1, "b": 1, "spare": 0}, least_conn)
    progress, _steps = moved(nginx)
    assert (progress["state"], nginx.counts["spare"], progress["closed"]) == ("balanced", 0, 40)


def test_a_few_users_who_leave_do_not_end_it() -> None:
    nginx = Nginx(FULL, EVEN, least_conn)
    progress = _balance.begin("chat", nginx.counts, EVEN)
    number = 0
    while progress["state"] == "moving":
        for server in _balance.step(progress, EVEN, found(nginx), 20):
            number += 1
            nginx.move(server, comes_back=number % 20 != 0)
    assert progress["state"] == "balanced"


@pytest.mark.parametrize(
    ("counts", "weights", "reason"),
    [
        ({"a": 20, "b": 4}, {"a": 1, "b": 1}, ""),
        ({"a": 9, "b": 4}, {"a": 1, "b": 1}, "13 sockets on 2 servers are too few to tell whether they are balanced"),
        ({"a": 1, "b": 0}, {"a": 1, "b": 1}, "1 socket on 2 servers are too few to tell whether they are balanced"),
        ({"a": 900}, {"a": 1}, "it has no second server that takes clients"),
        ({"spare": 9, "second": 900}, {"spare": 0, "second": 0}, "it has no second server that takes clients"),
        ({}, {}, "it has no second server that takes clients"),
    ],
)
def test_it_says_where_there_is_nothing_to_balance(counts: Servers, weights: Servers, reason: str) -> None:
    progress = _balance.begin("chat", counts, weights)
    assert (progress["state"], progress["reason"]) == ("untouched" if reason else "moving", reason)
