# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS to clients."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.wsfleet.nginx.plugins.filter.gateway_certificates import FilterModule
from modelling import (
    PATHS,
    UPSTREAM,
    blocks_of,
    check,
    errors_of,
    location,
    refusing,
    secure,
    server_at,
    server_of,
    site,
    sound,
)

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nCERT+TEXT\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN PRIVATE KEY-----\nKEY+TEXT\n-----END PRIVATE KEY-----\n"
PEM = {"ssl_certificate": CERTIFICATE, "ssl_certificate_key": KEY}
INTERMEDIATE = [
    "ssl_protocols TLSv1.2 TLSv1.3;",
    "ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305;",
]
CURVES = "ssl_ecdh_curve X25519:prime256v1:secp384r1;"
SESSIONS = ["ssl_session_cache shared:websockets:10m;", "ssl_session_timeout 1d;", "ssl_session_tickets off;"]
LEAN = "ssl_buffer_size 4k;"
HSTS = "add_header Strict-Transport-Security max-age=63072000 always;"


def tls_lines(lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith("ssl_")]


def test_a_site_has_a_certificate_and_the_intermediate_policy() -> None:
    model = sound([UPSTREAM], [secure()])
    rest = [*INTERMEDIATE, CURVES, "ssl_prefer_server_ciphers off;", *SESSIONS, LEAN]
    assert tls_lines(server_of(model)) == [
        "ssl_certificate /etc/ssl/ws.pem;",
        "ssl_certificate_key /etc/ssl/ws.key;",
        *rest,
    ]
    assert tls_lines(refusing(model)) == ["ssl_reject_handshake on;", *rest]
    assert tls_lines(server_of(sound([UPSTREAM], [site()]))) == []


def test_the_modern_policy_is_tls_1_3_alone() -> None:
    modern = ["ssl_protocols TLSv1.3;", CURVES, "ssl_prefer_server_ciphers off;"]
    model = sound([UPSTREAM], [secure(ssl_policy="modern")])
    assert tls_lines(server_of(model))[2:5] == modern
    assert tls_lines(refusing(model))[1:4] == modern


@pytest.mark.parametrize(
    ("version", "new"), [(None, False), ("1.1.1w", False), ("3.4.9", False), ("3.5.0", True), ("4.0.1", True)]
)
def test_a_curve_against_computers_to_come_is_there_where_openssl_has_it(version: str | None, new: bool) -> None:
    model = sound([UPSTREAM], [secure()], websockets_openssl_version=version)
    curves = f"ssl_ecdh_curve {'X25519MLKEM768:' if new else ''}X25519:prime256v1:secp384r1;"
    for lines in (server_of(model), refusing(model)):
        assert [line for line in lines if "curve" in line] == [curves]
    assert model["suits_since"] is None
    assert model["depends_on_openssl"]


def test_an_nginx_that_cannot_reject_handshakes_has_a_certificate_that_there_is_not() -> None:
    """Since 1.19.4 it can; with an empty certificate the handshake fails as well."""
    old, new = (sound([UPSTREAM], [secure()], websockets_nginx_version=nginx) for nginx in ("1.19.3", "1.19.4"))
    start = tls_lines(refusing(old))
    assert start[:2] == ["ssl_certificate data:$websocket_upgrade;", "ssl_certificate_key data:$websocket_upgrade;"]
    assert tls_lines(refusing(new)) == ["ssl_reject_handshake on;", *start[2:]]
    assert server_of(old) == server_of(new)


def test_a_modern_site_has_a_refusing_server_of_its_own() -> None:
    """Before 1.29.2 nginx takes the versions of TLS from the default server of an address, whatever the site says."""
    model = sound([UPSTREAM], [secure(), secure(listen="8443 ssl", server_name="b", ssl_policy="modern")])
    refusing = {
        block["lines"][0].split()[1]: block["lines"] for block in model["sites"] if "return 421;" in block["lines"]
    }
    assert "ssl_protocols TLSv1.2 TLSv1.3;" in refusing["443"]
    assert "ssl_protocols TLSv1.3;" in refusing["8443"]


def test_sites_of_one_address_have_one_policy() -> None:
    errors = check([UPSTREAM], [secure(), secure(server_name="b", ssl_policy="modern")])[1]
    assert errors == ["websockets_sites[1].listen: 443 has ssl_policy modern, but intermediate in websockets_sites[0]"]


