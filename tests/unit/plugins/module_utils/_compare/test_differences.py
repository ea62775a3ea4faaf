# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How answers differ, and which differences are made on purpose: a purpose takes in what it says, and nothing else."""

from __future__ import annotations

import typing as t
from dataclasses import replace

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils._compare.comparison import Difference, Result, not_compared
from ansible_collections.wsfleet.nginx.plugins.module_utils._compare.configuration import (
    Configuration,
    Directive,
    Endpoint,
)
from ansible_collections.wsfleet.nginx.plugins.module_utils._compare.designed import DESIGNED, by_design
from ansible_collections.wsfleet.nginx.plugins.module_utils._compare.differences import Case, cases
from ansible_collections.wsfleet.nginx.plugins.module_utils._compare.exchange import (
    Answer,
    Received,
    Request,
    answer_from,
    request_from,
)
from ansible_collections.wsfleet.nginx.plugins.module_utils._compare.own_requests import at_endpoint, own_requests
from ansible_collections.wsfleet.nginx.plugins.module_utils._compare.report import report

PLAIN = Request("0.0.0.0:80", "a.example", "/")
SOCKET = replace(PLAIN, websocket=True)
FOREIGN = replace(PLAIN, host="foreign.invalid", foreign=True)
ORIGIN = replace(SOCKET, headers=(("Origin", "https://foreign.invalid"),))
RECEIVED = Received("app:1", method="GET", target="/", version="HTTP/1.1", headers=[("Host", "a.example")])
OK = Answer(status=200, body="a", received=[RECEIVED])
OPEN = Answer(status=101, websocket="there and back", received=[RECEIVED])
REFUSED = Answer(error="Connection refused")


def own(status: int, *headers: tuple[str, str]) -> Answer:
    return Answer(status=status, headers=[*headers])


def got(**fields: object) -> Answer:
    return replace(OK, received=[replace(RECEIVED, **fields)])  # type: ignore[arg-type]


def with_fields(*headers: tuple[str, str]) -> Answer:
    return got(headers=[("Host", "a.example"), *headers])


UPGRADE = own(426, ("Upgrade", "websocket"))


@pytest.mark.parametrize(
    ("what", "other"),
    [
        ("response", replace(OK, status=201)),
        ("response", REFUSED),
        ("response", replace(OK, status=None, continued=True)),
        ("response body", replace(OK, body="b")),
        ("response header x-a", replace(OK, headers=[("X-A", "b")])),
        ("TLS", replace(OK, tls="TLSv1.3")),
        ("WebSocket", replace(OK, websocket="closed")),
        ("limit", replace(OK, refused="some are refused: 503")),
        ("backend", replace(OK, received=[RECEIVED, RECEIVED])),
        ("backend", replace(OK, received=[])),
        ("path at the backend", got(target="/b")),
        ("method at the backend", got(method="PUT")),
        ("body at the backend", got(body="b")),
        ("protocol to the backend", got(protocol="FastCGI")),
        ("TLS to the backend", got(tls=True)),
        ("version of HTTP to the backend", got(version="HTTP/1.0")),
        ("header x-a to the backend", with_fields(("X-A", "b"))),
        ("header host to the backend", got(headers=[])),
    ],
)
def test_each_thing_is_compared(what: str, other: Answer) -> None:
    assert [case.what for case in cases(PLAIN, OK, other)] == [what]
    assert [case.what for case in cases(PLAIN, other, OK)] == [what]


@pytest.mark.parametrize(
    "other",
    [
        OK,
        replace(OK, headers=[("Date", "now")]),
        with_fields(),
        got(headers=[("HOST", "a.example")]),
        got(server="app:2"),
    ],
)
def test_what_says_the_same_is_no_difference(other: Answer) -> None:
    assert cases(PLAIN, OK, other) == []


def test_an_id_and_a_time_of_the_request_are_no_difference() -> None:
    pair = [with_fields(("X-ID", f"{number:032x}"), ("X-Start", f"t=176000000{number}.123")) for number in (1, 2)]
    assert cases(PLAIN, *pair) == []
    dates = [replace(OK, headers=[("Expires", f"Sat, 26 Dec 2026 19:37:1{number} GMT")]) for number in (1, 2)]
    assert cases(PLAIN, *dates) == []


