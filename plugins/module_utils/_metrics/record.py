# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the prober knows of a host's configurations: a file that a deploy writes, and systemd hands to the service."""

from __future__ import annotations

import hashlib
import json
import re
import typing as t
from collections import Counter

from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction.journal import Deployed

NAME = "prober"
# Of the host, as each route has some ten series. What is to be refused counts by itself.
_MOST_ROUTES, _MOST_SERVERS = 500, 500
# systemd hands over 1 MiB at most (systemd.exec(5), LoadCredential).
_MOST_BYTES = 900_000
_FINGERPRINT = re.compile(rb"\b[0-9a-f]{64}\b")


class UpstreamServer(t.NamedTuple):
    """The state is drained, disabled, or empty."""

    upstream: str
    address: str
    state: str


class Configuration(t.NamedTuple):
    """One of the host, as its last deploy has left it."""

    # Its file, with the file's SHA-256.
    path: str
    digest: str
    live_address: str
    # One of them is what nginx returns there.
    fingerprints: t.Sequence[str]
    probes: t.Sequence[t.Mapping[str, t.Any]]
    # The routes that passed their probes.
    passed: t.Sequence[str]
    servers: t.Sequence[UpstreamServer]
    # Its access log in JSON, or nothing.
    log: str


class Record(t.NamedTuple):
    configurations: t.Sequence[Configuration]
    routes_left_out: int = 0
    servers_left_out: int = 0


def interval(wanted: t.Sequence[t.Mapping[str, t.Any]]) -> float:
    """The shortest that a configuration asks for; 0 if none does, as those of earlier releases."""
    return min((float(item["probe_interval"]) for item in wanted if item.get("probe_interval")), default=0)


def made(deployed: t.Iterable[Deployed]) -> Record:
    """Of those that are to be probed."""
    found = []
    routes: Counter[bool] = Counter()
    servers = routes_left_out = servers_left_out = size = 0
    for one in deployed:
        wanted = (one.wants or {}).get("drop_in") or {}
        if not wanted.get("probe_interval"):
            continue
        probes = []
        for probe in one.probes:
            size += len(json.dumps(probe))
            is_refusal = bool(probe.get("rule"))
            routes[is_refusal] += 1
            if routes[is_refusal] <= _MOST_ROUTES and size <= _MOST_BYTES:
                probes.append(probe)
        routes_left_out += len(one.probes) - len(probes)
        of_upstreams = [
            UpstreamServer(upstream["name"], server["address"], server["state"])
            for upstream in wanted.get("upstreams") or ()
            for server in upstream["servers"]
        ]
        kept = of_upstreams[: _MOST_SERVERS - servers]
        servers += len(kept)
        servers_left_out += len(of_upstreams) - len(kept)
        found.append(_configuration(one, probes, kept, wanted.get("log") or ""))
    return Record(found, routes_left_out, servers_left_out)


def _configuration(
    one: Deployed, probes: t.Sequence[t.Mapping[str, t.Any]], servers: t.Sequence[UpstreamServer], log: str
) -> Configuration:
    left = {path: content.data for path, content in one.left.items() if content}
    # Where nginx has to read it later, there is another file beside it that says so.
    path = max(left, key=lambda path: len(left[path]), default="")
    content = left.get(path, b"")
    return Configuration(
        path=path,
        digest=hashlib.sha256(content).hexdigest(),
        live_address=one.live_address,
        fingerprints=sorted({found.decode() for found in _FINGERPRINT.findall(content)}),
        probes=probes,
        passed=one.passed,
        servers=servers,
        log=log,
    )


def dumped(record: Record) -> bytes:
    plain = {**record._asdict(), "configurations": [one._asdict() for one in record.configurations]}
    return json.dumps(plain, separators=(",", ":")).encode()


def loaded(text: str) -> Record:
    plain = json.loads(text)
    configurations = [
        Configuration(**{**one, "servers": [UpstreamServer(*server) for server in one["servers"]]})
        for one in plain.pop("configurations")
    ]
    return Record(configurations, **plain)
