# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The request headers that a backend gets. nginx inherits all of them from the server block or none, so each location
has a whole set: its own, or the one that most locations of its site share and that stands in the server block.
"""

from __future__ import annotations

import collections
import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.nginx_syntax import line

if t.TYPE_CHECKING:
    from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.schema import Location, Site

# Frameworks believe these before Host, and would take the client's for the gateway's. nginx sends no header with ''.
_DROPPED = ("X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Ssl", "X-Scheme", "Forwarded")
# The template's maps: "websocket" and "upgrade" with a handshake, and nothing with anything else. "" rather than
# nginx's own "close": an upstream may keep its connections for later requests.
_WEBSOCKET = {"Upgrade": "$websocket_upgrade", "Connection": "$websocket_connection"}
_PLAIN = {"Upgrade": "", "Connection": ""}
# Before 1.23.0 nginx reads the first of two, and a backend may read the other one.
_CHECKED_ORIGIN = {"Origin": "$http_origin"}

Headers = t.Dict[str, str]


def by_location(site: Site) -> dict[str, Headers]:
    """The set of each location that passes requests on, by its path in the variables."""
    told = own(site)
    return {location["at"]: _headers(told, location) for location in site["locations"] if is_proxied(location)}


def _headers(told: Headers, location: Location) -> Headers:
    """A set in the order it is printed: the gateway's, the operator's, those of the upgrade."""
    given = {name.lower(): (name, value) for name, value in location["headers"].items()}
    first = {name: given.pop(name.lower(), (name, value))[1] for name, value in told.items()}
    return {**first, **dict(given.values()), **(_WEBSOCKET if location["websocket"] else _PLAIN)}


def shared(sets: t.Mapping[str, Headers]) -> Headers:
    """The set that most locations of a site have; none where it passes nothing on."""
    if not sets:
        return {}
    ((most, _number),) = collections.Counter(tuple(one.items()) for one in sets.values()).most_common(1)
    return dict(most)


def lines(given: Headers) -> list[str]:
    return [line("proxy_set_header", name, value) for name, value in given.items()]


def merged(of_site: t.Mapping[str, str], of_location: t.Mapping[str, str]) -> Headers:
    """The headers of a location: its own, and those of its site that it does not name."""
    own = {name.lower() for name in of_location}
    return {**{name: value for name, value in of_site.items() if name.lower() not in own}, **of_location}


def is_proxied(location: Location) -> bool:
    return bool(location["upstream"] or location["proxy_pass"])


def forwarding_maps(sites: t.Iterable[Site]) -> list[list[str]]:
    """What sites behind load balancers share."""
    behind = [site for site in sites if forwarding_lines(site)]
    maps = []
    if any(believes_scheme(site) for site in behind):
        maps.append(
            [
                "# The scheme that a load balancer names, if it is one.",
                "map $http_x_forwarded_proto $websocket_scheme {",
                "    default $scheme;",
                "    http    http;",
                "    https   https;",
                "}",
            ]
        )
    if any(real_ip_header(site).lower() != "x-forwarded-for" for site in behind):
        maps.append(
            [
                "# The addresses that a load balancer passes on, with the client's at their end unless it is there.",
                'map "$remote_addr $http_x_forwarded_for" $websocket_clients {',
                "    default                            $proxy_add_x_forwarded_for;",
                r'    "~^(\S+) (?:.*, *)?\1(?: *,.*)?$" $http_x_forwarded_for;',
                "}",
            ]
        )
    return maps


def forwarding_lines(site: Site) -> list[str]:
    """Of the server of a site behind load balancers: whom the request comes from and by which scheme.

    nginx has replaced the address of whoever it believes, and of nobody else.
    """
    if not site["set_real_ip_from"] or not any(map(is_proxied, site["locations"])):
        return []
    clients = "$http_x_forwarded_for" if real_ip_header(site).lower() == "x-forwarded-for" else "$websocket_clients"
    found = ["set $websocket_for $proxy_add_x_forwarded_for;"]
    believed = [f'    set $websocket_for "{clients}, $realip_remote_addr";']
    if believes_scheme(site):
        found.append("set $websocket_proto $scheme;")
        believed.append("    set $websocket_proto $websocket_scheme;")
    return [*found, "if ($realip_remote_addr != $remote_addr) {", *believed, "}"]


def real_ip_header(site: Site) -> str:
    spoken = any(listen.proxy_protocol for listen in site["listen"])
    return site["real_ip_header"] or ("proxy_protocol" if spoken else "X-Forwarded-For")


def believes_scheme(site: Site) -> bool:
    """Whether X-Forwarded-Proto is the load balancer's. One that speaks the PROXY protocol passes on what the client
    wrote.
    """
    return bool(site["set_real_ip_from"]) and real_ip_header(site) != "proxy_protocol"


def own(site: Site) -> Headers:
    """What a backend is told where the operator says nothing else."""
    checked = any(
        location["websocket"] and (location["allowed_origins"] or site["allowed_origins"] or ("*",)) != ("*",)
        for location in site["locations"]
    )
    return {**forwarded(site), **(_CHECKED_ORIGIN if checked else {})}


def forwarded(site: Site) -> Headers:
    """What a backend is told of nginx and the client."""
    behind = bool(site["set_real_ip_from"])
    return {
        # The name that nginx has chosen the site by, and the port that the client sent: applications compare them with
        # the Origin. $http_host is whatever the client says.
        "Host": "$host$websocket_port",
        "X-Real-IP": "$remote_addr",
        "X-Forwarded-For": "$websocket_for" if behind else "$proxy_add_x_forwarded_for",
        "X-Forwarded-Proto": "$websocket_proto" if believes_scheme(site) else "$scheme",
        **dict.fromkeys(_DROPPED, ""),
    }
