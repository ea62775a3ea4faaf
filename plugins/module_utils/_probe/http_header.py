# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The HTTP part of a handshake (RFC 6455 section 4, RFC 9112): headers built, parsed and checked, without I/O."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from typing import Mapping, Sequence

from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.errors import ProtocolError, printable, quote

# RFC 6455 section 1.3: by this constant the accept value shows that the peer read the key as that of a WebSocket.
ACCEPT_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2
STATUS_LINE = re.compile(r"HTTP/1\.[01] (?P<status>[1-9][0-9]{2})(?: (?P<reason>.*))?")
# A recipient may take a bare LF as the end of a line (RFC 9112 section 2.2).
HEADER_END = re.compile(rb"\r?\n\r?\n")

# nginx gives the reason of a 400 only in its page, such as "400 No required SSL certificate was sent".
ERROR_PAGE_400 = re.compile(rb"<title>400 ([A-Za-z ]{1,80})</title>")
_CERTIFICATE_REASON = "SSL certificate"

PLAIN_RESPONSE = (
    "a plain HTTP response: the backend of this path does not speak WebSocket, or the gateway passes no upgrade on "
    "(websocket: false)"
)
STATUS_HINTS = {
    400: "the gateway or the backend rejects the handshake as malformed: Upgrade, Connection or Host was changed on the"
    " way, a subprotocol is required, or plain text was sent to a TLS port",
    401: "credentials are required (an Authorization header or a cookie)",
    403: "the Origin is not allowed, or access to this path is denied",
    404: "nothing is at this path: the gateway has no such location, or the backend no such endpoint",
    405: PLAIN_RESPONSE,
    421: "the server does not serve the Host that was sent",
    426: "no acceptable WebSocket upgrade arrived: the gateway drops the Upgrade header, or requires another version",
    429: "too many handshakes or open sockets from this client",
    500: "the backend failed on the handshake",
    502: "the gateway could not connect to the backend, or got an invalid response from it",
    503: "no backend of the gateway is up, or the gateway limits connections",
    504: "the backend did not respond to the gateway in time",
}
CERTIFICATE_HINT = "the server requires a client certificate that it trusts"
CLASS_HINTS = {
    2: PLAIN_RESPONSE,
    3: "a redirect, which WebSocket clients do not follow: probe its target",
    4: "the handshake was rejected",
    5: "the server failed on the handshake",
}


@dataclass(frozen=True)
class ResponseHeader:
    """An HTTP response without its body; names of fields in lower case, repeated ones joined by a comma and a space."""

    status: int
    reason: str
    headers: dict[str, str]
    # In bytes.
    size: int = 0

    @property
    def requires_certificate(self) -> bool:
        """Whether nginx rejects the client because of its certificate, or because it has none."""
        return self.status == 400 and _CERTIFICATE_REASON in self.reason


def accept_value(key: str) -> str:
    """The Sec-WebSocket-Accept for a Sec-WebSocket-Key (RFC 6455 section 4.2.2)."""
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


def request_header(resource: str, fields: Mapping[str, str]) -> bytes:
    """A GET for the resource, without a body."""
    lines = [f"GET {resource} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    return "\r\n".join(lines).encode("utf-8")


def parse_response_header(data: bytes) -> ResponseHeader:
    """Parse the header of an HTTP response (RFC 9112 sections 4 and 5); ProtocolError if it is not one."""
    start_line, _separator, rest = data.decode("latin-1").partition("\n")
    match = STATUS_LINE.fullmatch(start_line.rstrip("\r"))
    if not match:
        raise ProtocolError(f"the response is not HTTP/1.1, it begins with {quote(start_line)}")
    # RFC 9112 section 5.2: a folded line is read as one line with a space in it.
    unfolded = re.sub(r"\r?\n[ \t]+", " ", rest)
    headers: dict[str, str] = {}
    for line in unfolded.split("\n"):
        if line.rstrip("\r"):
            name, value = _header_field(line.rstrip("\r"))
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return ResponseHeader(int(match["status"]), (match["reason"] or "").strip(), headers, len(data))


def _header_field(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not TOKEN.fullmatch(name):
        raise ProtocolError(f"the response is not HTTP/1.1, {quote(line)} is not a header field")
    return name.lower(), value.strip(" \t")


def check_upgrade(header: ResponseHeader, key: str, subprotocols: Sequence[str]) -> str | None:
    """Check a 101 as RFC 6455 section 4.1 tells clients to; return the subprotocol that the peer chose."""
    headers = header.headers
    _check_upgrade_fields(headers)
    if "sec-websocket-accept" not in headers:
        raise ProtocolError("returned 101 without Sec-WebSocket-Accept: it switched to another protocol than WebSocket")
    if headers["sec-websocket-accept"] != accept_value(key):
        raise ProtocolError(
            f"returned 101 with a wrong Sec-WebSocket-Accept ({quote(headers['sec-websocket-accept'])}): "
            "it is not a WebSocket server, or a proxy on the way changed the key or replayed an old response"
        )
    if headers.get("sec-websocket-extensions"):
        extensions = quote(headers["sec-websocket-extensions"])
        raise ProtocolError(f"returned 101 with extensions that were not offered: {extensions}")
    return _chosen_subprotocol(headers.get("sec-websocket-protocol"), subprotocols)


def _check_upgrade_fields(headers: Mapping[str, str]) -> None:
    upgrade = headers.get("upgrade", "")
    if upgrade.lower() != "websocket":
        found = f"with Upgrade: {quote(upgrade)}" if upgrade else "without an Upgrade header"
        raise ProtocolError(f"returned 101 {found}, it must be 'websocket'")
    connection = headers.get("connection", "")
    if "upgrade" not in [token.strip().lower() for token in connection.split(",")]:
        found = f"with Connection: {quote(connection)}" if connection else "without a Connection header"
        raise ProtocolError(f"returned 101 {found}, it must contain 'upgrade'")


def _chosen_subprotocol(chosen: str | None, offered: Sequence[str]) -> str | None:
    if chosen is not None and chosen not in offered:
        raise ProtocolError(f"chose the subprotocol {quote(chosen)}, which was not offered")
    if chosen is None and offered:
        # RFC 6455 allows it; browsers fail such a connection (WHATWG WebSockets, section 2), so the probe fails too.
        raise ProtocolError(f"chose none of the offered subprotocols ({', '.join(offered)}): browsers reject that")
    return chosen


def explain_status(header: ResponseHeader) -> str:
    """What a status other than 101 means for a client that opens a WebSocket."""
    returned = f"returned {header.status}"
    if header.reason:
        returned += f" {printable(header.reason)}"
    hint = CERTIFICATE_HINT if header.requires_certificate else ""
    hint = (
        hint or STATUS_HINTS.get(header.status) or CLASS_HINTS.get(header.status // 100) or "not a WebSocket response"
    )
    location = header.headers.get("location")
    if header.status // 100 == 3 and location:
        hint += f" ({quote(location)})"
    version = header.headers.get("sec-websocket-version")
    if version and header.status in (400, 426) and "13" not in [one.strip() for one in version.split(",")]:
        # RFC 6455 section 4.4: the peer lists the versions that it speaks.
        hint += f"; it speaks version {quote(version)}, the probe speaks 13"
    return f"{returned}: {hint}"
