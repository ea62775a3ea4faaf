# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with the gateways: each cause once, the most severe first."""

from __future__ import annotations

import typing as t
from collections import Counter
from datetime import datetime

from ansible_collections.wsfleet.nginx.plugins.module_utils._probe import certificate
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.routes import NO_BACKEND
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report.schema import (
    Finding,
    Gateway,
    ProbeResult,
    Route,
    Server,
    Topology,
    Upstream,
    abbreviated,
    counted,
)

_Texts = t.Mapping[str, t.Tuple[t.Hashable, ...]]
# As many names as a title has.
_NAMED = 3
_DISABLED = "disabled in the inventory"
_LIVE = ("up", "partial", "not_probed")
_FILES = {
    "not_loaded": (
        "The file is not what nginx serves",
        "It was changed by hand, or nginx rejected it: see nginx -t and nginx's error log. The next reload or restart "
        "would load it. Run playbooks/site.yml to deploy it again.",
    ),
    "edited": (
        "The file is not as the last deploy left it",
        "It was changed by hand, and the next deploy overwrites the change: put it into the variables.",
    ),
    "missing": (
        "The file is missing",
        "It was never deployed, or was removed. Run playbooks/site.yml to write it.",
    ),
}


def findings(
    gateways: t.Sequence[Gateway], topologies: t.Sequence[Topology], texts: _Texts, now: datetime
) -> list[Finding]:
    """All findings; texts has the same value for gateways with the same configuration."""
    reached = [gateway for gateway in gateways if gateway["state"] != "unreachable"]
    others, explained = _explained(gateways, topologies)
    return [
        *_unreachable(gateways),
        *_routes(others),
        *_servers(topologies, explained),
        *_unverified(gateways),
        *_certificates(reached, now),
        *_configurations(reached, texts),
        *_versions(reached),
        *_drained(topologies),
        *_out(reached),
    ]


def _finding(severity: str, kind: str, title: str, text: str = "", **more: t.Any) -> Finding:
    return Finding(
        severity=severity,
        kind=kind,
        title=title,
        text=text,
        details=list(more.get("details", ())),
        gateways=list(more.get("gateways", ())),
        routes=list(more.get("routes", ())),
    )


def _unreachable(gateways: t.Sequence[Gateway]) -> t.Iterator[Finding]:
    found = [gateway for gateway in gateways if gateway["state"] == "unreachable"]
    if found:
        names = [gateway["name"] for gateway in found]
        yield _finding(
            "error",
            "unreachable",
            f"{counted(len(names), 'gateway')} {'is' if len(names) == 1 else 'are'} unreachable: {abbreviated(names)}",
            "Ansible could not connect; no checks ran on the host. A route that passes from the controller is served "
            "nevertheless.",
            details=[f"{gateway['name']}: {gateway['message']}{_from_outside(gateway)}" for gateway in found],
            gateways=names,
        )


def _from_outside(gateway: Gateway) -> str:
    results = [route["controller"] for route in gateway["routes"] if route["controller"]]
    passed = sum(bool(result["verified"]) for result in results)
    return f" (from the controller, {passed} of {len(results)} routes passed)" if results else ""


def _routes(gateways: t.Sequence[Gateway]) -> t.Iterator[Finding]:
    """Routes that fail for the same reason on the same gateways are one finding."""
    for (source, failure, hint), on, routes in _grouped(gateways, "failed", _reason):
        verb = "fails its probe" if len(routes) == 1 else "fail their probes"
        where = f"on {abbreviated(on)}" if source == "gateway" else f"on {abbreviated(on)}, from the controller"
        text = f"{_sentence(failure)} {_sentence(hint)}".strip()
        if source == "controller":
            text += " It passes on the gateway itself: check what is between, such as a firewall."
        yield _finding("error", "route", f"{_names(routes)} {verb} {where}", text, gateways=on, routes=routes)


def _unverified(gateways: t.Sequence[Gateway]) -> t.Iterator[Finding]:
    """Routes that are served, but not verified."""
    for why, on, routes in _grouped(gateways, "unverified", _why):
        verb = "is" if len(routes) == 1 else "are"
        title = f"{_names(routes)} {verb} not verified on {abbreviated(on)}"
        yield _finding("warning", "route", title, _sentence(why), gateways=on, routes=routes)


def _why(route: Route) -> str:
    return route["gateway"]["unverified"] if route["gateway"] else ""


