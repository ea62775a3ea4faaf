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
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Content:
    """A file's bytes, its mode, and its owner as user id and group id."""

    data: bytes
    mode: int
    owner: tuple[int, int] = (0, 0)
    # Where it leads to, if it is a symbolic link: what is put back is one again.
    link: str = field(default="", compare=False)


Files = t.Mapping[Path, t.Optional[Content]]


@dataclass(frozen=True)
class Change:
    """One file of a deploy; a content is None if the file does not exist."""

    path: Path
    # What a rollback restores. It differs from now if an earlier run that was killed has changed the file.
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
            link = os.readlink(path) if path.is_symlink() else ""
            return Content(file.read(), stat.S_IMODE(status.st_mode), (status.st_uid, status.st_gid), link)
    except (FileNotFoundError, NotADirectoryError):
        return None


def keep_log(path: Path) -> None:
    """Create a log before nginx does, which would let everybody read it. Owner and mode are those of access.log in the
    same directory, or else the owner and the group of the directory, and 0640.
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
    """Write atomically: whoever opens the file finds the old bytes or the new, also after a power cut."""
    with _naming(path):
        _stage(path, content)
        _rename(staged(path), path)


def prepare(changes: t.Sequence[Change]) -> None:
    """Stage new and earlier files beside their targets, so that neither swap nor restore needs disk space.

    If one of them cannot be staged, nothing has changed.
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
                _rename(staged(change.path), change.path)


def restore(changes: t.Sequence[Change]) -> None:
    """Put the earlier files back, last change first; those that prepare() kept need no disk space."""
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
    """Remove what was staged beside the given files."""
    ready = [name for path in paths for name in (staged(path), _old(path)) if os.path.lexists(name)]
    for name in ready:
        name.unlink()
    for directory in dict.fromkeys(name.parent for name in ready):
        sync(directory)


def kept_beside(paths: t.Iterable[Path]) -> list[Path]:
    """The earlier files that prepare() has kept and no clean() removed."""
    return [_old(path) for path in paths if _old(path).exists()]


def described(error: OSError, at: str = "") -> str:
    """Which file cannot be written, the variable behind it, and why."""
    return f"cannot write {error.filename}{f' ({at})' if at else ''}: {reason(error)}" if error.filename else str(error)


def unwritable(path: Path) -> str:
    """Why a file cannot be made, or nothing if it can or is there."""
    return "" if path.exists() else unchangeable(path)


def unchangeable(path: Path) -> str:
    """Why a file can be neither made, replaced nor removed, or nothing."""
    directory = next(above for above in path.parents if above.is_dir())
    if os.access(directory, os.W_OK):
        return ""
    return f"{path} cannot be written, as {reason(OSError(errno.EROFS, '', str(path)))}"


def reason(error: OSError) -> str:
    """Why a file cannot be read or written."""
    path = Path(error.filename or "/")
    if error.errno == errno.EISDIR:
        return "it is a directory; move it away"
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        in_the_way = [above for above in (path, *path.parents) if os.path.lexists(above) and not above.is_dir()]
        if in_the_way:
            return f"{in_the_way[-1]} is not a directory; move it away"
    if error.errno == errno.EROFS:
        directory = Path(os.path.realpath(path))
        while not directory.is_dir() or (directory != directory.parent and _is_read_only(directory.parent)):
            directory = directory.parent
        return f"{directory} is read-only"
    return error.strerror or str(error)


def _is_read_only(directory: Path) -> bool:
    return bool(os.statvfs(directory).f_flag & os.ST_RDONLY)


def make_directory(path: Path, mode: int) -> None:
    """Make a directory in one that exists."""
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
    """Have an error name this file: those of write() and fsync() name none, others name a temporary file."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


# The leading dot keeps both out of nginx's include patterns.
def staged(path: Path) -> Path:
    return path.parent / f".{path.name}.new"


def _old(path: Path) -> Path:
    return path.parent / f".{path.name}.old"


def _discard(path: Path) -> None:
    # A read-only file system refuses to remove even what is not there.
    if os.path.lexists(path):
        path.unlink()


def _keep(change: Change) -> None:
    """Hard-link the earlier file, or copy it if it is gone or the file system has no hard links."""
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
    _discard(staged(path))
    _create(staged(path), content)


def _create(path: Path, content: Content) -> None:
    if content.link:
        path.symlink_to(content.link)
        return
    try:
        # The file may contain a secret: only root can read it until it has its mode.
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
    """Flush the entries of a directory to disk."""
    with _naming(directory):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
