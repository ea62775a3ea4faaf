# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = """
name: fleet_summary
short_description: The result of a run for each gateway, for a terminal
version_added: 0.5.0
author:
  - The wsfleet maintainers (@wsfleet)
description:
  - Sums up what the tasks of the role P(wsfleet.nginx.websockets#role) did in this run on all gateways.
  - A batch with a failure is the last one.
positional: _input, names, batch, hosts, check_mode, continues, serial
options:
  _input:
    description: The variables of every host, as Ansible's variable C(hostvars).
    type: dict
    required: true
  names:
    description: The names of all gateways. Those for which no task of the role ran are left out.
    type: list
    elements: str
    required: true
  batch:
    description: The names of the gateways of the current batch.
    type: list
    elements: str
    required: true
  hosts:
    description: The names of all gateways of the play, in its order.
    type: list
    elements: str
    required: true
    version_added: 0.9.0
  check_mode:
    description: Whether the run is in check mode.
    type: bool
    default: false
  continues:
    description:
      - Whether the playbook continues without the gateways that fail, as a drain does. A deploy that was rolled back
        stops it nevertheless, as the change itself failed.
    type: bool
    default: false
    version_added: 0.8.0
  serial:
    description: The sizes of the batches, as the keyword C(serial) of a play has them.
    type: list
    elements: raw
    default: []
    version_added: 0.9.0
"""

EXAMPLES = """
- name: Show the state of all gateways
  ansible.builtin.debug:
    msg: "{{ (hostvars | wsfleet.nginx.fleet_summary(groups['ws_gateways'], ansible_play_batch,
      ansible_play_hosts_all)).text }}"
  run_once: true
"""

RETURN = """
_value:
  description: The summary.
  type: dict
  contains:
    stops:
      description: Whether the run stops here, as a gateway of the batch failed or all of them became unreachable.
      type: bool
    warnings:
      description:
        - What M(wsfleet.nginx.gateway_preflight_info) and M(wsfleet.nginx.config_transaction) returned as their
          C(notices) on the gateways of the batch, with the names of these. Equal ones are one.
      type: list
      elements: str
      version_added: 0.8.0
    text:
      description:
        - The summary or, if another batch follows, which batch this one is and how many gateways are done.
        - How many gateways are C(changed), C(verified) without a change, C(unchanged) where nothing was verified,
          C(removed), C(not started) because the run stopped before, C(unreachable), C(rolled back) and C(failed).
        - Then the names of these gateways, with what was done or why it failed and how many routes are not verified,
          a table of the routes, the warnings of all gateways, and the whole messages of failed deploys.
      type: str
"""

import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils import _fleet

_FACTS = ("__websockets_preflight", "websockets_result", "__websockets_failure", "__websockets_removed")


def fleet_summary(  # noqa: PLR0913, PLR0917
    hostvars: t.Mapping[str, t.Mapping[str, t.Any]],
    names: t.Iterable[str],
    batch: t.Sequence[str],
    hosts: t.Sequence[str],
    check_mode: bool = False,
    continues: bool = False,
    serial: t.Sequence[str | int] = (),
) -> dict[str, t.Any]:
    def facts(name: str) -> dict[str, t.Any] | None:
        variables = hostvars[name]
        if not any(fact in variables for fact in ("__websockets_model", "__websockets_failure")):
            return None
        return {fact: variables[fact] for fact in _FACTS if fact in variables}

    return dict(
        _fleet.summary(facts, names, batch, hosts, check_mode=check_mode, continues=continues, serial=serial or ())
    )


class FilterModule:
    """The filter for Ansible's loader."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"fleet_summary": fleet_summary}
