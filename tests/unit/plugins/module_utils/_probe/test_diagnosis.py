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
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.routes import Answer, Result

GOOD = Answer(101, "")
REFUSED = Answer(None, "refused the connection: nothing listens there")
HUNG = Answer(None, "timed out after 3 s", cause=Cause.TIMED_OUT)
BAD_GATEWAY = Answer(502, "answered 502 Bad Gateway")
FORBIDDEN = Answer(403, "answered 403 Forbidden")
NOT_FOUND = Answer(404, "answered 404 Not Found")

ONE, TWO = "10.0.0.1:80", "10.0.0.2:80"


def failed(
    answer: Answer,
    backends: t.Mapping[str, Answer] | None = None,
    websocket: bool | str = True,
    path: str = "/x",
    at: str = "sites[0].locations[0]",
) -> Result:
    probe = {"at": at, "site": "a.example", "path": path, "connect_to": "127.0.0.1:80", "websocket": websocket}
    return Result(probe, answer, "", 1.0, backends or {})


ROUTE = failed(FORBIDDEN).route


def advice(result: Result) -> str:
    """The one line behind that of the failure."""
    _failure, line = diagnosis.told([result], [])
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
        (Answer(200, "answered 200 OK, not 204"), {ONE: Answer(200, "")}, False),
    ],
)
def test_an_answer_is_the_backends_where_they_fail_or_answer_so_themselves(
    answer: Answer, backends: dict[str, Answer], is_backends: bool
) -> None:
    assert diagnosis.is_backends(failed(answer, backends)) is is_backends


def test_a_route_that_nginx_does_not_answer_is_not_its_dead_backends_error() -> None:
    assert not diagnosis.is_backends(failed(REFUSED, {ONE: GOOD, TWO: REFUSED}))


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
def test_a_route_that_was_verified_or_that_a_backend_would_serve_is_the_deploys(
    result: Result, passed: bool, known: bool, is_deploys: bool
) -> None:
    other = "127.0.0.1:80 b.example /x"
    routes = {"passed": {other, ROUTE} if passed else {other}, "known": {other, ROUTE} if known else {other}}
    assert diagnosis.is_deploys(result, **routes) is is_deploys


def test_a_failure_is_told_with_its_variable_and_whether_the_route_was_verified_before() -> None:
    result = failed(NOT_FOUND, websocket=False)
    line = "- sites[0].locations[0] (a.example /x): answered 404 Not Found"
    assert diagnosis.told([result], []) == [line]
    assert diagnosis.told([result], {ROUTE}) == [f"{line}, but was verified before this deploy"]


@pytest.mark.parametrize("probe", [{"at": ""}, {"at": None}, {}])
def test_a_route_without_a_variable_is_told_by_its_site_and_path(probe: dict[str, t.Any]) -> None:
    result = Result({"site": "a.example", "path": "/x", **probe}, NOT_FOUND, "", 1.0)
    assert diagnosis.place(result) == "a.example /x"


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        (200, "websocket: false"),
        (204, "websocket: false"),
        (302, "the other place goes into probe.path"),
        (400, "probe.subprotocol"),
        (401, "credentials: they go into probe.headers"),
        (403, "an Origin that it accepts goes into probe.origin"),
        (404, "the path of its WebSocket goes into probe.path"),
        (405, "websocket: false"),
        (418, "it refuses the handshake"),
        (421, "headers.Host"),
        (426, "it saw no upgrade"),
        (429, "it limits its clients"),
        (500, "its own log tells why"),
        (503, "its own log tells why"),
        (600, "it does not take the handshake"),
    ],
)
def test_an_answer_that_is_the_backends_own_is_told_with_what_would_change_it(status: int, hint: str) -> None:
    answer = Answer(status, f"answered {status}")
    line = advice(failed(answer, {ONE: answer}))
    assert line.startswith(f"asked directly, {ONE} answers the same: ")
    assert hint in line


def test_backends_that_answer_the_same_are_told_apart_from_others() -> None:
    line = advice(failed(FORBIDDEN, {ONE: FORBIDDEN, TWO: GOOD, "10.0.0.3:80": FORBIDDEN}))
    assert line.startswith("asked directly, 10.0.0.1:80, 10.0.0.3:80 answer the same: ")


