# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report as one page. It loads nothing, runs nothing but its search field, and escapes all text."""

from __future__ import annotations

import html
import re
import typing as t
from collections import Counter

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report.css import CSS
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report.findings import route_name
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report.schema import (
    Finding,
    Gateway,
    ProbeResult,
    Report,
    Route,
    Topology,
    abbreviated,
    clean,
    counted,
    provenance,
    short,
)
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report.script import DIGEST, SCRIPT
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report.svg import (
    MARKS,
    described,
    is_whole,
    picture,
    route_target,
    upstream_state,
)

# How many are shown; the others are folded.
_FINDINGS, _DETAILS = 20, 5
# Topologies with a picture, and of those that are not ok.
_PICTURES, _PICTURES_OF_FAILURES = 6, 30
# Routes with a column of their own; of more routes, those that are ok are only counted.
_ROUTES = 16
# With more gateways, the rows of those without findings are hidden at first.
_MANY = 25
_FILES = {"not_loaded": "the file is not loaded", "edited": "the file was edited", "missing": "the file is missing"}
_STATES = ("unreachable", "failed", "ok")
# The page needs no resources and one script, so nothing else is allowed, whatever text it contains.
_POLICY = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{DIGEST}'"


def page(report: Report) -> str:
    """The whole page."""
    title = _escaped(report["summary"])
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>{title}</title>",
            f"<style>{CSS}</style>",
            "</head>",
            "<body>",
            *_header(report),
            "<main>",
            *_findings(report["findings"]),
            *_topologies(report),
            *_matrices(report),
            "</main>",
            f"<script>{SCRIPT}</script>",
            "</body>",
            "</html>",
            "",
        ]
    )


def _header(report: Report) -> t.Iterator[str]:
    counts = report["counts"]
    states = [
        (counts["gateways_unreachable"], "gateway", "unreachable"),
        (counts["routes_failed"], "route", "failed"),
        (counts["routes_unverified"], "route", "not verified"),
        (counts["servers_down"] + counts["servers_partial"], "server", "down"),
        (counts["servers_drained"], "server", "drained"),
    ]
    wrong = [f"{counted(number, word)} {what}" for number, word, what in states if number]
    verified = (
        f"{counts['routes_verified']:,} of {counted(counts['routes'] - counts['routes_not_probed'], 'route')} verified"
    )
    mark = {"ok": "\u2713", "warnings": "!", "errors": "\u2715"}[report["state"]]
    yield f'<header class="{report["state"]}">'
    yield f'<h1><span class="mark" aria-hidden="true">{mark}</span> {_escaped(report["summary"])}</h1>'
    yield f"<p>{_escaped('; '.join([*wrong, verified]))}.</p>"
    yield f"<p>Probed at {_time(report['time'])}; {_escaped(provenance(report))}.</p>"
    yield '<p class="search" hidden><label>Find a gateway, site or server: <input type="search" id="find"></label> '
    yield '<span id="found" role="status"></span></p>'
    yield '<nav aria-label="Sections"><a href="#findings">Findings</a> <a href="#topology">Topology</a> '
    yield '<a href="#routes">Routes</a></nav>'
    yield "</header>"


def _time(text: str) -> str:
    return f'<time datetime="{_escaped(text)}">{_escaped(text[:16].replace("T", " "))} UTC</time>'


def _findings(findings: t.Sequence[Finding]) -> t.Iterator[str]:
    yield '<section id="findings"><h2>Findings</h2>'
    if not findings:
        yield '<p class="none">None.</p>'
    else:
        yield '<ol class="findings">'
        yield from map(_finding, findings[:_FINDINGS])
        yield "</ol>"
        if findings[_FINDINGS:]:
            yield f"<details><summary>{len(findings) - _FINDINGS:,} more findings</summary>"
            yield f'<ol class="findings" start="{_FINDINGS + 1}">'
            yield from map(_finding, findings[_FINDINGS:])
            yield "</ol></details>"
    yield "</section>"


