# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = """
name: gateway_probes
short_description: The probes of a gateway with the headers that they send
version_added: 0.7.0
author:
  - The wsfleet maintainers (@wsfleet)
description:
  - Adds the C(headers) of each C(probe) in C(websockets_sites) to the probes of P(wsfleet.nginx.gateway_model#filter).
  - The model does not contain them, as they may contain tokens and it becomes a fact of the host.
positional: _input, sites
options:
  _input:
    description: The C(probes) of the model.
    type: list
    elements: dict
    required: true
  sites:
    description: The variable C(websockets_sites) that the model was made from.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = """
- name: Deploy the configuration and probe its routes
  wsfleet.nginx.config_transaction:
    files: "{{ files }}"
    live_address: "{{ websockets_status_listen }}"
    probes: "{{ model.probes | wsfleet.nginx.gateway_probes(websockets_sites) }}"
"""

RETURN = """
_value:
  description: The probes, as option C(probes) of M(wsfleet.nginx.config_transaction).
  type: list
  elements: dict
"""

import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._model.probes import with_headers


class FilterModule:
    """The filter for Ansible's loader."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"gateway_probes": with_headers}
