# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the controller waits: in calls that end with the time that is given, and with a line where something changes."""

from __future__ import annotations

import time
import typing as t
from types import SimpleNamespace

import pytest
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.wsfleet.nginx.plugins.action.wait_for_closed_connections import ActionModule


class Gateway:
    """Has so many connections when it is asked for the first time, the second time and so on; a call takes its time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.left: list[int] = []
        self.calls: list[tuple[float, bool]] = []
        self.lines: list[str] = []
        # In one call.
        self.closes = 1000
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(Display, "display", lambda _display, text, *_arguments, **_keys: self.lines.append(text))
        monkeypatch.setattr(ActionBase, "run", lambda *_arguments, **_keys: {})

    def execute(self, module_args: dict[str, t.Any], task_vars: object) -> dict[str, t.Any]:
        self.calls.append((module_args["timeout"], module_args["force"]))
        number = self.left.pop(0) if len(self.left) > 1 else self.left[0]
        self.now += module_args["timeout"] if number else 1
        closed = min(number, self.closes) if module_args["force"] else 0
        left = number - closed
        return {"open": left, "left": {"b:80": left}, "closed": closed, "changed": bool(closed), "reason": ""}

    def wait(self, *, check_mode: bool = False, **arguments: t.Any) -> dict[str, t.Any]:
        action = ActionModule.__new__(ActionModule)
        action._task = SimpleNamespace(args=arguments, check_mode=check_mode)
        action._execute_module = self.execute
        return action.run(task_vars={"inventory_hostname": "gateway1"})


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Gateway:
    return Gateway(monkeypatch)


@pytest.mark.parametrize("timeout", [0.0, 1.0, 5.0, 45.0, 600.0])
def test_it_ends_with_the_time_that_is_given(gateway: Gateway, timeout: float) -> None:
    gateway.left = [500]
    result = gateway.wait(timeout=timeout)
    assert sum(seconds for seconds, _force in gateway.calls) == gateway.now - 1000 == timeout
    assert (result["open"], result["seconds"]) == (500, timeout)


def test_no_call_is_so_long_that_a_connection_by_ssh_is_closed(gateway: Gateway) -> None:
    gateway.left = [1]
    gateway.wait(timeout=600)
    assert max(seconds for seconds, _force in gateway.calls) == 30


def test_it_ends_once_no_connection_is_left(gateway: Gateway) -> None:
    gateway.left = [3, 1, 0]
    result = gateway.wait(timeout=600, force=True)
    assert (result["open"], result["closed"], result["seconds"]) == (0, 0, 16)
    assert gateway.lines == [
        "gateway1: 3 connections (3 to b:80), 9 min 55 s remain",
        "gateway1: 1 connection (1 to b:80), 9 min 45 s remain",
    ]


def test_what_stays_the_same_is_shown_again_every_five_minutes(gateway: Gateway) -> None:
    gateway.left = [2]
    gateway.wait(timeout=900)
    assert [line.rpartition(", ")[2] for line in gateway.lines] == [
        *("14 min 55 s remain", "9 min 30 s remain", "4 min 30 s remain")
    ]


def test_only_what_is_left_at_the_end_is_closed(gateway: Gateway) -> None:
    gateway.left = [3]
    result = gateway.wait(timeout=20, force=True)
    assert gateway.calls == [(5, False), (10, False), (5, True)]
    assert (result["open"], result["closed"], result["changed"]) == (0, 3, True)


def test_many_are_closed_in_several_calls(gateway: Gateway) -> None:
    gateway.left, gateway.closes = [250, 150, 50], 100
    result = gateway.wait(force=True)
    assert gateway.calls == [(0, True)] * 3
    assert (result["open"], result["closed"], result["changed"]) == (0, 250, True)
    assert gateway.lines == [
        f"gateway1: {left} connections ({left} to b:80), which are being closed" for left in (150, 50)
    ]


def test_it_gives_up_where_none_is_closed(gateway: Gateway) -> None:
    gateway.left, gateway.closes = [3], 0
    assert gateway.wait(force=True)["open"] == 3
    assert gateway.calls == [(0, True)]


def test_check_mode_counts_once(gateway: Gateway) -> None:
    gateway.left = [3]
    gateway.wait(timeout=600, check_mode=True)
    assert gateway.calls == [(0, False)]


def test_a_failure_is_the_result(gateway: Gateway) -> None:
    gateway.execute = lambda **_arguments: {"failed": True, "msg": "no"}  # type: ignore[method-assign]
    assert gateway.wait(timeout=600) == {"failed": True, "msg": "no"}
