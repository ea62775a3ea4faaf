# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The location blocks of a site, one line for each directive, in the order they are printed."""

from __future__ import annotations

import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._config import request_headers
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._config.access_control import Admission
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._config.configuration import Block
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._config.tls import hsts_lines
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables import keys, raw_directives
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.location_keys import LOCATION
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.nginx_syntax import has_capture, line, quoted
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.schema import Location, Site, has_http2, has_tls
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.values import REDIRECTS, bytes_of

# A socket that is silent for a minute is no error; nginx's default of 60s would close it.
_WEBSOCKET_SILENCE = "1h"
# Any response header of an application fits in, and messages pass in few pieces. A tunnel has two of them, which cost
# nothing until a message fills them. OpenSSL frees up to 34k in each TLS handshake: smaller buffers would be cut from
# that, and the next handshake would need fresh pages. Measured: docs/data-path.md.
BUFFER = "36k"
# nginx's own is 60s: a server that drops packets would hold each of its clients that long.
_CONNECT = "5s"
# Certificates of backends: those that the host trusts, and chains as long as public ones are.
CA_FILE = "/etc/ssl/certs/ca-certificates.crt"
_CHAIN = "3"

# What answers to requests that should have been handshakes.
_REFUSED = "@upgrade_required"
# What makes requests within requests, or may.
_WITHIN = ("auth_request", "mirror", "ssi", "add_before_body", "add_after_body", "include")
_REFUSALS = {
    "$websocket_refused": [
        "# What names websocket and is no handshake. Other upgrades are ignored, as RFC 9110 section 7.8 allows.",
        'map "$websocket_upgrade $http_upgrade" $websocket_refused {',
        '    default "";',
        '    "~*^ .*websocket" yes;',
        "}",
    ],
    "$websocket_named": [
        "# What names websocket, where there are none. Other upgrades are ignored, as RFC 9110 section 7.8 allows.",
        "map $http_upgrade $websocket_named {",
        '    default "";',
        "    ~*websocket yes;",
        "}",
    ],
}
_ASKED_BY_BALANCERS = "Load balancers ask here whether new clients may come."


def location_blocks(site: Site, admissions: t.Mapping[str, Admission]) -> list[Block]:
    headers, refused = request_headers.by_location(site), _refused(site)
    shared = request_headers.shared(headers)
    blocks = []
    for number, location in enumerate(site["locations"], 1):
        guards = _guard_lines(location, admissions.get(location["at"]), refused)
        wanted = headers.get(location["at"], shared)
        own = request_headers.lines(wanted) if wanted != shared else []
        lines = _lines(site, location, number, guards, own)
        blocks.append(Block(f"location {_path(location)}", location["at"], lines, location["directives"]))
    if has_websockets(site):
        blocks.append(Block(f"location {_REFUSED}", site["at"], _refused_lines(site)))
    return blocks


def shared_lines(site: Site) -> list[str]:
    """What the locations of a site share that pass requests on; a line of its own takes the place of a default."""
    shared = request_headers.shared(request_headers.by_location(site))
    if not shared:
        return []
    defaults = [
        f"proxy_connect_timeout {_CONNECT};",
        # A backend that is gone without a word is found: the kernel's net.ipv4.tcp_keepalive_time says when.
        "proxy_socket_keepalive on;",
    ]
    if not raw_directives.has(site["directives"], "proxy_buffers"):
        # Without these, nginx's own size: it refuses one that is too large for the buffers.
        defaults += [f"proxy_buffer_size {BUFFER};", f"proxy_buffers 4 {BUFFER};"]
    return [
        *request_headers.forwarding_lines(site),
        *([f'set $websocket_before "{site["captures"]}";'] if site["captures"] else []),
        "proxy_http_version 1.1;",
        *request_headers.lines(shared),
        *raw_directives.defaults(defaults, site["directives"]),
    ]


def captures(site: Site, hash_keys: t.Iterable[str], label: str) -> str:
    """The variables to look up where the operator may use $1, also in the keys that upstreams balance by.

    nginx has the captures of the expression that it tried last, and the maps have some. So these are looked up before a
    location's own expression; at worst they would change while nginx writes the headers (CVE-2026-42533). Those of
    server_name come before them, and once more after them, by a map of the site's own.
    """
    texts = [*hash_keys, *site["directives"]]
    for location in site["locations"]:
        texts += [*location["headers"].values(), *location["directives"]]
        texts += [location["return"].text or ""] if location["return"] else []
    included = any(raw_directives.has(block["directives"], "include") for block in (site, *site["locations"]))
    if not included and not any(map(has_capture, texts)):
        return ""
    again = f"$websocket_name{label}" if any(name.startswith("~") for name in site["server_name"]) else ""
    return f"$websocket_upgrade$websocket_port{again}"


