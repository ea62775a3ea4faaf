#!/usr/bin/python
# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: compare
version_added: 0.12.0
short_description: Show whether two nginx configurations serve the same
description:
  - Runs two configurations side by side under the nginx of the host, sends both the same requests, and returns how
    the responses differ, and what the servers behind nginx received.
  - The requests are drawn from both configurations. They have the paths of all locations, those below, above and
    beside them, a path for each regular expression, all names of servers and a foreign one, several methods, bodies
    below and above the limit, headers that clients may forge, and handshakes with the site's own Origin, a foreign one,
    a subprotocol, and messages in both directions.
  - In place of the servers behind nginx, the module itself receives what nginx passes on. The names of servers need not
    resolve, and no server is reached.
  - Each nginx runs in namespaces of Linux of its own, with a network that has nothing but a loopback interface. The
    files of the host can only be read there. What nginx writes, such as logs, is in memory, and no process is left.
  - A difference that this collection makes on purpose has the purpose in RV(differences[].by_design), such as the 421
    for a foreign C(Host). This is only so where O(after) is a file of the role P(wsfleet.nginx.websockets#role).
options:
  before:
    description:
      - The earlier configuration, on the host of the task.
      - Either a whole C(nginx.conf), or a file or a directory that belongs into the C(http) block, as C(conf.d) and
        C(sites-enabled).
      - The directory of an C(nginx.conf) takes the place of C(/etc/nginx), so a copy of a whole tree may name its files
        there. What it lacks of C(/etc/nginx), such as C(mime.types), is that of the host.
    type: path
    required: true
  after:
    description:
      - The later one, in the same forms.
    type: path
    required: true
  requests:
    description:
      - Requests that are sent in addition. They need no secrets, as no server is reached.
    type: list
    elements: dict
    default: []
    suboptions:
      url:
        description:
          - As a client would have it. V(ws://) and V(wss://) open a WebSocket.
        type: str
        required: true
      method:
        description:
          - The method of the request.
        type: str
        default: GET
      headers:
        description:
          - More headers.
        type: dict
        default: {}
      body:
        description:
          - The body.
        type: str
        default: ""
      client:
        description:
          - The address that the request comes from. By default each has another one.
        type: str
      connect_to:
        description:
          - The address of nginx, as V(HOST:PORT), V([IPv6]:PORT) or V(unix:/PATH).
          - The default is the first C(listen) with the port of O(requests[].url), at all addresses if there is one.
        type: str
  executable:
    description:
      - The nginx to run. The default is the one that is installed.
    type: path
extends_documentation_fragment:
  - wsfleet.nginx.attributes
  - wsfleet.nginx.attributes.linux
attributes:
  platform:
    description: Target operating systems. The module uses namespaces.
requirements:
  - nginx and openssl on the host
  - root, or a kernel that lets other users create user namespaces; in a container, a privileged one
notes:
  - Certificates and keys that are missing or cannot be read are replaced by one that is made for the comparison, and so
    are the CAs of clients' certificates.
  - Timeouts of backends are compared by what the configurations say, for they are too long to wait for, and so are the
    methods and the weights by which the server of an upstream is chosen. What becomes of a server that fails is not
    compared.
  - Only C(http) is compared, C(stream) and C(mail) are not. All requests are of HTTP/1.1; of HTTP/2 it is compared
    whether nginx offers it.
  - Files that packages bring along and that are missing, such as C(proxy_params), have a short form, and the report
    says so. Directories of static files that are missing have a file for each request for one.
seealso:
  - module: wsfleet.nginx.websocket_probe
author:
  - The wsfleet maintainers (@wsfleet)
"""

EXAMPLES = r"""
- name: Verify that the gateway serves what the hand-written file did
  wsfleet.nginx.compare:
    before: /etc/nginx/sites-enabled/chat
    after: /tmp/rendered/00-websockets.conf
  register: compared
  failed_when: not compared.same

- name: Show how they differ
  ansible.builtin.debug:
    msg: "{{ compared.report.splitlines() }}"

- name: Compare a change of a repository in CI, where any difference is to be seen
  wsfleet.nginx.compare:
    before: "{{ playbook_dir }}/main/nginx/nginx.conf"
    after: "{{ playbook_dir }}/branch/nginx/nginx.conf"
    requests:
      - url: https://www.example.com/api/v1/orders?limit=10
        headers:
          Authorization: Bearer abc
      - url: wss://www.example.com/live
        headers:
          Origin: https://partner.example
      - url: http://www.example.com/admin/
        client: 10.0.0.7
  become: true
  register: change

- name: Fail on what is not by design, unless it is the one known difference
  ansible.builtin.assert:
    that: >-
      change.differences | rejectattr('by_design') | rejectattr('what', 'eq', 'response header x-cache') | length == 0
    fail_msg: "{{ change.report }}"
"""

RETURN = r"""
same:
  description: Whether there are no differences but those by design.
  returned: success
  type: bool
  sample: false
differences:
  description:
    - All differences. Where the response is another one, nothing else is listed for that request.
  returned: success
  type: list
  elements: dict
  contains:
    request:
      description: The request, with what is special about it; of timeouts, the location.
      type: str
      sample: GET http://chat.example.com/ws (port 80, foreign Origin)
    what:
      description:
        - What differs, such as V(response), V(response header location), V(path at the backend),
          V(header host to the backend), V(WebSocket), V(upstream), V(proxy_read_timeout).
      type: str
      sample: response
    before:
      description: What it is with O(before).
      type: str
      sample: 101 through chat1:3000
    after:
      description: What it is with O(after).
      type: str
      sample: 403 by nginx itself
    by_design:
      description: The purpose, if it is one of this collection, or V(null).
      type: str
      sample: a handshake with a foreign Origin gets 403
requests:
  description: How many requests each of them was sent.
  returned: success
  type: int
  sample: 312
report:
  description: The same as a text, with differences that are alike together.
  returned: success
  type: str
  sample: |
    before.conf and after.conf are not the same: 312 requests

    Not the same
    - path at the backend
        /ws -> /
            GET http://chat.example.com/ws (port 80), and 23 more
msg:
  description: Why the configurations could not be run, and which one, with nginx's own words.
  returned: failure
  type: str
  sample: 'after: [emerg] unknown directive "server_mame" in /etc/nginx/conf.d/chat.conf:3'
"""

import tempfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.wsfleet.nginx.plugins.module_utils._compare.comparison import compare
from ansible_collections.wsfleet.nginx.plugins.module_utils._compare.own_requests import own_requests
from ansible_collections.wsfleet.nginx.plugins.module_utils._compare.report import report
from ansible_collections.wsfleet.nginx.plugins.module_utils._compare.side import CompareError

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "before": {"type": "path", "required": True},
    "after": {"type": "path", "required": True},
    "requests": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "url": {"type": "str", "required": True},
            "method": {"type": "str", "default": "GET"},
            "headers": {"type": "dict", "default": {}},
            "body": {"type": "str", "default": ""},
            "client": {"type": "str"},
            "connect_to": {"type": "str"},
        },
    },
    "executable": {"type": "path"},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    before, after = module.params["before"], module.params["after"]
    requests, errors = own_requests(module.params["requests"])
    errors += [f"{path} does not exist" for path in (before, after) if not Path(path).exists()]
    if errors:
        module.fail_json(msg="; ".join(errors))
    try:
        with tempfile.TemporaryDirectory(dir=module.tmpdir) as directory:
            result = compare(Path(before), Path(after), requests, module.params["executable"], Path(directory))
    except CompareError as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=False,
        same=result.same,
        requests=result.requests,
        differences=[vars(one) for one in result.differences],
        report=report(result, before, after),
    )


if __name__ == "__main__":
    main()
