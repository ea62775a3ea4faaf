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
  certificates:
    description:
      - The certificates that nginx presents, for RV(certificates). They are compared with those that the probes get.
      - Requires O(live_address).
    type: list
    elements: dict
    default: []
    version_added: 0.8.0
    suboptions:
      site:
        description: The O(probes[].site) of the site.
        type: str
        required: true
      path:
        description: The file of its certificate.
        type: path
        required: true
  sockets:
    description:
      - How many WebSockets nginx must be able to hold, for RV(nginx.shortfalls). Without it, limits are not checked.
      - Requires O(live_address).
    type: int
    version_added: 0.8.0
  guard:
    description:
      - The choice of the role's variable C(websockets_guard_upgrades), for RV(nginx.unguarded). Requires
        O(live_address).
    type: str
    choices: [exchange, defer, ignore]
    default: ignore
    version_added: 0.10.0
  service:
    description: Whether to check that nginx starts at boot, for RV(nginx.is_enabled). Requires O(live_address).
    type: bool
    default: false
    version_added: 0.8.0
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
  - wsfleet.nginx.other_sites
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
  description: One result for each of O(probes) without a O(probes[].rule), in their order.
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
    elsewhere:
      description:
        - Whether the address of the site is not on this host, so that another one would respond. The route is not
          probed, and RV(probes[].unverified) says so. Always V(false) without O(live_address).
      type: bool
      version_added: 0.8.0
    expires:
      description: When the certificate of the site expires, or V(null) without TLS.
      type: str
      sample: "2027-01-31T12:00:00Z"
    valid_from:
      description: Since when it is valid, or V(null) without TLS.
      type: str
      sample: "2026-11-02T12:00:00Z"
      version_added: 0.8.0
refusals:
  description: One result for each of O(probes) with a O(probes[].rule), in their order.
  type: list
  elements: dict
  returned: always
  version_added: 0.11.0
  contains:
    at:
      description: The path of the variable that has nginx refuse it.
      type: str
      sample: websockets_sites[0].allowed_origins
    site:
      description: The site's name.
      type: str
    path:
      description: The location's path.
      type: str
    rule:
      description: The rule, O(probes[].rule).
      type: str
    status:
      description: The HTTP status of the response, or V(null) without one.
      type: int
    verified:
      description: What was verified, or empty.
      type: str
      sample: refused with 403
    failure:
      description: How nginx does not refuse it, or empty.
      type: str
    unverified:
      description: Why it is not known whether nginx refuses it, or empty.
      type: str
    milliseconds:
      description: Milliseconds from the start of the connection to the response.
      type: float
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
    - V(live) if nginx serves it, and it is as the last deploy left it. V(not_loaded) if nginx serves another
      configuration, as after a reload that failed, or an edit without a reload. V(edited) if nginx serves it, and it is
      not as the last deploy left it. V(missing) if it does not exist.
    - V(null) where nginx does not report the fingerprint.
  type: str
  returned: with O(live_address) and O(config_path)
out_of_rotation:
  description: Whether an operator took the gateway out of its load balancers.
  type: bool
  returned: with O(live_address)
left_out:
  description: Whether a deploy took it out of its load balancers, and has not brought it back.
  type: bool
  returned: with O(live_address)
  version_added: 0.8.0
unfinished:
  description: When the deploy was begun that was not completed, or V(null) without one.
  type: str
  returned: with O(live_address)
  sample: 2026-01-31 12:00:00 UTC
  version_added: 0.8.0
deploying:
  description: Whether a deploy is running now.
  type: bool
  returned: with O(live_address)
  version_added: 0.8.0
holder:
  description: The program that listens at O(live_address) instead of nginx, or V(null).
  type: str
  returned: with O(live_address)
  sample: python3 (pid 4711, user nobody)
  version_added: 0.8.0
