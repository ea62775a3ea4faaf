# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An exchange of binaries, with masters that react to signals as those of nginx do."""

from __future__ import annotations

import itertools
import os
import signal
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils._lifetime import exchange
from ansible_collections.wsfleet.nginx.plugins.module_utils._lifetime.exchange import ExchangeError, Found, Step
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import binary, processes
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import activation, journal

EARLIER, LATER = 10, 20


@pytest.mark.parametrize(
    ("earlier", "later", "failures", "step"),
    [
        (None, True, None, Step.DONE),
        (True, True, None, Step.HAND_OVER),
        (False, True, None, Step.PROBE),
        (False, True, [], Step.END_EARLIER),
        (False, True, ["- it fails"], Step.GIVE_BACK),
        (True, True, ["- it fails"], Step.END_LATER),
        # A run was killed on its way back.
        (True, False, None, Step.END_LATER),
        (False, False, None, Step.GIVE_BACK),
        # The new one ended after its probes.
        (None, True, [], Step.DONE),
    ],
)
def test_the_next_step_follows_from_the_processes(
    earlier: bool | None, later: bool, failures: list[str] | None, step: Step
) -> None:
    assert exchange.next_step(Found(later_accepts=later, earlier_accepts=earlier), failures) is step


class Killed(BaseException):
    """The run is killed."""


@dataclass
class Host:
    """The masters of a host, with whether their workers accept, its two pid files, and the versions of the binary."""

    accepting: dict[int, bool] = field(default_factory=lambda: {EARLIER: True})
    recorded: int = EARLIER
    oldbin: int | None = None
    installed: str = "2"
    running: dict[int, str] = field(default_factory=lambda: {EARLIER: "1"})
    starts: bool = True
    fails: bool = False
    signals: list[tuple[int, str]] = field(default_factory=list)
    # After how many signals the run is killed.
    kills_after: int | None = None

    def kill(self, pid: int, number: int) -> None:
        self.signals.append((pid, signal.Signals(number).name))
        if pid in self.accepting:
            {"SIGUSR2": self._start, "SIGWINCH": self._end_workers, "SIGQUIT": self._end_workers}.get(
                signal.Signals(number).name, lambda _pid: None
            )(pid)
            if number == signal.SIGHUP:
                self.accepting[pid] = True
            if number == signal.SIGKILL:
                self._end(pid)
        if len(self.signals) == self.kills_after:
            raise Killed

    def _start(self, pid: int) -> None:
        if self.starts and self.oldbin is None:
            later = LATER if LATER not in self.running else max(self.running) + 1
            self.accepting[later], self.recorded, self.oldbin = True, later, pid
            self.running[later] = self.installed

    def _end_workers(self, pid: int) -> None:
        self.accepting[pid] = False

    def _end(self, pid: int) -> None:
        del self.accepting[pid]
        if pid == self.recorded and self.oldbin in self.accepting:
            self.recorded, self.oldbin = self.oldbin or 0, None

    def serving(self) -> list[int]:
        return [pid for pid, accepts in self.accepting.items() if accepts]

    def versions(self) -> list[str]:
        return [self.running[pid] for pid in self.serving()]


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    found = Host()
    monkeypatch.setattr(activation, "_SECONDS", 0.0)
    monkeypatch.setattr(exchange, "_START_SECONDS", 0.0)
    monkeypatch.setattr(journal, "DIRECTORY", tmp_path / "state")
    monkeypatch.setattr(os, "kill", found.kill)
    monkeypatch.setattr(binary, "test", lambda _build, _path: binary.Verdict(True, [], []))

    def waiting(_build: object) -> int | None:
        return found.oldbin if found.oldbin in found.accepting else None

    replaced = {
        "is_master": lambda pid: pid in found.accepting,
        "recorded_pid": lambda _build: found.recorded if found.recorded in found.accepting else None,
        "master_pid": lambda _build: found.recorded,
        "waiting_master": waiting,
        "earlier_master": waiting,
        "accepting_workers": lambda pid: {pid + 1} if found.accepting.get(pid) else set(),
        "is_stopping": lambda pid: found.accepting.get(pid) is False,
        "replaced_files": lambda pid: ["/usr/sbin/nginx"] if found.running[pid] != found.installed else [],
        "program": lambda _pid: "/usr/sbin/nginx",
        "has_no_daemon": lambda _pid, _path: False,
        "listening": lambda _pid: iter(["0100007F:1F90"]),
        "sockets": lambda _build: [],
        "starting": lambda _pid: set(),
    }
    for name, function in replaced.items():
        monkeypatch.setattr(processes, name, function)
    # The other versions answer always.
    monkeypatch.setattr(exchange, "_answers", lambda _address: not (found.fails and found.versions() == ["2"]))
    return found


