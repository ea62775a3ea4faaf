# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How each route is verified."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._model.probes import with_headers
from modelling import LOCATION, PATHS, UPSTREAM, errors_of, location, secure, server_of, site, sound, upstream


@pytest.mark.parametrize(
    ("names", "directive", "url"),
    [
        ("a.example", "server_name a.example;", "ws://a.example/"),
        (["_"], "server_name _;", "ws://probe.invalid/"),
        (["*.a.example", "b.example"], "server_name *.a.example b.example;", "ws://b.example/"),
        ("*.a.example", "server_name *.a.example;", "ws://probe.a.example/"),
    ],
)
def test_a_site_is_verified_under_a_name_that_reaches_it(names: t.Any, directive: str, url: str) -> None:
    model = sound([UPSTREAM], [site(server_name=names, listen=80)])
    assert directive in server_of(model)
    assert model["probes"][0]["url"] == url


def probes_of(**keys: t.Any) -> list[dict[str, t.Any]]:
    server = {key: keys.pop(key) for key in ("server_name", "listen") if key in keys}
    model = sound([UPSTREAM], [site(**server, locations=[{"path": "/", **keys}])])
    return [dict(probe) for probe in model["probes"]]


def test_a_probe_asks_what_the_key_says() -> None:
    given = {"path": "/ws/?a=1", "origin": "https://a.example", "subprotocol": "chat", "message": "hi", "expect": "ho"}
    (probe,) = probes_of(upstream="ws-backend", probe={**given, "headers": {"Authorization": "Bearer secret"}})
    assert probe["url"] == "ws://ws.serverlab.ca:3000/ws/?a=1"
    assert (probe["origin"], probe["subprotocols"], probe["send"], probe["expect"]) == (
        "https://a.example",
        ["chat"],
        "hi",
        "ho",
    )
    assert "secret" not in str(probe)


@pytest.mark.parametrize(
    ("keys", "url", "addresses"),
    [
        ({}, "ws://ws.serverlab.ca/", ["server01:3000", "server02:3000", "server03:3000"]),
        ({"websocket": False}, "http://ws.serverlab.ca/", ["server01:3000", "server02:3000", "server03:3000"]),
        (
            {"path": "/a b/", "strip_prefix": True, "probe": {"path": "/a%20b/c?d=e"}},
            "ws://ws.serverlab.ca/c?d=e",
            ["server01:3000", "server02:3000", "server03:3000"],
        ),
        (
            {"path": "/a/", "upstream": None, "proxy_pass": "http://h.example/b/"},
            "ws://ws.serverlab.ca/b/",
            ["h.example:80"],
        ),
        (
            {"path": "/a/", "upstream": None, "proxy_pass": "https://h.example"},
            "wss://h.example/a/",
            ["h.example:443"],
        ),
        (
            {"upstream": None, "proxy_pass": "https://ws-backend", "proxy_ssl_name": "inner.example"},
            "wss://inner.example/",
            ["server01:3000", "server02:3000", "server03:3000"],
        ),
        (
            {"upstream": None, "proxy_pass": "https://[2001:db8::1]/"},
            "wss://[2001:db8::1]/",
            ["[2001:db8::1]:443"],
        ),
        ({"upstream": None, "proxy_pass": "http://[2001:db8::1]:81/"}, "ws://ws.serverlab.ca/", ["[2001:db8::1]:81"]),
        ({"upstream": None, "proxy_pass": "http://unix:/run/b:/c"}, "ws://ws.serverlab.ca/c", ["unix:/run/b"]),
        (
            {"upstream": None, "proxy_pass": "http://WS-backend/c"},
            "ws://ws.serverlab.ca/c",
            ["server01:3000", "server02:3000", "server03:3000"],
        ),
        (
            {"path": "~ ^/r/[0-9]+$", "probe": {"path": "/r/1"}},
            "ws://ws.serverlab.ca/r/1",
            ["server01:3000", "server02:3000", "server03:3000"],
        ),
    ],
)
def test_a_probe_knows_what_nginx_asks_of_which_backend(keys: dict[str, t.Any], url: str, addresses: list[str]) -> None:
    route = {name: value for name, value in location(**keys).items() if value is not None}
    (probe,) = sound([UPSTREAM], [site(locations=[route])])["probes"]
    backends = probe["backends"]
    assert backends is not None
    assert (backends["url"], backends["addresses"], backends["headers"]) == (url, addresses, {})


