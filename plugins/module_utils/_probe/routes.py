# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The probes of routes: a real handshake or a plain request, through nginx and directly to the backends."""

from __future__ import annotations

import platform
import re
import time
import typing as t
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.certificate import NOTHING, Presented
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.client import (
    probe_http,
    probe_refusal,
    probe_websocket,
)
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.errors import Cause
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.local_address import is_elsewhere
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.request import Outcome, Request, target_of

# Where nothing responds, a thousand routes take 40 seconds.
_PROBES_AT_ONCE = 128
_SECONDS = 5.0
_BACKEND_SECONDS = 3.0
# Between two attempts, and twice as long before each further one.
_PAUSE, _LONGEST_PAUSE = 0.2, 1.0
# The default of the role; probes of earlier releases have no header_size.
_HEADER_SIZE = 36 * 1024
_HELD_BACK = "not sent through nginx: no server gives a response that nginx accepts"
# nginx's own reasons for a backend that it could not reach, or that did not respond.
NO_BACKEND = {502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Time-out"}
# No site has the name, or its limits are reached: nginx did not pass the request on.
NOT_PASSED_ON = {421: "Misdirected Request", 429: "Too Many Requests"}
_LIMITED = 429
# nginx limits by the second, or by the minute, which is too long to wait for.
_LIMITED_SECONDS = 5.0
# nginx counts these against a server, and passes over it for a while.
_HARMFUL = (Cause.CLOSED, Cause.INVALID, Cause.HEADER_TOO_LARGE)
_STATES = {Cause.CLOSED: "closed", Cause.TIMEOUT: "timeout", Cause.REFUSED: "refused"}
_PEER = re.compile(r"(?:^| (?:from|to|with) )(?:unix:\S+|(?:\[[^\]]+\]|[^\s:]+):\d+)(?: |$)")

# What nginx is to refuse by itself, by the rule that has it refuse that.
_REFUSED = {
    "origin": "a handshake with a foreign Origin",
    "host": "a request for a foreign Host",
    "upgrade": "a request without an upgrade",
    "certificate": "a request without a client certificate",
    "token": "a request without credentials",
}
RULES = tuple(_REFUSED)

Probe = t.Mapping[str, t.Any]


@dataclass(frozen=True)
class Response:
    """What came back: the HTTP status, if there was one, and why the probe failed, or nothing if it passed."""

    status: int | None
    failure: str
    milliseconds: float | None = field(default=None, compare=False)
    # Whether the only failure is that the handshake has another status than 101.
    is_refusal: bool = field(default=False, compare=False)
    cause: Cause | None = field(default=None, compare=False)

    @property
    def is_harmful(self) -> bool:
        """Whether nginx would count it against the server."""
        return self.cause in _HARMFUL

    @property
    def state(self) -> str:
        """The state of a server that was probed directly."""
        if not self.failure:
            return "up"
        if self.status is not None:
            return "unexpected"
        return _STATES.get(self.cause, "failed") if self.cause else "failed"


@dataclass(frozen=True)
class Result:
    """A probe and its result; for one that failed, the response of each backend when it is probed directly."""

    probe: Probe
    response: Response
    verified: str
    milliseconds: float | None
    backends: t.Mapping[str, Response] = field(default_factory=dict)
    certificate: Presented = NOTHING
    # Whether nothing was sent through nginx, because of the responses of the backends.
    held_back: bool = False
    # An origin with which a backend accepts the handshake that it rejects without.
    origin: str = ""
    # The status of a plain request to a backend that does not respond to the handshake.
    plain_status: int | None = None
    # Why the route is served, but not verified, and what to set.
    unverified: str = ""
    # Whether another host has the address of the site now.
    is_elsewhere: bool = False
    # What nginx logged of the request.
    logged: t.Sequence[str] = ()
    # The seconds of each phase: connect, tls, handshake, message.
    phases: t.Mapping[str, float] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        return bool(self.response.failure) and not self.unverified

    @property
    def route(self) -> str:
        return route(self.probe)

    @property
    def rule(self) -> str:
        """The rule by which the request is to be refused; empty where it is to be served."""
        return self.probe.get("rule") or ""

    def as_dict(self) -> dict[str, t.Any]:
        """As modules return it."""
        return {
            "site": self.probe["site"],
            "path": self.probe["path"],
            "status": self.response.status,
            "verified": self.verified,
            "failure": self.response.failure if self.failed else "",
            "unverified": self.unverified,
            "elsewhere": self.is_elsewhere,
            "milliseconds": self.milliseconds,
            "expires": self.certificate.expires,
            "valid_from": self.certificate.valid_from,
        }

    def as_refusal(self) -> dict[str, t.Any]:
        """As modules return it where the request is to be refused."""
        kept = ("site", "path", "status", "verified", "failure", "unverified", "milliseconds")
        found = self.as_dict()
        return {"at": self.probe.get("variable"), "rule": self.rule, **{key: found[key] for key in kept}}


def returned(results: t.Iterable[Result]) -> dict[str, list[dict[str, t.Any]]]:
    """The results as modules return them: those of routes, and those of what is to be refused."""
    found: dict[str, list[dict[str, t.Any]]] = {"probes": [], "refusals": []}
    for result in results:
        found["refusals" if result.rule else "probes"].append(result.as_refusal() if result.rule else result.as_dict())
    return found


def route(probe: Probe) -> str:
    """The identity of a route, in this configuration and the one before."""
    rule = f" {probe['rule']}" if probe.get("rule") else ""
    return f"{probe['connect_to']} {probe['site']} {probe['path']}{rule}"


def as_logged(probe: Probe) -> tuple[str, str]:
    """The request line and the Host of the probe of a route, as nginx logs them."""
    target = target_of(_request(probe, probe["url"], probe["connect_to"], _SECONDS))
    headers = {name.lower(): str(value) for name, value in (probe.get("headers") or {}).items()}
    return f"GET {target.resource} HTTP/1.1", headers.get("host", target.host_header)


def probe_all(probes: t.Sequence[Probe], patience: float = 0.0, *, on_gateway: bool = True) -> list[Result]:
    """Probe every route, in parallel; the results are in the order of the probes.

    On the gateway itself, a route whose address is not on this host is not probed: another gateway would respond.

    nginx counts a backend that closes the connection as failed, and clients would lose it. So the backends of a route
    are probed directly first, and where none of them gives an HTTP response nothing is sent through nginx.

    A probe that fails is tried again for the seconds of patience, or for its own `wait` if that is longer: another
    server of the upstream may respond, and one that has just started needs a moment.

    A probe with a rule passes where nginx refuses the request by itself. It is sent through nginx once.
    """

    def probed(probe: Probe) -> Result:
        elsewhere = _elsewhere(probe) if on_gateway else None
        return elsewhere or (_probe_refusal(probe) if probe.get("rule") else _probe(probe, patience))

    return _in_parallel(probed, probes)


def probe_backends(results: t.Sequence[Result]) -> list[Result]:
    """The results, those that failed with the responses of the route's backends when they are probed directly."""
    servers = [
        (number, address)
        for number, result in enumerate(results)
        if result.failed and not result.backends
        for address in _addresses(result.probe)
    ]
    responses = probe_servers([(results[number].probe, address) for number, address in servers])
    backends: dict[int, dict[str, Response]] = {}
    for (number, address), response in zip(servers, responses):
        backends.setdefault(number, {})[address] = response
    found = [replace(result, backends=backends.get(number, result.backends)) for number, result in enumerate(results)]
    return _in_parallel(lambda result: _with_plain_status(_with_origin(result)), found)


def probe_servers(servers: t.Sequence[tuple[Probe, str]]) -> list[Response]:
    """The response of each address to the handshake or request of a route, sent directly and in parallel."""
    return _in_parallel(lambda server: _probe_server(*server), servers)


def is_down(state: str, status: int | None, *, any_is_up: bool) -> bool:
    """Whether a server of an upstream is down, by the state of its response and whether any other one of them is up.

    Servers that all reject a direct probe may require what nginx adds, or another path; they are not down.
    """
    if state in ("unexpected", "closed"):
        return any_is_up or (status or 0) >= 500
    return state != "up"


def _with_origin(result: Result) -> Result:
    """The result, with the first of the known origins with which a backend accepts the handshake that it rejects."""
    responses, probe = result.backends, result.probe
    rejecting = [
        address for address, response in responses.items() if response.is_refusal or response.cause is Cause.CLOSED
    ]
    if not probe["websocket"] or not rejecting or any(not response.failure for response in responses.values()):
        return result
    for origin in probe["backends"].get("origins") or ():
        if origin != probe.get("origin"):
            response = _probe_server({**probe, "origin": origin}, rejecting[0], with_message=False)
            if not response.failure:
                return replace(result, origin=origin)
    return result


def _with_plain_status(result: Result) -> Result:
    """The result, with the status of a plain request where backends do not respond to the handshake.

    Those do so that wait for another path or subprotocol.
    """
    probe, responses = result.probe, result.backends
    is_loose = probe["websocket"] and not probe.get("strict", True) and responses
    if not is_loose or any(response.cause is not Cause.TIMEOUT for response in responses.values()):
        return result
    response = _probe_server({**probe, "websocket": False}, next(iter(responses)))
    return result if response.failure else replace(result, plain_status=response.status)


_Item = t.TypeVar("_Item")
_Found = t.TypeVar("_Found")


def _in_parallel(function: t.Callable[[_Item], _Found], items: t.Sequence[_Item]) -> list[_Found]:
    with ThreadPoolExecutor(max_workers=_PROBES_AT_ONCE) as executor:
        return list(executor.map(function, items))


def _elsewhere(probe: Probe) -> Result | None:
    """The result of a route whose address is not on this host now."""
    host = probe["connect_to"].rpartition(":")[0].strip("[]")
    if not is_elsewhere(host):
        return None
    why = f"{host} is not on this host now, so another one would respond"
    return Result(probe, Response(None, ""), "", None, unverified=why, is_elsewhere=True)


def _probe(probe: Probe, patience: float) -> Result:
    start, seconds = time.monotonic(), max(patience, probe.get("wait") or 0)
    attempt, pause = 0, _PAUSE
    while True:
        result, is_last = _attempt(probe, attempt)
        is_late = time.monotonic() >= start + _patience(result, seconds)
        # One attempt may take all the time, and the next one reaches another server.
        if not result.failed or is_last or (is_late and (attempt > 0 or patience <= 0)):
            return result
        time.sleep(pause)
        attempt, pause = attempt + 1, min(2 * pause, _LONGEST_PAUSE)


def _patience(result: Result, seconds: float) -> float:
    """The limits of a site count its probes too, which all come at once."""
    return max(seconds, _LIMITED_SECONDS) if result.response.status == _LIMITED else seconds


def _attempt(probe: Probe, number: int) -> tuple[Result, bool]:
    """The result of one attempt, and whether another one would cost clients a server, or would have the same result."""
    harmful, is_strict = _harmful_backends(probe, number), probe.get("strict", True)
    if harmful and probe["backends"].get("exact", True):
        return Result(probe, Response(None, _HELD_BACK), "", None, harmful, held_back=True), not is_strict
    result = _probe_nginx(probe)
    if harmful or is_strict:
        return result, bool(harmful)
    result = _with_refusals(result)
    return result, bool(result.backends)


def _with_refusals(result: Result) -> Result:
    """The result with the responses of its backends, where they all reject the handshake: they will do so again."""
    response, addresses = result.response, _addresses(result.probe)
    if not response.is_refusal or response.status in (*NO_BACKEND, _LIMITED):
        return result
    direct = _in_parallel(lambda address: _probe_server(result.probe, address, with_message=False), addresses)
    if all(found.is_refusal for found in direct) and any(found.status == response.status for found in direct):
        return replace(result, backends=dict(zip(addresses, direct)))
    return result


def _harmful_backends(probe: Probe, attempt: int) -> dict[str, Response]:
    """The responses of the known backends where nginx would count them against each that it tries; else nothing.

    One of them is probed first, another one with each attempt, and by each gateway of a fleet.
    """
    addresses = _addresses(probe)
    if not addresses:
        return {}
    first = zlib.crc32(f"{platform.node()} {route(probe)}".encode()) + attempt
    order = [addresses[(first + step) % len(addresses)] for step in range(len(addresses))]
    responses = {order[0]: _probe_server(probe, order[0], with_message=False)}
    if not _is_harmless(responses[order[0]]):
        others = _in_parallel(lambda address: _probe_server(probe, address, with_message=False), order[1:])
        responses.update(zip(order[1:], others))
    if any(map(_is_harmless, responses.values())) or not any(found.is_harmful for found in responses.values()):
        return {}
    return {address: responses[address] for address in addresses}


def _is_harmless(response: Response) -> bool:
    return response.status is not None and not response.is_harmful


def _probe_nginx(probe: Probe) -> Result:
    """The result of the handshake or the request through nginx."""
    try:
        check = _CHECKS[probe["websocket"]](_request_to_nginx(probe), probe)
    except ValueError as error:
        check = _Check(Outcome(), "", str(error))
    outcome, failure = check.outcome, check.failure
    response = Response(outcome.status, failure, is_refusal=check.is_refusal, cause=outcome.cause)
    return Result(
        probe,
        response,
        "" if failure else check.verified,
        outcome.handshake_ms,
        certificate=outcome.certificate,
        phases=outcome.phases,
    )


def _probe_refusal(probe: Probe) -> Result:
    """The result of what nginx is to refuse by itself: it fails where nginx passes it on or returns another status.

    Without a response, or with one that has nothing to do with the rule, it is not known, and the route's own probe has
    the reason.
    """
    request, is_handshake = _request_to_nginx(probe), bool(probe["websocket"])
    try:
        outcome = probe_refusal(request, upgrade=is_handshake)
    except ValueError as error:
        return Result(probe, Response(None, str(error)), "", None)
    status = outcome.status
    # Its own page, too, nginx sends after it has asked for the body, but a handshake is refused without one.
    is_passed_on = outcome.continued and (is_handshake or status is None)
    found = Result(probe, Response(status, ""), "", outcome.handshake_ms, certificate=outcome.certificate)
    if status in probe["refused_with"] and not is_passed_on:
        return replace(found, verified=f"refused with {status}")
    if not is_passed_on and (status is None or status == _LIMITED or status >= 500):
        why = outcome.failure if status is None else _returned(outcome)
        return replace(found, response=Response(status, f"{why}"), unverified=f"{_REFUSED[probe['rule']]}: {why}")
    expected = " or ".join(map(str, probe["refused_with"]))
    if status is None:
        status, returned = 100, "returned 100 Continue and would be passed on"
    else:
        returned = _returned(outcome)
        returned += " from a backend" if is_passed_on and status in probe["refused_with"] else ""
    failure = f"rule {probe['rule']}: {_REFUSED[probe['rule']]} {returned}, not {expected}"
    return replace(found, response=Response(status, failure))


def _request_to_nginx(probe: Probe) -> Request:
    return replace(
        _request(probe, probe["url"], probe["connect_to"], _SECONDS),
        client_cert=probe.get("ssl_certificate"),
        client_key=probe.get("ssl_certificate_key"),
        proxy_protocol=bool(probe.get("proxy_protocol")),
    )


def _addresses(probe: Probe) -> list[str]:
    """The known backends of a route."""
    return list((probe.get("backends") or {}).get("addresses", ()))


def _probe_server(probe: Probe, address: str, *, with_message: bool = True) -> Response:
    """The same handshake or request, directly to a server; the failure does not name the address."""
    backends = probe["backends"]
    request = _request(probe, backends["url"], address, _BACKEND_SECONDS)
    headers = _forwarded_headers(request.headers, backends)
    origin = next((headers.pop(name) for name in list(headers) if name.lower() == "origin"), request.origin)
    request = replace(request, headers=headers, origin=origin)
    try:
        check = _check_websocket(request, probe if with_message else {}) if probe["websocket"] else None
        outcome = check.outcome if check else probe_http(request)
    except ValueError as error:
        return Response(None, str(error))
    failure = check.failure if check else outcome.failure or _gateway_error(outcome, probe)
    is_refusal, cause = check is not None and check.is_refusal, outcome.cause
    limit = backends.get("header_size") or _HEADER_SIZE
    if outcome.header_size > limit:
        is_refusal, cause = False, Cause.HEADER_TOO_LARGE
        failure = (
            f"returned a header of {outcome.header_size} bytes, and nginx accepts at most {limit}: "
            "raise proxy_buffer_size"
        )
    return Response(outcome.status, _PEER.sub(" ", failure).strip(), outcome.handshake_ms, is_refusal, cause)


def _forwarded_headers(sent: t.Mapping[str, str], backends: t.Mapping[str, t.Any]) -> dict[str, str]:
    """The headers as nginx passes them on: its own replace those that the client sent, whatever their case."""
    headers = {name.lower(): (name, value) for name, value in sent.items()}
    for own in (backends.get("forwarded") or {}, backends.get("headers") or {}):
        headers.update({name.lower(): (name, str(value)) for name, value in own.items()})
    return {name: value for name, value in headers.values() if value}


def _request(probe: Probe, url: str, connect_to: str, seconds: float) -> Request:
    host = {"Host": probe["host"]} if probe.get("host") else {}
    return Request(
        url=url,
        connect_to=connect_to,
        headers={**{name: str(value) for name, value in (probe.get("headers") or {}).items()}, **host},
        origin=probe.get("origin"),
        subprotocols=probe.get("subprotocols") or (),
        timeout=seconds,
        # The route is probed, not the certificate, whose name may not resolve to this gateway yet.
        validate_certs=False,
    )


class _Check(t.NamedTuple):
    """The outcome of a probe, what it verifies if it passes, and why it fails."""

    outcome: Outcome
    verified: str
    failure: str
    # Whether the only failure is that the handshake has another status than 101.
    is_refusal: bool = False


def _check_websocket(request: Request, probe: Probe) -> _Check:
    message, expect = probe.get("send"), probe.get("expect")
    outcome = probe_websocket(request, message=message, expect=expect)
    exchanged = ", message" if message is not None or expect is not None else ""
    is_refusal = outcome.status not in (None, 101)
    # The hint to a status names the variables to set, so it follows elsewhere.
    failure = _returned(outcome) if is_refusal else outcome.failure or ""
    return _Check(outcome, f"handshake{exchanged}", failure, is_refusal)


def _check_plain(request: Request, probe: Probe) -> _Check:
    """A plain request as clients of the route send it, and then a handshake, which nginx must not pass on."""
    outcome = probe_http(request)
    failure = outcome.failure or ""
    if not failure and probe.get("status") not in (None, outcome.status):
        failure = f"{_returned(outcome)}, not {probe['status']}"
    failure = failure or _gateway_error(outcome, probe)
    if not failure:
        handshake = probe_http(request, upgrade=True)
        if handshake.status == 101:
            outcome, failure = handshake, "the upgrade was passed on, although websocket is false"
        elif handshake.failure:
            failure = f"no response to a handshake: {handshake.failure}"
    return _Check(outcome, "plain HTTP, upgrade not passed on", failure)


def _returned(outcome: Outcome) -> str:
    return f"returned {outcome.status} {outcome.reason}".rstrip()


def _gateway_error(outcome: Outcome, probe: Probe) -> str:
    """Why a response is nginx's own, and not that of a backend, or nothing."""
    if probe.get("status") is not None:
        return ""
    if outcome.cause is Cause.CERTIFICATE_REQUIRED:
        return _returned(outcome)
    reason = {**NO_BACKEND, **NOT_PASSED_ON}.get(outcome.status or 0)
    return f"returned {outcome.status} {reason}" if reason else ""


_CHECKS: dict[bool | str, t.Callable[[Request, Probe], _Check]] = {
    True: _check_websocket,
    # That anything else is refused is a probe of its own.
    "required": _check_websocket,
    False: _check_plain,
}
