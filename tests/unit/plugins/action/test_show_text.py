# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts are lines of the output, or in the result where a program reads the output."""

from __future__ import annotations

import typing as t
from types import SimpleNamespace

import pytest
from ansible import constants
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.wsfleet.nginx.plugins.action.show_text import ActionModule

TEXT = "2 gateways:\n\n  one  two"


@pytest.mark.parametrize("callback", ["default", "awx_display", "ansible.posix.json", "ansible.posix.jsonl"])
@pytest.mark.parametrize("failure", [None, "as listed above"])
def test_the_text_is_printed_unless_the_output_is_json(
    monkeypatch: pytest.MonkeyPatch, callback: str, failure: str | None
) -> None:
    lines: list[str] = []
    monkeypatch.setattr(Display, "display", lambda _display, text, *_arguments, **_keys: lines.append(text))
    monkeypatch.setattr(ActionBase, "run", lambda *_arguments, **_keys: {})
    monkeypatch.setattr(constants, "DEFAULT_STDOUT_CALLBACK", callback)
    action = ActionModule.__new__(ActionModule)
    action._task = SimpleNamespace(args={"text": TEXT, **({"failure": failure} if failure else {})}, action="show_text")
    result: dict[str, t.Any] = action.run()
    is_json = "json" in callback
    assert lines == ([] if is_json else [TEXT])
    assert result.get("msg") == (TEXT if is_json else failure)
    assert result.get("failed", False) is bool(failure)
