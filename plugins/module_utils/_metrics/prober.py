# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service that probes the routes of the last deploy again and again, as a deploy and verify do.

It runs as nginx's user, without any rights beyond that. Headers with tokens are in its memory alone.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import itertools
import os
import random
import sys
import time
import typing as t
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

from ansible_collections.wsfleet.nginx.plugins.module_utils import _units
from ansible_collections.wsfleet.nginx.plugins.module_utils._metrics import exposition, record
from ansible_collections.wsfleet.nginx.plugins.module_utils._metrics import routes as figures
from ansible_collections.wsfleet.nginx.plugins.module_utils._metrics.exposition import Family, Sample
from ansible_collections.wsfleet.nginx.plugins.module_utils._metrics.record import (
    Configuration,
    Record,
    UpstreamServer,
)
from ansible_collections.wsfleet.nginx.plugins.module_utils._metrics.traffic import Traffic
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe import diagnosis
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.errors import Cause
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.routes import (
    Probe,
    Response,
    Result,
    probe_servers,
)
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import live_config

METRICS = "wsfleet.prom"
# What of the interval a turn has, which leaves time for an alarm, and what of the turn its probes begin in.
_OF_INTERVAL, _MOST_SECONDS = 0.8, 30.0
_OF_TURN = 1 / 3
# Those of routes that hang hold up no others.
_AT_ONCE = 256
_LATE = Response(None, "no result in time", cause=Cause.TIMEOUT)


class Prober:
    """The probes of a host's configurations."""

    def __init__(self, known: Record, interval: float, directory: Path) -> None:
        self._known, self._interval, self._directory = known, interval, directory
        self._pool = ThreadPoolExecutor(_AT_ONCE)
        logs = [Path(one.log) for one in known.configurations if one.log]
        probes = [probe for one in known.configurations for probe in one.probes]
        asking = {probe["site"] for probe in probes if probe.get("rule") == "certificate"}
        sites = {str(probe["site"]): probe["site"] in asking for probe in probes}
        self._traffic = Traffic(logs, directory, sites)
        # The routes that failed in the last turn.
        self._failed: set[str] = set()

    def turn(self) -> None:
        """Probe all once, and write the figures."""
        began, start = time.time(), time.monotonic()
        known = self._known.configurations
        routes = [(probe, one.passed) for one in known for probe in one.probes if _can_read(probe)]
        servers = [(server, _probe_for(server, one)) for one in known for server in one.servers]
        probed = [(server, probe) for server, probe in servers if probe and not server.state]
        addresses = [one.live_address for one in known]
        tasks: list[tuple[t.Callable[[], t.Any], t.Any]] = [
            *((functools.partial(live_config.fingerprint, address), None) for address in addresses),
            *((functools.partial(live_config.connections, address), None) for address in addresses[:1]),
            *((functools.partial(_route, *route), Result(route[0], _LATE, "", None)) for route in routes),
            *((functools.partial(_server, probe, server.address), _LATE) for server, probe in probed),
        ]
        found = iter(self._in_time(tasks, start))
        live = {one.path: next(found) in one.fingerprints for one in known}
        connections: int | None = next(found, None)
        results: list[Result] = [one for one in itertools.islice(found, len(routes)) if one]
        self._log(results)
        families = figures.families(
            figures.Found(
                results=results,
                servers=[
                    *((server, response) for (server, _probe), response in zip(probed, found)),
                    *((server, None) for server, _probe in servers if server.state),
                ],
                live=live,
                edited={one.path: _is_edited(one) for one in known},
                connections=connections,
            )
        )
        self._traffic.read()
        families += self._traffic.families()
        families += self._own(began, time.monotonic() - start, len(results))
        exposition.write(self._directory / METRICS, exposition.text(families))

    def _in_time(self, tasks: t.Sequence[tuple[t.Callable[[], t.Any], t.Any]], start: float) -> list[t.Any]:
        """What each task returns, or what is given with it if it does not in time. None for one that was not begun: it
        is not the route that fails if so many others hang.

        They begin one after the other, not all at once.
        """
        seconds = min(self._interval * _OF_INTERVAL, _MOST_SECONDS)
        begun: list[Future[t.Any]] = []
        for number, (task, _late) in enumerate(tasks):
            time.sleep(max(0.0, start + seconds * _OF_TURN * number / len(tasks) - time.monotonic()))
            begun.append(self._pool.submit(task))
        wait(begun, timeout=max(0.0, start + seconds - time.monotonic()))
        return [
            None if one.cancel() else one.result() if one.done() and not one.exception() else late
            for one, (_task, late) in zip(begun, tasks)
        ]

    def _log(self, results: t.Sequence[Result]) -> None:
        """What has changed since the last turn, in few words: others may read the journal."""
        failed = {one.route: one for one in results if one.failed}
        for route in sorted(failed.keys() ^ self._failed):
            sys.stdout.write(f"{route}: {_word(failed[route]) if route in failed else 'passes again'}\n")
        sys.stdout.flush()
        self._failed = set(failed)

    def _own(self, began: float, seconds: float, routes: int) -> list[Family]:
        known = self._known
        left_out = known.routes_left_out + sum(len(one.probes) for one in known.configurations) - routes
        return [
            Family(name, "gauge", about, [Sample(value)])
            for name, about, value in (
                ("wsfleet_routes_left_out", "Routes that the last turn did not probe.", left_out),
                (
                    "wsfleet_servers_left_out",
                    "Servers that are not probed, as they are too many.",
                    known.servers_left_out,
                ),
                ("wsfleet_probe_interval_seconds", "Seconds from one turn of probes to the next.", self._interval),
                ("wsfleet_probe_duration_seconds", "Seconds that the last turn took.", round(seconds, 3)),
                ("wsfleet_probe_timestamp_seconds", "When the last turn began.", round(began, 3)),
            )
        ]


