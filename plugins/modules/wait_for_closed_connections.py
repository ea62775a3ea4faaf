#!/usr/bin/python
# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: wait_for_closed_connections
short_description: Wait until connections are closed, and count those that remain
version_added: 0.5.0
author:
  - The wsfleet maintainers (@wsfleet)
description:
  - Counts the open TCP connections of a host, to other hosts and from its own clients, until there are none or the
    timeout is reached. It closes no connection, and does not fail if some remain.
options:
  peers:
    description:
      - The remote ends of the connections, as V(HOST:PORT), V([V6]:PORT) or V(unix:/PATH).
      - Names are resolved on the host.
    type: list
    elements: str
    default: []
  listening:
    description:
      - The addresses that clients connected to, as V(PORT), V(HOST:PORT) or V([V6]:PORT). Only the port counts.
    type: list
    elements: str
    default: []
  timeout:
    description: The seconds to wait. With V(0) the connections are counted once.
    type: float
    default: 0
extends_documentation_fragment:
  - wsfleet.nginx.attributes
  - wsfleet.nginx.attributes.linux
attributes:
  check_mode:
    description: Can run in C(check_mode) and return what it would return without.
    support: full
    details:
      - The module changes nothing. In check mode it counts the connections once, and does not wait.
seealso:
  - module: wsfleet.nginx.config_transaction
"""

EXAMPLES = r"""
- name: Wait until the last WebSocket to a backend is closed
  wsfleet.nginx.wait_for_closed_connections:
    peers: ["server02:3000"]
    timeout: 600
  register: drained

- name: Report the connections that remain
  ansible.builtin.debug:
    msg: "{{ drained.open }} connections to server02 are still open"
"""

RETURN = r"""
open:
  description: The number of connections that are open at the end.
  type: int
  returned: always
  sample: 0
seconds:
  description: The seconds that the module waited.
  type: float
  returned: always
  sample: 12.5
"""

import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.wsfleet.nginx.plugins.module_utils import _host

# 10,000 sockets take some 20 milliseconds to count.
_POLL_SECONDS = 0.5


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "peers": {"type": "list", "elements": "str", "default": []},
            "listening": {"type": "list", "elements": "str", "default": []},
            "timeout": {"type": "float", "default": 0},
        },
        supports_check_mode=True,
    )
    start = time.monotonic()
    deadline = start + (0 if module.check_mode else module.params["timeout"])
    try:
        count = _host.connections(module.params["peers"], module.params["listening"])
        left = count()
        while left and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
            left = count()
    except (OSError, ValueError) as error:
        module.fail_json(msg=f"cannot count the connections: {error}")
    module.exit_json(changed=False, open=left, seconds=round(time.monotonic() - start, 1))


if __name__ == "__main__":
    main()
