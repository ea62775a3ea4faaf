# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must fit together."""

from __future__ import annotations

import typing as t

import pytest
from modelling import SITE, UPSTREAM, check, errors_of, location, secure, site, sound, upstream


def test_names_are_unique_among_upstreams_and_on_an_address() -> None:
    assert errors_of([UPSTREAM, upstream(servers=["a:1"])], [SITE, site(server_name=["x", "WS.serverlab.ca"])]) == [
        "websockets_upstreams[1].name: 'ws-backend' is already the name of websockets_upstreams[0]",
        "websockets_sites[1]: 'WS.serverlab.ca' on 3000 is already served by websockets_sites[0]",
    ]


def test_upstreams_that_differ_by_case_alone_are_one_to_nginx() -> None:
    assert errors_of([UPSTREAM, upstream(name="WS-Backend")], [SITE]) == [
        "websockets_upstreams[1].name: 'WS-Backend' is already the name of websockets_upstreams[0]"
    ]


def test_an_address_has_one_default_server() -> None:
    sites = [site(listen="80 default_server"), site(listen="80 default_server", server_name="other")]
    assert errors_of([UPSTREAM], sites) == [
        "websockets_sites[1].listen: websockets_sites[0] is already the default server of 80"
    ]


def test_a_name_is_taken_by_its_short_form_too() -> None:
    assert errors_of([UPSTREAM], [site(server_name=".a.example"), site(server_name=["b.example", "*.A.example"])]) == [
        "websockets_sites[1]: '*.A.example' on 3000 is already served by websockets_sites[0]"
    ]


def test_zones_have_one_upstream_each() -> None:
    assert errors_of([upstream(zone="other 64k"), upstream(name="other")], [SITE]) == [
        "websockets_upstreams[1]: 'other' is already the zone of websockets_upstreams[0]"
    ]


LONG = ".".join(["a" * 60] * 5)