def name_map(site: Site) -> list[str]:
    """The map of a site that has the captures of its server_name again: of the first one that fits, as nginx has it."""
    variable = site["captures"].rpartition("$")[2]
    if not variable.startswith("websocket_name"):
        return []
    # After any other name there are none.
    names = [*(f"~*{name[1:]}" for name in site["server_name"] if name.startswith("~")), "~."]
    lines = ["volatile;", 'default "";', *(f'{quoted(name)} "";' for name in names)]
    return [f"map $host ${variable} {{", *(f"    {line}" for line in lines), "}"]


def health_blocks(path: str | None, flag: str | None) -> list[Block]:
    """What load balancers ask whether the gateway takes new clients."""
    if path is None or flag is None:
        return []
    lines = [
        *("access_log off;", "default_type text/plain;"),
        *(f"if (-f {quoted(flag)}) {{", '    return 503 "out\\n";', "}"),
        'return 200 "in\\n";',
    ]
    return [Block(f"location = {path}", "websockets_health_path", lines, comment=_ASKED_BY_BALANCERS)]


def error_page_lines(site: Site) -> list[str]:
    """Of the server, for a location with an error_page of its own does not inherit those of the server."""
    return [f"error_page 426 = {_REFUSED};"] if has_websockets(site) else []


def has_websockets(site: Site) -> bool:
    return any(location["websocket"] for location in site["locations"])


def may_speak_http2(site: Site) -> bool:
    """Before 1.25.1 nginx speaks it to all sites of an address if a file of somebody else's says so."""
    return has_tls(site) or has_http2(site)


def _lines(site: Site, location: Location, number: int, guards: t.Sequence[str], headers: t.Sequence[str]) -> list[str]:
    if not request_headers.is_proxied(location):
        return _own_lines(site, location, _answer_lines(location))
    lines = [*guards, *_pass_lines(location, number), *_ssl_lines(location)]
    lines += keys.lines(LOCATION, _with_defaults(site, location))
    lines += headers
    if location["websocket"] and _has(location, "error_page"):
        lines += error_page_lines(site)
    return _own_lines(site, location, lines)


def _guard_lines(location: Location, admission: Admission | None, refused: _Refused) -> list[str]:
    """nginx opens a tunnel where the backend answers 101 and the client sent any Upgrade header at all, whatever of it
    was passed on (ngx_http_proxy_process_header in src/http/modules/ngx_http_proxy_module.c). So what names websocket
    and is no handshake is refused: https://github.com/0ang3el/websocket-smuggle
    """
    if admission is None:
        return [_if(refused.without_websockets, "return 400;")]
    # A plain request to a backend that speaks WebSocket alone would be a failure of the backend to nginx.
    condition = '$websocket_upgrade = ""' if location["websocket"] == "required" else refused.with_websockets
    foreign = [_if(admission.foreign, "return 403;")] if admission.foreign else []
    return [_if(condition, "return 426;"), *foreign, *admission.limits]


class _Refused(t.NamedTuple):
    """The variables that are true for an upgrade that is refused, by locations with WebSockets and by those without."""

    with_websockets: str
    without_websockets: str


def _refused(site: Site) -> _Refused:
    """A request within a handshake, such as that of auth_request, has the same headers."""
    blocks = (site, *site["locations"])
    asks_within = any(raw_directives.has(block["directives"], name) for block in blocks for name in _WITHIN)
    return _Refused("$websocket_refused", "$websocket_refused" if asks_within else "$websocket_named")


def refusal_maps(sites: t.Iterable[Site]) -> list[list[str]]:
    """The maps of the variables that are used."""
    used: set[str] = set()
    for site in sites:
        refused = _refused(site)
        for location in filter(request_headers.is_proxied, site["locations"]):
            if location["websocket"] != "required":
                used.add(refused.with_websockets if location["websocket"] else refused.without_websockets)
    return [lines for variable, lines in _REFUSALS.items() if variable in used]


