# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may open WebSockets, and how many."""

from __future__ import annotations

import re
import typing as t

import pytest
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables import nginx_syntax
from modelling import UPSTREAM, blocks_of, errors_of, location, server_of, site, sound

A, B = "https://a.example", "https://b.example:8443"
ANY_PAGE = (
    "websockets_sites[0]: any web page can open WebSockets here with its visitor's cookies; list your origins in"
    " allowed_origins, or set it to '*'"
)


def admission(*locations: dict[str, t.Any], **keys: t.Any) -> list[list[str]]:
    """The maps and zones of a site."""
    sites = [site(locations=list(locations) or [location()], **keys)]
    return sound([UPSTREAM], sites)["admission"]


def limits(path: str, *locations: dict[str, t.Any], **keys: t.Any) -> list[str]:
    """The lines of a location that count."""
    lines = blocks_of(sound([UPSTREAM], [site(locations=list(locations) or [location()], **keys)]))[path]
    return [line for line in lines if line.startswith("limit_")]


def test_origins_are_a_map_of_exact_strings() -> None:
    assert admission(allowed_origins=[A, "null", B]) == [
        [
            "map $http_origin $websocket_foreign_1 {",
            "    default                $websocket_upgrade;",
            '    ""                     "";',
            '    https://a.example      "";',
            '    null                   "";',
            '    https://b.example:8443 "";',
            "}",
        ]
    ]


def test_a_page_that_may_not_open_websockets_may_ask_for_all_else() -> None:
    """Only a handshake of another origin has a value that is not empty."""
    lines = blocks_of(sound([UPSTREAM], [site(allowed_origins=[A])]))["/"]
    assert lines[:3] == [
        "if ($websocket_refused) { return 426; }",
        "if ($websocket_foreign_1) { return 403; }",
        "proxy_pass http://ws-backend;",
    ]


def test_a_handshake_without_an_origin_may_be_refused() -> None:
    """Only programs that are no browsers send none."""
    (lines,) = admission(allowed_origins=[A], allow_missing_origin=False)
    assert lines[1:-1] == ["    default           $websocket_upgrade;", '    https://a.example "";']
    assert admission(allowed_origins=[A], allow_missing_origin=True) == admission(allowed_origins=[A])


def test_no_word_about_origins_and_a_star_let_all_in() -> None:
    assert (
        admission()
        == admission(allowed_origins="*")
        == admission(allowed_origins="*", allow_missing_origin=False)
        == []
    )
    of_site = {"allowed_origins": [A]}
    assert admission(location(allowed_origins="*"), **of_site) == []
    assert len(admission(location(allowed_origins="*"), location(path="/a"), **of_site)) == 1


def test_the_same_origins_are_one_map() -> None:
    blocks = sound(
        [UPSTREAM],
        [
            site(allowed_origins=[A], locations=[location(), location(path="/b", allowed_origins=[B])]),
            site(
                server_name="c", allowed_origins=[B], locations=[location(), location(path="/c", allowed_origins=[A])]
            ),
            site(server_name="d", locations=[location(allowed_origins=[A], allow_missing_origin=False)]),
        ],
    )
    maps = [lines[0].split()[-2] for lines in blocks["admission"]]
    assert maps == ["$websocket_foreign_1", "$websocket_foreign_2", "$websocket_foreign_3"]
    second = [[lines[1] for path, lines in blocks_of(blocks, number).items() if path[0] == "/"] for number in range(3)]
    refused = "if ($websocket_foreign_{}) {{ return 403; }}"
    assert second == [[refused.format(number) for number in numbers] for numbers in ([1, 2], [2, 1], [3])]


@pytest.mark.parametrize(
    "origin",
    [
        "https://*.example.com",
        "*.example.com",
        "~^https://",
        "https://a.example/",
        "https://a.example/path",
        "https://A.example",
        "HTTPS://a.example",
        "https://a.example:443",
        "http://a.example:80",
        "a.example",
        "https://",
        "*",
        "https://a.example ",
        "https://a.example;",
        'https://a.example"',
        "https://ü.example",
        "https://$host",
        "",
    ],
)
def test_what_no_browser_sends_is_no_origin(origin: str) -> None:
    """A browser leaves the scheme's own port out and writes names in lower case, and a pattern could match too much."""
    (error,) = errors_of([UPSTREAM], [site(allowed_origins=[A, origin])])
    assert error == (
        f"websockets_sites[0].allowed_origins[1]: '{origin}' is not an exact origin as browsers send it, such as"
        f" https://www.example.com or https://localhost:8443"
    )


