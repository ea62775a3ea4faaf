# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host with Python 3.8, the oldest that modules run on: an ansible-core that supports it, and one that does not."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from cores import PINNED, Core
from gateway import SCENARIO, Gateway
from playbook import PROJECT

OLD = Gateway(name="gateway-focal", server_name="chat.example.com", port=3000)
# The last series of ansible-core for it.
(LAST_FOR_3_8,) = [version for version in PINNED if version.startswith("2.19.")]


@pytest.fixture(scope="module")
def arguments(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """Ubuntu 20.04 as one more gateway, for ansible-playbook."""
    built = subprocess.run(
        [PROJECT / "molecule/shared/build-image", "focal"], check=False, capture_output=True, text=True
    )
    if built.returncode:
        pytest.skip(f"Python 3.8: no packages of Ubuntu 20.04 ({built.stderr.strip()})")
    podman = ["podman", "run", "--detach", "--systemd=always", f"--name={OLD.container}", f"--hostname={OLD.name}"]
    for server in ("server01", "server02"):
        address = Gateway(name=server, server_name="", port=0).address
        podman.append(f"--add-host={server}:{address}")
    podman += [f"--network=wsfleet-{SCENARIO}", built.stdout.strip(), "/sbin/init"]
    subprocess.run(podman, check=True, capture_output=True)
    try:
        OLD.run("systemctl is-system-running --wait || true")
        # Ansible warns where it has to create it.
        OLD.run("mkdir -p -m 700 /root/.ansible/tmp")
        inventory = tmp_path_factory.mktemp("inventory") / "hosts.yml"
        inventory.write_text(yaml.safe_dump({"ws_gateways": {"hosts": {OLD.name: {}}}}))
        yield ["--inventory", str(inventory), "--limit", OLD.name]
    finally:
        subprocess.run(["podman", "rm", "--force", "--time=0", OLD.container], check=True, capture_output=True)


@pytest.mark.parametrize("core", [PINNED[-1]], indirect=True)
def test_a_python_that_the_core_cannot_use_is_refused_in_words(core: Core, arguments: list[str]) -> None:
    run = core.run("wsfleet.nginx.site", {}, *arguments)
    assert run.failed
    assert "Python 3.8.10 (/usr/bin/python3) is too old: ansible-core 2.21 requires Python 3.9 or later" in run.output
    assert "Traceback" not in run.output
    assert not OLD.path("/etc/nginx").exists()


@pytest.mark.parametrize("core", [LAST_FOR_3_8], indirect=True)
def test_every_module_runs_on_python_3_8(core: Core, arguments: list[str], tmp_path: Path) -> None:
    core.succeeds("wsfleet.nginx.site", {}, *arguments)
    assert OLD.request("GET", "/greeting").body == b"Hello"
    assert OLD.echoes()
    before = OLD.path(OLD.configuration).read_bytes()
    # gateway_rotation, and wait_for_closed_connections of servers and of clients.
    drain = {"websockets_drain": ["server01", OLD.name], "websockets_drain_force": True}
    core.succeeds("wsfleet.nginx.drain", drain, *arguments)
    assert OLD.request("GET", "/healthz").status == 503
    core.succeeds("wsfleet.nginx.verify", {"websockets_report": str(tmp_path)}, *arguments)
    core.succeeds("wsfleet.nginx.drain", {"websockets_undrain": ["server01", OLD.name]}, *arguments)
    assert OLD.path(OLD.configuration).read_bytes() == before
    core.succeeds("wsfleet.nginx.rollback", {}, *arguments)
    core.succeeds("wsfleet.nginx.site", {"websockets_state": "absent"}, *arguments)
    assert not OLD.path("/etc/nginx").exists()
