# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The nginx directives of the http block, of a pool and of a site, one line each, in the order they are printed."""

from __future__ import annotations

import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils import tls
from ansible_collections.wsfleet.nginx.plugins.plugin_utils.addresses import Listen
from ansible_collections.wsfleet.nginx.plugins.plugin_utils.admission import CLIENT, Admission
from ansible_collections.wsfleet.nginx.plugins.plugin_utils.locations import error_page_lines
from ansible_collections.wsfleet.nginx.plugins.plugin_utils.pools import Server
from ansible_collections.wsfleet.nginx.plugins.plugin_utils.schema import (
    SERVER_PARAMETERS,
    Site,
    Upstream,
    has_http2,
    has_tls,
)
from ansible_collections.wsfleet.nginx.plugins.plugin_utils.syntax import line
from ansible_collections.wsfleet.nginx.plugins.plugin_utils.values import bytes_of, seconds_of
from ansible_collections.wsfleet.nginx.plugins.plugin_utils.versions import Version

# https://nginx.org/en/docs/hash.html: up to here nginx's default of 512 is enough.
_NAMES_OF_DEFAULT_HASH = 200
_BUCKETS = (64, 128, 256, 512)

# What of a request may hold a token, its query and its headers, is not in it; $uri is the path alone.
_LOG_FIELDS = {
    "time": "$time_iso8601",
    "client": "$remote_addr",
    "site": "$server_name",
    "method": "$request_method",
    "path": "$uri",
    "status": "$status",
    "seconds": "$request_time",
    "bytes_to_client": "$bytes_sent",
    "bytes_from_client": "$upstream_bytes_sent",
    "upstream": "$upstream_addr",
    "handshake_seconds": "$upstream_header_time",
    "origin": "$http_origin",
    "limit_conn": "$limit_conn_status",
    "limit_req": "$limit_req_status",
}

# What a connection has of its own as long as it lives. Measured: docs/data-path.md.
_LEAN = ("connection_pool_size 384;", "request_pool_size 640;")


class Tls(t.NamedTuple):
    """What the TLS of a site depends on beside the site itself."""

    openssl: tuple[int, int] | None
    config_path: str
    sessions: list[str]


def http_lines(sites: t.Sequence[Site], label: str) -> list[str]:
    return [*_hash_lines(sites), *_log_lines(sites, label)]


