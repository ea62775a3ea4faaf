# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures what a fleet costs the controller: site.yml without a change, and a play of one template task on the same
hosts.

--write also writes the result to docs/scale.md.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import threading
import time
import typing as t
from dataclasses import dataclass
from pathlib import Path

import ansible.release
import page
import proxies
from gateways import BY_HAND, Fleet, children, fleet, template

PAGE = proxies.ROOT / "docs" / "scale.md"
SITE = proxies.ROOT / "playbooks" / "site.yml"
VERIFY = proxies.ROOT / "playbooks" / "verify.yml"
COUNTS = (50, 150, 500)
# So many gateways get the other play too.
COMPARED = 150
UPSTREAM, LARGE_UPSTREAM, LARGE_UPSTREAM_GATEWAYS = 10, 2000, 50
ONE_TASK = [
    {
        "hosts": "ws_gateways",
        "gather_facts": False,
        "become": True,
        "tasks": [
            {
                "ansible.builtin.template": {
                    "src": "by-hand.j2",
                    "dest": f"/etc/nginx/{BY_HAND}",
                    "mode": "0644",
                }
            }
        ],
    }
]
SAMPLE_SECONDS = 0.5


@dataclass(frozen=True)
class Cost:
    """The cost of a run. The controller's part is the CPU of ansible-playbook and its forks, without the modules."""

    gateways: int
    controller: float
    modules: float
    wall: float
    main_memory: float
    memory: float


FIGURES: dict[str, t.Callable[[Cost], float]] = {
    "ms of the controller's CPU per gateway": lambda cost: 1000 * cost.controller / cost.gateways,
    "ms per gateway from start to end": lambda cost: 1000 * cost.wall / cost.gateways,
    "ms of its modules' CPU per gateway": lambda cost: 1000 * cost.modules / cost.gateways,
    "MB at most, ansible-playbook": lambda cost: cost.main_memory,
    "MB at most, ansible-playbook and its forks": lambda cost: cost.memory,
}


class Memory(threading.Thread):
    """Watches a process and its forks; pages that they share count once."""

    def __init__(self, pid: int) -> None:
        super().__init__()
        self._pid, self._ended = pid, threading.Event()
        self.main = self.all = 0.0

    def run(self) -> None:
        while not self._ended.wait(SAMPLE_SECONDS):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                self.main = max(self.main, megabytes(self._pid, "status", "VmHWM"))
                together = (self._pid, *children(self._pid))
                self.all = max(self.all, sum(megabytes(pid, "smaps_rollup", "Pss") for pid in together))

    def end(self) -> None:
        self._ended.set()
        self.join()


def megabytes(pid: int, file: str, field: str) -> float:
    """A field of proc(5); empty for a process that has ended."""
    try:
        text = Path(f"/proc/{pid}/{file}").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    found = re.search(rf"^{field}:\s+(\d+) kB$", text, re.MULTILINE)
    return int(found[1]) / 1024 if found else 0


def seconds(times: str) -> float:
    """The sum of the output of bash's times, such as 0m0.123s."""
    return sum(60 * int(minutes) + float(rest) for minutes, rest in re.findall(r"(\d+)m([\d.]+)s", times))


def play(running: Fleet, playbook: Path, inventory: Path, gateways: int) -> Cost:
    """Run a playbook, which must succeed on all gateways and change nothing."""
    running.cpu.write_text("")
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(proxies.ROOT / "ansible.cfg"),
        "ANSIBLE_HOME": str(running.directory / "ansible"),
        "ANSIBLE_NOCOLOR": "1",
        # Root becomes root, for that is the way into a gateway.
        "ANSIBLE_BECOME_ALLOW_SAME_USER": "1",
    }
    command: list[str | Path] = [proxies.ROOT / ".venv/bin/ansible-playbook", "--inventory", inventory, playbook]
    print(f"{gateways} gateways, {playbook.name}, {inventory.name}", file=sys.stderr)
    with tempfile.TemporaryFile("w+") as output:
        start = time.monotonic()
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=proxies.ROOT, env=environment)
        memory = Memory(process.pid)
        memory.start()
        # Its own time, and that of all that it has waited for.
        _pid, status, used = os.wait4(process.pid, 0)
        wall = time.monotonic() - start
        memory.end()
        output.seek(0)
        told = output.read()
    if status or len(re.findall(r"^gateway\d+ .* changed=0 ", told, re.MULTILINE)) != gateways:
        sys.exit(told)
    modules = seconds(running.cpu.read_text())
    controller = used.ru_utime + used.ru_stime - modules
    return Cost(gateways, controller, modules, wall, memory.main, memory.all)


def written(directory: Path, name: str, content: t.Any) -> Path:
    path = directory / name
    path.write_text(json.dumps(content))
    return path


def measured(running: Fleet) -> str:
    """A table by the number of gateways, one for each other play, and one by the size of the upstream."""
    one_task = written(running.directory, "one-task.yml", ONE_TASK)
    (running.directory / "by-hand.j2").write_text(template(UPSTREAM))
    by_count: dict[str, Cost] = {}
    for count in COUNTS:
        running.grow(count, UPSTREAM)
        inventory = written(running.directory, f"hosts-{count}.json", running.inventory(count, UPSTREAM))
        by_count[f"{count} gateways"] = play(running, SITE, inventory, count)
    verify = play(running, VERIFY, inventory, COUNTS[-1])
    other = play(running, one_task, running.directory / f"hosts-{COMPARED}.json", COMPARED)
    by_upstream: dict[str, Cost] = {}
    some = running.gateways[:LARGE_UPSTREAM_GATEWAYS]
    for upstream in (UPSTREAM, LARGE_UPSTREAM):
        running.serve(some, upstream)
        inventory = written(running.directory, f"upstream-{upstream}.json", running.inventory(len(some), upstream))
        by_upstream[f"an upstream of {upstream}"] = play(running, SITE, inventory, len(some))
    all_of_them = f"{COUNTS[-1]} gateways"
    tables = {
        "site.yml": by_count,
        all_of_them: {"site.yml": by_count[all_of_them], "verify.yml": verify},
        f"{COMPARED} gateways": {"one template task": other, "site.yml": by_count[f"{COMPARED} gateways"]},
        f"{LARGE_UPSTREAM_GATEWAYS} gateways, each with": by_upstream,
    }
    return "\n".join(table(title, costs) for title, costs in tables.items())


def table(title: str, costs: t.Mapping[str, Cost]) -> str:
    """A row for each figure; the last column is the ratio of the last cost to the first one."""
    rows = [[title, *costs, "ratio"]]
    for name, figure in FIGURES.items():
        values = [figure(cost) for cost in costs.values()]
        rows.append([name, *(f"{value:.0f}" for value in values), f"{values[-1] / values[0]:.2f}"])
    return page.table(rows)


def circumstances() -> str:
    kernel, nginx = platform.release().split("-")[0], proxies.versions()["nginx"]
    return page.paragraph(
        f"ansible-core {ansible.release.__version__} on a machine of {os.cpu_count()} cores with Linux {kernel}, which "
        f"runs the gateways too. Each gateway is a real nginx {nginx}, and probes its route in each run."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write docs/scale.md too")
    arguments = parser.parse_args()
    proxies.build()
    with tempfile.TemporaryDirectory() as directory, fleet(Path(directory)) as running:
        text = f"{circumstances()}\n{measured(running)}"
    print(text)
    if arguments.write:
        page.write(PAGE, text)


if __name__ == "__main__":
    main()
