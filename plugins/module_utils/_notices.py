# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Warnings of modules that run on many hosts, with the names of those hosts."""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import AnsibleModule


class Module(AnsibleModule):  # type: ignore[misc]
    """A module whose warnings are in its result, as notices. Ansible shows equal ones once, and does not name the host.

    The summary of a run shows them with the names of all hosts.
    """

    def __init__(self, *arguments: t.Any, **options: t.Any) -> None:
        self._notices: list[str] = []
        super().__init__(*arguments, **options)

    def warn(self, warning: str, **_options: t.Any) -> None:
        self._notices.append(warning)

    def exit_json(self, **result: t.Any) -> None:
        super().exit_json(notices=self._notices, **result)

    def fail_json(self, msg: str, **result: t.Any) -> None:
        super().fail_json(msg, notices=self._notices, **result)


def hide_headers(module: AnsibleModule, made: t.Sequence[t.Mapping[str, t.Any]]) -> None:
    """Have Ansible mask headers that come from the host and not from the module's options."""
    for probe in made:
        for headers in (probe.get("headers"), (probe.get("backends") or {}).get("headers")):
            module.no_log_values.update(str(value) for value in (headers or {}).values() if value)
