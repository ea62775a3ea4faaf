# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TLS to clients: protocols and ciphers, certificates and where they are delivered to, the redirect from port 80."""

from __future__ import annotations

import re
import typing as t
from dataclasses import replace

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.addresses import Address, Listen, is_name
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.nginx_syntax import quoted
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.schema import Site

# https://ssl-config.mozilla.org/guidelines/6.0.json
_POLICIES = {
    "modern": ["ssl_protocols TLSv1.3;"],
    "intermediate": [
        "ssl_protocols TLSv1.2 TLSv1.3;",
        "ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
        "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
        "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305;",
    ],
}
_CURVES = "X25519:prime256v1:secp384r1"
# Against computers that are to come. An OpenSSL without it takes no list that has it.
_NEW_CURVE, _NEW_CURVE_SINCE = "X25519MLKEM768", (3, 5)
# nginx resolves relative names of certificates from here, in a copy of this folder too.
_ROOT = "/etc/nginx/"
_NOT_IN_A_FILE_NAME = re.compile(r"[^A-Za-z0-9.-]")


def policy_lines(policy: str, openssl: tuple[int, int] | None) -> list[str]:
    curves = f"{_NEW_CURVE}:{_CURVES}" if openssl and openssl >= _NEW_CURVE_SINCE else _CURVES
    return [*_POLICIES[policy], f"ssl_ecdh_curve {curves};", "ssl_prefer_server_ciphers off;"]


def session_lines(sites: t.Iterable[Site], label: str) -> list[str]:
    """Tickets are off: their keys would live as long as nginx runs, and open all that was recorded (RFC 8446, 8.1)."""
    if any(site["ssl_client_certificate"] for site in sites):
        # A session of one site could be resumed at another, past its client certificates (CVE-2025-23419).
        return ["ssl_session_cache off;", "ssl_session_tickets off;"]
    return [f"ssl_session_cache shared:websockets{label}:10m;", "ssl_session_timeout 1d;", "ssl_session_tickets off;"]


def certificate_lines(site: Site, config_path: str) -> list[str]:
    delivered_to = delivered_path(site, config_path).removeprefix(_ROOT)
    lines = []
    for name, given in (
        ("ssl_certificate", site["ssl_certificate"]),
        ("ssl_certificate_key", site["ssl_certificate_key"]),
    ):
        lines.append(f"{name} {quoted(given.path if given and given.path else delivered_to)};")
    if site["ssl_client_certificate"]:
        lines.append(f"ssl_client_certificate {quoted(site['ssl_client_certificate'])};")
        lines.append(f"ssl_verify_client {site['ssl_verify_client'] or 'on'};")
    return lines


def certificate_path(site: Site, config_path: str) -> str:
    """The file of the certificate that nginx presents for a site with TLS."""
    given = site["ssl_certificate"]
    return given.path if given and given.path else delivered_path(site, config_path)


def is_of_an_address(site: Site) -> bool:
    """Whether clients may reach the site by an IP address."""
    names = [name[1:-1] if name.startswith("[") else name for name in site.get("server_name", ())]
    return any(not is_name(name) for name in names)


def warnings_beside(site: Site, defaults: t.Collection[str]) -> t.Iterator[str]:
    """Of addresses whose default server is in another file of the host."""
    there = [str(listen.address) for listen in site["listen"] if listen.ssl and str(listen.address) in defaults]
    if there and site["ssl_policy"] == "modern":
        yield (
            f"{site['at']}.ssl_policy: before 1.29.2 nginx accepts the versions of TLS of the default server, which "
            f"for {', '.join(there)} is in another file"
        )
    if there and is_of_an_address(site):
        yield (
            f"{site['at']}.server_name: clients send no SNI for an IP address, and get the certificate of the default "
            f"server of {', '.join(there)}, which is in another file"
        )


def hsts_lines(site: Site) -> list[str]:
    """RFC 6797. A block with headers of its own does not inherit those of the server, so each of them has it."""
    return [f"add_header Strict-Transport-Security {quoted(site['hsts'])} always;"] if site["hsts"] else []


def delivered_path(site: Site, config_path: str) -> str:
    """The file for a site's certificate and key.

    It is one file for both, for two could not be renewed at once.
    """
    return hidden_path(config_path, f"{_NOT_IN_A_FILE_NAME.sub('_', site['server_name'][0])}.pem")


def hidden_path(config_path: str, ending: str) -> str:
    """A file beside that of the configuration: no include with a "*" covers a name with a leading dot (glob(7))."""
    directory, _slash, name = config_path.rpartition("/")
    return f"{directory}/.{name.removesuffix('.conf')}.{ending}"


def delivered(sites: t.Sequence[t.Mapping[str, t.Any]], config_path: str) -> list[dict[str, str]]:
    """The certificates and keys to deliver, from the operator's own checked variable: secrets of config_transaction."""
    files = {}
    for number, site in enumerate(sites):
        certificate, key = str(site.get("ssl_certificate", "")), str(site.get("ssl_certificate_key", ""))
        if not certificate or certificate.startswith("/"):
            continue
        names = site["server_name"]
        first = Site(server_name=(names if isinstance(names, str) else names[0],))
        content = f"{certificate.rstrip()}\n{key.rstrip()}\n"
        path = delivered_path(first, config_path)
        files[path] = {"path": path, "content": content, "at": f"websockets_sites[{number}].ssl_certificate"}
    return list(files.values())


def redirects(sites: t.Iterable[Site]) -> list[Site]:
    """The sites on port 80 that send browsers on, without the WebSockets."""
    return [
        Site(
            at=f"{site['at']}.redirect_http",
            server_name=site.get("server_name", ()),
            listen=tuple(Listen(Address(host=host, port=80)) for host in _secure_hosts(site)),
        )
        for site in sites
        if site.get("redirect_http") and _secure_hosts(site)
    ]


def redirect_lines(site: Site) -> list[str]:
    """The lines that answer on port 80, given the site that is redirected to."""
    port = next(listen.address.port for listen in site["listen"] if listen.ssl and not listen.address.unix)
    there = f"$host{'' if port == 443 else f':{port}'}$request_uri"
    return [
        "default_type text/plain;",
        # A client that asks for ws:// follows no redirect (RFC 6455 section 4.1), and has sent its cookies by now.
        f'if ($http_upgrade ~* websocket) {{ return 403 "WebSockets are at wss://{there} only.\\n"; }}',
        f"return 301 https://{there};",
    ]


def _secure_hosts(site: Site) -> list[str]:
    hosts: dict[Address, str] = {}
    for address in (listen.address for listen in site.get("listen", ()) if listen.ssl and not listen.address.unix):
        hosts.setdefault(replace(address, port=80).canonical, address.host)
    return list(hosts.values())
