# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who may open WebSockets, and how many: origins and limits of each location, and the maps and zones for them."""

from __future__ import annotations

import collections
import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.schema import Location, Site
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.values import Rate

# A state of limit_conn takes 64 bytes, and one more line of the processor's cache where zones are new.
# https://nginx.org/en/docs/http/ngx_http_limit_conn_module.html#limit_conn_zone
_BYTES_PER_CLIENT = 128
# 80,000 clients. The oldest make room for new ones, so that nobody is refused for want of memory.
_RATE_ZONE = "10m"

# Whoever has an IPv6 network has 2^64 addresses at least (RFC 6177 section 2), so a /64 is one client. An IPv4 address,
# which a dual-stack listen shows as ::ffff:a.b.c.d, is one by itself. nginx counts no request whose key is empty: only
# handshakes have one.
CLIENT = (
    "set $websocket_client $binary_remote_addr;",
    r'if ($binary_remote_addr ~ "(?s)^(?!\x00{10}\xff\xff)(.{8}).{8}$") { set $websocket_client $1; }',
    'if ($websocket_upgrade = "") { set $websocket_client ""; }',
)


class Admission(t.NamedTuple):
    """The lines of a location that count its clients, and the variable that is true for a handshake of a page that may
    not open WebSockets here; none where all may.
    """

    limits: tuple[str, ...]
    foreign: str


class Admissions(t.NamedTuple):
    """The maps and zones, and the admission of each location that passes WebSockets on, by its place."""

    blocks: list[list[str]]
    by_location: dict[str, Admission]


def admissions(sites: t.Sequence[Site], capacity: int, label: str) -> Admissions:
    """The label tells the names of one gateway from those of another on the same host."""
    shared = _Shared(label)
    by_location = {
        location["at"]: _admission(site, location, capacity, shared)
        for site in sites
        for location in site["locations"]
        if location["websocket"]
    }
    return Admissions(shared.blocks, by_location)


def given(site: Site, location: Location, key: str) -> tuple[t.Any, str]:
    """A location's own value of a key, or its site's, and the place of the one that says so."""
    block: t.Mapping[str, t.Any] = location if location.get(key) is not None else site
    return block.get(key), block["at"]


class _Shared:
    """What several locations share: the maps and zones, each made where it is needed first."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._names: dict[tuple[t.Hashable, ...], str] = {}
        self._numbers: collections.Counter[str] = collections.Counter()
        self.blocks: list[list[str]] = []

    def name(self, kind: str, *what: t.Hashable, lines: t.Callable[[str], list[str]]) -> str:
        key = (kind, *what)
        if key not in self._names:
            self._numbers[kind] += 1
            self._names[key] = f"websocket_{kind}{self._label}_{self._numbers[kind]}"
            self.blocks.append(lines(self._names[key]))
        return self._names[key]


def _admission(site: Site, location: Location, capacity: int, shared: _Shared) -> Admission:
    limits: list[str] = []
    most, at = given(site, location, "limit_conn_per_client")
    if most:
        zone = shared.name("conn", at, lines=lambda name: [_conn_zone(name, capacity)])
        limits += [f"limit_conn {zone} {most};", "limit_conn_status 429;"]
    rate, at = given(site, location, "limit_handshakes_per_client")
    if rate:
        zone = shared.name("rate", at, lines=lambda name: [_rate_zone(name, rate)])
        burst = f" burst={rate.burst} nodelay" if rate.burst else ""
        limits += [f"limit_req zone={zone}{burst};", "limit_req_status 429;"]
    if limits and given(site, location, "limit_dry_run")[0]:
        limits += [f"{directive}_dry_run on;" for directive in ("limit_conn", "limit_req")]
    origins, _at = given(site, location, "allowed_origins")
    if not origins or origins == ("*",):
        return Admission(tuple(limits), "")
    missing = given(site, location, "allow_missing_origin")[0] is not False
    name = shared.name("foreign", origins, missing, lines=lambda name: _map(name, origins, missing))
    return Admission(tuple(limits), f"${name}")


def _rate_zone(name: str, rate: Rate) -> str:
    return f"limit_req_zone $websocket_client zone={name}:{_RATE_ZONE} rate={rate.rate};"


def _conn_zone(name: str, capacity: int) -> str:
    """Room for as many clients as the gateway has room for sockets: in a full zone all new ones would be refused."""
    megabytes = max(1, -(-capacity * _BYTES_PER_CLIENT // 2**20))
    return f"limit_conn_zone $websocket_client zone={name}:{megabytes}m;"


def _map(name: str, origins: t.Sequence[str], missing: bool) -> list[str]:
    """Cross-site WebSocket hijacking: a page of any site can open a WebSocket, and the browser sends the cookies of its
    visitor along. The origin alone tells (RFC 6455 section 10.2).

    Exact strings, for a pattern without an end lets https://www.example.com.evil.example in.
    """
    allowed = [*(['""'] if missing else []), *origins]
    width = max(len("default"), *map(len, allowed))
    return [
        f"map $http_origin ${name} {{",
        f"    {'default':{width}} $websocket_upgrade;",
        *(f'    {origin:{width}} "";' for origin in allowed),
        "}",
    ]