def forwarded(given: dict[str, t.Any] | None = None, **keys: t.Any) -> dict[str, str]:
    """What a backend of a site is told that has a location with such headers."""
    made = secure if "ssl" in str(keys.get("listen")) else site
    location_of = location(**({"headers": given} if given else {}))
    (probe,) = sound([UPSTREAM], [made(**keys, locations=[location_of])])["probes"]
    assert probe["backends"] is not None
    return probe["backends"]["forwarded"]


@pytest.mark.parametrize(
    ("keys", "host", "scheme"),
    [
        ({"listen": 3000}, "ws.serverlab.ca:3000", "http"),
        ({"listen": 80}, "ws.serverlab.ca", "http"),
        ({"listen": 443}, "ws.serverlab.ca:443", "http"),
        ({"listen": "443 ssl"}, "ws.serverlab.ca", "https"),
        ({"listen": "80 ssl"}, "ws.serverlab.ca:80", "https"),
        ({"listen": "8443 ssl"}, "ws.serverlab.ca:8443", "https"),
        ({"listen": "unix:/run/a.sock"}, "ws.serverlab.ca", "http"),
        ({"listen": [3001, "443 ssl"]}, "ws.serverlab.ca:3001", "http"),
        ({"listen": 3000, "server_name": "WS.example"}, "ws.example:3000", "http"),
    ],
)
def test_a_backend_is_told_the_host_and_the_scheme_of_a_client(keys: dict[str, t.Any], host: str, scheme: str) -> None:
    told = forwarded(**keys)
    assert (told["Host"], told["X-Forwarded-Proto"]) == (host, scheme)


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        (3000, "127.0.0.1"),
        ("[::]:3000", "::1"),
        ("192.0.2.7:3000", "192.0.2.7"),
        ("[2001:DB8::7]:3000", "2001:db8::7"),
        ("localhost:3000", "127.0.0.1"),
        ("unix:/run/a.sock", "unix:"),
    ],
)
def test_a_backend_is_told_the_address_that_the_gateway_asks_itself_from(listen: int | str, address: str) -> None:
    told = forwarded(listen=listen)
    assert (told["X-Real-IP"], told["X-Forwarded-For"]) == (address, address)
    # nginx leaves out what frameworks would believe of a client.
    assert (told["X-Forwarded-Host"], told["Forwarded"]) == ("", "")


def test_a_backend_is_asked_with_the_headers_that_need_no_nginx() -> None:
    headers = {"X-Tenant": "a", "X-Path": "$uri", "host": "internal.example", "X-By": "$scheme"}
    (probe,) = sound([UPSTREAM], [site(locations=[location(headers=headers)])])["probes"]
    assert probe["backends"] is not None
    assert probe["backends"]["forwarded"]["Host"] == "internal.example"
    assert probe["backends"]["headers"] == {"X-Tenant": "a", "X-By": "http"}


@pytest.mark.parametrize(
    ("given", "name", "value"),
    [
        ({"host": "$http_host"}, "Host", "ws.serverlab.ca:3000"),
        ({"Host": "$host"}, "Host", "ws.serverlab.ca"),
        ({"Host": "$proxy_host"}, "Host", "ws.serverlab.ca:3000"),
        ({"x-forwarded-proto": "https"}, "X-Forwarded-Proto", "https"),
        ({"X-Real-IP": ""}, "X-Real-IP", ""),
        ({"X-Forwarded-For": "$remote_addr"}, "X-Forwarded-For", "127.0.0.1"),
        ({"Forwarded": "for=_a"}, "Forwarded", "for=_a"),
    ],
)
def test_headers_of_a_location_take_the_place_of_what_a_backend_is_told(
    given: dict[str, str], name: str, value: str
) -> None:
    assert forwarded(given)[name] == value