@pytest.mark.parametrize(
    ("upstreams", "sites", "errors"),
    [
        pytest.param(
            [UPSTREAM],
            [site(server_name=LONG)],
            [
                f"websockets_sites[0].server_name: '{LONG[:56]}... is longer than 253 characters, the limit for host"
                f" names"
            ],
            id="a name that no host can have",
        ),
        pytest.param(
            [UPSTREAM],
            [site(locations={"probe": {"headers": {"Cookie": "secret"}}})],
            ["websockets_sites[0].locations: must be a list, not a mapping"],
            id="a secret in the wrong type",
        ),
        pytest.param(
            [UPSTREAM],
            [site(locations=[location(probe={"headers": {"Cookie: secret": "x"}})])],
            [
                "websockets_sites[0].locations[0].probe.headers: contains a key that is not a header name (letters,"
                " digits, '-' and '_', at most 46)"
            ],
            id="a secret as a name",
        ),
        pytest.param(
            [UPSTREAM],
            [site(locations=[location(headers={"X-" + "a" * 45: "b"})])],
            [
                "websockets_sites[0].locations[0].headers: contains a key that is not a header name (letters, digits,"
                " '-' and '_', at most 46)"
            ],
            id="a header that nginx has no bucket for",
        ),
        pytest.param(
            [UPSTREAM],
            [secure(listen="443 ssl http2"), secure(server_name="b")],
            ["websockets_sites[1].listen: 443 has no http2, but http2 in websockets_sites[0]"],
            id="one address with and without HTTP/2",
        ),
        pytest.param(
            [UPSTREAM],
            [site(directives="proxy_set_header A b; proxy_read_timeout 5m;")],
            [
                "websockets_sites[0].directives: 'proxy_set_header' is not allowed here: set by the key 'headers'",
                "websockets_sites[0].directives: 'proxy_read_timeout' is not allowed here: use the key"
                " 'proxy_read_timeout' of the locations",
            ],
            id="lines of a site that its locations would not inherit",
        ),
        pytest.param(
            [UPSTREAM],
            [site(locations=[{"path": "/", "return": "200 $5 or $10"}])],
            [
                "websockets_sites[0].locations[0].return: '200 $5 or $10' contains a '$' that starts no variable;"
                " nginx has no way to escape it"
            ],
            id="a price",
        ),
        pytest.param(
            [UPSTREAM],
            [site(locations=[{"path": "/", "return": "200 $5"}, location(path="/a", headers={"X": "${1}"})])],
            [
                "websockets_sites[0].locations[0].return: '$5' contains a capture, but no regular expression sets it",
                "websockets_sites[0].locations[1].headers.X: '${1}' contains a capture, but no regular expression"
                " sets it",
            ],
            id="captures of nothing",
        ),
        pytest.param(
            [UPSTREAM],
            [site(locations=[{"path": "/", "proxy_pass": "http://WS-Backend:80"}])],
            [
                "websockets_sites[0].locations[0].proxy_pass: 'WS-Backend' is an upstream, whose servers have ports"
                " of their own; remove the port"
            ],
            id="an upstream in another case",
        ),
        pytest.param(
            [UPSTREAM],
            [
                site(
                    locations=[
                        location(proxy_buffers="8 1k", proxy_buffer_size="4k"),
                        location(path="/a", proxy_buffer_size=0),
                        location(path="/b", proxy_buffers="2 16k"),
                        location(path="/c", proxy_buffers="8 1k"),
                    ]
                )
            ],
            [
                "websockets_sites[0].locations[1].proxy_buffer_size: 0 is not a size in nginx's syntax, such as 512,"
                " 4k, 1m",
                "websockets_sites[0].locations[0].proxy_buffers: '8 1k' is too small: the buffers but one must hold"
                " twice the larger of proxy_buffer_size and one buffer, 8192 bytes",
                "websockets_sites[0].locations[2].proxy_buffers: '2 16k' is too small: the buffers but one must hold"
                " twice the larger of proxy_buffer_size and one buffer, 32768 bytes",
            ],
            id="buffers that are too small or too few",
        ),
        pytest.param(
            [
                upstream(resolver="::1"),
                upstream(name="b", resolver="127.0.0.1:0"),
                upstream(name="c", resolver="a ipv4=off ipv6=off"),
            ],
            [SITE],
            [
                "websockets_upstreams[0].resolver: '::1' is not a name server, valid=TIME, ipv4=on|off or ipv6=on|off",
                "websockets_upstreams[1].resolver: '127.0.0.1:0' is not a name server, valid=TIME, ipv4=on|off or"
                " ipv6=on|off",
                "websockets_upstreams[2].resolver: ipv4=off and ipv6=off are mutually exclusive",
            ],
            id="name servers that are none",
        ),
        pytest.param(
            [
                upstream(name=f"p{i}", balance=f"sticky {words}")
                for i, words in enumerate(("route foo", "cookie s s", "learn x"))
            ],
            [],
            [
                f"websockets_upstreams[{i}].balance: 'sticky {words}' is not 'sticky cookie NAME …', 'sticky route"
                " $VARIABLE …' or 'sticky learn …'"
                for i, words in enumerate(("route foo", "cookie s s", "learn x"))
            ],
            id="sticky as nginx does not know it",
        ),
        pytest.param(
            [{"name": "ws-backend", "group": "nope", "port": "80"}, {"name": "b", "group": "nope"}],
            [SITE],
            [
                "websockets_upstreams[0].port: must be an integer or the name of a host variable, not '80'",
                "websockets_upstreams[0].group: 'nope' is not an inventory group",
                "websockets_upstreams[1]: missing required key 'port' for the group 'nope'",
                "websockets_upstreams[1].group: 'nope' is not an inventory group",
            ],
            id="a group with two errors",
        ),
        pytest.param(
            [upstream(servers=["bad", {"address": "worse", "backup": True}])],
            [SITE],
            [
                "websockets_upstreams[0].servers[0]: missing port in 'bad'; expected bad:PORT",
                "websockets_upstreams[0].servers[1].address: missing port in 'worse'; expected worse:PORT",
                "websockets_upstreams[0].servers[1].backup: not valid with balance: ip_hash",
            ],
            id="servers with errors of two kinds",
        ),
        pytest.param(
            [UPSTREAM],
            [site(listen=["80 foo", "443 http2", 81]), site(listen=[81, "x"])],
            [
                "websockets_sites[0].listen[0]: unknown parameter 'foo'; expected one of default_server, ssl, http2,"
                " proxy_protocol, backlog, bind, deferred, fastopen, ipv6only, rcvbuf, reuseport, sndbuf, so_keepalive",
                "websockets_sites[1].listen[1]: missing port in 'x'; expected x:PORT",
                "websockets_sites[1]: 'ws.serverlab.ca' on 81 is already served by websockets_sites[0]",
                "websockets_sites[0].listen: http2 on 443 requires `ssl`",
            ],
            id="the sound ones of a list with an error",
        ),
        pytest.param(
            [{**UPSTREAM, "nmae": "x", "name": 3}],
            [SITE],
            [
                "websockets_upstreams[0].nmae: unknown key (did you mean 'name'?)",
                "websockets_upstreams[0].name: must be a string, not an integer (3)",
            ],
            id="no false alarm about an upstream whose name is unknown",
        ),
        pytest.param(
            [UPSTREAM],
            [site(access_log="/a.log combined banana=1")],
            [
                "websockets_sites[0].access_log: '/a.log combined banana=1' is not PATH or PATH FORMAT, optionally"
                " with buffer=SIZE, gzip=LEVEL, flush=TIME and if=…"
            ],
            id="a log with an unknown word",
        ),
    ],
)
def test_errors_that_were_missed_once(upstreams: t.Any, sites: t.Any, errors: list[str]) -> None:
    assert errors_of(upstreams, sites) == errors


