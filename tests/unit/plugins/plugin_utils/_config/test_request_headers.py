# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The request headers that a backend gets, and what the locations of a site share beside them."""

from __future__ import annotations

import re
import typing as t

import pytest
from modelling import (
    OWN_HEADERS,
    PLAIN_HEADERS,
    SHARED,
    UPGRADE_HEADERS,
    UPSTREAM,
    blocks_of,
    location,
    refusing,
    secure,
    server_of,
    site,
    sound,
    upstream,
)

PLAIN = {"websocket": False}


def headers_of(lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith("proxy_set_header")]


def of_server(*locations: dict[str, t.Any], **keys: t.Any) -> list[str]:
    """The headers of a site's server."""
    return headers_of(server_of(sound([UPSTREAM], [site(locations=list(locations) or [location()], **keys)])))


def of_locations(*locations: dict[str, t.Any], **keys: t.Any) -> dict[str, list[str]]:
    """The headers that locations have for themselves."""
    blocks = blocks_of(sound([UPSTREAM], [site(locations=list(locations), **keys)]))
    return {path: headers_of(lines) for path, lines in blocks.items() if path != "@upgrade_required"}


def test_what_locations_share_stands_once_in_the_server() -> None:
    lines = server_of(sound([UPSTREAM], [site(locations=[location(), location(path="/b", websocket="required")])]))
    assert lines[lines.index("error_page 426 = @upgrade_required;") + 1 :] == SHARED
    assert of_locations(location(), location(path="/b", websocket="required")) == {"/": [], "/b": []}


def test_a_backend_learns_the_port_that_the_client_sent() -> None:
    """Applications compare it with that of the Origin. The name is the one that nginx has chosen the site by."""
    assert of_server()[0] == "proxy_set_header Host $host$websocket_port;"


@pytest.mark.parametrize("name", ["X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Ssl", "X-Scheme", "Forwarded"])
def test_what_frameworks_believe_before_host_is_never_the_clients(name: str) -> None:
    for keys in ({}, PLAIN, {"websocket": "required"}):
        assert f'proxy_set_header {name} "";' in of_server(location(**keys))
    assert f"proxy_set_header {name} $host;" in of_server(location(headers={name.lower(): "$host"}))


def test_the_set_that_most_locations_have_is_the_servers() -> None:
    plain = [*OWN_HEADERS, *PLAIN_HEADERS]
    locations = [location(path="/ws/"), location(path="/a/", **PLAIN), location(path="/b/", **PLAIN)]
    assert of_server(*locations) == plain
    # nginx inherits all headers or none, so the others have the whole set.
    assert of_locations(*locations) == {"/ws/": [*OWN_HEADERS, *UPGRADE_HEADERS], "/a/": [], "/b/": []}
    own = [*OWN_HEADERS, "proxy_set_header X-A b;", *PLAIN_HEADERS]
    assert of_locations(*locations, location(path="/c/", headers={"X-A": "b"}, **PLAIN))["/c/"] == own


def test_a_site_that_passes_nothing_on_has_none() -> None:
    lines = server_of(sound([], [site(locations=[{"path": "/", "return": 404}], headers={"X": "a"})]))
    assert lines == ["listen 3000;", "server_name ws.serverlab.ca;"]


def test_a_header_takes_the_place_of_one_that_is_always_set() -> None:
    assert of_server(location(headers={"host": "b.example", "X-Room": "$arg_room; {x}", "X-Empty": ""})) == [
        "proxy_set_header Host b.example;",
        *OWN_HEADERS[1:],
        'proxy_set_header X-Room "$arg_room; {x}";',
        'proxy_set_header X-Empty "";',
        *UPGRADE_HEADERS,
    ]


def test_the_headers_of_a_site_are_those_of_all_its_locations() -> None:
    """A location's own takes the place of the site's, in whatever case its name is."""
    locations = [location(), location(path="/b", headers={"x-one": "b", "X-Two": "2"})]
    found = of_locations(*locations, headers={"X-One": "a", "HOST": "x"})
    own = ["proxy_set_header Host x;", *OWN_HEADERS[1:]]
    assert of_server(*locations, headers={"X-One": "a", "HOST": "x"}) == [
        *own,
        "proxy_set_header X-One a;",
        *UPGRADE_HEADERS,
    ]
    assert found == {
        "/": [],
        "/b": [*own, "proxy_set_header x-one b;", "proxy_set_header X-Two 2;", *UPGRADE_HEADERS],
    }