@pytest.mark.parametrize(
    ("asked", "given", "headers"),
    [
        ({"Host": "Other.example:81"}, {}, {"Host": "other.example:81"}),
        ({"host": "other.example"}, {"Host": "$http_host"}, {"Host": "other.example"}),
        ({"Host": "other.example"}, {"host": "internal.example"}, {}),
        ({"X-Forwarded-For": "192.0.2.1"}, {}, {"X-Forwarded-For": "192.0.2.1, 127.0.0.1"}),
        ({"X-Forwarded-For": "192.0.2.1"}, {"X-Forwarded-For": "$remote_addr"}, {}),
        ({"Authorization": "Bearer secret"}, {}, {}),
    ],
)
def test_a_backend_is_told_what_nginx_makes_of_the_headers_of_a_probe(
    asked: dict[str, str], given: dict[str, str], headers: dict[str, str]
) -> None:
    sites = [site(locations=[location(headers=given, probe={"headers": asked})])]
    (probe,) = with_headers(sound([UPSTREAM], sites)["probes"], sites)
    assert (probe["headers"], probe["backends"]["headers"]) == (asked, headers)


def backends_of(of_site: dict[str, t.Any] | None = None, **keys: t.Any) -> t.Mapping[str, t.Any]:
    """What is known of the backends of a location."""
    (probe,) = sound([UPSTREAM], [site(**(of_site or {}), locations=[location(**keys)])])["probes"]
    assert probe["backends"] is not None
    return probe["backends"]


@pytest.mark.parametrize(
    ("keys", "strict"),
    [
        ({}, False),
        ({"probe": True}, False),
        ({"websocket": "required"}, False),
        ({"probe": {"path": "/ws"}}, True),
        ({"probe": {}}, True),
        ({"websocket": False}, True),
    ],
)
def test_a_route_is_held_to_a_probe_that_its_operator_gave(keys: dict[str, t.Any], strict: bool) -> None:
    assert probes_of(upstream="ws-backend", **keys)[0]["strict"] is strict


@pytest.mark.parametrize(
    ("keys", "exact"),
    [
        ({}, True),
        ({"headers": {"X-Tenant": "a", "Host": "$http_host"}}, True),
        ({"headers": {"X-Tenant": "$uri"}}, False),
        ({"headers": {"Host": "$proxy_host"}}, False),
        ({"directives": "add_header X-A b;\n# rewrite\nproxy_redirect off;"}, True),
        ({"directives": "rewrite ^ /b break;"}, False),
        ({"directives": "add_header X-A b;\nproxy_method HEAD;"}, False),
        ({"of_site": {"directives": "auth_request /auth;"}}, False),
    ],
)
def test_it_is_known_whether_nginx_asks_a_backend_for_what_it_is_asked_directly(
    keys: dict[str, t.Any], exact: bool
) -> None:
    assert backends_of(**keys)["exact"] is exact


@pytest.mark.parametrize(
    ("keys", "size"),
    [
        ({}, 36864),
        ({"proxy_buffer_size": "32k"}, 32768),
        ({"proxy_buffers": "16 4k"}, 4096),
        ({"proxy_buffers": "16 4k", "proxy_buffer_size": "8k"}, 8192),
    ],
)
def test_it_is_known_how_large_a_header_nginx_takes(keys: dict[str, t.Any], size: int) -> None:
    assert backends_of(**keys)["header_size"] == size


