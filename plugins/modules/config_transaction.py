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
  - Brings files of nginx's configuration to the wanted content and the running nginx to serve them, or leaves both as
    they were.
  - The candidate is tested with C(nginx -t) inside a copy of the whole configuration before a live file changes. Files
    are renamed into place, several of them in an order in which nginx takes what is there after each. nginx is
    reloaded, never restarted, so that open WebSockets survive, and started where it does not run.
  - A reload that fails is silent. So the configuration itself has to tell which one is live, on O(live_address). Where
    the new one does not go live, the earlier files are put back and the module fails with nginx's own words.
  - Then every route is verified, and O(policy) says what follows where one is not.
  - Where the files are as wanted and live, nothing is done but the probes. A run after one that was killed ends what
    that one began, or undoes it.
  - The files before each of the last ten deploys are kept in C(/var/lib/wsfleet-nginx), for root alone to read.
options:
  state:
    description:
      - V(present) deploys O(files).
      - V(previous) brings back the files that the last deploy changed, and probes the routes of that time. A file of
        the host that somebody has changed since stays. Again, it goes back one more deploy.
    type: str
    choices: [present, previous]
    default: present
    version_added: 0.3.0
  files:
    description:
      - The files of the transaction. Needed with O(state=present).
      - One that the last deploy to this O(live_address) wrote and that is not listed any more is removed, in the same
        transaction. So is one of O(secrets).
    type: list
    elements: dict
    suboptions:
      path:
        description: Where the file is. nginx must include it.
        type: path
        required: true
      content:
        description: The whole content. Needed with O(files[].state=present).
        type: str
      mode:
        description: The file's permissions, as an octal number in quotes. Its owner is root.
        type: str
        default: "0644"
      state:
        description: Whether the file is to be there.
        type: str
        choices: [present, absent]
        default: present
      at:
        description: The variable that names the file, for the message where it cannot be written.
        type: str
        default: ""
        version_added: 0.3.0
      sources:
        description:
          - The variables that the file's lines come from, in runs of lines in their order, for the message where nginx
            rejects one of them. The last run ends with the file; what stands above the first one comes from none.
        type: list
        elements: dict
        default: []
        version_added: 0.7.0
        suboptions:
          at:
            description: The path in the operator's variables, or nothing for lines that come from none.
            type: str
            required: true
          lines:
            description: How many lines come from it.
            type: int
            required: true
  listening:
    description:
      - The addresses that nginx will listen on, for the message where it cannot, and for the Unix sockets that a killed
        nginx leaves behind. They are removed before nginx is started.
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
      - The servers that the files keep out of their upstreams. They are recorded, and
        M(wsfleet.nginx.gateway_preflight_info) and M(wsfleet.nginx.gateway_probe_info) return them.
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
        description: Where it is.
        type: str
        required: true
  secrets:
    description:
      - Files of the transaction that are no configuration and that nobody else may read, such as a certificate with its
        key. They are root's, with the mode C(0600).
      - The configuration names one by its path from nginx's own directory on, such as
        C(ssl_certificate conf.d/00-websockets.a.example.pem), so that the candidate is tested with the new one.
      - Their content is in no diff, result, log or message. A change of it is live once nginx has replaced its workers.
    type: list
    elements: dict
    default: []
    version_added: 0.4.0
    suboptions:
      path:
        description: Where the file is, in nginx's directory and where no C(include) of nginx covers it.
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
  nginx_conf:
    description:
      - What sockets need of the main and events contexts, which only C(nginx.conf) itself can hold. All else in that
        file stays as it is.
    type: dict
    version_added: 0.3.0
    suboptions:
      directives:
        description:
          - The values of C(worker_processes), C(worker_rlimit_nofile), C(worker_shutdown_timeout) and
            C(worker_connections). A limit that was higher before the first deploy stays.
        type: dict
        default: {}
      sockets:
        description:
          - How many WebSockets nginx is to hold. C(worker_rlimit_nofile) and C(worker_connections) follow from it and
            from the number of workers, over which the kernel spreads them.
        type: int
        version_added: 0.6.0
      state:
        description:
          - V(managed) sets them. The file as it was before is kept in C(/var/lib/wsfleet-nginx/nginx.conf).
          - V(checked) only warns of a limit that is lower.
          - V(restored) takes back what V(managed) has set.
        type: str
        choices: [managed, checked, restored]
        default: managed
      at:
        description: The variable that the limits come from, for messages.
        type: str
        default: ""
  drop_in:
    description:
      - A file of systemd for the service, C(/etc/systemd/system/nginx.service.d/50-wsfleet.conf). It takes effect when
        nginx is next started or stopped. Where systemd does not run, nothing is written.
    type: dict
    version_added: 0.3.0
    suboptions:
      content:
        description: The whole content. Needed with O(drop_in.state=present).
        type: str
      state:
        description: Whether the file is to be there.
        type: str
        choices: [present, absent]
        default: present
      at:
        description: The variable that the file comes from, for messages.
        type: str
        default: ""
  log:
    description:
      - The file that the configuration logs to, which is created before nginx would create it. It has the owner and the
        mode of nginx's own C(access.log) beside it, or else is the group's of that folder and no one else's to read.
    type: path
    version_added: 0.6.0
  health:
    description:
      - How load balancers learn that the gateway is out for the time of a deploy. It is only where there is something
        to deploy to a gateway that was deployed before.
    type: dict
    version_added: 0.5.0
    suboptions:
      flag:
        description:
          - The file that is there while the gateway is out, as the configuration tells the balancers. One that another
            has put there stays.
        type: path
        required: true
      wait:
        description: For how many seconds it is out before the first file changes.
        type: float
        default: 0
  policy:
    description:
      - What follows where a route is not verified. Each time it is told which, why, and what to do.
      - V(rollback) puts the earlier files back if the deploy is at fault. It is where a route was verified before and
        is not now, and where a new route is not verified although a backend takes the same handshake when it is asked
        directly. The module fails either way.
      - V(fail) fails, V(warn) warns, and both keep the files, which nginx accepted.
      - A route that is served and not verified, as O(probes[].strict=false) has it, is a warning with each of them.
      - V(skip) probes nothing.
    type: str
    choices: [rollback, fail, warn, skip]
    default: rollback
    version_added: 0.3.0
  live_address:
    description:
      - Where the running nginx answers V(GET /) with a fingerprint, as V(HOST:PORT) or V([V6]:PORT). It should be an
        address of the loopback interface.
      - What is kept of a gateway is kept by this address. Where it changes, a gateway is known by O(files[].path).
      - The fingerprint is a SHA-256 in hexadecimal digits that stands word for word in the content of one of O(files),
        and in no other version of it. The hash of the rest of the content does.
    type: str
    required: true
