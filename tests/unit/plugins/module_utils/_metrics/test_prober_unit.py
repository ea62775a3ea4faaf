# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The unit of the prober, and which hosts can have it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils import _units
from ansible_collections.wsfleet.nginx.plugins.module_utils._metrics import prober_unit
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import binary, service
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx.binary import Build

BUILD = Build("/usr/sbin/nginx", "1.26.3", None, Path("/etc/nginx/nginx.conf"), None, None, ("www-data", "www-data"))


@pytest.mark.parametrize("may", [True, False])
def test_it_runs_as_nginx_user_without_capabilities_and_gets_its_secrets_from_systemd(
    monkeypatch: pytest.MonkeyPatch, may: bool
) -> None:
    monkeypatch.setattr(_units, "may", lambda _capability: may)
    lines = prober_unit.content(BUILD, 15.0).splitlines()
    assert f"ExecStart={sys.executable} -I /usr/local/lib/wsfleet/nginx.pyz probe --interval 15" in lines
    assert "LoadCredential=prober:/var/lib/wsfleet-nginx/prober.json" in lines
    assert {"User=www-data", "Group=www-data", "CapabilityBoundingSet=", "NoNewPrivileges=yes"} <= set(lines)
    assert {"StartLimitIntervalSec=0", "Restart=always", "MemoryMax=128M", "TasksMax=4096"} <= set(lines)
    sandbox = {"ProtectSystem=strict", "SystemCallFilter=@system-service"}
    assert sandbox & set(lines) == (sandbox if may else set())
    # The Unix socket of a backend may be there.
    assert not {"PrivateTmp=yes", "ProtectHome=yes"} & set(lines)


def test_what_a_host_lacks_is_a_warning_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def run(command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 0, f"systemd {version} ({version}.4-1)\n+PAM\n", "")

    version = 247
    monkeypatch.setattr(binary, "run", run)
    monkeypatch.setattr(service, "PROGRAM", tmp_path / "nginx.pyz")
    monkeypatch.setattr(service, "has_systemd", lambda: False)
    assert ": the host has no systemd. They are probed" in prober_unit.warning()
    monkeypatch.setattr(service, "has_systemd", lambda: True)
    assert prober_unit.warning() == ""
    version = 245
    warned = prober_unit.warning()
    assert "its systemd is 245, and a service gets its secrets from 247 on" in warned
    assert warned.endswith("If that is to stay so, set websockets_probe_interval: 0")
