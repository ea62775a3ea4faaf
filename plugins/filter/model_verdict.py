# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = """
name: model_verdict
short_description: The errors and warnings of the models of all gateways
version_added: 0.5.0
author:
  - The wsfleet maintainers (@wsfleet)
description:
  - Puts together what P(wsfleet.nginx.gateway_model#filter) found in the variables of several gateways. What holds for
    many of them is said once.
positional: _input, names, before
options:
  _input:
    description: The variables of every host, as Ansible's variable C(hostvars).
    type: dict
    required: true
  names:
    description: The names of the gateways.
    type: list
    elements: str
    required: true
  before:
    description: What this filter returned before in the same run. Warnings that it holds are not told again.
    type: dict
    default: {}
"""

EXAMPLES = """
- name: Look for errors
  ansible.builtin.set_fact:
    verdict: "{{ hostvars | wsfleet.nginx.model_verdict(ansible_play_batch) }}"
  run_once: true
"""

RETURN = """
_value:
  description: The verdict.
  type: dict
  contains:
    errors:
      description: A text with all errors, each with its place, or an empty one.
      type: str
    warnings:
      description: What is allowed and yet hardly meant.
      type: list
      elements: str
    told:
      description: All warnings of each gateway, by its name.
      type: dict
"""

import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils import _fleet


def model_verdict(
    hostvars: t.Mapping[str, t.Mapping[str, t.Any]],
    names: t.Iterable[str],
    before: t.Mapping[str, t.Any] | None = None,
) -> dict[str, t.Any]:
    models = {name: hostvars[name]["__websockets_model"] for name in names}
    return dict(_fleet.verdict(models, (before or {}).get("told", {})))


class FilterModule:
    """The filter for Ansible's loader."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"model_verdict": model_verdict}
