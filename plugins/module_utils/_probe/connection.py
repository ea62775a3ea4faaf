# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A connection to a peer over TCP, TLS or a Unix socket, under one deadline for everything."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import queue
import socket
import ssl
import threading
import time
from pathlib import Path
from typing import Any, Iterator, Sequence

from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.errors import (
    Cause,
    ClosedError,
    ProbeError,
    ProtocolError,
    quote,
)
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.frames import Frame, decode_frame
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.http_header import HEADER_END
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.request import Request, Target

# A hostile peer may not make the host hold more than this.
MAX_HEADER = 64 * 1024
# OpenSSL's reasons for a response that is not a TLS record.
NOT_TLS = {
    "BAD_PROTOCOL_VERSION_NUMBER",
    "HTTP_REQUEST",
    "PACKET_LENGTH_TOO_LONG",
    "RECORD_LAYER_FAILURE",
    "UNKNOWN_PROTOCOL",
    "WRONG_VERSION_NUMBER",
}
# The PROXY protocol, version 1, section 2.1: a connection that the sender made for itself, as a health check does.
PROXY_HEADER = b"PROXY UNKNOWN\r\n"
# X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH.
WRONG_NAME = {62, 64}


class Deadline:
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
        return ProbeError(f"timed out after {self._seconds:g} s {step}", Cause.TIMEOUT)


class Connection:
    """Bytes to and from one peer, within the deadline. Every error is a ProbeError that names peer and step."""

    def __init__(self, sock: socket.socket, peer: str, deadline: Deadline) -> None:
        self._sock = sock
        self._buffer = bytearray()
        self.deadline = deadline
        self.peer = peer
        # What it took.
        self.connect_ms: float | None = None
        self.tls_ms: float | None = None

    @property
    def certificate(self) -> bytes | None:
        """What the peer showed, verified or not, in DER; None without TLS."""
        return self._sock.getpeercert(binary_form=True) if isinstance(self._sock, ssl.SSLSocket) else None

    def send(self, data: bytes, awaited: str) -> None:
        """Send all of it, or what the peer accepts: if it closes early, the next read may return its reason."""
        # SSLSocket.sendall gives every part the whole timeout, hence the loop.
        step = f"sending to {self.peer}"
        view = memoryview(data)
        with self._translated(awaited, step), contextlib.suppress(ConnectionError, ssl.SSLEOFError):
            while view:
                self._sock.settimeout(self.deadline.budget(step))
                view = view[self._sock.send(view) :]

    def end(self) -> None:
        """Tell the peer that nothing more will be sent; what it sends can still be read."""
        # SSLSocket.shutdown would end TLS in the other direction too.
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._sock, socket.SHUT_WR)

    def read_header(self, awaited: str) -> bytes:
        """The bytes up to and with the empty line that ends an HTTP header."""
        searched = 0
        while True:
            match = HEADER_END.search(self._buffer, max(0, searched - 3))
            if match and match.end() <= MAX_HEADER:
                return self._take(match.end())
            self._check_is_http()
            if len(self._buffer) > MAX_HEADER:
                raise ProtocolError(f"{self.peer} sent more than {MAX_HEADER} bytes of HTTP header")
            searched = len(self._buffer)
            self._receive(awaited)

    @property
    def rest(self) -> bytes:
        """What came along with the header."""
        return bytes(self._buffer)

    def read_body(self, size: int) -> bytes:
        """The bytes up to the end of the connection, this many at most."""
        with contextlib.suppress(ClosedError):
            while len(self._buffer) < size:
                self._receive("the end of the response")
        return self._take(size)

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
        """Detect another protocol by its first bytes: it may never send the empty line that ends a header."""
        start = bytes(self._buffer[:5])
        if start == b"HTTP/"[: len(start)]:
            return
        if start[:2] in (b"\x15\x03", b"\x16\x03"):
            raise ProtocolError(f"{self.peer} speaks TLS: use wss:// or https://")
        raise ProtocolError(f"{self.peer} does not speak HTTP: its response begins with {_quote_bytes(self._buffer)}")

    def _receive(self, awaited: str) -> None:
        step = f"waiting for {awaited} from {self.peer}"
        with self._translated(awaited, step):
            self._sock.settimeout(self.deadline.budget(step))
            data = self._sock.recv(65536)
        if not data:
            so_far = f" (after {_quote_bytes(self._buffer)})" if self._buffer else ""
            raise ClosedError(f"{self.peer} closed the connection before {awaited}{so_far}")
        self._buffer += data

    @contextlib.contextmanager
    def _translated(self, awaited: str, step: str) -> Iterator[None]:
        try:
            yield
        except socket.timeout as exc:
            raise self.deadline.expired(step) from exc
        except (ConnectionError, ssl.SSLEOFError) as exc:
            raise ClosedError(f"{self.peer} dropped the connection before {awaited} ({_reason(exc)})") from exc
        except ssl.SSLError as exc:
            # Only now does TLS 1.3 report that it requires a client certificate (RFC 8446 section 4.4.2.4).
            raise ProbeError(f"TLS with {self.peer} failed before {awaited}: {exc.reason or exc}") from exc
        except OSError as exc:
            raise ProbeError(f"the connection to {self.peer} failed before {awaited}: {_reason(exc)}") from exc