def _names(routes: t.Sequence[str]) -> str:
    return abbreviated(routes) if len(routes) < 4 else f"{abbreviated(routes, 2)}: {len(routes):,} routes"


_Reason = t.TypeVar("_Reason", bound=t.Hashable)


def _grouped(
    gateways: t.Sequence[Gateway], state: str, reason: t.Callable[[Route], _Reason]
) -> list[tuple[_Reason, tuple[str, ...], list[str]]]:
    """The routes in a state by reason and gateways, those first that concern most."""
    reasons: dict[_Reason, dict[str, list[str]]] = {}
    for gateway in gateways:
        for route in gateway["routes"]:
            if route["state"] == state:
                reasons.setdefault(reason(route), {}).setdefault(route_name(route), []).append(gateway["name"])
    found: dict[tuple[_Reason, tuple[str, ...]], list[str]] = {}
    for why, names_by_route in reasons.items():
        for name, names in names_by_route.items():
            found.setdefault((why, tuple(names)), []).append(name)
    ordered = sorted(found.items(), key=lambda item: -len(item[0][1]) * len(item[1]))
    return [(why, on, routes) for (why, on), routes in ordered]


def _sentence(words: str) -> str:
    if not words or words.startswith("nginx"):
        return f"{words}." if words else ""
    return f"{words[0].upper()}{words[1:]}."


def route_name(route: t.Mapping[str, t.Any]) -> str:
    return f"{route['site']} {route['path']}"


def _reason(route: Route) -> tuple[str, str, str]:
    """From where it fails, why, and what helps; the gateway itself goes first."""
    outside = "controller" if route["gateway"] else "controller alone"
    results: tuple[tuple[str, ProbeResult | None], ...] = (
        ("gateway", route["gateway"]),
        (outside, route["controller"]),
    )
    return next((source, found["failure"], found["hint"]) for source, found in results if found and found["failure"])


class _Failing(t.NamedTuple):
    """A route that fails on a gateway as its upstream has no live server."""

    gateway: str
    route: str
    failure: str


# By the index of a topology and the name of an upstream.
_Explained = t.Dict[t.Tuple[int, str], t.List[_Failing]]


def _explained(
    gateways: t.Sequence[Gateway], topologies: t.Sequence[Topology]
) -> tuple[t.Sequence[Gateway], _Explained]:
    """The gateways without the routes that fail for an upstream without a live server, and these routes."""
    dead = {
        (number, upstream["name"])
        for number, topology in enumerate(topologies)
        for upstream in topology["upstreams"]
        if _is_dead(upstream)
    }
    if not dead:
        return gateways, {}
    others: list[Gateway] = []
    explained: _Explained = {}
    for gateway in gateways:
        left = []
        for route in gateway["routes"]:
            key, own = (gateway["topology"], route["upstream"] or route["target"]), route["gateway"]
            if key in dead and own and own["failure"] and own["status"] in NO_BACKEND:
                explained.setdefault(key, []).append(_Failing(gateway["name"], route_name(route), own["failure"]))
            else:
                left.append(route)
        others.append(t.cast("Gateway", {**gateway, "routes": left}))
    return others, explained


def _is_dead(upstream: Upstream) -> bool:
    return bool(upstream["servers"]) and not any(server["state"] in _LIVE for server in upstream["servers"])


class _Member(t.NamedTuple):
    """A server with its upstream, and the index of its topology."""

    upstream: Upstream
    server: Server
    topology: int


def _servers(topologies: t.Sequence[Topology], explained: _Explained) -> t.Iterator[Finding]:
    """Upstreams without a live server, those first whose routes fail, and then the servers of others, by failure."""
    routes = [_routes_by_upstream(topology) for topology in topologies]
    dead: dict[tuple[str, ...], list[tuple[int, Upstream]]] = {}
    down: dict[tuple[str, str], list[_Member]] = {}
    for number, topology in enumerate(topologies):
        for upstream in topology["upstreams"]:
            if _is_dead(upstream):
                key = (upstream["name"], *(server["address"] for server in upstream["servers"]))
                dead.setdefault(key, []).append((number, upstream))
                continue
            for server in upstream["servers"]:
                if server["state"] in ("down", "partial"):
                    down.setdefault((upstream["name"], server["address"]), []).append(_Member(upstream, server, number))
    yield from sorted(
        (_dead(upstreams, routes, explained) for upstreams in dead.values()),
        key=lambda finding: finding["severity"] != "error",
    )
    grouped: dict[tuple[str, str, str], list[list[_Member]]] = {}
    for members in down.values():
        first = members[0]
        key_of_group = (first.server["state"], _failure(first.server), first.upstream["name"])
        grouped.setdefault(key_of_group, []).append(members)
    for servers in grouped.values():
        name, numbers = servers[0][0].upstream["name"], {member.topology for group in servers for member in group}
        yield _down(
            [members[0] for members in servers],
            dict.fromkeys(route for number in sorted(numbers) for route in routes[number].get(name, ())),
        )


