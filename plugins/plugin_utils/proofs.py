# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How each route is proven: one proof for each location of each site, run on the gateway itself."""

from __future__ import annotations

import typing as t
import urllib.parse

from ansible_collections.wsfleet.nginx.plugins.plugin_utils.schema import Location, Site
from ansible_collections.wsfleet.nginx.plugins.plugin_utils.values import Address

# Where a listen on every address can be reached.
_LOOPBACK = {"": "127.0.0.1", "::": "::1"}


class Proof(t.TypedDict):
    """A route, where to reach it, and what its answers must be."""

    site: str
    path: str
    url: str
    connect_to: str
    websocket: bool | str


def proofs(site: Site) -> list[Proof]:
    return [_proof(site, location) for location in site["locations"]]


def _proof(site: Site, location: Location) -> Proof:
    address = site["listen"][0].address
    host = _request_host(site)
    port = "" if address.unix or address.port == 80 else f":{address.port}"
    scheme = "ws" if location["websocket"] else "http"
    return Proof(
        site=site["server_name"][0],
        path=str(location["path"]),
        # nginx compares a location with the decoded path.
        url=f"{scheme}://{host}{port}{urllib.parse.quote(location['path'].path)}",
        connect_to=str(_reachable(address)),
        websocket=location["websocket"],
    )


def _reachable(address: Address) -> Address:
    host = address.canonical.host
    return address if address.unix else Address(host=_LOOPBACK.get(host, host), port=address.port)


def _request_host(site: Site) -> str:
    """A host name that clients reach the site by: its first whole one, one of a wildcard, or for '_' any other."""
    whole = [name for name in site["server_name"] if name != "_" and not name.startswith("*.")]
    return whole[0] if whole else site["server_name"][0].replace("*", "proof").replace("_", "proof.invalid")
