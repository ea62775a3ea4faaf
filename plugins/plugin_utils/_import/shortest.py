# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variables in their shortest form: without what the role does anyway, the keys in the order of the README."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._model.gateway import gateway_model
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.errors import Errors
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.keys import Key
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.location_keys import LOCATION
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.role_variables import VARIABLES
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.site_keys import SITE
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.upstream_keys import SERVER, UPSTREAM
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.upstream_servers import Inventory

Variables = t.Dict[str, t.Any]
_NOTHING: tuple[t.Any, ...] = ({}, [], None, "")
# One of them may stand without its list.
_ONE_OR_MORE = ("server_name", "listen", "set_real_ip_from", "directives", "websockets_directives")


_HASH = re.compile(r"(?:server_names|map|variables)_hash_(?:bucket|max)_size \d+;")
# Each of the other keys changes a line wherever it is given.
_MAY_BE_NEEDLESS = (
    *("balance", "zone", "keepalive", "weight", "max_fails", "fail_timeout", "max_conns", "backup", "down", "resolve"),
    *("drain", "http2", "ssl_policy", "redirect_http", "ssl_buffer_size", "ssl_verify_client", "real_ip_header"),
    *("allow_missing_origin", "limit_dry_run", "client_header_timeout", "large_client_header_buffers", "access_log"),
    *("strip_prefix", "proxy_read_timeout", "proxy_buffer_size", "proxy_buffers", "proxy_ssl_verify"),
    *("proxy_ssl_trusted_certificate", "proxy_ssl_name", "proxy_next_upstream"),
)


def shortest(variables: t.Mapping[str, t.Any]) -> Variables:
    """Each key that changes no line of the file is left out."""
    upstreams = [_upstream(one) for one in variables.get("websockets_upstreams", ())]
    sites = [_site(one, upstreams) for one in variables.get("websockets_sites", ())]
    found = {**variables, "websockets_upstreams": upstreams, "websockets_sites": sites}
    found["websockets_directives"] = _directives(found)
    given = [name for name in VARIABLES if found.get(name) not in (*_NOTHING, VARIABLES[name].default)]
    return {name: _alone(name, found[name]) for name in given}


def _directives(variables: Variables) -> list[str]:
    """The lines of the http block without the sizes of hashes that the role works out itself."""
    given = variables.get("websockets_directives", [])
    found = [given] if isinstance(given, str) else list(given)
    for line in [line for line in found if _HASH.fullmatch(line)]:
        others = [other for other in found if other != line]
        model = gateway_model({**variables, "websockets_directives": others}, Inventory({}, {}), Errors())
        if model is not None and line in model["lines"]:
            found = others
    return found


def _alone(name: str, value: t.Any) -> t.Any:
    return value[0] if name in _ONE_OR_MORE and isinstance(value, list) and len(value) == 1 else value


def _upstream(given: Variables) -> Variables:
    servers = [_server(one) for one in given.get("servers", ())]
    # As the README begins: how it is balanced before the servers.
    keys = {name: UPSTREAM[name] for name in ("name", "balance", *UPSTREAM)}
    ordered = _ordered({**given, "servers": servers}, keys)

    def lines(upstream: Variables) -> object:
        return _lines([upstream], [])

    found = _without_needless(ordered, lines)
    for number, server in enumerate(servers):
        if isinstance(server, dict):

            def with_server(one: Variables, at: int = number) -> object:
                return lines({**found, "servers": [*servers[:at], one, *servers[at + 1 :]]})

            servers[number] = _without_needless(server, with_server)
    return {**found, "servers": [_server(one) for one in servers]}


def _server(given: t.Any) -> t.Any:
    """An address alone where it has no parameters."""
    if not isinstance(given, dict):
        return given
    ordered = _ordered(given, SERVER)
    return ordered["address"] if len(ordered) == 1 else ordered


def _site(given: Variables, upstreams: t.Sequence[Variables]) -> Variables:
    needed = {one["name"]: one for one in upstreams}
    locations = [_location(one, given, needed) for one in given.get("locations", ())]
    ordered = _ordered({**given, "locations": locations}, SITE)
    used = _used(locations, needed)
    return _without_needless(ordered, lambda site: _lines(used, [_as_alone(site)]))


def _location(given: Variables, site: Variables, upstreams: t.Mapping[str, Variables]) -> Variables:
    ordered = _ordered(given, LOCATION)
    used = _used([ordered], upstreams)
    around = _as_alone({key: value for key, value in site.items() if key not in ("directives", "headers")})
    if ordered.get("websocket") is True:
        del ordered["websocket"]
    return _without_needless(ordered, lambda one: _lines(used, [{**around, "locations": [one]}]))


def _as_alone(site: Variables) -> Variables:
    """Without what concerns other servers."""
    return {key: value for key, value in site.items() if value not in (*_NOTHING,)}


def _used(locations: t.Iterable[Variables], upstreams: t.Mapping[str, Variables]) -> list[Variables]:
    words = {word for one in locations for word in re.split("[/:]+", one.get("upstream") or one.get("proxy_pass", ""))}
    return [upstreams[word] for word in sorted(words) if word in upstreams]


def _without_needless(given: Variables, lines: t.Callable[[Variables], object]) -> Variables:
    found = given
    optional = [key for key in given if key in _MAY_BE_NEEDLESS]
    before = lines(found) if optional else None
    for key in optional:
        shorter = {name: value for name, value in found.items() if name != key}
        if before is not None and lines(shorter) == before:
            found = shorter
    return found


def _lines(upstreams: list[Variables], sites: list[Variables]) -> object:
    """The lines of the file; None for variables with an error, which are all kept."""
    given = {"websockets_upstreams": upstreams, "websockets_sites": sites}
    model = gateway_model(given, Inventory({}, {}), Errors())
    return None if model is None else model["lines"]


def _ordered(given: Variables, keys: t.Mapping[str, Key]) -> Variables:
    return {name: _alone(name, given[name]) for name in keys if name in given and given[name] not in _NOTHING}
