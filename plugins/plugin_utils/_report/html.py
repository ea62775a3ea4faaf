# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report as one page for the engineer on call. It loads nothing, runs nothing, and escapes all that it is told."""

from __future__ import annotations

import html
import re
import typing as t
from collections import Counter

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report.css import CSS
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report.findings import short
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report.schema import (
    Answer,
    Gateway,
    Problem,
    Report,
    Route,
    Topology,
    clean,
    counted,
    some,
)
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report.svg import MARKS, described, picture, upstream_state

# What is shown at once; the others are a click away.
_PROBLEMS, _ITEMS, _PICTURES = 20, 5, 6
# Routes with a column of their own; those of more that are well are told in numbers.
_ROUTES = 16
# From there on the rows of gateways that are well are hidden at first, if others are not.
_MANY = 25
_FILES = {"other": "the file differs", "edited": "the file was edited", "missing": "the file is missing"}
_ORDER = ("unreachable", "failed", "well")
# The page needs nothing, so nothing that slips in may do anything.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(report: Report) -> str:
    """The whole page."""
    title = _escaped(report["verdict"])
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
            *_head(report),
            "<main>",
            *_problems(report["problems"]),
            *_topologies(report),
            *_matrices(report),
            "</main>",
            "</body>",
            "</html>",
            "",
        ]
    )


def _head(report: Report) -> t.Iterator[str]:
    counts = report["counts"]
    told = [
        (counts["gateways_unreachable"], "gateway", "unreachable"),
        (counts["routes_failed"], "route", "not verified"),
        (counts["routes_unverified"], "route", "not verified"),
        (counts["servers_down"] + counts["servers_partly"], "server", "down"),
        (counts["servers_drained"], "server", "drained"),
    ]
    wrong = [f"{counted(number, word)} {what}" for number, word, what in told if number]
    verified = (
        f"{counts['routes_verified']:,} of {counted(counts['routes'] - counts['routes_unprobed'], 'route')} verified"
    )
    mark = {"well": "\u2713", "warnings": "!", "errors": "\u2715"}[report["state"]]
    yield f'<header class="{report["state"]}">'
    yield f'<h1><span class="mark" aria-hidden="true">{mark}</span> {_escaped(report["verdict"])}</h1>'
    yield f"<p>{_escaped('; '.join([*wrong, verified]))}. Asked at {_time(report['time'])}.</p>"
    yield '<nav aria-label="Sections"><a href="#problems">Problems</a> <a href="#topology">Topology</a> '
    yield '<a href="#routes">Routes</a></nav>'
    yield "</header>"


def _time(text: str) -> str:
    return f'<time datetime="{_escaped(text)}">{_escaped(text[:16].replace("T", " "))} UTC</time>'


def _problems(problems: t.Sequence[Problem]) -> t.Iterator[str]:
    yield '<section id="problems"><h2>What is wrong</h2>'
    if not problems:
        yield '<p class="none">Nothing.</p>'
    else:
        yield '<ol class="problems">'
        yield from map(_problem, problems[:_PROBLEMS])
        yield "</ol>"
        if problems[_PROBLEMS:]:
            yield f"<details><summary>{len(problems) - _PROBLEMS:,} more problems</summary>"
            yield f'<ol class="problems" start="{_PROBLEMS + 1}">'
            yield from map(_problem, problems[_PROBLEMS:])
            yield "</ol></details>"
    yield "</section>"


def _problem(problem: Problem) -> str:
    kind, told = problem["severity"], "\n".join([problem["title"], problem["text"], *problem["items"]])
    parts = [
        f'<li class="{kind}"><h3><span class="tag">{kind}</span> {_escaped(problem["title"])}</h3>',
        f"<p>{_escaped(problem['text'])}</p>" if problem["text"] else "",
        _listed(problem["items"]),
    ]
    for label, names in (("Gateways", problem["gateways"]), ("Routes", problem["routes"])):
        # What stands above already is enough.
        if not _is_told(", ".join(names), told):
            parts.append(_named(label, names))
    return "".join([*parts, "</li>"])


def _is_told(names: str, text: str) -> bool:
    """Whether the names stand in a text, and not only a longer one that has them in it."""
    return re.search(rf"(?<![\w./-]){re.escape(names)}(?![\w./-])", text) is not None


def _listed(items: t.Sequence[str]) -> str:
    if not items:
        return ""
    first = f"<ul>{''.join(f'<li>{_escaped(item)}</li>' for item in items[:_ITEMS])}</ul>"
    if not items[_ITEMS:]:
        return first
    rest = "".join(f"<li>{_escaped(item)}</li>" for item in items[_ITEMS:])
    return f"{first}<details><summary>and {len(items) - _ITEMS:,} more</summary><ul>{rest}</ul></details>"


def _named(label: str, names: t.Sequence[str]) -> str:
    if not names:
        return ""
    first = _escaped(", ".join(names[:_ITEMS]))
    if not names[_ITEMS:]:
        return f'<p class="names"><b>{label}:</b> {first}</p>'
    return (
        f'<details class="names"><summary><b>{label}:</b> {first} and {len(names) - _ITEMS:,} more</summary>'
        f"<p>{_escaped(', '.join(names[_ITEMS:]))}</p></details>"
    )


