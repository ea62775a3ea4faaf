# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the files of others have nginx serve on this host: its configuration and the includes, in nginx's order.

A file that cannot be read or parsed is not an error here; nginx reports it when it tests the candidate. Nothing runs
nginx: its present configuration may be the broken one that this deploy repairs.
"""

from __future__ import annotations

import bisect
import fnmatch
import functools
import glob
import ipaddress
import os
import re
import socket
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import nginx_conf

HASHES = (
    "map_hash_bucket_size",
    "map_hash_max_size",
    "server_names_hash_bucket_size",
    "server_names_hash_max_size",
    "variables_hash_bucket_size",
)
# Options of a socket, which nginx accepts once for each address: ngx_http_core_listen in src/http/.
_OPTIONS = frozenset(
    {
        *("accept_filter", "backlog", "bind", "deferred", "fastopen", "ipv6only", "multipath"),
        *("rcvbuf", "reuseport", "setfib", "sndbuf", "so_keepalive"),
    }
)
_SERVERS = frozenset({("http", "server"), ("stream", "server"), ("mail", "server")})
# Their content may be large, and is not directives.
_DATA = frozenset({"charset_map", "geo", "map", "split_clients", "types"})
_PASSES = frozenset({"fastcgi_pass", "grpc_pass", "memcached_pass", "proxy_pass", "scgi_pass", "uwsgi_pass"})
_BEFORE_MAPS = frozenset({"map_hash_bucket_size", "map_hash_max_size"})
_ZONES = frozenset({"limit_conn_zone", "limit_req_zone"})
# As for the candidate, a larger file is not configuration.
_LARGEST = 1024 * 1024
_ANY_NAME = frozenset({"", "_", "localhost"})


class Place(t.NamedTuple):
    """A directive in a file; order is that in which nginx reads all directives."""

    file: str
    line: int
    order: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class Listen(t.NamedTuple):
    at: Place
    # As addresses() returns them.
    addresses: t.Sequence[str]
    # default_server, ssl, backlog=511, …
    parameters: t.Sequence[str] = ()

    @property
    def is_default(self) -> bool:
        return bool({"default_server", "default"} & set(self.parameters))

    @property
    def options(self) -> list[str]:
        return [parameter for parameter in self.parameters if parameter.partition("=")[0] in _OPTIONS]


@dataclass
class Server:
    """A server of http, stream or mail."""

    at: Place
    kind: str
    listens: list[Listen] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    # By the directive that nginx had before 1.25.1.
    has_ssl: bool = False

    @property
    def is_catch_all(self) -> bool:
        """Whether it is only for requests that no other server has a name for, as that of a new installation."""
        return _ANY_NAME.issuperset(self.names)


class Include(t.NamedTuple):
    """An include of the http block: its pattern, the files that match, and the order in which they are read."""

    pattern: str
    files: t.Sequence[str]
    # Before each of these files, and after the last one.
    orders: t.Sequence[int]

    def order_of(self, path: Path) -> int | None:
        """When nginx reads this file, or would if it existed; None if the include does not match it."""
        directory, name = os.path.split(self.pattern)
        if not glob.has_magic(self.pattern):
            return self.orders[0] if self.pattern == str(path) else None
        is_hidden = path.name.startswith(".") and not name.startswith(".")
        if is_hidden or not (fnmatch.fnmatchcase(path.name, name) and fnmatch.fnmatchcase(str(path.parent), directory)):
            return None
        return self.orders[bisect.bisect_left([*map(os.fsencode, self.files)], os.fsencode(str(path)))]


class Neighbours:
    """The configuration of others. The gateway's own files are left out."""

    def __init__(self, configuration: Path, own: t.Collection[Path] = ()) -> None:
        self.root = configuration.parent
        self.servers: list[Server] = []
        self.includes: list[Include] = []
        self.upstreams: dict[str, Place] = {}
        # Shared memory, and what requests are passed to by name, without a port.
        self.zones: dict[str, Place] = {}
        self.passes: dict[str, Place] = {}
        self.hashes: dict[str, tuple[int, Place]] = {}
        self.first_map: Place | None = None
        # Directives that nginx accepts before the first map only.
        self.before_maps: list[Place] = []
        self.files: set[str] = set()
        self._own = {os.path.realpath(path) for path in own}
        self._open: list[str] = []
        self._order = 0
        self._read(str(configuration), ())
        for server in self.servers:
            if not server.listens:
                # https://nginx.org/en/docs/http/ngx_http_core_module.html#listen, as root
                server.listens.append(Listen(server.at, addresses("80")))

    def order_of(self, path: Path) -> int | None:
        """When nginx reads this file; None if no include matches it."""
        found = [order for order in (include.order_of(path) for include in self.includes) if order is not None]
        return min(found, default=None)

    def place_after(self, order: int, name: str) -> Path | None:
        """A path for a file of this name, and if need be more of its first letter, that nginx reads after that."""
        for include in reversed(self.includes):
            directory, pattern = os.path.split(include.pattern)
            if glob.has_magic(directory) or self.root not in Path(directory, "file").parents:
                continue
            # As in *.vhost.
            suffix = pattern.rpartition("*")[2] or ".conf"
            for more in range(8):
                path = Path(directory, f"{name[0] * more}{name}{suffix}")
                found = include.order_of(path)
                if found is not None and found >= order and str(path) not in self.files:
                    return path
        return None

    def _read(self, file: str, outer: tuple[str, ...]) -> None:
        if file in self._open:
            # nginx itself would not end.
            return
        text = _text(file)
        self.files.add(file)
        self._open.append(file)
        starts = [0, *(found.end() for found in re.finditer("\n", text))]
        try:
            for directive in nginx_conf.parsed(text):
                self._order += 1
                place = Place(file, bisect.bisect_right(starts, directive.start), self._order)
                self._take((*outer, *directive.path), nginx_conf.arguments(text, directive), place)
        except nginx_conf.MainContextError:
            # What comes after it is not known; nginx rejects the file anyway.
            pass
        self._open.pop()

    def _take(self, path: tuple[str, ...], arguments: list[str], place: Place) -> None:
        name, block = path[-1], path[:-1]
        if path in _SERVERS:
            self.servers.append(Server(place, path[0]))
        elif path == ("http", "map"):
            self.first_map = self.first_map or place
        elif not arguments or _DATA.intersection(block):
            return
        elif name == "include":
            self._include(arguments[0], block)
        elif block in _SERVERS and self.servers:
            self._take_of_server(self.servers[-1], name, arguments, place)
        elif block == ("http",):
            self._take_of_http(name, arguments, place)
        elif path == ("http", "upstream", "zone"):
            self.zones.setdefault(arguments[0], place)
        elif name in _PASSES:
            host = arguments[0].rpartition("://")[2].partition("/")[0]
            self.passes.setdefault(host.lower(), place)

    def _take_of_http(self, name: str, arguments: list[str], place: Place) -> None:
        if name == "upstream":
            self.upstreams.setdefault(arguments[0].lower(), place)
        elif name in _ZONES:
            for argument in arguments:
                if argument.startswith("zone="):
                    self.zones.setdefault(argument[len("zone=") :].partition(":")[0], place)
        elif name in HASHES and arguments[0].isdigit():
            self.hashes.setdefault(name, (int(arguments[0]), place))
            if name in _BEFORE_MAPS and self.first_map is None:
                self.before_maps.append(place)

    def _take_of_server(self, server: Server, name: str, arguments: list[str], place: Place) -> None:
        if name == "server_name":
            server.names += arguments
        elif name == "ssl":
            server.has_ssl = arguments == ["on"]
        # What is for QUIC and datagrams has a socket of its own.
        elif name == "listen" and not {"quic", "udp"}.intersection(arguments):
            server.listens.append(Listen(place, addresses(arguments[0]), arguments[1:]))

    def _include(self, pattern: str, block: tuple[str, ...]) -> None:
        full = str(self.root / pattern)
        # As nginx, which calls glob() without a locale.
        files = sorted(glob.glob(full), key=os.fsencode) if glob.has_magic(full) else [full]  # noqa: PTH207
        orders = []
        for file in files:
            orders.append(self._order)
            if os.path.realpath(file) not in self._own:
                self._read(file, block)
        if block == ("http",):
            self.includes.append(Include(full, files, [*orders, self._order]))


@functools.lru_cache(maxsize=4096)
def addresses(listen: str) -> tuple[str, ...]:
    """The addresses that a value of listen stands for, in one spelling; none if its name does not resolve."""
    if listen.startswith("unix:"):
        return (listen,)
    host, port = listen, "80"
    if listen.isdigit():
        host, port = "", listen
    elif not listen.endswith("]") and ":" in listen:
        host, _colon, port = listen.rpartition(":")
    if host in ("", "*"):
        host = "0.0.0.0"
    try:
        return (_spelled(host.strip("[]"), port),)
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    return tuple(dict.fromkeys(_spelled(str(address[0]), port) for *_kind, address in found))


def _spelled(host: str, port: str) -> str:
    ip = ipaddress.ip_address(host)
    return f"[{ip}]:{port}" if ip.version == 6 else f"{ip}:{port}"


def _text(file: str) -> str:
    try:
        data = b"" if Path(file).stat().st_size > _LARGEST else Path(file).read_bytes()
    except OSError:
        data = b""
    return data.decode("utf-8", "surrogateescape")