def _hash_lines(sites: t.Iterable[Site]) -> list[str]:
    """What many or long names need; few and short ones need nothing."""
    names = {name for site in sites for name in site["server_name"] if not name.startswith("~")}
    origins = {
        f"websocket {origin}"
        for site in sites
        for block in (site, *site["locations"])
        for origin in block["allowed_origins"] or ()
    }
    lines = []
    if len(names) > _NAMES_OF_DEFAULT_HASH:
        lines.append(f"server_names_hash_max_size {4 << (len(names) - 1).bit_length()};")
    for hash_name, strings in (("server_names", names), ("map", origins)):
        # A bucket holds a string, its length and two pointers, in whole words of 8 bytes (src/core/ngx_hash.c).
        needed = 16 + max((-(-(len(string) + 2) // 8) * 8 for string in strings), default=0)
        if needed > _BUCKETS[0]:
            lines.append(f"{hash_name}_hash_bucket_size {next(size for size in _BUCKETS if size >= needed)};")
    return lines


def _log_lines(sites: t.Iterable[Site], label: str) -> list[str]:
    """One line a socket, when it is closed."""
    name = _log_format(label)
    if not any(site["access_log"] is None or name in site["access_log"] for site in sites):
        return []
    fields = [f'"{key}":"{variable}"' for key, variable in _LOG_FIELDS.items()]
    rows = [",".join(fields[at : at + 3]) for at in range(0, len(fields), 3)]
    text = ",\n".join(rows)
    quoted_rows = [f"    '{row}'" for row in f"{{{text}}}".split("\n")]
    return [f"log_format {name} escape=json", *quoted_rows[:-1], f"{quoted_rows[-1]};"]


def _log_format(label: str) -> str:
    return f"websockets{label}"


def _log(label: str) -> tuple[str, str]:
    """Another gateway on the host has a log of its own, so that it stays when this one goes."""
    return f"/var/log/nginx/{_log_format(label)}.log", _log_format(label)


def upstream_lines(upstream: Upstream, servers: tuple[Server, ...], nginx: Version) -> list[str]:
    zone = upstream["zone"]
    size = zone.size if zone else f"{zone_kilobytes(len(servers))}k"
    lines = [f"zone {(zone and zone.name) or upstream['name']} {size};"]
    if upstream["resolver"]:
        lines.append(line("resolver", *upstream["resolver"]))
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
    return [*first, line(*words)]


def _server_line(server: Server) -> str:
    words = ["server", str(server.address)]
    for name in SERVER_PARAMETERS:
        value = server.parameters.get(name)
        if value is True:
            words.append(name)
        elif value is not None and value is not False:
            words.append(f"{name}={value}")
    if not server.drained:
        return f"{' '.join(words)};"
    # The live file is the record of it: config_transaction.DRAINED reads it back.
    down = [] if server.parameters.get("down") else ["down"]
    return f"{' '.join([*words, *down])}; # drained: {server.drained}"


def zone_kilobytes(servers: int) -> int:
    """64 kB hold the pool's state for 32 servers with room to spare.

    Twice that hold twice as many, and so on: a step for each server would change a second line of the file with it.
    """
    return max(64, 2 << (servers - 1).bit_length())


def site_lines(site: Site, nginx: Version, secure: Tls, admissions: t.Mapping[str, Admission], label: str) -> list[str]:
    http2 = has_http2(site)
    lines = [_listen_line(listen, http2, nginx) for listen in site["listen"]]
    if http2 and nginx.has_http2_directive:
        lines.append("http2 on;")
    lines.append(line("server_name", *site["server_name"]))
    if has_tls(site):
        lines += tls.certificate_lines(site, secure.config_path)
        lines += _tls_lines([site], secure)
        lines += tls.hsts_lines(site)
    lines += _real_ip_lines(site)
    lines += _connection_lines([site])
    lines.append(line("access_log", *(site["access_log"] or _log(label))))
    if any(admissions[location["at"]].limits for location in site["locations"] if location["websocket"]):
        lines += CLIENT
    lines += error_page_lines(site, admissions)
    return lines + list(site["directives"])


def redirect_lines(redirect: Site, site: Site, nginx: Version, label: str) -> list[str]:
    """The server on port 80 of a site that is to be reached by TLS, but for its answer."""
    return [
        *(_listen_line(listen, False, nginx) for listen in redirect["listen"]),
        line("server_name", *site["server_name"]),
        *_connection_lines([site]),
        line("access_log", *(site["access_log"] or _log(label))),
    ]


def refusing_lines(
    listens: t.Sequence[Listen], sites: t.Sequence[Site], nginx: Version, secure: Tls, label: str
) -> list[str]:
    """The server for names that no site has, but for its answer.

    Until a request's name is known nginx goes by this server, so its times and sizes are those of all sites.
    """
    lines = [_listen_line(listen, False, nginx) for listen in listens]
    if any(listen.ssl for listen in listens):
        lines += _rejecting_lines(nginx)
        here = {listen.address.canonical for listen in listens if listen.ssl}
        secured = [site for site in sites if any(listen.address.canonical in here for listen in site["listen"])]
        lines += _tls_lines(secured, secure)
    lines += _connection_lines(sites)
    if any(site["access_log"] is None for site in sites):
        lines.append(line("access_log", *_log(label)))
    else:
        lines.append("access_log off;")
    return lines


def _rejecting_lines(nginx: Version) -> list[str]:
    if nginx.can_reject_handshakes:
        return ["ssl_reject_handshake on;"]
    # A certificate of which nginx finds, once it is needed, that there is none, ends the handshake as well.
    return ["ssl_certificate data:$websocket_upgrade;", "ssl_certificate_key data:$websocket_upgrade;"]


def _tls_lines(sites: t.Sequence[Site], secure: Tls) -> list[str]:
    """Of a site, or of the server that decides before the site is known: then they are as each of them needs it."""
    policy = "modern" if all(site["ssl_policy"] == "modern" for site in sites) else "intermediate"
    buffer = max((site["ssl_buffer_size"] for site in sites), key=bytes_of)
    return [*tls.policy_lines(policy, secure.openssl), *secure.sessions, f"ssl_buffer_size {buffer};"]


def _connection_lines(sites: t.Sequence[Site]) -> list[str]:
    slowest = max((site["client_header_timeout"] for site in sites), key=seconds_of)
    lines = ["server_tokens off;", f"client_header_timeout {slowest};"]
    buffers = [site["large_client_header_buffers"] for site in sites if site["large_client_header_buffers"]]
    if buffers:
        largest = max(buffers, key=lambda given: bytes_of(given.split()[1]))
        lines.append(f"large_client_header_buffers {largest};")
    return [*lines, *_LEAN]


def _real_ip_lines(site: Site) -> list[str]:
    if not site["set_real_ip_from"]:
        return []
    header = site["real_ip_header"]
    if header is None:
        spoken = any(listen.proxy_protocol for listen in site["listen"])
        header = "proxy_protocol" if spoken else "X-Forwarded-For"
    return [
        *(f"set_real_ip_from {balancer};" for balancer in site["set_real_ip_from"]),
        f"real_ip_header {header};",
        # The last address that is none of a balancer's: those before it the client itself may have written.
        "real_ip_recursive on;",
    ]


def _listen_line(listen: Listen, http2: bool, nginx: Version) -> str:
    words = [str(listen.address)]
    if listen.default_server:
        words.append("default_server")
    if listen.ssl:
        words.append("ssl")
        # On a port without TLS it would shut HTTP/1.1 out.
        if http2 and not nginx.has_http2_directive:
            words.append("http2")
    if listen.proxy_protocol:
        words.append("proxy_protocol")
    return f"listen {' '.join((*words, *listen.options))};"
