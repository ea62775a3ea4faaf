# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The keys of an upstream and of its servers."""

from __future__ import annotations

import functools
import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables import addresses, raw_directives, values
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.errors import Errors, described
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.keys import Key, list_of, mapping


def server(value: object, path: str, errors: Errors) -> dict[str, t.Any]:
    """A server: its address alone, or a mapping with parameters."""
    if isinstance(value, t.Mapping):
        return mapping(value, path, errors, SERVER)
    if not isinstance(value, str):
        errors.add(path, f"must be an address or a mapping, not {described(value)}")
        return {"at": path}
    address = addresses.server(value, path, errors)
    return {**mapping({}, path, errors, SERVER_PARAMETERS), **({"address": address} if address else {})}


def upstream(value: object, path: str, errors: Errors) -> dict[str, t.Any]:
    return mapping(value, path, errors, UPSTREAM)


# Each prints `key=value`, or its name alone where it is true, in the line of its server.
SERVER_PARAMETERS = {
    "weight": Key(
        values.positive,
        "The server's share of clients, relative to the other servers.",
        default=None,
        otherwise="nginx's V(1)",
        version_added="0.2.0",
    ),
    "max_fails": Key(
        values.count,
        "How many failures within C(fail_timeout) make nginx skip the server.",
        default=None,
        otherwise="nginx's V(1), or V(0) where C(balance) is V(ip_hash), V(hash) or V(random)",
        version_added="0.2.0",
    ),
    "fail_timeout": Key(
        values.seconds,
        "The time in which failures are counted, and for which the server is then skipped.\n"
        "In whole seconds, or in larger units.",
        default=None,
        otherwise="nginx's V(10s)",
        version_added="0.2.0",
    ),
    "max_conns": Key(
        values.count,
        "The maximum number of connections to the server at once; V(0) for no limit.",
        default=None,
        otherwise="nginx's V(0)",
        version_added="0.2.0",
    ),
    "backup": Key(
        values.boolean,
        "V(true) uses the server only while no other one is available.\n"
        "Not in an upstream with C(balance) V(ip_hash), V(hash) or V(random).",
        default=False,
        version_added="0.2.0",
    ),
    "down": Key(
        values.boolean,
        "V(true) sends no requests to the server.",
        default=False,
        version_added="0.2.0",
    ),
    "resolve": Key(
        values.boolean,
        "V(true) makes nginx follow the addresses of the server's name while it runs.\n"
        "It asks the upstream's C(resolver), which is required then.",
        default=False,
        nginx=(1, 27, 3),
        version_added="0.2.0",
    ),
    "route": Key(
        values.route,
        "The name of the server in a route of V(sticky).",
        default=None,
        nginx=(1, 29, 6),
        type="str",
        version_added="0.2.0",
    ),
    "drain": Key(
        values.boolean,
        "V(true) sends the server only requests that are bound to it by V(sticky).\n"
        "This is nginx's parameter; O(websockets_drain) writes C(down) instead.",
        default=False,
        nginx=(1, 29, 6),
        version_added="0.2.0",
    ),
}

SERVER = {
    "address": Key(
        addresses.server,
        "The server's address, as V(HOST:PORT), V([V6]:PORT) or V(unix:/PATH).",
        type="str",
        version_added="0.2.0",
    ),
    **SERVER_PARAMETERS,
}

UPSTREAM = {
    "name": Key(
        values.upstream_name,
        "The unique name of the upstream, which locations refer to.",
        type="str",
    ),
    "servers": Key(
        functools.partial(list_of, server),
        "The servers of the upstream, each as V(HOST:PORT), V([V6]:PORT), V(unix:/PATH) or a mapping.\n"
        "Mappings are allowed since 0.2.0.",
        default=[],
        also=("server",),
        type="list",
        elements="raw",
        keys=SERVER,
    ),
    "group": Key(
        values.text,
        "An inventory group. Each of its hosts becomes a server, sorted by name, whatever C(--limit) and C(serial) "
        "say; they add to C(servers).",
        default=None,
        type="str",
    ),
    "port": Key(
        values.port_or_variable,
        "With C(group), which requires it: the port of the servers, or the name of the host variable that holds each "
        "host's own port.",
        default=None,
    ),
    "address": Key(
        values.variable_name,
        "With C(group): the name of the host variable that holds the address, a name or an IP address. A host without "
        "C(ansible_host) is reached by its inventory name.",
        default=None,
        otherwise="V(ansible_host)",
        type="str",
    ),
    "balance": Key(
        values.balance,
        "How clients are distributed over the servers, see below.\n"
        "One of nginx's methods, V(least_conn), V(round_robin), V(ip_hash), V(random), V(random two), V(random two "
        "least_conn), V(hash KEY), V(hash KEY consistent), V(sticky ...) or V(least_time ...).\n"
        "V(least_conn) is the default because WebSockets live for hours, and with V(round_robin) an upstream would "
        "not even out again after one of its servers was down. V(ip_hash) keeps a client on one server.\n"
        "V(sticky) requires nginx 1.29.6, and places a new client by V(least_conn). V(least_time) requires nginx "
        "1.31.0.\n"
        "The key of V(hash) and the words of V(sticky) may contain nginx's variables.\n"
        "Before 0.2.0 only V(least_conn), V(round_robin) and V(ip_hash) were known.",
        # Sockets live for hours: by turns, an upstream never evens out again after one server was away.
        default="least_conn",
        also=values.BALANCES,
        type="str",
    ),
    "zone": Key(
        values.zone,
        "The shared memory that holds the state of the upstream for all workers: a size, or a name and a size.",
        default=None,
        otherwise="V(64k), V(128k) beyond 32 servers, V(256k) beyond 64 and so on, under the name of the upstream",
        type="str",
        version_added="0.2.0",
    ),
    "keepalive": Key(
        values.connections,
        "How many idle connections to the upstream each worker keeps open; V(0) for none.",
        # nginx's own default was 0 before 1.29.7, and has been 32 since.
        default=32,
        version_added="0.2.0",
    ),
    "resolver": Key(
        addresses.resolver,
        "The name servers for servers with C(resolve), in the syntax of nginx's directive, such as "
        "V(127.0.0.53 valid=10s ipv6=off).",
        default=None,
        plain=True,
        nginx=(1, 27, 3),
        type="str",
        version_added="0.2.0",
    ),
}
UPSTREAM["directives"] = raw_directives.key("upstream", UPSTREAM, {})
