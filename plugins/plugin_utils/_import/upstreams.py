# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Upstream blocks as websockets_upstreams."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import import values
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.found import Found
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.printing import short, text
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.scope import Scope
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.tree import Directive
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables import nginx_syntax
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.upstream_keys import SERVER_PARAMETERS

_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_.-]")
_PLUS = {"slow_start": "nginx Plus alone has it", "service": "nginx Plus alone has it"}


def upstream(block: Directive, found: Found) -> dict[str, t.Any]:
    name = name_of(block)
    scope = Scope(block.block or ())
    servers = _servers(scope, found)
    variables: dict[str, t.Any] = {
        "name": name,
        "balance": _balance(block, scope, len(servers), found),
        "servers": servers,
    }
    for zone in scope.take("zone"):
        if len(zone.args) == 2:
            # A name of its own serves nothing, and some give the same one to several upstreams.
            is_named = found.is_ours and zone.args[0] != name
            variables["zone"] = " ".join(zone.args) if is_named else zone.args[1].lower()
    keepalive = scope.take("keepalive")
    if keepalive:
        variables["keepalive"] = values.number(keepalive[-1].args[:1])
    elif found.is_ours:
        # nginx has none by default, and the file that the role writes has a line for all others.
        variables["keepalive"] = 0
    for resolver in scope.take("resolver"):
        variables["resolver"] = " ".join(map(nginx_syntax.quoted, resolver.args))
    if not servers:
        found.ask(block, f"the upstream '{name}' has no servers: which are they?")
        servers.append("backend.invalid:80")
    left = [found.renamed(one) for one in scope.left]
    for one in left:
        found.note("directives", one, f"'{short(one)}' has no key: it is in the 'directives' of the upstream '{name}'")
    variables["directives"] = [text(one) for one in left]
    return found.placed(variables, block)


def name_of(block: Directive) -> str:
    """The name by which the variables call an upstream."""
    plain = _NOT_IN_A_NAME.sub("_", " ".join(block.args)).lstrip(".-")
    return plain or "backend"


def _balance(block: Directive, scope: Scope, servers: int, found: Found) -> str:
    given = scope.take("ip_hash", "least_conn", "hash", "random", "sticky", "least_time")
    if not given and servers < 2 and not found.is_ours:
        return "least_conn"
    if not given:
        if not found.is_ours:
            text = (
                "by turns, as nginx does by default; without 'balance', by the fewest connections, as suits WebSockets"
            )
            found.note("taken", block, f"balance: round_robin: {text}")
        return "round_robin"
    # A method before sticky is how new clients are placed; of several others nginx takes the last one.
    last = next((one for one in given if one.name == "sticky"), given[-1])
    for one in given:
        if one is not last and not (last.name == "sticky" and one.name == "least_conn"):
            found.note("left out", one, f"'{short(one)}': the upstream has '{short(last)}' too")
    return " ".join([last.name, *map(nginx_syntax.quoted, last.args)])


def _servers(scope: Scope, found: Found) -> list[t.Any]:
    servers: list[t.Any] = []
    places: set[str] = set()
    for one in scope.take("server"):
        address, parameters = _server(one, found)
        if not address:
            continue
        if address in places:
            # The role lists servers a second time, as backups that are never left out.
            if not (parameters.get("backup") and parameters.get("max_fails") == 0):
                found.note("left out", one, f"'{short(one)}': the upstream has this server already")
            continue
        places.add(address)
        servers.append(found.placed({"address": address, **parameters}, one) if parameters else address)
    return servers


def _server(directive: Directive, found: Found) -> tuple[str, dict[str, t.Any]]:
    if not directive.args:
        found.note("left out", directive, "a server without an address")
        return "", {}
    address = _address(directive, found)
    parameters: dict[str, t.Any] = {}
    for word in directive.args[1:]:
        name, equals, value = word.partition("=")
        if name not in SERVER_PARAMETERS:
            found.note(
                "left out", directive, f"'{word}': {_PLUS.get(name, 'the role has no such parameter of a server')}"
            )
        elif not equals:
            parameters[name] = True
        else:
            parameters[name] = values.number((value,))
    return address, {name: parameters[name] for name in SERVER_PARAMETERS if name in parameters}


def _address(directive: Directive, found: Found) -> str:
    """As HOST:PORT, which the role wants to be said."""
    given = directive.args[0]
    for scheme in ("http://", "https://", "ws://", "wss://"):
        if given.lower().startswith(scheme):
            found.note("corrected", directive, f"'{given}': a server of an upstream has no scheme")
            given = given[len(scheme) :]
    if given.startswith("unix:"):
        return f"unix:/{given[5:].lstrip('/')}"
    host, slash, _path = given.partition("/")
    if slash:
        found.note("corrected", directive, f"'{given}': a server of an upstream has no path")
    given = host
    name, colon, port = given.rpartition(":")
    if colon and port.isdigit() and (":" not in name or name.startswith("[")):
        return given
    if colon and not name.startswith("[") and ":" not in name:
        if not found.is_blank(given):
            found.ask(directive, f"the port of '{given}' is not a number: which one is it?")
        return f"{name}:80"
    # As nginx completes it.
    return f"[{given}]:80" if ":" in given and not given.startswith("[") else f"{given}:80"
