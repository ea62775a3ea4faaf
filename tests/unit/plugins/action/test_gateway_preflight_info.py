# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller makes of the ways in which the releases of ansible-core fail on a Python that is too old."""

from __future__ import annotations

import typing as t

import pytest
from ansible.plugins.action import ActionBase
from ansible_collections.wsfleet.nginx.plugins.action.gateway_preflight_info import ActionModule

SYNTAX_ERROR = "SyntaxError: future feature annotations is not defined\r\n"
HEAD = "This host cannot become a gateway yet; nothing was changed:\n"
REQUIRED = (
    "ansible-core 2.19 requires Python 3.8 or later on its hosts; install one, and set ansible_python_interpreter to "
    "its path"
)


@pytest.fixture(autouse=True)
def core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ActionBase, "run", lambda *_arguments, **_keys: {})
    path = "ansible_collections.wsfleet.nginx.plugins.action.gateway_preflight_info"
    monkeypatch.setattr(f"{path}.__version__", "2.19.14")
    monkeypatch.setattr(f"{path}._OLDEST", "3.8")


def returned(result: dict[str, t.Any], python: str, printed: str) -> dict[str, t.Any]:
    action = ActionModule.__new__(ActionModule)
    action._used_interpreter = python
    action._execute_module = lambda task_vars: result
    action._low_level_execute_command = lambda command, sudoable: {"stdout": printed, "rc": 0 if printed else 127}
    return action.run(task_vars={})


@pytest.mark.parametrize(
    "result",
    [
        # 2.18 to 2.21, on Python 3.6.
        {"msg": "MODULE FAILURE: No start of json char found", "module_stdout": f"Traceback: ...\r\n{SYNTAX_ERROR}"},
        {"msg": "Module result deserialization failed: No start of json char found", "module_stderr": SYNTAX_ERROR},
        # On Python 3.7, and on 3.8 since 2.20.
        {"msg": "ansible-core requires a minimum of Python version 3.8. Current version: 3.7.16 (default) [GCC]"},
        {"msg": "Ansible requires Python 3.9 or newer on the target. Current version: 3.8.10 (default) [GCC]"},
    ],
)
def test_an_old_python_is_named_with_what_is_required(result: dict[str, t.Any]) -> None:
    found = returned({"failed": True, **result}, "/usr/libexec/platform-python", "Python 3.6.8\r\n")
    said = f"{HEAD}Python 3.6.8 (/usr/libexec/platform-python) is too old: {REQUIRED}"
    assert found == {"failed": True, "msg": said}


def test_a_python_that_is_not_there_is_named() -> None:
    result = {"failed": True, "msg": "The module interpreter '/usr/bin/python3' was not found.", "rc": 127}
    assert returned(result, "/usr/bin/python3", "")["msg"] == f"{HEAD}/usr/bin/python3 does not start: {REQUIRED}"


@pytest.mark.parametrize(
    "result",
    [
        {"changed": False, "nginx_version": "1.22.1"},
        {"failed": True, "msg": f"{HEAD}/etc/python.d is not found"},
        {"failed": True, "msg": "Missing sudo password"},
        {"unreachable": True, "msg": "Failed to connect to the host via ssh"},
    ],
)
def test_anything_else_stays_as_it_is(result: dict[str, t.Any]) -> None:
    assert returned(dict(result), "/usr/bin/python3", "Python 3.11.2") == result
