#!/usr/bin/python
# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_preflight_info
short_description: Check whether a host can become the gateway that its variables describe
version_added: 0.1.0
author:
  - The wsfleet maintainers (@wsfleet)
description:
  - Checks a host before anything on it is changed, and fails with every reason why a deploy could not succeed.
  - The reasons are missing root rights, an nginx that does not start or is too old, or another nginx in the place of
    it, a missing nginx that cannot be installed, an address that another program listens on, names of backends that the
    host cannot resolve, certificates that do not exist or do not fit their keys, missing directories, and what SELinux
    forbids. With any of them nginx would not start, or would keep serving the earlier configuration.
options:
  guard_upgrades:
    description:
      - What is to become of restarts of nginx by upgrades of its package, as in
        O(wsfleet.nginx.config_transaction#module:drop_in). It warns if the host cannot have that.
    type: str
    choices: [ignore, exchange, defer]
    default: ignore
    version_added: 0.10.0
  paces:
    description: Whether the sockets of old workers are to be ended at a pace. It warns if the host cannot do that.
    type: bool
    default: false
    version_added: 0.10.0
  prober:
    description:
      - Whether routes are to be probed all the time, as in O(wsfleet.nginx.config_transaction#module:drop_in). It warns
        if the host cannot do that.
    type: bool
    default: false
    version_added: 0.11.0
  sockets:
    description:
      - How many WebSockets the gateway is to hold. It warns if workers are shutting down and the memory is not enough
        for as many sockets in new ones, as after one more deploy.
    type: int
    version_added: 0.10.0
  state:
    description: Whether the host is to become a gateway, which V(absent) needs none of the checks for.
    type: str
    choices: [present, absent]
    default: present
    version_added: 0.8.0
  certificates:
    description: The certificates on the host that the configuration names.
    type: list
    elements: dict
    default: []
    version_added: 0.8.0
    suboptions:
      path:
        description: The file of a certificate or, without O(certificates[].key), of CAs.
        type: str
        required: true
      key:
        description: The file of its key.
        type: str
      at:
        description:
          - The path of its variable, such as V(websockets_sites[0].ssl_certificate), for the message. The variable of
            the key ends with C(_key).
        type: str
        required: true
  connects:
    description: Whether nginx connects to servers over TCP, which SELinux may forbid.
    type: bool
    default: false
    version_added: 0.9.0
  directories:
    description: The directories that nginx does not start without, as it creates logs or Unix sockets in them.
    type: list
    elements: dict
    default: []
    version_added: 0.8.0
    suboptions:
      path:
        description: The directory.
        type: str
        required: true
      at:
        description: The path of the variable, such as V(websockets_sites[0].access_log), for the message.
        type: str
        required: true
  listening:
    description: The addresses that nginx will listen on.
    type: list
    elements: dict
    default: []
    suboptions:
      address:
        description: The address, as V(PORT), V(HOST:PORT), V([V6]:PORT) or V(unix:/PATH). Unix sockets are not checked.
        type: str
        required: true
      at:
        description: The path of its variable, such as V(websockets_sites[0].listen), for the message.
        type: str
        required: true
  config_path:
    description: The file of nginx's configuration that a deploy writes, to see what is drained.
    type: path
    version_added: 0.5.0
  live_address:
    description:
      - The address of the option of the same name of M(wsfleet.nginx.config_transaction), under which the host keeps
        what was deployed. Needed with O(config_path).
    type: str
    version_added: 0.7.0
  serves:
    description:
      - The sites of the configuration, as in O(wsfleet.nginx.config_transaction#module:serves), to find
        what the host keeps if both O(live_address) and O(config_path) have changed.
    type: list
    elements: str
    default: []
    version_added: 0.8.0
  manages_selinux:
    description:
      - Whether the caller has SELinux allow what RV(selinux) lists. Otherwise that is a reason to fail, with the
        commands to type.
    type: bool
    default: false
    version_added: 0.9.0
  names:
    description: The host names that nginx resolves when it loads its configuration.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The host name.
        type: str
        required: true
      at:
        description: The path of its variable, such as V(websockets_sites[0].listen), for the message.
        type: str
        required: true
extends_documentation_fragment:
  - wsfleet.nginx.other_sites
  - wsfleet.nginx.attributes
  - wsfleet.nginx.attributes.linux
seealso:
  - module: wsfleet.nginx.config_transaction
"""

EXAMPLES = r"""
- name: Check the host before it is changed
  wsfleet.nginx.gateway_preflight_info:
    listening:
      - address: "3000"
        at: websockets_sites[0].listen
    names:
      - name: server01
        at: websockets_upstreams[0].servers[0]
"""

RETURN = r"""
nginx_version:
  description: The version of the installed nginx, or V(null) without one.
  type: str
  returned: always
  sample: 1.22.1
openssl_version:
  description:
    - The version of OpenSSL that nginx runs with, which may not be the one that it was built with.
    - V(null) without nginx, or if it uses another TLS library, or none.
  type: str
  returned: always
  sample: 3.0.15
  version_added: 0.4.0
drained:
  description:
    - The names by which servers are drained since the last deploy, or V(null) without one.
    - After a deploy by release 0.6.0 or earlier, those that the comments of O(config_path) name.
  type: list
  elements: str
  returned: always
  sample: [server02]
  version_added: 0.5.0
notices:
  description: The warnings of this host, as M(wsfleet.nginx.config_transaction) returns them.
  type: list
  elements: str
  returned: always
  version_added: 0.8.0
neighbours:
  description: What the configuration has to do differently for the other sites of the host; empty without any.
  type: dict
  returned: always
  version_added: 0.8.0
  contains:
    ca_file:
      description: The CAs that the host trusts, if not O(compared.ca_file).
      type: str
      version_added: 0.9.0
    defaults:
      description: The addresses of O(compared.servers) whose default server is another site's.
      type: list
      elements: str
    hashes:
      description: Those of O(compared.hashes) that the host has enough of.
      type: list
      elements: str
    loopback:
      description:
        - Loopback addresses where another site responds, and not a server of O(compared.servers) that listens on all
          addresses.
      type: list
      elements: str
    options:
      description: The addresses of O(compared.servers) whose sockets have options in another file.
      type: list
      elements: str
    path:
      description:
        - The file to write in place of O(config_path), which nginx would read before a server that is the default one
          of its address only because it comes first. V(null) if O(config_path) suits.
      type: str
      sample: /etc/nginx/sites-enabled/zz-websockets.conf
    warnings:
      description: What is allowed but usually a mistake.
      type: list
      elements: str
package_manager:
  description: What installs packages on the host, V(apt), V(dnf) or V(dnf5), or V(null) without any of them.
  type: str
  returned: always
  sample: dnf
  version_added: 0.9.0
selinux:
  description: What SELinux does not let nginx do; only where it enforces its policy.
  type: dict
  returned: always
  version_added: 0.9.0
  contains:
    connects:
      description: Whether nginx may not connect to servers, as C(httpd_can_network_connect) is off.
      type: bool
    ports:
      description: The ports of O(listening) that are not of the type C(http_port_t), and that nginx does not have yet.
      type: list
      elements: int
"""

import os
import typing as t
from pathlib import Path

from ansible_collections.wsfleet.nginx.plugins.module_utils import (
    _certificates,
    _drain_record,
    _firewall,
    _host,
    _notices,
    _packages,
    _selinux,
)
from ansible_collections.wsfleet.nginx.plugins.module_utils._lifetime import guard, requirements
from ansible_collections.wsfleet.nginx.plugins.module_utils._metrics import prober_unit
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import binary, generations, memory, processes
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import atomic_files, journal, other_sites

# The package creates it.
_LOGS = "/var/log/nginx"


def errors(listening: list[dict[str, str]], names: list[dict[str, str]], build: binary.Build | None) -> t.Iterator[str]:
    if os.geteuid() != 0:
        yield "root rights are required to install and configure nginx: connect as root, or set become: true"
        return

    def is_own(pid: int) -> bool:
        return processes.is_of(build, pid)

    for item in listening:
        programs = None if item["address"].startswith("unix:") else _host.blockers(item["address"], is_own)
        # The files of workers whose master was killed cannot be seen everywhere; a deploy ends them.
        if programs or (programs is not None and not processes.orphans()):
            holders = ", ".join(map(str, programs)) or _host.UNSEEN
            yield f"{item['at']}: {item['address']} is in use by {holders}: stop it, or set another port"
    reasons = _host.unresolved([item["name"] for item in names])
    for item in names:
        if item["name"] in reasons:
            yield f"{item['at']}: '{item['name']}' does not resolve on this host ({reasons[item['name']]})"


def missing(params: t.Mapping[str, t.Any], build: binary.Build | None) -> t.Iterator[str]:
    """The nginx and the files that are missing on the host."""
    if params["state"] == "absent" or os.geteuid() != 0:
        return
    obstacle = None if build else _packages.obstacle()
    if obstacle:
        yield obstacle
    yield from others(build, params["live_address"])
    host_cas = (params["compared"] or {}).get("ca_file")
    certificates = [_certificates.Certificate(**item) for item in params["certificates"]]
    yield from _certificates.errors(
        found._replace(path=_certificates.ca_file(found.path)) if found.path == host_cas else found
        for found in certificates
    )
    for item in params["directories"]:
        if not Path(item["path"]).is_dir() and (build or item["path"] != _LOGS):
            yield f"{item['at']}: the directory {item['path']} does not exist"


def others(build: binary.Build | None, live_address: str | None) -> t.Iterator[str]:
    """An nginx that runs in the place of the one that this role manages. Beside one that works it is a neighbour."""
    masters = processes.masters()
    if any(processes.is_of(build, pid) for pid in masters):
        return
    if build and live_address and journal.Journal(live_address).deployed().files:
        # It works otherwise: a deploy starts it again.
        return
    for pid, path in masters.items():
        own = f"{build.binary}, which this role manages, does not run" if build else "this role would install another"
        choice = f"start {build.binary}, if the two share no ports" if build else "have it on the PATH"
        yield f"nginx runs from {path} (pid {pid}), and {own}: stop that one and disable it, or {choice}"


def new_ports(listening: t.Iterable[t.Mapping[str, str]], build: binary.Build | None) -> dict[int, str]:
    """The ports that nginx does not listen on yet, each with the path of its variable."""
    found: dict[int, str] = {}
    for item in listening:
        if not item["address"].startswith("unix:"):
            found.setdefault(int(item["address"].rpartition(":")[2]), item["at"])
    return {
        port: at
        for port, at in found.items()
        if not any(processes.is_of(build, program.pid) for program in _host.listening(port))
    }


def warn_of_firewall(module: _notices.Module, build: binary.Build | None) -> None:
    if not _firewall.is_installed():
        return
    public = [item for item in module.params["listening"] if not item["address"].startswith(("127.", "[::1]"))]
    ports = new_ports(public, build)
    for port in _firewall.closed(ports):
        module.warn(
            f"{ports[port]}: firewalld does not open port {port}; if clients come there directly, run "
            f"`firewall-cmd --permanent --add-port={port}/tcp` and `firewall-cmd --reload`"
        )


def drained(live_address: str | None, config_path: str | None, serves: t.Sequence[str]) -> list[str] | None:
    """The names by which servers are drained."""
    if live_address is None or config_path is None:
        return None
    servers = _drain_record.servers(journal.Journal(live_address), Path(config_path), serves)
    return None if servers is None else sorted({server["name"] for server in servers})


def warn_about_port(module: _notices.Module, live_address: str) -> None:
    """Warn of a live address that this host, unlike others, lets any user take; the model warns of the others."""
    port, lowest = int(live_address.rpartition(":")[2]), _host.lowest_unprivileged_port()
    if lowest <= port < 1024:
        module.warn(
            f"{live_address}: any local user can take this port while nginx is stopped, and nginx then does not start: "
            f"net.ipv4.ip_unprivileged_port_start is {lowest}; raise it, or set websockets_status_listen to a port "
            "below it"
        )


def warn_of_memory(module: _notices.Module, build: binary.Build | None, sockets: int) -> None:
    """Warn before a deploy makes one more generation of workers that may not fit into the memory."""
    master = processes.master_pid(build) if build else None
    if build is None or master is None or not processes.workers_of(build, accepting=False):
        return
    found = memory.memory(master, sockets)
    if found is None or found["available"] >= found["needed"]:
        return
    shown = generations.shown(build)
    held = sum(one["bytes"] or 0 for one in shown)
    many = "1 earlier generation" if len(shown) == 1 else f"{len(shown)} earlier generations"
    needed, available = (memory.megabytes(found[key]) for key in ("needed", "available"))
    module.warn(
        f"{many} of nginx's workers with {memory.megabytes(held)}, shutting down since {shown[0]['since']}; a deploy "
        f"that changes something makes one more, which takes up to {needed} for websockets_capacity, and {available} "
        "are available: deploy when the earlier ones have ended, or set a shorter websockets_worker_shutdown_timeout"
    )


def warn_of_lifetime(module: _notices.Module) -> None:
    """Warn of what a deploy leaves out on this host."""
    for warning in (
        requirements.warning() if module.params["paces"] else "",
        prober_unit.warning() if module.params["prober"] else "",
        guard.warning(module.params["guard_upgrades"]),
    ):
        if warning:
            module.warn(warning)


def main() -> None:
    module = _notices.Module(
        argument_spec={
            "compared": other_sites.SPEC,
            "connects": {"type": "bool", "default": False},
            "guard_upgrades": {"type": "str", "choices": list(guard.CHOICES), "default": guard.CHOICES[0]},
            "manages_selinux": {"type": "bool", "default": False},
            "paces": {"type": "bool", "default": False},
            "prober": {"type": "bool", "default": False},
            "sockets": {"type": "int"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "certificates": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "path": {"type": "str", "required": True},
                    # The path of a file.
                    "key": {"type": "str", "no_log": False},
                    "at": {"type": "str", "required": True},
                },
            },
            "directories": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {"path": {"type": "str", "required": True}, "at": {"type": "str", "required": True}},
            },
            "listening": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {"address": {"type": "str", "required": True}, "at": {"type": "str", "required": True}},
            },
            "config_path": {"type": "path"},
            "live_address": {"type": "str"},
            "serves": {"type": "list", "elements": "str", "default": []},
            "names": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {"name": {"type": "str", "required": True}, "at": {"type": "str", "required": True}},
            },
        },
        required_together=[("config_path", "live_address")],
        required_by={"compared": ("config_path",)},
        supports_check_mode=True,
    )
    found: list[str] = []
    build, names, neighbours, selinux = None, None, {}, _selinux.Missing()
    try:
        build = binary.installed() if binary.find_binary() else None
        found += missing(module.params, build)
        if module.params["state"] == "present" and _selinux.enforces():
            ports = new_ports(module.params["listening"], build)
            selinux = _selinux.missing(ports, connects=module.params["connects"])
        found += [] if module.params["manages_selinux"] else selinux.errors()
        if build and module.params["compared"]:
            beside = other_sites.found(build, module.params)
            neighbours = beside.as_dict()
            found += beside.errors
        names = None if found else drained(*(module.params[name] for name in ("live_address", "config_path", "serves")))
    except binary.NginxError as error:
        found.append(str(error))
    except OSError as error:
        found.append(f"cannot read {error.filename}: {atomic_files.reason(error)}")
    found = [*errors(module.params["listening"], module.params["names"], build), *found]
    if build and binary.is_too_old(build.version):
        found.append(f"nginx {build.version} is too old: {binary.OLDEST} or later is required")
    if found:
        module.fail_json(msg="\n".join([_host.UNFIT, *found]))
    if module.params["live_address"]:
        warn_about_port(module, module.params["live_address"])
    warn_of_firewall(module, build)
    if module.params["state"] == "present":
        warn_of_lifetime(module)
        if module.params["sockets"]:
            warn_of_memory(module, build, module.params["sockets"])
    module.exit_json(
        changed=False,
        nginx_version=build.version if build else None,
        openssl_version=build.openssl if build else None,
        drained=names,
        neighbours=neighbours,
        package_manager=_packages.manager(),
        selinux={"ports": list(selinux.ports), "connects": selinux.connects},
    )


if __name__ == "__main__":
    main()
