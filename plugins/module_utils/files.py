# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that change together: written beside their places, renamed into them, and put back as they were."""

from __future__ import annotations

import os
import stat
import tempfile
import typing as t
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Content:
    """A file's bytes, mode and owner, a user's and a group's id."""

    data: bytes
    mode: int
    owner: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Change:
    """One file before and after; None where there is none."""

    path: Path
    before: Content | None
    after: Content | None


def read(path: Path) -> Content | None:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            return Content(file.read(), stat.S_IMODE(status.st_mode), (status.st_uid, status.st_gid))
    except FileNotFoundError:
        return None


def plan(wanted: t.Mapping[Path, Content | None]) -> list[Change]:
    """The files that are not as wanted."""
    found = [Change(path=path, before=read(path), after=content) for path, content in wanted.items()]
    return [change for change in found if change.before != change.after]


def apply(changes: t.Sequence[Change]) -> None:
    """Make all changes, or none: where one fails, those before it are taken back, and the error goes on."""
    for number, change in enumerate(changes):
        try:
            _put(change.path, change.after)
        except OSError as error:
            restore(changes[:number])
            raise OSError(error.errno, error.strerror, str(change.path)) from error


def restore(changes: t.Sequence[Change]) -> None:
    for change in reversed(changes):
        _put(change.path, change.before)


def _put(path: Path, content: Content | None) -> None:
    """Whoever opens the file, whenever, finds the old bytes or the new, and a power cut keeps one of them."""
    if content is None:
        with suppress(FileNotFoundError):
            path.unlink()
    else:
        _replace(path, content)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _replace(path: Path, content: Content) -> None:
    # The leading dot keeps the staged file out of nginx's include patterns.
    descriptor, staged = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content.data)
            file.flush()
            os.fchown(file.fileno(), *content.owner)
            os.fchmod(file.fileno(), content.mode)
            os.fsync(file.fileno())
        Path(staged).replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(staged).unlink()
        raise
