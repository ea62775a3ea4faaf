# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that change together."""

from __future__ import annotations

import errno
import os
import resource
import stat
import typing as t
from contextlib import contextmanager
from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import atomic_files

Files = t.Dict[Path, t.Optional[atomic_files.Content]]

as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")


def content(text: str, mode: int = 0o644) -> atomic_files.Content:
    return atomic_files.Content(data=text.encode(), mode=mode, owner=(os.getuid(), os.getgid()))


def placed(path: Path, text: str, mode: int = 0o644) -> atomic_files.Content:
    path.write_text(text)
    path.chmod(mode)
    return content(text, mode)


def made_ready(wanted: Files) -> list[atomic_files.Change]:
    """The changes, ready to be swapped."""
    changes = atomic_files.pending(wanted)
    atomic_files.prepare(changes)
    return changes


def swapped(wanted: Files) -> list[atomic_files.Change]:
    changes = made_ready(wanted)
    atomic_files.swap(changes)
    return changes


def before(changes: list[atomic_files.Change]) -> Files:
    return {change.path: change.before for change in changes}


def test_a_symbolic_link_comes_back_as_one(tmp_path: Path) -> None:
    target, link = tmp_path / "available", tmp_path / "enabled"
    placed(target, "site")
    link.symlink_to("available")
    changes = swapped({link: None})
    assert not link.is_symlink()
    atomic_files.restore(changes)
    assert link.readlink() == Path("available")
    # Without what prepare() has kept, as after a later deploy.
    atomic_files.clean([link])
    atomic_files.remove(link)
    atomic_files.restore(changes)
    assert link.readlink() == Path("available")
    assert atomic_files.read(target) == content("site")


def test_a_log_is_as_nginxs_own_beside_it(tmp_path: Path) -> None:
    placed(tmp_path / "access.log", "", mode=0o604)
    log = tmp_path / "websockets.log"
    atomic_files.keep_log(log)
    assert atomic_files.read(log) == content("", mode=0o604)


def test_a_log_alone_is_for_the_owner_and_the_group_of_its_folder(tmp_path: Path) -> None:
    log = tmp_path / "websockets.log"
    atomic_files.keep_log(log)
    assert atomic_files.read(log) == atomic_files.Content(b"", 0o640, (tmp_path.stat().st_uid, tmp_path.stat().st_gid))


def test_a_log_that_everybody_may_read_keeps_its_lines_and_loses_its_readers(tmp_path: Path) -> None:
    log = tmp_path / "websockets.log"
    placed(log, "a line", mode=0o644)
    atomic_files.keep_log(log)
    assert atomic_files.read(log) == atomic_files.Content(
        b"a line", 0o640, (tmp_path.stat().st_uid, tmp_path.stat().st_gid)
    )


def test_a_log_that_is_a_link_or_has_no_folder_is_left_to_nginx(tmp_path: Path) -> None:
    """As in containers, where it leads to the standard output."""
    other = tmp_path / "other"
    placed(other, "", mode=0o644)
    (tmp_path / "websockets.log").symlink_to(other)
    atomic_files.keep_log(tmp_path / "websockets.log")
    atomic_files.keep_log(tmp_path / "missing" / "websockets.log")
    assert stat.S_IMODE(other.stat().st_mode) == 0o644


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


