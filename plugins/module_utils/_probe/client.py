# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Probe a WebSocket route the way a client would: an RFC 6455 handshake and, on request, a message and a ping.

What a peer does never raises an exception here. It becomes an Outcome, whose failure says what happened and what to
do. Only invalid arguments raise ValueError.
"""

from __future__ import annotations

import base64
import contextlib
import os
import time
from dataclasses import replace
from typing import Callable, Iterator, Mapping

from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.certificate import presented
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.connection import Connection, Deadline, connected
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.errors import (
    Cause,
    ProbeError,
    ProtocolError,
    quote,
)
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.frames import (
    CLOSE,
    PING,
    PONG,
    TEXT,
    Frame,
    MessageAssembler,
    encode_frame,
    explain_close,
)
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.http_header import (
    ERROR_PAGE_400,
    ResponseHeader,
    check_upgrade,
    explain_status,
    parse_response_header,
    request_header,
    upgrade_fields,
)
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.request import (
    Outcome,
    Request,
    Target,
    raise_errors,
    request_errors,
    target_of,
    websocket_errors,
)

# By which logs tell probes from clients.
USER_AGENT = "wsfleet.nginx-probe"
# How long to wait for the peer's part of the closing handshake, which is not part of the probe.
CLOSE_WAIT = 1.0
# Of a body that never comes.
_WITHHELD = {"Content-Length": "1"}


def probe_http(request: Request, *, upgrade: bool = False) -> Outcome:
    """GET the url and return the response's header, whatever its status; failure is set only without an HTTP response.

    With upgrade the request is a WebSocket handshake; its response is returned, but not checked.
    """
    raise_errors(request_errors(request, ("http", "https", "ws", "wss")))
    target, deadline, outcome = target_of(request), Deadline(request.timeout), Outcome()
    fields = upgrade_fields(_new_key(), request.subprotocols) if upgrade else {"Connection": "close"}
    with _recorded(outcome), connected(request, target, deadline) as connection:
        _exchange(connection, request, target, fields, outcome)
        outcome.upgraded = upgrade and outcome.status == 101
    return outcome


def probe_refusal(request: Request, *, upgrade: bool = False) -> Outcome:
    """Send what nginx is to refuse by itself, and return the response's header.

    The outcome is continued where nginx has asked for the body, as it does before it passes a request on.

    A plain request then ends without its body, which nginx waits for, so no backend is connected to. A handshake cannot
    have a body.
    """
    raise_errors(request_errors(request, ("http", "https", "ws", "wss")))
    target, deadline, outcome = target_of(request), Deadline(request.timeout), Outcome()
    kind = upgrade_fields(_new_key(), request.subprotocols) if upgrade else {"Connection": "close", **_WITHHELD}
    with _recorded(outcome), connected(request, target, deadline) as connection:
        # RFC 9110 section 10.1.1.
        _exchange(connection, request, target, {**kind, "Expect": "100-continue"}, outcome)
    return outcome


def probe_websocket(
    request: Request, *, message: str | None = None, expect: str | None = None, ping: bool = False
) -> Outcome:
    """Open a WebSocket, exchange messages, and close it; the request's timeout is the limit for all of it together.

    With message, that text is sent and a text message must come back. With expect, the probe waits for a text message
    that equals it and ignores others until the deadline: servers greet and broadcast. With ping, a pong with the
    payload of the ping must come back. round_trip_ms is that of the message or, without one, that of the ping.
    """
    raise_errors(websocket_errors(request, message=message, expect=expect))
    target, deadline, outcome = target_of(request), Deadline(request.timeout), Outcome()
    key = _new_key()
    with _recorded(outcome), connected(request, target, deadline) as connection:
        header = _exchange(connection, request, target, upgrade_fields(key, request.subprotocols), outcome)
        _check_handshake(header, key, request, _peer_name(target, connection.peer), outcome)
        session = _Session(connection)
        try:
            # The message first: while the probe waits for a pong, the expected text would be ignored.
            if message is not None or expect is not None:
                outcome.round_trip_ms = session.exchange(message, expect)
            if ping:
                pong_ms = session.ping()
                outcome.round_trip_ms = pong_ms if outcome.round_trip_ms is None else outcome.round_trip_ms
        finally:
            session.close()
    return outcome


def probe_body(request: Request, size: int) -> str:
    """GET the url and return the start of the body, of this many bytes at most; empty without a whole response."""
    raise_errors(request_errors(request, ("http",)))
    target, deadline, outcome = target_of(request), Deadline(request.timeout), Outcome()
    with _recorded(outcome), connected(request, target, deadline) as connection:
        _exchange(connection, request, target, {"Connection": "close"}, outcome)
        return connection.read_body(size).decode("ascii", "replace")
    return ""


def _new_key() -> str:
    # RFC 6455 section 4.1 (7): sixteen random bytes, new for each connection.
    return base64.b64encode(os.urandom(16)).decode("ascii")


@contextlib.contextmanager
def _recorded(outcome: Outcome) -> Iterator[None]:
    try:
        yield
    except ProbeError as exc:
        outcome.failure = str(exc)
        if outcome.status is None:
            outcome.cause = exc.cause


def _exchange(
    connection: Connection, request: Request, target: Target, extra: Mapping[str, str], outcome: Outcome
) -> ResponseHeader:
    """Send the request, read the header of the response, and record it in the outcome."""
    outcome.certificate = presented(connection.certificate)
    outcome.connect_ms, outcome.tls_ms = connection.connect_ms, connection.tls_ms
    connection.send(request_header(target.resource, _request_fields(request, target, extra)), "the response")
    header = _read_final_header(connection, outcome, is_withheld=_WITHHELD.items() <= extra.items())
    outcome.header_size = header.size
    outcome.handshake_ms = connection.deadline.elapsed_ms()
    outcome.status, outcome.reason, outcome.headers = header.status, header.reason, header.headers
    outcome.cause = Cause.CERTIFICATE_REQUIRED if header.requires_certificate else None
    return header


def _request_fields(request: Request, target: Target, extra: Mapping[str, str]) -> dict[str, str]:
    fields = {"Host": target.host_header, "User-Agent": USER_AGENT}
    fields.update(extra)
    if request.origin is not None:
        fields["Origin"] = request.origin
    own = {name.lower(): name for name in fields}
    for name, value in request.headers.items():
        fields[own.get(name.lower(), name)] = value
    return fields


def _read_final_header(connection: Connection, outcome: Outcome, *, is_withheld: bool) -> ResponseHeader:
    # Interim responses, such as 103, may come before the final one (RFC 9110 section 15.2); ten are more than enough.
    for _response in range(10):
        try:
            header = parse_response_header(connection.read_header("the response"))
        except ProtocolError as exc:
            raise ProtocolError(f"{connection.peer}: {exc}") from exc
        if header.status >= 200 or header.status == 101:
            page = ERROR_PAGE_400.search(connection.rest) if header.status == 400 else None
            return replace(header, reason=page.group(1).decode("ascii")) if page else header
        if header.status == 100:
            outcome.continued = True
            if is_withheld:
                # nginx then waits no longer for the body. A refusal it has sent by now.
                connection.end()
    raise ProtocolError(f"{connection.peer} sends interim responses ({header.status}) and no final one")


def _peer_name(target: Target, peer: str) -> str:
    # The query stays out of messages: it may hold a token.
    name = f"{target.host_header}{target.path}"
    return name if peer == target.host_header else f"{name} at {peer}"


def _check_handshake(header: ResponseHeader, key: str, request: Request, peer: str, outcome: Outcome) -> None:
    if header.status != 101:
        raise ProbeError(f"{peer} {explain_status(header)}")
    try:
        outcome.subprotocol = check_upgrade(header, key, request.subprotocols)
    except ProtocolError as exc:
        raise ProtocolError(f"{peer} {exc}") from exc
    outcome.upgraded = True


class _Session:
    """An open WebSocket."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._assembler = MessageAssembler()
        self._closed = False

    def exchange(self, message: str | None, expect: str | None) -> float | None:
        """Send the message and wait for the expected one; returns the milliseconds between, if a message was sent."""
        awaited = "a text message" if expect is None else f"the text message {quote(expect)}"
        started = time.monotonic()
        if message is not None:
            self._send(TEXT, message.encode("utf-8"), awaited)
        wanted = None if expect is None else expect.encode("utf-8")
        self._wait_for(lambda got: got.opcode == TEXT and wanted in (None, got.payload), awaited)
        return None if message is None else round((time.monotonic() - started) * 1000, 3)

    def ping(self) -> float:
        """Send a ping and wait for its pong; returns the milliseconds between."""
        # RFC 6455 section 5.5.3: a pong carries its ping's payload; an unsolicited one cannot match random bytes.
        payload = os.urandom(8)
        started = time.monotonic()
        self._send(PING, payload, "the pong")
        self._wait_for(lambda got: got.opcode == PONG and got.payload == payload, "the pong")
        return round((time.monotonic() - started) * 1000, 3)

    def close(self) -> None:
        """The closing handshake (RFC 6455 section 7.1.2), for the peer's sake: what it does now is not a failure."""
        if self._closed:
            return
        self._connection.deadline = Deadline(min(CLOSE_WAIT, self._connection.deadline.left()))
        self._send_close((1000).to_bytes(2, "big"))
        with contextlib.suppress(ProbeError):
            self._wait_for(lambda got: False, "its close frame")

    def _wait_for(self, is_wanted: Callable[[Frame], bool], awaited: str) -> None:
        other: Frame | None = None
        try:
            while True:
                got = self._next(awaited)
                if is_wanted(got):
                    return
                other = got if got.opcode == TEXT else other
        except ProbeError as exc:
            if other is None:
                raise
            text = other.payload.decode("utf-8", "replace")
            raise ProbeError(f"{exc}; the last text message received was {quote(text)}") from exc

    def _next(self, awaited: str) -> Frame:
        """The next message or pong; pings before it get their pongs (RFC 6455 section 5.5.2)."""
        while True:
            got = self._next_frame(awaited)
            if got is None:
                continue
            if got.opcode == CLOSE:
                # RFC 6455 section 5.5.1: a close frame is returned with its code, unless one was sent already.
                self._send_close(got.payload[:2])
                closed = explain_close(got.payload)
                raise ProbeError(f"{self._connection.peer} closed the WebSocket ({closed}) before {awaited}")
            if got.opcode != PING:
                return got
            self._send(PONG, got.payload, awaited)

    def _next_frame(self, awaited: str) -> Frame | None:
        try:
            return self._assembler.add(self._connection.read_frame(awaited))
        except ProtocolError as exc:
            # RFC 6455 section 7.1.7: send the reason, and read no further, as the frames are out of step.
            self._send_close((1002).to_bytes(2, "big"))
            raise ProtocolError(f"{self._connection.peer} {exc}") from exc

    def _send_close(self, payload: bytes) -> None:
        if not self._closed:
            self._closed = True
            with contextlib.suppress(ProbeError):
                self._send(CLOSE, payload, "the end")

    def _send(self, opcode: int, payload: bytes, awaited: str) -> None:
        # RFC 6455 section 5.3: every frame has a new key that the peer cannot guess.
        self._connection.send(encode_frame(Frame(opcode, payload), os.urandom(4)), awaited)
