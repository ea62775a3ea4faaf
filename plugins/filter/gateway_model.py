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
    template prints, what the gateway is asked before a deploy and what probes it afterwards.
  - It reads nothing but its arguments, so that the same input gives the same model, with no host at hand.
positional: _input, groups, hostvars, upstreams, drained
options:
  _input:
    description:
      - All variables whose names start with C(websockets_), under their names. Another name is an error.
      - C(websockets_nginx_version) and C(websockets_openssl_version) are the versions on the gateway. While the former
        is not known, the variables are checked for the newest nginx. While the latter is not, what an OpenSSL may lack
        is left out.
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
      - The names by which servers were taken out before, as M(wsfleet.nginx.gateway_preflight_info) returns them. They
        stay out, but for those of C(websockets_undrain).
    type: list
    elements: str
    default: []
    version_added: 0.5.0
notes:
  - Errors do not raise an error, for Ansible would print it once in each of its layers. They are returned, all at once.
"""

EXAMPLES = """
- name: Stop before any host is touched
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
  description: The errors of the variables, and the model where there are none.
  type: dict
  contains:
    errors:
      description:
        - One line for each error, that starts with its place, such as C(websockets_sites[0].locations[2].upstream).
        - Where there are any, C(files) and C(serial) are the only other keys.
      type: list
      elements: str
    files:
      description: The files of a gateway beside its configuration, the C(log), and the C(flag) by which it is drained.
      type: dict
      version_added: 0.7.0
    serial:
      description: The sizes of the batches, or nothing where they are an error.
      type: list
      elements: raw
      version_added: 0.7.0
    warnings:
      description: What is allowed, but usually a mistake, such as an upstream that no location uses.
      type: list
      elements: str
    nginx_version:
      description: The version that the model is for, or nothing where none is known.
      type: str
    openssl_version:
      description: The version of OpenSSL that the model is for, or nothing where none is known.
      type: str
    suits_since:
      description:
        - The version since which each nginx takes the same text, or nothing where later ones take another one, or not
          all of it.
      type: str
    depends_on_openssl:
      description: Whether another version of OpenSSL takes another text.
      type: bool
    lines:
      description: The lines of the configuration below the comment at its head, in their order and indented.
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
        - The upstreams, each with its C(name) and its C(servers). They have an C(address) and a C(state), which is
          V(drained), V(off) for one that is C(down) by the inventory, or nothing.
      type: list
      elements: dict
    drained:
      description: Each server that is taken out of its upstreams, by its C(address), and the C(name) by which it was.
      type: list
      elements: dict
      version_added: 0.7.0
    listening:
      description: Each C(address) that nginx will listen on, and the place in the variables, C(at).
      type: list
      elements: dict
    names:
      description: Each host C(name) that the gateway has to resolve, and the place in the variables, C(at).
      type: list
      elements: dict
    probes:
      description:
        - How each route is verified, as option C(probes) of M(wsfleet.nginx.config_transaction), but for the headers,
          which P(wsfleet.nginx.gateway_probes#filter) adds.
      type: list
      elements: dict
    health_flag:
      description: The file that takes the gateway out of its balancers, or nothing without C(websockets_health_path).
      type: str
    health_wait:
      description: The seconds for which a deploy takes it out.
      type: float
    drain:
      description:
        - The names that are taken C(out) and brought C(back), those of them that servers of this gateway are called by
          (C(here)), the C(addresses) of what is taken out, and for how many C(seconds) to wait for its connections.
      type: dict
    routes:
      description:
        - Every location, with its place C(at), its C(site) and C(path), and the name of its C(upstream) or the
          C(target) where it leads without one.
        - C(outside) is where other hosts reach it, an address, or a port alone where that is any address of the
          gateway. Where it is nothing, they cannot, as with a loopback address.
      type: list
      elements: dict
      version_added: 0.5.0
    digest:
      description:
        - The same for gateways that get the same lines, if they have the same nginx. The live configuration returns it
          as its fingerprint.
      type: str
      version_added: 0.5.0
"""

import json
import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._model import gateway
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.errors import Errors
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.upstream_servers import Inventory


def gateway_model(
    variables: t.Mapping[str, t.Any],
    groups: t.Mapping[str, t.Sequence[str]],
    hostvars: t.Mapping[str, t.Mapping[str, t.Any]],
    upstreams: t.Mapping[str, t.Any] | str = "{}",
    drained: t.Collection[str] = (),
) -> dict[str, t.Any]:
    errors = Errors()
    # ansible-core 2.18 makes a mapping of a text that looks like one.
    known = json.loads(upstreams) if isinstance(upstreams, str) else upstreams
    model = gateway.gateway_model(variables, Inventory(groups, hostvars, known), errors, drained)
    if variables.get("websockets_state") == "absent":
        # What is to be removed need not be sound.
        errors = Errors()
    found = {"errors": errors.lines, **gateway.basics(variables)}
    return found if model is None else {**found, **model}


class FilterModule:
    """The filter for Ansible's loader."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"gateway_model": gateway_model}
