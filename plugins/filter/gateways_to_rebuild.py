# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = """
name: gateways_to_rebuild
short_description: The gateways whose model has to be built again for what was found on their hosts
version_added: 0.8.0
author:
  - The wsfleet maintainers (@wsfleet)
description:
  - The model of a gateway is first built without its host. What is live is compared with the model for the nginx and
    the drained servers of that host. This filter names the gateways for which that may be another one - those where
    another configuration is live than the first model describes, or where servers are drained.
positional: _input, hostvars, group
options:
  _input:
    description: The groups of the inventory, as Ansible's variable C(groups).
    type: dict
    required: true
  hostvars:
    description:
      - The variables of every host, as Ansible's variable C(hostvars). The gateways have their models there as
        C(__websockets_model), and the results of M(wsfleet.nginx.gateway_probe_info) as C(__websockets_probe).
    type: dict
    required: true
  group:
    description: The group of the gateways.
    type: str
    default: ws_gateways
    version_added: 0.9.0
"""

EXAMPLES = """
- name: Compare what is live with the variables
  hosts: "{{ groups | wsfleet.nginx.gateways_to_rebuild(hostvars) }}"
"""

RETURN = """
_value:
  description: The names of the gateways.
  type: list
  elements: str
"""

import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report.survey import depends_on_host
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables import role_variables


def gateways_to_rebuild(
    groups: t.Mapping[str, t.Sequence[str]],
    hostvars: t.Mapping[str, t.Mapping[str, t.Any]],
    group: str = role_variables.GROUP,
) -> list[str]:
    return [str(name) for name in groups.get(group, ()) if hostvars and _is_to_rebuild(hostvars[name])]


def _is_to_rebuild(variables: t.Mapping[str, t.Any]) -> bool:
    found = variables.get("__websockets_probe", {})
    return "preflight" in found and depends_on_host(variables["__websockets_model"]["digest"], found)


class FilterModule:
    """The filter for Ansible's loader."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"gateways_to_rebuild": gateways_to_rebuild}
