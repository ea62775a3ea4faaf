# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The probe against real peers on loopback: the websockets library for good ones, raw sockets for bad ones."""

from __future__ import annotations

import base64
import contextlib
import datetime
import hashlib
import ipaddress
import pathlib
import queue
import re
import socket
import ssl
import threading
import time
from typing import Any, Callable, Iterator

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe import client, connection
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.client import probe_http, probe_websocket
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.errors import ProtocolError
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    MAX_MESSAGE,
    PING,
    PONG,
    TEXT,
    Frame,
    MessageAssembler,
    apply_mask,
    decode_frame,
    encode_frame,
    explain_close,
)
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.http_header import (
    accept_value,
    parse_response_header,
)
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.request import Outcome, Request
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st
from waiting import PATIENCE
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import Server, ServerConnection, serve, unix_serve

Handler = Callable[[socket.socket], object]


# ---- Peers -----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def raw_server(handle: Handler, family: int = socket.AF_INET, address: object = ("127.0.0.1", 0)) -> Iterator[int]:
    """Hand every connection to the handler, one after the other; yields the port."""
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.bind(address)  # type: ignore[arg-type]
    listener.listen()

    def run() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _peer = listener.accept()
                with connection, contextlib.suppress(OSError):
                    handle(connection)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield 0 if family == socket.AF_UNIX else listener.getsockname()[1]
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def read_request(connection: socket.socket) -> str:
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(4096)
        if not part:
            break
        data += part
    return data.decode()


def request_header(request: str, name: str) -> str | None:
    for line in request.split("\r\n")[1:]:
        key, _colon, value = line.partition(": ")
        if key.lower() == name.lower():
            return value
    return None


def drain(connection: socket.socket) -> None:
    """Hold the connection open until the client goes."""
    while connection.recv(65536):
        pass


def frames_until_the_end(connection: socket.socket) -> list[Frame]:
    """Every frame that the client sends until it goes."""
    data, frames = b"", []
    while part := connection.recv(4096):
        data += part
    while decoded := decode_frame(data):
        frames.append(decoded[0])
        data = data[decoded[1] :]
    return frames


def answer(*lines: str, body: bytes = b"") -> Handler:
    def handle(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)

    return handle


def switched(*, drop: str = "", **changed: str) -> Handler:
    """Answer 101 with one header changed (underscores stand for hyphens) or dropped."""

    def handle(connection: socket.socket) -> None:
        switch(connection, drop=drop, **changed)
        drain(connection)

    return handle


def switch(connection: socket.socket, *, drop: str = "", **changed: str) -> str:
    request = read_request(connection)
    key = request_header(request, "Sec-WebSocket-Key") or ""
    digest = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()
    headers = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Accept": base64.b64encode(digest).decode(),
        **{name.replace("_", "-"): value for name, value in changed.items()},
    }
    headers.pop(drop, None)
    lines = ["HTTP/1.1 101 Switching Protocols", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    connection.sendall("\r\n".join(lines).encode())
    return request


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True) -> bytes:
    """A frame as a server sends it, unmasked."""
    size = len(payload)
    length = bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2, "big")
    return bytes([opcode | (0x80 if fin else 0)]) + length + payload


def sends(*data: bytes) -> Handler:
    """Upgrade, send, and stay."""

    def handle(connection: socket.socket) -> None:
        switch(connection)
        for part in data:
            connection.sendall(part)
        drain(connection)

    return handle


@contextlib.contextmanager
def running(server: Server) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield 0 if server.socket.family == socket.AF_UNIX else server.socket.getsockname()[1]
    finally:
        server.shutdown()
        thread.join(5)


# Seconds until a probe gives a silent peer up: enough for all that comes before on a busy machine.
SILENCE = 1


def echo(connection: ServerConnection) -> None:
    for message in connection:
        connection.send(message)


@pytest.fixture(scope="module")
def echo_port() -> Iterator[int]:
    with running(serve(echo, "127.0.0.1", 0)) as port:
        yield port


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def probe(port: int, *, path: str = "/", timeout: float = PATIENCE, **exchange: Any) -> Outcome:
    return probe_websocket(Request(f"ws://127.0.0.1:{port}{path}", timeout=timeout), **exchange)


def failure_of(handle: Handler, *, timeout: float = PATIENCE, **exchange: Any) -> str:
    with raw_server(handle) as port:
        outcome = probe(port, timeout=timeout, **exchange)
    assert outcome.failure is not None
    return outcome.failure


# ---- What works ------------------------------------------------------------------------------------------------------


def test_a_handshake_passes(echo_port: int) -> None:
    outcome = probe(echo_port)
    assert outcome.failure is None
    assert (outcome.upgraded, outcome.status, outcome.reason) == (True, 101, "Switching Protocols")
    assert outcome.headers["upgrade"] == "websocket"
    assert outcome.handshake_ms is not None
    assert outcome.handshake_ms > 0
    assert outcome.round_trip_ms is None
    assert outcome.phases.keys() == {"connect", "handshake"}


# One byte more or less than what each form of the length can say (RFC 6455 section 5.2), and a large one.
@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, 1_000_000])
def test_a_message_of_any_size_comes_back(echo_port: int, size: int) -> None:
    outcome = probe(echo_port, message="x" * size, expect="x" * size)
    assert outcome.failure is None
    assert outcome.round_trip_ms is not None


def test_a_message_in_any_script_comes_back(echo_port: int) -> None:
    assert probe(echo_port, message="жаба 🐸", expect="жаба 🐸").failure is None


def test_any_text_is_a_reply_when_none_is_expected(echo_port: int) -> None:
    assert probe(echo_port, message="hello").failure is None