def test_where_origins_are_checked_the_backend_sees_the_one_that_was() -> None:
    """Before 1.23.0 nginx reads the first of two, and a backend may read the other one."""
    passed, origins = "proxy_set_header Origin $http_origin;", {"allowed_origins": ["https://a.example"]}
    assert passed in of_server(**origins)
    assert passed in of_server(location(**origins))
    # With those of a location that has none of its own the set stays one.
    assert of_locations(location(**origins), location(path="/b", **PLAIN), location(path="/c", **PLAIN))["/b"] == []
    assert passed not in of_server()
    assert passed not in of_server(allowed_origins="*")
    assert passed not in of_server(location(**PLAIN), **origins)
    given = of_server(location(headers={"origin": "https://b.example"}), **origins)
    assert [line for line in given if "rigin" in line] == ["proxy_set_header Origin https://b.example;"]


@pytest.mark.parametrize(
    ("line", "replaced"),
    [
        ("absolute_redirect on;", ["absolute_redirect off;"]),
        ("client_header_buffer_size 4k;", ["client_header_buffer_size 2k;"]),
        ("request_pool_size 4k;", ["request_pool_size 768;"]),
        ("proxy_connect_timeout 60s;", ["proxy_connect_timeout 5s;"]),
        ("proxy_socket_keepalive off;", ["proxy_socket_keepalive on;"]),
        ("proxy_buffer_size 4k;", ["proxy_buffer_size 36k;"]),
        # nginx would refuse small buffers beside a large size, and its own size fits all.
        ("proxy_buffers 8 4k;", ["proxy_buffer_size 36k;", "proxy_buffers 4 36k;"]),
    ],
)
def test_a_line_of_a_site_takes_the_place_of_a_default(line: str, replaced: list[str]) -> None:
    def lines(**keys: t.Any) -> list[str]:
        return sound([UPSTREAM], [site(server_name="_", **keys)])["sites"][0]["lines"]

    plain = lines()
    assert set(replaced) < set(plain)
    assert lines(directives=line) == [*(kept for kept in plain if kept not in replaced), line]
    # In a block of its own it is another one's.
    nested = f"location @own {{\n    {line}\n}}"
    assert set(plain) < set(lines(directives=nested))


BALANCER = {"set_real_ip_from": "10.0.0.1"}


def forwarding(**keys: t.Any) -> list[str]:
    """How a site behind a load balancer learns of its clients."""
    lines = server_of(sound([UPSTREAM], [site(**BALANCER, **keys)]))
    first = lines.index("set $websocket_for $proxy_add_x_forwarded_for;")
    return lines[first : lines.index("}", first) + 1]


def test_whom_a_balancer_names_and_the_balancer_are_in_x_forwarded_for_once_each() -> None:
    assert forwarding() == [
        "set $websocket_for $proxy_add_x_forwarded_for;",
        "set $websocket_proto $scheme;",
        # nginx has replaced the address of whoever it believes, and of nobody else.
        "if ($realip_remote_addr != $remote_addr) {",
        '    set $websocket_for "$http_x_forwarded_for, $realip_remote_addr";',
        "    set $websocket_proto $websocket_scheme;",
        "}",
    ]
    found = of_server(**BALANCER)
    assert "proxy_set_header X-Forwarded-For $websocket_for;" in found
    assert "proxy_set_header X-Forwarded-Proto $websocket_proto;" in found
    # The operator's own lines are still the last word.
    assert "proxy_set_header X-Forwarded-Proto https;" in of_server(headers={"X-Forwarded-Proto": "https"}, **BALANCER)


