# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The unit of the pacer, and the program that it starts."""

from __future__ import annotations

import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils._lifetime import pacer_unit
from ansible_collections.wsfleet.nginx.plugins.module_utils._lifetime.pacer import Settings
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx.binary import Build
from running import COLLECTIONS

BUILD = Build("/usr/sbin/nginx", "1.26.3", None, Path("/etc/nginx/nginx.conf"), None, None, ("www-data", "www-data"))


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ([], None),
        # As an earlier release has recorded it.
        ([{"sockets": 100, "shutdown_timeout": "1h"}], None),
        ([{"reconnect_rate": 0, "shutdown_timeout": "1h"}], None),
        ([{"reconnect_rate": 10, "shutdown_timeout": "0"}], None),
        ([{"reconnect_rate": 10, "shutdown_timeout": "1h", "stop_timeout": "1m"}], Settings(10, 3600, 60)),
        (
            [{"reconnect_rate": 10, "shutdown_timeout": "1h"}, {"reconnect_rate": 20, "shutdown_timeout": "30m"}],
            Settings(20, 3600, 5),
        ),
    ],
)
def test_the_largest_values_of_all_configurations_count(wanted: list[dict[str, t.Any]], found: Settings | None) -> None:
    assert pacer_unit.settings(wanted) == found


def test_nginx_itself_ends_sockets_only_after_the_pacer_would_have() -> None:
    assert pacer_unit.nginx_timeout(Settings(14, 3600, 5), 4096) == "4193s"


@pytest.mark.parametrize(
    ("scope", "capability", "obstacle"),
    [
        (None, "", ""),
        ("0", "", ""),
        ("1", "CAP_SYS_PTRACE", ""),
        ("2", "CAP_SYS_PTRACE", ""),
        ("3", "", "kernel.yama.ptrace_scope is 3"),
    ],
)
def test_it_has_no_capability_that_it_does_not_need(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, scope: str | None, capability: str, obstacle: str
) -> None:
    monkeypatch.setattr(pacer_unit, "_PTRACE_SCOPE", tmp_path / "scope")
    if scope is not None:
        (tmp_path / "scope").write_text(f"{scope}\n")
    assert pacer_unit.obstacle() == obstacle
    lines = pacer_unit.content(BUILD, Settings(14, 3600, 5)).splitlines()
    assert lines.count(f"AmbientCapabilities={capability}") == lines.count(f"CapabilityBoundingSet={capability}") == 1
    assert {"User=www-data", "Group=www-data", "NoNewPrivileges=yes"} <= set(lines)
    assert (
        f"ExecStart={sys.executable} -I /usr/local/lib/wsfleet/nginx.pyz pace --binary /usr/sbin/nginx --rate 14 "
        "--timeout 3600 --stop-timeout 5"
    ) in lines


def test_it_starts_however_often_deploys_have_restarted_it() -> None:
    """By default systemd refuses the sixth start in ten seconds, and the service then stays away."""
    unit = pacer_unit.content(BUILD, Settings(14, 3600, 5)).partition("[Service]")[0]
    assert "StartLimitIntervalSec=0" in unit.splitlines()


def test_the_program_is_the_same_each_time_and_runs_without_the_collection(tmp_path: Path) -> None:
    made = (
        "import sys; from ansible_collections.wsfleet.nginx.plugins.module_utils._lifetime import program; "
        "sys.stdout.buffer.write(program.content())"
    )
    contents = {
        subprocess.run(
            [sys.executable, "-c", made], env={"PYTHONPATH": str(COLLECTIONS)}, capture_output=True, check=True
        ).stdout
        for _time in range(2)
    }
    (content,) = contents
    file = tmp_path / "nginx.pyz"
    file.write_bytes(content)
    for command, reply in (("pace", "--rate"), ("exchange", ""), ("", "usage: nginx.pyz exchange|pace")):
        arguments = [command, "--nothing"] if command else []
        done = subprocess.run(
            [sys.executable, "-I", file, *arguments], capture_output=True, text=True, check=False, cwd=tmp_path
        )
        assert done.returncode == (2 if command else 1), done.stderr
        assert reply in done.stderr


@pytest.mark.parametrize("may", [True, False])
def test_it_is_sandboxed_where_systemd_can(monkeypatch: pytest.MonkeyPatch, may: bool) -> None:
    monkeypatch.setattr(pacer_unit, "_may_sandbox", lambda: may)
    lines = pacer_unit.content(BUILD, Settings(14, 3600, 5)).splitlines()
    assert [line in lines for line in ("PrivateNetwork=yes", "ProtectSystem=strict")] == [may, may]
    assert "SystemCallFilter=~ptrace process_vm_readv process_vm_writev @resources" in lines or not may
