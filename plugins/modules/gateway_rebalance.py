#!/usr/bin/python
# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_rebalance
short_description: Move open WebSockets from full servers of an upstream to others
version_added: 0.10.0
author:
  - The wsfleet maintainers (@wsfleet)
description:
  - Closes open connections of nginx to the fullest servers of its upstreams, at a pace, so that their clients come back
    and nginx sends them to other servers, until each server is within 10 % of what its weight asks for.
  - nginx counts from zero after a reload. So connections of workers that are shutting down are closed first. These end
    anyway.
  - No more clients are away at once than would be enough if all of them went where they are missing, nor more than a
    tenth. It stops where clients do not come back within a minute, or nginx sends them elsewhere.
options:
  upstreams:
    description: The upstreams.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Its name, for the result.
        type: str
        required: true
      servers:
        description: The servers that take clients.
        type: list
        elements: dict
        required: true
        suboptions:
          address:
            description: The address, as V(HOST:PORT), V([V6]:PORT) or V(unix:/PATH). Names are resolved on the host.
            type: str
            required: true
          weight:
            description: Its weight. A server with V(0) is emptied.
            type: int
            default: 1
      obstacle:
        description: Why none of its connections are to be closed.
        type: str
        default: ""
  rate:
    description:
      - How many connections to close in a second. What the gateway closes elsewhere at the same time, as those of old
        workers, counts too.
    type: float
    default: 10
  live_address:
    description:
      - The option of the same name of M(wsfleet.nginx.config_transaction), under which the host keeps which servers are
        drained. These are left alone.
    type: str
    required: true
  config_path:
    description: The file of nginx's configuration, to see whether the servers are deployed.
    type: path
    required: true
  progress:
    description: RV(upstreams) of an earlier call, to go on from there.
    type: list
    elements: dict
    default: []
  timeout:
    description: The seconds after which the module returns, whether it is done or not.
    type: float
    default: 30
extends_documentation_fragment:
  - wsfleet.nginx.attributes
  - wsfleet.nginx.attributes.linux
attributes:
  check_mode:
    description: Can run in C(check_mode) and return what it would return without.
    support: full
    details:
      - In check mode it counts the connections once, and closes none.
seealso:
  - module: wsfleet.nginx.wait_for_closed_connections
"""

EXAMPLES = r"""
- name: Fill the new server
  wsfleet.nginx.gateway_rebalance:
    upstreams:
      - name: chat
        servers:
          - address: server01:3000
          - address: server02:3000
    rate: 13
    live_address: 127.0.0.1:488
    config_path: /etc/nginx/conf.d/00-websockets.conf
"""

RETURN = r"""
closed:
  description: How many connections were closed.
  type: int
  returned: always
upstreams:
  description: One result for each of O(upstreams), in their order.
  type: list
  elements: dict
  returned: always
  contains:
    name:
      description: Its name.
      type: str
    state:
      description:
        - V(balanced); V(moving) if that is still to be done; V(stopped) if it cannot be; or V(untouched), where nothing
          was closed.
      type: str
    reason:
      description: Why it was V(stopped) or V(untouched), or empty.
      type: str
    before:
      description: The connections of each server at first.
      type: dict
    now:
      description: Those at the end.
      type: dict
    needed:
      description: How many connections have to be moved at least.
      type: int
    closed:
      description: How many were closed, in this call and in earlier ones.
      type: int