def test_sessions_are_not_resumed_past_client_certificates() -> None:
    """CVE-2025-23419: what one site has checked, another one on the same address would take for checked."""
    model = sound([UPSTREAM], [secure(), secure(server_name="b", ssl_client_certificate="/ca.pem")])
    off = ["ssl_session_cache off;", "ssl_session_tickets off;"]
    for lines in (server_of(model), server_of(model, 1), refusing(model)):
        assert [line for line in lines if "session" in line] == off


@pytest.mark.parametrize(("verify", "printed"), [(None, "on"), (True, "on"), ("on", "on"), ("optional", "optional")])
def test_a_site_may_ask_for_client_certificates(verify: t.Any, printed: str) -> None:
    keys = {} if verify is None else {"ssl_verify_client": verify}
    lines = server_of(sound([UPSTREAM], [secure(ssl_client_certificate="/my ca.pem", **keys)]))
    start = lines.index('ssl_client_certificate "/my ca.pem";')
    assert lines[start + 1] == f"ssl_verify_client {printed};"


@pytest.mark.parametrize(
    ("config_path", "name", "printed", "delivered"),
    [
        (
            "/etc/nginx/conf.d/00-websockets.conf",
            "a.example",
            "conf.d/.00-websockets.a.example.pem",
            "/etc/nginx/conf.d/.00-websockets.a.example.pem",
        ),
        (
            "/etc/nginx/conf.d/00-websockets.conf",
            ["*.a.example", "b"],
            "conf.d/.00-websockets._.a.example.pem",
            "/etc/nginx/conf.d/.00-websockets._.a.example.pem",
        ),
        ("/srv/nginx/my ws.conf", "~^(a|b)/$", '"/srv/nginx/.my ws.___a_b___.pem"', "/srv/nginx/.my ws.___a_b___.pem"),
        ("/etc/nginx/ws", "a", ".ws.a.pem", "/etc/nginx/.ws.a.pem"),
    ],
)
def test_a_text_in_pem_is_delivered_beside_the_configuration(
    config_path: str, name: t.Any, printed: str, delivered: str
) -> None:
    """nginx takes a relative path from the folder of its own configuration, in a copy of it too."""
    sites = [site(server_name="other"), secure(server_name=name, **PEM)]
    model = sound([UPSTREAM], sites, websockets_config_path=config_path)
    assert tls_lines(server_of(model, 1))[:2] == [f"ssl_certificate {printed};", f"ssl_certificate_key {printed};"]
    assert files(sites, config_path) == [
        {"path": delivered, "content": CERTIFICATE + KEY, "at": "websockets_sites[1].ssl_certificate"}
    ]


def files(sites: list[dict[str, t.Any]], config_path: str = "/etc/nginx/conf.d/ws.conf") -> t.Any:
    return FilterModule().filters()["gateway_certificates"](sites, config_path)


def test_only_texts_are_delivered_each_in_one_file_that_ends_its_lines() -> None:
    chain = CERTIFICATE + CERTIFICATE
    untidy = {"ssl_certificate": f"{chain}\n\n", "ssl_certificate_key": KEY.rstrip("\n")}
    sites = [site(), secure(), secure(server_name=["a", "b"], **untidy), secure(server_name="c", **PEM)]
    assert [(file["path"], file["content"]) for file in files(sites)] == [
        ("/etc/nginx/conf.d/.ws.a.pem", chain + KEY),
        ("/etc/nginx/conf.d/.ws.c.pem", CERTIFICATE + KEY),
    ]
    assert files([]) == files([site(), secure()]) == []
    sound([UPSTREAM], sites[2:])


def test_no_text_of_a_certificate_or_a_key_is_in_the_model() -> None:
    model = sound([UPSTREAM], [secure(**PEM, ssl_client_certificate="/ca.pem", redirect_http=True, hsts=True)])
    assert "TEXT" not in str(model)
    assert "BEGIN" not in str(model)


BAD = "is neither an absolute path nor {} in PEM format, from '-----BEGIN' to '-----END' and a line break"
PATH_ERROR = "is not an absolute path"


