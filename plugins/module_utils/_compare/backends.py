# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The servers behind nginx: they record what they receive, and respond to it."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import ssl
import struct
import threading
import typing as t
from pathlib import Path

from ansible_collections.wsfleet.nginx.plugins.module_utils._compare.exchange import RESPOND, Received
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.errors import ProbeError
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.frames import CLOSE, PING, PONG, decode_frame
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.http_header import accept_value

_SECONDS = 10.0
# linux/in.h and linux/in6.h: a bind to an address that no interface has.
_IP_FREEBIND, _IPV6_FREEBIND = 15, 78
_LARGEST_BODY = 64 * 1024 * 1024
# What a request can ask for: the status, more header fields, and the body.
_RESPONSES: dict[str, tuple[str, str, str]] = {
    "redirect": ("302 Found", "Location: {scheme}://{host}{path}elsewhere?a=b\r\n", ""),
    "redirect_to_server": ("302 Found", "Location: http://{server}/elsewhere\r\n", ""),
    "cookie": ("200 OK", "Set-Cookie: a=b; Domain={host}; Path=/app; HttpOnly\r\n", "cookie"),
    "missing": ("404 Not Found", "", "the backend's own page"),
    "broken": ("503 Service Unavailable", "", "the backend's own page"),
    "long_header": ("200 OK", "X-Long: " + "a" * 7000 + "\r\n", "long"),
    "compressible": ("200 OK", "", "a text that can be compressed " * 200),
    "fields": (
        "200 OK",
        "X-Powered-By: backend\r\nX-Frame-Options: ALLOWALL\r\nAccess-Control-Allow-Origin: *\r\n"
        "Cache-Control: max-age=60\r\nServer: backend\r\nX-Accel-Buffering: no\r\n",
        "fields",
    ),
}


class Backends:
    """All of the servers, each at its own address."""

    def __init__(self, certificate: Path) -> None:
        self._received: list[Received] = []
        self._lock = threading.Lock()
        self._certificate = certificate
        self._listening: list[socket.socket] = []
        # As nginx has the addresses in $upstream_addr.
        self.addresses: dict[str, str] = {}

    def listen(self, name: str, address: str | tuple[str, int]) -> None:
        """Be the server of this name there."""
        self.addresses[name] = f"unix:{address}" if isinstance(address, str) else spelled(*address)
        if isinstance(address, str):
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sock.bind(address)
            Path(address).chmod(0o666)
        else:
            family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
            sock = socket.socket(family, socket.SOCK_STREAM)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # nginx may have the same port at all addresses, see the sockets that it inherits.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1)
            else:
                sock.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
            sock.bind(address)
        sock.listen(128)
        self._listening.append(sock)
        threading.Thread(target=self._accept, args=(name, sock), daemon=True).start()

    def taken(self) -> list[Received]:
        """What has come since the last call."""
        with self._lock:
            taken, self._received = self._received, []
        return taken

    def _accept(self, name: str, listening: socket.socket) -> None:
        while True:
            connection, _peer = listening.accept()
            threading.Thread(target=self._serve, args=(name, connection), daemon=True).start()

    def _serve(self, name: str, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError, IndexError, struct.error, ProbeError), connection:
            connection.settimeout(_SECONDS)
            first = connection.recv(1, socket.MSG_PEEK)
            received = Received(name)
            if not first:
                return
            if first == b"\x16":
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(str(self._certificate))
                connection = context.wrap_socket(connection, server_side=True)
                received.tls = True
            elif first == b"\x01":
                self._serve_fastcgi(received, connection)
                return
            elif not first.isalpha():
                received.protocol = "another protocol than HTTP"
                self._record(received)
                return
            with connection:
                while self._serve_http(name, received.tls, connection):
                    pass

    def _record(self, received: Received) -> None:
        with self._lock:
            self._received.append(received)

    def _serve_http(self, name: str, tls: bool, connection: socket.socket) -> bool:
        """Serve one request; return whether another one may come."""
        stream = connection.makefile("rb")
        first = stream.readline().decode("latin-1").rstrip("\r\n")
        if not first:
            return False
        received = Received(name, tls=tls)
        received.method, received.target, received.version = first.split(" ", 2)
        if received.method == "PRI":
            received.protocol = "HTTP/2"
            self._record(received)
            return False
        for line in iter(stream.readline, b""):
            if line in (b"\r\n", b"\n"):
                break
            key, _colon, value = line.decode("latin-1").rstrip("\r\n").partition(":")
            received.headers.append((key, value.strip()))
        fields = {key.lower(): value for key, value in received.headers}
        body = _body(stream, fields)
        if body is None:
            return False
        received.body = body.decode("latin-1") if len(body) <= 256 else f"{len(body)} bytes, {_digest(body)}"
        self._record(received)
        if _is_handshake(received.method, fields):
            connection.sendall(_upgraded(fields))
            _talk(stream, connection, fields)
            return False
        connection.sendall(_response(received, fields))
        return received.version == "HTTP/1.1" and "close" not in fields.get("connection", "").lower()

    def _serve_fastcgi(self, received: Received, connection: socket.socket) -> None:
        """The FastCGI specification, section 3: records, of which the parameters are the request."""
        stream = connection.makefile("rb")
        parameters, body, request_id = b"", b"", 1
        received.protocol = "FastCGI"
        while True:
            _version, kind, request_id, size, padding = struct.unpack(">BBHHBx", stream.read(8))
            content = stream.read(size)
            stream.read(padding)
            if kind == 4:
                parameters += content
            elif kind == 5:
                if not content:
                    break
                body += content
        received.headers = _name_value_pairs(parameters)
        received.body = body.decode("latin-1") if len(body) <= 256 else f"{len(body)} bytes, {_digest(body)}"
        self._record(received)
        output = b"Content-Type: text/plain\r\n\r\nthe backend's response"
        connection.sendall(
            struct.pack(">BBHHBx", 1, 6, request_id, len(output), 0)
            + output
            + struct.pack(">BBHHBx", 1, 6, request_id, 0, 0)
            + struct.pack(">BBHHBx8x", 1, 3, request_id, 8, 0)
        )


