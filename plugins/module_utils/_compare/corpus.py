# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is asked: requests drawn from both configurations."""

from __future__ import annotations

import ipaddress
import re
import typing as t
from dataclasses import dataclass, replace

from ansible_collections.wsfleet.nginx.plugins.module_utils._compare.configuration import (
    Configuration,
    Directive,
    Endpoint,
    Server,
)
from ansible_collections.wsfleet.nginx.plugins.module_utils._compare.exchange import RESPOND, Request
from ansible_collections.wsfleet.nginx.plugins.module_utils._compare.samples import sample

FOREIGN = "foreign.invalid"
FOREIGN_ORIGIN = "https://foreign.invalid"
# nginx's own values of client_max_body_size, and of the size of the first buffer of a header.
_BODY = 1024 * 1024
_FAILURES = ("missing", "broken", "long_header")
_LIMITS = ("limit_conn", "limit_req")
_MOST_TIMES = 200
_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(?::\d+)?", re.IGNORECASE)
_FORWARDED = (
    ("X-Forwarded-For", "203.0.113.9"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "other.example"),
    ("X-Forwarded-Port", "8443"),
    ("X-Real-IP", "203.0.113.9"),
    ("Forwarded", "for=203.0.113.9"),
)


@dataclass(frozen=True)
class Site:
    """A name at an endpoint, with what either configuration has there."""

    endpoint: Endpoint
    name: str
    servers: t.Sequence[Server]

    @property
    def host(self) -> str:
        """The Host header of a browser."""
        usual = self.endpoint.port in (0, 443 if self.endpoint.tls else 80)
        return self.name if usual else f"{self.name}:{self.endpoint.port}"

    @property
    def origin(self) -> str:
        return f"{'https' if self.endpoint.tls else 'http'}://{self.host}"

    def request(self, target: str, **more: t.Any) -> Request:
        given = {"host": self.host, **more}
        return Request(
            address=self.endpoint.address,
            target=target,
            tls=self.endpoint.tls,
            proxy_protocol=self.endpoint.proxy_protocol,
            **given,
        )


def drawn(before: Configuration, after: Configuration) -> list[Request]:
    """The requests, each once; the more telling ones first."""
    both = (before, after)
    endpoints = list(dict.fromkeys(endpoint for one in both for endpoint in one.endpoints))
    found: list[Request] = []
    # What a server does is asked in full once, and at its other addresses and names whether it is the same.
    full: set[tuple[int, ...]] = set()
    for endpoint in endpoints:
        names = _names_at(both, endpoint)
        for name in names:
            servers = _servers_of(both, endpoint, name)
            site = Site(endpoint, name, servers)
            key = tuple(sorted(id(server) for server in servers))
            found += _of_site(site, both, is_full=key not in full)
            full.add(key)
        servers = [server for one in both for server in one.servers if _is_at(server, endpoint)]
        found += _foreign(endpoint, servers, names)
        if endpoint.tls:
            found += _tls(Site(endpoint, next(iter(names), FOREIGN), servers))
    return list(dict.fromkeys(found))


def _is_at(server: Server, endpoint: Endpoint) -> bool:
    return any(one.address == endpoint.address for one in server.endpoints)


def _names_at(both: t.Sequence[Configuration], endpoint: Endpoint) -> list[str]:
    found = []
    for one in both:
        for server in one.servers:
            if _is_at(server, endpoint):
                found += [text for name in server.names for text in samples_of_name(name)]
    return list(dict.fromkeys(found))


def samples_of_name(name: str) -> list[str]:
    """Hosts that a value of server_name stands for."""
    if name.startswith("~"):
        found = sample(name[1:], ignore_case=True)
        return [found] if found and re.fullmatch(r"[A-Za-z0-9._-]+", found) else []
    if name.startswith("."):
        return [name[1:], f"sub{name}"]
    name = re.sub(r"^\*\.", "sub.", re.sub(r"\.\*$", ".test", name))
    return [name.lower()] if re.fullmatch(r"[A-Za-z0-9._-]+", name) and name not in ("_", "-", "") else []


def _servers_of(both: t.Sequence[Configuration], endpoint: Endpoint, name: str) -> list[Server]:
    """The servers that have a name which stands for this host."""
    return [
        server
        for one in both
        for server in one.servers
        if _is_at(server, endpoint) and any(name in samples_of_name(own) for own in server.names)
    ]