@pytest.mark.parametrize(
    ("of_site", "origins"),
    [
        ({}, ["http://ws.serverlab.ca:3000"]),
        ({"listen": 80}, ["http://ws.serverlab.ca"]),
        ({"allowed_origins": "*"}, ["http://ws.serverlab.ca:3000"]),
        ({"allowed_origins": ["https://a", "https://b"]}, ["https://a", "https://b"]),
        (
            {"allowed_origins": ["https://a", "http://ws.serverlab.ca:3000"]},
            ["http://ws.serverlab.ca:3000", "https://a"],
        ),
        ({"allowed_origins": [f"https://{name}" for name in "abcdef"]}, [f"https://{name}" for name in "abcd"]),
    ],
)
def test_origins_that_a_backend_may_want_are_those_of_the_site_or_those_that_may(
    of_site: dict[str, t.Any], origins: list[str]
) -> None:
    assert backends_of(of_site)["origins"] == origins


def test_a_route_for_plain_http_needs_no_origin() -> None:
    assert backends_of(websocket=False)["origins"] == []


def test_a_few_servers_that_are_not_down_answer_for_an_upstream() -> None:
    servers = [{"address": "a:1", "down": True}, *(f"b:{number}" for number in range(1, 21))]
    (probe,) = sound([upstream(servers=servers, balance="least_conn")], [site()])["probes"]
    assert probe["backends"] is not None
    assert probe["backends"]["addresses"] == [f"b:{number}" for number in range(1, 9)]
    (nowhere,) = sound([upstream(servers=servers[:1])], [site()])["probes"]
    (returned,) = sound([], [site(locations=[{"path": "/", "return": 404}])])["probes"]
    assert (nowhere["backends"], returned["backends"]) == (None, None)


def test_a_redirect_is_verified_by_its_status_and_a_closed_door_not_at_all() -> None:
    assert probes_of(**{"return": "301 https://a/"})[0]["status"] == 301
    assert probes_of(root="/a")[0]["status"] is None
    assert probes_of(**{"return": 444}) == []
    assert probes_of(upstream="ws-backend", probe=False) == []


def test_a_site_with_tls_is_verified_over_tls() -> None:
    def url(listen: str, **keys: t.Any) -> str:
        (probe,) = sound([UPSTREAM], [secure(listen=listen, locations=[{"path": "/", **keys}])])["probes"]
        return probe["url"]

    assert url("443 ssl", upstream="ws-backend") == "wss://ws.serverlab.ca/"
    assert url("8443 ssl", root="/a") == "https://ws.serverlab.ca:8443/"


def test_a_redirect_from_port_80_is_no_route() -> None:
    (probe,) = sound([UPSTREAM], [secure(redirect_http=True)])["probes"]
    assert probe["url"] == "wss://ws.serverlab.ca/"


def test_a_probe_speaks_the_proxy_protocol_where_its_first_listen_does() -> None:
    def spoken(*listens: str) -> bool:
        return sound([UPSTREAM], [site(listen=list(listens))])["probes"][0]["proxy_protocol"]

    assert spoken("80 proxy_protocol", "81")
    assert not spoken("81", "80 proxy_protocol")


@pytest.mark.parametrize(
    ("keys", "origin"),
    [
        ({}, None),
        ({"allowed_origins": ["https://a", "https://b"]}, None),
        ({"allowed_origins": ["https://a", "https://b"], "allow_missing_origin": False}, "https://a"),
        ({"allowed_origins": "*", "allow_missing_origin": False}, None),
        ({"allow_missing_origin": False}, None),
        (
            {"allowed_origins": ["https://a"], "allow_missing_origin": False, "probe": {"origin": "https://c"}},
            "https://c",
        ),
    ],
)
def test_a_probe_tells_an_origin_where_it_has_to(keys: dict[str, t.Any], origin: str | None) -> None:
    assert probes_of(upstream="ws-backend", **keys)[0]["origin"] == origin
    given = {name: value for name, value in keys.items() if name == "probe"}
    of_site = {name: value for name, value in keys.items() if name != "probe"}
    (probe,) = sound([UPSTREAM], [site(**of_site, locations=[location(**given)])])["probes"]
    assert probe["origin"] == origin