DESIGNS = [
    ("a Host that no site has gets 421", FOREIGN, OK, own(421), [(PLAIN, OK, own(421)), (FOREIGN, OK, own(404))]),
    (
        "a name that no site has is refused in the TLS handshake",
        FOREIGN,
        OK,
        Answer(error="TLS: TLSV1_UNRECOGNIZED_NAME"),
        [(PLAIN, OK, Answer(error="TLS: TLSV1_UNRECOGNIZED_NAME")), (FOREIGN, OK, REFUSED)],
    ),
    (
        "what names websocket and is no handshake gets 426",
        replace(SOCKET, note="no handshake: by POST"),
        OK,
        UPGRADE,
        [(SOCKET, OPEN, UPGRADE)],
    ),
    (
        "what is no handshake opens no WebSocket",
        replace(SOCKET, note="no handshake: by POST"),
        OPEN,
        OK,
        [(SOCKET, OPEN, OK), (replace(SOCKET, note="no handshake: by POST"), OPEN, own(404))],
    ),
    (
        "HSTS is on each response",
        PLAIN,
        own(404),
        own(404, ("Strict-Transport-Security", "max-age=1")),
        [
            (PLAIN, OK, replace(OK, headers=[("Strict-Transport-Security", "max-age=1")])),
            (PLAIN, own(404, ("Strict-Transport-Security", "max-age=1")), own(404)),
        ],
    ),
    (
        "websocket: required refuses plain requests with 426",
        PLAIN,
        OK,
        UPGRADE,
        [(SOCKET, OPEN, UPGRADE), (PLAIN, OK, own(426)), (PLAIN, OK, replace(UPGRADE, received=[RECEIVED]))],
    ),
    (
        "a handshake without TLS is refused instead of redirected",
        SOCKET,
        own(301),
        own(403),
        [(PLAIN, own(301), own(403)), (SOCKET, OPEN, own(403)), (replace(SOCKET, tls=True), own(301), own(403))],
    ),
    (
        "websocket: false refuses handshakes with 400",
        SOCKET,
        OK,
        own(400),
        [(SOCKET, OPEN, own(400)), (PLAIN, OK, own(400))],
    ),
    (
        "a handshake with a foreign Origin gets 403",
        ORIGIN,
        OPEN,
        own(403),
        [(SOCKET, OPEN, own(403)), (replace(ORIGIN, websocket=False), OK, own(403)), (ORIGIN, OPEN, own(404))],
    ),
    (
        "Connection is computed for each request, and not hard-coded",
        PLAIN,
        with_fields(("Connection", "upgrade")),
        OK,
        [
            (PLAIN, OK, with_fields(("Connection", "upgrade"))),
            (
                SOCKET,
                replace(with_fields(("Connection", "upgrade")), status=101),
                replace(OK, status=101),
            ),
            (SOCKET, with_fields(("Connection", "upgrade")), with_fields(("Connection", "close"))),
        ],
    ),
    (
        "Upgrade gets to a backend in a handshake only, and never in the client's words",
        PLAIN,
        with_fields(("Upgrade", "h2c")),
        OK,
        [(PLAIN, OK, with_fields(("Upgrade", "h2c"))), (SOCKET, with_fields(("Upgrade", "websocket")), OK)],
    ),
    ("HTTP/1.1 to the backends", PLAIN, got(version="HTTP/1.0"), OK, [(PLAIN, OK, got(version="HTTP/1.0"))]),
    (
        "a client cannot say by which host, port or scheme it has come",
        replace(PLAIN, headers=(("X-Forwarded-Host", "b"),)),
        with_fields(("X-Forwarded-Host", "b")),
        OK,
        [(PLAIN, with_fields(("X-Forwarded-Host", "b")), OK), (PLAIN, with_fields(("X-Own", "b")), OK)],
    ),
    (
        "X-Real-IP, X-Forwarded-For and X-Forwarded-Proto are set in every location",
        PLAIN,
        OK,
        with_fields(("X-Real-IP", "CLIENT"), ("X-Forwarded-Proto", "http")),
        [
            (PLAIN, with_fields(("X-Real-IP", "CLIENT")), OK),
            (PLAIN, OK, with_fields(("X-Real-IP", "10.0.0.1"))),
            (PLAIN, OK, with_fields(("X-Forwarded-Proto", "https"))),
        ],
    ),
    (
        "Host is passed on as the client sent it",
        replace(PLAIN, host="a.example:8080"),
        OK,
        got(headers=[("Host", "a.example:8080")]),
        [(PLAIN, OK, got(headers=[("Host", "app")]))],
    ),
    (
        "a request of HTTP/1.0 without a Host gets the name of its site as one",
        replace(PLAIN, host=None),
        got(headers=[]),
        OK,
        [(replace(PLAIN, host=None), OK, got(headers=[])), (PLAIN, got(headers=[]), got(headers=[("Host", "b")]))],
    ),
    (
        "the backend refers to itself by the Host and the scheme that are passed on",
        replace(PLAIN, host="a.example:8080"),
        replace(OK, headers=[("Location", "http://a.example/a.example"), ("Set-Cookie", "a=b; Domain=SERVER; Path=/")]),
        replace(
            got(headers=[("Host", "a.example:8080")]),
            headers=[
                ("Location", "http://a.example:8080/a.example"),
                ("Set-Cookie", "a=b; Domain=a.example:8080; Path=/"),
            ],
        ),
        [(PLAIN, replace(OK, headers=[("Location", "http://a.example/b")]), replace(OK, headers=[("Location", "/c")]))],
    ),
    (
        "nginx does not tell its version",
        PLAIN,
        replace(OK, headers=[("Server", "nginx/1.22.1")]),
        replace(OK, headers=[("Server", "nginx")]),
        [(PLAIN, replace(OK, headers=[("Server", "nginx")]), OK)],
    ),
    (
        "nginx's own redirects are relative",
        PLAIN,
        own(301, ("Location", "http://a.example:80/b")),
        own(301, ("Location", "/b")),
        [
            (PLAIN, own(301, ("Location", "http://a.example/b")), own(301, ("Location", "/c"))),
            (PLAIN, own(301, ("Location", "http://b.example/b")), own(301, ("Location", "/b"))),
        ],
    ),
    (
        "a port of the loopback interface tells which configuration is live",
        replace(PLAIN, address="127.0.0.1:488"),
        REFUSED,
        own(200),
        [(PLAIN, REFUSED, own(200)), (replace(PLAIN, address="127.0.0.1:488"), OK, own(200))],
    ),
    (
        "a response with a long header gets through",
        replace(PLAIN, note="the backend's response: long_header"),
        replace(OK, status=502),
        OK,
        [(PLAIN, replace(OK, status=502), OK)],
    ),
    (
        "limits refuse with 429",
        PLAIN,
        Answer(refused="some are refused: 503"),
        Answer(refused="some are refused: 429"),
        [],
    ),
    (
        "TLS 1.3 is offered",
        PLAIN,
        replace(OK, tls="TLSv1.2 http/1.1"),
        replace(OK, tls="TLSv1.3 http/1.1"),
        [(PLAIN, replace(OK, tls="TLSv1.2 h2"), replace(OK, tls="TLSv1.3 http/1.1"))],
    ),
    (
        "TLS before 1.2 is refused",
        replace(PLAIN, tls_version="TLSv1"),
        OK,
        Answer(error="TLS: PROTOCOL_VERSION"),
        [(PLAIN, OK, Answer(error="TLS: PROTOCOL_VERSION"))],
    ),
]


