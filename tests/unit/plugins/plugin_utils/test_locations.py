# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The location blocks of a site."""

from __future__ import annotations

import re
import typing as t

import pytest
from ansible_collections.wsfleet.nginx.plugins.plugin_utils import syntax
from modelling import POOL, blocks_of, blocks_with, faults_of, location, server_of, site, sound

HEADERS = [
    "proxy_set_header Host $host;",
    "proxy_set_header X-Real-IP $remote_addr;",
    "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
    "proxy_set_header X-Forwarded-Proto $scheme;",
    'proxy_set_header X-Forwarded-Host "";',
    'proxy_set_header Forwarded "";',
]
WEBSOCKET = [
    "proxy_http_version 1.1;",
    *HEADERS,
    "proxy_set_header Upgrade $websocket_upgrade;",
    "proxy_set_header Connection $websocket_connection;",
    "proxy_read_timeout 1h;",
]
PLAIN_HALF = ["proxy_pass http://ws-backend;", *WEBSOCKET, "proxy_buffer_size 8k;"]
TUNNEL = ["proxy_pass http://ws-backend;", *WEBSOCKET, "proxy_buffer_size 1k;", "proxy_socket_keepalive on;"]
# The one that was checked, in place of all that were sent.
TUNNEL_OF_ORIGIN = [*TUNNEL[:-3], "proxy_set_header Origin $http_origin;", *TUNNEL[-3:]]
ASKED = ['if ($http_upgrade != "") {', "    return 426;", "}"]
NO_HANDSHAKE = ['if ($websocket_upgrade = "") {', "    return 426;", "}"]
OTHER_ORIGIN = ['if ($websocket_admitted_1 = "") {', "    return 403;", "}"]
LIMITS = ["limit_conn websocket_conn_1 5;", "limit_conn_status 429;"]
LIMITED = {"limit_conn_per_client": 5}
ORIGINS = {"allowed_origins": ["https://a.example"]}
REQUIRED = {"websocket": "required"}


def fork(condition: str) -> list[str]:
    return [f"if ({condition}) {{", "    set $websocket_location @handshake_1;", "    return 418;", "}"]


# Each kind of location: its keys, and all lines of all its blocks.
KINDS: dict[str, tuple[dict[str, t.Any], dict[str, list[str]]]] = {
    "true": ({}, {"/": [*fork('$websocket_upgrade != ""'), *ASKED, *PLAIN_HALF], "@handshake_1": TUNNEL}),
    "true with origins": (
        ORIGINS,
        {
            "/": [
                *fork('$websocket_admitted_1 != ""'),
                *('if ($websocket_upgrade != "") {', "    return 403;", "}"),
                *ASKED,
                *PLAIN_HALF,
            ],
            "@handshake_1": TUNNEL_OF_ORIGIN,
        },
    ),
    "true with limits": (
        LIMITED,
        {
            "/": [*fork('$http_upgrade != ""'), *PLAIN_HALF],
            "@handshake_1": [*LIMITS, 'try_files "" @admitted_1;'],
            "@admitted_1": [*NO_HANDSHAKE, *TUNNEL],
        },
    ),
    "true with limits and origins": (
        {**LIMITED, **ORIGINS},
        {
            "/": [*fork('$http_upgrade != ""'), *PLAIN_HALF],
            "@handshake_1": [*LIMITS, 'try_files "" @admitted_1;'],
            "@admitted_1": [*NO_HANDSHAKE, *OTHER_ORIGIN, *TUNNEL_OF_ORIGIN],
        },
    ),
    "required": (REQUIRED, {"/": [*NO_HANDSHAKE, *TUNNEL]}),
    "required with origins": ({**REQUIRED, **ORIGINS}, {"/": [*NO_HANDSHAKE, *OTHER_ORIGIN, *TUNNEL_OF_ORIGIN]}),
    "required with limits": (
        {**REQUIRED, **LIMITED},
        {"/": [*LIMITS, 'try_files "" @admitted_1;'], "@admitted_1": [*NO_HANDSHAKE, *TUNNEL]},
    ),
    "required with limits and origins": (
        {**REQUIRED, **LIMITED, **ORIGINS},
        {"/": [*LIMITS, 'try_files "" @admitted_1;'], "@admitted_1": [*NO_HANDSHAKE, *OTHER_ORIGIN, *TUNNEL_OF_ORIGIN]},
    ),
    "false": (
        {"websocket": False},
        {
            "/": [
                *('if ($http_upgrade != "") {', "    return 400;", "}"),
                "proxy_pass http://ws-backend;",
                "proxy_http_version 1.1;",
                *HEADERS,
                'proxy_set_header Upgrade "";',
                'proxy_set_header Connection "";',
                "proxy_buffer_size 8k;",
            ]
        },
    ),
}


