# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sound variables of every shape, for a given nginx. Backends are addresses, so that no name needs to be looked up."""

from __future__ import annotations

import typing as t

from hypothesis import strategies as st

Version = t.Tuple[int, ...]
Variables = t.Dict[str, t.Any]

OLDEST: Version = (1, 18, 0)
STICKY: Version = (1, 29, 6)
RESOLVE: Version = (1, 27, 3)
# What nginx itself reads in a text, and what else may come its way.
NASTY = ";{}\"'\\#$ \t\n()|^~*.tnr/%ü\u2028\U0001f600"

times = st.sampled_from([1, "90", "90s", "30m", "1h 30m", "1w"])
sizes = st.sampled_from(["16k", "32k", "64K", 16384])
on_off = st.sampled_from([True, False, "on", "off"])
texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=30) | st.text(
    NASTY.replace("\t", "").replace("\n", ""), max_size=12
)
# Without dollar signs, which have to start variables.
words = texts.map(lambda text: text.replace("$", ""))
values = st.lists(words | st.sampled_from(["$host", "${scheme}", "$http_x"]), max_size=3).map(" ".join)
segments = words.map(lambda text: text.replace("/", "").replace("?", "").replace(".", "x"))
paths = st.lists(segments.filter(bool), max_size=3).map(lambda parts: "/" + "/".join(parts))
expressions = st.sampled_from(
    ["^/rooms/[0-9]+$", "^/a{2,3}/\\d$", '"', "\\.(php|txt)$", "^/(?<name>[^/;#]+)/'x'$", "^/a b\\\\c$", "\\t\\n"]
)
hosts = st.integers(1, 250).map(lambda number: f"10.0.0.{number}") | st.integers(1, 9).map(lambda n: f"[2001:db8::{n}]")
addresses = st.builds("{}:{}".format, hosts, st.integers(1, 65535)) | st.just("unix:/run/backend.sock")


def optional(**keys: st.SearchStrategy[t.Any]) -> st.SearchStrategy[Variables]:
    return st.fixed_dictionaries({}, optional=keys)


@st.composite
def server(draw: st.DrawFn, address: str, nginx: Version) -> t.Any:
    parameters = draw(
        optional(
            weight=st.integers(1, 100),
            max_fails=st.integers(0, 9),
            fail_timeout=times,
            max_conns=st.integers(0, 9999),
            down=st.booleans(),
            **({"route": st.just("a1"), "drain": st.booleans()} if nginx >= STICKY else {}),
        )
    )
    return {"address": address, **parameters} if parameters else address


def balances(nginx: Version) -> st.SearchStrategy[str]:
    methods = ["round_robin", "least_conn", "ip_hash", "random", "random two", "random two least_conn"]
    methods += ["hash $arg_room consistent", 'hash "$host $uri"', "hash ${remote_addr}"]
    if nginx >= STICKY:
        methods += ["sticky cookie srv expires=1h path=/", "sticky route $arg_route"]
    return st.sampled_from(methods)


@st.composite
def upstream(draw: st.DrawFn, name: str, nginx: Version) -> Variables:
    servers = [
        draw(server(address, nginx))
        for address in draw(st.lists(addresses, min_size=1, max_size=4, unique_by=lambda text: text.split("]")[0]))
    ]
    pool = draw(
        optional(
            balance=balances(nginx),
            zone=st.sampled_from(["64k", f"{name}_zone 128k", "1m"]),
            keepalive=st.sampled_from([0, 1, 32]),
            directives=st.sampled_from(["keepalive_requests 100;", ["keepalive_timeout 30s;", "# a comment }"]]),
        )
    )
    if nginx >= RESOLVE and draw(st.booleans()):
        servers.append({"address": "backend.invalid:80", "resolve": True})
        pool["resolver"] = draw(st.sampled_from(["127.0.0.53 valid=10s ipv6=off", "[::1]:53 10.0.0.1"]))
    if pool.get("balance", "least_conn").split()[0] not in ("ip_hash", "hash", "random") and draw(st.booleans()):
        servers.append({"address": "10.1.0.1:80", "backup": True})
    return {"name": name, "servers": servers, **pool}