def test_a_balancer_that_names_the_client_elsewhere_gets_it_into_x_forwarded_for() -> None:
    assert (
        forwarding(real_ip_header="X-Real-IP")[3] == '    set $websocket_for "$websocket_clients, $realip_remote_addr";'
    )
    assert forwarding(real_ip_header="x-forwarded-for") == forwarding()


def test_who_speaks_the_proxy_protocol_passes_on_the_scheme_that_the_client_wrote() -> None:
    lines = forwarding(listen="80 proxy_protocol")
    assert lines == [
        "set $websocket_for $proxy_add_x_forwarded_for;",
        "if ($realip_remote_addr != $remote_addr) {",
        '    set $websocket_for "$websocket_clients, $realip_remote_addr";',
        "}",
    ]
    assert "proxy_set_header X-Forwarded-Proto $scheme;" in of_server(listen="80 proxy_protocol", **BALANCER)
    # One that speaks it and names the client in a header has written that header itself.
    assert "    set $websocket_proto $websocket_scheme;" in forwarding(
        listen="80 proxy_protocol", real_ip_header="X-Forwarded-For"
    )


def maps(*sites: dict[str, t.Any]) -> list[str]:
    """The variables of the maps that not every gateway has."""
    named = [{"server_name": f"s{number}", "access_log": False, **keys} for number, keys in enumerate(sites)]
    found = [lines[1].split()[-2] for lines in sound([UPSTREAM], [site(**keys) for keys in named])["maps"]]
    return [variable for variable in found if variable != "$websocket_refused"]


def test_a_map_for_balancers_is_there_where_one_needs_it() -> None:
    assert maps({}) == []
    assert maps({}, BALANCER, BALANCER) == ["$websocket_scheme"]
    assert maps({**BALANCER, "real_ip_header": "X-Real-IP"}) == ["$websocket_scheme", "$websocket_clients"]
    assert maps({**BALANCER, "listen": "80 proxy_protocol"}) == ["$websocket_clients"]
    assert maps({**BALANCER, "locations": [{"path": "/", "return": 404}]}) == []


@pytest.mark.parametrize(
    ("client", "given", "clients"),
    [
        ("192.0.2.1", "192.0.2.1", "192.0.2.1"),
        ("192.0.2.1", "192.0.2.1, 10.0.0.2", "192.0.2.1, 10.0.0.2"),
        ("192.0.2.1", "198.51.100.1,192.0.2.1 ,10.0.0.2", "198.51.100.1,192.0.2.1 ,10.0.0.2"),
        # An address that only begins or ends alike is another one.
        ("192.0.2.1", "192.0.2.11", "192.0.2.11, 192.0.2.1"),
        ("2.0.2.1", "192.0.2.1", "192.0.2.1, 2.0.2.1"),
        ("192.0.2.1", "", "192.0.2.1"),
    ],
)
def test_the_clients_address_is_added_unless_it_is_there(client: str, given: str, clients: str) -> None:
    model = sound([UPSTREAM], [site(**BALANCER, real_ip_header="X-Real-IP")])
    (lines,) = (lines for lines in model["maps"] if "$websocket_clients" in lines[1])
    (row,) = (line for line in lines if line.startswith('    "~'))
    # As nginx makes $proxy_add_x_forwarded_for.
    added = f"{given}, {client}" if given else client
    there = re.search(row.split('"')[1][1:], f"{client} {given}")
    assert (given if there else added) == clients


BEFORE = 'set $websocket_before "$websocket_upgrade$websocket_port";'
AGAIN = 'set $websocket_before "$websocket_upgrade$websocket_port$websocket_name_1";'


def captures(upstreams: t.Any = None, **keys: t.Any) -> list[str]:
    """What comes before a location's own expression, so that nothing takes its captures."""
    lines = server_of(sound(upstreams or [UPSTREAM], [site(**keys)]))
    return [line for line in lines if "$websocket_before" in line or "$websocket_name" in line]


