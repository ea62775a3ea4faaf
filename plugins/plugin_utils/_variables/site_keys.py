# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The keys of a site."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables import addresses, raw_directives, values
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.errors import Errors
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.keys import Key, list_of, mapping
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.location_keys import (
    HEADERS,
    HTTP_VERSION,
    LIMITS,
    LOCATION,
    location,
)


def site(value: object, path: str, errors: Errors) -> dict[str, t.Any]:
    return mapping(value, path, errors, SITE)


def _locations(value: object, path: str, errors: Errors) -> tuple[dict[str, t.Any], ...] | None:
    if isinstance(value, list) and not value:
        errors.add(path, "must not be empty: a site requires at least one location")
    return list_of(location, value, path, errors)


SITE = {
    "server_name": Key(
        values.server_names,
        "A name or a list of names, each a host name, V(*.DOMAIN), V(.DOMAIN), V(NAME.*), V(~REGEX) or V(_) for any.\n"
        "The first is the site's name in messages. A site with regular expressions alone is not verified.\n"
        "V(.DOMAIN), V(NAME.*) and V(~REGEX) are allowed since 0.2.0.",
    ),
    "listen": Key(
        addresses.listens,
        "A port, V(HOST:PORT), V([V6]:PORT) or V(unix:/PATH), or a list of them, each with nginx's parameters after "
        "it.\n"
        "The first is where the routes are verified.\n"
        "The parameters are V(default_server), V(ssl), V(http2), V(proxy_protocol), and the options of a socket "
        "V(backlog=), V(bind), V(deferred), V(fastopen=), V(ipv6only=), V(rcvbuf=), V(reuseport), V(sndbuf=) and "
        "V(so_keepalive=).\n"
        "Before 0.2.0 V(default_server) was the only one.",
    ),
    "http2": Key(
        values.on_off,
        "V(true) lets the site speak HTTP/2 too, where C(listen) has V(ssl); V(http2) there means the same.\n"
        "Written as the gateway's nginx reads it.",
        default=None,
        otherwise="V(false)",
        choices=(True, False, "on", "off"),
        version_added="0.2.0",
    ),
    "ssl_certificate": Key(
        values.certificate,
        "The certificate with its chain, a path on the gateway or a text in PEM, as from a vault. Required with "
        "V(ssl) in C(listen).\n"
        "A text is delivered with its key as one file that only root can read, beside O(websockets_config_path). It "
        "appears in no log and no diff.",
        default=None,
        type="str",
        version_added="0.4.0",
        see="TLS",
    ),
    "ssl_certificate_key": Key(
        values.private_key,
        "The key of the certificate, a path where that is one, and a text where it is one.",
        default=None,
        type="str",
        version_added="0.4.0",
    ),
    "ssl_policy": Key(
        values.one_of(*values.SSL_POLICIES),
        "The protocols, ciphers and curves of Mozilla's guidelines 6.0: V(intermediate) has TLS 1.2 and 1.3, "
        "V(modern) has TLS 1.3 alone.\n"
        "A curve that the gateway's OpenSSL lacks is left out.",
        default="intermediate",
        also=("ssl_protocols", "ssl_ciphers", "ssl_prefer_server_ciphers", "ssl_ecdh_curve"),
        type="str",
        choices=values.SSL_POLICIES,
        version_added="0.4.0",
    ),
    "redirect_http": Key(
        values.boolean,
        "V(true) adds a server on port 80 that redirects browsers to the site.\n"
        "It answers WebSocket handshakes with 403, for no client would follow.",
        default=False,
        version_added="0.4.0",
    ),
    "hsts": Key(
        values.hsts,
        "V(true) makes browsers use TLS alone for two years (C(Strict-Transport-Security)); or the header's value, "
        "such as V(max-age=63072000; includeSubDomains).",
        default=None,
        otherwise="V(false)",
        version_added="0.4.0",
    ),
    "ssl_buffer_size": Key(
        values.size,
        "How much of a response is one TLS record; more suits large files.\n"
        "A WebSocket keeps a buffer of that size, and uses it for its handshake alone. On an address that sites "
        "share, the largest of all counts.",
        # A WebSocket keeps one as long as it lives, and uses it for its handshake alone. Measured: docs/data-path.md.
        default="4k",
        version_added="0.4.0",
        see="Memory",
    ),
    "ssl_client_certificate": Key(
        values.certificate_path,
        "The CA of the clients' certificates, a path on the gateway. With it clients must show a certificate.",
        default=None,
        type="str",
        version_added="0.4.0",
    ),
    "ssl_verify_client": Key(
        values.ssl_verify_client,
        "V(optional) admits clients without a certificate.",
        default=None,
        otherwise="V(on)",
        choices=(True, "on", "optional"),
        version_added="0.4.0",
    ),
    "set_real_ip_from": Key(
        addresses.balancers,
        "The addresses or networks of load balancers, one or a list, such as V(10.0.0.0/24). nginx trusts them to "
        "name the client.\n"
        "V(0.0.0.0/0) and V(::/0) are refused, for then any client could be any other.",
        default=None,
        also=("real_ip_recursive",),
        version_added="0.4.0",
        see="Behind a load balancer",
    ),
    "real_ip_header": Key(
        values.header_name,
        "Where the load balancers name the client: the name of a header, or V(proxy_protocol).",
        default=None,
        otherwise="V(proxy_protocol) where C(listen) has it, else V(X-Forwarded-For)",
        type="str",
        version_added="0.4.0",
    ),
    **LIMITS,
    "client_header_timeout": Key(
        values.milliseconds,
        "How long a client may take to send the header of a request, and for the TLS handshake.",
        # A client that takes its time holds a connection: nginx's own 60s let a few of them hold many.
        default="10s",
        version_added="0.4.0",
    ),
    "large_client_header_buffers": Key(
        values.buffers,
        "The number and the size of the buffers for the header of a request.\n"
        "On an address that sites share, the largest of all counts.",
        default=None,
        otherwise="nginx's V(4 8k)",
        type="str",
        version_added="0.4.0",
    ),
    "headers": replace(
        HEADERS,
        description="Headers of the requests to backends, for all locations of the site. A location's own header takes "
        "the place of one with the same name.\n"
        "As O(websockets_sites[].locations[].headers).",
        version_added="0.6.0",
    ),
    "access_log": Key(
        values.access_log,
        "V(false) for no log, or the arguments of nginx's directive, such as V(/var/log/nginx/ws.log combined "
        "if=$ws).\n"
        "A path must not contain nginx's variables. C(if=) may.\n"
        "The default writes one line in JSON for a WebSocket when it is closed, without queries and headers, which "
        "may hold tokens.",
        default=None,
        otherwise="V(/var/log/nginx/websockets.log websockets)",
        plain=True,
        version_added="0.2.0",
        see="The log",
    ),
    "locations": Key(
        _locations,
        "What the site does with each path. At least one.",
        type="list",
        elements="dict",
        keys=LOCATION,
    ),
}
SITE["directives"] = raw_directives.key(
    "server",
    SITE,
    {
        **dict.fromkeys(
            ("server_tokens", "ssl_session_cache", "ssl_session_timeout", "ssl_session_tickets"), "the role sets it"
        ),
        "recursive_error_pages": "nginx would look for the error page of 426 without end",
        # Each location has its own, so on the site it would be without effect.
        "proxy_read_timeout": "use the key 'proxy_read_timeout' of the locations",
        "proxy_http_version": HTTP_VERSION,
    },
)
