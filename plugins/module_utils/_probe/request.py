# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The request of a probe, its checks, and the outcome."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass, field
from typing import Mapping, Sequence
from urllib.parse import SplitResult, urlsplit

from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.certificate import NOTHING, Presented
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.errors import Cause
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.http_header import TOKEN

# More than an hour is a mistake in the unit, and far beyond it sockets overflow.
MAX_TIMEOUT = 3600.0
# sun_path holds 108 bytes on Linux, the last of them NUL (unix(7)).
MAX_UNIX_PATH = 107

PORTS = {"ws": 80, "wss": 443, "http": 80, "https": 443}
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")  # no field value holds one (RFC 9110 section 5.5); a tab may stay
HOST = re.compile(r"(?=.{1,254}$)(?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?")
CONNECT_TO = re.compile(r"(?:\[(?P<v6>[^\]]+)\]|(?P<host>[^:\[\]/]+)):(?P<port>[0-9]{1,5})")
# What the handshake sets itself: with a second value it would be another request than the probed one.
OWN_FIELDS = {
    "connection": "the probe sets it",
    "content-length": "the probe sends no body",
    "origin": "use origin",
    "sec-websocket-extensions": "the probe offers none",
    "sec-websocket-key": "the probe sets it",
    "sec-websocket-protocol": "use subprotocols",
    "sec-websocket-version": "the probe sets it",
    "transfer-encoding": "the probe sends no body",
    "upgrade": "the probe sets it",
}


@dataclass(frozen=True)
class Request:
    """What to probe: url names the route, connect_to where the connection goes if that is elsewhere."""

    url: str
    connect_to: str | None = None
    server_hostname: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    origin: str | None = None
    subprotocols: Sequence[str] = ()
    timeout: float = 5.0
    ca_path: str | None = None
    validate_certs: bool = True
    # PEM files for a peer that requires a client certificate; one may hold both.
    client_cert: str | None = None
    client_key: str | None = None
    # Whether the peer expects the PROXY protocol, as behind a load balancer.
    proxy_protocol: bool = False


@dataclass
class Outcome:
    """What came of a probe; failure is None if it passed."""

    upgraded: bool = False
    status: int | None = None
    reason: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    subprotocol: str | None = None
    # Until the end of the response's header, and what of that the connection and its TLS handshake took.
    handshake_ms: float | None = None
    connect_ms: float | None = None
    tls_ms: float | None = None
    round_trip_ms: float | None = None
    certificate: Presented = NOTHING
    failure: str | None = None
    # Of a failure before the end of the response's header, or of nginx's 400.
    cause: Cause | None = None
    # In bytes.
    header_size: int = 0
    # Whether the peer has asked for the body of the request.
    continued: bool = False

    @property
    def expires(self) -> str | None:
        return self.certificate.expires

    @property
    def phases(self) -> dict[str, float]:
        """The seconds of each phase that there was, one after the other."""
        before = (self.connect_ms or 0) + (self.tls_ms or 0)
        response = None if self.handshake_ms is None else self.handshake_ms - before
        found = {"connect": self.connect_ms, "tls": self.tls_ms, "handshake": response, "message": self.round_trip_ms}
        return {name: round(ms / 1000, 6) for name, ms in found.items() if ms is not None}


@dataclass(frozen=True)
class Target:
    """A request's url and connect_to, taken apart."""

    secure: bool
    host: str
    host_header: str
    path: str
    resource: str
    address: str | tuple[str, int]  # the path of a Unix socket, or host and port


def websocket_errors(request: Request, **texts: str | None) -> list[str]:
    """All errors in the arguments of probe_websocket; texts are its messages, by the names of the caller's options."""
    errors = request_errors(request, ("ws", "wss"))
    for name, text in texts.items():
        errors += _text_errors(name, text)
    return errors


def request_errors(request: Request, schemes: Sequence[str]) -> list[str]:
    errors = _url_errors(request.url, schemes)
    if request.connect_to is not None:
        errors += _connect_to_errors(request.connect_to)
    if request.server_hostname is not None and not _is_host(request.server_hostname):
        errors.append(f"server_hostname: {request.server_hostname!r} is neither a host name nor an IP address")
    errors += _header_errors(request.headers)
    if request.origin is not None:
        errors += _value_errors("origin", request.origin)
    errors += _subprotocol_errors(request.subprotocols)
    if request.client_key is not None and request.client_cert is None:
        errors.append("client_key: requires client_cert")
    if not 0 < request.timeout <= MAX_TIMEOUT:
        errors.append(f"timeout: must be more than 0 and at most {MAX_TIMEOUT:g} seconds, got {request.timeout!r}")
    return errors


def _url_errors(url: str, schemes: Sequence[str]) -> list[str]:
    # urlsplit drops tabs and line breaks silently, so they are looked for first. The url itself is not printed:
    # its query may hold a token.
    if not re.fullmatch(r"[\x21-\x7e]+", url):
        return ["url: must be printable ASCII without spaces (write a name with other letters as punycode, xn--...)"]
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as exc:
        return [f"url: {exc}"]
    errors = []
    if parts.scheme not in schemes:
        errors.append(f"url: the scheme must be one of {', '.join(schemes)}, got {parts.scheme!r}")
    if port == 0:
        errors.append("url: port 0 is not valid")
    if "@" in parts.netloc:
        errors.append("url: WebSocket clients do not send user and password; use an Authorization header")
    elif not _is_host(parts.hostname or ""):
        errors.append(f"url: {parts.hostname or ''!r} is neither a host name nor an IP address")
    if "#" in url:
        errors.append("url: a WebSocket URI has no fragment (RFC 6455 section 3), write '#' as %23")
    return errors


def _connect_to_errors(connect_to: str) -> list[str]:
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


def _header_errors(headers: Mapping[str, str]) -> list[str]:
    errors = []
    seen = set()
    for name, value in headers.items():
        key = name.lower()
        if not TOKEN.fullmatch(name):
            errors.append(f"headers: {name!r} is not a header name (RFC 9110 section 5.1)")
        elif key in OWN_FIELDS:
            errors.append(f"headers: {name!r} cannot be set here: {OWN_FIELDS[key]}")
        elif key in seen:
            errors.append(f"headers: {name!r} is given more than once")
        seen.add(key)
        errors += _value_errors(f"headers[{name!r}]", value)
    return errors


def _value_errors(option: str, value: str) -> list[str]:
    # The value is not printed: it may be a token.
    if CONTROL.search(value):
        return [f"{option}: the value contains a line break or another control character (RFC 9110 section 5.5)"]
    return _text_errors(option, value)


def _text_errors(option: str, text: str | None) -> list[str]:
    try:
        (text or "").encode("utf-8")
    except UnicodeEncodeError:
        return [f"{option}: the text cannot be encoded as UTF-8"]
    return []


def _subprotocol_errors(subprotocols: Sequence[str]) -> list[str]:
    errors = [
        f"subprotocols: {name!r} is not a token (RFC 6455 section 4.1)"
        for name in subprotocols
        if not TOKEN.fullmatch(name)
    ]
    if len(set(subprotocols)) < len(subprotocols):
        errors.append("subprotocols: a name is given more than once (RFC 6455 section 4.1 wants them unique)")
    return errors


def raise_errors(errors: Sequence[str]) -> None:
    if errors:
        raise ValueError("; ".join(errors))


def target_of(request: Request) -> Target:
    parts = urlsplit(request.url)
    host = parts.hostname or ""
    port = parts.port or PORTS[parts.scheme]
    path = parts.path or "/"
    return Target(
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
