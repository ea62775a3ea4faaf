# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's part of the module: it calls it for a while at a time, and shows how the servers fill meanwhile."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.wsfleet.nginx.plugins.plugin_utils import _calls, _rebalance


class ActionModule(ActionBase):  # type: ignore[misc]
    """Runs the module until each upstream is balanced, or cannot be."""

    def run(self, tmp: object = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        variables = task_vars or {}
        result: dict[str, t.Any] = {"upstreams": []}
        for seconds in _calls.lengths():
            arguments = {**self._task.args, "progress": result["upstreams"], "timeout": seconds}
            found = self._execute_module(module_args=arguments, task_vars=variables)
            if "upstreams" not in found:
                # What was closed before the failure is part of the result.
                return {**result, **found}
            result = found
            moving = [upstream for upstream in found["upstreams"] if upstream["state"] == "moving"]
            if self._task.check_mode or not moving:
                break
            Display().display(_rebalance.progress(variables["inventory_hostname"], moving[0]))
        return {**result, "changed": result["closed"] > 0}