def test_a_plain_route_is_not_told_to_be_one() -> None:
    assert "websocket: false" not in advice(failed(NOT_FOUND, {ONE: NOT_FOUND}, websocket=False))


def test_a_bad_gateway_is_told_with_the_addresses_that_refuse() -> None:
    line = advice(failed(BAD_GATEWAY, {ONE: REFUSED, TWO: REFUSED}))
    assert line == f"asked directly: {ONE}, {TWO} refused the connection: nothing listens there"


def test_backends_that_fail_in_different_ways_are_told_by_these() -> None:
    line = advice(failed(BAD_GATEWAY, {ONE: REFUSED, TWO: HUNG, "unix:/run/a": REFUSED}))
    assert line == (
        f"asked directly: {ONE}, unix:/run/a refused the connection: nothing listens there; {TWO} timed out after 3 s"
    )


def test_a_backend_that_answers_well_points_at_nginx() -> None:
    line = advice(failed(Answer(400, "answered 400 Bad Request"), {ONE: REFUSED, TWO: GOOD}))
    assert line.startswith(f"asked directly, {TWO} answers as wanted, so nginx is in the way: look at ")
    both = advice(failed(BAD_GATEWAY, {ONE: GOOD, TWO: GOOD}))
    assert (
        f"{ONE}, {TWO} answer as wanted, so nginx is in the way: its answer may be larger than proxy_buffer_size"
        in both
    )


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        (400, "this location"),
        (401, "probe.headers"),
        (403, "one of the site's allowed_origins goes into probe.origin"),
        (421, "no server_name of a site there is the Host"),
        (426, "a proxy_set_header in directives keeps Upgrade from the backend"),
        (429, "count the gateway's own probes: a higher limit_handshakes_per_client or limit_conn_per_client"),
    ],
)
def test_what_nginx_itself_refuses_is_told_with_what_would_change_it(status: int, hint: str) -> None:
    assert hint in advice(failed(Answer(status, f"answered {status}"), {ONE: GOOD}))


@pytest.mark.parametrize("websocket", [True, False])
@pytest.mark.parametrize("backends", [{}, {ONE: GOOD}, {ONE: REFUSED}])
@pytest.mark.parametrize(("status", "hint"), [(421, "server_name"), (429, "limit_handshakes_per_client")])
def test_what_no_backend_was_asked_for_is_nginxs_whatever_they_answer(
    status: int, hint: str, backends: dict[str, Answer], websocket: bool
) -> None:
    assert hint in advice(failed(Answer(status, f"answered {status}"), backends, websocket))


@pytest.mark.parametrize("status", [421, 429])
def test_a_plain_route_whose_backend_itself_answers_so_is_told_of_that(status: int) -> None:
    answer = Answer(status, f"answered {status}")
    line = advice(failed(answer, {ONE: answer}, websocket=False))
    assert line.startswith(f"asked directly, {ONE} answers the same: it ")
    assert "its own log" not in line


@pytest.mark.parametrize("websocket", [True, "required", False])
@pytest.mark.parametrize("backends", [{}, {ONE: GOOD}, {ONE: REFUSED}, {ONE: Answer(400, "answered 400 Bad Request")}])
def test_a_site_that_asks_for_a_certificate_is_told_with_where_it_goes(
    backends: dict[str, Answer], websocket: bool | str
) -> None:
    answer = Answer(400, "answered 400 No required SSL certificate was sent")
    assert "goes into probe.ssl_certificate" in advice(failed(answer, backends, websocket))


def test_a_backend_that_answers_well_is_not_among_those_that_fail() -> None:
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
    answer: Answer, websocket: bool | str, lines: int
) -> None:
    assert len(diagnosis.told([failed(answer, websocket=websocket)], [])) == lines


def test_many_routes_are_told_short() -> None:
    def lines(count: int) -> list[str]:
        results = [failed(NOT_FOUND, websocket=False, path=f"/{n}", at=f"locations[{n}]") for n in range(count)]
        return diagnosis.told(results, [])

    assert len(lines(3)) == 3
    assert lines(4)[:2] == lines(3)[:2]
    assert lines(4)[2:] == ["- and 2 more: locations[2], locations[3]"]
    assert lines(500)[2:] == ["- and 498 more: locations[2], locations[3], locations[4], locations[5] and 494 more"]


