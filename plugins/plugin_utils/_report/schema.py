# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report of verify.yml, as report.json has it; docs/report.md documents it."""

from __future__ import annotations

import re
import typing as t

# All but the characters of https://www.w3.org/TR/xml/#charsets, which no file should hold.
SEVERITIES = ("error", "warning", "note")
_FORBIDDEN = re.compile(r"[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Raised with each key that is removed or changes its meaning.
VERSION = 4


class ProbeResult(t.TypedDict):
    """The result of a probe of a route."""

    status: int | None
    verified: str
    failure: str
    # Why it is served, but not verified, and what to set.
    unverified: str
    hint: str
    # Whether another host has the address of the site now, so that it was not probed.
    elsewhere: bool
    milliseconds: float | None
    expires: str | None
    valid_from: str | None


class Route(t.TypedDict):
    """A route of a gateway."""

    at: str
    site: str
    path: str
    # The name of its upstream; without one, target says where it leads.
    upstream: str | None
    target: str
    # verified, failed, unverified where its backends reject a handshake that the variables do not describe, unknown
    # where the gateway is unreachable, or not_probed with `probe: false`.
    state: str
    gateway: ProbeResult | None
    # None where the controller cannot probe it.
    controller: ProbeResult | None


class Refusal(t.TypedDict):
    """What nginx is to refuse by itself, with its result as the module gateway_probe_info returns it."""

    # The variable that makes the rule.
    at: str
    site: str
    path: str
    # origin, host, upgrade, certificate, or token.
    rule: str
    status: int | None
    verified: str
    failure: str
    unverified: str
    milliseconds: float | None


class Generation(t.TypedDict):
    """Workers that are shutting down since a reload, with their open sockets and their memory, if these can be seen."""

    workers: int
    since: str
    sockets: int | None
    bytes: int | None


class Memory(t.TypedDict):
    """In bytes: what is available to nginx, and what a full generation takes."""

    available: int
    needed: int


class Nginx(t.TypedDict):
    """The condition of the running nginx, as the module gateway_probe_info returns it."""

    master: int | None
    is_recorded: bool
    version: str | None
    is_replaced: bool
    replaced: list[str]
    package: str | None
    installed_package: str | None
    unguarded: list[str]
    earlier_master: int | None
    orphans: int
    generations: list[Generation]
    memory: Memory | None
    pacer: bool | None
    prober: bool | None
    shortfalls: list[str]
    is_enabled: bool | None


class CertificateFile(t.TypedDict):
    """The file of a site's certificate, with its state as the module gateway_probe_info returns it."""

    site: str
    path: str
    state: str | None


class DrainedServer(t.TypedDict):
    """A server that is drained on a gateway, and the name by which it was."""

    name: str
    address: str


class Gateway(t.TypedDict):
    """A gateway, what nginx reports there, and its routes."""

    name: str
    # ok, failed where a finding of it is an error, or unreachable; the message says why.
    state: str
    message: str
    # The installed version.
    nginx_version: str | None
    openssl_version: str | None
    fingerprint: str | None
    # The fingerprint of what its variables describe for this nginx; None where they do not suit it.
    expected: str | None
    # The errors of its variables for this nginx.
    errors: list[str]
    # As the module gateway_probe_info returns it, and so are all keys up to drained.
    file: str | None
    connections: int | None
    holder: str | None
    nginx: Nginx | None
    certificates: list[CertificateFile]
    unfinished: str | None
    deploying: bool
    # Whether an operator took it out of its load balancers, or a deploy did and has not brought it back.
    out_of_rotation: bool
    left_out: bool
    drained: list[DrainedServer]
    # Its index in the topologies of the report.
    topology: int
    routes: list[Route]
    # Empty for an unreachable gateway.
    refusals: list[Refusal]


class ServerProbe(t.TypedDict):
    """The result of a gateway's direct probe of a server."""

    gateway: str
    # As the module gateway_probe_info returns it.
    state: str
    status: int | None
    failure: str
    milliseconds: float | None


class Server(t.TypedDict):
    """A server of an upstream."""

    address: str
    # up, down, partial where the gateways have different results, drained, disabled in the inventory, or not_probed.
    state: str
    probes: list[ServerProbe]


class Upstream(t.TypedDict):
    """An upstream, or the server that a route leads to without one."""

    name: str
    servers: list[Server]


class Link(t.TypedDict):
    """Where a path of a site leads: to an upstream, or to a target without one."""

    site: str
    path: str
    upstream: str | None
    target: str


class Topology(t.TypedDict):
    """Where the routes lead, for all gateways where it is the same."""

    gateways: list[str]
    routes: list[Link]
    upstreams: list[Upstream]


class Finding(t.TypedDict):
    """One cause, with all gateways and routes that it concerns."""

    # error, warning, or note.
    severity: str
    # unreachable, route, refusal, upstream, server, configuration, deploy, certificate, nginx, or drained.
    kind: str
    title: str
    text: str
    # One line each, such as one for each server.
    details: list[str]
    gateways: list[str]
    # Each as "SITE PATH".
    routes: list[str]


class Report(t.TypedDict):
    """The whole report."""

    version: int
    time: str
    # The files, directories or lists of hosts that were given to the run.
    inventory: list[str]
    # Of wsfleet.nginx.
    collection_version: str
    # ok, warnings, or errors.
    state: str
    summary: str
    counts: dict[str, int]
    findings: list[Finding]
    topologies: list[Topology]
    gateways: list[Gateway]


def finding(severity: str, kind: str, title: str, text: str = "", **more: t.Iterable[str]) -> Finding:
    return Finding(
        severity=severity,
        kind=kind,
        title=title,
        text=text,
        details=list(more.get("details", ())),
        gateways=list(more.get("gateways", ())),
        routes=list(more.get("routes", ())),
    )


def abbreviated(names: t.Sequence[str], limit: int = 3) -> str:
    """The first of the names, and how many more there are."""
    return ", ".join(names[:limit]) + (f" and {len(names) - limit:,} more" if len(names) > limit else "")


def short(fingerprint: str | None) -> str:
    return (fingerprint or "")[:8]


def counted(number: int, word: str) -> str:
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


def provenance(report: Report) -> str:
    """From which inventory a report comes, and what has made it."""
    return f"inventory {', '.join(report['inventory'])}; wsfleet.nginx {report['collection_version']}"


def clean(text: object) -> str:
    """The text without what neither XML nor UTF-8 allows: text of peers and inventories may contain anything."""
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", str(text))
