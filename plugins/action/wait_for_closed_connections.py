# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's part of the module: it calls it for a while at a time, and shows what is left meanwhile."""

from __future__ import annotations

import itertools
import time
import typing as t

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.wsfleet.nginx.plugins.plugin_utils import _drain

# A call ends before an idle SSH connection may be closed.
_FIRST_CALLS, _NEXT_CALLS = (5.0, 10.0, 15.0), 30.0
# How often what stays the same is shown again.
_SHOWN_AGAIN = 300.0


class ActionModule(ActionBase):  # type: ignore[misc]
    """Runs the module until no connection is left, or the timeout is reached."""

    def run(self, tmp: object = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        arguments, variables = self._task.args, task_vars or {}
        now = start = time.monotonic()
        end = start + (0.0 if self._task.check_mode else float(arguments.get("timeout", 0)))
        result: dict[str, t.Any] = {}
        shown, shown_at = None, start
        for seconds in itertools.chain(_FIRST_CALLS, itertools.repeat(_NEXT_CALLS)):
            is_last = end - now <= seconds
            # Only what is left at the end is closed.
            force = arguments.get("force", False) if is_last else False
            timeout = max(0.0, min(seconds, end - now))
            result = self._call(arguments, variables, timeout=timeout, force=force)
            now = time.monotonic()
            if is_last or not result.get("open"):
                break
            if end > now and (result["left"] != shown or now - shown_at >= _SHOWN_AGAIN):
                shown, shown_at = result["left"], now
                Display().display(_drain.progress(variables["inventory_hostname"], shown, end - now))
        # How long that takes follows from the rate.
        closed = result.get("closed", 0)
        while result.get("closed") and result["open"] and not result["reason"]:
            Display().display(_drain.closing(variables["inventory_hostname"], result["left"]))
            result = self._call(arguments, variables, timeout=0.0, force=True)
            closed += result.get("closed", 0)
        if "open" not in result:
            return result
        return {**result, "closed": closed, "changed": closed > 0, "seconds": round(time.monotonic() - start, 1)}

    def _call(self, arguments: dict[str, t.Any], variables: dict[str, t.Any], **options: t.Any) -> dict[str, t.Any]:
        return dict(
            self._execute_module(
                module_args={**arguments, **options, "force_timeout": _NEXT_CALLS}, task_vars=variables
            )
        )
