# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The model: what variables become, and every fault that stops them."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.wsfleet.nginx.plugins.plugin_utils import limits
from ansible_collections.wsfleet.nginx.plugins.plugin_utils.faults import Faults
from ansible_collections.wsfleet.nginx.plugins.plugin_utils.gateway import Model, gateway_model
from ansible_collections.wsfleet.nginx.plugins.plugin_utils.pools import Inventory
from hypothesis import given, settings
from hypothesis import strategies as st

POOL = {"name": "ws-backend", "balance": "ip_hash", "servers": ["server01:3000", "server02:3000", "server03:3000"]}
LOCATION = {"path": "/", "upstream": "ws-backend"}
SITE = {"server_name": "ws.serverlab.ca", "listen": 3000, "locations": [LOCATION]}

INVENTORY = Inventory(
    groups={"chat": ["chat2", "chat1", "chat10"], "nobody": [], "spare": ["spare1"], "wrong": ["wrong1", "wrong2"]},
    hostvars={
        "chat1": {"ansible_host": "192.0.2.1", "chat_port": 9001, "lan": "10.0.0.1"},
        "chat2": {"ansible_host": "2001:db8::2", "chat_port": 9002},
        "chat10": {"chat_port": 9010},
        "spare1": {"ansible_host": "192.0.2.10", "websockets_server": {"backup": True, "weight": 2}},
        "wrong1": {"ansible_host": "192.0.2.11", "websockets_server": {"weight": "2", "dwon": True}},
        "wrong2": {"ansible_host": "192.0.2.12", "websockets_server": 0, "websockets_sever": {}},
    },
)


STATUS = {"address": "127.0.0.1:6455", "at": "websockets_status_listen"}


def check(
    upstreams: t.Any, sites: t.Any, status: t.Any = STATUS["address"], **others: t.Any
) -> tuple[Model | None, list[str]]:
    faults = Faults()
    variables = {
        "websockets_upstreams": upstreams,
        "websockets_sites": sites,
        "websockets_status_listen": status,
        **others,
    }
    return gateway_model(variables, INVENTORY, faults), faults.lines


def sound(upstreams: t.Any, sites: t.Any) -> Model:
    model, faults = check(upstreams, sites)
    assert faults == []
    assert model is not None
    return model


def faults_of(upstreams: t.Any, sites: t.Any) -> list[str]:
    model, faults = check(upstreams, sites)
    assert model is None
    return faults


def on(nginx: str, upstreams: t.Any, sites: t.Any) -> tuple[Model | None, list[str]]:
    return check(upstreams, sites, websockets_nginx_version=nginx)


def pool(**keys: t.Any) -> dict[str, t.Any]:
    return {**POOL, **keys}


def site(**keys: t.Any) -> dict[str, t.Any]:
    return {**SITE, **keys}


def location(**keys: t.Any) -> dict[str, t.Any]:
    return {**LOCATION, **keys}


def test_the_first_founding_configuration_becomes_its_directives() -> None:
    model = sound([POOL], [SITE])
    assert model["upstreams"] == [
        {
            "name": "ws-backend",
            "lines": [
                "zone ws-backend 64k;",
                "ip_hash;",
                "server server01:3000;",
                "server server02:3000;",
                "server server03:3000;",
                "keepalive 32;",
            ],
        }
    ]
    assert model["sites"] == [
        {
            "lines": ["listen 3000;", "server_name ws.serverlab.ca;"],
            "locations": [
                {
                    "path": "/",
                    "lines": [
                        "proxy_pass http://ws-backend;",
                        "proxy_http_version 1.1;",
                        "proxy_set_header Host $host;",
                        "proxy_set_header X-Real-IP $remote_addr;",
                        "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
                        "proxy_set_header X-Forwarded-Proto $scheme;",
                        "proxy_set_header Upgrade $websocket_upgrade;",
                        "proxy_set_header Connection $websocket_connection;",
                        "proxy_read_timeout 1h;",
                    ],
                }
            ],
        }
    ]
    assert model["listening"] == [STATUS, {"address": "3000", "at": "websockets_sites[0].listen"}]
    assert model["names"] == [
        {"name": f"server0{number}", "at": f"websockets_upstreams[0].servers[{number - 1}]"} for number in (1, 2, 3)
    ]
    assert model["proofs"] == [
        {
            "at": "websockets_sites[0].locations[0]",
            "site": "ws.serverlab.ca",
            "path": "/",
            "url": "ws://ws.serverlab.ca:3000/",
            "connect_to": "127.0.0.1:3000",
            "websocket": True,
            "status": None,
            "origin": None,
            "subprotocols": [],
            "send": None,
            "expect": None,
            "backends": {
                "url": "ws://ws.serverlab.ca/",
                "addresses": ["server01:3000", "server02:3000", "server03:3000"],
                "headers": {},
            },
            "wait": 0,
        }
    ]
    assert model["blocks"] == ["websockets_upstreams[0]", "websockets_sites[0]", "websockets_status_listen"]
    assert model["warnings"] == []


def test_nothing_is_a_model_of_nothing() -> None:
    nothing: t.Any = {
        "nginx_version": None,
        "depends_on_nginx": False,
        "http": [],
        "upstreams": [],
        "sites": [],
        "listening": [STATUS],
        "names": [],
        "proofs": [],
        "blocks": ["websockets_status_listen"],
        "nginx_conf": limits.directives(4096, "1h"),
        "drop_in": limits.drop_in(4096, "1h"),
        "warnings": [],
    }
    assert sound([], []) == nothing


def lines_of(**keys: t.Any) -> list[str]:
    return sound([POOL], [site(locations=[location(**keys)])])["sites"][0]["locations"][0]["lines"]


def test_a_plain_route_passes_no_upgrade_and_keeps_nginx_timeouts() -> None:
    lines = lines_of(websocket=False)
    assert 'proxy_set_header Upgrade "";' in lines
    assert 'proxy_set_header Connection "";' in lines
    assert not any("proxy_read_timeout" in line or "$websocket" in line for line in lines)


def test_a_required_route_answers_426_and_names_the_protocol() -> None:
    lines = lines_of(websocket="required")
    start = lines.index('if ($websocket_upgrade = "") {')
    assert lines[start + 1] == "    add_header Upgrade websocket always;"
    assert lines[start + 2].startswith("    return 426 ")
    assert "proxy_set_header Upgrade $websocket_upgrade;" in lines


def test_every_proxied_route_sets_the_whole_set_of_headers() -> None:
    for websocket in (True, False, "required"):
        headers = [line.split()[1] for line in lines_of(websocket=websocket) if line.startswith("proxy_set_header")]
        assert headers == ["Host", "X-Real-IP", "X-Forwarded-For", "X-Forwarded-Proto", "Upgrade", "Connection"]


@pytest.mark.parametrize(
    ("given", "printed"), [("90s", "90s"), (90, "90"), ("1h 30m", "1h30m"), ("0", "0"), ("100ms", "100ms")]
)
def test_a_read_timeout_is_printed_as_nginx_takes_it(given: str | int, printed: str) -> None:
    assert f"proxy_read_timeout {printed};" in lines_of(proxy_read_timeout=given)


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