extends_documentation_fragment:
  - wsfleet.nginx.probes
attributes:
  check_mode:
    description: Tests the candidate with nginx, and changes nothing. Routes are not verified.
    support: full
  diff_mode:
    description: Shows each file that changes, C(nginx.conf) and the drop-in included. Of secrets only that they do.
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
    live_address: 127.0.0.1:6455
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
        # It holds: ssl_certificate conf.d/00-websockets.pem; ssl_certificate_key conf.d/00-websockets.pem;
        content: "{{ lookup('ansible.builtin.template', 'websockets.conf.j2') }}"
    secrets:
      - path: /etc/nginx/conf.d/00-websockets.pem
        content: "{{ vaulted_certificate_chain }}{{ vaulted_key }}"
    live_address: 127.0.0.1:6455

- name: Take it away again
  wsfleet.nginx.config_transaction:
    files:
      - path: /etc/nginx/conf.d/00-websockets.conf
        state: absent
    live_address: 127.0.0.1:6455

- name: Go back to the configuration before the last deploy
  wsfleet.nginx.config_transaction:
    state: previous
    live_address: 127.0.0.1:6455
"""

RETURN = r"""
actions:
  description: What was done, in the order it was done. In check mode, what would be done.
  type: list
  elements: str
  returned: always
  sample: [wrote /etc/nginx/conf.d/00-websockets.conf, reloaded nginx]
