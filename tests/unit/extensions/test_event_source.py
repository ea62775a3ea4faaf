# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The event source: its states, its options, and ansible-rulebook with the rulebook that drains servers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import queue
import re
import runpy
import subprocess
import threading
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.request import Outcome, Request
from ansible_collections.wsfleet.nginx.plugins.modules.websocket_probe import Probe
from playing import Fleet
from rendering import ROOT
from websockets.sync.server import Server, serve

COLLECTIONS = ROOT / ".venv/collections"
# As ansible-rulebook does.
SOURCE = runpy.run_path(
    str(COLLECTIONS / "ansible_collections/wsfleet/nginx/extensions/eda/plugins/event_source/websocket.py")
)
# As tests/rulebook.sh has it.
BIN = ROOT / ".cache/rulebook/bin"
UP, SLOW, DOWN = Outcome(status=101, handshake_ms=5), Outcome(handshake_ms=60), Outcome(failure="refused")
SECONDS = 60
LEFT = {"changed": False, "open": 0, "left": {}, "closed": 0, "reason": "", "seconds": 0.1}


def states(*outcomes: Outcome) -> list[tuple[int, str, str | None]]:
    """The number of each outcome with which an event is sent, the state then, and the one before."""
    watched = SOURCE["Watched"]("s", Probe(Request("ws://s/"), {}), 2, 50)
    events = [(number, watched.event(outcome)) for number, outcome in enumerate(outcomes)]
    return [(number, event["websocket"]["state"], event["websocket"]["previous"]) for number, event in events if event]


def test_the_state_changes_after_as_many_results_in_a_row() -> None:
    assert states(UP, UP, DOWN, UP, DOWN, DOWN, DOWN, UP, DOWN, UP, UP) == [
        *((1, "up", None), (5, "down", "up"), (10, "up", "down")),
    ]
    assert states(UP, UP, SLOW, DOWN, SLOW, SLOW, UP, UP) == [
        *((1, "up", None), (5, "slow", "up"), (7, "up", "slow")),
    ]


def failure(**args: t.Any) -> str:
    with pytest.raises(ValueError, match=r".") as raised:
        asyncio.run(SOURCE["main"](asyncio.Queue(), args))
    return str(raised.value)


def test_wrong_options_are_errors_that_tell_no_header() -> None:
    assert failure() == "missing required arguments: probes"
    assert "probes.uri" in failure(probes=[{"url": "ws://a/", "uri": "ws://a/"}])
    assert "interval: must be more than 0, got 0.0" in failure(probes=[{"url": "ws://a/"}], interval=0)
    told = failure(probes=[{"url": "ws://a/"}, {"url": "ftp://a/", "headers": {"X-Token": "se\ncret"}}])
    assert told.startswith("probes[1].url: the scheme must be one of ws, wss, got 'ftp'; probes[1].headers['X-Token']")
    assert "cret" not in told


@contextlib.contextmanager
def backend(port: int = 0) -> t.Iterator[Server]:
    with serve(lambda connection: None, "127.0.0.1", port) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def test_events_have_what_the_last_probe_found() -> None:
    async def events(port: int) -> list[t.Any]:
        events: asyncio.Queue[t.Any] = asyncio.Queue()
        probes = [{"url": f"ws://127.0.0.1:{port}/"}, {"name": "none", "url": "ws://127.0.0.1:1/"}]
        task = asyncio.create_task(SOURCE["main"](events, {"probes": probes, "interval": 0.01, "consecutive": 2}))
        found = [(await asyncio.wait_for(events.get(), SECONDS))["websocket"] for _probe in probes]
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        return sorted(found, key=lambda event: str(event["state"]))

    with backend() as server:
        port = server.socket.getsockname()[1]
        none, there = asyncio.run(events(port))
    assert (none["name"], none["state"], none["status"]) == ("none", "down", None)
    assert none["failure"] == "127.0.0.1:1 refused the connection: nothing listens there"
    assert (there["name"], there["state"], there["status"]) == (f"ws://127.0.0.1:{port}/", "up", 101)
    assert there["handshake_ms"] > 0


class Rulebook:
    """ansible-rulebook with the collection's rulebook, and what it prints."""

    def __init__(self, fleet: Fleet, variables: t.Mapping[str, t.Any]) -> None:
        given = fleet.directory / "variables.yml"
        given.write_text(yaml.safe_dump(variables))
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._told: list[str] = []
        self._process = subprocess.Popen(
            [
                *(BIN / "ansible-rulebook", "--rulebook", "wsfleet.nginx.drain_failing_servers", "--print-events"),
                *("--inventory", fleet.directory / "inventory", "--vars", given),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=fleet.directory,
            env={
                **os.environ,
                "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
                "ANSIBLE_NOCOLOR": "1",
                "PATH": f"{BIN}:{os.environ['PATH']}",
            },
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def wait_for(self, pattern: str) -> None:
        """Wait until a line that it has not printed before matches."""
        while True:
            line = self._lines.get(timeout=SECONDS)
            assert line is not None, "".join(self._told)
            self._told.append(line)
            if re.search(pattern, line):
                return

    def end(self) -> None:
        self._process.terminate()
        self._process.wait()
        self._reader.join()


@pytest.mark.skipif(not BIN.exists(), reason="needs ansible-rulebook: tests/rulebook.sh installs it")
def test_a_server_that_fails_is_drained_and_brought_back(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    fleet.add("one")
    (tmp_path / "left-one.json").write_text(json.dumps(LEFT))
    with backend() as server:
        port = server.socket.getsockname()[1]
        name = f"127.0.0.1:{port}"
        fleet.write(websockets_upstreams=[{"name": "chat", "servers": [name, "10.0.0.2:3000"]}])
        probes = [{"name": name, "url": f"ws://{name}/"}]
        rulebook = Rulebook(fleet, {"probes": probes, "interval": 0.2})
        try:
            rulebook.wait_for("'state': 'up'")
            server.shutdown()
            rulebook.wait_for("'state': 'down'")
            rulebook.wait_for(r"^one .* failed=0 ")
            assert f"server {name} down;" in fleet.ran("transaction", "one")
            assert "10.0.0.2:3000 down" not in fleet.ran("transaction", "one")
            (tmp_path / "transaction-one").unlink()
            with backend(port):
                rulebook.wait_for("'previous': 'down'")
                rulebook.wait_for(r"^one .* failed=0 ")
        finally:
            rulebook.end()
    assert f"server {name};" in fleet.ran("transaction", "one")