def test_a_ping_gets_its_pong(echo_port: int) -> None:
    outcome = probe(echo_port, ping=True)
    assert outcome.failure is None
    assert outcome.round_trip_ms is not None


def test_a_message_and_a_ping_both_pass(echo_port: int) -> None:
    assert probe(echo_port, message="hello", expect="hello", ping=True).failure is None


def test_the_chosen_subprotocol_is_returned() -> None:
    with running(serve(echo, "127.0.0.1", 0, subprotocols=["chat", "superchat"])) as port:  # type: ignore[list-item]
        outcome = probe_websocket(Request(f"ws://127.0.0.1:{port}/", subprotocols=["other", "superchat"]))
    assert (outcome.failure, outcome.subprotocol) == (None, "superchat")


def test_a_fragmented_reply_is_put_together() -> None:
    def in_pieces(connection: ServerConnection) -> None:
        connection.recv()
        connection.send(["he", "", "ll", "o"])
        connection.recv()

    with running(serve(in_pieces, "127.0.0.1", 0)) as port:
        assert probe(port, message="go", expect="hello").failure is None


def test_pings_between_fragments_get_their_pongs() -> None:
    pongs = []

    def handle(connection: socket.socket) -> None:
        switch(connection)
        connection.sendall(frame(TEXT, b"he", fin=False) + frame(PING, b"there?"))
        pongs.append(decode_frame(connection.recv(4096)))
        connection.sendall(frame(CONTINUATION, b"llo"))
        drain(connection)

    with raw_server(handle) as port:
        assert probe(port, expect="hello").failure is None
    assert pongs == [(Frame(PONG, b"there?", masked=True), 12)]


def test_a_greeting_sent_along_with_the_handshake_is_seen() -> None:
    def handle(connection: socket.socket) -> None:
        switch(connection)
        connection.sendall(frame(TEXT, b"welcome"))
        drain(connection)

    with raw_server(handle) as port:
        outcome = probe(port, expect="welcome", ping=False)
    assert outcome.failure is None
    assert outcome.round_trip_ms is None


def test_greetings_and_binary_messages_before_the_expected_one_are_ignored() -> None:
    def greet(connection: ServerConnection) -> None:
        connection.send("welcome")
        connection.send(b"\x00\x01")
        echo(connection)

    with running(serve(greet, "127.0.0.1", 0)) as port:
        assert probe(port, message="hello", expect="hello").failure is None


def test_the_close_is_clean() -> None:
    closed: queue.Queue[tuple[Any, Any]] = queue.Queue()

    def note_close(connection: ServerConnection) -> None:
        try:
            connection.recv()
        except ConnectionClosed as exc:
            closed.put((exc.rcvd and exc.rcvd.code, exc.rcvd_then_sent))

    with running(serve(note_close, "127.0.0.1", 0)) as port:
        assert probe(port).failure is None
    assert closed.get(timeout=PATIENCE) == (1000, True)


def test_a_peer_that_never_returns_the_close_frame_is_no_failure_and_costs_a_second_at_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deadlines = []

    class Noted(connection.Deadline):
        def __init__(self, seconds: float) -> None:
            super().__init__(seconds)
            deadlines.append(seconds)

    monkeypatch.setattr(client, "Deadline", Noted)
    with raw_server(switched()) as port:
        assert probe(port, timeout=PATIENCE).failure is None
    assert deadlines == [PATIENCE, 1]


def test_the_connection_goes_to_connect_to_and_the_host_stays_that_of_the_url() -> None:
    requests = []

    def handle(connection: socket.socket) -> None:
        requests.append(switch(connection))

    with raw_server(handle) as port:
        outcome = probe_websocket(
            Request("ws://chat.example.com/room?id=1", connect_to=f"127.0.0.1:{port}", origin="https://example.com")
        )
    assert outcome.failure is None
    assert requests[0].startswith("GET /room?id=1 HTTP/1.1\r\n")
    assert request_header(requests[0], "Host") == "chat.example.com"
    assert request_header(requests[0], "Origin") == "https://example.com"
    assert request_header(requests[0], "Sec-WebSocket-Version") == "13"
    assert len(base64.b64decode(request_header(requests[0], "Sec-WebSocket-Key") or "")) == 16


@pytest.mark.parametrize(
    ("url", "headers", "host"),
    [
        ("ws://a.example/", {}, "a.example"),
        ("ws://a.example:80/", {}, "a.example"),
        ("ws://a.example:8080/", {}, "a.example:8080"),
        ("ws://[::1]:8080/", {}, "[::1]:8080"),
        ("ws://a.example/", {"host": "b.example"}, "b.example"),
    ],
)
def test_the_host_header_follows_the_url_unless_given(url: str, headers: dict[str, str], host: str) -> None:
    requests = []

    def handle(connection: socket.socket) -> None:
        requests.append(switch(connection))

    with raw_server(handle) as port:
        probe_websocket(Request(url, connect_to=f"127.0.0.1:{port}", headers=headers))
    assert request_header(requests[0], "Host") == host
    assert requests[0].lower().count("host:") == 1


def test_every_handshake_has_a_new_key() -> None:
    keys = set()

    def handle(connection: socket.socket) -> None:
        keys.add(request_header(switch(connection), "Sec-WebSocket-Key"))

    with raw_server(handle) as port:
        probe(port)
        probe(port)
    assert len(keys) == 2


def test_a_unix_socket_is_reached(tmp_path: object) -> None:
    path = f"{tmp_path}/ws.sock"
    with running(unix_serve(echo, path)):
        outcome = probe_websocket(Request("ws://localhost/", connect_to=f"unix:{path}"), message="a", expect="a")
    assert outcome.failure is None