rolled_back:
  description: Whether the deploy was rolled back because of its probes.
  type: bool
  returned: always
probes:
  description: One result for each of O(probes), in their order.
  type: list
  elements: dict
  returned: when nothing failed. In check mode and with O(policy=skip) no proof is made.
  contains:
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
      description: Why the route is not verified, with O(policy=warn).
      type: str
    unverified:
      description:
        - Why the route is served and yet not verified, with what to set, or nothing. The module warns of it.
        - Where O(probes[].strict=false), its backends may take handshakes at another path, or on other terms. One that
          was verified before the deploy is not taken for that.
      type: str
      sample: the backend returns 404 at /; set probe.path, such as /socket.io/?EIO=4&transport=websocket
      version_added: 0.6.0
    milliseconds:
      description: Milliseconds from the start of the connection to the answer.
      type: float
    expires:
      description:
        - When the certificate ends that nginx showed, or nothing without TLS. Whether clients trust it is not verified.
        - The module warns of one that has expired, or does so within 14 days.
      type: str
      sample: "2027-01-31T12:00:00Z"
      version_added: 0.4.0
"""

import contextlib
import datetime
import os
import re
import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.wsfleet.nginx.plugins.module_utils import _drain_record
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import (
    binary,
    capacity,
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
    lock,
    source_map,
    transaction,
)

Wanted = t.Dict[Path, t.Optional[atomic_files.Content]]

# What else is told of a configuration: the variables behind its addresses, its Unix sockets, and what is drained.
Recorded = t.Tuple[t.Mapping[str, str], t.Sequence[str], t.Optional[journal.Drained]]

_HIDDEN = "not shown: a certificate and its key\n"
_HIDDEN_OTHER = "not shown: another certificate and its key\n"


def own_files(module: AnsibleModule) -> Wanted:
    """The files of the configuration."""
    wanted: Wanted = {}
    for item in module.params["files"]:
        # One name for one file: "conf.d/../conf.d/x" is "conf.d/x".
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


def host_files(build: binary.Build) -> tuple[Path, Path]:
    """Those that are not this configuration's, but changed for it."""
    return service.DROP_IN, build.configuration


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
    return found


def recorded_of(module: AnsibleModule, previous: journal.Entry | None) -> Recorded:
    if previous:
        return {}, previous.sockets, previous.drained
    listening = {item["address"]: item["at"] for item in module.params["listening"]}
    sockets = [address[len("unix:") :] for address in listening if address.startswith("unix:")]
    return listening, sockets, module.params["drained"]


def files_beside(module: AnsibleModule, build: binary.Build, kept: journal.Journal) -> Wanted:
    """The files of the host that the configuration needs changed."""
    wanted: Wanted = {}
    drop_in = module.params["drop_in"]
    edited = edited_nginx_conf(module, build, kept)
    if edited:
        wanted[build.configuration] = edited
    if drop_in and service.has_systemd():
        content = atomic_files.Content(drop_in["content"].encode(), 0o644) if drop_in["state"] == "present" else None
        wanted[service.DROP_IN] = content
    return wanted


def edited_nginx_conf(module: AnsibleModule, build: binary.Build, kept: journal.Journal) -> atomic_files.Content | None:
    given, now = module.params["nginx_conf"], atomic_files.read(build.configuration)
    if not given or given["state"] == "checked" or not now:
        return None
    if build.configuration.is_symlink():
        module.warn(f"{build.configuration} is a link, and left to whoever keeps the file behind it")
        return None
    original = kept.original(build.configuration)
    try:
        before = nginx_conf.values(text_of(original or now))
        directives = {name: before.get(name) for name in nginx_conf.DIRECTIVES} if original else {}
        if given["state"] == "managed":
            directives = capacity.raised(limits(given, given["directives"].get("worker_processes")), before)
        text = nginx_conf.edited(text_of(now), directives)
    except nginx_conf.MainContextError as error:
        if given["state"] == "restored":
            module.warn(f"{build.configuration} stays as it is: {error}")
            return None
        raise transaction.TransactionError(
            f"{build.configuration}: {error}; nothing was changed. "
            "websockets_manage_nginx_conf: false leaves that file to others."
        ) from error
    return atomic_files.Content(text.encode("utf-8", "surrogateescape"), now.mode, now.owner)


