# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = """
name: blackbox_targets
short_description: The routes of all gateways for Prometheus' blackbox_exporter
version_added: 0.11.0
author:
  - The wsfleet maintainers (@wsfleet)
description:
  - Makes modules of C(blackbox_exporter) of the probes that P(wsfleet.nginx.gateway_model#filter) returns, and targets
    for Prometheus' C(file_sd_configs), from the same variables as the gateways.
  - The exporter connects to a gateway as P(wsfleet.nginx.fleet_outside_probes#filter) describes.
  - Routes that other hosts do not reach are left out, and so are those of a site with the parameter C(proxy_protocol),
    which the exporter does not send.
  - Certificates are not verified, as by the playbook C(wsfleet.nginx.verify). The exporter has figures of them.
positional: _input, gateways, prober, sites
options:
  _input:
    description:
      - The variables of every host, as Ansible's variable C(hostvars). The gateways have their models there as
        C(__websockets_model), and C(websockets_sites) with the headers that their probes send.
    type: dict
    required: true
  gateways:
    description: The names of all gateways.
    type: list
    elements: str
    required: true
  prober:
    description:
      - How the exporter opens WebSockets. V(tcp) sends the handshake over a connection, which every version does, and
        checks status and C(Sec-WebSocket-Accept). V(websocket) is the exporter's own prober of that name. It also
        exchanges C(message) and C(expect) of a probe.
      - Its prober C(http) fits no WebSocket, as it reads until the server closes the connection, regardless of its
        timeout.
    type: str
    choices: [tcp, websocket]
    default: tcp
  sites:
    description:
      - C(websockets_sites) of a gateway whose inventory does not set it, as C(hostvars) has no variables of a play.
    type: list
    elements: dict
    default: []
"""

EXAMPLES = """
- name: Write the modules of blackbox_exporter
  ansible.builtin.copy:
    content: "{{ (hostvars | wsfleet.nginx.blackbox_targets(ansible_play_hosts_all))['blackbox.yml'] }}"
    dest: /etc/prometheus/blackbox.yml
    mode: "0640"
  diff: false
  run_once: true
  delegate_to: prometheus.example.com
"""

RETURN = """
_value:
  description:
    - The texts of C(blackbox.yml), the configuration of the exporter, and C(targets.yml), the targets, by these names.
    - The first has the headers of probes, which may be secret.
  type: dict
"""

import json
import typing as t

import yaml
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._blackbox import Blackbox
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._model.probes import with_headers
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report.survey import outside_address, outside_probes


def blackbox_targets(
    hostvars: t.Mapping[str, t.Mapping[str, t.Any]],
    gateways: t.Sequence[str],
    prober: str = "tcp",
    sites: t.Sequence[t.Mapping[str, t.Any]] = (),
) -> dict[str, str]:
    made = Blackbox(websocket=prober == "websocket")
    for name in map(str, gateways):
        variables = hostvars[name]
        if variables.get("websockets_state") == "absent":
            continue
        model = variables["__websockets_model"]
        probes = with_headers(model["probes"], variables.get("websockets_sites", sites))
        reached = outside_probes(
            probes,
            model["routes"],
            outside_address(name, model["verify_address"], variables),
            [probe["at"] for probe in probes],
            is_reached=True,
        )
        for probe in reached:
            if not probe["proxy_protocol"]:
                made.add(name, probe)
    return {"blackbox.yml": _text({"modules": made.modules}), "targets.yml": _text(made.targets)}


def _text(content: object) -> str:
    # Through JSON, as Ansible's strings have a type of their own.
    plain = json.loads(json.dumps(content))
    return f"# Written by wsfleet.nginx.blackbox.\n{yaml.safe_dump(plain, sort_keys=False, width=1000)}"


class FilterModule:
    """The filter for Ansible's loader."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"blackbox_targets": blackbox_targets}
