# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read of a configuration, and the requests that are drawn from two."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils._compare import configuration
from ansible_collections.wsfleet.nginx.plugins.module_utils._compare.configuration import Configuration, Endpoint
from ansible_collections.wsfleet.nginx.plugins.module_utils._compare.corpus import (
    around,
    drawn,
    paths,
    samples_of_name,
    size_of,
)
from ansible_collections.wsfleet.nginx.plugins.module_utils._compare.exchange import Request
from ansible_collections.wsfleet.nginx.plugins.module_utils._compare.timeouts import different_timeouts
from ansible_collections.wsfleet.nginx.plugins.module_utils._compare.upstreams import Group, Groups, pair

SITE = "server {{ listen {}; server_name {}; location {} {{ return 200; }} }}"


def read(directory: Path, text: str) -> Configuration:
    path = directory / "nginx.conf"
    path.write_text(f"events {{}} http {{ {text} }}")
    return Configuration(configuration.read(path))


def asked(directory: Path, text: str) -> list[Request]:
    config = read(directory, text)
    return drawn(config, config)


def test_includes_are_read_in_their_place_and_order(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    for name in ("b", "a"):
        (tmp_path / f"conf.d/{name}.conf").write_text(f"upstream {name} {{ server {name}:1; include more; }}")
    (tmp_path / "more").write_text("server more; include conf.d/*.conf;")
    config = read(tmp_path, "upstream first { server f; } include conf.d/*.conf; include none;")
    assert [*config.upstreams] == ["first", "a", "b"]
    assert config.backends() == ["f:80", "a:1", "more:80", "b:1"]


def test_what_nginx_cannot_parse_is_left_out(tmp_path: Path) -> None:
    assert [one.names for one in read(tmp_path, "server { server_name a; } server { 'b ").servers] == [["a"], []]
    path = tmp_path / "binary"
    path.write_bytes(b"\xff\xfe;{}")
    assert configuration.read(path).block is not None


@pytest.mark.parametrize(
    ("text", "backends"),
    [
        ("location / { proxy_pass http://app:3000/x; }", ["app:3000"]),
        ("location / { proxy_pass https://app; }", ["app:443"]),
        ("location / { proxy_pass http://[::1]:80; }", ["[::1]:80"]),
        ("location / { proxy_pass http://unix:/run/app.sock:/x; }", ["unix:/run/app.sock"]),
        ("location / { fastcgi_pass 127.0.0.1:9000; }", ["127.0.0.1:9000"]),
        ("location / { proxy_pass http://APP/$request_uri; }", ["app:80"]),
        ("location / { set $app http://app:1; proxy_pass $app; }", ["app:1"]),
        ("location / { proxy_pass http://$none; }", []),
        ("location / { if ($arg_a) { proxy_pass http://app; } }", ["app:80"]),
    ],
)
def test_the_servers_that_requests_are_passed_to(text: str, backends: list[str], tmp_path: Path) -> None:
    assert read(tmp_path, f"server {{ {text} }}").backends() == backends


def test_those_of_a_map_are_known(tmp_path: Path) -> None:
    text = "map $host $app { default a:1; b b:2; c pool; } upstream pool { server p:3; }"
    config = read(tmp_path, f"{text} server {{ location / {{ proxy_pass http://$app; }} }}")
    assert sorted(config.backends()) == ["a:1", "b:2", "p:3"]


@pytest.mark.parametrize(
    ("listen", "endpoints"),
    [
        ("listen 80;", [Endpoint("0.0.0.0:80")]),
        ("", [Endpoint("0.0.0.0:80")]),
        ("listen [::]:443 ssl;", [Endpoint("[::]:443", tls=True)]),
        ("listen 443; ssl on;", [Endpoint("0.0.0.0:443", tls=True)]),
        ("listen 10.0.0.1;", [Endpoint("10.0.0.1:80")]),
        ("listen 81 proxy_protocol;", [Endpoint("0.0.0.0:81", proxy_protocol=True)]),
        ("listen unix:/run/a.sock;", [Endpoint("unix:/run/a.sock")]),
        ("listen 80-81;", [Endpoint("0.0.0.0:80"), Endpoint("0.0.0.0:81")]),
        ("listen 443 quic; listen 443 ssl;", [Endpoint("0.0.0.0:443", tls=True)]),
    ],
)
def test_where_nginx_listens(listen: str, endpoints: list[Endpoint], tmp_path: Path) -> None:
    assert read(tmp_path, f"server {{ {listen} }}").endpoints == endpoints


@pytest.mark.parametrize(
    ("name", "samples"),
    [
        ("a.example", ["a.example"]),
        ("*.a.example", ["sub.a.example"]),
        (".a.example", ["a.example", "sub.a.example"]),
        ("a.*", ["a.test"]),
        (r"~^(?<sub>[a-z]+)\.a\.example$", ["a.a.example"]),
        ("_", []),
        ("", []),
    ],
)
def test_hosts_of_a_name(name: str, samples: list[str]) -> None:
    assert samples_of_name(name) == samples


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("/a/", "/a/"),
        ("= /a", "/a"),
        ("=/a", "/a"),
        ("^~ /a/", "/a/"),
        ("~ ^/a/[0-9]$", "/a/0"),
        (r"~* \.PNG$", "/a.PNG"),
        ("/ä b", "/%C3%A4%20b"),
    ],
)
def test_each_location_has_a_path(location: str, path: str, tmp_path: Path) -> None:
    name = location.replace("/ä b", '"/ä b"')
    config = read(tmp_path, f"server {{ location {name} {{ return 200; }} location @named {{ return 200; }} }}")
    assert paths(config.servers[0].locations) == [path]