def paths(locations: t.Iterable[Directive]) -> list[str]:
    """A path that each of these locations has."""
    found = []
    for location in locations:
        kind, path = ("", location.args[0]) if len(location.args) == 1 else (location.args[0], location.args[-1])
        # Without a space, as in "=/ws", too.
        for mark in ("=", "^~", "~*", "~"):
            if not kind and path.startswith(mark):
                kind, path = mark, path[len(mark) :]
                break
        text = sample(path, "/", kind == "~*") if kind in ("~", "~*") else path
        if text and text.startswith("/"):
            found.append(_quoted(text))
    return list(dict.fromkeys(found))


def _quoted(path: str) -> str:
    return "".join(
        char
        if "!" <= char <= "~" and char not in "?#%"
        else "".join(f"%{b:02X}" for b in char.encode("utf-8", "surrogateescape"))
        for char in path
    )


def around(path: str) -> list[str]:
    """A path, and those beside, below and above it."""
    bare = path.rstrip("/")
    found = [path, f"{bare}/", f"{bare}/below", f"{bare}/below/", f"{bare}/below.html", f"{path}?a=b&c=%20d"]
    if bare:
        found += [bare, f"{bare}-beside", bare.rpartition("/")[0] or "/"]
    return list(dict.fromkeys(found))


def _of_site(site: Site, both: t.Sequence[Configuration], is_full: bool) -> list[Request]:
    own = paths(location for server in site.servers for location in server.locations)
    first = own or ["/"]
    requests = [site.request(path) for path in first]
    requests += [site.request(path, websocket=True) for path in first]
    if not is_full:
        return requests
    requests += [site.request(path) for base in first for path in around(base)]
    requests += [site.request(path) for path in ("/", "/none-has-this", "/?q=a+b%2Fc&d", *_unusual(first))]
    requests += [site.request(target, note="as rewritten") for target in _rewritten(site.servers)]
    for path in first:
        requests += _of_path(site, path, both)
    requests += _hosts(site, first[0])
    requests += _repeated(site, both, first)
    return requests


def _repeated(site: Site, both: t.Sequence[Configuration], found: t.Sequence[str]) -> list[Request]:
    """As one client that does not stop, where there are limits."""
    for_all = any(one.http.all(*_LIMITS) for one in both) or any(one.directive.all(*_LIMITS) for one in site.servers)
    limited = [one for server in site.servers for one in server.locations if next(one.walk(*_LIMITS), None)]
    times = _times(both)
    return [
        site.request(path, times=times, websocket=websocket, note=f"{times} at once by one client")
        for path in (found if for_all else paths(limited))
        for websocket in (False, True)
    ]


def _unusual(found: t.Sequence[str]) -> list[str]:
    """Other spellings of a path, which nginx normalizes or passes on."""
    path = max(found, key=len)
    bare = path.rstrip("/")
    return [
        f"/{path}",
        f"{bare}//below",
        f"{bare}/./below",
        f"{bare}/../below",
        f"{bare}/%7Ebelow%2Fa%20b",
        f"{bare}/..%2fbelow",
        f"{bare}/below;v=1",
        path.upper(),
        path[:1] + f"%{ord(path[1]):02X}" + path[2:] if len(path) > 1 and path[1] != "%" else "/%2F",
    ]


def _rewritten(servers: t.Iterable[Server]) -> list[str]:
    """Paths that rules for rewriting and conditions on the path match."""
    found = []
    for server in servers:
        for one in server.directive.walk("rewrite"):
            text = sample(one.args[0], "/") if one.args else None
            found += [_quoted(text)] if text else []
        for one in server.directive.walk("if"):
            words = [word.strip("()") for word in one.args]
            if (
                len(words) >= 3
                and words[0] in ("$uri", "$request_uri", "$document_uri")
                and words[1] in ("~", "~*", "=")
            ):
                text = words[2] if words[1] == "=" else sample(words[2], "/")
                found += [_quoted(text)] if text and text.startswith("/") else []
    return list(dict.fromkeys(found))


