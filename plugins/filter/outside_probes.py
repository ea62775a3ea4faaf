# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = """
name: outside_probes
short_description: The probes of a gateway that another host can make
version_added: 0.5.0
author:
  - The wsfleet maintainers (@wsfleet)
description:
  - Takes the probes of a gateway that other hosts can make, and has them connect to the gateway's address.
  - What listens on a loopback address or a Unix socket, or asks for a certificate that only the gateway has, is left
    out.
positional: _input, routes, address, answered
options:
  _input:
    description: The C(probes) of the model, with their headers, of P(wsfleet.nginx.probe_headers#filter).
    type: list
    elements: dict
    required: true
  routes:
    description: The C(routes) of the model.
    type: list
    elements: dict
    required: true
  address:
    description: The host name or address at which the gateway is reached; V(false) for no proof at all.
    type: raw
    required: true
  answered:
    description:
      - The routes that may be asked, by their C(at), of P(wsfleet.nginx.answered_probes#filter). One without backends
        always may.
    type: list
    elements: str
    required: true
    version_added: 0.6.0
"""

EXAMPLES = """
- name: Probe the routes of a gateway from the controller
  wsfleet.nginx.gateway_probe_info:
    probes: "{{ model.probes | wsfleet.nginx.outside_probes(model.routes, 'gateway1.example.com', answered) }}"
  delegate_to: localhost
"""

RETURN = """
_value:
  description: The probes, as option C(probes) of M(wsfleet.nginx.gateway_probe_info).
  type: list
  elements: dict
"""

import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report.survey import outside


class FilterModule:
    """The filter for Ansible's loader."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"outside_probes": outside}
