# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The servers of a pool: those it names, and every host of its inventory group."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.wsfleet.nginx.plugins.plugin_utils import addresses, schema, values
from ansible_collections.wsfleet.nginx.plugins.plugin_utils.addresses import Address
from ansible_collections.wsfleet.nginx.plugins.plugin_utils.faults import Faults, did_you_mean, shown
from ansible_collections.wsfleet.nginx.plugins.plugin_utils.schema import Upstream


@dataclass(frozen=True)
class Server:
    """One server of a pool, and the place in the inventory that it comes from."""

    at: str
    address: Address
    # As in schema.SERVER_PARAMETERS, and under 'at' the place that they come from; none where the host has none.
    parameters: t.Mapping[str, t.Any]


@dataclass(frozen=True)
class Inventory:
    """What the controller knows of all hosts, whatever --limit and serial say."""

    groups: t.Mapping[str, t.Sequence[str]]
    hostvars: t.Mapping[str, t.Mapping[str, t.Any]]


# The place of an address that has a fault. Its server stays, so that its parameters are checked with all others.
_UNKNOWN = Address()


def servers(upstream: Upstream, inventory: Inventory, faults: Faults) -> tuple[Server, ...]:
    """The servers of a pool, those with a fault included."""
    named = [Server(server["at"], server.get("address", _UNKNOWN), server) for server in upstream.get("servers", ())]
    found = named + _group_servers(upstream, inventory, faults)
    places: dict[Address, str] = {}
    for server in (server for server in found if server.address != _UNKNOWN):
        first = places.setdefault(server.address.canonical, server.at)
        if first != server.at:
            faults.add(server.at, f"{shown(str(server.address))} is in the pool already, from {first}")
    return tuple(found)


def _group_servers(upstream: Upstream, inventory: Inventory, faults: Faults) -> list[Server]:
    """One server for each host of the pool's group."""
    at, group = upstream["at"], upstream.get("group")
    if group is None:
        if "group" in upstream:
            _check_without_group(upstream, faults)
        return []
    if upstream.get("port", 0) is None:
        faults.add(at, f"the group '{group}' needs the key 'port'")
    if group not in inventory.groups:
        faults.add(f"{at}.group", f"'{group}' is not a group of the inventory{did_you_mean(group, inventory.groups)}")
        return []
    if not inventory.groups[group] and not upstream.get("servers", True):
        faults.add(at, f"the pool is empty: the group '{group}' has no hosts")
    # Sorted by name: the order of hosts in an inventory may differ from run to run and from team to team.
    return [_host_server(upstream, group, host, inventory, faults) for host in sorted(inventory.groups[group])]


def _check_without_group(upstream: Upstream, faults: Faults) -> None:
    for key in ("port", "address"):
        if upstream.get(key) is not None:
            faults.add(f"{upstream['at']}.{key}", "goes with a group; a server has its own in its address")
    if not upstream.get("servers", True):
        faults.add(upstream["at"], "the pool is empty: give it servers, or a group with hosts and a port")


def _host_server(upstream: Upstream, group: str, host: str, inventory: Inventory, faults: Faults) -> Server:
    variables = inventory.hostvars[host]
    place = f"{upstream['at']}.group '{group}', host {host}"
    schema.host_variables(variables, f"host {host}", faults)
    parameters: dict[str, t.Any] = {}
    if "websockets_server" in variables:
        parameters = schema.server_parameters(variables["websockets_server"], f"host {host}, websockets_server", faults)
        # What does not go with this very pool is a fault of its own.
        parameters["at"] = f"{place}, websockets_server"
    address = _host_address(upstream, host, variables, place, faults)
    return Server(place, address or _UNKNOWN, parameters)


def _host_address(
    upstream: Upstream, host: str, variables: t.Mapping[str, t.Any], place: str, faults: Faults
) -> Address | None:
    number, name = upstream.get("port"), upstream.get("address", "") or "ansible_host"
    if isinstance(number, str):
        number = _host_port(number, upstream["at"], variables, place, faults)
    if "address" not in upstream:
        return None
    if name not in variables and name != "ansible_host":
        faults.add(place, f"has no variable '{name}', which {upstream['at']}.address names")
        return None
    given = variables.get(name, host)
    plain = addresses.host_address(given) if isinstance(given, str) else None
    if plain is None:
        faults.add(f"{place}, {name}", f"{shown(given)} is neither a host name nor an address")
    return None if plain is None or number is None else Address(host=plain, port=number)


def _host_port(name: str, at: str, variables: t.Mapping[str, t.Any], place: str, faults: Faults) -> int | None:
    if name in variables:
        return values.port(variables[name], f"{place}, {name}", faults)
    faults.add(place, f"has no variable '{name}', which {at}.port names")
    return None