@pytest.mark.parametrize(("keys", "blocks"), KINDS.values(), ids=KINDS)
def test_each_kind_of_location_has_its_blocks(keys: dict[str, t.Any], blocks: dict[str, list[str]]) -> None:
    found = blocks_with(**keys)
    refused = found.pop("@upgrade_required", None)
    assert found == blocks
    assert (refused is None) == (keys.get("websocket") is False)


@pytest.mark.parametrize("keys", [keys for keys, _blocks in KINDS.values()], ids=KINDS)
def test_a_server_knows_the_pages_that_its_locations_hand_over_to(keys: dict[str, t.Any]) -> None:
    lines = server_of(sound([POOL], [site(locations=[location(**keys)])]))
    expected = []
    if keys.get("websocket") is not False:
        expected.append("error_page 426 = @upgrade_required;")
    if keys.get("websocket", True) is True:
        expected.append("error_page 418 = $websocket_location;")
        if "limit_conn_per_client" in keys:
            expected.append("recursive_error_pages on;")
    assert [line for line in lines if "error_page" in line] == expected


def test_a_location_with_an_error_page_of_its_own_has_the_pages_of_the_server_too() -> None:
    """It inherits none of them, and other locations of the site have a say in what they are."""
    down = "error_page 502 /down;"
    nested = location(path="/e", directives=f"if ($arg_x) {{\n    {down}\n}}")
    locations = [
        location(path="/a", directives=down),
        location(path="/b", directives=down, websocket="required"),
        location(path="/c", limit_conn_per_client=5),
        location(path="/d", directives=down, websocket=False),
        nested,
    ]
    blocks = blocks_of(sound([POOL], [site(locations=locations)]))
    pages = [
        "error_page 426 = @upgrade_required;",
        "error_page 418 = $websocket_location;",
        "recursive_error_pages on;",
    ]
    for path in ("/a", "@handshake_1", "/b"):
        assert blocks[path][-4:] == [*pages, down]
    for path in ("/c", "@handshake_3", "@admitted_3", "/d", "/e", "@handshake_5"):
        assert not set(pages) & set(blocks[path])


def test_what_belongs_to_both_halves_is_in_both() -> None:
    keys = {"proxy_buffer_size": "2k", "proxy_connect_timeout": "5s", "directives": "add_header X-A b;"}
    blocks = blocks_with(**keys, headers={"X-B": "c"}, client_max_body_size="2m")
    for path in ("/", "@handshake_1"):
        assert blocks[path][-1] == "add_header X-A b;"
        assert {"proxy_buffer_size 2k;", "proxy_connect_timeout 5s;", "proxy_set_header X-B c;"} <= set(blocks[path])
    # A handshake has no body.
    assert "client_max_body_size 2m;" in blocks["/"]
    assert "client_max_body_size 2m;" not in blocks["@handshake_1"]


def test_a_refusal_answers_426_and_names_the_protocol_and_its_version() -> None:
    for websocket in (True, "required"):
        assert blocks_with(websocket=websocket)["@upgrade_required"] == [
            "default_type text/plain;",
            "add_header Upgrade websocket always;",
            "add_header Sec-WebSocket-Version 13 always;",
            'return 426 "A WebSocket handshake is needed here, by RFC 6455.\\n";',
        ]


def handshakes_to(**keys: t.Any) -> tuple[str, list[str]]:
    """Where a location's plain requests go, and what its handshakes have in the place of a path."""
    blocks = blocks_of(sound([POOL], [site(locations=[keys])]))
    (plain,) = (line for line in next(iter(blocks.values())) if line.startswith("proxy_pass"))
    return plain, [line for line in blocks["@handshake_1"] if line.startswith(("rewrite", "proxy_pass"))]


