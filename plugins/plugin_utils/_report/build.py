# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What became of the questions to all gateways, put together as a report."""

from __future__ import annotations

import typing as t
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._config import tls
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report.findings import problems
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report.schema import (
    VERSION,
    Answer,
    Gateway,
    Link,
    Report,
    Route,
    Seen,
    Server,
    Topology,
    Upstream,
    counted,
)
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables import nginx_versions

_ANSWER = ("status", "verified", "failure", "unverified", "hint", "milliseconds", "expires")
_SEEN = ("state", "status", "failure", "milliseconds")


@dataclass(frozen=True)
class Found:
    """What the variables of a gateway say, and what the module gateway_probe_info returned, or Ansible without it."""

    name: str
    model: t.Mapping[str, t.Any]
    gateway: t.Mapping[str, t.Any]
    controller: t.Mapping[str, t.Any] = field(default_factory=dict)

    @property
    def text(self) -> tuple[t.Hashable, ...]:
        """The same for all gateways whose configuration is the same text."""
        nginx, openssl = self.gateway.get("nginx_version"), self.gateway.get("openssl_version")
        return (
            self.model["digest"],
            nginx_versions.same_text(nginx, self.model["suits_since"]),
            tls.same_text(openssl) if self.model["depends_on_openssl"] else None,
        )


def report(found: t.Sequence[Found], now: datetime) -> Report:
    """The report on gateways, in their order; now is in UTC."""
    topologies, numbers = _topologies(found)
    gateways = [_gateway(item, numbers[item.name]) for item in found]
    wrong = problems(gateways, topologies, {item.name: item.text for item in found}, now)
    if any(gateway["state"] != "well" for gateway in gateways):
        state = "errors"
    else:
        state = "warnings" if any(problem["severity"] == "warning" for problem in wrong) else "well"
    return Report(
        version=VERSION,
        time=f"{now.isoformat(timespec='seconds')}Z",
        state=state,
        verdict=_verdict(gateways, sum(problem["severity"] == "warning" for problem in wrong)),
        counts=_counts(gateways, topologies),
        problems=wrong,
        topologies=topologies,
        gateways=gateways,
    )


def _verdict(gateways: t.Sequence[Gateway], warnings: int) -> str:
    if not gateways:
        return "No gateway was asked"
    well = sum(gateway["state"] == "well" for gateway in gateways)
    if len(gateways) == 1:
        said = f"{gateways[0]['name']} {'serves' if well else 'does not serve'} all its routes"
    elif well == len(gateways):
        said = f"All {well:,} gateways serve all their routes"
    else:
        said = f"{well:,} of {len(gateways):,} gateways {'serves all its' if well == 1 else 'serve all their'} routes"
    return f"{said}, with {counted(warnings, 'warning')}" if warnings and well == len(gateways) else said


def _counts(gateways: t.Sequence[Gateway], topologies: t.Sequence[Topology]) -> dict[str, int]:
    states = Counter(gateway["state"] for gateway in gateways)
    routes = Counter(route["state"] for gateway in gateways for route in gateway["routes"])
    # One that is in several topologies is there as all their gateways see it.
    behind = Counter(
        {
            (upstream["name"], server["address"]): server["state"]
            for topology in topologies
            for upstream in topology["upstreams"]
            for server in upstream["servers"]
        }.values()
    )
    return {
        "gateways": len(gateways),
        **{f"gateways_{state}": states[state] for state in ("well", "failed", "unreachable")},
        "routes": routes.total(),
        **{f"routes_{state}": routes[state] for state in ("verified", "unverified", "failed", "unknown", "unprobed")},
        "servers": behind.total(),
        **{f"servers_{state}": behind[state] for state in ("up", "down", "partly", "drained", "off", "unasked")},
    }


def _gateway(found: Found, topology: int) -> Gateway:
    result, asked = found.gateway, "probes" in found.gateway
    own, controllers = _answers(found.gateway), _answers(found.controller)
    controllers = {at: _like(answer, own.get(at)) for at, answer in controllers.items()}
    verified = {probe["at"] for probe in found.model["probes"]}
    routes = [
        _route(route, own.get(route["at"]), controllers.get(route["at"]), is_verified=route["at"] in verified)
        for route in found.model["routes"]
    ]
    failed = any(route["state"] == "failed" for route in routes)
    return Gateway(
        name=found.name,
        state="unreachable" if not asked else "failed" if failed else "well",
        message="" if asked else _message(result),
        nginx_version=result.get("nginx_version"),
        openssl_version=result.get("openssl_version"),
        fingerprint=result.get("fingerprint"),
        file=result.get("file"),
        connections=result.get("connections"),
        out=bool(result.get("out")),
        topology=topology,
        routes=routes,
    )


def _message(result: t.Mapping[str, t.Any]) -> str:
    """Ansible's own words, in one line."""
    return " ".join(str(result.get("msg") or "it was not asked").split()).removeprefix("Task failed: ")


