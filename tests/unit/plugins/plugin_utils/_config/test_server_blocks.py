# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directives of upstreams and servers."""

from __future__ import annotations

import re
import typing as t

import pytest
from modelling import SITE, UPSTREAM, check, location, refusing, secure, server_at, server_of, site, sound, upstream


@pytest.mark.parametrize(
    ("balance", "directives"), [("ip_hash", ["ip_hash;"]), ("least_conn", ["least_conn;"]), ("round_robin", [])]
)
def test_the_balance_method_stands_before_the_servers(balance: str, directives: list[str]) -> None:
    lines = sound([upstream(balance=balance, servers=["10.0.0.1:1"])], [SITE])["upstream_lines"][0]
    assert lines == ["zone ws-backend 64k;", *directives, "server 10.0.0.1:1;", "keepalive 32;"]


def test_least_conn_is_the_default() -> None:
    upstreams = [{"name": "ws-backend", "servers": ["a:1"]}]
    assert "least_conn;" in sound(upstreams, [SITE])["upstream_lines"][0]


def test_the_zone_grows_with_the_upstream() -> None:
    servers = [f"10.0.{number // 250}.{number % 250}:80" for number in range(1025)]
    sizes = {
        count: sound([upstream(servers=servers[:count])], [SITE])["upstream_lines"][0][0]
        for count in (32, 33, 1024, 1025)
    }
    # A server that is listed again takes its room too.
    again = [{"name": "ws-backend", "servers": servers[:count]} for count in (16, 17)]
    assert [sound([keys], [SITE])["upstream_lines"][0][0] for keys in again] == [
        "zone ws-backend 64k;",
        "zone ws-backend 128k;",
    ]
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
    keys = {"servers": servers, "balance": "least_conn"}
    assert f"server b:1{printed};" in sound([upstream(**keys)], [SITE])["upstream_lines"][0]


AGAIN = "# Used when all others have failed, so no client can take servers away from others by requests that fail."
ONE, TWO = "10.0.0.1:1", "10.0.0.2:1"


def servers_of(*servers: t.Any, balance: str = "least_conn") -> list[str]:
    """The lines of an upstream's servers."""
    lines = sound([upstream(servers=list(servers), balance=balance)], [SITE])["upstream_lines"][0]
    first = next(number for number, line in enumerate(lines) if line.startswith("server "))
    return lines[first : lines.index("keepalive 32;")]


@pytest.mark.parametrize("balance", ["least_conn", "round_robin", "sticky cookie a", "least_time header"])
def test_the_servers_that_nginx_turns_to_last_are_never_left_out(balance: str) -> None:
    """A client whose requests make servers fail would take them from all others for ten seconds."""
    assert servers_of("a:1", {"address": "b:1", "weight": 2}, balance=balance) == [
        "server a:1;",
        "server b:1 weight=2;",
        AGAIN,
        "server a:1 max_fails=0 backup;",
        "server b:1 weight=2 max_fails=0 backup;",
    ]


@pytest.mark.parametrize("balance", ["ip_hash", "hash $arg_a", "hash $uri consistent", "random", "random two"])
def test_a_method_without_backups_leaves_no_server_out(balance: str) -> None:
    assert servers_of("a:1", "b:1", balance=balance) == ["server a:1 max_fails=0;", "server b:1 max_fails=0;"]
    assert servers_of({"address": "a:1", "max_fails": 3}, "b:1", balance=balance)[0] == "server a:1 max_fails=3;"