def test_one_more_host_of_a_group_is_one_more_line() -> None:
    hostvars = {f"chat{number:04}": {"ansible_host": f"10.0.{number // 250}.{number % 250}"} for number in range(2001)}

    def lines(count: int) -> list[str]:
        inventory = Inventory(groups={"chat": list(hostvars)[:count]}, hostvars=hostvars)
        variables = {"websockets_upstreams": [{"name": "chat", "group": "chat", "port": 80}]}
        model = gateway_model(variables, inventory, Faults())
        assert model is not None
        return model["upstreams"][0]["lines"]

    assert lines(2001) == [*lines(2000)[:-1], "server 10.0.8.0:80;", "keepalive 32;"]


@pytest.mark.parametrize(
    ("listen", "lines", "connect_to"),
    [
        (80, ["listen 80;"], "127.0.0.1:80"),
        ("8080", ["listen 8080;"], "127.0.0.1:8080"),
        ("*:8080", ["listen *:8080;"], "127.0.0.1:8080"),
        ("192.0.2.1:80", ["listen 192.0.2.1:80;"], "192.0.2.1:80"),
        ("[::]:80", ["listen [::]:80;"], "[::1]:80"),
        ("unix:/run/ws.sock", ["listen unix:/run/ws.sock;"], "unix:/run/ws.sock"),
        ("80 default_server", ["listen 80 default_server;"], "127.0.0.1:80"),
        ([80, "[::]:80"], ["listen 80;", "listen [::]:80;"], "127.0.0.1:80"),
    ],
)
def test_a_listen_is_printed_as_given_and_proven_where_it_answers(
    listen: t.Any, lines: list[str], connect_to: str
) -> None:
    model = sound([POOL], [site(listen=listen)])
    assert model["sites"][0]["lines"][:-1] == lines
    assert model["proofs"][0]["connect_to"] == connect_to


@pytest.mark.parametrize(
    ("names", "directive", "url"),
    [
        ("a.example", "server_name a.example;", "ws://a.example/"),
        (["_"], "server_name _;", "ws://proof.invalid/"),
        (["*.a.example", "b.example"], "server_name *.a.example b.example;", "ws://b.example/"),
        ("*.a.example", "server_name *.a.example;", "ws://proof.a.example/"),
    ],
)
def test_a_site_is_proven_under_a_name_that_reaches_it(names: t.Any, directive: str, url: str) -> None:
    model = sound([POOL], [site(server_name=names, listen=80)])
    assert model["sites"][0]["lines"][-1] == directive
    assert model["proofs"][0]["url"] == url


@pytest.mark.parametrize("path", ["/", "/ws/", "= /ws", "^~ /a/", "/über"])
def test_a_location_is_printed_as_given(path: str) -> None:
    assert sound([POOL], [site(locations=[location(path=path)])])["sites"][0]["locations"][0]["path"] == path


def test_the_same_path_may_be_exact_and_a_prefix() -> None:
    sound([POOL], [site(locations=[location(path="/a"), location(path="= /a")])])


def group_servers(**keys: t.Any) -> list[str]:
    pools = [{"name": "ws-backend", "balance": "round_robin", **keys}]
    return sound(pools, [SITE])["upstreams"][0]["lines"][1:-1]


def test_a_group_becomes_a_pool_in_the_order_of_names() -> None:
    assert group_servers(group="chat", port=9000) == [
        "server 192.0.2.1:9000;",
        "server chat10:9000;",
        "server [2001:db8::2]:9000;",
    ]


def test_a_group_takes_each_hosts_port_from_the_variable_named() -> None:
    assert group_servers(group="chat", port="chat_port") == [
        "server 192.0.2.1:9001;",
        "server chat10:9010;",
        "server [2001:db8::2]:9002;",
    ]


def test_a_group_adds_to_the_servers_named() -> None:
    assert group_servers(group="chat", port=9000, servers=["extra:1"])[0] == "server extra:1;"


def test_a_host_of_a_group_brings_its_own_parameters() -> None:
    assert group_servers(group="spare", port=9000, servers=["a:1"]) == [
        "server a:1;",
        "server 192.0.2.10:9000 weight=2 backup;",
    ]


def test_the_parameters_of_all_hosts_are_checked() -> None:
    pools = [{"name": name, "group": "wrong", "port": 9000} for name in ("ws-backend", "other")]
    assert faults_of(pools, [SITE]) == [
        "host wrong1, websockets_server.dwon: is not a key known here (did you mean 'down'?)",
        "host wrong1, websockets_server.weight: must be an integer, not a string ('2')",
        "host wrong2, websockets_sever: is not a variable known here (did you mean 'websockets_server'?)",
        "host wrong2, websockets_server: must be a mapping, not an integer (0)",
    ]


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


def test_a_name_that_nginx_resolves_at_run_time_is_not_looked_up_before() -> None:
    servers = [{"address": "a.example:80", "resolve": True}, "b.example:80"]
    model = sound([pool(balance="least_conn", servers=servers, resolver="127.0.0.53 valid=10s")], [SITE])
    assert model["upstreams"][0]["lines"][1:4] == [
        "resolver 127.0.0.53 valid=10s;",
        "least_conn;",
        "server a.example:80 resolve;",
    ]
    assert [name["name"] for name in model["names"]] == ["b.example"]
    # A pool that is being resolved has no servers at first.
    assert model["proofs"][0]["wait"] > 0
    pools = [pool(balance="least_conn", servers=servers, resolver="127.0.0.53")]
    by_url = sound(pools, [site(locations=[{"path": "/", "proxy_pass": "http://WS-Backend"}])])
    assert by_url["proofs"][0]["wait"] > 0


def test_a_proxied_url_is_looked_up_unless_it_is_a_pool() -> None:
    paths = {
        "/a/": "http://a.example/x/",
        "/b/": "https://b.example:444",
        "/c/": "http://ws-backend/",
        "/d/": "http://[::1]",
    }
    locations = [{"path": path, "proxy_pass": url} for path, url in paths.items()]
    model = sound([POOL], [site(locations=locations)])
    assert model["names"][3:] == [
        {"name": "a.example", "at": "websockets_sites[0].locations[0].proxy_pass"},
        {"name": "b.example", "at": "websockets_sites[0].locations[1].proxy_pass"},
    ]
    assert [block["lines"][0] for block in model["sites"][0]["locations"]] == [
        f"proxy_pass {url};" for url in paths.values()
    ]
    assert model["warnings"] == []


GATED = [
    (pool(balance="sticky cookie a"), ".balance: 'sticky'", "1.29.6"),
    (pool(balance="least_time header"), ".balance: 'least_time'", "1.31.0"),
    (pool(servers=[{"address": "a:1", "drain": True}]), ".servers[0].drain: 'drain'", "1.29.6"),
    (pool(servers=[{"address": "a:1", "route": "x"}]), ".servers[0].route: 'route'", "1.29.6"),
]


@pytest.mark.parametrize(("keys", "what", "since"), GATED)
def test_what_an_nginx_is_too_old_for_is_refused_with_the_version_it_takes(
    keys: dict[str, t.Any], what: str, since: str
) -> None:
    major, minor, patch = map(int, since.split("."))
    before = f"{major}.{minor}.{patch - 1}" if patch else f"{major}.{minor - 1}.9"
    assert on(before, [keys], [SITE])[1] == [
        f"websockets_upstreams[0]{what} needs nginx {since} or later, and this gateway has {before}"
    ]
    model, faults = on(since, [keys], [SITE])
    assert faults == []
    assert model is not None
    assert model["nginx_version"] == since
    assert model["depends_on_nginx"]
    assert sound([keys], [SITE])["nginx_version"] is None


