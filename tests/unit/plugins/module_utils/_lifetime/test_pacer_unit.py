# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The unit of the pacer, and the program that it starts."""

from __future__ import annotations

import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils import _units
from ansible_collections.wsfleet.nginx.plugins.module_utils._lifetime import pacer_unit, requirements
from ansible_collections.wsfleet.nginx.plugins.module_utils._lifetime.pacer import Settings
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import binary, service
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx.binary import Build
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import atomic_files
from running import COLLECTIONS

NAME = service.PACER.name
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


@pytest.fixture
def capabilities(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> t.Callable[[int], None]:
    """Sets those that systemd has; all at first."""
    monkeypatch.setattr(_units, "_STATUS_OF_SYSTEMD", tmp_path / "status")
    monkeypatch.setattr(requirements, "_PTRACE_SCOPE", tmp_path / "scope")

    def have(found: int) -> None:
        (tmp_path / "status").write_text(f"Name:\tsystemd\nCapInh:\t0000000000000000\nCapBnd:\t{found:016x}\n")

    have(0x1FFFFFFFFFF)
    return have


@pytest.mark.parametrize(
    ("scope", "capability"), [(None, ""), ("0", ""), ("1", "CAP_SYS_PTRACE"), ("2", "CAP_SYS_PTRACE")]
)
def test_it_has_no_capability_that_it_does_not_need(
    monkeypatch: pytest.MonkeyPatch, capabilities: t.Callable[[int], None], scope: str | None, capability: str
) -> None:
    monkeypatch.setattr(service, "has_systemd", lambda: True)
    if scope is not None:
        requirements._PTRACE_SCOPE.write_text(f"{scope}\n")
    assert requirements.obstacle() == ""
    lines = pacer_unit.content(BUILD, Settings(14, 3600, 5)).splitlines()
    assert lines.count(f"AmbientCapabilities={capability}") == lines.count(f"CapabilityBoundingSet={capability}") == 1
    assert {"User=www-data", "Group=www-data", "NoNewPrivileges=yes"} <= set(lines)
    assert (
        f"ExecStart={sys.executable} -I /usr/local/lib/wsfleet/nginx.pyz pace --binary /usr/sbin/nginx --rate 14 "
        "--timeout 3600 --stop-timeout 5"
    ) in lines
    # As in a container of podman.
    capabilities(0x800405FB)
    lacks = f"kernel.yama.ptrace_scope is {scope}, and the container that is the host lacks CAP_SYS_PTRACE"
    assert requirements.obstacle() == (lacks if capability else "")


def test_what_a_host_lacks_for_a_pace_is_a_warning_that_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capabilities: t.Callable[[int], None]
) -> None:
    capabilities(0)
    monkeypatch.setattr(service, "PROGRAM", tmp_path / "lib" / "wsfleet" / "nginx.pyz")
    monkeypatch.setattr(service, "has_systemd", lambda: False)
    assert ": the host has no systemd. nginx ends all" in requirements.warning()
    monkeypatch.setattr(service, "has_systemd", lambda: True)
    assert requirements.warning() == ""
    (tmp_path / "scope").write_text("3\n")
    assert ": kernel.yama.ptrace_scope is 3. nginx ends all" in requirements.warning()
    (tmp_path / "scope").write_text("0\n")
    # As access(2) says of a file system that is mounted read-only.
    monkeypatch.setattr(os, "access", lambda path, _mode: path != tmp_path)
    monkeypatch.setattr(atomic_files, "_is_read_only", lambda path: tmp_path in (path, *path.parents))
    warned = requirements.warning()
    assert f": {service.PROGRAM} cannot be written, as {tmp_path} is read-only. nginx ends all" in warned
    assert warned.endswith("If that is to stay so, set websockets_reconnect_rate: 0")
    service.PROGRAM.parent.mkdir(parents=True)
    service.PROGRAM.touch()
    assert requirements.warning() == ""


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
    for command, reply in (
        ("pace", "--rate"),
        ("exchange", ""),
        ("probe", "--interval"),
        ("", "usage: nginx.pyz exchange|pace|probe"),
    ):
        arguments = [command, "--nothing"] if command else []
        done = subprocess.run(
            [sys.executable, "-I", file, *arguments], capture_output=True, text=True, check=False, cwd=tmp_path
        )
        assert done.returncode == (2 if command else 1), done.stderr
        assert reply in done.stderr


