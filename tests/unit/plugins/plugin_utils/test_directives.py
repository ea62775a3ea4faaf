# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directives of pools and servers."""

from __future__ import annotations

import typing as t

import pytest
from modelling import POOL, SITE, location, pool, refusing, secure, server_of, site, sound


@pytest.mark.parametrize(
    ("balance", "directives"), [("ip_hash", ["ip_hash;"]), ("least_conn", ["least_conn;"]), ("round_robin", [])]
)
def test_the_balance_method_stands_before_the_servers(balance: str, directives: list[str]) -> None:
    lines = sound([pool(balance=balance, servers=["a:1"])], [SITE])["upstreams"][0]["lines"]
    assert lines == ["zone ws-backend 64k;", *directives, "server a:1;", "keepalive 32;"]


def test_least_conn_is_the_default() -> None:
    pools = [{"name": "ws-backend", "servers": ["a:1"]}]
    assert "least_conn;" in sound(pools, [SITE])["upstreams"][0]["lines"]


def test_the_zone_grows_with_the_pool() -> None:
    servers = [f"10.0.{number // 250}.{number % 250}:80" for number in range(1025)]
    sizes = {
        count: sound([pool(servers=servers[:count])], [SITE])["upstreams"][0]["lines"][0]
        for count in (32, 33, 1024, 1025)
    }
    assert sizes == {
        32: "zone ws-backend 64k;",
        33: "zone ws-backend 128k;",
        1024: "zone ws-backend 2048k;",
        1025: "zone ws-backend 4096k;",
    }


@pytest.mark.parametrize(
    ("parameters", "printed"),
    [
        ({}, ""),
        ({"weight": 1}, " weight=1"),
        ({"max_fails": 0, "fail_timeout": "1m 30s", "max_conns": 9}, " max_fails=0 fail_timeout=1m30s max_conns=9"),
        ({"down": True, "backup": False}, " down"),
        ({"route": "a.1", "drain": True}, " route=a.1 drain"),
    ],
)
def test_a_server_is_printed_with_its_parameters(parameters: dict[str, t.Any], printed: str) -> None:
    servers = ["a:1", {"address": "b:1", **parameters}]
    assert f"server b:1{printed};" in sound([pool(servers=servers)], [SITE])["upstreams"][0]["lines"]


@pytest.mark.parametrize(
    ("balance", "directives"),
    [
        ("random", ["random;"]),
        ("random two least_conn", ["random two least_conn;"]),
        ("hash $arg_room consistent", ["hash $arg_room consistent;"]),
        ('hash "$host $uri"', ['hash "$host $uri";']),
        ("sticky cookie srv expires=1h", ["least_conn;", "sticky cookie srv expires=1h;"]),
        ("sticky route $arg_a $cookie_b", ["least_conn;", "sticky route $arg_a $cookie_b;"]),
        ("least_time header inflight", ["least_time header inflight;"]),
    ],
)
def test_every_balance_method_is_printed(balance: str, directives: list[str]) -> None:
    assert sound([pool(balance=balance)], [SITE])["upstreams"][0]["lines"][1:-4] == directives


def test_a_pool_has_the_zone_and_the_connections_it_is_given() -> None:
    keys = {"zone": "shared 1m", "keepalive": 5, "directives": ["keepalive_time 1h;"]}
    lines = sound([pool(**keys)], [SITE])["upstreams"][0]["lines"]
    assert (lines[0], *lines[-2:]) == ("zone shared 1m;", "keepalive 5;", "keepalive_time 1h;")


def test_a_site_has_the_log_and_the_lines_it_is_given() -> None:
    keys = {"access_log": "/var/log/nginx/ws.log combined buffer=32k", "directives": "error_page 502 /down.html;"}
    lines = server_of(sound([POOL], [site(**keys)]))
    assert lines[2] == "access_log /var/log/nginx/ws.log combined buffer=32k;"
    assert lines[-1] == "error_page 502 /down.html;"
    assert server_of(sound([POOL], [site(access_log=False)]))[2] == "access_log off;"


FORMAT = [
    "log_format websockets escape=json",
    """    '{"time":"$time_iso8601","client":"$remote_addr","site":"$server_name",'""",
    """    '"method":"$request_method","path":"$uri","status":"$status",'""",
    """    '"seconds":"$request_time","bytes_to_client":"$bytes_sent","bytes_from_client":"$upstream_bytes_sent",'""",
    """    '"upstream":"$upstream_addr","handshake_seconds":"$upstream_header_time","origin":"$http_origin",'""",
    """    '"limit_conn":"$limit_conn_status","limit_req":"$limit_req_status"}';""",
]