def actions(pools: t.Sequence[str]) -> st.SearchStrategy[Variables]:
    proxied = st.sampled_from(pools).map(lambda name: {"upstream": name}) | st.sampled_from(
        [
            {"proxy_pass": url}
            for url in ("http://10.0.0.1", "http://[::1]:81", "http://unix:/run/a.sock", "https://10.0.0.2")
        ]
    )
    options = optional(
        websocket=st.sampled_from([True, False, "required"]),
        headers=st.dictionaries(st.sampled_from(["X-One", "x-two", "Host", "x-real-ip"]), values, max_size=3),
        proxy_connect_timeout=times,
        proxy_send_timeout=times,
        proxy_read_timeout=times | st.just("500ms"),
        proxy_buffering=on_off,
        proxy_buffer_size=sizes,
        proxy_buffers=st.sampled_from(["8 32k", "4 64k", "32 16k"]),
        proxy_request_buffering=on_off,
    )
    returned = st.sampled_from([404, "301 https://$host$request_uri", "https://b.example/"]) | values.map(
        lambda text: '200 "{}"'.format(text.replace("\\", "\\\\").replace('"', '\\"'))
    )
    return (
        st.builds(lambda backend, keys: {**backend, **keys}, proxied, options)
        | paths.filter(lambda path: path != "/").map(lambda path: {"root": path})
        | returned.map(lambda value: {"return": value})
    )


@st.composite
def location(draw: st.DrawFn, path: str, pools: t.Sequence[str]) -> Variables:
    keys = draw(
        optional(
            client_max_body_size=st.sampled_from([0, "10m", "1g"]),
            directives=st.sampled_from(["add_header X-A 'b;}';", "if ($arg_x) {\n    set $x y;\n}"]),
        )
    )
    return {"path": path, **draw(actions(pools)), **keys}


def listens(port: int) -> st.SearchStrategy[t.Any]:
    options = st.lists(
        st.sampled_from(
            ["backlog=64", "reuseport", "deferred", "so_keepalive=30m::10", "rcvbuf=8k", "fastopen=9", "bind"]
        ),
        max_size=3,
        unique=True,
    )
    ipv4 = options.map(lambda given: " ".join([str(port), "default_server", *given]))
    ipv6 = st.sampled_from([f"[::]:{port}", f"[::]:{port} ipv6only=on", f"[::1]:{port}"])
    return st.just(port) | ipv4 | st.tuples(ipv4, ipv6, st.just(f"unix:/tmp/{port}.sock")).map(list)


@st.composite
def site(draw: st.DrawFn, number: int, pools: t.Sequence[str]) -> Variables:
    modifiers = st.sampled_from(["", "= ", "^~ "])
    plain = st.tuples(modifiers, paths).map("".join)
    regular = st.tuples(st.sampled_from(["~ ", "~* "]), expressions).map("".join)
    chosen = draw(st.lists(plain | regular, min_size=1, max_size=4, unique_by=lambda text: text.split(" ", 1)[-1]))
    names = [f"s{number}.example", f"*.s{number}.example", f"~^(?<a>[a-z]{{1,3}})\\.s{number}\\.example$"]
    keys = draw(
        optional(
            access_log=st.sampled_from([False, "off", "/tmp/a.log", "/tmp/a.log combined if=$http_x"]),
            directives=st.sampled_from(["error_page 502 @down;", ["location @down {", "    return 503;", "}"]]),
        )
    )
    return {
        "server_name": draw(st.sampled_from([names[0], names, names[::2]])),
        "listen": draw(listens(8000 + number)),
        "locations": [draw(location(path, pools)) for path in chosen],
        **keys,
    }


@st.composite
def gateways(draw: st.DrawFn, nginx: Version = OLDEST) -> Variables:
    """All variables of a gateway."""
    pools = ["one", "two", "three"][: draw(st.integers(1, 3))]
    return {
        "websockets_upstreams": [draw(upstream(name, nginx)) for name in pools],
        "websockets_sites": [draw(site(number, pools)) for number in range(draw(st.integers(0, 3)))],
        "websockets_nginx_version": ".".join(map(str, nginx)),
    }