def _of_path(site: Site, path: str, both: t.Sequence[Configuration]) -> list[Request]:
    requests = [site.request(path, method=method) for method in ("HEAD", "DELETE", "OPTIONS", "PATCH")]
    requests += [
        site.request(path, method="POST", body="a small body", headers=(("Content-Type", "text/plain"),)),
        site.request(path, method="PUT", body="x" * 20000, note="a body of 20 kB"),
    ]
    for size in _sizes(both):
        requests.append(site.request(path, method="POST", announced=size, note=f"a body of {size} bytes"))
    requests += _headers(site, path)
    for respond in ("redirect", "redirect_to_server", "cookie", "fields", *_FAILURES):
        note, fails = f"the backend's response: {respond}", respond in _FAILURES
        requests.append(site.request(path, headers=((RESPOND, respond),), note=note, fails=fails))
    requests.append(
        site.request(
            path, headers=((RESPOND, "compressible"), ("Accept-Encoding", "gzip")), note="a response that gzip shrinks"
        )
    )
    requests += _handshakes(site, path, both)
    for client in _clients(site.servers, both):
        requests.append(site.request(path, client=client, note=f"the client {client}"))
        requests.append(site.request(path, client=client, headers=_FORWARDED, note=f"forwarded by {client}"))
        requests.append(site.request(path, client=client, websocket=True, note=f"the client {client}"))
    return requests


def _headers(site: Site, path: str) -> list[Request]:
    cases: list[tuple[str, tuple[tuple[str, str], ...]]] = [
        ("X-Forwarded-* given by the client", _FORWARDED),
        ("an unknown header", (("X-Own", "a value"), ("X_Underscore", "a"))),
        ("a cookie of 1.5 kB", (("Cookie", f"session={'c' * 1500}"),)),
        ("a header of 7 kB", (("X-Large", "l" * 7000),)),
        ("credentials", (("Authorization", "Basic dXNlcjpwYXNzd29yZA=="),)),
        (
            "upgrade to h2c",
            (("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABk")),
        ),
        ("Connection: keep-alive, TE", (("Connection", "keep-alive, TE"), ("TE", "trailers"))),
        ("Origin of the site", (("Origin", site.origin),)),
        ("foreign Origin", (("Origin", FOREIGN_ORIGIN),)),
        ("preflight", (("Origin", FOREIGN_ORIGIN), ("Access-Control-Request-Method", "PUT"))),
        ("Referer", (("Referer", f"{FOREIGN_ORIGIN}/page"), ("User-Agent", "Mozilla/5.0"))),
        ("Range", (("Range", "bytes=0-3"),)),
    ]
    return [
        site.request(path, headers=headers, method="OPTIONS" if note == "preflight" else "GET", note=note)
        for note, headers in cases
    ]


def _handshakes(site: Site, path: str, both: t.Sequence[Configuration]) -> list[Request]:
    cases: list[tuple[str, tuple[tuple[str, str], ...]]] = [
        ("Origin of the site", (("Origin", site.origin),)),
        ("foreign Origin", (("Origin", FOREIGN_ORIGIN),)),
        ("Origin null", (("Origin", "null"),)),
        *((f"Origin {origin}", (("Origin", origin),)) for origin in _origins(both)),
        ("subprotocol", (("Sec-WebSocket-Protocol", "chat, superchat"),)),
        ("extension", (("Sec-WebSocket-Extensions", "permessage-deflate"),)),
        ("X-Forwarded-* given by the client", _FORWARDED),
        ("a cookie of 1.5 kB", (("Cookie", f"session={'c' * 1500}"),)),
        ("Connection: keep-alive, Upgrade", (("Connection", "keep-alive, Upgrade"),)),
        ("Upgrade: WebSocket", (("Upgrade", "WebSocket"),)),
        ("Connection: upgrade", (("Connection", "upgrade"),)),
        ("the backend closes", ((RESPOND, "close"),)),
        ("the backend drops the connection", ((RESPOND, "drop"),)),
    ]
    requests = [site.request(path, websocket=True, headers=headers, note=note) for note, headers in cases]
    requests.append(site.request(f"{path}?token=a%2Fb", websocket=True))
    requests.append(site.request(f"{path.rstrip('/')}/below", websocket=True))
    broken: list[tuple[str, str, tuple[tuple[str, str], ...]]] = [
        ("GET", "without a key", (("Sec-WebSocket-Key", ""),)),
        ("GET", "of version 8", (("Sec-WebSocket-Version", "8"),)),
        ("GET", "without Connection: upgrade", (("Connection", "keep-alive"),)),
        ("POST", "by POST", ()),
    ]
    requests += [
        site.request(path, websocket=True, method=method, headers=headers, note=f"no handshake: {note}")
        for method, note, headers in broken
    ]
    return requests


