#!/usr/bin/python
# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_probe_info
short_description: Tell whether a gateway serves its routes, and change nothing
version_added: 0.5.0
author:
  - The wsfleet maintainers (@wsfleet)
description:
  - Probes routes as M(wsfleet.nginx.config_transaction) does after a deploy, by a real handshake or request for each.
  - A route that is not verified is a result and no failure, and so is a gateway whose nginx does not run.
  - The last deploy is asked which routes it probed, so that one is told that fails since, with O(live_address).
options:
  live_address:
    description:
      - Where nginx tells which configuration is live, as V(HOST:PORT) or V([V6]:PORT).
      - Without it nothing is asked of the host itself, as when routes are verified from another one.
    type: str
  config_path:
    description: The file of the configuration, with O(live_address), to tell whether it is what nginx serves.
    type: path
  health_flag:
    description: The file that takes the gateway out of its balancers, with O(live_address).
    type: path
  backends:
    description: Servers of the upstreams to ask directly, each with the handshake or the request of a route.
    type: list
    elements: dict
    default: []
    suboptions:
      at:
        description: Which of O(probes), by its O(probes[].at). It needs O(probes[].backends).
        type: str
        required: true
      addresses:
        description: The servers, as in O(probes[].backends.addresses).
        type: list
        elements: str
        required: true
extends_documentation_fragment:
  - wsfleet.nginx.probes
attributes:
  check_mode:
    description: Runs the same in check mode, for it changes nothing.
    support: full
  diff_mode:
    description: Has nothing to show.
    support: none
  platform:
    description: Reads what deploys keep on the host.
    support: full
    platforms: linux
seealso:
  - module: wsfleet.nginx.config_transaction
  - module: wsfleet.nginx.websocket_probe
"""

EXAMPLES = r"""
- name: Probe a route, and ask the servers behind it
  wsfleet.nginx.gateway_probe_info:
    live_address: 127.0.0.1:6455
    config_path: /etc/nginx/conf.d/00-websockets.conf
    probes:
      - at: websockets_sites[0].locations[0]
        site: ws.serverlab.ca
        path: /
        url: ws://ws.serverlab.ca:3000/
        connect_to: 127.0.0.1:3000
        websocket: true
        backends:
          url: ws://ws.serverlab.ca/
          addresses: [server01:3000, server02:3000]
    backends:
      - at: websockets_sites[0].locations[0]
        addresses: [server01:3000, server02:3000]
"""

RETURN = r"""
probes:
  description: One result for each of O(probes), in their order.
  type: list
  elements: dict
  returned: always
  contains:
    at:
      description: The place of the route in the operator's variables.
      type: str
    site:
      description: The site's name.
      type: str
    path:
      description: The location's path.
      type: str
    status:
      description: The HTTP status of the answer, or nothing where there was none.
      type: int
    verified:
      description: What was verified, or nothing.
      type: str
      sample: handshake
    failure:
      description: Why the route is not verified, or nothing.
      type: str
    unverified:
      description:
        - Why the route is served and yet not verified, with what to set, or nothing, as
          M(wsfleet.nginx.config_transaction) returns it.
      type: str
      version_added: 0.6.0
    hint:
      description: What its backends answer when they are asked directly, and what to do about it.
      type: str
    milliseconds:
      description: Milliseconds from the start of the connection to the answer.
      type: float
    expires:
      description: When the certificate ends that nginx showed, or nothing without TLS.
      type: str
      sample: "2027-01-31T12:00:00Z"
backends:
  description: One result for each address of O(backends), in their order.
  type: list
  elements: dict
  returned: always
  contains:
    at:
      description: The route that it was asked for.
      type: str
    address:
      description: The address.
      type: str
    state:
      description:
        - V(up) took the handshake or the request, V(answered) answered something else, V(refused) let nobody connect,
          V(silent) did not answer in time, V(closed) ended the connection without an answer, and V(failed) is
          anything else.
      type: str
    status:
      description: The HTTP status of the answer, or nothing where there was none.
      type: int
    failure:
      description: Why it is not V(up), or nothing.
      type: str
    milliseconds:
      description: Milliseconds from the start of the connection to the answer.
      type: float
nginx_version:
  description: The version of the installed nginx, or nothing where there is none.
  type: str
  returned: with O(live_address)
  sample: 1.22.1
openssl_version:
  description: The version of OpenSSL that nginx runs with, or nothing without one.
  type: str
  returned: with O(live_address)
fingerprint:
  description: The fingerprint of the configuration that is live, or nothing where none tells it.
  type: str
  returned: with O(live_address)
connections:
  description: How many connections nginx holds, those to its backends included, or nothing where it does not tell.
  type: int
  returned: with O(live_address)
