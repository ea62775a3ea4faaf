# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The location blocks of a site, one line for each directive, in the order they are printed."""

from __future__ import annotations

import re
import typing as t
import urllib.parse

from ansible_collections.wsfleet.nginx.plugins.plugin_utils import snippets
from ansible_collections.wsfleet.nginx.plugins.plugin_utils.admission import Admission
from ansible_collections.wsfleet.nginx.plugins.plugin_utils.schema import Location, Site
from ansible_collections.wsfleet.nginx.plugins.plugin_utils.syntax import line, quoted
from ansible_collections.wsfleet.nginx.plugins.plugin_utils.tls import hsts_lines
from ansible_collections.wsfleet.nginx.plugins.plugin_utils.values import REDIRECTS, bytes_of

# Always the whole set: nginx inherits proxy_set_header from the level above only where a location sets none.
_PROXY_HEADERS = {
    # $host is a name that nginx has checked, and has chosen the site by. $http_host is whatever the client says.
    "Host": "$host",
    "X-Real-IP": "$remote_addr",
    "X-Forwarded-For": "$proxy_add_x_forwarded_for",
    "X-Forwarded-Proto": "$scheme",
    # Frameworks believe these two before Host, and would take the client's for the gateway's. nginx leaves them out.
    "X-Forwarded-Host": "",
    "Forwarded": "",
}
# The template's maps: "websocket" and "upgrade" with a handshake, and nothing with anything else. "" rather than
# nginx's own "close": a pool may keep its connections for later requests.
_WEBSOCKET_HEADERS = {"Upgrade": "$websocket_upgrade", "Connection": "$websocket_connection"}
_PLAIN_HEADERS = {"Upgrade": "", "Connection": ""}
# Before 1.23.0 nginx reads the first of two, and a backend may read the other one.
_CHECKED_ORIGIN = {"Origin": "$http_origin"}

# A socket that is silent for a minute is no fault; nginx's default of 60s would close it.
_WEBSOCKET_SILENCE = "1h"
# A tunnel holds one or two of these buffers as long as it lives. Measured: docs/data-path.md.
_TUNNEL_BUFFER = "1k"
# The whole head of an answer must fit in. Frameworks with policies and cookies send more than nginx's own 4k.
_PLAIN_BUFFER = "8k"
# nginx's own proxy_buffers are 8 of a page, and refuse a proxy_buffer_size of more than three (13k of 4k pages).
_LARGEST_LONE_BUFFER = 13 * 1024
# Certificates of backends: those that the host trusts, and chains as long as public ones are.
_TRUSTED = "/etc/ssl/certs/ca-certificates.crt"
_CHAIN = "3"

# What answers to requests that should have been handshakes.
_REFUSED = "@upgrade_required"
_COUNTS = "Counts clients before anything is refused; a return in the same location would come first."
_ASKED_BY_BALANCERS = "Load balancers ask here whether new clients may come."
_IS_SMALL = "Handshakes go on here, with buffers as small as a tunnel needs."


class LocationBlock(t.TypedDict):
    # What it is for, where that is not plain.
    comment: str
    path: str
    lines: list[str]


def location_blocks(site: Site, admissions: t.Mapping[str, Admission]) -> list[LocationBlock]:
    blocks: list[LocationBlock] = []
    for number, location in enumerate(site["locations"], 1):
        if location["websocket"]:
            blocks += _websocket_blocks(site, location, admissions, number)
        else:
            blocks.append(LocationBlock(comment="", path=_path(location), lines=_plain_lines(site, location)))
    if has_websockets(site):
        blocks.append(LocationBlock(comment="", path=_REFUSED, lines=_refused_lines(site)))
    return blocks


def health_blocks(path: str | None, flag: str | None) -> list[LocationBlock]:
    """What load balancers ask whether the gateway takes new clients."""
    if path is None or flag is None:
        return []
    lines = [
        *("access_log off;", "default_type text/plain;"),
        *(f"if (-f {quoted(flag)}) {{", '    return 503 "out\\n";', "}"),
        'return 200 "in\\n";',
    ]
    return [LocationBlock(comment=_ASKED_BY_BALANCERS, path=f"= {path}", lines=lines)]


def error_page_lines(site: Site, admissions: t.Mapping[str, Admission]) -> list[str]:
    """Of the server, for a location with an error_page of its own does not inherit those of the server."""
    if not has_websockets(site):
        return []
    lines = [f"error_page 426 = {_REFUSED};"]
    if any(location["websocket"] is True for location in site["locations"]):
        lines.append("error_page 418 = $websocket_location;")
        if any(admissions[location["at"]].limits for location in site["locations"] if location["websocket"]):
            # What @admitted refuses has come through an error_page already.
            lines.append("recursive_error_pages on;")
    return lines


