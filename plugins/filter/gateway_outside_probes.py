# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = """
name: gateway_outside_probes
short_description: The probes of a gateway that another host can make
version_added: 0.7.0
author:
  - The wsfleet maintainers (@wsfleet)
description:
  - Selects the probes of a gateway that other hosts can make, and has them connect to the gateway's address.
  - The address is C(websockets_verify_address) or, without it, the gateway's C(ansible_host) or its inventory name. It
    is read from the gateway's model and variables, as C(ansible_host) in a delegated task is that of the other host.
    A loopback address in C(ansible_host) is that of a forwarded port, and not probed.
  - Routes on a loopback address or a Unix socket are left out, and so are those that require a client certificate which
    only the gateway has.
  - A route is also left out if its probe on the gateway itself got no HTTP response, or nginx's response for a failed
    backend. With another failure, nginx would not send clients to that server for a while. For an unreachable gateway,
    the results of gateways with the same configuration count, and an address that its site listens on is not probed, as
    another gateway may have it.
positional: _input, gateway, gateways, hostvars
options:
  _input:
    description: The probes, with their headers, of P(wsfleet.nginx.gateway_probes#filter).
    type: list
    elements: dict
    required: true
  gateway:
    description: The name of the gateway.
    type: str
    required: true
  gateways:
    description: The names of all gateways.
    type: list
    elements: str
    required: true
  hostvars:
    description:
      - The variables of every host, as Ansible's variable C(hostvars). The gateways have their models there as
        C(__websockets_model), and the results of M(wsfleet.nginx.gateway_probe_info) as C(__websockets_probe).
    type: dict
    required: true
"""

EXAMPLES = """
- name: Probe the routes of a gateway from the controller
  wsfleet.nginx.gateway_probe_info:
    probes: "{{ model.probes | wsfleet.nginx.gateway_probes(websockets_sites) |
      wsfleet.nginx.gateway_outside_probes(inventory_hostname, ansible_play_hosts_all, hostvars) }}"
  delegate_to: localhost
"""

RETURN = """
_value:
  description: The probes, as option C(probes) of M(wsfleet.nginx.gateway_probe_info).
  type: list
  elements: dict
"""

import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report.survey import (
    is_loopback,
    outside_probes,
    safe_routes,
)

Probes = t.Sequence[t.Mapping[str, t.Any]]


def gateway_outside_probes(
    probes: Probes,
    gateway: str,
    gateways: t.Sequence[str],
    hostvars: t.Mapping[str, t.Mapping[str, t.Any]],
) -> list[dict[str, t.Any]]:
    # The results of the others are read only if they are needed.
    own = hostvars[gateway]["__websockets_probe"].get("probes")
    names = [gateway] if own is not None else [str(name) for name in gateways]
    probed = {name: hostvars[name] for name in names}
    results = {name: of.get("__websockets_probe", {}).get("probes") for name, of in probed.items()}
    digests = {
        name: of["__websockets_model"]["digest"]
        for name, of in probed.items()
        if name == gateway or results[name] is not None
    }
    model = probed[gateway]["__websockets_model"]
    address, safe = (
        _address(gateway, model["verify_address"], hostvars[gateway]),
        safe_routes(results, digests, gateway),
    )
    return outside_probes(probes, model["routes"], address, safe, is_reached=own is not None)


def _address(gateway: str, given: str | bool | None, variables: t.Mapping[str, t.Any]) -> str | None:
    """Where the controller reaches the gateway; None where it does not."""
    if given is not None:
        return str(given) if given else None
    address = str(variables.get("ansible_host", gateway))
    # That is the controller, of which only a port is forwarded to the gateway.
    is_forwarded = is_loopback(address) and variables.get("ansible_connection") != "local"
    return None if is_forwarded else address


class FilterModule:
    """The filter for Ansible's loader."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"gateway_outside_probes": gateway_outside_probes}
