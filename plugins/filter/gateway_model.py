# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = """
name: gateway_model
short_description: The checked and complete model of a WebSocket gateway
version_added: 0.1.0
author:
  - The wsfleet maintainers (@wsfleet)
description:
  - Checks the variables of the role P(wsfleet.nginx.websockets#role), completes them, and returns what the role's
    template prints, what preflight checks on the gateway, and the probes of its routes.
  - It reads only its arguments, so that the same input gives the same model, without a connection to a host.
positional: _input, groups, hostvars, upstreams, drained, neighbours
options:
  _input:
    description:
      - All variables whose names start with C(websockets_), by name. An unknown name is an error.
      - C(websockets_nginx_version) and C(websockets_openssl_version) are the versions on the gateway. Without the
        former, the variables are checked for the newest nginx. Without the latter, directives that some versions of
        OpenSSL do not support are left out.
    type: dict
    required: true
  groups:
    description: The groups of the inventory, as Ansible's variable C(groups).
    type: dict
    required: true
  hostvars:
    description: The variables of every host, as Ansible's variable C(hostvars).
    type: dict
    required: true
  upstreams:
    description:
      - What P(wsfleet.nginx.fleet_upstreams#filter) returned. The hosts of a group that is not in it are read
        here.
    type: raw
    default: {}
    version_added: 0.5.0
  drained:
    description:
      - The names by which servers were drained before, as M(wsfleet.nginx.gateway_preflight_info) returns them. They
        stay drained, except for those in C(websockets_undrain).
    type: list
    elements: str
    default: []
    version_added: 0.5.0
  neighbours:
    description:
      - What the other sites of the host require, as M(wsfleet.nginx.gateway_preflight_info) returns it.
    type: dict
    default: {}
    version_added: 0.8.0
notes:
  - Invalid variables do not make the filter fail, as Ansible would print the error several times. All errors are
    returned at once.
"""

EXAMPLES = """
- name: Fail on invalid variables
  ansible.builtin.assert:
    that: model.errors | length == 0
    fail_msg: "{{ model.errors | join('\\n') }}"
  vars:
    model: "{{ variables | wsfleet.nginx.gateway_model(groups, hostvars) }}"
    names: "{{ query('ansible.builtin.varnames', '^websockets_') }}"
    variables: "{{ dict(names | zip(query('ansible.builtin.vars', *names))) }}"
"""

RETURN = """
_value:
  description: The errors of the variables; without errors, the model.
  type: dict
  contains:
    errors:
      description:
        - One line for each error, starting with a path such as C(websockets_sites[0].locations[2].upstream).
        - If there are any, C(files) and C(serial) are the only other keys.
      type: list
      elements: str
    files:
      description:
        - The files of a gateway beside its configuration, the C(log), and the C(flag) by which it is drained.
        - C(former_flag) is the name of the flag in releases up to 0.7.0.
      type: dict
      version_added: 0.7.0
    serial:
      description: The sizes of the batches, or V(null) if they are invalid.
      type: list
      elements: raw
      version_added: 0.7.0
    warnings:
      description: What is allowed but usually a mistake, such as an upstream that no location uses.
      type: list
      elements: str
    nginx_version:
      description: The version of nginx that the model is for, or V(null) if unknown.
      type: str
    openssl_version:
      description: The version of OpenSSL that the model is for, or V(null) if unknown.
      type: str
    suits_since:
      description:
        - The version of nginx from which on the lines are the same, or V(null) if later versions need other lines or
          do not accept some.
      type: str
    depends_on_openssl:
      description: Whether the lines differ for another version of OpenSSL.
      type: bool
    path:
      description:
        - The file to write. It is C(websockets_config_path), or another one that nginx reads after other sites of the
          host, so that these keep their default servers.
      type: str
      version_added: 0.8.0
    lines:
      description: The indented lines of the configuration, without the comment at the top.
      type: list
      elements: str
      version_added: 0.7.0
    sources:
      description: Where the lines come from, as option C(files[].sources) of M(wsfleet.nginx.config_transaction).
      type: list
      elements: dict
      version_added: 0.7.0
    upstreams:
      description:
        - The upstreams, each with its C(name) and its C(servers). These have an C(address) and a C(state), which is
          V(drained), V(off) if the inventory sets C(down), or empty.
      type: list
      elements: dict
    drained:
      description: Each drained server, with its C(address) and the C(name) by which it was drained.
      type: list
      elements: dict
      version_added: 0.7.0
    listening:
      description: Each C(address) that nginx will listen on, and the path of its variable, C(at).
      type: list
      elements: dict
    connects:
      description: Whether nginx connects to servers over TCP, and not to Unix sockets alone.
      type: bool
      version_added: 0.9.0
    names:
      description: Each host C(name) that the gateway has to resolve, and the path of its variable, C(at).
      type: list
      elements: dict
    compared:
      description: What other sites of the host may have too, as option C(compared) of
        M(wsfleet.nginx.gateway_preflight_info).
      type: dict
      version_added: 0.8.0
    presented:
      description: The C(path) of the certificate that nginx presents for each C(site) with TLS.
      type: list
      elements: dict
      version_added: 0.8.0
    certificates:
      description:
        - Each certificate that has to be on the gateway, the C(path) of its file, that of its C(key), or V(null) for
          CAs, and the path of its variable, C(at).
      type: list
      elements: dict
      version_added: 0.8.0
    directories:
      description: The C(path) of each directory that has to be on the gateway, and the path of its variable, C(at).
      type: list
      elements: dict
      version_added: 0.8.0
    probes:
      description:
        - The probe of each route, as option C(probes) of M(wsfleet.nginx.config_transaction), without the headers,
          which P(wsfleet.nginx.gateway_probes#filter) adds.
      type: list
      elements: dict
    refusals:
      description: The probes of what nginx is to refuse, in the same form, each with its C(rule).
      type: list
      elements: dict
      version_added: 0.11.0
    health_flag:
      description: The file that takes the gateway out of rotation, or V(null) without C(websockets_health_path).
      type: str
    health_wait:
      description: The seconds for which a deploy takes it out of rotation before it begins.
      type: float
    verify_address:
      description: C(websockets_verify_address), or V(null) without it.
      type: raw
      version_added: 0.8.0
    drain:
      description:
        - The names to drain (C(out)) and to bring C(back), those of them that servers of this gateway have (C(here)),
          the C(addresses) of the drained servers, for how many C(seconds) to wait for their connections, and whether to
          close what is left (C(force)).
      type: dict
    routes:
      description:
        - Every location, with the path of its variable (C(at)), its C(site) and C(path), and the name of its
          C(upstream) or, without one, its C(target).
        - C(outside) is where other hosts reach it, an address, or only a port if that is any address of the gateway.
          It is V(null) if they cannot reach it, as on a loopback address.
      type: list
      elements: dict
      version_added: 0.5.0
    digest:
      description:
        - Equal for gateways with the same lines and the same nginx. The live configuration returns it as its
          fingerprint.
      type: str
      version_added: 0.5.0
"""

import json
import typing as t
from types import MappingProxyType

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._model import gateway
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.errors import Errors
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.upstream_servers import Inventory


def gateway_model(  # noqa: PLR0913, PLR0917
    variables: t.Mapping[str, t.Any],
    groups: t.Mapping[str, t.Sequence[str]],
    hostvars: t.Mapping[str, t.Mapping[str, t.Any]],
    upstreams: t.Mapping[str, t.Any] | str = "{}",
    drained: t.Collection[str] = (),
    neighbours: t.Mapping[str, t.Any] = MappingProxyType({}),
) -> dict[str, t.Any]:
    errors = Errors()
    # ansible-core 2.18 converts a string that looks like a mapping.
    known = json.loads(upstreams) if isinstance(upstreams, str) else upstreams
    model = gateway.gateway_model(variables, Inventory(groups, hostvars, known), errors, drained, neighbours)
    if variables.get("websockets_state") == "absent":
        # Where the gateway is removed, errors do not matter.
        errors = Errors()
    found = {"errors": errors.lines, **gateway.basics(variables)}
    return found if model is None else {**found, **model}


class FilterModule:
    """The filter for Ansible's loader."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"gateway_model": gateway_model}
