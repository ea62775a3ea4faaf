# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan of verify.yml: which gateway probes which server, and which routes the controller probes."""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.routes import NO_BACKEND

# Enough to tell an error of a server from one of a gateway, and no storm on a server that 500 gateways share.
_GATEWAYS_PER_SERVER = 3


class ServersToProbe(t.TypedDict):
    """An item of the option backends of the module gateway_probe_info."""

    at: str
    addresses: list[str]


def servers_to_probe(models: t.Mapping[str, t.Mapping[str, t.Any]]) -> dict[str, list[ServersToProbe]]:
    """The servers that each gateway probes directly: three gateways probe each server, by turns, or all of fewer."""
    by_digest: dict[str, list[str]] = {}
    for name, model in models.items():
        by_digest.setdefault(model["digest"], []).append(name)
    holders: dict[tuple[str, str], list[tuple[str, list[str]]]] = {}
    for names in by_digest.values():
        for target, (at, addresses) in _targets(models[names[0]]).items():
            for address in addresses:
                holders.setdefault((target, address), []).append((at, names))
    plan: dict[str, dict[str, list[str]]] = {}
    for number, ((_target, address), groups) in enumerate(holders.items()):
        total = sum(len(names) for _at, names in groups)
        for step in range(min(_GATEWAYS_PER_SERVER, total)):
            name, at = _nth(groups, (number * _GATEWAYS_PER_SERVER + step) % total)
            plan.setdefault(name, {}).setdefault(at, []).append(address)
    return {
        name: [ServersToProbe(at=at, addresses=addresses) for at, addresses in routes.items()]
        for name, routes in plan.items()
    }


def depends_on_host(digest: str, found: t.Mapping[str, t.Any]) -> bool:
    """Whether the configuration that a gateway has to serve may be another one than that of its model, which was built
    without its host.
    """
    # The versions alone matter only where another configuration is live.
    others = [value for name, value in found["preflight"].items() if not name.endswith("_version")]
    return found["fingerprint"] is not None and (found["fingerprint"] != digest or any(others))


def safe_routes(
    results: t.Mapping[str, t.Sequence[t.Mapping[str, t.Any]] | None], digests: t.Mapping[str, str], name: str
) -> list[str]:
    """The routes of a gateway that may be probed from elsewhere: an HTTP response of a backend costs clients nothing.

    The gateway itself finds that out. For an unreachable one they are the routes that are verified on a gateway with
    the same configuration.
    """
    own = results.get(name)
    if own is not None:
        return [result["at"] for result in own if _has_response(result)]
    found: dict[str, None] = {}
    for other, theirs in results.items():
        if theirs is not None and digests[other] == digests[name]:
            found.update((result["at"], None) for result in theirs if result["verified"])
    return list(found)


def _has_response(result: t.Mapping[str, t.Any]) -> bool:
    return result["status"] is not None and result["status"] not in NO_BACKEND


def outside_probes(
    probes: t.Sequence[t.Mapping[str, t.Any]],
    routes: t.Sequence[t.Mapping[str, t.Any]],
    address: str | None,
    safe: t.Collection[str],
    *,
    is_reached: bool,
) -> list[dict[str, t.Any]]:
    """The probes that another host can make of the safe routes, given the address at which it reaches the gateway.

    An address that a site listens on may be on another gateway now, which an unreachable one cannot tell.
    """
    if address is None:
        return []
    harmless = {*safe, *(probe["at"] for probe in probes if not probe["backends"])}
    listening = {
        route["at"]: route["outside"]
        for route in routes
        if route["outside"] and (is_reached or route["outside"].isdigit())
    }
    host = f"[{address}]" if ":" in address else address
    return [
        # A port alone is one of any address of the gateway. Backends are probed by the gateway itself.
        {**probe, "connect_to": _joined(host, listening[probe["at"]]), "backends": None}
        for probe in probes
        if probe["at"] in listening and probe["at"] in harmless
    ]


def results_by_gateway(results: t.Iterable[t.Mapping[str, t.Any]]) -> dict[str, list[dict[str, t.Any]]]:
    """The results from the controller, whose `at` begins with the name of the gateway, by that name."""
    found: dict[str, list[dict[str, t.Any]]] = {}
    for result in results:
        name, _space, at = result["at"].rpartition(" ")
        found.setdefault(name, []).append({**result, "at": at})
    return found


def outside_address(gateway: str, given: str | bool | None, variables: t.Mapping[str, t.Any]) -> str | None:
    """Where other hosts reach the gateway, given websockets_verify_address; None where they do not."""
    if given is not None:
        return str(given) if given else None
    address = str(variables.get("ansible_host", gateway))
    # That is the controller, of which only a port is forwarded to the gateway.
    is_forwarded = _is_loopback(address) and variables.get("ansible_connection") != "local"
    return None if is_forwarded else address


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def _joined(host: str, listening: str) -> str:
    return f"{host}:{listening}" if listening.isdigit() else listening


def _nth(groups: t.Sequence[tuple[str, t.Sequence[str]]], number: int) -> tuple[str, str]:
    for at, names in groups:
        if number < len(names):
            return names[number], at
        number -= len(names)
    raise IndexError(number)


def _targets(model: t.Mapping[str, t.Any]) -> dict[str, tuple[str, list[str]]]:
    """The upstreams, and the targets of routes without one, each with a route to probe its servers by."""
    backends = {probe["at"]: probe["backends"]["addresses"] for probe in model["probes"] if probe["backends"]}
    upstreams = {upstream["name"]: upstream["servers"] for upstream in model["upstreams"]}
    found: dict[str, tuple[str, list[str]]] = {}
    for route in model["routes"]:
        at, target = route["at"], route["upstream"] or route["target"]
        if at in backends and target not in found:
            servers = upstreams.get(route["upstream"])
            found[target] = at, [server["address"] for server in servers] if servers else list(backends[at])
    return found
