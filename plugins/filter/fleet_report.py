# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = """
name: fleet_report
short_description: The report on gateways whose routes were verified
version_added: 0.7.0
author:
  - The wsfleet maintainers (@wsfleet)
description:
  - Builds the report from what M(wsfleet.nginx.gateway_probe_info) found on the gateways and from the controller.
positional: _input, gateways, time
options:
  _input:
    description:
      - The variables of every host, as Ansible's variable C(hostvars).
      - A gateway has its model there as C(__websockets_model), and the results of the module as C(__websockets_probe)
        and C(__websockets_outside). A gateway whose result was skipped is left out.
    type: dict
    required: true
  gateways:
    description: The names of the gateways.
    type: list
    elements: str
    required: true
  time:
    description: The time of the report in UTC, as V(2026-01-31T12:00:00).
    type: str
    required: true
"""

EXAMPLES = """
- name: Build the report
  ansible.builtin.set_fact:
    report: "{{ hostvars | wsfleet.nginx.fleet_report(ansible_play_hosts_all, now(utc=true).isoformat()) }}"
  delegate_to: localhost
  delegate_facts: true
  run_once: true
"""

RETURN = """
_value:
  description: The report, as text for a terminal and as files.
  type: dict
  contains:
    summary:
      description: The report for a terminal.
      type: str
    failure:
      description: The gateways that do not serve all their routes or are unreachable. Empty where all do.
      type: str
    files:
      description:
        - The texts of C(report.json), C(junit.xml) and C(index.html), by these names. C(docs/report.md) has the keys of
          the first.
      type: dict
"""

import datetime
import json
import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils import _fleet
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report import html, junit, text
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report.build import Found, report


def fleet_report(
    hostvars: t.Mapping[str, t.Mapping[str, t.Any]], gateways: t.Sequence[str], time: str
) -> dict[str, t.Any]:
    variables = {str(name): hostvars[name] for name in gateways}
    found = [
        Found(
            name,
            of["__websockets_model"],
            _explained(_plain(of["__websockets_probe"])),
            _plain(of["__websockets_outside"]),
        )
        for name, of in variables.items()
        if "probes" in of["__websockets_probe"] or "msg" in of["__websockets_probe"]
    ]
    made = report(found, datetime.datetime.fromisoformat(time).replace(tzinfo=None, microsecond=0))
    return {
        "summary": text.summary(made),
        "failure": text.failure(made),
        "files": {
            "report.json": f"{json.dumps(made, indent=1)}\n",
            "junit.xml": junit.junit(made),
            "index.html": html.page(made),
        },
    }


def _explained(result: dict[str, t.Any]) -> dict[str, t.Any]:
    """The result of a module, with the reason and what to set where the module did not run."""
    return result if "probes" in result else {**result, "msg": _fleet.reason(result)}


def _plain(value: t.Any) -> t.Any:
    """Ansible's containers are lazy: a value is templated when it is read."""
    if isinstance(value, t.Mapping):
        return {str(key): _plain(member) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(member) for member in value]
    return str(value) if isinstance(value, str) else value


class FilterModule:
    """The filter for Ansible's loader."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"fleet_report": fleet_report}
