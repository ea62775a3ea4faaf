# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The model: what variables become, and every error that stops them."""

from __future__ import annotations

import re
import typing as t

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from modelling import SHARED, SITE, STATUS, UPSTREAM, blocks_of, check, location, secure, site, sound, upstream


def test_the_first_founding_configuration_becomes_its_directives() -> None:
    model = sound([UPSTREAM], [SITE])
    assert model["upstreams"] == [
        {
            "name": "ws-backend",
            "servers": [{"address": f"server0{number}:3000", "state": ""} for number in (1, 2, 3)],
        }
    ]
    assert model["upstream_lines"] == [
        [
            "zone ws-backend 64k;",
            "ip_hash;",
            "server server01:3000 max_fails=0;",
            "server server02:3000 max_fails=0;",
            "server server03:3000 max_fails=0;",
            "keepalive 32;",
        ]
    ]
    alike = [
        "server_tokens off;",
        "client_header_timeout 10s;",
        "client_header_buffer_size 2k;",
        "request_pool_size 768;",
    ]
    log = "access_log /var/log/nginx/websockets.log websockets;"
    servers: t.Any = model["sites"]
    refusing, served = servers
    assert refusing == {
        "comment": "Refuses names that no site here has; nginx would take them to the first one.",
        "lines": [
            "listen 3000 so_keepalive=60s:10s:6;",
            *alike,
            log,
            "return 421;",
        ],
        "locations": [],
    }
    assert served == {
        "comment": "",
        "lines": [
            "listen 3000;",
            "server_name ws.serverlab.ca;",
            *alike,
            "absolute_redirect off;",
            log,
            "error_page 426 = @upgrade_required;",
            *SHARED,
        ],
        "locations": [
            {
                "comment": "",
                "path": "/",
                "lines": [
                    "if ($websocket_refused) { return 426; }",
                    "proxy_pass http://ws-backend;",
                    "proxy_read_timeout 1h;",
                ],
            },
            {
                "comment": "",
                "path": "@upgrade_required",
                "lines": [
                    "default_type text/plain;",
                    "add_header Upgrade websocket always;",
                    "add_header Sec-WebSocket-Version 13 always;",
                    'return 426 "A WebSocket handshake is needed here, by RFC 6455.\\n";',
                ],
            },
        ],
    }
    assert (model["admission"], model["directives"]) == ([], [])
    assert (model["mode"], model["log"]) == ("0644", "/var/log/nginx/websockets.log")
    assert model["listening"] == [STATUS, {"address": "3000", "at": "websockets_sites[0].listen"}]
    assert model["names"] == [
        {"name": f"server0{number}", "at": f"websockets_upstreams[0].servers[{number - 1}]"} for number in (1, 2, 3)
    ]
    assert model["probes"] == [
        {
            "at": "websockets_sites[0].locations[0]",
            "site": "ws.serverlab.ca",
            "path": "/",
            "url": "ws://ws.serverlab.ca:3000/",
            "connect_to": "127.0.0.1:3000",
            "websocket": True,
            "strict": False,
            "status": None,
            "origin": None,
            "subprotocols": [],
            "send": None,
            "expect": None,
            "backends": {
                "url": "ws://ws.serverlab.ca/",
                "addresses": ["server01:3000", "server02:3000", "server03:3000"],
                "forwarded": {
                    "Host": "ws.serverlab.ca:3000",
                    "X-Real-IP": "127.0.0.1",
                    "X-Forwarded-For": "127.0.0.1",
                    "X-Forwarded-Proto": "http",
                    **dict.fromkeys(
                        ("X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Ssl", "X-Scheme", "Forwarded"), ""
                    ),
                },
                "headers": {},
                "exact": True,
                "upstream": "ws-backend",
                "header_size": 36864,
                "origins": ["http://ws.serverlab.ca:3000"],
            },
            "wait": 0,
            "proxy_protocol": False,
            "ssl_certificate": None,
            "ssl_certificate_key": None,
        }
    ]
    (refusal,) = model["refusals"]
    assert refusal == {
        **model["probes"][0],
        "websocket": False,
        "strict": True,
        "backends": None,
        "rule": "host",
        "variable": "websockets_sites[0].server_name",
        "refused_with": [421],
        "host": "foreign.invalid",
    }
    assert model["blocks"] == [
        "websockets_upstreams[0]",
        "websockets_sites",
        "websockets_sites[0]",
        "websockets_status_listen",
    ]
    assert model["warnings"] == [
        "websockets_sites[0]: any web page can open WebSockets here with its visitor's cookies; list your origins in"
        " allowed_origins, or set it to '*'"
    ]


