# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The nginx directives of the http block, an upstream and a site, one line each, in the order they are printed."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx.times import seconds_of
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._config import request_headers, tls
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._config.access_control import CLIENT, Admission
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._config.locations import (
    error_page_lines,
    has_websockets,
    may_speak_http2,
    name_map,
    refusal_maps,
    shared_lines,
)
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables import keys, raw_directives
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.addresses import Listen, is_name
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.nginx_syntax import line
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.nginx_versions import Version
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.schema import (
    Site,
    Upstream,
    has_http2,
    has_tls,
)
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.site_keys import SITE
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.upstream_keys import SERVER_PARAMETERS, UPSTREAM
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.upstream_servers import (
    METHODS_WITHOUT_BACKUP,
    Server,
)
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.values import bytes_of, is_size

# https://nginx.org/en/docs/hash.html: up to here nginx's default of 512 is enough.
_NAMES_OF_DEFAULT_HASH = 200
# With 20 more of the longest names nginx begins to warn that its hash of variables is not the best.
_MAPS_OF_DEFAULT_HASH = 13
_BUCKETS = (64, 128, 256, 512)

# What of a request may hold a token, its query and most of its headers, is not in it.
_LOG_FIELDS = {
    "time": "$time_iso8601",
    "id": "$request_id",
    "client": "$remote_addr",
    "site": "$server_name",
    "tls": "$ssl_protocol",
    "method": "$request_method",
    "path": "$websocket_path",
    "status": "$status",
    "seconds": "$request_time",
    "bytes_to_client": "$bytes_sent",
    "bytes_from_client": "$upstream_bytes_sent",
    "upstream": "$upstream_addr",
    "upstream_status": "$upstream_status",
    "handshake_seconds": "$upstream_header_time",
    "origin": "$websocket_origin",
    "user_agent": "$websocket_agent",
    "limit_conn": "$limit_conn_status",
    "limit_req": "$limit_req_status",
    # Of a handshake, "websocket".
    "upgrade": "$websocket_upgrade",
    # Nothing of what nginx ends because its worker shuts down, else "OK".
    "completion": "$request_completion",
}
# How many of them stand in a line.
_LOG_COLUMNS = 3
# JSON is UTF-8, and clients may send any bytes.
_LOG_TEXTS = [
    "# What clients say, for the log: up to the first byte that is not ASCII, and the path without its query.",
    r'map "$request_uri\n$http_origin\n$http_user_agent" $websocket_texts {',
    r'    "~^(?<websocket_path>[!->@-~]*)[^\n]*\n(?<websocket_origin>[ -~]*)[^\n]*\n(?<websocket_agent>[ -~]*)" "";',
    "}",
]
_SIZES = {
    # A browser's request with its cookies fits in, and a tunnel does not keep nginx's large buffers: docs/data-path.md.
    "client_header_buffer_size": "2k",
    # In nginx's own 4k a tunnel leaves the most part empty as long as it lives.
    "request_pool_size": "768",
}
# https://nginx.org/en/docs/http/ngx_http_core_module.html#large_client_header_buffers
_NGINX_HEADER_BUFFERS = ("4", "8k")
_AGAIN = "# Used when all others have failed, so no client can take servers away from others by requests that fail."
_OFFERED = [
    "# HTTP/2 has no Upgrade (RFC 9113 section 8.2.2).",
    "map $server_protocol $websocket_offered {",
    '    default  "";',
    "    HTTP/1.0 websocket;",
    "    HTTP/1.1 websocket;",
    "}",
]


class Tls(t.NamedTuple):
    """What the TLS of a site depends on beside the site itself."""

    openssl: tuple[int, int] | None
    config_path: str
    sessions: list[str]


def http_lines(
    sites: t.Sequence[Site], directives: t.Sequence[str], label: str, hashes: t.Mapping[str, int]
) -> list[str]:
    sizes = [f"{name} {size};" for name, size in hashes.items()]
    return [*raw_directives.defaults(sizes, directives), *_log_lines(sites, label)]


