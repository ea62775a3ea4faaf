# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = """
name: fleet_check
short_description: The errors and warnings of the models of all gateways
version_added: 0.7.0
author:
  - The wsfleet maintainers (@wsfleet)
description:
  - Combines what P(wsfleet.nginx.gateway_model#filter) found in the variables of several gateways. A message that
    applies to many of them appears once.
  - Adds errors between gateways, such as different values of C(websockets_serial).
positional: _input, names
options:
  _input:
    description: The variables of every host, as Ansible's variable C(hostvars).
    type: dict
    required: true
  names:
    description: The names of the gateways. Hosts that have no model as C(__websockets_model) are left out.
    type: list
    elements: str
    required: true
"""

EXAMPLES = """
- name: Fail on invalid variables
  ansible.builtin.fail:
    msg: "{{ check.errors }}"
  vars:
    check: "{{ hostvars | wsfleet.nginx.fleet_check(ansible_play_batch) }}"
  run_once: true
  when: check.errors | length > 0
"""

RETURN = """
_value:
  description: What is wrong with the variables.
  type: dict
  contains:
    errors:
      description: A text with all errors, each with the path of its variable. Empty without errors.
      type: str
    warnings:
      description: What is allowed but is usually a mistake.
      type: list
      elements: str
"""

import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils import _fleet


def fleet_check(hostvars: t.Mapping[str, t.Mapping[str, t.Any]], names: t.Iterable[str]) -> dict[str, t.Any]:
    variables = ((name, hostvars[name]) for name in names)
    return dict(_fleet.check({name: of["__websockets_model"] for name, of in variables if "__websockets_model" in of}))


class FilterModule:
    """The filter for Ansible's loader."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"fleet_check": fleet_check}
