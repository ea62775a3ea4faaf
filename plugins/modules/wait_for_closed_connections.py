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
  - Counts the open connections of nginx, to servers and from its own clients, until there are none or the timeout is
    reached. Those of other programs are not counted.
  - It shows how many are left every now and then. It closes no connection without O(force), and does not fail if some
    remain.
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
      - The addresses that clients connected to, as V(PORT), V(HOST:PORT) or V([V6]:PORT).
    type: list
    elements: str
    default: []
  force:
    description:
      - Whether to close the connections that remain. nginx closes both ends of each, as if its other end had. The
        clients and servers notice at once, and do not get a close frame.
      - This needs root rights and Linux 5.6, and C(CAP_SYS_PTRACE) where C(kernel.yama.ptrace_scope) is not 0.
      - Clients at a port where nginx has a C(listen) in a file that is not of the configuration at O(live_address) stay
        open, as they may be those of other sites.
    type: bool
    default: false
    version_added: 0.8.0
  live_address:
    description:
      - The option of the same name of M(wsfleet.nginx.config_transaction), under which the host keeps which files the
        configuration has. Required with O(force) and O(listening).
    type: str
    version_added: 0.8.0
  rate:
    description:
      - How many connections O(force) closes in a second. What the gateway closes elsewhere at the same time, as those
        of old workers, counts too.
    type: float
    default: 500
    version_added: 0.10.0
  force_timeout:
    description: The seconds that O(force) closes for. By default, as long as it takes.
    type: float
    version_added: 0.10.0
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
      - In check mode it counts the connections once, does not wait, and closes none.
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
left:
  description:
    - How many of them there are to each of O(peers), and from clients at each C(port PORT).
  type: dict
  returned: always
  sample: {"server02:3000": 12, "port 443": 3}
  version_added: 0.8.0
closed:
  description: How many were closed with O(force).
  type: int
  returned: always
  version_added: 0.8.0
reason:
  description: Why O(force) did not close all of them, or empty.
  type: str
  returned: always
  version_added: 0.8.0
seconds:
  description: The seconds that the module waited.
  type: float
  returned: always
  sample: 12.5
"""

import time
import typing as t
from collections import Counter

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.wsfleet.nginx.plugins.module_utils import _connections, _pace
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import binary, processes
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import journal

# 10,000 sockets take some 100 milliseconds to count.
_POLL_SECONDS = 1.0
# nginx closes both ends of a tunnel within this time.
_CLOSE_SECONDS = 10.0


class OutOfTime(Exception):
    """The seconds to close for are over."""


class Waiting:
    """Waits for the connections of one nginx."""

    def __init__(self, params: t.Mapping[str, t.Any]) -> None:
        self._build = binary.installed() if binary.find_binary() else None
        self._connections = _connections.Connections(params["peers"], params["listening"])
        self._live_address = params["live_address"]
        self._listening = bool(params["listening"])
        self._pace = _pace.Pace(params["rate"])

    def open(self) -> list[_connections.Connection]:
        return self._connections.open(processes.sockets(self._build))

    def until(self, deadline: float, among: t.Collection[_connections.Connection] | None = None) -> list[t.Any]:
        """Those that are open when the time is up, or none before that; all of them, or those among some."""
        while True:
            left = [connection for connection in self.open() if among is None or connection in among]
            remaining = deadline - time.monotonic()
            if not left or remaining <= 0:
                return left
            time.sleep(min(_POLL_SECONDS, remaining))

    def close(
        self, left: t.Sequence[_connections.Connection], seconds: float | None
    ) -> tuple[list[_connections.Connection], str]:
        """Close these; those that stay open, and why. New clients do not count: a gateway may have some at any time."""
        shared = self._shared_ports()
        closing = {connection for connection in left if connection.where not in shared}
        deadline = None if seconds is None else time.monotonic() + seconds

        def wait() -> None:
            if deadline is not None and time.monotonic() > deadline:
                raise OutOfTime
            self._pace.wait()

        is_over, reason = False, ""
        try:
            reason = _connections.close(closing, processes.sockets(self._build), wait)
        except OutOfTime:
            is_over = True
        still = self.until(time.monotonic() + (0 if reason or is_over else _CLOSE_SECONDS), closing)
        kept = [connection for connection in left if connection not in closing]
        reasons = [reason or "nginx did not close them"] if still and not is_over else []
        reasons += [f"{where} is also a port of {path}" for where, path in shared.items() if _has(kept, where)]
        return [*still, *kept], "; ".join(reasons)

    def _shared_ports(self) -> dict[str, str]:
        """The ports at which nginx may have clients of other sites, each with a file that says so."""
        if not self._listening or self._build is None:
            return {}
        own = {str(path) for path in journal.Journal(self._live_address).deployed().files}
        listens = binary.listens(self._build)
        return {f"port {port}": path for path, ports in listens.items() if path not in own for port in ports}


def _has(connections: t.Iterable[_connections.Connection], where: str) -> bool:
    return any(connection.where == where for connection in connections)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "peers": {"type": "list", "elements": "str", "default": []},
            "listening": {"type": "list", "elements": "str", "default": []},
            "timeout": {"type": "float", "default": 0},
            "force": {"type": "bool", "default": False},
            "rate": {"type": "float", "default": 500},
            "force_timeout": {"type": "float"},
            "live_address": {"type": "str"},
        },
        supports_check_mode=True,
    )
    params, start = module.params, time.monotonic()
    if params["force"] and params["listening"] and not params["live_address"]:
        module.fail_json(msg="force requires live_address with listening")
    if params["rate"] <= 0:
        module.fail_json(msg="rate must be greater than 0")
    closed, reason = 0, ""
    try:
        waiting = Waiting(params)
        left = waiting.until(start + (0 if module.check_mode else params["timeout"]))
        if left and params["force"] and not module.check_mode:
            before = len(left)
            left, reason = waiting.close(left, params["force_timeout"])
            closed = before - len(left)
    except (OSError, ValueError, binary.NginxError) as error:
        module.fail_json(msg=f"cannot count the connections: {error}")
    module.exit_json(
        changed=closed > 0,
        open=len(left),
        left=Counter(connection.where for connection in left),
        closed=closed,
        reason=reason,
        seconds=round(time.monotonic() - start, 1),
    )


if __name__ == "__main__":
    main()
