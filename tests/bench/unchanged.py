# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures the duration of a run without changes, and of a play of setup, template and service.

Both deploy the same file to the same container in turn, and the result is the median of each.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT / "molecule" / "shared"
CONTAINER = "wsfleet-bench"
CONFIGURATION = "/etc/nginx/conf.d/00-websockets.conf"
RUNS = 7
PODMAN = {**os.environ, "CONTAINERS_CONF": str(SHARED / "containers.conf")}

# SSH and pipelining for both plays, as operators have it; the scenarios' inventory would add its lookups to each task.
INVENTORY = f"""
ws_gateways:
  hosts:
    {CONTAINER}:
      ansible_user: root
      ansible_python_interpreter: /usr/bin/python3
      ansible_ssh_private_key_file: {{key}}
      ansible_control_path_dir: {{directory}}
      ansible_ssh_common_args: >-
        -o ProxyCommand="{SHARED}/sshd {CONTAINER} {{key}}.pub"
        -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR
      websockets_upstreams:
        - {{{{name: ws-backend, servers: ["127.0.0.1:9001"]}}}}
      websockets_sites:
        - {{{{server_name: ws.serverlab.ca, listen: 3000, locations: [{{{{path: /, upstream: ws-backend}}}}]}}}}
"""
ECHO_BACKEND = f"echo_backends:\n  hosts:\n    {CONTAINER}:\n"
BY_HAND = f"""
- hosts: ws_gateways
  become: true
  tasks:
    - ansible.builtin.template:
        src: file.conf.j2
        dest: {CONFIGURATION}
        mode: "0644"
      notify: reload
    - ansible.builtin.service:
        name: nginx
        state: started
        enabled: true
  handlers:
    - name: reload
      ansible.builtin.service:
        name: nginx
        state: reloaded
"""


def podman(*arguments: str) -> str:
    return subprocess.run(["podman", *arguments], check=True, capture_output=True, text=True, env=PODMAN).stdout.strip()


def play(playbook: Path, inventory: Path, *, unchanged: bool = True) -> float:
    """Run a playbook, which must succeed and change nothing; returns its seconds."""
    command: list[str | Path] = [ROOT / ".venv/bin/ansible-playbook", "--inventory", inventory, playbook]
    environment = {**PODMAN, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    start = time.monotonic()
    ended = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT, env=environment)
    seconds = time.monotonic() - start
    if ended.returncode or (unchanged and "changed=0" not in ended.stdout):
        sys.exit(ended.stdout + ended.stderr)
    return seconds


def measure(directory: Path) -> None:
    inventory, with_backend, by_hand = (directory / name for name in ("hosts.yml", "all.yml", "by-hand.yml"))
    key = directory / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    inventory.write_text(INVENTORY.format(directory=directory, key=key))
    with_backend.write_text(inventory.read_text() + ECHO_BACKEND)
    by_hand.write_text(BY_HAND)
    site = ROOT / "playbooks" / "site.yml"
    play(site, with_backend, unchanged=False)
    (directory / "file.conf.j2").write_text(podman("exec", CONTAINER, "cat", CONFIGURATION) + "\n")
    plays = {"site.yml: check, deploy, probe": (site, inventory), "setup, template, service": (by_hand, inventory)}
    seconds: dict[str, list[float]] = {name: [] for name in plays}
    for _run in range(RUNS):
        for name, (playbook, hosts) in plays.items():
            seconds[name].append(play(playbook, hosts))
    medians = {name: statistics.median(taken) for name, taken in seconds.items()}
    by_hand_median = medians["setup, template, service"]
    print(f"{'seconds, median of ' + str(RUNS) + ' runs without a change':46}           ratio")
    for name, median in medians.items():
        print(f"{name:46}  {median:8.2f} {median / by_hand_median:6.2f}")


def main() -> None:
    image = subprocess.run([SHARED / "build-image", "bookworm"], check=True, capture_output=True, text=True, env=PODMAN)
    podman("rm", "--force", "--ignore", CONTAINER)
    podman("run", "--detach", "--name", CONTAINER, "--systemd", "always", image.stdout.strip(), "/sbin/init")
    try:
        with tempfile.TemporaryDirectory() as directory:
            measure(Path(directory))
    finally:
        podman("rm", "--force", CONTAINER)


if __name__ == "__main__":
    main()