def test_an_interim_response_before_the_final_one_is_ignored() -> None:
    def handle(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        switch(connection)

    with raw_server(handle) as port:
        assert probe(port).failure is None


# ---- The answer to the handshake -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("HTTP/1.1 200 OK", "websocket: false"),
        ("HTTP/1.1 400 Bad Request", "malformed"),
        ("HTTP/1.1 401 Unauthorized", "credentials"),
        ("HTTP/1.1 403 Forbidden", "Origin is not allowed"),
        ("HTTP/1.1 404 Not Found", "no such location"),
        ("HTTP/1.1 418 I'm a teapot", "the handshake was rejected"),
        ("HTTP/1.1 426 Upgrade Required", "drops the Upgrade header"),
        ("HTTP/1.1 429 Too Many Requests", "too many"),
        ("HTTP/1.1 500 Internal Server Error", "backend failed"),
        ("HTTP/1.1 502 Bad Gateway", "could not connect to the backend"),
        ("HTTP/1.1 503 Service Unavailable", "no backend of the gateway is up"),
        ("HTTP/1.1 504 Gateway Timeout", "did not respond to the gateway in time"),
        ("HTTP/1.1 599", "server failed"),
    ],
)
def test_another_status_than_101_says_what_it_means(line: str, told: str) -> None:
    with raw_server(answer(line, "Content-Length: 0")) as port:
        outcome = probe(port, path="/ws?token=secret")
    assert outcome.status == int(line.split()[1])
    assert outcome.upgraded is False
    assert outcome.failure is not None
    assert f"127.0.0.1:{port}/ws returned {outcome.status}" in outcome.failure
    assert told in outcome.failure
    assert "secret" not in outcome.failure


def test_a_rejected_handshake_names_site_and_gateway() -> None:
    with raw_server(answer("HTTP/1.1 502 Bad Gateway")) as port:
        outcome = probe_websocket(Request("ws://chat.example/ws?t=1", connect_to=f"127.0.0.1:{port}"))
    assert (outcome.failure or "").startswith(f"chat.example/ws at 127.0.0.1:{port} returned 502 Bad Gateway: ")


def test_a_redirect_names_its_target() -> None:
    told = failure_of(answer("HTTP/1.1 301 Moved Permanently", "Location: https://example.com/"))
    assert "redirect" in told
    assert "https://example.com/" in told


def test_a_426_names_the_version_that_the_peer_speaks() -> None:
    assert "speaks version '8'" in failure_of(answer("HTTP/1.1 426 Upgrade Required", "Sec-WebSocket-Version: 8"))


def test_a_426_of_the_version_that_the_probe_speaks_does_not_blame_that() -> None:
    told = failure_of(answer("HTTP/1.1 426 Upgrade Required", "Upgrade: websocket", "Sec-WebSocket-Version: 13"))
    assert "returned 426" in told
    assert "speaks version" not in told
    several = failure_of(answer("HTTP/1.1 426 Upgrade Required", "Sec-WebSocket-Version: 8, 13"))
    assert "speaks version" not in several


@pytest.mark.parametrize(
    ("page", "reason", "told"),
    [
        (
            b"<title>400 No required SSL certificate was sent</title>",
            "No required SSL certificate was sent",
            "requires a client certificate",
        ),
        (b"<title>400 Request Header Or Cookie Too Large</title>", "Request Header Or Cookie Too Large", "malformed"),
        (b"<title>Oops</title>", "Bad Request", "malformed"),
        (b"<title>400 \x1b[31m</title>", "Bad Request", "malformed"),
        (b"", "Bad Request", "malformed"),
    ],
)
def test_a_400_has_the_reason_of_nginxs_error_page(page: bytes, reason: str, told: str) -> None:
    with raw_server(answer("HTTP/1.1 400 Bad Request", body=b"<html><head>" + page)) as port:
        outcome = probe(port)
    assert outcome.reason == reason
    assert f"returned 400 {reason}: " in (outcome.failure or "")
    assert told in (outcome.failure or "")


def test_the_page_of_another_status_is_not_read() -> None:
    with raw_server(answer("HTTP/1.1 403 Forbidden", body=b"<title>400 No required SSL certificate</title>")) as port:
        assert probe(port).reason == "Forbidden"


def test_a_rejected_origin_is_named_as_the_reason() -> None:
    with running(serve(echo, "127.0.0.1", 0, origins=["https://good.example"])) as port:  # type: ignore[list-item]
        good = probe_websocket(Request(f"ws://127.0.0.1:{port}/", origin="https://good.example"))
        evil = probe_websocket(Request(f"ws://127.0.0.1:{port}/", origin="https://evil.example"))
    assert good.failure is None
    assert evil.status == 403
    assert "Origin is not allowed" in (evil.failure or "")