def test_what_was_refused_once_although_nginx_takes_it() -> None:
    sound([UPSTREAM], [site(server_name="~^\\d$"), site(server_name="~^\\D$")])
    sound([UPSTREAM], [site(listen=[80, "[::1]:80 ipv6only=off"])])
    busy = {"proxy_buffers": "2 16k", "directives": "proxy_busy_buffers_size 16k;"}
    sound([UPSTREAM], [site(locations=[location(**busy)])])
    sound([UPSTREAM], [site(locations=[location(path="~ ^/(a)", headers={"X": "$1"}, probe=False)])])


def test_no_site_has_the_port_of_the_status() -> None:
    assert errors_of([UPSTREAM], [site(listen=[80, 488])]) == [
        "websockets_sites[0].listen: 488 conflicts with websockets_status_listen, which has the same port"
    ]


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        (
            {"real_ip_header": "X-Real-IP"},
            "requires the key 'set_real_ip_from'",
        ),
        (
            {"real_ip_header": "proxy_protocol", "set_real_ip_from": "10.0.0.1"},
            "requires `proxy_protocol` in listen",
        ),
        (
            {"real_ip_header": "X Real", "set_real_ip_from": "10.0.0.1"},
            "'X Real' is not a header name or proxy_protocol",
        ),
    ],
)
def test_a_header_of_load_balancers_is_one_that_they_send(keys: dict[str, t.Any], error: str) -> None:
    assert errors_of([UPSTREAM], [site(**keys)]) == [f"websockets_sites[0].real_ip_header: {error}"]


def test_addresses_that_nothing_goes_by_are_a_warning() -> None:
    sites = [
        site(listen="80 proxy_protocol", locations=[location(), location(path="/a", websocket=False)]),
        site(listen="80 proxy_protocol", server_name="b", set_real_ip_from="10.0.0.1"),
        site(listen="81"),
    ]
    sites = [{**each, "allowed_origins": "*"} for each in sites]
    assert sound([UPSTREAM], sites)["warnings"] == [
        "websockets_sites[0]: proxy_protocol without set_real_ip_from: the client address is ignored",
        "websockets_sites[0].locations[0]: ip_hash of its upstream sees the load balancer's address only",
        "websockets_sites[0].locations[1]: ip_hash of its upstream sees the load balancer's address only",
    ]
    assert len(sound([upstream(balance="least_conn")], sites)["warnings"]) == 1


