# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Prove a WebSocket route the way a client would: an RFC 6455 handshake and, on request, a message and a ping.

What a peer does is never an exception here. It is an Outcome, whose failure says what happened in words an
operator can act on. Only arguments that make no sense raise ValueError.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import hashlib
import ipaddress
import os
import queue
import re
import socket
import ssl
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Iterator, Mapping, Sequence
from urllib.parse import SplitResult, urlsplit

# RFC 6455 section 1.3: the constant that makes the accept value a proof that the peer read the key as a WebSocket one.
ACCEPT_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

# A hostile peer may not make the host hold more than this.
MAX_HEAD = 64 * 1024
MAX_MESSAGE = 16 * 1024 * 1024
# More than an hour is a mistake in the unit, and far beyond it sockets overflow.
MAX_TIMEOUT = 3600.0
# How long to wait for the peer's part of the closing handshake, which proves nothing any more.
CLOSE_WAIT = 1.0
# sun_path holds 108 bytes on Linux, the last of them NUL (unix(7)).
MAX_UNIX_PATH = 107

PORTS = {"ws": 80, "wss": 443, "http": 80, "https": 443}
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")  # no field value holds one (RFC 9110 section 5.5); a tab may stay
HOST = re.compile(r"(?=.{1,254}$)(?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?")
CONNECT_TO = re.compile(r"(?:\[(?P<v6>[^\]]+)\]|(?P<host>[^:\[\]/]+)):(?P<port>[0-9]{1,5})")
STATUS_LINE = re.compile(r"HTTP/1\.[01] (?P<status>[1-9][0-9]{2})(?: (?P<reason>.*))?")
# A recipient may take a bare LF as the end of a line (RFC 9112 section 2.2).
HEAD_END = re.compile(rb"\r?\n\r?\n")

# What the handshake sets itself: a second value would make it another request than the one that is proven.
OWN_FIELDS = {
    "connection": "the probe sets it",
    "content-length": "the probe sends no body",
    "origin": "give it as origin",
    "sec-websocket-extensions": "the probe offers none",
    "sec-websocket-key": "the probe sets it",
    "sec-websocket-protocol": "give it as subprotocols",
    "sec-websocket-version": "the probe sets it",
    "transfer-encoding": "the probe sends no body",
    "upgrade": "the probe sets it",
}

PLAIN_ANSWER = (
    "a plain HTTP answer: what is behind this path does not speak WebSocket, or the gateway does not pass upgrades on "
    "(websocket: false)"
)
STATUS_HINTS = {
    400: "the gateway or the backend found the handshake malformed: Upgrade, Connection or Host did not arrive as sent,"
    " it insists on a subprotocol, or a TLS port was spoken to in plain text",
    401: "it wants credentials (an Authorization header or a cookie)",
    403: "refused: the Origin is not allowed, or access to this path is denied",
    404: "nothing is at this path: the gateway has no such location, or the backend no such endpoint",
    405: PLAIN_ANSWER,
    421: "this server is not responsible for the Host that was sent",
    426: "it saw no WebSocket upgrade it can take: the gateway drops the Upgrade header, or another version is wanted",
    429: "too many handshakes or open sockets from this client",
    500: "the backend failed on the handshake",
    502: "the gateway could not connect to the backend, or got nonsense from it",
    503: "the gateway has no backend that is up, or limits connections",
    504: "the backend did not answer the gateway in time",
}
CLASS_HINTS = {
    2: PLAIN_ANSWER,
    3: "a redirect, which WebSocket clients do not follow: probe the place it names",
    4: "the handshake was refused",
    5: "the server failed on the handshake",
}

# RFC 6455 section 7.4.1 and the IANA registry it opens.
CLOSE_CODES = {
    1000: "normal closure",
    1001: "going away",
    1002: "protocol error",
    1003: "unsupported data",
    1007: "invalid payload",
    1008: "policy violation",
    1009: "message too big",
    1011: "internal error",
    1012: "service restart",
    1013: "try again later",
}

# OpenSSL's words for an answer that is no TLS record.
NOT_TLS = {
    "BAD_PROTOCOL_VERSION_NUMBER",
    "HTTP_REQUEST",
    "PACKET_LENGTH_TOO_LONG",
    "RECORD_LAYER_FAILURE",
    "UNKNOWN_PROTOCOL",
    "WRONG_VERSION_NUMBER",
}
# X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH.
WRONG_NAME = {62, 64}


class ProbeError(Exception):
    """What the peer or the way to it did: becomes the failure of an Outcome."""


class ProtocolError(ProbeError):
    """The peer sent bytes that HTTP or WebSocket do not allow."""


@dataclass(frozen=True)
class Request:
    """What to prove. url names the route; connect_to says where the connection goes when that is another place."""

    url: str
    connect_to: str | None = None
    server_hostname: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    origin: str | None = None
    subprotocols: Sequence[str] = ()
    timeout: float = 5.0
    ca_path: str | None = None
    validate_certs: bool = True


