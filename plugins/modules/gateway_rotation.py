#!/usr/bin/python
# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_rotation
short_description: Take a gateway out of its load balancers, or bring it back
version_added: 0.8.0
author:
  - The wsfleet maintainers (@wsfleet)
description:
  - Writes or removes the file for which the health check of a gateway's configuration tests. Load balancers get V(503)
    while it is there. Connections stay open.
  - Fails if the configuration on the host does not test for the file, as then load balancers would not notice.
options:
  state:
    description: Whether load balancers send clients to the gateway.
    type: str
    choices: [out, in]
    required: true
  flag:
    description: The file, as in the option O(wsfleet.nginx.config_transaction#module:health.flag).
    type: path
    required: true
  config_path:
    description: The configuration file. Required with O(state=out).
    type: path
  live_address:
    description:
      - The address of the option of the same name of M(wsfleet.nginx.config_transaction), under which the host keeps
        which other files the configuration has. Required with O(state=out).
    type: str
attributes:
  check_mode:
    description: Can run in C(check_mode) and return whether something would change.
    support: full
  diff_mode:
    description: Returns details on what has changed (or possibly needs changing), when in diff mode.
    support: none
seealso:
  - module: wsfleet.nginx.config_transaction
  - module: wsfleet.nginx.wait_for_closed_connections
"""

EXAMPLES = r"""
- name: Take the gateway out of its load balancers
  wsfleet.nginx.gateway_rotation:
    state: out
    flag: /etc/nginx/conf.d/.00-websockets.out
    config_path: /etc/nginx/conf.d/00-websockets.conf
    live_address: 127.0.0.1:488
"""

RETURN = r"""
state:
  description: The option O(state).
  type: str
  returned: success
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.wsfleet.nginx.plugins.module_utils import _drain_record
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import atomic_files, journal


def rotate(module: AnsibleModule, flag: Path) -> bool:
    """Whether a file was written or removed."""
    if module.params["state"] == "in":
        there = [path for path in (flag, _drain_record.former(flag)) if path.exists()]
        if not module.check_mode:
            _drain_record.bring_back(there)
        return bool(there)
    configuration, kept = Path(module.params["config_path"]), journal.Journal(module.params["live_address"])
    kept.take_over([configuration])
    contents = [atomic_files.read(path) for path in {configuration, *map(Path, kept.deployed().files)}]
    tested = _drain_record.tested(flag, b"".join(content.data for content in contents if content))
    if not tested:
        module.fail_json(
            msg=f"{configuration} does not test for {flag}, so load balancers would not see that this gateway is "
            "drained; nothing was changed. Deploy websockets_health_path with the playbook site first."
        )
    missing = [path for path in tested if not _drain_record.is_by_operator(path)]
    if not module.check_mode:
        _drain_record.take_out(missing)
    return bool(missing)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["out", "in"], "required": True},
            "flag": {"type": "path", "required": True},
            "config_path": {"type": "path"},
            "live_address": {"type": "str"},
        },
        required_if=[("state", "out", ("config_path", "live_address"))],
        supports_check_mode=True,
    )
    try:
        changed = rotate(module, Path(module.params["flag"]))
    except OSError as error:
        module.fail_json(msg=f"{atomic_files.described(error)}; nothing was changed")
    module.exit_json(changed=changed, state=module.params["state"])


if __name__ == "__main__":
    main()