def _route(probe: Probe, passed: t.Collection[str]) -> Result:
    (result,) = diagnosis.probe_routes([probe], passed)
    return result


def _server(probe: Probe, address: str) -> Response:
    (response,) = probe_servers([(probe, address)])
    return response


def _probe_for(server: UpstreamServer, configuration: Configuration) -> Probe | None:
    """The first one of a route to the upstream."""
    return next(
        (
            probe
            for probe in configuration.probes
            if (probe.get("backends") or {}).get("upstream") == server.upstream.lower() and not probe.get("rule")
        ),
        None,
    )


def _can_read(probe: Probe) -> bool:
    """A client certificate may be root's alone: then nobody else can tell whether nginx accepts it."""
    files = [probe.get(name) for name in ("ssl_certificate", "ssl_certificate_key")]
    return all(os.access(file, os.R_OK) for file in files if file)


def _is_edited(configuration: Configuration) -> bool | None:
    """None if nginx's user may not read the file, as one with headers."""
    try:
        content = Path(configuration.path).read_bytes()
    except PermissionError:
        return None
    except OSError:
        return True
    return hashlib.sha256(content).hexdigest() != configuration.digest


def _word(result: Result) -> str:
    """Why a probe fails, without a word of a backend, which may be secret."""
    status, cause = result.response.status, result.response.cause
    if status is not None:
        return f"fails, status {status}"
    return f"fails, {cause.value if cause else 'see the playbook wsfleet.nginx.verify'}"


def main(arguments: t.Sequence[str]) -> int:
    """The command of the program on the gateway."""
    parser = argparse.ArgumentParser(prog="probe")
    parser.add_argument("--interval", type=float, required=True)
    interval = parser.parse_args(arguments).interval
    known = record.loaded((Path(os.environ["CREDENTIALS_DIRECTORY"]) / record.NAME).read_text(encoding="utf-8"))
    prober = Prober(known, interval, Path(os.environ["RUNTIME_DIRECTORY"]))
    _units.notify_ready()
    # Not all gateways of a fleet at once.
    time.sleep(random.uniform(0, interval))
    while True:
        start = time.monotonic()
        prober.turn()
        time.sleep(max(0.0, start + interval - time.monotonic()))
