# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages, redirects, cookies and forms are as they are without a gateway, at the address that the browser shows."""

from __future__ import annotations

import re

import pytest
from applications import Place, Way, cookies

LARGE = [1100, 4096, 8192, 15000]


@pytest.mark.parametrize(
    ("application", "path"),
    [("tornado", "/"), ("asgi", "/"), ("channels", "/address/"), ("express", "/")],
)
def test_an_application_knows_the_address_at_which_it_is_reached(way: Way, application: str, path: str) -> None:
    place = way.to(application)
    answer = place.get(path)
    assert answer.status == 200
    assert place.origin in answer.body.decode()


@pytest.mark.parametrize(
    ("application", "path", "target"),
    [("tornado", "/away", "{}/?from=away"), ("asgi", "/rooms", "{}/rooms/"), ("channels", "/address", "/address/")],
)
def test_a_redirect_leads_back_to_where_the_client_is(way: Way, application: str, path: str, target: str) -> None:
    place = way.to(application)
    answer = place.get(path)
    assert answer.status in (301, 302, 307)
    assert answer.headers["Location"] == target.format(place.origin)


def test_the_cookies_of_a_busy_page_arrive_and_come_back(way: Way) -> None:
    place = way.to("asgi")
    answer = place.get("/cookies")
    assert len(answer.headers.get_all("Set-Cookie", [])) == 20
    asked = place.get("/request", Cookie=cookies(answer)).json["headers"]
    assert asked["cookie"] == cookies(answer)
    assert asked["host"] == place.host


def test_a_session_goes_on(way: Way) -> None:
    place = way.to("asgi")
    first = place.get("/visits")
    assert place.get("/visits", Cookie=cookies(first)).json == 2


@pytest.mark.parametrize("size", LARGE)
@pytest.mark.parametrize("application", ["asgi", "express"])
def test_large_headers_of_a_response_pass(way: Way, application: str, size: int) -> None:
    answer = way.to(application).get(f"/long?bytes={size}")
    assert (answer.status, len(answer.headers["X-Long"])) == (200, size)


@pytest.mark.parametrize("size", LARGE)
@pytest.mark.parametrize("application", ["asgi", "express"])
def test_large_headers_of_a_response_to_a_handshake_pass(way: Way, application: str, size: int) -> None:
    assert way.to(application).converse(f"/ws?bytes={size}", ["hello"]) == ["hello"]


def test_a_login_leads_to_a_session_that_a_handshake_has_too(way: Way) -> None:
    place = way.to("express")
    login = place.request("POST", "/login")
    assert login.status == 303
    assert ("Secure" in login.headers["Set-Cookie"]) == place.secure
    session = cookies(login)
    assert place.get("/session").status == 401
    assert place.get("/session", Cookie=session).status == 204
    assert place.converse("/ws", ["hello"], headers={"Cookie": session}) == ["hello"]


def test_a_body_passes(way: Way) -> None:
    assert way.to("asgi").request("POST", "/request", body=bytes(500_000)).json["bytes"] == 500_000


def send_form(place: Place, origin: str) -> tuple[int, str]:
    """Send Django's form as a page does that shows it."""
    page = place.get("/")
    token = re.search(r'value="(\w{64})"', page.body.decode())
    assert token
    answer = place.request(
        "POST",
        "/",
        headers={
            "Content-Type": "application/x-www-form-urlencoded",
            "Cookie": cookies(page),
            "Origin": origin,
            "Referer": f"{origin}/",
        },
        body=f"csrfmiddlewaretoken={token[1]}&word=hello".encode(),
    )
    return answer.status, answer.body.decode()


def test_a_form_that_is_protected_from_other_sites_can_be_sent(way: Way) -> None:
    place = way.to("channels")
    assert send_form(place, place.origin) == (200, "heard hello")


@pytest.mark.parametrize("origin", ["http://other.example", "http://channels.example:81"])
def test_a_form_is_protected_from_other_sites(way: Way, origin: str) -> None:
    status, body = send_form(way.to("channels"), origin)
    assert (status, "CSRF" in body) == (403, True)
