# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A turn of the prober: what the probes find is the test's, as their own tests have them against real servers."""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils._metrics import prober
from ansible_collections.wsfleet.nginx.plugins.module_utils._metrics.record import (
    Configuration,
    Record,
    UpstreamServer,
)
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe import diagnosis
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.routes import Response, Result
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import live_config

SECRET = "Bearer 0123456789"
UP = Response(101, "")
DOWN = Response(502, f"returned 502 {SECRET}")
FINGERPRINT = "0123456789abcdef" * 4


class Gateway:
    """One of routes, each with its response, on a host where all runs."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, directory: Path) -> None:
        self.directory, self.file = directory, directory / "gateway.conf"
        self.file.write_text(FINGERPRINT)
        self.responses: dict[str, Response | threading.Event] = {"/": UP}
        self.servers = [UpstreamServer("Chat", "s1:80", ""), UpstreamServer("Chat", "s2:80", "drained")]
        self.asked: list[str] = []
        self.live = FINGERPRINT
        self.interval = 0.0
        self.log = ""
        self.others: dict[str, t.Any] = {}
        monkeypatch.setattr(diagnosis, "probe_routes", self.probe_routes)
        monkeypatch.setattr(prober, "probe_servers", self.probe_servers)
        monkeypatch.setattr(live_config, "fingerprint", lambda _address: self.live)
        monkeypatch.setattr(live_config, "connections", lambda _address: 7)

    def probe_routes(self, probes: t.Sequence[t.Any], passed: t.Collection[str]) -> list[Result]:
        assert passed == ["what passed"]
        (probe,) = probes
        response = self.responses[probe["path"]]
        if isinstance(response, threading.Event):
            response.wait()
            raise RuntimeError
        return [Result(probe, response, "" if response.failure else "handshake", 1.0)]

    def probe_servers(self, servers: t.Sequence[tuple[t.Any, str]]) -> list[Response]:
        self.asked += [address for _probe, address in servers]
        return [UP for _server in servers]

    def prober(self) -> prober.Prober:
        backends = {"upstream": "chat", "addresses": ["s1:80"], "url": "ws://a/"}
        site = {"site": "a", "connect_to": "127.0.0.1:80", "headers": {"Authorization": SECRET}, "backends": backends}
        probes = [{**site, "path": path, **self.others.get(path, {})} for path in self.responses]
        digest = hashlib.sha256(self.file.read_bytes()).hexdigest()
        passed, path = ["what passed"], str(self.file)
        one = Configuration(path, digest, "127.0.0.1:488", [FINGERPRINT], probes, passed, self.servers, self.log)
        return prober.Prober(Record([one], 3, 4), self.interval, self.directory)

    @property
    def shown(self) -> dict[str, str]:
        text = (self.directory / prober.METRICS).read_text()
        assert SECRET not in text
        found = re.findall(r"^wsfleet_(\w+(?:\{.*\})?) (\S+)$", text, re.MULTILINE)
        return {re.sub(r'\{.*(?:path|server)="(.*)"\}|\{.*\}', r" \1", name).strip(): value for name, value in found}


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Gateway:
    return Gateway(monkeypatch, tmp_path)


def at_once(tasks: t.Sequence[tuple[t.Callable[[], t.Any], t.Any]], _start: float) -> list[t.Any]:
    """Without waiting for the moments in which the probes are to begin."""
    return [task() for task, _late in tasks]


def test_the_traffic_of_the_access_log_is_counted(gateway: Gateway) -> None:
    log = gateway.directory / "websockets.log"
    log.touch()
    gateway.log = str(log)
    one = gateway.prober()
    fields = dict.fromkeys(("tls", "upstream", "user_agent", "bytes_from_client"), "")
    line = {"site": "a", "status": "101", "seconds": "1.000", "bytes_to_client": "7", **fields}
    log.write_text(f"{json.dumps(line)}\n")
    one.turn()
    assert (gateway.directory / prober.METRICS).read_text().count('wsfleet_session_seconds_count{site="a"} 1\n') == 1


def test_a_turn_writes_what_it_finds(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway.responses = {"/": UP, "/b": DOWN}
    one = gateway.prober()
    one._interval = 10.0
    monkeypatch.setattr(one, "_in_time", at_once)
    one.turn()
    shown = gateway.shown
    assert {name: shown[name] for name in shown if name.startswith(("route_up", "server", "conf", "client"))} == {
        "route_up /": "1",
        "route_up /b": "0",
        "server_up s1:80": "1",
        "server_drained s2:80": "1",
        "configuration_live": "1",
        "configuration_edited": "0",
        "client_connections": "7",
        "servers_left_out": "4",
    }
    assert (shown["routes_left_out"], shown["probe_interval_seconds"], gateway.asked) == ("3", "10", ["s1:80"])
    # The log has what changes, and no word of a backend.
    one.turn()
    gateway.responses["/b"] = UP
    one.turn()
    route = "127.0.0.1:80 a /b"
    assert capsys.readouterr().out.splitlines() == [f"{route}: fails, status 502", f"{route}: passes again"]


def test_a_hand_edit_and_another_live_configuration_are_seen(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    one = gateway.prober()
    gateway.file.write_text(f"{FINGERPRINT} # by hand")
    gateway.live = FINGERPRINT[::-1]
    one.turn()
    assert (gateway.shown["configuration_live"], gateway.shown["configuration_edited"]) == ("0", "1")
    gateway.file.unlink()
    one.turn()
    assert gateway.shown["configuration_edited"] == "1"

    def forbidden(_path: Path) -> bytes:
        raise PermissionError

    monkeypatch.setattr(Path, "read_bytes", forbidden)
    one.turn()
    assert "configuration_edited" not in gateway.shown


def test_what_hangs_is_down_and_what_it_held_up_is_left_out(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prober, "_AT_ONCE", 1)
    released = threading.Event()
    gateway.responses = {"/hangs": released, "/waits": UP}
    gateway.interval = 0.1
    gateway.servers = []
    try:
        gateway.prober().turn()
    finally:
        released.set()
    assert {name: value for name, value in gateway.shown.items() if name.startswith("route")} == {
        "route_up /hangs": "0",
        "routes_left_out": "4",
    }


def test_a_route_whose_client_certificate_cannot_be_read_is_left_out(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.responses = {"/": UP, "/b": UP}
    gateway.others = {"/b": {"ssl_certificate": "/c.pem", "ssl_certificate_key": "/c.key"}}
    one = gateway.prober()
    monkeypatch.setattr(one, "_in_time", at_once)
    monkeypatch.setattr(os, "access", lambda path, _mode: path != "/c.key")
    one.turn()
    assert (gateway.shown["routes_left_out"], "route_up /b" in gateway.shown) == ("4", False)
    monkeypatch.setattr(os, "access", lambda _path, _mode: True)
    one.turn()
    assert (gateway.shown["routes_left_out"], gateway.shown["route_up /b"]) == ("3", "1")


def test_probes_begin_one_after_the_other_at_the_start_of_the_interval(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = gateway.prober()
    one._interval = 15.0
    now, begun = [100.0], list[float]()

    def sleep(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(prober, "wait", lambda _begun, timeout: begun.append(timeout))

    def submit(_task: object) -> Done:
        begun.append(now[0])
        return Done()

    monkeypatch.setattr(one._pool, "submit", submit)
    assert one._in_time([(lambda: 1, 0)] * 4, 100.0) == [1, 1, 1, 1]
    # And then it waits for the rest of the turn.
    assert begun == pytest.approx([100.0, 101.0, 102.0, 103.0, 9.0])


class Done:
    def cancel(self) -> bool:
        return False

    def done(self) -> bool:
        return True

    def exception(self) -> None:
        return None

    def result(self) -> int:
        return 1
