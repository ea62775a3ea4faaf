# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = """
name: unreachable_gateways
short_description: The gateways of an inventory that were unreachable in this run
version_added: 0.9.0
author:
  - The wsfleet maintainers (@wsfleet)
description:
  - The hosts of a play that fails for the gateways which a run went on without, see
    P(wsfleet.nginx.reachable_gateways#filter).
positional: _input, group, hostvars
options:
  _input:
    description: The groups of the inventory, as Ansible's variable C(groups).
    type: dict
    required: true
  group:
    description: The group of the gateways.
    type: str
    required: true
  hostvars:
    description: The variables of every host, as Ansible's variable C(hostvars).
    type: dict
    required: true
"""

EXAMPLES = """
- name: Fail for unreachable gateways
  hosts: "{{ groups | wsfleet.nginx.unreachable_gateways('ws_gateways', hostvars) }}"
"""

RETURN = """
_value:
  description: The names of the gateways.
  type: list
  elements: str
"""

import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils import _fleet


def unreachable_gateways(
    groups: t.Mapping[str, t.Sequence[str]], group: str, hostvars: t.Mapping[str, t.Mapping[str, t.Any]]
) -> list[str]:
    return [str(name) for name in groups.get(group, ()) if hostvars and _fleet.is_unreachable(hostvars[name])]


class FilterModule:
    """The filter for Ansible's loader."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"unreachable_gateways": unreachable_gateways}
