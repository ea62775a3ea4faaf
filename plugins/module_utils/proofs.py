# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Proofs: each route is asked for what it has to answer, by a real handshake or a plain request."""

from __future__ import annotations

import re
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from ansible_collections.wsfleet.nginx.plugins.module_utils.http_head import NO_CERTIFICATE
from ansible_collections.wsfleet.nginx.plugins.module_utils.probe_request import Outcome, Request
from ansible_collections.wsfleet.nginx.plugins.module_utils.websocket import probe_http, probe_websocket

# Where nothing answers, a thousand routes take 40 seconds.
_PROOFS_AT_ONCE = 128
_SECONDS = 5.0
_BACKEND_SECONDS = 3.0
_PAUSE = 0.2
# nginx's own words for a backend that it could not reach, or that gave no answer.
NO_BACKEND = {502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Time-out"}
# No site has the name, or its limits are reached: a backend was not asked.
NOT_ASKED = {421: "Misdirected Request", 429: "Too Many Requests"}
_LIMITED = 429
# nginx counts what it lets through by the second, or by the minute, which is too long to wait for.
_LIMITED_SECONDS = 5.0
_REFUSED = "refused the connection"
_PEER = re.compile(r"(?:^| (?:from|to|with) )(?:unix:\S+|(?:\[[^\]]+\]|[^\s:]+):\d+)(?: |$)")

Proof = t.Mapping[str, t.Any]


@dataclass(frozen=True)
class Answer:
    """What came back: the HTTP status, if there was one, and why it is no proof, or nothing where it is one."""

    status: int | None
    failure: str
    milliseconds: float | None = field(default=None, compare=False)

    @property
    def is_silence(self) -> bool:
        return self.failure.startswith("timed out")

    @property
    def state(self) -> str:
        """What became of a server that was asked directly, in one word."""
        if not self.failure:
            return "up"
        if self.status is not None:
            return "answered"
        if self.is_silence:
            return "silent"
        return "refused" if _REFUSED in self.failure else "failed"


@dataclass(frozen=True)
class Result:
    """A proof and how it went; for one that failed, what each backend answers when it is asked directly."""

    proof: Proof
    answer: Answer
    proven: str
    milliseconds: float | None
    backends: t.Mapping[str, Answer] = field(default_factory=dict)
    # When the certificate that was shown ends.
    expires: str | None = None

    @property
    def failed(self) -> bool:
        return bool(self.answer.failure)

    @property
    def route(self) -> str:
        return route(self.proof)

    def plain(self) -> dict[str, t.Any]:
        """As the module returns it."""
        return {
            "site": self.proof["site"],
            "path": self.proof["path"],
            "status": self.answer.status,
            "proven": self.proven,
            "failure": self.answer.failure,
            "milliseconds": self.milliseconds,
            "expires": self.expires,
        }


def route(proof: Proof) -> str:
    """What tells one route from another, in this configuration and the one before."""
    return f"{proof['connect_to']} {proof['site']} {proof['path']}"


def prove_all(proofs: t.Sequence[Proof], patience: float = 0.0) -> list[Result]:
    """Prove every route, side by side; the results are in the order of the proofs.

    One that fails is tried again for the seconds of patience, or for those that it asks for where these are more:
    another server of the pool may answer, and one that has just started needs a moment.
    """
    return _side_by_side(lambda proof: _prove(proof, patience), proofs)


def ask_backends(results: t.Sequence[Result]) -> list[Result]:
    """The results, those that failed with what the backends of the route answer when they are asked directly."""
    asked = [(number, address) for number, result in enumerate(results) if result.failed for address in _known(result)]
    answers = ask([(results[number].proof, address) for number, address in asked])
    backends: dict[int, dict[str, Answer]] = {}
    for (number, address), answer in zip(asked, answers):
        backends.setdefault(number, {})[address] = answer
    return [replace(result, backends=backends.get(number, {})) for number, result in enumerate(results)]


def ask(asked: t.Sequence[tuple[Proof, str]]) -> list[Answer]:
    """What each address answers to the handshake or request of a route, asked directly and side by side."""
    return _side_by_side(lambda pair: _ask(*pair), asked)


_Item = t.TypeVar("_Item")
_Found = t.TypeVar("_Found")


def _side_by_side(ask: t.Callable[[_Item], _Found], items: t.Sequence[_Item]) -> list[_Found]:
    with ThreadPoolExecutor(max_workers=_PROOFS_AT_ONCE) as pool:
        return list(pool.map(ask, items))


def _prove(proof: Proof, patience: float) -> Result:
    start, seconds = time.monotonic(), max(patience, proof.get("wait") or 0)
    result = _proved_once(proof)
    # One attempt may take all the time, and the next one reaches another server.
    again = patience > 0
    while result.failed and (again or time.monotonic() < start + _most_seconds(result, seconds)):
        again = False
        time.sleep(_PAUSE)
        result = _proved_once(proof)
    return result


def _most_seconds(result: Result, seconds: float) -> float:
    """The limits of a site count its proofs too, which all come at once."""
    return max(seconds, _LIMITED_SECONDS) if result.answer.status == _LIMITED else seconds


def _proved_once(proof: Proof) -> Result:
    request = replace(
        _request(proof, proof["url"], proof["connect_to"], _SECONDS),
        client_cert=proof.get("ssl_certificate"),
        client_key=proof.get("ssl_certificate_key"),
        proxy_protocol=bool(proof.get("proxy_protocol")),
    )
    try:
        outcome, proven, failure = _JUDGES[proof["websocket"]](request, proof)
    except ValueError as error:
        outcome, proven, failure = Outcome(), "", str(error)
    answer = Answer(outcome.status, failure)
    return Result(proof, answer, "" if failure else proven, outcome.handshake_ms, expires=outcome.expires)


def _known(result: Result) -> list[str]:
    return list((result.proof.get("backends") or {}).get("addresses", ()))


def _ask(proof: Proof, address: str) -> Answer:
    """The same handshake or request, past nginx; why it failed is told without the address."""
    request = _request(proof, proof["backends"]["url"], address, _BACKEND_SECONDS)
    request = replace(request, headers=_passed_on(request.headers, proof["backends"]))
    try:
        if proof["websocket"]:
            outcome, _proven, failure = _websocket(request, proof)
        else:
            outcome = probe_http(request)
            failure = outcome.failure or _unavailable(outcome, proof)
    except ValueError as error:
        return Answer(None, str(error))
    return Answer(outcome.status, _PEER.sub(" ", failure).strip(), outcome.handshake_ms)


def _passed_on(told: t.Mapping[str, str], backends: t.Mapping[str, t.Any]) -> dict[str, str]:
    """The headers as nginx passes them on: its own take the place of a client's, whatever their case."""
    headers = {name.lower(): (name, value) for name, value in told.items()}
    for own in (backends.get("forwarded") or {}, backends.get("headers") or {}):
        headers.update({name.lower(): (name, str(value)) for name, value in own.items()})
    return {name: value for name, value in headers.values() if value}


def _request(proof: Proof, url: str, connect_to: str, seconds: float) -> Request:
    return Request(
        url=url,
        connect_to=connect_to,
        headers={name: str(value) for name, value in (proof.get("headers") or {}).items()},
        origin=proof.get("origin"),
        subprotocols=proof.get("subprotocols") or (),
        timeout=seconds,
        # The proof is one of the route; the name on the certificate may not lead here yet.
        validate_certs=False,
    )


_Verdict = t.Tuple[Outcome, str, str]


def _words(outcome: Outcome) -> str:
    """Why a handshake failed; what a status means for this route is told with the variables that change it."""
    if outcome.failure and outcome.status not in (None, 101):
        return f"answered {outcome.status} {outcome.reason}".rstrip()
    return outcome.failure or ""


def _websocket(request: Request, proof: Proof) -> _Verdict:
    message, expect = proof.get("send"), proof.get("expect")
    outcome = probe_websocket(request, message=message, expect=expect)
    exchanged = ", message" if message is not None or expect is not None else ""
    return outcome, f"handshake{exchanged}", _words(outcome)


def _websocket_only(request: Request, proof: Proof) -> _Verdict:
    outcome, proven, failure = _websocket(request, proof)
    plain = probe_http(request)
    failure = failure or plain.failure or ""
    if not failure and plain.status != 426:
        failure = f"a plain request was answered {plain.status} {plain.reason}, not 426 Upgrade Required"
        outcome = plain if plain.status == _LIMITED else outcome
    return outcome, f"{proven}, 426 to plain HTTP", failure


def _plain(request: Request, proof: Proof) -> _Verdict:
    """A plain request as clients of the route send it, and then a handshake, which must not get through."""
    outcome = probe_http(request)
    failure = outcome.failure or ""
    if not failure and proof.get("status") not in (None, outcome.status):
        failure = f"answered {outcome.status} {outcome.reason}, not {proof['status']}"
    failure = failure or _unavailable(outcome, proof)
    if not failure:
        handshake = probe_http(request, upgrade=True)
        if handshake.status == 101:
            outcome, failure = handshake, "the upgrade was passed on, although websocket is false"
        elif handshake.failure:
            failure = f"a handshake was not answered: {handshake.failure}"
    return outcome, "plain HTTP, upgrade not passed on", failure


def _unavailable(outcome: Outcome, proof: Proof) -> str:
    if proof.get("status") is not None:
        return ""
    if NO_CERTIFICATE in outcome.reason:
        return f"answered {outcome.status} {outcome.reason}"
    words = {**NO_BACKEND, **NOT_ASKED}.get(outcome.status or 0)
    return f"answered {outcome.status} {words}" if words else ""


_JUDGES: dict[bool | str, t.Callable[[Request, Proof], _Verdict]] = {
    True: _websocket,
    "required": _websocket_only,
    False: _plain,
}