@pytest.mark.parametrize(
    ("keys", "errors"),
    [
        ({"ssl_certificate": KEY, "ssl_certificate_key": KEY}, [".ssl_certificate: " + BAD.format("a certificate")]),
        (
            {"ssl_certificate": CERTIFICATE, "ssl_certificate_key": CERTIFICATE},
            [".ssl_certificate_key: " + BAD.format("a private key")],
        ),
        ({**PEM, "ssl_certificate_key": "KEY+TEXT"}, [".ssl_certificate_key: " + BAD.format("a private key")]),
        ({**PEM, "ssl_certificate_key": f" {KEY}"}, [".ssl_certificate_key: " + BAD.format("a private key")]),
        ({**PEM, "ssl_certificate_key": [KEY]}, [".ssl_certificate_key: " + BAD.format("a private key")]),
        ({**PATHS, "ssl_certificate_key": "ws.key"}, [".ssl_certificate_key: " + BAD.format("a private key")]),
        ({**PATHS, "ssl_certificate_key": "/$host.key"}, [".ssl_certificate_key: " + BAD.format("a private key")]),
        ({**PATHS, "ssl_client_certificate": KEY}, [f".ssl_client_certificate: {PATH_ERROR}"]),
        (
            {**PATHS, "ssl_certificate_key": KEY},
            [".ssl_certificate_key: must be a path or a text, as ssl_certificate is"],
        ),
        (
            {**PATHS, "locations": [location(probe={"ssl_certificate": KEY, "ssl_certificate_key": KEY})]},
            [
                f".locations[0].probe.ssl_certificate: {PATH_ERROR}",
                f".locations[0].probe.ssl_certificate_key: {PATH_ERROR}",
            ],
        ),
        (
            {
                **PATHS,
                "locations": [{"path": "/", "proxy_pass": "https://a", "proxy_ssl_trusted_certificate": KEY}],
            },
            [f".locations[0].proxy_ssl_trusted_certificate: {PATH_ERROR}"],
        ),
        (
            {**PEM, "ssl_certificat_key": KEY},
            [".ssl_certificat_key: unknown key (did you mean 'ssl_certificate_key'?)"],
        ),
    ],
)
def test_an_error_never_shows_the_text_of_a_key(keys: dict[str, t.Any], errors: list[str]) -> None:
    assert errors_of([UPSTREAM], [site(listen="443 ssl", **keys)]) == [
        f"websockets_sites[0]{error}" for error in errors
    ]
    assert "TEXT" not in "".join(errors)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (
            site(listen="443 ssl"),
            [
                ": missing required key 'ssl_certificate': listen has ssl",
                ": missing required key 'ssl_certificate_key': listen has ssl",
            ],
        ),
        (
            site(**PATHS),
            [".ssl_certificate: requires `ssl` in listen", ".ssl_certificate_key: requires `ssl` in listen"],
        ),
        (site(hsts=True), [".hsts: requires `ssl` in listen"]),
        (site(redirect_http=True), [".redirect_http: requires `ssl` in listen"]),
        (site(ssl_client_certificate="/ca"), [".ssl_client_certificate: requires `ssl` in listen"]),
        (
            secure(ssl_verify_client="on"),
            [".ssl_verify_client: requires the key 'ssl_client_certificate'"],
        ),
        (
            secure(ssl_client_certificate="/ca", ssl_verify_client=False),
            [".ssl_verify_client: must be a string, not a boolean (False)"],
        ),
        (secure(ssl_policy="old"), [".ssl_policy: 'old' is not one of intermediate, modern"]),
        (
            secure(hsts="max-age=1y"),
            [
                ".hsts: 'max-age=1y' is not true, false or a header value, such as 'max-age=63072000;"
                " includeSubDomains; preload'",
            ],
        ),
        (
            secure(listen="unix:/run/a ssl", redirect_http=True),
            [".redirect_http: requires a port with `ssl` in listen; a Unix socket has none to redirect to"],
        ),
    ],
)
def test_tls_that_does_not_fit_together_is_refused(given: dict[str, t.Any], error: list[str]) -> None:
    assert errors_of([UPSTREAM], [given]) == [f"websockets_sites[0]{line}" for line in error]


