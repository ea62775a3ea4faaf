# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard of upgrades: its files, and what its scripts answer."""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils._lifetime import guard
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction.atomic_files import Content

STARTED = "start --no-block wsfleet-exchange.service"


@pytest.fixture(autouse=True)
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Debian with needrestart."""
    monkeypatch.setattr(guard, "is_of_use", lambda: True)
    for name in ("UNIT", "POLICY", "NEEDRESTART"):
        monkeypatch.setattr(guard, name, tmp_path / name)
    monkeypatch.setattr(guard, "FILES", (guard.UNIT, guard.POLICY, guard.NEEDRESTART))
    return tmp_path


def files(choice: str) -> Mapping[Path, Content | None]:
    return guard.wanted(choice, python="/usr/bin/python3", program=Path("/usr/local/lib/wsfleet/nginx.pyz"))


def write(choice: str) -> None:
    for path, content in files(choice).items():
        if content:
            path.write_bytes(content.data)
            path.chmod(content.mode)


def run(path: Path, *arguments: str, is_active: bool = True) -> tuple[int, list[str]]:
    """The exit status of a script, and the calls of systemctl other than is-active."""
    programs = path.parent / "bin"
    programs.mkdir(exist_ok=True)
    systemctl, calls = programs / "systemctl", path.parent / "calls"
    systemctl.write_text(f'#!/bin/sh\n[ "$1" != is-active ] || exit {0 if is_active else 3}\necho "$*" >> {calls}\n')
    systemctl.chmod(0o755)
    calls.write_text("")
    environment = {"PATH": f"{programs}:{os.environ['PATH']}"}
    done = subprocess.run([path, *arguments], env=environment, stderr=subprocess.DEVNULL, check=False)
    return done.returncode, calls.read_text().splitlines()


@pytest.mark.parametrize("service", ["nginx", "nginx.service"])
@pytest.mark.parametrize("action", ["restart", "try-restart", "upgrade"])
def test_a_restart_of_a_running_nginx_becomes_an_exchange_or_nothing(service: str, action: str) -> None:
    write("exchange")
    assert run(guard.POLICY, service, action) == (101, [STARTED])
    # As invoke-rc.d and the specification have it: options first, and the run level last.
    assert run(guard.POLICY, "--quiet", service, action, "5") == (101, [STARTED])
    assert run(guard.POLICY, service, action, is_active=False) == (0, [])
    write("defer")
    assert run(guard.POLICY, service, action) == (101, [])
    assert run(guard.POLICY, service, action, is_active=False) == (0, [])


@pytest.mark.parametrize("choice", ["exchange", "defer"])
@pytest.mark.parametrize(
    ("service", "action", "status"),
    [
        *(("nginx.service", action, 0) for action in ("start", "stop", "reload", "force-reload", "status", "rotate")),
        *((service, "restart", 0) for service in ("ssh", "nginx-exporter.service", "my-nginx", "php8.2-fpm.service")),
        # What is not enabled stays as it is: without the file, invoke-rc.d does not start it either.
        *((service, f"({action})", 101) for service in ("nginx", "ssh") for action in ("start", "restart")),
    ],
)
def test_all_else_is_as_without_a_policy(choice: str, service: str, action: str, status: int) -> None:
    write(choice)
    assert run(guard.POLICY, service, action) == (status, [])


def test_needrestart_restarts_nginx_in_the_same_way() -> None:
    write("exchange")
    assert run(guard.NEEDRESTART) == (0, [STARTED])
    write("defer")
    assert run(guard.NEEDRESTART) == (0, [])


def test_each_choice_has_its_files_and_no_others() -> None:
    assert [content is not None for content in files("exchange").values()] == [True, True, True]
    assert [content is not None for content in files("defer").values()] == [False, True, True]
    assert files("ignore") == dict.fromkeys((guard.UNIT, guard.POLICY, guard.NEEDRESTART))
    unit = files("exchange")[guard.UNIT]
    assert unit
    assert b"\nExecStart=/usr/bin/python3 -I /usr/local/lib/wsfleet/nginx.pyz exchange --wait\n" in unit.data


def test_without_systemd_or_invoke_rc_d_there_is_nothing_to_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    write("exchange")
    monkeypatch.setattr(guard, "is_of_use", lambda: False)
    assert set(files("exchange").values()) == {None}
    assert guard.missing("exchange") == []
    guard.POLICY.write_text("exit 101")
    assert guard.warning("exchange") == ""


def test_a_policy_of_somebody_else_stays_and_the_operator_is_told_what_to_do() -> None:
    assert guard.warning("exchange") == ""
    guard.POLICY.write_text("exit 101")
    for choice in guard.CHOICES:
        assert guard.POLICY not in files(choice)
    assert f"`systemctl start --no-block {guard.UNIT.name}`" in guard.warning("exchange")
    assert guard.UNIT.name not in guard.warning("defer")
    assert guard.warning("ignore") == ""
    guard.POLICY.unlink()
    guard.POLICY.symlink_to("/etc/alternatives/policy-rc.d")
    assert guard.POLICY not in files("ignore")


def test_what_is_not_there_of_a_guard_is_named() -> None:
    write("exchange")
    assert guard.missing("exchange") == []
    assert guard.missing("defer") == [f"{guard.POLICY} is missing", f"{guard.NEEDRESTART} is missing"]
    guard.UNIT.unlink()
    guard.POLICY.write_text("exit 101")
    assert guard.missing("exchange") == [f"{guard.POLICY} is of somebody else", f"{guard.UNIT} is missing"]
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
        monkeypatch.setattr(guard.time, "sleep", end)
        monkeypatch.setattr(guard.lock, "is_held", lambda: False)
        guard.wait()
    assert len(waits) == 1
