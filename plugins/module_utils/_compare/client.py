# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The client: sends one request to nginx, and has what came of it."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import re
import socket
import ssl
import time
import typing as t
import warnings
import zlib

from ansible_collections.wsfleet.nginx.plugins.module_utils._compare.backends import Backends
from ansible_collections.wsfleet.nginx.plugins.module_utils._compare.exchange import Answer, Request, answer_from
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.connection import Connection, Deadline
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.errors import ClosedError, ProbeError
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.frames import (
    CLOSE,
    TEXT,
    Frame,
    encode_frame,
    explain_close,
)
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.http_header import STATUS_LINE

_SECONDS = 5.0
_REPEATED_SECONDS = 2.0
_LATE_SECONDS = 0.01
# RFC 5737 and RFC 3849: addresses that stand for those of a host with wildcards in listen.
GATEWAY = {"0.0.0.0": "192.0.2.1", "[::]": "2001:db8::1"}
# The example of RFC 6455 section 1.3: with one key for all, both responses have the same Sec-WebSocket-Accept.
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
_MASK = b"mask"
_MESSAGE = b"a message of the client"
# More than a buffer of nginx.
_LONG_MESSAGE = b"a long message " * 3000
_LARGEST = 1024 * 1024
NGINX_VERSION = re.compile(r"nginx/[0-9.]+(?: \([^)]*\))?")
# What nginx and this collection refuse by limits.
_LIMITED = frozenset({"429", "444", "503"})
_VERSIONS = {
    "TLSv1": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}


class Client:
    def __init__(self, backends: Backends, certificate: str) -> None:
        self._backends = backends
        self._certificate = certificate
        self._numbers = itertools.count(1)

    def ask(self, request: Request) -> Answer:
        if request.times > 1:
            return self._repeated(request)
        answer = Answer()
        client, port = "", ""
        self._backends.taken()
        deadline = Deadline(_SECONDS)
        try:
            with contextlib.ExitStack() as stack:
                sock = self._opened(stack, request, next(self._numbers), deadline)
                if sock.family != socket.AF_UNIX:
                    client, port = map(str, sock.getsockname()[:2])
                if isinstance(sock, ssl.SSLSocket):
                    answer.tls = f"{sock.version()} {sock.selected_alpn_protocol() or ''}".strip()
                if request.alpn != "h2":
                    _exchange(Connection(sock, "nginx", deadline), request, answer)
        except (ProbeError, OSError, ValueError) as error:
            answer.error = _reason(error)
        if request.announced is not None:
            # Where nginx passes a body on as it comes, a server may get the beginning of one that does not come.
            time.sleep(_LATE_SECONDS)
            self._backends.taken()
        answer.received = self._backends.taken()
        for one in answer.received:
            # Which one of its upstream it was is for chance to say.
            for text in (f"//{one.server}/", self._backends.addresses[one.server]):
                word = text.replace(text.strip("/"), "SERVER")
                answer.headers = [(name, value.replace(text, word)) for name, value in answer.headers]
                answer.body = answer.body.replace(text, word)
            one.headers = [(name, "PORT" if port and value == port else value) for name, value in one.headers]
        return answer if request.client or client in ("", "127.0.0.1", "::1") else _without_client(answer, client)

    def _repeated(self, request: Request) -> Answer:
        """How a client fares that does not stop: by the limits of nginx, some of its requests are refused."""
        number = next(self._numbers)
        found: set[str] = set()
        with contextlib.ExitStack() as stack:
            connections = []
            for _time in range(request.times):
                try:
                    sock = self._opened(stack, request, number, Deadline(_SECONDS))
                    connection = Connection(sock, "nginx", Deadline(_REPEATED_SECONDS))
                    connection.send(header_of(request), "the response")
                    connections.append(connection)
                except (ProbeError, OSError) as error:
                    found.add(_reason(error))
            for connection in connections:
                answer = Answer()
                # Those that nginx delays come later: a refusal comes at once.
                with contextlib.suppress(ProbeError):
                    _read_header(connection, answer)
                    found.add(str(answer.status))
        self._backends.taken()
        refused = sorted(one for one in found if one in _LIMITED or not one.isdigit())
        return Answer(refused=f"some are refused: {', '.join(refused)}" if refused else "none is refused")

    def _opened(self, stack: contextlib.ExitStack, request: Request, number: int, deadline: Deadline) -> socket.socket:
        sock = stack.enter_context(_connected(request, number, deadline))
        if request.proxy_protocol:
            sock.sendall(_proxy_header(request, sock))
        return stack.enter_context(self._with_tls(sock, request)) if request.tls else sock

    def _with_tls(self, sock: socket.socket, request: Request) -> ssl.SSLSocket:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        # Old protocols and ciphers are asked for too, where the library of the host still has them.
        with contextlib.suppress(ssl.SSLError):
            context.set_ciphers("ALL:@SECLEVEL=0")
        context.set_alpn_protocols([request.alpn])
        if request.tls_version:
            with warnings.catch_warnings():
                # It is an old one on purpose.
                warnings.simplefilter("ignore", DeprecationWarning)
                context.minimum_version = context.maximum_version = _VERSIONS[request.tls_version]
        if request.certificate:
            context.load_cert_chain(self._certificate)
        name = request.sni or _host_of(request.host or "")
        return context.wrap_socket(sock, server_hostname=name or None)


def _without_client(answer: Answer, client: str) -> Answer:
    """The answer with a word instead of the client's address, which is another one each time."""
    return answer_from(json.loads(json.dumps(answer.as_dict()).replace(client, "CLIENT")))


def _host_of(host: str) -> str:
    """The name of a Host header, for SNI, which has no addresses (RFC 6066 section 3)."""
    name = re.sub(r":\d+$", "", host).rstrip(".")
    return "" if re.fullmatch(r"[\d.]+|\[.*\]", name) else name