@pytest.mark.parametrize(
    ("servers", "lines"),
    [
        # What the operator says of failures holds.
        (
            [{"address": ONE, "max_fails": 3}, TWO],
            [f"server {ONE} max_fails=3;", f"server {TWO};", AGAIN, f"server {TWO} max_fails=0 backup;"],
        ),
        (
            [{"address": ONE, "max_fails": 3}, {"address": TWO, "max_fails": 0}],
            [f"server {ONE} max_fails=3;", f"server {TWO} max_fails=0;"],
        ),
        # The operator's backups are the last ones themselves.
        (
            [ONE, {"address": TWO, "backup": True}],
            [f"server {ONE};", f"server {TWO} max_fails=0 backup;"],
        ),
        (
            [ONE, {"address": TWO, "backup": True, "max_fails": 2}],
            [f"server {ONE};", f"server {TWO} max_fails=2 backup;"],
        ),
        # Listed twice, a server would get twice as many.
        (
            [{"address": ONE, "max_conns": 9}, TWO],
            [f"server {ONE} max_conns=9;", f"server {TWO};"],
        ),
        # No request goes to one that is down, as a backup neither.
        (
            [{"address": ONE, "down": True}, TWO],
            [f"server {ONE} down;", f"server {TWO};", AGAIN, f"server {TWO} max_fails=0 backup;"],
        ),
        # nginx itself never leaves out the only one, and a name may stand for several.
        ([ONE], [f"server {ONE};"]),
        (["[2001:db8::1]:1"], ["server [2001:db8::1]:1;"]),
        (["a:1"], ["server a:1;", AGAIN, "server a:1 max_fails=0 backup;"]),
    ],
)
def test_who_is_listed_again_follows_from_what_the_servers_say(servers: list[t.Any], lines: list[str]) -> None:
    assert servers_of(*servers) == lines


def test_the_only_server_is_one_on_a_unix_socket() -> None:
    assert servers_of("unix:/run/a.sock") == ["server unix:/run/a.sock;"]


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
    lines = sound([upstream(balance=balance)], [SITE])["upstream_lines"][0]
    assert lines[1 : 1 + len(directives)] == directives
    assert lines[1 + len(directives)].startswith("server server01:3000")


def test_an_upstream_has_the_zone_and_the_connections_it_is_given() -> None:
    keys = {"zone": "shared 1m", "keepalive": 5, "directives": ["keepalive_time 1h;"]}
    lines = sound([upstream(**keys)], [SITE])["upstream_lines"][0]
    assert (lines[0], *lines[-2:]) == ("zone shared 1m;", "keepalive 5;", "keepalive_time 1h;")


def test_a_site_has_the_log_and_the_lines_it_is_given() -> None:
    keys = {"access_log": "/var/log/nginx/ws.log combined buffer=32k", "directives": "error_page 502 /down.html;"}
    lines = server_of(sound([UPSTREAM], [site(**keys)]))
    assert lines[2] == "access_log /var/log/nginx/ws.log combined buffer=32k;"
    assert lines[-1] == "error_page 502 /down.html;"
    assert server_of(sound([UPSTREAM], [site(access_log=False)]))[2] == "access_log off;"


