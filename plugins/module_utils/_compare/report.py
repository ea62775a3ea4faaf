# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The result of a comparison as a text: differences that are alike are told once, with one of their requests."""

from __future__ import annotations

import typing as t

from ansible_collections.wsfleet.nginx.plugins.module_utils._compare.comparison import Difference, Result

# Of one kind of difference that is by design; what is not the same is told whole.
_MOST = 3


def report(result: Result, before: str, after: str) -> str:
    real = [one for one in result.differences if not one.by_design]
    designed = [one for one in result.differences if one.by_design]
    verdict = "not the same" if real else "the same, but for what is by design" if designed else "the same"
    lines = [f"{before} and {after} are {verdict}: {result.requests} requests", *(f"  {one}" for one in result.notes)]
    if real:
        lines += ["", "Not the same"]
        for what, alike in _grouped(real, lambda one: one.what).items():
            lines += [f"- {what}", *_told(alike, len(alike), "")]
    if designed:
        lines += ["", "By design"]
        for purpose, alike in _grouped(designed, lambda one: one.by_design or "").items():
            lines += [f"- {purpose}", *_told(alike, _MOST, "{0.what}: ")]
    return "\n".join(lines) + "\n"


def _told(differences: t.Sequence[Difference], most: int, head: str) -> t.Iterator[str]:
    groups = list(_grouped(differences, lambda one: f"{head.format(one)}{one.before} -> {one.after}").items())
    for values, alike in groups[:most]:
        more = f", and {len(alike) - 1} more" if len(alike) > 1 else ""
        yield f"    {values}"
        yield f"        {alike[0].request}{more}"
    if len(groups) > most:
        yield f"    and {len(groups) - most} more"


def _grouped(differences: t.Iterable[Difference], key: t.Callable[[Difference], str]) -> dict[str, list[Difference]]:
    groups: dict[str, list[Difference]] = {}
    for one in differences:
        groups.setdefault(key(one), []).append(one)
    return groups