@dataclass
class Outcome:
    """What was seen. failure is None when everything that was asked for is proven."""

    upgraded: bool = False
    status: int | None = None
    reason: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    subprotocol: str | None = None
    handshake_ms: float | None = None
    round_trip_ms: float | None = None
    failure: str | None = None


@dataclass(frozen=True)
class ResponseHead:
    """An HTTP answer without its body; header names in lower case, repeated ones joined by a comma and a space."""

    status: int
    reason: str
    headers: dict[str, str]


@dataclass(frozen=True)
class Frame:
    """A WebSocket frame (RFC 6455 section 5.2), its payload unmasked."""

    opcode: int
    payload: bytes
    fin: bool = True
    masked: bool = False


@dataclass(frozen=True)
class _Target:
    """A request's url and connect_to, taken apart."""

    secure: bool
    host: str
    host_header: str
    path: str
    resource: str
    address: str | tuple[str, int]  # the path of a Unix socket, or host and port


# ---- Arguments -------------------------------------------------------------------------------------------------------


def websocket_faults(request: Request, **texts: str | None) -> list[str]:
    """Everything that is wrong with the arguments of probe_websocket; texts are its messages, by the caller's names."""
    faults = _request_faults(request, ("ws", "wss"))
    for name, text in texts.items():
        faults += _text_faults(name, text)
    return faults


def _request_faults(request: Request, schemes: Sequence[str]) -> list[str]:
    faults = _url_faults(request.url, schemes)
    if request.connect_to is not None:
        faults += _connect_to_faults(request.connect_to)
    if request.server_hostname is not None and not _is_host(request.server_hostname):
        faults.append(f"server_hostname: {request.server_hostname!r} is neither a host name nor an IP address")
    faults += _header_faults(request.headers)
    if request.origin is not None:
        faults += _value_faults("origin", request.origin)
    faults += _subprotocol_faults(request.subprotocols)
    if not 0 < request.timeout <= MAX_TIMEOUT:
        faults.append(f"timeout: must be more than 0 and at most {MAX_TIMEOUT:g} seconds, got {request.timeout!r}")
    return faults


def _url_faults(url: str, schemes: Sequence[str]) -> list[str]:
    # urlsplit drops tabs and line breaks without a word, so they are looked for first. The url itself is not printed:
    # its query may hold a token.
    if not re.fullmatch(r"[\x21-\x7e]+", url):
        return ["url: must be printable ASCII without spaces (write a name with other letters as punycode, xn--...)"]
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as exc:
        return [f"url: {exc}"]
    faults = []
    if parts.scheme not in schemes:
        faults.append(f"url: the scheme must be one of {', '.join(schemes)}, got {parts.scheme!r}")
    if port == 0:
        faults.append("url: port 0 cannot be connected to")
    if "@" in parts.netloc:
        faults.append("url: user and password are not sent by WebSocket clients, use an Authorization header")
    elif not _is_host(parts.hostname or ""):
        faults.append(f"url: {parts.hostname or ''!r} is neither a host name nor an IP address")
    if "#" in url:
        faults.append("url: a WebSocket URI has no fragment (RFC 6455 section 3), write '#' as %23")
    return faults


def _connect_to_faults(connect_to: str) -> list[str]:
    if connect_to.startswith("unix:"):
        path = connect_to[len("unix:") :]
        if not path.startswith("/") or "\x00" in path or len(os.fsencode(path)) > MAX_UNIX_PATH:
            return [f"connect_to: unix: needs an absolute path of at most {MAX_UNIX_PATH} bytes, got {path!r}"]
        return []
    match = CONNECT_TO.fullmatch(connect_to)
    if not match or not 0 < int(match["port"]) < 65536 or not _is_connectable(match):
        return [f"connect_to: must be host:port, [IPv6]:port or unix:/path, got {connect_to!r}"]
    return []


def _is_connectable(match: re.Match[str]) -> bool:
    if match["v6"]:
        # A link-local address names its interface: fe80::1%eth0 (RFC 4007 section 11).
        return _is_ipv6(match["v6"].partition("%")[0])
    return bool(HOST.fullmatch(match["host"]))


def _is_host(host: str) -> bool:
    return bool(HOST.fullmatch(host)) or _is_ipv6(host)


def _is_ipv6(host: str) -> bool:
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return "%" not in host


def _header_faults(headers: Mapping[str, str]) -> list[str]:
    faults = []
    seen = set()
    for name, value in headers.items():
        key = name.lower()
        if not TOKEN.fullmatch(name):
            faults.append(f"headers: {name!r} is not a header name (RFC 9110 section 5.1)")
        elif key in OWN_FIELDS:
            faults.append(f"headers: {name!r} cannot be set here, {OWN_FIELDS[key]}")
        elif key in seen:
            faults.append(f"headers: {name!r} is given twice")
        seen.add(key)
        faults += _value_faults(f"headers[{name!r}]", value)
    return faults