def _refused_lines(site: Site) -> list[str]:
    """RFC 9110 section 15.5.22: a 426 names the protocol. RFC 6455 section 4.4: and its version."""
    return [
        "default_type text/plain;",
        *hsts_lines(site),
        # HTTP/2 has no such header, and its clients take one for an error (RFC 9113 section 8.2.2).
        f"add_header Upgrade {'$websocket_offered' if may_speak_http2(site) else 'websocket'} always;",
        "add_header Sec-WebSocket-Version 13 always;",
        'return 426 "A WebSocket handshake is needed here, by RFC 6455.\\n";',
    ]


def _if(condition: str, action: str) -> str:
    return f"if ({condition}) {{ {action} }}"


def _answer_lines(location: Location) -> list[str]:
    """Of a location that passes nothing on."""
    lines = [line("root", location["root"])] if location["root"] else []
    lines += keys.lines(LOCATION, location)
    returned = location["return"]
    if returned:
        if returned.text is not None and returned.status not in REDIRECTS:
            # Without a type, browsers save a text as a file.
            lines = [*([] if _has(location, "default_type") else ["default_type text/plain;"]), *lines]
        lines.append(line("return", str(returned.status), *([] if returned.text is None else [returned.text])))
    return lines


def _own_lines(site: Site, location: Location, lines: list[str]) -> list[str]:
    """A location with headers of its own does not inherit those of the server."""
    hsts = hsts_lines(site) if _has(location, "add_header") else []
    return [*lines, *hsts]


def _has(location: Location, directive: str) -> bool:
    return raw_directives.has(location["directives"], directive)


def _path(location: Location) -> str:
    path = location["path"]
    return " ".join(filter(None, (path.modifier, quoted(path.path))))


def _pass_lines(location: Location, number: int) -> list[str]:
    url = location["proxy_pass"]
    if url and location["resolver"]:
        # nginx looks a name up again only where it comes from a variable. Requests within a request share variables, so
        # each location has one of its own.
        variable = f"$websocket_backend_{number}"
        lines = [line("resolver", *location["resolver"]), line("set", variable, url.authority)]
        return [*lines, f"proxy_pass {url.scheme}://{variable};"]
    if url:
        return [line("proxy_pass", str(url))]
    # With a path behind the upstream nginx puts it in the place of the location's own.
    return [line("proxy_pass", f"http://{location['upstream']}{'/' if location['strip_prefix'] else ''}")]


def _ssl_lines(location: Location) -> list[str]:
    url, trusted = location["proxy_pass"], location["trusted"]
    if not url or url.scheme != "https":
        return []
    lines = ["proxy_ssl_server_name on;"]
    if location["proxy_ssl_name"]:
        lines.append(line("proxy_ssl_name", location["proxy_ssl_name"]))
    if trusted is None:
        return lines
    # nginx itself takes any certificate, so whoever gets in between could be the backend.
    return [
        *lines,
        "proxy_ssl_verify on;",
        f"proxy_ssl_verify_depth {_CHAIN};",
        line("proxy_ssl_trusted_certificate", trusted),
    ]


def trusted_certificate(location: Location, ca_file: str) -> str | None:
    """The CAs of backends, by default those of the host; None for a location that checks no certificate."""
    url = location["proxy_pass"]
    if not url or url.scheme != "https" or location["proxy_ssl_verify"] == "off":
        return None
    return location["proxy_ssl_trusted_certificate"] or ca_file


def _with_defaults(site: Site, location: Location) -> Location:
    """A location with what it prints where the operator says nothing."""
    size, given = buffers(site, location)
    silence = location["proxy_read_timeout"] or (_WEBSOCKET_SILENCE if location["websocket"] else None)
    return {**location, "proxy_read_timeout": silence, "proxy_buffer_size": size, "proxy_buffers": given}


def buffers(site: Site, location: Location) -> tuple[str | None, tuple[str, ...] | None]:
    """The proxy_buffer_size and the proxy_buffers of a location, or nothing where it has those of its site.

    Each fits what is given of the other: nginx refuses a size that is too large for the buffers.
    """
    size, given = location["proxy_buffer_size"], location["proxy_buffers"]
    if given and not size:
        size = given[1]
    elif size and not given:
        is_default = not raw_directives.has(site["directives"], "proxy_buffers")
        given = None if is_default and bytes_of(size) <= bytes_of(BUFFER) else ("4", size)
    return size, given