def _quote_bytes(data: bytearray) -> str:
    return quote(bytes(data[:100]).decode("latin-1"))


def _reason(exc: OSError) -> str:
    return exc.strerror or str(exc)


@contextlib.contextmanager
def connected(request: Request, target: Target, deadline: Deadline) -> Iterator[Connection]:
    sock, peer = _connect(target.address, deadline)
    connect_ms, tls_ms = deadline.elapsed_ms(), None
    with contextlib.ExitStack() as stack:
        stack.enter_context(sock)
        if request.proxy_protocol:
            Connection(sock, peer, deadline).send(PROXY_HEADER, "the response")
        if target.secure:
            sock = stack.enter_context(_wrap(sock, peer, request, target, deadline))
            tls_ms = round(deadline.elapsed_ms() - connect_ms, 3)
        connection = Connection(sock, peer, deadline)
        connection.connect_ms, connection.tls_ms = connect_ms, tls_ms
        yield connection


def _connect(address: str | tuple[str, int], deadline: Deadline) -> tuple[socket.socket, str]:
    if isinstance(address, str):
        sock = _try_connect(socket.AF_UNIX, address, f"unix:{address}", deadline, deadline.left())
        if isinstance(sock, ProbeError):
            raise sock
        return sock, f"unix:{address}"
    return _connect_first(_resolve(*address, deadline), deadline)


def _resolve(host: str, port: int, deadline: Deadline) -> list[tuple[socket.AddressFamily, Any]]:
    """The addresses of a host. getaddrinfo has no timeout and a dead resolver blocks it for long, hence the thread."""
    lookups: queue.Queue[list[Any] | Exception] = queue.Queue()

    def look_up() -> None:
        try:
            lookups.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as exc:
            lookups.put(exc)

    if _is_ip(host):
        look_up()
    else:
        threading.Thread(target=look_up, daemon=True).start()
    step = f"resolving the name {host!r}"
    try:
        found = lookups.get(timeout=deadline.budget(step))
    except queue.Empty as exc:
        raise deadline.expired(step) from exc
    if isinstance(found, Exception):
        reason = _reason(found) if isinstance(found, OSError) else str(found)
        raise ProbeError(f"the name {host!r} does not resolve: {reason}") from found
    return list(dict.fromkeys((family, sockaddr) for family, _type, _proto, _name, sockaddr in found))


def _is_ip(host: str) -> bool:
    try:
        return bool(ipaddress.ip_address(host))
    except ValueError:
        return False


