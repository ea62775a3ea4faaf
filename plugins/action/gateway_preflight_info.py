# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's part of the module: it says in words that the host's Python cannot run modules. Ansible's message
for that depends on its version, and most are a traceback.
"""

from __future__ import annotations

import re
import shlex
import typing as t

from ansible.module_utils import basic
from ansible.plugins.action import ActionBase
from ansible.release import __version__
from ansible_collections.wsfleet.nginx.plugins.module_utils import _host

# What Python or a shell prints, and what modules of ansible-core report.
_UNFIT = re.compile(r"SyntaxError|python.*not found|requires.* Python", re.IGNORECASE)
_OLDEST = ".".join(map(str, basic._PY_MIN))


class ActionModule(ActionBase):  # type: ignore[misc]
    """Runs the module."""

    def run(self, tmp: object = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        result: dict[str, t.Any] = self._execute_module(task_vars=task_vars)
        said = [str(result.get(key, "")) for key in ("msg", "module_stdout", "module_stderr")]
        if not result.get("failed") or said[0].startswith(_host.UNFIT) or not any(map(_UNFIT.search, said)):
            return result
        python = (self._used_interpreter or "").lstrip("#!")
        found = self._low_level_execute_command(f"{shlex.quote(python)} --version", sudoable=False)
        version = found["stdout"].strip()
        has = f"{version} ({python}) is too old" if version.startswith("Python ") else f"{python} does not start"
        core = ".".join(__version__.split(".")[:2])
        return {
            "failed": True,
            "msg": f"{_host.UNFIT}\n{has}: ansible-core {core} requires Python {_OLDEST} or later on its hosts; "
            "install one, and set ansible_python_interpreter to its path",
        }
