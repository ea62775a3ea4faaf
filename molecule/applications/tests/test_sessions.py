# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A session's cookie, checked by the application: WebSockets for those who are logged in, and for nobody else."""

from __future__ import annotations

import functools

import pytest
from applications import Place, Way, cookies
from gateway import Gateway

SITES = ["members", "members-limited", "members-internal", "members-internal-limited"]


@functools.cache
def session(place: Place) -> str:
    return cookies(place.request("POST", "/login"))


@pytest.fixture(params=SITES)
def place(gateway: Gateway, request: pytest.FixtureRequest) -> Place:
    return Way(gateway, 3000).to(request.param)


def test_a_handshake_with_a_session_opens_a_websocket(place: Place) -> None:
    assert place.converse("/ws", ["hello"], headers={"Cookie": session(place)}) == ["hello"]


@pytest.mark.parametrize("cookie", ["", "connect.sid=s%3Aof-an-attacker"])
def test_a_handshake_without_a_session_is_refused(place: Place, cookie: str) -> None:
    assert place.handshake("/ws", headers={"Cookie": cookie}) == 401


def test_a_plain_request_is_checked_alike(place: Place) -> None:
    assert place.get("/ws").status == 401
    # The application has no page there.
    assert place.get("/ws", Cookie=session(place)).status == 404


def test_what_is_asked_about_sessions_takes_no_handshakes_itself(place: Place) -> None:
    assert place.handshake("/session", headers={"Cookie": session(place)}) != 101


def test_only_the_gateway_asks_for_an_internal_location(place: Place) -> None:
    status = place.get("/session", Cookie=session(place)).status
    assert status == (404 if "internal" in place.name else 204)
