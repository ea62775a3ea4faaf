# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The keys of a location and of its probe."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables import addresses, raw_directives, values
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.errors import Errors, kind
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.keys import Key, mapping

_ON_OFF = (True, False, "on", "off")
_OWN_HEADERS = ("connection", "upgrade", "content-length", "transfer-encoding")
_OWN_PROBE_HEADERS = (
    *_OWN_HEADERS,
    *("origin", "sec-websocket-key", "sec-websocket-version", "sec-websocket-protocol", "sec-websocket-extensions"),
)
HTTP_VERSION = "it is always 1.1, which WebSockets require"
_ASKED = "it is asked after a deploy, and printed nowhere"


def location(value: object, path: str, errors: Errors) -> dict[str, t.Any]:
    found = mapping(value, path, errors, LOCATION)
    if not isinstance(value, t.Mapping):
        return found
    actions = [key for key in ("upstream", "proxy_pass", "root", "return") if key in value]
    if not actions:
        errors.add(path, "missing one of the keys upstream, proxy_pass, root and return")
    if len(actions) > 1:
        errors.add(path, f"{' and '.join(actions)} are mutually exclusive")
    proxied = not actions or "upstream" in actions or "proxy_pass" in actions
    for key in value:
        if key in _PROXIED and not proxied:
            errors.add(f"{path}.{key}", f"requires upstream or proxy_pass; not valid with {actions[0]}")
    if "websocket" not in value:
        found["websocket"] = proxied
    return found


def _probe(value: object, path: str, errors: Errors) -> bool | dict[str, t.Any] | None:
    if isinstance(value, bool):
        return value
    if not isinstance(value, t.Mapping):
        # Not shown, for it may be a secret that slipped in here.
        errors.add(path, f"must be false or a mapping, not {kind(value)}")
        return None
    return mapping(value, path, errors, PROBE)


_CLIENT_CERTIFICATE = Key(
    values.certificate_path,
    "The client certificate to show where the site asks for one, a path on the gateway.",
    default=None,
    unprinted=_ASKED,
    type="str",
    version_added="0.4.0",
)
_ASKED_FOR = replace(_CLIENT_CERTIFICATE, version_added="0.2.0")

PROBE = {
    "path": replace(
        _ASKED_FOR,
        check=values.request_path,
        description="The path to ask for, with a query or without. A regular expression requires it.",
        otherwise="the location's",
    ),
    "origin": replace(
        _ASKED_FOR,
        check=values.origin,
        description="The C(Origin) header; a backend that compares it with C(Host) expects the site's own, such as "
        "V(http://ws.serverlab.ca:3000).",
    ),
    "subprotocol": replace(
        _ASKED_FOR,
        check=values.subprotocol,
        description="The WebSocket subprotocol that is offered, and that the backend must choose.",
    ),
    "headers": replace(
        _ASKED_FOR,
        # They may hold a token, so no message shows their values.
        check=values.headers(values.secret, _OWN_PROBE_HEADERS, "the handshake controls this header, or it has a key"),
        description="More headers, by their names. Their values never appear in logs or messages.",
        default={},
        type="dict",
    ),
    "message": replace(
        _ASKED_FOR,
        check=values.block,
        description="A text to send once the WebSocket is open; a text message must come back. Logs show it.",
    ),
    "expect": replace(
        _ASKED_FOR,
        check=values.block,
        description="The exact text message that must come; others before it are ignored. Logs show it.",
    ),
    "ssl_certificate": _CLIENT_CERTIFICATE,
    "ssl_certificate_key": replace(_CLIENT_CERTIFICATE, description="Its key, a path on the gateway."),
}

# Of a site, and of a location instead of its site's.
LIMITS = {
    "allowed_origins": Key(
        values.allowed_origins,
        "The exact origins of the web pages that may open WebSockets, as browsers send them, such as "
        'V([https://www.example.com]); V("*") for all.\n'
        "A handshake with another one is answered 403. Without the key any page can open WebSockets, with the cookies "
        "of its visitor, and the check warns of it.",
        default=None,
        version_added="0.4.0",
        see="Who gets in",
    ),
    "allow_missing_origin": Key(
        values.boolean,
        "V(false) refuses handshakes without an C(Origin) header. Clients that are not browsers send none.",
        default=None,
        otherwise="V(true)",
        version_added="0.4.0",
    ),
    "limit_conn_per_client": Key(
        values.connections,
        "How many WebSockets a client may have open at once.\n"
        "More are answered 429. An IPv6 client is a /64. Counted for the whole site, or for a location with its own.",
        default=None,
        version_added="0.4.0",
    ),
    "limit_handshakes_per_client": Key(
        values.rate,
        "How many handshakes a client may begin, such as V(5r/s), V(30r/m) or V(5r/s burst=20).\n"
        "Refused ones count too, and more are answered 429. Without V(burst=) as many may come at once as in one "
        "second, or in one minute with V(r/m). Counted for the whole site, or for a location with its own.",
        default=None,
        type="str",
        version_added="0.4.0",
    ),
    "limit_dry_run": Key(
        values.boolean,
        "V(true) counts and logs what the limits would refuse, and refuses nothing.",
        default=None,
        otherwise="V(false)",
        version_added="0.4.0",
    ),
}