def test_a_site_that_asks_for_certificates_is_verified_with_one() -> None:
    asks = {"ssl_client_certificate": "/ca.pem"}
    given = {"ssl_certificate": "/client.pem", "ssl_certificate_key": "/client.key"}
    sites = [secure(**asks, allowed_origins="*"), secure(server_name="b", **asks, locations=[location(probe=given)])]
    model = sound([UPSTREAM], [sites[0], {**sites[1], "allowed_origins": "*"}])
    (probe,) = model["probes"]
    assert (probe["at"], probe["ssl_certificate"], probe["ssl_certificate_key"]) == (
        "websockets_sites[1].locations[0]",
        "/client.pem",
        "/client.key",
    )
    assert model["warnings"] == [
        "websockets_sites[0].locations[0]: cannot be verified: the site requires a client certificate: set"
        " probe.ssl_certificate and probe.ssl_certificate_key"
    ]
    optional = secure(**asks, ssl_verify_client="optional", allowed_origins="*")
    assert sound([UPSTREAM], [optional])["warnings"] == []
    plain_first = secure(**asks, listen=[80, "443 ssl"], allowed_origins="*")
    assert sound([UPSTREAM], [plain_first])["warnings"] == []


@pytest.mark.parametrize("key", ["ssl_certificate", "ssl_certificate_key"])
def test_a_probe_has_both_a_certificate_and_its_key(key: str) -> None:
    assert errors_of([UPSTREAM], [site(locations=[location(probe={key: "/a.pem"})])]) == [
        "websockets_sites[0].locations[0].probe: requires both ssl_certificate and ssl_certificate_key"
    ]


def test_what_cannot_be_verified_is_a_warning() -> None:
    regex = location(path="~ ^/rooms/[0-9]+$")
    sites = [site(locations=[regex]), site(server_name="~^a", locations=[LOCATION])]
    model = sound([UPSTREAM], [{**each, "allowed_origins": "*"} for each in sites])
    assert model["probes"] == []
    assert model["warnings"] == [
        "websockets_sites[0].locations[0]: cannot be verified: the regular expression requires probe.path",
        "websockets_sites[1].locations[0]: cannot be verified: server_name of its site has only regular "
        "expressions; add a name that they match",
    ]
    for probe in (False, {"path": "/rooms/1"}):
        assert sound([UPSTREAM], [site(locations=[{**regex, "probe": probe}], allowed_origins="*")])["warnings"] == []


def test_a_path_is_encoded_in_its_probe() -> None:
    model = sound([UPSTREAM], [site(locations=[location(path="/\u00fc/%")])])
    assert model["probes"][0]["url"] == "ws://ws.serverlab.ca:3000/%C3%BC/%25"


def refused(
    of_location: t.Mapping[str, t.Any], of_site: t.Mapping[str, t.Any] | None = None, **others: t.Any
) -> list[tuple[str, str, list[int]]]:
    """What a site with one location is to refuse: the rules, their variables, and the statuses."""
    made = secure if "ssl_certificate" in (of_site or {}) else site
    model = sound([UPSTREAM], [made(**(of_site or {}), locations=[location(**of_location)])], **others)
    return [(probe["rule"], probe["variable"], probe["refused_with"]) for probe in model["refusals"]]


SITE_AT, LOCATION_AT = "websockets_sites[0]", "websockets_sites[0].locations[0]"
HOST = ("host", f"{SITE_AT}.server_name", [421])
ASKING = ['auth_basic "a";', "auth_basic_user_file /etc/users;"]
MUTUAL = {**PATHS, "ssl_client_certificate": "/etc/ssl/ca.pem"}


