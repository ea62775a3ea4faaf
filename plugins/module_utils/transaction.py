# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One deploy: test the candidate, swap the files, go live; then keep it, or put files and nginx back as they were."""

from __future__ import annotations

import os
import re
import signal
import time
import typing as t
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.wsfleet.nginx.plugins.module_utils import _host, candidate, files, live, order, origins, state
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import binary, service

# nginx itself retries a port that is taken for 2.5 seconds before it gives up (src/core/ngx_connection.c).
_LIVE_SECONDS = 15.0
_GAVE_UP = "still could not bind()"
_UNIX_LISTEN = re.compile(r"^\s*listen unix:([^\s;]+)", re.MULTILINE)
_TAKEN = re.compile(r"bind\(\) to \S+:(\d+) failed \(98:")
_STOPPING = "nginx, process %s, is being stopped, and still waits for its open WebSockets to close"
_SILENT = ", and logs no reason: is its master being stopped, or does it not react to signals?"
_FINGERPRINT = re.compile(rb"\b[0-9a-f]{64}\b")
_DUPLICATE = re.compile(r'"worker_\w+" directive is duplicate')
_POLL_SECONDS = 0.02
_LARGEST_LOG = 1024 * 1024

Files = t.Mapping[Path, t.Optional[files.Content]]


class TransactionError(Exception):
    """The deploy did not happen, or was rolled back; the message tells why, and what is live now."""


class _NotLive(Exception):
    """nginx did not take over the new configuration."""


@dataclass(frozen=True)
class Goal:
    """What is to be live.

    Own files are the configuration itself; one of them holds the fingerprint that nginx then returns at the live
    address. Those beside them are files of the host that it needs changed: binary.conf and the service's drop-in.
    Secrets are certificates with their keys, which nginx finds where the configuration names them.
    """

    own: Files
    beside: Files
    live_address: str
    secrets: Files = field(default_factory=dict)
    # Which variables to blame.
    sources: t.Mapping[Path, origins.Source] = field(default_factory=dict)
    # Whether it is what was live before the last deploy.
    is_previous: bool = False