@pytest.mark.parametrize(
    ("handle", "told"),
    [
        (switched(Sec_WebSocket_Accept="s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "wrong Sec-WebSocket-Accept"),
        (switched(drop="Sec-WebSocket-Accept"), "without Sec-WebSocket-Accept"),
        (switched(drop="Upgrade"), "without an Upgrade header"),
        (switched(Upgrade="h2c"), "Upgrade: 'h2c'"),
        (switched(drop="Connection"), "without a Connection header"),
        (switched(Connection="keep-alive"), "Connection: 'keep-alive'"),
        (switched(Sec_WebSocket_Extensions="permessage-deflate"), "extensions that were not offered"),
        (switched(Sec_WebSocket_Protocol="chat"), "subprotocol 'chat', which was not offered"),
    ],
)
def test_a_101_that_breaks_the_handshake_is_refused(handle: Handler, told: str) -> None:
    with raw_server(handle) as port:
        outcome = probe(port)
    assert outcome.upgraded is False
    assert outcome.status == 101
    assert told in (outcome.failure or "")


@pytest.mark.parametrize(
    "headers", [{"Upgrade": "WebSocket"}, {"Connection": "keep-alive, UPGRADE"}, {"Sec_WebSocket_Extensions": ""}]
)
def test_a_101_in_another_spelling_is_accepted(headers: dict[str, str]) -> None:
    with raw_server(switched(**headers)) as port:
        assert probe(port).failure is None


def test_a_peer_that_chooses_none_of_the_subprotocols_is_refused_as_browsers_do() -> None:
    with raw_server(switched()) as port:
        outcome = probe_websocket(Request(f"ws://127.0.0.1:{port}/", subprotocols=["chat"]))
    assert "chose none of the offered subprotocols (chat)" in (outcome.failure or "")


# ---- Peers that fail or lie ------------------------------------------------------------------------------------------


def test_a_refused_connection_names_the_address() -> None:
    port = unused_port()
    outcome = probe(port)
    assert outcome.failure == f"127.0.0.1:{port} refused the connection: nothing listens there"
    assert outcome.status is None


def test_a_missing_unix_socket_is_reported(tmp_path: object) -> None:
    outcome = probe_websocket(Request("ws://localhost/", connect_to=f"unix:{tmp_path}/none"))
    assert outcome.failure == f"unix:{tmp_path}/none does not exist"


def test_a_name_that_does_not_resolve_is_reported() -> None:
    outcome = probe_websocket(Request("ws://nothing.invalid/", timeout=PATIENCE))
    assert "'nothing.invalid' does not resolve" in (outcome.failure or "")


def test_a_name_server_that_hangs_cannot_stretch_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    answers = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_options: answers.append(over.wait(PATIENCE)))
    try:
        outcome = probe_websocket(Request("ws://slow.example/", timeout=0.3))
        assert outcome.failure == "timed out after 0.3 s resolving the name 'slow.example'"
        assert answers == []
    finally:
        over.set()


def resolve_to(monkeypatch: pytest.MonkeyPatch, *ports: int) -> None:
    """Let every name have an address for each of the ports."""
    addresses = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in ports]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_options: addresses)


def test_every_address_of_a_name_is_tried(monkeypatch: pytest.MonkeyPatch, echo_port: int) -> None:
    resolve_to(monkeypatch, unused_port(), echo_port)
    assert probe_websocket(Request("ws://two.example/")).failure is None


def test_every_address_that_refused_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = unused_port(), unused_port()
    resolve_to(monkeypatch, first, second, first)
    outcome = probe_websocket(Request("ws://two.example/"))
    told = [f"127.0.0.1:{port} refused the connection: nothing listens there" for port in (first, second)]
    assert outcome.failure == "; ".join(told)


def test_a_dead_address_leaves_time_for_the_next(monkeypatch: pytest.MonkeyPatch, echo_port: int) -> None:
    with unanswered() as port:
        resolve_to(monkeypatch, port, echo_port)
        assert probe_websocket(Request("ws://two.example/", timeout=4)).failure is None


