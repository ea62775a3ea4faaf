# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A configuration as nginx reads it: its directives with those of its includes, and what of it a comparison needs."""

from __future__ import annotations

import glob
import ipaddress
import os
import re
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import nginx_conf
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx.neighbours import addresses

PASSES = frozenset({"fastcgi_pass", "grpc_pass", "memcached_pass", "proxy_pass", "scgi_pass", "uwsgi_pass"})
# Those whose blocks are data: a name in them is no directive.
DATA = frozenset({"charset_map", "geo", "map", "split_clients", "types"})
_PORTS = {"https": "443", "grpcs": "443"}
_VARIABLE = re.compile(r"\$\{?(\w+)")
_SERVER = re.compile(r"(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9_.-]+)(?::\d{1,5})?")


@dataclass
class Directive:
    """A directive; block is what is between its braces, if it has them."""

    name: str
    args: list[str]
    block: list[Directive] | None = None

    def all(self, *names: str) -> list[Directive]:
        return [inner for inner in self.block or [] if inner.name in names]

    def first(self, name: str) -> Directive | None:
        return next(iter(self.all(name)), None)

    def walk(self, *names: str) -> t.Iterator[Directive]:
        """The directives with these names at any depth of its block; data is left out."""
        for inner in self.block or []:
            if inner.name in names:
                yield inner
            if inner.name not in DATA:
                yield from inner.walk(*names)

    def as_list(self) -> list[t.Any]:
        """What can be sent to another process as JSON."""
        inner = None if self.block is None else [one.as_list() for one in self.block]
        return [self.name, self.args, inner]


def from_list(data: t.Sequence[t.Any]) -> Directive:
    name, args, block = data
    return Directive(name, args, None if block is None else [from_list(one) for one in block])


def read(main: Path, missing: list[str] | None = None) -> Directive:
    """The configuration that begins with this file. What nginx would reject is left out: it says so itself.

    The files that are included by their name and are not there are added to missing.
    """
    top = Directive("", [], [])
    _read(str(main), main.parent, [top], [], [] if missing is None else missing)
    return top


def _read(file: str, root: Path, blocks: list[Directive], opened: list[str], missing: list[str]) -> None:
    if file in opened:
        # nginx itself would not end.
        return
    try:
        text = Path(file).read_bytes().decode("utf-8", "surrogateescape")
    except OSError:
        missing.append(file)
        return
    depth = len(blocks) - 1
    try:
        for found in nginx_conf.parsed(text):
            args = nginx_conf.arguments(text, found)
            del blocks[depth + len(found.path) :]
            directive = Directive(found.path[-1], args, [] if found.mark == "{" else None)
            if directive.name == "include" and args and found.mark == ";":
                for included in _matching(str(root / args[0])):
                    _read(included, root, list(blocks), [*opened, file], missing)
                continue
            around = blocks[-1].block
            if around is not None:
                around.append(directive)
            if found.mark == "{":
                blocks.append(directive)
    except nginx_conf.MainContextError:
        pass


def _matching(pattern: str) -> list[str]:
    # As nginx, which calls glob() without a locale.
    return sorted(glob.glob(pattern), key=os.fsencode) if glob.has_magic(pattern) else [pattern]  # noqa: PTH207


class Endpoint(t.NamedTuple):
    """Where nginx accepts connections, and what it expects to come first."""

    # As in listen, with a port: 0.0.0.0:80, [::]:443, unix:/run/nginx.sock.
    address: str
    tls: bool = False
    proxy_protocol: bool = False

    @property
    def port(self) -> int:
        return 0 if self.address.startswith("unix:") else int(self.address.rpartition(":")[2])

    @property
    def is_wildcard(self) -> bool:
        return self.address.startswith(("0.0.0.0:", "[::]:"))


@dataclass
class Server:
    """A server of http."""

    names: list[str]
    endpoints: list[Endpoint]
    # Those that have both families, for nginx binds a wildcard of IPv6 to it alone by default.
    dual: list[Endpoint]
    is_default: bool
    directive: Directive

    @property
    def locations(self) -> list[Directive]:
        """Those with a path, the nested ones too."""
        return [one for one in self.directive.walk("location") if one.args and not one.args[0].startswith("@")]


