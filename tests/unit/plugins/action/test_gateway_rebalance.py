# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the controller goes on until each upstream is balanced or cannot be: in calls, with a line after each."""

from __future__ import annotations

import typing as t
from types import SimpleNamespace

import pytest
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.wsfleet.nginx.plugins.action.gateway_rebalance import ActionModule

Result = t.Dict[str, t.Any]


class Gateway:
    """Returns one result after the other."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.results: list[Result] = []
        self.calls: list[Result] = []
        self.lines: list[str] = []
        monkeypatch.setattr(Display, "display", lambda _display, text, *_arguments, **_keys: self.lines.append(text))
        monkeypatch.setattr(ActionBase, "run", lambda *_arguments, **_keys: {})

    def execute(self, module_args: Result, task_vars: object) -> Result:
        self.calls.append(module_args)
        return self.results.pop(0)

    def run(self, *, check_mode: bool = False) -> Result:
        action = ActionModule.__new__(ActionModule)
        action._task = SimpleNamespace(args={"rate": 13}, check_mode=check_mode)
        action._execute_module = self.execute
        return action.run(task_vars={"inventory_hostname": "gateway1"})


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Gateway:
    return Gateway(monkeypatch)


def after(closed: int, state: str = "moving") -> Result:
    upstream = {"name": "chat", "state": state, "closed": closed, "now": {"s1:1": 9}}
    return {"changed": False, "closed": closed, "upstreams": [upstream]}


def test_each_call_goes_on_where_the_last_one_ended(gateway: Gateway) -> None:
    gateway.results = [after(0), after(40), after(40), after(90), after(95, "balanced")]
    given = [[], *(result["upstreams"] for result in gateway.results[:-1])]
    result = gateway.run()
    assert [call["progress"] for call in gateway.calls] == given
    assert [call["timeout"] for call in gateway.calls] == [5, 10, 15, 30, 30]
    assert {call["rate"] for call in gateway.calls} == {13}
    assert (result["closed"], result["changed"], gateway.results) == (95, True, [])
    assert gateway.lines == [f"gateway1: chat: {number} sockets moved, s1:1 9" for number in (0, 40, 40, 90)]


@pytest.mark.parametrize("state", ["balanced", "stopped", "untouched"])
def test_it_ends_when_nothing_is_to_be_moved(gateway: Gateway, state: str) -> None:
    gateway.results = [after(0, state)]
    assert gateway.run()["changed"] is False
    assert gateway.lines == []


def test_check_mode_asks_once(gateway: Gateway) -> None:
    gateway.results = [after(0)]
    assert gateway.run(check_mode=True)["upstreams"][0]["state"] == "moving"


def test_a_failure_keeps_what_was_done_before(gateway: Gateway) -> None:
    gateway.results = [after(7), {"failed": True, "msg": "why"}]
    result = gateway.run()
    assert (result["failed"], result["msg"], result["closed"]) == (True, "why", 7)