@pytest.mark.parametrize(("purpose", "request_", "before", "after", "others"), DESIGNS, ids=[one[0] for one in DESIGNS])
def test_a_purpose_takes_in_what_it_says_and_nothing_else(
    purpose: str, request_: Request, before: Answer, after: Answer, others: list[tuple[Request, Answer, Answer]]
) -> None:
    found = cases(request_, before, after)
    assert purpose in {by_design(case) for case in found}
    assert None not in {by_design(case) for case in found}
    for other in others:
        assert None in {by_design(case) for case in cases(*other)}


STATIC = [
    (
        "upstream",
        "a:1, b:1 by round_robin",
        "a:1, b:1 by least_conn",
        "least_conn is the default of balance, as sockets stay open for long",
    ),
    ("upstream", "a:1, b:1 by ip_hash", "a:1, b:1 by least_conn", None),
    ("upstream", "a:1, b:1 by round_robin", "a:1, c:1 by least_conn", None),
    ("proxy_read_timeout", "60s, nginx's own", "1h", "a WebSocket may be silent for an hour"),
    ("proxy_read_timeout", "60s", "1h", None),
    ("proxy_read_timeout", "1h", "60s, nginx's own", None),
    (
        "proxy_connect_timeout",
        "60s, nginx's own",
        "5s",
        "a server that does not accept connections is left after five seconds",
    ),
    ("proxy_send_timeout", "60s, nginx's own", "5s", None),
]


