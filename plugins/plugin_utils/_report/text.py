# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report for a terminal: the summary, the findings, and a table where gateways with equal results share a line."""

from __future__ import annotations

import typing as t
from statistics import median

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report.schema import (
    Finding,
    Gateway,
    ProbeResult,
    Report,
    Route,
    abbreviated,
    provenance,
)
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report.table import aligned

_FINDINGS = 12
_DETAILS = 3
_NAMES = 100
# Lines of the table, of routes that are verified.
_VERIFIED = 20
_HEADER = ("gateway", "site", "path", "status", "verified", "ms", "ms from here")
_NUMBERS = ("status", "ms", "ms from here")


def summary(report: Report) -> str:
    """The text at the end of the run."""
    findings = report["findings"]
    lines = [f"{report['summary']}.", f"Probed at {report['time']}; {provenance(report)}."]
    for finding in findings[:_FINDINGS]:
        lines += ["", *_lines(finding)]
    if findings[_FINDINGS:]:
        lines += ["", f"- and {abbreviated([finding['title'] for finding in findings[_FINDINGS:]], 5)}"]
    table = _table(report["gateways"])
    return "\n".join([*lines, "", *table] if table else lines)


def failure(report: Report, fail_on: str = "errors") -> str:
    """The gateways that failed or are unreachable, or have warnings if these count, in one line; or nothing."""
    if report["state"] == "errors":
        names, words = (
            [gateway["name"] for gateway in report["gateways"] if gateway["state"] != "ok"],
            "Failed or unreachable",
        )
    elif report["state"] == "warnings" and fail_on == "warnings":
        warned = {
            name for finding in report["findings"] if finding["severity"] == "warning" for name in finding["gateways"]
        }
        names = [gateway["name"] for gateway in report["gateways"] if gateway["name"] in warned]
        words = "websockets_verify_fail_on is warnings, and they concern"
    else:
        return ""
    return f"{report['summary']}. {words}: {abbreviated(names, _NAMES)}"


def _lines(finding: Finding) -> t.Iterator[str]:
    yield f"- {finding['severity']}: {finding['title']}"
    if finding["text"]:
        yield f"  {finding['text']}"
    for detail in finding["details"][:_DETAILS]:
        yield f"  - {detail}"
    if finding["details"][_DETAILS:]:
        yield f"  - and {len(finding['details']) - _DETAILS:,} more"


def _table(gateways: t.Sequence[Gateway]) -> list[str]:
    groups: dict[tuple[object, ...], list[Gateway]] = {}
    for gateway in gateways:
        # Those that are unreachable have a finding.
        if gateway["state"] != "unreachable":
            groups.setdefault(tuple(map(_outcome, gateway["routes"])), []).append(gateway)
    ordered = sorted(groups.values(), key=lambda group: group[0]["state"] == "ok")
    rows = [row for group in ordered for row in _rows(group)]
    return aligned(_HEADER, rows, _NUMBERS) if rows else []


def _outcome(route: Route) -> tuple[object, ...]:
    results = route["gateway"], route["controller"]
    compared = ((result["status"], result["verified"]) if result else None for result in results)
    return (route["site"], route["path"], route["state"], *compared)


def _rows(group: t.Sequence[Gateway]) -> t.Iterator[tuple[str, ...]]:
    """The routes of gateways with the same results: those that are not verified, or the first if all are."""
    name, routes = abbreviated([gateway["name"] for gateway in group], 1), group[0]["routes"]
    shown = [number for number, route in enumerate(routes) if route["state"] in ("failed", "unverified")]
    shown = shown or list(range(min(len(routes), _VERIFIED)))
    for number in shown:
        route = routes[number]
        result = route["gateway"] or route["controller"]
        status = str(result["status"] or "") if result else ""
        own = _milliseconds([gateway["routes"][number]["gateway"] for gateway in group])
        outside = _milliseconds([gateway["routes"][number]["controller"] for gateway in group])
        yield (name, route["site"], route["path"], status, _verified(route), own, outside)
    if routes[len(shown) :]:
        yield (name, f"and {len(routes) - len(shown):,} more", "", "", "all verified", "", "")


def _verified(route: Route) -> str:
    if route["state"] == "not_probed":
        return "not probed"
    own, outside = route["gateway"], route["controller"]
    if own and own["failure"]:
        return "FAILED"
    if route["state"] == "unverified":
        return "not verified"
    verified = own["verified"] if own else ""
    return f"{verified}, but NOT from the controller" if outside and outside["failure"] else verified


def _milliseconds(results: t.Sequence[ProbeResult | None]) -> str:
    """Those of one result, or the median and the maximum of several."""
    times = [result["milliseconds"] for result in results if result and result["milliseconds"] is not None]
    if not times:
        return "" if any(results) else "-"
    return f"{times[0]:.1f}" if len(times) == 1 else f"{median(times):.1f} (max {max(times):.1f})"
