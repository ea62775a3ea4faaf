# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report of a look at all gateways, as report.json has it: docs/report.md says the same for its readers."""

from __future__ import annotations

import re
import typing as t

# All but the characters of https://www.w3.org/TR/xml/#charsets, which no file should hold.
_FORBIDDEN = re.compile(r"[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# A key that goes or changes its meaning counts it up.
VERSION = 1


class Answer(t.TypedDict):
    """What a route answered to one who asked."""

    status: int | None
    verified: str
    failure: str
    # Why it is served and yet not verified, and what to set.
    unverified: str
    hint: str
    milliseconds: float | None
    expires: str | None


class Route(t.TypedDict):
    """A route of a gateway."""

    at: str
    site: str
    path: str
    # The name of its upstream, or where it leads without one.
    upstream: str | None
    target: str
    # verified, failed, unverified where its backends take no such handshake and nobody said which they take, unknown
    # where the gateway could not be asked, or unprobed where its variables ask for no proof.
    state: str
    gateway: Answer | None
    # Nothing where the controller cannot ask.
    controller: Answer | None


class Gateway(t.TypedDict):
    """A gateway, what nginx tells of itself there, and its routes."""

    name: str
    # well, failed, or unreachable; the message says why it could not be asked.
    state: str
    message: str
    nginx_version: str | None
    openssl_version: str | None
    fingerprint: str | None
    # As the module gateway_probe_info returns it.
    file: str | None
    connections: int | None
    # Whether an operator took it out of its balancers.
    out: bool
    # Its number in the report's list.
    topology: int
    routes: list[Route]


class Seen(t.TypedDict):
    """What a gateway saw of a server."""

    gateway: str
    # As the module gateway_probe_info returns it.
    state: str
    status: int | None
    failure: str
    milliseconds: float | None


class Server(t.TypedDict):
    """A server of an upstream."""

    address: str
    # up, down, partly where gateways see different things, drained, off by the inventory, or unasked.
    state: str
    seen: list[Seen]


class Upstream(t.TypedDict):
    """An upstream, or the server that a route leads to without one."""

    name: str
    servers: list[Server]


class Link(t.TypedDict):
    """Where a path of a site leads: to an upstream, or what it does without one."""

    site: str
    path: str
    upstream: str | None
    target: str


class Topology(t.TypedDict):
    """Where the routes of some gateways lead, which have them alike."""

    gateways: list[str]
    routes: list[Link]
    upstreams: list[Upstream]


class Problem(t.TypedDict):
    """One thing that is wrong, with all that it concerns."""

    # error where a gateway does not serve all its routes, warning, or note.
    severity: str
    # unreachable, route, upstream, server, configuration, certificate, nginx, drained, or controller.
    kind: str
    title: str
    text: str
    # Lines of their own, such as one for each server.
    items: list[str]
    gateways: list[str]
    # Each as "SITE PATH".
    routes: list[str]


class Report(t.TypedDict):
    """All of it."""

    version: int
    time: str
    # well, warnings, or errors.
    state: str
    verdict: str
    counts: dict[str, int]
    problems: list[Problem]
    topologies: list[Topology]
    gateways: list[Gateway]


def some(names: t.Sequence[str], most: int = 3) -> str:
    """The first of the names, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")


def counted(number: int, word: str) -> str:
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


def clean(text: object) -> str:
    """The text without what neither XML nor UTF-8 can say: peers and inventories may tell anything."""
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", str(text))
