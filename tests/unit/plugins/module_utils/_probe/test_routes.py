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
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.errors import Cause
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.http_header import accept_value
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


def backends_of(
    port: int, *addresses: str, websocket: bool | str = True, **backends: t.Any
) -> t.Mapping[str, routes.Response]:
    """The responses of the backends of a route that nothing serves."""
    scheme = "ws" if websocket else "http"
    route_backends = {"url": f"{scheme}://a.example/y", "addresses": list(addresses), **backends}
    (result,) = routes.probe_backends([result_of(port, websocket, backends=route_backends)])
    return result.backends


@pytest.mark.parametrize(
    ("websocket", "plain", "upgrade", "status", "verified"),
    [
        (True, None, None, 101, "handshake"),
        ("required", http.HTTPStatus.UPGRADE_REQUIRED, None, 101, "handshake"),
        # What refuses the handshake is nginx; that the backend would is not looked for.
        (False, http.HTTPStatus.OK, http.HTTPStatus.BAD_REQUEST, 200, "plain HTTP, upgrade not passed on"),
        (False, http.HTTPStatus.NOT_FOUND, http.HTTPStatus.BAD_REQUEST, 404, "plain HTTP, upgrade not passed on"),
        (False, http.HTTPStatus.OK, http.HTTPStatus.OK, 200, "plain HTTP, upgrade not passed on"),
    ],
)
def test_a_route_whose_response_is_right_passes(
    websocket: bool | str,
    plain: http.HTTPStatus | None,
    upgrade: http.HTTPStatus | None,
    status: int,
    verified: str,
) -> None:
    with backend(plain, upgrade) as port:
        result = result_of(port, websocket)
    assert (result.response, result.verified, result.failed) == (routes.Response(status, ""), verified, False)
    assert result.milliseconds
    assert result.milliseconds > 0


@pytest.mark.parametrize(
    ("websocket", "plain", "upgrade", "failure"),
    [
        (True, None, http.HTTPStatus.OK, "returned 200 OK"),
        ("required", http.HTTPStatus.UPGRADE_REQUIRED, http.HTTPStatus.FORBIDDEN, "returned 403 Forbidden"),
        (False, http.HTTPStatus.OK, None, "the upgrade was passed on, although websocket is false"),
        (False, http.HTTPStatus.BAD_GATEWAY, http.HTTPStatus.BAD_REQUEST, "returned 502 Bad Gateway"),
        (False, http.HTTPStatus.MISDIRECTED_REQUEST, http.HTTPStatus.BAD_REQUEST, "returned 421 Misdirected Request"),
    ],
)
def test_a_route_with_another_response_fails(
    websocket: bool | str, plain: http.HTTPStatus | None, upgrade: http.HTTPStatus | None, failure: str
) -> None:
    with backend(plain, upgrade) as port:
        result = result_of(port, websocket)
    assert failure in result.response.failure
    assert (result.verified, result.failed) == ("", True)


def test_a_plain_route_that_does_not_respond_to_a_handshake_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "_SECONDS", 0.3)

    def answer(connection: socket.socket) -> None:
        if b"Upgrade" in connection.recv(65536):
            hang(connection)
        else:
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")

    with conversation(answer) as port:
        result = result_of(port, False)
    assert result.response.failure.startswith("no response to a handshake: timed out after 0.3 s")
    assert result.response.status == 200


def test_a_route_where_nothing_listens_fails(closed_port: int) -> None:
    result = result_of(closed_port, False)
    assert "refused" in result.response.failure
    assert (result.response.status, result.milliseconds) == (None, None)


def test_a_route_that_hangs_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "_SECONDS", 0.2)
    with conversation(hang) as port:
        result = result_of(port, True)
    assert "timed out after 0.2 s" in result.response.failure
    assert result.response.status is None


def test_a_failed_handshake_is_reported_without_advice() -> None:
    with backend(upgrade=http.HTTPStatus.FORBIDDEN) as port:
        assert result_of(port, True).response == routes.Response(403, "returned 403 Forbidden")