@pytest.mark.parametrize(
    ("path", "url", "rewrite", "target"),
    [
        ("/a/", "http://10.0.0.1/b/", "rewrite ^/a/((?s).*)$ /b/$1 break;", "http://10.0.0.1"),
        ("= /a", "http://10.0.0.1:81/b", "rewrite ^/a((?s).*)$ /b$1 break;", "http://10.0.0.1:81"),
        ("^~ /a/", "https://[::1]/", "rewrite ^/a/((?s).*)$ /$1 break;", "https://[::1]"),
        ("/a/", "http://unix:/run/b:/c/", "rewrite ^/a/((?s).*)$ /c/$1 break;", "http://unix:/run/b"),
        # nginx compares and rewrites decoded paths, and encodes what it passes on.
        ("/a/", "http://10.0.0.1/b%20c/%C3%BC%25/", 'rewrite ^/a/((?s).*)$ "/b c/ü%/$1" break;', "http://10.0.0.1"),
        ("/a.b+(c)/", "http://10.0.0.1/", r"rewrite ^/a\.b\+\(c\)/((?s).*)$ /$1 break;", "http://10.0.0.1"),
        ('/a "b"/', "http://10.0.0.1/", "rewrite '^/a\\ \"b\"/((?s).*)$' /$1 break;", "http://10.0.0.1"),
    ],
)
def test_a_path_in_proxy_pass_is_a_rewrite_for_handshakes(path: str, url: str, rewrite: str, target: str) -> None:
    plain, handshakes = handshakes_to(path=path, proxy_pass=url)
    assert plain == f"proxy_pass {url};"
    assert handshakes == [rewrite, f"proxy_pass {target};"]


@pytest.mark.parametrize("path", ["/a/b", "/a.b/(c)+", "/a b/{2}", "/$1/", "/a\\d/", "/#-~&", "/ü'\"/", "/[x]|^*"])
def test_the_expression_of_a_rewrite_takes_the_path_to_the_letter(path: str) -> None:
    _plain, (rewrite, _proxy_pass) = handshakes_to(path=path, proxy_pass="http://10.0.0.1/x/")
    name, expression, replacement, flag = syntax.words(rewrite[:-1])
    assert (name, replacement, flag) == ("rewrite", "/x/$1", "break")
    # Python has the flag of PCRE in another place.
    expression = expression.replace("((?s).*)", "((?s:.*))")
    found = re.fullmatch(expression, f"{path}more\nand more")
    assert found is not None
    assert found[1] == "more\nand more"
    assert not re.fullmatch(expression, f"/x{path}")
    assert not re.fullmatch(expression, path.replace(path[1], "_"))


@pytest.mark.parametrize("code", ["%24", "%2F", "%2f", "%3f", "%0a", "%7F", "%00"])
def test_what_would_be_something_else_in_a_rewrite_is_refused(code: str) -> None:
    route = {"path": "/a/", "proxy_pass": f"http://10.0.0.1/b{code}/{code}"}
    assert faults_of([], [site(locations=[route])]) == [
        f"websockets_sites[0].locations[0].proxy_pass: has '{code}', which nginx cannot write into the path of a"
        " handshake"
    ]
    sound([], [site(locations=[{**route, "websocket": False}])])


def test_bytes_that_are_no_text_are_refused_in_a_rewrite() -> None:
    route = {"path": "/a/", "proxy_pass": "http://10.0.0.1/%C3/"}
    assert faults_of([], [site(locations=[route])]) == [
        "websockets_sites[0].locations[0].proxy_pass: has bytes that are no UTF-8, which nginx cannot write into the"
        " path of a handshake"
    ]


def test_a_stripped_prefix_is_a_rewrite_for_handshakes() -> None:
    plain, handshakes = handshakes_to(path="/api/", upstream="ws-backend", strip_prefix=True)
    assert plain == "proxy_pass http://ws-backend/;"
    assert handshakes == ["rewrite ^/api/((?s).*)$ /$1 break;", "proxy_pass http://ws-backend;"]
    assert handshakes_to(path="/api/", upstream="ws-backend")[1] == ["proxy_pass http://ws-backend;"]
    # A location with a path of its own needs none, and the one behind its limits does.
    required = {"path": "/api/", "strip_prefix": True, "websocket": "required"}
    assert "proxy_pass http://ws-backend/;" in lines_of(**required)
    assert not any("rewrite" in line for line in lines_of(**required))
    admitted = blocks_with(**required, limit_conn_per_client=5)["@admitted_1"]
    assert admitted[3:5] == ["rewrite ^/api/((?s).*)$ /$1 break;", "proxy_pass http://ws-backend;"]


@pytest.mark.parametrize("websocket", [True, False, "required"])
def test_the_certificate_of_a_backend_is_verified_unless_told_otherwise(websocket: bool | str) -> None:
    def tls(**keys: t.Any) -> list[list[str]]:
        route = {"path": "/", "proxy_pass": "https://b.example", "websocket": websocket, **keys}
        blocks = blocks_of(sound([], [site(locations=[route])]))
        blocks.pop("@upgrade_required", None)
        return [[line for line in lines if line.startswith("proxy_ssl")] for lines in blocks.values()]

    halves = 2 if websocket is True else 1
    name, verify, depth = "proxy_ssl_server_name on;", "proxy_ssl_verify on;", "proxy_ssl_verify_depth 3;"
    host = "proxy_ssl_trusted_certificate /etc/ssl/certs/ca-certificates.crt;"
    assert tls() == [[name, verify, depth, host]] * halves
    assert tls(proxy_ssl_verify=True) == tls(proxy_ssl_verify="on") == tls()
    assert tls(proxy_ssl_verify=False) == [[name]] * halves
    assert tls(proxy_ssl_name="c.example") == [[name, "proxy_ssl_name c.example;", verify, depth, host]] * halves
    own = 'proxy_ssl_trusted_certificate "/a b.pem";'
    assert tls(proxy_ssl_trusted_certificate="/a b.pem") == [[name, verify, depth, own]] * halves
    assert tls(proxy_pass="http://b.example") == [[]] * halves