def spelled(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:16]


def _name_value_pairs(data: bytes) -> list[tuple[str, str]]:
    pairs, at = [], 0
    while at < len(data):
        sizes = []
        for _part in range(2):
            size = data[at]
            if size & 0x80:
                size = int.from_bytes(data[at : at + 4], "big") & 0x7FFFFFFF
                at += 4
            else:
                at += 1
            sizes.append(size)
        name = data[at : at + sizes[0]].decode("latin-1")
        at += sizes[0]
        pairs.append((name, data[at : at + sizes[1]].decode("latin-1")))
        at += sizes[1]
    return pairs


def _body(stream: t.BinaryIO, fields: t.Mapping[str, str]) -> bytes | None:
    """The body; None if nginx closes the connection before its end."""
    if "chunked" in fields.get("transfer-encoding", "").lower():
        body = b""
        while True:
            size = int(stream.readline().split(b";")[0], 16)
            body += stream.read(size)
            stream.readline()
            if not size:
                return body
    length = min(int(fields.get("content-length") or 0), _LARGEST_BODY)
    body = stream.read(length)
    return body if len(body) == length else None


def _is_handshake(method: str, fields: t.Mapping[str, str]) -> bool:
    tokens = [token.strip().lower() for token in fields.get("connection", "").split(",")]
    return (
        method == "GET"
        and fields.get("upgrade", "").lower() == "websocket"
        and "upgrade" in tokens
        and "sec-websocket-key" in fields
        and fields.get("sec-websocket-version") == "13"
    )


def _upgraded(fields: t.Mapping[str, str]) -> bytes:
    chosen = fields.get("sec-websocket-protocol", "").partition(",")[0].strip()
    subprotocol = f"Sec-WebSocket-Protocol: {chosen}\r\n" if chosen else ""
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept_value(fields['sec-websocket-key'])}\r\n{subprotocol}\r\n"
    ).encode()


def _response(received: Received, fields: t.Mapping[str, str]) -> bytes:
    status, more, body = _RESPONSES.get(
        fields.get(RESPOND.lower(), ""), ("200 OK", "", f"the response of a backend to {received.method}")
    )
    path = received.target.partition("?")[0].rpartition("/")[0] + "/"
    # As frameworks do, the server believes the proxy by which scheme the client has come.
    scheme = "https" if fields.get("x-forwarded-proto") == "https" else "http"
    names = {"{host}": fields.get("host", ""), "{server}": received.server, "{path}": path, "{scheme}": scheme}
    for name, value in names.items():
        more = more.replace(name, value)
    header = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\n{more}Content-Length: {len(body)}\r\n\r\n"
    return (header + ("" if received.method == "HEAD" else body)).encode("latin-1")


def _frame(opcode: int, payload: bytes) -> bytes:
    """A frame as a server sends it: not masked, and short of 64 KiB."""
    size = len(payload)
    return bytes([0x80 | opcode, *([size] if size < 126 else [126, *size.to_bytes(2, "big")])]) + payload


def _talk(stream: t.BinaryIO, connection: socket.socket, fields: t.Mapping[str, str]) -> None:
    """Return each message, and close when the client does, or after the first message where the client asks for it."""
    data = b""
    while True:
        decoded = decode_frame(data)
        if decoded is None:
            more = stream.read1(65536)  # type: ignore[attr-defined]
            if not more:
                return
            data += more
            continue
        frame, size = decoded
        data = data[size:]
        if frame.opcode == CLOSE:
            connection.sendall(_frame(CLOSE, frame.payload))
            return
        connection.sendall(_frame(PONG if frame.opcode == PING else frame.opcode, frame.payload))
        if fields.get(RESPOND.lower()) == "close":
            connection.sendall(_frame(CLOSE, (1001).to_bytes(2, "big")))
            # With bytes that nobody has read, the end of the connection could overtake the frame.
            while stream.read1(65536):  # type: ignore[attr-defined]
                pass
            return
        if fields.get(RESPOND.lower()) == "drop":
            return


class Resolver:
    """A name server for names that nginx looks up while it runs (RFC 1035 section 4)."""

    def __init__(self, names: t.Mapping[str, str]) -> None:
        self._names = names

    def listen(self, host: str, port: int) -> None:
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((host, port))
        threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        while True:
            query, peer = sock.recvfrom(4096)
            with contextlib.suppress(IndexError, UnicodeError, OSError):
                sock.sendto(self.response(query), peer)

    def response(self, query: bytes) -> bytes:
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1 : at + 1 + query[at]].decode("ascii"))
            at += 1 + query[at]
        question = query[12 : at + 5]
        name = ".".join(labels).lower()
        address = self._names.get(name)
        is_a = query[at + 1 : at + 3] == b"\x00\x01"
        answer = b""
        if address and is_a:
            answer = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04" + socket.inet_aton(address)
        code = 0 if address else 3
        flags = struct.pack(">HHHHH", 0x8580 | code, 1, bool(answer), 0, 0)
        return query[:2] + flags + question + answer