def _value_faults(place: str, value: str) -> list[str]:
    # The value is not printed: it may be a token.
    if CONTROL.search(value):
        return [f"{place}: the value holds a line break or another control character (RFC 9110 section 5.5)"]
    return _text_faults(place, value)


def _text_faults(place: str, text: str | None) -> list[str]:
    try:
        (text or "").encode("utf-8")
    except UnicodeEncodeError:
        return [f"{place}: the text cannot be written as UTF-8"]
    return []


def _subprotocol_faults(subprotocols: Sequence[str]) -> list[str]:
    faults = [
        f"subprotocols: {name!r} is not a token (RFC 6455 section 4.1)"
        for name in subprotocols
        if not TOKEN.fullmatch(name)
    ]
    if len(set(subprotocols)) < len(subprotocols):
        faults.append("subprotocols: a name is given twice (RFC 6455 section 4.1 wants them unique)")
    return faults


def _refuse(faults: Sequence[str]) -> None:
    if faults:
        raise ValueError("; ".join(faults))


def _target(request: Request) -> _Target:
    parts = urlsplit(request.url)
    host = parts.hostname or ""
    port = parts.port or PORTS[parts.scheme]
    path = parts.path or "/"
    return _Target(
        secure=parts.scheme in ("wss", "https"),
        host=host,
        host_header=_sent_host(request) or _host_header(parts, host),
        path=path,
        resource=f"{path}?{parts.query}" if parts.query else path,
        address=_address(request.connect_to) if request.connect_to else (host, port),
    )


def _sent_host(request: Request) -> str | None:
    return next((value for name, value in request.headers.items() if name.lower() == "host"), None)


def _host_header(parts: SplitResult, host: str) -> str:
    # RFC 6455 section 4.1 (4): the port is named only when it is not the scheme's own.
    name = f"[{host}]" if ":" in host else host
    return name if parts.port in (None, PORTS[parts.scheme]) else f"{name}:{parts.port}"


def _address(connect_to: str) -> str | tuple[str, int]:
    match = CONNECT_TO.fullmatch(connect_to)
    if not match:
        return connect_to[len("unix:") :]
    return match["v6"] or match["host"], int(match["port"])


# ---- HTTP: pure ------------------------------------------------------------------------------------------------------


def accept_value(key: str) -> str:
    """The Sec-WebSocket-Accept that answers a Sec-WebSocket-Key (RFC 6455 section 4.2.2)."""
    digest = hashlib.sha1(key.encode("ascii") + ACCEPT_GUID).digest()
    return base64.b64encode(digest).decode("ascii")


def upgrade_fields(key: str, subprotocols: Sequence[str]) -> dict[str, str]:
    """The header fields that make a GET an opening handshake (RFC 6455 section 4.1)."""
    fields = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": key,
        "Sec-WebSocket-Version": "13",
    }
    if subprotocols:
        fields["Sec-WebSocket-Protocol"] = ", ".join(subprotocols)
    return fields