def lines_of(**keys: t.Any) -> list[str]:
    """The lines of one location, but for those of the one it may hand handshakes over to."""
    return next(iter(blocks_with(**keys).values()))


def test_a_plain_route_passes_no_upgrade_and_keeps_nginx_timeouts() -> None:
    lines = lines_of(websocket=False)
    assert 'proxy_set_header Upgrade "";' in lines
    assert 'proxy_set_header Connection "";' in lines
    assert not any("proxy_read_timeout" in line or "$websocket" in line for line in lines)


def test_every_proxied_route_sets_the_whole_set_of_headers() -> None:
    for websocket in (True, False, "required"):
        for path, lines in blocks_with(websocket=websocket).items():
            headers = [line for line in lines if line.startswith("proxy_set_header")]
            assert headers[:-2] == ([] if path == "@upgrade_required" else HEADERS)
            assert [header.split()[1] for header in headers[-2:]] == (["Upgrade", "Connection"] if headers else [])


@pytest.mark.parametrize(
    ("given", "printed"), [("90s", "90s"), (90, "90"), ("1h 30m", "1h30m"), ("0", "0"), ("100ms", "100ms")]
)
def test_a_read_timeout_is_printed_as_nginx_takes_it(given: str | int, printed: str) -> None:
    assert f"proxy_read_timeout {printed};" in lines_of(proxy_read_timeout=given)


@pytest.mark.parametrize("path", ["/", "/ws/", "= /ws", "^~ /a/", "/über"])
def test_a_location_is_printed_as_given(path: str) -> None:
    assert next(iter(blocks_with(path=path))) == path


def test_the_same_path_may_be_exact_and_a_prefix() -> None:
    sound([POOL], [site(locations=[location(path="/a"), location(path="= /a")])])


def test_a_header_takes_the_place_of_one_that_is_always_set() -> None:
    lines = lines_of(headers={"host": "backend.example", "X-Room": "$arg_room; {x}", "X-Empty": ""})
    assert [line for line in lines if line.startswith("proxy_set_header")] == [
        "proxy_set_header Host backend.example;",
        "proxy_set_header X-Real-IP $remote_addr;",
        "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
        "proxy_set_header X-Forwarded-Proto $scheme;",
        'proxy_set_header X-Forwarded-Host "";',
        'proxy_set_header Forwarded "";',
        'proxy_set_header X-Room "$arg_room; {x}";',
        'proxy_set_header X-Empty "";',
        "proxy_set_header Upgrade $websocket_upgrade;",
        "proxy_set_header Connection $websocket_connection;",
    ]


def test_a_large_header_buffer_brings_the_buffers_that_nginx_demands_with_it() -> None:
    assert lines_of(proxy_buffer_size="64k")[-2:] == ["proxy_buffer_size 64k;", "proxy_buffers 8 64k;"]
    assert lines_of(proxy_buffer_size="12k")[-1] == "proxy_buffer_size 12k;"
    assert lines_of(proxy_buffer_size="64k", proxy_buffers="4 64k")[-1] == "proxy_buffers 4 64k;"
    # Whoever chooses buffers has nginx's own size beside them.
    assert not any("proxy_buffer_size" in line for line in lines_of(proxy_buffers="8 4k"))


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


def test_the_status_that_hands_handshakes_over_is_no_answer_beside_them() -> None:
    teapot = {"path": "/tea", "return": 418}
    assert faults_of([POOL], [site(locations=[teapot, location()])]) == [
        "websockets_sites[0].locations[0].return: 418 is of use to nginx itself here: give it a text"
    ]
    sound([POOL], [site(locations=[{**teapot, "return": "418 I'm a teapot"}, location()])])
    sound([POOL], [site(locations=[teapot, location(websocket="required")])])


def test_an_origin_of_the_operators_own_stays() -> None:
    lines = blocks_with(allowed_origins=["https://a.example"], headers={"origin": "https://b.example"})["@handshake_1"]
    assert [line for line in lines if "rigin" in line] == ["proxy_set_header Origin https://b.example;"]
