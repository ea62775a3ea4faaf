# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The language of the variables: which keys an upstream, a site and a location have, and what each defaults to."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.wsfleet.nginx.plugins.plugin_utils import values
from ansible_collections.wsfleet.nginx.plugins.plugin_utils.faults import Faults, did_you_mean, kind, shown


class Location(t.TypedDict, total=False):
    """websockets_sites[].locations[]. Like a site and an upstream, it has all its keys once no fault was noted."""

    at: str
    path: values.LocationPath
    upstream: str
    websocket: bool | str
    proxy_read_timeout: str | None


class Site(t.TypedDict, total=False):
    """websockets_sites[]."""

    at: str
    server_name: tuple[str, ...]
    listen: tuple[values.Listen, ...]
    locations: tuple[Location, ...]


class Upstream(t.TypedDict, total=False):
    """websockets_upstreams[], without the hosts of its group."""

    at: str
    name: str
    balance: str
    servers: tuple[values.Address, ...]
    group: str | None
    port: int | str | None
    address: str | None


@dataclass(frozen=True)
class Key:
    """A key's check, and its default; a key without one is required."""

    check: t.Callable[[t.Any, str, Faults], t.Any]
    default: t.Any = ...


def upstreams(value: object, path: str, faults: Faults) -> tuple[Upstream, ...]:
    return t.cast("tuple[Upstream, ...]", _objects(value, path, faults, UPSTREAM))


def sites(value: object, path: str, faults: Faults) -> tuple[Site, ...]:
    return t.cast("tuple[Site, ...]", _objects(value, path, faults, SITE))


def _objects(value: object, path: str, faults: Faults, keys: dict[str, Key]) -> tuple[dict[str, t.Any], ...]:
    if not isinstance(value, list):
        faults.add(path, f"must be a list, not {kind(value)} ({shown(value)})")
        return ()
    return tuple(_object(item, f"{path}[{index}]", faults, keys) for index, item in enumerate(value))


def _object(value: object, path: str, faults: Faults, keys: dict[str, Key]) -> dict[str, t.Any]:
    """The sound keys of an object, so that one fault in it hides no other; the faulty ones are noted and left out."""
    fields: dict[str, t.Any] = {"at": path}
    if not isinstance(value, t.Mapping):
        faults.add(path, f"must be a mapping, not {kind(value)} ({shown(value)})")
        return fields
    for name in value:
        if name not in keys:
            faults.add(f"{path}.{name}", f"is not a key known here{did_you_mean(str(name), keys)}")
    for name, key in keys.items():
        if name in value:
            completed = key.check(value[name], f"{path}.{name}", faults)
            if completed is not None:
                fields[name] = completed
        elif key.default is ...:
            faults.add(path, f"needs the key '{name}'")
        else:
            fields[name] = key.default
    return fields


def _servers(value: object, path: str, faults: Faults) -> tuple[values.Address, ...] | None:
    if not isinstance(value, list):
        faults.add(path, f"must be a list, not {kind(value)} ({shown(value)})")
        return None
    return values.each(value, path, faults, values.server)


def _locations(value: object, path: str, faults: Faults) -> tuple[dict[str, t.Any], ...]:
    if isinstance(value, list) and not value:
        faults.add(path, "is empty: a site needs at least one location")
    return _objects(value, path, faults, LOCATION)


def variables(given: t.Mapping[str, t.Any], faults: Faults) -> dict[str, t.Any]:
    """All variables of the role, with the defaults of those that are not given."""
    for name in given:
        if name not in VARIABLES:
            faults.add(name, f"is not a variable of the role{did_you_mean(name, VARIABLES)}")
    completed = {**VARIABLES, **given}
    values.state(completed["websockets_state"], "websockets_state", faults)
    values.absolute_path(completed["websockets_config_path"], "websockets_config_path", faults)
    return completed


VARIABLES: dict[str, t.Any] = {
    "websockets_state": "present",
    "websockets_upstreams": [],
    "websockets_sites": [],
    "websockets_status_listen": "127.0.0.1:6455",
    "websockets_config_path": "/etc/nginx/conf.d/00-websockets.conf",
}

LOCATION = {
    "path": Key(values.location_path),
    "upstream": Key(values.pool_name),
    "websocket": Key(values.websocket, default=True),
    "proxy_read_timeout": Key(values.nginx_time, default=None),
}

SITE = {
    "server_name": Key(values.server_names),
    "listen": Key(values.listens),
    "locations": Key(_locations),
}

UPSTREAM = {
    "name": Key(values.pool_name),
    # Sockets live for hours: by turns, a pool never evens out again after one server was away.
    "balance": Key(values.balance, default="least_conn"),
    "servers": Key(_servers, default=()),
    "group": Key(values.text, default=None),
    "port": Key(values.port_or_variable, default=None),
    "address": Key(values.variable_name, default=None),
}
