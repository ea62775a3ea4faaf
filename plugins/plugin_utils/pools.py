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


def servers(upstream: Upstream, inventory: Inventory, faults: Faults) -> tuple[Server, ...]:
    """The servers of a pool; none where its own keys have faults."""
    if not {"servers", "group", "port", "address"} <= upstream.keys():
        return ()
    before = len(faults.lines)
    named = [Server(server["at"], server["address"], server) for server in upstream["servers"] if "address" in server]
    found = named + _group_servers(upstream, inventory, faults)
    if not found and not upstream["servers"] and len(faults.lines) == before:
        faults.add(upstream["at"], "the pool is empty: give it servers, or a group with hosts and a port")
    places: dict[Address, str] = {}
    for server in found:
        first = places.setdefault(server.address.canonical, server.at)
        if first != server.at:
            faults.add(server.at, f"{shown(str(server.address))} is in the pool already, from {first}")
    return tuple(found)


def _group_servers(upstream: Upstream, inventory: Inventory, faults: Faults) -> list[Server]:
    at, group = upstream["at"], upstream["group"]
    if group is None:
        for key in ("port", "address"):
            if upstream.get(key) is not None:
                faults.add(f"{at}.{key}", "goes with a group; a server has its own in its address")
        return []
    if upstream["port"] is None:
        faults.add(at, f"the group '{group}' needs the key 'port'")
        return []
    if group not in inventory.groups:
        hint = did_you_mean(group, inventory.groups)
        faults.add(f"{at}.group", f"'{group}' is not a group of the inventory{hint}")
        return []
    # Sorted by name: the order of hosts in an inventory may differ from run to run and from team to team.
    found = (_host_server(upstream, host, inventory, faults) for host in sorted(inventory.groups[group]))
    return [server for server in found if server is not None]


def _host_server(upstream: Upstream, host: str, inventory: Inventory, faults: Faults) -> Server | None:
    variables = inventory.hostvars[host]
    place = f"{upstream['at']}.group '{upstream['group']}', host {host}"
    address = _host_address(upstream, host, variables, place, faults)
    parameters: dict[str, t.Any] = {}
    if "websockets_server" in variables:
        parameters = schema.server_parameters(variables["websockets_server"], f"{place}, websockets_server", faults)
    return None if address is None else Server(place, address, parameters)


def _host_address(
    upstream: Upstream, host: str, variables: t.Mapping[str, t.Any], place: str, faults: Faults
) -> Address | None:
    number, name = upstream["port"], upstream["address"] or "ansible_host"
    if isinstance(number, str):
        number = _host_port(number, upstream["at"], variables, place, faults)
    given = variables.get(name, host if name == "ansible_host" else None)
    if given is None:
        faults.add(place, f"has no variable '{name}', which {upstream['at']}.address names")
        return None
    plain = addresses.host_address(given) if isinstance(given, str) else None
    if plain is None:
        faults.add(f"{place}, {name}", f"{shown(given)} is neither a host name nor an address")
    return None if plain is None or number is None else Address(host=plain, port=number)


def _host_port(name: str, at: str, variables: t.Mapping[str, t.Any], place: str, faults: Faults) -> int | None:
    if name in variables:
        return values.port(variables[name], f"{place}, {name}", faults)
    faults.add(place, f"has no variable '{name}', which {at}.port names")
    return None
