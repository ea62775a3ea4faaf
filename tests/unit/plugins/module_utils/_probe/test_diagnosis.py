# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is at fault where a route is not verified, and what to do about it."""

from __future__ import annotations

import typing as t
from dataclasses import replace

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe import diagnosis
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.errors import Cause
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.routes import Response, Result

GOOD = Response(101, "")
REFUSED = Response(None, "refused the connection: nothing listens there")
HUNG = Response(None, "timed out after 3 s", cause=Cause.TIMEOUT)
BAD_GATEWAY = Response(502, "returned 502 Bad Gateway")
FORBIDDEN = Response(403, "returned 403 Forbidden")
NOT_FOUND = Response(404, "returned 404 Not Found")

ONE, TWO = "10.0.0.1:80", "10.0.0.2:80"


def failed(
    answer: Response,
    backends: t.Mapping[str, Response] | None = None,
    websocket: bool | str = True,
    path: str = "/x",
    at: str = "sites[0].locations[0]",
) -> Result:
    probe = {"at": at, "site": "a.example", "path": path, "connect_to": "127.0.0.1:80", "websocket": websocket}
    return Result(probe, answer, "", 1.0, backends or {})


ROUTE = failed(FORBIDDEN).route


def advice(result: Result) -> str:
    """The one line behind that of the failure."""
    _failure, line = diagnosis.describe([result], [])
    assert line.startswith("  ")
    return line.strip()


@pytest.mark.parametrize(
    ("answer", "backends", "is_backends"),
    [
        # A route that nginx answers itself has none.
        (NOT_FOUND, {}, False),
        # They all fail, each in its way.
        (BAD_GATEWAY, {ONE: REFUSED}, True),
        (BAD_GATEWAY, {ONE: REFUSED, TWO: HUNG}, True),
        (NOT_FOUND, {ONE: FORBIDDEN}, True),
        # One of them answers what came through nginx.
        (FORBIDDEN, {ONE: FORBIDDEN}, True),
        (FORBIDDEN, {ONE: GOOD, TWO: FORBIDDEN}, True),
        (BAD_GATEWAY, {ONE: BAD_GATEWAY, TWO: GOOD}, True),
        # One takes the handshake, and none answers so.
        (FORBIDDEN, {ONE: GOOD}, False),
        (BAD_GATEWAY, {ONE: GOOD, TWO: REFUSED}, False),
        (FORBIDDEN, {ONE: GOOD, TWO: NOT_FOUND}, False),
        # The same status, but no failure.
        (Response(200, "returned 200 OK, not 204"), {ONE: Response(200, "")}, False),
    ],
)
def test_backends_are_the_cause_where_they_all_fail_or_one_fails_the_same_way(
    answer: Response, backends: dict[str, Response], is_backends: bool
) -> None:
    assert diagnosis.is_caused_by_backends(failed(answer, backends)) is is_backends


def test_a_dead_backend_is_not_the_cause_where_nginx_does_not_respond() -> None:
    assert not diagnosis.is_caused_by_backends(failed(REFUSED, {ONE: GOOD, TWO: REFUSED}))


@pytest.mark.parametrize(
    ("result", "passed", "known", "is_deploys"),
    [
        # It was verified before, whatever its backends answer now.
        (failed(FORBIDDEN, {ONE: GOOD}), True, True, True),
        (failed(BAD_GATEWAY, {ONE: REFUSED}), True, True, True),
        (failed(FORBIDDEN, {ONE: FORBIDDEN}), True, False, True),
        (failed(NOT_FOUND), True, True, True),
        # It is new, and a backend would serve it.
        (failed(BAD_GATEWAY, {ONE: GOOD}), False, False, True),
        (failed(BAD_GATEWAY, {ONE: REFUSED, TWO: GOOD}), False, False, True),
        # It is new, and nginx answers it alone.
        (failed(NOT_FOUND, websocket=False), False, False, True),
        # It is new, and its backends do not serve it.
        (failed(BAD_GATEWAY, {ONE: REFUSED, TWO: REFUSED}), False, False, False),
        (failed(FORBIDDEN, {ONE: FORBIDDEN, TWO: GOOD}), False, False, False),
        # It failed before as well.
        (failed(BAD_GATEWAY, {ONE: GOOD}), False, True, False),
        (failed(NOT_FOUND), False, True, False),
    ],
)
def test_the_deploy_is_the_cause_where_a_route_passed_before_or_its_backend_would_serve_it(
    result: Result, passed: bool, known: bool, is_deploys: bool
) -> None:
    other = "127.0.0.1:80 b.example /x"
    routes = {"passed": {other, ROUTE} if passed else {other}, "known": {other, ROUTE} if known else {other}}
    assert diagnosis.is_caused_by_deploy(result, **routes) is is_deploys