def _topologies(report: Report) -> t.Iterator[str]:
    """Those first that have something wrong, and then those that most gateways have."""
    failed: dict[int, Counter[str]] = {}
    for gateway in report["gateways"]:
        names = {_route_name(route) for route in gateway["routes"] if route["state"] == "failed"}
        failed.setdefault(gateway["topology"], Counter()).update(names)

    def rank(number: int) -> tuple[bool, int]:
        topology = report["topologies"][number]
        is_well = not failed[number] and all(upstream_state(upstream) == "up" for upstream in topology["upstreams"])
        return is_well, -len(topology["gateways"])

    ordered = sorted(range(len(report["topologies"])), key=rank)
    yield '<section id="topology"><h2>Where the routes lead</h2>'
    marks = {"down": "down", "partly": "partly down", "drained": "drained", "off": "down by the inventory"}
    legend = " ".join(f'<span class="{state}">{MARKS[state]} {words}</span>' for state, words in marks.items())
    yield f'<p class="legend">Sites, paths, upstreams, servers. {legend}</p>'
    for number in ordered[:_PICTURES]:
        yield _figure(report["topologies"][number], failed[number], f"topology-{number}")
    if ordered[_PICTURES:]:
        yield f"<details><summary>{len(ordered) - _PICTURES:,} more topologies, in words</summary><ul>"
        for number in ordered[_PICTURES:]:
            topology = report["topologies"][number]
            words = f"{some(topology['gateways'])}: {described(topology, failed[number])}"
            yield f"<li>{_escaped(words)}</li>"
        yield "</ul></details>"
    yield "</section>"


def _figure(topology: Topology, failed: t.Mapping[str, int], name: str) -> str:
    gateways = topology["gateways"]
    caption = _named(counted(len(gateways), "gateway").capitalize(), gateways)
    return (
        f'<figure><figcaption>{caption}</figcaption><div class="box" tabindex="0" role="region" '
        f'aria-label="Topology of {_escaped(some(gateways, 1))}">{picture(topology, failed, name)}</div></figure>'
    )


def _matrices(report: Report) -> t.Iterator[str]:
    gateways, odd = report["gateways"], _odd(report["problems"])
    well = sum(_is_quiet(gateway, odd) for gateway in gateways)
    checked = " checked" if 0 < well < len(gateways) and len(gateways) > _MANY else ""
    yield '<section id="routes"><h2>Routes by gateway</h2>'
    yield (
        '<p class="legend">HTTP status, milliseconds from the gateway itself / from the controller; '
        "\u2013 where the controller cannot ask.</p>"
    )
    if well < len(gateways):
        yield f'<p class="filter"><label><input type="checkbox" id="only-wrong"{checked}> Show only what is wrong'
        yield f'</label> <span class="hidden-rows">({counted(well, "gateway")} hidden)</span></p>'
    for number, topology in enumerate(report["topologies"]):
        own = [gateway for gateway in gateways if gateway["topology"] == number]
        yield from _matrix(own, topology, odd)
    yield "</section>"


class _Odd(t.NamedTuple):
    """The gateways whose configuration or certificate stands out."""

    configurations: set[str]
    certificates: set[str]


def _odd(problems: t.Sequence[Problem]) -> _Odd:
    def having(kind: str) -> set[str]:
        return {name for problem in problems if problem["kind"] == kind for name in problem["gateways"]}

    return _Odd(having("configuration"), having("certificate"))


def _is_quiet(gateway: Gateway, odd: _Odd) -> bool:
    return gateway["state"] == "well" and gateway["name"] not in odd.configurations | odd.certificates


def _matrix(gateways: t.Sequence[Gateway], topology: Topology, odd: _Odd) -> t.Iterator[str]:
    """A row for each gateway and a column for each route, both with what fails first."""
    failing = Counter(
        number for gateway in gateways for number, route in enumerate(gateway["routes"]) if route["state"] == "failed"
    )
    # What is known of the gateway as a whole stands behind what fails, and before what is well.
    first = [number for number, _gateways in failing.most_common(_ROUTES)]
    rest = [number for number in range(len(topology["routes"])) if number not in failing]
    left = [number for number in failing if number not in first] + rest
    second = left if len(first) + len(left) <= _ROUTES else []
    more = [] if second else left
    rows = sorted(gateways, key=lambda gateway: (_ORDER.index(gateway["state"]), _is_quiet(gateway, odd)))
    quiet = all(_is_quiet(gateway, odd) for gateway in gateways)
    yield f'<div class="box{" quiet" if quiet else ""}" tabindex="0" role="region" aria-label="Routes of '
    yield f'{_escaped(some([gateway["name"] for gateway in gateways], 1))}"><table><thead><tr>'
    yield '<th scope="col">gateway</th>'
    yield from (_column(topology, number) for number in first)
    for name in ("configuration", "nginx", "certificate until", "connections"):
        yield f'<th scope="col">{name}</th>'
    yield from (_column(topology, number) for number in second)
    if more:
        yield f'<th scope="col">{len(more):,} {"more " if first else ""}routes</th>'
    yield "</tr></thead><tbody>"
    yield from (_row(gateway, _Columns(first, second, more), odd) for gateway in rows)
    yield "</tbody></table></div>"