@pytest.mark.parametrize(
    ("logs", "formats", "of_refusing"),
    [
        ([None], FORMAT, "/var/log/nginx/websockets.log websockets"),
        ([None, False], FORMAT, "/var/log/nginx/websockets.log websockets"),
        ([False], [], "off"),
        (["/a.log"], [], "off"),
        (["/a.log websockets if=$status", "off"], FORMAT, "off"),
    ],
)
def test_the_format_of_the_log_is_there_where_it_is_used(
    logs: list[t.Any], formats: list[str], of_refusing: str
) -> None:
    sites = [
        site(server_name=f"s{number}", **({} if log is None else {"access_log": log}))
        for number, log in enumerate(logs)
    ]
    model = sound([POOL], sites)
    assert model["http"] == formats
    assert f"access_log {of_refusing};" in refusing(model)


def test_the_log_has_no_secret_of_a_request() -> None:
    text = "".join(FORMAT)
    for variable in ("$request ", '$request"', "$args", "$query_string", "$request_uri", "$http_cookie", "$http_auth"):
        assert variable not in text


def test_the_refusing_server_waits_and_takes_as_much_as_any_site() -> None:
    """nginx goes by it until it knows the name."""
    sites = [
        site(server_name="a", client_header_timeout="1m"),
        site(server_name="b", client_header_timeout="90s", large_client_header_buffers="8 16k"),
        site(server_name="c", client_header_timeout=80, large_client_header_buffers="4 32k"),
        site(server_name="d"),
    ]
    model = sound([POOL], sites)
    expected = ["client_header_timeout 90s;", "large_client_header_buffers 4 32k;"]
    assert [line for line in refusing(model) if line in expected] == expected
    lines = [[line for line in block["lines"] if "client_header" in line] for block in model["sites"][1:]]
    assert lines == [
        ["client_header_timeout 1m;"],
        ["client_header_timeout 90s;", "large_client_header_buffers 8 16k;"],
        ["client_header_timeout 80;", "large_client_header_buffers 4 32k;"],
        ["client_header_timeout 10s;"],
    ]


def test_every_server_holds_little_for_a_connection() -> None:
    """Its share of memory is measured: docs/data-path.md."""
    model = sound([POOL], [secure(redirect_http=True), site()])
    assert len(model["sites"]) == 4
    for block in model["sites"]:
        assert {"server_tokens off;", "connection_pool_size 384;", "request_pool_size 640;"} <= set(block["lines"])
        assert ("ssl_buffer_size 1k;" in block["lines"]) == any(" ssl" in line for line in block["lines"])


def real_ip(**keys: t.Any) -> list[str]:
    return [line for line in server_of(sound([POOL], [site(**keys)])) if "real_ip" in line]


@pytest.mark.parametrize(
    ("keys", "header"),
    [
        ({}, "X-Forwarded-For"),
        ({"listen": "80 proxy_protocol"}, "proxy_protocol"),
        ({"real_ip_header": "X-Real-IP"}, "X-Real-IP"),
        ({"listen": "80 proxy_protocol", "real_ip_header": "X-Real-IP"}, "X-Real-IP"),
    ],
)
def test_a_load_balancer_tells_the_address_of_a_client(keys: dict[str, t.Any], header: str) -> None:
    assert real_ip(**keys, set_real_ip_from=["10.0.0.0/8", "2001:db8::1", "unix:"]) == [
        "set_real_ip_from 10.0.0.0/8;",
        "set_real_ip_from 2001:db8::1;",
        "set_real_ip_from unix:;",
        f"real_ip_header {header};",
        "real_ip_recursive on;",
    ]
    assert real_ip(**keys, set_real_ip_from="10.0.0.1")[0] == "set_real_ip_from 10.0.0.1;"


def test_nobody_else_tells_it() -> None:
    assert real_ip() == real_ip(listen="80 proxy_protocol") == []


def test_many_or_long_names_get_the_hash_they_need() -> None:
    def hashes(*sites: dict[str, t.Any]) -> list[str]:
        return [line for line in sound([POOL], list(sites))["http"] if "_hash_" in line]

    many = [site(server_name=f"site{number}.example") for number in range(201)]
    assert hashes(*many) == ["server_names_hash_max_size 1024;"]
    assert hashes(*many[:200]) == []
    assert hashes(site(server_name=f"{'a' * 40}.{'b' * 6}")) == ["server_names_hash_bucket_size 128;"]
    assert hashes(site(server_name=f"{'a' * 40}.{'b' * 5}")) == []
    # Beside the origin is "websocket ".
    assert hashes(site(allowed_origins=["https://" + "a" * 29])) == ["map_hash_bucket_size 128;"]
    assert hashes(site(allowed_origins=["https://" + "a" * 28])) == []
    longest = [location(allowed_origins=["https://" + "a" * 292])]
    assert hashes(site(locations=longest)) == ["map_hash_bucket_size 512;"]