def test_a_failure_names_its_variable_and_whether_the_route_passed_before() -> None:
    result = failed(NOT_FOUND, websocket=False)
    line = "- sites[0].locations[0] (a.example /x): returned 404 Not Found"
    assert diagnosis.describe([result], []) == [line]
    assert diagnosis.describe([result], {ROUTE}) == [f"{line}, but passed before this deploy"]


@pytest.mark.parametrize("probe", [{"at": ""}, {"at": None}, {}])
def test_a_route_without_a_variable_is_named_by_its_site_and_path(probe: dict[str, t.Any]) -> None:
    result = Result({"site": "a.example", "path": "/x", **probe}, NOT_FOUND, "", 1.0)
    assert diagnosis.label(result) == "a.example /x"


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        (200, "websocket: false"),
        (204, "websocket: false"),
        (302, "set probe.path to the target"),
        (400, "probe.subprotocol"),
        (401, "credentials: set probe.headers"),
        (403, "set probe.origin to an Origin that it accepts"),
        (404, "set probe.path to the path of its WebSocket"),
        (405, "websocket: false"),
        (418, "it rejects the handshake"),
        (421, "headers.Host"),
        (426, "it finds no acceptable upgrade"),
        (429, "it limits its clients"),
        (500, "see its own log"),
        (503, "see its own log"),
        (600, "it does not accept the handshake"),
    ],
)
def test_the_status_of_a_backend_has_a_hint(status: int, hint: str) -> None:
    answer = Response(status, f"returned {status}")
    line = advice(failed(answer, {ONE: answer}))
    assert line.startswith(f"probed directly, {ONE} returns the same: ")
    assert hint in line


def test_only_backends_that_return_the_same_are_named() -> None:
    line = advice(failed(FORBIDDEN, {ONE: FORBIDDEN, TWO: GOOD, "10.0.0.3:80": FORBIDDEN}))
    assert line.startswith("probed directly, 10.0.0.1:80, 10.0.0.3:80 return the same: ")


def test_a_plain_route_has_no_hint_to_websocket_false() -> None:
    assert "websocket: false" not in advice(failed(NOT_FOUND, {ONE: NOT_FOUND}, websocket=False))


def test_a_bad_gateway_names_the_addresses_that_refuse() -> None:
    line = advice(failed(BAD_GATEWAY, {ONE: REFUSED, TWO: REFUSED}))
    assert line == f"probed directly: {ONE}, {TWO} refused the connection: nothing listens there"


def test_backends_are_grouped_by_their_failure() -> None:
    line = advice(failed(BAD_GATEWAY, {ONE: REFUSED, TWO: HUNG, "unix:/run/a": REFUSED}))
    assert line == (
        f"probed directly: {ONE}, unix:/run/a refused the connection: nothing listens there; {TWO} timed out after 3 s"
    )


def test_nginx_is_the_cause_where_a_backend_passes() -> None:
    line = advice(failed(Response(400, "returned 400 Bad Request"), {ONE: REFUSED, TWO: GOOD}))
    assert line.startswith(f"probed directly, {TWO} passes, so nginx is the cause: check the directives")
    both = advice(failed(BAD_GATEWAY, {ONE: GOOD, TWO: GOOD}))
    assert (
        f"{ONE}, {TWO} pass, so nginx is the cause: the backend's response header may be larger than proxy_buffer_size"
        in both
    )


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        (400, "this location"),
        (401, "probe.headers"),
        (403, "set probe.origin to one of the site's allowed_origins"),
        (421, "no site there has the requested Host as a server_name"),
        (426, "a proxy_set_header in directives drops Upgrade"),
        (429, "count the gateway's own probes: raise limit_handshakes_per_client or limit_conn_per_client"),
    ],
)
def test_the_status_of_nginx_has_a_hint(status: int, hint: str) -> None:
    assert hint in advice(failed(Response(status, f"returned {status}"), {ONE: GOOD}))


@pytest.mark.parametrize("websocket", [True, False])
@pytest.mark.parametrize("backends", [{}, {ONE: GOOD}, {ONE: REFUSED}])
@pytest.mark.parametrize(("status", "hint"), [(421, "server_name"), (429, "limit_handshakes_per_client")])
def test_a_status_of_nginx_alone_has_its_hint_whatever_the_backends_return(
    status: int, hint: str, backends: dict[str, Response], websocket: bool
) -> None:
    assert hint in advice(failed(Response(status, f"returned {status}"), backends, websocket))


