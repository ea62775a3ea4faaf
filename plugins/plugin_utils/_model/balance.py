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
    movable: dict[tuple[tuple[str, int], ...], Balanced] = {}
    users: dict[str, list[Balanced]] = {}
    for upstream in upstreams:
        method, weights = upstream["balance"][0], _weights(servers[upstream["at"]])
        one = Balanced(
            name=upstream["name"],
            servers=[WeightedServer(address=address, weight=weight) for address, weight in weights.items()],
            obstacle=_METHODS.get(method, "").format(method),
        )
        same = one if one["obstacle"] else movable.setdefault(tuple(sorted(weights.items())), one)
        if same is not one:
            same["name"] += f", {one['name']}"
            continue
        found.append(one)
        for address in weights:
            users.setdefault(address, []).append(one)
    for one in found:
        one["obstacle"] = one["obstacle"] or _shared(one, users, direct)
    return found


def _weights(servers: t.Iterable[Server]) -> dict[str, int]:
    """Those that are not taken out."""
    return {
        str(server.address): 0 if server.parameters.get("backup") else server.parameters.get("weight") or 1
        for server in servers
        if not server.is_down
    }


def _shared(one: Balanced, users: t.Mapping[str, t.Sequence[Balanced]], direct: t.Mapping[str, str]) -> str:
    for address in (server["address"] for server in one["servers"]):
        if address in direct:
            return f"{direct[address]}.proxy_pass leads to {address} too, and their sockets cannot be told apart"
        other = next((user for user in users[address][:2] if user is not one), None)
        if other:
            return f"the upstream {other['name']} has {address} too, and their sockets cannot be told apart"
    return ""