def _finding(finding: Finding) -> str:
    severity, text = finding["severity"], "\n".join([finding["title"], finding["text"], *finding["details"]])
    parts = [
        f'<li class="{severity}"><h3><span class="tag">{severity}</span> {_escaped(finding["title"])}</h3>',
        f"<p>{_escaped(finding['text'])}</p>" if finding["text"] else "",
        _listed(finding["details"]),
    ]
    for label, names in (("Gateways", finding["gateways"]), ("Routes", finding["routes"])):
        if not _is_named(", ".join(names), text):
            parts.append(_named(label, names))
    return "".join([*parts, "</li>"])


def _is_named(names: str, text: str) -> bool:
    """Whether a text has the names, and not only longer names that contain them."""
    return re.search(rf"(?<![\w./-]){re.escape(names)}(?![\w./-])", text) is not None


def _listed(items: t.Sequence[str]) -> str:
    if not items:
        return ""
    first = f"<ul>{''.join(f'<li>{_escaped(item)}</li>' for item in items[:_DETAILS])}</ul>"
    if not items[_DETAILS:]:
        return first
    rest = "".join(f"<li>{_escaped(item)}</li>" for item in items[_DETAILS:])
    return f"{first}<details><summary>and {len(items) - _DETAILS:,} more</summary><ul>{rest}</ul></details>"


def _named(label: str, names: t.Sequence[str]) -> str:
    if not names:
        return ""
    first = _escaped(", ".join(names[:_DETAILS]))
    if not names[_DETAILS:]:
        return f'<p class="names"><b>{label}:</b> {first}</p>'
    return (
        f'<details class="names"><summary><b>{label}:</b> {first} and {len(names) - _DETAILS:,} more</summary>'
        f"<p>{_escaped(', '.join(names[_DETAILS:]))}</p></details>"
    )


def _topologies(report: Report) -> t.Iterator[str]:
    """Those with failures first, and then those of most gateways."""
    failed: dict[int, Counter[str]] = {}
    for gateway in report["gateways"]:
        names = {route_name(route) for route in gateway["routes"] if route["state"] == "failed"}
        failed.setdefault(gateway["topology"], Counter()).update(names)

    def is_ok(number: int) -> bool:
        upstreams = report["topologies"][number]["upstreams"]
        return not failed[number] and all(upstream_state(upstream) == "up" for upstream in upstreams)

    numbers = range(len(report["topologies"]))
    ordered = sorted(numbers, key=lambda number: (is_ok(number), -len(report["topologies"][number]["gateways"])))
    wrong = sum(not is_ok(number) for number in numbers)
    drawn = max(_PICTURES, min(wrong, _PICTURES_OF_FAILURES))
    yield '<section id="topology"><h2>Topology</h2>'
    marks = {"down": "down", "partial": "partly down", "drained": "drained", "disabled": "disabled in the inventory"}
    legend = " ".join(f'<span class="{state}">{MARKS[state]} {words}</span>' for state, words in marks.items())
    yield f'<p class="legend">Sites, paths, upstreams, servers. {legend}</p>'
    for number in ordered[:drawn]:
        yield _figure(report["topologies"][number], failed[number], f"topology-{number}")
    if ordered[drawn:]:
        yield f"<details><summary>{len(ordered) - drawn:,} more topologies, in words</summary><ul>"
        for number in ordered[drawn:]:
            topology = report["topologies"][number]
            words = f"{abbreviated(topology['gateways'])}: {described(topology, failed[number])}"
            yield f"<li>{_escaped(words)}{_all(topology)}</li>"
        yield "</ul></details>"
    yield "</section>"


def _all(topology: Topology) -> str:
    """Every route and server, where they can be found: a picture and words only count most of many."""
    routes = [f"{route_name(route)}: {route_target(route) or 'nginx itself'}" for route in topology["routes"]]
    servers = [
        f"{server['address']} of {upstream['name']}: {server['state'].replace('_', ' ')}"
        for upstream in topology["upstreams"]
        for server in upstream["servers"]
    ]
    return (
        f'<details class="all"><summary>{counted(len(routes), "route")} and {counted(len(servers), "server")}, one by '
        f"one</summary><ul>{''.join(f'<li>{_escaped(item)}</li>' for item in routes + servers)}</ul></details>"
    )