@pytest.mark.parametrize("key", ["proxy_ssl_verify", "proxy_ssl_trusted_certificate", "proxy_ssl_name"])
def test_the_certificate_of_a_backend_is_a_matter_of_https(key: str) -> None:
    value = {"proxy_ssl_verify": False}.get(key, "/a" if "trusted" in key else "a")
    for route in (location(), {"path": "/", "proxy_pass": "http://a"}):
        assert errors_of([UPSTREAM], [site(locations=[{**route, key: value}])]) == [
            f"websockets_sites[0].locations[0].{key}: requires proxy_pass: https://…"
        ]


LIMITS = {"limit_conn_per_client": 1}


@pytest.mark.parametrize(
    ("route", "keys"),
    [
        (location(headers={"X": "$1"}), {}),
        (location(path="= /a", headers={"X": "${1}"}, websocket="required"), {}),
        ({"path": "/", "return": "200 $1"}, {}),
        # The gateway has expressions of its own for limits, and takes the captures again after them.
        (location(headers={"X": "$1"}), LIMITS),
        (location(headers={"X": "a ${2}"}, **LIMITS), {}),
        (location(headers={"X": "$1"}, limit_handshakes_per_client="1r/s"), {}),
        (location(path="/a/", strip_prefix=True, headers={"X": "$1"}), LIMITS),
        ({"path": "/a/", "proxy_pass": "http://a/b", "headers": {"X": "$1"}}, {}),
        (location(), {"headers": {"X": "$1"}}),
        (location(path="~ ^/(.)", headers={"X": "$1"}, probe=False), LIMITS),
    ],
)
def test_a_numbered_capture_of_the_servers_name_may_be_used_anywhere(
    route: dict[str, t.Any], keys: dict[str, t.Any]
) -> None:
    sound([UPSTREAM], [site(server_name=["a.example", "~^(?<room>.)"], locations=[route], **keys)])


def test_a_capture_in_the_headers_of_a_site_needs_an_expression_in_each_location() -> None:
    rooms = location(path="~ ^/(.)", probe=False)
    sound([UPSTREAM], [site(headers={"X": "$1"}, locations=[rooms, {"path": "/b", "return": 404}])])
    assert errors_of([UPSTREAM], [site(headers={"X": "$1"}, locations=[rooms, location()])]) == [
        "websockets_sites[0].headers.X: '$1' contains a capture, but no regular expression sets it"
    ]


OTHER = {"ssl_certificate": "/etc/ssl/b.pem", "ssl_certificate_key": "/etc/ssl/b.key"}


@pytest.mark.parametrize(
    ("first", "second"),
    [("192.0.2.1", "198.51.100.1"), ("192.0.2.1", "[2001:db8::1]"), (["a.example", "192.0.2.1"], "198.51.100.1")],
)
def test_sites_reached_by_ip_addresses_share_the_certificate_of_their_address(first: t.Any, second: str) -> None:
    """Clients name no IP address in a TLS handshake (RFC 6066 section 3)."""
    sites = [secure(server_name=first), secure(server_name=second, **OTHER)]
    assert errors_of([UPSTREAM], sites) == [
        "websockets_sites[1].ssl_certificate: differs from that of websockets_sites[0] on 443: clients send no SNI"
        " for an"
        " IP address, and would get the first one"
    ]
    sound([UPSTREAM], [sites[0], secure(server_name=second)])
    sound([UPSTREAM], [sites[0], secure(server_name=second, listen="8443 ssl", **OTHER)])
    sound([UPSTREAM], [sites[0], secure(server_name="b.example", **OTHER)])
    sound([UPSTREAM], [site(server_name=first), site(server_name=second)])


