#!/usr/bin/python
# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: config_transaction
short_description: Deploy nginx configuration files as one transaction
version_added: 0.1.0
author:
  - The wsfleet maintainers (@wsfleet)
description:
  - Deploys files of nginx's configuration and has the running nginx load them, or leaves both as they were.
  - The candidate is tested as with C(nginx -t) in a copy of the whole configuration before a live file changes. Files
    are renamed into place one at a time, in an order in which the configuration is valid after each. nginx is
    reloaded, never restarted, so that open WebSockets survive. It is started if it does not run.
  - nginx does not report a reload that fails. So the configuration returns a fingerprint on O(live_address), which
    shows which one is live. If the new one does not go live, the earlier files are put back and the module fails with
    nginx's messages.
  - Then every route is probed. O(policy) says what happens if a probe fails.
  - If the files are up to date and live, the routes are only probed. If an earlier run was killed, this run completes
    its deploy or rolls it back.
  - The earlier files of each of the last ten deploys are kept in C(/var/lib/wsfleet-nginx), readable only by root.
options:
  state:
    description:
      - V(present) deploys O(files).
      - V(previous) restores the files that the last deploy changed, and probes the routes of that time. C(nginx.conf)
        and the drop-in stay as they are if they were changed since. Used again, it goes back one more deploy.
    type: str
    choices: [present, previous]
    default: present
    version_added: 0.3.0
  files:
    description:
      - The files of the transaction. Required with O(state=present).
      - A file that the last deploy to this O(live_address) wrote and that is no longer listed is removed in the same
        transaction. The same holds for O(secrets).
    type: list
    elements: dict
    suboptions:
      path:
        description: The path of the file. nginx must include it.
        type: path
        required: true
      content:
        description: The whole content. Required with O(files[].state=present).
        type: str
      mode:
        description: The file's permissions, as a quoted octal number. Its owner is root.
        type: str
        default: "0644"
      state:
        description: Whether the file exists.
        type: str
        choices: [present, absent]
        default: present
      at:
        description: The variable that names the file, for the message if it cannot be written.
        type: str
        default: ""
        version_added: 0.3.0
      sources:
        description:
          - The variables that the file's lines come from, for the message if nginx rejects a line. Each item covers
            consecutive lines, in the order of the file. The last item ends with the file. Lines above the first item
            come from no variable.
        type: list
        elements: dict
        default: []
        version_added: 0.7.0
        suboptions:
          at:
            description: The path in the operator's variables, or empty for lines that come from no variable.
            type: str
            required: true
          lines:
            description: The number of lines that come from it.
            type: int
            required: true
  replaces:
    description:
      - Files of nginx whose place O(files) take. They are removed in the same transaction, and a rollback brings them
        back, also one with O(state=previous). If one is there again later, the next deploy removes it again.
      - A copy of each is kept in C(/var/lib/wsfleet-nginx/replaced).
    type: list
    elements: path
    default: []
    version_added: 0.12.0
  listening:
    description:
      - The addresses that nginx will listen on, for the message if it cannot. Unix sockets among them that a killed
        nginx left behind are removed before nginx is started.
    type: list
    elements: dict
    default: []
    version_added: 0.7.0
    suboptions:
      address:
        description: The address as C(PORT), C(HOST:PORT), C([V6]:PORT) or C(unix:/PATH).
        type: str
        required: true
      at:
        description: The path in the operator's variables that it comes from.
        type: str
        required: true
  drained:
    description:
      - The servers that are drained in the files. They are recorded, and M(wsfleet.nginx.gateway_preflight_info) and
        M(wsfleet.nginx.gateway_probe_info) return them.
    type: list
    elements: dict
    default: []
    version_added: 0.7.0
    suboptions:
      name:
        description: The name by which the server was drained.
        type: str
        required: true
      address:
        description: The server's address in the upstream.
        type: str
        required: true
  secrets:
    description:
      - Files of the transaction that contain secrets, such as a certificate with its key. They are owned by root, with
        mode C(0600).
      - The configuration must name them relative to nginx's directory, such as
        C(ssl_certificate conf.d/.00-websockets.a.example.pem), so that the candidate is tested with the new file.
      - Their content never appears in a diff, result, log or message. A change takes effect once nginx has replaced its
        workers.
    type: list
    elements: dict
    default: []
    version_added: 0.4.0
    suboptions:
      path:
        description: The path of the file, in nginx's directory, not matched by any C(include) of nginx.
        type: path
        required: true
      content:
        description: The whole content.
        type: str
        required: true
      at:
        description: The variable that the file comes from, for messages.
        type: str
        default: ""
  serves:
    description:
      - The sites of the configuration, each as C(HOST:PORT NAME). They are recorded. If neither O(live_address) nor
        O(files[].path) is that of the last deploy, the state on the host is found by a site.
    type: list
    elements: str
    default: []
    version_added: 0.8.0
  loads:
    description:
      - Files of others that nginx reads when it loads the configuration, such as certificates and CAs that it names by
        path. Symbolic links are followed.
      - If one has changed since, as by a renewal, nginx is reloaded, even if nothing else has to change. A file that
        changed before somebody else reloaded nginx is loaded.
    type: list
    elements: path
    default: []
    version_added: 0.8.0
  nginx_conf:
    description:
      - Directives of the main and events contexts, which only C(nginx.conf) itself can contain. The rest of that file
        stays as it is.
      - They belong to all configurations of the host that were deployed with this module. Each directive gets the
        largest value that one of them needs.
    type: dict
    version_added: 0.3.0
    suboptions:
      directives:
        description:
          - The values of C(worker_processes), C(worker_rlimit_nofile), C(worker_shutdown_timeout) and
            C(worker_connections). A limit that was higher before the first deploy is not lowered.
        type: dict
        default: {}
      sockets:
        description:
          - How many open WebSockets nginx must support. C(worker_rlimit_nofile) and C(worker_connections) are computed
            from it and from the number of workers.
        type: int
        version_added: 0.6.0
      state:
        description:
          - V(managed) sets them. The original file is kept as C(/var/lib/wsfleet-nginx/nginx.conf).
          - V(checked) only warns if a limit is lower.
          - V(restored) restores the original values, or those that the other configurations of the host need.
        type: str
        choices: [managed, checked, restored]
        default: managed
      at:
        description: The variable that the limits come from, for messages.
        type: str
        default: ""
  drop_in:
    description:
      - The systemd drop-in of the service, C(/etc/systemd/system/nginx.service.d/50-wsfleet.conf). It takes effect when
        nginx is next started or stopped. Without systemd, it is not written.
      - It lets nginx open as many files as it needs, gives open WebSockets O(drop_in.stop_timeout) to end when it is
        stopped, and has systemd try again until nginx starts, as it does not while the name of a backend does not
        resolve.
      - It belongs to all configurations of the host that were deployed with this module, and has the largest values
        that one of them needs.
    type: dict
    version_added: 0.3.0
    suboptions:
      sockets:
        description: How many open WebSockets nginx must support. Required with O(drop_in.state=present).
        type: int
        version_added: 0.8.0
      stop_timeout:
        description: How long open WebSockets have to end when nginx is stopped, in nginx's syntax, such as V(90s).
        type: str
        default: 5s
        version_added: 0.10.0
      guard_upgrades:
        description:
          - What becomes of the restarts of nginx by scripts of Debian's packages and by needrestart. V(exchange) has
            the installed binary take over from the running one, V(defer) leaves it as it is, V(ignore) lets them be.
          - The most careful choice of all configurations of the host holds.
        type: str
        choices: [ignore, exchange, defer]
        default: ignore
        version_added: 0.10.0
      shutdown_timeout:
        description: How long old workers keep their sockets before these are ended at O(drop_in.reconnect_rate).
        type: str
        default: "0"
        version_added: 0.8.0
      reconnect_rate:
        description:
          - How many sockets of old workers to end in a second. With V(0), nginx ends all of a worker at once, after
            C(worker_shutdown_timeout).
          - It takes Linux 5.6. The service C(wsfleet-pacer) ends them, and C(worker_shutdown_timeout) of O(nginx_conf)
            is set later, for the time that it does not run.
        type: float
        default: 0
        version_added: 0.10.0
      probe_interval:
        description:
          - How many seconds after each other O(probes) are made all the time, by the service C(wsfleet-prober), which
            writes figures for Prometheus. With V(0), there is no such service.
          - It takes systemd 247. The shortest interval of all configurations of the host holds, and those with V(0)
            are left out.
        type: float
        default: 0
        version_added: 0.11.0
      upstreams:
        description: The servers that the service probes too, by O(probes[].backends.upstream).
        type: list
        elements: dict
        default: []
        version_added: 0.11.0
        suboptions:
          name:
            description: The name of the upstream.
            type: str
            required: true
          servers:
            description: Its servers.
            type: list
            elements: dict
            required: true
            suboptions:
              address:
                description: The server's address.
                type: str
                required: true
              state:
                description: V(drained) or V(disabled) for a server that is not probed.
                type: str
                default: ""
      state:
        description: With V(absent), the file is removed unless another configuration of the host needs it.
        type: str
        choices: [present, absent]
        default: present
      at:
        description: The variable that the file comes from, for messages.
        type: str
        default: ""
  log:
    description:
      - The log file of the configuration. The module creates it before nginx does, which would let everybody read it.
        It gets the owner and the mode of C(access.log) in the same directory, or else the owner and the group of that
        directory, and mode C(0640).
    type: path
    version_added: 0.6.0
  health:
    description:
      - How load balancers learn that the gateway is out of rotation during a deploy. It is taken out only if there is
        something to deploy, and not in its first deploy.
    type: dict
    version_added: 0.5.0
    suboptions:
      flag:
        description:
          - The file that exists while the gateway is out of rotation. The health check of the configuration tests for
            it. A file that an operator put there is not removed.
          - Its name must begin with a dot, and no C(include) of nginx may cover it.
          - Until release 1.0.0, the same name without the dot counts too, for which configurations of release 0.7.0 and
            earlier test.
        type: path
        required: true
      wait:
        description: How many seconds to wait, with the gateway out of rotation, before the first file changes.
        type: float
        default: 0
  policy:
    description:
      - What happens if a route fails its probe. The message says which, why, and what to do.
      - V(rollback) puts the earlier files back if the deploy caused the failure. It did if a route passed its probe
        before and fails now, or if a new route fails although a backend accepts the same handshake directly. The module
        fails either way.
      - V(fail) fails and V(warn) only adds to RV(notices). Both keep the new files, which nginx accepted.
      - A route that is served but not verified, see O(probes[].strict=false), is a warning with each of these.
      - V(skip) makes no probes.
    type: str
    choices: [rollback, fail, warn, skip]
    default: rollback
    version_added: 0.3.0
  live_address:
    description:
      - The address on which nginx returns the fingerprint to V(GET /), as V(HOST:PORT) or V([V6]:PORT). It should be a
        loopback address.
      - State on the host is stored under this address. If the address changes, the state is found by O(files[].path),
        or by O(serves).
      - The fingerprint is a SHA-256 in hexadecimal digits. It must appear in the content of one of O(files) and differ
        in each version of it. The hash of the rest of the content is suitable.
    type: str
    required: true
