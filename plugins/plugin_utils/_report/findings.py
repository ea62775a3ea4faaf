# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with gateways, in plain words: what is alike told once, and the most severe first."""

from __future__ import annotations

import typing as t
from collections import Counter
from datetime import datetime

from ansible_collections.wsfleet.nginx.plugins.module_utils._probe import certificate
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report.schema import (
    Answer,
    Gateway,
    Problem,
    Route,
    Server,
    Topology,
    Upstream,
    counted,
    some,
)

_Texts = t.Mapping[str, t.Tuple[t.Hashable, ...]]
# As many names as a title has.
_NAMED = 3
_LIVE = ("up", "partly", "unasked")
_FILES = {
    "other": (
        "The file is not what nginx serves",
        "It was changed by hand, or nginx refused it: nginx -t and nginx's error log tell. The next reload or restart "
        "would take it. playbooks/site.yml brings both in line.",
    ),
    "edited": (
        "The file is not as the last deploy left it",
        "Somebody changed it by hand, and the next deploy takes the change away: it belongs into the variables.",
    ),
    "missing": (
        "The file is not there",
        "It was never deployed, or somebody removed it. playbooks/site.yml writes it.",
    ),
}


def problems(
    gateways: t.Sequence[Gateway], topologies: t.Sequence[Topology], texts: _Texts, now: datetime
) -> list[Problem]:
    """All of them; texts has the same value for gateways whose configuration is the same text."""
    reached = [gateway for gateway in gateways if gateway["state"] != "unreachable"]
    return [
        *_unreachable(gateways),
        *_routes(gateways),
        *_unverified(gateways),
        *_servers(topologies),
        *_certificates(reached, now),
        *_configurations(reached, texts),
        *_versions(reached),
        *_drained(topologies),
        *_out(reached),
    ]


def _problem(severity: str, kind: str, title: str, text: str = "", **more: t.Any) -> Problem:
    return Problem(
        severity=severity,
        kind=kind,
        title=title,
        text=text,
        items=list(more.get("items", ())),
        gateways=list(more.get("gateways", ())),
        routes=list(more.get("routes", ())),
    )


def _unreachable(gateways: t.Sequence[Gateway]) -> t.Iterator[Problem]:
    found = [gateway for gateway in gateways if gateway["state"] == "unreachable"]
    if found:
        names = [gateway["name"] for gateway in found]
        yield _problem(
            "error",
            "unreachable",
            f"{counted(len(names), 'gateway')} could not be asked: {some(names)}",
            "Ansible does not get in, so nothing is known from inside. What the controller probes is served all the "
            "same.",
            items=[f"{gateway['name']}: {gateway['message']}{_from_outside(gateway)}" for gateway in found],
            gateways=names,
        )


def _from_outside(gateway: Gateway) -> str:
    answers = [route["controller"] for route in gateway["routes"] if route["controller"]]
    verified = sum(bool(answer["verified"]) for answer in answers)
    return f" (from the controller {verified} of {len(answers)} routes verified)" if answers else ""


def _routes(gateways: t.Sequence[Gateway]) -> t.Iterator[Problem]:
    """Routes that fail alike on the same gateways are one problem."""
    for (asker, failure, hint), on, routes in _alike(gateways, "failed", _reason):
        what, verb = _what(routes)
        place = f"on {some(on)}" if asker == "gateway" else f"on {some(on)}, seen from the controller"
        text = f"{_sentence(failure)} {_sentence(hint)}".strip()
        if asker == "controller":
            text += " The gateway itself probes it: look at what is between, such as a firewall."
        yield _problem("error", "route", f"{what} {verb} not verified {place}", text, gateways=on, routes=routes)


def _unverified(gateways: t.Sequence[Gateway]) -> t.Iterator[Problem]:
    """Routes that are served, and that nobody knows how to probe."""
    for why, on, routes in _alike(gateways, "unverified", _why):
        what, verb = _what(routes)
        title = f"{what} {verb} not verified on {some(on)}"
        yield _problem("warning", "route", title, _sentence(why), gateways=on, routes=routes)


def _why(route: Route) -> str:
    return route["gateway"]["unverified"] if route["gateway"] else ""


def _what(routes: t.Sequence[str]) -> tuple[str, str]:
    what = some(routes) if len(routes) < 4 else f"{some(routes, 2)}: {len(routes):,} routes"
    return what, "is" if len(routes) == 1 else "are"


_Reason = t.TypeVar("_Reason", bound=t.Hashable)


def _alike(
    gateways: t.Sequence[Gateway], state: str, reason: t.Callable[[Route], _Reason]
) -> list[tuple[_Reason, tuple[str, ...], list[str]]]:
    """The routes in a state for one reason on the same gateways, those first that concern most."""
    reasons: dict[_Reason, dict[str, list[str]]] = {}
    for gateway in gateways:
        for route in gateway["routes"]:
            if route["state"] == state:
                reasons.setdefault(reason(route), {}).setdefault(named(route), []).append(gateway["name"])
    found: dict[tuple[_Reason, tuple[str, ...]], list[str]] = {}
    for why, places in reasons.items():
        for route_name, names in places.items():
            found.setdefault((why, tuple(names)), []).append(route_name)
    ordered = sorted(found.items(), key=lambda item: -len(item[0][1]) * len(item[1]))
    return [(why, on, routes) for (why, on), routes in ordered]