def _failure(server: Server) -> str:
    return next(probe["failure"] for probe in server["probes"] if probe["failure"])


def _dead(
    upstreams: t.Sequence[tuple[int, Upstream]],
    routes: t.Sequence[t.Mapping[str, t.Sequence[str]]],
    explained: _Explained,
) -> Finding:
    upstream = upstreams[0][1]
    failing = [found for number, _upstream in upstreams for found in explained.get((number, upstream["name"]), ())]
    title = f"The upstream {upstream['name']} has no live server"
    text = f"None of its {counted(len(upstream['servers']), 'server')} accepts connections."
    if failing:
        on, names = list(dict.fromkeys(found.gateway for found in failing)), dict.fromkeys(f.route for f in failing)
        verb = "fails its probe" if len(names) == 1 else "fail their probes"
        title += f": {_names(list(names))} {verb} on {abbreviated(on)}"
        text += f" nginx {' or '.join(dict.fromkeys(found.failure for found in failing))}."
    else:
        # It is down for those that have probed it directly.
        probes = (probe for _number, found in upstreams for server in found["servers"] for probe in server["probes"])
        on = list(dict.fromkeys(probe["gateway"] for probe in probes if probe["failure"]))
        names = dict.fromkeys(
            route for number, _upstream in upstreams for route in routes[number].get(upstream["name"], ())
        )
    return _finding(
        "error" if failing else "warning",
        "upstream",
        title,
        text,
        details=[_line(server) for server in upstream["servers"]],
        gateways=on,
        routes=names,
    )


def _down(members: t.Sequence[_Member], routes: t.Collection[str]) -> Finding:
    """Servers of one upstream with the same failure."""
    addresses = [member.server["address"] for member in members]
    first, upstream = members[0].server, members[0].upstream
    others = len(upstream["servers"]) - len(members)
    title = f"{_are(addresses, 'server')} down{' for some gateways' if first['state'] == 'partial' else ''}"
    rest = f"{counted(others, 'other server')} of {upstream['name']} {'remains' if others == 1 else 'remain'}."
    source = "" if members[1:] else f"; {_sources(first)}"
    return _finding(
        "warning",
        "server",
        f"{title}: {abbreviated(addresses)}",
        f"Probed directly: {_failure(first)}{source}. {rest}",
        details=[_line(member.server) for member in members] if members[1:] else (),
        gateways=dict.fromkeys(
            probe["gateway"] for member in members for probe in member.server["probes"] if probe["failure"]
        ),
        routes=routes,
    )


def _routes_by_upstream(topology: Topology) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for route in topology["routes"]:
        found.setdefault(route["upstream"] or route["target"], []).append(route_name(route))
    return found


def _line(server: Server) -> str:
    if server["state"] in ("drained", "disabled"):
        return f"{server['address']}: {'drained' if server['state'] == 'drained' else _DISABLED}"
    failures = "; ".join(dict.fromkeys(probe["failure"] for probe in server["probes"] if probe["failure"]))
    return f"{server['address']}: {failures}; {_sources(server)}"


def _sources(server: Server) -> str:
    names = [probe["gateway"] for probe in server["probes"] if probe["failure"]]
    return f"from {len(names)} of {counted(len(server['probes']), 'gateway')}, {abbreviated(names)}"


def _certificates(gateways: t.Sequence[Gateway], now: datetime) -> t.Iterator[Finding]:
    sites_by_expiry: dict[str, dict[str, dict[str, None]]] = {}
    for gateway in gateways:
        for route in gateway["routes"]:
            expires = route["gateway"] and route["gateway"]["expires"]
            if expires and certificate.parse_time(expires) <= now + certificate.RENEWAL_PERIOD:
                sites_by_expiry.setdefault(expires, {}).setdefault(route["site"], {})[gateway["name"]] = None
    for expires, sites in sorted(sites_by_expiry.items()):
        names = list(dict.fromkeys(name for members in sites.values() for name in members))
        left = certificate.parse_time(expires) - now
        over = left.total_seconds() <= 0
        when = "has expired" if over else f"expires in {_days(left.days)}"
        yield _finding(
            "warning",
            "certificate",
            f"The certificate of {abbreviated(list(sites))} {when}",
            f"It {'expired' if over else 'expires'} at {expires}: {'clients reject it' if over else 'renew it'}.",
            details=list(sites) if len(sites) > _NAMED else (),
            gateways=names,
        )


