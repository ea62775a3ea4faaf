# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The upstreams whose sockets can be moved from full servers to others, and why those of others cannot."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.schema import Location, Upstream
    from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.upstream_servers import Server

# A client that comes back goes where nginx sends it: with these not to where it is missing.
_BOUND = "with `balance: {}` a client that comes back goes to the server that it had"
_METHODS = {
    **dict.fromkeys(("ip_hash", "hash", "sticky"), _BOUND),
    "least_time": "with `balance: {}` nginx distributes clients by the time that servers take, not by their number",
}


class WeightedServer(t.TypedDict):
    address: str
    # 0 for a backup server, which is to have no client.
    weight: int


class Balanced(t.TypedDict):
    """An upstream, or several with the same servers, and why its sockets stay where they are, if they do."""

    name: str
    servers: list[WeightedServer]
    obstacle: str


def balanced(
    upstreams: t.Iterable[Upstream], servers: t.Mapping[str, t.Sequence[Server]], proxied: t.Iterable[Location]
) -> list[Balanced]:
    """As the option upstreams of gateway_rebalance has them. The sockets of two upstreams to the same server cannot be
    told apart: if they distribute clients over the same servers, they are one here.
    """
    direct = {str(location["proxy_pass"].address): location["at"] for location in proxied if location["proxy_pass"]}
    found: list[Balanced] = []
    for upstream in upstreams:
        weights = _weights(servers[upstream["at"]])
        one = Balanced(
            name=upstream["name"],
            servers=[WeightedServer(address=address, weight=weight) for address, weight in weights.items()],
            obstacle=_METHODS.get(upstream["balance"][0], "").format(upstream["balance"][0]),
        )
        same = next((other for other in found if _movable(other, one) and _by_address(other) == _by_address(one)), None)
        if same:
            same["name"] += f", {one['name']}"
        else:
            found.append(one)
    for one in found:
        one["obstacle"] = one["obstacle"] or _shared(one, found, direct)
    return found


def _weights(servers: t.Iterable[Server]) -> dict[str, int]:
    """Those that are not taken out."""
    return {
        str(server.address): 0 if server.parameters.get("backup") else server.parameters.get("weight") or 1
        for server in servers
        if not server.is_down
    }


def _movable(*upstreams: Balanced) -> bool:
    return not any(upstream["obstacle"] for upstream in upstreams)


def _by_address(upstream: Balanced) -> dict[str, int]:
    return {server["address"]: server["weight"] for server in upstream["servers"]}


def _shared(one: Balanced, upstreams: t.Iterable[Balanced], direct: t.Mapping[str, str]) -> str:
    own = _by_address(one)
    for address in own:
        if address in direct:
            return f"{direct[address]}.proxy_pass leads to {address} too, and their sockets cannot be told apart"
    for other in upstreams:
        both = [address for address in own if address in _by_address(other)]
        if other is not one and both:
            return f"the upstream {other['name']} has {both[0]} too, and their sockets cannot be told apart"
    return ""