def _reason(error: Exception) -> str:
    if isinstance(error, ValueError):
        return "the response is not HTTP"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason or error}"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return "nginx closed the connection without a response" if isinstance(error, ClosedError) else str(error)


def _connected(request: Request, number: int, deadline: Deadline) -> socket.socket:
    if request.address.startswith("unix:"):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(deadline.left())
        sock.connect(request.address[len("unix:") :])
        return sock
    host, _colon, port = request.address.rpartition(":")
    host = GATEWAY.get(host, host).strip("[]")
    v6 = ":" in host
    client = request.client
    if client is None or (":" in client) != v6:
        # Each from a network of its own, so that limits for a client do not add up.
        client = (
            f"2001:db8:{number % 65536:x}::2"
            if v6
            else f"198.{18 + number // 65536 % 2}.{number // 256 % 256}.{number % 256}"
        )
    # As a client on the host itself.
    if host in ("127.0.0.1", "::1"):
        client = host
    sock = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.settimeout(deadline.left())
        sock.bind((client, 0))
        sock.connect((host, int(port)))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError:
        sock.close()
        raise
    return sock


def _proxy_header(request: Request, sock: socket.socket) -> bytes:
    """Version 1 of the PROXY protocol: the client's address, as a load balancer tells it."""
    if sock.family == socket.AF_UNIX:
        return b"PROXY UNKNOWN\r\n"
    family = "TCP6" if sock.family == socket.AF_INET6 else "TCP4"
    (source, _port, *_rest), (target, port, *_more) = sock.getsockname(), sock.getpeername()
    return f"PROXY {family} {source} {target} 40000 {port}\r\n".encode()


def header_of(request: Request) -> bytes:
    lines = [f"{request.method} {request.target} HTTP/{'1.0' if request.host is None else '1.1'}"]
    if request.host is not None:
        lines.append(f"Host: {request.host}")
    given = {name.lower() for name, _value in request.headers}
    if request.websocket:
        own = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": KEY,
        }
    else:
        own = {"Connection": "close"}
    lines += [f"{name}: {value}" for name, value in own.items() if name.lower() not in given]
    lines += [f"{name}: {value}" for name, value in request.headers if value]
    if request.announced is not None:
        lines += [f"Content-Length: {request.announced}", "Expect: 100-continue"]
    elif request.body:
        lines.append(f"Content-Length: {len(request.body.encode())}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape")


def _exchange(connection: Connection, request: Request, answer: Answer) -> None:
    connection.send(header_of(request) + request.body.encode(), "the response")
    _read_header(connection, answer)
    if answer.status == 100:
        answer.continued = True
        answer.status = None
        if request.announced is not None:
            # The body is not sent: that nginx takes it is what was to be known.
            return
        _read_header(connection, answer)
    if answer.status == 101:
        answer.websocket = _messages(connection, request)
    else:
        answer.body = _body(connection, request, answer)


def _read_header(connection: Connection, answer: Answer) -> None:
    data = connection.read_header("the response").decode("latin-1")
    first, *lines = data.replace("\r\n", "\n").strip("\n").split("\n")
    found = STATUS_LINE.fullmatch(first)
    if not found:
        raise ProbeError("the response is not HTTP")
    answer.status = int(found["status"])
    answer.headers = [(name, value.strip()) for name, _colon, value in (line.partition(":") for line in lines)]


def _body(connection: Connection, request: Request, answer: Answer) -> str:
    fields = {name.lower(): value for name, value in answer.headers}
    if request.method == "HEAD" or answer.status in (204, 304):
        return ""
    if fields.get("transfer-encoding") == "chunked":
        body = b"".join(_chunks(connection))
    else:
        length = fields.get("content-length", "")
        body = connection.read_body(min(int(length), _LARGEST) if length.isdigit() else _LARGEST)
    if fields.get("content-encoding") == "gzip":
        with contextlib.suppress(zlib.error):
            # How well it is compressed is no matter of what it says.
            body = zlib.decompress(body, wbits=31)
    text = NGINX_VERSION.sub("nginx", body.decode("latin-1"))
    return text if len(text) <= 512 else f"{len(text)} bytes, {hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _chunks(connection: Connection) -> t.Iterator[bytes]:
    """RFC 9112 section 7.1, without trailers, which nginx sends to nobody who does not ask for them."""
    while True:
        line = b""
        while not line.endswith(b"\n"):
            char = connection.read_body(1)
            if not char:
                return
            line += char
        size = int(line.split(b";")[0], 16)
        data = connection.read_body(size + 2)
        if not size:
            return
        yield data[:-2]


def _messages(connection: Connection, request: Request) -> str:
    """Send a short and a long message, have both returned, and close."""
    steps: list[str] = []
    try:
        for name, message in (("a message", _MESSAGE), ("a long message", _LONG_MESSAGE)):
            connection.send(encode_frame(Frame(TEXT, message), _MASK), "the message")
            frame = connection.read_frame("the message")
            if frame.opcode == CLOSE:
                return "; ".join([*steps, f"the server closed with {explain_close(frame.payload)}"])
            if frame.payload != message:
                return "; ".join([*steps, f"{name} came back changed"])
            steps.append(f"{name} there and back")
        connection.send(encode_frame(Frame(CLOSE, (1000).to_bytes(2, "big")), _MASK), "the close frame")
        frame = connection.read_frame("the close frame")
        steps.append(f"closed with {explain_close(frame.payload)}" if frame.opcode == CLOSE else "not closed")
    except ProbeError as error:
        steps.append("the connection ended" if isinstance(error, ClosedError) else str(error))
    return "; ".join(steps)
