# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Probes: each route is asked for what it has to answer, by a real handshake or a plain request."""

from __future__ import annotations

import platform
import re
import time
import typing as t
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.client import probe_http, probe_websocket
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.errors import Cause
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.http_head import NO_CERTIFICATE
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.request import Outcome, Request

# Where nothing answers, a thousand routes take 40 seconds.
_PROBES_AT_ONCE = 128
_SECONDS = 5.0
_BACKEND_SECONDS = 3.0
# Between two attempts, and twice as long before each further one.
_PAUSE, _LONGEST_PAUSE = 0.2, 1.0
# As the role has it; probes of earlier releases do not say.
_HEADER_SIZE = 36 * 1024
_HELD_BACK = "not sent through nginx: no server gives a response that nginx takes"
# nginx's own words for a backend that it could not reach, or that gave no answer.
NO_BACKEND = {502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Time-out"}
# No site has the name, or its limits are reached: a backend was not asked.
NOT_ASKED = {421: "Misdirected Request", 429: "Too Many Requests"}
_LIMITED = 429
# nginx counts what it lets through by the second, or by the minute, which is too long to wait for.
_LIMITED_SECONDS = 5.0
_PEER = re.compile(r"(?:^| (?:from|to|with) )(?:unix:\S+|(?:\[[^\]]+\]|[^\s:]+):\d+)(?: |$)")

Probe = t.Mapping[str, t.Any]


@dataclass(frozen=True)
class Answer:
    """What came back: the HTTP status, if there was one, and why it is no proof, or nothing where it is one."""

    status: int | None
    failure: str
    milliseconds: float | None = field(default=None, compare=False)
    # Whether it is just another status than that of a handshake that is taken.
    is_refusal: bool = field(default=False, compare=False)
    # closed, garbled or large, where nginx counts it against the server.
    harm: str = field(default="", compare=False)
    cause: Cause | None = field(default=None, compare=False)

    @property
    def is_silence(self) -> bool:
        return self.cause is Cause.TIMED_OUT

    @property
    def state(self) -> str:
        """What became of a server that was asked directly, in one word."""
        if not self.failure:
            return "up"
        if self.status is not None:
            return "answered"
        if self.harm == "closed":
            return "closed"
        if self.is_silence:
            return "silent"
        return "refused" if self.cause is Cause.REFUSED else "failed"


@dataclass(frozen=True)
class Result:
    """A probe and how it went; for one that failed, what each backend answers when it is asked directly."""

    probe: Probe
    answer: Answer
    verified: str
    milliseconds: float | None
    backends: t.Mapping[str, Answer] = field(default_factory=dict)
    # When the certificate that was shown ends.
    expires: str | None = None
    # Whether nothing was sent through nginx, because of what the backends answer.
    held_back: bool = False
    # One with which a backend takes the handshake that it refuses without.
    origin: str = ""
    # What a backend answers to a plain request that leaves the handshake unanswered.
    plain_status: int | None = None
    # Why it is served and yet not verified, and what to do about it.
    unverified: str = ""

    @property
    def failed(self) -> bool:
        return bool(self.answer.failure) and not self.unverified

    @property
    def route(self) -> str:
        return route(self.probe)

    def plain(self) -> dict[str, t.Any]:
        """As the module returns it."""
        return {
            "site": self.probe["site"],
            "path": self.probe["path"],
            "status": self.answer.status,
            "verified": self.verified,
            "failure": self.answer.failure if self.failed else "",
            "unverified": self.unverified,
            "milliseconds": self.milliseconds,
            "expires": self.expires,
        }


def route(probe: Probe) -> str:
    """What tells one route from another, in this configuration and the one before."""
    return f"{probe['connect_to']} {probe['site']} {probe['path']}"


def probe_all(probes: t.Sequence[Probe], patience: float = 0.0) -> list[Result]:
    """Probe every route, side by side; the results are in the order of the probes.

    nginx counts a backend that hangs up as failed, and clients would lose it. So each route with backends is asked
    directly first, and what none of them answers does not get through nginx.

    One that fails is tried again for the seconds of patience, or for those that it asks for where these are more:
    another server of the upstream may answer, and one that has just started needs a moment.
    """
    return _side_by_side(lambda probe: _probe(probe, patience), probes)


def ask_backends(results: t.Sequence[Result]) -> list[Result]:
    """The results, those that failed with what the backends of the route answer when they are asked directly."""
    asked = [
        (number, address)
        for number, result in enumerate(results)
        if result.failed and not result.backends
        for address in _known(result.probe)
    ]
    answers = ask([(results[number].probe, address) for number, address in asked])
    backends: dict[int, dict[str, Answer]] = {}
    for (number, address), answer in zip(asked, answers):
        backends.setdefault(number, {})[address] = answer
    found = [replace(result, backends=backends.get(number, result.backends)) for number, result in enumerate(results)]
    return _side_by_side(lambda result: _with_plain(_with_origin(result)), found)


def ask(asked: t.Sequence[tuple[Probe, str]]) -> list[Answer]:
    """What each address answers to the handshake or request of a route, asked directly and side by side."""
    return _side_by_side(lambda pair: _ask(*pair), asked)


def _with_origin(result: Result) -> Result:
    """The result of a refused handshake with an origin that a backend takes it from, if it is one of the known ones."""
    answers, probe = result.backends, result.probe
    refusing = [address for address, answer in answers.items() if answer.is_refusal or answer.harm == "closed"]
    if not probe["websocket"] or not refusing or any(not answer.failure for answer in answers.values()):
        return result
    for origin in probe["backends"].get("origins") or ():
        if origin != probe.get("origin") and not _ask({**probe, "origin": origin}, refusing[0], whole=False).failure:
            return replace(result, origin=origin)
    return result


def _with_plain(result: Result) -> Result:
    """The result of a handshake that backends leave unanswered, as those do that wait for another path or subprotocol,
    with what one of them answers to a plain request.
    """
    probe, answers = result.probe, result.backends
    is_open = probe["websocket"] and not probe.get("strict", True) and answers
    if not is_open or not all(answer.is_silence for answer in answers.values()):
        return result
    answer = _ask({**probe, "websocket": False}, next(iter(answers)))
    return result if answer.failure else replace(result, plain_status=answer.status)


_Item = t.TypeVar("_Item")
_Found = t.TypeVar("_Found")


def _side_by_side(ask: t.Callable[[_Item], _Found], items: t.Sequence[_Item]) -> list[_Found]:
    with ThreadPoolExecutor(max_workers=_PROBES_AT_ONCE) as executor:
        return list(executor.map(ask, items))


def _probe(probe: Probe, patience: float) -> Result:
    start, seconds = time.monotonic(), max(patience, probe.get("wait") or 0)
    attempt, pause = 0, _PAUSE
    while True:
        result, is_last = _probed_once(probe, attempt)
        is_late = time.monotonic() >= start + _most_seconds(result, seconds)
        # One attempt may take all the time, and the next one reaches another server.
        if not result.failed or is_last or (is_late and (attempt > 0 or patience <= 0)):
            return result
        time.sleep(pause)
        attempt, pause = attempt + 1, min(2 * pause, _LONGEST_PAUSE)


def _most_seconds(result: Result, seconds: float) -> float:
    """The limits of a site count its probes too, which all come at once."""
    return max(seconds, _LIMITED_SECONDS) if result.answer.status == _LIMITED else seconds


def _probed_once(probe: Probe, attempt: int) -> tuple[Result, bool]:
    """The result of one attempt, and whether another one would cost clients a server, or would tell nothing more."""
    harmful, is_strict = _harmful(probe, attempt), probe.get("strict", True)
    if harmful and probe["backends"].get("exact", True):
        return Result(probe, Answer(None, _HELD_BACK), "", None, harmful, held_back=True), not is_strict
    result = _asked(probe)
    if harmful or is_strict:
        return result, bool(harmful)
    result = _with_refusals(result)
    return result, bool(result.backends)


def _with_refusals(result: Result) -> Result:
    """The result with what its backends answer, where they all refuse what was refused: they will do so again."""
    answer, known = result.answer, _known(result.probe)
    if not answer.is_refusal or answer.status in (*NO_BACKEND, _LIMITED):
        return result
    answers = _side_by_side(lambda address: _ask(result.probe, address, whole=False), known)
    if all(found.is_refusal for found in answers) and any(found.status == answer.status for found in answers):
        return replace(result, backends=dict(zip(known, answers)))
    return result


def _harmful(probe: Probe, attempt: int) -> dict[str, Answer]:
    """What the known backends answer where nginx would count it against each that it tries; else nothing.

    One of them is asked first, another one with each attempt, and by each gateway of a fleet.
    """
    known = _known(probe)
    if not known:
        return {}
    place = zlib.crc32(f"{platform.node()} {route(probe)}".encode()) + attempt
    order = [known[(place + step) % len(known)] for step in range(len(known))]
    answers = {order[0]: _ask(probe, order[0], whole=False)}
    if not _is_harmless(answers[order[0]]):
        others = _side_by_side(lambda address: _ask(probe, address, whole=False), order[1:])
        answers.update(zip(order[1:], others))
    if any(map(_is_harmless, answers.values())) or not any(answer.harm for answer in answers.values()):
        return {}
    return {address: answers[address] for address in known}


def _is_harmless(answer: Answer) -> bool:
    return answer.status is not None and not answer.harm


def _asked(probe: Probe) -> Result:
    """The result of the handshake or the request through nginx."""
    request = replace(
        _request(probe, probe["url"], probe["connect_to"], _SECONDS),
        client_cert=probe.get("ssl_certificate"),
        client_key=probe.get("ssl_certificate_key"),
        proxy_protocol=bool(probe.get("proxy_protocol")),
    )
    try:
        outcome, verified, failure = _JUDGES[probe["websocket"]](request, probe)
    except ValueError as error:
        outcome, verified, failure = Outcome(), "", str(error)
    answer = Answer(outcome.status, failure, is_refusal=_is_refusal(outcome, failure), cause=outcome.cause)
    return Result(probe, answer, "" if failure else verified, outcome.handshake_ms, expires=outcome.expires)


def _is_refusal(outcome: Outcome, failure: str) -> bool:
    return outcome.status not in (None, 101) and failure == _words(outcome)


def _known(probe: Probe) -> list[str]:
    return list((probe.get("backends") or {}).get("addresses", ()))


def _ask(probe: Probe, address: str, *, whole: bool = True) -> Answer:
    """The same handshake or request, past nginx; why it failed is told without the address.

    The whole of it has the message of the probe too.
    """
    backends = probe["backends"]
    request = _request(probe, backends["url"], address, _BACKEND_SECONDS)
    headers = _passed_on(request.headers, backends)
    origin = next((headers.pop(name) for name in list(headers) if name.lower() == "origin"), request.origin)
    request = replace(request, headers=headers, origin=origin)
    try:
        if probe["websocket"]:
            outcome, _verified, failure = _websocket(request, probe if whole else {})
        else:
            outcome = probe_http(request)
            failure = outcome.failure or _unavailable(outcome, probe)
    except ValueError as error:
        return Answer(None, str(error))
    most, harm, cause = backends.get("header_size") or _HEADER_SIZE, outcome.broke, outcome.cause
    is_refusal = bool(probe["websocket"]) and _is_refusal(outcome, failure)
    if outcome.header_size > most:
        harm, is_refusal, cause = "large", False, None
        failure = f"answered with a header of {outcome.header_size} bytes, and nginx takes {most}: proxy_buffer_size"
    return Answer(outcome.status, _PEER.sub(" ", failure).strip(), outcome.handshake_ms, is_refusal, harm, cause)


def _passed_on(told: t.Mapping[str, str], backends: t.Mapping[str, t.Any]) -> dict[str, str]:
    """The headers as nginx passes them on: its own take the place of a client's, whatever their case."""
    headers = {name.lower(): (name, value) for name, value in told.items()}
    for own in (backends.get("forwarded") or {}, backends.get("headers") or {}):
        headers.update({name.lower(): (name, str(value)) for name, value in own.items()})
    return {name: value for name, value in headers.values() if value}


def _request(probe: Probe, url: str, connect_to: str, seconds: float) -> Request:
    return Request(
        url=url,
        connect_to=connect_to,
        headers={name: str(value) for name, value in (probe.get("headers") or {}).items()},
        origin=probe.get("origin"),
        subprotocols=probe.get("subprotocols") or (),
        timeout=seconds,
        # The probe is one of the route; the name on the certificate may not lead here yet.
        validate_certs=False,
    )


_Verdict = t.Tuple[Outcome, str, str]


def _words(outcome: Outcome) -> str:
    """Why a handshake failed; what a status means for this route is told with the variables that change it."""
    if outcome.failure and outcome.status not in (None, 101):
        return f"answered {outcome.status} {outcome.reason}".rstrip()
    return outcome.failure or ""


def _websocket(request: Request, probe: Probe) -> _Verdict:
    message, expect = probe.get("send"), probe.get("expect")
    outcome = probe_websocket(request, message=message, expect=expect)
    exchanged = ", message" if message is not None or expect is not None else ""
    return outcome, f"handshake{exchanged}", _words(outcome)


def _websocket_only(request: Request, probe: Probe) -> _Verdict:
    outcome, verified, failure = _websocket(request, probe)
    plain = probe_http(request)
    wanted = (426, _LIMITED) if failure else (426,)
    if not plain.failure and plain.status not in wanted:
        other = f"a plain request was answered {plain.status} {plain.reason}, not 426 Upgrade Required"
        failure = f"{failure}; {other}" if failure else other
        outcome = plain if plain.status == _LIMITED else outcome
    failure = failure or plain.failure or ""
    return outcome, f"{verified}, 426 to plain HTTP", failure


def _plain(request: Request, probe: Probe) -> _Verdict:
    """A plain request as clients of the route send it, and then a handshake, which must not get through."""
    outcome = probe_http(request)
    failure = outcome.failure or ""
    if not failure and probe.get("status") not in (None, outcome.status):
        failure = f"answered {outcome.status} {outcome.reason}, not {probe['status']}"
    failure = failure or _unavailable(outcome, probe)
    if not failure:
        handshake = probe_http(request, upgrade=True)
        if handshake.status == 101:
            outcome, failure = handshake, "the upgrade was passed on, although websocket is false"
        elif handshake.failure:
            failure = f"a handshake was not answered: {handshake.failure}"
    return outcome, "plain HTTP, upgrade not passed on", failure


def _unavailable(outcome: Outcome, probe: Probe) -> str:
    if probe.get("status") is not None:
        return ""
    if NO_CERTIFICATE in outcome.reason:
        return f"answered {outcome.status} {outcome.reason}"
    words = {**NO_BACKEND, **NOT_ASKED}.get(outcome.status or 0)
    return f"answered {outcome.status} {words}" if words else ""


_JUDGES: dict[bool | str, t.Callable[[Request, Probe], _Verdict]] = {
    True: _websocket,
    "required": _websocket_only,
    False: _plain,
}
