# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Has nginx load the files: signals or starts it, and watches it until it serves them or fails to."""

from __future__ import annotations

import enum
import os
import signal
import time
import typing as t
from contextlib import suppress
from pathlib import Path

from ansible_collections.wsfleet.nginx.plugins.module_utils import _host
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import binary, processes, service
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx.error_log import ErrorLog

# nginx itself retries a port that is taken for 2.5 seconds before it gives up (src/core/ngx_connection.c).
_SECONDS = 15.0
_POLL_SECONDS = 0.02
_GAVE_UP = "still could not bind()"


class Outcome(enum.Enum):
    """The result of a reload or start."""

    SERVES = "nginx serves the files, and workers with the earlier ones no longer accept connections"
    REFUSED = "nginx has logged why it does not"
    ENDED = "the master has ended"
    STOPPING = "the master is shutting down and ignores signals"
    SILENT = "nginx neither serves the files nor logs an error"


class Activation:
    """One reload or start."""

    def __init__(self, build: binary.Build, master: int | None) -> None:
        self._build, self._master = build, master
        self._log = ErrorLog(build)
        self._earlier_workers: set[int] = set()

    def reload(self, master: int) -> None:
        self._earlier_workers = processes.accepting_workers(master)
        service.reload(master)

    def start(self, orphans: t.Collection[int], sockets: t.Iterable[Path]) -> None:
        """Start nginx, after a killed one may have left workers and Unix sockets behind. The workers keep their open
        WebSockets but close the ports. With leftover sockets nginx does not start; 1.18 leaves them even when stopped.
        """
        for worker in orphans:
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGQUIT)
        if orphans:
            poll(lambda: None if processes.orphans() else True)
        for path in sockets:
            _host.remove_dead_socket(path)
        service.start(self._build)

    def wait(self, is_wanted: t.Callable[[], bool], *, to_the_end: bool = False) -> Outcome:
        """Wait until nginx serves the wanted configuration or has failed to load it, or (to_the_end) time is up."""

        def serves() -> bool:
            return is_wanted() and not self._is_earlier_accepting()

        def failure() -> Outcome | None:
            if self._master is not None and not processes.is_master(self._master):
                return Outcome.ENDED
            if self._master is not None and processes.is_stopping(self._master):
                return Outcome.STOPPING
            return Outcome.REFUSED if any(map(_is_final, self._log.emergencies())) else None

        def outcome() -> Outcome | None:
            if serves():
                return Outcome.SERVES
            return None if to_the_end else failure()

        found = poll(outcome) or failure()
        if found is Outcome.SERVES or serves():
            return Outcome.SERVES
        return found or (Outcome.REFUSED if self._log.emergencies() else Outcome.SILENT)

    def errors(self) -> list[str]:
        """What nginx has logged since, each once, without the message that it gave up on a port."""
        return list(dict.fromkeys(error for error in self._log.emergencies() if _GAVE_UP not in error))

    def _is_earlier_accepting(self) -> bool:
        master = processes.master_pid(self._build)
        return bool(self._earlier_workers & processes.accepting_workers(master)) if master else False


_Found = t.TypeVar("_Found")


def poll(look: t.Callable[[], _Found | None], seconds: float | None = None) -> _Found | None:
    """What is found first, or nothing if time is up."""
    deadline = time.monotonic() + (_SECONDS if seconds is None else seconds)
    while True:
        found = look()
        if found is not None or time.monotonic() > deadline:
            return found
        time.sleep(_POLL_SECONDS)


def _is_final(error: str) -> bool:
    """Whether nginx has given up. It retries a port that is taken, and logs at the end that it gave up."""
    return "bind()" not in error or _GAVE_UP in error
