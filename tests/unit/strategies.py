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
# The OpenSSL beside each nginx in Debian 11, 12, 13 and sid.
OPENSSL: dict[Version, str] = {(1, 18, 0): "1.1.1w", (1, 22, 1): "3.0.17", (1, 26, 3): "3.5.4", (1, 30, 0): "3.6.0"}
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
# With a slash at their end or without.
prefixes = st.builds(lambda path, end: path.rstrip("/") + end, paths, st.sampled_from(["", "/"])).map(
    lambda path: path or "/"
)
expressions = st.sampled_from(
    ["^/rooms/[0-9]+$", "^/a{2,3}/\\d$", '"', "\\.(php|txt)$", "^/(?<name>[^/;#]+)/'x'$", "^/a b\\\\c$", "\\t\\n"]
)
hosts = st.integers(1, 250).map(lambda number: f"10.0.0.{number}") | st.integers(1, 9).map(lambda n: f"[2001:db8::{n}]")
addresses = st.builds("{}:{}".format, hosts, st.integers(1, 65535)) | st.just("unix:/run/backend.sock")

# What a site may say instead of the gateway, and what the http block may have.
INSTEAD = ["absolute_redirect on;\nclient_header_buffer_size 4k;", "proxy_buffers 8 8k;\nproxy_connect_timeout 9s;"]
OF_HTTP = [
    [],
    "map_hash_bucket_size 512;",
    "server_names_hash_bucket_size 128;",
    ["geo $own_office {\n    default 0;\n    10.0.0.0/8 '1';\n}", "map $http_x $own_map { '~^(a|;)' $1; }"],
]

# What must never be in a file, a model or a message.
SECRET = "SECRET"
PEM = {
    "ssl_certificate": f"-----BEGIN CERTIFICATE-----\n{SECRET}\n-----END CERTIFICATE-----\n",
    "ssl_certificate_key": f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----\n",
}
PATHS = {"ssl_certificate": "/etc/ssl/ws.pem", "ssl_certificate_key": "/etc/ssl/ws.key"}
ORIGINS = ["https://a.example", "http://b.example:8080", "null", "https://[::1]:8443"]
OPTIONS = ["backlog=64", "reuseport", "deferred", "so_keepalive=30m::10", "rcvbuf=8k", "fastopen=9", "bind"]
DOWN = "location @down {\n    return 503;\n}"


NOTHING: st.SearchStrategy[Variables] = st.just({})


def optional(**keys: st.SearchStrategy[t.Any]) -> st.SearchStrategy[Variables]:
    return st.fixed_dictionaries({}, optional=keys)


def merged(*parts: st.SearchStrategy[Variables]) -> st.SearchStrategy[Variables]:
    return st.tuples(*parts).map(lambda drawn: {key: value for part in drawn for key, value in part.items()})


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
    keys = draw(
        optional(
            balance=balances(nginx),
            zone=st.sampled_from(["64k", f"{name}_zone 128k", "1m"]),
            keepalive=st.sampled_from([0, 1, 32]),
            directives=st.sampled_from(["keepalive_requests 100;", ["keepalive_timeout 30s;", "# a comment }"]]),
        )
    )
    if nginx >= RESOLVE and draw(st.booleans()):
        servers.append({"address": "backend.invalid:80", "resolve": True})
        keys["resolver"] = draw(st.sampled_from(["127.0.0.53 valid=10s ipv6=off", "[::1]:53 10.0.0.1"]))
    if keys.get("balance", "least_conn").split()[0] not in ("ip_hash", "hash", "random") and draw(st.booleans()):
        servers.append({"address": "10.1.0.1:80", "backup": True})
    return {"name": name, "servers": servers, **keys}


limits = optional(
    allowed_origins=st.just("*") | st.lists(st.sampled_from(ORIGINS), min_size=1, unique=True),
    allow_missing_origin=st.booleans(),
    limit_conn_per_client=st.sampled_from([0, 1, 20]),
    limit_handshakes_per_client=st.sampled_from(["5r/s", "30r/m", "5r/s burst=0", "1r/s burst=20"]),
    limit_dry_run=st.booleans(),
)


