# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The HTTP part of a handshake (RFC 6455 section 4, RFC 9112): heads built, read and judged, without I/O."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from typing import Mapping, Sequence

from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.errors import ProtocolError, printable, quote

# RFC 6455 section 1.3: the constant that makes the accept value a proof that the peer read the key as a WebSocket one.
ACCEPT_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2
STATUS_LINE = re.compile(r"HTTP/1\.[01] (?P<status>[1-9][0-9]{2})(?: (?P<reason>.*))?")
# A recipient may take a bare LF as the end of a line (RFC 9112 section 2.2).
HEAD_END = re.compile(rb"\r?\n\r?\n")

# nginx tells what it calls 400 only in its page, such as "400 No required SSL certificate was sent".
ERROR_PAGE_400 = re.compile(rb"<title>400 ([A-Za-z ]{1,80})</title>")
NO_CERTIFICATE = "SSL certificate"

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
CERTIFICATE_HINT = "it asks its clients for a certificate that it trusts"
CLASS_HINTS = {
    2: PLAIN_ANSWER,
    3: "a redirect, which WebSocket clients do not follow: probe the place it names",
    4: "the handshake was refused",
    5: "the server failed on the handshake",
}


@dataclass(frozen=True)
class ResponseHead:
    """An HTTP answer without its body; header names in lower case, repeated ones joined by a comma and a space."""

    status: int
    reason: str
    headers: dict[str, str]
    # Its bytes.
    size: int = 0


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
        raise ProtocolError(f"the answer is not HTTP/1.1, it begins with {quote(start_line)}")
    # RFC 9112 section 5.2: a folded line is read as one line with a space in it.
    unfolded = re.sub(r"\r?\n[ \t]+", " ", rest)
    headers: dict[str, str] = {}
    for line in unfolded.split("\n"):
        if line.rstrip("\r"):
            name, value = _header_field(line.rstrip("\r"))
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return ResponseHead(int(match["status"]), (match["reason"] or "").strip(), headers, len(data))


def _header_field(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not TOKEN.fullmatch(name):
        raise ProtocolError(f"the answer is not HTTP/1.1, {quote(line)} is no header field")
    return name.lower(), value.strip(" \t")


def check_upgrade(head: ResponseHead, key: str, subprotocols: Sequence[str]) -> str | None:
    """Check a 101 as RFC 6455 section 4.1 tells clients to; return the subprotocol that the peer chose."""
    headers = head.headers
    _check_upgrade_fields(headers)
    if "sec-websocket-accept" not in headers:
        raise ProtocolError("answered 101 without Sec-WebSocket-Accept: it switched to something else than WebSocket")
    if headers["sec-websocket-accept"] != accept_value(key):
        raise ProtocolError(
            f"answered 101 with a wrong Sec-WebSocket-Accept ({quote(headers['sec-websocket-accept'])}): "
            "it is no WebSocket server, or something between changed the key or replayed an old answer"
        )
    if headers.get("sec-websocket-extensions"):
        extensions = quote(headers["sec-websocket-extensions"])
        raise ProtocolError(f"answered 101 with extensions that were not offered: {extensions}")
    return _chosen_subprotocol(headers.get("sec-websocket-protocol"), subprotocols)


def _check_upgrade_fields(headers: Mapping[str, str]) -> None:
    upgrade = headers.get("upgrade", "")
    if upgrade.lower() != "websocket":
        found = f"with Upgrade: {quote(upgrade)}" if upgrade else "without an Upgrade header"
        raise ProtocolError(f"answered 101 {found}, it must be 'websocket'")
    connection = headers.get("connection", "")
    if "upgrade" not in [token.strip().lower() for token in connection.split(",")]:
        found = f"with Connection: {quote(connection)}" if connection else "without a Connection header"
        raise ProtocolError(f"answered 101 {found}, it must hold 'upgrade'")


def _chosen_subprotocol(chosen: str | None, offered: Sequence[str]) -> str | None:
    if chosen is not None and chosen not in offered:
        raise ProtocolError(f"chose the subprotocol {quote(chosen)}, which was not offered")
    if chosen is None and offered:
        # RFC 6455 allows it; browsers fail such a connection (WHATWG WebSockets, section 2), so it is no proof.
        raise ProtocolError(f"chose none of the offered subprotocols ({', '.join(offered)}): browsers refuse that")
    return chosen


def explain_status(head: ResponseHead) -> str:
    """What an answer other than 101 means for someone who wanted a WebSocket."""
    answer = f"answered {head.status}"
    if head.reason:
        answer += f" {printable(head.reason)}"
    hint = CERTIFICATE_HINT if NO_CERTIFICATE in head.reason else ""
    hint = hint or STATUS_HINTS.get(head.status) or CLASS_HINTS.get(head.status // 100) or "no WebSocket answer"
    location = head.headers.get("location")
    if head.status // 100 == 3 and location:
        hint += f" ({quote(location)})"
    version = head.headers.get("sec-websocket-version")
    if version and head.status in (400, 426) and "13" not in [one.strip() for one in version.split(",")]:
        # RFC 6455 section 4.4: the peer lists the versions that it speaks.
        hint += f"; it speaks version {quote(version)}, the probe 13"
    return f"{answer}: {hint}"