def _sentence(words: str) -> str:
    if not words or words.startswith("nginx"):
        return f"{words}." if words else ""
    return f"{words[0].upper()}{words[1:]}."


def named(route: Route) -> str:
    return f"{route['site']} {route['path']}"


def _reason(route: Route) -> tuple[str, str, str]:
    """Who saw it fail, why, and what helps; what the gateway itself saw goes first."""
    outside = "controller" if route["gateway"] else "controller alone"
    asked: tuple[tuple[str, Answer | None], ...] = (("gateway", route["gateway"]), (outside, route["controller"]))
    return next((asker, found["failure"], found["hint"]) for asker, found in asked if found and found["failure"])


class _Behind(t.NamedTuple):
    """A server with its upstream, and whom it serves."""

    upstream: Upstream
    server: Server
    topology: Topology


def _servers(topologies: t.Sequence[Topology]) -> t.Iterator[Problem]:
    """Upstreams without a live server, and then the servers of others, by what is seen of them."""
    dead: dict[tuple[str, ...], list[tuple[Upstream, Topology]]] = {}
    same: dict[tuple[str, str], _Behind] = {}
    for topology in topologies:
        for upstream in topology["upstreams"]:
            if upstream["servers"] and not any(server["state"] in _LIVE for server in upstream["servers"]):
                key = (upstream["name"], *(server["address"] for server in upstream["servers"]))
                dead.setdefault(key, []).append((upstream, topology))
                continue
            for server in upstream["servers"]:
                if server["state"] in ("down", "partly"):
                    same.setdefault((upstream["name"], server["address"]), _Behind(upstream, server, topology))
    for upstreams in dead.values():
        yield _dead(upstreams)
    alike: dict[tuple[str, str, str], list[_Behind]] = {}
    for found in same.values():
        alike.setdefault((found.server["state"], _words(found.server), found.upstream["name"]), []).append(found)
    for (state, words, upstream_name), behind in alike.items():
        yield _down(state, words, upstream_name, behind)


def _words(server: Server) -> str:
    return next(sight["failure"] for sight in server["seen"] if sight["failure"])


def _dead(upstreams: t.Sequence[tuple[Upstream, Topology]]) -> Problem:
    upstream = upstreams[0][0]
    return _problem(
        "warning",
        "upstream",
        f"The upstream {upstream['name']} has no live server",
        f"None of its {counted(len(upstream['servers']), 'server')} takes connections.",
        items=[_line(server) for server in upstream["servers"]],
        gateways=[name for _upstream, topology in upstreams for name in topology["gateways"]],
        routes=dict.fromkeys(
            route for _upstream, topology in upstreams for route in _leading(upstream["name"], topology)
        ),
    )


def _down(state: str, words: str, upstream_name: str, behind: t.Sequence[_Behind]) -> Problem:
    addresses = [found.server["address"] for found in behind]
    topology = behind[0].topology
    lives = len(behind[0].upstream["servers"]) - len(behind)
    title = f"{_are(addresses, 'server')} down" if state == "down" else f"{_are(addresses, 'server')} down for some"
    others = f"{lives:,} other{'s' if lives != 1 else ''} of {upstream_name} {'is' if lives == 1 else 'are'} left."
    first = behind[0].server
    seen = "" if behind[1:] else f"; seen by {_seers(first)}"
    return _problem(
        "warning",
        "server",
        f"{title}: {some(addresses)}",
        f"Asked directly: {words}{seen}. {others}",
        items=[_line(found.server) for found in behind] if behind[1:] else (),
        gateways=dict.fromkeys(
            sight["gateway"] for found in behind for sight in found.server["seen"] if sight["failure"]
        ),
        routes=_leading(upstream_name, topology),
    )


def _leading(upstream_name: str, topology: Topology) -> list[str]:
    return [f"{route['site']} {route['path']}" for route in topology["routes"] if _behind(route) == upstream_name]


def _behind(route: t.Mapping[str, t.Any]) -> str:
    return str(route["upstream"] or route["target"])


def _line(server: Server) -> str:
    if server["state"] in ("drained", "off"):
        return f"{server['address']}: {'drained' if server['state'] == 'drained' else 'down by the inventory'}"
    words = "; ".join(dict.fromkeys(sight["failure"] for sight in server["seen"] if sight["failure"]))
    return f"{server['address']}: {words}; seen by {_seers(server)}"


def _seers(server: Server) -> str:
    names = [sight["gateway"] for sight in server["seen"] if sight["failure"]]
    return f"{len(names)} of {counted(len(server['seen']), 'gateway')} that asked, {some(names)}"