def test_nothing_is_a_model_of_nothing() -> None:
    nothing: t.Any = {
        "nginx_version": None,
        "openssl_version": None,
        "suits_since": "1.18.0",
        "depends_on_openssl": False,
        "http": [],
        "directives": [],
        "maps": [],
        "admission": [],
        "upstreams": [],
        "upstream_lines": [],
        "drained": [],
        "sites": [],
        "listening": [STATUS],
        "names": [],
        "connects": False,
        "serves": [],
        "loads": [],
        "certificates": [],
        "directories": [],
        "presented": [],
        "verify_address": None,
        "mode": "0644",
        "log": None,
        "probes": [],
        "refusals": [],
        "routes": [],
        "blocks": ["websockets_status_listen"],
        "nginx_conf": {"worker_processes": "auto", "worker_shutdown_timeout": "1h"},
        "reconnect_rate": 14,
        "probe_interval": 0,
        "health_flag": None,
        "health_wait": 0,
        "drain": {"out": [], "back": [], "here": [], "addresses": [], "seconds": 600, "force": False},
        "balanced": [],
        "warnings": [],
        "path": "/etc/nginx/conf.d/00-websockets.conf",
        "compared": {
            "servers": [
                {
                    "at": "websockets_status_listen",
                    "names": [],
                    "listens": [
                        {
                            "address": "127.0.0.1:488",
                            "default": False,
                            "http2": False,
                            "options": [],
                            "proxy_protocol": False,
                            "ssl": False,
                        }
                    ],
                }
            ],
            "upstreams": [],
            "hashes": {},
            "ca_file": None,
            "replaces": [],
        },
    }
    model = sound([], [])
    lines = {"lines": model["lines"], "sources": model["sources"], "digest": model["digest"]}
    assert model == {**nothing, **lines}


def test_a_gateway_is_told_from_others_of_its_host_by_its_sites_as_their_probes_have_them() -> None:
    """Release 0.7.0 recorded only the probes."""
    sites = [site(), site(server_name=["b.example", "c.example"], listen=["[::]:80", 81]), site(listen="unix:/run/a")]
    model = sound([upstream()], sites)
    assert model["serves"] == sorted(f"{probe['connect_to']} {probe['site']}" for probe in model["probes"])
    unprobed = sound([upstream()], [site(locations=[location(probe=False)])])
    assert unprobed["serves"] == ["127.0.0.1:3000 ws.serverlab.ca"]


KINDS = (("", "CERTIFICATE"), ("_key", "PRIVATE KEY"))


def test_certificates_and_cas_by_path_are_loaded_with_the_configuration_and_delivered_ones_are_its_own() -> None:
    by_https = {"path": "/", "proxy_pass": "https://b.example", "proxy_ssl_trusted_certificate": "/etc/ssl/b.pem"}
    by_path = secure(ssl_client_certificate="/etc/ssl/clients.pem", locations=[by_https])
    pem = {f"ssl_certificate{which}": f"-----BEGIN {what}-----\nA\n-----END {what}-----\n" for which, what in KINDS}
    model = sound([upstream()], [by_path, secure(server_name="b.example", **pem)])
    assert model["loads"] == ["/etc/ssl/b.pem", "/etc/ssl/clients.pem", "/etc/ssl/ws.key", "/etc/ssl/ws.pem"]


def test_a_name_that_nginx_resolves_at_run_time_is_not_looked_up_before() -> None:
    servers = [{"address": "a.example:80", "resolve": True}, "b.example:80"]
    model = sound([upstream(balance="least_conn", servers=servers, resolver="127.0.0.53 valid=10s")], [SITE])
    assert model["upstream_lines"][0][1:4] == [
        "resolver 127.0.0.53 valid=10s;",
        "least_conn;",
        "server a.example:80 resolve;",
    ]
    assert [name["name"] for name in model["names"]] == ["b.example"]
    # An upstream that is being resolved has no servers at first.
    assert model["probes"][0]["wait"] > 0
    upstreams = [upstream(balance="least_conn", servers=servers, resolver="127.0.0.53")]
    by_url = sound(upstreams, [site(locations=[{"path": "/", "proxy_pass": "http://WS-Backend"}])])
    assert by_url["probes"][0]["wait"] > 0


