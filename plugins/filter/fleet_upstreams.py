# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = """
name: fleet_upstreams
short_description: The upstreams that are inventory groups, read once for all gateways
version_added: 0.7.0
author:
  - The wsfleet maintainers (@wsfleet)
description:
  - Reads the variables of the hosts of each group that C(websockets_upstreams) of a gateway names, once for all
    gateways, as this takes most of the time of a check with large upstreams.
  - An upstream with an error is left out, and so is one that is not from an inventory group.
    P(wsfleet.nginx.gateway_model#filter) reads what is not included.
positional: _input, groups, hostvars
options:
  _input:
    description: The names of the gateways.
    type: list
    elements: str
    required: true
  groups:
    description: The groups of the inventory, as Ansible's variable C(groups).
    type: dict
    required: true
  hostvars:
    description: The variables of every host, as Ansible's variable C(hostvars).
    type: dict
    required: true
"""

EXAMPLES = """
- name: Read the inventory groups of all upstreams
  ansible.builtin.set_fact:
    upstreams: "{{ ansible_play_hosts | wsfleet.nginx.fleet_upstreams(groups, hostvars) }}"
  delegate_to: localhost
  delegate_facts: true
  run_once: true
"""

RETURN = """
_value:
  description: The upstreams for P(wsfleet.nginx.gateway_model#filter), as JSON, which Ansible passes on unchanged.
  type: str
"""

import json
import typing as t

from ansible.errors import AnsibleError
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables import upstream_servers


def fleet_upstreams(
    gateways: t.Sequence[str],
    groups: t.Mapping[str, t.Sequence[str]],
    hostvars: t.Mapping[str, t.Mapping[str, t.Any]],
) -> str:
    def upstreams() -> t.Iterator[object]:
        for gateway in gateways:
            try:
                yield from hostvars[gateway].get("websockets_upstreams", ())
            except (AnsibleError, TypeError):
                # The check of that gateway reports what is wrong with them.
                continue

    return json.dumps(upstream_servers.group_upstreams(upstreams(), upstream_servers.Inventory(groups, hostvars)))


class FilterModule:
    """The filter for Ansible's loader."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"fleet_upstreams": fleet_upstreams}