def has_websockets(site: Site) -> bool:
    return any(location["websocket"] for location in site["locations"])


def _websocket_blocks(
    site: Site, location: Location, admissions: t.Mapping[str, Admission], number: int
) -> list[LocationBlock]:
    """A location that speaks WebSocket alone, or one for plain HTTP that hands handshakes over to a second one.

    The second one has other buffers. Where there are limits, they stand in a location before that of the handshake:
    a return would come before them, and what is refused would not be counted.
    """
    handshake, admitted, admission = f"@handshake_{number}", f"@admitted_{number}", admissions[location["at"]]
    pages = error_page_lines(site, admissions) if _has(location, "error_page") else []
    blocks = []
    entrance = _path(location)
    if location["websocket"] is True:
        guards = _if('$http_upgrade != ""', f"set $websocket_location {handshake};", "return 418;")
        if not admission.limits:
            guards = _fork_lines(admission, handshake)
        lines = [*guards, *_proxy_lines(location, _WEBSOCKET_HEADERS, _PLAIN_BUFFER, named=False)]
        lines += [*_body_lines(location), *pages, *_own_lines(site, location)]
        blocks.append(LocationBlock(comment="", path=entrance, lines=lines))
        entrance = handshake
    if admission.limits:
        lines = [*admission.limits, f'try_files "" {admitted};']
        blocks.append(LocationBlock(comment=_COUNTS, path=entrance, lines=lines))
        entrance = admitted
    named = entrance != _path(location)
    lines = [] if entrance == handshake else _guard_lines(admission)
    headers = {**_WEBSOCKET_HEADERS, **(_CHECKED_ORIGIN if admission.by_origin else {})}
    lines += _proxy_lines(location, headers, _TUNNEL_BUFFER, named=named)
    # The kernel's net.ipv4.tcp_keepalive_time says when.
    lines.append("proxy_socket_keepalive on;")
    lines += [*pages, *_own_lines(site, location)]
    comment = _IS_SMALL if entrance == handshake else ""
    return [*blocks, LocationBlock(comment=comment, path=entrance, lines=lines)]


def _fork_lines(admission: Admission, handshake: str) -> list[str]:
    """All decisions in one location, for each location with an if costs a tunnel 250 bytes."""
    return [
        *_if(f'{admission.variable} != ""', f"set $websocket_location {handshake};", "return 418;"),
        *(_if('$websocket_upgrade != ""', "return 403;") if admission.by_origin else []),
        *_if('$http_upgrade != ""', "return 426;"),
    ]


def _guard_lines(admission: Admission) -> list[str]:
    """A plain request to a backend that speaks WebSocket alone would count as its failure, and a few empty the pool."""
    return [
        *_if('$websocket_upgrade = ""', "return 426;"),
        *(_if(f'{admission.variable} = ""', "return 403;") if admission.by_origin else []),
    ]


def _refused_lines(site: Site) -> list[str]:
    """RFC 9110 section 15.5.22: a 426 names the protocol. RFC 6455 section 4.4: and its version."""
    return [
        "default_type text/plain;",
        *hsts_lines(site),
        "add_header Upgrade websocket always;",
        "add_header Sec-WebSocket-Version 13 always;",
        'return 426 "A WebSocket handshake is needed here, by RFC 6455.\\n";',
    ]


def _if(condition: str, *lines: str) -> list[str]:
    return [f"if ({condition}) {{", *(f"    {line}" for line in lines), "}"]


def _plain_lines(site: Site, location: Location) -> list[str]:
    lines: list[str] = []
    if location["upstream"] or location["proxy_pass"]:
        # nginx opens a tunnel where the backend answers 101 and the client sent any Upgrade header at all, whatever of
        # it was passed on (ngx_http_proxy_process_header in src/http/modules/ngx_http_proxy_module.c). So it must not
        # get to a backend: https://bishopfox.com/blog/h2c-smuggling-request, https://github.com/0ang3el/websocket-smuggle
        lines += _if('$http_upgrade != ""', "return 400;")
        lines += _proxy_lines(location, _PLAIN_HEADERS, _PLAIN_BUFFER, named=False)
    if location["root"]:
        lines.append(line("root", location["root"]))
    lines += _body_lines(location)
    returned = location["return"]
    if returned:
        if returned.text is not None and returned.status not in REDIRECTS:
            # Without a type, browsers save a text as a file.
            lines = [*([] if _has(location, "default_type") else ["default_type text/plain;"]), *lines]
        lines.append(line("return", str(returned.status), *([] if returned.text is None else [returned.text])))
    return lines + _own_lines(site, location)


