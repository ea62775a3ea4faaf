# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard of upgrades: its files, and what its scripts answer."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils._lifetime import guard
from ansible_collections.wsfleet.nginx.plugins.module_utils._lifetime.package_manager import HELD_BACK
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import service
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import atomic_files, lock
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction.atomic_files import Content

STARTED = "start --no-block wsfleet-exchange.service"


@pytest.fixture(autouse=True)
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Debian with needrestart."""
    monkeypatch.setattr(guard, "is_of_use", lambda: True)
    for name in ("EXCHANGE", "POLICY", "NEEDRESTART", "PROGRAM"):
        monkeypatch.setattr(service, name, tmp_path / name)
    return tmp_path


def files(choice: str) -> Mapping[Path, Content | None]:
    return guard.wanted(choice)


def write(choice: str) -> None:
    for path, content in files(choice).items():
        if content:
            path.write_bytes(content.data)
            path.chmod(content.mode)


def run(path: Path, *arguments: str, is_active: bool = True) -> tuple[int, list[str]]:
    """The exit status of a script, and the calls of systemctl other than is-active."""
    done, calls = run_script(path, arguments, {}, is_active=is_active)
    return done.returncode, calls


def run_script(
    path: Path, arguments: tuple[str, ...], environment: dict[str, str], *, is_active: bool = True
) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    programs = path.parent / "bin"
    programs.mkdir(exist_ok=True)
    systemctl, calls = programs / "systemctl", path.parent / "calls"
    systemctl.write_text(f'#!/bin/sh\n[ "$1" != is-active ] || exit {0 if is_active else 3}\necho "$*" >> {calls}\n')
    systemctl.chmod(0o755)
    calls.write_text("")
    environment = {**environment, "PATH": f"{programs}:{os.environ['PATH']}"}
    done = subprocess.run([path, *arguments], env=environment, capture_output=True, text=True, check=False)
    return done, calls.read_text().splitlines()


@pytest.mark.parametrize("name", ["nginx", "nginx.service"])
@pytest.mark.parametrize("action", ["restart", "try-restart", "upgrade"])
def test_a_restart_of_a_running_nginx_becomes_an_exchange_or_nothing(name: str, action: str) -> None:
    write("exchange")
    assert run(service.POLICY, name, action) == (101, [STARTED])
    # As invoke-rc.d and the specification have it: options first, and the run level last.
    assert run(service.POLICY, "--quiet", name, action, "5") == (101, [STARTED])
    assert run(service.POLICY, name, action, is_active=False) == (0, [])
    write("defer")
    assert run(service.POLICY, name, action) == (101, [])
    assert run(service.POLICY, name, action, is_active=False) == (0, [])


@pytest.mark.parametrize("choice", ["exchange", "defer"])
@pytest.mark.parametrize("action", ["restart", "try-restart", "upgrade"])
def test_in_an_upgrade_by_the_playbook_nothing_is_started_and_nothing_said(choice: str, action: str) -> None:
    write(choice)
    done, calls = run_script(service.POLICY, ("nginx", action), {HELD_BACK: "1"})
    assert (done.returncode, done.stdout + done.stderr, calls) == (101, "", [])
    done, _calls = run_script(service.POLICY, ("nginx", action), {})
    assert done.stderr.startswith("nginx is not restarted")


@pytest.mark.parametrize("choice", ["exchange", "defer"])
@pytest.mark.parametrize(
    ("name", "action", "status"),
    [
        *(("nginx.service", action, 0) for action in ("start", "stop", "reload", "force-reload", "status", "rotate")),
        *((name, "restart", 0) for name in ("ssh", "nginx-exporter.service", "my-nginx", "php8.2-fpm.service")),
        # What is not enabled stays as it is: without the file, invoke-rc.d does not start it either.
        *((name, f"({action})", 101) for name in ("nginx", "ssh") for action in ("start", "restart")),
    ],
)
def test_all_else_is_as_without_a_policy(choice: str, name: str, action: str, status: int) -> None:
    write(choice)
    assert run(service.POLICY, name, action) == (status, [])


def test_needrestart_restarts_nginx_in_the_same_way() -> None:
    write("exchange")
    assert run(service.NEEDRESTART) == (0, [STARTED])
    write("defer")
    assert run(service.NEEDRESTART) == (0, [])


def test_each_choice_has_its_files_and_no_others() -> None:
    assert [content is not None for content in files("exchange").values()] == [True, True, True]
    assert [content is not None for content in files("defer").values()] == [False, True, True]
    assert files("ignore") == dict.fromkeys((service.EXCHANGE, service.POLICY, service.NEEDRESTART))
    unit = files("exchange")[service.EXCHANGE]
    assert unit
    assert f"\nExecStart={sys.executable} -I {service.PROGRAM} exchange --wait\n".encode() in unit.data


def test_without_systemd_or_invoke_rc_d_there_is_nothing_to_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    write("exchange")
    monkeypatch.setattr(guard, "is_of_use", lambda: False)
    assert set(files("exchange").values()) == {None}
    assert guard.missing("exchange") == []
    service.POLICY.write_text("exit 101")
    assert guard.warning("exchange") == ""


def test_where_a_file_cannot_be_written_there_is_no_guard_and_the_operator_is_told(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "PROGRAM", host / "usr" / "local" / "nginx.pyz")
    (host / "usr").mkdir()
    # As access(2) says of a file system that is mounted read-only.
    monkeypatch.setattr(os, "access", lambda path, _mode: path != host / "usr")
    monkeypatch.setattr(atomic_files, "_is_read_only", lambda path: host / "usr" in (path, *path.parents))
    assert set(files("exchange").values()) == {None}
    warned = f"websockets_guard_upgrades: {service.PROGRAM} cannot be written, as {host}/usr is read-only. "
    assert guard.warning("exchange").startswith(warned)
    assert "set websockets_guard_upgrades: ignore" in guard.warning("exchange")
    # It needs no program.
    assert (files("defer")[service.POLICY] is None, guard.warning("defer")) == (False, "")
    monkeypatch.setattr(service, "POLICY", host / "usr" / "policy-rc.d")
    assert set(files("defer").values()) == {None}
    assert guard.warning("defer").startswith(f"websockets_guard_upgrades: {service.POLICY} cannot be written, as ")
    assert guard.warning("ignore") == ""


def test_a_policy_of_somebody_else_stays_and_the_operator_is_told_what_to_do() -> None:
    assert guard.warning("exchange") == ""
    service.POLICY.write_text("exit 101")
    for choice in guard.CHOICES:
        assert service.POLICY not in files(choice)
    assert f"`systemctl start --no-block {service.EXCHANGE.name}`" in guard.warning("exchange")
    assert service.EXCHANGE.name not in guard.warning("defer")
    assert guard.warning("ignore") == ""
    service.POLICY.unlink()
    service.POLICY.symlink_to("/etc/alternatives/policy-rc.d")
    assert service.POLICY not in files("ignore")


def test_what_is_not_there_of_a_guard_is_named() -> None:
    write("exchange")
    assert guard.missing("exchange") == []
    assert guard.missing("defer") == [f"{service.POLICY} is missing", f"{service.NEEDRESTART} is missing"]
    service.EXCHANGE.unlink()
    service.POLICY.write_text("exit 101")
    assert guard.missing("exchange") == [f"{service.POLICY} is of somebody else", f"{service.EXCHANGE} is missing"]
    assert guard.missing("ignore") == []


def test_a_host_with_several_gateways_has_the_guard_of_the_most_careful_one() -> None:
    assert guard.strongest(["ignore", "exchange"]) == "exchange"
    assert guard.strongest(["defer", "exchange", "ignore"]) == "defer"
    assert guard.strongest([]) == "ignore"


def test_an_exchange_waits_for_dpkg_and_is_not_in_its_way(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = host / "lock"
    monkeypatch.setattr(guard, "_DPKG_LOCKS", (host / "none", file))
    waits: list[float] = []
    with file.open("w") as held:

        def end(seconds: float) -> None:
            waits.append(seconds)
            fcntl.lockf(held, fcntl.LOCK_UN)

        fcntl.lockf(held, fcntl.LOCK_EX)
        monkeypatch.setattr(time, "sleep", end)
        monkeypatch.setattr(lock, "is_held", lambda: False)
        guard.wait()
    assert len(waits) == 1