ROOM = location(path="~ ^/(.)", headers={"X": "$1"}, probe=False)


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ({}, []),
        ({"server_name": "~^(a)"}, []),
        ({"headers": {"X": "$1"}, "server_name": "~^(a)"}, [AGAIN]),
        ({"locations": [location(headers={"X": "a ${2}"})], "server_name": ["a", "~^(a)"]}, [AGAIN]),
        ({"locations": [ROOM]}, [BEFORE]),
        ({"locations": [location(), {"path": "~ ^/b(.)", "return": "200 $1"}]}, [BEFORE]),
        ({"locations": [location(directives="add_header X $1;")]}, [BEFORE]),
        ({"directives": "add_header X $1;", "server_name": "~^(a)"}, [AGAIN]),
        # What is in another file nobody knows here.
        ({"directives": "include snippets/a.conf;"}, [BEFORE]),
        ({"locations": [location(directives="include snippets/a.conf;")]}, [BEFORE]),
        ({"locations": [location(headers={"X": "$room"})], "server_name": "~^(?<room>a)"}, []),
    ],
)
def test_numbered_captures_are_kept_where_and_only_where_the_operator_uses_them(
    keys: dict[str, t.Any], found: list[str]
) -> None:
    """nginx has those of the expression that it tried last, and the gateway's maps have expressions of their own."""
    assert captures(**keys) == found


def test_the_captures_of_a_name_are_those_of_the_first_one_that_fits() -> None:
    """Even after an internal redirect, so nothing of it is remembered."""
    sites = [site(), site(server_name=["~^(a)", "b", '~^"(b){1,2}"'], headers={"X": "$1"}, listen=3001)]
    maps = sound([UPSTREAM], sites)["maps"]
    assert [lines for lines in maps if "$websocket_name" in lines[0]] == [
        [
            "map $host $websocket_name_2 {",
            "    volatile;",
            '    default "";',
            '    ~*^(a) "";',
            """    '~*^"(b){1,2}"' "";""",
            '    ~. "";',
            "}",
        ]
    ]


@pytest.mark.parametrize("to", [{"upstream": "ws-backend"}, {"proxy_pass": "http://WS-Backend"}])
def test_an_upstream_may_balance_by_a_capture(to: dict[str, str]) -> None:
    """With an empty key all handshakes would go to one server."""
    rooms = [{"path": "~ ^/rooms/(.*)", "probe": False, **to}]
    assert captures([upstream(balance="hash $1 consistent")], locations=rooms) == [BEFORE]
    assert captures([upstream(balance="hash $uri consistent")], locations=rooms) == []
    others = [upstream(balance="ip_hash"), upstream(name="b", balance="hash $1")]
    assert captures(others, locations=rooms) == []


def test_captures_come_after_the_expression_of_limits_and_of_balancers() -> None:
    lines = server_of(
        sound([UPSTREAM], [site(server_name="~^(a)", headers={"X": "$1"}, limit_conn_per_client=1, **BALANCER)])
    )
    others = [
        number for number, line in enumerate(lines) if "$binary_remote_addr ~" in line or "$websocket_for" in line
    ]
    assert max(number for number in others if not lines[number].startswith("proxy_set")) < lines.index(AGAIN)
    assert lines.index(AGAIN) < lines.index("proxy_http_version 1.1;")


def test_a_file_with_headers_is_not_for_everybody() -> None:
    assert sound([UPSTREAM], [site()])["mode"] == "0644"
    assert sound([UPSTREAM], [site(), site(server_name="b", headers={"X": "a"})])["mode"] == "0640"
    assert sound([UPSTREAM], [site(locations=[location(headers={"X": "a"})])])["mode"] == "0640"


def test_the_log_of_the_gateway_is_known_where_a_site_has_it() -> None:
    assert sound([UPSTREAM], [site(access_log=False), site(server_name="b")])["log"] == "/var/log/nginx/websockets.log"
    assert sound([UPSTREAM], [site()], status="127.0.0.1:7000")["log"] == "/var/log/nginx/websockets_7000.log"
    assert sound([UPSTREAM], [site(access_log="/a.log websockets")])["log"] is None


def test_the_refusing_server_and_a_redirect_pass_nothing_on() -> None:
    model = sound([UPSTREAM], [secure(redirect_http=True, **BALANCER)])
    for lines in (refusing(model), model["sites"][2]["lines"]):
        assert not any(line.startswith(("proxy_", "set ")) for line in lines)