@contextlib.contextmanager
def unanswered() -> Iterator[int]:
    """A port that drops connections: a full listen queue ignores further SYNs, as a dead address does."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server, contextlib.ExitStack() as stack:
        for _filler in range(3):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(server.getsockname())
        yield server.getsockname()[1]


def test_a_connection_that_is_never_accepted_times_out_while_connecting() -> None:
    with unanswered() as port:
        outcome = probe(port, timeout=0.3)
    assert "timed out after 0.3 s connecting to 127.0.0.1:" in (outcome.failure or "")


@pytest.mark.parametrize(
    ("handle", "exchange", "told"),
    [
        (drain, {}, "waiting for the response"),
        (switched(), {"message": "a"}, "waiting for a text message"),
        (switched(), {"message": "a", "expect": "b"}, "waiting for the text message 'b'"),
        (switched(), {"ping": True}, "waiting for the pong"),
        (sends(frame(PONG, b"other")), {"ping": True}, "waiting for the pong"),
        (sends(frame(TEXT, b"half", fin=False)), {"expect": "half"}, "waiting for the text message 'half'"),
    ],
)
def test_a_timeout_names_its_step(handle: Handler, exchange: dict[str, Any], told: str) -> None:
    failure = failure_of(handle, timeout=SILENCE, **exchange)
    assert f"timed out after {SILENCE} s" in failure
    assert told in failure


def test_a_timeout_reports_the_last_other_message() -> None:
    told = failure_of(sends(frame(TEXT, b"bye")), timeout=SILENCE, message="hello", expect="hello")
    assert "waiting for the text message 'hello'" in told
    assert told.endswith("the last text message received was 'bye'")


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 101 Switching Protocols\r\nX: "])
def test_a_peer_that_trickles_bytes_cannot_stretch_the_deadline(start: bytes) -> None:
    def trickle(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(start or b"HTTP/")
        # It ends, so that a deadline that is stretched shows.
        for _byte in range(200):
            time.sleep(0.05)
            connection.sendall(b"1")

    assert f"timed out after {SILENCE} s" in failure_of(trickle, timeout=SILENCE)


def test_a_peer_that_trickles_a_tls_handshake_cannot_stretch_the_deadline() -> None:
    def trickle(connection: socket.socket) -> None:
        connection.recv(65536)
        # The header of a record of 16 KiB.
        connection.sendall(b"\x16\x03\x03\x40\x00\x02")
        with contextlib.suppress(OSError):
            for _byte in range(200):
                time.sleep(0.05)
                connection.sendall(b"\x00")

    with raw_server(trickle) as port:
        outcome = probe_websocket(Request(f"wss://127.0.0.1:{port}/", timeout=SILENCE))
    assert f"timed out after {SILENCE} s in the TLS handshake" in (outcome.failure or "")


def test_a_flood_of_pings_cannot_stretch_the_deadline() -> None:
    def flood(connection: socket.socket) -> None:
        switch(connection)
        pings = 0
        while not sent.wait(0):
            connection.sendall(frame(PING, b"x" * 125) * 100)
            pings += 100
        connection.close()

    sent = threading.Event()
    limit = threading.Timer(10 * SILENCE, sent.set)
    limit.start()
    assert f"timed out after {SILENCE} s" in failure_of(flood, timeout=SILENCE, expect="never")
    limit.cancel()
    limit.join()


def test_a_connection_that_is_closed_before_the_response_is_reported() -> None:
    assert "closed the connection before the response" in failure_of(read_request)


def test_a_connection_that_is_closed_within_the_response_is_reported_with_what_came() -> None:
    def handle(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 101 Switching")

    assert "closed the connection before the response (after 'HTTP/1.1 101 Switching')" in failure_of(handle)


def test_a_reset_is_reported() -> None:
    def handle(connection: socket.socket) -> None:
        read_request(connection)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")

    assert "dropped the connection before the response (Connection reset by peer)" in failure_of(handle)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "does not speak HTTP: its response begins with 'SSH-2.0-OpenSSH_9.2"),
        (b"\x00\x01\x02", r"does not speak HTTP: its response begins with '\x00\x01\x02'"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "speaks TLS: use wss://"),
        (b"HTTP/2 101 Switching\r\n\r\n", "not HTTP/1.1"),
        (b"HTTP/1.1 abc\r\n\r\n", "not HTTP/1.1"),
        (b"HTTP/1.1 101 OK\r\nno field\r\n\r\n", "'no field' is not a header field"),
        (b"HTTP/1.1 101 OK\r\nX: " + b"x" * 70000, "more than 65536 bytes of HTTP header"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 20, "sends interim responses (100) and no final one"),
    ],
)
def test_a_response_that_is_not_http_is_reported(data: bytes, told: str) -> None:
    def handle(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(data)
        drain(connection)

    assert told in failure_of(handle)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (bytes([0xC1, 0x00]), "reserved bits"),
        (bytes([0x83, 0x00]), "unknown opcode 0x3"),
        (bytes([0x09, 0x00]), "control frame"),
        (bytes([0x89, 0x7E, 0x00, 0x80]), "control frame"),
        (bytes([0x81, 0x7E, 0x00, 0x05]) + b"hello", "shortest form"),
        (bytes([0x81, 0x7F]) + (2**63).to_bytes(8, "big"), "more than the probe accepts"),
        (encode_frame(Frame(TEXT, b"a"), b"abcd"), "masked frame"),
        (frame(CONTINUATION, b"a"), "out of order"),
        (frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), "out of order"),
        (frame(TEXT, b"\xff"), "not UTF-8"),
        (b"plain text, no frames at all", "sent a"),
    ],
)
def test_a_frame_that_breaks_the_protocol_is_reported(data: bytes, told: str) -> None:
    failure = failure_of(sends(data), expect="never")
    assert told in failure
    assert failure.startswith("127.0.0.1:")


def test_a_close_frame_instead_of_a_message_is_reported_with_code_and_reason_and_returned() -> None:
    answers = []

    def handle(connection: socket.socket) -> None:
        switch(connection)
        connection.sendall(frame(CLOSE, (1008).to_bytes(2, "big") + b"no token"))
        answers.extend(frames_until_the_end(connection))

    with raw_server(handle) as port:
        outcome = probe(port, expect="hello")
    assert outcome.upgraded is True
    assert outcome.status == 101
    assert "closed the WebSocket (code 1008, policy violation: 'no token') before the text message" in (
        outcome.failure or ""
    )
    assert answers == [Frame(CLOSE, (1008).to_bytes(2, "big"), masked=True)]


def test_a_peer_that_breaks_the_protocol_gets_close_code_1002() -> None:
    answers = []

    def handle(connection: socket.socket) -> None:
        switch(connection)
        connection.sendall(frame(TEXT, b"\xff"))
        answers.extend(frames_until_the_end(connection))

    failure_of(handle, expect="hello")
    assert answers == [Frame(CLOSE, (1002).to_bytes(2, "big"), masked=True)]


def test_a_peer_that_closes_after_the_handshake_is_reported() -> None:
    told = failure_of(switch, ping=True)
    assert "connection before the pong" in told


def test_text_of_a_peer_cannot_forge_lines_in_a_message() -> None:
    told = failure_of(answer("HTTP/1.1 500 \x1b[31mred", "X: y"))
    assert "\x1b" not in told
    assert r"\x1b[31mred" in told


# ---- TLS -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A self-signed certificate for good.example and 127.0.0.1 with its key, as one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "good.example")])
    names = x509.SubjectAlternativeName(
        [x509.DNSName("good.example"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    )
    now = datetime.datetime.now(datetime.timezone.utc)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "good.pem"
    path.write_bytes(
        signed.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return str(path)


@pytest.fixture(scope="module")
def tls_names() -> list[str | None]:
    """The server names that clients of tls_port asked for, in order."""
    return []


@pytest.fixture(scope="module")
def tls_port(certificate: str, tls_names: list[str | None]) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.sni_callback = lambda _socket, name, _context: tls_names.append(name)
    with running(serve(echo, "127.0.0.1", 0, ssl=context)) as port:
        yield port


def test_a_message_goes_through_tls(tls_port: int, certificate: str, tls_names: list[str | None]) -> None:
    request = Request("wss://good.example/", connect_to=f"127.0.0.1:{tls_port}", ca_path=certificate)
    outcome = probe_websocket(request, message="x" * 200_000, expect="x" * 200_000, ping=True)
    assert outcome.failure is None
    assert tls_names[-1] == "good.example"


def test_a_certificate_for_the_address_verifies(tls_port: int, certificate: str) -> None:
    assert probe_websocket(Request(f"wss://127.0.0.1:{tls_port}/", ca_path=certificate)).failure is None


def test_the_expiry_of_the_certificate_is_returned_whether_it_verifies_or_not(tls_port: int, certificate: str) -> None:
    end = x509.load_pem_x509_certificate(pathlib.Path(certificate).read_bytes()).not_valid_after_utc
    told = end.strftime("%Y-%m-%dT%H:%M:%SZ")
    url = f"127.0.0.1:{tls_port}/"
    assert probe_websocket(Request(f"wss://{url}", ca_path=certificate)).certificate.expires == told
    assert probe_websocket(Request(f"wss://{url}", validate_certs=False)).certificate.expires == told
    assert probe_http(Request(f"https://{url}", validate_certs=False)).certificate.expires == told


def test_without_tls_there_is_no_certificate(echo_port: int) -> None:
    assert probe(echo_port).certificate.expires is None


def test_server_hostname_overrides_the_name_of_the_url(
    tls_port: int, certificate: str, tls_names: list[str | None]
) -> None:
    outcome = probe_websocket(
        Request(
            "wss://other.example/",
            connect_to=f"127.0.0.1:{tls_port}",
            server_hostname="good.example",
            ca_path=certificate,
        )
    )
    assert outcome.failure is None
    assert tls_names[-1] == "good.example"


def test_a_certificate_for_another_name_is_reported(tls_port: int, certificate: str) -> None:
    request = Request("wss://other.example/", connect_to=f"127.0.0.1:{tls_port}", ca_path=certificate)
    told = f"TLS: the certificate of 127.0.0.1:{tls_port} is for another name than 'other.example'"
    assert probe_websocket(request).failure == told


def test_a_certificate_that_does_not_verify_is_reported(tls_port: int) -> None:
    outcome = probe_websocket(Request(f"wss://127.0.0.1:{tls_port}/"))
    assert "does not verify: self" in (outcome.failure or "")


def test_without_validate_certs_any_certificate_is_accepted(tls_port: int) -> None:
    request = Request("wss://other.example/", connect_to=f"127.0.0.1:{tls_port}", validate_certs=False)
    assert probe_websocket(request).failure is None


def test_plain_text_and_tls_ports_are_distinguished() -> None:
    def handle(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        drain(connection)

    with raw_server(handle) as port:
        outcome = probe_websocket(Request(f"wss://127.0.0.1:{port}/"))
    assert outcome.failure == f"TLS: 127.0.0.1:{port} does not speak TLS: it is a plain-text port (ws:// or http://)"


def test_a_peer_that_closes_in_the_tls_handshake_is_reported() -> None:
    with raw_server(lambda connection: connection.recv(4096)) as port:
        outcome = probe_websocket(Request(f"wss://127.0.0.1:{port}/"))
    assert "closed the connection in the handshake" in (outcome.failure or "")


def test_a_peer_that_is_silent_in_the_tls_handshake_times_out_there() -> None:
    with raw_server(drain) as port:
        outcome = probe_websocket(Request(f"wss://127.0.0.1:{port}/", timeout=0.3))
    assert outcome.failure == f"timed out after 0.3 s in the TLS handshake with 127.0.0.1:{port}"


def test_a_peer_that_requires_a_client_certificate_is_reported(certificate: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.load_verify_locations(certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    with running(serve(echo, "127.0.0.1", 0, ssl=context)) as port:
        outcome = probe_websocket(Request(f"wss://127.0.0.1:{port}/", ca_path=certificate))
    assert "CERTIFICATE_REQUIRED" in (outcome.failure or "")


@pytest.fixture(scope="module")
def demanding_port(certificate: str) -> Iterator[int]:
    """A server that wants the certificate of its clients."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.load_verify_locations(certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    with running(serve(echo, "127.0.0.1", 0, ssl=context)) as port:
        yield port


