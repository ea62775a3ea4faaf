# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The location blocks of a site."""

from __future__ import annotations

import typing as t

import pytest
from modelling import (
    PLAIN_HEADERS,
    UPSTREAM,
    blocks_of,
    blocks_with,
    errors_of,
    location,
    secure,
    server_of,
    site,
    sound,
)

PASS = "proxy_pass http://ws-backend;"
SILENCE = "proxy_read_timeout 1h;"
NO_HANDSHAKE = 'if ($websocket_upgrade = "") { return 426; }'
NOT_QUITE = "if ($websocket_refused) { return 426; }"
OTHER_ORIGIN = "if ($websocket_foreign_1) { return 403; }"
LIMITS = ["limit_conn websocket_conn_1 5;", "limit_conn_status 429;"]
LIMITED = {"limit_conn_per_client": 5}
ORIGINS = {"allowed_origins": ["https://a.example"]}
REQUIRED = {"websocket": "required"}

# Each kind of location: its keys, and all its lines.
KINDS: dict[str, tuple[dict[str, t.Any], list[str]]] = {
    "true": ({}, [NOT_QUITE, PASS, SILENCE]),
    "true with origins": (ORIGINS, [NOT_QUITE, OTHER_ORIGIN, PASS, SILENCE]),
    "true with limits": (LIMITED, [NOT_QUITE, *LIMITS, PASS, SILENCE]),
    "true with limits and origins": ({**LIMITED, **ORIGINS}, [NOT_QUITE, OTHER_ORIGIN, *LIMITS, PASS, SILENCE]),
    "required": (REQUIRED, [NO_HANDSHAKE, PASS, SILENCE]),
    "required with origins": ({**REQUIRED, **ORIGINS}, [NO_HANDSHAKE, OTHER_ORIGIN, PASS, SILENCE]),
    "required with limits": ({**REQUIRED, **LIMITED}, [NO_HANDSHAKE, *LIMITS, PASS, SILENCE]),
    "required with limits and origins": (
        {**REQUIRED, **LIMITED, **ORIGINS},
        [NO_HANDSHAKE, OTHER_ORIGIN, *LIMITS, PASS, SILENCE],
    ),
    "false": ({"websocket": False}, ["if ($websocket_named) { return 400; }", PASS]),
}


@pytest.mark.parametrize(("keys", "lines"), KINDS.values(), ids=KINDS)
def test_each_route_is_one_location(keys: dict[str, t.Any], lines: list[str]) -> None:
    """So what the operator writes into it acts alike on handshakes and plain requests."""
    found = blocks_with(**keys)
    refused = found.pop("@upgrade_required", None)
    assert found == {"/": lines}
    assert (refused is None) == (keys.get("websocket") is False)


@pytest.mark.parametrize(
    "lines", ["auth_request /a;", "mirror /a;", "ssi on;", "add_before_body /a;", "include snippets/a.conf;"]
)
@pytest.mark.parametrize("of_site", [True, False])
def test_a_handshake_within_which_something_is_asked_may_pass_a_route_without_websockets(
    lines: str, *, of_site: bool
) -> None:
    """Requests within requests have the same headers, so each handshake would end in a 500."""
    routes = [location(directives="" if of_site else lines), location(path="/a", websocket=False)]
    model = sound([UPSTREAM], [site(locations=routes, directives=lines if of_site else "")])
    assert blocks_of(model)["/a"][0] == "if ($websocket_refused) { return 400; }"
    apart = sound([UPSTREAM], [site(), site(server_name="b", locations=[routes[1]])])
    assert blocks_of(apart, 1)["/a"][0] == "if ($websocket_named) { return 400; }"


@pytest.mark.parametrize(
    ("routes", "variables"),
    [
        ([location()], ["$websocket_refused"]),
        ([location(websocket="required")], []),
        ([location(websocket=False)], ["$websocket_named"]),
        ([location(), location(path="/a", websocket=False)], ["$websocket_refused", "$websocket_named"]),
        ([{"path": "/", "return": 404}], []),
    ],
)
def test_what_refuses_is_there_where_it_is_used(routes: list[dict[str, t.Any]], variables: list[str]) -> None:
    maps = [lines[1].split()[-2] for lines in sound([UPSTREAM], [site(locations=routes)])["maps"]]
    assert [variable for variable in maps if variable != "$websocket_texts"] == variables


