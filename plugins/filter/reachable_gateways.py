# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = """
name: reachable_gateways
short_description: The gateways of an inventory except those that were unreachable in this run
version_added: 0.7.0
author:
  - The wsfleet maintainers (@wsfleet)
description:
  - The host pattern for a play that continues with the gateways that were reachable so far.
  - A play's keywords are templated before Ansible forks a process for each host. So this filter loads the code that
    checks a gateway once, and not in each process.
options:
  _input:
    description: The groups of the inventory, as Ansible's variable C(groups).
    type: dict
    required: true
"""

EXAMPLES = """
- name: Deploy to the gateways
  hosts: "{{ groups | wsfleet.nginx.reachable_gateways }}"
"""

RETURN = """
_value:
  description: The parts of the pattern.
  type: list
  elements: str
  sample: [ws_gateways, "!__websockets_unreachable"]
"""

import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._model import gateway


def reachable_gateways(groups: t.Mapping[str, t.Sequence[str]]) -> list[str]:
    return [gateway.GROUP, *(f"!{name}" for name in (gateway.UNREACHABLE, gateway.FAILED) if name in groups)]


class FilterModule:
    """The filter for Ansible's loader."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"reachable_gateways": reachable_gateways}
