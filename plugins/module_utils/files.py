# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that change together: all made ready beside their places, then renamed into them, and put back as they were."""

from __future__ import annotations

import os
import stat
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
    except (FileNotFoundError, NotADirectoryError):
        return None


def keep_log(path: Path) -> None:
    """Create a log before nginx does, which would let everybody read it: as nginx's own log beside it is, or for the
    owner and the group of its folder.
    """
    if path.is_symlink() or not path.parent.is_dir():
        return
    folder = path.parent.stat()
    owner, mode = (folder.st_uid, folder.st_gid), 0o640
    with suppress(FileNotFoundError):
        like = path.with_name("access.log").stat()
        owner, mode = (like.st_uid, like.st_gid), stat.S_IMODE(like.st_mode)
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.fchown(log, *owner)
        os.fchmod(log, mode)
    finally:
        os.close(log)


def plan(wanted: t.Mapping[Path, Content | None]) -> list[Change]:
    """The files that are not as wanted."""
    found = [Change(path=path, before=read(path), after=content) for path, content in wanted.items()]
    return [change for change in found if change.before != change.after]


def write(path: Path, content: Content) -> None:
    """Whoever opens the file, whenever, finds the old bytes or the new, and a power cut keeps one of them."""
    _stage(path, content)
    _rename(_new(path), path)


def prepare(changes: t.Sequence[Change], earlier: t.Mapping[Path, Content | None]) -> None:
    """Make new and earlier files ready beside their places, so that neither swap nor restore needs room on the disk.

    An OSError names the file that could not be made ready; nothing has changed then.
    """
    for change in changes:
        try:
            _keep(change.path, earlier[change.path])
            if change.after is not None:
                _stage(change.path, change.after)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(change.path)) from error


def swap(changes: t.Sequence[Change]) -> None:
    """Make the changes one after the other. Call after prepare()."""
    for change in changes:
        if change.after is None:
            remove(change.path)
        else:
            _rename(_new(change.path), change.path)


def restore(earlier: t.Mapping[Path, Content | None]) -> None:
    """Put the earlier files back, last change first; those that prepare() kept take no room."""
    for path, content in reversed(list(earlier.items())):
        if read(path) == content:
            continue
        if content is None:
            remove(path)
        elif read(_old(path)) == content:
            _rename(_old(path), path)
        else:
            write(path, content)


def clean(paths: t.Iterable[Path]) -> None:
    """Remove what was made ready beside the given files, for good."""
    ready = [name for path in paths for name in (_new(path), _old(path)) if os.path.lexists(name)]
    for name in ready:
        name.unlink()
    for directory in dict.fromkeys(name.parent for name in ready):
        sync(directory)


def make_directory(path: Path, mode: int) -> None:
    """Make a directory in one that is there."""
    if not path.is_dir():
        path.mkdir(mode=mode, exist_ok=True)
        sync(path.parent)


def remove(path: Path) -> None:
    with suppress(FileNotFoundError, NotADirectoryError):
        path.unlink()
        sync(path.parent)


# The leading dot keeps both out of nginx's include patterns.
def _new(path: Path) -> Path:
    return path.parent / f".{path.name}.new"


def _old(path: Path) -> Path:
    return path.parent / f".{path.name}.old"


def _discard(path: Path) -> None:
    # A read-only file system refuses to remove even what is not there.
    if os.path.lexists(path):
        path.unlink()


def _keep(path: Path, content: Content | None) -> None:
    """Give the earlier file a second name or, where it is not there or the file system has no hard links, a copy."""
    kept = _old(path)
    if content is None or read(kept) == content:
        return
    _discard(kept)
    if read(path) != content:
        # A run that was killed has changed it.
        _create(kept, content)
    else:
        try:
            os.link(path, kept, follow_symlinks=False)
        except OSError:
            _create(kept, content)
    sync(path.parent)


def _stage(path: Path, content: Content) -> None:
    make_directory(path.parent, 0o755)
    _discard(_new(path))
    _create(_new(path), content)


def _create(path: Path, content: Content) -> None:
    try:
        # A file may hold a secret: nobody else reads it until it has its mode.
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content.data)
            file.flush()
            os.fchown(file.fileno(), *content.owner)
            os.fchmod(file.fileno(), content.mode)
            os.fsync(file.fileno())
    except OSError:
        _discard(path)
        raise


def _rename(source: Path, target: Path) -> None:
    source.replace(target)
    sync(target.parent)


def sync(directory: Path) -> None:
    """Have the names in a directory on the disk."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
