# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A transaction and its probes: applied, probed, and settled or rolled back according to the policy."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx.service import ServiceError
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe import diagnosis
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.routes import (
    Probe,
    Result,
    probe_all,
    route,
)
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction.journal import Deployed
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction.transaction import (
    Transaction,
    TransactionError,
)

POLICIES = ("rollback", "fail", "warn", "skip")


@dataclass(frozen=True)
class Report:
    """What was done, as the operator reads it, and what failed."""

    actions: list[str] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    failure: str = ""
    rolled_back: bool = False


def run(transaction: Transaction, probes: t.Sequence[Probe], policy: str) -> Report:
    """Deploy and probe; call after the transaction's test(). TransactionError if nginx does not load the files."""
    plan = transaction.plan
    before = transaction.before.deployed.probes
    known = {route(probe) for probe in before}
    routes = {route(probe) for probe in probes}
    refusals = [probe for probe in probes if probe.get("rule")]
    if not any("rule" in probe for probe in before):
        # Until 1.0. What is refused on a route was not recorded before 0.11.0.
        known |= {route(probe) for probe in refusals if route({**probe, "rule": None}) in known}
    # The earlier probes, since a deploy may change a probe too. The path of a new route may have led elsewhere, and a
    # backend may have served what is to be refused from now on.
    old: t.Sequence[Probe] = (
        [probe for probe in before if route(probe) in routes]
        if before
        else [probe for probe in probes if probe not in refusals]
    )
    passed = set(transaction.before.passed)
    revocable = policy == "rollback" and plan.has_earlier
    if revocable:
        try:
            passed |= {result.route for result in probe_all(old) if result.verified}
        except Exception as error:
            raise TransactionError(f"{_unprobed(error)}; nothing was changed") from error
    actions = transaction.apply(sorted(passed)) if plan.is_needed else []
    try:
        logged = transaction.error_log().about
        results = diagnosis.probe_routes(probes, passed, logged) if policy != "skip" else []
        failed = [result for result in results if result.failed]
        if failed:
            transaction.check_runs()
        caused, others = _parted(
            failed, lambda result: diagnosis.is_caused_by_deploy(result, passed=passed, known=known)
        )
    except Exception as error:
        live = transaction.roll_back() if plan.is_needed else "what was live before this run."
        raise TransactionError(f"{_unprobed(error)}\nLive now: {live}") from error
    if revocable and caused:
        live = _rolled_back(transaction, old, passed)
        head = [f"Rolled back: {_counted(failed, results)}.", f"Live now: {live}", "What to fix:"]
        return Report(failure="\n".join([*head, *diagnosis.describe(caused + others, passed)]), rolled_back=True)
    verified = sorted(result.route for result in results if result.verified)
    transaction.settle(Deployed([dict(probe) for probe in probes], verified))
    if not failed:
        return Report(actions, results)
    head = [f"{_counted(failed, results)}.", f"Live now: {_kept(transaction, policy)}", "What to fix:"]
    return Report(actions, results, "\n".join([*head, *diagnosis.describe(failed, passed)]))


def _parted(results: t.Sequence[Result], is_first: t.Callable[[Result], bool]) -> tuple[list[Result], list[Result]]:
    parts: tuple[list[Result], list[Result]] = ([], [])
    for result in results:
        parts[0 if is_first(result) else 1].append(result)
    return parts


def _counted(failed: t.Sequence[Result], results: t.Sequence[Result]) -> str:
    words = []
    for is_rule, what, one, many in (
        (False, "routes", "failed its probe", "failed their probes"),
        (True, "requests that must be refused", "was not", "were not"),
    ):
        number = sum(bool(result.rule) is is_rule for result in failed)
        if number:
            total = sum(bool(result.rule) is is_rule for result in results)
            words.append(f"{number} of {total} {what} {one if number == 1 else many}")
    return " and ".join(words)


def _unprobed(error: Exception) -> str:
    """An unexpected error, for example if no more threads can be started."""
    if isinstance(error, ServiceError):
        return f"the routes could not be probed: {error}"
    return f"the routes could not be probed: {type(error).__name__}: {error}"


def _kept(transaction: Transaction, policy: str) -> str:
    if not transaction.plan.is_needed:
        return "the configuration that was live before this run."
    why = f"policy is {policy}"
    if not transaction.plan.has_earlier:
        why = "there is no earlier configuration to return to"
    elif policy == "rollback":
        why = "this deploy did not cause the failure"
    return f"the new configuration. Kept: {why}."


def _rolled_back(transaction: Transaction, probes: t.Sequence[Probe], passed: t.Collection[str]) -> str:
    live = transaction.roll_back()
    try:
        again = probe_all([probe for probe in probes if route(probe) in passed], diagnosis.PATIENCE)
    except Exception as error:
        return f"{live} After that {_unprobed(error)}"
    failed = [diagnosis.label(result) for result in again if result.failed]
    if failed:
        return f"{live} Even so, routes that passed before fail now: {', '.join(failed)}."
    return f"{live} Routes that passed before pass again." if again else live
