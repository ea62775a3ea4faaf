# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of the playbooks that need no host: alone, or over gateways whose modules are answered for by a script."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

import yaml
from rendering import ROOT


def run(directory: Path, *arguments: str) -> tuple[int, str]:
    """How ansible-playbook ends with the inventory of a folder, and all that it says."""
    ended = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), "-i", "inventory", *arguments],
        check=False,
        capture_output=True,
        text=True,
        cwd=directory,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
    )
    return ended.returncode, ended.stdout + ended.stderr


# It takes the place of Python on the gateway, keeps what it was to run, and prints the result of that module.
INTERPRETER = """#!/bin/sh
module=$(cat)
case $module in
    *gateway_preflight_info*) step=preflight ;;
    *gateway_rotation*) step=rotation ;;
    *wait_for_closed_connections*) step=left ;;
    *gateway_rebalance*) step=rebalance ;;
    *) step=transaction ;;
esac
printf '%s' "$module" >>{directory}/"$step-{name}"
cat {directory}/"$step-{name}.json"
"""
PREFLIGHT = {
    "changed": False,
    "nginx_version": "1.26.3",
    "openssl_version": "3.0.15",
    "drained": None,
    "neighbours": {},
    "selinux": {"ports": [], "connects": False},
}
DEPLOYED = {"changed": True, "rolled_back": False, "actions": ["reloaded nginx"], "probes": []}
SITE = {"server_name": "a.example", "listen": 3000, "allowed_origins": "*"}
VARIABLES: dict[str, t.Any] = {
    "ansible_become": False,
    "websockets_upstreams": [{"name": "chat", "servers": ["10.0.0.1:3000"]}],
    "websockets_sites": [{**SITE, "locations": [{"path": "/", "upstream": "chat"}]}],
}

Variables = t.Dict[str, t.Any]


class Fleet:
    """Gateways of an inventory, in their order."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._hosts: dict[str, Variables] = {}
        # The group of the gateways, and the other hosts of the inventory, by their groups.
        self.group = "ws_gateways"
        self.others: dict[str, Variables] = {}

    def add(self, name: str, preflight: Variables | None = None, deploy: Variables | None = None, **own: t.Any) -> None:
        interpreter = self.directory / f"python-{name}"
        interpreter.write_text(INTERPRETER.format(directory=self.directory, name=name))
        interpreter.chmod(0o755)
        for step, result in (("preflight", preflight or PREFLIGHT), ("transaction", deploy or DEPLOYED)):
            (self.directory / f"{step}-{name}.json").write_text(json.dumps(result))
        self._hosts[name] = {
            "ansible_connection": "local",
            "ansible_python_interpreter": str(interpreter),
            **own,
        }

    def add_unreachable(self, name: str) -> None:
        self._hosts[name] = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}

    def play_own(self, plays: list[Variables], *arguments: str, **variables: t.Any) -> tuple[int, str]:
        """The same for a playbook of the operator's own."""
        (self.directory / "own.yml").write_text(yaml.safe_dump(plays))
        return self.play("own.yml", *arguments, **variables)

    def write(self, **variables: t.Any) -> None:
        """Write the inventory."""
        inventory = self.directory / "inventory"
        inventory.mkdir(exist_ok=True)
        others = {name: {"hosts": hosts} for name, hosts in self.others.items()}
        groups = {**others, self.group: {"hosts": self._hosts, "vars": {**VARIABLES, **variables}}}
        (inventory / "hosts.yml").write_text(yaml.safe_dump(groups, sort_keys=False))

    def play(self, playbook: str, *arguments: str, **variables: t.Any) -> tuple[int, str]:
        """How the playbook ends, and all that it says, in one line."""
        self.write(**variables)
        name = playbook if "." in playbook else f"wsfleet.nginx.{playbook}"
        code, output = run(self.directory, name, *arguments)
        return code, " ".join(output.split())

    def ran(self, step: str, name: str) -> str:
        """The modules of a step that ran on a gateway, with their options; nothing where none did."""
        kept = self.directory / f"{step}-{name}"
        return kept.read_text() if kept.exists() else ""