def test_many_addresses_are_told_short() -> None:
    def line(count: int) -> str:
        return advice(failed(BAD_GATEWAY, {f"10.0.0.{number}:80": REFUSED for number in range(count)}))

    assert line(4).startswith("asked directly: 10.0.0.0:80, 10.0.0.1:80, 10.0.0.2:80, 10.0.0.3:80 refused")
    assert line(5).startswith("asked directly: 10.0.0.0:80, 10.0.0.1:80, 10.0.0.2:80, 10.0.0.3:80 and 1 more refused")
    assert "and 96 more refused" in line(100)


def test_one_that_is_as_silent_as_nginx_is_named_whatever_the_others_answer() -> None:
    assert advice(failed(HUNG, {ONE: GOOD, TWO: HUNG})) == f"asked directly: {TWO} timed out after 3 s"


CLOSED = Answer(None, "closed the connection before the answer", harm="closed")
GARBLED = Answer(None, "does not speak HTTP", harm="garbled")


def refusal(status: int) -> Answer:
    return Answer(status, f"answered {status} Any", is_refusal=True)


LARGE = Answer(404, "answered with a header of 20000 bytes, and nginx takes 16384: proxy_buffer_size", harm="large")


def loose(answer: Answer | None, *backends: Answer, path: str = "/", **options: t.Any) -> Result:
    """A route that fails whose operator gave no probe; without an answer nothing was sent through nginx."""
    led = {"url": f"ws://a.example{options.pop('asked', '/')}", "exact": options.pop("exact", True)}
    more = {key: options.pop(key) for key in ("origin", "plain_status") if key in options}
    probe = {
        **failed(NOT_FOUND, path=path).probe,
        **{"backends": led, "strict": False, **options},
    }
    answers = {f"10.0.0.{number}:80": found for number, found in enumerate(backends, 1)}
    return Result(probe, answer or Answer(None, "not sent"), "", 1.0, answers, held_back=answer is None, **more)


def words(result: Result) -> str:
    """Why it is served and not verified."""
    judged = diagnosis.judged(result, [])
    assert judged.failed == (not judged.unverified)
    return judged.unverified


SOCKET_IO = "set probe.path, such as /socket.io/?EIO=4&transport=websocket"


@pytest.mark.parametrize("websocket", [True, "required"])
@pytest.mark.parametrize(
    ("status", "said"),
    [
        (200, f"the backend itself answers 200 at /; {SOCKET_IO}"),
        (302, f"the backend itself answers 302 at /; {SOCKET_IO}"),
        (400, f"the backend itself answers 400 at /; {SOCKET_IO}, or probe.subprotocol"),
        (401, "the backend itself answers 401 at /; set probe.headers to credentials that it takes"),
        (403, "the backend itself answers 403 at /; set probe.origin to one that it takes, or probe.headers"),
        (404, f"the backend itself answers 404 at /; {SOCKET_IO}"),
        (421, "the backend itself answers 421 at /; set headers.Host to one that it serves"),
        (426, "the backend itself answers 426 at /; set probe.subprotocol or probe.headers to what it wants"),
        (429, "the backend itself answers 429 at /; it limits its clients"),
    ],
)
def test_a_backend_that_speaks_websocket_elsewhere_leaves_its_route_not_verified(
    websocket: bool | str, status: int, said: str
) -> None:
    assert words(loose(refusal(status), refusal(status), websocket=websocket)) == said


def test_a_backend_that_hangs_up_leaves_its_route_not_verified() -> None:
    said = f"the backend itself closes the connection at /; {SOCKET_IO}"
    assert words(loose(None, CLOSED)) == said
    assert words(loose(None, REFUSED, CLOSED, HUNG)) == said
    # It was starting when it was asked first.
    assert words(loose(refusal(502), CLOSED)) == said


def test_a_backend_that_leaves_a_handshake_unanswered_and_a_plain_request_not_leaves_its_route_not_verified() -> None:
    said = "the backend itself leaves a handshake at / unanswered, and a plain request not; "
    assert (
        words(loose(HUNG, HUNG, plain_status=404)) == f"{said}set probe.path or probe.subprotocol to what it waits for"
    )
    assert words(loose(HUNG, HUNG)) == ""
    assert words(loose(HUNG, HUNG, plain_status=500)) == ""