def test_a_proxied_url_is_looked_up_unless_it_is_an_upstream() -> None:
    paths = {
        "/a/": "http://a.example/x/",
        "/b/": "https://b.example:444",
        "/c/": "http://ws-backend/",
        "/d/": "http://[::1]",
    }
    locations = [{"path": path, "proxy_pass": url} for path, url in paths.items()]
    model = sound([UPSTREAM], [site(locations=locations)])
    assert model["names"][3:] == [
        {"name": "a.example", "at": "websockets_sites[0].locations[0].proxy_pass"},
        {"name": "b.example", "at": "websockets_sites[0].locations[1].proxy_pass"},
    ]
    blocks = blocks_of(model)
    for path, url in paths.items():
        assert f"proxy_pass {url};" in blocks[path]


def test_an_upstream_that_is_all_down_is_a_warning() -> None:
    model = sound([upstream(servers=[{"address": "a:1", "down": True}])], [site(allowed_origins="*")])
    assert model["warnings"] == ["websockets_upstreams[0] (ws-backend): all servers of this upstream are down"]


def test_an_unused_upstream_is_a_warning() -> None:
    model = sound([UPSTREAM, upstream(name="spare")], [site(allowed_origins="*")])
    assert model["warnings"] == ["websockets_upstreams[1] (spare): no location uses this upstream"]


@pytest.mark.parametrize("listen", ["127.0.0.1:488", "[::1]:488", "127.0.0.2:80"])
def test_the_status_is_told_on_the_loopback_interface(listen: str) -> None:
    model, errors = check([UPSTREAM], [SITE], listen)
    assert errors == []
    assert model is not None
    assert model["listening"][0] == {"address": listen, "at": "websockets_status_listen"}


@pytest.mark.parametrize(
    ("listen", "error"),
    [
        (488, "must be a string, not an integer (488)"),
        ("488", "'488' is not a loopback address, such as 127.0.0.1:488"),
        ("192.0.2.1:80", "'192.0.2.1:80' is not a loopback address, such as 127.0.0.1:488"),
        ("localhost:80", "'localhost:80' is not a loopback address, such as 127.0.0.1:488"),
        ("unix:/run/x", "'unix:/run/x' is not a loopback address, such as 127.0.0.1:488"),
    ],
)
def test_the_status_is_told_nowhere_else(listen: t.Any, error: str) -> None:
    assert check([UPSTREAM], [SITE], listen) == (None, [f"websockets_status_listen: {error}"])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def spoilt(draw: st.DrawFn, sound: t.Any) -> t.Any:
    """Sound variables in which any value, at any depth, may be any other."""
    if draw(st.integers(0, 9)) == 0:
        return draw(JSON)
    if isinstance(sound, dict):
        return {key: draw(spoilt(value)) for key, value in sound.items() if draw(st.integers(0, 9))}
    return [draw(spoilt(value)) for value in sound] if isinstance(sound, list) else sound


@given(
    upstreams=spoilt(
        [
            {**UPSTREAM, "servers": ["a:1", {"address": "b:1", "weight": 1, "resolve": True}], "resolver": "10.0.0.1"},
            {"name": "chat", "group": "chat", "port": "chat_port", "zone": "a 64k", "directives": ["a;"]},
        ]
    ),
    sites=spoilt(
        [
            SITE,
            site(
                server_name=["b", "~^b"],
                listen=["80 ssl http2", "[::]:80 ssl"],
                http2=True,
                ssl_certificate="-----BEGIN CERTIFICATE-----\nSECRET\n-----END CERTIFICATE-----\n",
                ssl_certificate_key="-----BEGIN PRIVATE KEY-----\nSECRET\n-----END PRIVATE KEY-----\n",
                ssl_client_certificate="/ca.pem",
                ssl_verify_client="optional",
                redirect_http=True,
                hsts=True,
                set_real_ip_from=["10.0.0.0/8"],
                real_ip_header="X-Real-IP",
                allowed_origins=["https://a"],
                limit_conn_per_client=1,
                access_log=False,
                headers={"A": "$1", "X-B": ""},
                directives="a;",
                locations=[
                    location(path="~ /b", upstream="chat", headers={"A": "b"}, probe={"path": "/", "headers": {}}),
                    location(path="/b/", limit_handshakes_per_client="1r/s burst=1", limit_dry_run=True),
                    {"path": "/e/", "proxy_pass": "https://a:1/%20", "proxy_ssl_verify": False, "proxy_ssl_name": "b"},
                    {"path": "/c/", "proxy_pass": "http://a:1/x", "websocket": False, "proxy_buffers": "8 4k"},
                    {"path": "/d", "return": "301 http://a/"},
                    {"path": "~ /f(.)", "proxy_pass": "http://a:1", "resolver": "10.0.0.1 valid=1s", "probe": False},
                ],
            ),
        ]
    ),
)
@settings(deadline=None)
def test_whatever_the_variables_are_there_is_a_model_or_an_error(upstreams: t.Any, sites: t.Any) -> None:
    model, errors = check(upstreams, sites)
    assert (model is None) == bool(errors)
    for error in errors:
        assert error.startswith(("websockets_upstreams", "websockets_sites"))
        assert "SECRET" not in error


