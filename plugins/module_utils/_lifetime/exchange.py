# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Has the installed binary take over from the running one, without closing a socket or refusing a client.

https://nginx.org/en/docs/control.html#upgrade: USR2 has the running master start the new binary, which inherits its
ports. WINCH has the workers of the earlier master accept no more, so that only the new binary can answer the probes.
If they pass, the earlier master is ended, else it starts its workers again (HUP) and the new one is ended. How far this
is can be told from the processes and the pid files alone: the next call completes what a killed one has left.
"""

from __future__ import annotations

import enum
import os
import signal
import socket
import sys
import typing as t
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.wsfleet.nginx.plugins.module_utils import _sockets
from ansible_collections.wsfleet.nginx.plugins.module_utils._lifetime import guard
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import binary, package, processes
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx.error_log import ErrorLog
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe import diagnosis
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.routes import Probe, Result, probe_all, route
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import (
    atomic_files,
    journal,
    live_config,
    lock,
)
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction.activation import poll

# nginx may resolve names of backends before it writes its pid file.
_START_SECONDS = 60
_RESPONSE_SECONDS = 5
# For dpkg and deploys to end, as the unit does that an upgrade of packages starts.
_WAIT = "--wait"
# No request: nginx itself returns 400, and no backend gets it.
_NO_REQUEST = b"?\r\n\r\n"


class ExchangeError(Exception):
    """The running binary stays in service; the message says why."""


class Step(enum.Enum):
    """What an exchange does next."""

    DONE = "one master is left"
    HAND_OVER = "the earlier workers accept no more"
    PROBE = "the new binary alone answers"
    GIVE_BACK = "the earlier master starts its workers again"
    END_EARLIER = "the earlier master ends"
    END_LATER = "the new master ends"


@dataclass(frozen=True)
class Found:
    """How far an exchange is, by the processes."""

    # Whether workers of the master in the pid file accept connections.
    later_accepts: bool
    # The same of the master before it; None if it is gone.
    earlier_accepts: bool | None


def next_step(found: Found, failures: t.Sequence[str] | None) -> Step:
    """The next step, given why the new binary fails; None before that is known."""
    if found.earlier_accepts is None:
        return Step.DONE
    if failures is None and found.later_accepts:
        return Step.HAND_OVER if found.earlier_accepts else Step.PROBE
    if failures is None or failures:
        # Without a verdict: a run was killed while it went back.
        return Step.END_LATER if found.earlier_accepts else Step.GIVE_BACK
    return Step.END_EARLIER


@dataclass(frozen=True)
class Report:
    """What was done, as the operator reads it, and the results of the probes through the new binary."""

    actions: list[str] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    # How many connections of clients were open before and still are.
    kept: int = 0


def needed_for(build: binary.Build) -> list[str]:
    """The files that the running nginx has loaded in another version than the one on the disk, or of which an exchange
    was not completed: none if it needs no exchange.
    """
    master = processes.master_pid(build)
    if master is None:
        return []
    return [build.binary] if processes.earlier_master(build) else processes.replaced_files(master)


def obstacle(build: binary.Build) -> str:
    """Why the running nginx cannot exchange its binary, or nothing."""
    master = processes.master_pid(build)
    if master is None:
        return ""
    program = processes.program(master)
    if processes.recorded_pid(build) is None:
        return f"its process id, {master}, is not in {build.pid_file}: write it there"
    if processes.is_stopping(master):
        return f"nginx (pid {master}) is being stopped, and waits for its open WebSockets to close"
    if processes.has_no_daemon(master, build.configuration):
        return "it runs with `daemon off`, with which nginx ignores the signals of an exchange: restart it"
    if not program.startswith("/"):
        return f"it was started as `{program}`, and nginx finds its new binary by a path only: restart it"
    return ""


def run(build: binary.Build) -> Report:
    """Exchange the running binary for the installed one, if they differ, or complete an exchange that was begun.

    Call it under the lock of deploys. ExchangeError if the earlier binary stays in service, or is back.
    """
    _take_back_outdated(build)
    replaced, earlier = needed_for(build), processes.earlier_master(build)
    before = earlier or processes.master_pid(build)
    if not replaced or before is None:
        return Report()
    kept = journal.all_on_host()
    probes, passed = _recorded(kept)
    ports = {_sockets.port(address) for address in processes.listening(before)}
    clients = _clients(build, ports)
    log, changed_at = ErrorLog(build), _changed_at(build.pid_file)
    # On a host without a deploy. What answered before a run was killed is not known: in doubt it goes back.
    answering = [] if kept else list(processes.listening(before))
    if not earlier:
        answering = [address for address in answering if _answers(address)]
        passed &= {result.route for result in probe_all(probes) if result.verified}
        _start(build, before)
    _wait_for_start(build, before, log, changed_at)
    exchange = _Exchange(build, before, kept, [probe for probe in probes if route(probe) in passed], answering)
    exchange.finish()
    for configuration in kept:
        deployed = configuration.deployed()
        configuration.set_deployed(deployed._replace(binary=package.running(build, deployed.binary)))
    names = ", ".join(Path(path).name for path in replaced)
    done = f"exchanged the running nginx for the installed one ({names})"
    return Report([done], exchange.results, len(clients & _clients(build, ports)))


def _take_back_outdated(build: binary.Build) -> None:
    """Have the earlier binary serve again if the one that a killed run has started is not the installed one any more.

    It may be the installed one itself; nginx exchanges one of two masters only when the other one is gone.
    """
    earlier, later = processes.earlier_master(build), processes.recorded_pid(build)
    if not earlier or later is None or not processes.replaced_files(later):
        return
    try:
        _wait_for_start(build, earlier, ErrorLog(build), _changed_at(build.pid_file))
        _Exchange(build, earlier).finish(["the new one is not the installed one any more"])
    except ExchangeError:
        if processes.earlier_master(build):
            raise


def _clients(build: binary.Build, ports: t.Collection[int]) -> set[tuple[str, str]]:
    """The open connections of clients to these ports, by both addresses."""
    inodes = {held.inode for held in processes.sockets(build)}
    rows = (row for table in ("tcp", "tcp6") for row in _sockets.rows(table) if row[3] == _sockets.ESTABLISHED)
    return {(row[1], row[2]) for row in rows if row[9] in inodes and _sockets.port(row[1]) in ports}


def _recorded(kept: t.Sequence[journal.Journal]) -> tuple[list[Probe], set[str]]:
    """The probes of the last deploys, and the routes that passed theirs."""
    found = [configuration.deployed() for configuration in kept]
    passed = {name for deployed in found for name in deployed.passed}
    return [probe for deployed in found for probe in deployed.probes if route(probe) in passed], passed


def _start(build: binary.Build, master: int) -> None:
    """Have the running master start the installed binary, and wait until that accepts connections."""
    why = obstacle(build)
    if why:
        raise ExchangeError(f"the running nginx cannot exchange its binary: {why}")
    verdict = binary.test(build, build.configuration)
    if not verdict.accepted:
        raise ExchangeError("\n".join(["the installed nginx rejects the configuration:", *verdict.messages]))
    # One that only waits for its connections: nginx starts no binary as long as the one before it runs.
    waiting = processes.waiting_master(build)
    if waiting and not _ended(build, waiting):
        raise ExchangeError(f"an earlier master (pid {waiting}) does not end: see `ps`")
    os.kill(master, signal.SIGUSR2)


def _wait_for_start(build: binary.Build, master: int, log: ErrorLog, changed_at: int) -> None:
    """Wait until the binary that a master starts accepts connections."""

    def outcome() -> bool | None:
        # In this order: between the two, nginx may move its pid file away.
        is_moved = _changed_at(build.pid_file) != changed_at
        now = processes.recorded_pid(build)
        if now and now != master:
            # In an exchange that a killed run has begun, it may be on its way back.
            return True if processes.accepting_workers(now) or processes.is_stopping(now) else None
        # nginx moves its pid file away, and back if the new binary has ended.
        return False if now and is_moved else None

    started = poll(outcome, _START_SECONDS)
    if started:
        return
    for child in processes.starting(master):
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    poll(lambda: True if processes.recorded_pid(build) == master else None)
    reasons = log.emergencies() or ["its error log has no reason"]
    what = "did not start" if started is False else f"did not start within {_START_SECONDS} seconds"
    raise ExchangeError("\n".join([f"the installed nginx {what}; the earlier one serves as before:", *reasons]))


def _changed_at(path: Path | None) -> int:
    """A rename counts."""
    try:
        return path.stat().st_ctime_ns if path else 0
    except OSError:
        return 0


def _ended(build: binary.Build, master: int) -> bool:
    """Whether a master whose workers accept no more has ended; they go on without it until their sockets are closed.

    It would wait for them, and until then neither start another binary nor let systemd see that its main process is
    another one: systemd reads the pid file again when that ends.
    """
    with suppress(ProcessLookupError):
        os.kill(master, signal.SIGKILL)
    gone = poll(lambda: True if not processes.is_master(master) else None)
    if gone and build.pid_file and processes.waiting_master(build) is None and processes.recorded_pid(build):
        with suppress(OSError):
            processes.oldbin(build.pid_file).unlink()
    return bool(gone)


class _Exchange:
    """An exchange whose two masters run."""

    def __init__(
        self,
        build: binary.Build,
        earlier: int,
        kept: t.Sequence[journal.Journal] = (),
        probes: t.Sequence[Probe] = (),
        answering: t.Sequence[str] = (),
    ) -> None:
        self._build, self._earlier = build, earlier
        self._kept, self._probes, self._answering = kept, probes, answering
        self._failures: list[str] | None = None
        self.results: list[Result] = []

    def finish(self, failures: list[str] | None = None) -> None:
        """Step by step, until one master is left. ExchangeError if that is the earlier one, as with known failures."""
        self._failures = failures
        taken: list[Step] = []
        while True:
            step = next_step(self._found(), self._failures)
            if step is Step.DONE:
                break
            if step in taken:
                raise ExchangeError(self._stuck(step))
            taken.append(step)
            self._take(step)
        if processes.is_master(self._earlier):
            reasons = self._failures or ["the new one has ended: see nginx's error log"]
            raise ExchangeError("\n".join(["the earlier nginx is back in service:", *reasons]))

    def _found(self) -> Found:
        later = processes.recorded_pid(self._build)
        if not processes.is_master(self._earlier) or later in (None, self._earlier):
            return Found(later_accepts=True, earlier_accepts=None)
        return Found(
            later_accepts=bool(later and processes.accepting_workers(later)),
            earlier_accepts=bool(processes.accepting_workers(self._earlier)),
        )

    def _take(self, step: Step) -> None:
        if step is Step.HAND_OVER:
            os.kill(self._earlier, signal.SIGWINCH)
            if not poll(lambda: None if processes.accepting_workers(self._earlier) else True):
                self._failures = [f"the earlier one (pid {self._earlier}) does not react to the signal WINCH"]
        elif step is Step.PROBE:
            self._failures = [*self._not_live(), *self._failed_routes(), *self._silent()]
        elif step is Step.GIVE_BACK:
            os.kill(self._earlier, signal.SIGHUP)
            poll(lambda: True if processes.accepting_workers(self._earlier) else None)
        elif step is Step.END_EARLIER:
            _ended(self._build, self._earlier)
        else:
            self._end_later()

    def _end_later(self) -> None:
        """The earlier master puts the pid file back when the later one has ended."""
        later = processes.recorded_pid(self._build)
        if later:
            os.kill(later, signal.SIGQUIT)
            if poll(lambda: None if processes.accepting_workers(later) else True):
                _ended(self._build, later)
        poll(lambda: True if processes.recorded_pid(self._build) == self._earlier else None)

    def _stuck(self, step: Step) -> str:
        later = processes.recorded_pid(self._build)
        head = f"two masters of nginx run (pids {self._earlier} and {later}), and this did not work: {step.value}."
        return "\n".join([head, *(self._failures or ())])

    def _not_live(self) -> t.Iterator[str]:
        """The configurations that the new binary does not serve as they are on the disk."""
        for kept in self._kept:
            killed = [str(file.path) for entry in kept.all_unfinished() for file in entry.files]
            contents = [atomic_files.read(Path(path)) for path in {*kept.deployed().files, *killed}]
            text = b"".join(content.data for content in contents if content)
            if not poll(lambda: _is_in(live_config.fingerprint(kept.live_address), text)):  # noqa: B023
                yield f"- the configuration that returns its fingerprint on {kept.live_address} is not live"

    def _failed_routes(self) -> list[str]:
        self.results = diagnosis.probe_routes(self._probes, {route(probe) for probe in self._probes})
        failed = [result for result in self.results if result.failed]
        return diagnosis.describe([result for result in failed if not diagnosis.is_caused_by_backends(result)], ())

    def _silent(self) -> t.Iterator[str]:
        """The addresses that answered before and do not now, on a host without a deploy."""
        for address in self._answering:
            if not _answers(address):
                yield f"- {_sockets.ip(address)} port {_sockets.port(address)} does not answer any more"


def _is_in(fingerprint: str | None, text: bytes) -> bool | None:
    return True if fingerprint and fingerprint.encode() in text else None


def _answers(address: str) -> bool:
    # The kernel takes the address of all interfaces for that of the loopback interface.
    peer = _sockets.ip(address), _sockets.port(address)
    try:
        with socket.create_connection(peer, _RESPONSE_SECONDS) as connection:
            connection.sendall(_NO_REQUEST)
            connection.recv(1)
    except ConnectionResetError:
        return True
    except OSError:
        return False
    return True


def main(arguments: t.Sequence[str]) -> int:
    """The command of the program on the gateway."""
    if arguments not in ([], [_WAIT]):
        sys.stderr.write(f"usage: exchange [{_WAIT}]\n")
        return 2
    if arguments:
        guard.wait()
    try:
        with lock.locked():
            report = run(binary.installed())
    except (ExchangeError, binary.NginxError, lock.Busy) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for line in report.actions or ["the running nginx is the installed one"]:
        sys.stdout.write(f"{line}\n")
    return 0