def backends(upstreams: t.Sequence[str], path: str) -> st.SearchStrategy[Variables]:
    """Where a location passes requests on to: under another path only where nginx knows which part it replaces."""
    strips = NOTHING
    if path.endswith("/") and not path.startswith(("~", "= ")):
        strips |= st.just({"strip_prefix": True})
    to_upstream = merged(st.sampled_from(upstreams).map(lambda name: {"upstream": name}), strips)
    uris = st.sampled_from(["", "/", "/b/", "/b%20c/%C3%BC%25"]) if not path.startswith("~") else st.just("")
    plain = st.builds("http://{}{}".format, st.sampled_from(["10.0.0.1", "[::1]:81", "one"]), uris)
    unix = uris.map(lambda uri: f"http://unix:/run/a.sock{':' if uri else ''}{uri}")
    tls = optional(
        proxy_ssl_verify=on_off,
        proxy_ssl_trusted_certificate=st.just(PATHS["ssl_certificate"]),
        proxy_ssl_name=st.just("b.example"),
    )
    secure = merged(uris.map(lambda uri: {"proxy_pass": f"https://10.0.0.2{uri}"}), tls)
    # Looked up while nginx runs, so not when it starts.
    resolved = st.sampled_from(["http://backend.invalid", "https://backend.invalid:444"]).map(
        lambda url: {"proxy_pass": url, "resolver": "127.0.0.53 valid=10s"}
    )
    return to_upstream | (plain | unix).map(lambda url: {"proxy_pass": url}) | secure | resolved


headers = st.dictionaries(st.sampled_from(["X-One", "x-two", "Host", "x-real-ip"]), values, max_size=3)


def actions(upstreams: t.Sequence[str], path: str) -> st.SearchStrategy[Variables]:
    websocket = st.just({"websocket": False}) | merged(
        optional(websocket=st.sampled_from([True, "required"])), NOTHING | limits
    )
    options = optional(
        headers=headers,
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
        merged(backends(upstreams, path), websocket, options)
        | paths.filter(lambda path: path != "/").map(lambda path: {"root": path})
        | returned.map(lambda value: {"return": value})
    )


@st.composite
def location(draw: st.DrawFn, path: str, upstreams: t.Sequence[str]) -> Variables:
    keys = draw(
        optional(
            client_max_body_size=st.sampled_from([0, "10m", "1g"]),
            directives=st.sampled_from(
                ["add_header X-A 'b;}';", "if ($arg_x) {\n    set $x y;\n}", "error_page 502 /down;"]
            ),
        )
    )
    return {"path": path, **draw(actions(upstreams, path)), **keys}


class Port:
    """A port that sites may share: what all of them say of it, and what one of them has said already."""

    def __init__(self, number: int, *, ssl: bool, modern: bool, http2: bool, proxy_protocol: bool) -> None:
        self.number = number
        self.modern = modern
        self.http2 = ssl and http2
        self.flags = [*(["ssl"] if ssl else []), *(["proxy_protocol"] if proxy_protocol else [])]
        self.said: set[str] = set()


@st.composite
def listen(draw: st.DrawFn, port: Port, address: str) -> t.Any:
    """A listen. What only one site may say of an address, the first that draws it says."""
    options = st.lists(st.sampled_from(OPTIONS[:1] if "unix" in address else OPTIONS), max_size=3, unique=True)
    said: list[str] = []
    for what, choices in (("default", st.sampled_from([[], ["default_server"]])), ("options", options)):
        chosen = [] if f"{what} {address}" in port.said else draw(choices)
        port.said |= {f"{what} {address}"} if chosen else set()
        said += chosen
    parameters = [*said, *port.flags]
    return " ".join([address, *parameters]) if parameters or not address.isdigit() else int(address)


@st.composite
def listens(draw: st.DrawFn, port: Port) -> t.Any:
    number = port.number
    ipv6 = draw(st.sampled_from([f"[::]:{number}", f"[::1]:{number}"]))
    forms = [[str(number)], [ipv6, str(number)], [str(number), ipv6, f"unix:/tmp/{number}.sock"]]
    found = [draw(listen(port, address)) for address in draw(st.sampled_from(forms))]
    return found[0] if len(found) == 1 else found


