# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of the playbook by a scenario's tests, beside the one that Molecule does."""

from __future__ import annotations

import json
import os
import re
import subprocess
import textwrap
import typing as t
from pathlib import Path

PROJECT = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"])
INVENTORIES = (
    PROJECT / "molecule" / "shared" / "inventory",
    Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"], "inventory"),
)
STATES = ("changed", "verified", "unchanged", "removed", "not started", "unreachable", "rolled back", "failed")


class Run(t.NamedTuple):
    """How a run of the playbook ended."""

    failed: bool
    output: str

    def changed(self, host: str) -> int:
        """How many tasks changed something on a host."""
        found = re.search(rf"^{host} +: .*\bchanged=(\d+)", self.output, re.MULTILINE)
        assert found, self.output
        return int(found.group(1))

    @property
    def states(self) -> dict[str, str]:
        """What became of each gateway, as the summary of a run has it."""
        found = re.findall(rf"^({'|'.join(STATES)}) +(gateway\S*(?:, \S+)*?)(?::.*)?$", self.output, re.MULTILINE)
        return {host: state for state, hosts in found for host in hosts.split(", ")}

    def message(self, host: str) -> str:
        """Why a host failed: what the task says that failed or, of a deploy, the summary."""
        for hosts, lines in re.findall(r"^(\S.*):\n((?: {2}.*\n)+)", self.output, re.MULTILINE):
            if host in hosts.split(", "):
                return textwrap.dedent(lines).rstrip()
        before, found, after = self.output.partition(f"\nfatal: [{host}]: FAILED! => ")
        assert found, self.output
        message = str(json.JSONDecoder().raw_decode(after)[0]["msg"])
        if message.endswith("as listed above."):
            return re.split(r"^TASK .*\n", before, flags=re.MULTILINE)[-1].partition("\n[ERROR]: ")[0]
        if not message.startswith("The summary above"):
            return message
        # A message of one line is all in the line of the state.
        line = re.search(rf"^(?:failed|rolled back) +(?:\S+, )*{host}(?:, \S+)*: (.*)$", self.output, re.MULTILINE)
        assert line, self.output
        return line.group(1)


def site(
    variables: t.Mapping[str, t.Any],
    *,
    inventories: t.Sequence[Path] = INVENTORIES,
    arguments: t.Sequence[str] = (),
    playbook: str = "wsfleet.nginx.site",
) -> Run:
    """Run a playbook on all gateways with the given variables above all others.

    The echo backends stay as Molecule's own run made them: to look at them again takes more than half of a run.
    """
    command: list[str | Path] = [
        PROJECT / ".venv/bin/ansible-playbook",
        playbook,
        "--skip-tags=echo_backends",
        "--extra-vars",
        json.dumps(variables),
    ]
    command += arguments
    for inventory in inventories:
        command += ["--inventory", inventory]
    plain = {"ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1"}
    environment = {**os.environ, "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"), **plain}
    ended = subprocess.run(command, check=False, capture_output=True, text=True, cwd=PROJECT, env=environment)
    return Run(failed=ended.returncode != 0, output=ended.stdout + ended.stderr)
