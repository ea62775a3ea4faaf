#!/usr/bin/python
# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: wait_for_closed_connections
short_description: Wait until connections are gone, and count those that are left
version_added: 0.5.0
author:
  - The wsfleet maintainers (@wsfleet)
description:
  - Counts the open TCP connections of a host, to other hosts and from its own clients, until there are none or the time
    is over. It ends no connection, and it does not fail where some are left.
options:
  peers:
    description:
      - What the connections lead to, as V(HOST:PORT), V([V6]:PORT) or V(unix:/PATH). Names are resolved on this host.
    type: list
    elements: str
    default: []
  listening:
    description: What the connections came to, as V(PORT), V(HOST:PORT) or V([V6]:PORT). The port counts.
    type: list
    elements: str
    default: []
  timeout:
    description: The seconds to wait. With V(0) they are counted once.
    type: float
    default: 0
attributes:
  check_mode:
    description: Changes nothing, and counts once in check mode.
    support: full
  diff_mode:
    description: Has nothing to show.
    support: none
  platform:
    description: Reads C(/proc).
    support: full
    platforms: linux
seealso:
  - module: wsfleet.nginx.config_transaction
"""

EXAMPLES = r"""
- name: Wait until the last WebSocket to a backend is closed
  wsfleet.nginx.wait_for_closed_connections:
    peers: ["server02:3000"]
    timeout: 600
  register: drained

- name: Say what is left
  ansible.builtin.debug:
    msg: "{{ drained.open }} connections to server02 are still open"
"""

RETURN = r"""
open:
  description: How many connections are open at the end.
  type: int
  returned: always
  sample: 0
seconds:
  description: For how many seconds it was waited.
  type: float
  returned: always
  sample: 12.5
"""

import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.wsfleet.nginx.plugins.module_utils import _host

# Rows of 10,000 sockets take some 20 milliseconds.
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
