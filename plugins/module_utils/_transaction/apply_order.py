# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An order of changes in which nginx accepts the files after each of them, since a run may be killed after any."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction.atomic_files import Change, Content

# Changes that are tested together.
Step = t.List[Change]
# Whether nginx accepts the files after a step, given the content of all files that were changed by then.
Accepts = t.Callable[[Step, t.Mapping[Path, t.Optional[Content]]], bool]


def ordered(changes: t.Sequence[Change], secrets: t.Collection[Path], accepts: Accepts) -> list[Change] | None:
    """The changes in such an order, or None if there is none. secrets are the paths of those that contain keys."""
    order = _order(_steps(changes, secrets), {}, accepts)
    return None if order is None else [change for step in order for change in step]


def _steps(changes: t.Sequence[Change], secrets: t.Collection[Path]) -> list[Step]:
    """One step for each change, but secrets that cannot depend on each other share steps: there may be a thousand."""
    new: Step = []
    whole: Step = []
    gone: Step = []
    alone: list[Step] = []
    for change in changes:
        if change.path not in secrets:
            alone.append([change])
        elif change.now is None:
            new.append(change)
        elif change.after is None:
            gone.append(change)
        elif _is_whole(change.now) and _is_whole(change.after):
            whole.append(change)
        else:
            alone.append([change])
    return [step for step in (new, *alone, whole, gone) if step]


def _is_whole(content: Content) -> bool:
    """Whether it is a certificate with its own key, so that no other file has to change with it."""
    return b"-----BEGIN CERTIFICATE-----" in content.data and b" PRIVATE KEY-----" in content.data


def _order(steps: list[Step], done: t.Mapping[Path, Content | None], accepts: Accepts) -> list[Step] | None:
    # The files after the last step are the candidate, which was tested before.
    if len(steps) < 2:
        return steps
    for step in steps:
        now = {**done, **{change.path: change.after for change in step}}
        if accepts(step, now):
            rest = _order([other for other in steps if other is not step], now, accepts)
            if rest is not None:
                return [step, *rest]
    return None
