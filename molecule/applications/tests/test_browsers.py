# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Chromium on pages that the applications themselves serve, so that its Origin is theirs."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from applications import Place, Way
from browser import Page, browser

# Says hello once a WebSocket of the page's own host is open; the first message, or how it was closed.
CONVERSE = """
new Promise((resolve) => {{
    const socket = new WebSocket(location.origin.replace("http", "ws") + {arguments});
    socket.onopen = () => socket.send("hello");
    socket.onmessage = (event) => {{ socket.close(); resolve(event.data); }};
    socket.onclose = (event) => resolve(`closed with ${{event.code}}`);
}})
"""
# Waits until Socket.IO has left polling.
SOCKETIO = """
new Promise((resolve) => {
    const socket = io({ reconnection: false });
    socket.on("connect_error", (error) => resolve(error.message));
    socket.io.engine.once("upgrade", async () => {
        const answer = await socket.emitWithAck("echo", "hello");
        socket.close();
        resolve(`${answer.message} by ${answer.transport}`);
    });
})
"""
Browsers = Callable[[Place], Page]


@pytest.fixture(scope="module")
def browsers() -> Generator[Browsers, None, None]:
    """Gives a browser for which all names lead to one host: one host after the other."""
    with ExitStack() as stack:
        pages: dict[str, Page] = {}

        def open_browser(place: Place) -> Page:
            if place.address not in pages:
                stack.close()
                pages.clear()
                profile = stack.enter_context(TemporaryDirectory(ignore_cleanup_errors=True))
                options = [f"--host-resolver-rules=MAP *.example {place.address}", "--ignore-certificate-errors"]
                pages[place.address] = stack.enter_context(browser(Path(profile), *options))
            return pages[place.address]

        yield open_browser


@pytest.mark.parametrize(
    ("application", "arguments", "message"),
    [
        ("tornado", '"/ws"', "hello"),
        ("asgi", '"/ws"', "hello"),
        ("channels", '"/ws"', "hello"),
        ("express", '"/ws"', "hello"),
        ("cable", '"/cable", ["actioncable-v1-json"]', '{"type":"welcome"}'),
    ],
    ids=["tornado", "asgi", "channels", "express", "cable"],
)
def test_a_page_opens_a_websocket(way: Way, browsers: Browsers, application: str, arguments: str, message: str) -> None:
    place = way.to(application)
    page = browsers(place)
    page.visit(f"{place.origin}/")
    assert page.evaluate(CONVERSE.format(arguments=arguments)) == message


def test_the_page_of_socketio_goes_on_by_websocket(way: Way, browsers: Browsers) -> None:
    place = way.to("socketio")
    page = browsers(place)
    page.visit(f"{place.origin}/")
    assert page.evaluate(SOCKETIO) == "hello by websocket"


def test_a_form_of_django_is_sent(way: Way, browsers: Browsers) -> None:
    place = way.to("channels")
    page = browsers(place)
    page.visit(f"{place.origin}/")
    page.events.clear()
    page.evaluate("document.forms[0].submit()")
    page.wait_for("Page.loadEventFired")
    assert page.evaluate("document.body.textContent") == "heard hello"


def test_a_redirect_stays_on_the_page_s_own_port(way: Way, browsers: Browsers) -> None:
    place = way.to("tornado")
    page = browsers(place)
    page.visit(f"{place.origin}/away")
    assert page.evaluate("location.href") == f"{place.origin}/?from=away"


def test_the_page_of_vite_waits_for_updates(way: Way, browsers: Browsers) -> None:
    """Where its host is of no use, the page asks for the server's own port instead."""
    place = way.to("vite")
    page = browsers(place)
    page.visit(f"{place.origin}/")
    response = page.wait_for("Network.webSocketHandshakeResponseReceived")["response"]
    assert response["status"] == 101
    (created,) = page.told("Network.webSocketCreated")
    assert created["url"].startswith(place.origin.replace("http", "ws"))