def _figure(topology: Topology, failed: t.Mapping[str, int], name: str) -> str:
    gateways = topology["gateways"]
    label = _escaped(abbreviated(gateways, 1))
    caption = _named(counted(len(gateways), "gateway").capitalize(), gateways)
    return (
        f'<figure><figcaption>{caption}</figcaption><div class="box" tabindex="0" role="region" '
        f'aria-label="Topology of {label}">{picture(topology, failed, name)}</div>'
        f"{'' if is_whole(topology) else _all(topology)}</figure>"
    )


def _matrices(report: Report) -> t.Iterator[str]:
    gateways, flagged = report["gateways"], _flagged(report["findings"])
    quiet = sum(_is_quiet(gateway, flagged) for gateway in gateways)
    checked = " checked" if 0 < quiet < len(gateways) and len(gateways) > _MANY else ""
    yield '<section id="routes"><h2>Routes by gateway</h2>'
    yield (
        '<p class="legend">HTTP status, milliseconds from the gateway itself / from the controller; '
        "\u2013 where the controller cannot probe.</p>"
    )
    if quiet < len(gateways):
        yield f'<p class="filter"><label><input type="checkbox" id="only-wrong"{checked}> Show only gateways with '
        yield f'findings</label> <span class="hidden-rows">({counted(quiet, "gateway")} hidden)</span></p>'
    members: dict[int, list[Gateway]] = {}
    for gateway in gateways:
        members.setdefault(gateway["topology"], []).append(gateway)
    for number, topology in enumerate(report["topologies"]):
        yield from _matrix(members.get(number, ()), topology, flagged)
    yield "</section>"


class _Flagged(t.NamedTuple):
    """The gateways with findings about their configuration or certificate."""

    configurations: set[str]
    certificates: set[str]


def _flagged(findings: t.Sequence[Finding]) -> _Flagged:
    def gateways_of(kind: str) -> set[str]:
        return {name for finding in findings if finding["kind"] == kind for name in finding["gateways"]}

    return _Flagged(gateways_of("configuration"), gateways_of("certificate"))


def _is_quiet(gateway: Gateway, flagged: _Flagged) -> bool:
    return gateway["state"] == "ok" and not any(gateway["name"] in names for names in flagged)


def _matrix(gateways: t.Sequence[Gateway], topology: Topology, flagged: _Flagged) -> t.Iterator[str]:
    """A row for each gateway and a column for each route, in both failures first."""
    failing = Counter(
        number for gateway in gateways for number, route in enumerate(gateway["routes"]) if route["state"] == "failed"
    )
    # The facts of the gateway as a whole are between the routes that fail and the others.
    first = [number for number, _gateways in failing.most_common(_ROUTES)]
    rest = [number for number in range(len(topology["routes"])) if number not in failing]
    left = [number for number in failing if number not in first] + rest
    second = left if len(first) + len(left) <= _ROUTES else []
    more = [] if second else left
    rows = sorted(gateways, key=lambda gateway: (_STATES.index(gateway["state"]), _is_quiet(gateway, flagged)))
    quiet = all(_is_quiet(gateway, flagged) for gateway in gateways)
    yield f'<div class="box{" quiet" if quiet else ""}" tabindex="0" role="region" aria-label="Routes of '
    yield f'{_escaped(abbreviated([gateway["name"] for gateway in gateways], 1))}"><table><thead><tr>'
    yield '<th scope="col">gateway</th>'
    yield from (_column(topology, number) for number in first)
    for name in ("configuration", "nginx", "certificate until", "connections"):
        yield f'<th scope="col" class="fact">{name}</th>'
    yield from (_column(topology, number) for number in second)
    if more:
        yield f'<th scope="col">{len(more):,} {"more " if first else ""}routes</th>'
    yield "</tr></thead><tbody>"
    yield from (_row(gateway, _Columns(first, second, more), flagged) for gateway in rows)
    yield "</tbody></table></div>"


def _column(topology: Topology, number: int) -> str:
    route = topology["routes"][number]
    return f'<th scope="col">{_escaped(route["site"])} <b>{_escaped(route["path"])}</b></th>'


class _Columns(t.NamedTuple):
    """The indexes of the routes before the facts, after them, and in one column together."""

    first: t.Sequence[int]
    second: t.Sequence[int]
    more: t.Sequence[int]


