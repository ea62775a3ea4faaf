# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = """
name: reachable_gateways
short_description: The gateways of an inventory except those that were unreachable in this run
version_added: 0.7.0
author:
  - The wsfleet maintainers (@wsfleet)
description:
  - The host pattern for a play that continues with the gateways that were reachable and did not fail so far.
  - A play's keywords are templated before Ansible forks a process for each host. So this filter loads the code that
    checks a gateway once, and not in each process.
positional: _input, group, hostvars, hosts
options:
  _input:
    description: The groups of the inventory, as Ansible's variable C(groups).
    type: dict
    required: true
  group:
    description: The group of the gateways.
    type: str
    default: ws_gateways
    version_added: 0.9.0
  hostvars:
    description: The variables of every host, as Ansible's variable C(hostvars), which the first play of a run does not
      have.
    type: dict
    default: {}
    version_added: 0.9.0
  hosts:
    description:
      - For the first play of a playbook, all hosts that it may have, as Ansible's variable C(ansible_play_hosts_all)
        has them in a keyword of a play. If none of them is a gateway, the pattern is another host, so that the play has
        one to fail with. P(wsfleet.nginx.no_gateway#filter) returns the message.
    type: list
    elements: str
    version_added: 0.9.0
"""

EXAMPLES = """
- name: Deploy to the gateways
  hosts: "{{ groups | wsfleet.nginx.reachable_gateways('ws_gateways', hostvars) }}"
"""

RETURN = """
_value:
  description: The parts of the pattern.
  type: list
  elements: str
  sample: [ws_gateways, "!gateway3"]
"""

import typing as t
from types import MappingProxyType

from ansible_collections.wsfleet.nginx.plugins.plugin_utils import _fleet
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._model import gateway  # noqa: F401  # pylint: disable=unused-import
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.role_variables import GROUP


def reachable_gateways(
    groups: t.Mapping[str, t.Sequence[str]],
    group: str = GROUP,
    hostvars: t.Mapping[str, t.Mapping[str, t.Any]] = MappingProxyType({}),
    hosts: t.Sequence[str] | None = None,
) -> list[str]:
    gateways = groups.get(group, ())
    if hosts is not None and not set(hosts).intersection(gateways):
        # With --limit, only one of its hosts is left.
        return [*hosts, "localhost"][:1] if len(hosts) < len(groups.get("all", ())) else ["localhost"]
    return [group, *(f"!{name}" for name in gateways if hostvars and _fleet.is_left_out(hostvars[name]))]


class FilterModule:
    """The filter for Ansible's loader."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"reachable_gateways": reachable_gateways}