def test_resolving_at_run_time_takes_1_27_3() -> None:
    keys = pool(balance="least_conn", servers=[{"address": "a:1", "resolve": True}], resolver="10.0.0.1")
    assert on("1.27.2", [keys], [SITE])[1] == [
        "websockets_upstreams[0].resolver: 'resolver' needs nginx 1.27.3 or later, and this gateway has 1.27.2",
        "websockets_upstreams[0].servers[0].resolve: 'resolve' needs nginx 1.27.3 or later, and this gateway has"
        " 1.27.2",
    ]
    assert on("1.27.3", [keys], [SITE])[1] == []


@pytest.mark.parametrize(
    ("version", "fault"),
    [
        (1.26, "must be a string, not a decimal number (1.26)"),
        ("1.26.x", "'1.26.x' is not a version of nginx, such as '1.26.3'"),
        ("1.16.1", "nginx 1.16.1 is too old: 1.18.0 or later is needed"),
    ],
)
def test_a_version_is_one_that_can_be_a_gateways(version: t.Any, fault: str) -> None:
    assert on(version, [POOL], [SITE])[1] == [f"websockets_nginx_version: {fault}"]


def site_lines(nginx: str, **keys: t.Any) -> list[str]:
    model, faults = on(nginx, [POOL], [site(**keys)])
    assert faults == []
    assert model is not None
    assert model["depends_on_nginx"]
    return model["sites"][0]["lines"]


@pytest.mark.parametrize(
    "keys",
    [
        {"listen": [80, "443 ssl http2"]},
        {"listen": [80, "443 ssl"], "http2": True},
        {"listen": [80, "443 ssl"], "http2": "on"},
    ],
)
def test_http2_is_written_as_each_nginx_takes_it(keys: dict[str, t.Any]) -> None:
    assert site_lines("1.25.0", **keys)[:2] == ["listen 80;", "listen 443 ssl http2;"]
    assert site_lines("1.25.1", **keys)[:3] == ["listen 80;", "listen 443 ssl;", "http2 on;"]


def test_a_pool_without_idle_connections_is_written_as_each_nginx_takes_it() -> None:
    lines = [on(nginx, [pool(keepalive=0)], [SITE])[0]["upstreams"][0]["lines"] for nginx in ("1.29.6", "1.29.7")]  # type: ignore[index]
    assert lines[1] == [*lines[0], "keepalive 0;"]


def test_most_variables_suit_every_nginx() -> None:
    oldest, newest = (on(nginx, [POOL], [SITE])[0] for nginx in ("1.18.0", "1.30.6"))
    assert oldest is not None
    assert newest is not None
    assert not oldest["depends_on_nginx"]
    assert {**oldest, "nginx_version": ""} == {**newest, "nginx_version": ""}


@pytest.mark.parametrize(
    ("listen", "line"),
    [
        ("80 reuseport default_server", "listen 80 default_server reuseport;"),
        (
            "[::]:80 ipv6only=on backlog=4096 so_keepalive=30m::10",
            "listen [::]:80 ipv6only=on backlog=4096 so_keepalive=30m::10;",
        ),
        ("unix:/run/a.sock rcvbuf=8k sndbuf=8k", "listen unix:/run/a.sock rcvbuf=8k sndbuf=8k;"),
        ("80 deferred fastopen=10 bind", "listen 80 deferred fastopen=10 bind;"),
    ],
)
def test_a_listen_keeps_the_options_of_its_socket(listen: str, line: str) -> None:
    assert sound([POOL], [site(listen=listen)])["sites"][0]["lines"][0] == line


def test_a_site_has_the_log_and_the_lines_it_is_given() -> None:
    keys = {"access_log": "/var/log/nginx/ws.log combined buffer=32k", "directives": "error_page 502 /down.html;"}
    assert sound([POOL], [site(**keys)])["sites"][0]["lines"][2:] == [
        "access_log /var/log/nginx/ws.log combined buffer=32k;",
        "error_page 502 /down.html;",
    ]
    assert sound([POOL], [site(access_log=False)])["sites"][0]["lines"][2:] == ["access_log off;"]


def test_many_or_long_names_get_the_hash_they_need() -> None:
    many = [site(server_name=f"site{number}.example") for number in range(201)]
    assert sound([POOL], many)["http"] == ["server_names_hash_max_size 1024;"]
    assert sound([POOL], many[:200])["http"] == []
    assert sound([POOL], [site(server_name=f"{'a' * 40}.{'b' * 6}")])["http"] == ["server_names_hash_bucket_size 128;"]
    assert sound([POOL], [site(server_name=f"{'a' * 40}.{'b' * 5}")])["http"] == []


def test_a_header_takes_the_place_of_one_that_is_always_set() -> None:
    lines = lines_of(headers={"host": "backend.example", "X-Room": "$arg_room; {x}", "X-Empty": ""})
    assert [line for line in lines if line.startswith("proxy_set_header")] == [
        "proxy_set_header Host backend.example;",
        "proxy_set_header X-Real-IP $remote_addr;",
        "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
        "proxy_set_header X-Forwarded-Proto $scheme;",
        'proxy_set_header X-Room "$arg_room; {x}";',
        'proxy_set_header X-Empty "";',
        "proxy_set_header Upgrade $websocket_upgrade;",
        "proxy_set_header Connection $websocket_connection;",
    ]


def test_a_prefix_is_stripped_by_the_path_of_the_pool() -> None:
    assert lines_of(path="/api/", strip_prefix=True)[0] == "proxy_pass http://ws-backend/;"


def test_a_large_header_buffer_brings_the_buffers_that_nginx_demands_with_it() -> None:
    assert lines_of(proxy_buffer_size="64k")[-2:] == ["proxy_buffer_size 64k;", "proxy_buffers 8 64k;"]
    assert lines_of(proxy_buffer_size="8k")[-1] == "proxy_buffer_size 8k;"
    assert lines_of(proxy_buffer_size="64k", proxy_buffers="4 64k")[-1] == "proxy_buffers 4 64k;"


def only(**keys: t.Any) -> list[str]:
    return sound([], [site(locations=[{"path": "/", **keys}])])["sites"][0]["locations"][0]["lines"]


