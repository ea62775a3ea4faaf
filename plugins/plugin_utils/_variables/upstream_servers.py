# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The servers of an upstream: those it names, and every host of its inventory group."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass, field, replace

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables import addresses, schema, values
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.addresses import Address
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.errors import Errors, shown
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.schema import Upstream

# https://nginx.org/en/docs/http/ngx_http_upstream_module.html#server
METHODS_WITHOUT_BACKUP = ("ip_hash", "hash", "random")


@dataclass(frozen=True)
class Server:
    """One server of an upstream, and the place in the inventory that it comes from."""

    at: str
    address: Address
    # As in schema.SERVER_PARAMETERS, and under 'at' the place that they come from; none where the host has none.
    parameters: t.Mapping[str, t.Any]
    # Its name in the inventory, where it is a host of a group.
    host: str = ""
    # The name by which it was drained.
    drained: str = ""

    @property
    def is_down(self) -> bool:
        return bool(self.drained or self.parameters.get("down"))

    @property
    def names(self) -> tuple[str, ...]:
        """What an operator may call it: the name of a host, or an address with the port or without."""
        return (self.host, self.address.host, self.address.unix, str(self.address))


# Each host of an upstream with the host and the port of its address, and its parameters.
GroupUpstream = t.Sequence[t.Tuple[str, str, int, t.Mapping[str, t.Any]]]


@dataclass(frozen=True)
class Inventory:
    """What the controller knows of all hosts, whatever --limit and serial say."""

    groups: t.Mapping[str, t.Sequence[str]]
    hostvars: t.Mapping[str, t.Mapping[str, t.Any]]
    # What group_upstreams() has found already.
    upstreams: t.Mapping[str, GroupUpstream] = field(default_factory=dict)


# The place of an address that has an error. Its server stays, so that its parameters are checked with all others.
_UNKNOWN = Address()


def servers(upstream: Upstream, inventory: Inventory, errors: Errors) -> tuple[Server, ...]:
    """The servers of an upstream, those with an error included."""
    named = [Server(server["at"], server.get("address", _UNKNOWN), server) for server in upstream.get("servers", ())]
    found = named + _group_servers(upstream, inventory, errors)
    places: dict[Address, str] = {}
    for server in (server for server in found if server.address != _UNKNOWN):
        first = places.setdefault(server.address.canonical, server.at)
        if first != server.at:
            errors.add(server.at, f"{shown(str(server.address))} is already a server of this upstream, from {first}")
    return tuple(found)


def group_upstreams(upstreams: t.Iterable[object], inventory: Inventory) -> dict[str, GroupUpstream]:
    """The hosts of each upstream that comes from a group, once for all gateways: to ask for the variables of thousands
    of hosts takes longer than all else in a check. One with an error is left out, and each
    gateway reports it with its path."""
    found: dict[str, GroupUpstream] = {}
    for given in upstreams:
        if not isinstance(given, t.Mapping) or "group" not in given:
            continue
        keys = {key: given[key] for key in ("group", "port", "address") if key in given}
        errors = Errors()
        (upstream,) = schema.upstreams([{"name": "any", **keys}], "any", errors)
        key = _group_upstream(upstream)
        if errors.lines or key in found:
            continue
        servers = _group_servers(upstream, inventory, errors)
        if not errors.lines:
            found[key] = [(server.host, server.address.host, server.address.port, _own(server)) for server in servers]
    return found


def _group_upstream(upstream: Upstream) -> str:
    return json.dumps([upstream.get("group"), upstream.get("port"), upstream.get("address")])


def _own(server: Server) -> dict[str, t.Any]:
    """The parameters that differ from nginx's own."""
    return {name: value for name, value in server.parameters.items() if name != "at" and value not in (None, False)}