def _origins(both: t.Sequence[Configuration]) -> list[str]:
    """Origins that the configurations name."""
    found: list[str] = []
    for one in both:
        for directive in one.http.all("map"):
            if any("http_origin" in word or "websocket" in word for word in directive.args[:1]):
                for entry in directive.block or []:
                    text = entry.name
                    if text.startswith("~"):
                        text = sample(text.lstrip("~*"), ignore_case=True) or ""
                    found += _ORIGIN.findall(text)[:1]
        for condition in one.http.walk("if"):
            words = [word.strip("()") for word in condition.args]
            if len(words) >= 3 and words[0] == "$http_origin":
                origin = sample(words[2], ignore_case=True) if "~" in words[1] else words[2]
                found += [origin] if origin and _ORIGIN.fullmatch(origin) else []
    return list(dict.fromkeys(found))[:20]


def size_of(value: str) -> int | None:
    found = re.fullmatch(r"(\d+)([kmg]?)", value.lower())
    return int(found.group(1)) * _UNITS[found.group(2)] if found else None


def _sizes(both: t.Sequence[Configuration]) -> list[int]:
    """Just at and above each limit for bodies."""
    limits = {_BODY}
    for one in both:
        limits |= {size for size in map(size_of, one.values("client_max_body_size")) if size}
    return [size + more for size in sorted(limits) for more in (0, 1)]


def _times(both: t.Sequence[Configuration]) -> int:
    """More requests than any limit lets through."""
    numbers = [
        int(text)
        for one in both
        for directive in one.http.walk(*_LIMITS)
        for text in re.findall(r"(?:burst=| )(\d+)", " ".join(directive.args)) or ["0"]
    ]
    return min(max(numbers, default=0) + 20, _MOST_TIMES)


def _clients(servers: t.Iterable[Server], both: t.Sequence[Configuration]) -> list[str]:
    """An address in each network that is named, as a client that is let in, or a load balancer."""
    names = ("allow", "deny", "set_real_ip_from")
    values = [one.args[0] for server in servers for one in server.directive.walk(*names) if one.args]
    for one in both:
        values += [outer.args[0] for outer in one.http.all(*names) if outer.args]
        values += [entry.name for geo in one.http.all("geo") for entry in geo.block or []]
    found = []
    for value in values:
        try:
            network = ipaddress.ip_network(value, strict=False)
        except ValueError:
            continue
        # Those of the host itself are not clients from elsewhere.
        if network.prefixlen and not network.is_loopback:
            found.append(str(network[min(1, network.num_addresses - 1)]))
    return list(dict.fromkeys(found))[:10]


def _hosts(site: Site, path: str) -> list[Request]:
    spelled = [site.name.upper(), f"{site.name}.", f"{site.name}:{site.endpoint.port or 80}", f"{site.name}:9999"]
    requests = [site.request(path, host=host, note="another spelling of the name") for host in spelled]
    if site.name != site.host:
        requests.append(site.request(path, host=site.name, note="without the port"))
    requests += [replace(one, websocket=True) for one in requests[:1]]
    return requests


def _foreign(endpoint: Endpoint, servers: t.Sequence[Server], names: t.Sequence[str]) -> list[Request]:
    found = paths(location for server in servers for location in server.locations)
    site = Site(endpoint, FOREIGN, servers)
    requests = []
    for host in (FOREIGN, "198.51.100.1", None):
        note = {None: "HTTP/1.0 without a Host", FOREIGN: "foreign Host"}.get(host, "an address as the Host")
        requests += [
            site.request(path, host=host, foreign=host not in names, note=note)
            for path in dict.fromkeys(["/", *found[:1]])
        ]
        if host:
            requests.append(
                site.request((found or ["/"])[0], host=host, websocket=True, foreign=host not in names, note=note)
            )
    requests.append(site.request("/", host="a b", foreign=True, note="a Host that is no name"))
    return requests


def _tls(site: Site) -> list[Request]:
    requests = [
        site.request("/", tls_version=version, note=f"with {version} alone")
        for version in ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
    ]
    requests.append(site.request("/", alpn="h2", note="HTTP/2 in the TLS handshake"))
    requests.append(site.request("/", certificate=False, note="without a client certificate"))
    requests.append(site.request("/", sni=FOREIGN, note="a foreign name in the TLS handshake"))
    requests.append(replace(site.request("/", note="plain HTTP to the port of TLS"), tls=False))
    return requests
