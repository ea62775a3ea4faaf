#!/usr/bin/python
# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_probe_info
short_description: Probe the routes of a gateway, and change nothing
version_added: 0.5.0
author:
  - The wsfleet maintainers (@wsfleet)
description:
  - Probes routes as M(wsfleet.nginx.config_transaction) does after a deploy, by a real handshake or request for each.
  - The module does not fail where a probe fails, or where nginx does not run; it returns that.
  - With O(live_address), a route that passed in the last deploy and fails now has a RV(probes[].failure), and is not
    just RV(probes[].unverified).
options:
  live_address:
    description:
      - Where nginx reports which configuration is live, as V(HOST:PORT) or V([V6]:PORT).
      - Without it the host itself is not examined, as when routes are probed from another one.
    type: str
  config_path:
    description: The configuration file, for RV(file). Requires O(live_address).
    type: path
  health_flag:
    description: The file that takes the gateway out of its load balancers. Requires O(live_address).
    type: path
  backends:
    description: Servers of the upstreams to probe directly, each by the handshake or the request of a route.
    type: list
    elements: dict
    default: []
    suboptions:
      at:
        description: The O(probes[].at) of the route, which must have O(probes[].backends).
        type: str
        required: true
      addresses:
        description: The servers, as in O(probes[].backends.addresses).
        type: list
        elements: str
        required: true
extends_documentation_fragment:
  - wsfleet.nginx.attributes
  - wsfleet.nginx.attributes.linux
  - wsfleet.nginx.probes
seealso:
  - module: wsfleet.nginx.config_transaction
  - module: wsfleet.nginx.websocket_probe
"""

EXAMPLES = r"""
- name: Probe a route, and each of its servers directly
  wsfleet.nginx.gateway_probe_info:
    live_address: 127.0.0.1:488
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
      description: The path of the route in the variables.
      type: str
    site:
      description: The site's name.
      type: str
    path:
      description: The location's path.
      type: str
    status:
      description: The HTTP status of the response, or V(null) without one.
      type: int
    verified:
      description: What was verified, or empty.
      type: str
      sample: handshake
    failure:
      description: Why the probe failed, or empty.
      type: str
    unverified:
      description:
        - Why the route is served, but not verified, and what to set, or empty, as
          M(wsfleet.nginx.config_transaction) returns it.
      type: str
      version_added: 0.6.0
    hint:
      description:
        - What nginx has logged of the request, or else how the backends respond when they are probed directly, and what
          to do about it.
      type: str
    milliseconds:
      description: Milliseconds from the start of the connection to the response.
      type: float
    expires:
      description: When the certificate of the site expires, or V(null) without TLS.
      type: str
      sample: "2027-01-31T12:00:00Z"
backends:
  description: One result for each address of O(backends), in their order.
  type: list
  elements: dict
  returned: always
  contains:
    at:
      description: The O(probes[].at) of the route by which it was probed.
      type: str
    address:
      description: The address.
      type: str
    state:
      description:
        - V(up) if the probe passed; V(unexpected) if the response was another one; V(refused) if the connection was
          refused; V(timeout) without a response in time; V(closed) if the server closed the connection without a
          response; V(failed) for anything else.
      type: str
    status:
      description: The HTTP status of the response, or V(null) without one.
      type: int
    failure:
      description: Why it is not V(up), or empty.
      type: str
    milliseconds:
      description: Milliseconds from the start of the connection to the response.
      type: float
nginx_version:
  description: The version of the installed nginx, or V(null) without one.
  type: str
  returned: with O(live_address)
  sample: 1.22.1
openssl_version:
  description: The version of OpenSSL that nginx runs with, or V(null) without one.
  type: str
  returned: with O(live_address)
fingerprint:
  description: The fingerprint of the live configuration, or V(null) where nginx does not report it.
  type: str
  returned: with O(live_address)
connections:
  description: How many connections nginx holds, those to its backends included, or V(null) where it does not report it.
  type: int
  returned: with O(live_address)
file:
  description:
    - The state of the file that was deployed, at O(config_path) or where other sites of the host require it.
    - V(live) if nginx serves it, and it is as the last deploy left it. V(not_loaded) if nginx serves a configuration
      with another fingerprint, as after a reload that failed. V(edited) if it is not as the last deploy left it.
      V(missing) if it does not exist.
    - V(null) where nginx does not report the fingerprint.
  type: str
  returned: with O(live_address) and O(config_path)
out_of_rotation:
  description: Whether an operator took the gateway out of its load balancers.
  type: bool
  returned: with O(live_address)