@pytest.fixture
def build(tmp_path: Path) -> binary.Build:
    (tmp_path / "nginx.pid").touch()
    return binary.Build("/usr/sbin/nginx", "1.26.3", None, tmp_path / "nginx.conf", tmp_path / "nginx.pid", None)


def test_the_new_binary_takes_over(host: Host, build: binary.Build) -> None:
    assert exchange.run(build).actions == ["exchanged the running nginx for the installed one (nginx)"]
    assert host.signals == [(EARLIER, "SIGUSR2"), (EARLIER, "SIGWINCH"), (EARLIER, "SIGKILL")]
    assert host.accepting == {LATER: True}
    assert exchange.run(build).actions == []


def test_one_that_fails_is_ended_and_the_earlier_one_serves_again(host: Host, build: binary.Build) -> None:
    host.fails = True
    with pytest.raises(ExchangeError, match=r"back in service:\n- 127.0.0.1 port 8080 does not answer any more"):
        exchange.run(build)
    assert host.signals[2:] == [(EARLIER, "SIGHUP"), (LATER, "SIGQUIT"), (LATER, "SIGKILL")]
    assert host.accepting == {EARLIER: True}


def test_one_that_does_not_start_changes_nothing(host: Host, build: binary.Build) -> None:
    host.starts = False
    with pytest.raises(ExchangeError, match="did not start within"):
        exchange.run(build)
    assert host.signals == [(EARLIER, "SIGUSR2")]
    assert host.accepting == {EARLIER: True}


def test_one_that_rejects_the_configuration_is_not_started(
    host: Host, build: binary.Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binary, "test", lambda _build, _path: binary.Verdict(False, ["[emerg] no"], []))
    with pytest.raises(ExchangeError, match=r"rejects the configuration:\n\[emerg\] no"):
        exchange.run(build)
    assert host.signals == []


@pytest.mark.parametrize("fails", [False, True])
def test_a_run_that_was_killed_after_any_signal_is_completed_or_taken_back(
    host: Host, build: binary.Build, fails: bool
) -> None:
    for number in itertools.count(1):
        host.__init__(fails=fails, kills_after=number)  # type: ignore[misc]
        try:
            exchange.run(build)
        except ExchangeError:
            break
        except Killed:
            assert host.serving(), "nobody accepts connections"
            host.kills_after = None
            if fails:
                with pytest.raises(ExchangeError, match="back in service"):
                    exchange.run(build)
            else:
                exchange.run(build)
        else:
            break
        assert host.serving() == [EARLIER if fails else LATER]
        assert len(host.accepting) == 1
    assert number > 3


@pytest.mark.parametrize("installed", ["1", "3"])
def test_a_binary_that_is_not_the_installed_one_any_more_is_taken_back_first(
    host: Host, build: binary.Build, installed: str
) -> None:
    """A run that was killed has started it, and the next one installs another: a third one, or the one before it."""
    for number in (1, 2):
        host.__init__(kills_after=number)  # type: ignore[misc]
        with pytest.raises(Killed):
            exchange.run(build)
        host.kills_after, host.installed = None, installed
        # What answers with neither of them is no fault of the installed one.
        host.fails = True
        actions = exchange.run(build).actions
        assert host.versions() == [installed]
        assert len(host.accepting) == 1
        assert len(actions) == (installed == "3")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"has_no_daemon": lambda _pid, _path: True}, "daemon off"),
        ({"program": lambda _pid: "nginx"}, "was started as `nginx`"),
        ({"recorded_pid": lambda _build: None}, "is not in"),
        ({"is_stopping": lambda _pid: True}, "is being stopped"),
    ],
)
def test_what_keeps_nginx_from_an_exchange_is_said_before_a_signal(
    host: Host,
    build: binary.Build,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, t.Callable[..., object]],
    reason: str,
) -> None:
    for name, function in changes.items():
        monkeypatch.setattr(processes, name, function)
    assert reason in exchange.obstacle(build)
    with pytest.raises(ExchangeError, match="cannot exchange its binary"):
        exchange.run(build)
    assert host.signals == []


def test_a_master_that_only_waits_for_its_connections_is_ended_first(
    host: Host, build: binary.Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As the scripts of RHEL's package leave it: nginx starts no other binary until it is gone.
    host.accepting[5], host.oldbin = False, 5
    monkeypatch.setattr(processes, "earlier_master", lambda _build: host.oldbin if host.oldbin == EARLIER else None)
    real = host._end

    def end(pid: int) -> None:
        real(pid)
        if host.oldbin == pid:
            host.oldbin = None

    monkeypatch.setattr(host, "_end", end)
    exchange.run(build)
    assert host.signals[:2] == [(5, "SIGKILL"), (EARLIER, "SIGUSR2")]
    assert host.accepting == {LATER: True}