def test_a_peer_that_requires_a_client_certificate_gets_it(
    demanding_port: int, certificate: str, tmp_path: pathlib.Path
) -> None:
    pem = pathlib.Path(certificate).read_text()
    key = pem.index("-----BEGIN PRIVATE KEY")
    (tmp_path / "certificate").write_text(pem[:key])
    (tmp_path / "key").write_text(pem[key:])
    url = f"wss://127.0.0.1:{demanding_port}/"
    both = Request(url, validate_certs=False, client_cert=certificate)
    apart = Request(url, ca_path=certificate, client_cert=f"{tmp_path}/certificate", client_key=str(tmp_path / "key"))
    for request in (both, apart):
        outcome = probe_websocket(request, ping=True)
        assert (outcome.failure, outcome.upgraded) == (None, True)


def test_a_client_certificate_that_cannot_be_read_is_reported(tls_port: int, tmp_path: pathlib.Path) -> None:
    path = f"{tmp_path}/none.pem"
    outcome = probe_websocket(Request(f"wss://127.0.0.1:{tls_port}/", validate_certs=False, client_cert=path))
    assert outcome.failure == f"cannot use the client certificate of {path}: No such file or directory"


def test_the_password_of_a_client_key_is_never_requested_on_the_terminal(
    tls_port: int, certificate: str, tmp_path: pathlib.Path
) -> None:
    key = serialization.load_pem_private_key(pathlib.Path(certificate).read_bytes(), None)
    locked = tmp_path / "locked.pem"
    locked.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"password"),
        )
    )
    request = Request(
        f"wss://127.0.0.1:{tls_port}/", validate_certs=False, client_cert=certificate, client_key=str(locked)
    )
    outcome = probe_websocket(request)
    assert (outcome.failure or "").startswith(f"cannot use the client certificate of {certificate} and {locked}: ")