def test_the_paths_around_one() -> None:
    assert {"/a/b/", "/a/b", "/a", "/a/b/below", "/a/b-beside"} <= set(around("/a/b/"))
    assert all(path.startswith("/") for path in around("/"))


def test_a_site_is_asked_in_all_ways(tmp_path: Path) -> None:
    found = asked(tmp_path, SITE.format("8080", "a.example", "/ws/"))
    assert {one.method for one in found} >= {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"}
    hosts = {one.host for one in found}
    assert hosts >= {"a.example:8080", "a.example", "A.EXAMPLE", "a.example.", "foreign.invalid", None}
    assert all(one.foreign == (one.host in (None, "foreign.invalid", "198.51.100.1", "a b")) for one in found)
    origins = {one.header("Origin") for one in found if one.websocket}
    assert origins >= {None, "http://a.example:8080", "https://foreign.invalid", "null"}
    assert {one.announced for one in found} == {None, 1024**2, 1024**2 + 1}
    assert len(found) == len(set(found))


def test_what_only_one_configuration_has_is_asked_of_both(tmp_path: Path) -> None:
    one = read(tmp_path, SITE.format("8080", "a.example", "/a/"))
    other = read(tmp_path, SITE.format("8081", "b.example", "/b/"))
    found = {(request.address, request.host, request.target) for request in drawn(one, other)}
    assert {("0.0.0.0:8080", "a.example:8080", "/a/"), ("0.0.0.0:8081", "b.example:8081", "/b/")} <= found


def test_more_names_and_addresses_of_a_server_are_asked_in_short(tmp_path: Path) -> None:
    one = len(asked(tmp_path, SITE.format("8080", "a.example", "/")))
    assert len(asked(tmp_path, SITE.format("8080", "a.example b.example", "/"))) < one + 10


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("client_max_body_size 3m;", {"announced": 3 * 1024**2 + 1}),
        ("allow 10.1.0.0/16; deny all;", {"client": "10.1.0.1"}),
        ("set_real_ip_from 10.2.0.3;", {"client": "10.2.0.3"}),
        ("rewrite ^/old/(.*)$ /new/$1;", {"target": "/old/a"}),
        ("if ($request_uri ~ ^/gone$) { return 410; }", {"target": "/gone"}),
        ("limit_conn a 30;", {"times": 50}),
        (
            'if ($http_origin != "https://w.example") { return 403; }',
            {"websocket": True, "note": "Origin https://w.example"},
        ),
    ],
)
def test_what_a_configuration_says_is_asked_for(text: str, expected: dict[str, object], tmp_path: Path) -> None:
    found = asked(tmp_path, f"server {{ server_name a.example; {text} location / {{ return 200; }} }}")
    assert any(all(getattr(one, name) == value for name, value in expected.items()) for one in found)


