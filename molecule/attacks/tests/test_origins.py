# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cross-site WebSocket hijacking: a page of the attacker's opens a WebSocket with the cookies of whoever reads it."""

from __future__ import annotations

import pytest
from attacker import HANDSHAKE, Route, Target, ours, tutorial
from gateway import Gateway

APP = Route("app.example", 4000, "/chat")
# It allows no handshake without an Origin.
BROWSERS = Route("browsers.example", 4000, "/chat")
COOKIE = "Cookie: session=of-the-victim"


def stolen(target: Target, *fields: str) -> str | None:
    """The session that a page of the attacker's gets hold of."""
    _answer, told = target.session(APP, COOKIE, *fields)
    return told and str(told["headers"]["cookie"][0])


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "https://good.example.evil.example",
        "https://evil-good.example",
        "https://evil.good.example",
        "https://good.example:444",
        "https://good.example:443",
        "http://good.example",
        "https://good.example/",
        "https://good.example@evil.example",
        "https://good.example, https://evil.example",
        "https://good.example https://evil.example",
        "https://goodXexample",
        "https://port.example",
        "https://port.example:84430",
        "good.example",
        "*",
        "\thttps://good.example",
    ],
)
def test_a_page_of_another_origin_gets_no_session(gateway: Gateway, origin: str) -> None:
    assert stolen(tutorial(gateway), f"Origin: {origin}") == "session=of-the-victim"
    outcome = ours(gateway).smuggle(APP, *HANDSHAKE, COOKIE, f"Origin: {origin}")
    assert outcome.answer.status == 403
    assert outcome.arrived == []


@pytest.mark.parametrize("lines", [("evil", "good"), ("good", "evil")])
def test_two_origins_are_none(gateway: Gateway, lines: tuple[str, str]) -> None:
    """No browser sends two. nginx before 1.23.0 knows the first alone, so no other may reach the backend."""
    fields = [f"Origin: https://{name}.example" for name in lines]
    assert stolen(tutorial(gateway), *fields) == "session=of-the-victim"
    outcome = ours(gateway).smuggle(APP, *HANDSHAKE, COOKIE, *fields)
    assert outcome.answer.status == 403 or "evil" not in outcome.arrived[0]


@pytest.mark.parametrize(
    "fields",
    [
        ("Origin: https://good.example",),
        ("Origin: https://port.example:8443",),
        # nginx's map reads capitals as small letters. So does DNS: this is the same site, as no browser writes it.
        ("Origin: HTTPS://Good.Example",),
        # A program, which has no cookies of anybody else's.
        (),
    ],
    ids=str,
)
def test_the_sites_own_pages_and_programs_get_theirs(gateway: Gateway, fields: tuple[str, ...]) -> None:
    assert stolen(ours(gateway), *fields) == "session=of-the-victim"


def test_a_site_of_browsers_alone_refuses_who_has_no_origin(gateway: Gateway) -> None:
    outcome = ours(gateway).smuggle(BROWSERS, *HANDSHAKE)
    assert outcome.answer.status == 403
    assert outcome.arrived == []
    answer, _told = ours(gateway).session(BROWSERS, "Origin: https://good.example")
    assert answer.status == 101


def test_plain_requests_of_other_origins_are_the_backends_affair(gateway: Gateway) -> None:
    """Browsers keep their answers from the page (CORS)."""
    assert ours(gateway).ask(APP, "Origin: https://evil.example").status == 200