def test_ca_certificates_that_cannot_be_read_are_a_failure(tls_port: int, tmp_path: object) -> None:
    outcome = probe_websocket(Request(f"wss://127.0.0.1:{tls_port}/", ca_path=f"{tmp_path}/none.pem"))
    assert outcome.failure == f"cannot read CA certificates from {tmp_path}/none.pem: No such file or directory"


# ---- The PROXY protocol ----------------------------------------------------------------------------------------------


def test_the_proxy_protocol_comes_before_all_else() -> None:
    heard = []

    def handle(connection: socket.socket) -> None:
        heard.append(read_request(connection))
        connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    with raw_server(handle) as port:
        for told in (True, False):
            probe_http(Request(f"http://127.0.0.1:{port}/", proxy_protocol=told))
    assert heard[0].startswith("PROXY UNKNOWN\r\nGET / HTTP/1.1\r\n")
    assert heard[1].startswith("GET / HTTP/1.1\r\n")


def test_the_proxy_protocol_comes_in_plain_text_before_tls(certificate: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    heard = []

    def handle(connection: socket.socket) -> None:
        heard.append(connection.recv(len(b"PROXY UNKNOWN\r\n"), socket.MSG_WAITALL))
        with context.wrap_socket(connection, server_side=True) as inside:
            answer("HTTP/1.1 204 No Content")(inside)

    with raw_server(handle) as port:
        request = Request(f"https://127.0.0.1:{port}/", proxy_protocol=True, ca_path=certificate)
        assert probe_http(request).status == 204
    assert heard == [b"PROXY UNKNOWN\r\n"]


# ---- probe_http ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["http", "ws"])
def test_plain_http_returns_any_status_without_a_failure(scheme: str) -> None:
    requests = []

    def handle(connection: socket.socket) -> None:
        requests.append(read_request(connection))
        connection.sendall(b"HTTP/1.1 503 Service Unavailable\r\nA: 1\r\nB:2\r\na:  3 \r\n\r\nbody")

    with raw_server(handle) as port:
        outcome = probe_http(Request(f"{scheme}://127.0.0.1:{port}/health"))
    assert outcome.failure is None
    assert (outcome.status, outcome.reason, outcome.upgraded) == (503, "Service Unavailable", False)
    assert outcome.headers == {"a": "1, 3", "b": "2"}
    assert request_header(requests[0], "Connection") == "close"
    assert request_header(requests[0], "Upgrade") is None


def test_plain_http_with_upgrade_sends_a_handshake_and_does_not_check_the_response(echo_port: int) -> None:
    url = f"http://127.0.0.1:{echo_port}/"
    assert probe_http(Request(url)).status == 426
    upgraded = probe_http(Request(url), upgrade=True)
    assert (upgraded.status, upgraded.upgraded, upgraded.failure) == (101, True, None)


def test_plain_http_fails_without_a_response() -> None:
    port = unused_port()
    assert probe_http(Request(f"http://127.0.0.1:{port}/")).failure == probe(port).failure


# ---- Arguments -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        (Request("http://a.example/"), "url: the scheme must be one of ws, wss, got 'http'"),
        (Request("wss://a.example/", client_key="/k.pem"), "client_key: requires client_cert"),
        (Request("a.example/ws"), "url: the scheme must be one of ws, wss, got ''"),
        (Request("ws://"), "url: '' is neither a host name nor an IP address"),
        (Request("ws://a..b/"), "url: 'a..b' is neither a host name nor an IP address"),
        (Request("ws://a.example/a b"), "url: must be printable ASCII"),
        (Request("ws://a.example/a\r\nX: y"), "url: must be printable ASCII"),
        (Request("ws://a.example/#x"), "url: a WebSocket URI has no fragment"),
        (Request("ws://user:pw@a.example/"), "url: WebSocket clients do not send user and password"),
        (Request("ws://a.example:0/"), "url: port 0"),
        (Request("ws://a.example:99999/"), "url: Port out of range"),
        (Request("ws://a.example/", connect_to="a.example"), "connect_to: must be host:port"),
        (Request("ws://a.example/", connect_to="::1:80"), "connect_to: must be host:port"),
        (Request("ws://a.example/", connect_to="[a.example]:80"), "connect_to: must be host:port"),
        (Request("ws://a.example/", connect_to="a.example:0"), "connect_to: must be host:port"),
        (Request("ws://a.example/", connect_to="unix:ws.sock"), "connect_to: unix: needs an absolute path"),
        (Request("ws://a.example/", connect_to="unix:/" + "a" * 107), "connect_to: unix: needs an absolute path"),
        (Request("ws://a.example/", server_hostname=""), "server_hostname: '' is neither"),
        (Request("ws://a.example/", headers={"X": "a\r\nY: b"}), "headers['X']: the value contains a line break"),
        (Request("ws://a.example/", headers={"X Y": "a"}), "headers: 'X Y' is not a header name"),
        (Request("ws://a.example/", headers={"Upgrade": "h2c"}), "headers: 'Upgrade' cannot be set here"),
        (Request("ws://a.example/", headers={"A": "1", "a": "2"}), "headers: 'a' is given more than once"),
        (Request("ws://a.example/", headers={"A": "\ud800"}), "headers['A']: the text cannot be encoded as UTF-8"),
        (Request("ws://a.example/", origin="a\nb"), "origin: the value contains a line break"),
        (Request("ws://a.example/", subprotocols=[""]), "subprotocols: '' is not a token"),
        (Request("ws://a.example/", subprotocols=["a", "a"]), "subprotocols: a name is given more than once"),
        (Request("ws://a.example/", timeout=0), "timeout: must be more than 0"),
        (Request("ws://a.example/", timeout=float("nan")), "timeout: must be more than 0"),
        (Request("ws://a.example/", timeout=1e10), "timeout: must be more than 0"),
    ],
)
def test_invalid_arguments_are_rejected(request_: Request, told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        probe_websocket(request_)


def test_all_errors_of_the_arguments_come_together() -> None:
    with pytest.raises(ValueError, match=r"url: .*; connect_to: .*; timeout: .*; message: "):
        probe_websocket(Request("ftp://a.example/", connect_to="a", timeout=-1), message="\ud800")


def test_values_of_headers_and_queries_stay_out_of_messages() -> None:
    with pytest.raises(ValueError, match="headers") as caught:
        probe_websocket(Request("ws://a.example/?token=s3cret x", headers={"Authorization": "s3cret\n"}))
    assert "s3cret" not in str(caught.value)


# ---- Pure parts ------------------------------------------------------------------------------------------------------


def test_the_accept_value_is_that_of_the_example_in_rfc_6455_section_1_3() -> None:
    assert accept_value("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_frames_are_those_of_the_examples_in_rfc_6455_section_5_7() -> None:
    masked = bytes.fromhex("818537fa213d7f9f4d5158")
    assert encode_frame(Frame(TEXT, b"Hello"), bytes.fromhex("37fa213d")) == masked
    assert decode_frame(bytes.fromhex("810548656c6c6f")) == (Frame(TEXT, b"Hello"), 7)
    assert decode_frame(bytes.fromhex("010348656c")) == (Frame(TEXT, b"Hel", fin=False), 5)
    assert decode_frame(bytes.fromhex("827e0100") + bytes(256)) == (Frame(BINARY, bytes(256)), 260)


@settings(deadline=None)
@given(
    opcode=st.sampled_from([CONTINUATION, TEXT, BINARY]),
    payload=st.one_of(st.binary(max_size=300), st.integers(65500, 65600).map(bytes)),
    fin=st.booleans(),
    key=st.binary(min_size=4, max_size=4),
    rest=st.binary(max_size=10),
)
def test_an_encoded_frame_decodes_to_itself(opcode: int, payload: bytes, fin: bool, key: bytes, rest: bytes) -> None:
    encoded = encode_frame(Frame(opcode, payload, fin), key)
    assert decode_frame(encoded + rest) == (Frame(opcode, payload, fin, masked=True), len(encoded))
    assert decode_frame(encoded[:-1]) is None or not payload


@settings(deadline=None)
@given(payload=st.binary(max_size=200), key=st.binary(min_size=4, max_size=4))
def test_masking_is_the_loop_of_rfc_6455_section_5_3(payload: bytes, key: bytes) -> None:
    assert apply_mask(payload, key) == bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))


