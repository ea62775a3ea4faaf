# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = """
name: fleet_outside_probes
short_description: The probes of all gateways that another host can make
version_added: 0.11.0
author:
  - The wsfleet maintainers (@wsfleet)
description:
  - Selects the probes of each gateway that other hosts can make, and has them connect to the gateway's address.
  - They are for one call of M(wsfleet.nginx.gateway_probe_info), as a process of Python for each gateway would take
    much longer than the probes.
  - The address is C(websockets_verify_address) or, without it, the gateway's C(ansible_host) or its inventory name.
    A loopback address in C(ansible_host) is that of a forwarded port, and not probed.
  - Routes on a loopback address or a Unix socket are left out, and so are those that require a client certificate which
    only the gateway has.
  - A route is also left out if its probe on the gateway itself got no HTTP response, or nginx's response for a failed
    backend. With another failure, nginx would not send clients to that server for a while. For an unreachable gateway,
    the results of gateways with the same configuration count, and an address that its site listens on is not probed, as
    another gateway may have it.
positional: _input, gateways, sites
options:
  _input:
    description:
      - The variables of every host, as Ansible's variable C(hostvars). The gateways have their models there as
        C(__websockets_model), the results of M(wsfleet.nginx.gateway_probe_info) as C(__websockets_probe), and
        C(websockets_sites) with the headers that their probes send. A gateway whose result was skipped is left out.
    type: dict
    required: true
  gateways:
    description: The names of all gateways.
    type: list
    elements: str
    required: true
  sites:
    description:
      - C(websockets_sites) of a gateway whose inventory does not set it, as C(hostvars) has no variables of a play.
    type: list
    elements: dict
    default: []
"""

EXAMPLES = """
- name: Probe the routes of all gateways from the controller
  wsfleet.nginx.gateway_probe_info:
    probes: "{{ hostvars | wsfleet.nginx.fleet_outside_probes(ansible_play_hosts_all) }}"
  delegate_to: localhost
  run_once: true
"""

RETURN = """
_value:
  description:
    - The probes, as option C(probes) of M(wsfleet.nginx.gateway_probe_info). Their C(at) begins with the name of the
      gateway and a space, by which P(wsfleet.nginx.fleet_report#filter) assigns the results.
  type: list
  elements: dict
"""

import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._model.probes import with_headers
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report.survey import (
    outside_address,
    outside_probes,
    safe_routes,
)


def fleet_outside_probes(
    hostvars: t.Mapping[str, t.Mapping[str, t.Any]],
    gateways: t.Sequence[str],
    sites: t.Sequence[t.Mapping[str, t.Any]] = (),
) -> list[dict[str, t.Any]]:
    variables = {str(name): hostvars[name] for name in gateways}
    probed = {name: of for name, of in variables.items() if not of.get("__websockets_probe", {}).get("skipped")}
    models = {name: of["__websockets_model"] for name, of in probed.items()}
    digests = {name: model["digest"] for name, model in models.items()}
    results = {name: of.get("__websockets_probe", {}).get("probes") for name, of in probed.items()}
    return [
        {**probe, "at": f"{name} {probe['at']}"}
        for name, model in models.items()
        for probe in outside_probes(
            with_headers(model["probes"], probed[name].get("websockets_sites", sites)),
            model["routes"],
            outside_address(name, model["verify_address"], probed[name]),
            safe_routes(results, digests, name),
            is_reached=results[name] is not None,
        )
    ]


class FilterModule:
    """The filter for Ansible's loader."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"fleet_outside_probes": fleet_outside_probes}