@pytest.mark.parametrize("may", [True, False])
def test_it_is_sandboxed_where_systemd_can(capabilities: t.Callable[[int], None], may: bool) -> None:
    if not may:
        capabilities(0x800405FB)
    lines = pacer_unit.content(BUILD, Settings(14, 3600, 5)).splitlines()
    assert [line in lines for line in ("PrivateNetwork=yes", "ProtectSystem=strict")] == [may, may]
    assert "SystemCallFilter=~ptrace process_vm_readv process_vm_writev @resources" in lines or not may


class Systemd:
    """Whether the pacer runs, and what systemctl was asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, directory: Path) -> None:
        monkeypatch.setattr(service, "PACER", directory / NAME)
        monkeypatch.setattr(service, "PACER_AT_BOOT", directory / "wants" / NAME)
        monkeypatch.setattr(service, "DROP_IN", directory / "drop-in.conf")
        monkeypatch.setattr(binary, "run", self.run)
        service.PACER_AT_BOOT.parent.mkdir()
        self.is_active, self.fails, self.asked = False, False, list[str]()

    def run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        if command[1] == "is-active":
            return subprocess.CompletedProcess(command, 0 if self.is_active else 3, "", "")
        self.asked.append(" ".join(command[1:]))
        if command[1] == "enable" and not service.PACER_AT_BOOT.is_symlink():
            service.PACER_AT_BOOT.symlink_to(service.PACER)
        self.is_active = self.is_active or command[1] == "restart"
        return subprocess.CompletedProcess(command, int(self.fails), "", "Job failed.\nSee journalctl.")


def test_the_pacer_follows_its_unit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    systemd = Systemd(monkeypatch, tmp_path)
    start = [f"enable {NAME}", f"restart {NAME}"]

    def follow(*, is_changed: bool) -> tuple[list[str], list[str]]:
        systemd.asked.clear()
        return pacer_unit.follow(is_changed=is_changed), list(systemd.asked)

    assert follow(is_changed=False) == ([], [])
    service.PACER.touch()
    assert follow(is_changed=True) == ([f"started {NAME}"], start)
    assert follow(is_changed=False) == ([], [])
    assert follow(is_changed=True) == ([f"restarted {NAME}"], start)
    # Somebody has stopped or disabled it.
    systemd.is_active = False
    assert follow(is_changed=False) == ([f"started {NAME}"], start)
    service.PACER_AT_BOOT.unlink()
    assert follow(is_changed=False) == ([f"restarted {NAME}"], start)
    service.PACER.unlink()
    service.DROP_IN.touch()
    stop = ["daemon-reload", f"stop {NAME}"]
    assert follow(is_changed=True) == ([f"stopped {NAME}"], stop)
    assert follow(is_changed=False) == ([], [])


def test_after_a_removal_the_pacer_has_sockets_to_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    systemd = Systemd(monkeypatch, tmp_path)
    service.PACER_AT_BOOT.symlink_to(service.PACER)
    assert pacer_unit.follow(is_changed=True) == [f"disabled {NAME}"]
    assert systemd.asked == ["daemon-reload"]


def test_a_pacer_that_does_not_start_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    systemd = Systemd(monkeypatch, tmp_path)
    service.PACER.touch()
    systemd.fails = True
    with pytest.raises(service.ServiceError, match=r"^'systemctl enable wsfleet-pacer.service' failed: Job failed\.$"):
        pacer_unit.follow(is_changed=True)
