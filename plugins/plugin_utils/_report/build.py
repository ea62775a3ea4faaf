# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The results of all gateways, put together as a report."""

from __future__ import annotations

import typing as t
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.routes import is_down
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report.findings import findings
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report.schema import (
    VERSION,
    Gateway,
    Link,
    ProbeResult,
    Report,
    Route,
    Server,
    ServerProbe,
    Topology,
    Upstream,
    counted,
)

_RESULT = (
    *("status", "verified", "failure", "unverified", "elsewhere", "hint", "milliseconds"),
    *("expires", "valid_from"),
)
_SERVER_PROBE = ("state", "status", "failure", "milliseconds")


@dataclass(frozen=True)
class Found:
    """What the variables of a gateway say, and what the module gateway_probe_info returned, or Ansible without it."""

    name: str
    model: t.Mapping[str, t.Any]
    gateway: t.Mapping[str, t.Any]
    # The results of its probes from the controller.
    controller: t.Sequence[t.Mapping[str, t.Any]] = ()
    # Errors and digest of the model for the nginx and the drained servers of the host, if it was built.
    expected: t.Mapping[str, t.Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """The run that a report is of: its time in UTC, its inventory, and the version of the collection."""

    time: datetime
    inventory: t.Sequence[str]
    collection_version: str


def report(found: t.Sequence[Found], run: Run) -> Report:
    """The report on gateways, in their order."""
    topologies, numbers = _topologies(found)
    gateways = [_gateway(item, numbers[item.name]) for item in found]
    all_findings = findings(gateways, topologies, run.time)
    failed = {name for finding in all_findings if finding["severity"] == "error" for name in finding["gateways"]}
    for gateway in gateways:
        if gateway["state"] == "ok" and gateway["name"] in failed:
            gateway["state"] = "failed"
    severities = Counter(finding["severity"] for finding in all_findings)
    state = "errors" if severities["error"] else "warnings" if severities["warning"] else "ok"
    return Report(
        version=VERSION,
        time=f"{run.time.isoformat(timespec='seconds')}Z",
        inventory=list(run.inventory),
        collection_version=run.collection_version,
        state=state,
        summary=_summary(gateways, severities),
        counts=_counts(gateways, topologies),
        findings=all_findings,
        topologies=topologies,
        gateways=gateways,
    )


def _summary(gateways: t.Sequence[Gateway], severities: t.Mapping[str, int]) -> str:
    if not gateways:
        return "No gateway was probed"
    number = sum(_serves(gateway) for gateway in gateways)
    if len(gateways) == 1:
        text = f"{gateways[0]['name']} {'serves' if number else 'does not serve'} all its routes"
    elif number == len(gateways):
        text = f"All {number:,} gateways serve all their routes"
    else:
        verb = "serves all its" if number == 1 else "serve all their"
        text = f"{number:,} of {len(gateways):,} gateways {verb} routes"
    more = [counted(severities[name], name) for name in ("error", "warning") if severities[name]]
    return f"{text}, with {' and '.join(more)}" if more and number == len(gateways) else text


def _serves(gateway: Gateway) -> bool:
    """Whether it serves all its routes, whatever else is wrong with it."""
    return gateway["state"] != "unreachable" and not any(route["state"] == "failed" for route in gateway["routes"])


def _counts(gateways: t.Sequence[Gateway], topologies: t.Sequence[Topology]) -> dict[str, int]:
    states = Counter(gateway["state"] for gateway in gateways)
    routes = Counter(route["state"] for gateway in gateways for route in gateway["routes"])
    # A server of several topologies has one state, from all their gateways.
    servers_by_state = Counter(
        {
            (upstream["name"], server["address"]): server["state"]
            for topology in topologies
            for upstream in topology["upstreams"]
            for server in upstream["servers"]
        }.values()
    )
    return {
        "gateways": len(gateways),
        **{f"gateways_{state}": states[state] for state in ("ok", "failed", "unreachable")},
        "routes": routes.total(),
        **{f"routes_{state}": routes[state] for state in ("verified", "unverified", "failed", "unknown", "not_probed")},
        "refusals": sum(len(gateway["refusals"]) for gateway in gateways),
        "refusals_failed": sum(bool(refusal["failure"]) for gateway in gateways for refusal in gateway["refusals"]),
        "servers": servers_by_state.total(),
        **{
            f"servers_{state}": servers_by_state[state]
            for state in ("up", "down", "partial", "drained", "disabled", "not_probed")
        },
    }


def _gateway(found: Found, topology: int) -> Gateway:
    result, is_reached = found.gateway, "probes" in found.gateway
    own, outside = _results(result.get("probes") or ()), _results(found.controller)
    outside = {at: _like_gateway(controller, own.get(at)) for at, controller in outside.items()}
    probed = {probe["at"] for probe in found.model["probes"]}
    routes = [
        _route(route, own.get(route["at"]), outside.get(route["at"]), is_probed=route["at"] in probed)
        for route in found.model["routes"]
    ]
    expected = found.expected or {"digest": found.model["digest"], "errors": []}
    return Gateway(
        name=found.name,
        state="ok" if is_reached else "unreachable",
        message="" if is_reached else _message(result),
        nginx_version=result.get("nginx_version"),
        openssl_version=result.get("openssl_version"),
        fingerprint=result.get("fingerprint"),
        expected=expected.get("digest"),
        errors=list(expected["errors"]),
        file=result.get("file"),
        connections=result.get("connections"),
        holder=result.get("holder"),
        nginx=result.get("nginx"),
        certificates=list(result.get("certificates") or ()),
        unfinished=result.get("unfinished"),
        deploying=bool(result.get("deploying")),
        out_of_rotation=bool(result.get("out_of_rotation")),
        left_out=bool(result.get("left_out")),
        drained=list(result.get("drained") or ()),
        topology=topology,
        routes=routes,
        refusals=list(result.get("refusals") or ()),
    )


def _message(result: t.Mapping[str, t.Any]) -> str:
    """Ansible's own message, in one line."""
    return " ".join(str(result.get("msg") or "it was not probed").split()).removeprefix("Task failed: ")


def _results(probes: t.Iterable[t.Mapping[str, t.Any]]) -> dict[str, ProbeResult]:
    return {probe["at"]: t.cast("ProbeResult", {key: probe[key] for key in _RESULT}) for probe in probes}


def _like_gateway(controller: ProbeResult, own: ProbeResult | None) -> ProbeResult:
    """The result from the controller, unverified as on the gateway: the controller cannot probe backends directly."""
    if own and own["unverified"] and own["status"] and controller["status"] == own["status"]:
        return {**controller, "failure": "", "unverified": own["unverified"], "hint": ""}
    return controller


def _route(route: Route, gateway: ProbeResult | None, controller: ProbeResult | None, *, is_probed: bool) -> Route:
    if not is_probed:
        state = "not_probed"
    elif any(result["failure"] for result in (gateway, controller) if result):
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
        # Most gateways of a fleet have the same configuration, whose shape is found once.
        digest = item.model["digest"]
        if digest not in shapes:
            shapes[digest] = _shape(item.model)
        members.setdefault(shapes[digest], []).append(item.name)
    probes, drained = _server_probes(found), _drained(found)
    numbers = {name: number for number, names in enumerate(members.values()) for name in names}
    topologies = [
        Topology(
            gateways=names,
            routes=[Link(site=str(s), path=str(p), upstream=upstream, target=str(to)) for s, p, upstream, to in routes],
            upstreams=[_upstream(name, members_, probes, drained) for name, members_ in upstreams],
        )
        for (routes, upstreams), names in members.items()
    ]
    return topologies, numbers


def _shape(model: t.Mapping[str, t.Any]) -> _Shape:
    """The identity of a topology: its routes, and its upstreams with their servers."""
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


_ServerProbes = t.Mapping[t.Tuple[str, str], t.Sequence[ServerProbe]]


def _server_probes(found: t.Sequence[Found]) -> _ServerProbes:
    """The direct probes of each server, by its upstream and its address."""
    probes: dict[tuple[str, str], list[ServerProbe]] = {}
    for item in found:
        results = item.gateway.get("backends") or ()
        routes = item.model["routes"] if results else ()
        targets = {route["at"]: route["upstream"] or route["target"] for route in routes}
        for result in results:
            probe = t.cast("ServerProbe", {"gateway": item.name, **{key: result[key] for key in _SERVER_PROBE}})
            probes.setdefault((targets[result["at"]], result["address"]), []).append(probe)
    return probes


def _drained(found: t.Sequence[Found]) -> set[str]:
    """The servers that are drained in the live file of a gateway."""
    return {server["address"] for item in found for server in item.gateway.get("drained") or ()}


def _upstream(
    name: str, members: t.Sequence[tuple[str, str]], server_probes: _ServerProbes, drained: t.Collection[str]
) -> Upstream:
    probes = {address: list(server_probes.get((name, address), ())) for address, _unused in members}
    any_is_up = any(probe["state"] == "up" for found in probes.values() for probe in found)
    return Upstream(
        name=name,
        servers=[
            Server(
                address=address,
                state="drained" if address in drained else state or _state(probes[address], any_is_up),
                probes=probes[address],
            )
            for address, state in members
        ],
    )


def _state(probes: t.Sequence[ServerProbe], any_is_up: bool) -> str:
    failed = sum(is_down(probe["state"], probe["status"], any_is_up=any_is_up) for probe in probes)
    if not probes:
        return "not_probed"
    return "up" if not failed else "down" if failed == len(probes) else "partial"