def _row(gateway: Gateway, columns: _Columns, flagged: _Flagged) -> str:
    routes = gateway["routes"]
    cells = [_cell(routes[number]) for number in columns.first]
    cells.append(_facts(gateway, flagged))
    cells += [_cell(routes[number]) for number in columns.second]
    if columns.more:
        cells.append(_sum([routes[number] for number in columns.more]))
    quiet = _is_quiet(gateway, flagged)
    mark = "" if quiet else f"{'!' if gateway['state'] == 'ok' else MARKS['failed']}&nbsp;"
    name = f"<th scope=row>{mark}{_escaped(gateway['name'])}</th>"
    return f"<tr{' class=quiet' if quiet else ''}>{name}{''.join(cells)}</tr>"


def _cell(route: Route) -> str:
    own, outside = route["gateway"], route["controller"]
    if route["state"] == "not_probed":
        return "<td>not probed"
    if route["state"] == "failed":
        failed = own if own and own["failure"] else outside
        failure = failed["failure"] if failed else ""
        source = "" if failed is own else "from the controller: "
        why = f"<small>{_escaped(source + failure)}</small>"
        return f"<td class=bad>{MARKS['failed']} {_shown(own)} / {_shown(outside)}{why}"
    if route["state"] == "unverified":
        why = f"<small>not verified: {_escaped(own['unverified'] if own else '')}</small>"
        return f"<td class=unverified>! {_shown(own)} / {_shown(outside)}{why}"
    if route["state"] == "unknown":
        return f"<td class=unknown>? / {_shown(outside)}"
    status = own["status"] if own else ""
    return f"<td>{status} <b>{_milliseconds(own)}</b> / {_milliseconds(outside)}"


def _shown(result: ProbeResult | None) -> str:
    if result is None:
        return "\u2013"
    if result["failure"] or result["status"] is None:
        return f"{result['status'] or 'no response'}"
    return f"{result['status']} {_milliseconds(result)}"


def _milliseconds(result: ProbeResult | None) -> str:
    return "\u2013" if result is None or result["milliseconds"] is None else f"{result['milliseconds']:.1f}"


def _sum(routes: t.Sequence[Route]) -> str:
    """The routes without a column of their own."""
    states = Counter(route["state"] for route in routes)
    times = [route["gateway"]["milliseconds"] or 0 for route in routes if route["gateway"]]
    words = [f"{states['verified']:,} verified"] if states["verified"] else []
    words += [f"{states['unverified']:,} not verified"] if states["unverified"] else []
    words += [f"{states['unknown']:,} unknown"] if states["unknown"] else []
    if states["failed"]:
        words.insert(0, f"{states['failed']:,} failed")
        return f"<td class=bad>{MARKS['failed']} {'; '.join(words)}"
    return f"<td>{'; '.join(words) or 'not probed'}{f', slowest {max(times):.1f}' if times else ''}"


def _facts(gateway: Gateway, flagged: _Flagged) -> str:
    """The facts of the gateway as a whole."""
    if gateway["state"] == "unreachable":
        return f'<td class=bad colspan="4">unreachable: {_escaped(gateway["message"][:200])}'
    ends = [route["gateway"]["expires"] for route in gateway["routes"] if route["gateway"]]
    first = min((end for end in ends if end), default="")
    own = f"<code>{_escaped(short(gateway['fingerprint']))}</code>" if gateway["fingerprint"] else "not reported"
    note = _FILES.get(gateway["file"] or "", "")
    if not note and gateway["fingerprint"] and gateway["name"] in flagged.configurations:
        note = "not what its variables say"
    connections = "" if gateway["connections"] is None else f"{gateway['connections']:,}"
    earlier = len(gateway["nginx"]["generations"]) if gateway["nginx"] else 0
    if earlier:
        connections += f"<small>{counted(earlier, 'earlier generation')}</small>"
    return "".join(
        [
            _fact(f"{own}<small>{note}</small>" if note else own, is_flagged=gateway["name"] in flagged.configurations),
            _fact(_escaped(gateway["nginx_version"] or "")),
            _fact(_escaped(first[:10]), is_flagged=gateway["name"] in flagged.certificates),
            _fact(connections),
        ]
    )


def _fact(text: str, *, is_flagged: bool = False) -> str:
    return f"<td class=bad>{MARKS['failed']} {text}" if is_flagged else f"<td>{text}"


def _escaped(text: object) -> str:
    return html.escape(clean(text))