drained:
  description: The servers that the last deploy keeps out of their upstreams until they are brought back.
  type: list
  elements: str
  returned: with O(live_address) and O(config_path)
  sample: [server02:3000]
"""

import contextlib
import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.wsfleet.nginx.plugins.module_utils import _drain_record, _host
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import binary, error_log
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe import argspec, diagnosis, routes
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.errors import Cause
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import (
    atomic_files,
    journal,
    live_config,
    other_sites,
)


def probe_routes(
    probes: t.Sequence[routes.Probe], live_address: str | None, path: str | None
) -> list[dict[str, t.Any]]:
    passed = passed_before(live_address) if live_address else ()
    logged = log_since(Path(path)) if live_address and path else None
    return [
        {"at": result.probe["at"], **result.as_dict(), "hint": hint(result, on_gateway=bool(live_address))}
        for result in diagnosis.probe_routes(probes, passed, logged)
    ]


def log_since(path: Path) -> t.Callable[[str, str], list[str]] | None:
    """What nginx logs of a request from now on."""
    text = ""
    with contextlib.suppress(OSError):
        text = path.read_text(encoding="utf-8", errors="replace")
    try:
        return error_log.ErrorLog(binary.installed(), [text]).about
    except binary.NginxError:
        return None


def passed_before(live_address: str) -> list[str]:
    """The routes that passed in the last deploy, if they are known."""
    try:
        return journal.Journal(live_address).deployed().passed
    except PermissionError:
        return []


def hint(result: routes.Result, *, on_gateway: bool) -> str:
    """The advice of the diagnosis, which assumes that nginx was just deployed; here it may not run."""
    if on_gateway and result.response.cause is Cause.REFUSED:
        return "nginx does not run, or does not listen there: see systemctl status nginx"
    return " ".join(line.strip() for line in diagnosis.describe([result], ())[1:]) if result.failed else ""


def probe_servers(
    probes: t.Sequence[routes.Probe], backends: t.Sequence[t.Mapping[str, t.Any]]
) -> list[dict[str, t.Any]]:
    by_path = {probe["at"]: probe for probe in probes if probe["backends"]}
    servers = [
        (by_path[item["at"]], address) for item in backends if item["at"] in by_path for address in item["addresses"]
    ]
    return [
        {
            "at": probe["at"],
            "address": address,
            "state": response.state,
            "status": response.status,
            "failure": response.failure,
            "milliseconds": response.milliseconds,
        }
        for (probe, address), response in zip(servers, routes.probe_servers(servers))
    ]


def nginx_facts(live_address: str) -> dict[str, t.Any]:
    try:
        build = binary.installed()
    except binary.NginxError:
        build = None
    # What another program says there says nothing of nginx.
    is_foreign = bool(_host.blockers(live_address))
    return {
        "nginx_version": build.version if build else None,
        "openssl_version": build.openssl if build else None,
        "fingerprint": None if is_foreign else live_config.fingerprint(live_address),
        "connections": None if is_foreign else live_config.connections(live_address),
    }


def file_facts(path: Path, live_address: str, fingerprint: str | None) -> dict[str, t.Any]:
    content = atomic_files.read(path)
    if content is None:
        return {"file": "missing"}
    file_state = None
    if fingerprint is not None:
        is_loaded = fingerprint.encode() in content.data
        file_state = "not_loaded" if not is_loaded else "edited" if is_edited(path, content, live_address) else "live"
    return {"file": file_state}


def drained(path: Path, live_address: str) -> list[str]:
    """The addresses of the drained servers, if they are known."""
    try:
        servers = _drain_record.servers(journal.Journal(live_address), path)
    except PermissionError:
        return []
    return sorted({server["address"] for server in servers or ()})


def is_edited(path: Path, content: atomic_files.Content, live_address: str) -> bool:
    """Whether it is known that the file was changed since the last deploy."""
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
    probes, live_address, path, flag = (module.params[name] for name in names)
    result: dict[str, t.Any] = {
        "probes": probe_routes(probes, live_address, path),
        "backends": probe_servers(probes, module.params["backends"]),
    }
    if live_address:
        result.update(nginx_facts(live_address))
        try:
            result["out_of_rotation"] = flag is not None and _drain_record.is_out(Path(flag))
            if path:
                file = other_sites.deployed_file(journal.Journal(live_address), Path(path))
                result.update(file_facts(file, live_address, result["fingerprint"]))
                result["drained"] = drained(file, live_address)
        except OSError as error:
            module.fail_json(msg=f"cannot read {error.filename}: {atomic_files.reason(error)}")
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