@settings(deadline=None)
@given(st.binary(max_size=40))
def test_bytes_of_any_kind_decode_to_frames_or_a_protocol_error(data: bytes) -> None:
    assembler = MessageAssembler()
    with contextlib.suppress(ProtocolError):
        while data:
            decoded = decode_frame(data)
            if decoded is None:
                break
            assembler.add(decoded[0])
            data = data[decoded[1] :]


def test_fragments_may_not_add_up_to_more_than_the_limit() -> None:
    assembler = MessageAssembler()
    assembler.add(Frame(BINARY, bytes(MAX_MESSAGE), fin=False))
    with pytest.raises(ProtocolError, match="more than 16777216 bytes"):
        assembler.add(Frame(CONTINUATION, b"x"))


@settings(deadline=None)
@given(st.one_of(st.binary(max_size=200), st.binary(max_size=200).map(lambda rest: b"HTTP/1.1 200 OK\r\n" + rest)))
def test_a_header_of_any_bytes_parses_or_is_a_protocol_error(data: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        head = parse_response_header(data)
        assert 100 <= head.status <= 999


NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=20)
VALUES = st.from_regex(r"([!-~]([ -~]{0,20}[!-~])?)?", fullmatch=True)


@settings(deadline=None)
@given(st.dictionaries(NAMES, VALUES, max_size=8))
def test_the_fields_of_a_header_are_parsed(headers: dict[str, str]) -> None:
    lines = ["HTTP/1.1 200 OK", *(f"{name.upper()}:  {value}\t" for name, value in headers.items()), "", ""]
    assert parse_response_header("\r\n".join(lines).encode()).headers == headers


def test_folded_and_bare_lines_are_read_as_rfc_9112_says() -> None:
    head = parse_response_header(b"HTTP/1.0 200\nA: 1\n  2\nB: 3\n\n")
    assert (head.status, head.reason, head.headers) == (200, "", {"a": "1 2", "b": "3"})


@settings(deadline=None)
@given(st.binary(max_size=125))
def test_any_close_payload_can_be_explained(payload: bytes) -> None:
    assert explain_close(payload).isascii()
