# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two configurations under nginx, side by side: all differences, and what is said of them."""

from __future__ import annotations

import contextlib
import shutil
import typing as t
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
            side.start()
        first, second = (side.configuration for side in sides)
        endpoints = [*first.endpoints, *second.endpoints]
        requests = [*drawn(first, second), *(at_endpoint(one, endpoints) for one in more)]
        answers = _asked(sides, requests)
        found = _found(sides, requests, answers)
        doubtful = list(dict.fromkeys(case.request for case in found))
        # What differs is asked again: a limit, or a value that is new each time, is no difference.
        again = _found(sides, doubtful, _asked(sides, doubtful))
        lasting = {(case.request, case.what) for case in again}
        found = [case for case in found if (case.request, case.what) in lasting]
        found += different_timeouts(first, second)
        is_ours = second.is_of_the_role
        told = [
            Difference(one.name, one.what, one.before, one.after, by_design(one) if is_ours else None) for one in found
        ]
        return Result(len(requests), told, _not_compared(first, second))


def _not_compared(before: Configuration, after: Configuration) -> list[str]:
    kinds = [kind for kind in ("stream", "mail") if before.top.all(kind) or after.top.all(kind)]
    return [f"not compared: what is in {kind}" for kind in kinds]


def _certificate(directory: Path) -> Path:
    path = directory / "certificate.pem"
    key = directory / "key.pem"
    if shutil.which("openssl") is None:
        raise CompareError("openssl is not installed")
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "30",
        "-subj",
        "/CN=localhost",
    ]
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


def _found(
    sides: t.Sequence[Side], requests: t.Sequence[Request], answers: t.Sequence[tuple[Answer, Answer]]
) -> list[Case]:
    groups = [upstreams.Groups(side.configuration) for side in sides]
    found = []
    seen = set()
    for request, (before, after) in zip(requests, answers):
        found += differences.cases(request, before, after)
        if len(before.received) != len(after.received):
            continue
        for one, other in zip(before.received, after.received):
            pair = upstreams.pair(groups[0].with_server(one.server), groups[1].with_server(other.server))
            values = str(pair[0]), str(pair[1])
            if values[0] != values[1] and (request.host, values) not in seen:
                seen.add((request.host, values))
                found.append(Case(request, "upstream", *values, (before, after)))
    return found
