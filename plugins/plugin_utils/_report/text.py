# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report for a terminal: the verdict, what is wrong, and a table in which gateways that are alike share a line."""

from __future__ import annotations

import typing as t
from statistics import median

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report.schema import (
    Answer,
    Gateway,
    Problem,
    Report,
    Route,
    some,
)
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report.table import aligned

_PROBLEMS = 12
_ITEMS = 3
_NAMES = 100
# Lines of the table, of routes that are verified.
_VERIFIED = 20
_HEADER = ("gateway", "site", "path", "status", "verified", "ms", "ms from here")
_NUMBERS = ("status", "ms", "ms from here")


def summary(report: Report) -> str:
    """What a person reads at the end of the run."""
    problems = report["problems"]
    lines = [f"{report['verdict']}."]
    for problem in problems[:_PROBLEMS]:
        lines += ["", *_told(problem)]
    if problems[_PROBLEMS:]:
        lines += ["", f"- and {some([problem['title'] for problem in problems[_PROBLEMS:]], 5)}"]
    table = _table(report["gateways"])
    return "\n".join([*lines, "", *table] if table else lines)


def failure(report: Report) -> str:
    """The gateways that do not serve all their routes or could not be asked, in one line, or nothing."""
    names = [gateway["name"] for gateway in report["gateways"] if gateway["state"] != "well"]
    return f"{report['verdict']}. Not these: {some(names, _NAMES)}" if names else ""


def _told(problem: Problem) -> t.Iterator[str]:
    yield f"- {problem['title']}"
    if problem["text"]:
        yield f"  {problem['text']}"
    for item in problem["items"][:_ITEMS]:
        yield f"  - {item}"
    if problem["items"][_ITEMS:]:
        yield f"  - and {len(problem['items']) - _ITEMS:,} more"


def _table(gateways: t.Sequence[Gateway]) -> list[str]:
    groups: dict[tuple[object, ...], list[Gateway]] = {}
    for gateway in gateways:
        # What could not be asked stands above.
        if gateway["state"] != "unreachable":
            groups.setdefault(tuple(map(_outcome, gateway["routes"])), []).append(gateway)
    ordered = sorted(groups.values(), key=lambda alike: alike[0]["state"] == "well")
    rows = [row for alike in ordered for row in _rows(alike)]
    return aligned(_HEADER, rows, _NUMBERS) if rows else []


def _outcome(route: Route) -> tuple[object, ...]:
    answers = route["gateway"], route["controller"]
    seen = ((answer["status"], answer["verified"]) if answer else None for answer in answers)
    return (route["site"], route["path"], route["state"], *seen)


def _rows(alike: t.Sequence[Gateway]) -> t.Iterator[tuple[str, ...]]:
    """The routes of gateways that are alike: what is not verified, or the first where all is."""
    name, routes = some([gateway["name"] for gateway in alike], 1), alike[0]["routes"]
    shown = [number for number, route in enumerate(routes) if route["state"] in ("failed", "unverified")]
    shown = shown or list(range(min(len(routes), _VERIFIED)))
    for number in shown:
        route = routes[number]
        answer = route["gateway"] or route["controller"]
        status = str(answer["status"] or "") if answer else ""
        own = _milliseconds([gateway["routes"][number]["gateway"] for gateway in alike])
        outside = _milliseconds([gateway["routes"][number]["controller"] for gateway in alike])
        yield (name, route["site"], route["path"], status, _words(route), own, outside)
    if routes[len(shown) :]:
        yield (name, f"and {len(routes) - len(shown):,} more", "", "", "all verified", "", "")


def _words(route: Route) -> str:
    if route["state"] == "unprobed":
        return "not asked"
    own, outside = route["gateway"], route["controller"]
    if own and own["failure"]:
        return "FAILED"
    if route["state"] == "unverified":
        return "not verified"
    verified = own["verified"] if own else ""
    return f"{verified}, but NOT from the controller" if outside and outside["failure"] else verified


def _milliseconds(answers: t.Sequence[Answer | None]) -> str:
    """That of one, or the median and the most of several."""
    times = [answer["milliseconds"] for answer in answers if answer and answer["milliseconds"] is not None]
    if not times:
        return "" if any(answers) else "-"
    return f"{times[0]:.1f}" if len(times) == 1 else f"{median(times):.1f} (most {max(times):.1f})"