def test_origins_of_a_map_are_asked_for(tmp_path: Path) -> None:
    origins = 'map $http_origin $ok { default 0; "https://a.example:8443" 1; ~^https://[a-z]+\\.b\\.example$ 1; }'
    found = {one.header("Origin") for one in asked(tmp_path, origins + SITE.format("80", "a.example", "/"))}
    assert {"https://a.example:8443", "https://a.b.example"} <= found


def test_a_size_of_nginx() -> None:
    assert [size_of(value) for value in ("0", "8k", "10M", "1g", "a")] == [0, 8192, 10 * 1024**2, 1024**3, None]


TIMES = "{} server {{ server_name {}; {} location /a {{ proxy_pass http://app; {} }} }}"


@pytest.mark.parametrize(
    ("before", "after", "values"),
    [
        (("", "a", "", ""), ("", "a", "", ""), None),
        (("", "a", "", ""), ("", "a", "", "proxy_read_timeout 60;"), None),
        (("", "a", "", "proxy_read_timeout 2m;"), ("proxy_read_timeout 1m60s;", "a", "", ""), None),
        (("", "a", "", ""), ("", "a", "proxy_read_timeout 1h;", ""), ("60s, nginx's own", "1h")),
        (("proxy_read_timeout 5;", "b a", "", ""), ("", "a b", "", "proxy_read_timeout 500ms;"), ("5", "500ms")),
        (("", "a", "", ""), ("", "b", "", "proxy_read_timeout 1h;"), None),
    ],
)
def test_timeouts_are_compared_as_they_take_effect(
    before: tuple[str, ...], after: tuple[str, ...], values: tuple[str, str] | None, tmp_path: Path
) -> None:
    pairs = different_timeouts(read(tmp_path, TIMES.format(*before)), read(tmp_path, TIMES.format(*after)))
    found = [(case.before, case.after) for case in pairs]
    assert found == ([values] if values else [])


UPSTREAMS = """
upstream one { server a:1; server b:1 weight=2; server c:1 backup; server d:1 down; }
upstream other { ip_hash; server a:1; server b:1; }
upstream again { server a:1; server a:1 backup max_fails=0; }
server { location / { proxy_pass http://one; } location /a { proxy_pass http://a:1; } }
"""


def test_a_server_is_of_its_upstreams(tmp_path: Path) -> None:
    groups = Groups(read(tmp_path, UPSTREAMS))
    texts = {group.name: str(group) for group in groups.with_server("a:1", {})}
    assert texts == {
        "one": "a:1, b:1 weight=2, c:1 backup by round_robin",
        "other": "a:1, b:1 by ip_hash",
        "again": "a:1",
        "a:1": "a:1",
    }
    assert [str(group) for group in groups.with_server("e:1", {})] == ["e:1"]


def test_enough_requests_tell_which_upstream_it_is(tmp_path: Path) -> None:
    groups = Groups(read(tmp_path, UPSTREAMS))
    assert [group.name for group in groups.with_server("a:1", {"a:1": 20, "b:1": 40})] == ["other"]
    assert [group.name for group in groups.with_server("a:1", {"a:1": 60})] == ["again", "a:1"]
    assert len(groups.with_server("a:1", {"a:1": 2})) == 4


def test_of_several_upstreams_the_two_most_alike_are_compared() -> None:
    one, two, hashed = (
        Group("one", {"a:1": {}, "b:1": {}}),
        Group("two", {"a:1": {}}),
        Group("one", {"a:1": {}, "b:1": {}}, "ip_hash"),
    )
    assert pair([one, two], [two]) == (two, two)
    assert pair([two, one], [hashed]) == (one, hashed)