def map_blocks(sites: t.Sequence[Site], label: str) -> list[list[str]]:
    """The maps of the http block that not every gateway needs."""
    logged = [_LOG_TEXTS] if _log_lines(sites, label) else []
    offered = [_OFFERED] if any(has_websockets(site) and may_speak_http2(site) for site in sites) else []
    return [
        *refusal_maps(sites),
        *logged,
        *offered,
        *request_headers.forwarding_maps(sites),
        *filter(None, map(name_map, sites)),
    ]


def hashes(sites: t.Iterable[Site], maps: int) -> dict[str, int]:
    """What many or long names need; few and short ones need nothing. Given how many maps the gateway has beyond those
    that all have.
    """
    names = {name for site in sites for name in site["server_name"] if not name.startswith("~")}
    origins = {
        origin for site in sites for block in (site, *site["locations"]) for origin in block["allowed_origins"] or ()
    }
    found = {}
    if len(names) > _NAMES_OF_DEFAULT_HASH:
        found["server_names_hash_max_size"] = 4 << (len(names) - 1).bit_length()
    for hash_name, strings in (("server_names", names), ("map", origins)):
        # A bucket holds a string, its length and two pointers, in whole words of 8 bytes (src/core/ngx_hash.c).
        needed = 16 + max((-(-(len(string) + 2) // 8) * 8 for string in strings), default=0)
        if needed > _BUCKETS[0]:
            found[f"{hash_name}_hash_bucket_size"] = next(size for size in _BUCKETS if size >= needed)
    if maps > _MAPS_OF_DEFAULT_HASH:
        found["variables_hash_bucket_size"] = 128
    return found


def _log_lines(sites: t.Iterable[Site], label: str) -> list[str]:
    """One line a socket, when it is closed."""
    name = _log_format(label)
    if not any(site["access_log"] is None or name in site["access_log"] for site in sites):
        return []
    fields = [f'"{key}":"{variable}"' for key, variable in _LOG_FIELDS.items()]
    rows = [",".join(fields[at : at + _LOG_COLUMNS]) for at in range(0, len(fields), _LOG_COLUMNS)]
    text = ",\n".join(rows)
    # The map comes first, for its captures are what the others show.
    quoted_rows = [f"    '{row}'" for row in f"$websocket_texts{{{text}}}".split("\n")]
    return [f"log_format {name} escape=json", *quoted_rows[:-1], f"{quoted_rows[-1]};"]


def _log_format(label: str) -> str:
    return f"websockets{label}"


def log_path(sites: t.Iterable[Site], label: str) -> str | None:
    """The file that sites log to which say nothing of it."""
    return log_file(label) if any(site["access_log"] is None for site in sites) else None


def log_file(label: str) -> str:
    """Another gateway on the host has a log of its own, so that it stays when this one goes."""
    return f"/var/log/nginx/{_log_format(label)}.log"


def _log(label: str) -> tuple[str, str]:
    return log_file(label), _log_format(label)


def upstream_lines(upstream: Upstream, servers: tuple[Server, ...], nginx: Version) -> list[str]:
    """All but the operator's own lines, as for a site."""
    zone, listed = upstream["zone"], _server_lines(upstream, servers)
    size = zone.size if zone else f"{zone_kilobytes(sum(line.startswith('server ') for line in listed))}k"
    lines = [f"zone {(zone and zone.name) or upstream['name']} {size};"]
    lines += keys.lines(UPSTREAM, upstream)
    # Before the servers: nginx checks some combinations only in that order.
    lines += _balance_lines(upstream["balance"])
    lines += listed
    if upstream["keepalive"] or nginx.keeps_connections_by_default:
        lines.append(f"keepalive {upstream['keepalive']};")
    return lines


def _balance_lines(words: tuple[str, ...]) -> list[str]:
    if words == ("round_robin",):
        return []
    # A client that comes for the first time is placed by the method before.
    first = ["least_conn;"] if words[0] == "sticky" else []
    return [*first, line(*words)]


def _server_lines(upstream: Upstream, servers: tuple[Server, ...]) -> list[str]:
    """The servers, such that no client takes them from the others.

    nginx leaves out a server for ten seconds after one failure, and to make a server fail is easy: by a request that it
    hangs up on, or answers with a longer header than fits. So the last servers that nginx can turn to are never left
    out. What the operator says of max_fails holds.
    """
    if len(servers) == 1 and (servers[0].address.unix or not is_name(servers[0].address.host)):
        # nginx itself never leaves out the only one.
        return [_server_line(server) for server in servers]
    if upstream["balance"][0] in METHODS_WITHOUT_BACKUP:
        return [_server_line(_kept(server)) for server in servers]
    if any(server.parameters.get("backup") for server in servers):
        return [_server_line(_kept(server) if server.parameters.get("backup") else server) for server in servers]
    lines = [_server_line(server) for server in servers]
    if any(server.parameters.get("max_conns") for server in servers):
        # Listed twice, a server would get twice as many.
        return lines
    again = [server for server in servers if not server.is_down and server.parameters.get("max_fails") is None]
    backups = [replace(_kept(server), parameters={**_kept(server).parameters, "backup": True}) for server in again]
    return [*lines, *([_AGAIN] if backups else []), *map(_server_line, backups)]


def _kept(server: Server) -> Server:
    """A server that nginx does not leave out after failures, unless the operator says when."""
    if server.parameters.get("max_fails") is not None:
        return server
    return replace(server, parameters={**server.parameters, "max_fails": 0})


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
    # The comment is for whoever reads the file.
    down = [] if server.parameters.get("down") else ["down"]
    return f"{' '.join([*words, *down])}; # drained: {server.drained}"


def zone_kilobytes(servers: int) -> int:
    """64 kB hold the upstream's state for 32 servers with room to spare.

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
    lines += _connection_lines([site, *site["default_of"]], site["directives"])
    # Of another name or port than the client's nginx knows nothing.
    lines += raw_directives.defaults(["absolute_redirect off;"], site["directives"])
    lines += keys.lines(SITE, {**site, "access_log": site["access_log"] or _log(label)})
    if any(admissions[location["at"]].limits for location in site["locations"] if location["websocket"]):
        lines += CLIENT
    lines += error_page_lines(site)
    lines += shared_lines(site)
    return lines


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
        here = {listen.address.canonical for listen in listens if listen.ssl}
        secured = [site for site in sites if any(listen.address.canonical in here for listen in site["listen"])]
        # Clients name no IP address in their handshake (RFC 6066 section 3), so this server gets it, for that site.
        unnamed = next((site for site in secured if tls.is_of_an_address(site)), None)
        lines += tls.certificate_lines(unnamed, secure.config_path) if unnamed else _rejecting_lines(nginx)
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


def _connection_lines(sites: t.Sequence[Site], given: t.Sequence[str] = ()) -> list[str]:
    """The times and sizes of a server that nginx goes by until it knows the name of one of the sites: the largest."""
    slowest = max((site["client_header_timeout"] for site in sites), key=seconds_of)
    lines = ["server_tokens off;", f"client_header_timeout {slowest};"]
    sizes = [f"{name} {_largest(name, default, sites)};" for name, default in _SIZES.items()]
    lines += raw_directives.defaults(sizes, given)
    buffers = [site["large_client_header_buffers"] or _NGINX_HEADER_BUFFERS for site in sites]
    if any(site["large_client_header_buffers"] for site in sites):
        # Sites differ in either: 32 8k and 2 16k need 32 16k.
        number = max(int(number) for number, _size in buffers)
        size = max((size for _number, size in buffers), key=bytes_of)
        lines.append(f"large_client_header_buffers {number} {size};")
    return lines


def _largest(name: str, default: str, sites: t.Sequence[Site]) -> str:
    """The largest of what the sites say in their own lines, and of the default if one says nothing."""
    sizes = [raw_directives.argument(site["directives"], name) or default for site in sites]
    return max(filter(is_size, sizes), key=bytes_of, default=default)


def _real_ip_lines(site: Site) -> list[str]:
    if not site["set_real_ip_from"]:
        return []
    return [
        *(f"set_real_ip_from {balancer};" for balancer in site["set_real_ip_from"]),
        f"real_ip_header {request_headers.real_ip_header(site)};",
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