class Configuration:
    """What is asked of a configuration."""

    def __init__(self, top: Directive) -> None:
        self.top = top
        self.http = Directive("http", [], [inner for http in top.all("http") for inner in http.block or []])
        self.servers = [_server(one) for one in self.http.all("server")]
        self.upstreams = {one.args[0]: one for one in self.http.all("upstream") if one.args}

    @property
    def endpoints(self) -> list[Endpoint]:
        # nginx has TLS and the PROXY protocol on an address for all of its servers, if one of them says so.
        found: dict[str, Endpoint] = {}
        for server in self.servers:
            for one in server.endpoints:
                earlier = found.get(one.address, one)
                found[one.address] = Endpoint(
                    one.address, one.tls or earlier.tls, one.proxy_protocol or earlier.proxy_protocol
                )
        return list(found.values())

    @property
    def is_of_the_role(self) -> bool:
        """Whether the role has rendered it."""
        return any(one.args[1:] == ["$websocket_upgrade"] for one in self.http.all("map"))

    def backends(self) -> list[str]:
        """The servers that requests are passed to, as HOST:PORT or unix:/PATH."""
        found = [
            backend_of(server.args[0])
            for upstream in self.upstreams.values()
            for server in upstream.all("server")
            if server.args
        ]
        return list(dict.fromkeys([*found, *self.direct_backends()]))

    def direct_backends(self) -> list[str]:
        """Those of them that are no servers of an upstream."""
        return [target for one in self.http.walk(*PASSES) if one.args for target in self._targets(one.args[0])]

    def _targets(self, value: str) -> list[str]:
        scheme, _separator, rest = value.rpartition("://")
        if rest.startswith("unix:"):
            return [backend_of(rest)]
        host = rest.partition("/")[0]
        variables = set(_VARIABLE.findall(host))
        if variables:
            return [target for text in self._values(variables) for target in self._targets(text)]
        if host in self.upstreams or not _SERVER.fullmatch(host):
            return []
        return [backend_of(host, _PORTS.get(scheme, "80"))]

    def _values(self, variables: set[str]) -> list[str]:
        """The texts that these variables can have, where the configuration has them as such."""
        found = [one.args[1] for one in self.http.walk("set") if len(one.args) == 2 and one.args[0][1:] in variables]
        for one in self.http.all("map", "split_clients", "geo"):
            if one.args and one.args[-1][1:] in variables:
                found += [entry.args[-1] for entry in one.block or [] if entry.args]
        return [text for text in found if "$" not in text]

    def values(self, *names: str) -> list[str]:
        """The first arguments of all directives with these names, in any block."""
        return list(dict.fromkeys(one.args[0] for one in self.top.walk(*names) if one.args))


def backend_of(value: str, port: str = "80") -> str:
    """An address of nginx with its port."""
    if value.startswith("unix:"):
        # Of proxy_pass, http://unix:/run/app.sock:/path.
        return "unix:" + re.sub("/+", "/", value[len("unix:") :].partition(":")[0])
    host, colon, given = value.rpartition(":")
    if not colon or value.endswith("]"):
        host, given = value, port
    return f"{host.lower()}:{given}"


def _server(directive: Directive) -> Server:
    names = [name for one in directive.all("server_name") for name in one.args]
    has_ssl = any(one.args == ["on"] for one in directive.all("ssl"))
    # https://nginx.org/en/docs/http/ngx_http_core_module.html#listen, as root
    listens = [one.args for one in directive.all("listen") if one.args] or [["80"]]
    endpoints, dual, is_default = [], [], False
    for value, *parameters in listens:
        if {"quic", "udp"}.intersection(parameters):
            continue
        is_default = is_default or bool({"default_server", "default"}.intersection(parameters))
        for address in _all_addresses(value):
            endpoint = Endpoint(address, has_ssl or "ssl" in parameters, "proxy_protocol" in parameters)
            endpoints.append(endpoint)
            dual += [endpoint] if "ipv6only=off" in parameters else []
    return Server(names, endpoints, dual, is_default, directive)


def _all_addresses(value: str) -> list[str]:
    """The addresses of a value of listen, which may be a range of ports."""
    head, _colon, ports = value.rpartition(":")
    first, dash, last = ports.partition("-")
    if value.startswith("unix:") or not (dash and first.isdigit() and last.isdigit()):
        return list(addresses(value))
    prefix = f"{head}:" if head else ""
    return [one for port in range(int(first), int(last) + 1) for one in addresses(f"{prefix}{port}")]


def is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