def text_of(content: atomic_files.Content) -> str:
    # What is not UTF-8 passes through as it is.
    return content.data.decode("utf-8", "surrogateescape")


def limits(given: t.Mapping[str, t.Any], worker_processes: str | None) -> dict[str, str]:
    """The directives that are wanted for so many workers."""
    return {
        **given["directives"],
        **(capacity.limits(given["sockets"], capacity.workers(worker_processes)) if given["sockets"] else {}),
    }


def warn_of_limits(module: AnsibleModule, build: binary.Build) -> None:
    given, now = module.params["nginx_conf"], atomic_files.read(build.configuration)
    if not given or given["state"] == "restored" or not now:
        return
    master = processes.master_pid(build)
    workers = sorted(processes.accepting_workers(master)) if master else []
    try:
        there = nginx_conf.values(text_of(now))
    except nginx_conf.MainContextError as error:
        # It is nobody's business here but that of those who manage it.
        module.warn(f"{build.configuration}: {error}")
        return
    wanted = limits(given, there.get("worker_processes"))
    for found in capacity.shortfalls(wanted, there, capacity.open_files(workers[0]) if workers else None):
        module.warn(f"{given['at'] or build.configuration}: {found}")


def warn_of_certificates(module: AnsibleModule, results: t.Sequence[routes.Result]) -> None:
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    for warning in certificate.warnings([(result.probe["site"], result.expires) for result in results], now):
        module.warn(warning)


def shown(change: atomic_files.Change, *, hidden: bool = False) -> dict[str, str]:
    def text(content: atomic_files.Content | None, instead: str) -> str:
        if content is None:
            return ""
        return instead if hidden else content.data.decode("utf-8", "replace")

    return {
        "before": text(change.now, _HIDDEN),
        "before_header": str(change.path),
        "after": text(change.after, _HIDDEN_OTHER if change.now else _HIDDEN),
        "after_header": str(change.path),
    }


def last_deploy(kept: journal.Journal) -> journal.Entry:
    entry = kept.last()
    if entry is None:
        raise transaction.TransactionError("there is no deploy to go back from: this host keeps none")
    return entry


def previous_files(build: binary.Build, entry: journal.Entry) -> tuple[Wanted, Wanted, Wanted]:
    """The files of the configuration as they were before a deploy, its secrets, and those beside them."""
    own: Wanted = {}
    secrets: Wanted = {}
    beside: Wanted = {}
    for file in entry.files:
        if file.is_secret:
            secrets[file.path] = file.before
        elif file.path not in host_files(build):
            own[file.path] = file.before
        # What that deploy left alone, and what somebody changed since, is none of its.
        elif journal.digest(file.before) != file.after[0] == journal.digest(atomic_files.read(file.path)):
            beside[file.path] = file.before
    if not any(own.values()):
        raise transaction.TransactionError(
            f"the deploy of {entry.time} was the first one: there is no configuration before it to go back to"
        )
    return own, secrets, beside


def hide_secrets(module: AnsibleModule, contents: t.Iterable[atomic_files.Content | None]) -> None:
    """What comes from the host itself, and not with the module's options, is not shown either."""
    for content in contents:
        text = content.data.decode("utf-8", "replace") if content else ""
        module.no_log_values.update(found for found in (text, text.strip()) if found)


def show_paths(module: AnsibleModule) -> None:
    """The option is secret as a whole, for a log would hold it in a form that Ansible does not mask. But messages name
    the files.
    """
    for item in module.params["secrets"]:
        module.no_log_values -= {item["path"], item["at"]}


def keep_secrets(module: AnsibleModule, made: journal.Probes) -> None:
    """Headers that come from the host itself, and not with the module's options, are not shown either."""
    for probe in made:
        for headers in (probe.get("headers"), (probe.get("backends") or {}).get("headers")):
            module.no_log_values.update(str(value) for value in (headers or {}).values() if value)