@pytest.mark.parametrize(
    ("of_location", "of_site", "rules"),
    [
        ({}, {}, [HOST]),
        ({"websocket": False}, {}, [HOST]),
        ({"allowed_origins": ["https://a.example"]}, {}, [HOST, ("origin", f"{LOCATION_AT}.allowed_origins", [403])]),
        ({}, {"allowed_origins": ["https://a.example"]}, [HOST, ("origin", f"{SITE_AT}.allowed_origins", [403])]),
        ({"websocket": False}, {"allowed_origins": ["https://a.example"]}, [HOST]),
        ({"allowed_origins": "*"}, {"allowed_origins": ["https://a.example"]}, [HOST]),
        ({"websocket": "required"}, {}, [HOST, ("upgrade", f"{LOCATION_AT}.websocket", [426])]),
        ({"directives": ASKING}, {}, [HOST, ("token", f"{LOCATION_AT}.directives", [401])]),
        ({}, {"directives": ASKING}, [HOST, ("token", f"{SITE_AT}.directives", [401])]),
        ({"directives": "auth_basic off;"}, {"directives": ASKING}, [HOST]),
        ({"directives": [*ASKING, "satisfy any;"]}, {}, [HOST]),
        ({"directives": "auth_request /auth;"}, {}, [HOST, ("token", f"{LOCATION_AT}.directives", [401, 403])]),
        # The site's first location stands for it; its own probe would need a certificate.
        ({}, MUTUAL, [HOST, ("certificate", f"{SITE_AT}.ssl_client_certificate", [400])]),
        ({}, {**MUTUAL, "ssl_verify_client": "on"}, [HOST, ("certificate", f"{SITE_AT}.ssl_verify_client", [400])]),
        ({}, {**MUTUAL, "ssl_verify_client": "optional"}, [HOST]),
        # nginx takes all other names, or some that a name of the site may stand for, to a site.
        ({}, {"server_name": ["a.example", "_"]}, []),
        ({}, {"server_name": ["a.example", "*.invalid"]}, []),
        ({}, {"server_name": ["a.example", "~^.*$"]}, []),
        ({}, {"server_name": ["a.example", "~(?<x>unlike)[[:alpha:]]{1}(?|a)"]}, []),
        ({}, {"server_name": ["a.example", "~^b[0-9]$"]}, [HOST]),
        # Nothing is known of a site that is not to be probed, or whose refusals look otherwise.
        ({"probe": False, "allowed_origins": ["https://a.example"], "websocket": "required"}, {}, []),
        ({"allowed_origins": ["https://a.example"], "directives": "error_page 403 /sorry;"}, {}, [HOST]),
        ({}, {"directives": "error_page 404 421 =200 /sorry;"}, []),
    ],
)
def test_what_a_site_is_to_refuse_is_probed_with_the_variable_that_says_so(
    of_location: dict[str, t.Any], of_site: dict[str, t.Any], rules: list[t.Any]
) -> None:
    assert refused(of_location, of_site) == rules


def test_names_are_not_tried_where_another_file_has_the_default_server() -> None:
    assert refused({}, neighbours={"defaults": ["3000"]}) == []


def test_what_is_to_be_refused_is_asked_as_a_client_would_and_never_of_a_backend() -> None:
    keys = {"websocket": "required", "allowed_origins": ["https://a.example"], "directives": ASKING}
    probe = {"path": "/ws?token=secret", "headers": {"Authorization": "secret", "host": "b.example"}, "message": "hi"}
    sites = [site(locations=[location(**keys, probe=probe)])]
    host, origin, upgrade, token = with_headers(sound([UPSTREAM], sites)["refusals"], sites)
    for refusal in (host, origin, upgrade, token):
        assert (refusal["backends"], refusal["send"], refusal["connect_to"]) == (None, None, "127.0.0.1:3000")
    assert (host["host"], host["websocket"]) == ("foreign.invalid", False)
    assert (origin["origin"], origin["websocket"]) == ("https://foreign.invalid", True)
    assert (upgrade["websocket"], token["websocket"]) == (False, True)
    assert origin["headers"] == upgrade["headers"] == probe["headers"]
    # Without anything that may be a credential, in the query too.
    assert (token["headers"], token["url"]) == ({"host": "b.example"}, "ws://ws.serverlab.ca:3000/ws")
    assert origin["url"] == "ws://ws.serverlab.ca:3000/ws?token=secret"
