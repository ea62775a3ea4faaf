# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that change together: all staged beside their targets, then renamed onto them, and put back as they were.

An OSError that is raised here names the file.
"""

from __future__ import annotations

import errno
import os
import stat
import typing as t
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Content:
    """A file's bytes, mode and owner, a user's and a group's id."""

    data: bytes
    mode: int
    owner: tuple[int, int] = (0, 0)


Files = t.Mapping[Path, t.Optional[Content]]


@dataclass(frozen=True)
class Change:
    """One file of a deploy; None where there is none."""

    path: Path
    # What a roll back puts there. It is not what is there now where an earlier run that was killed has changed it.
    before: Content | None
    now: Content | None
    after: Content | None

    @property
    def is_pending(self) -> bool:
        return self.now != self.after


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


def pending(wanted: Files) -> list[Change]:
    """The files that are not as wanted."""
    found = [Change(path, now, now, after) for path, after in wanted.items() for now in [read(path)]]
    return [change for change in found if change.is_pending]


def write(path: Path, content: Content) -> None:
    """Whoever opens the file, whenever, finds the old bytes or the new, and a power cut keeps one of them."""
    with _naming(path):
        _stage(path, content)
        _rename(_new(path), path)


def prepare(changes: t.Sequence[Change]) -> None:
    """Have new and earlier files ready beside their targets, so that neither swap nor restore needs room on the disk.

    Nothing has changed where one of them cannot be made ready.
    """
    for change in changes:
        with _naming(change.path):
            _keep(change)
            if change.after is not None:
                _stage(change.path, change.after)


def swap(changes: t.Sequence[Change]) -> None:
    """Make the changes one after the other. Call after prepare()."""
    for change in changes:
        if change.after is None:
            remove(change.path)
        else:
            with _naming(change.path):
                _rename(_new(change.path), change.path)


def restore(changes: t.Sequence[Change]) -> None:
    """Put the earlier files back, last change first; those that prepare() kept take no room."""
    for change in reversed(changes):
        path, content = change.path, change.before
        if read(path) == content:
            continue
        if content is None:
            remove(path)
        elif read(_old(path)) == content:
            with _naming(path):
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


def described(error: OSError, at: str = "") -> str:
    """Which file cannot be written, of which variable, and why."""
    return (
        f"cannot write {error.filename}{f' ({at})' if at else ''}: {_reason(error)}" if error.filename else str(error)
    )


def _reason(error: OSError) -> str:
    if error.errno == errno.EROFS:
        mount = Path(os.path.realpath(error.filename))
        while not mount.is_mount():
            mount = mount.parent
        return f"{mount} is read-only"
    return error.strerror or str(error)


def make_directory(path: Path, mode: int) -> None:
    """Make a directory in one that is there."""
    with _naming(path):
        if not path.is_dir():
            path.mkdir(mode=mode, exist_ok=True)
            sync(path.parent)


def remove(path: Path) -> None:
    with suppress(FileNotFoundError, NotADirectoryError), _naming(path):
        path.unlink()
        sync(path.parent)


@contextmanager
def _naming(path: Path) -> t.Iterator[None]:
    """Errors of write() and fsync() name no file, others one that the operator has never heard of."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


# The leading dot keeps both out of nginx's include patterns.
def _new(path: Path) -> Path:
    return path.parent / f".{path.name}.new"


def _old(path: Path) -> Path:
    return path.parent / f".{path.name}.old"


def _discard(path: Path) -> None:
    # A read-only file system refuses to remove even what is not there.
    if os.path.lexists(path):
        path.unlink()


def _keep(change: Change) -> None:
    """Give the earlier file a second name or, where it is not there or the file system has no hard links, a copy."""
    path, content, kept = change.path, change.before, _old(change.path)
    if content is None or read(kept) == content:
        return
    _discard(kept)
    if read(path) != content:
        # A run that was killed has changed it, or removed it with its directory.
        make_directory(path.parent, 0o755)
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
    with _naming(directory):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
