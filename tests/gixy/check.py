# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the forks of gixy say of every configuration that the inventories and the documentation make.

Each finding is in accepted.yml with the reason why it stays, and each entry of that file still finds something.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / ".venv" / "collections"), str(ROOT / "tests" / "unit")]

from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager
from ansible_collections.wsfleet.nginx.plugins.filter.gateway_model import gateway_model
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import capacity, nginx_conf
from rendering import render
from roles.test_examples import EXAMPLES

Arguments = t.Mapping[str, t.Sequence[str]]
FORKS: Arguments = {"gixy-ng": ["--deep"], "gixy-next": []}
ACCEPTED = ROOT / "tests" / "gixy" / "accepted.yml"
# Of Debian 11 and 12: it has more errors than that of later ones, which the role's file has to make up for.
NGINX_CONF = (ROOT / "tests" / "gixy" / "nginx.conf").read_text()
# What a scenario asks its containers for.
OF_CONTAINERS = {
    "gateway_nameserver": "192.0.2.53",
    "vault_certificate": "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
    "vault_key": "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n",
}
# An error at the end of every file: gixy-ng takes what it cannot parse for a file without findings.
SENTINEL = "server {\n    listen unix:/run/sentinel.sock;\n    server_tokens on;\n}\n"
SENTINELS_LINE = "server_tokens on;"
# In the excerpt that comes with a finding: its innermost directives, and its empty blocks. There a server has its
# name beside what is found in it, or stands for itself.
INNERMOST = re.compile(r"^\s*(?!server_name .*;\s*[^\s}])(\S.*;|\S.*\{(?=\n\s*\}))$", re.MULTILINE)


class Finding(t.NamedTuple):
    """One directive that a fork says something about."""

    case: str
    fork: str
    plugin: str
    line: str
    said: str

    def __str__(self) -> str:
        return f"{self.case}\n    {self.line}\n    {self.fork}, {self.plugin}: {self.said}"


class Accepted(t.NamedTuple):
    """An entry of accepted.yml."""

    plugin: str
    lines: str
    reason: str
    cases: str = ".*"

    def takes(self, finding: Finding) -> bool:
        return (
            self.plugin == finding.plugin
            and re.fullmatch(self.lines, finding.line) is not None
            and re.fullmatch(self.cases, finding.case) is not None
        )


def main() -> int:
    # From where scenarios find other inventories.
    os.environ["MOLECULE_PROJECT_DIRECTORY"] = str(ROOT)
    accepted = [Accepted(**entry) for entry in yaml.safe_load(ACCEPTED.read_text())]
    # What several gateways have in common is read once, under the name of the first.
    dumps = {text: case for case, text in reversed([*inventories(), *examples()])}
    findings = [found for fork in FORKS for found in findings_of(fork, dumps)]
    unknown = [str(found) for found in findings if not any(entry.takes(found) for entry in accepted)]
    idle = [f"{entry.plugin}: {entry.lines}" for entry in accepted if not any(map(entry.takes, findings))]
    if unknown:
        print("gixy has findings that tests/gixy/accepted.yml does not have:", *unknown, sep="\n")
    if idle:
        print("tests/gixy/accepted.yml has entries that take no finding any more:", *idle, sep="\n")
    if unknown or idle:
        return 1
    print(f"gixy: {len(findings)} findings in {len(dumps)} configurations, all of them accepted with a reason")
    return 0


def inventories() -> t.Iterator[tuple[str, str]]:
    """The files of every gateway of the inventories, the scenarios' included."""
    init_plugin_loader()
    for directory in [*sorted(ROOT.glob("inventories/*")), *sorted(ROOT.glob("molecule/*/inventory"))]:
        loader = DataLoader()
        inventory = InventoryManager(loader, sources=[str(directory)])
        manager = VariableManager(loader, inventory)
        for host in inventory.get_hosts("ws_gateways") if "ws_gateways" in inventory.groups else []:
            hostvars = HostVars(inventory, manager, loader)
            given = {**manager.get_vars(host=host), **OF_CONTAINERS, "hostvars": hostvars}
            templar = Templar(loader, variables=given)
            variables = {name: templar.template(given[name]) for name in given if name.startswith("websockets_")}
            yield f"{directory.relative_to(ROOT)}, {host.name}", dump(variables, given["groups"], hostvars)


def examples() -> t.Iterator[tuple[str, str]]:
    """The files of the documentation's examples, as they are after each of their blocks."""
    for title, blocks in EXAMPLES.items():
        variables: dict[str, t.Any] = {}
        hosts: dict[str, dict[str, dict[str, t.Any] | None]] = {}
        for language, text in blocks:
            if language == "yaml":
                for name, value in yaml.safe_load(text).items():
                    if name.startswith("websockets_"):
                        variables[name] = value
                    else:
                        hosts[name] = value["hosts"]
                continue
            groups = {group: list(members) for group, members in hosts.items()}
            hostvars = {name: given or {} for members in hosts.values() for name, given in members.items()}
            yield f"docs/examples.md, {title}", dump(variables, groups, hostvars)


def dump(variables: t.Mapping[str, t.Any], groups: t.Any, hostvars: t.Any) -> str:
    """The whole configuration with these variables, as nginx -T shows it."""
    limits = capacity.limits(variables.get("websockets_capacity", 4096), workers=1)
    directives = {**gateway_model(variables, groups, hostvars)["nginx_conf"], **limits}
    files = {
        "/etc/nginx/nginx.conf": nginx_conf.edited(NGINX_CONF, directives),
        "/etc/nginx/mime.types": "",
        "/etc/nginx/conf.d/00-websockets.conf": render(variables, groups=groups, hostvars=hostvars) + SENTINEL,
    }
    return "".join(f"# configuration file {path}:\n{text}\n" for path, text in files.items())


def findings_of(fork: str, dumps: t.Mapping[str, str]) -> list[Finding]:
    """What a fork says of each dump, of any severity; the dumps come with the names of their cases."""
    with tempfile.TemporaryDirectory() as directory:
        cases = {str(Path(directory, f"{number}.conf")): case for number, case in enumerate(dumps.values())}
        for path, text in zip(cases, dumps):
            Path(path).write_text(text)
        command: list[str | Path] = [ROOT / ".cache" / fork / "bin" / "gixy", *FORKS[fork], "--format", "json", *cases]
        ended = subprocess.run(command, check=False, capture_output=True, text=True)
    complaints = sorted({line for line in ended.stderr.splitlines() if re.search(r"\b(WARNING|ERROR)\b", line)})
    # 1 is said for findings.
    if ended.returncode != 1 or complaints:
        sys.exit("\n".join([f"{fork} ended with {ended.returncode}", *complaints]))
    findings, unread = [], dict(cases)
    for said in json.loads(ended.stdout):
        for line in INNERMOST.findall(said["config"]) or ["(no line)"]:
            if line == SENTINELS_LINE:
                unread.pop(said["path"], None)
            else:
                text = f"{said['severity']}, {said['reason']}"
                findings.append(Finding(cases[said["path"]], fork, said["plugin"], line, text))
    if unread:
        sys.exit(f"{fork} did not read to the end: {', '.join(sorted(unread.values()))}")
    return findings


if __name__ == "__main__":
    sys.exit(main())