def _answers(result: t.Mapping[str, t.Any]) -> dict[str, Answer]:
    return {probe["at"]: t.cast("Answer", {key: probe[key] for key in _ANSWER}) for probe in result.get("probes") or ()}


def _like(controller: Answer, own: Answer | None) -> Answer:
    """What the controller was answered, which cannot ask backends whether the answer is theirs."""
    if own and own["unverified"] and own["status"] and controller["status"] == own["status"]:
        return {**controller, "failure": "", "unverified": own["unverified"], "hint": ""}
    return controller


def _route(route: Route, gateway: Answer | None, controller: Answer | None, *, is_verified: bool) -> Route:
    if not is_verified:
        state = "unprobed"
    elif any(answer["failure"] for answer in (gateway, controller) if answer):
        state = "failed"
    elif gateway and gateway["unverified"]:
        state = "unverified"
    else:
        state = "verified" if gateway else "unknown"
    return Route(
        at=route["at"],
        **_link(route),
        state=state,
        gateway=gateway,
        controller=controller,
    )


def _link(route: t.Mapping[str, t.Any]) -> Link:
    return Link(site=route["site"], path=route["path"], upstream=route["upstream"], target=route["target"])


_Shape = t.Tuple[
    t.Tuple[t.Tuple[t.Optional[str], ...], ...], t.Tuple[t.Tuple[str, t.Tuple[t.Tuple[str, str], ...]], ...]
]


def _topologies(found: t.Sequence[Found]) -> tuple[list[Topology], dict[str, int]]:
    """The topologies, and which of them each gateway has."""
    shapes: dict[str, _Shape] = {}
    members: dict[_Shape, list[str]] = {}
    for item in found:
        # Most gateways of a fleet have the same text, and what it says is looked up once.
        digest = item.model["digest"]
        if digest not in shapes:
            shapes[digest] = _shape(item.model)
        members.setdefault(shapes[digest], []).append(item.name)
    seen, drained = _seen(found), _drained(found)
    numbers = {name: number for number, names in enumerate(members.values()) for name in names}
    topologies = [
        Topology(
            gateways=names,
            routes=[Link(site=str(s), path=str(p), upstream=upstream, target=str(to)) for s, p, upstream, to in routes],
            upstreams=[_upstream(name, members_, seen, drained) for name, members_ in upstreams],
        )
        for (routes, upstreams), names in members.items()
    ]
    return topologies, numbers


def _shape(model: t.Mapping[str, t.Any]) -> _Shape:
    """What tells one topology from another: its routes, and its upstreams with their servers."""
    routes = tuple((route["site"], route["path"], route["upstream"], route["target"]) for route in model["routes"])
    upstreams = {
        upstream["name"]: tuple((server["address"], server["state"]) for server in upstream["servers"])
        for upstream in model["upstreams"]
    }
    backends = {probe["at"]: probe["backends"]["addresses"] for probe in model["probes"] if probe["backends"]}
    for route in model["routes"]:
        if route["upstream"] is None and route["at"] in backends:
            upstreams[route["target"]] = tuple((address, "") for address in backends[route["at"]])
    return routes, tuple(upstreams.items())


_Sights = t.Mapping[t.Tuple[str, str], t.Sequence[Seen]]


def _seen(found: t.Sequence[Found]) -> _Sights:
    """What gateways saw of each server, by its upstream and its address."""
    sights: dict[tuple[str, str], list[Seen]] = {}
    for item in found:
        asked = item.gateway.get("backends") or ()
        targets = {route["at"]: route["upstream"] or route["target"] for route in item.model["routes"]} if asked else {}
        for answer in asked:
            seen = t.cast("Seen", {"gateway": item.name, **{key: answer[key] for key in _SEEN}})
            sights.setdefault((targets[answer["at"]], answer["address"]), []).append(seen)
    return sights


def _drained(found: t.Sequence[Found]) -> set[str]:
    """The servers that the live file of a gateway keeps out."""
    return {address for item in found for address in item.gateway.get("drained") or ()}


def _upstream(name: str, members: t.Sequence[tuple[str, str]], sights: _Sights, drained: t.Collection[str]) -> Upstream:
    seen = {address: list(sights.get((name, address), ())) for address, _off in members}
    any_is_up = any(sight["state"] == "up" for found in seen.values() for sight in found)
    return Upstream(
        name=name,
        servers=[
            Server(
                address=address,
                state="drained" if address in drained else off or _state(seen[address], any_is_up),
                seen=seen[address],
            )
            for address, off in members
        ],
    )


def _state(seen: t.Sequence[Seen], any_is_up: bool) -> str:
    invalid = sum(_is_error(sight, any_is_up) for sight in seen)
    if not seen:
        return "unasked"
    return "up" if not invalid else "down" if invalid == len(seen) else "partly"


def _is_error(seen: Seen, any_is_up: bool) -> bool:
    """An upstream whose servers all refuse what is asked past nginx may want what nginx adds, or another path."""
    if seen["state"] in ("answered", "closed"):
        return any_is_up or (seen["status"] or 0) >= 500
    return seen["state"] != "up"
