# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The nginx directives of a pool, a site and a location, one line each, in the order they are printed."""

from __future__ import annotations

import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils import snippets
from ansible_collections.wsfleet.nginx.plugins.plugin_utils.addresses import Listen
from ansible_collections.wsfleet.nginx.plugins.plugin_utils.pools import Server
from ansible_collections.wsfleet.nginx.plugins.plugin_utils.schema import (
    SERVER_PARAMETERS,
    Location,
    Site,
    Upstream,
    has_http2,
)
from ansible_collections.wsfleet.nginx.plugins.plugin_utils.syntax import quoted
from ansible_collections.wsfleet.nginx.plugins.plugin_utils.values import REDIRECTS, bytes_of
from ansible_collections.wsfleet.nginx.plugins.plugin_utils.versions import Version

# Always the whole set: nginx inherits proxy_set_header from the level above only where a location sets none.
_PROXY_HEADERS = {
    "Host": "$host",
    "X-Real-IP": "$remote_addr",
    "X-Forwarded-For": "$proxy_add_x_forwarded_for",
    "X-Forwarded-Proto": "$scheme",
}

# A socket that is silent for a minute is no fault; nginx's default of 60s would close it.
_WEBSOCKET_SILENCE = "1h"

# RFC 9110 section 15.5.22: a 426 names the protocol in an Upgrade header.
_UPGRADE_REQUIRED = (
    'if ($websocket_upgrade = "") {',
    "    add_header Upgrade websocket always;",
    '    return 426 "This path speaks WebSocket only.\\n";',
    "}",
)

# nginx's own proxy_buffers are 8 of a page, and refuse a proxy_buffer_size of more than three (13k of 4k pages).
_LARGEST_LONE_BUFFER = 13 * 1024

# https://nginx.org/en/docs/hash.html: up to here nginx's default of 512 is enough.
_NAMES_OF_DEFAULT_HASH = 200
_BUCKETS = (64, 128, 256, 512)


