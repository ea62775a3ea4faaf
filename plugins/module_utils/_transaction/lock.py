# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One deploy at a time on a host."""

from __future__ import annotations

import fcntl
import shutil
import time
import typing as t
from contextlib import contextmanager
from pathlib import Path

_RUN_DIRECTORY = Path("/run/wsfleet-nginx")
_LOCK_SECONDS = 120
_POLL_SECONDS = 0.1


class Busy(Exception):
    """Another deploy runs on this host."""


def is_held(directory: Path = _RUN_DIRECTORY) -> bool:
    """Whether a deploy runs on this host now."""
    try:
        with (directory / "lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


@contextmanager
def locked(directory: Path = _RUN_DIRECTORY) -> t.Iterator[Path]:
    """Wait until no other deploy runs on this host; yields a directory for temporary files."""
    directory.mkdir(mode=0o700, exist_ok=True)
    with (directory / "lock").open("w") as file:
        deadline = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise Busy(
                        f"another deploy has run on this host for {_LOCK_SECONDS} seconds; nothing was changed"
                    ) from error
                time.sleep(_POLL_SECONDS)
        # Left behind by a deploy that was killed.
        for left in directory.iterdir():
            if left.is_dir() and not left.is_symlink():
                shutil.rmtree(left)
        yield directory