@pytest.mark.parametrize(
    "origin",
    ["https://a.example:80", "http://a.example:443", "http://[::1]:3000", "chrome-extension://abcdef", "null"],
)
def test_what_a_browser_sends_is_an_origin(origin: str) -> None:
    (lines,) = admission(allowed_origins=[origin])
    assert nginx_syntax.words(lines[-2].rstrip(";")) == [origin, ""]


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (
            A,
            ": must be a list or '*', not a string ('https://a.example'): list the origins of the pages that may open"
            " WebSockets, or write '*' for all",
        ),
        (
            [],
            ": must not be empty: list the origins of the pages that may open WebSockets, or write '*' for all",
        ),
        ([A, B, A], ": 'https://a.example' is listed more than once"),
        (
            ["https://" + "a" * 293],
            f"[0]: 'https://{'a' * 48}... is longer than 300 characters, the limit for origins",
        ),
        ([1], "[0]: must be a string, not an integer (1)"),
    ],
)
def test_invalid_origins_are_refused(given: t.Any, error: str) -> None:
    assert errors_of([UPSTREAM], [site(allowed_origins=given)]) == [f"websockets_sites[0].allowed_origins{error}"]


def test_a_site_that_lets_all_pages_in_without_saying_so_is_a_warning() -> None:
    def warnings(*locations: dict[str, t.Any], **keys: t.Any) -> list[str]:
        return sound([UPSTREAM], [site(locations=list(locations), **keys)])["warnings"]

    assert warnings(location()) == warnings(location(), location(path="/a", allowed_origins=[A])) == [ANY_PAGE]
    assert warnings(location(), allowed_origins="*") == []
    assert warnings(location(), allowed_origins=[A]) == []
    assert warnings(location(allowed_origins="*"), location(path="/a", websocket=False)) == []


def test_a_site_with_limits_counts_handshakes_by_the_networks_of_clients() -> None:
    lines = server_of(sound([UPSTREAM], [site(limit_conn_per_client=20)]))
    start = lines.index("set $websocket_client $binary_remote_addr;")
    assert lines[start + 1 : start + 3] == [
        r'if ($binary_remote_addr ~ "(?s)^(?!\x00{10}\xff\xff)(.{8}).{8}$") { set $websocket_client $1; }',
        # nginx counts no request whose key is empty.
        'if ($websocket_upgrade = "") { set $websocket_client ""; }',
    ]
    assert not any("$websocket_client" in line for line in server_of(sound([UPSTREAM], [site()])))
    plain = location(path="/a", websocket=False)
    assert not any(
        "$websocket_client" in line
        for line in server_of(sound([UPSTREAM], [site(locations=[plain], limit_conn_per_client=20)]))
    )


@pytest.mark.parametrize(
    ("address", "client"),
    [
        (bytes([192, 0, 2, 1]), None),
        (bytes(10) + b"\xff\xff" + bytes([192, 0, 2, 1]), None),
        (bytes.fromhex("20010db8000000aa") + bytes(8), bytes.fromhex("20010db8000000aa")),
        # Any byte of an address may be a line break.
        (bytes.fromhex("20010db8000a0a0a") + b"\n" * 8, bytes.fromhex("20010db8000a0a0a")),
        (bytes(15) + b"\x01", bytes(8)),
    ],
)
def test_the_network_of_an_ipv6_client_is_one_client(address: bytes, client: bytes | None) -> None:
    lines = server_of(sound([UPSTREAM], [site(limit_conn_per_client=20)]))
    (line,) = (line for line in lines if "$binary_remote_addr ~" in line)
    found = re.search(line.split('"')[1].encode(), address)
    assert (found[1] if found else None) == client


def test_limits_are_counted_in_a_zone_of_their_block() -> None:
    keys = {"limit_conn_per_client": 20, "limit_handshakes_per_client": "5r/s"}
    assert admission(**keys) == [
        ["limit_conn_zone $websocket_client zone=websocket_conn_1:1m;"],
        ["limit_req_zone $websocket_client zone=websocket_rate_1:10m rate=5r/s;"],
    ]
    assert limits("/", **keys) == [
        "limit_conn websocket_conn_1 20;",
        "limit_conn_status 429;",
        "limit_req zone=websocket_rate_1 burst=5 nodelay;",
        "limit_req_status 429;",
    ]


@pytest.mark.parametrize(
    ("rate", "zone", "burst"),
    [
        ("5r/s", "5r/s", " burst=5 nodelay"),
        ("30r/m", "30r/m", " burst=30 nodelay"),
        ("5r/s burst=20", "5r/s", " burst=20 nodelay"),
        ("5r/s burst=0", "5r/s", ""),
    ],
)
def test_a_rate_says_how_many_may_come_at_once(rate: str, zone: str, burst: str) -> None:
    assert admission(limit_handshakes_per_client=rate)[0][0].endswith(f" rate={zone};")
    assert limits("/", limit_handshakes_per_client=rate)[0] == f"limit_req zone=websocket_rate_1{burst};"