def http_lines(sites: t.Iterable[Site]) -> list[str]:
    """What many or long server names need; few and short ones need nothing."""
    names = {name for site in sites for name in site["server_name"] if not name.startswith("~")}
    lines = []
    if len(names) > _NAMES_OF_DEFAULT_HASH:
        lines.append(f"server_names_hash_max_size {4 << (len(names) - 1).bit_length()};")
    # A bucket holds a name, its length and two pointers, in whole words of 8 bytes (src/core/ngx_hash.c).
    needed = 16 + max((-(-(len(name) + 2) // 8) * 8 for name in names), default=0)
    if needed > _BUCKETS[0]:
        lines.append(f"server_names_hash_bucket_size {next(size for size in _BUCKETS if size >= needed)};")
    return lines


def upstream_lines(upstream: Upstream, servers: tuple[Server, ...], nginx: Version) -> list[str]:
    zone = upstream["zone"]
    size = zone.size if zone else f"{zone_kilobytes(len(servers))}k"
    lines = [f"zone {(zone and zone.name) or upstream['name']} {size};"]
    if upstream["resolver"]:
        lines.append(_line("resolver", *upstream["resolver"]))
    # Before the servers: nginx checks some combinations only in that order.
    lines += _balance_lines(upstream["balance"])
    lines += [_server_line(server) for server in servers]
    if upstream["keepalive"] or nginx.keeps_connections_by_default:
        lines.append(f"keepalive {upstream['keepalive']};")
    return lines + list(upstream["directives"])


def _balance_lines(words: tuple[str, ...]) -> list[str]:
    if words == ("round_robin",):
        return []
    # A client that comes for the first time is placed by the method before.
    first = ["least_conn;"] if words[0] == "sticky" else []
    return [*first, _line(*words)]


def _server_line(server: Server) -> str:
    words = ["server", str(server.address)]
    for name in SERVER_PARAMETERS:
        value = server.parameters.get(name)
        if value is True:
            words.append(name)
        elif value is not None and value is not False:
            words.append(f"{name}={value}")
    return f"{' '.join(words)};"


def zone_kilobytes(servers: int) -> int:
    """64 kB hold the pool's state for 32 servers with room to spare.

    Twice that hold twice as many, and so on: a step for each server would change a second line of the file with it.
    """
    return max(64, 2 << (servers - 1).bit_length())


def site_lines(site: Site, nginx: Version) -> list[str]:
    http2 = has_http2(site)
    lines = [_listen_line(listen, http2, nginx) for listen in site["listen"]]
    if http2 and nginx.has_http2_directive:
        lines.append("http2 on;")
    lines.append(_line("server_name", *site["server_name"]))
    if site["access_log"]:
        lines.append(_line("access_log", *site["access_log"]))
    return lines + list(site["directives"])


def _listen_line(listen: Listen, http2: bool, nginx: Version) -> str:
    words = [str(listen.address)]
    if listen.default_server:
        words.append("default_server")
    if listen.ssl:
        words.append("ssl")
        # On a port without TLS it would shut HTTP/1.1 out.
        if http2 and not nginx.has_http2_directive:
            words.append("http2")
    return f"listen {' '.join((*words, *listen.options))};"


def location_path(location: Location) -> str:
    path = location["path"]
    return " ".join(filter(None, (path.modifier, quoted(path.path))))


def location_lines(location: Location) -> list[str]:
    lines = _type_lines(location)
    if location["upstream"] or location["proxy_pass"]:
        lines += _proxy_lines(location)
    if location["root"]:
        lines.append(_line("root", location["root"]))
    if location["client_max_body_size"]:
        lines.append(f"client_max_body_size {location['client_max_body_size']};")
    if location["return"]:
        status, text = location["return"].status, location["return"].text
        lines.append(_line("return", str(status), *([] if text is None else [text])))
    return lines + list(location["directives"])


def _type_lines(location: Location) -> list[str]:
    """The type of a text that nginx itself answers with; without one, browsers save it as a file."""
    returned = location["return"]
    answers = returned is not None and returned.text is not None and returned.status not in REDIRECTS
    if not answers and location["websocket"] != "required":
        return []
    return [] if snippets.has(location["directives"], "default_type") else ["default_type text/plain;"]


def _proxy_lines(location: Location) -> list[str]:
    lines: list[str] = []
    if location["websocket"] == "required":
        lines += _UPGRADE_REQUIRED
    lines.append(_line("proxy_pass", _proxied_to(location)))
    if location["proxy_pass"] and location["proxy_pass"].scheme == "https":
        lines.append("proxy_ssl_server_name on;")
    lines.append("proxy_http_version 1.1;")
    lines += [_line("proxy_set_header", name, value) for name, value in _headers(location).items()]
    for name in ("proxy_connect_timeout", "proxy_send_timeout"):
        if location[name]:
            lines.append(f"{name} {location[name]};")
    timeout = location["proxy_read_timeout"] or (_WEBSOCKET_SILENCE if location["websocket"] else None)
    if timeout:
        lines.append(f"proxy_read_timeout {timeout};")
    return lines + _buffer_lines(location)


def _proxied_to(location: Location) -> str:
    if location["proxy_pass"]:
        return str(location["proxy_pass"])
    # With a path behind the pool nginx puts it in the place of the location's own.
    return f"http://{location['upstream']}{'/' if location['strip_prefix'] else ''}"


def _headers(location: Location) -> dict[str, str]:
    given = {name.lower(): (name, value) for name, value in location["headers"].items()}
    headers = {name: given.pop(name.lower(), (name, value))[1] for name, value in _PROXY_HEADERS.items()}
    headers.update(given.values())
    if location["websocket"]:
        return {**headers, "Upgrade": "$websocket_upgrade", "Connection": "$websocket_connection"}
    # "" rather than nginx's own "close": a pool may keep its connections for later requests.
    return {**headers, "Upgrade": "", "Connection": ""}


def _buffer_lines(location: Location) -> list[str]:
    size, buffers = location["proxy_buffer_size"], location["proxy_buffers"]
    if size and not buffers and bytes_of(size) > _LARGEST_LONE_BUFFER:
        buffers = f"8 {size}"
    lines = [f"proxy_buffering {location['proxy_buffering']};"] if location["proxy_buffering"] else []
    lines += [f"proxy_buffer_size {size};"] if size else []
    lines += [f"proxy_buffers {buffers};"] if buffers else []
    if location["proxy_request_buffering"]:
        lines.append(f"proxy_request_buffering {location['proxy_request_buffering']};")
    return lines


def _line(*words: str) -> str:
    return f"{' '.join(map(quoted, words))};"
