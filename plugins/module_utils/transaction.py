# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One deploy: test the candidate, swap the files, go live; or leave files and nginx as they were."""

from __future__ import annotations

import re
import time
import typing as t
from pathlib import Path

from ansible_collections.wsfleet.nginx.plugins.module_utils import candidate, files, host, live, nginx, service

# nginx itself retries a port that is taken for 2.5 seconds before it gives up (src/core/ngx_connection.c).
_LIVE_SECONDS = 15.0
_GAVE_UP = "still could not bind()"
_UNIX_LISTEN = re.compile(r"^\s*listen unix:([^\s;]+)", re.MULTILINE)
_POLL_SECONDS = 0.05
_LARGEST_LOG = 1024 * 1024


class TransactionError(Exception):
    """The deploy did not happen, or was undone; the message tells why, and what is live now."""


class _NotLive(Exception):
    """nginx did not take over the new configuration."""


class Transaction:
    """The wanted files of an installed nginx, and the address at which its configuration tells which one is live."""

    def __init__(self, build: nginx.Build, wanted: t.Mapping[Path, files.Content | None], live_address: str) -> None:
        self._build = build
        self._wanted = wanted
        self._address = live_address
        self._master = nginx.master_pid(build)
        self._fingerprint = live.fingerprint(live_address)
        self.changes = files.plan(wanted)

    @property
    def needed(self) -> bool:
        """Whether a file is not as wanted, or the running nginx is not what the files say."""
        return bool(self.changes) or not self._is_live(self._fingerprint)

    @property
    def actions(self) -> list[str]:
        """What there is to do, in the operator's words."""
        if not self.needed:
            return []
        done = [f"{'wrote' if change.after else 'removed'} {change.path}" for change in self.changes]
        if self._master:
            done.append("reloaded nginx")
        elif self._is_present:
            done.append("started nginx")
        return done

    def test(self) -> list[str]:
        """Have nginx test the candidate; its warnings, or a TransactionError with its own words."""
        if not self.needed:
            return []
        outside = [str(path) for path in self._wanted if self._build.root not in path.parents]
        if outside:
            raise TransactionError(f"{', '.join(outside)}: not in {self._build.root}, where nginx could test it")
        if self._fingerprint and not self._master:
            raise TransactionError(
                f"nginx runs, but its process id is not in {self._build.pid_file}; nothing was changed"
            )
        contents = {path: content.data if content else None for path, content in self._wanted.items()}
        try:
            verdict = candidate.test(self._build, contents)
        except OSError as error:
            raise TransactionError(f"cannot stage the candidate: {error}; nothing was changed") from error
        if not verdict.accepted:
            raise TransactionError(self._rejection(verdict))
        present = [str(path) for path, content in self._wanted.items() if content]
        unread = [path for path in present if path not in verdict.files]
        if unread:
            including = f"{self._build.configuration} and the files it includes"
            raise TransactionError(f"nginx would not read {', '.join(unread)}: no include in {including} covers it")
        return verdict.messages

    def run(self) -> list[str]:
        """Swap the files and go live; the actions that this took. Call after test()."""
        if not self.needed:
            return []
        actions = self.actions
        try:
            files.apply(self.changes)
        except OSError as error:
            raise TransactionError(f"cannot write {error.filename}: {error.strerror}; nothing was changed") from error
        try:
            self._go_live()
        except (_NotLive, service.ServiceError, nginx.NginxError) as error:
            raise TransactionError(f"{error}\n{self._undo()}") from error
        return actions

    @property
    def _is_present(self) -> bool:
        return any(content is not None for content in self._wanted.values())

    def _is_live(self, fingerprint: str | None) -> bool:
        """Each version of the files holds its own fingerprint, so the one that answers is the one that holds it."""
        if fingerprint is None or not self._is_present:
            return fingerprint is None and not self._is_present
        return any(content and fingerprint.encode() in content.data for content in self._wanted.values())

    def _rejection(self, verdict: nginx.Verdict) -> str:
        words = "\n".join(verdict.messages)
        if nginx.test(self._build, self._build.configuration).accepted:
            return f"nginx rejects the new configuration; nothing was changed:\n{words}"
        return f"nginx rejects the configuration that this host had before this deploy; nothing was changed:\n{words}"

    def _go_live(self) -> None:
        log = _ErrorLog(self._build.error_log)
        workers = nginx.accepting_workers(self._master) if self._master else set()
        if self._master:
            service.reload(self._build)
        elif self._is_present:
            self._remove_dead_sockets()
            try:
                service.start(self._build)
            except service.ServiceError as error:
                raise _NotLive(_reason(str(error), log.errors())) from error
        else:
            return
        self._wait(workers, log)

    def _remove_dead_sockets(self) -> None:
        """A killed nginx leaves its Unix sockets behind, as 1.18 does when it is stopped, and then does not start."""
        for content in self._wanted.values():
            for path in _UNIX_LISTEN.findall(content.data.decode("utf-8", "replace") if content else ""):
                host.remove_dead_socket(Path(path))

    def _wait(self, workers: set[int], log: _ErrorLog) -> None:
        """Until the new configuration answers and no old worker accepts connections any more."""

        def taken_over() -> bool:
            return self._is_live(live.fingerprint(self._address)) and not self._still_accepting(workers)

        def given_up() -> bool:
            return any(_is_final(error) for error in log.errors())

        _until(lambda: taken_over() or given_up())
        if not taken_over():
            raise _NotLive(_reason("nginx did not take over the new configuration", log.errors()))

    def _still_accepting(self, workers: set[int]) -> bool:
        master = nginx.master_pid(self._build)
        return bool(workers & nginx.accepting_workers(master)) if master else False

    def _undo(self) -> str:
        """Put the earlier files back; what is live now, in words."""
        try:
            files.restore(self.changes)
        except OSError as error:
            return f"The earlier files could not be put back: {error}"
        master = nginx.master_pid(self._build)
        if master is None:
            return "The earlier files are back; nginx does not run" + (", as before." if self._master is None else ".")
        workers: set[int] = set()
        try:
            # Without a fingerprint from before nothing tells whether nginx took the new files over.
            if self._fingerprint is None or live.fingerprint(self._address) != self._fingerprint:
                workers = nginx.accepting_workers(master)
                service.reload(self._build)
        except service.ServiceError as error:
            return f"The earlier files are back, but nginx may not serve them: {error}"
        if _until(lambda: live.fingerprint(self._address) == self._fingerprint and not self._still_accepting(workers)):
            return "The earlier files are back, and nginx serves them."
        return "The earlier files are back, but nginx does not serve them: its error log tells why."


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
        return [message for message in nginx.messages(text) if message.startswith("[emerg]")]


def _is_final(error: str) -> bool:
    """Whether nginx has given up; it tries a port that is taken again and again, and says so at the end."""
    return "bind()" not in error or _GAVE_UP in error


def _reason(what: str, errors: list[str]) -> str:
    telling = list(dict.fromkeys(error for error in errors if _GAVE_UP not in error))
    return "\n".join([f"{what}:" if telling else what, *telling])