FORMAT = [
    "log_format websockets escape=json",
    """    '$websocket_texts{"time":"$time_iso8601","id":"$request_id","client":"$remote_addr",'""",
    """    '"site":"$server_name","tls":"$ssl_protocol","method":"$request_method",'""",
    """    '"path":"$websocket_path","status":"$status","seconds":"$request_time",'""",
    """    '"bytes_to_client":"$bytes_sent","bytes_from_client":"$upstream_bytes_sent","upstream":"$upstream_addr",'""",
    """    '"upstream_status":"$upstream_status","handshake_seconds":"$upstream_header_time","""
    """"origin":"$websocket_origin",'""",
    """    '"user_agent":"$websocket_agent","limit_conn":"$limit_conn_status","limit_req":"$limit_req_status",'""",
    """    '"upgrade":"$websocket_upgrade","completion":"$request_completion"}';""",
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
    model = sound([UPSTREAM], sites)
    assert model["http"] == formats
    assert any("$websocket_texts" in line for lines in model["maps"] for line in lines) == bool(formats)
    assert f"access_log {of_refusing};" in refusing(model)


def test_the_log_has_no_secret_of_a_request() -> None:
    text = "".join(FORMAT)
    for variable in ("$request ", '$request"', "$args", "$query_string", "$request_uri", "$http_cookie", "$http_auth"):
        assert variable not in text


@pytest.mark.parametrize(
    ("uri", "origin", "agent", "logged"),
    [
        ("/a/b?token=x", "https://a.example", "curl/8.0", ("/a/b", "https://a.example", "curl/8.0")),
        # nginx writes what is not ASCII as it came, and JSON is UTF-8.
        ("/a%ff\xff?x", "https://\xe9.example", "a\x80b", ("/a%ff", "https://", "a")),
        ("/", "", "", ("/", "", "")),
        ("/a\x7f\tb", "a\x00b", "\x1b[0m", ("/a", "a", "")),
        ("*", "a b", "a?b", ("*", "a b", "a?b")),
    ],
)
def test_the_log_has_of_what_clients_say_the_ascii_at_its_beginning(
    uri: str, origin: str, agent: str, logged: tuple[str, str, str]
) -> None:
    (lines,) = (lines for lines in sound([UPSTREAM], [SITE])["maps"] if "$websocket_texts" in lines[1])
    assert lines[1] == r'map "$request_uri\n$http_origin\n$http_user_agent" $websocket_texts {'
    (row,) = (line for line in lines if line.startswith('    "~'))
    found = re.search(row.split('"')[1][1:].replace("(?<", "(?P<"), f"{uri}\n{origin}\n{agent}")
    assert found is not None
    assert found.groups() == logged
    assert row.endswith(' "";')


def test_the_refusing_server_waits_and_takes_as_much_as_any_site() -> None:
    """nginx goes by it until it knows the name."""
    sites = [
        site(server_name="a", client_header_timeout="1m"),
        site(server_name="b", client_header_timeout="90s", large_client_header_buffers="8 16k"),
        site(server_name="c", client_header_timeout=80, large_client_header_buffers="4 32k"),
        site(server_name="d"),
    ]
    model = sound([UPSTREAM], sites)
    expected = ["client_header_timeout 90s;", "large_client_header_buffers 8 32k;"]
    assert [line for line in refusing(model) if line in expected] == expected
    wanted = ("client_header_timeout", "large_client_header_buffers")
    lines = [[line for line in block["lines"] if line.startswith(wanted)] for block in model["sites"][1:]]
    assert lines == [
        ["client_header_timeout 1m;"],
        ["client_header_timeout 90s;", "large_client_header_buffers 8 16k;"],
        ["client_header_timeout 80;", "large_client_header_buffers 4 32k;"],
        ["client_header_timeout 10s;"],
    ]


@pytest.mark.parametrize(
    ("given", "needed"),
    [
        (["32 8k", "2 16k"], "32 16k"),
        # nginx's own default is that of a site that says nothing: 4 8k.
        (["2 16k", None], "4 16k"),
        (["8 4k", None], "8 8k"),
        (["2 1k", None], "4 8k"),
        (["2 1k"], "2 1k"),
        ([None, None], None),
    ],
)
def test_the_default_server_takes_the_largest_headers_of_all_sites(given: list[str | None], needed: str | None) -> None:
    """A request is read into its buffers until its name is known."""
    said: list[dict[str, t.Any]] = [{"large_client_header_buffers": value} if value else {} for value in given]
    sites = [site(server_name=f"s{number}", **keys) for number, keys in enumerate(said)]
    expected = [f"large_client_header_buffers {needed};"] if needed else []
    assert [line for line in refusing(sound([UPSTREAM], sites)) if line.startswith("large")] == expected
    # Where a site is the default server itself, no other refuses.
    sites[0]["listen"] = "3000 default_server"
    sites.append(site(server_name="elsewhere", listen=4000, large_client_header_buffers="64 64k"))
    model = sound([UPSTREAM], sites)
    found = [line for line in server_at(model, "websockets_sites[0]")["lines"] if line.startswith("large")]
    assert found == expected


def test_a_site_that_is_the_default_server_waits_as_long_as_the_others() -> None:
    sites = [site(client_header_timeout="1m"), site(server_name="_"), site(server_name="c", listen=4000)]
    model = sound([UPSTREAM], sites)
    timeouts = [line for block in model["sites"] for line in block["lines"] if line.startswith("client_header_timeout")]
    assert [timeouts[-2], timeouts[-1]] == ["client_header_timeout 1m;", "client_header_timeout 10s;"]


@pytest.mark.parametrize(("name", "default"), [("client_header_buffer_size", "2k"), ("request_pool_size", "768")])
def test_the_refusing_server_has_the_sizes_that_a_site_has_in_its_own_lines(name: str, default: str) -> None:
    """Until it knows the name nginx goes by that server, so they would be without effect on the site alone."""

    def size(*directives: str) -> str:
        sites = [site(server_name=f"s{number}", directives=given) for number, given in enumerate(directives)]
        (line,) = (line for line in refusing(sound([UPSTREAM], sites)) if line.startswith(f"{name} "))
        return line.removeprefix(f"{name} ").rstrip(";")

    assert size("") == default
    assert size(f"{name} 512;") == "512"
    assert size(f"add_header A b;\n{name}  '8k' ;", "", f"{name} 4k;") == "8k"
    # Who says nothing needs the default.
    assert size(f"{name} 512;", "") == default
    # What is none nginx itself refuses, and what is in a block of its own is another one's.
    assert size(f"{name} a b;") == size(f"location @a {{\n    {name} 8k;\n}}") == default


def test_every_server_holds_little_for_a_connection() -> None:
    """Its share of memory is measured: docs/data-path.md."""
    model = sound([UPSTREAM], [secure(redirect_http=True), site()])
    assert len(model["sites"]) == 4
    for block in model["sites"]:
        assert {"server_tokens off;", "client_header_buffer_size 2k;", "request_pool_size 768;"} <= set(block["lines"])
        assert ("ssl_buffer_size 4k;" in block["lines"]) == any(" ssl" in line for line in block["lines"])


def real_ip(**keys: t.Any) -> list[str]:
    return [line for line in server_of(sound([UPSTREAM], [site(**keys)])) if "real_ip" in line]


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
        return [line for line in sound([UPSTREAM], list(sites))["http"] if "_hash_" in line]

    many = [site(server_name=f"site{number}.example") for number in range(201)]
    assert hashes(*many) == ["server_names_hash_max_size 1024;"]
    assert hashes(*many[:200]) == []
    assert hashes(site(server_name=f"{'a' * 40}.{'b' * 6}")) == ["server_names_hash_bucket_size 128;"]
    assert hashes(site(server_name=f"{'a' * 40}.{'b' * 5}")) == []
    assert hashes(site(allowed_origins=["https://" + "a" * 39])) == ["map_hash_bucket_size 128;"]
    assert hashes(site(allowed_origins=["https://" + "a" * 38])) == []
    longest = [location(allowed_origins=["https://" + "a" * 292])]
    assert hashes(site(locations=longest)) == ["map_hash_bucket_size 512;"]
    # The map of the log's texts is one too.
    maps = [location(path=f"/{name}", allowed_origins=[f"https://{name}.example"]) for name in "abcdefghijkl"]
    assert hashes(site(locations=maps)) == ["variables_hash_bucket_size 128;"]
    assert hashes(site(locations=maps[:11])) == []


def test_the_refusing_server_has_the_largest_tls_buffer_of_its_address() -> None:
    sites = [secure(), secure(server_name="b", ssl_buffer_size="16k"), secure(server_name="c", ssl_buffer_size="1k")]
    assert "ssl_buffer_size 16k;" in refusing(sound([UPSTREAM], sites))


HTTP = {"websockets_directives": ["map $arg_a $b {\n    default 1;\n}\n", "geo $c { default 0; }"]}


def test_lines_of_the_http_block_are_in_the_model_and_change_its_digest() -> None:
    model = sound([UPSTREAM], [SITE], websockets_directives="geo $a {\n    default 0;\n}\n")
    assert model["directives"] == ["geo $a {", "    default 0;", "}"]
    assert model["digest"] != sound([UPSTREAM], [SITE])["digest"]
    given = ["map $arg_a $b {", "    default 1;", "}", "geo $c { default 0; }"]
    assert sound([UPSTREAM], [SITE], **HTTP)["directives"] == given


def test_sizes_of_hashes_that_the_operator_gives_are_written_once() -> None:
    sites = [site(server_name=[*(f"site{number}.example" for number in range(201)), "a" * 60])]
    sites[0]["allowed_origins"] = ["https://" + "a" * 60]
    sizes = ["server_names_hash_max_size", "server_names_hash_bucket_size", "map_hash_bucket_size"]

    def written(**keys: t.Any) -> list[str]:
        return [line.split()[0] for line in sound([UPSTREAM], sites, **keys)["http"] if "_hash_" in line]

    assert written() == sizes
    for size in sizes:
        assert written(websockets_directives=f"{size} 4096;") == [other for other in sizes if other != size]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("server {\n    listen 80;\n}", "'server' is not allowed here: use the variable websockets_sites"),
        ("upstream a {\n    server b;\n}", "'upstream' is not allowed here: use the variable websockets_upstreams"),
        ("map $a $b {", "has a '{' without its '}': 'map $a $b {'"),
        (7, "must be a string or a list of strings, not an integer (7)"),
    ],
)
def test_what_is_no_line_of_the_http_block_is_refused(line: t.Any, error: str) -> None:
    assert check([UPSTREAM], [SITE], websockets_directives=line)[1] == [f"websockets_directives: {error}"]