def tls(port: Port) -> st.SearchStrategy[Variables]:
    """The keys of a site on a port with TLS."""
    if "ssl" not in port.flags:
        return NOTHING
    clients = optional(ssl_verify_client=st.sampled_from([True, "optional"])).map(
        lambda verify: {"ssl_client_certificate": PATHS["ssl_certificate"], **verify}
    )
    others = optional(
        hsts=st.sampled_from([True, False, "max-age=60; includeSubDomains"]),
        redirect_http=st.booleans(),
    )
    http2 = st.just({"http2": True} if port.http2 else {})
    policy = st.just({"ssl_policy": "modern"}) if port.modern else optional(ssl_policy=st.just("intermediate"))
    return merged(st.sampled_from([PATHS, PEM]), NOTHING | clients, others, http2, policy)


balancers = NOTHING | merged(
    st.sampled_from(["10.0.0.1", ["10.0.0.0/8", "2001:db8::/32", "unix:"]]).map(
        lambda given: {"set_real_ip_from": given}
    ),
    optional(real_ip_header=st.just("X-Real-IP")),
)


@st.composite
def site(draw: st.DrawFn, number: int, upstreams: t.Sequence[str], port: Port) -> Variables:
    modifiers = st.sampled_from(["", "= ", "^~ "])
    plain = st.tuples(modifiers, prefixes).map("".join)
    regular = st.tuples(st.sampled_from(["~ ", "~* "]), expressions).map("".join)
    chosen = draw(st.lists(plain | regular, min_size=1, max_size=4, unique_by=lambda text: text.split(" ", 1)[-1]))
    names = [f"s{number}.example", f"*.s{number}.example", f"~^(?<a>[a-z]{{1,3}})\\.s{number}\\.example$"]
    # One site alone can have the name of all others.
    any_name = [[*names, "_"]] if number == 1 else []
    # And one alone needs no certificate like that of another.
    ips = ["192.0.2.1", [names[0], "[2001:db8::1]"]] if number == 0 else []
    keys = draw(
        optional(
            access_log=st.sampled_from([False, "off", "/tmp/a.log", "/tmp/a.log combined if=$http_x"]),
            client_header_timeout=times,
            large_client_header_buffers=st.sampled_from(["4 8k", "8 16k"]),
            headers=headers,
            directives=st.sampled_from(
                [f"error_page 502 @down;\n{DOWN}", ["add_header X-S b;", *DOWN.split("\n\n")], *INSTEAD]
            ),
        )
    )
    named = draw(st.sampled_from([names[0], names, names[::2], *any_name, *ips]))
    secured = draw(tls(port))
    if named in ips:
        # Another site, which asks for none, may have to answer who names no site in the handshake.
        secured = {key: value for key, value in secured.items() if "client" not in key}
    return {
        "server_name": named,
        "listen": draw(listens(port)),
        "locations": [draw(location(path, upstreams)) for path in chosen],
        **keys,
        **draw(balancers),
        **draw(NOTHING | limits),
        **secured,
    }


@st.composite
def gateways(draw: st.DrawFn, nginx: Version = OLDEST) -> Variables:
    """All variables of a gateway."""
    upstreams = ["one", "two", "three"][: draw(st.integers(1, 3))]
    ports = [
        Port(number, **{flag: draw(st.booleans()) for flag in ("ssl", "modern", "http2", "proxy_protocol")})
        for number in (8000, 8001)
    ]
    return {
        "websockets_directives": draw(st.sampled_from(OF_HTTP)),
        "websockets_upstreams": [draw(upstream(name, nginx)) for name in upstreams],
        "websockets_sites": [
            draw(site(number, upstreams, draw(st.sampled_from(ports)))) for number in range(draw(st.integers(0, 3)))
        ],
        "websockets_nginx_version": ".".join(map(str, nginx)),
        "websockets_openssl_version": draw(st.sampled_from([None, OPENSSL.get(nginx)])),
        "websockets_status_listen": draw(st.sampled_from(["127.0.0.1:488", "[::1]:7000"])),
        "websockets_capacity": draw(st.sampled_from([1, 100_000])),
        "websockets_health_path": draw(st.sampled_from([None, "/healthz"])),
    }