def request_head(resource: str, fields: Mapping[str, str]) -> bytes:
    """A GET for the resource, without a body."""
    lines = [f"GET {resource} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    return "\r\n".join(lines).encode("utf-8")


def parse_response_head(data: bytes) -> ResponseHead:
    """Read the head of an HTTP answer (RFC 9112 sections 4 and 5); ProtocolError when it is none."""
    start_line, _separator, rest = data.decode("latin-1").partition("\n")
    match = STATUS_LINE.fullmatch(start_line.rstrip("\r"))
    if not match:
        raise ProtocolError(f"the answer is not HTTP/1.1, it begins with {_quote(start_line)}")
    # RFC 9112 section 5.2: a folded line is read as one line with a space in it.
    unfolded = re.sub(r"\r?\n[ \t]+", " ", rest)
    headers: dict[str, str] = {}
    for line in unfolded.split("\n"):
        if line.rstrip("\r"):
            name, value = _header_field(line.rstrip("\r"))
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return ResponseHead(int(match["status"]), (match["reason"] or "").strip(), headers)


def _header_field(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not TOKEN.fullmatch(name):
        raise ProtocolError(f"the answer is not HTTP/1.1, {_quote(line)} is no header field")
    return name.lower(), value.strip(" \t")


def check_upgrade(head: ResponseHead, key: str, subprotocols: Sequence[str]) -> str | None:
    """Check a 101 as RFC 6455 section 4.1 tells clients to; return the subprotocol that the peer chose."""
    headers = head.headers
    _check_upgrade_fields(headers)
    if "sec-websocket-accept" not in headers:
        raise ProtocolError("answered 101 without Sec-WebSocket-Accept: it switched to something else than WebSocket")
    if headers["sec-websocket-accept"] != accept_value(key):
        raise ProtocolError(
            f"answered 101 with a wrong Sec-WebSocket-Accept ({_quote(headers['sec-websocket-accept'])}): "
            "it is no WebSocket server, or something between changed the key or replayed an old answer"
        )
    if headers.get("sec-websocket-extensions"):
        extensions = _quote(headers["sec-websocket-extensions"])
        raise ProtocolError(f"answered 101 with extensions that were not offered: {extensions}")
    return _chosen_subprotocol(headers.get("sec-websocket-protocol"), subprotocols)


def _check_upgrade_fields(headers: Mapping[str, str]) -> None:
    upgrade = headers.get("upgrade", "")
    if upgrade.lower() != "websocket":
        found = f"with Upgrade: {_quote(upgrade)}" if upgrade else "without an Upgrade header"
        raise ProtocolError(f"answered 101 {found}, it must be 'websocket'")
    connection = headers.get("connection", "")
    if "upgrade" not in [token.strip().lower() for token in connection.split(",")]:
        found = f"with Connection: {_quote(connection)}" if connection else "without a Connection header"
        raise ProtocolError(f"answered 101 {found}, it must hold 'upgrade'")


def _chosen_subprotocol(chosen: str | None, offered: Sequence[str]) -> str | None:
    if chosen is not None and chosen not in offered:
        raise ProtocolError(f"chose the subprotocol {_quote(chosen)}, which was not offered")
    if chosen is None and offered:
        # RFC 6455 allows it; browsers fail such a connection (WHATWG WebSockets, section 2), so it is no proof.
        raise ProtocolError(f"chose none of the offered subprotocols ({', '.join(offered)}): browsers refuse that")
    return chosen


def explain_status(head: ResponseHead) -> str:
    """What an answer other than 101 means for someone who wanted a WebSocket."""
    answer = f"answered {head.status}"
    if head.reason:
        answer += f" {_printable(head.reason)}"
    hint = STATUS_HINTS.get(head.status) or CLASS_HINTS.get(head.status // 100) or "no WebSocket answer"
    location = head.headers.get("location")
    if head.status // 100 == 3 and location:
        hint += f" ({_quote(location)})"
    version = head.headers.get("sec-websocket-version")
    if version and head.status in (400, 426):
        # RFC 6455 section 4.4: the peer lists the versions that it speaks.
        hint += f"; it speaks version {_quote(version)}, the probe 13"
    return f"{answer}: {hint}"


def _quote(text: str) -> str:
    """Text of a peer for a message: escaped and short, so that it can neither forge lines nor flood a log."""
    return ascii(text if len(text) <= 80 else f"{text[:77]}...")


def _printable(text: str) -> str:
    return _quote(text)[1:-1]


# ---- WebSocket frames: pure ------------------------------------------------------------------------------------------


def apply_mask(payload: bytes, key: bytes) -> bytes:
    """Mask or unmask a payload (RFC 6455 section 5.3); one large XOR, as a loop over bytes takes seconds for MiBs."""
    size = len(payload)
    stream = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(stream, "big")).to_bytes(size, "big")


def encode_frame(frame: Frame, key: bytes) -> bytes:
    """A frame as a client sends it: masked with the key of four bytes (RFC 6455 section 5.1)."""
    size = len(frame.payload)
    first = frame.opcode | (0x80 if frame.fin else 0)
    if size < 126:
        header = bytes([first, 0x80 | size])
    elif size < 0x10000:
        header = bytes([first, 0x80 | 126]) + size.to_bytes(2, "big")
    else:
        header = bytes([first, 0x80 | 127]) + size.to_bytes(8, "big")
    return header + key + apply_mask(frame.payload, key)


def decode_frame(data: bytes | bytearray) -> tuple[Frame, int] | None:
    """The first frame of the data and its length in bytes; None while it is not whole (RFC 6455 section 5.2)."""
    if len(data) < 2:
        return None
    fin, opcode, masked = bool(data[0] & 0x80), data[0] & 0x0F, bool(data[1] & 0x80)
    _check_first_bytes(data[0], data[1])
    extended = {126: 2, 127: 8}.get(data[1] & 0x7F, 0)
    start = 2 + extended + (4 if masked else 0)
    if len(data) < start:
        return None
    size = _payload_size(data[1] & 0x7F, bytes(data[2 : 2 + extended]))
    if len(data) < start + size:
        return None
    payload = bytes(data[start : start + size])
    if masked:
        payload = apply_mask(payload, bytes(data[start - 4 : start]))
    return Frame(opcode, payload, fin, masked), start + size


def _check_first_bytes(first: int, second: int) -> None:
    opcode = first & 0x0F
    if first & 0x70:
        raise ProtocolError("sent a frame with reserved bits, though no extension was agreed (RFC 6455 section 5.2)")
    if opcode not in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG):
        raise ProtocolError(f"sent a frame with the unknown opcode 0x{opcode:x} (RFC 6455 section 5.2)")
    if opcode >= CLOSE and (not first & 0x80 or second & 0x7F > 125):
        raise ProtocolError("sent a control frame that is fragmented or too long (RFC 6455 section 5.5)")


def _payload_size(short: int, extended: bytes) -> int:
    if not extended:
        return short
    size = int.from_bytes(extended, "big")
    if size < (126 if short == 126 else 0x10000):
        raise ProtocolError("sent a frame whose length is not in its shortest form (RFC 6455 section 5.2)")
    if size > MAX_MESSAGE:
        raise ProtocolError(f"sent a frame of {size} bytes, the probe takes at most {MAX_MESSAGE}")
    return size


class MessageAssembler:
    """Puts fragments together (RFC 6455 section 5.4): frames in, whole messages and control frames out."""

    def __init__(self) -> None:
        self._opcode = CONTINUATION
        self._payload = bytearray()

    def add(self, frame: Frame) -> Frame | None:
        """The message or control frame that this frame completes."""
        if frame.masked:
            raise ProtocolError("sent a masked frame, which only clients do (RFC 6455 section 5.1)")
        if frame.opcode >= CLOSE:
            return frame
        self._append(frame)
        return self._finish() if frame.fin else None

    def _append(self, frame: Frame) -> None:
        if (frame.opcode == CONTINUATION) != (self._opcode != CONTINUATION):
            raise ProtocolError("sent the fragments of a message out of order (RFC 6455 section 5.4)")
        if len(self._payload) + len(frame.payload) > MAX_MESSAGE:
            raise ProtocolError(f"sent a message of more than {MAX_MESSAGE} bytes, the most that the probe takes")
        self._opcode = self._opcode or frame.opcode
        self._payload += frame.payload

    def _finish(self) -> Frame:
        message = Frame(self._opcode, bytes(self._payload))
        self._opcode = CONTINUATION
        self._payload.clear()
        if message.opcode == TEXT:
            _check_utf8(message.payload)
        return message


def _check_utf8(payload: bytes) -> None:
    try:
        payload.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise ProtocolError("sent a text message that is not UTF-8 (RFC 6455 section 8.1)") from exc


def explain_close(payload: bytes) -> str:
    """The code and reason of a close frame in words (RFC 6455 section 5.5.1)."""
    if len(payload) < 2:
        return "without a code"
    code = int.from_bytes(payload[:2], "big")
    words = f"code {code}"
    if code in CLOSE_CODES:
        words += f", {CLOSE_CODES[code]}"
    reason = payload[2:].decode("utf-8", "replace")
    return f"{words}: {_quote(reason)}" if reason else words


# ---- The connection --------------------------------------------------------------------------------------------------


class _Deadline:
    """One time limit for a whole probe, so that a peer that trickles bytes cannot stretch it."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._started = time.monotonic()

    def elapsed_ms(self) -> float:
        return round((time.monotonic() - self._started) * 1000, 3)

    def left(self) -> float:
        return self._started + self._seconds - time.monotonic()

    def budget(self, step: str) -> float:
        """The seconds left, more than none."""
        left = self.left()
        if left <= 0:
            raise self.expired(step)
        return left

    def expired(self, step: str) -> ProbeError:
        return ProbeError(f"timed out after {self._seconds:g} s {step}")


class _Connection:
    """Bytes to and from one peer, within the deadline. Every error is a ProbeError that names peer and step."""

    def __init__(self, sock: socket.socket, peer: str, deadline: _Deadline) -> None:
        self._sock = sock
        self._buffer = bytearray()
        self.deadline = deadline
        self.peer = peer

    def send(self, data: bytes, awaited: str) -> None:
        """Send all of it, or what the peer takes: one that is gone may have said why, which the next read tells."""
        # SSLSocket.sendall gives every part the whole timeout, hence the loop.
        step = f"sending to {self.peer}"
        view = memoryview(data)
        with self._translated(awaited, step), contextlib.suppress(ConnectionError, ssl.SSLEOFError):
            while view:
                self._sock.settimeout(self.deadline.budget(step))
                view = view[self._sock.send(view) :]

    def read_head(self, awaited: str) -> bytes:
        """The bytes up to and with the empty line that ends an HTTP head."""
        searched = 0
        while True:
            match = HEAD_END.search(self._buffer, max(0, searched - 3))
            if match and match.end() <= MAX_HEAD:
                return self._take(match.end())
            self._check_is_http()
            if len(self._buffer) > MAX_HEAD:
                raise ProtocolError(f"{self.peer} sent more than {MAX_HEAD} bytes of HTTP header")
            searched = len(self._buffer)
            self._receive(awaited)

    def read_frame(self, awaited: str) -> Frame:
        while True:
            decoded = decode_frame(self._buffer)
            if decoded:
                frame, size = decoded
                del self._buffer[:size]
                return frame
            self._receive(awaited)

    def _take(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def _check_is_http(self) -> None:
        """Tell another protocol by its first bytes: it may never send the empty line that ends a head."""
        start = bytes(self._buffer[:5])
        if start == b"HTTP/"[: len(start)]:
            return
        if start[:2] in (b"\x15\x03", b"\x16\x03"):
            raise ProtocolError(f"{self.peer} speaks TLS: use wss:// or https://")
        raise ProtocolError(f"{self.peer} does not speak HTTP, its answer begins with {_quote_bytes(self._buffer)}")

    def _receive(self, awaited: str) -> None:
        step = f"waiting for {awaited} from {self.peer}"
        with self._translated(awaited, step):
            self._sock.settimeout(self.deadline.budget(step))
            data = self._sock.recv(65536)
        if not data:
            so_far = f" (after {_quote_bytes(self._buffer)})" if self._buffer else ""
            raise ProbeError(f"{self.peer} closed the connection before {awaited}{so_far}")
        self._buffer += data

    @contextlib.contextmanager
    def _translated(self, awaited: str, step: str) -> Iterator[None]:
        try:
            yield
        except socket.timeout as exc:
            raise self.deadline.expired(step) from exc
        except (ConnectionError, ssl.SSLEOFError) as exc:
            raise ProbeError(f"{self.peer} dropped the connection before {awaited} ({_os_words(exc)})") from exc
        except ssl.SSLError as exc:
            # TLS 1.3 tells only now that it wanted a client certificate (RFC 8446 section 4.4.2.4).
            raise ProbeError(f"TLS with {self.peer} broke before {awaited}: {exc.reason or exc}") from exc
        except OSError as exc:
            raise ProbeError(f"the connection to {self.peer} broke before {awaited}: {_os_words(exc)}") from exc


def _quote_bytes(data: bytearray) -> str:
    return _quote(bytes(data[:100]).decode("latin-1"))


def _os_words(exc: OSError) -> str:
    return exc.strerror or str(exc)


@contextlib.contextmanager
def _connected(request: Request, target: _Target, deadline: _Deadline) -> Iterator[_Connection]:
    sock, peer = _connect(target.address, deadline)
    with contextlib.ExitStack() as stack:
        stack.enter_context(sock)
        if target.secure:
            sock = stack.enter_context(_wrap(sock, peer, request, target, deadline))
        yield _Connection(sock, peer, deadline)


def _connect(address: str | tuple[str, int], deadline: _Deadline) -> tuple[socket.socket, str]:
    if isinstance(address, str):
        sock = _try_connect(socket.AF_UNIX, address, f"unix:{address}", deadline, deadline.left())
        if isinstance(sock, ProbeError):
            raise sock
        return sock, f"unix:{address}"
    return _connect_first(_resolve(*address, deadline), deadline)


def _resolve(host: str, port: int, deadline: _Deadline) -> list[tuple[socket.AddressFamily, Any]]:
    """The addresses of a host. getaddrinfo knows no timeout and a dead resolver holds it long, hence the thread."""
    answers: queue.Queue[list[Any] | Exception] = queue.Queue()

    def look_up() -> None:
        try:
            answers.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as exc:
            answers.put(exc)

    threading.Thread(target=look_up, daemon=True).start()
    step = f"resolving the name {host!r}"
    try:
        answer = answers.get(timeout=deadline.budget(step))
    except queue.Empty as exc:
        raise deadline.expired(step) from exc
    if isinstance(answer, Exception):
        words = _os_words(answer) if isinstance(answer, OSError) else str(answer)
        raise ProbeError(f"the name {host!r} does not resolve: {words}") from answer
    return list(dict.fromkeys((family, sockaddr) for family, _type, _proto, _name, sockaddr in answer))


def _connect_first(
    addresses: Sequence[tuple[socket.AddressFamily, Any]], deadline: _Deadline
) -> tuple[socket.socket, str]:
    """Connect to the first address that takes it; every address left gets an equal share of the time left."""
    errors = []
    for tried, (family, sockaddr) in enumerate(addresses):
        host, port = sockaddr[:2]
        peer = f"[{host}]:{port}" if family == socket.AF_INET6 else f"{host}:{port}"
        sock = _try_connect(family, sockaddr, peer, deadline, deadline.left() / (len(addresses) - tried))
        if isinstance(sock, socket.socket):
            return sock, peer
        errors.append(str(sock))
    raise ProbeError("; ".join(errors) or "the name has no address")


def _try_connect(
    family: socket.AddressFamily, sockaddr: Any, peer: str, deadline: _Deadline, seconds: float
) -> socket.socket | ProbeError:
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
    except OSError as exc:
        return ProbeError(f"cannot open a socket for {peer}: {_os_words(exc)}")
    try:
        sock.settimeout(max(seconds, 0.001))
        sock.connect(sockaddr)
        if family != socket.AF_UNIX:
            # A probe is a few small writes; Nagle's wait would be measured as the peer's.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as exc:
        sock.close()
        return _connect_failure(exc, peer, deadline)
    return sock


def _connect_failure(exc: OSError, peer: str, deadline: _Deadline) -> ProbeError:
    if isinstance(exc, (socket.timeout, TimeoutError)):
        return deadline.expired(f"connecting to {peer}")
    if isinstance(exc, ConnectionRefusedError):
        return ProbeError(f"{peer} refused the connection: nothing listens there")
    if isinstance(exc, FileNotFoundError):
        return ProbeError(f"{peer} does not exist")
    if exc.errno == errno.EAGAIN:
        # A Unix socket says so when its listen queue is full (connect(2)).
        return ProbeError(f"{peer} accepts no connections, its queue is full")
    return ProbeError(f"cannot connect to {peer}: {_os_words(exc)}")


def _wrap(sock: socket.socket, peer: str, request: Request, target: _Target, deadline: _Deadline) -> ssl.SSLSocket:
    name = request.server_hostname or target.host
    context = _tls_context(request)
    step = f"in the TLS handshake with {peer}"
    sock.settimeout(deadline.budget(step))
    try:
        return context.wrap_socket(sock, server_hostname=name)
    except socket.timeout as exc:
        raise deadline.expired(step) from exc
    except (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError) as exc:
        raise ProbeError(
            f"TLS: {peer} closed the connection in the handshake: a plain-text port, or it has nothing for {name!r}"
        ) from exc
    except ssl.SSLError as exc:
        raise ProbeError(_tls_failure(exc, peer, name)) from exc
    except OSError as exc:
        raise ProbeError(f"TLS: the handshake with {peer} failed: {_os_words(exc)}") from exc


def _tls_context(request: Request) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # RFC 6455 needs HTTP/1.1: a server that prefers HTTP/2 must not choose it (RFC 7301).
    context.set_alpn_protocols(["http/1.1"])
    if not request.validate_certs:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    if request.ca_path is None:
        context.load_default_certs()
        return context
    try:
        if Path(request.ca_path).is_dir():
            context.load_verify_locations(capath=request.ca_path)
        else:
            context.load_verify_locations(cafile=request.ca_path)
    except OSError as exc:
        raise ProbeError(f"cannot read CA certificates from {request.ca_path}: {_os_words(exc)}") from exc
    return context


def _tls_failure(exc: ssl.SSLError, peer: str, name: str) -> str:
    if isinstance(exc, ssl.SSLCertVerificationError):
        if exc.verify_code in WRONG_NAME:
            return f"TLS: the certificate of {peer} is for another name than {name!r}"
        return f"TLS: the certificate of {peer} does not verify: {exc.verify_message}"
    if exc.reason in NOT_TLS:
        return f"TLS: {peer} does not speak TLS, it is a plain-text port (ws:// or http://)"
    return f"TLS: the handshake with {peer} failed: {exc.reason or exc}"


# ---- The probes ------------------------------------------------------------------------------------------------------


def probe_http(request: Request, *, upgrade: bool = False) -> Outcome:
    """GET the url and report the answer's head, whatever its status; failure is set only if there is no HTTP answer.

    With upgrade the request is a WebSocket handshake, so that the answer to one can be looked at; it is not judged.
    """
    _refuse(_request_faults(request, ("http", "https", "ws", "wss")))
    target, deadline, outcome = _target(request), _Deadline(request.timeout), Outcome()
    fields = upgrade_fields(_new_key(), request.subprotocols) if upgrade else {"Connection": "close"}
    with _recorded(outcome), _connected(request, target, deadline) as connection:
        _exchange(connection, request, target, fields, outcome)
        outcome.upgraded = upgrade and outcome.status == 101
    return outcome


def probe_websocket(
    request: Request, *, message: str | None = None, expect: str | None = None, ping: bool = False
) -> Outcome:
    """Open a WebSocket, exchange what is asked for, and close it; the request's timeout bounds all of it together.

    With message, that text is sent and a text message must come back. With expect, the probe waits for a text message
    that equals it and passes over others until the deadline: servers greet and broadcast. With ping, a pong with the
    payload of the ping must come back. round_trip_ms is that of the message or, without one, that of the ping.
    """
    _refuse(websocket_faults(request, message=message, expect=expect))
    target, deadline, outcome = _target(request), _Deadline(request.timeout), Outcome()
    key = _new_key()
    with _recorded(outcome), _connected(request, target, deadline) as connection:
        head = _exchange(connection, request, target, upgrade_fields(key, request.subprotocols), outcome)
        _judge_handshake(head, key, request, _place(target, connection.peer), outcome)
        session = _Session(connection)
        try:
            # The message first: while the probe waits for a pong, the expected text would be passed over.
            if message is not None or expect is not None:
                outcome.round_trip_ms = session.exchange(message, expect)
            if ping:
                pong_ms = session.ping()
                outcome.round_trip_ms = pong_ms if outcome.round_trip_ms is None else outcome.round_trip_ms
        finally:
            session.close()
    return outcome


def _new_key() -> str:
    # RFC 6455 section 4.1 (7): sixteen random bytes, new for each connection.
    return base64.b64encode(os.urandom(16)).decode("ascii")


@contextlib.contextmanager
def _recorded(outcome: Outcome) -> Iterator[None]:
    try:
        yield
    except ProbeError as exc:
        outcome.failure = str(exc)


def _exchange(
    connection: _Connection, request: Request, target: _Target, extra: Mapping[str, str], outcome: Outcome
) -> ResponseHead:
    """Send the request, read the head of the answer, and note it in the outcome."""
    connection.send(request_head(target.resource, _request_fields(request, target, extra)), "the answer")
    head = _read_final_head(connection)
    outcome.handshake_ms = connection.deadline.elapsed_ms()
    outcome.status, outcome.reason, outcome.headers = head.status, head.reason, head.headers
    return head


def _request_fields(request: Request, target: _Target, extra: Mapping[str, str]) -> dict[str, str]:
    fields = {"Host": target.host_header, "User-Agent": "wsfleet.nginx-probe"}
    fields.update(extra)
    if request.origin is not None:
        fields["Origin"] = request.origin
    own = {name.lower(): name for name in fields}
    for name, value in request.headers.items():
        fields[own.get(name.lower(), name)] = value
    return fields


def _read_final_head(connection: _Connection) -> ResponseHead:
    # Interim answers, such as 103, may come before the final one (RFC 9110 section 15.2); ten are more than enough.
    for _answer in range(10):
        try:
            head = parse_response_head(connection.read_head("the answer"))
        except ProtocolError as exc:
            raise ProtocolError(f"{connection.peer}: {exc}") from exc
        if head.status >= 200 or head.status == 101:
            return head
    raise ProtocolError(f"{connection.peer} sends one interim answer after the other ({head.status})")


def _place(target: _Target, peer: str) -> str:
    # The query stays out of messages: it may hold a token.
    place = f"{target.host_header}{target.path}"
    return place if peer == target.host_header else f"{place} at {peer}"


def _judge_handshake(head: ResponseHead, key: str, request: Request, place: str, outcome: Outcome) -> None:
    if head.status != 101:
        raise ProbeError(f"{place} {explain_status(head)}")
    try:
        outcome.subprotocol = check_upgrade(head, key, request.subprotocols)
    except ProtocolError as exc:
        raise ProtocolError(f"{place} {exc}") from exc
    outcome.upgraded = True


class _Session:
    """An open WebSocket."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection
        self._assembler = MessageAssembler()
        self._closed = False

    def exchange(self, message: str | None, expect: str | None) -> float | None:
        """Send the message, wait for the expected one; the milliseconds that took, if a message was sent."""
        awaited = "a text message" if expect is None else f"the text message {_quote(expect)}"
        started = time.monotonic()
        if message is not None:
            self._send(TEXT, message.encode("utf-8"), awaited)
        wanted = None if expect is None else expect.encode("utf-8")
        self._wait_for(lambda got: got.opcode == TEXT and wanted in (None, got.payload), awaited)
        return None if message is None else round((time.monotonic() - started) * 1000, 3)

    def ping(self) -> float:
        """Send a ping, wait for its pong; the milliseconds that took."""
        # RFC 6455 section 5.5.3: a pong carries its ping's payload; an unsolicited one cannot match random bytes.
        payload = os.urandom(8)
        started = time.monotonic()
        self._send(PING, payload, "the pong")
        self._wait_for(lambda got: got.opcode == PONG and got.payload == payload, "the pong")
        return round((time.monotonic() - started) * 1000, 3)

    def close(self) -> None:
        """The closing handshake (RFC 6455 section 7.1.2), for the peer's sake: nothing it does now is a failure."""
        if self._closed:
            return
        self._connection.deadline = _Deadline(min(CLOSE_WAIT, self._connection.deadline.left()))
        self._say_close((1000).to_bytes(2, "big"))
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
            raise ProbeError(f"{exc}; the last text message that came was {_quote(text)}") from exc

    def _next(self, awaited: str) -> Frame:
        """The next message or pong; pings are answered on the way (RFC 6455 section 5.5.2)."""
        while True:
            got = self._next_frame(awaited)
            if got is None:
                continue
            if got.opcode == CLOSE:
                # RFC 6455 section 5.5.1: a close frame is answered with its code, unless one was sent already.
                self._say_close(got.payload[:2])
                closed = explain_close(got.payload)
                raise ProbeError(f"{self._connection.peer} closed the WebSocket ({closed}) before {awaited}")
            if got.opcode != PING:
                return got
            self._send(PONG, got.payload, awaited)

    def _next_frame(self, awaited: str) -> Frame | None:
        try:
            return self._assembler.add(self._connection.read_frame(awaited))
        except ProtocolError as exc:
            # RFC 6455 section 7.1.7: say why, and read no further, as the frames are out of step.
            self._say_close((1002).to_bytes(2, "big"))
            raise ProtocolError(f"{self._connection.peer} {exc}") from exc

    def _say_close(self, payload: bytes) -> None:
        if not self._closed:
            self._closed = True
            with contextlib.suppress(ProbeError):
                self._send(CLOSE, payload, "the end")

    def _send(self, opcode: int, payload: bytes, awaited: str) -> None:
        # RFC 6455 section 5.3: every frame has a new key that the peer cannot guess.
        self._connection.send(encode_frame(Frame(opcode, payload), os.urandom(4)), awaited)
