# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = """
name: fleet_backends
short_description: Which gateway probes which servers of its upstreams
version_added: 0.7.0
author:
  - The wsfleet maintainers (@wsfleet)
description:
  - Assigns the servers of all upstreams to the gateways that have them. Each server is probed by three gateways, in
    turn, or by all if there are fewer, so that a fleet of any size probes all of them and overloads none.
positional: _input, gateways
options:
  _input:
    description:
      - The variables of every host, as Ansible's variable C(hostvars). The gateways have their models there, of
        P(wsfleet.nginx.gateway_model#filter), as C(__websockets_model).
    type: dict
    required: true
  gateways:
    description: The names of the gateways.
    type: list
    elements: str
    required: true
"""

EXAMPLES = """
- name: Assign the servers of the upstreams to gateways
  ansible.builtin.set_fact:
    backends: "{{ hostvars | wsfleet.nginx.fleet_backends(ansible_play_hosts_all) }}"
  delegate_to: localhost
  delegate_facts: true
  run_once: true
"""

RETURN = """
_value:
  description: For each gateway that probes any, the option C(backends) of M(wsfleet.nginx.gateway_probe_info).
  type: dict
"""

import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report.survey import ServersToProbe, servers_to_probe


def fleet_backends(
    hostvars: t.Mapping[str, t.Mapping[str, t.Any]], gateways: t.Sequence[str]
) -> dict[str, list[ServersToProbe]]:
    variables = {str(name): hostvars[name] for name in gateways}
    return servers_to_probe(
        {
            name: of["__websockets_model"]
            for name, of in variables.items()
            # Where the gateway is removed, errors do not matter.
            if of.get("websockets_state") != "absent" and not of["__websockets_model"]["errors"]
        }
    )


class FilterModule:
    """The filter for Ansible's loader."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"fleet_backends": fleet_backends}