@pytest.mark.parametrize(("what", "before", "after", "purpose"), STATIC)
def test_what_is_not_asked_for_has_purposes_too(what: str, before: str, after: str, purpose: str | None) -> None:
    assert by_design(Case(PLAIN, what, before, after, (OK, OK))) == purpose


def test_each_purpose_has_a_test() -> None:
    assert {purpose for purpose, _made in DESIGNED} == {one[0] for one in DESIGNS} | {
        one[3] for one in STATIC if one[3]
    }


def test_requests_and_answers_survive_the_way_between_processes() -> None:
    assert request_from(ORIGIN.as_dict()) == ORIGIN
    assert answer_from(OPEN.as_dict()) == OPEN


def test_the_report_tells_what_is_alike_once() -> None:
    differences = [
        *[Difference(f"GET http://a/{number}", "response", "200", "404", None) for number in range(3)],
        Difference("GET http://a/", "header host to the backend", "b", "a", "Host is passed on"),
    ]
    result = Result(7, differences, ["not compared: what is in stream"])
    assert not result.same
    assert report(result, "one", "two").splitlines() == [
        "one and two are not the same: 7 requests",
        "  not compared: what is in stream",
        "",
        "Not the same",
        "- response",
        "    200 -> 404",
        "        GET http://a/0, and 2 more",
        "",
        "By design",
        "- Host is passed on",
        "    header host to the backend: b -> a",
        "        GET http://a/",
    ]
    assert "are the same, but for what is by design: 7" in report(Result(7, differences[3:]), "one", "two")
    assert "are the same: 7" in report(Result(7, []), "one", "two")


GIVEN: dict[str, t.Any] = {
    "url": "http://a.example/b?c",
    "method": "GET",
    "headers": {},
    "body": "",
    "client": None,
    "connect_to": None,
}


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"url": "a.example"}, "requests[0].url: expected http://"),
        ({"url": "http://a.example:x/"}, "requests[0].url: "),
        ({"url": "http://a b/"}, "requests[0].url: must be printable"),
        ({"method": "GET /"}, "requests[0].method: 'GET /' is not a method"),
        ({"headers": {"A": "b\r\nC: d"}}, "requests[0].headers: 'A'"),
        ({"client": "host"}, "requests[0].client: 'host' is no address"),
        ({"connect_to": "host"}, "requests[0].connect_to: expected HOST:PORT"),
    ],
)
def test_errors_in_own_requests_name_their_option(options: dict[str, object], error: str) -> None:
    _requests, errors = own_requests([{**GIVEN, **options}])
    assert len(errors) == 1
    assert errors[0].startswith(error)


def test_an_own_request_goes_where_nginx_listens() -> None:
    (request,), errors = own_requests([{**GIVEN, "url": "wss://a.example/b?c"}])
    assert errors == []
    assert (request.websocket, request.tls, request.target, request.host) == (True, True, "/b?c", "a.example")
    endpoints = [Endpoint("10.0.0.1:443", tls=True, proxy_protocol=True), Endpoint("10.0.0.2:443", tls=True)]
    assert at_endpoint(request, endpoints).address == "10.0.0.1:443"
    assert at_endpoint(request, endpoints).proxy_protocol
    assert at_endpoint(request, [*endpoints, Endpoint("0.0.0.0:443")]).address == "0.0.0.0:443"
    assert at_endpoint(request, []) == request


def test_what_is_not_compared_is_told() -> None:
    one, other = (Configuration(Directive("", [], [Directive(name, [], [])])) for name in ("http", "stream"))
    assert not_compared(one, one) == []
    assert not_compared(one, other) == ["not compared: what is in stream"]