def test_two_sites_cannot_have_the_same_file_for_their_certificates() -> None:
    sites = [secure(**PEM), secure(listen="8443 ssl", **PEM)]
    assert errors_of([UPSTREAM], sites) == [
        "websockets_sites[1].ssl_certificate: conflicts with websockets_sites[0]: the first names are the same, and"
        " so would be the files"
    ]
    sound([UPSTREAM], [sites[0], secure(listen="8443 ssl")])


def refusers(*sites: dict[str, t.Any]) -> list[list[str]]:
    """Where each server that refuses listens, and the certificate that it has."""
    model = sound([UPSTREAM], list(sites))
    blocks = [block for block in model["sites"] if block["lines"][-1] == "return 421;"]
    wanted = ("listen", "ssl_certificate ", "ssl_certificate_key", "ssl_reject", "ssl_client", "ssl_verify")
    return [
        [line.replace(" so_keepalive=60s:10s:6", "") for line in block["lines"] if line.startswith(wanted)]
        for block in blocks
    ]


REJECTS = "ssl_reject_handshake on;"
ITS = ["ssl_certificate /etc/ssl/ws.pem;", "ssl_certificate_key /etc/ssl/ws.key;"]


@pytest.mark.parametrize("name", ["192.0.2.1", "[2001:db8::1]", ["a.example", "192.0.2.1"]])
def test_a_site_is_reached_by_an_ip_address_though_clients_name_none(name: t.Any) -> None:
    """RFC 6066 section 3: so the server that refuses other names has the certificate of that site."""
    assert refusers(secure(server_name=name)) == [["listen 443 ssl;", *ITS]]
    # Whoever asks for another name than that gets 421, and a client without a certificate of its own nothing.
    clients = {"ssl_client_certificate": "/ca.pem", "ssl_verify_client": "optional"}
    assert refusers(secure(server_name=name, **clients)) == [
        ["listen 443 ssl;", *ITS, "ssl_client_certificate /ca.pem;", "ssl_verify_client optional;"]
    ]
    assert refusers(site(server_name=name)) == [["listen 3000;"]]


def test_other_addresses_than_that_of_such_a_site_reject_all_handshakes() -> None:
    sites = [
        secure(server_name="192.0.2.1", listen=["443 ssl", 80]),
        secure(server_name="b.example", listen=["443 ssl", "[::]:443 ssl", "8443 ssl"]),
    ]
    assert refusers(*sites) == [
        ["listen 80;", "listen [::]:443 ssl;", "listen 8443 ssl;", REJECTS],
        ["listen 443 ssl;", *ITS],
    ]
    # Each has the certificate of its own.
    other = {"ssl_certificate": "/b.pem", "ssl_certificate_key": "/b.key"}
    assert refusers(sites[0], secure(server_name="192.0.2.2", listen="8443 ssl", **other))[1:] == [
        ["listen 443 ssl;", *ITS],
        ["listen 8443 ssl;", "ssl_certificate /b.pem;", "ssl_certificate_key /b.key;"],
    ]


def test_names_that_only_look_like_addresses_are_names() -> None:
    for name in ("_x.example", "*.example", ".example", "www.*", "~^192.0.2.1$", "1.example"):
        assert refusers(secure(server_name=name)) == [["listen 443 ssl;", REJECTS]]


@pytest.mark.parametrize(
    ("hsts", "header"),
    [
        (True, "max-age=63072000"),
        ("max-age=60", "max-age=60"),
        ("max-age=60; includeSubDomains; preload", '"max-age=60; includeSubDomains; preload"'),
    ],
)
def test_browsers_are_told_to_stay_with_tls(hsts: t.Any, header: str) -> None:
    line = f"add_header Strict-Transport-Security {header} always;"
    model = sound([UPSTREAM], [secure(hsts=hsts)])
    assert line in server_of(model)
    assert blocks_of(model)["@upgrade_required"][1] == line
    assert not any("Strict" in line for line in server_of(sound([UPSTREAM], [secure(hsts=False)])))