@contextmanager
def room_for(size: int) -> t.Iterator[None]:
    """No file can grow beyond that many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_only_files_that_are_not_as_wanted_are_planned(tmp_path: Path) -> None:
    same, other, missing, gone = (tmp_path / name for name in ("same", "other", "missing", "gone"))
    for path in (same, other):
        placed(path, "a")
    changes = atomic_files.pending({same: content("a"), other: content("b"), missing: content("c"), gone: None})
    assert changes == [
        atomic_files.Change(path=other, before=content("a"), now=content("a"), after=content("b")),
        atomic_files.Change(path=missing, before=None, now=None, after=content("c")),
    ]


def test_a_mode_that_is_not_as_wanted_is_a_change(tmp_path: Path) -> None:
    path = tmp_path / "file"
    placed(path, "a", 0o600)
    wanted: Files = {path: content("a", 0o640)}
    assert len(atomic_files.pending(wanted)) == 1
    changes = swapped(wanted)
    assert atomic_files.pending(wanted) == []
    atomic_files.restore(changes)
    assert atomic_files.read(path) == content("a", 0o600)


def test_a_path_below_a_file_is_none() -> None:
    assert atomic_files.read(Path(__file__) / "below") is None


def test_making_ready_changes_nothing_yet(tmp_path: Path) -> None:
    changed, removed, created = (tmp_path / name for name in ("changed", "removed", "created"))
    before = {path: placed(path, "before") for path in (changed, removed)}
    made_ready({changed: content("after"), removed: None, created: content("new")})
    assert {path: atomic_files.read(path) for path in (changed, removed)} == before
    assert not created.exists()
    assert names(tmp_path) == [".changed.new", ".changed.old", ".created.new", ".removed.old", "changed", "removed"]


def test_changes_are_made_and_restored_byte_for_byte(tmp_path: Path) -> None:
    changed, removed, created = (tmp_path / name for name in ("changed", "removed", "created"))
    changed.write_bytes(b"before \xff\n")
    changed.chmod(0o600)
    placed(removed, "kept", 0o640)
    wanted: Files = {changed: content("after"), removed: None, created: content("new", 0o400)}
    changes = swapped(wanted)
    assert {path: atomic_files.read(path) for path in wanted} == wanted
    atomic_files.restore(changes)
    assert {path: atomic_files.read(path) for path in wanted} == before(changes)
    assert changed.read_bytes() == b"before \xff\n"
    assert stat.S_IMODE(changed.stat().st_mode) == 0o600
    assert removed.read_text() == "kept"
    assert not created.exists()


def test_a_single_file_is_written_with_its_mode_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "new directory" / "file"
    atomic_files.write(path, content("a", 0o600))
    atomic_files.write(path, content("b", 0o640))
    assert atomic_files.read(path) == content("b", 0o640)
    assert names(path.parent) == ["file"]


def test_removing_what_is_not_there_is_no_error(tmp_path: Path) -> None:
    atomic_files.remove(tmp_path / "nothing")
    atomic_files.remove(tmp_path / "nothing" / "below")


def test_nothing_is_changed_where_one_file_has_no_room(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    before = placed(first, "before")
    wanted: Files = {first: content("after"), second: content("x" * 5000)}
    changes = atomic_files.pending(wanted)
    with room_for(1000), pytest.raises(OSError, match="File too large") as raised:
        atomic_files.prepare(changes)
    assert (raised.value.errno, raised.value.filename) == (errno.EFBIG, str(second))
    assert atomic_files.read(first) == before
    assert names(tmp_path) == [".first.new", ".first.old", "first"]
    atomic_files.clean(wanted)
    assert names(tmp_path) == ["first"]


def test_nothing_is_changed_where_one_directory_cannot_be_made(tmp_path: Path) -> None:
    first, blocked = tmp_path / "first", tmp_path / "a file" / "file"
    before = placed(first, "before")
    placed(blocked.parent, "in the way")
    wanted: Files = {first: content("after"), blocked: content("x")}
    with pytest.raises(OSError, match="a file/file") as raised:
        made_ready(wanted)
    assert raised.value.filename == str(blocked)
    assert atomic_files.read(first) == before
    atomic_files.clean(wanted)
    assert names(tmp_path) == ["a file", "first"]


def test_a_directory_that_is_missing_is_made(tmp_path: Path) -> None:
    path = tmp_path / "service.d" / "limits.conf"
    changes = swapped({path: content("a")})
    assert atomic_files.read(path) == content("a")
    assert stat.S_IMODE(path.parent.stat().st_mode) & 0o755 == 0o755
    atomic_files.restore(changes)
    assert not path.exists()


def test_an_open_reader_keeps_the_old_bytes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    placed(path, "before")
    with path.open() as reader:
        swapped({path: content("after")})
        assert reader.read() == "before"


def test_restoring_needs_no_room(tmp_path: Path) -> None:
    changed, removed, created = (tmp_path / name for name in ("changed", "removed", "created"))
    placed(changed, "before", 0o600)
    placed(removed, "kept")
    inodes = [path.stat().st_ino for path in (changed, removed)]
    changes = swapped({changed: content("after"), removed: None, created: content("new")})
    with room_for(0):
        atomic_files.restore(changes)
    assert {path: atomic_files.read(path) for path in before(changes)} == before(changes)
    assert [path.stat().st_ino for path in (changed, removed)] == inodes


def test_what_was_kept_and_lost_is_written_again(tmp_path: Path) -> None:
    path = tmp_path / "file"
    placed(path, "before", 0o600)
    changes = swapped({path: content("after")})
    atomic_files.clean([path])
    atomic_files.restore(changes)
    assert atomic_files.read(path) == content("before", 0o600)


def test_what_was_kept_of_another_time_is_not_put_back(tmp_path: Path) -> None:
    path, kept = tmp_path / "file", tmp_path / ".file.old"
    placed(path, "before")
    placed(kept, "long ago")
    changes = swapped({path: content("after")})
    assert atomic_files.read(kept) == content("before")
    placed(kept, "somebody's")
    atomic_files.restore(changes)
    assert atomic_files.read(path) == content("before")


def test_what_a_killed_run_kept_is_kept_on(tmp_path: Path) -> None:
    path = tmp_path / "file"
    placed(path, "before")
    inode = path.stat().st_ino
    (killed,) = swapped({path: content("of the killed run")})
    changes = [atomic_files.Change(path, killed.before, killed.after, content("after"))]
    atomic_files.prepare(changes)
    atomic_files.swap(changes)
    assert atomic_files.read(path) == content("after")
    atomic_files.restore(changes)
    assert atomic_files.read(path) == content("before")
    assert path.stat().st_ino == inode


def test_a_file_is_kept_as_a_copy_where_there_are_no_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(*_arguments: object, **_options: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    path = tmp_path / "file"
    placed(path, "before", 0o640)
    changes = swapped({path: content("after")})
    assert atomic_files.read(tmp_path / ".file.old") == content("before", 0o640)
    with room_for(0):
        atomic_files.restore(changes)
    assert atomic_files.read(path) == content("before", 0o640)


def test_the_last_change_is_restored_first(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("b", "a", "c")]
    for path in paths:
        placed(path, "before")
    changes = swapped({path: content("after") for path in paths})
    # A directory cannot be renamed over: here the restoring ends.
    paths[1].unlink()
    (paths[1] / "in the way").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        atomic_files.restore(changes)
    assert (paths[0].read_text(), paths[2].read_text()) == ("after", "before")


def test_a_link_becomes_a_file_and_a_link_again(tmp_path: Path) -> None:
    target, path = tmp_path / "available" / "site", tmp_path / "enabled" / "site"
    for directory in (target.parent, path.parent):
        directory.mkdir()
    placed(target, "before")
    path.symlink_to("../available/site")
    changes = swapped({path: content("after")})
    assert not path.is_symlink()
    assert target.read_text() == "before"
    atomic_files.restore(changes)
    assert os.readlink(path) == "../available/site"
    assert path.read_text() == "before"
    atomic_files.clean([path])
    assert names(path.parent) == ["site"]


def test_a_link_that_was_removed_is_a_link_again(tmp_path: Path) -> None:
    target, path = tmp_path / "target", tmp_path / "link"
    placed(target, "before")
    path.symlink_to(target)
    changes = swapped({path: None})
    assert not path.is_symlink()
    assert target.exists()
    atomic_files.restore(changes)
    assert os.readlink(path) == str(target)


def test_cleaning_removes_what_is_beside_the_files_and_nothing_else(tmp_path: Path) -> None:
    wanted: Files = {tmp_path / "file": content("after"), tmp_path / "gone": None}
    for path in wanted:
        placed(path, "before")
    placed(tmp_path / ".other.old", "somebody's")
    made_ready(wanted)
    atomic_files.clean([*wanted, tmp_path / "nothing" / "below", tmp_path / "file" / "below"])
    assert names(tmp_path) == [".other.old", "file", "gone"]
    assert (tmp_path / "file").read_text() == "before"


def test_nobody_else_can_read_a_file_before_it_has_its_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[int] = []
    chmod = os.fchmod

    def watched(descriptor: int, mode: int) -> None:
        modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        chmod(descriptor, mode)

    monkeypatch.setattr(os, "fchmod", watched)
    path = tmp_path / "file"
    placed(tmp_path / ".file.new", "left by a killed run", 0o666)
    umask = os.umask(0)
    try:
        made_ready({path: content("secret", 0o600)})
    finally:
        os.umask(umask)
    assert modes == [0o600]
    assert atomic_files.read(tmp_path / ".file.new") == content("secret", 0o600)


def test_a_link_in_the_place_of_the_new_file_is_not_written_through(tmp_path: Path) -> None:
    other = tmp_path / "other"
    placed(other, "somebody's")
    (tmp_path / ".file.new").symlink_to(other)
    swapped({tmp_path / "file": content("after")})
    assert other.read_text() == "somebody's"
    assert not (tmp_path / "file").is_symlink()


@as_root
def test_a_file_of_another_owner_is_a_change(tmp_path: Path) -> None:
    path = tmp_path / "file"
    placed(path, "a", 0o640)
    os.chown(path, 1, 1)
    changes = swapped({path: content("a", 0o640)})
    assert (path.stat().st_uid, path.stat().st_gid) == (0, 0)
    atomic_files.clean([path])
    atomic_files.restore(changes)
    assert (path.stat().st_uid, path.stat().st_gid) == (1, 1)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@as_root
def test_a_copy_keeps_the_owner_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_arguments: object, **_options: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    path = tmp_path / "file"
    placed(path, "a")
    os.chown(path, 1, 1)
    made_ready({path: content("b")})
    assert atomic_files.read(tmp_path / ".file.old") == atomic_files.Content(b"a", 0o644, (1, 1))


def test_nobody_else_reads_a_secret_while_it_is_made_ready_or_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(*_arguments: object, **_options: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    def fdopen(descriptor: int, mode: str) -> t.IO[bytes]:
        seen.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        return t.cast("t.IO[bytes]", open_descriptor(descriptor, mode))

    seen: list[int] = []
    open_descriptor = os.fdopen
    monkeypatch.setattr(os, "link", link)
    monkeypatch.setattr(os, "fdopen", fdopen)
    path = tmp_path / "key"
    placed(path, "a", 0o600)
    made_ready({path: content("b", 0o600)})
    assert seen == [0o600, 0o600]
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in (".key.old", ".key.new")] == [0o600, 0o600]


def test_a_file_that_is_gone_with_its_directory_is_kept_all_the_same(tmp_path: Path) -> None:
    """As a killed run leaves it that has removed both."""
    path = tmp_path / "service.d" / "limits.conf"
    change = atomic_files.Change(path, before=content("before"), now=None, after=None)
    atomic_files.prepare([change])
    atomic_files.restore([change])
    assert atomic_files.read(path) == content("before")


def test_an_error_of_a_write_names_the_file(tmp_path: Path) -> None:
    """write() and fsync() know none."""
    path = tmp_path / "file"
    with room_for(10), pytest.raises(OSError, match="File too large") as raised:
        atomic_files.write(path, content("x" * 5000))
    assert raised.value.filename == str(path)
    assert names(tmp_path) == []


def test_a_directory_that_cannot_be_synced_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fsync(_descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="Input/output error") as raised:
        atomic_files.sync(tmp_path)
    assert raised.value.filename == str(tmp_path)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.EROFS, "Read-only file system", "/proc/new/a"), "cannot write /proc/new/a: /proc is read-only"),
        (OSError(errno.ENOSPC, "No space left on device", "/etc/a"), "cannot write /etc/a: No space left on device"),
        (OSError("neither number nor file"), "neither number nor file"),
    ],
)
def test_why_a_file_cannot_be_written_is_said_plainly(error: OSError, words: str) -> None:
    assert atomic_files.described(error) == words


def test_a_directory_in_the_place_of_a_file_and_a_file_in_that_of_a_directory_are_named(tmp_path: Path) -> None:
    directory, file = tmp_path / "directory", tmp_path / "file"
    directory.mkdir()
    file.write_text("")
    with pytest.raises(IsADirectoryError) as raised:
        atomic_files.read(directory)
    assert atomic_files.described(raised.value, "a") == f"cannot write {directory} (a): it is a directory; move it away"
    inside = file / "new" / "a.conf"
    with pytest.raises(NotADirectoryError) as refused:
        atomic_files.write(inside, atomic_files.Content(b"", 0o644))
    assert atomic_files.described(refused.value) == (f"cannot write {inside}: {file} is not a directory; move it away")
