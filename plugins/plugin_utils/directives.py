# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The nginx directives of a pool, a site and a location, one line each, in the order they are printed."""

from __future__ import annotations

from ansible_collections.wsfleet.nginx.plugins.plugin_utils.pools import Server
from ansible_collections.wsfleet.nginx.plugins.plugin_utils.schema import Location, Site, Upstream

# Always the whole set: nginx inherits proxy_set_header from the level above only where a location sets none.
_PROXY_HEADERS = (
    "proxy_set_header Host $host;",
    "proxy_set_header X-Real-IP $remote_addr;",
    "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
    "proxy_set_header X-Forwarded-Proto $scheme;",
)

# A socket that is silent for a minute is no fault; nginx's default of 60s would close it.
_WEBSOCKET_SILENCE = "1h"

# RFC 9110 section 15.5.22: a 426 names the protocol in an Upgrade header.
_UPGRADE_REQUIRED = (
    'if ($websocket_upgrade = "") {',
    "    add_header Upgrade websocket always;",
    '    return 426 "This path speaks WebSocket only.\\n";',
    "}",
)


def upstream_lines(upstream: Upstream, servers: tuple[Server, ...]) -> list[str]:
    lines = [f"zone {upstream['name']} {zone_kilobytes(len(servers))}k;"]
    # Before the servers: nginx checks some combinations only in that order.
    if upstream["balance"] != "round_robin":
        lines.append(f"{upstream['balance']};")
    return lines + [f"server {server.address};" for server in servers]


def zone_kilobytes(servers: int) -> int:
    """64 kB hold the pool's state for 32 servers with room to spare; 2 kB more for each further one."""
    return max(64, 2 * servers)


def site_lines(site: Site) -> list[str]:
    return [*(f"listen {listen};" for listen in site["listen"]), f"server_name {' '.join(site['server_name'])};"]


def location_lines(location: Location) -> list[str]:
    lines: list[str] = []
    if location["websocket"] == "required":
        lines += ["default_type text/plain;", *_UPGRADE_REQUIRED]
    lines += [f"proxy_pass http://{location['upstream']};", "proxy_http_version 1.1;", *_PROXY_HEADERS]
    lines += _upgrade_lines(location)
    timeout = location["proxy_read_timeout"] or (_WEBSOCKET_SILENCE if location["websocket"] else None)
    if timeout:
        lines.append(f"proxy_read_timeout {timeout};")
    return lines


def _upgrade_lines(location: Location) -> list[str]:
    if location["websocket"]:
        return [
            "proxy_set_header Upgrade $websocket_upgrade;",
            "proxy_set_header Connection $websocket_connection;",
        ]
    # "" rather than nginx's own "close": a pool may keep its connections for later requests.
    return ['proxy_set_header Upgrade "";', 'proxy_set_header Connection "";']
