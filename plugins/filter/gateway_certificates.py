# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = """
name: gateway_certificates
short_description: The certificates and keys that come with the variables of a gateway
version_added: 0.7.0
author:
  - The wsfleet maintainers (@wsfleet)
description:
  - Returns a file for each site of C(websockets_sites) whose C(ssl_certificate) is PEM text instead of a path. It
    contains the certificate and the key.
  - The model of P(wsfleet.nginx.gateway_model#filter) does not contain them, as it becomes a fact of the host.
positional: _input, config_path
options:
  _input:
    description: The variable C(websockets_sites) that the model was made from.
    type: list
    elements: dict
    required: true
  config_path:
    description: The variable C(websockets_config_path). The files are in the same directory.
    type: str
    required: true
"""

EXAMPLES = """
- name: Deploy the configuration and probe its routes
  wsfleet.nginx.config_transaction:
    files: "{{ files }}"
    secrets: "{{ websockets_sites | wsfleet.nginx.gateway_certificates(websockets_config_path) }}"
    live_address: "{{ websockets_status_listen }}"
"""

RETURN = """
_value:
  description: The files, as option C(secrets) of M(wsfleet.nginx.config_transaction).
  type: list
  elements: dict
"""

import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._config.tls import delivered


class FilterModule:
    """The filter for Ansible's loader."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"gateway_certificates": delivered}