@given(directives=spoilt(["map $a $b {\n    default 0;\n}", "map_hash_bucket_size 128;"]))
@settings(deadline=None)
def test_whatever_the_lines_of_the_http_block_are_there_is_a_model_or_an_error(directives: t.Any) -> None:
    model, errors = check([UPSTREAM], [SITE], websockets_directives=directives)
    assert (model is None) == bool(errors)
    assert all(error.startswith("websockets_directives") for error in errors)


def test_two_gateways_can_stand_in_one_nginx() -> None:
    """All but the template's own maps, which are the same in both, has another name."""
    limited = {"limit_conn_per_client": 1, "limit_handshakes_per_client": "1r/s", "allowed_origins": ["https://a"]}
    sites = [secure(**limited), secure(**limited, server_name="b")]
    pattern = re.compile(r"(?:websocket_\w+_\d+|zone=\w+|shared:\w+|log_format \w+|access_log \S+ \w+)")

    def names(status: str) -> set[str]:
        model = sound([UPSTREAM], sites, status=status)
        lines = [line for block in model["sites"] for line in block["lines"]]
        lines += [line for block in model["sites"] for inner in block["locations"] for line in inner["lines"]]
        lines += [line for block in model["admission"] for line in block] + model["http"]
        return set(pattern.findall("\n".join(lines)))

    first, second = names("127.0.0.1:488"), names("127.0.0.1:7000")
    assert len(first) == len(second) == 10
    assert first.isdisjoint(second)


@pytest.mark.parametrize(
    ("version", "error"),
    [
        (3.5, "3.5 is not an OpenSSL version, such as '3.5.4'"),
        ("3", "'3' is not an OpenSSL version, such as '3.5.4'"),
        ("LibreSSL 3.5", "'LibreSSL 3.5' is not an OpenSSL version, such as '3.5.4'"),
    ],
)
def test_a_version_of_openssl_is_one(version: t.Any, error: str) -> None:
    assert check([UPSTREAM], [SITE], websockets_openssl_version=version)[1] == [f"websockets_openssl_version: {error}"]


@pytest.mark.parametrize("version", ["1.1.1w", "3.5.4", "3.0.17-1", "4.0"])
def test_a_version_of_openssl_is_told_as_it_was_given(version: str) -> None:
    assert sound([UPSTREAM], [SITE], websockets_openssl_version=version)["openssl_version"] == version


def test_balancers_can_ask_every_server_of_the_file() -> None:
    sites = [secure(redirect_http=True), site(server_name="b.example", listen=80)]
    model = sound([UPSTREAM], sites, websockets_health_path="/up", websockets_health_wait="10s")
    for block in model["sites"]:
        (asked,) = (place for place in block["locations"] if place["path"] == "= /up")
        assert asked["lines"][2:] == [
            "if (-f /etc/nginx/conf.d/.00-websockets.out) {",
            '    return 503 "out\\n";',
            "}",
            'return 200 "in\\n";',
        ]
        # A return of the server would come before its locations.
        assert not any(line.startswith("return") for line in block["lines"])
    answers = [block["locations"][0]["lines"][-1] for block in model["sites"] if len(block["locations"]) == 2]
    assert answers == ["return 421;", "return 301 https://$host$request_uri;"]
    assert model["health_flag"] == "/etc/nginx/conf.d/.00-websockets.out"
    assert model["health_wait"] == 10


def test_what_is_to_be_drained_is_told_with_its_addresses() -> None:
    model = sound(
        [upstream(servers=["a:1", "b:1", "c:1"])], [SITE], websockets_drain="b, b:1,gateway1", websockets_undrain="c"
    )
    assert model["drain"] == {
        "out": ["b", "b:1", "gateway1"],
        "back": ["c"],
        "here": ["b", "b:1", "c"],
        "addresses": ["b:1"],
        "seconds": 600,
        "force": False,
    }
    assert (
        "websockets_upstreams[0]: b is drained until the drain playbook runs with websockets_undrain=b"
        in model["warnings"]
    )


