# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Timeouts, which are too long to wait for: those of locations that both configurations have."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.wsfleet.nginx.plugins.module_utils._compare.configuration import Configuration, Directive
from ansible_collections.wsfleet.nginx.plugins.module_utils._compare.differences import Case
from ansible_collections.wsfleet.nginx.plugins.module_utils._compare.exchange import Answer, Request

_OWN = {"proxy_connect_timeout": "60s", "proxy_read_timeout": "60s", "proxy_send_timeout": "60s"}
_UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "": 1000}


def different_timeouts(before: Configuration, after: Configuration) -> t.Iterator[Case]:
    """Each once for a location, whatever other names its server has."""
    one, other = _effective(before), _effective(after)
    seen = set()
    for key, value in one.items():
        host, location, name = key
        found = location, name, value, other.get(key, value)
        if found not in seen and _milliseconds(found[2]) != _milliseconds(found[3]):
            seen.add(found)
            where = f"location {location} of {host or 'a server without a name'}"
            yield Case(Request("", None, "/"), name, value, other[key], (Answer(), Answer()), where=where)


def _effective(config: Configuration) -> dict[tuple[str, str, str], str]:
    """The values by name of the server, location and directive."""
    found = {}
    for server in config.servers:
        for location in server.directive.walk("location"):
            if location.first("proxy_pass"):
                for name in _OWN:
                    value = _value(name, (location, server.directive, config.http))
                    for host in server.names or [""]:
                        found[host, " ".join(location.args), name] = value
    return found


def _value(name: str, blocks: t.Iterable[Directive]) -> str:
    for block in blocks:
        directive = block.first(name)
        if directive and directive.args:
            return directive.args[0]
    return f"{_OWN[name]}, nginx's own"


def _milliseconds(value: str) -> int:
    """A time of nginx, which may have several units."""
    return sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)(ms|[smhd]?)", value.partition(",")[0]))