def out_of_balancers(module: AnsibleModule, deal: transaction.Transaction) -> t.ContextManager[None]:
    health = module.params["health"]
    if not health:
        return contextlib.nullcontext()
    flag = Path(health["flag"])
    if _drain_record.is_out(flag):
        module.warn("this gateway is out of its load balancers, until the playbook drain brings it back")
    return _drain_record.gateway(flag, health["wait"] if deal.plan.is_needed and deal.plan.has_earlier else 0)


def test(module: AnsibleModule, deal: transaction.Transaction) -> None:
    # Before nginx does, which tests whether it can write there.
    if module.params["log"] and deal.plan.is_needed and not module.check_mode:
        atomic_files.keep_log(Path(module.params["log"]))
    for message in deal.test():
        module.warn(f"nginx: {message}")


def warn_of_unverified(module: AnsibleModule, results: t.Sequence[routes.Result]) -> None:
    for result in results:
        if result.unverified:
            module.warn(f"{diagnosis.label(result)}: not verified: {result.unverified}")


def go(module: AnsibleModule, scratch: Path) -> None:
    kept = journal.Journal(module.params["live_address"])
    wanted_probes, policy = module.params["probes"], module.params["policy"]
    previous = module.params["state"] == "previous"
    if not previous and module.check_mode and binary.find_binary() is None:
        module.warn("nginx is not installed yet, so it could not test the candidate")
        own = own_files(module)
        secrets = secret_files(module, own)
        diff = [shown(change, hidden=change.path in secrets) for change in atomic_files.pending({**own, **secrets})]
        module.exit_json(changed=True, rolled_back=False, actions=[], diff=diff)
    build = binary.installed()
    if not previous:
        kept.take_over(own_files(module))
    live_address = module.params["live_address"]
    keep_secrets(module, kept.deployed().probes)
    entry = last_deploy(kept) if previous else None
    if entry:
        live_address = entry.live_address or live_address
        keep_secrets(module, entry.probes)
        own, secrets, beside = previous_files(build, entry)
        hide_secrets(module, secrets.values())
        # Never back to what the operator flees from.
        wanted_probes, policy = entry.probes, "fail" if policy == "rollback" else policy
    else:
        own, beside = own_files(module), files_beside(module, build, kept)
        secrets = secret_files(module, own)
    wanted = goal.Goal(
        own, beside, live_address, secrets, sources(module, build), previous, *recorded_of(module, entry)
    )
    deal = transaction.Transaction(build, wanted.with_leftovers(kept, host_files(build)), kept, scratch)
    hidden = deal.plan.secrets
    diff = [shown(change, hidden=change.path in hidden) for change in deal.plan.pending]
    result = {"changed": deal.plan.is_needed, "rolled_back": False, "diff": diff}
    test(module, deal)
    if module.check_mode:
        module.exit_json(actions=deal.plan.actions, **result)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(out_of_balancers(module, deal))
        except OSError as error:
            raise transaction.TransactionError(f"{atomic_files.described(error)}; nothing was changed") from error
        report = deploy.run(deal, wanted_probes, policy)
    if report.rolled_back:
        module.fail_json(msg=report.failure, changed=False, rolled_back=True)
    warn_of_limits(module, build)
    warn_of_certificates(module, report.results)
    warn_of_unverified(module, report.results)
    result["actions"] = report.actions
    if report.failure and policy != "warn":
        module.fail_json(msg=report.failure, **result)
    if report.failure:
        module.warn(report.failure)
    module.exit_json(probes=[probe.as_dict() for probe in report.results], **result)


def main() -> None:
    module = AnsibleModule(
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
                    "content": {"type": "str"},
                    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
                    "at": {"type": "str", "default": ""},
                },
                "required_if": [("state", "present", ("content",))],
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
    show_paths(module)
    try:
        with lock.locked() as scratch:
            go(module, scratch)
    except (
        binary.NginxError,
        transaction.TransactionError,
        nginx_conf.MainContextError,
        lock.Busy,
    ) as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=atomic_files.described(error))


if __name__ == "__main__":
    main()
