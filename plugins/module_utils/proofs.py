# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Proofs: each route is asked for what it has to answer, by a real handshake or a plain request."""

from __future__ import annotations

import time
import typing as t
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.wsfleet.nginx.plugins.module_utils.probe_request import Outcome, Request
from ansible_collections.wsfleet.nginx.plugins.module_utils.websocket import probe_http, probe_websocket

_PROOFS_AT_ONCE = 32
_SECONDS = 5.0
_PAUSE = 0.2
# nginx's own words for a backend that it could not reach, or that gave no answer.
_NO_BACKEND = {502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Time-out"}


def prove_all(proofs: t.Sequence[t.Mapping[str, t.Any]]) -> list[dict[str, t.Any]]:
    """Prove every route, side by side; the results are in the order of the proofs."""
    with ThreadPoolExecutor(max_workers=_PROOFS_AT_ONCE) as pool:
        return list(pool.map(_prove, proofs))


def _prove(proof: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    request = Request(
        url=proof["url"],
        connect_to=proof["connect_to"],
        headers={name: str(value) for name, value in (proof.get("headers") or {}).items()},
        origin=proof.get("origin"),
        subprotocols=proof.get("subprotocols") or (),
        timeout=_SECONDS,
        # The proof is one of the route; the name on the certificate may not lead here yet.
        validate_certs=False,
    )
    deadline = time.monotonic() + (proof.get("wait") or 0)
    outcome, proven, failure = _judged(request, proof)
    while failure and time.monotonic() < deadline:
        time.sleep(_PAUSE)
        outcome, proven, failure = _judged(request, proof)
    return {
        "site": proof["site"],
        "path": proof["path"],
        "status": outcome.status,
        "proven": "" if failure else proven,
        "failure": failure,
        "milliseconds": outcome.handshake_ms,
    }


_Verdict = t.Tuple[Outcome, str, str]


def _judged(request: Request, proof: t.Mapping[str, t.Any]) -> _Verdict:
    try:
        return _JUDGES[proof["websocket"]](request, proof)
    except ValueError as error:
        return Outcome(), "", str(error)


def _websocket(request: Request, proof: t.Mapping[str, t.Any]) -> _Verdict:
    message, expect = proof.get("send"), proof.get("expect")
    outcome = probe_websocket(request, message=message, expect=expect)
    exchanged = ", message" if message is not None or expect is not None else ""
    return outcome, f"handshake{exchanged}", outcome.failure or ""


def _websocket_only(request: Request, proof: t.Mapping[str, t.Any]) -> _Verdict:
    outcome, proven, _failure = _websocket(request, proof)
    plain = probe_http(request)
    failure = outcome.failure or plain.failure or ""
    if not failure and plain.status != 426:
        failure = f"a plain request was answered {plain.status} {plain.reason}, not 426 Upgrade Required"
    return outcome, f"{proven}, 426 to plain HTTP", failure


def _plain(request: Request, proof: t.Mapping[str, t.Any]) -> _Verdict:
    """The request asks for an upgrade too: to the backend it is plain HTTP all the same."""
    outcome = probe_http(request, upgrade=True)
    failure = outcome.failure or ""
    if outcome.status == 101:
        failure = "the upgrade was passed on, although websocket is false"
    elif not failure and proof.get("status") not in (None, outcome.status):
        failure = f"answered {outcome.status} {outcome.reason}, not {proof['status']}"
    elif proof.get("status") is None and outcome.status in _NO_BACKEND:
        failure = f"answered {outcome.status} {_NO_BACKEND[outcome.status]}: no server of the pool gave an answer"
    return outcome, "plain HTTP, upgrade not passed on", failure


_JUDGES: dict[bool | str, t.Callable[[Request, t.Mapping[str, t.Any]], _Verdict]] = {
    True: _websocket,
    "required": _websocket_only,
    False: _plain,
}