@pytest.mark.parametrize(
    ("keys", "lines"),
    [
        ({"root": "/var/www/my site"}, ['root "/var/www/my site";']),
        ({"return": 404}, ["return 404;"]),
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


def proofs_of(**keys: t.Any) -> list[dict[str, t.Any]]:
    server = {key: keys.pop(key) for key in ("server_name", "listen") if key in keys}
    model = sound([POOL], [site(**server, locations=[{"path": "/", **keys}])])
    return [dict(proof) for proof in model["proofs"]]


def test_a_proof_asks_what_its_probe_says() -> None:
    probe = {"path": "/ws/?a=1", "origin": "https://a.example", "subprotocol": "chat", "message": "hi", "expect": "ho"}
    (proof,) = proofs_of(upstream="ws-backend", probe={**probe, "headers": {"Authorization": "Bearer secret"}})
    assert proof["url"] == "ws://ws.serverlab.ca:3000/ws/?a=1"
    assert (proof["origin"], proof["subprotocols"], proof["send"], proof["expect"]) == (
        "https://a.example",
        ["chat"],
        "hi",
        "ho",
    )
    assert "secret" not in str(proof)


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
            "wss://ws.serverlab.ca/a/",
            ["h.example:443"],
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
def test_a_proof_knows_what_nginx_asks_of_which_backend(keys: dict[str, t.Any], url: str, addresses: list[str]) -> None:
    route = {name: value for name, value in location(**keys).items() if value is not None}
    (proof,) = sound([POOL], [site(locations=[route])])["proofs"]
    assert proof["backends"] == {"url": url, "addresses": addresses, "headers": {}}


def test_a_backend_is_asked_with_the_headers_that_need_no_nginx() -> None:
    headers = {"X-Tenant": "a", "X-Path": "$uri", "host": "internal.example"}
    (proof,) = sound([POOL], [site(locations=[location(headers=headers)])])["proofs"]
    assert proof["backends"] is not None
    assert proof["backends"]["url"] == "ws://internal.example/"
    assert proof["backends"]["headers"] == {"X-Tenant": "a"}


def test_a_few_servers_that_are_not_down_answer_for_a_pool() -> None:
    servers = [{"address": "a:1", "down": True}, *(f"b:{number}" for number in range(1, 21))]
    (proof,) = sound([pool(servers=servers, balance="least_conn")], [site()])["proofs"]
    assert proof["backends"] is not None
    assert proof["backends"]["addresses"] == [f"b:{number}" for number in range(1, 9)]
    (nowhere,) = sound([pool(servers=servers[:1])], [site()])["proofs"]
    (returned,) = sound([], [site(locations=[{"path": "/", "return": 404}])])["proofs"]
    assert (nowhere["backends"], returned["backends"]) == (None, None)


def test_a_redirect_is_proven_by_its_status_and_a_closed_door_not_at_all() -> None:
    assert proofs_of(**{"return": "301 https://a/"})[0]["status"] == 301
    assert proofs_of(root="/a")[0]["status"] is None
    assert proofs_of(**{"return": 444}) == []
    assert proofs_of(upstream="ws-backend", probe=False) == []


def test_a_site_with_tls_is_proven_over_tls() -> None:
    assert proofs_of(upstream="ws-backend", listen="443 ssl")[0]["url"] == "wss://ws.serverlab.ca/"
    assert proofs_of(root="/a", listen="8443 ssl")[0]["url"] == "https://ws.serverlab.ca:8443/"


def test_what_cannot_be_proven_is_a_warning() -> None:
    regex = location(path="~ ^/rooms/[0-9]+$")
    model = sound([POOL], [site(locations=[regex]), site(server_name="~^a", locations=[LOCATION])])
    assert model["proofs"] == []
    assert model["warnings"] == [
        "websockets_sites[0].locations[0]: is not proven, for no path is known that the expression matches:"
        " give probe.path",
        "websockets_sites[1].locations[0]: is not proven, for websockets_sites[1].server_name has no name but"
        " expressions: list one that they match",
    ]
    assert sound([POOL], [site(locations=[{**regex, "probe": False}])])["warnings"] == []
    assert sound([POOL], [site(locations=[{**regex, "probe": {"path": "/rooms/1"}}])])["warnings"] == []


def test_a_pool_that_is_all_down_is_a_warning() -> None:
    model = sound([pool(servers=[{"address": "a:1", "down": True}])], [SITE])
    assert model["warnings"] == ["websockets_upstreams[0]: all servers of 'ws-backend' are down"]


def test_an_unused_upstream_is_a_warning() -> None:
    model = sound([POOL, pool(name="spare")], [SITE])
    assert model["warnings"] == ["websockets_upstreams[1]: no location uses the upstream 'spare'"]


@pytest.mark.parametrize(
    ("keys", "fault"),
    [
        ({"name": 3}, ".name: must be a string, not an integer (3)"),
        ({"name": "a b"}, ".name: 'a b' is not a pool's name: letters, digits, '_', '.' and '-' only"),
        ({"nmae": "x"}, ".nmae: is not a key known here (did you mean 'name'?)"),
        (
            {"balance": "iphash"},
            ".balance: 'iphash' is not one of round_robin, least_conn, ip_hash, random, hash, sticky, least_time"
            " (did you mean 'ip_hash'?)",
        ),
        ({"balance": False}, ".balance: must be a string, not a boolean (False)"),
        ({"servers": "a:1"}, ".servers: must be a list, not a string ('a:1')"),
        ({"servers": []}, ": the pool is empty: give it servers, or a group with hosts and a port"),
        ({"servers": ["a"]}, ".servers[0]: 'a' is no address with a port: write it as a:PORT"),
        ({"servers": ["a:b"]}, ".servers[0]: 'a:b' is no address with a port: write it as HOST:PORT"),
        ({"servers": [":1"]}, ".servers[0]: ':1' has no host: write it as HOST:1"),
        ({"servers": ["*:1"]}, ".servers[0]: '*:1' has no host: write it as HOST:1"),
        ({"servers": ["::1"]}, ".servers[0]: '::1' is no address with a port: write it as [::1]:PORT"),
        ({"servers": ["a:0"]}, ".servers[0]: 0 is out of range: 1 to 65535"),
        ({"servers": ["a:65536"]}, ".servers[0]: 65536 is out of range: 1 to 65535"),
        ({"servers": ["1.2.3.400:80"]}, ".servers[0]: '1.2.3.400' is neither a host name nor an address"),
        ({"servers": ["a;b:80"]}, ".servers[0]: 'a;b' is neither a host name nor an address"),
        ({"servers": ["unix:sock"]}, ".servers[0]: 'unix:sock' is not a Unix socket: write unix:/path"),
        ({"servers": [80]}, ".servers[0]: must be an address or a mapping, not an integer (80)"),
        (
            {"servers": ["a:1", "a:1"]},
            ".servers[1]: 'a:1' is in the pool already, from websockets_upstreams[0].servers[0]",
        ),
        ({"port": 80}, ".port: goes with a group; a server has its own in its address"),
        ({"address": "lan"}, ".address: goes with a group; a server has its own in its address"),
        (
            {"servers": ["a:1 weight=2"]},
            ".servers[0]: 'a:1 weight=2' is more than an address: write it as {address: a:1, weight: …}",
        ),
        ({"servers": ["unix:/tmp/"]}, ".servers[0]: 'unix:/tmp/' is not a Unix socket: write unix:/path"),
        ({"group": "chat"}, ": the group 'chat' needs the key 'port'"),
        ({"group": "chta", "port": 1}, ".group: 'chta' is not a group of the inventory (did you mean 'chat'?)"),
        (
            {"group": "chat", "port": "9000"},
            ".port: must be an integer or the name of a host variable, not '9000'",
        ),
        ({"group": "chat", "port": 70000}, ".port: 70000 is out of range: 1 to 65535"),
        (
            {"servers": [{"address": "a:1", "weight": "3"}]},
            ".servers[0].weight: must be an integer, not a string ('3')",
        ),
        (
            {"servers": [{"address": "a:1", "weight": 0}]},
            ".servers[0].weight: 0 is out of range: 1 to 999999999",
        ),
        ({"servers": [{"weight": 1}]}, ".servers[0]: needs the key 'address'"),
        (
            {"servers": [{"address": "a:1", "fail_timeout": "10ms"}]},
            ".servers[0].fail_timeout: '10ms' is not a time as nginx writes it: 90, 90s, 30m, 1h30m",
        ),
        (
            {"servers": ["b:1", {"address": "a:1", "backup": True}]},
            ".servers[1].backup: does not go with balance: ip_hash",
        ),
        (
            {"balance": "random two", "servers": ["b:1", {"address": "a:1", "backup": True}]},
            ".servers[1].backup: does not go with balance: random",
        ),
        (
            {"balance": "least_conn", "servers": [{"address": "a:1", "backup": True}]},
            ": all servers are backup: nginx needs one that is not",
        ),
        (
            {"servers": ["a:1", {"address": "10.0.0.1:1", "resolve": True}], "resolver": "10.0.0.2"},
            ".servers[1].resolve: 10.0.0.1:1 is no name that could be resolved",
        ),
        (
            {"servers": [{"address": "a:1", "resolve": True}]},
            ": needs the key 'resolver' for its servers with resolve: true",
        ),
        ({"resolver": "10.0.0.2"}, ".resolver: goes with servers that have resolve: true"),
        (
            {"servers": [{"address": "a:1", "resolve": True}], "resolver": "10.0.0.2 vlaid=1s"},
            ".resolver: 'vlaid=1s' is neither a name server nor valid=TIME, ipv4=on|off or ipv6=on|off",
        ),
        ({"balance": "hash"}, ".balance: 'hash' is not 'hash KEY' or 'hash KEY consistent'"),
        (
            {"balance": "hash arg_room"},
            ".balance: 'hash arg_room' has a key without a variable: all clients would go to one server",
        ),
        ({"balance": "hash $"}, ".balance: '$' has a '$' that starts no variable, and nginx cannot write one as text"),
        ({"balance": "least_conn; ip_hash"}, ".balance: 'least_conn; ip_hash' has a ';' outside quotes"),
        ({"balance": "least_conn hash $x"}, ".balance: 'least_conn hash $x' is not known here: write 'least_conn'"),
        (
            {"balance": "sticky"},
            ".balance: 'sticky' is not 'sticky cookie NAME …', 'sticky route $VARIABLE …' or 'sticky learn …'",
        ),
        ({"ip_hash": True}, ".ip_hash: is not a key known here: the key 'balance' is for it"),
        ({"directives": "hash $x;"}, ".directives: has 'hash': the key 'balance' is for it"),
        ({"directives": ["a;", "server b:1;"]}, ".directives: has 'server': the key 'servers' is for it"),
        ({"directives": "a b"}, ".directives: has no ';' at its end: 'a b'"),
        ({"directives": {"a": 1}}, ".directives: must be a string or a list of strings, not a mapping"),
        ({"zone": "16k"}, ".zone: '16k' is too small for nginx: 32k is the least"),
        ({"zone": 64}, ".zone: must be a string, not an integer (64)"),
        ({"keepalive": True}, ".keepalive: must be an integer, not a boolean (True)"),
        (
            {"group": "nobody", "port": 1, "servers": []},
            ": the pool is empty: the group 'nobody' has no hosts",
        ),
        ({"group": "chat", "port": 1, "address": "x-y"}, ".address: 'x-y' is not the name of a host variable"),
    ],
)
def test_a_faulty_upstream_is_refused(keys: dict[str, t.Any], fault: str) -> None:
    assert faults_of([pool(**keys), pool()][: 1 if "name" not in keys else 2], [SITE]) == [
        f"websockets_upstreams[0]{fault}"
    ]


@pytest.mark.parametrize(
    ("keys", "fault"),
    [
        (
            {"server_name": ""},
            ".server_name: '' is not a server name: a host name, *.domain, .domain, name.*, ~regex or '_'",
        ),
        ({"server_name": []}, ".server_name: is empty: a site needs a name, '_' for none of its own"),
        ({"server_name": ["a", 1]}, ".server_name[1]: must be a string, not an integer (1)"),
        ({"server_name": ["a", "A"]}, ".server_name: 'a' is listed more than once"),
        ({"listen": 0}, ".listen: 0 is out of range: 1 to 65535"),
        ({"listen": True}, ".listen: must be an integer, not a boolean (True)"),
        ({"listen": None}, ".listen: must be a port or an address, not nothing (None)"),
        ({"listen": []}, ".listen: is empty: a site needs a port or an address"),
        ({"listen": "example.com"}, ".listen: 'example.com' is no address with a port: write it as example.com:PORT"),
        (
            {"listen": "80 defualt_server"},
            ".listen: 'defualt_server' is not a parameter known here (did you mean 'default_server'?)",
        ),
        ({"listen": [80, 80]}, ".listen: '80' is listed more than once"),
        ({"locations": []}, ".locations: is empty: a site needs at least one location"),
        ({"locations": {}}, ".locations: must be a list, not a mapping"),
        ({"locations": ["/"]}, ".locations[0]: must be a mapping, not a string ('/')"),
        ({"location": []}, ".location: is not a key known here (did you mean 'locations'?)"),
        ({"locations": [{"path": "/"}]}, ".locations[0]: needs one of the keys upstream, proxy_pass, root and return"),
        (
            {"locations": [location(upstream="ws-backnd")]},
            ".locations[0].upstream: 'ws-backnd' is not an upstream (did you mean 'ws-backend'?)",
        ),
        (
            {"locations": [location(websocket="yes")]},
            ".locations[0].websocket: must be true, false or required, not 'yes'",
        ),
        (
            {"locations": [location(proxy_read_timeout="1 hour")]},
            ".locations[0].proxy_read_timeout: '1 hour' is not a time as nginx writes it: 90, 90s, 30m, 1h30m, 500ms",
        ),
        (
            {"locations": [location(root="/a")]},
            ".locations[0]: has upstream and root: a location does one of them",
        ),
        (
            {"locations": [{"path": "/", "root": "/a", "websocket": True}]},
            ".locations[0].websocket: goes with upstream or proxy_pass, not with root",
        ),
        ({"locations": [location(upstream=None)]}, ".locations[0].upstream: must be a string, not nothing (None)"),
        (
            {"locations": [location(proxy_http_version=1.1)]},
            ".locations[0].proxy_http_version: is not a key known here: it is always 1.1, for WebSockets need it",
        ),
        (
            {"locations": [location(proxy_set_header={"A": "b"})]},
            ".locations[0].proxy_set_header: is not a key known here: the key 'headers' is for it",
        ),
        (
            {"locations": [location(directives="proxy_set_header A b;")]},
            ".locations[0].directives: has 'proxy_set_header': the key 'headers' is for it",
        ),
        (
            {"locations": [location(headers={"X": 1})]},
            ".locations[0].headers.X: must be a string, not an integer (1)",
        ),
        (
            {"locations": [location(headers={"X": "a\r\nY: b"})]},
            ".locations[0].headers.X: 'a\\r\\nY: b' has a control character",
        ),
        (
            {"locations": [location(headers={"X": "5$"})]},
            ".locations[0].headers.X: '5$' has a '$' that starts no variable, and nginx cannot write one as text",
        ),
        (
            {"locations": [location(headers={"X-A": "b", "x-a": "c"})]},
            ".locations[0].headers.x-a: is there already: the case of a header's name makes no difference",
        ),
        (
            {"locations": [location(headers={"connection": "upgrade"})]},
            ".locations[0].headers.connection: is not to be set: nginx frames the request, and passes on WebSockets"
            " alone",
        ),
        (
            {"locations": [location(headers=["X"])]},
            ".locations[0].headers: must be a mapping, not a list",
        ),
        (
            {"locations": [location(path="/api", strip_prefix=True)]},
            ".locations[0].strip_prefix: needs a path that ends with '/': '/api' would leave '//' at times",
        ),
        (
            {"locations": [location(path="~ ^/a", strip_prefix=True, probe=False)]},
            ".locations[0].strip_prefix: '~ ^/a' is not a prefix",
        ),
        (
            {"locations": [{"path": "/a/", "proxy_pass": "http://ws-backend", "strip_prefix": True}]},
            ".locations[0].strip_prefix: goes with upstream: with proxy_pass, write a path at the end of its URL",
        ),
        (
            {"locations": [{"path": "~ /a", "proxy_pass": "http://ws-backend/"}]},
            ".locations[0].proxy_pass: has a path, which nginx does not allow in a location with a regular expression",
        ),
        (
            {"locations": [{"path": "/a/", "proxy_pass": "http://ws-backend:80"}]},
            ".locations[0].proxy_pass: 'ws-backend' is an upstream, whose servers have ports: write none here",
        ),
        (
            {"locations": [{"path": "/a/", "proxy_pass": "http://$host"}]},
            ".locations[0].proxy_pass: 'http://$host' has a variable, which is not allowed here",
        ),
        (
            {"locations": [{"path": "/a/", "proxy_pass": "ws://a"}]},
            ".locations[0].proxy_pass: 'ws://a' is not a URL: write http://HOST:PORT, https://HOST or"
            " http://unix:/SOCKET",
        ),
        (
            {"locations": [location(proxy_buffer_size="64k", proxy_buffers="2 64k")]},
            ".locations[0].proxy_buffers: '2 64k' is too little: the buffers but one must hold twice the larger of"
            " proxy_buffer_size and one buffer, 131072 bytes",
        ),
        (
            {"locations": [location(proxy_buffering="yes")]},
            ".locations[0].proxy_buffering: 'yes' is not one of on, off",
        ),
        (
            {"locations": [{"path": "/", "return": 42}]},
            ".locations[0].return: 42 is not a status of 200 to 599, a status and a text, or a URL",
        ),
        ({"locations": [{"path": "/", "return": 301}]}, ".locations[0].return: 301 needs the address to redirect to"),
        ({"locations": [{"path": "/", "root": "www"}]}, ".locations[0].root: 'www' is not an absolute path"),
        (
            {"locations": [location(websocket=False, probe={"message": "hi"})]},
            ".locations[0].probe.message: goes with a location that passes WebSockets on",
        ),
        (
            {"locations": [location(probe={"headers": {"Authorization": 12345}})]},
            ".locations[0].probe.headers.Authorization: must be a string, not an integer",
        ),
        (
            {"locations": [location(probe={"headers": "Bearer x"})]},
            ".locations[0].probe.headers: must be a mapping, not a string",
        ),
        (
            {"locations": [location(probe={"headers": {"Origin": "x"}})]},
            ".locations[0].probe.headers.Origin: is not to be set: it is the handshake's own, or has a key",
        ),
        (
            {"locations": [location(probe={"path": "ws"})]},
            ".locations[0].probe.path: 'ws' is not a path, with a query or without: /ws/?room=1",
        ),
        (
            {"locations": [location(probe={"origin": "www.example.com"})]},
            ".locations[0].probe.origin: 'www.example.com' is not an origin as a browser sends it:"
            " https://www.example.com",
        ),
        ({"locations": [location(probe="no")]}, ".locations[0].probe: must be false or a mapping, not a string"),
        ({"listen": "80 http2"}, ".listen: http2 on 80 needs ssl beside it"),
        ({"http2": True}, ".http2: needs a listen with ssl"),
        ({"http2": "off", "listen": "443 ssl http2"}, ".http2: is off, and on in listen"),
        ({"listen": "80 backlog=many"}, ".listen: 'backlog=many' is not what nginx takes for backlog"),
        ({"listen": "80 ssl ssl"}, ".listen: 'ssl' is given more than once"),
        (
            {"listen": [80, "[::]:80 ipv6only=off"]},
            ".listen: with ipv6only=off [::]:80 takes 80 of websockets_sites[0].listen too",
        ),
        ({"access_log": True}, ".access_log: must be a string, not a boolean (True)"),
        (
            {"access_log": "ws.log"},
            ".access_log: 'ws.log' is not off, and does not start with an absolute path or syslog:server=",
        ),
        (
            {"access_log": "/ws.log $format"},
            ".access_log: '/ws.log $format' has a variable, which is allowed in if= alone",
        ),
        ({"directives": "listen 81;"}, ".directives: has 'listen': the key 'listen' is for it"),
        ({"directives": "} server {"}, ".directives: closes a brace that it did not open: '} server {'"),
        (
            {"locations": [location(path="/a"), location(path="^~ /a")]},
            ".locations[1].path: '^~ /a' is the path of websockets_sites[0].locations[0] already",
        ),
    ],
)
def test_a_faulty_site_is_refused(keys: dict[str, t.Any], fault: str) -> None:
    assert faults_of([POOL], [site(**keys)]) == [f"websockets_sites[0]{fault}"]


@pytest.mark.parametrize(
    "path",
    [
        "/a?b",
        "//a",
        "/a/../b",
        "/a/.",
        "/" + "a" * 4000,
        "ws",
        "/a\n",
        "",
        "= ",
    ],
)
def test_a_path_that_could_become_another_directive_is_refused(path: str) -> None:
    (fault,) = faults_of([POOL], [site(locations=[location(path=path)])])
    assert fault.startswith("websockets_sites[0].locations[0].path: ")


def test_a_host_without_an_address_or_a_port_is_named() -> None:
    pools = [{"name": "ws-backend", "group": "chat", "port": "lan_port", "address": "lan"}]
    at = "websockets_upstreams[0].group 'chat', host"
    assert faults_of(pools, [SITE]) == [
        f"{at} chat1: has no variable 'lan_port', which websockets_upstreams[0].port names",
        f"{at} chat10: has no variable 'lan_port', which websockets_upstreams[0].port names",
        f"{at} chat10: has no variable 'lan', which websockets_upstreams[0].address names",
        f"{at} chat2: has no variable 'lan_port', which websockets_upstreams[0].port names",
        f"{at} chat2: has no variable 'lan', which websockets_upstreams[0].address names",
    ]


def test_names_are_unique_among_upstreams_and_on_an_address() -> None:
    assert faults_of([POOL, pool(servers=["a:1"])], [SITE, site(server_name=["x", "WS.serverlab.ca"])]) == [
        "websockets_upstreams[1].name: 'ws-backend' is the name of websockets_upstreams[0] already",
        "websockets_sites[1]: 'WS.serverlab.ca' on 3000 is served by websockets_sites[0] already",
    ]


@pytest.mark.parametrize(
    ("one", "other"),
    [(80, "*:80"), ("80", "0.0.0.0:80"), ("[::1]:80", "[0:0::1]:80"), ("unix:/run/a", "unix:/run/a")],
)
def test_an_address_is_the_same_in_every_spelling(one: t.Any, other: t.Any) -> None:
    (fault,) = faults_of([POOL], [site(listen=one), site(listen=other)])
    assert fault.endswith("is served by websockets_sites[0] already")
    (fault,) = faults_of([POOL], [site(listen=[one, other])])
    assert fault.endswith("is listed more than once")


def test_upstreams_that_differ_by_case_alone_are_one_to_nginx() -> None:
    assert faults_of([POOL, pool(name="WS-Backend")], [SITE]) == [
        "websockets_upstreams[1].name: 'WS-Backend' is the name of websockets_upstreams[0] already"
    ]


def test_a_path_is_encoded_in_its_proof() -> None:
    model = sound([POOL], [site(locations=[location(path="/\u00fc/%")])])
    assert model["proofs"][0]["url"] == "ws://ws.serverlab.ca:3000/%C3%BC/%25"


@pytest.mark.parametrize("time", ["30m1h", "1h1h", "1M", "1y", "9" * 20, 10**30, "\u0661s", "", "h", -1, 1.5])
def test_a_time_that_nginx_would_not_take_is_refused(time: t.Any) -> None:
    (fault,) = faults_of([POOL], [site(locations=[location(proxy_read_timeout=time)])])
    assert fault.startswith("websockets_sites[0].locations[0].proxy_read_timeout: ")


def test_an_address_has_one_default_server() -> None:
    sites = [site(listen="80 default_server"), site(listen="80 default_server", server_name="other")]
    assert faults_of([POOL], sites) == [
        "websockets_sites[1].listen: websockets_sites[0] is the default server of 80 already"
    ]


def test_sites_share_a_socket_in_peace() -> None:
    def other(listen: t.Any) -> list[str]:
        return faults_of([POOL], [site(listen="80 backlog=9"), site(listen=listen, server_name="b.example")])

    sound([POOL], [site(listen="80 backlog=9"), site(listen=80, server_name="b.example")])
    place = "websockets_sites[1].listen"
    assert other("80 backlog=9") == [f"{place}: the options of 80 are given in websockets_sites[0].listen already"]
    assert other("*:80 ssl") == [f"{place}: *:80 has ssl, and no ssl in websockets_sites[0].listen"]


def test_a_name_is_taken_by_its_short_form_too() -> None:
    assert faults_of([POOL], [site(server_name=".a.example"), site(server_name=["b.example", "*.A.example"])]) == [
        "websockets_sites[1]: '*.A.example' on 3000 is served by websockets_sites[0] already"
    ]


def test_zones_have_one_pool_each() -> None:
    assert faults_of([pool(zone="other 64k"), pool(name="other")], [SITE]) == [
        "websockets_upstreams[1]: 'other' is the zone of websockets_upstreams[0] already"
    ]


def test_one_message_has_every_fault_even_where_they_pile_up() -> None:
    pools = [pool(balance="x", extra=1), pool(servers=[])]
    sites = [{"listen": 99999, "locations": [location(upstream="nowhere", websocket=1)]}, None]
    assert faults_of(pools, sites) == [
        "websockets_upstreams[0].extra: is not a key known here: what has no key goes into 'directives'",
        "websockets_upstreams[0].balance: 'x' is not one of round_robin, least_conn, ip_hash, random, hash, sticky,"
        " least_time",
        "websockets_sites[0]: needs the key 'server_name'",
        "websockets_sites[0].listen: 99999 is out of range: 1 to 65535",
        "websockets_sites[0].locations[0].websocket: must be true, false or required, not 1",
        "websockets_sites[1]: must be a mapping, not nothing (None)",
        "websockets_upstreams[1]: the pool is empty: give it servers, or a group with hosts and a port",
        "websockets_upstreams[1].name: 'ws-backend' is the name of websockets_upstreams[0] already",
        "websockets_sites[0].locations[0].upstream: 'nowhere' is not an upstream",
    ]


def test_a_slip_in_the_name_of_a_variable_is_no_default() -> None:
    faults = Faults()
    variables = {
        "websockets_upstreams": [POOL],
        "websockets_site": [SITE],
        "websockets_sites": [],
        "websockets_status_listen": "127.0.0.1:6455",
    }
    assert gateway_model(variables, INVENTORY, faults) is None
    assert faults.lines == ["websockets_site: is not a variable of the role (did you mean 'websockets_sites'?)"]


def test_the_plain_variables_are_checked_too() -> None:
    faults = Faults()
    variables = {
        "websockets_state": "presnt",
        "websockets_config_path": "00-websockets.conf",
        "websockets_probe_policy": "rolback",
        "websockets_capacity": 0,
        "websockets_worker_shutdown_timeout": "1 hour",
        "websockets_manage_nginx_conf": "no",
        "websockets_manage_service": 1,
    }
    assert gateway_model(variables, INVENTORY, faults) is None
    assert faults.lines == [
        "websockets_state: 'presnt' is not one of present, absent (did you mean 'present'?)",
        "websockets_config_path: '00-websockets.conf' is not an absolute path",
        "websockets_probe_policy: 'rolback' is not one of rollback, fail, warn, skip (did you mean 'rollback'?)",
        "websockets_capacity: 0 is out of range: 1 to 10000000",
        "websockets_worker_shutdown_timeout: '1 hour' is not a time as nginx writes it: 90, 90s, 30m, 1h30m, 500ms",
        "websockets_manage_nginx_conf: must be true or false, not a string ('no')",
        "websockets_manage_service: must be true or false, not an integer (1)",
    ]


def test_variables_of_the_wrong_type_are_refused() -> None:
    assert faults_of({}, "x") == [
        "websockets_upstreams: must be a list, not a mapping",
        "websockets_sites: must be a list, not a string ('x')",
    ]


@pytest.mark.parametrize("listen", ["127.0.0.1:6455", "[::1]:6455", "127.0.0.2:80"])
def test_the_status_is_told_on_the_loopback_interface(listen: str) -> None:
    model, faults = check([POOL], [SITE], listen)
    assert faults == []
    assert model is not None
    assert model["listening"][0] == {"address": listen, "at": "websockets_status_listen"}


@pytest.mark.parametrize(
    ("listen", "fault"),
    [
        (6455, "must be a string, not an integer (6455)"),
        ("6455", "'6455' is not an address of the loopback interface, such as 127.0.0.1:6455"),
        ("192.0.2.1:80", "'192.0.2.1:80' is not an address of the loopback interface, such as 127.0.0.1:6455"),
        ("localhost:80", "'localhost:80' is not an address of the loopback interface, such as 127.0.0.1:6455"),
        ("unix:/run/x", "'unix:/run/x' is not an address of the loopback interface, such as 127.0.0.1:6455"),
    ],
)
def test_the_status_is_told_nowhere_else(listen: t.Any, fault: str) -> None:
    assert check([POOL], [SITE], listen) == (None, [f"websockets_status_listen: {fault}"])


def test_no_site_has_the_port_of_the_status() -> None:
    assert faults_of([POOL], [site(listen=[80, 6455])]) == [
        "websockets_sites[0].listen: 6455 has the port of websockets_status_listen"
    ]


LONG = ".".join(["a" * 60] * 5)


@pytest.mark.parametrize(
    ("upstreams", "sites", "faults"),
    [
        pytest.param(
            [POOL],
            [site(server_name=LONG)],
            [f"websockets_sites[0].server_name: '{LONG[:56]}... is longer than the 253 characters of a host name"],
            id="a name that no host can have",
        ),
        pytest.param(
            [POOL],
            [site(locations={"probe": {"headers": {"Cookie": "secret"}}})],
            ["websockets_sites[0].locations: must be a list, not a mapping"],
            id="a secret in the wrong type",
        ),
        pytest.param(
            [POOL],
            [site(locations=[location(probe={"headers": {"Cookie: secret": "x"}})])],
            [
                "websockets_sites[0].locations[0].probe.headers: has a key that is no header's name:"
                " up to 46 letters, digits, '-' and '_'"
            ],
            id="a secret as a name",
        ),
        pytest.param(
            [POOL],
            [site(locations=[location(headers={"X-" + "a" * 45: "b"})])],
            [
                "websockets_sites[0].locations[0].headers: has a key that is no header's name:"
                " up to 46 letters, digits, '-' and '_'"
            ],
            id="a header that nginx has no bucket for",
        ),
        pytest.param(
            [POOL],
            [site(listen="443 ssl http2"), site(listen="443 ssl", server_name="b")],
            ["websockets_sites[1].listen: 443 has no http2, and http2 in websockets_sites[0]"],
            id="one address with and without HTTP/2",
        ),
        pytest.param(
            [POOL],
            [site(directives="proxy_set_header A b; proxy_read_timeout 5m;")],
            [
                "websockets_sites[0].directives: has 'proxy_set_header': the key 'headers' of a location is for it",
                "websockets_sites[0].directives: has 'proxy_read_timeout': the key 'proxy_read_timeout' of a location"
                " is for it",
            ],
            id="lines of a site that its locations would not inherit",
        ),
        pytest.param(
            [POOL],
            [site(locations=[{"path": "/", "return": "200 $5 or $10"}])],
            [
                "websockets_sites[0].locations[0].return: '200 $5 or $10' has a '$' that starts no variable, and nginx"
                " cannot write one as text"
            ],
            id="a price",
        ),
        pytest.param(
            [POOL],
            [site(locations=[{"path": "/", "return": "200 $5"}, location(path="/a", headers={"X": "${1}"})])],
            [
                "websockets_sites[0].locations[0].return: '$5' has a capture, and no regular expression to take it"
                " from",
                "websockets_sites[0].locations[1].headers.X: '${1}' has a capture, and no regular expression to take it"
                " from",
            ],
            id="captures of nothing",
        ),
        pytest.param(
            [POOL],
            [site(locations=[{"path": "/", "proxy_pass": "http://WS-Backend:80"}])],
            [
                "websockets_sites[0].locations[0].proxy_pass: 'WS-Backend' is an upstream, whose servers have ports:"
                " write none here"
            ],
            id="a pool in another case",
        ),
        pytest.param(
            [POOL],
            [site(locations=[location(proxy_buffers="8 1k"), location(path="/a", proxy_buffer_size=0)])],
            [
                "websockets_sites[0].locations[1].proxy_buffer_size: 0 is not a size as nginx writes it: 512, 4k, 1m",
                "websockets_sites[0].locations[0].proxy_buffers: '8 1k' is too little: the buffers but one must hold"
                " twice the larger of proxy_buffer_size and one buffer, 8192 bytes",
            ],
            id="buffers beside nginx's own",
        ),
        pytest.param(
            [
                pool(resolver="::1"),
                pool(name="b", resolver="127.0.0.1:0"),
                pool(name="c", resolver="a ipv4=off ipv6=off"),
            ],
            [SITE],
            [
                "websockets_upstreams[0].resolver: '::1' is neither a name server nor valid=TIME, ipv4=on|off or"
                " ipv6=on|off",
                "websockets_upstreams[1].resolver: '127.0.0.1:0' is neither a name server nor valid=TIME, ipv4=on|off"
                " or ipv6=on|off",
                "websockets_upstreams[2].resolver: has ipv4=off and ipv6=off: no address is left",
            ],
            id="name servers that are none",
        ),
        pytest.param(
            [
                pool(name=f"p{i}", balance=f"sticky {words}")
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
                "websockets_upstreams[0].group: 'nope' is not a group of the inventory",
                "websockets_upstreams[1]: the group 'nope' needs the key 'port'",
                "websockets_upstreams[1].group: 'nope' is not a group of the inventory",
            ],
            id="a group with two faults",
        ),
        pytest.param(
            [pool(servers=["bad", {"address": "worse", "backup": True}])],
            [SITE],
            [
                "websockets_upstreams[0].servers[0]: 'bad' is no address with a port: write it as bad:PORT",
                "websockets_upstreams[0].servers[1].address: 'worse' is no address with a port: write it as worse:PORT",
                "websockets_upstreams[0].servers[1].backup: does not go with balance: ip_hash",
            ],
            id="servers with faults of two kinds",
        ),
        pytest.param(
            [POOL],
            [site(listen=["80 foo", "443 http2", 81]), site(listen=[81, "x"])],
            [
                "websockets_sites[0].listen[0]: 'foo' is not a parameter known here: default_server, ssl, http2,"
                " backlog, bind, deferred, fastopen, ipv6only, rcvbuf, reuseport, sndbuf, so_keepalive are",
                "websockets_sites[1].listen[1]: 'x' is no address with a port: write it as x:PORT",
                "websockets_sites[1]: 'ws.serverlab.ca' on 81 is served by websockets_sites[0] already",
                "websockets_sites[0].listen: http2 on 443 needs ssl beside it",
            ],
            id="the sound ones of a list with a fault",
        ),
        pytest.param(
            [{**POOL, "nmae": "x", "name": 3}],
            [SITE],
            [
                "websockets_upstreams[0].nmae: is not a key known here (did you mean 'name'?)",
                "websockets_upstreams[0].name: must be a string, not an integer (3)",
            ],
            id="no false alarm about a pool whose name is unknown",
        ),
        pytest.param(
            [POOL],
            [site(access_log="/a.log combined banana=1")],
            [
                "websockets_sites[0].access_log: '/a.log combined banana=1' is not PATH, or PATH FORMAT with"
                " buffer=SIZE, gzip=LEVEL, flush=TIME and if=…"
            ],
            id="a log with an unknown word",
        ),
    ],
)
def test_faults_that_were_missed_once(upstreams: t.Any, sites: t.Any, faults: list[str]) -> None:
    assert faults_of(upstreams, sites) == faults


def test_what_was_refused_once_although_nginx_takes_it() -> None:
    sound([POOL], [site(server_name="~^\\d$"), site(server_name="~^\\D$")])
    sound([POOL], [site(listen=[80, "[::1]:80 ipv6only=off"])])
    busy = {"proxy_buffers": "2 16k", "directives": "proxy_busy_buffers_size 16k;"}
    sound([POOL], [site(locations=[location(**busy)])])
    sound([POOL], [site(locations=[location(path="~ ^/(a)", headers={"X": "$1"}, probe=False)])])


def test_http2_is_a_matter_of_the_whole_site() -> None:
    assert site_lines("1.22.1", listen=["443 ssl http2", "8443 ssl"])[:2] == [
        "listen 443 ssl http2;",
        "listen 8443 ssl http2;",
    ]


def test_a_gateways_own_parameters_as_a_server_are_checked() -> None:
    _model, faults = check([POOL], [SITE], websockets_server={"wieght": 3}, websockets_render_dir="")
    assert faults == [
        "websockets_render_dir: is empty: name a folder",
        "websockets_server.wieght: is not a key known here (did you mean 'weight'?)",
    ]


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
            {**POOL, "servers": ["a:1", {"address": "b:1", "weight": 1, "resolve": True}], "resolver": "10.0.0.1"},
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
                access_log=False,
                directives="a;",
                locations=[
                    location(path="~ /b", upstream="chat", headers={"A": "b"}, probe={"path": "/", "headers": {}}),
                    {"path": "/c/", "proxy_pass": "http://a:1/x", "websocket": False, "proxy_buffers": "8 4k"},
                    {"path": "/d", "return": "301 http://a/"},
                ],
            ),
        ]
    ),
)
@settings(deadline=None)
def test_whatever_the_variables_are_there_is_a_model_or_a_fault(upstreams: t.Any, sites: t.Any) -> None:
    model, faults = check(upstreams, sites)
    assert (model is None) == bool(faults)
    for fault in faults:
        assert fault.startswith(("websockets_upstreams", "websockets_sites"))