extends_documentation_fragment:
  - wsfleet.nginx.probes
attributes:
  check_mode:
    description: Tests the candidate with nginx and changes nothing. Routes are not probed.
    support: full
  diff_mode:
    description: Shows each file that changes, including C(nginx.conf) and the drop-in, but not the content of secrets.
    support: full
  platform:
    description: Signals nginx and reads C(/proc).
    support: full
    platforms: linux
seealso:
  - module: wsfleet.nginx.websocket_probe
  - name: Controlling nginx
    description: What a reload does, and what it does when the new configuration cannot be applied.
    link: https://nginx.org/en/docs/control.html
"""

EXAMPLES = r"""
- name: Deploy the gateway's file
  wsfleet.nginx.config_transaction:
    files:
      - path: /etc/nginx/conf.d/00-websockets.conf
        content: "{{ lookup('ansible.builtin.template', 'websockets.conf.j2') }}"
    live_address: 127.0.0.1:488
    probes:
      - site: ws.serverlab.ca
        path: /
        url: ws://ws.serverlab.ca:3000/
        connect_to: 127.0.0.1:3000
        websocket: true

- name: Deploy a site with its certificate
  wsfleet.nginx.config_transaction:
    files:
      - path: /etc/nginx/conf.d/00-websockets.conf
        # It contains: ssl_certificate conf.d/.00-websockets.pem; ssl_certificate_key conf.d/.00-websockets.pem;
        content: "{{ lookup('ansible.builtin.template', 'websockets.conf.j2') }}"
    secrets:
      - path: /etc/nginx/conf.d/.00-websockets.pem
        content: "{{ vaulted_certificate_chain }}{{ vaulted_key }}"
    live_address: 127.0.0.1:488