class Transaction:
    """The way of an installed nginx to a goal, given what is kept on the host, and a directory for the time being."""

    def __init__(self, build: binary.Build, goal: Goal, kept: state.State, scratch: Path) -> None:
        self._build, self._goal, self._state, self._scratch = build, goal, kept, scratch
        self._own, self._address = goal.own, goal.live_address
        self._wanted = {**goal.beside, **goal.own, **goal.secrets}
        self._master = binary.master_pid(build)
        # What is known of the configuration that was deployed last.
        self.deployed = kept.deployed()
        self._earlier_address = kept.live_address
        self._fingerprint = live.fingerprint(self._earlier_address)
        # A configuration that answers without a master is that of workers whose master was killed.
        self._orphans = binary.orphans() if self._fingerprint and not self._master else set()
        self.changes = files.plan(self._wanted)
        # A run that was killed may have changed files already: the way back leads to those before it.
        self._unfinished = kept.journal()
        begun = self._unfinished.before if self._unfinished else {}
        self._earlier = {path: self._before(path) for path in {**begun, **self._wanted} if path in self._wanted}

    @property
    def needed(self) -> bool:
        """Whether a file is not as wanted, or the running nginx is not what the files say, or cannot be known to be."""
        return bool(self.changes or self._orphans or self._unfinished) or not self._is_loaded

    @property
    def can_return(self) -> bool:
        """Whether there was a configuration before this one."""
        return self._is_replaced and any(self._earlier[path] is not None for path in self._own)

    @property
    def _is_replaced(self) -> bool:
        return any(self._earlier[path] != content for path, content in self._wanted.items())

    @property
    def secrets(self) -> set[Path]:
        """The files whose content is never shown: that of now, or the one before."""
        begun = self._unfinished.secrets if self._unfinished else ()
        known = {*self._goal.secrets, *map(Path, self.deployed.secrets), *begun}
        return known & set(self._wanted)

    @property
    def passed(self) -> list[str]:
        """The routes that passed before where that cannot be seen any more: nginx is down, or a run was killed."""
        unseen = [] if self._master else self.deployed.passed
        return unseen + (self._unfinished.passed if self._unfinished else [])

    @property
    def actions(self) -> list[str]:
        """What there is to do, in the operator's words."""
        if not self.needed:
            return []
        done = [f"{'wrote' if change.after else 'removed'} {change.path}" for change in self.changes]
        if self._master:
            done += ["reloaded nginx"] if self._must_reload else []
        elif self._is_present:
            done.append("started nginx")
        return done

    def test(self) -> list[str]:
        """Have nginx test the candidate; its warnings, or a TransactionError with its own words."""
        if not self.needed:
            return []
        outside = [str(path) for path in (*self._own, *self._goal.secrets) if self._build.root not in path.parents]
        if outside:
            raise TransactionError(f"{', '.join(outside)}: not in {self._build.root}, where nginx could test it")
        if self._fingerprint and not self._master and not self._orphans:
            raise TransactionError(
                f"nginx runs, but its process id is not in {self._build.pid_file}; nothing was changed"
            )
        if self._is_present and self._is_stopping:
            raise TransactionError(f"{_STOPPING % self._master}; nothing was changed")
        verdict = self._candidate(self._wanted)
        if not verdict.accepted:
            raise self._rejection(verdict)
        present = [str(path) for path, content in self._own.items() if content]
        unread = [path for path in present if path not in verdict.files]
        if unread:
            including = f"{self._build.configuration} and the files it includes"
            raise TransactionError(f"nginx would not read {', '.join(unread)}: no include in {including} covers it")
        self.changes = self._ordered()
        return verdict.messages

    def run(self, passed: t.Sequence[str]) -> list[str]:
        """Swap the files and go live; the actions that this took. Call after test(); passed are routes, for a run that
        has to go on where this one is killed.
        """
        actions = self.actions
        self._swap(passed)
        try:
            self._go_live()
        except (_NotLive, service.ServiceError, binary.NginxError) as error:
            raise TransactionError(f"{error}\n{self.undo()}") from error
        return actions

    def commit(self, deployed: state.Deployed) -> None:
        """Keep what is live."""
        try:
            self._settle(deployed)
        except OSError as error:
            raise TransactionError(
                f"nginx serves the new configuration, but cannot write {error.filename}: {error.strerror}; "
                "the next run ends this deploy"
            ) from error

    def undo(self) -> str:
        """Put the earlier files back; what is live now, in words."""
        try:
            files.restore(self._earlier)
        except OSError as error:
            return f"The earlier files could not be put back: {error}"
        # systemd reads its files again some day; nginx does not wait for it.
        with suppress(service.ServiceError, binary.NginxError):
            self._load_units()
        try:
            said = self._go_back()
        except (_NotLive, service.ServiceError) as error:
            # The journal stays, for the next run to see to it that nginx serves them: it could not tell by itself that
            # it does not where only secrets differ.
            return f"The earlier files are back, but {error}"
        files.clean(self._wanted)
        self._state.forget()
        return said

    def _settle(self, deployed: state.Deployed) -> None:
        if self._is_present:
            own = tuple(str(path) for path, content in self._own.items() if content)
            told = deployed._replace(secrets=self._digests, files=own, live_address=self._address)
            self._state.set_deployed(told)
        # While the journal is there: only that knows the names of files which the next run may not list.
        files.clean(self._wanted)
        if not self._is_present:
            self._state.remove(originals=self._build.configuration in self._wanted)
        else:
            if self._is_replaced and not self._goal.is_previous:
                self._state.commit()
            self._state.forget()
            if self._goal.is_previous:
                self._state.rolled_back()
        if self._wanted.get(service.DROP_IN, ...) is None:
            with suppress(OSError):
                service.DROP_IN.parent.rmdir()

    def _before(self, path: Path) -> files.Content | None:
        now = files.read(path)
        return self._unfinished.earlier(path, now) if self._unfinished else now

    @property
    def _is_present(self) -> bool:
        return any(content is not None for content in self._own.values())

    @property
    def _must_reload(self) -> bool:
        of_nginx = any(change.path != service.DROP_IN for change in self.changes)
        return of_nginx or not self._is_loaded or self._unfinished is not None

    @property
    def _is_loaded(self) -> bool:
        """Whether nginx serves these files. Secrets change while the configuration and its fingerprint stay."""
        is_there = self._address == self._earlier_address and self._is_live(self._fingerprint)
        return is_there and self.deployed.secrets == self._digests

    @property
    def _digests(self) -> dict[str, str]:
        return {str(path): str(state.digest(content)) for path, content in self._goal.secrets.items() if content}

    def _is_live(self, fingerprint: str | None) -> bool:
        """Each version of the files holds its own fingerprint, so the one that answers is the one that holds it."""
        if fingerprint is None or not self._is_present:
            return fingerprint is None and not self._is_present
        return any(content and fingerprint.encode() in content.data for content in self._own.values())

    def _candidate(self, wanted: Files) -> binary.Verdict:
        contents = {
            path: content.data if content else None
            for path, content in wanted.items()
            if self._build.root in path.parents
        }
        try:
            return candidate.test(self._build, contents, self._scratch)
        except OSError as error:
            raise TransactionError(f"cannot stage the candidate: {error}; nothing was changed") from error

    def _rejection(self, verdict: binary.Verdict) -> TransactionError:
        if binary.test(self._build, self._build.configuration).accepted:
            head, words = "nginx rejects the new configuration; nothing was changed:", self._explained(verdict.messages)
        else:
            head = "nginx rejects the configuration that this host had before this deploy; nothing was changed:"
            words = verdict.messages
        return TransactionError("\n".join([head, *words]))

    def _explained(self, messages: list[str]) -> list[str]:
        for path, content in self._own.items():
            text = content.data.decode("utf-8", "replace") if content else ""
            messages = origins.explained(messages, path, text, self._goal.sources.get(path, origins.Source()))
        for path in self._goal.secrets:
            messages = origins.named(messages, path, self._goal.sources.get(path, origins.Source()))
        if self._build.configuration in self._goal.beside and any(_DUPLICATE.search(message) for message in messages):
            messages = [
                *messages,
                f"{self._build.configuration} gets it from this deploy: take it out of the other file, or leave "
                "nginx.conf to others with websockets_manage_nginx_conf: false.",
            ]
        return messages

    def _ordered(self) -> list[files.Change]:
        def accepts(step: order.Step, now: Files) -> bool:
            of_nginx = any(self._build.root in change.path.parents for change in step)
            return not of_nginx or self._candidate(now).accepted

        found = order.ordered(self.changes, self._goal.secrets, accepts)
        if found is None:
            names = ", ".join(str(change.path) for change in self.changes)
            raise TransactionError(
                f"nginx takes these files together only, and a deploy that is cut short could leave one of them "
                f"without the other: {names}; nothing was changed. Deploy what they share first."
            )
        return found

    def _swap(self, passed: t.Sequence[str]) -> None:
        original = self._earlier.get(self._build.configuration)
        # The way back goes through the same changes.
        last = {change.path: self._earlier.pop(change.path) for change in self.changes}
        self._earlier.update(last)
        try:
            if original is not None:
                self._state.keep_original(self._build.configuration, original)
            self._state.begin(self._earlier, self._wanted, self.deployed.probes, passed, self.secrets)
            files.prepare(self.changes, self._earlier)
        except OSError as error:
            self._abandon()
            raise TransactionError(
                f"cannot write {self._named(error.filename)}: {error.strerror}; nothing was changed"
            ) from error
        try:
            files.swap(self.changes)
            self._load_units()
        except (OSError, service.ServiceError, binary.NginxError) as error:
            raise TransactionError(f"cannot change the files: {error}\n{self.undo()}") from error

    def _named(self, file: str) -> str:
        at = self._goal.sources.get(Path(file), origins.Source()).at
        return f"{file} ({at})" if at else file

    def _abandon(self) -> None:
        if self._unfinished is None:
            files.clean(self._wanted)
            self._state.forget()

    def _load_units(self) -> None:
        if any(change.path == service.DROP_IN for change in self.changes):
            service.reload_units()

    def _go_live(self) -> None:
        log = _ErrorLog(self._build.error_log)
        workers = binary.accepting_workers(self._master) if self._master else set()
        if self._master:
            if not self._must_reload:
                return
            service.reload(self._master)
        elif self._is_present:
            self._end_orphans()
            self._remove_dead_sockets()
            try:
                service.start(self._build)
            except service.ServiceError as error:
                raise _NotLive(self._reason(str(error), log)) from error
        else:
            return
        self._wait(workers, log)

    def _end_orphans(self) -> None:
        """They give up the ports, and keep their open WebSockets."""
        for worker in self._orphans:
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGQUIT)
        _until(lambda: not binary.orphans())

    def _remove_dead_sockets(self) -> None:
        """A killed nginx leaves its Unix sockets behind, as 1.18 does when it is stopped, and then does not start."""
        for content in self._own.values():
            for path in _UNIX_LISTEN.findall(content.data.decode("utf-8", "replace") if content else ""):
                _host.remove_dead_socket(Path(path))

    def _wait(self, workers: set[int], log: _ErrorLog) -> None:
        """Until the new configuration answers and no old worker accepts connections any more."""

        def taken_over() -> bool:
            return self._is_live(live.fingerprint(self._address)) and not self._still_accepting(workers)

        def given_up() -> bool:
            return any(_is_final(error) for error in log.errors()) or self._is_stopping

        _until(lambda: taken_over() or given_up())
        if not taken_over():
            if self._is_stopping:
                raise _NotLive(_STOPPING % self._master)
            silent = "" if log.errors() else _SILENT
            raise _NotLive(self._reason(f"nginx did not take over the new configuration{silent}", log))

    def _reason(self, what: str, log: _ErrorLog) -> str:
        telling = list(dict.fromkeys(error for error in log.errors() if _GAVE_UP not in error))
        lines = [f"{what}:" if telling else what, *self._explained(telling)]
        if any(self._is_in_own_way(error) for error in telling):
            lines.append("nginx itself holds that port for another address: give it up in a deploy of its own, first.")
        return "\n".join(lines)

    def _is_in_own_way(self, error: str) -> bool:
        """Whether nginx asks for 192.0.2.1:80, say, while it listens on *:80: it opens new sockets before it closes
        old ones.
        """
        taken = _TAKEN.search(error)
        return taken is not None and any(
            program.pid == self._master for program in _host.listening(int(taken.group(1)))
        )

    @property
    def _is_stopping(self) -> bool:
        return self._master is not None and binary.is_stopping(self._master)

    def _still_accepting(self, workers: set[int]) -> bool:
        master = binary.master_pid(self._build)
        return bool(workers & binary.accepting_workers(master)) if master else False

    def _go_back(self) -> str:
        master = binary.master_pid(self._build)
        if master is None:
            return "The earlier files are back; nginx does not run" + (", as before." if self._master is None else ".")
        if binary.is_stopping(master):
            return "The earlier files are back; nginx is being stopped."
        workers: set[int] = set()
        if not self._never_left:
            workers = binary.accepting_workers(master)
            service.reload(master)

        def returned() -> bool:
            return self._was_live(live.fingerprint(self._earlier_address)) and not self._still_accepting(workers)

        if not _until(returned):
            raise _NotLive("nginx does not serve them: its error log tells why.")
        return "The earlier files are back, and nginx serves them."

    @property
    def _never_left(self) -> bool:
        """Whether nginx is known to serve what it served before: one fingerprint for both would tell nothing, and what
        it served at the start of this run may be what a killed one had put there.
        """
        tells = self._fingerprint is not None and not self._is_live(self._fingerprint) and not self._unfinished
        return tells and live.fingerprint(self._earlier_address) == self._fingerprint

    def _was_live(self, fingerprint: str | None) -> bool:
        earlier = [content.data for path, content in self._earlier.items() if content and path in self._own]
        if fingerprint is None:
            # What was there before this collection tells nothing.
            return not any(_FINGERPRINT.search(data) for data in earlier)
        is_earlier = any(fingerprint.encode() in data for data in earlier)
        return is_earlier or (fingerprint == self._fingerprint and not self._unfinished)


def _until(reached: t.Callable[[], bool]) -> bool:
    deadline = time.monotonic() + _LIVE_SECONDS
    while not reached():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


class _ErrorLog:
    """The emergencies that nginx logs from now on."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._start = path.stat().st_size if path and path.exists() else 0

    def errors(self) -> list[str]:
        if self._path is None:
            return []
        try:
            with self._path.open("rb") as file:
                file.seek(self._start)
                text = file.read(_LARGEST_LOG).decode("utf-8", "replace")
        except OSError:
            return []
        return [message for message in binary.messages(text) if message.startswith("[emerg]")]


def _is_final(error: str) -> bool:
    """Whether nginx has given up; it tries a port that is taken again and again, and says so at the end."""
    return "bind()" not in error or _GAVE_UP in error