@pytest.mark.parametrize("status", [421, 429])
def test_a_backend_of_a_plain_route_that_returns_the_same_is_named(status: int) -> None:
    answer = Response(status, f"returned {status}")
    line = advice(failed(answer, {ONE: answer}, websocket=False))
    assert line.startswith(f"probed directly, {ONE} returns the same: it ")
    assert "its own log" not in line


@pytest.mark.parametrize("websocket", [True, "required", False])
@pytest.mark.parametrize(
    "backends", [{}, {ONE: GOOD}, {ONE: REFUSED}, {ONE: Response(400, "returned 400 Bad Request")}]
)
def test_a_site_that_requires_a_certificate_has_a_hint(backends: dict[str, Response], websocket: bool | str) -> None:
    answer = Response(400, "returned 400 No required SSL certificate was sent", cause=Cause.CERTIFICATE_REQUIRED)
    assert "set probe.ssl_certificate" in advice(failed(answer, backends, websocket))


def test_a_backend_that_passes_is_not_listed_among_those_that_fail() -> None:
    assert ONE not in advice(failed(HUNG, {ONE: GOOD, TWO: HUNG}))


@pytest.mark.parametrize(
    ("answer", "websocket", "lines"),
    [
        (FORBIDDEN, True, 2),
        (FORBIDDEN, "required", 2),
        (FORBIDDEN, False, 1),
        (BAD_GATEWAY, True, 1),
        (REFUSED, True, 1),
    ],
)
def test_without_backends_only_a_known_status_of_a_handshake_has_a_hint(
    answer: Response, websocket: bool | str, lines: int
) -> None:
    assert len(diagnosis.describe([failed(answer, websocket=websocket)], [])) == lines


def test_many_routes_are_abbreviated() -> None:
    def lines(count: int) -> list[str]:
        results = [failed(NOT_FOUND, websocket=False, path=f"/{n}", at=f"locations[{n}]") for n in range(count)]
        return diagnosis.describe(results, [])

    assert len(lines(3)) == 3
    assert lines(4)[:2] == lines(3)[:2]
    assert lines(4)[2:] == ["- and 2 more: locations[2], locations[3]"]
    assert lines(500)[2:] == ["- and 498 more: locations[2], locations[3], locations[4], locations[5] and 494 more"]


def test_many_addresses_are_abbreviated() -> None:
    def line(count: int) -> str:
        return advice(failed(BAD_GATEWAY, {f"10.0.0.{number}:80": REFUSED for number in range(count)}))

    assert line(4).startswith("probed directly: 10.0.0.0:80, 10.0.0.1:80, 10.0.0.2:80, 10.0.0.3:80 refused")
    assert line(5).startswith("probed directly: 10.0.0.0:80, 10.0.0.1:80, 10.0.0.2:80, 10.0.0.3:80 and 1 more refused")
    assert "and 96 more refused" in line(100)


def test_a_backend_that_times_out_as_nginx_does_is_named_whatever_the_others_return() -> None:
    assert advice(failed(HUNG, {ONE: GOOD, TWO: HUNG})) == f"probed directly: {TWO} timed out after 3 s"


CLOSED = Response(None, "closed the connection before the response", cause=Cause.CLOSED)
GARBLED = Response(None, "does not speak HTTP", cause=Cause.INVALID)


def refusal(status: int) -> Response:
    return Response(status, f"returned {status} Any", is_refusal=True)


LARGE = Response(
    404,
    "returned a header of 20000 bytes, and nginx accepts at most 16384: raise proxy_buffer_size",
    cause=Cause.HEADER_TOO_LARGE,
)


def loose(answer: Response | None, *backends: Response, path: str = "/", **options: t.Any) -> Result:
    """A route that fails whose operator gave no probe; without an answer nothing was sent through nginx."""
    route_backends = {"url": f"ws://a.example{options.pop('asked', '/')}", "exact": options.pop("exact", True)}
    more = {key: options.pop(key) for key in ("origin", "plain_status") if key in options}
    probe = {
        **failed(NOT_FOUND, path=path).probe,
        **{"backends": route_backends, "strict": False, **options},
    }
    answers = {f"10.0.0.{number}:80": found for number, found in enumerate(backends, 1)}
    return Result(probe, answer or Response(None, "not sent"), "", 1.0, answers, held_back=answer is None, **more)


def words(result: Result) -> str:
    """Why it is served and not verified."""
    classified = diagnosis.classify(result, [])
    assert classified.failed == (not classified.unverified)
    return classified.unverified


SOCKET_IO = "set probe.path, such as /socket.io/?EIO=4&transport=websocket"