def _column(topology: Topology, number: int) -> str:
    route = topology["routes"][number]
    return f'<th scope="col">{_escaped(route["site"])} <b>{_escaped(route["path"])}</b></th>'


class _Columns(t.NamedTuple):
    """The numbers of routes: of those in front, of those behind, and of those that share a column."""

    first: t.Sequence[int]
    second: t.Sequence[int]
    more: t.Sequence[int]


def _row(gateway: Gateway, columns: _Columns, odd: _Odd) -> str:
    routes = gateway["routes"]
    cells = [_cell(routes[number]) for number in columns.first]
    cells.append(_facts(gateway, odd))
    cells += [_cell(routes[number]) for number in columns.second]
    if columns.more:
        cells.append(_sum([routes[number] for number in columns.more]))
    quiet = _is_quiet(gateway, odd)
    mark = "" if quiet else f"{'!' if gateway['state'] == 'well' else MARKS['failed']}&nbsp;"
    name = f"<th scope=row>{mark}{_escaped(gateway['name'])}</th>"
    return f"<tr{' class=quiet' if quiet else ''}>{name}{''.join(cells)}</tr>"


def _cell(route: Route) -> str:
    own, outside = route["gateway"], route["controller"]
    if route["state"] == "unprobed":
        return "<td>not asked"
    if route["state"] == "failed":
        asked = own if own and own["failure"] else outside
        failure = asked["failure"] if asked else ""
        place = "" if asked is own else "from the controller: "
        why = f"<small>{_escaped(place + failure)}</small>"
        return f"<td class=bad>{MARKS['failed']} {_shown(own)} / {_shown(outside)}{why}"
    if route["state"] == "unverified":
        why = f"<small>not verified: {_escaped(own['unverified'] if own else '')}</small>"
        return f"<td class=unverified>! {_shown(own)} / {_shown(outside)}{why}"
    if route["state"] == "unknown":
        return f"<td class=unknown>? / {_shown(outside)}"
    status = own["status"] if own else ""
    return f"<td>{status} <b>{_milliseconds(own)}</b> / {_milliseconds(outside)}"


def _shown(answer: Answer | None) -> str:
    if answer is None:
        return "\u2013"
    if answer["failure"] or answer["status"] is None:
        return f"{answer['status'] or 'no answer'}"
    return f"{answer['status']} {_milliseconds(answer)}"


def _milliseconds(answer: Answer | None) -> str:
    return "\u2013" if answer is None or answer["milliseconds"] is None else f"{answer['milliseconds']:.1f}"


def _sum(routes: t.Sequence[Route]) -> str:
    """The routes without a column of their own."""
    states = Counter(route["state"] for route in routes)
    times = [route["gateway"]["milliseconds"] or 0 for route in routes if route["gateway"]]
    words = [f"{states['verified']:,} verified"] if states["verified"] else []
    words += [f"{states['unverified']:,} not verified"] if states["unverified"] else []
    words += [f"{states['unknown']:,} unknown"] if states["unknown"] else []
    if states["failed"]:
        words.insert(0, f"{states['failed']:,} not verified")
        return f"<td class=bad>{MARKS['failed']} {'; '.join(words)}"
    return f"<td>{'; '.join(words) or 'not asked'}{f', slowest {max(times):.1f}' if times else ''}"


def _facts(gateway: Gateway, odd: _Odd) -> str:
    """What is known of the gateway as a whole."""
    if gateway["state"] == "unreachable":
        return f'<td class=bad colspan="4">could not be asked: {_escaped(gateway["message"][:200])}'
    ends = [route["gateway"]["expires"] for route in gateway["routes"] if route["gateway"]]
    first = min((end for end in ends if end), default="")
    own = f"<code>{_escaped(short(gateway['fingerprint']))}</code>" if gateway["fingerprint"] else "not told"
    told = _FILES.get(gateway["file"] or "", "")
    if not told and gateway["fingerprint"] and gateway["name"] in odd.configurations:
        told = "not that of the others"
    connections = "" if gateway["connections"] is None else f"{gateway['connections']:,}"
    return "".join(
        [
            _fact(f"{own}<small>{told}</small>" if told else own, is_odd=gateway["name"] in odd.configurations),
            _fact(_escaped(gateway["nginx_version"] or "")),
            _fact(_escaped(first[:10]), is_odd=gateway["name"] in odd.certificates),
            _fact(connections),
        ]
    )


def _fact(text: str, *, is_odd: bool = False) -> str:
    return f"<td class=bad>{MARKS['failed']} {text}" if is_odd else f"<td>{text}"


def _route_name(route: Route) -> str:
    return f"{route['site']} {route['path']}"


def _escaped(text: object) -> str:
    return html.escape(clean(text))