def test_sites_reached_by_ip_addresses_ask_for_the_same_certificates() -> None:
    first, second = secure(server_name="192.0.2.1"), secure(server_name="192.0.2.2", ssl_client_certificate="/ca.pem")
    assert errors_of([UPSTREAM], [first, second]) == [
        "websockets_sites[1].ssl_client_certificate: differs from that of websockets_sites[0] on 443: clients send no"
        " SNI"
        " for an IP address, and would be asked for none"
    ]
    # Whoever shows one without need gets in.
    sound([UPSTREAM], [second, first])


@pytest.mark.parametrize(
    "keys",
    [{"server_name": "192.0.2.1"}, {"server_name": ["a.example", "_"]}, {"listen": ["443 ssl default_server"]}],
)
def test_no_certificate_of_one_sites_clients_opens_another_site(keys: dict[str, t.Any]) -> None:
    """A client that names no site in its handshake is asked for those of one, and nginx serves it any (CVE-2025-23419
    was the like of it).
    """
    first = secure(**{"server_name": "a.example", **keys}, ssl_client_certificate="/ca.pem")
    named = {"server_name": "b.example"}
    assert errors_of([UPSTREAM], [first, secure(**named, ssl_client_certificate="/b.pem")]) == [
        "websockets_sites[1].ssl_client_certificate: differs from that of websockets_sites[0] on 443: clients with"
        " one of"
        " those could connect here without SNI"
    ]
    sound([UPSTREAM], [first, secure(**named, ssl_client_certificate="/ca.pem")])
    sound([UPSTREAM], [first, secure(**named)])
    sound([UPSTREAM], [first, secure(**named, listen="8443 ssl", ssl_client_certificate="/b.pem")])
    # Where nobody is asked, all who name no site are refused here.
    del first["ssl_client_certificate"]
    sound([UPSTREAM], [first, secure(**named, ssl_client_certificate="/b.pem")])
    # And where a site is reached by its name alone, all handshakes without one fail.
    both = [secure(server_name=name, ssl_client_certificate=f"/{name}.pem") for name in ("a.example", "b.example")]
    sound([UPSTREAM], both)


def test_each_address_that_two_certificates_are_for_is_told() -> None:
    listens = ["443 ssl", "[::]:443 ssl"]
    sites = [secure(server_name="192.0.2.1", listen=listens), secure(server_name="[::1]", listen=listens, **OTHER)]
    assert [error.partition(": ")[2].partition(":")[0] for error in errors_of([UPSTREAM], sites)] == [
        "differs from that of websockets_sites[0] on 443",
        "differs from that of websockets_sites[0] on [",
    ]


@pytest.mark.parametrize(("address", "is_warned"), [("127.0.0.1:1023", False), ("[::1]:1024", True)])
def test_a_status_port_that_any_local_user_can_take_is_a_warning(address: str, is_warned: bool) -> None:
    model = sound([UPSTREAM], [site(allowed_origins="*")], status=address)
    told = (
        "websockets_status_listen: any local user can take port 1024 while nginx is stopped, and nginx then does not "
        "start; use a port below 1024"
    )
    assert model["warnings"] == [told] * is_warned


def test_probes_all_the_time_have_an_interval_that_leaves_them_time_and_a_service_that_makes_them() -> None:
    short = "websockets_probe_interval: must be 0, or at least 5s, got '4s'"
    assert check([UPSTREAM], [SITE], websockets_probe_interval="4s") == (None, [short])
    assert sound([UPSTREAM], [SITE])["probe_interval"] == 0
    assert sound([UPSTREAM], [SITE], websockets_probe_interval="1m")["probe_interval"] == 60
    (warned,) = (
        warning
        for warning in sound([UPSTREAM], [SITE], websockets_probe_interval=5, websockets_manage_service=False)[
            "warnings"
        ]
        if "probe_interval" in warning
    )
    assert warned.startswith("websockets_probe_interval: requires websockets_manage_service, which is false")