HEADERS = Key(
    # nginx reads variables in their values.
    values.headers(values.line, _OWN_HEADERS, "nginx controls this header itself"),
    "Headers of the request to the backend, by their names.\n"
    "They add to C(Host), C(X-Real-IP), C(X-Forwarded-For) and C(X-Forwarded-Proto), or replace them, and may bring "
    "back C(X-Forwarded-Host), C(X-Forwarded-Port), C(X-Forwarded-Ssl), C(X-Scheme) and C(Forwarded), which are left "
    "out. An empty value leaves a header out.\n"
    "The values may contain nginx's variables.",
    default={},
    also=("proxy_set_header",),
    type="dict",
    version_added="0.2.0",
)

# Only where requests are passed on to a backend.
_PROXIED = {
    "strip_prefix": Key(
        values.boolean,
        "V(true), with C(upstream), removes the location's path from the start of the path that the backend gets.",
        default=False,
        version_added="0.2.0",
    ),
    "websocket": Key(
        values.websocket,
        "V(true) passes WebSocket handshakes on, and plain HTTP too; V(required) answers plain HTTP with 426; "
        "V(false) passes on plain HTTP alone.\n"
        "What asks for a WebSocket and is no handshake by RFC 6455 is answered 426, or 400 with V(false). Other "
        "upgrades are ignored, so such a request passes as plain HTTP.",
        default=None,
        otherwise="V(true)",
        choices=(True, False, "required"),
        see="Who gets in",
    ),
    "headers": HEADERS,
    "resolver": Key(
        addresses.resolver,
        "With a host name in C(proxy_pass): the name servers that nginx asks for it while it runs, in the syntax of "
        "nginx's directive, such as V(127.0.0.53 valid=10s ipv6=off).\n"
        "Without it nginx looks the name up when it starts, and no later. The URL may have no path.",
        default=None,
        type="str",
        version_added="0.6.0",
    ),
    **{name: replace(key, otherwise="the site's") for name, key in LIMITS.items()},
    "proxy_connect_timeout": Key(
        values.milliseconds,
        "How long a connection to a backend may take to open.",
        default=None,
        otherwise="V(5s)",
        plain=True,
        version_added="0.2.0",
    ),
    "proxy_send_timeout": Key(
        values.milliseconds,
        "How long a backend may take nothing of what is sent to it.",
        default=None,
        otherwise="nginx's V(60s)",
        plain=True,
        version_added="0.2.0",
    ),
    "proxy_read_timeout": Key(
        values.milliseconds,
        "How long a connection may be silent before nginx closes it. Of a WebSocket, traffic in either direction "
        "counts.",
        default=None,
        otherwise="V(1h), or nginx's V(60s) with C(websocket) V(false)",
        plain=True,
    ),
    "proxy_buffering": Key(
        values.on_off,
        "V(false) passes responses on as they come. WebSockets are never buffered.",
        default=None,
        otherwise="nginx's V(true)",
        plain=True,
        choices=_ON_OFF,
        version_added="0.2.0",
    ),
    "proxy_buffer_size": Key(
        values.size,
        "The size of the buffer for the header of a response, such as V(16k). A WebSocket holds two of them.\n"
        "The default costs nothing until a message fills it. A larger size without C(proxy_buffers) brings four such "
        "buffers with it.",
        default=None,
        otherwise="V(36k)",
        plain=True,
        version_added="0.2.0",
        see="Memory",
    ),
    "proxy_buffers": Key(
        values.buffers,
        "The number and the size of the buffers for a response, such as V(8 16k).",
        default=None,
        otherwise="V(4 36k)",
        plain=True,
        type="str",
        version_added="0.2.0",
    ),
    "proxy_request_buffering": Key(
        values.on_off,
        "V(false) passes the body of a request on as it comes.",
        default=None,
        otherwise="nginx's V(true)",
        plain=True,
        choices=_ON_OFF,
        version_added="0.2.0",
    ),
    "proxy_next_upstream": Key(
        values.some_of(
            *("error", "timeout", "invalid_header", "http_500", "http_502", "http_503", "http_504"),
            *("http_403", "http_404", "http_429", "non_idempotent", "off"),
        ),
        "The failures after which nginx passes a request to the next server of the upstream, such as "
        "V(error timeout http_502); V(off) for none.\n"
        "A status that is listed, but for 403 and 404, also counts as a failure of the server, see C(max_fails).",
        default=None,
        otherwise="nginx's V(error timeout)",
        plain=True,
        type="str",
        version_added="0.7.0",
    ),
    "proxy_next_upstream_tries": Key(
        values.count,
        "How many servers a request is passed to at most; V(0) for no limit.",
        default=None,
        otherwise="nginx's V(0)",
        plain=True,
        version_added="0.7.0",
    ),
    "proxy_next_upstream_timeout": Key(
        values.milliseconds,
        "For how long a request may be passed to the next server; V(0) for no limit.",
        default=None,
        otherwise="nginx's V(0)",
        plain=True,
        version_added="0.7.0",
    ),
    "proxy_ssl_verify": Key(
        values.on_off,
        "With C(https): V(false) accepts any certificate of a backend.",
        default=None,
        otherwise="V(true)",
        also=("proxy_ssl_verify_depth",),
        choices=_ON_OFF,
        version_added="0.4.0",
    ),
    "proxy_ssl_trusted_certificate": Key(
        values.certificate_path,
        "With C(https): the CAs that sign the certificates of backends, a path on the gateway.",
        default=None,
        otherwise="those that the host trusts: V(/etc/ssl/certs/ca-certificates.crt), or on RHEL's family "
        "V(/etc/pki/tls/certs/ca-bundle.crt)",
        type="str",
        version_added="0.4.0",
    ),
    "proxy_ssl_name": Key(
        values.host_name,
        "With C(https): the name on the certificate of the backend.",
        default=None,
        otherwise="the host of C(proxy_pass)",
        type="str",
        version_added="0.4.0",
    ),
}
LOCATION = {
    "path": Key(
        values.location_path,
        "The path in the syntax of nginx's C(location), as V(/PATH/), V(= /PATH), V(^~ /PATH/), V(~ REGEX) or "
        "V(~* REGEX). A C($) in it is a C($).\n"
        "Regular expressions are allowed since 0.2.0.",
        type="str",
    ),
    "upstream": Key(
        values.upstream_name,
        "The name of the upstream that the requests go to.\n"
        "A location has one of O(websockets_sites[].locations[].upstream), "
        "O(websockets_sites[].locations[].proxy_pass), O(websockets_sites[].locations[].root) and "
        "O(websockets_sites[].locations[].return).",
        default=None,
        type="str",
    ),
    "proxy_pass": Key(
        addresses.url,
        "The URL that the requests go to, such as V(http://HOST:PORT), V(https://HOST/PATH/) or "
        "V(http://unix:/SOCKET).\n"
        "Its host may be the name of an upstream. A path at its end takes the place of the location's. nginx's "
        "variables are not allowed.",
        default=None,
        also=("proxy_ssl_server_name",),
        type="str",
        version_added="0.2.0",
    ),
    "root": Key(
        values.absolute_path,
        "The directory whose files nginx serves, an absolute path without nginx's variables.",
        default=None,
        type="str",
        version_added="0.2.0",
    ),
    "return": Key(
        values.returned,
        "What nginx itself responds: V(STATUS), V(STATUS TEXT) or the URL of a redirect, such as V(404), V(200 It "
        "works) or V(301 https://$host/).\n"
        "The text and the URL may contain nginx's variables.",
        default=None,
        version_added="0.2.0",
    ),
    **_PROXIED,
    "client_max_body_size": Key(
        values.large_size,
        "The largest body of a request; V(0) for any.",
        default=None,
        otherwise="nginx's V(1m)",
        plain=True,
        version_added="0.2.0",
    ),
    "probe": Key(
        _probe,
        "How the route is verified: V(false) for not at all, or a mapping, see below.",
        default=True,
        unprinted=_ASKED,
        keys=PROBE,
        version_added="0.2.0",
    ),
}
LOCATION["directives"] = raw_directives.key("location", LOCATION, {"proxy_http_version": HTTP_VERSION})
