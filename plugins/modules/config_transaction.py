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
    are renamed into place. nginx is reloaded, never restarted, so that open WebSockets survive, and started where it
    does not run.
  - A reload that fails is silent. So the configuration itself has to tell which one is live, on O(live_address). Where
    the new one does not go live, the earlier files are put back and the module fails with nginx's own words.
  - Where the files are as wanted and live, nothing is done.
options:
  files:
    description: The files of the transaction.
    type: list
    elements: dict
    required: true
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
  live_address:
    description:
      - Where the running nginx answers V(GET /) with a fingerprint, as V(HOST:PORT) or V([V6]:PORT). It should be an
        address of the loopback interface.
      - The fingerprint is a SHA-256 in hexadecimal digits that stands word for word in the content of one of O(files),
        and in no other version of it. The hash of the rest of the content does.
    type: str
    required: true
  proofs:
    description:
      - The routes to prove at the end, whether or not anything changed. All are run at once, each within 5 seconds.
      - A route without its proof fails the module. The files, which nginx accepted, stay.
    type: list
    elements: dict
    default: []
    suboptions:
      at:
        description: The place of the route in the operator's variables, for the message where it is not proven.
        type: str
        version_added: 0.2.0
      site:
        description: The site's name, for the result.
        type: str
        required: true
      path:
        description: The location's path, for the result.
        type: str
        required: true
      url:
        description:
          - What to ask for, as V(ws://HOST:PORT/PATH) or V(http://HOST:PORT/PATH), or with V(wss) or V(https).
          - Certificates are not verified. The proof is one of the route.
        type: str
        required: true
      connect_to:
        description: Where nginx listens, as V(HOST:PORT), V([V6]:PORT) or V(unix:/PATH).
        type: str
        required: true
      websocket:
        description:
          - V(true) asks for a handshake, V(required) for a handshake and a 426 to plain HTTP, and V(false) for an
            answer to plain HTTP that is no upgrade and comes from a backend.
        type: raw
        choices: [true, false, required]
        required: true
      status:
        description: The status that plain HTTP has to be answered with. By default any that a backend may give.
        type: int
        version_added: 0.2.0
      origin:
        description: The C(Origin) header of the request.
        type: str
        version_added: 0.2.0
      subprotocols:
        description: The subprotocols that the handshake offers. One of them must be chosen.
        type: list
        elements: str
        default: []
        version_added: 0.2.0
      headers:
        description: More headers of the request. They never appear in logs or results.
        type: dict
        default: {}
        version_added: 0.2.0
      send:
        description: Text to send as one message once the WebSocket is open. A text message must come back.
        type: str
        version_added: 0.2.0
      expect:
        description: The exact text message that must come, as the answer to O(proofs[].send) or without one, unasked.
        type: str
        version_added: 0.2.0
      wait:
        description:
          - For how many seconds a proof that fails is tried again.
          - A pool that nginx resolves while it runs has no servers until the first answer of its name server.
        type: float
        default: 0
        version_added: 0.2.0
attributes:
  check_mode:
    description: Tests the candidate with nginx, and changes nothing. Routes are not proven.
    support: full
  diff_mode:
    description: Shows each file that changes.
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
    proofs:
      - site: ws.serverlab.ca
        path: /
        url: ws://ws.serverlab.ca:3000/
        connect_to: 127.0.0.1:3000
        websocket: true

- name: Take it away again
  wsfleet.nginx.config_transaction:
    files:
      - path: /etc/nginx/conf.d/00-websockets.conf
        state: absent
    live_address: 127.0.0.1:6455
"""

RETURN = r"""
actions:
  description: What was done, in the order it was done. In check mode, what would be done.
  type: list
  elements: str
  returned: always
  sample: [wrote /etc/nginx/conf.d/00-websockets.conf, reloaded nginx]
proofs:
  description: One result for each of O(proofs), in their order.
  type: list
  elements: dict
  returned: when all proofs passed, which in check mode are not made
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
    proven:
      description: What was proven.
      type: str
      sample: handshake
    milliseconds:
      description: Milliseconds from the start of the connection to the answer.
      type: float
"""

import os
import re
import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.wsfleet.nginx.plugins.module_utils import files, nginx, proofs, transaction


def wanted_files(module: AnsibleModule) -> dict[Path, files.Content | None]:
    wanted: dict[Path, files.Content | None] = {}
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
            content = files.Content(data=item["content"].encode(), mode=int(item["mode"], 8))
        wanted[path] = content
    return wanted


def shown(change: files.Change) -> dict[str, str]:
    def text(content: files.Content | None) -> str:
        return content.data.decode("utf-8", "replace") if content else ""

    return {
        "before": text(change.before),
        "before_header": str(change.path),
        "after": text(change.after),
        "after_header": str(change.path),
    }


def prove(module: AnsibleModule, result: dict[str, t.Any]) -> None:
    results = proofs.prove_all(module.params["proofs"])
    failed = [
        f"- {result['site']} {result['path']}{f' ({at})' if at else ''}: {result['failure']}"
        for proof, result in zip(module.params["proofs"], results)
        if result["failure"]
        for at in [proof["at"]]
    ]
    if failed:
        live = "nginx serves the new configuration" if result["changed"] else "nginx serves the configuration"
        module.fail_json(msg="\n".join([f"{live}, but not every route is proven:", *failed]), **result)
    result["proofs"] = results


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "files": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "path": {"type": "path", "required": True},
                    "content": {"type": "str"},
                    "mode": {"type": "str", "default": "0644"},
                    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
                },
                "required_if": [("state", "present", ("content",))],
            },
            "live_address": {"type": "str", "required": True},
            "proofs": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "at": {"type": "str"},
                    "site": {"type": "str", "required": True},
                    "path": {"type": "str", "required": True},
                    "url": {"type": "str", "required": True},
                    "connect_to": {"type": "str", "required": True},
                    "websocket": {"type": "raw", "choices": [True, False, "required"], "required": True},
                    "status": {"type": "int"},
                    "origin": {"type": "str"},
                    "subprotocols": {"type": "list", "elements": "str", "default": []},
                    "headers": {"type": "dict", "default": {}, "no_log": True},
                    "send": {"type": "str"},
                    "expect": {"type": "str"},
                    "wait": {"type": "float", "default": 0},
                },
            },
        },
        supports_check_mode=True,
    )
    wanted = wanted_files(module)
    try:
        if module.check_mode and nginx.find_binary() is None:
            module.warn("nginx is not installed yet, so it could not test the candidate")
            module.exit_json(changed=True, actions=[], diff=[shown(change) for change in files.plan(wanted)])
        deploy = transaction.Transaction(nginx.installed(), wanted, module.params["live_address"])
        result = {"changed": deploy.needed, "diff": [shown(change) for change in deploy.changes]}
        for message in deploy.test():
            module.warn(f"nginx: {message}")
        if module.check_mode:
            module.exit_json(actions=deploy.actions, **result)
        result["actions"] = deploy.run()
    except (nginx.NginxError, transaction.TransactionError, OSError) as error:
        module.fail_json(msg=str(error))
    prove(module, result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