nginx:
  description: The condition of the running nginx, or V(null) where nginx is not installed.
  type: dict
  returned: with O(live_address)
  version_added: 0.8.0
  contains:
    master:
      description: The process id of its master, or V(null) if none runs.
      type: int
    is_recorded:
      description: Whether the pid file names it.
      type: bool
    version:
      description: The version that runs, or V(null) if none does.
      type: str
      sample: 1.22.1
    is_replaced:
      description: Whether the file of its binary was replaced since it was started.
      type: bool
    replaced:
      description:
        - The files that it has loaded, its binary, modules and libraries, that are others on the disk by now, as after
          an upgrade of their packages.
      type: list
      elements: str
      version_added: 0.10.0
    unguarded:
      description:
        - The files that O(guard) needs and that are missing or are of somebody else.
      type: list
      elements: str
      version_added: 0.10.0
    package:
      description: The version of the package that the running binary is of, or V(null) if that is not known.
      type: str
      version_added: 0.10.0
      sample: 1.22.1-9+deb12u9
    installed_package:
      description: The version of the package that the installed binary is of, or V(null) if it is of none.
      type: str
      version_added: 0.10.0
      sample: 1.22.1-9+deb12u11
    earlier_master:
      description:
        - The process id of the earlier master, if its workers still accept connections after an upgrade of the binary.
          Else V(null).
      type: int
    orphans:
      description: How many workers accept connections although their master was killed.
      type: int
    generations:
      description:
        - The workers that are shutting down and wait for their connections to close, those together that began to do so
          together, at a reload - how many (C(workers)), since when (C(since)), how many connections to backends they
          have (C(sockets)), and how much memory (C(bytes)). The oldest ones come first.
        - It replaces C(old_workers) since 0.10.0.
      type: list
      elements: dict
      version_added: 0.10.0
    memory:
      description:
        - The memory in bytes that is C(available) to nginx, and that a full generation for O(sockets) takes
          (C(needed)). V(null) without O(sockets).
      type: dict
      version_added: 0.10.0
    pacer:
      description:
        - Whether the service that ends the connections of old workers at a pace is running, or V(null) where it is not
          in use.
      type: bool
      version_added: 0.10.0
    prober:
      description: The same of the service that probes the routes all the time.
      type: bool
      version_added: 0.11.0
    shortfalls:
      description: The limits that are too low for O(sockets).
      type: list
      elements: str
    is_enabled:
      description: Whether it starts at boot, or V(null) if that is unknown, or without O(service).
      type: bool
certificates:
  description: One result for each of O(certificates), in their order.
  type: list
  elements: dict
  returned: with O(live_address)
  version_added: 0.8.0
  contains:
    site:
      description: The site's name.
      type: str
    path:
      description: The file.
      type: str
    state:
      description:
        - V(loaded) if nginx presents the certificate in the file; V(not_loaded) if it presents another one, as after a
          renewal without a reload; V(missing) if the file does not exist, and V(invalid) if it has no certificate.
        - V(null) if no probe of the site got a certificate.
      type: str
preflight:
  description: What M(wsfleet.nginx.gateway_preflight_info) returns of the host that the gateway's model depends on.
  type: dict
  returned: with O(live_address) and O(config_path)
  version_added: 0.8.0
drained:
  description:
    - The servers that the last deploy keeps out of their upstreams until they are brought back, each with its
      C(address) and the C(name) by which it was drained.
  type: list
  elements: dict
  returned: with O(live_address) and O(config_path)
  sample: [{"name": "server02", "address": "server02:3000"}]