def _connect_first(
    addresses: Sequence[tuple[socket.AddressFamily, Any]], deadline: Deadline
) -> tuple[socket.socket, str]:
    """Connect to the first address that accepts; every address left gets an equal share of the time left."""
    errors: list[ProbeError] = []
    for tried, (family, sockaddr) in enumerate(addresses):
        host, port = sockaddr[:2]
        peer = f"[{host}]:{port}" if family == socket.AF_INET6 else f"{host}:{port}"
        sock = _try_connect(family, sockaddr, peer, deadline, deadline.left() / (len(addresses) - tried))
        if isinstance(sock, socket.socket):
            return sock, peer
        errors.append(sock)
    cause = next((error.cause for error in errors if error.cause), None)
    raise ProbeError("; ".join(map(str, errors)) or "the name has no address", cause)


def _try_connect(
    family: socket.AddressFamily, sockaddr: Any, peer: str, deadline: Deadline, seconds: float
) -> socket.socket | ProbeError:
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
    except OSError as exc:
        return ProbeError(f"cannot open a socket for {peer}: {_reason(exc)}")
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


def _connect_failure(exc: OSError, peer: str, deadline: Deadline) -> ProbeError:
    if isinstance(exc, (socket.timeout, TimeoutError)):
        return deadline.expired(f"connecting to {peer}")
    if isinstance(exc, ConnectionRefusedError):
        return ProbeError(f"{peer} refused the connection: nothing listens there", Cause.REFUSED)
    if isinstance(exc, FileNotFoundError):
        return ProbeError(f"{peer} does not exist")
    if exc.errno == errno.EAGAIN:
        # A Unix socket says so when its listen queue is full (connect(2)).
        return ProbeError(f"{peer} accepts no connections: its queue is full")
    return ProbeError(f"cannot connect to {peer}: {_reason(exc)}")


def _wrap(sock: socket.socket, peer: str, request: Request, target: Target, deadline: Deadline) -> ssl.SSLSocket:
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
            f"TLS: {peer} closed the connection in the handshake: it is a plain-text port, or has no site for {name!r}"
        ) from exc
    except ssl.SSLError as exc:
        raise ProbeError(_tls_failure(exc, peer, name)) from exc
    except OSError as exc:
        raise ProbeError(f"TLS: the handshake with {peer} failed: {_reason(exc)}") from exc


def _tls_context(request: Request) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # RFC 6455 needs HTTP/1.1: a server that prefers HTTP/2 must not choose it (RFC 7301).
    context.set_alpn_protocols(["http/1.1"])
    if request.client_cert is not None:
        _load_client_certificate(context, request.client_cert, request.client_key)
    if not request.validate_certs:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif request.ca_path is None:
        context.load_default_certs()
    else:
        _load_cas(context, request.ca_path)
    return context


def _load_client_certificate(context: ssl.SSLContext, certificate: str, key: str | None) -> None:
    try:
        # Without a password OpenSSL would ask for that of an encrypted key on the terminal.
        context.load_cert_chain(certificate, key, password="")
    except OSError as exc:
        files = " and ".join(path for path in (certificate, key) if path)
        reason = (exc.reason if isinstance(exc, ssl.SSLError) else "") or _reason(exc)
        raise ProbeError(f"cannot use the client certificate of {files}: {reason}") from exc


def _load_cas(context: ssl.SSLContext, path: str) -> None:
    try:
        if Path(path).is_dir():
            context.load_verify_locations(capath=path)
        else:
            context.load_verify_locations(cafile=path)
    except OSError as exc:
        raise ProbeError(f"cannot read CA certificates from {path}: {_reason(exc)}") from exc


def _tls_failure(exc: ssl.SSLError, peer: str, name: str) -> str:
    if isinstance(exc, ssl.SSLCertVerificationError):
        if exc.verify_code in WRONG_NAME:
            return f"TLS: the certificate of {peer} is for another name than {name!r}"
        return f"TLS: the certificate of {peer} does not verify: {exc.verify_message}"
    if exc.reason in NOT_TLS:
        return f"TLS: {peer} does not speak TLS: it is a plain-text port (ws:// or http://)"
    return f"TLS: the handshake with {peer} failed: {exc.reason or exc}"
