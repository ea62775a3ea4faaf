# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = """
name: proof_table
short_description: The proofs of gateways as a table for a terminal
version_added: 0.1.0
author:
  - The wsfleet maintainers (@wsfleet)
description:
  - Prints what M(wsfleet.nginx.config_transaction) proved as a table, one line for each route of each gateway.
positional: _input, actions
options:
  _input:
    description: The RV(wsfleet.nginx.config_transaction#module:proofs) of each gateway, by the gateway's name.
    type: dict
    required: true
  actions:
    description:
      - The RV(wsfleet.nginx.config_transaction#module:actions) of each gateway, by the gateway's name. They are printed
        above the table, one line for each gateway where anything was done.
    type: dict
    default: {}
    version_added: 0.3.0
"""

EXAMPLES = """
- name: Show what was proven
  ansible.builtin.debug:
    msg: "{{ {inventory_hostname: result.proofs} | wsfleet.nginx.proof_table }}"
"""

RETURN = """
_value:
  description: The table, with the columns gateway, site, path, status, proven and ms (milliseconds to the answer).
  type: str
"""

import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils.table import proof_table


class FilterModule:
    """The filter for Ansible's loader."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"proof_table": proof_table}