@pytest.mark.parametrize("keys", [keys for keys, _lines in KINDS.values()], ids=KINDS)
def test_a_server_knows_the_page_of_its_refusals(keys: dict[str, t.Any]) -> None:
    lines = server_of(sound([UPSTREAM], [site(locations=[location(**keys)])]))
    expected = [] if keys.get("websocket") is False else ["error_page 426 = @upgrade_required;"]
    assert [line for line in lines if "error_page" in line] == expected


def test_a_location_with_an_error_page_of_its_own_has_that_of_the_server_too() -> None:
    """It inherits none of them."""
    down = "error_page 502 /down;"
    nested = location(path="/e", directives=f"if ($arg_x) {{\n    {down}\n}}")
    locations = [
        location(path="/a", directives=down),
        location(path="/b", directives=down, websocket="required"),
        location(path="/c", limit_conn_per_client=5),
        location(path="/d", directives=down, websocket=False),
        nested,
    ]
    blocks = blocks_of(sound([UPSTREAM], [site(locations=locations)]))
    page = "error_page 426 = @upgrade_required;"
    for path in ("/a", "/b"):
        assert blocks[path][-2:] == [page, down]
    for path in ("/c", "/d", "/e"):
        assert page not in blocks[path]


def test_a_refusal_answers_426_and_names_the_protocol_and_its_version() -> None:
    for websocket in (True, "required"):
        assert blocks_with(websocket=websocket)["@upgrade_required"] == [
            "default_type text/plain;",
            "add_header Upgrade websocket always;",
            "add_header Sec-WebSocket-Version 13 always;",
            'return 426 "A WebSocket handshake is needed here, by RFC 6455.\\n";',
        ]


def offered(**keys: t.Any) -> list[str]:
    """What the answer 426 of a site with TLS offers, and the map for it."""
    model = sound([UPSTREAM], [secure(**keys)])
    lines = [line for line in blocks_of(model)["@upgrade_required"] if line.startswith("add_header Upgrade")]
    return [*lines, *(line for lines in model["maps"] for line in lines if "$websocket_offered" in line)]


def test_a_refusal_over_http2_names_no_protocol() -> None:
    """RFC 9113 section 8.2.2: its clients take such a header for an error. And before 1.25.1 nginx speaks HTTP/2 to all
    sites of an address if one of them does, be it in a file of somebody else's.
    """
    by_protocol = ["add_header Upgrade $websocket_offered always;", "map $server_protocol $websocket_offered {"]
    assert offered() == offered(http2=True) == offered(listen="443 ssl http2") == by_protocol
    assert offered(listen=[80, "443 ssl"]) == by_protocol
    plain = sound([UPSTREAM], [site(), secure(server_name="b", locations=[location(websocket=False)])])
    assert not any("$websocket_offered" in line for lines in plain["maps"] for line in lines)
    assert "add_header Upgrade websocket always;" in blocks_of(plain)["@upgrade_required"]


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("/a/", "http://10.0.0.1/b/"),
        ("= /a", "http://10.0.0.1:81/b"),
        ("^~ /a/", "https://[::1]/"),
        ("/a/", "http://unix:/run/b:/c/"),
        # Once handshakes were rewritten, and what cannot be written in a rewrite was refused.
        ("/a/", "http://10.0.0.1/b%20c/%C3%BC%25/"),
        ("/a/", "http://10.0.0.1/b%24/%2F/%3f/%0a/%7F/%00/%C3/"),
    ],
)
@pytest.mark.parametrize("websocket", [True, False, "required"])
def test_a_path_in_proxy_pass_is_nginx_own_for_all_requests(path: str, url: str, websocket: bool | str) -> None:
    (lines, *_refused) = blocks_of(
        sound([], [site(locations=[{"path": path, "proxy_pass": url, "websocket": websocket}])])
    ).values()
    assert [line for line in lines if line.startswith(("proxy_pass", "rewrite"))] == [f"proxy_pass {url};"]