@pytest.mark.parametrize("websocket", [True, "required"])
@pytest.mark.parametrize(
    ("status", "said"),
    [
        (200, f"the backend returns 200 at /; {SOCKET_IO}"),
        (302, f"the backend returns 302 at /; {SOCKET_IO}"),
        (400, f"the backend returns 400 at /; {SOCKET_IO}, or probe.subprotocol"),
        (401, "the backend returns 401 at /; set probe.headers to credentials that it accepts"),
        (403, "the backend returns 403 at /; set probe.origin to one that it accepts, or probe.headers"),
        (404, f"the backend returns 404 at /; {SOCKET_IO}"),
        (421, "the backend returns 421 at /; set headers.Host to one that it serves"),
        (426, "the backend returns 426 at /; set probe.subprotocol or probe.headers to what it requires"),
        (429, "the backend returns 429 at /; it limits its clients"),
    ],
)
def test_a_route_is_unverified_where_its_backend_rejects_the_handshake(
    websocket: bool | str, status: int, said: str
) -> None:
    assert words(loose(refusal(status), refusal(status), websocket=websocket)) == said


def test_a_route_is_unverified_where_its_backend_closes_the_connection() -> None:
    said = f"the backend closes the connection at /; {SOCKET_IO}"
    assert words(loose(None, CLOSED)) == said
    assert words(loose(None, REFUSED, CLOSED, HUNG)) == said
    # It was starting when it was asked first.
    assert words(loose(refusal(502), CLOSED)) == said


def test_a_route_is_unverified_where_its_backend_responds_to_plain_http_only() -> None:
    said = "the backend does not respond to a handshake at /, but it responds to plain HTTP; "
    assert (
        words(loose(HUNG, HUNG, plain_status=404)) == f"{said}set probe.path or probe.subprotocol to what it waits for"
    )
    assert words(loose(HUNG, HUNG)) == ""
    assert words(loose(HUNG, HUNG, plain_status=500)) == ""


@pytest.mark.parametrize("answer", [None, refusal(403), refusal(404), refusal(200)])
def test_an_origin_with_which_a_backend_accepts_the_handshake_is_the_only_remedy(answer: Response | None) -> None:
    result = loose(answer, answer or CLOSED, origin="http://a.example:3000")
    assert words(result).endswith("; set probe.origin: http://a.example:3000")


@pytest.mark.parametrize(
    ("path", "asked", "said"),
    [
        ("/chat/", "/chat/", "at /chat/; set probe.path, such as /chat/socket.io/?EIO=4&transport=websocket"),
        ("/chat/", "/", "at /; set probe.path, such as /chat/socket.io/?EIO=4&transport=websocket"),
        ("^~ /chat", "/chat", "at /chat; set probe.path, such as /chat/socket.io/?EIO=4&transport=websocket"),
        ("/socket.io/", "/socket.io/", "at /socket.io/; set probe.path, such as /socket.io/?EIO=4&transport=websocket"),
        ("= /ws", "/ws?a=b", "at /ws; set probe.path with the query that it requires"),
    ],
)
def test_the_example_path_is_within_the_location(path: str, asked: str, said: str) -> None:
    assert words(loose(refusal(404), refusal(404), path=path, asked=asked)) == f"the backend returns 404 {said}"


@pytest.mark.parametrize(
    "result",
    [
        # The backend is down, silent, or fails.
        loose(BAD_GATEWAY, REFUSED),
        loose(HUNG, HUNG),
        loose(refusal(500), refusal(500)),
        loose(refusal(503), refusal(503)),
        # What it says is no HTTP, or too much for nginx.
        loose(None, GARBLED),
        loose(None, CLOSED, GARBLED),
        loose(None, LARGE),
        loose(None, LARGE, CLOSED),
        # It takes the handshake, and nginx is in the way.
        loose(refusal(404), GOOD),
        loose(refusal(404), refusal(404), GOOD),
        # nginx itself refuses it.
        *(loose(refusal(status), refusal(404)) for status in (403, 421, 426, 429, 502)),
        loose(refusal(404)),
        loose(Response(None, "refused the connection: nothing listens there"), refusal(404)),
        # More than the handshake is not as it should be.
        loose(Response(404, "returned 404 Any; a plain request returned 200 OK"), refusal(404)),
        # A route for plain HTTP, and one whose operator said how it is verified.
        loose(refusal(404), refusal(404), websocket=False),
        loose(refusal(404), refusal(404), strict=True),
        loose(None, CLOSED, strict=True),
        failed(refusal(404), {ONE: refusal(404)}),
    ],
)
def test_any_other_failure_stays_a_failure(result: Result) -> None:
    assert words(result) == ""


