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
positional: _input, gateways, time, inventory, fail_on, outside
options:
  _input:
    description:
      - The variables of every host, as Ansible's variable C(hostvars).
      - A gateway has its model there as C(__websockets_model), and the results of the module as C(__websockets_probe).
        A gateway whose result was skipped is left out.
      - If a model was built again with what the module found, C(__websockets_expected) has its C(digest) and C(errors).
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
  inventory:
    description: What the report names as the inventory of the run, as Ansible's variable C(ansible_inventory_sources).
    type: list
    elements: str
    default: []
    version_added: 0.8.0
  fail_on:
    description: Whether RV(_value.failure) is set for V(errors) alone, or for V(warnings) too.
    type: str
    choices: [errors, warnings]
    default: errors
    version_added: 0.8.0
  outside:
    description:
      - The results of the module from the controller, for the probes of P(wsfleet.nginx.fleet_outside_probes#filter).
    type: dict
    default: {}
    version_added: 0.11.0
"""

EXAMPLES = """
- name: Build the report
  ansible.builtin.set_fact:
    report: "{{ hostvars | wsfleet.nginx.fleet_report(ansible_play_hosts_all, now(utc=true).isoformat(),
      ansible_inventory_sources, outside=from_controller) }}"
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
      description: The gateways with errors, or warnings, depending on O(fail_on). Empty where none has any.
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
from contextlib import suppress
from pathlib import Path

import yaml
from ansible_collections.wsfleet.nginx.plugins.plugin_utils import _fleet
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report import html, junit, text
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report.build import Found, Run, report
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report.survey import results_by_gateway


def fleet_report(  # noqa: PLR0913, PLR0917
    hostvars: t.Mapping[str, t.Mapping[str, t.Any]],
    gateways: t.Sequence[str],
    time: str,
    inventory: t.Sequence[str] = (),
    fail_on: str = "errors",
    outside: t.Mapping[str, t.Any] | None = None,
) -> dict[str, t.Any]:
    from_controller = results_by_gateway(_plain((outside or {}).get("probes") or []))
    variables = {str(name): hostvars[name] for name in gateways}
    found = [
        Found(
            name,
            of["__websockets_model"],
            _explained(_plain(of["__websockets_probe"])),
            from_controller.get(name, []),
            _plain(of.get("__websockets_expected", {})),
        )
        for name, of in variables.items()
        if "probes" in of["__websockets_probe"] or "msg" in of["__websockets_probe"]
    ]
    when = datetime.datetime.fromisoformat(time).replace(tzinfo=None, microsecond=0)
    made = report(found, Run(when, [str(source) for source in inventory], _collection_version()))
    return {
        "summary": text.summary(made),
        "failure": text.failure(made, fail_on),
        "files": {
            "report.json": f"{json.dumps(made, indent=1)}\n",
            "junit.xml": junit.junit(made, fail_on),
            "index.html": html.page(made),
        },
    }


def _collection_version() -> str:
    """As the collection was built or, in a checkout, is going to be."""
    root = Path(__file__).resolve().parents[2]
    with suppress(OSError):
        built = json.loads((root / "MANIFEST.json").read_text(encoding="utf-8"))
        return str(built["collection_info"]["version"])
    return str(yaml.safe_load((root / "galaxy.yml").read_text(encoding="utf-8"))["version"])


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