@pytest.mark.parametrize("given", [True, "true", "True"])
def test_what_is_left_may_be_closed_on_the_command_line_too(given: t.Any) -> None:
    assert sound([UPSTREAM], [SITE], websockets_drain_force=given)["drain"]["force"] is True
    assert sound([UPSTREAM], [SITE], websockets_drain_force="false")["drain"]["force"] is False


def test_how_to_close_what_is_left_is_a_boolean() -> None:
    _model, errors = check([UPSTREAM], [SITE], websockets_drain_force="yes please")
    assert errors == ["websockets_drain_force: must be true or false, not a string ('yes please')"]


CERTIFICATE = "-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN PRIVATE KEY-----\nA\n-----END PRIVATE KEY-----\n"


def test_the_certificates_and_directories_that_a_gateway_needs_are_told_with_their_variables() -> None:
    """Once each, and without those that come with the deploy."""
    pair = {"ssl_certificate": "/tls/a.pem", "ssl_certificate_key": "/tls/a.key"}
    backend = "https://b.example"
    locations = [
        {"path": "/a", "proxy_pass": backend, "proxy_ssl_trusted_certificate": "/tls/own.pem"},
        {"path": "/b", "proxy_pass": backend},
        {"path": "/c", "proxy_pass": backend, "proxy_ssl_verify": False},
        location(path="/d", probe=pair),
    ]
    text = {"ssl_certificate": CERTIFICATE, "ssl_certificate_key": KEY}
    sites = [
        secure(**pair, access_log="/logs/a.log", ssl_client_certificate="/tls/ca.pem"),
        secure(server_name="b", **pair, access_log="/logs/b.log", locations=locations),
        secure(server_name="c", **text, access_log=False),
        site(server_name="d", listen="unix:/run/ws/d.sock", access_log="syslog:server=[::1]"),
    ]
    model = sound([UPSTREAM], sites)
    trusted = "proxy_ssl_trusted_certificate"
    assert [(given["at"], given["path"], given["key"]) for given in model["certificates"]] == [
        ("websockets_sites[0].ssl_certificate", "/tls/a.pem", "/tls/a.key"),
        ("websockets_sites[0].ssl_client_certificate", "/tls/ca.pem", None),
        (f"websockets_sites[1].locations[0].{trusted}", "/tls/own.pem", None),
        (f"websockets_sites[1].locations[1].{trusted}", "/etc/ssl/certs/ca-certificates.crt", None),
    ]
    assert [(given["at"], given["path"]) for given in model["directories"]] == [
        ("websockets_sites[0].access_log", "/logs"),
        ("websockets_sites[3].listen", "/run/ws"),
    ]


def test_the_cas_of_backends_are_those_of_the_host_where_it_has_them() -> None:
    debian, rhel = "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"
    secure_backend: dict[str, t.Any] = {"path": "/host", "proxy_pass": "https://b.example"}
    own = {**secure_backend, "path": "/own", "proxy_ssl_trusted_certificate": "/tls/own.pem"}
    for found, path in (({}, debian), ({"ca_file": rhel}, rhel)):
        model = sound([], [site(locations=[own, secure_backend])], neighbours=found)
        printed = [line.split()[-1] for line in model["lines"] if "proxy_ssl_trusted_certificate" in line]
        assert printed == ["/tls/own.pem;", f"{path};"]
        assert [given["path"] for given in model["certificates"]] == ["/tls/own.pem", path]
        # Preflight looks for both, whatever it found before.
        assert model["compared"]["ca_file"] == debian
        assert debian not in model["loads"]
    others = [own, {**secure_backend, "proxy_ssl_verify": False}]
    assert sound([], [site(locations=others)])["compared"]["ca_file"] is None


@pytest.mark.parametrize(
    ("servers", "locations", "connects"),
    [
        (["unix:/run/a.sock"], [], False),
        (["unix:/run/a.sock", "b:3000"], [], True),
        (["unix:/run/a.sock"], [{"path": "/b", "proxy_pass": "http://b"}], True),
        (["unix:/run/a.sock"], [{"path": "/b", "proxy_pass": "http://unix:/run/b.sock"}], False),
    ],
)
def test_whether_nginx_connects_over_tcp_is_known(servers: list[str], locations: list[t.Any], connects: bool) -> None:
    to = {"name": "a", "servers": servers}
    model = sound([to], [site(locations=[{"path": "/", "upstream": "a"}, *locations])])
    assert model["connects"] == connects
