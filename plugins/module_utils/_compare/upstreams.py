# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which servers a request may be passed to, and how one of them is chosen."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.wsfleet.nginx.plugins.module_utils._compare.configuration import (
    Configuration,
    Directive,
    backend_of,
)

_METHODS = frozenset({"hash", "ip_hash", "least_conn", "least_time", "random", "sticky"})
ROUND_ROBIN = "round_robin"


@dataclass(frozen=True)
class Group:
    """An upstream: its servers with their parameters, and its method."""

    name: str
    servers: t.Mapping[str, t.Mapping[str, str]]
    method: str = ROUND_ROBIN

    @property
    def up(self) -> dict[str, str]:
        """The servers that can be chosen, each with what decides how often."""
        return {
            name: " ".join(f"{key}={value}" if value else key for key, value in sorted(given.items()) if key in _SHARES)
            for name, given in self.servers.items()
            if "down" not in given
        }

    def __str__(self) -> str:
        servers = ", ".join(f"{name} {shares}".strip() for name, shares in sorted(self.up.items()))
        return f"{servers} by {self.method}" if len(self.up) > 1 else servers


# Of so many requests for each server, every one has had some.
_ENOUGH = 10
_SHARES = frozenset({"backup", "max_conns", "weight"})


def _group(upstream: Directive) -> Group:
    servers: dict[str, dict[str, str]] = {}
    method = ROUND_ROBIN
    for one in upstream.block or []:
        if one.name == "server" and one.args:
            given = dict(argument.partition("=")[::2] for argument in one.args[1:])
            # nginx's own values, written out.
            if given.get("weight") == "1":
                del given["weight"]
            if given.get("max_conns") == "0":
                del given["max_conns"]
            name = backend_of(one.args[0])
            # A server that is there once more as its own backup, as this collection has it, gets nothing else by that.
            if not (name in servers and "backup" in given):
                servers[name] = given
        elif one.name in _METHODS:
            method = " ".join([one.name, *one.args])
    return Group(upstream.args[0], servers, method)


class Groups:
    """The upstreams of a configuration."""

    def __init__(self, config: Configuration) -> None:
        self._groups = [_group(one) for one in config.upstreams.values()]
        self._direct = set(config.direct_backends())

    def with_server(self, server: str, observed: t.Mapping[str, int]) -> list[Group]:
        """Those that a server is in; one of its own where an address is passed to directly.

        Where that leaves several, the servers that had the other requests for the path tell, if there were enough.
        """
        found = [one for one in self._groups if server in one.servers]
        if not found or server in self._direct:
            found.append(Group(server, {server: {}}))
        fitting = [one for one in found if set(observed) <= set(one.servers)]
        if fitting and sum(observed.values()) >= _ENOUGH * max(len(one.up) for one in found):
            fewest = min(len(one.up) for one in fitting)
            found = [one for one in fitting if len(one.up) == fewest]
        return found


def pair(before: t.Sequence[Group], after: t.Sequence[Group]) -> tuple[Group, Group]:
    """The two that are most alike, where the server that had the request is in more than one."""
    return min(
        ((one, other) for one in before for other in after),
        key=lambda both: (
            set(both[0].up) != set(both[1].up),
            both[0].up != both[1].up,
            both[0].method != both[1].method,
            both[0].name != both[1].name,
        ),
    )
