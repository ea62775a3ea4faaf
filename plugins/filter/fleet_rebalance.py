# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = """
name: fleet_rebalance
short_description: The result of a rebalance for each gateway, for a terminal
version_added: 0.10.0
author:
  - The wsfleet maintainers (@wsfleet)
description:
  - Sums up what the playbook C(wsfleet.nginx.rebalance) did on all gateways.
positional: _input, names, forks, check_mode
options:
  _input:
    description: The variables of every host, as Ansible's variable C(hostvars).
    type: dict
    required: true
  names:
    description: The names of all gateways. Those for which no task of the role ran are left out.
    type: list
    elements: str
    required: true
  forks:
    description: On how many hosts a task runs at once, as Ansible's variable C(ansible_forks).
    type: int
    required: true
  check_mode:
    description: Whether the run only shows what it would do.
    type: bool
    default: false
"""

EXAMPLES = """
- name: Show the result
  ansible.builtin.debug:
    msg: "{{ (hostvars | wsfleet.nginx.fleet_rebalance(groups['ws_gateways'], forks=ansible_forks)).text }}"
  run_once: true
"""

RETURN = """
_value:
  description: The result.
  type: dict
  contains:
    text:
      description: How many sockets of which upstream were moved on which gateway, or why none were.
      type: str
    failures:
      description: Why the run fails for a gateway, by the names of these gateways.
      type: dict
"""

import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils import _fleet, _rebalance


def fleet_rebalance(
    hostvars: t.Mapping[str, t.Mapping[str, t.Any]], names: t.Iterable[str], forks: int, check_mode: bool = False
) -> dict[str, t.Any]:
    def facts(name: str) -> dict[str, t.Any] | None:
        return _fleet.of_gateway(hostvars[name], _fleet.CALLS)

    return dict(_rebalance.result(facts, names, int(forks), check_mode=check_mode))


class FilterModule:
    """The filter for Ansible's loader."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"fleet_rebalance": fleet_rebalance}
