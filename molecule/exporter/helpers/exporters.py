# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of the role on all gateways of the scenario, and what they leave."""

from __future__ import annotations

from gateway import Gateway, gateways
from playbook import INVENTORIES, Run, site

GATEWAYS = gateways()
PLAYBOOK = str(INVENTORIES[-1].with_name("exporter.yml"))
DEFAULTS = "/etc/default/prometheus-nginx-exporter"


def run(*arguments: str, **variables: str) -> Run:
    """Run the role on all gateways."""
    return site(variables, playbook=PLAYBOOK, arguments=arguments)


def changes(ended: Run) -> set[int]:
    """How many tasks changed something, on any gateway."""
    assert not ended.failed, ended.output
    return {ended.changed(gateway.name) for gateway in GATEWAYS}


def shows_nginx(gateway: Gateway, port: int) -> bool:
    """Whether an exporter on this port says that nginx is up."""
    answer = gateway.request("GET", "/metrics", sock=gateway.open_socket(port, "127.0.0.1"))
    return b"\nnginx_up 1\n" in answer.body


def everywhere(command: str) -> list[str]:
    """What a command prints on each gateway."""
    return [gateway.run(command) for gateway in GATEWAYS]


def packages() -> list[str]:
    """The packages of each gateway."""
    return everywhere("dpkg --get-selections")