def test_every_block_with_headers_of_its_own_tells_it_too() -> None:
    """Such a block inherits none of those of the server."""
    own = "add_header X-A b;"
    locations = [
        location(directives=own),
        location(path="/b", websocket="required", directives=own),
        {"path": "/c", "return": "200 ok", "directives": own},
        {"path": "/d", "root": "/e", "directives": own},
        location(path="/f", websocket=False, directives=own),
        location(path="/g"),
    ]
    model = sound([UPSTREAM], [secure(hsts=True, locations=locations)])
    for path, lines in blocks_of(model).items():
        has_own = any(line.startswith("add_header") and line != HSTS for line in lines)
        assert lines.count(HSTS) == has_own, path
    assert not any(HSTS in lines for lines in blocks_of(sound([UPSTREAM], [secure(locations=locations)])).values())


def redirect(**keys: t.Any) -> list[str]:
    model = sound([UPSTREAM], [secure(redirect_http=True, **keys)])
    block = server_at(model, "websockets_sites[0].redirect_http")
    assert block["locations"] == []
    return block["lines"]


def test_plain_http_is_sent_to_tls_and_its_websockets_are_refused() -> None:
    """RFC 6455 section 4.1: a client need not follow a redirect, and has sent its cookies by then."""
    assert redirect(server_name=["a.example", "b.example"], access_log="/a.log") == [
        "listen 80;",
        "server_name a.example b.example;",
        "server_tokens off;",
        "client_header_timeout 10s;",
        "client_header_buffer_size 2k;",
        "request_pool_size 768;",
        "access_log /a.log;",
        "default_type text/plain;",
        'if ($http_upgrade ~* websocket) { return 403 "WebSockets are at wss://$host$request_uri only.\\n"; }',
        "return 301 https://$host$request_uri;",
    ]


@pytest.mark.parametrize(
    ("listen", "redirected", "port"),
    [
        ("443 ssl", ["80"], ""),
        ("8443 ssl", ["80"], ":8443"),
        (["443 ssl", "[::]:443 ssl", "unix:/run/a ssl"], ["80", "[::]:80"], ""),
        (["8443 ssl", "443 ssl", "81"], ["80"], ":8443"),
        (["443 ssl", "*:8443 ssl"], ["80"], ""),
        (["[::1]:443 ssl", "[0::1]:8443 ssl"], ["[::1]:80"], ""),
        ("192.0.2.1:443 ssl reuseport", ["192.0.2.1:80"], ""),
    ],
)
def test_each_address_with_tls_is_redirected_to_from_port_80(listen: t.Any, redirected: list[str], port: str) -> None:
    lines = redirect(listen=listen)
    assert [line for line in lines if line.startswith("listen ")] == [f"listen {address};" for address in redirected]
    assert lines[-1] == f"return 301 https://$host{port}$request_uri;"
    assert f"wss://$host{port}$request_uri" in lines[-2]


def test_a_redirect_is_asked_for_ports_like_any_site() -> None:
    model = sound([UPSTREAM], [secure(redirect_http=True)])
    place = "websockets_sites[0].redirect_http"
    assert {"address": "80", "at": f"{place}.listen"} in model["listening"]
    assert model["blocks"][1:] == ["websockets_sites", "websockets_sites[0]", place, "websockets_status_listen"]
    assert refusing(model)[:2] == ["listen 443 ssl so_keepalive=60s:10s:6;", "listen 80 so_keepalive=60s:10s:6;"]
    any_name = sound([UPSTREAM], [secure(redirect_http=True, server_name="_")])
    assert "websockets_sites" not in any_name["blocks"]


def test_port_80_is_taken_once() -> None:
    place = "websockets_sites[0].redirect_http"
    assert errors_of([UPSTREAM], [secure(redirect_http=True), site(listen=80)]) == [
        f"{place}: 'ws.serverlab.ca' on 80 is already served by websockets_sites[1]"
    ]
    assert errors_of([UPSTREAM], [secure(redirect_http=True, listen=[80, "443 ssl"])]) == [
        f"{place}: 'ws.serverlab.ca' on 80 is already served by websockets_sites[0]"
    ]
    assert errors_of([UPSTREAM], [secure(redirect_http=True), secure(listen="80 ssl", server_name="b")]) == [
        f"{place}.listen: 80 has no ssl, but ssl in websockets_sites[1].listen"
    ]
    assert check([UPSTREAM], [secure(redirect_http=True)], "127.0.0.1:80")[1] == [
        f"{place}.listen: 80 conflicts with websockets_status_listen, which has the same port"
    ]
    sound([UPSTREAM], [secure(redirect_http=True), site(listen=80, server_name="b")])
