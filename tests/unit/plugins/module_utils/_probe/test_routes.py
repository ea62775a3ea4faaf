# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What counts as the probe of a route, against real servers on loopback."""

from __future__ import annotations

import datetime
import http
import socket
import ssl
import threading
import typing as t
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe import routes
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.http_head import accept_value
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from waiting import PATIENCE
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve
from websockets.typing import Subprotocol


@contextmanager
def backend(plain: http.HTTPStatus | None = None, upgrade: http.HTTPStatus | None = None) -> t.Iterator[int]:
    """A WebSocket server that answers plain requests, and upgrades where a status is given, as a route would."""

    def answer(connection: ServerConnection, request: Request) -> Response | None:
        status = upgrade if "Upgrade" in request.headers else plain
        return None if status is None else connection.respond(status, "")

    with serve(lambda connection: None, "127.0.0.1", 0, process_request=answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.socket.getsockname()[1]
        server.shutdown()
        thread.join()


@contextmanager
def conversation(answer: t.Callable[[socket.socket], None]) -> t.Iterator[int]:
    """A server that speaks no HTTP but what the function does with each connection."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve_all() -> None:
            while True:
                try:
                    connection, _peer = listening.accept()
                except OSError:
                    return
                with connection:
                    answer(connection)

        thread = threading.Thread(target=serve_all)
        thread.start()
        yield listening.getsockname()[1]
        # close() alone does not wake up accept().
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


def hang(connection: socket.socket) -> None:
    """Take everything, say nothing, until the other side has had enough."""
    with suppress(ConnectionError):
        while connection.recv(65536):
            pass


def hang_up(connection: socket.socket) -> None:
    connection.recv(65536)


@pytest.fixture
def closed_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        port: int = listening.getsockname()[1]
    return port


def probe_of(port: int, websocket: bool | str, **options: t.Any) -> dict[str, t.Any]:
    scheme = "ws" if websocket else "http"
    return {
        "site": "a.example",
        "path": "/x",
        "url": f"{scheme}://a.example:{port}/x",
        "connect_to": f"127.0.0.1:{port}",
        "websocket": websocket,
        **options,
    }


def result_of(port: int, websocket: bool | str, patience: float = 0.0, **options: t.Any) -> routes.Result:
    (result,) = routes.probe_all([probe_of(port, websocket, **options)], patience)
    return result


def asked(port: int, *addresses: str, websocket: bool | str = True, **backends: t.Any) -> t.Mapping[str, routes.Answer]:
    """What the backends of a route answer that nothing serves."""
    scheme = "ws" if websocket else "http"
    led = {"url": f"{scheme}://a.example/y", "addresses": list(addresses), **backends}
    (result,) = routes.ask_backends([result_of(port, websocket, backends=led)])
    return result.backends


@pytest.mark.parametrize(
    ("websocket", "plain", "upgrade", "status", "verified"),
    [
        (True, None, None, 101, "handshake"),
        ("required", http.HTTPStatus.UPGRADE_REQUIRED, None, 101, "handshake, 426 to plain HTTP"),
        # What refuses the handshake is nginx; that the backend would is not looked for.
        (False, http.HTTPStatus.OK, http.HTTPStatus.BAD_REQUEST, 200, "plain HTTP, upgrade not passed on"),
        (False, http.HTTPStatus.NOT_FOUND, http.HTTPStatus.BAD_REQUEST, 404, "plain HTTP, upgrade not passed on"),
        (False, http.HTTPStatus.OK, http.HTTPStatus.OK, 200, "plain HTTP, upgrade not passed on"),
    ],
)
def test_a_route_that_answers_as_it_should_is_verified(
    websocket: bool | str,
    plain: http.HTTPStatus | None,
    upgrade: http.HTTPStatus | None,
    status: int,
    verified: str,
) -> None:
    with backend(plain, upgrade) as port:
        result = result_of(port, websocket)
    assert (result.answer, result.verified, result.failed) == (routes.Answer(status, ""), verified, False)
    assert result.milliseconds
    assert result.milliseconds > 0


@pytest.mark.parametrize(
    ("websocket", "plain", "upgrade", "failure"),
    [
        (True, None, http.HTTPStatus.OK, "answered 200 OK"),
        ("required", http.HTTPStatus.OK, None, "a plain request was answered 200 OK, not 426 Upgrade Required"),
        ("required", http.HTTPStatus.UPGRADE_REQUIRED, http.HTTPStatus.FORBIDDEN, "answered 403 Forbidden"),
        (False, http.HTTPStatus.OK, None, "the upgrade was passed on, although websocket is false"),
        (False, http.HTTPStatus.BAD_GATEWAY, http.HTTPStatus.BAD_REQUEST, "answered 502 Bad Gateway"),
        (False, http.HTTPStatus.MISDIRECTED_REQUEST, http.HTTPStatus.BAD_REQUEST, "answered 421 Misdirected Request"),
    ],
)
def test_a_route_that_answers_otherwise_is_not(
    websocket: bool | str, plain: http.HTTPStatus | None, upgrade: http.HTTPStatus | None, failure: str
) -> None:
    with backend(plain, upgrade) as port:
        result = result_of(port, websocket)
    assert failure in result.answer.failure
    assert (result.verified, result.failed) == ("", True)


def test_a_plain_route_that_leaves_a_handshake_without_an_answer_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "_SECONDS", 0.3)

    def answer(connection: socket.socket) -> None:
        if b"Upgrade" in connection.recv(65536):
            hang(connection)
        else:
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")

    with conversation(answer) as port:
        result = result_of(port, False)
    assert result.answer.failure.startswith("a handshake was not answered: timed out after 0.3 s")
    assert result.answer.status == 200


def test_a_route_where_nothing_listens_is_not(closed_port: int) -> None:
    result = result_of(closed_port, False)
    assert "refused" in result.answer.failure
    assert (result.answer.status, result.milliseconds) == (None, None)


def test_a_route_that_hangs_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "_SECONDS", 0.2)
    with conversation(hang) as port:
        result = result_of(port, True)
    assert "timed out after 0.2 s" in result.answer.failure
    assert result.answer.status is None


def test_a_handshake_that_fails_is_told_without_advice() -> None:
    with backend(upgrade=http.HTTPStatus.FORBIDDEN) as port:
        assert result_of(port, True).answer == routes.Answer(403, "answered 403 Forbidden")


def test_a_probe_that_cannot_be_asked_is_not_verified_and_stops_no_other(closed_port: int) -> None:
    with backend() as port:
        broken = probe_of(port, True, headers={"Upgrade": "h2c"})
        first, second = routes.probe_all([broken, probe_of(port, True)])
    assert "'Upgrade' cannot be set here" in first.answer.failure
    assert first.answer.status is None
    assert second.verified == "handshake"


def test_a_result_is_returned_with_the_route_and_how_it_went() -> None:
    with backend() as port:
        result = result_of(port, True, at="sites[0].locations[0]")
        assert result.plain() == {
            "site": "a.example",
            "path": "/x",
            "status": 101,
            "verified": "handshake",
            "failure": "",
            "unverified": "",
            "milliseconds": result.milliseconds,
            "expires": None,
        }
        assert result.route == f"127.0.0.1:{port} a.example /x"
    assert result_of(port, True).plain()["failure"] == result_of(port, True).answer.failure != ""


@pytest.mark.parametrize("other", [{"site": "b.example"}, {"path": "/z"}, {"connect_to": "127.0.0.2:80"}])
def test_a_route_is_another_one_on_another_site_path_or_address(other: dict[str, str]) -> None:
    assert routes.route(probe_of(80, True)) != routes.route(probe_of(80, True, **other))
    assert routes.route(probe_of(80, True)) == routes.route(probe_of(80, False, origin="https://a.example", wait=1))


def test_many_routes_are_verified_side_by_side_and_in_their_order() -> None:
    number = 20
    all_are_asked = threading.Barrier(number, timeout=PATIENCE)

    def meet(connection: ServerConnection, request: Request) -> Response | None:
        all_are_asked.wait()
        return None

    with serve(lambda connection: None, "127.0.0.1", 0, process_request=meet) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        port = server.socket.getsockname()[1]
        results = routes.probe_all([probe_of(port, True, path=f"/{place}") for place in range(number)])
        server.shutdown()
        thread.join()
    assert [result.probe["path"] for result in results] == [f"/{place}" for place in range(number)]
    assert not any(result.failed for result in results)


def test_without_probes_there_are_no_results() -> None:
    assert routes.ask_backends(routes.probe_all([])) == []


@pytest.mark.parametrize(("status", "failure"), [(503, ""), (200, "answered 503 Service Unavailable, not 200")])
def test_a_route_may_be_told_what_to_answer(status: int, failure: str) -> None:
    with backend(http.HTTPStatus.SERVICE_UNAVAILABLE, http.HTTPStatus.BAD_REQUEST) as port:
        assert result_of(port, False, status=status).answer == routes.Answer(503, failure)


def test_a_route_is_asked_with_the_headers_and_the_message_of_its_probe() -> None:
    requests: list[Request] = []

    def answer(connection: ServerConnection, request: Request) -> Response | None:
        requests.append(request)
        return None

    def converse(connection: ServerConnection) -> None:
        connection.send("welcome")
        connection.send(f"you said {connection.recv(decode=True)}")

    with serve(converse, "127.0.0.1", 0, process_request=answer, subprotocols=[Subprotocol("chat")]) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        ask: dict[str, t.Any] = {
            "origin": "https://a.example",
            "headers": {"X-Token": "secret"},
            "subprotocols": ["chat"],
            "send": "hi",
        }
        port = server.socket.getsockname()[1]
        heard = result_of(port, True, **ask, expect="you said hi")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(routes, "_SECONDS", 0.5)
            silent = result_of(port, True, **ask, expect="you said ho")
        server.shutdown()
        thread.join()
    assert heard.verified == "handshake, message"
    assert "the last text message that came was" in silent.answer.failure
    assert [(item.headers["Origin"], item.headers["X-Token"]) for item in requests] == [
        ("https://a.example", "secret")
    ] * 2


def test_a_route_behind_a_load_balancer_is_asked_with_the_proxy_protocol_and_its_backend_without() -> None:
    heard: list[bytes] = []

    def answer(connection: socket.socket) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            request += connection.recv(65536)
        heard.append(request)
        connection.sendall(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")

    with conversation(answer) as port:
        led = {"url": "ws://a.example/", "addresses": [f"127.0.0.1:{port}"]}
        result_of(port, True, proxy_protocol=True, backends=led)
        result_of(port, True, proxy_protocol=False)
    directly, asked, without = heard
    assert directly.startswith(b"GET / HTTP/1.1\r\n")
    assert asked.startswith(b"PROXY UNKNOWN\r\nGET /x HTTP/1.1\r\n")
    assert without.startswith(b"GET /x HTTP/1.1\r\n")


def test_a_route_is_asked_with_the_client_certificate_of_its_probe(tmp_path: Path) -> None:
    """That it is shown is for the probe to probe; what is given here does not exist."""
    certificate, key = f"{tmp_path}/none.pem", f"{tmp_path}/none.key"
    with conversation(hang_up) as port:
        url = f"wss://a.example:{port}/x"
        alone = result_of(port, True, url=url, ssl_certificate=certificate)
        both = result_of(port, True, url=url, ssl_certificate=certificate, ssl_certificate_key=key)
    assert f"client certificate of {certificate}: " in alone.answer.failure
    assert f"client certificate of {certificate} and {key}: " in both.answer.failure


@contextmanager
def late_backend(number: int, status: http.HTTPStatus = http.HTTPStatus.BAD_GATEWAY) -> t.Iterator[int]:
    """A WebSocket server that answers so to the first requests, and 426 to plain ones after that."""
    statuses = iter([status] * number)

    def answer(connection: ServerConnection, request: Request) -> Response | None:
        status = next(statuses, None)
        return None if status is None else connection.respond(status, "")

    with serve(lambda connection: None, "127.0.0.1", 0, process_request=answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.socket.getsockname()[1]
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("patience", "options"), [(0.0, {"wait": 5}), (5.0, {}), (5.0, {"wait": None}), (5.0, {"wait": 0})]
)
def test_a_route_without_a_backend_yet_is_asked_again_while_there_is_time(
    patience: float, options: dict[str, t.Any]
) -> None:
    with late_backend(2) as port:
        assert result_of(port, True, patience, **options).verified == "handshake"


def test_a_route_is_asked_once_without_patience() -> None:
    with late_backend(1) as port:
        assert "answered 502 Bad Gateway" in result_of(port, True).answer.failure
        assert result_of(port, True).verified == "handshake"


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that are made, by a clock that goes on in pauses alone."""
    made: list[float] = []
    clock = [0.0]

    def sleep(seconds: float) -> None:
        made.append(seconds)
        clock[0] += seconds

    # For this module alone: servers of the tests have the real one.
    monkeypatch.setattr(routes, "time", SimpleNamespace(sleep=sleep, monotonic=lambda: clock[0]))
    return made


def test_patience_has_an_end(pauses: list[float]) -> None:
    with late_backend(1000) as port:
        assert result_of(port, True, 0.3).answer.status == 502
    assert pauses == [0.2, 0.4]


@pytest.mark.parametrize("websocket", [True, "required"])
def test_a_route_whose_limits_are_reached_is_asked_again_without_patience_too(websocket: bool | str) -> None:
    with late_backend(3, http.HTTPStatus.TOO_MANY_REQUESTS) as port:
        assert result_of(port, websocket).verified.startswith("handshake")


def test_a_plain_request_that_the_limits_refuse_is_made_again() -> None:
    statuses = iter([http.HTTPStatus.TOO_MANY_REQUESTS] * 3)

    def answer(connection: ServerConnection, request: Request) -> Response | None:
        if "Upgrade" in request.headers:
            return None
        return connection.respond(next(statuses, http.HTTPStatus.UPGRADE_REQUIRED), "")

    with serve(lambda connection: None, "127.0.0.1", 0, process_request=answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        verified = result_of(server.socket.getsockname()[1], "required").verified
        server.shutdown()
        thread.join()
    assert verified == "handshake, 426 to plain HTTP"


@pytest.mark.parametrize("websocket", [True, "required", False])
def test_a_route_whose_limits_stay_reached_is_not_verified(pauses: list[float], websocket: bool | str) -> None:
    with late_backend(1000, http.HTTPStatus.TOO_MANY_REQUESTS) as port:
        answer = result_of(port, websocket).answer
    assert answer == routes.Answer(429, "answered 429 Too Many Requests")
    assert pauses == [0.2, 0.4, 0.8, 1.0, 1.0, 1.0, 1.0]


def test_a_plain_route_that_asks_for_a_certificate_is_not_verified() -> None:
    page = b"<html>\r\n<head><title>400 No required SSL certificate was sent</title></head>\r\n"

    def answer(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" + page)

    with conversation(answer) as port:
        assert result_of(port, False).answer == routes.Answer(400, "answered 400 No required SSL certificate was sent")
        assert result_of(port, True).answer == routes.Answer(400, "answered 400 No required SSL certificate was sent")


def test_backends_of_routes_that_fail_are_asked_directly(closed_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "_BACKEND_SECONDS", 0.3)
    with backend() as good, backend(upgrade=http.HTTPStatus.OK) as plain, conversation(hang_up) as gone, conversation(
        hang
    ) as hung:
        ports = {"good": good, "plain": plain, "gone": gone, "hung": hung, "closed": closed_port}
        answers = asked(closed_port, *(f"127.0.0.1:{port}" for port in ports.values()))
    found = {name: answers[f"127.0.0.1:{port}"] for name, port in ports.items()}
    assert list(answers) == [f"127.0.0.1:{port}" for port in ports.values()]
    assert found["good"] == routes.Answer(101, "")
    assert found["plain"] == routes.Answer(200, "answered 200 OK")
    assert found["gone"] == routes.Answer(None, "closed the connection before the answer")
    assert "timed out after 0.3 s" in found["hung"].failure
    assert found["hung"].status is None
    assert [found[name].state for name in ports] == ["up", "answered", "closed", "silent", "refused"]
    assert found["closed"] == routes.Answer(None, "refused the connection: nothing listens there")


def test_backends_that_hang_fail_in_the_same_words(closed_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "_BACKEND_SECONDS", 0.3)
    with conversation(hang) as one, conversation(hang) as other:
        answers = asked(closed_port, f"127.0.0.1:{one}", f"127.0.0.1:{other}")
    assert len(set(answers.values())) == 1


def test_a_backend_on_a_unix_socket_is_told_without_its_path(closed_port: int, tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/nothing"
    assert asked(closed_port, address) == {address: routes.Answer(None, "does not exist")}


@pytest.mark.parametrize("status", [http.HTTPStatus.OK, http.HTTPStatus.NOT_FOUND])
def test_a_backend_of_a_plain_route_is_asked_without_an_upgrade(closed_port: int, status: http.HTTPStatus) -> None:
    with backend(status, http.HTTPStatus.GONE) as port:
        answers = asked(closed_port, f"127.0.0.1:{port}", websocket=False)
    assert answers == {f"127.0.0.1:{port}": routes.Answer(status, "")}


def test_a_backend_of_a_plain_route_fails_with_a_status_that_is_no_probe(closed_port: int) -> None:
    with backend(http.HTTPStatus.SERVICE_UNAVAILABLE) as port:
        answers = asked(closed_port, f"127.0.0.1:{port}", websocket=False)
    assert answers[f"127.0.0.1:{port}"].failure


def test_a_backend_that_does_not_say_what_is_expected_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "_SECONDS", 0.3)
    monkeypatch.setattr(routes, "_BACKEND_SECONDS", 0.3)
    with backend() as port:
        address = f"127.0.0.1:{port}"
        led = {"url": "ws://a.example/", "addresses": [address]}
        (result,) = routes.ask_backends([result_of(port, True, send="hi", expect="ho", backends=led)])
    assert result.failed
    assert result.backends[address].failure


def test_a_backend_is_asked_as_nginx_asks_it(closed_port: int) -> None:
    requests: list[Request] = []

    def answer(connection: ServerConnection, request: Request) -> Response | None:
        requests.append(request)
        return None

    with serve(lambda connection: None, "127.0.0.1", 0, process_request=answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        address = f"127.0.0.1:{server.socket.getsockname()[1]}"
        led = {
            "url": "ws://backend.example/y",
            "addresses": [address],
            "forwarded": {"Host": "a.example:3000", "X-Real-IP": "::1", "Forwarded": ""},
            "headers": {"X-Tenant": "a"},
        }
        asked = {"X-Token": "secret", "host": "b.example", "x-real-ip": "192.0.2.1", "forwarded": "for=_a"}
        options: dict[str, t.Any] = {"headers": asked, "origin": "https://a.example", "backends": led}
        (result,) = routes.ask_backends([result_of(closed_port, True, **options)])
        server.shutdown()
        thread.join()
    assert result.backends == {address: routes.Answer(101, "")}
    # Once to see whether it does harm, and once to know why the route is not verified.
    request, _again = requests
    names = ("Host", "X-Real-IP", "X-Tenant", "X-Token", "Origin")
    assert [request.headers[name] for name in names] == ["a.example:3000", "::1", "a", "secret", "https://a.example"]
    assert "Forwarded" not in request.headers
    assert request.path == "/y"


def test_a_backend_that_cannot_be_asked_is_told_so(closed_port: int) -> None:
    answers = asked(closed_port, "127.0.0.1:80", headers={"Upgrade": "h2c"})
    assert "'Upgrade' cannot be set here" in answers["127.0.0.1:80"].failure


def test_each_failed_route_gets_the_answers_of_its_own_backends(closed_port: int) -> None:
    def led(port: int) -> dict[str, t.Any]:
        return {"url": "ws://a.example/", "addresses": [f"127.0.0.1:{port}"]}

    with backend() as good, backend(upgrade=http.HTTPStatus.FORBIDDEN) as bad:
        results = routes.ask_backends(
            routes.probe_all(
                [
                    probe_of(closed_port, True, backends=led(good)),
                    probe_of(good, True, backends=led(bad)),
                    probe_of(closed_port, True, backends=led(bad)),
                    probe_of(closed_port, True, backends=None),
                ]
            )
        )
    assert [[answer.status for answer in result.backends.values()] for result in results] == [[101], [], [403], []]
    assert [result.verified for result in results] == ["", "handshake", "", ""]


def test_the_end_of_the_certificate_is_returned_also_where_a_route_is_not_verified(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a.example")])
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(datetime.datetime(2020, 1, 1))
        .not_valid_after(datetime.datetime(2021, 2, 3, 4, 5, 6))
        .sign(key, hashes.SHA256())
    )
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    pem = tmp_path / "a.pem"
    pem.write_bytes(
        signed.public_bytes(serialization.Encoding.PEM) + key.private_bytes(serialization.Encoding.PEM, *plain)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    with serve(lambda connection: None, "127.0.0.1", 0, ssl=context) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        port = server.socket.getsockname()[1]
        verified = result_of(port, True, url=f"wss://a.example:{port}/x")
        failed = result_of(port, False, url=f"https://a.example:{port}/x", status=200)
        server.shutdown()
        thread.join()
    assert (verified.verified, failed.failed) == ("handshake", True)
    assert verified.plain()["expires"] == failed.plain()["expires"] == "2021-02-03T04:05:06Z"


class Counting:
    """A server that counts who comes, and answers all of them alike."""

    def __init__(self, *words: bytes) -> None:
        self.heard: list[bytes] = []
        self._words = words

    def __call__(self, connection: socket.socket) -> None:
        request = connection.recv(65536)
        self.heard.append(request)
        for words in self._words:
            connection.sendall(words)


HANGING_UP: tuple[bytes, ...] = ()
GARBLED = (b"220 mail.example ESMTP\r\n",)
LARGE = (b"HTTP/1.1 404 Not Found\r\nX-Policy: ", b"a" * 36864, b"\r\n\r\n")
NOWHERE = (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",)
FAILING = (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",)


def led_to(*ports: int, **options: t.Any) -> dict[str, t.Any]:
    return {"url": "ws://a.example/y", "addresses": [f"127.0.0.1:{port}" for port in ports], **options}


@pytest.mark.parametrize("websocket", [True, "required", False])
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (HANGING_UP, "closed the connection before the answer"),
        (GARBLED, "does not speak HTTP"),
        (LARGE, "answered with a header of 36902 bytes, and nginx takes 36864: proxy_buffer_size"),
    ],
    ids=["hanging-up", "garbled", "large"],
)
def test_what_nginx_would_count_against_a_backend_does_not_get_to_it_through_nginx(
    websocket: bool | str, words: tuple[bytes, ...], said: str
) -> None:
    nginx = Counting(*FAILING)
    with conversation(nginx) as port, conversation(Counting(*words)) as one, conversation(Counting(*words)) as other:
        result = result_of(port, websocket, backends=led_to(one, other))
        again = result_of(port, websocket, patience=0.5, wait=0.5, backends=led_to(one, other))
    assert nginx.heard == []
    for found in (result, again):
        assert found.held_back
        assert found.answer == routes.Answer(
            None, "not sent through nginx: no server gives a response that nginx takes"
        )
        assert list(found.backends) == [f"127.0.0.1:{one}", f"127.0.0.1:{other}"]
        assert all(said in answer.failure for answer in found.backends.values())


def test_what_a_backend_answers_by_http_does_no_harm_and_is_asked_through_nginx() -> None:
    nginx = Counting(*FAILING)
    for words in (NOWHERE, FAILING):
        with conversation(nginx) as port, conversation(Counting(*words)) as one:
            assert result_of(port, True, backends=led_to(one)).answer.status == 502
    assert len(nginx.heard) == 2


def test_a_header_may_be_as_large_as_nginx_takes_it() -> None:
    nginx, words = Counting(*FAILING), b"".join(LARGE)
    with conversation(nginx) as port, conversation(Counting(words)) as one:
        assert not result_of(port, True, backends=led_to(one, header_size=len(words))).held_back
        assert result_of(port, True, backends=led_to(one, header_size=len(words) - 1)).held_back
    assert len(nginx.heard) == 1


def wait_for_another_handshake(connection: socket.socket) -> None:
    """As servers do whose WebSocket is at another path: they leave this one to somebody who never comes."""
    if b"Upgrade: websocket" in connection.recv(65536):
        hang(connection)
    else:
        connection.sendall(NOWHERE[0])


def test_what_a_backend_answers_to_a_plain_request_is_asked_where_it_leaves_a_handshake_unanswered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(routes, "_BACKEND_SECONDS", 0.3)
    monkeypatch.setattr(routes, "_SECONDS", 0.3)

    def plain_status(backend: t.Callable[[socket.socket], None], **options: t.Any) -> int | None:
        with conversation(hang) as port, conversation(backend) as one:
            (result,) = routes.ask_backends([result_of(port, True, backends=led_to(one), **options)])
        return result.plain_status

    assert plain_status(wait_for_another_handshake, strict=False) == 404
    assert plain_status(wait_for_another_handshake, strict=True) is None
    assert plain_status(hang, strict=False) is None
    assert plain_status(Counting(*NOWHERE), strict=False) is None


def test_backends_that_refuse_or_are_silent_do_no_harm(closed_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "_BACKEND_SECONDS", 0.3)
    nginx = Counting(*FAILING)
    with conversation(nginx) as port, conversation(hang) as hung:
        for ports in ((closed_port,), (hung,), (closed_port, hung)):
            assert not result_of(port, True, backends=led_to(*ports)).held_back
    assert len(nginx.heard) == 3


def test_one_backend_that_answers_is_enough(closed_port: int) -> None:
    nginx, gone, there = Counting(*FAILING), Counting(), Counting(*NOWHERE)
    with conversation(nginx) as port, conversation(gone) as one, conversation(there) as other:
        for number in range(8):
            # Whichever of them is asked first.
            assert not result_of(port, True, path=f"/{number}", backends=led_to(one, closed_port, other)).held_back
    assert len(nginx.heard) == len(there.heard) == 8


def test_backends_that_are_not_reached_do_not_hide_one_that_hangs_up(closed_port: int) -> None:
    nginx = Counting(*FAILING)
    with conversation(nginx) as port, conversation(hang_up) as gone:
        for number in range(8):
            assert result_of(port, True, path=f"/{number}", backends=led_to(closed_port, gone)).held_back
    assert nginx.heard == []


def test_each_route_asks_one_backend_and_together_they_ask_all() -> None:
    nginx, servers = Counting(*FAILING), [Counting(*NOWHERE) for _number in range(3)]
    with conversation(nginx) as port, conversation(servers[0]) as a, conversation(servers[1]) as b, conversation(
        servers[2]
    ) as c:
        for number in range(30):
            result_of(port, True, path=f"/{number}", backends=led_to(a, b, c))
    assert sum(len(server.heard) for server in servers) == 30
    assert all(server.heard for server in servers)


def test_a_question_that_only_nginx_can_ask_goes_through_it_once_whatever_is_answered_directly() -> None:
    nginx = Counting(*FAILING)
    with conversation(nginx) as port, conversation(hang_up) as gone:
        result = result_of(port, True, patience=1, wait=1, backends=led_to(gone, exact=False))
    assert (result.held_back, result.answer.status, len(nginx.heard)) == (False, 502, 1)


def test_a_route_that_fails_is_asked_again_after_ever_longer_pauses(pauses: list[float]) -> None:
    with conversation(Counting(*FAILING)) as port:
        result_of(port, True, patience=1.0)
        assert pauses == [0.2, 0.4, 0.8]
        pauses.clear()
        result_of(port, True, wait=4)
    assert pauses == [0.2, 0.4, 0.8, 1.0, 1.0, 1.0]


def test_what_asks_a_backend_once_does_not_send_the_message_of_the_probe() -> None:
    heard: list[str | bytes] = []

    def converse(connection: ServerConnection) -> None:
        heard.extend(connection)

    with serve(converse, "127.0.0.1", 0) as server, conversation(Counting(*FAILING)) as port:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        result_of(port, True, send="pay", backends=led_to(server.socket.getsockname()[1]))
        server.shutdown()
        thread.join()
    assert heard == []


def wanting(origin: str, words: tuple[bytes, ...]) -> t.Callable[[socket.socket], None]:
    """A server that takes handshakes from one origin."""

    def answer(connection: socket.socket) -> None:
        lines = connection.recv(65536).decode().split("\r\n")
        if f"Origin: {origin}" in lines:
            key = next(line.partition(": ")[2] for line in lines if line.startswith("Sec-WebSocket-Key"))
            accepted = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept_value(key)}"
            connection.sendall(f"HTTP/1.1 101 Switching Protocols\r\n{accepted}\r\n\r\n".encode())
            return
        for part in words:
            connection.sendall(part)

    return answer


@pytest.mark.parametrize("words", [NOWHERE, HANGING_UP], ids=["refusing", "hanging-up"])
def test_an_origin_that_a_backend_takes_is_found(words: tuple[bytes, ...], closed_port: int) -> None:
    known = ["http://a.example:3000", "https://app.example"]
    with conversation(wanting(known[1], words)) as one, conversation(Counting(*NOWHERE)) as port:
        for origins, origin in ((known, known[1]), (known[:1], ""), ([], "")):
            led = led_to(closed_port, one, origins=origins)
            (found,) = routes.ask_backends([result_of(port, True, backends=led)])
            assert found.origin == origin
        (told,) = routes.ask_backends([result_of(port, True, origin=known[1], backends=led_to(one, origins=known))])
    assert told.origin == ""


def test_a_header_origin_of_the_location_takes_the_place_of_a_clients(closed_port: int) -> None:
    with conversation(wanting("http://inner", NOWHERE)) as one:
        led = led_to(one, headers={"origin": "http://inner"})
        (found,) = routes.ask_backends([result_of(closed_port, True, origin="http://outer", backends=led)])
    assert [answer.status for answer in found.backends.values()] == [101]


@pytest.mark.parametrize(("status", "is_refusal"), [(404, True), (502, True), (None, False), (101, False)])
def test_a_handshake_that_is_answered_otherwise_is_a_refusal(status: int | None, is_refusal: bool) -> None:
    words = {404: NOWHERE, 502: FAILING, None: HANGING_UP}.get(status, (b"HTTP/1.1 101 Switching\r\n\r\n",))
    with conversation(Counting(*words)) as port:
        answer = result_of(port, True).answer
    assert (answer.status, answer.is_refusal) == (status, is_refusal)


def test_a_strict_route_that_lets_plain_requests_through_is_no_mere_refusal() -> None:
    with backend(http.HTTPStatus.OK, http.HTTPStatus.NOT_FOUND) as port:
        answer = result_of(port, "required").answer
    assert answer.failure == "answered 404 Not Found; a plain request was answered 200 OK, not 426 Upgrade Required"
    assert not answer.is_refusal


def test_a_backend_that_hangs_up_is_told_from_others_that_give_no_answer(closed_port: int) -> None:
    with conversation(hang_up) as gone, conversation(Counting(*GARBLED)) as garbled:
        answers = asked(closed_port, f"127.0.0.1:{gone}", f"127.0.0.1:{garbled}", f"127.0.0.1:{closed_port}")
    assert [answer.state for answer in answers.values()] == ["closed", "failed", "refused"]


@pytest.mark.parametrize("words", [NOWHERE, HANGING_UP], ids=["refusing", "hanging-up"])
def test_what_backends_are_not_known_to_take_is_asked_once(words: tuple[bytes, ...]) -> None:
    nginx, one, other = Counting(*NOWHERE), Counting(*words), Counting(*words)
    with conversation(nginx) as port, conversation(one) as a, conversation(other) as b:
        (found,) = routes.ask_backends([result_of(port, True, patience=1, wait=1, strict=False, backends=led_to(a, b))])
    assert found.failed
    assert list(found.backends) == [f"127.0.0.1:{a}", f"127.0.0.1:{b}"]
    assert len(nginx.heard) == (1 if words else 0)
    # The first one to see whether it does harm, and each to know what the backends answer.
    assert len(one.heard) + len(other.heard) == (3 if words else 2)


def test_an_upstream_of_which_one_takes_the_handshake_is_asked_again() -> None:
    statuses = iter([404, 404])

    def through_nginx(connection: ServerConnection, request: Request) -> Response | None:
        status = next(statuses, None)
        return None if status is None else connection.respond(status, "")

    with serve(lambda connection: None, "127.0.0.1", 0, process_request=through_nginx) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        port = server.socket.getsockname()[1]
        with backend() as good, conversation(Counting(*NOWHERE)) as other:
            found = result_of(port, True, patience=1, strict=False, backends=led_to(good, other))
        server.shutdown()
        thread.join()
    assert found.verified == "handshake"