def drained(servers: t.Sequence[Server], out: t.Sequence[str], back: t.Sequence[str]) -> tuple[Server, ...]:
    """The servers, those marked that an operator has taken out and does not bring back, by whatever name."""
    ranks, kept = {name: rank for rank, name in enumerate(out)}, frozenset(back)
    return tuple(
        replace(server, drained="" if kept.intersection(server.names) else _first(server.names, ranks))
        for server in servers
    )


def _first(names: t.Iterable[str], ranks: t.Mapping[str, int]) -> str:
    return min((name for name in names if name in ranks), key=ranks.__getitem__, default="")


def _group_servers(upstream: Upstream, inventory: Inventory, errors: Errors) -> list[Server]:
    """One server for each host of the upstream's group."""
    at, group = upstream["at"], upstream.get("group")
    if group is None:
        if "group" in upstream:
            _check_without_group(upstream, errors)
        return []
    if upstream.get("port", 0) is None:
        errors.add(at, f"missing required key 'port' for the group '{group}'")
    if group not in inventory.groups:
        errors.add(f"{at}.group", f"'{group}' is not an inventory group{errors.suggestion(group, inventory.groups)}")
        return []
    if not inventory.groups[group] and not upstream.get("servers", True):
        errors.add(at, f"no servers: the group '{group}' has no hosts")
    known = inventory.upstreams.get(_group_upstream(upstream))
    if known is not None:
        return [_known_server(upstream, *member) for member in known]
    # Sorted by name: the order of hosts in an inventory may differ from run to run and from team to team.
    return [_host_server(upstream, host, inventory, errors) for host in sorted(inventory.groups[group])]


def _check_without_group(upstream: Upstream, errors: Errors) -> None:
    for key in ("port", "address"):
        if upstream.get(key) is not None:
            errors.add(f"{upstream['at']}.{key}", "only valid together with `group`")
    if not upstream.get("servers", True):
        errors.add(upstream["at"], "no servers: requires 'servers', or 'group' with 'port'")


def _known_server(upstream: Upstream, host: str, address: str, port: int, parameters: t.Mapping[str, t.Any]) -> Server:
    place = _place(upstream, host)
    own = {**parameters, "at": f"{place}, websockets_server"} if parameters else {}
    return Server(place, Address(host=address, port=port), own, host)


def _place(upstream: Upstream, host: str) -> str:
    return f"{upstream['at']}.group '{upstream['group']}', host {host}"


def _host_server(upstream: Upstream, host: str, inventory: Inventory, errors: Errors) -> Server:
    variables = inventory.hostvars[host]
    place = _place(upstream, host)
    schema.host_variables(variables, f"host {host}", errors)
    parameters: dict[str, t.Any] = {}
    if "websockets_server" in variables:
        parameters = schema.server_parameters(variables["websockets_server"], f"host {host}, websockets_server", errors)
        # What does not go with this very upstream is an error of its own.
        parameters["at"] = f"{place}, websockets_server"
    address = _host_address(upstream, host, variables, place, errors)
    return Server(place, address or _UNKNOWN, parameters, host)


def _host_address(
    upstream: Upstream, host: str, variables: t.Mapping[str, t.Any], place: str, errors: Errors
) -> Address | None:
    number, name = upstream.get("port"), upstream.get("address", "") or "ansible_host"
    if isinstance(number, str):
        number = _host_port(number, upstream["at"], variables, place, errors)
    if "address" not in upstream:
        return None
    if name not in variables and name != "ansible_host":
        errors.add(place, f"has no variable '{name}', which {upstream['at']}.address names")
        return None
    given = variables.get(name, host)
    plain = addresses.host_address(given) if isinstance(given, str) else None
    if plain is None:
        errors.add(f"{place}, {name}", f"{shown(given)} is neither a host name nor an address")
    return None if plain is None or number is None else Address(host=plain, port=number)


def _host_port(name: str, at: str, variables: t.Mapping[str, t.Any], place: str, errors: Errors) -> int | None:
    if name in variables:
        return values.port(variables[name], f"{place}, {name}", errors)
    errors.add(place, f"has no variable '{name}', which {at}.port names")
    return None