"""

import time
import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.wsfleet.nginx.plugins.module_utils import (
    _balance,
    _connections,
    _drain_record,
    _pace,
    _worker_sockets,
)
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import binary, processes
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import atomic_files, journal, other_sites

# How often the connections are counted. What was not there the last time, such as a plain request, is not closed.
_TICK_SECONDS = 2.0


class Upstream:
    """An upstream with its servers, each address of a name for itself, as nginx has them."""

    def __init__(self, given: t.Mapping[str, t.Any], left_out: t.Container[str], configuration: str) -> None:
        self.name, self.obstacle = given["name"], given["obstacle"]
        self.weights: dict[str, int] = {}
        self.ends: dict[_connections.Peer, str] = {}
        for server in given["servers"]:
            address = server["address"]
            if address in left_out:
                continue
            if not self.obstacle and f"server {address}" not in configuration:
                self.obstacle = f"{address} is not deployed: run playbooks/site.yml first"
            ends = _connections.peers(address) if not self.obstacle else []
            for end in ends:
                name = address if len(ends) == 1 else f"{address} ({end[0]})"
                self.weights[name], self.ends[end] = server["weight"], name


class Gateway:
    """The connections of this host's nginx to the servers of some upstreams."""

    def __init__(self, params: t.Mapping[str, t.Any]) -> None:
        self._build = binary.installed()
        kept, path = journal.Journal(params["live_address"]), Path(params["config_path"])
        drained = [server["address"] for server in _drain_record.servers(kept, path) or ()]
        file = atomic_files.read(other_sites.deployed_file(kept, path))
        configuration = file.data.decode("utf-8", "replace") if file else ""
        self.upstreams = [Upstream(given, drained, configuration) for given in params["upstreams"]]
        taken: dict[_connections.Peer, Upstream] = {}
        for upstream in self.upstreams:
            for end, name in upstream.ends.items():
                other = taken.setdefault(end, upstream)
                if other is not upstream:
                    upstream.obstacle = (
                        f"the upstream {other.name} has {name} too, and their sockets cannot be told apart"
                    )
                    other.obstacle = other.obstacle or upstream.obstacle
        self._pace = _pace.Pace(params["rate"])
        self._most = max(1, int(params["rate"] * _TICK_SECONDS))
        self._seen: set[str] = set()

    def sockets(self, upstream: Upstream) -> dict[str, list[_worker_sockets.Held]]:
        """Those to each server, those of workers that are shutting down first: a reload has nginx count from zero, and
        so a client of theirs does not make place for itself.
        """
        found: dict[str, list[_worker_sockets.Held]] = {name: [] for name in upstream.weights}
        old, current = (processes.workers_of(self._build, accepting=accepting) for accepting in (False, True))
        held = [one for pid in (*sorted(old), *sorted(current)) for one in _worker_sockets.held(pid)]
        for one, end in _connections.to_peers(held, upstream.ends):
            found[upstream.ends[end]].append(one)
        return found

    def begin(self, upstream: Upstream) -> _balance.Progress:
        sockets = {} if upstream.obstacle else self.sockets(upstream)
        return _balance.begin(upstream.name, _counted(sockets), upstream.weights, upstream.obstacle)

    def move(self, upstream: Upstream, progress: _balance.Progress, deadline: float) -> None:
        """Go on until the upstream is balanced, or cannot be, or the time is up."""
        seen: set[str] | None = None
        last = time.monotonic()
        while progress["state"] == "moving" and time.monotonic() < deadline:
            sockets = self.sockets(upstream)
            closable = {name: [one for one in of if one.inode in (seen or ())] for name, of in sockets.items()}
            now = time.monotonic()
            if seen is not None:
                found = _balance.Found(_counted(sockets), _counted(closable), now - last)
                chosen = _balance.step(progress, upstream.weights, found, self._most)
                self._close([closable[name].pop(0) for name in chosen], progress)
            seen, last = {one.inode for of in sockets.values() for one in of}, now
            if progress["state"] == "moving":
                time.sleep(max(0.0, min(now + _TICK_SECONDS, deadline) - time.monotonic()))

    def _close(self, chosen: t.Iterable[_worker_sockets.Held], progress: _balance.Progress) -> None:
        for one in chosen:
            self._pace.wait()
            try:
                _worker_sockets.end(one)
            except OSError as error:
                reason = f"connections cannot be closed: {_worker_sockets.reason(error)}"
                _balance.stop(progress, reason)
                return


def _counted(sockets: t.Mapping[str, t.Sequence[object]]) -> dict[str, int]:
    return {name: len(of) for name, of in sockets.items()}


def main() -> None:
    server = {"address": {"type": "str", "required": True}, "weight": {"type": "int", "default": 1}}
    module = AnsibleModule(
        argument_spec={
            "upstreams": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "servers": {"type": "list", "elements": "dict", "required": True, "options": server},
                    "obstacle": {"type": "str", "default": ""},
                },
            },
            "rate": {"type": "float", "default": 10},
            "live_address": {"type": "str", "required": True},
            "config_path": {"type": "path", "required": True},
            "progress": {"type": "list", "elements": "dict", "default": []},
            "timeout": {"type": "float", "default": 30},
        },
        supports_check_mode=True,
    )
    params, deadline = module.params, time.monotonic() + module.params["timeout"]
    if params["rate"] <= 0:
        module.fail_json(msg="rate must be greater than 0")
    try:
        gateway = Gateway(params)
        found = params["progress"] or [gateway.begin(upstream) for upstream in gateway.upstreams]
        before = sum(progress["closed"] for progress in found)
        if not module.check_mode:
            for upstream, progress in zip(gateway.upstreams, found):
                gateway.move(upstream, progress, deadline)
    except (OSError, ValueError, binary.NginxError) as error:
        module.fail_json(msg=f"cannot count the connections: {error}")
    closed = sum(progress["closed"] for progress in found)
    module.exit_json(changed=closed > before, closed=closed, upstreams=found)


if __name__ == "__main__":
    main()
