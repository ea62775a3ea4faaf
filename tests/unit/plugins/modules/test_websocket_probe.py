# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module as a process of its own, with its arguments as JSON, against a real server on loopback."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any, Iterator

import pytest
import yaml
from ansible_collections.wsfleet.nginx.plugins.modules import websocket_probe
from running import run
from websockets.http11 import Request
from websockets.sync.server import ServerConnection, serve

MODULE = "ansible_collections.wsfleet.nginx.plugins.modules.websocket_probe"
RETURNED = {"upgraded", "status", "reason", "headers", "subprotocol", "handshake_ms", "round_trip_ms", "expires"}
# What Ansible adds to every result.
ADDED = {"changed", "invocation"}


def run_module(tmp_path: Path, **options: Any) -> tuple[int, dict[str, Any], str]:
    """The exit code, the result and everything that was printed."""
    done = run(tmp_path, ["-m", MODULE], options)
    printed = done.stdout + done.stderr
    return done.returncode, json.loads(done.stdout), printed


@pytest.fixture(scope="module")
def requests() -> list[dict[str, str]]:
    """The headers of the handshakes that reached the echo server."""
    return []


@pytest.fixture(scope="module")
def echo_url(requests: list[dict[str, str]]) -> Iterator[str]:
    def note(_connection: ServerConnection, request: Request) -> None:
        requests.append(dict(request.headers.raw_items()))

    def echo(connection: ServerConnection) -> None:
        for message in connection:
            connection.send(message)

    origins: Any = [None, "https://good.example"]
    with serve(echo, "127.0.0.1", 0, origins=origins, process_request=note) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}/"


def test_a_passed_probe_is_ok_and_never_changed(tmp_path: Path, echo_url: str) -> None:
    code, result, _printed = run_module(tmp_path, url=echo_url, send="hé", expect="hé", ping=True)
    assert code == 0
    assert result["changed"] is False
    assert set(result) == RETURNED | ADDED
    assert (result["upgraded"], result["status"], result["reason"]) == (True, 101, "Switching Protocols")
    assert result["headers"]["upgrade"] == "websocket"
    assert result["handshake_ms"] > 0
    assert result["round_trip_ms"] > 0


def test_a_failure_has_a_message_and_all_results(tmp_path: Path, echo_url: str) -> None:
    code, result, _printed = run_module(tmp_path, url=echo_url, origin="https://evil.example")
    assert code == 1
    assert result["failed"] is True
    assert "returned 403 Forbidden: the Origin is not allowed" in result["msg"]
    assert (result["status"], result["upgraded"], result["round_trip_ms"]) == (403, False, None)
    assert set(result) >= RETURNED


def test_check_mode_probes_all_the_same(tmp_path: Path, echo_url: str) -> None:
    code, result, _printed = run_module(tmp_path, url=echo_url, ping=True, _ansible_check_mode=True)
    assert code == 0
    assert result["status"] == 101
    assert result["round_trip_ms"] > 0


def test_the_options_reach_the_handshake(tmp_path: Path, echo_url: str, requests: list[dict[str, str]]) -> None:
    code, _result, _printed = run_module(
        tmp_path,
        url="ws://other.example/room",
        connect_to=echo_url[len("ws://") :].rstrip("/"),
        host="chat.example",
        origin="https://good.example",
        headers={"X-Number": 12345},
    )
    assert code == 0
    assert requests[-1]["Host"] == "chat.example"
    assert requests[-1]["Origin"] == "https://good.example"
    assert requests[-1]["X-Number"] == "12345"


def test_values_of_headers_never_appear(tmp_path: Path, echo_url: str) -> None:
    secret = {"Authorization": "Bearer t0k3n-of-the-operator"}
    for url in (echo_url, "ws://nothing.invalid/", "not a url"):
        _code, result, printed = run_module(tmp_path, url=url, headers=secret)
        assert "t0k3n" not in printed
        assert result["invocation"]["module_args"]["headers"] == {
            "Authorization": "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
        }


def test_every_error_of_the_arguments_is_in_one_message(tmp_path: Path) -> None:
    code, result, _printed = run_module(
        tmp_path,
        url="http://a.example/",
        host="a b",
        headers={"Upgrade": "websocket-upgrade", "X-List": ["one-of-a-list"]},
        subprotocols=["a b"],
        timeout=0,
    )
    assert code == 1
    for told in (
        "headers['X-List']: must be text or a number, got list",
        "host: must be printable ASCII without spaces",
        "url: the scheme must be one of ws, wss, got 'http'",
        "headers: 'Upgrade' cannot be set here",
        "subprotocols: 'a b' is not a token",
        "timeout: must be more than 0",
    ):
        assert told in result["msg"]


def test_a_host_that_is_given_twice_is_rejected(tmp_path: Path) -> None:
    _code, result, _printed = run_module(
        tmp_path, url="ws://a.example/", host="b.example", headers={"host": "c.example"}
    )
    assert result["msg"] == "host: headers has a Host too; give only one of them"


def test_the_documentation_and_the_arguments_agree() -> None:
    documented = yaml.safe_load(websocket_probe.DOCUMENTATION)["options"]
    assert set(documented) == set(websocket_probe.ARGUMENT_SPEC)
    for name, spec in websocket_probe.ARGUMENT_SPEC.items():
        assert documented[name]["type"] == spec["type"]
        assert documented[name].get("default") == spec.get("default")
        assert documented[name].get("required", False) == spec.get("required", False)


def test_the_documented_results_are_the_returned_ones() -> None:
    assert set(yaml.safe_load(websocket_probe.RETURN)) == RETURNED | {"msg"}
    assert set(websocket_probe.RETURNED) == RETURNED
