# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = """
name: no_gateway
short_description: Why a playbook has no gateway
version_added: 0.9.0
author:
  - The wsfleet maintainers (@wsfleet)
description:
  - Tells whether the inventory has no such group, the group has no hosts, or C(--limit) leaves none of them.
positional: _input, group, name, limit
options:
  _input:
    description: The groups of the inventory, as Ansible's variable C(groups).
    type: dict
    required: true
  group:
    description: The group of the gateways.
    type: str
    required: true
  name:
    description: A host of the play, which is not one of the group if that has none.
    type: str
    required: true
  limit:
    description: The value of C(--limit), as Ansible's variable C(ansible_limit).
    type: str
    default: ""
"""

EXAMPLES = """
- name: Fail without a gateway
  ansible.builtin.fail:
    msg: "{{ reason }}"
  vars:
    reason: "{{ groups | wsfleet.nginx.no_gateway('ws_gateways', inventory_hostname, ansible_limit | default('')) }}"
  run_once: true
  when: reason | length > 0
"""

RETURN = """
_value:
  description: The message, which is empty if the host is one of the group.
  type: str
  sample: "no gateway: the inventory has no group 'ws_gatewys', did you mean 'ws_gateways'?"
"""

import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils import _fleet


def no_gateway(groups: t.Mapping[str, t.Sequence[str]], group: str, name: str, limit: str = "") -> str:
    return _fleet.no_gateway(groups, group, name, limit)


class FilterModule:
    """The filter for Ansible's loader."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"no_gateway": no_gateway}