def _days(number: int) -> str:
    return "less than a day" if number == 0 else counted(number, "day")


def _configurations(gateways: t.Sequence[Gateway], texts: _Texts) -> t.Iterator[Finding]:
    unknown = [gateway["name"] for gateway in gateways if not gateway["fingerprint"]]
    if unknown:
        yield _finding(
            "warning",
            "configuration",
            f"nginx does not report its configuration on {abbreviated(unknown)}",
            "It does not run, or serves no configuration of this role: run playbooks/site.yml to deploy it.",
            gateways=unknown,
        )
    yield from _drift(gateways, texts)
    for state, (title, text) in _FILES.items():
        names = [gateway["name"] for gateway in gateways if gateway["file"] == state and gateway["fingerprint"]]
        if names:
            yield _finding("warning", "configuration", f"{title} on {abbreviated(names)}", text, gateways=names)


def _drift(gateways: t.Sequence[Gateway], texts: _Texts) -> t.Iterator[Finding]:
    """Gateways that serve another configuration than most of those whose variables give the same one."""
    groups: dict[tuple[t.Hashable, ...], list[Gateway]] = {}
    for gateway in gateways:
        if gateway["fingerprint"]:
            groups.setdefault(texts[gateway["name"]], []).append(gateway)
    for group in groups.values():
        served = Counter(gateway["fingerprint"] for gateway in group)
        usual, number = served.most_common(1)[0]
        others = [gateway for gateway in group if gateway["fingerprint"] != usual]
        if others:
            names = [gateway["name"] for gateway in others]
            yield _finding(
                "warning",
                "configuration",
                f"{counted(len(names), 'gateway')} {'serves' if len(names) == 1 else 'serve'} another configuration "
                f"than {'the other' if number == 1 else f'{number:,} others'}: {abbreviated(names)}",
                f"By their variables they would serve the same one. The others serve {short(usual)}. A deploy did not "
                "reach them, or reached only them: run playbooks/site.yml for all.",
                details=[f"{gateway['name']}: {short(gateway['fingerprint'])}" for gateway in others],
                gateways=names,
            )


def short(fingerprint: str | None) -> str:
    return (fingerprint or "")[:8]


def _versions(gateways: t.Sequence[Gateway]) -> t.Iterator[Finding]:
    by_version: dict[str, list[str]] = {}
    for gateway in gateways:
        if gateway["nginx_version"]:
            by_version.setdefault(gateway["nginx_version"], []).append(gateway["name"])
    if len(by_version) > 1:
        found = sorted(by_version.items(), key=lambda item: len(item[1]))
        yield _finding(
            "note",
            "nginx",
            f"Gateways run {len(by_version)} versions of nginx",
            details=[
                f"nginx {version}: {counted(len(names), 'gateway')}, {abbreviated(names)}" for version, names in found
            ],
        )


def _drained(topologies: t.Sequence[Topology]) -> t.Iterator[Finding]:
    for state, words in (("drained", "drained"), ("disabled", _DISABLED)):
        found = {
            f"{server['address']} of the upstream {upstream['name']}": None
            for topology in topologies
            for upstream in topology["upstreams"]
            for server in upstream["servers"]
            if server["state"] == state
        }
        if found:
            yield _finding("note", "drained", f"{_are(list(found), 'server')} {words}", details=list(found))


def _out(gateways: t.Sequence[Gateway]) -> t.Iterator[Finding]:
    names = [gateway["name"] for gateway in gateways if gateway["out_of_rotation"]]
    if names:
        title = f"{_are(names, 'gateway')} out of the load balancers: {abbreviated(names)}"
        yield _finding(
            "note", "drained", title, "playbooks/drain.yml -e websockets_undrain=NAME brings one back.", gateways=names
        )


def _are(names: t.Sequence[str], word: str) -> str:
    return f"{counted(len(names), word)} {'is' if len(names) == 1 else 'are'}"
