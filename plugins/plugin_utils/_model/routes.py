# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where each location of a gateway leads, and whether other hosts can ask it too."""

from __future__ import annotations

import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables import addresses
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.addresses import Address

if t.TYPE_CHECKING:
    from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.schema import Location, Site


class Route(t.TypedDict):
    """A location of a site. Its probe, if it has one, has the same place."""

    at: str
    site: str
    path: str
    # The name of its upstream, or where else it leads.
    upstream: str | None
    target: str
    # Where other hosts reach it: an address, or the port alone where that is any of the gateway's. None where they
    # cannot.
    outside: str | None


def routes(site: Site, upstreams: t.Mapping[str, str]) -> list[Route]:
    """The routes of a site, given the names of all upstreams by what they are in lower case."""
    outside = _outside(site)
    return [_route(site, location, upstreams, outside) for location in site["locations"]]


def _route(site: Site, location: Location, upstreams: t.Mapping[str, str], outside: str | None) -> Route:
    url, probe = location["proxy_pass"], location["probe"]
    upstream = upstreams.get((url.address.host if url else location["upstream"] or "").lower())
    # The file is one of the gateway.
    shows_certificate = isinstance(probe, t.Mapping) and bool(probe.get("ssl_certificate"))
    return Route(
        at=location["at"],
        site=site["server_name"][0],
        path=str(location["path"]),
        upstream=upstream,
        target="" if upstream else _target(location),
        outside=None if shows_certificate else outside,
    )


def _outside(site: Site) -> str | None:
    # As the probe, by the first one.
    address = site["listen"][0].address
    if address.unix or addresses.is_loopback(address.host):
        return None
    is_any = address.canonical.host in ("", "::")
    return str(Address(port=address.port) if is_any else address)


def _target(location: Location) -> str:
    if location["proxy_pass"]:
        return str(location["proxy_pass"])
    if location["root"]:
        return f"files in {location['root']}"
    returned = location["return"]
    return f"answers {returned.status}" if returned else ""
