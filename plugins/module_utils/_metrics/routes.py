# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures of what the prober finds: routes, servers, certificates, and what nginx serves."""

from __future__ import annotations

import calendar
import typing as t

from ansible_collections.wsfleet.nginx.plugins.module_utils._metrics.exposition import Family, Sample
from ansible_collections.wsfleet.nginx.plugins.module_utils._metrics.record import UpstreamServer
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe import certificate
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.routes import Response, Result, is_down

_PHASES = {
    "connect": "Seconds to connect to nginx.",
    "tls": "Seconds of the TLS handshake.",
    "handshake": "Seconds from the request to the response's header.",
    "message": "Seconds from the message of probe.message to the response.",
}


class Found(t.NamedTuple):
    """What a turn has found."""

    results: t.Sequence[Result]
    # None for a server that was not probed, such as one that is drained or disabled.
    servers: t.Sequence[tuple[UpstreamServer, Response | None]]
    # By configuration: whether nginx serves it, and whether it is another than the last deploy's. None if not known.
    live: t.Mapping[str, bool]
    edited: t.Mapping[str, bool | None]
    # Of nginx's clients; None if nginx does not return it.
    connections: int | None


def families(found: Found) -> list[Family]:
    results = _worst([result for result in found.results if not result.is_elsewhere])
    return [
        *_of_routes([one for one in results if not one.probe.get("rule")]),
        _refusals([one for one in results if one.probe.get("rule")]),
        *_of_servers(found.servers),
        _certificates(results),
        _of_configurations("live", "Whether nginx serves the configuration of the last deploy.", found.live),
        _of_configurations("edited", "Whether its file is another one than the last deploy wrote.", found.edited),
        Family(
            "wsfleet_client_connections",
            "gauge",
            "Connections of clients that nginx has open.",
            [] if found.connections is None else [Sample(found.connections)],
        ),
    ]


def labels(result: Result) -> dict[str, str]:
    return {name: str(result.probe[name]) for name in ("site", "path", "rule") if result.probe.get(name)}


def _worst(results: t.Sequence[Result]) -> list[Result]:
    """One for the same labels, as a site may have several servers with its name: the first that fails, or the first."""
    found: dict[tuple[str, ...], Result] = {}
    for result in results:
        key = tuple(labels(result).values())
        if key not in found or (result.failed and not found[key].failed):
            found[key] = result
    return list(found.values())


def _of_routes(results: t.Sequence[Result]) -> t.Iterator[Family]:
    def of(value: t.Callable[[Result], float | None]) -> list[Sample]:
        found = ((result, value(result)) for result in results)
        return [Sample(number, labels(result)) for result, number in found if number is not None]

    up = of(lambda result: None if result.unverified else not result.failed)
    yield Family("wsfleet_route_up", "gauge", "Whether the route's probe passed; none where it is not verified.", up)
    status = of(lambda result: result.response.status)
    yield Family("wsfleet_route_status", "gauge", "The HTTP status of the response, 101 for a handshake.", status)
    for phase, about in _PHASES.items():
        seconds = [Sample(one.phases[phase], labels(one)) for one in results if phase in one.phases]
        yield Family(f"wsfleet_route_{phase}_seconds", "gauge", about, seconds)


def _refusals(results: t.Sequence[Result]) -> Family:
    upheld = [Sample(not result.failed, labels(result)) for result in results if not result.unverified]
    return Family("wsfleet_refusal_upheld", "gauge", "Whether nginx refuses what the rule forbids.", upheld)


def _of_servers(servers: t.Sequence[tuple[UpstreamServer, Response | None]]) -> t.Iterator[Family]:
    found = {(server.upstream, server.address): (server, response) for server, response in servers}
    up_in = {server.upstream for server, response in found.values() if response and response.state == "up"}
    up, seconds, drained = [], [], []
    for server, response in found.values():
        labelled = {"upstream": server.upstream, "server": server.address}
        if response:
            down = is_down(response.state, response.status, any_is_up=server.upstream in up_in)
            up.append(Sample(not down, labelled))
        if response and response.milliseconds is not None:
            seconds.append(Sample(round(response.milliseconds / 1000, 6), labelled))
        if server.state == "drained":
            drained.append(Sample(1, labelled))
    yield Family("wsfleet_server_up", "gauge", "Whether the server responds when it is probed directly.", up)
    about = "Seconds from the connection to the response's header."
    yield Family("wsfleet_server_handshake_seconds", "gauge", about, seconds)
    yield Family("wsfleet_server_drained", "gauge", "A server that is drained, and not probed.", drained)


def _certificates(results: t.Sequence[Result]) -> Family:
    """The earliest end of a site: another server with the name may have another certificate."""
    ends: dict[str, float] = {}
    for result in results:
        if result.certificate.expires:
            end = calendar.timegm(certificate.parse_time(result.certificate.expires).timetuple())
            ends[result.probe["site"]] = min(end, ends.get(result.probe["site"], end))
    return Family(
        "wsfleet_certificate_expiry_timestamp_seconds",
        "gauge",
        "When the certificate that nginx presents expires.",
        [Sample(end, {"site": site}) for site, end in ends.items()],
    )


def _of_configurations(name: str, about: str, found: t.Mapping[str, bool | None]) -> Family:
    samples = [Sample(value, {"configuration": path}) for path, value in found.items() if value is not None]
    return Family(f"wsfleet_configuration_{name}", "gauge", about, samples)