@pytest.mark.parametrize("rate", ["5", "0r/s", "5r/h", "5 r/s", "5r/s nodelay", "5r/s burst=-1", "-1r/s", "1.5r/s", ""])
def test_a_rate_that_nginx_would_not_take_is_refused(rate: str) -> None:
    assert errors_of([UPSTREAM], [site(limit_handshakes_per_client=rate)]) == [
        f"websockets_sites[0].limit_handshakes_per_client: '{rate}' is not a rate, such as 5r/s, 30r/m or '5r/s"
        f" burst=20'"
    ]


def test_a_dry_run_counts_and_refuses_nobody() -> None:
    dry = ["limit_conn_dry_run on;", "limit_req_dry_run on;"]
    assert limits("/", limit_conn_per_client=1, limit_dry_run=True)[2:] == dry
    assert limits("/", location(limit_dry_run=False), limit_conn_per_client=1, limit_dry_run=True)[2:] == []
    assert limits("/", location(limit_dry_run=True), limit_conn_per_client=1)[2:] == dry
    # Without limits there is nothing to run.
    assert limits("/", limit_dry_run=True) == []


def test_the_limits_of_a_site_are_shared_and_those_of_a_location_are_its_own() -> None:
    locations = [
        location(),
        location(path="/b"),
        location(path="/c", limit_conn_per_client=2),
        location(path="/d", limit_conn_per_client=0, limit_handshakes_per_client="2r/s"),
        location(path="/e", limit_conn_per_client=0),
        location(path="/f", websocket=False),
    ]
    keys = {"limit_conn_per_client": 9, "limit_handshakes_per_client": "9r/s"}
    assert [lines for (lines,) in admission(*locations, **keys)] == [
        "limit_conn_zone $websocket_client zone=websocket_conn_1:1m;",
        "limit_req_zone $websocket_client zone=websocket_rate_1:10m rate=9r/s;",
        "limit_conn_zone $websocket_client zone=websocket_conn_2:1m;",
        "limit_req_zone $websocket_client zone=websocket_rate_2:10m rate=2r/s;",
    ]
    shared = ["limit_req zone=websocket_rate_1 burst=9 nodelay;", "limit_req_status 429;"]
    conn = ["limit_conn websocket_conn_1 9;", "limit_conn_status 429;"]
    assert limits("/", *locations, **keys) == limits("/b", *locations, **keys) == [*conn, *shared]
    assert limits("/c", *locations, **keys) == [
        "limit_conn websocket_conn_2 2;",
        "limit_conn_status 429;",
        *shared,
    ]
    assert limits("/d", *locations, **keys) == [
        "limit_req zone=websocket_rate_2 burst=2 nodelay;",
        "limit_req_status 429;",
    ]
    assert limits("/e", *locations, **keys) == shared
    assert limits("/f", *locations, **keys) == []


def test_two_sites_count_for_themselves() -> None:
    sites = [site(server_name=name, limit_conn_per_client=9) for name in ("a", "b")]
    model = sound([UPSTREAM], sites)
    assert len(model["admission"]) == 2
    lines = [blocks_of(model, number)["/"][1] for number in (0, 1)]
    assert lines == ["limit_conn websocket_conn_1 9;", "limit_conn websocket_conn_2 9;"]


@pytest.mark.parametrize(
    ("capacity", "size"), [(1, "1m"), (4096, "1m"), (8192, "1m"), (8193, "2m"), (100_000, "13m"), (10_000_000, "1221m")]
)
def test_a_zone_has_room_for_as_many_clients_as_there_may_be_sockets(capacity: int, size: str) -> None:
    """A state takes 64 bytes; in a full zone nginx would refuse whoever is new."""
    model = sound([UPSTREAM], [site(limit_conn_per_client=1)], websockets_capacity=capacity)
    ((line,),) = model["admission"]
    assert line == f"limit_conn_zone $websocket_client zone=websocket_conn_1:{size};"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("allowed_origins", [A]),
        ("allow_missing_origin", False),
        ("limit_conn_per_client", 1),
        ("limit_handshakes_per_client", "1r/s"),
        ("limit_dry_run", True),
    ],
)
def test_who_may_open_websockets_is_no_matter_of_a_plain_location(key: str, value: t.Any) -> None:
    place = f"websockets_sites[0].locations[0].{key}"
    assert errors_of([UPSTREAM], [site(locations=[location(websocket=False, **{key: value})])]) == [
        f"{place}: requires a location that passes WebSockets"
    ]
    assert errors_of([UPSTREAM], [site(locations=[{"path": "/", "return": 404, key: value}])]) == [
        f"{place}: requires upstream or proxy_pass; not valid with return"
    ]
    # A site may have both kinds.
    sound([UPSTREAM], [site(locations=[location(websocket=False)], **{key: value})])