def test_an_invalid_probe_fails_and_stops_no_other(closed_port: int) -> None:
    with backend() as port:
        broken = probe_of(port, True, headers={"Upgrade": "h2c"})
        first, second = routes.probe_all([broken, probe_of(port, True)])
    assert "'Upgrade' cannot be set here" in first.response.failure
    assert first.response.status is None
    assert second.verified == "handshake"


def test_a_result_is_returned_with_the_route_and_how_it_went() -> None:
    with backend() as port:
        result = result_of(port, True, at="sites[0].locations[0]")
        assert result.as_dict() == {
            "site": "a.example",
            "path": "/x",
            "status": 101,
            "verified": "handshake",
            "failure": "",
            "elsewhere": False,
            "valid_from": None,
            "unverified": "",
            "milliseconds": result.milliseconds,
            "expires": None,
        }
        assert result.route == f"127.0.0.1:{port} a.example /x"
    assert result_of(port, True).as_dict()["failure"] == result_of(port, True).response.failure != ""


@pytest.mark.parametrize("other", [{"site": "b.example"}, {"path": "/z"}, {"connect_to": "127.0.0.2:80"}])
def test_a_route_is_another_one_on_another_site_path_or_address(other: dict[str, str]) -> None:
    assert routes.route(probe_of(80, True)) != routes.route(probe_of(80, True, **other))
    assert routes.route(probe_of(80, True)) == routes.route(probe_of(80, False, origin="https://a.example", wait=1))


def test_many_routes_are_probed_in_parallel_and_returned_in_order() -> None:
    number = 20
    all_are_probed = threading.Barrier(number, timeout=PATIENCE)

    def meet(connection: ServerConnection, request: Request) -> Response | None:
        all_are_probed.wait()
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
    assert routes.probe_backends(routes.probe_all([])) == []


@pytest.mark.parametrize(("status", "failure"), [(503, ""), (200, "returned 503 Service Unavailable, not 200")])
def test_a_probe_may_expect_a_status(status: int, failure: str) -> None:
    with backend(http.HTTPStatus.SERVICE_UNAVAILABLE, http.HTTPStatus.BAD_REQUEST) as port:
        assert result_of(port, False, status=status).response == routes.Response(503, failure)


def test_a_route_is_probed_with_the_headers_and_the_message_of_its_probe() -> None:
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
    assert "the last text message received was" in silent.response.failure
    assert [(item.headers["Origin"], item.headers["X-Token"]) for item in requests] == [
        ("https://a.example", "secret")
    ] * 2


