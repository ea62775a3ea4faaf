# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run repairs what a killed nginx leaves behind."""

from __future__ import annotations

from deployment import as_deployed
from gateway import Gateway
from playbook import site

KILL = "for it in /proc/[0-9]*; do if grep -qs '^nginx: ' $it/cmdline; then kill -KILL ${it#/proc/}; fi; done"


def test_a_run_starts_a_killed_nginx_in_spite_of_its_unix_sockets(gateway: Gateway) -> None:
    with as_deployed(gateway):
        gateway.run(KILL)
        run = site({}, arguments=["--limit", gateway.name])
        assert not run.failed, run.output
        assert gateway.request("GET", "/").status == 200