@pytest.mark.parametrize("websocket", [True, False, "required"])
def test_a_stripped_prefix_is_a_path_behind_the_upstream(websocket: bool | str) -> None:
    lines = lines_of(path="/api/", strip_prefix=True, websocket=websocket)
    assert "proxy_pass http://ws-backend/;" in lines
    assert not any("rewrite" in line for line in lines)
    assert PASS in lines_of(path="/api/", websocket=websocket)


@pytest.mark.parametrize("websocket", [True, False, "required"])
def test_the_certificate_of_a_backend_is_verified_unless_told_otherwise(websocket: bool | str) -> None:
    def tls(**keys: t.Any) -> list[list[str]]:
        route = {"path": "/", "proxy_pass": "https://b.example", "websocket": websocket, **keys}
        blocks = blocks_of(sound([], [site(locations=[route])]))
        blocks.pop("@upgrade_required", None)
        return [[line for line in lines if line.startswith("proxy_ssl")] for lines in blocks.values()]

    name, verify, depth = "proxy_ssl_server_name on;", "proxy_ssl_verify on;", "proxy_ssl_verify_depth 3;"
    host = "proxy_ssl_trusted_certificate /etc/ssl/certs/ca-certificates.crt;"
    assert tls() == [[name, verify, depth, host]]
    assert tls(proxy_ssl_verify=True) == tls(proxy_ssl_verify="on") == tls()
    assert tls(proxy_ssl_verify=False) == [[name]]
    assert tls(proxy_ssl_name="c.example") == [[name, "proxy_ssl_name c.example;", verify, depth, host]]
    own = 'proxy_ssl_trusted_certificate "/a b.pem";'
    assert tls(proxy_ssl_trusted_certificate="/a b.pem") == [[name, verify, depth, own]]
    assert tls(proxy_pass="http://b.example") == [[]]


def lines_of(**keys: t.Any) -> list[str]:
    """The lines of one location."""
    return next(iter(blocks_with(**keys).values()))


def test_a_plain_route_passes_no_upgrade_and_keeps_nginx_timeouts() -> None:
    model = sound([UPSTREAM], [site(locations=[location(websocket=False)])])
    assert blocks_of(model)["/"] == KINDS["false"][1]
    assert set(PLAIN_HEADERS) < set(server_of(model))


@pytest.mark.parametrize(
    ("given", "printed"), [("90s", "90s"), (90, "90"), ("1h 30m", "1h30m"), ("0", "0"), ("100ms", "100ms")]
)
def test_a_read_timeout_is_printed_as_nginx_takes_it(given: str | int, printed: str) -> None:
    assert f"proxy_read_timeout {printed};" in lines_of(proxy_read_timeout=given)


@pytest.mark.parametrize("path", ["/", "/ws/", "= /ws", "^~ /a/", "/über"])
def test_a_location_is_printed_as_given(path: str) -> None:
    assert next(iter(blocks_with(path=path))) == path


def test_the_same_path_may_be_exact_and_a_prefix() -> None:
    sound([UPSTREAM], [site(locations=[location(path="/a"), location(path="= /a")])])


def buffers(**keys: t.Any) -> list[str]:
    return [line for line in lines_of(**keys) if line.startswith("proxy_buffer")]


def test_a_size_of_buffers_brings_what_nginx_demands_beside_it() -> None:
    assert buffers() == []
    assert buffers(proxy_buffer_size="64k") == ["proxy_buffer_size 64k;", "proxy_buffers 4 64k;"]
    assert buffers(proxy_buffer_size="64k", proxy_buffers="8 64k") == ["proxy_buffer_size 64k;", "proxy_buffers 8 64k;"]
    # What fits beside the site's own buffers needs none.
    assert buffers(proxy_buffer_size="4k") == ["proxy_buffer_size 4k;"]
    assert buffers(proxy_buffer_size="36k") == ["proxy_buffer_size 36k;"]
    # The site's own size would be too much for small buffers.
    assert buffers(proxy_buffers="8 4k") == ["proxy_buffer_size 4k;", "proxy_buffers 8 4k;"]
    assert buffers(proxy_buffering=False, websocket=False) == ["proxy_buffering off;"]
    # And those of a site's lines may be too small for a location's size.
    of_site = site(directives="proxy_buffers 8 4k;", locations=[location(proxy_buffer_size="16k")])
    lines = blocks_of(sound([UPSTREAM], [of_site]))["/"]
    assert lines[-2:] == ["proxy_buffer_size 16k;", "proxy_buffers 4 16k;"]