def test_a_route_that_passed_before_is_a_failure() -> None:
    result = loose(refusal(404), refusal(404))
    assert diagnosis.classify(result, [result.route]).failed


def test_a_verified_route_stays_verified() -> None:
    result = Result({**loose(None).probe}, GOOD, "handshake", 1.0)
    assert diagnosis.classify(result, []) is result


def test_an_unverified_route_is_returned_without_a_failure() -> None:
    plain = diagnosis.classify(loose(refusal(404), refusal(404)), []).as_dict()
    assert (plain["failure"], plain["verified"], plain["status"]) == ("", "", 404)
    assert plain["unverified"].startswith("the backend returns 404")


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (
            loose(refusal(404), refusal(404), exact=False),
            "returned 404; probed directly, without what its headers and directives change, the backend returns 404 "
            f"at / too; {SOCKET_IO}",
        ),
        (
            loose(refusal(502), CLOSED, exact=False),
            "returned 502; probed directly, without what its headers and directives change, the backend closes the "
            f"connection at /; {SOCKET_IO}",
        ),
        (loose(refusal(401), refusal(404), exact=False), ""),
        (loose(refusal(502), CLOSED, refusal(404), exact=False), ""),
    ],
)
def test_where_nginx_changes_the_request_the_difference_is_mentioned(result: Result, said: str) -> None:
    assert words(result) == said
    if said and result.response.status == 404:
        assert advice(result).startswith(
            "probed directly, without what its headers and directives change, 10.0.0.1:80 returns 404 too: "
        )


@pytest.mark.parametrize(("answer", "direct"), [(FORBIDDEN, FORBIDDEN), (Response(None, "not sent"), CLOSED)])
def test_an_accepted_origin_is_named_where_a_route_fails(answer: Response, direct: Response) -> None:
    result = replace(failed(answer, {ONE: direct}), origin="http://a.example:3000")
    assert advice(result).endswith("set probe.origin: http://a.example:3000")


MISSING = '[error] open() "/etc/nginx/users" failed (2: No such file or directory)'
REFUSES = "[error] connect() failed (111: Connection refused) while connecting to upstream"
TOO_BIG = "[error] upstream sent too big header while reading response header from upstream"


@pytest.mark.parametrize(
    ("result", "logged", "told"),
    [
        # Its own error, whatever the backends respond.
        (failed(FORBIDDEN, {ONE: GOOD}), [MISSING], f"nginx's error log: {MISSING}"),
        (failed(FORBIDDEN, {ONE: NOT_FOUND}), [MISSING], f"nginx's error log: {MISSING}"),
        (
            failed(NOT_FOUND, websocket=False),
            ["[error] a", "[error] b", "[error] c"],
            "nginx's error log: [error] a; [error] b",
        ),
        (
            failed(FORBIDDEN, {ONE: GOOD}),
            ["[error] access forbidden by rule"],
            "nginx's error log: [error] access forbidden by rule: remove the deny in directives, or allow the "
            "gateway's own addresses",
        ),
        # One of a backend, where probes of the backends say less.
        (failed(BAD_GATEWAY, {ONE: GOOD}), [TOO_BIG], f"nginx's error log: {TOO_BIG}: raise proxy_buffer_size"),
        (failed(BAD_GATEWAY, {ONE: REFUSED}), [REFUSES], f"probed directly: {ONE} {REFUSED.failure}"),
    ],
)
def test_what_nginx_logged_of_the_request_is_told_before_any_guess(
    result: Result, logged: list[str], told: str
) -> None:
    assert advice(replace(result, logged=logged)) == told


def test_the_log_is_read_for_requests_that_got_a_failing_response(monkeypatch: pytest.MonkeyPatch) -> None:
    url = {"url": "ws://a.example:80/x?token=1"}
    results = [
        replace(found, probe={**found.probe, **url, **more})
        for found, more in (
            (failed(FORBIDDEN), {}),
            (failed(FORBIDDEN), {"headers": {"host": "b.example"}}),
            (failed(REFUSED), {}),
            (failed(GOOD), {}),
        )
    ]
    monkeypatch.setattr(diagnosis, "probe_all", lambda _probes, _patience, *, on_gateway: results)
    asked: list[tuple[str, str]] = []

    def logged(request: str, host: str) -> list[str]:
        asked.append((request, host))
        return [MISSING]

    found = diagnosis.probe_routes([], [], logged)
    assert asked == [("GET /x?token=1 HTTP/1.1", "a.example"), ("GET /x?token=1 HTTP/1.1", "b.example")]
    assert [list(result.logged) for result in found] == [[MISSING], [MISSING], [], []]
