# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two configurations under nginx, side by side: all differences, and what is said of them."""

from __future__ import annotations

import contextlib
import shutil
import typing as t
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.wsfleet.nginx.plugins.module_utils._compare import differences, upstreams
from ansible_collections.wsfleet.nginx.plugins.module_utils._compare.configuration import Configuration
from ansible_collections.wsfleet.nginx.plugins.module_utils._compare.corpus import drawn
from ansible_collections.wsfleet.nginx.plugins.module_utils._compare.designed import by_design
from ansible_collections.wsfleet.nginx.plugins.module_utils._compare.differences import Case
from ansible_collections.wsfleet.nginx.plugins.module_utils._compare.exchange import Answer, Request
from ansible_collections.wsfleet.nginx.plugins.module_utils._compare.own_requests import at_endpoint
from ansible_collections.wsfleet.nginx.plugins.module_utils._compare.side import CompareError, Side, program
from ansible_collections.wsfleet.nginx.plugins.module_utils._compare.timeouts import different_timeouts
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import binary


@dataclass(frozen=True)
class Difference:
    request: str
    what: str
    before: str
    after: str
    # The purpose that it has, if it is one of this collection.
    by_design: str | None


@dataclass(frozen=True)
class Result:
    requests: int
    differences: t.Sequence[Difference]
    # What was not compared.
    notes: t.Sequence[str] = ()

    @property
    def same(self) -> bool:
        return all(one.by_design for one in self.differences)


def compare(before: Path, after: Path, more: t.Sequence[Request], executable: str | None, directory: Path) -> Result:
    """Ask both; the directory has to be empty, and is the caller's to remove."""
    nginx = program(executable)
    certificate = _certificate(directory)
    with contextlib.ExitStack() as stack:
        sides = []
        for name, path in (("before", before), ("after", after)):
            own = directory / name
            own.mkdir()
            side = Side(name, Path(path).resolve(), nginx, certificate, own)
            stack.callback(side.close)
            sides.append(side)
        for side in sides:
            side.read()
        # Both see the same files.
        roots = {root for side in sides for root in side.roots}
        for side in sides:
            side.start(roots)
        for side in sides:
            side.wait()
        first, second = (side.configuration for side in sides)
        endpoints = [*first.endpoints, *second.endpoints]
        requests = [*drawn(first, second), *(at_endpoint(one, endpoints) for one in more)]
        requests.sort(key=lambda request: request.fails)
        steady = [request for request in requests if not request.fails]
        answers = _asked(sides, steady)
        found = _found(steady, answers)
        doubtful = list(dict.fromkeys(case.request for case in found))
        # What differs is asked again: a limit, or a value that is new each time, is no difference.
        repeated = dict(zip(doubtful, _asked(sides, doubtful)))
        again = {(case.request, case.what): case for case in _found([*repeated], [*repeated.values()])}
        found = [case for case in found if _lasts(case, again.get((case.request, case.what)), repeated[case.request])]
        found += _different_upstreams((first, second), steady, answers)
        # After these a server may be left out, so that nothing else can be asked.
        failing = requests[len(steady) :]
        found += _found(failing, _asked(sides, failing))
        found += different_timeouts(first, second)
        is_ours = second.is_of_the_role
        told = [
            Difference(one.name, one.what, one.before, one.after, by_design(one) if is_ours else None) for one in found
        ]
        return Result(
            len(requests), told, [*not_compared(first, second), *(note for side in sides for note in side.notes)]
        )


def not_compared(before: Configuration, after: Configuration) -> list[str]:
    kinds = [kind for kind in ("stream", "mail") if before.top.all(kind) or after.top.all(kind)]
    return [f"not compared: what is in {kind}" for kind in kinds]


def _certificate(directory: Path) -> Path:
    path = directory / "certificate.pem"
    key = directory / "key.pem"
    if shutil.which("openssl") is None:
        raise CompareError("openssl is not installed")
    # Of RSA, as a list of ciphers may have none for another kind.
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=localhost"]
    result = binary.run([*command, "-keyout", str(key), "-out", str(path)])
    if result.returncode:
        raise CompareError(f"openssl cannot make a certificate: {result.stderr.strip()[-200:]}")
    path.write_text(path.read_text() + key.read_text())
    return path


def _asked(sides: t.Sequence[Side], requests: t.Sequence[Request]) -> list[tuple[Answer, Answer]]:
    for side in sides:
        side.ask(requests)
    before, after = (side.answers() for side in sides)
    return list(zip(before, after))


def _lasts(case: Case, again: Case | None, repeated: tuple[Answer, Answer]) -> bool:
    if again is None:
        # A response from nginx's cache says nothing of what a server receives.
        return all(one.received for one in case.answers) and not any(one.received for one in repeated)
    # Values such as a port of the client are others for each request, of either configuration.
    return not case.header or case.before == again.before or case.after == again.after


def _found(requests: t.Sequence[Request], answers: t.Sequence[tuple[Answer, Answer]]) -> list[Case]:
    return [case for request, pair in zip(requests, answers) for case in differences.cases(request, *pair)]


def _different_upstreams(
    both: t.Sequence[Configuration], requests: t.Sequence[Request], answers: t.Sequence[tuple[Answer, Answer]]
) -> t.Iterator[Case]:
    """Each once for a path."""
    groups = [upstreams.Groups(config) for config in both]
    observed = [_observed(requests, [pair[side] for pair in answers]) for side in (0, 1)]
    seen = set()
    for request, pair in zip(requests, answers):
        if len(pair[0].received) != len(pair[1].received):
            continue
        path = _path(request)
        for number in range(len(pair[0].received)):
            candidates = [
                of_side.with_server(answer.received[number].server, counts[path, number])
                for of_side, answer, counts in zip(groups, pair, observed)
            ]
            before, after = map(str, upstreams.pair(*candidates))
            if before != after and (path, before, after) not in seen:
                seen.add((path, before, after))
                yield Case(request, "upstream", before, after, pair)


_Path = t.Tuple[str, t.Optional[str], str]


def _path(request: Request) -> _Path:
    """What all requests for one location have in common."""
    return request.address, request.host, request.target.partition("?")[0]


def _observed(requests: t.Sequence[Request], answers: t.Sequence[Answer]) -> dict[tuple[_Path, int], Counter[str]]:
    """Which servers had how many requests for a path; the number counts those for one request of a client."""
    found: dict[tuple[_Path, int], Counter[str]] = defaultdict(Counter)
    for request, answer in zip(requests, answers):
        for number, received in enumerate(answer.received):
            found[_path(request), number][received.server] += 1
    return found
