#!/usr/bin/python
# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nginx_upgrade
short_description: Upgrade nginx without closing a WebSocket
version_added: 0.10.0
author:
  - The wsfleet maintainers (@wsfleet)
description:
  - Installs a new version of nginx's packages, and has the installed binary take over from the running one. Open
    WebSockets stay open in the workers that they are in, and no client is refused.
  - The scripts of the packages do not restart nginx meanwhile. Instead nginx itself starts the new binary (signal
    USR2), the earlier workers accept no more connections (WINCH), and the new binary is probed. It has to return the
    fingerprint of each configuration that M(wsfleet.nginx.config_transaction) has deployed, and each route has to pass
    its probe that passed before. Then the earlier master is ended.
  - If the new binary does not start or fails a probe, the earlier one serves on, the earlier packages are installed
    again, and the module fails.
  - If there is no new version, the binary is exchanged if the running one is not the one on the disk, or if a module or
    library that it has loaded was replaced, as by an update of OpenSSL.
  - If a run was killed, the next one completes the upgrade, or takes it back.
  - nginx's packages are those that are built from its source package, and its modules.
options:
  version:
    description:
      - The version of the package to install, as the package manager writes it, such as V(1.22.1-9+deb12u11). It may be
        lower than the installed one. Without it, the newest.
      - Modules with a source of their own have other versions, and are upgraded to their newest.
    type: str
  health:
    description:
      - How load balancers learn that the gateway is out of rotation during the upgrade, see the option
        O(wsfleet.nginx.config_transaction#module:health). It is taken out only if there is something to do.
    type: dict
    suboptions:
      flag:
        description: The file that exists while the gateway is out of rotation.
        type: path
        required: true
      wait:
        description: How many seconds to wait, with the gateway out of rotation, before anything is installed.
        type: float
        default: 0
attributes:
  check_mode:
    description:
      - Returns what would be installed, by the lists of packages that are on the host.
    support: full
  diff_mode:
    description: Shows the versions of the packages.
    support: full
  platform:
    description: Needs apt or dnf, signals nginx and reads C(/proc).
    support: full
    platforms: linux
notes:
  - nginx has to run with its default C(daemon on), started with the path of its binary, as services start it.
  - A pinned package (C(apt-mark hold)) is not upgraded.
  - In RHEL's family the scripts of the packages exchange the binary themselves.
seealso:
  - module: wsfleet.nginx.config_transaction
  - name: Upgrading executable on the fly
    description: The signals that nginx exchanges its binary by.
    link: https://nginx.org/en/docs/control.html#upgrade
"""

EXAMPLES = r"""
- name: Upgrade nginx to its newest package
  wsfleet.nginx.nginx_upgrade:

- name: Install a certain version
  wsfleet.nginx.nginx_upgrade:
    version: 1.22.1-9+deb12u11
"""

RETURN = r"""
actions:
  description: What was done, in the order it was done. In check mode, what would be done.
  type: list
  elements: str
  returned: on success
  sample:
    - installed nginx, nginx-common 1.22.1-9+deb12u9 -> 1.22.1-9+deb12u11
    - exchanged the running nginx for the installed one (nginx)
before:
  description: The versions of nginx's packages before.
  type: dict
  returned: on success
  sample: {nginx: 1.22.1-9+deb12u9, nginx-common: 1.22.1-9+deb12u9}
after:
  description: The same after the upgrade.
  type: dict
  returned: on success
  sample: {nginx: 1.22.1-9+deb12u11, nginx-common: 1.22.1-9+deb12u11}
kept:
  description: How many connections of clients were open before the exchange and still are. V(null) without one.
  type: int
  returned: on success
  sample: 2000
notices:
  description: The warnings of this host, as in RV(wsfleet.nginx.config_transaction#module:notices).
  type: list
  elements: str
  returned: always
rolled_back:
  description: Whether the earlier packages were installed again.
  type: bool
  returned: always
probes:
  description:
    - The results of the probes through the new binary, as in RV(wsfleet.nginx.config_transaction#module:probes). Empty
      if nothing was exchanged.
  type: list
  elements: dict
  returned: on success
refusals:
  description:
    - The same of what is to be refused, as in RV(wsfleet.nginx.config_transaction#module:refusals).
  type: list
  elements: dict
  returned: on success
"""

import contextlib
import typing as t
from pathlib import Path

from ansible_collections.wsfleet.nginx.plugins.module_utils import _drain_record, _notices, _packages
from ansible_collections.wsfleet.nginx.plugins.module_utils._lifetime import package_manager, upgrade
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe import routes
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import atomic_files, journal, lock


def out_of_rotation(
    module: _notices.Module, plan: upgrade.Plan, kept: t.Sequence[journal.Journal]
) -> t.ContextManager[None]:
    health = module.params["health"]
    if not health or not plan.is_needed:
        return contextlib.nullcontext()
    flag = Path(health["flag"])
    files = [atomic_files.read(Path(path)) for configuration in kept for path in configuration.deployed().files]
    text = b"".join(content.data for content in files if content)
    return _drain_record.gateway(
        flag,
        health["wait"],
        text,
        text,
        lambda error: module.warn(
            f"this gateway stays out of its load balancers until {flag} is removed, as the next run does: "
            f"{atomic_files.reason(error)}"
        ),
    )


def shown(before: package_manager.Packages, after: package_manager.Packages) -> dict[str, str]:
    def text(packages: package_manager.Packages) -> str:
        return "".join(f"{name} {version}\n" for name, version in sorted(packages.items()))

    return {"before": text(before), "before_header": "packages", "after": text(after), "after_header": "packages"}


def run(module: _notices.Module) -> None:
    kept = journal.all_on_host()
    for configuration in kept:
        _notices.hide_headers(module, configuration.deployed().probes)
    planned = upgrade.Upgrade(upgrade.manager(_packages.manager()), module.params["version"])
    if not module.check_mode:
        planned.fetch()
    with lock.locked():
        plan = planned.plan()
        if module.check_mode:
            report = upgrade.Report(plan.before, {**plan.before, **plan.pending}, plan.actions())
        else:
            with out_of_rotation(module, plan, kept):
                report = planned.run(plan)
    module.exit_json(
        changed=plan.is_needed,
        rolled_back=False,
        actions=report.actions,
        before=report.before,
        after=report.after,
        kept=report.kept,
        **routes.returned(report.results),
        diff=shown(report.before, report.after),
    )


def main() -> None:
    module = _notices.Module(
        argument_spec={
            "version": {"type": "str"},
            "health": {
                "type": "dict",
                "options": {"flag": {"type": "path", "required": True}, "wait": {"type": "float", "default": 0}},
            },
        },
        supports_check_mode=True,
    )
    try:
        run(module)
    except upgrade.UpgradeError as error:
        module.fail_json(msg=str(error), rolled_back=error.rolled_back)
    except (package_manager.PackageError, lock.Busy) as error:
        module.fail_json(msg=f"{error}; nothing was changed", rolled_back=False)
    except OSError as error:
        module.fail_json(msg=f"{atomic_files.described(error)}; nothing was changed", rolled_back=False)


if __name__ == "__main__":
    main()