def test_a_route_behind_a_load_balancer_is_probed_with_the_proxy_protocol_and_its_backend_without() -> None:
    heard: list[bytes] = []

    def answer(connection: socket.socket) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            request += connection.recv(65536)
        heard.append(request)
        connection.sendall(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")

    with conversation(answer) as port:
        route_backends = {"url": "ws://a.example/", "addresses": [f"127.0.0.1:{port}"]}
        result_of(port, True, proxy_protocol=True, backends=route_backends)
        result_of(port, True, proxy_protocol=False)
    directly, asked, without = heard
    assert directly.startswith(b"GET / HTTP/1.1\r\n")
    assert asked.startswith(b"PROXY UNKNOWN\r\nGET /x HTTP/1.1\r\n")
    assert without.startswith(b"GET /x HTTP/1.1\r\n")


def test_a_route_is_probed_with_the_client_certificate_of_its_probe(tmp_path: Path) -> None:
    """That it is shown is for the probe to probe; what is given here does not exist."""
    certificate, key = f"{tmp_path}/none.pem", f"{tmp_path}/none.key"
    with conversation(hang_up) as port:
        url = f"wss://a.example:{port}/x"
        alone = result_of(port, True, url=url, ssl_certificate=certificate)
        both = result_of(port, True, url=url, ssl_certificate=certificate, ssl_certificate_key=key)
    assert f"client certificate of {certificate}: " in alone.response.failure
    assert f"client certificate of {certificate} and {key}: " in both.response.failure


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
def test_a_route_without_a_backend_yet_is_probed_again_while_there_is_time(
    patience: float, options: dict[str, t.Any]
) -> None:
    with late_backend(2) as port:
        assert result_of(port, True, patience, **options).verified == "handshake"


def test_a_route_is_probed_once_without_patience() -> None:
    with late_backend(1) as port:
        assert "returned 502 Bad Gateway" in result_of(port, True).response.failure
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
        assert result_of(port, True, 0.3).response.status == 502
    assert pauses == [0.2, 0.4]


@pytest.mark.parametrize("websocket", [True, "required"])
def test_a_route_whose_limits_are_reached_is_probed_again_without_patience_too(websocket: bool | str) -> None:
    with late_backend(3, http.HTTPStatus.TOO_MANY_REQUESTS) as port:
        assert result_of(port, websocket).verified.startswith("handshake")


@pytest.mark.parametrize("websocket", [True, "required", False])
def test_a_route_whose_limits_stay_reached_fails(pauses: list[float], websocket: bool | str) -> None:
    with late_backend(1000, http.HTTPStatus.TOO_MANY_REQUESTS) as port:
        answer = result_of(port, websocket).response
    assert answer == routes.Response(429, "returned 429 Too Many Requests")
    assert pauses == [0.2, 0.4, 0.8, 1.0, 1.0, 1.0, 1.0]


def test_a_plain_route_that_requires_a_certificate_fails() -> None:
    page = b"<html>\r\n<head><title>400 No required SSL certificate was sent</title></head>\r\n"

    def answer(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" + page)

    with conversation(answer) as port:
        assert result_of(port, False).response == routes.Response(
            400, "returned 400 No required SSL certificate was sent"
        )
        assert result_of(port, True).response == routes.Response(
            400, "returned 400 No required SSL certificate was sent"
        )


def test_backends_of_failed_routes_are_probed_directly(closed_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "_BACKEND_SECONDS", 0.3)
    with backend() as good, backend(upgrade=http.HTTPStatus.OK) as plain, conversation(hang_up) as gone, conversation(
        hang
    ) as hung:
        ports = {"good": good, "plain": plain, "gone": gone, "hung": hung, "closed": closed_port}
        answers = backends_of(closed_port, *(f"127.0.0.1:{port}" for port in ports.values()))
    found = {name: answers[f"127.0.0.1:{port}"] for name, port in ports.items()}
    assert list(answers) == [f"127.0.0.1:{port}" for port in ports.values()]
    assert found["good"] == routes.Response(101, "")
    assert found["plain"] == routes.Response(200, "returned 200 OK")
    assert found["gone"] == routes.Response(None, "closed the connection before the response")
    assert "timed out after 0.3 s" in found["hung"].failure
    assert found["hung"].status is None
    assert [found[name].state for name in ports] == ["up", "unexpected", "closed", "timeout", "refused"]
    assert found["closed"] == routes.Response(None, "refused the connection: nothing listens there")


def test_backends_that_hang_have_the_same_failure(closed_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "_BACKEND_SECONDS", 0.3)
    with conversation(hang) as one, conversation(hang) as other:
        answers = backends_of(closed_port, f"127.0.0.1:{one}", f"127.0.0.1:{other}")
    assert len(set(answers.values())) == 1


def test_the_failure_of_a_backend_on_a_unix_socket_is_without_its_path(closed_port: int, tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/nothing"
    assert backends_of(closed_port, address) == {address: routes.Response(None, "does not exist")}


@pytest.mark.parametrize("status", [http.HTTPStatus.OK, http.HTTPStatus.NOT_FOUND])
def test_a_backend_of_a_plain_route_is_probed_without_an_upgrade(closed_port: int, status: http.HTTPStatus) -> None:
    with backend(status, http.HTTPStatus.GONE) as port:
        answers = backends_of(closed_port, f"127.0.0.1:{port}", websocket=False)
    assert answers == {f"127.0.0.1:{port}": routes.Response(status, "")}


def test_a_backend_of_a_plain_route_fails_with_a_status_of_a_gateway_error(closed_port: int) -> None:
    with backend(http.HTTPStatus.SERVICE_UNAVAILABLE) as port:
        answers = backends_of(closed_port, f"127.0.0.1:{port}", websocket=False)
    assert answers[f"127.0.0.1:{port}"].failure


def test_a_backend_that_does_not_say_what_is_expected_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "_SECONDS", 0.3)
    monkeypatch.setattr(routes, "_BACKEND_SECONDS", 0.3)
    with backend() as port:
        address = f"127.0.0.1:{port}"
        route_backends = {"url": "ws://a.example/", "addresses": [address]}
        (result,) = routes.probe_backends([result_of(port, True, send="hi", expect="ho", backends=route_backends)])
    assert result.failed
    assert result.backends[address].failure


def test_a_backend_is_probed_with_the_headers_that_nginx_sends(closed_port: int) -> None:
    requests: list[Request] = []

    def answer(connection: ServerConnection, request: Request) -> Response | None:
        requests.append(request)
        return None

    with serve(lambda connection: None, "127.0.0.1", 0, process_request=answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        address = f"127.0.0.1:{server.socket.getsockname()[1]}"
        route_backends = {
            "url": "ws://backend.example/y",
            "addresses": [address],
            "forwarded": {"Host": "a.example:3000", "X-Real-IP": "::1", "Forwarded": ""},
            "headers": {"X-Tenant": "a"},
        }
        asked = {"X-Token": "secret", "host": "b.example", "x-real-ip": "192.0.2.1", "forwarded": "for=_a"}
        options: dict[str, t.Any] = {"headers": asked, "origin": "https://a.example", "backends": route_backends}
        (result,) = routes.probe_backends([result_of(closed_port, True, **options)])
        server.shutdown()
        thread.join()
    assert result.backends == {address: routes.Response(101, "")}
    # Once to see whether it does harm, and once to know why the route is not verified.
    request, _again = requests
    names = ("Host", "X-Real-IP", "X-Tenant", "X-Token", "Origin")
    assert [request.headers[name] for name in names] == ["a.example:3000", "::1", "a", "secret", "https://a.example"]
    assert "Forwarded" not in request.headers
    assert request.path == "/y"


def test_an_invalid_probe_of_a_backend_is_reported(closed_port: int) -> None:
    answers = backends_of(closed_port, "127.0.0.1:80", headers={"Upgrade": "h2c"})
    assert "'Upgrade' cannot be set here" in answers["127.0.0.1:80"].failure


def test_each_failed_route_gets_the_responses_of_its_own_backends(closed_port: int) -> None:
    def route_backends(port: int) -> dict[str, t.Any]:
        return {"url": "ws://a.example/", "addresses": [f"127.0.0.1:{port}"]}

    with backend() as good, backend(upgrade=http.HTTPStatus.FORBIDDEN) as bad:
        results = routes.probe_backends(
            routes.probe_all(
                [
                    probe_of(closed_port, True, backends=route_backends(good)),
                    probe_of(good, True, backends=route_backends(bad)),
                    probe_of(closed_port, True, backends=route_backends(bad)),
                    probe_of(closed_port, True, backends=None),
                ]
            )
        )
    assert [[answer.status for answer in result.backends.values()] for result in results] == [[101], [], [403], []]
    assert [result.verified for result in results] == ["", "handshake", "", ""]


def test_the_expiry_of_the_certificate_is_returned_also_where_a_route_fails(tmp_path: Path) -> None:
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
    assert verified.as_dict()["expires"] == failed.as_dict()["expires"] == "2021-02-03T04:05:06Z"


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


def backends_at(*ports: int, **options: t.Any) -> dict[str, t.Any]:
    return {"url": "ws://a.example/y", "addresses": [f"127.0.0.1:{port}" for port in ports], **options}


@pytest.mark.parametrize("websocket", [True, "required", False])
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (HANGING_UP, "closed the connection before the response"),
        (GARBLED, "does not speak HTTP"),
        (LARGE, "returned a header of 36902 bytes, and nginx accepts at most 36864: raise proxy_buffer_size"),
    ],
    ids=["hanging-up", "garbled", "large"],
)
def test_nothing_is_sent_through_nginx_that_it_would_count_against_a_backend(
    websocket: bool | str, words: tuple[bytes, ...], said: str
) -> None:
    nginx = Counting(*FAILING)
    with conversation(nginx) as port, conversation(Counting(*words)) as one, conversation(Counting(*words)) as other:
        result = result_of(port, websocket, backends=backends_at(one, other))
        again = result_of(port, websocket, patience=0.5, wait=0.5, backends=backends_at(one, other))
    assert nginx.heard == []
    for found in (result, again):
        assert found.held_back
        assert found.response == routes.Response(
            None, "not sent through nginx: no server gives a response that nginx accepts"
        )
        assert list(found.backends) == [f"127.0.0.1:{one}", f"127.0.0.1:{other}"]
        assert all(said in answer.failure for answer in found.backends.values())


def test_a_route_whose_backend_gives_an_http_response_is_probed_through_nginx() -> None:
    nginx = Counting(*FAILING)
    for words in (NOWHERE, FAILING):
        with conversation(nginx) as port, conversation(Counting(*words)) as one:
            assert result_of(port, True, backends=backends_at(one)).response.status == 502
    assert len(nginx.heard) == 2


def test_a_header_may_be_as_large_as_nginx_accepts() -> None:
    nginx, words = Counting(*FAILING), b"".join(LARGE)
    with conversation(nginx) as port, conversation(Counting(words)) as one:
        assert not result_of(port, True, backends=backends_at(one, header_size=len(words))).held_back
        assert result_of(port, True, backends=backends_at(one, header_size=len(words) - 1)).held_back
    assert len(nginx.heard) == 1


def wait_for_another_handshake(connection: socket.socket) -> None:
    """As servers do whose WebSocket is at another path: they leave this one to somebody who never comes."""
    if b"Upgrade: websocket" in connection.recv(65536):
        hang(connection)
    else:
        connection.sendall(NOWHERE[0])


def test_a_backend_that_does_not_respond_to_a_handshake_is_probed_by_plain_http(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(routes, "_BACKEND_SECONDS", 0.3)
    monkeypatch.setattr(routes, "_SECONDS", 0.3)

    def plain_status(backend: t.Callable[[socket.socket], None], **options: t.Any) -> int | None:
        with conversation(hang) as port, conversation(backend) as one:
            (result,) = routes.probe_backends([result_of(port, True, backends=backends_at(one), **options)])
        return result.plain_status

    assert plain_status(wait_for_another_handshake, strict=False) == 404
    assert plain_status(wait_for_another_handshake, strict=True) is None
    assert plain_status(hang, strict=False) is None
    assert plain_status(Counting(*NOWHERE), strict=False) is None


def test_backends_that_refuse_or_time_out_do_no_harm(closed_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "_BACKEND_SECONDS", 0.3)
    nginx = Counting(*FAILING)
    with conversation(nginx) as port, conversation(hang) as hung:
        for ports in ((closed_port,), (hung,), (closed_port, hung)):
            assert not result_of(port, True, backends=backends_at(*ports)).held_back
    assert len(nginx.heard) == 3


def test_one_backend_that_responds_is_enough(closed_port: int) -> None:
    nginx, gone, there = Counting(*FAILING), Counting(), Counting(*NOWHERE)
    with conversation(nginx) as port, conversation(gone) as one, conversation(there) as other:
        for number in range(8):
            # Whichever of them is asked first.
            assert not result_of(port, True, path=f"/{number}", backends=backends_at(one, closed_port, other)).held_back
    assert len(nginx.heard) == len(there.heard) == 8


def test_unreachable_backends_do_not_hide_one_that_closes_the_connection(closed_port: int) -> None:
    nginx = Counting(*FAILING)
    with conversation(nginx) as port, conversation(hang_up) as gone:
        for number in range(8):
            assert result_of(port, True, path=f"/{number}", backends=backends_at(closed_port, gone)).held_back
    assert nginx.heard == []


def test_each_route_probes_one_backend_and_together_they_probe_all() -> None:
    nginx, servers = Counting(*FAILING), [Counting(*NOWHERE) for _number in range(3)]
    with conversation(nginx) as port, conversation(servers[0]) as a, conversation(servers[1]) as b, conversation(
        servers[2]
    ) as c:
        for number in range(30):
            result_of(port, True, path=f"/{number}", backends=backends_at(a, b, c))
    assert sum(len(server.heard) for server in servers) == 30
    assert all(server.heard for server in servers)


def test_a_request_that_nginx_changes_is_sent_through_it_once_whatever_the_backends_return() -> None:
    nginx = Counting(*FAILING)
    with conversation(nginx) as port, conversation(hang_up) as gone:
        result = result_of(port, True, patience=1, wait=1, backends=backends_at(gone, exact=False))
    assert (result.held_back, result.response.status, len(nginx.heard)) == (False, 502, 1)


def test_a_failed_route_is_probed_again_after_ever_longer_pauses(pauses: list[float]) -> None:
    with conversation(Counting(*FAILING)) as port:
        result_of(port, True, patience=1.0)
        assert pauses == [0.2, 0.4, 0.8]
        pauses.clear()
        result_of(port, True, wait=4)
    assert pauses == [0.2, 0.4, 0.8, 1.0, 1.0, 1.0]


def test_the_first_direct_probe_does_not_send_the_message() -> None:
    heard: list[str | bytes] = []

    def converse(connection: ServerConnection) -> None:
        heard.extend(connection)

    with serve(converse, "127.0.0.1", 0) as server, conversation(Counting(*FAILING)) as port:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        result_of(port, True, send="pay", backends=backends_at(server.socket.getsockname()[1]))
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
def test_an_origin_that_a_backend_accepts_is_found(words: tuple[bytes, ...], closed_port: int) -> None:
    known = ["http://a.example:3000", "https://app.example"]
    with conversation(wanting(known[1], words)) as one, conversation(Counting(*NOWHERE)) as port:
        for origins, origin in ((known, known[1]), (known[:1], ""), ([], "")):
            route_backends = backends_at(closed_port, one, origins=origins)
            (found,) = routes.probe_backends([result_of(port, True, backends=route_backends)])
            assert found.origin == origin
        (told,) = routes.probe_backends(
            [result_of(port, True, origin=known[1], backends=backends_at(one, origins=known))]
        )
    assert told.origin == ""


def test_a_header_origin_of_the_location_replaces_that_of_the_client(closed_port: int) -> None:
    with conversation(wanting("http://inner", NOWHERE)) as one:
        route_backends = backends_at(one, headers={"origin": "http://inner"})
        (found,) = routes.probe_backends([result_of(closed_port, True, origin="http://outer", backends=route_backends)])
    assert [answer.status for answer in found.backends.values()] == [101]


@pytest.mark.parametrize(("status", "is_refusal"), [(404, True), (502, True), (None, False), (101, False)])
def test_another_status_to_a_handshake_is_a_refusal(status: int | None, is_refusal: bool) -> None:
    words = {404: NOWHERE, 502: FAILING, None: HANGING_UP}.get(status, (b"HTTP/1.1 101 Switching\r\n\r\n",))
    with conversation(Counting(*words)) as port:
        answer = result_of(port, True).response
    assert (answer.status, answer.is_refusal) == (status, is_refusal)


def test_the_states_of_backends_without_a_response_are_distinguished(closed_port: int) -> None:
    with conversation(hang_up) as gone, conversation(Counting(*GARBLED)) as garbled:
        answers = backends_of(closed_port, f"127.0.0.1:{gone}", f"127.0.0.1:{garbled}", f"127.0.0.1:{closed_port}")
    assert [answer.state for answer in answers.values()] == ["closed", "failed", "refused"]


@pytest.mark.parametrize("words", [NOWHERE, HANGING_UP], ids=["refusing", "hanging-up"])
def test_a_route_that_all_backends_reject_is_probed_once(words: tuple[bytes, ...]) -> None:
    nginx, one, other = Counting(*NOWHERE), Counting(*words), Counting(*words)
    with conversation(nginx) as port, conversation(one) as a, conversation(other) as b:
        (found,) = routes.probe_backends(
            [result_of(port, True, patience=1, wait=1, strict=False, backends=backends_at(a, b))]
        )
    assert found.failed
    assert list(found.backends) == [f"127.0.0.1:{a}", f"127.0.0.1:{b}"]
    assert len(nginx.heard) == (1 if words else 0)
    # The first one to see whether it does harm, and each to know what the backends answer.
    assert len(one.heard) + len(other.heard) == (3 if words else 2)


def test_a_route_that_one_backend_accepts_is_probed_again() -> None:
    statuses = iter([404, 404])

    def through_nginx(connection: ServerConnection, request: Request) -> Response | None:
        status = next(statuses, None)
        return None if status is None else connection.respond(status, "")

    with serve(lambda connection: None, "127.0.0.1", 0, process_request=through_nginx) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        port = server.socket.getsockname()[1]
        with backend() as good, conversation(Counting(*NOWHERE)) as other:
            found = result_of(port, True, patience=1, strict=False, backends=backends_at(good, other))
        server.shutdown()
        thread.join()
    assert found.verified == "handshake"


def test_the_state_of_a_backend_does_not_depend_on_what_it_sends(closed_port: int) -> None:
    words = b"refused the connection, timed out after 3 s\r\n"
    with conversation(Counting(words)) as one:
        (response,) = backends_of(closed_port, f"127.0.0.1:{one}").values()
    assert "refused the connection" in response.failure
    assert response.state == "failed"


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        (b"HTTP/1.1 404 SSL certificate not found", None),
        (b"HTTP/1.1 400 No required SSL certificate was sent", Cause.CERTIFICATE_REQUIRED),
    ],
)
def test_only_a_400_says_that_a_certificate_is_required(line: bytes, cause: Cause | None) -> None:
    with conversation(Counting(line + b"\r\nContent-Length: 0\r\n\r\n")) as port:
        result = result_of(port, False, status=200)
    assert "SSL certificate" in result.response.failure
    assert result.response.cause is cause


def test_a_route_whose_address_is_not_on_the_host_is_not_probed_there(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def is_elsewhere(address: str) -> bool:
        asked.append(address)
        return address == "127.0.0.2"

    monkeypatch.setattr(routes, "is_elsewhere", is_elsewhere)
    with backend() as port:
        floating, local = probe_of(port, True, connect_to=f"127.0.0.2:{port}"), probe_of(port, True)
        sockets = [{**local, "connect_to": "unix:/run/none"}, {**local, "connect_to": f"[::1]:{port}"}]
        there, here, *_others = routes.probe_all([floating, local, *sockets])
        monkeypatch.setattr(routes, "is_elsewhere", lambda _address: True)
        (outside,) = routes.probe_all([local], on_gateway=False)
    assert set(asked) == {"127.0.0.2", "127.0.0.1", "unix", "::1"}
    assert (there.unverified, there.failed, there.verified) == (
        *("127.0.0.2 is not on this host now, so another one would respond", False, ""),
    )
    assert (here.verified, here.as_dict()["elsewhere"], there.as_dict()["elsewhere"]) == ("handshake", False, True)
    assert outside.verified == "handshake"