@pytest.mark.parametrize("answer", [None, refusal(403), refusal(404), refusal(200)])
def test_an_origin_with_which_a_backend_takes_the_handshake_is_all_that_the_hint_says(answer: Answer | None) -> None:
    result = loose(answer, answer or CLOSED, origin="http://a.example:3000")
    assert words(result).endswith("; set probe.origin: http://a.example:3000")


@pytest.mark.parametrize(
    ("path", "asked", "said"),
    [
        ("/chat/", "/chat/", "at /chat/; set probe.path, such as /chat/socket.io/?EIO=4&transport=websocket"),
        ("/chat/", "/", "at /; set probe.path, such as /chat/socket.io/?EIO=4&transport=websocket"),
        ("^~ /chat", "/chat", "at /chat; set probe.path, such as /chat/socket.io/?EIO=4&transport=websocket"),
        ("/socket.io/", "/socket.io/", "at /socket.io/; set probe.path, such as /socket.io/?EIO=4&transport=websocket"),
        ("= /ws", "/ws?a=b", "at /ws; set probe.path with the query that it wants"),
    ],
)
def test_the_path_that_is_named_lies_in_the_location(path: str, asked: str, said: str) -> None:
    assert words(loose(refusal(404), refusal(404), path=path, asked=asked)) == f"the backend itself answers 404 {said}"


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
        loose(Answer(None, "refused the connection: nothing listens there"), refusal(404)),
        # More than the handshake is not as it should be.
        loose(Answer(404, "answered 404 Any; a plain request was answered 200 OK"), refusal(404)),
        # A route for plain HTTP, and one whose operator said how it is verified.
        loose(refusal(404), refusal(404), websocket=False),
        loose(refusal(404), refusal(404), strict=True),
        loose(None, CLOSED, strict=True),
        failed(refusal(404), {ONE: refusal(404)}),
    ],
)
def test_any_other_failure_is_one(result: Result) -> None:
    assert words(result) == ""


def test_a_route_that_was_verified_before_and_is_not_any_more_is_a_failure() -> None:
    result = loose(refusal(404), refusal(404))
    assert diagnosis.judged(result, [result.route]).failed


def test_a_route_that_is_verified_stays_so() -> None:
    result = Result({**loose(None).probe}, GOOD, "handshake", 1.0)
    assert diagnosis.judged(result, []) is result


def test_a_result_that_is_not_verified_is_returned_without_a_failure() -> None:
    plain = diagnosis.judged(loose(refusal(404), refusal(404)), []).plain()
    assert (plain["failure"], plain["verified"], plain["status"]) == ("", "", 404)
    assert plain["unverified"].startswith("the backend itself answers 404")


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (
            loose(refusal(404), refusal(404), exact=False),
            "answered 404; asked directly, without what its headers and directives change, the backend answers 404 "
            f"at / too; {SOCKET_IO}",
        ),
        (
            loose(refusal(502), CLOSED, exact=False),
            "answered 502; asked directly, without what its headers and directives change, the backend closes the "
            f"connection at /; {SOCKET_IO}",
        ),
        (loose(refusal(401), refusal(404), exact=False), ""),
        (loose(refusal(502), CLOSED, refusal(404), exact=False), ""),
    ],
)
def test_where_nginx_changes_the_request_no_backend_is_said_to_answer_the_same(result: Result, said: str) -> None:
    assert words(result) == said
    if said and result.answer.status == 404:
        assert advice(result).startswith(
            "asked directly, without what its headers and directives change, 10.0.0.1:80 answers 404 too: "
        )


@pytest.mark.parametrize(("answer", "direct"), [(FORBIDDEN, FORBIDDEN), (Answer(None, "not sent"), CLOSED)])
def test_the_origin_that_helps_is_named_where_a_route_fails(answer: Answer, direct: Answer) -> None:
    result = replace(failed(answer, {ONE: direct}), origin="http://a.example:3000")
    assert advice(result).endswith("set probe.origin: http://a.example:3000")