def only(**keys: t.Any) -> list[str]:
    (lines,) = blocks_of(sound([], [site(locations=[{"path": "/", **keys}])])).values()
    return lines


@pytest.mark.parametrize(
    ("keys", "lines"),
    [
        ({"root": "/var/www/my site"}, ['root "/var/www/my site";']),
        ({"return": 404}, ["return 404;"]),
        ({"return": 418}, ["return 418;"]),
        ({"return": "204"}, ["return 204;"]),
        ({"return": "301 https://$host$request_uri"}, ["return 301 https://$host$request_uri;"]),
        ({"return": "https://b.example/"}, ["return 302 https://b.example/;"]),
        ({"return": "200 hello; world"}, ["default_type text/plain;", 'return 200 "hello; world";']),
        ({"return": '200 "ok\\n"'}, ["default_type text/plain;", 'return 200 "ok\\n";']),
        ({"return": "200 ok\n"}, ["default_type text/plain;", 'return 200 "ok\\n";']),
        (
            {"return": '200 {"ok": true}', "directives": "default_type application/json;"},
            ["return 200 '{\"ok\": true}';", "default_type application/json;"],
        ),
        ({"root": "/a", "client_max_body_size": 0}, ["root /a;", "client_max_body_size 0;"]),
    ],
)
def test_a_location_may_do_without_a_backend(keys: dict[str, t.Any], lines: list[str]) -> None:
    assert only(**keys) == lines


def test_no_status_is_kept_for_the_gateway_itself() -> None:
    sound([UPSTREAM], [site(locations=[{"path": "/tea", "return": 418}, location()])])


RESOLVER = {"resolver": "127.0.0.53 valid=10s"}


def test_a_name_with_a_resolver_is_looked_up_while_nginx_runs() -> None:
    """nginx does so where the name comes from a variable. A request within a request shares variables with it."""
    locations = [
        location(),
        {"path": "/b/", "proxy_pass": "http://b.example:8080", **RESOLVER},
        {"path": "~ ^/c", "proxy_pass": "https://c.example", **RESOLVER, "websocket": "required", "probe": False},
    ]
    model = sound([UPSTREAM], [site(locations=locations)])
    blocks = blocks_of(model)
    assert blocks["/b/"] == [
        NOT_QUITE,
        "resolver 127.0.0.53 valid=10s;",
        "set $websocket_backend_2 b.example:8080;",
        "proxy_pass http://$websocket_backend_2;",
        SILENCE,
    ]
    assert blocks["~ ^/c"][1:4] == [
        "resolver 127.0.0.53 valid=10s;",
        "set $websocket_backend_3 c.example;",
        "proxy_pass https://$websocket_backend_3;",
    ]
    assert [name["name"] for name in model["names"]] == ["server01", "server02", "server03"]


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        ({"upstream": "ws-backend"}, "requires proxy_pass; an upstream has its own 'resolver'"),
        ({"root": "/srv"}, "requires upstream or proxy_pass; not valid with root"),
        ({"proxy_pass": "http://10.0.0.1"}, "10.0.0.1 is not a host name"),
        ({"proxy_pass": "http://[::1]:81"}, "::1 is not a host name"),
        ({"proxy_pass": "http://unix:/run/a"}, "/run/a is not a host name"),
        (
            {"proxy_pass": "http://a.example/"},
            "not valid with a path in proxy_pass: nginx would request that path for every request",
        ),
    ],
)
def test_a_resolver_goes_with_a_name_alone(keys: dict[str, t.Any], error: str) -> None:
    assert errors_of([UPSTREAM], [site(locations=[{"path": "/", **keys, **RESOLVER}])]) == [
        f"websockets_sites[0].locations[0].resolver: {error}"
    ]
