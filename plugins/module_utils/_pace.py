# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The pace at which a host closes connections: so many a second, whoever closes them.

What closes takes turns: a file has the time of the next turn, by the clock that runs since boot. The pacer creates it
and, as nginx's user, can write to it; a module uses it where it is, and keeps to its own pace where it is not.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import struct
import time
import typing as t
from pathlib import Path

# Of the pacer, which runs as nginx's user.
DIRECTORY = Path("/run/wsfleet-pacer")
_FILE = "next"
_TIME = struct.Struct("=d")
# Nobody takes a turn that is further ahead, so a file that says so is damaged.
_MOST_SECONDS = 60.0


class Pace:
    """Turns at a rate."""

    def __init__(self, rate: float, directory: Path = DIRECTORY) -> None:
        self._rate, self._file = rate, directory / _FILE
        self._next = 0.0

    def create(self) -> None:
        os.close(os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))

    def wait(self, rate: float | None = None) -> None:
        """Wait for the next turn."""
        turn = self._taken(rate or self._rate)
        time.sleep(max(0.0, turn - time.monotonic()))

    def _taken(self, rate: float) -> float:
        with self._shared() as file:
            now = time.monotonic()
            turn = max(now, self._next)
            if file is not None:
                with contextlib.suppress(struct.error):
                    (following,) = _TIME.unpack(os.pread(file, _TIME.size, 0))
                    turn = max(turn, following) if following < now + _MOST_SECONDS else turn
                os.pwrite(file, _TIME.pack(turn + 1 / rate), 0)
            self._next = turn + 1 / rate
            return turn

    @contextlib.contextmanager
    def _shared(self) -> t.Iterator[int | None]:
        """The locked file; nothing if there is none, or somebody does not let go of it."""
        try:
            # A root process must not follow a link of nginx's user, nor create, nor wait for a pipe.
            file = os.open(self._file, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            yield None
            return
        try:
            yield file if stat.S_ISREG(os.fstat(file).st_mode) and _locked(file) else None
        finally:
            os.close(file)


def _locked(file: int) -> bool:
    """A turn is taken in microseconds."""
    for _attempt in range(100):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(0.001)
    return False
