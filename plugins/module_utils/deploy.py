# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A transaction and its probes: made, verified, and kept or rolled back as the operator's policy says."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.wsfleet.nginx.plugins.module_utils._probe import diagnosis
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.routes import (
    Probe,
    Result,
    ask_backends,
    probe_all,
    route,
)
from ansible_collections.wsfleet.nginx.plugins.module_utils.state import Deployed
from ansible_collections.wsfleet.nginx.plugins.module_utils.transaction import Transaction

POLICIES = ("rollback", "fail", "warn", "skip")
# Once more, and with an upstream of several servers a few times: least_conn tries them by turns.
_PATIENCE = 1.0


@dataclass(frozen=True)
class Report:
    """What was done, in an operator's words, and what is wrong with it."""

    actions: list[str] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    failure: str = ""
    rolled_back: bool = False


def run(transaction: Transaction, probes: t.Sequence[Probe], policy: str) -> Report:
    """Deploy and probe; call after the transaction's test(). A TransactionError where nginx does not go live."""
    before = transaction.deployed.probes
    known = {route(probe) for probe in before}
    routes = {route(probe) for probe in probes}
    # As they were verified before, for a deploy may change a probe too. The path of a new route may have led elsewhere.
    old: t.Sequence[Probe] = [probe for probe in before if route(probe) in routes] if before else probes
    passed = set(transaction.passed)
    revocable = policy == "rollback" and transaction.can_return
    if revocable:
        passed |= {result.route for result in probe_all(old) if not result.failed}
    actions = transaction.run(sorted(passed)) if transaction.needed else []
    asked = ask_backends(probe_all(probes, _PATIENCE)) if policy != "skip" else []
    results = [diagnosis.judged(result, passed) for result in asked]
    failed = [result for result in results if result.failed]
    broken = [result for result in failed if diagnosis.is_deploys(result, passed=passed, known=known)]
    if revocable and broken:
        others = [result for result in failed if result not in broken]
        said = _undone(transaction, old, passed)
        head = [
            f"This deploy is rolled back: with it {_counted(failed, results)}.",
            f"Live now: {said}",
            "What to fix:",
        ]
        return Report(failure="\n".join([*head, *diagnosis.told(broken + others, passed)]), rolled_back=True)
    verified = sorted(result.route for result in results if result.verified)
    transaction.commit(Deployed([dict(probe) for probe in probes], verified))
    if not failed:
        return Report(actions, results)
    head = [f"{_counted(failed, results).capitalize()}.", f"Live now: {_kept(transaction, revocable)}", "What to fix:"]
    return Report(actions, results, "\n".join([*head, *diagnosis.told(failed, passed)]))


def _counted(failed: t.Sequence[Result], results: t.Sequence[Result]) -> str:
    return f"{len(failed)} of {len(results)} routes {'is' if len(failed) == 1 else 'are'} not verified"


def _kept(transaction: Transaction, revocable: bool) -> str:
    if not transaction.needed:
        return "the configuration that was live before this run."
    why = ""
    if revocable:
        why = ": the fault is not the deploy's"
    elif not transaction.can_return:
        why = ": there is none to return to"
    return f"the new configuration. It stays{why}."


def _undone(transaction: Transaction, probes: t.Sequence[Probe], passed: t.Collection[str]) -> str:
    said = transaction.undo()
    again = probe_all([probe for probe in probes if route(probe) in passed], _PATIENCE)
    failed = [diagnosis.place(result) for result in again if result.failed]
    said = f"{said[0].lower()}{said[1:]}"
    if failed:
        return f"{said} Even so, not verified any more: {', '.join(failed)}."
    return f"{said} What was verified before is verified again." if again else said