def _own_lines(site: Site, location: Location) -> list[str]:
    """A location with headers of its own does not inherit those of the server."""
    hsts = hsts_lines(site) if _has(location, "add_header") else []
    return [*hsts, *location["directives"]]


def _has(location: Location, directive: str) -> bool:
    return snippets.has(location["directives"], directive)


def _path(location: Location) -> str:
    path = location["path"]
    return " ".join(filter(None, (path.modifier, quoted(path.path))))


def _body_lines(location: Location) -> list[str]:
    size = location["client_max_body_size"]
    return [f"client_max_body_size {size};"] if size else []


def _proxy_lines(location: Location, upgrade: t.Mapping[str, str], buffer: str, *, named: bool) -> list[str]:
    """A location with a name of its own has no path that a URL could replace."""
    lines = _rewrite_lines(location) if named else []
    lines.append(line("proxy_pass", _proxied_to(location, named=named)))
    lines += _ssl_lines(location)
    lines.append("proxy_http_version 1.1;")
    lines += [line("proxy_set_header", name, value) for name, value in _headers(location, upgrade).items()]
    for name in ("proxy_connect_timeout", "proxy_send_timeout"):
        if location[name]:
            lines.append(f"{name} {location[name]};")
    timeout = location["proxy_read_timeout"] or (_WEBSOCKET_SILENCE if location["websocket"] else None)
    if timeout:
        lines.append(f"proxy_read_timeout {timeout};")
    return lines + _buffer_lines(location, buffer)


def _proxied_to(location: Location, *, named: bool) -> str:
    url = location["proxy_pass"]
    if url:
        return url.without_uri if named else str(url)
    # With a path behind the pool nginx puts it in the place of the location's own.
    return f"http://{location['upstream']}{'/' if location['strip_prefix'] and not named else ''}"


def _rewrite_lines(location: Location) -> list[str]:
    """What a path at the end of proxy_pass does, for a location that may have none."""
    url = location["proxy_pass"]
    replacement = urllib.parse.unquote(url.uri) if url else "/" if location["strip_prefix"] else ""
    if not replacement:
        return []
    prefix = re.escape(location["path"].path)
    return [line("rewrite", f"^{prefix}((?s).*)$", f"{replacement}$1", "break")]


def _ssl_lines(location: Location) -> list[str]:
    url = location["proxy_pass"]
    if not url or url.scheme != "https":
        return []
    lines = ["proxy_ssl_server_name on;"]
    if location["proxy_ssl_name"]:
        lines.append(line("proxy_ssl_name", location["proxy_ssl_name"]))
    if location["proxy_ssl_verify"] == "off":
        return lines
    # nginx itself takes any certificate, so whoever gets in between could be the backend.
    trusted = location["proxy_ssl_trusted_certificate"] or _TRUSTED
    return [
        *lines,
        "proxy_ssl_verify on;",
        f"proxy_ssl_verify_depth {_CHAIN};",
        line("proxy_ssl_trusted_certificate", trusted),
    ]


def _headers(location: Location, last: t.Mapping[str, str]) -> dict[str, str]:
    given = {name.lower(): (name, value) for name, value in location["headers"].items()}
    own = {**_PROXY_HEADERS, **last}
    headers = {name: given.pop(name.lower(), (name, value))[1] for name, value in own.items()}
    return {
        **{name: headers[name] for name in _PROXY_HEADERS},
        **dict(given.values()),
        **{name: headers[name] for name in last},
    }


def _buffer_lines(location: Location, default: str) -> list[str]:
    size, buffers = location["proxy_buffer_size"], location["proxy_buffers"]
    # Whoever chooses buffers has nginx's size beside them.
    if not size and not buffers:
        size = default
    if size and not buffers and bytes_of(size) > _LARGEST_LONE_BUFFER:
        buffers = f"8 {size}"
    lines = [f"proxy_buffering {location['proxy_buffering']};"] if location["proxy_buffering"] else []
    lines += [f"proxy_buffer_size {size};"] if size else []
    lines += [f"proxy_buffers {buffers};"] if buffers else []
    if location["proxy_request_buffering"]:
        lines.append(f"proxy_request_buffering {location['proxy_request_buffering']};")
    return lines
