# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Host spoofing: names that no site has, and names that a client tells the backend past the gateway."""

from __future__ import annotations

import pytest
from attacker import CHAT, HANDSHAKE, Route, assert_refused, ours, tutorial
from gateway import Gateway

EVIL = "evil.example"
SPOOFS = [
    pytest.param((f"Host: {EVIL}",), "", id="Host"),
    pytest.param((f"Host: {EVIL}:3000",), "", id="Host with port"),
    pytest.param(("Host: ws.serverlab.ca.evil.example",), "", id="prefix"),
    pytest.param(("Host: evil.example.ws.serverlab.ca",), "", id="suffix"),
    pytest.param((), f"http://{EVIL}/chat", id="request line"),
    pytest.param((*HANDSHAKE, f"Host: {EVIL}"), "", id="handshake"),
    pytest.param(HANDSHAKE, f"http://{EVIL}/chat", id="request line of a handshake"),
]
LIES = (
    f"X-Forwarded-Host: {EVIL}",
    f"Forwarded: for=192.0.2.1;host={EVIL};proto=https",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Ssl: on",
    "X-Forwarded-Port: 443",
    "X-Scheme: https",
    "X-Real-IP: 192.0.2.1",
)


@pytest.mark.parametrize(("fields", "url"), SPOOFS)
def test_a_name_without_a_site(gateway: Gateway, fields: tuple[str, ...], url: str) -> None:
    """The tutorial's only site answers, and its backend believes that it has this name."""
    before = tutorial(gateway).smuggle(CHAT, *fields, url=url)
    assert before.answer.status in (101, 200)
    assert "evil.example" in next(line for line in before.arrived[0].splitlines() if line.startswith("Host:"))
    assert_refused(ours(gateway).smuggle(CHAT, *fields, url=url), 421)


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "app.example", "ws.serverlab", "serverlab.ca", "a.ws.serverlab.ca", "_", "*"]
)
def test_a_site_answers_to_its_own_name_alone(gateway: Gateway, host: str) -> None:
    """Each of these gets the tutorial's site, whose name none of them is."""
    assert tutorial(gateway).smuggle(CHAT, f"Host: {host}").answer.status == 200
    assert_refused(ours(gateway).smuggle(CHAT, f"Host: {host}"), 421)


def test_no_name_at_all(gateway: Gateway) -> None:
    old = b"GET /chat HTTP/1.0\r\n\r\n"
    answers = {}
    for target in (tutorial(gateway), ours(gateway)):
        with target.connect(CHAT.port) as connection:
            answers[target] = connection.ask(old).status
    assert answers == {tutorial(gateway): 200, ours(gateway): 421}


def test_a_name_without_a_site_on_a_port_that_another_site_of_the_host_has(gateway: Gateway) -> None:
    """On port 80 Debian's own site is the default, and stays it. With the tutorial's file the gateway's site is."""
    foreign = Route("ws.serverlab.ca", 80, "/ws/")
    assert tutorial(gateway).ask(foreign, *HANDSHAKE).status == 101
    outcome = ours(gateway).smuggle(foreign, *HANDSHAKE)
    assert outcome.answer.status == 404
    assert outcome.arrived == []


def test_the_name_in_the_request_line_is_the_one_that_counts(gateway: Gateway) -> None:
    """No attack with the tutorial either: RFC 9112 section 3.2.2 has the Host ignored, and nginx does."""
    for target in (tutorial(gateway), ours(gateway)):
        outcome = target.smuggle(CHAT, f"Host: {EVIL}", url=f"http://{CHAT.host}/chat")
        assert outcome.answer.json["headers"]["host"] == [CHAT.host]
        assert EVIL not in outcome.arrived[0]


def test_two_names_are_none(gateway: Gateway) -> None:
    """No attack with the tutorial either: nginx refuses the request."""
    for target in (tutorial(gateway), ours(gateway)):
        assert_refused(target.smuggle(CHAT, f"Host: {CHAT.host}", f"Host: {EVIL}"), 400)


@pytest.mark.parametrize(
    ("host", "passed"),
    [
        ("ws.serverlab.ca", "ws.serverlab.ca"),
        ("ws.serverlab.ca:3000", "ws.serverlab.ca:3000"),
        # As behind a mapping of ports.
        ("ws.serverlab.ca:8080", "ws.serverlab.ca:8080"),
        ("WS.Serverlab.CA", "ws.serverlab.ca"),
        ("WS.Serverlab.CA:3000", "ws.serverlab.ca:3000"),
        ("ws.serverlab.ca.", "ws.serverlab.ca"),
        ("ws.serverlab.ca.:3000", "ws.serverlab.ca:3000"),
        ("ws.serverlab.ca:", "ws.serverlab.ca"),
    ],
)
@pytest.mark.parametrize("fields", [(), HANDSHAKE], ids=["plain", "handshake"])
def test_each_way_to_write_a_sites_name_is_its_name_with_the_port_of_the_client(
    gateway: Gateway, host: str, passed: str, fields: tuple[str, ...]
) -> None:
    """Applications compare it with the Origin."""
    (head,) = ours(gateway).smuggle(CHAT, f"Host: {host}", *fields).arrived
    assert f"\r\nHost: {passed}\r\n" in head


@pytest.mark.parametrize("port", ["evil", "80@evil", "3000, evil", "123456", "-1", "80evil", "%33000", "٣"])
def test_a_port_is_digits(gateway: Gateway, port: str) -> None:
    """Later versions of nginx refuse some of them themselves."""
    outcome = ours(gateway).smuggle(CHAT, f"Host: {CHAT.host}:{port}")
    assert outcome.answer.status == 400 or f"\r\nHost: {CHAT.host}\r\n" in outcome.arrived[0]


@pytest.mark.parametrize(
    ("url", "host", "passed"),
    [
        (f"http://{CHAT.host}/chat", f"{EVIL}:81", CHAT.host),
        (f"http://{CHAT.host}:82/chat", f"{EVIL}:81", CHAT.host),
        (f"http://{CHAT.host}/chat", f"{CHAT.host}:3000", f"{CHAT.host}:3000"),
    ],
)
def test_the_port_is_that_of_the_name(gateway: Gateway, url: str, host: str, passed: str) -> None:
    (head,) = ours(gateway).smuggle(CHAT, f"Host: {host}", url=url).arrived
    assert f"\r\nHost: {passed}\r\n" in head


@pytest.mark.parametrize("fields", [(), HANDSHAKE], ids=["plain", "handshake"])
def test_names_that_the_client_forwards(gateway: Gateway, fields: tuple[str, ...]) -> None:
    (before,) = tutorial(gateway).smuggle(CHAT, *fields, *LIES).arrived
    assert all(lie in before for lie in LIES)
    (now,) = ours(gateway).smuggle(CHAT, *fields, *LIES).arrived
    assert EVIL not in now
    assert "192.0.2.1" not in now
    assert "X-Forwarded-Proto: http\r\n" in now
    assert not any(name in now for name in ("X-Forwarded-Ssl", "X-Forwarded-Port", "X-Scheme"))
