# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with the gateways: each cause once, the most severe first."""

from __future__ import annotations

import typing as t
from datetime import datetime

from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.routes import NO_BACKEND
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report import condition
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report.schema import (
    SEVERITIES,
    Finding,
    Gateway,
    ProbeResult,
    Route,
    Server,
    Topology,
    Upstream,
    abbreviated,
    counted,
    finding,
)

_NOWHERE = " None of the gateways that were probed has it and is verified."
# In a line of details.
_GATEWAYS = 20
_DISABLED = "disabled in the inventory"
_LIVE = ("up", "partial", "not_probed")


def findings(gateways: t.Sequence[Gateway], topologies: t.Sequence[Topology], now: datetime) -> list[Finding]:
    """All findings, the errors first."""
    reached = [gateway for gateway in gateways if gateway["state"] != "unreachable"]
    others, explained = _explained(gateways, topologies)
    found = [
        *_unreachable(gateways),
        *_routes(others),
        *_refusals(reached),
        *_servers(topologies, explained),
        *_unverified(gateways),
        *condition.findings(reached, now),
        *_versions(reached),
        *_drained(topologies, reached),
        *_out(reached),
    ]
    return sorted(found, key=lambda item: SEVERITIES.index(item["severity"]))


def _unreachable(gateways: t.Sequence[Gateway]) -> t.Iterator[Finding]:
    found = [gateway for gateway in gateways if gateway["state"] == "unreachable"]
    if found:
        names = [gateway["name"] for gateway in found]
        yield finding(
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
            text += (
                " It passes on the gateway itself: check what is between, such as a firewall, and "
                "websockets_verify_address, where the controller connects to."
            )
        yield finding("error", "route", f"{_names(routes)} {verb} {where}", text, gateways=on, routes=routes)


def _refusals(gateways: t.Sequence[Gateway]) -> t.Iterator[Finding]:
    """What is to be refused and is not: that of one variable, which does the same on each gateway, is one finding."""
    found: dict[tuple[str, str], dict[str, list[str]]] = {}
    for gateway in gateways:
        for refusal in gateway["refusals"]:
            if refusal["failure"]:
                on = found.setdefault((refusal["at"], refusal["failure"]), {}).setdefault(route_name(refusal), [])
                on.append(gateway["name"])
    for (at, failure), by_route in found.items():
        on, routes = list(dict.fromkeys(name for names in by_route.values() for name in names)), list(by_route)
        yield finding(
            "error",
            "refusal",
            f"{_names(routes)} {'does' if len(routes) == 1 else 'do'} not refuse what {at} requires on "
            f"{abbreviated(on)}",
            f"{_sentence(failure)} Check the directives of the location and its site, and other files of nginx.",
            gateways=on,
            routes=routes,
        )


def _unverified(gateways: t.Sequence[Gateway]) -> t.Iterator[Finding]:
    """Routes that are served, but not verified."""
    verified = {
        route_name(route) for gateway in gateways for route in gateway["routes"] if route["state"] == "verified"
    }
    for (why, is_elsewhere), on, routes in _grouped(gateways, "unverified", _why):
        verb = "is" if len(routes) == 1 else "are"
        title, severity = f"{_names(routes)} {verb} not verified on {abbreviated(on)}", "warning"
        text = _sentence(why)
        if is_elsewhere:
            # That is so of a floating address, on all gateways but one.
            severity = "note" if verified.issuperset(routes) else "warning"
            text += " On another gateway that has it, it is verified." if severity == "note" else _NOWHERE
        yield finding(severity, "route", title, text, gateways=on, routes=routes)


def _why(route: Route) -> tuple[str, bool]:
    result = route["gateway"]
    return (result["unverified"], result["elsewhere"]) if result else ("", False)


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
            if key in dead and own and own["failure"] and _is_unanswered(gateway, own):
                failure = own["failure"] if own["status"] else "did not respond in time"
                explained.setdefault(key, []).append(_Failing(gateway["name"], route_name(route), failure))
            else:
                left.append(route)
        others.append(t.cast("Gateway", {**gateway, "routes": left}))
    return others, explained


def _is_unanswered(gateway: Gateway, result: ProbeResult) -> bool:
    """Whether nginx runs, and no backend has responded: nginx waits for a host that is down as long as a probe."""
    return result["status"] in NO_BACKEND or (result["status"] is None and bool(gateway["fingerprint"]))


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
    return finding(
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
    return finding(
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


def _versions(gateways: t.Sequence[Gateway]) -> t.Iterator[Finding]:
    by_version: dict[str, list[str]] = {}
    for gateway in gateways:
        if gateway["nginx_version"]:
            by_version.setdefault(gateway["nginx_version"], []).append(gateway["name"])
    if len(by_version) > 1:
        found = sorted(by_version.items(), key=lambda item: len(item[1]))
        yield finding(
            "note",
            "nginx",
            f"Gateways run {len(by_version)} versions of nginx",
            details=[
                f"nginx {version}: {counted(len(names), 'gateway')}, {abbreviated(names)}" for version, names in found
            ],
        )


def _drained(topologies: t.Sequence[Topology], gateways: t.Sequence[Gateway]) -> t.Iterator[Finding]:
    uneven = list(_drained_unevenly(topologies, gateways))
    yield from (finding for _server, finding in uneven)
    reported = {server for server, _finding in uneven}
    for state, words in (("drained", "drained"), ("disabled", _DISABLED)):
        found = {
            f"{server['address']} of the upstream {upstream['name']}": None
            for topology in topologies
            for upstream in topology["upstreams"]
            for server in upstream["servers"]
            if server["state"] == state and (upstream["name"], server["address"]) not in reported
        }
        if found:
            yield finding("note", "drained", f"{_are(list(found), 'server')} {words}", details=list(found))


def _drained_unevenly(
    topologies: t.Sequence[Topology], gateways: t.Sequence[Gateway]
) -> t.Iterator[tuple[tuple[str, str], Finding]]:
    """Servers that are drained on some of the gateways that have them, each with its upstream and address."""
    names_by_gateway = {
        gateway["name"]: {server["address"]: server["name"] for server in gateway["drained"]}
        for gateway in gateways
        if gateway["fingerprint"]
    }
    servers: dict[tuple[str, str], list[str]] = {}
    for topology in topologies:
        for upstream in topology["upstreams"]:
            for server in upstream["servers"]:
                if server["state"] == "drained":
                    servers.setdefault((upstream["name"], server["address"]), []).extend(topology["gateways"])
    for (upstream_name, address), having in servers.items():
        known = [name for name in having if name in names_by_gateway]
        on = [name for name in known if address in names_by_gateway[name]]
        others = [name for name in known if address not in names_by_gateway[name]]
        if on and others:
            name = names_by_gateway[on[0]][address]
            yield (
                (upstream_name, address),
                finding(
                    "warning",
                    "drained",
                    f"{address} of {upstream_name} is drained on {abbreviated(on)}, and not on {abbreviated(others)}",
                    "playbooks/site.yml leaves each gateway as it is. To drain it on all of them, run "
                    f"playbooks/drain.yml -e websockets_drain={name}; to bring it back on all, "
                    f"-e websockets_undrain={name}.",
                    details=[
                        f"drained on {abbreviated(on, _GATEWAYS)}",
                        f"not drained on {abbreviated(others, _GATEWAYS)}",
                    ],
                    gateways=[*on, *others],
                ),
            )


def _out(gateways: t.Sequence[Gateway]) -> t.Iterator[Finding]:
    names = [gateway["name"] for gateway in gateways if gateway["out_of_rotation"]]
    if names:
        title = f"{_are(names, 'gateway')} out of the load balancers: {abbreviated(names)}"
        yield finding(
            "note", "drained", title, "playbooks/drain.yml -e websockets_undrain=NAME brings one back.", gateways=names
        )


def _are(names: t.Sequence[str], word: str) -> str:
    return f"{counted(len(names), word)} {'is' if len(names) == 1 else 'are'}"
