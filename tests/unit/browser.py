# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Chromium without a window, driven over its own WebSocket: https://chromedevtools.github.io/devtools-protocol/"""

from __future__ import annotations

import base64
import itertools
import json
import subprocess
import typing as t
from contextlib import contextmanager
from pathlib import Path

from waiting import PATIENCE, wait_until
from websockets.sync.client import ClientConnection, connect

_COMMAND = (
    *("chromium", "--headless", "--no-first-run", "--disable-gpu", "--remote-debugging-port=0"),
    # Its own processes may not be fenced off where the tests run as root, or in a container.
    *("--no-sandbox", "--disable-dev-shm-usage"),
    # It is to ask for nothing but the page.
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-default-browser-check"),
)


class Page:
    """The one page of a browser, and all that it told while it was loaded."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)
        self.events: list[dict[str, t.Any]] = []
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.call(f"{domain}.enable")
        self.call("Performance.enable")

    def call(self, method: str, **parameters: t.Any) -> dict[str, t.Any]:
        number = next(self._numbers)
        self._connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._connection.recv(PATIENCE))
            if message.get("id") == number:
                assert "error" not in message, message
                return t.cast("dict[str, t.Any]", message["result"])
            self.events.append(message)

    def look_at(self, file: Path, *, width: int = 1280, height: int = 900, scheme: str = "light") -> None:
        """Load a file, until it is painted."""
        phone = width < 600
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.visit(file.as_uri())
        # Laid out and painted, too.
        self.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(0))))")

    def visit(self, url: str) -> None:
        """Load a page with all that it holds."""
        self.events.clear()
        self.call("Page.navigate", url=url)
        self.wait_for("Page.loadEventFired")

    def wait_for(self, method: str) -> dict[str, t.Any]:
        """The parameters of the first event of a kind since the page was asked for, once there is one."""
        while not (told := self.told(method)):
            self.events.append(json.loads(self._connection.recv(PATIENCE)))
        return told[0]

    def metrics(self) -> dict[str, float]:
        """What the browser has counted: https://chromedevtools.github.io/devtools-protocol/tot/Performance/"""
        return {metric["name"]: metric["value"] for metric in self.call("Performance.getMetrics")["metrics"]}

    def evaluate(self, expression: str) -> t.Any:
        """The value of an expression of JavaScript, in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def told(self, *methods: str) -> list[dict[str, t.Any]]:
        """The parameters of the events of these kinds since the page was asked for."""
        return [event["params"] for event in self.events if event["method"] in methods]

    def screenshot(self, file: Path) -> None:
        """All of the page as a picture, for whoever works on it."""
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(answer["data"]))


@contextmanager
def browser(profile: Path, *options: str) -> t.Iterator[Page]:
    """A browser with a new profile in a folder, and options of Chromium's command line."""
    command = [*_COMMAND, f"--user-data-dir={profile}", *options, "about:blank"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with connect(_address(profile, process), max_size=None, proxy=None, open_timeout=PATIENCE) as connection:
            yield Page(connection)
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _address(profile: Path, process: subprocess.Popen[bytes]) -> str:
    """Where its first page is driven. The browser writes where it listens once it does."""
    told = profile / "DevToolsActivePort"

    def listens() -> bool:
        assert process.poll() is None, "Chromium has ended"
        return len(told.read_text().splitlines()) == 2

    wait_until(listens, "Chromium listens")
    port, path = told.read_text().splitlines()
    with connect(f"ws://127.0.0.1:{port}{path}", proxy=None) as connection:
        connection.send(json.dumps({"id": 1, "method": "Target.getTargets"}))
        targets = json.loads(connection.recv(PATIENCE))["result"]["targetInfos"]
    (page,) = (target["targetId"] for target in targets if target["type"] == "page")
    return f"ws://127.0.0.1:{port}/devtools/page/{page}"
