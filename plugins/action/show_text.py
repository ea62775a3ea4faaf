# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Prints lines of text as they are. Unlike debug, it sets no facts: with run_once, those that debug sets on
ansible-core 2.21 are one dict that all hosts share from then on (ansible/ansible#87148).
"""

from __future__ import annotations

import typing as t

from ansible import constants
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display


class ActionModule(ActionBase):  # type: ignore[misc]
    """The whole of the module: nothing runs on a host."""

    _requires_connection = False

    def run(self, tmp: object = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        _result, options = self.validate_argument_spec(
            argument_spec={"text": {"type": "str", "required": True}, "failure": {"type": "str"}}
        )
        result: dict[str, t.Any] = {"changed": False}
        # A program reads the output of such a callback.
        is_printed = "json" not in constants.DEFAULT_STDOUT_CALLBACK
        if is_printed:
            Display().display(options["text"])
        else:
            result["msg"] = options["text"]
        if options["failure"] is not None:
            result.update(failed=True, msg=options["failure"] if is_printed else options["text"])
        return result