def _certificates(gateways: t.Sequence[Gateway], now: datetime) -> t.Iterator[Problem]:
    ends: dict[str, dict[str, dict[str, None]]] = {}
    for gateway in gateways:
        for route in gateway["routes"]:
            end = route["gateway"] and route["gateway"]["expires"]
            if end and certificate.parse_time(end) <= now + certificate.RENEWAL_PERIOD:
                ends.setdefault(end, {}).setdefault(route["site"], {})[gateway["name"]] = None
    for end, sites in sorted(ends.items()):
        names = list(dict.fromkeys(name for having in sites.values() for name in having))
        left = certificate.parse_time(end) - now
        over = left.total_seconds() <= 0
        yield _problem(
            "warning",
            "certificate",
            f"The certificate of {some(list(sites))} {'has expired' if over else f'ends in {_days(left.days)}'}",
            f"It {'ended' if over else 'ends'} at {end}: {'clients refuse it' if over else 'renew it'}.",
            items=list(sites) if len(sites) > _NAMED else (),
            gateways=names,
        )


def _days(number: int) -> str:
    return "less than a day" if number == 0 else counted(number, "day")


def _configurations(gateways: t.Sequence[Gateway], texts: _Texts) -> t.Iterator[Problem]:
    silent = [gateway["name"] for gateway in gateways if not gateway["fingerprint"]]
    if silent:
        yield _problem(
            "warning",
            "configuration",
            f"nginx does not tell its configuration on {some(silent)}",
            "It does not run, or serves none of this role's: playbooks/site.yml deploys it.",
            gateways=silent,
        )
    yield from _drift(gateways, texts)
    for word, (title, text) in _FILES.items():
        names = [gateway["name"] for gateway in gateways if gateway["file"] == word and gateway["fingerprint"]]
        if names:
            yield _problem("warning", "configuration", f"{title} on {some(names)}", text, gateways=names)


def _drift(gateways: t.Sequence[Gateway], texts: _Texts) -> t.Iterator[Problem]:
    """Gateways whose variables make the same text, and which serve another one than most."""
    alike: dict[tuple[t.Hashable, ...], list[Gateway]] = {}
    for gateway in gateways:
        if gateway["fingerprint"]:
            alike.setdefault(texts[gateway["name"]], []).append(gateway)
    for group in alike.values():
        served = Counter(gateway["fingerprint"] for gateway in group)
        usual, number = served.most_common(1)[0]
        names = [gateway["name"] for gateway in group if gateway["fingerprint"] != usual]
        if names:
            yield _problem(
                "warning",
                "configuration",
                f"{counted(len(names), 'gateway')} {'serves' if len(names) == 1 else 'serve'} another configuration "
                f"than {'the other' if number == 1 else f'{number:,} others'}: {some(names)}",
                f"By their variables they would serve the same one. The others serve {short(usual)}. A deploy did not "
                "reach them, or reached them alone: playbooks/site.yml brings all in line.",
                items=[
                    f"{gateway['name']}: {short(gateway['fingerprint'])}"
                    for gateway in group
                    if gateway["name"] in set(names)
                ],
                gateways=names,
            )


def short(fingerprint: str | None) -> str:
    return (fingerprint or "")[:8]


def _versions(gateways: t.Sequence[Gateway]) -> t.Iterator[Problem]:
    by_version: dict[str, list[str]] = {}
    for gateway in gateways:
        if gateway["nginx_version"]:
            by_version.setdefault(gateway["nginx_version"], []).append(gateway["name"])
    if len(by_version) > 1:
        found = sorted(by_version.items(), key=lambda item: len(item[1]))
        yield _problem(
            "note",
            "nginx",
            f"Gateways run {len(by_version)} versions of nginx",
            items=[f"nginx {version}: {counted(len(names), 'gateway')}, {some(names)}" for version, names in found],
        )


def _drained(topologies: t.Sequence[Topology]) -> t.Iterator[Problem]:
    for state, words in (("drained", "drained"), ("off", "down by the inventory")):
        found = {
            f"{server['address']} of the upstream {upstream['name']}": None
            for topology in topologies
            for upstream in topology["upstreams"]
            for server in upstream["servers"]
            if server["state"] == state
        }
        if found:
            yield _problem("note", "drained", f"{_are(list(found), 'server')} {words}", items=list(found))


def _out(gateways: t.Sequence[Gateway]) -> t.Iterator[Problem]:
    names = [gateway["name"] for gateway in gateways if gateway["out"]]
    if names:
        title = f"{_are(names, 'gateway')} out of the balancers: {some(names)}"
        yield _problem(
            "note", "drained", title, "playbooks/drain.yml -e websockets_undrain=NAME brings one back.", gateways=names
        )


def _are(names: t.Sequence[str], word: str) -> str:
    return f"{counted(len(names), word)} {'is' if len(names) == 1 else 'are'}"