"""

import contextlib
import ipaddress
import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.wsfleet.nginx.plugins.module_utils import _drain_record, _host
from ansible_collections.wsfleet.nginx.plugins.module_utils._lifetime import guard
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import (
    binary,
    condition,
    error_log,
    package,
    processes,
    sharing,
)
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe import argspec, certificate, diagnosis, routes
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.errors import Cause
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import (
    atomic_files,
    journal,
    live_config,
    lock,
    other_sites,
)


def installed_build() -> binary.Build | None:
    """What is installed; None without nginx, or where it does not start."""
    try:
        return binary.installed()
    except binary.NginxError:
        return None


def probe_routes(
    probes: t.Sequence[routes.Probe], live_address: str | None, path: str | None, build: binary.Build | None
) -> list[routes.Result]:
    passed = passed_before(live_address) if live_address else ()
    logged = log_since(build, live_address, Path(path)) if live_address and path and build else None
    return diagnosis.probe_routes(probes, passed, logged, on_gateway=bool(live_address))


def as_returned(result: routes.Result, live_address: str | None) -> dict[str, t.Any]:
    return {"at": result.probe["at"], **result.as_dict(), "hint": hint(result, on_gateway=bool(live_address))}


def log_since(build: binary.Build, live_address: str, path: Path) -> t.Callable[[str, str], list[str]]:
    """What nginx logs of a request from now on."""
    text = ""
    with contextlib.suppress(OSError):
        file = other_sites.deployed_file(journal.Journal(live_address), path)
        text = file.read_text(encoding="utf-8", errors="replace")
    return error_log.ErrorLog(build, [text]).about


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


def nginx_facts(
    kept: journal.Journal, build: binary.Build | None, sockets: int | None, guarded: str, *, with_service: bool
) -> dict[str, t.Any]:
    found = condition.condition(build, sockets, recorded_binary(kept), with_service=with_service) if build else None
    # What another program says there says nothing of nginx.
    holder = other_program(kept.live_address, build, has_orphans=bool(found and found["orphans"]))
    return {
        "nginx_version": build.version if build else None,
        "openssl_version": build.openssl if build else None,
        "fingerprint": None if holder else live_config.fingerprint(kept.live_address),
        "connections": None if holder else live_config.connections(kept.live_address),
        "holder": holder,
        "nginx": {**found, "unguarded": guard.missing(guarded)} if found else None,
    }


def recorded_binary(kept: journal.Journal) -> package.Binary | None:
    try:
        return kept.deployed().binary
    except PermissionError:
        return None


def other_program(address: str, build: binary.Build | None, *, has_orphans: bool) -> str | None:
    """The program that listens at an address instead of nginx."""
    programs = _host.blockers(address, lambda pid: processes.is_of(build, pid))
    # The files of workers whose master was killed cannot be seen everywhere.
    if programs is None or (not programs and has_orphans):
        return None
    return ", ".join(map(str, programs)) or _host.UNSEEN


def other_sites_of(build: binary.Build | None, params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """What other sites of the host require; conflicts with them are for the next deploy to report."""
    try:
        return other_sites.found(build, params).as_dict() if build and params["compared"] else {}
    except (binary.NginxError, OSError):
        return {}


def file_facts(path: Path, kept: journal.Journal, fingerprint: str | None, loaded_at: float | None) -> dict[str, t.Any]:
    content = atomic_files.read(path)
    if content is None:
        return {"file": "missing"}
    file_state = None
    if fingerprint is not None:
        file_state = "live" if fingerprint.encode() in content.data else "not_loaded"
        if file_state == "live" and is_edited(path, content, kept):
            # An edit leaves the fingerprint in the file as it was.
            is_later = loaded_at is not None and path.stat().st_ctime > loaded_at
            file_state = "not_loaded" if is_later else "edited"
    return {"file": file_state}


def is_edited(path: Path, content: atomic_files.Content, kept: journal.Journal) -> bool:
    """Whether it is known that the file was changed since the last deploy."""
    last = kept.last()
    file = last.file(path) if last else None
    return file is not None and journal.digest(content) not in file.after


def unfinished_since(kept: journal.Journal) -> str | None:
    """When a deploy was begun that was not completed."""
    try:
        unfinished = kept.unfinished()
    except journal.Damaged as damaged:
        return f"an unknown time ({damaged})"
    return unfinished.time if unfinished else None


def deploy_facts(kept: journal.Journal, flag: Path | None) -> dict[str, t.Any]:
    """A deploy that was not completed, and whether the gateway is out of its load balancers."""
    return {
        "unfinished": unfinished_since(kept),
        "deploying": lock.is_held(),
        "out_of_rotation": flag is not None and _drain_record.is_out(flag),
        "left_out": flag is not None and _drain_record.is_left_out(flag),
    }


def drain_facts(build: binary.Build | None, kept: journal.Journal, path: Path) -> dict[str, t.Any]:
    servers = _drain_record.servers(kept, path)
    names = None if servers is None else sorted({server["name"] for server in servers})
    return {
        "preflight": {
            "nginx_version": build.version if build else None,
            "openssl_version": build.openssl if build else None,
            "drained": names,
        },
        "drained": [{"name": server["name"], "address": server["address"]} for server in servers or ()],
    }


def certificate_facts(
    given: t.Sequence[t.Mapping[str, str]], results: t.Sequence[routes.Result]
) -> list[dict[str, str | None]]:
    on_disk = {item["path"]: file_digest(Path(item["path"])) for item in given}
    presented: dict[str, set[str]] = {}
    for result in results:
        if result.certificate.digest:
            presented.setdefault(result.probe["site"], set()).add(result.certificate.digest)
    return [{**item, "state": certificate_state(on_disk, item, presented.get(item["site"], set()))} for item in given]


def file_digest(path: Path) -> str | None:
    try:
        return certificate.digest_in(path)
    except FileNotFoundError:
        return ""


def certificate_state(
    on_disk: t.Mapping[str, str | None], given: t.Mapping[str, str], presented: t.Collection[str]
) -> str | None:
    digest = on_disk[given["path"]]
    if not digest:
        return "missing" if digest == "" else "invalid"
    if not presented:
        return None
    # Clients of an IP address send no name in the TLS handshake, and may get the certificate of another site.
    accepted = set(on_disk.values()) if is_ip(given["site"]) else {digest}
    return "loaded" if accepted.issuperset(presented) else "not_loaded"


def is_ip(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def host_facts(
    module: AnsibleModule,
    build: binary.Build | None,
    results: t.Sequence[routes.Result],
    neighbours: t.Mapping[str, t.Any],
) -> dict[str, t.Any]:
    names = ("config_path", "health_flag")
    path, flag = (Path(module.params[name]) if module.params[name] else None for name in names)
    kept = journal.Journal(module.params["live_address"])
    if path:
        kept.take_over([path])
    wanted = module.params["sockets"], module.params["guard"]
    found = nginx_facts(kept, build, *wanted, with_service=module.params["service"])
    found.update(deploy_facts(kept, flag), certificates=certificate_facts(module.params["certificates"], results))
    if path:
        loaded_at = processes.loaded_at(build) if build else None
        file = other_sites.deployed_file(kept, path)
        found.update(file_facts(file, kept, found["fingerprint"], loaded_at), **drain_facts(build, kept, file))
        found["preflight"]["neighbours"] = neighbours
    return found


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "live_address": {"type": "str"},
            "config_path": {"type": "path"},
            "compared": other_sites.SPEC,
            "health_flag": {"type": "path"},
            "certificates": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {"site": {"type": "str", "required": True}, "path": {"type": "path", "required": True}},
            },
            "sockets": {"type": "int"},
            "service": {"type": "bool", "default": False},
            "guard": {"type": "str", "choices": ["exchange", "defer", "ignore"], "default": "ignore"},
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
        required_by={
            **dict.fromkeys(("config_path", "health_flag", "sockets"), "live_address"),
            "compared": ("config_path", "live_address"),
        },
        supports_check_mode=True,
    )
    probes, live_address = module.params["probes"], module.params["live_address"]
    # Elsewhere than on the gateway itself, nginx does not matter.
    build = installed_build() if live_address else None
    neighbours = other_sites_of(build, module.params)
    # The model of the caller may not know yet what is beside the gateway: another site may serve any name there.
    probes = [
        probe
        for probe in probes
        if probe["rule"] != "host" or not sharing.has_default(probe["connect_to"], neighbours.get("defaults", ()))
    ]
    for probe in probes:
        probe["connect_to"] = sharing.reached(probe["connect_to"], neighbours.get("loopback", ()))
    results = probe_routes(probes, live_address, module.params["config_path"], build)
    result: dict[str, t.Any] = {
        "probes": [as_returned(found, live_address) for found in results if not found.rule],
        "refusals": [found.as_refusal() for found in results if found.rule],
        "backends": probe_servers(probes, module.params["backends"]),
    }
    if live_address:
        try:
            result.update(host_facts(module, build, results, neighbours))
        except OSError as error:
            module.fail_json(msg=f"cannot read {error.filename}: {atomic_files.reason(error)}")
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