- name: Remove the gateway's file
  wsfleet.nginx.config_transaction:
    files:
      - path: /etc/nginx/conf.d/00-websockets.conf
        state: absent
    live_address: 127.0.0.1:488

- name: Roll back the last deploy
  wsfleet.nginx.config_transaction:
    state: previous
    live_address: 127.0.0.1:488
"""

RETURN = r"""
actions:
  description:
    - What was done, in the order it was done. In check mode, what would be done, such as V(would reload nginx).
  type: list
  elements: str
  returned: on success
  sample: [wrote /etc/nginx/conf.d/00-websockets.conf, reloaded nginx]
notices:
  description:
    - The warnings of this host, such as of a certificate that expires soon. Ansible would show equal ones once, and
      without the names of the hosts.
    - The role P(wsfleet.nginx.websockets#role) shows them at the end of a run, with the names of the hosts.
  type: list
  elements: str
  returned: always
  sample: ["websockets_capacity: worker_connections is 768, but 8704 are needed"]
  version_added: 0.8.0
others:
  description: The files of the other configurations that were deployed to this host with this module.
  type: list
  elements: str
  returned: on success
  sample: [/etc/nginx/conf.d/api.conf]
  version_added: 0.8.0
rolled_back:
  description: Whether the deploy was rolled back because a probe failed.
  type: bool
  returned: always
probes:
  description: One result for each of O(probes) without a O(probes[].rule), in their order.
  type: list
  elements: dict
  returned: on success, except in check mode. Empty with O(policy=skip).
  contains:
    site:
      description: The site's name.
      type: str
    path:
      description: The location's path.
      type: str
    status:
      description: The HTTP status of the response; V(null) without a response.
      type: int
    verified:
      description: What was verified, or empty.
      type: str
      sample: handshake
    failure:
      description: Why the probe failed, or empty. Only with O(policy=warn) can it have a value.
      type: str
    unverified:
      description:
        - Why the route is served but not verified, with what to set, or empty. RV(notices) has it too.
        - Only with O(probes[].strict=false), when the backends may accept handshakes at another path or under other
          conditions. A route that passed its probe before the deploy counts as failed instead.
      type: str
      sample: the backend returns 404 at /; set probe.path, such as /socket.io/?EIO=4&transport=websocket
      version_added: 0.6.0
    milliseconds:
      description: The milliseconds from the start of the connection to the response.
      type: float
    expires:
      description:
        - When the certificate of nginx expires; V(null) without TLS. Whether clients trust it is not checked.
        - If it has expired or expires within 14 days, that is one of RV(notices).
      type: str
      sample: "2027-01-31T12:00:00Z"
      version_added: 0.4.0
refusals:
  description: One result for each of O(probes) with a O(probes[].rule), in their order.
  type: list
  elements: dict
  returned: on success, except in check mode. Empty with O(policy=skip).
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
      description: The HTTP status of the response; V(null) without a response.
      type: int
    verified:
      description: What was verified, or empty.
      type: str
      sample: refused with 403
    failure:
      description: How nginx does not refuse it, or empty. Only with O(policy=warn) can it have a value.
      type: str
    unverified:
      description: Why it is not known whether nginx refuses it, or empty.
      type: str
    milliseconds:
      description: The milliseconds from the start of the connection to the response.
      type: float
"""

import contextlib
import datetime
import functools
import os
import re
import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.wsfleet.nginx.plugins.module_utils import _drain_record, _notices
from ansible_collections.wsfleet.nginx.plugins.module_utils._lifetime import (
    exchange,
    guard,
    pacer_unit,
    program,
    requirements,
)
from ansible_collections.wsfleet.nginx.plugins.module_utils._lifetime.pacer import Settings
from ansible_collections.wsfleet.nginx.plugins.module_utils._metrics import prober_unit, record
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import (
    binary,
    capacity,
    drop_in,
    nginx_conf,
    processes,
    service,
)
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe import argspec, certificate, diagnosis, routes
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import (
    atomic_files,
    deploy,
    goal,
    journal,
    live_config,
    lock,
    source_map,
    transaction,
)
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction.plan import Plan

Wanted = t.Dict[Path, t.Optional[atomic_files.Content]]

# What else is known of a configuration: the variables behind its addresses, its Unix sockets, what is drained, the
# files of others that nginx loads, what it needs of those of the host, and its sites.
Recorded = t.Tuple[
    t.Mapping[str, str],
    t.Sequence[str],
    t.Optional[journal.Drained],
    t.Sequence[str],
    t.Optional[journal.Wants],
    t.Sequence[str],
]

_OF_DROP_IN = (
    *("sockets", "stop_timeout", "shutdown_timeout", "reconnect_rate", "guard_upgrades"),
    *("probe_interval", "upstreams"),
)
_HIDDEN = "not shown: a certificate and its key\n"
_HIDDEN_OTHER = "not shown: another certificate and its key\n"


def own_files(module: AnsibleModule) -> Wanted:
    """The files of the configuration."""
    wanted: Wanted = {}
    for item in module.params["files"]:
        # "conf.d/../conf.d/x" and "conf.d/x" are one file.
        path = Path(os.path.normpath(item["path"]))
        if path in wanted:
            module.fail_json(msg=f"{path} is listed more than once")
        content = None
        if item["state"] == "present":
            if not re.fullmatch("[0-7]{3,4}", item["mode"]):
                module.fail_json(
                    msg=f"{item['path']}: the mode must be an octal number such as 0644, not {item['mode']}"
                )
            content = atomic_files.Content(data=item["content"].encode(), mode=int(item["mode"], 8))
        wanted[path] = content
    return wanted


def secret_files(module: AnsibleModule, own: Wanted) -> Wanted:
    wanted: Wanted = {}
    for item in module.params["secrets"]:
        path = Path(os.path.normpath(item["path"]))
        if path in wanted or path in own:
            module.fail_json(msg=f"{path} is listed more than once")
        wanted[path] = atomic_files.Content(data=item["content"].encode(), mode=0o600)
    return wanted


def replaced_files(module: AnsibleModule) -> list[Path]:
    return [Path(os.path.normpath(path)) for path in module.params["replaces"]]


def host_files(build: binary.Build) -> tuple[Path, ...]:
    """Files of the host that are changed for this configuration, but are not part of it."""
    return (*service.beside_nginx(), build.configuration)


def sources(module: AnsibleModule, build: binary.Build) -> dict[Path, source_map.Source]:
    found = {
        Path(os.path.normpath(item["path"])): source_map.Source(
            item["at"], [(run["at"], run["lines"]) for run in item["sources"]]
        )
        for item in module.params["files"] or []
    }
    for item in module.params["secrets"]:
        found[Path(os.path.normpath(item["path"]))] = source_map.Source(item["at"])
    for path, option in ((build.configuration, "nginx_conf"), (service.DROP_IN, "drop_in")):
        if module.params[option]:
            found[path] = source_map.Source(module.params[option]["at"])
    found.update(dict.fromkeys(guard.files(), source_map.Source("websockets_guard_upgrades")))
    found.update(dict.fromkeys(replaced_files(module), source_map.Source("websockets_replaces")))
    return found


def recorded(module: AnsibleModule, kept: journal.Journal, previous: journal.Entry | None) -> Recorded:
    if previous:
        before = kept.deployed()
        return {}, previous.sockets, previous.drained, list(before.loaded), previous.wants, before.serves
    listening = {item["address"]: item["at"] for item in module.params["listening"]}
    sockets = [address[len("unix:") :] for address in listening if address.startswith("unix:")]
    return listening, sockets, module.params["drained"], module.params["loads"], wants(module), module.params["serves"]


def wants(module: AnsibleModule) -> journal.Wants:
    """What this configuration needs of the files that belong to all configurations of the host."""
    conf, unit = module.params["nginx_conf"], module.params["drop_in"]
    is_managed, is_present = conf and conf["state"] == "managed", unit and unit["state"] == "present"
    return {
        "nginx_conf": {key: conf[key] for key in ("directives", "sockets")} if is_managed else None,
        "drop_in": {**{key: unit[key] for key in _OF_DROP_IN}, "log": module.params["log"]} if is_present else None,
    }


def needed_by_all(kept: journal.Journal, own: journal.Wants, name: str) -> list[journal.Wants] | None:
    """What this configuration and the others of the host need of a file; None if this one needs nothing, and another
    one has not recorded what it needs: then the file stays.
    """
    others = kept.wanted_by_others(name)
    return [own[name], *(others or ())] if own[name] else others


def files_beside(module: AnsibleModule, build: binary.Build, kept: journal.Journal, own: journal.Wants) -> Wanted:
    """The files of the host that the configuration needs changed."""
    wanted: Wanted = {}
    given, needed = module.params["nginx_conf"], needed_by_all(kept, own, "nginx_conf")
    if given and given["state"] != "checked" and needed is not None:
        edited = edited_nginx_conf(module, build, kept, needed, pacing(kept, own))
        if edited:
            wanted[build.configuration] = edited
    needed = needed_by_all(kept, own, "drop_in")
    if module.params["drop_in"] and needed is not None and service.has_systemd():
        wanted[service.DROP_IN] = unit_file(build, needed)
        wanted[service.PROGRAM] = atomic_files.Content(program.content(), 0o644) if needed else None
        wanted[service.PACER] = pacer_file(build, needed)
        wanted[service.PROBER] = prober_file(build, needed)
        wanted.update(guard.wanted(guarded(needed)))
        if needed:
            leave_unchangeable(module, wanted)
    return wanted


def guarded(needed: t.Sequence[journal.Wants]) -> str:
    """What becomes of restarts by others; earlier releases did nothing about them."""
    return guard.strongest(item.get("guard_upgrades") or "ignore" for item in needed)


def guard_file(path: Path, needed: t.Sequence[journal.Wants]) -> atomic_files.Content | None:
    return guard.wanted(guarded(needed)).get(path)


def pacer_file(build: binary.Build, needed: t.Sequence[journal.Wants]) -> atomic_files.Content | None:
    paced = pacer_unit.settings(needed)
    if paced is None or requirements.obstacle():
        return None
    return atomic_files.Content(pacer_unit.content(build, paced).encode(), 0o644)


def prober_file(build: binary.Build, needed: t.Sequence[journal.Wants]) -> atomic_files.Content | None:
    interval = record.interval(needed)
    if not interval or prober_unit.obstacle():
        return None
    return atomic_files.Content(prober_unit.content(build, interval).encode(), 0o644)


def leave_unchangeable(module: AnsibleModule, wanted: Wanted) -> None:
    """No deploy fails because /usr is read-only. Where the files are missing, gateway_preflight_info has said so."""
    for path in (service.PROGRAM, service.POLICY):
        why = path in wanted and atomic_files.read(path) != wanted[path] and atomic_files.unchangeable(path)
        if why:
            del wanted[path]
        if why and path.exists():
            module.warn(f"{why}: it stays as an earlier deploy has left it. Mount that writable and deploy again")


def follow_with_services(module: AnsibleModule, kept: journal.Journal, plan: Plan) -> list[str]:
    """After the deploy: a service that does not start is no reason to roll it back."""
    if not service.has_systemd() or not (module.params["drop_in"] or plan.goal.is_previous):
        return []
    changed = {change.path for change in plan.pending}
    done = []
    for unit, follow, otherwise in (
        (service.PACER, pacer_unit.follow, "nginx ends all sockets of an old worker at once"),
        (
            service.PROBER,
            functools.partial(prober_unit.follow, kept),
            "routes are probed in deploys and by the playbook wsfleet.nginx.verify only",
        ),
    ):
        try:
            done += follow(is_changed=not changed.isdisjoint((service.PROGRAM, unit)))
        except (service.ServiceError, binary.NginxError, OSError) as error:
            module.warn(f"{error}: see `journalctl -u {unit.stem}`. Until it runs, {otherwise}")
    return done


def unit_file(build: binary.Build, needed: t.Sequence[journal.Wants]) -> atomic_files.Content | None:
    return atomic_files.Content(drop_in.content(needed, build.pid_file).encode(), 0o644) if needed else None


def edited_nginx_conf(
    module: AnsibleModule,
    build: binary.Build,
    kept: journal.Journal,
    needed: t.Sequence[journal.Wants],
    paced: Settings | None = None,
) -> atomic_files.Content | None:
    """nginx.conf with the directives that are needed, or with the original ones if none are."""
    now = atomic_files.read(build.configuration)
    if not now:
        return None
    if build.configuration.is_symlink():
        module.warn(f"{build.configuration} is a symbolic link and was not changed")
        return None
    original = original_nginx_conf(module, build, kept)
    try:
        before = nginx_conf.values(text_of(original or now))
        directives = {name: before.get(name) for name in nginx_conf.DIRECTIVES} if original else {}
        if needed:
            directives = capacity.raised(capacity.largest(needed), before)
            if paced and directives.get("worker_shutdown_timeout"):
                sockets = max(item["sockets"] or 0 for item in needed)
                directives["worker_shutdown_timeout"] = pacer_unit.nginx_timeout(paced, sockets)
        text = nginx_conf.edited(text_of(now), directives)
    except nginx_conf.MainContextError as error:
        if not needed:
            module.warn(f"{build.configuration} was not changed: {error}")
            return None
        raise transaction.TransactionError(
            f"{build.configuration}: {error}; nothing was changed. "
            "With websockets_manage_nginx_conf: false, that file is not managed."
        ) from error
    return atomic_files.Content(text.encode("utf-8", "surrogateescape"), now.mode, now.owner)


def pacing(kept: journal.Journal, own: journal.Wants) -> Settings | None:
    """How the pacer of this host ends sockets; None if nginx does."""
    needed = needed_by_all(kept, own, "drop_in")
    return pacer_unit.settings(needed) if needed and not requirements.obstacle() else None


def original_nginx_conf(
    module: AnsibleModule, build: binary.Build, kept: journal.Journal
) -> atomic_files.Content | None:
    """nginx.conf as it was before the first deploy; nothing, with a warning, if that copy is damaged."""
    original = kept.original(build.configuration)
    try:
        nginx_conf.edited(text_of(original), {}) if original else None
    except nginx_conf.MainContextError as error:
        module.warn(
            f"{kept.directory / build.configuration.name} is damaged: {error}. It is {build.configuration} as it was "
            "before the first deploy, which lower limits come back from when the gateway is removed: until then "
            "they stay as they are. Restore it from a backup, or remove it: the next deploy then keeps a new copy"
        )
        return None
    return original


def text_of(content: atomic_files.Content) -> str:
    # Bytes that are not UTF-8 stay as they are.
    return content.data.decode("utf-8", "surrogateescape")


def limits(given: t.Mapping[str, t.Any], worker_processes: str | None) -> dict[str, str]:
    """The directives to set, for nginx.conf's worker_processes."""
    return {
        **given["directives"],
        **(capacity.limits(given["sockets"], capacity.workers(worker_processes)) if given["sockets"] else {}),
    }


def warn_about_limits(module: AnsibleModule, build: binary.Build) -> None:
    given, now = module.params["nginx_conf"], atomic_files.read(build.configuration)
    if not given or given["state"] == "restored" or not now:
        return
    master = processes.master_pid(build)
    workers = sorted(processes.accepting_workers(master)) if master else []
    try:
        there = nginx_conf.values(text_of(now))
    except nginx_conf.MainContextError as error:
        # Not a failure: this run does not manage the file.
        module.warn(f"{build.configuration}: {error}")
        return
    wanted = limits(given, there.get("worker_processes"))
    for found in capacity.shortfalls(wanted, there, capacity.open_files(workers[0]) if workers else None):
        module.warn(f"{given['at'] or build.configuration}: {found}")


def found_nginx(module: AnsibleModule) -> binary.Build:
    build = binary.installed()
    if not module.check_mode:
        complete_exchange(module, build)
    warn_about_pid_file(module, build)
    return build


def complete_exchange(module: AnsibleModule, build: binary.Build) -> None:
    """What a killed upgrade has left: while two masters accept connections, it is not known which one is probed."""
    if processes.earlier_master(build):
        begun = "an exchange of nginx's binary was begun and not completed"
        try:
            exchange.run(build)
            module.warn(f"{begun}: it is complete now")
        except exchange.ExchangeError as error:
            module.warn(f"{begun}: {error}")


def warn_about_pid_file(module: AnsibleModule, build: binary.Build) -> None:
    master = processes.master_pid(build)
    if master and build.pid_file and processes.recorded_pid(build) != master:
        module.warn(
            f"nginx runs, but its process id, {master}, is not in {build.pid_file}: `nginx -s`, `systemctl reload "
            "nginx` and the rotation of its logs do not find it. It writes that file at a start only; write it now: "
            f"echo {master} > {build.pid_file}"
        )


def warn_about_certificates(module: AnsibleModule, results: t.Sequence[routes.Result]) -> None:
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    for warning in certificate.warnings(
        [(result.probe["site"], result.certificate.expires) for result in results], now
    ):
        module.warn(warning)


def shown(change: atomic_files.Change, *, hidden: bool = False) -> dict[str, str]:
    def text(content: atomic_files.Content | None, instead: str) -> str:
        if content is None:
            return ""
        if change.path == service.PROGRAM:
            return f"not shown: the program with the SHA-256 {journal.digest(content)}\n"
        return instead if hidden else content.data.decode("utf-8", "replace")

    return {
        "before": text(change.now, _HIDDEN),
        "before_header": str(change.path),
        "after": text(change.after, _HIDDEN_OTHER if change.now else _HIDDEN),
        "after_header": str(change.path),
    }


def last_deploy(module: AnsibleModule, kept: journal.Journal) -> journal.Entry:
    entry, damaged = kept.last(), list(map(str, kept.damaged_history()))
    if entry is None:
        why = "; ".join(damaged) or "this host has no record of a deploy"
        raise transaction.TransactionError(f"nothing to roll back: {why}; nothing was changed")
    for found in damaged:
        module.warn(f"{found}. This rollback goes back further, to before the deploy of {entry.time}")
    return entry


def check_state(module: AnsibleModule, kept: journal.Journal, own: t.Collection[Path]) -> None:
    damaged = kept.damaged_record()
    if damaged:
        module.warn(
            f"{damaged}. A deploy that completes writes it anew. What the last deploy had is not known without it: "
            "files that are not listed any more stay, and what is drained is read from the comments in the file"
        )
    try:
        kept.unfinished()
    except journal.Damaged as error:
        earlier = ", ".join(map(str, atomic_files.kept_beside(own)))
        raise transaction.TransactionError(
            f"{error}. A deploy that was killed has left it, and without it can be neither completed nor rolled back; "
            f"nothing was changed.\nLive now: {live(kept, own)}\nWhat to fix: bring the files of nginx to the state "
            f"that you want{f' (before that deploy: {earlier})' if earlier else ''}, remove that record, and run the "
            "playbook again. If that deploy fails, it goes back to these files."
        ) from error


def live(kept: journal.Journal, own: t.Collection[Path]) -> str:
    fingerprint = live_config.fingerprint(kept.live_address)
    if fingerprint is None:
        return f"not known: nginx reports no configuration on {kept.live_address}."
    is_loaded = any(content and fingerprint.encode() in content.data for content in map(atomic_files.read, own))
    return "the files as they are." if is_loaded else "another configuration than that of the files."


def for_others_too(
    module: AnsibleModule, build: binary.Build, kept: journal.Journal, earlier: journal.Wants | None, beside: Wanted
) -> Wanted:
    """The files beside an earlier configuration, with what the other configurations of the host need."""
    found = dict(beside)
    made: dict[Path, t.Callable[[t.Sequence[journal.Wants]], atomic_files.Content | None]] = {
        build.configuration: lambda needed: edited_nginx_conf(
            module, build, kept, needed, pacing(kept, earlier) if earlier else None
        ),
        service.DROP_IN: lambda needed: unit_file(build, needed),
        service.PACER: lambda needed: pacer_file(build, needed),
        service.PROBER: lambda needed: prober_file(build, needed),
        **{path: functools.partial(guard_file, path) for path in guard.files()},
    }
    for path, make in made.items():
        name = "nginx_conf" if path == build.configuration else "drop_in"
        if path in beside and kept.wanted_by_others(name) != []:
            needed = (needed_by_all(kept, earlier, name) if earlier else None) or []
            content = make(needed)
            if needed and content:
                found[path] = content
            else:
                del found[path]
    return found


def previous_files(build: binary.Build, entry: journal.Entry) -> tuple[Wanted, Wanted, Wanted]:
    """The files of the configuration as they were before a deploy, its secrets, and those beside them."""
    own: Wanted = {}
    secrets: Wanted = {}
    beside: Wanted = {}
    for file in entry.files:
        if file.is_secret:
            secrets[file.path] = file.before
        elif file.path == service.PROGRAM:
            # That of this release.
            continue
        elif file.is_replaced:
            # Not over one that somebody has made since.
            if file.before and not os.path.lexists(file.path):
                beside[file.path] = file.before
        elif file.path not in host_files(build):
            own[file.path] = file.before
        # Only what that deploy changed, and nobody has changed since.
        elif journal.digest(file.before) != file.after[0] == journal.digest(atomic_files.read(file.path)):
            beside[file.path] = file.before
    if not any(own.values()) and not any(file.is_replaced and file.path in beside for file in entry.files):
        raise transaction.TransactionError(
            f"nothing to roll back to: the deploy of {entry.time} was the first one; nothing was changed"
        )
    return own, secrets, beside


def other_files(kept: journal.Journal) -> list[str]:
    """The files of the other configurations of the host."""
    return [path for deployed in kept.others() for path in deployed.files]


def hide_contents(module: AnsibleModule, contents: t.Iterable[atomic_files.Content | None]) -> None:
    """Have Ansible mask contents that come from the host and not from the module's options."""
    for content in contents:
        text = content.data.decode("utf-8", "replace") if content else ""
        module.no_log_values.update(found for found in (text, text.strip()) if found)


def unmask_paths(module: AnsibleModule) -> None:
    """Messages name the files. The option is no_log as a whole: a log has it in a form that Ansible does not mask."""
    for item in module.params["secrets"]:
        module.no_log_values -= {item["path"], item["at"]}


def flags_of(module: AnsibleModule) -> list[Path]:
    flag = Path(module.params["health"]["flag"]) if module.params["health"] else None
    return [flag, _drain_record.former(flag)] if flag else []


def out_of_rotation(module: AnsibleModule, deployment: transaction.Transaction) -> t.ContextManager[None]:
    health = module.params["health"]
    if not health:
        return contextlib.nullcontext()
    flag, plan = Path(health["flag"]), deployment.plan
    if _drain_record.is_out(flag):
        module.warn("this gateway is out of its load balancers; run the playbook drain to bring it back")
    own = [change for change in plan.changes if change.path in plan.goal.own]
    now = b"".join(change.now.data for change in own if change.now)
    after = b"".join(change.after.data for change in own if change.after)
    seconds = health["wait"] if plan.is_needed and plan.has_earlier else 0
    return _drain_record.gateway(
        flag,
        seconds,
        now,
        after,
        lambda error: module.warn(
            f"this gateway stays out of its load balancers until {flag} is removed, as the next run does: "
            f"{atomic_files.reason(error)}"
        ),
    )


def test(module: AnsibleModule, deployment: transaction.Transaction) -> None:
    # Before nginx creates it while it tests the candidate.
    if module.params["log"] and deployment.plan.is_needed and not module.check_mode:
        atomic_files.keep_log(Path(module.params["log"]))
    for message in deployment.test():
        module.warn(f"nginx: {message}")
    for warning in deployment.warnings(check=module.check_mode):
        module.warn(warning)


def warn_about_unverified_routes(module: AnsibleModule, results: t.Sequence[routes.Result]) -> None:
    for result in results:
        if result.unverified:
            module.warn(f"{diagnosis.label(result)}: not verified: {result.unverified}")


def show_only(module: AnsibleModule) -> None:
    """Check mode on a host without nginx."""
    module.warn("nginx is not installed yet, so it could not test the candidate")
    own = own_files(module)
    secrets = secret_files(module, own)
    pending = atomic_files.pending({**own, **secrets})
    diff = [shown(change, hidden=change.path in secrets) for change in pending]
    actions = [f"would write {change.path}" for change in pending]
    module.exit_json(changed=True, rolled_back=False, actions=actions, diff=diff)


def finish(
    module: AnsibleModule, build: binary.Build, report: deploy.Report, followed: list[str], result: dict[str, t.Any]
) -> None:
    """What comes after a deploy that stays, and its result."""
    result.update(changed=bool(result["changed"] or followed), actions=[*report.actions, *followed])
    warn_about_limits(module, build)
    warn_about_certificates(module, report.results)
    warn_about_unverified_routes(module, report.results)
    if report.failure and module.params["policy"] != "warn":
        module.fail_json(msg=report.failure, **result)
    if report.failure:
        module.warn(report.failure)
    module.exit_json(**routes.returned(report.results), **result)


def run(module: AnsibleModule, scratch: Path) -> None:
    kept = journal.Journal(module.params["live_address"])
    wanted_probes, policy = module.params["probes"], module.params["policy"]
    previous = module.params["state"] == "previous"
    if not previous and module.check_mode and binary.find_binary() is None:
        show_only(module)
    build = found_nginx(module)
    if not previous:
        kept.take_over(own_files(module), module.params["serves"])
    live_address = module.params["live_address"]
    _notices.hide_headers(module, kept.deployed().probes)
    check_state(module, kept, list(map(Path, kept.deployed().files)) if previous else own_files(module))
    entry = last_deploy(module, kept) if previous else None
    if entry:
        live_address = entry.live_address or live_address
        _notices.hide_headers(module, entry.probes)
        own, secrets, beside = previous_files(build, entry)
        replaced: list[Path] = []
        beside = for_others_too(module, build, kept, entry.wants, beside)
        hide_contents(module, secrets.values())
        # A rollback of this would bring back what the operator wants to leave.
        wanted_probes, policy = entry.probes, "fail" if policy == "rollback" else policy
    else:
        own, beside = own_files(module), files_beside(module, build, kept, wants(module))
        secrets, replaced = secret_files(module, own), replaced_files(module)
        twice = {*own, *secrets}.intersection(replaced)
        if twice:
            module.fail_json(msg=f"{min(twice)} is listed more than once")
        beside = {**dict.fromkeys(replaced), **beside}
    known = recorded(module, kept, entry)
    given = sources(module, build)
    wanted = goal.Goal(own, beside, live_address, secrets, given, previous, *known, flags_of(module), replaced)
    deployment = transaction.Transaction(build, wanted.with_leftovers(kept, host_files(build)), kept, scratch)
    hidden = deployment.plan.secrets
    diff = [shown(change, hidden=change.path in hidden) for change in deployment.plan.pending]
    result = {"changed": deployment.plan.is_needed, "rolled_back": False, "diff": diff, "others": other_files(kept)}
    test(module, deployment)
    if module.check_mode:
        module.exit_json(actions=deployment.plan.actions(check_mode=True), **result)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(out_of_rotation(module, deployment))
        except OSError as error:
            raise transaction.TransactionError(f"{atomic_files.described(error)}; nothing was changed") from error
        report = deploy.run(deployment, wanted_probes, policy)
        if report.rolled_back:
            module.fail_json(msg=report.failure, changed=False, rolled_back=True)
    finish(module, build, report, follow_with_services(module, kept, deployment.plan), result)


def main() -> None:
    module = _notices.Module(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "previous"], "default": "present"},
            "files": {
                "type": "list",
                "elements": "dict",
                "options": {
                    "path": {"type": "path", "required": True},
                    "content": {"type": "str"},
                    "mode": {"type": "str", "default": "0644"},
                    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
                    "at": {"type": "str", "default": ""},
                    "sources": {
                        "type": "list",
                        "elements": "dict",
                        "default": [],
                        "options": {
                            "at": {"type": "str", "required": True},
                            "lines": {"type": "int", "required": True},
                        },
                    },
                },
                "required_if": [("state", "present", ("content",))],
            },
            "replaces": {"type": "list", "elements": "path", "default": []},
            "listening": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {"address": {"type": "str", "required": True}, "at": {"type": "str", "required": True}},
            },
            "drained": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {"name": {"type": "str", "required": True}, "address": {"type": "str", "required": True}},
            },
            "secrets": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "no_log": True,
                "options": {
                    "path": {"type": "path", "required": True},
                    "content": {"type": "str", "required": True, "no_log": True},
                    "at": {"type": "str", "default": ""},
                },
            },
            "serves": {"type": "list", "elements": "str", "default": []},
            "loads": {"type": "list", "elements": "path", "default": []},
            "nginx_conf": {
                "type": "dict",
                "options": {
                    "directives": {"type": "dict", "default": {}},
                    "sockets": {"type": "int"},
                    "state": {"type": "str", "choices": ["managed", "checked", "restored"], "default": "managed"},
                    "at": {"type": "str", "default": ""},
                },
            },
            "drop_in": {
                "type": "dict",
                "options": {
                    "sockets": {"type": "int"},
                    "stop_timeout": {"type": "str", "default": "5s"},
                    "shutdown_timeout": {"type": "str", "default": "0"},
                    "reconnect_rate": {"type": "float", "default": 0},
                    "guard_upgrades": {"type": "str", "choices": list(guard.CHOICES), "default": "ignore"},
                    "probe_interval": {"type": "float", "default": 0},
                    "upstreams": {
                        "type": "list",
                        "elements": "dict",
                        "default": [],
                        "options": {
                            "name": {"type": "str", "required": True},
                            "servers": {
                                "type": "list",
                                "elements": "dict",
                                "required": True,
                                "options": {
                                    "address": {"type": "str", "required": True},
                                    "state": {"type": "str", "default": ""},
                                },
                            },
                        },
                    },
                    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
                    "at": {"type": "str", "default": ""},
                },
                "required_if": [("state", "present", ("sockets",))],
            },
            "log": {"type": "path"},
            "health": {
                "type": "dict",
                "options": {"flag": {"type": "path", "required": True}, "wait": {"type": "float", "default": 0}},
            },
            "policy": {"type": "str", "choices": list(deploy.POLICIES), "default": "rollback"},
            "live_address": {"type": "str", "required": True},
            "probes": argspec.SPEC,
        },
        required_if=[("state", "present", ("files",))],
        supports_check_mode=True,
    )
    unmask_paths(module)
    try:
        with lock.locked() as scratch:
            run(module, scratch)
    except (
        binary.NginxError,
        transaction.TransactionError,
        nginx_conf.MainContextError,
        lock.Busy,
    ) as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"{atomic_files.described(error)}; nothing was changed")


if __name__ == "__main__":
    main()