file:
  description:
    - What is to be said of the file at O(config_path).
    - V(live) is what nginx serves, and as the last deploy left it. V(other) has another fingerprint than what nginx
      serves, as after a reload that failed. V(edited) is not as the last deploy left it. V(missing) is not there.
    - Nothing where nginx tells no fingerprint.
  type: str
  returned: with O(live_address) and O(config_path)
out:
  description: Whether an operator took the gateway out of its balancers.
  type: bool
  returned: with O(live_address)
drained:
  description: The servers that the last deploy keeps out of their upstreams until they are brought back.
  type: list
  elements: str
  returned: with O(live_address) and O(config_path)
  sample: [server02:3000]
"""

import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.wsfleet.nginx.plugins.module_utils import _drain_record
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import binary
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe import argspec, diagnosis, routes
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import atomic_files, journal, live_config

# As after a deploy: another server of the upstream may answer.
_PATIENCE = 1.0


def verified(given: t.Sequence[routes.Probe], live_address: str | None) -> list[dict[str, t.Any]]:
    passed = passed_before(live_address) if live_address else ()
    return [
        {"at": result.probe["at"], **result.plain(), "hint": hint(result, on_gateway=bool(live_address))}
        for result in (
            diagnosis.judged(asked, passed) for asked in routes.ask_backends(routes.probe_all(given, _PATIENCE))
        )
    ]


def passed_before(live_address: str) -> list[str]:
    """The routes that the last deploy probed, if it is known."""
    try:
        return journal.Journal(live_address).deployed().passed
    except PermissionError:
        return []


def hint(result: routes.Result, *, on_gateway: bool) -> str:
    """What verdict tells of a route below the line that names it; it goes by an nginx that was just deployed."""
    if on_gateway and result.answer.state == "refused":
        return "nginx does not run, or does not listen there: systemctl status nginx tells"
    return " ".join(line.strip() for line in diagnosis.told([result], ())[1:]) if result.failed else ""


def asked(given: t.Sequence[routes.Probe], backends: t.Sequence[t.Mapping[str, t.Any]]) -> list[dict[str, t.Any]]:
    by_place = {probe["at"]: probe for probe in given if probe["backends"]}
    pairs = [
        (by_place[item["at"]], address) for item in backends if item["at"] in by_place for address in item["addresses"]
    ]
    return [
        {
            "at": probe["at"],
            "address": address,
            "state": answer.state,
            "status": answer.status,
            "failure": answer.failure,
            "milliseconds": answer.milliseconds,
        }
        for (probe, address), answer in zip(pairs, routes.ask(pairs))
    ]


def of_nginx(live_address: str) -> dict[str, t.Any]:
    try:
        build = binary.installed()
    except binary.NginxError:
        build = None
    return {
        "nginx_version": build.version if build else None,
        "openssl_version": build.openssl if build else None,
        "fingerprint": live_config.fingerprint(live_address),
        "connections": live_config.connections(live_address),
    }


def of_file(path: Path, live_address: str, fingerprint: str | None) -> dict[str, t.Any]:
    content = atomic_files.read(path)
    if content is None:
        return {"file": "missing"}
    word = None
    if fingerprint is not None:
        is_served = fingerprint.encode() in content.data
        word = "other" if not is_served else "edited" if is_edited(path, content, live_address) else "live"
    return {"file": word}


def drained(path: Path, live_address: str) -> list[str]:
    """Where the servers are that are drained, if it is known."""
    try:
        servers = _drain_record.servers(journal.Journal(live_address), path)
    except PermissionError:
        return []
    return sorted({server["address"] for server in servers or ()})


def is_edited(path: Path, content: atomic_files.Content, live_address: str) -> bool:
    """Whether it is known that somebody changed the file since the last deploy."""
    try:
        last = journal.Journal(live_address).last()
    except PermissionError:
        return False
    file = last.file(path) if last else None
    return file is not None and journal.digest(content) not in file.after


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "live_address": {"type": "str"},
            "config_path": {"type": "path"},
            "health_flag": {"type": "path"},
            "probes": argspec.SPEC,
            "backends": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "at": {"type": "str", "required": True},
                    "addresses": {"type": "list", "elements": "str", "required": True},
                },
            },
        },
        required_by={"config_path": "live_address", "health_flag": "live_address"},
        supports_check_mode=True,
    )
    names = ("probes", "live_address", "config_path", "health_flag")
    given, live_address, path, flag = (module.params[name] for name in names)
    result: dict[str, t.Any] = {
        "probes": verified(given, live_address),
        "backends": asked(given, module.params["backends"]),
    }
    if live_address:
        result.update(of_nginx(live_address), out=flag is not None and _drain_record.is_out(Path(flag)))
        if path:
            try:
                result.update(of_file(Path(path), live_address, result["fingerprint"]))
                result["drained"] = drained(Path(path), live_address)
            except OSError as error:
                module.fail_json(msg=f"cannot read {path}: {error.strerror}")
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
