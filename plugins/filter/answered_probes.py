# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = """
name: answered_probes
short_description: The routes of a gateway that may be asked from elsewhere
version_added: 0.6.0
author:
  - The wsfleet maintainers (@wsfleet)
description:
  - Tells the routes whose probe on the gateway itself was answered by HTTP, and not by nginx for a backend that failed.
    To ask for another one would cost clients a server, which nginx passes over for a while.
  - For a gateway that could not be asked, they are those that a gateway with the same configuration probes.
positional: _input, gateway, gateways
options:
  _input:
    description:
      - The variables of every host, as Ansible's variable C(hostvars). The gateways have their models there as
        C(__websockets_model), and the results of M(wsfleet.nginx.gateway_probe_info) as C(__websockets_probe).
    type: dict
    required: true
  gateway:
    description: The name of the gateway.
    type: str
    required: true
  gateways:
    description: The names of all gateways.
    type: list
    elements: str
    required: true
"""

EXAMPLES = """
- name: Probe the routes of a gateway from the controller
  wsfleet.nginx.gateway_probe_info:
    probes: "{{ model.probes | wsfleet.nginx.outside_probes(model.routes, ansible_host,
      hostvars | wsfleet.nginx.answered_probes(inventory_hostname, ansible_play_hosts_all)) }}"
  delegate_to: localhost
"""

RETURN = """
_value:
  description: The routes, by the C(at) of their probes.
  type: list
  elements: str
"""

import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report.survey import answered


def answered_probes(
    hostvars: t.Mapping[str, t.Mapping[str, t.Any]], gateway: str, gateways: t.Sequence[str]
) -> list[str]:
    # What the others found out is only looked at where it is needed.
    own = hostvars[gateway]["__websockets_probe"].get("probes")
    names = [gateway] if own is not None else [str(name) for name in gateways]
    asked = {name: hostvars[name] for name in names}
    results = {name: of.get("__websockets_probe", {}).get("probes") for name, of in asked.items()}
    digests = {
        name: of["__websockets_model"]["digest"]
        for name, of in asked.items()
        if name == gateway or results[name] is not None
    }
    return answered(results, digests, gateway)


class FilterModule:
    """The filter for Ansible's loader."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"answered_probes": answered_probes}
