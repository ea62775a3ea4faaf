# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = """
name: fleet_drain
short_description: The result of a drain for each gateway, for a terminal
version_added: 0.8.0
author:
  - The wsfleet maintainers (@wsfleet)
description:
  - Sums up what the playbook C(wsfleet.nginx.drain) did on all gateways.
positional: _input, names
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
"""

EXAMPLES = """
- name: Show the result
  ansible.builtin.debug:
    msg: "{{ (hostvars | wsfleet.nginx.fleet_drain(groups['ws_gateways'])).text }}"
  run_once: true
"""

RETURN = """
_value:
  description: The result.
  type: dict
  contains:
    text:
      description:
        - Which gateways are out of their load balancers or back in, and how many connections are left or were closed.
      type: str
    failures:
      description: Why the run fails for a gateway, by the names of these gateways.
      type: dict
"""

import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils import _drain, _fleet

_FACTS = ("__websockets_failure", *_fleet.CALLS)


def fleet_drain(hostvars: t.Mapping[str, t.Mapping[str, t.Any]], names: t.Iterable[str]) -> dict[str, t.Any]:
    return dict(_drain.result(lambda name: _fleet.of_gateway(hostvars[name], _FACTS), names))


class FilterModule:
    """The filter for Ansible's loader."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"fleet_drain": fleet_drain}
