# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A deploy that is cut short before each of its steps, by a kill or a power cut, and what the next run makes of it.

The transaction is the real one, on real files; only nginx is stood in for.
"""

from __future__ import annotations

import errno
import io
import itertools
import os
import typing as t
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import (
    atomic_files,
)
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction.transaction import TransactionError
from transacting import ADDRESS, Host, content, stand_in


class PowerCut(BaseException):
    """Nothing gets to the disk after it; no handler of errors may notice."""


@pytest.fixture(autouse=True)
def _no_real_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is synced is noted here; a real disk would only take its time."""
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)


@pytest.fixture(autouse=True)
def _no_real_nginx(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch)


@dataclass(frozen=True)
class Step:
    what: str
    path: Path


class Disk:
    """Takes a host's file-system calls one step after the other, until the power is cut before one of them.

    It knows what is on the disk for certain: the bytes of a file when it was last synced, and the names in a directory
    when that was. All else a power cut may keep or lose.
    """

    def __init__(self, root: Path, cut: int | None) -> None:
        self.root, self._cut = root, cut
        self.steps: list[Step] = []
        self._bytes: dict[int, atomic_files.Content] = {}
        self._names: dict[Path, dict[str, int]] = {}
        # The number of a file that is held open is not given to another one.
        self._held: dict[int, int] = {}
        for directory in self._directories():
            self._sync_directory(directory)
            for path in self._files(directory):
                self._sync_file(path)

    def step(self, what: str, path: Path) -> None:
        if len(self.steps) == self._cut:
            raise PowerCut
        self.steps.append(Step(what, path))

    def synced(self, path: Path) -> None:
        if path.is_dir():
            self._sync_directory(path)
        else:
            self._sync_file(path)

    def created(self, path: Path) -> None:
        self._hold(path)

    def lose_bytes(self) -> None:
        """What was not synced of files is lost; they keep their names."""
        for directory in self._directories():
            for path in self._files(directory):
                self._write(path, path.stat().st_ino)

    def lose_names(self, name: str) -> None:
        """In the directory of that name, what was not synced of the names is lost."""
        for directory in self._directories():
            if directory.name == name:
                for path in self._files(directory):
                    path.unlink()
                for found, number in self._names.get(directory, {}).items():
                    self._write(directory / found, number)

    def let_go(self) -> None:
        for descriptor in self._held.values():
            os.close(descriptor)

    def _directories(self) -> list[Path]:
        return [self.root, *(path for path in self.root.rglob("*") if path.is_dir())]

    def _files(self, directory: Path) -> list[Path]:
        return [path for path in directory.iterdir() if path.is_file()]

    def _sync_directory(self, directory: Path) -> None:
        self._names[directory] = {path.name: path.stat().st_ino for path in self._files(directory)}

    def _sync_file(self, path: Path) -> None:
        found = atomic_files.read(path)
        assert found
        self._hold(path)
        self._bytes[path.stat().st_ino] = found

    def _hold(self, path: Path) -> None:
        number = path.stat().st_ino
        if number not in self._held:
            self._held[number] = os.open(path, os.O_RDONLY)

    def _write(self, path: Path, number: int) -> None:
        given = self._bytes.get(number, content(""))
        with suppress(FileNotFoundError):
            path.unlink()
        path.write_bytes(given.data)
        os.chown(path, *given.owner)
        path.chmod(given.mode)


class _TornFile(io.BufferedWriter):
    """Its bytes get to the file system in two steps."""

    def __init__(self, disk: Disk, descriptor: int) -> None:
        super().__init__(io.FileIO(descriptor, "wb"))
        self._disk = disk

    def write(self, data: t.Any) -> int:
        half = len(data) // 2
        for part in (data[:half], data[half:]):
            self._disk.step("write", _path(self.fileno()))
            super().write(part)
            self.flush()
        return len(data)


def _path(descriptor: int) -> Path:
    return Path(os.readlink(f"/proc/self/fd/{descriptor}"))


@contextmanager
def in_steps(disk: Disk) -> t.Iterator[None]:
    """Every call that changes the file system is a step of the disk."""
    make = os.open

    def opened(path: Path, flags: int, *arguments: int, **options: t.Any) -> int:
        if not flags & os.O_CREAT:
            return make(path, flags, *arguments, **options)
        disk.step("create", path)
        descriptor = make(path, flags, *arguments)
        disk.created(path)
        return descriptor

    def fsync(descriptor: int) -> None:
        path = _path(descriptor)
        disk.step("sync", path)
        disk.synced(path)

    def on_path(what: str, call: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
        def stepped(path: Path, *arguments: t.Any, **options: t.Any) -> t.Any:
            disk.step(what, path)
            return call(path, *arguments, **options)

        return stepped

    def on_descriptor(what: str, call: t.Callable[..., None]) -> t.Callable[..., None]:
        def stepped(descriptor: int, *arguments: int) -> None:
            disk.step(what, _path(descriptor))
            call(descriptor, *arguments)

        return stepped

    def in_directory(what: str, call: t.Callable[..., None]) -> t.Callable[..., None]:
        """As shutil.rmtree removes what is in a directory; what is called without one is a method of Path."""

        def stepped(path: str, *, dir_fd: int | None = None) -> None:
            if dir_fd is not None:
                disk.step(what, _path(dir_fd) / path)
            call(path, dir_fd=dir_fd)

        return stepped

    def reload(host: Host) -> None:
        disk.step("reload", host.root)
        load(host)

    load = Host.reload
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", opened)
        patch.setattr(os, "fsync", fsync)
        patch.setattr(os, "fdopen", lambda descriptor, _mode: _TornFile(disk, descriptor))
        patch.setattr(os, "link", on_path("link", os.link))
        patch.setattr(os, "fchown", on_descriptor("own", os.fchown))
        patch.setattr(os, "fchmod", on_descriptor("mode", os.fchmod))
        patch.setattr(Path, "replace", on_path("rename", Path.replace))
        patch.setattr(Path, "unlink", on_path("unlink", Path.unlink))
        patch.setattr(Path, "mkdir", on_path("mkdir", Path.mkdir))
        patch.setattr(os, "unlink", in_directory("unlink", os.unlink))
        patch.setattr(os, "rmdir", in_directory("rmdir", os.rmdir))
        patch.setattr(Host, "reload", reload)
        yield


Run = t.Callable[[Host], None]
# The directories whose unsynced names are lost, along with all unsynced bytes; a kill loses nothing.
Lost = t.Optional[t.Tuple[str, ...]]
KILL: Lost = None
DIRECTORIES = (ADDRESS, "nginx", "service.d")
POWER_CUTS: list[Lost] = [
    lost for size in range(len(DIRECTORIES) + 1) for lost in itertools.combinations(DIRECTORIES, size)
]
any_cut = pytest.mark.parametrize("lost", [KILL, *POWER_CUTS], ids=str)
utmost_cut = pytest.mark.parametrize("lost", [KILL, (), DIRECTORIES], ids=str)


def every_cut(root: Path, run: Run, lost: Lost = KILL, before: Run = lambda host: None) -> t.Iterator[Host]:
    """A new host for each step of the run, cut short right before it; the last one after all of them."""
    is_done = False
    for number in itertools.count():
        host = Host(root / str(number))
        before(host)
        disk = Disk(host.root, number)
        with in_steps(disk), suppress(PowerCut):
            run(host)
            is_done = True
        if lost is not None:
            disk.lose_bytes()
            for name in lost:
                disk.lose_names(name)
        disk.let_go()
        yield host
        if is_done:
            assert number > 5
            return


def deploy(host: Host) -> None:
    host.deploy(host.after)


def begin(host: Host) -> None:
    host.begin(host.after)


def deploy_next(host: Host) -> None:
    host.deploy(host.next)


def move(host: Host) -> None:
    host.deploy(host.elsewhere)


def fail_to_move(host: Host) -> None:
    """An error after the first of the files has changed."""
    swap = atomic_files.swap

    def swap_one(changes: t.Sequence[atomic_files.Change]) -> None:
        swap(changes[:1])
        raise OSError(errno.EIO, "Input/output error", str(changes[1].path))

    with pytest.MonkeyPatch.context() as patch, suppress(TransactionError):
        patch.setattr(atomic_files, "swap", swap_one)
        host.begin(host.elsewhere)


def roll_back(host: Host) -> None:
    host.roll_back()


def go_back(host: Host) -> None:
    host.go_back()


def bring_back(host: Host) -> None:
    host.bring_back()


def remove(host: Host) -> None:
    host.deploy(host.nothing)


@any_cut
def test_each_file_is_the_old_or_the_new_one_and_they_change_in_order(tmp_path: Path, lost: Lost) -> None:
    seen = set()
    for host in every_cut(tmp_path, deploy, lost):
        now = {path: host.now[path] for path in host.before}
        assert all(given in (host.before[path], host.after[path]) for path, given in now.items())
        changed = [given == host.after[path] for path, given in now.items()]
        assert changed == sorted(changed, reverse=True)
        seen.add(sum(changed))
    assert seen == {0, 1, 2, 3, 4, 5}


@any_cut
def test_the_next_run_ends_what_was_begun(tmp_path: Path, lost: Lost) -> None:
    for host in every_cut(tmp_path, deploy, lost):
        host.deploy(host.after)
        assert host.now == host.whole(host.after)
        assert host.left_over == []
        assert host.kept.unfinished() is None
        last = host.kept.last()
        assert last
        assert {file.path: file.before for file in last.files} == host.before
        assert host.kept.original(host.main) == host.before[host.main]


@any_cut
def test_the_next_run_can_put_everything_back(tmp_path: Path, lost: Lost) -> None:
    for host in every_cut(tmp_path, deploy, lost):
        host.go_back()
        assert host.now == host.whole(host.before)
        assert host.kept.unfinished() is None
        # A journal that was never begun is replaced by the next one, and nobody reads it.
        names = ("nginx.conf", "shared", "127.0.0.1:488/journal", "127.0.0.1:488/deployed")
        staged = {str(Path("kept", name).with_name(f".{Path(name).name}.new")) for name in names}
        assert set(host.left_over) <= staged


@utmost_cut
def test_a_roll_back_that_is_cut_short_is_ended_by_the_next_run(tmp_path: Path, lost: Lost) -> None:
    for host in every_cut(tmp_path, roll_back, lost, before=begin):
        now = {path: host.now[path] for path in host.before}
        assert all(given in (host.before[path], host.after[path]) for path, given in now.items())
        changed = [given == host.after[path] for path, given in now.items()]
        assert changed == sorted(changed, reverse=True)
        host.go_back()
        assert host.now == host.whole(host.before)
        assert host.left_over == []


@utmost_cut
def test_a_run_that_goes_on_with_a_killed_one_may_be_cut_short_as_well(tmp_path: Path, lost: Lost) -> None:
    for host in every_cut(tmp_path, deploy, lost, before=begin):
        host.go_back()
        assert host.now == host.whole(host.before)


@utmost_cut
def test_a_run_to_another_goal_than_that_of_a_killed_one_may_be_cut_short_as_well(tmp_path: Path, lost: Lost) -> None:
    for host in every_cut(tmp_path, deploy_next, lost, before=begin):
        host.go_back()
        assert host.now == host.whole(host.before)


@utmost_cut
def test_the_deploy_after_another_one_can_be_cut_short_and_put_back(tmp_path: Path, lost: Lost) -> None:
    for host in every_cut(tmp_path, deploy_next, lost, before=deploy):
        entry = host.kept.unfinished()
        if entry is None and host.now == host.whole(host.after):
            continue
        host.go_back()
        assert host.now == host.whole(host.after)


@utmost_cut
@pytest.mark.parametrize("before", [begin, deploy])
def test_files_that_are_not_listed_any_more_go_after_every_cut(tmp_path: Path, lost: Lost, before: Run) -> None:
    for host in every_cut(tmp_path, move, lost, before=before):
        move(host)
        assert host.now == host.whole(host.elsewhere)
        assert host.left_over == []
        last = host.kept.last()
        assert last
        goal = host.before if before is begin else host.after
        assert host.whole({file.path: file.before for file in last.files}) == host.whole(goal)


@utmost_cut
def test_what_a_killed_run_left_and_the_next_does_not_list_goes(tmp_path: Path, lost: Lost) -> None:
    for host in every_cut(tmp_path, move, lost):
        if host.kept.last() is None:
            host.deploy(host.after)
            assert host.now == host.whole(host.after)
            assert host.left_over == []


@utmost_cut
def test_bringing_back_what_was_before_goes_back_one_deploy_however_often_it_is_cut_short(
    tmp_path: Path, lost: Lost
) -> None:
    for host in every_cut(tmp_path, bring_back, lost, before=deploy):
        if host.kept.last():
            host.bring_back()
        assert host.now == host.whole(host.before)
        assert (host.kept.last(), host.kept.unfinished(), host.left_over) == (None, None, [])


@utmost_cut
@pytest.mark.parametrize("before", [begin, deploy])
def test_a_removal_that_is_cut_short_is_ended_by_the_next_run(tmp_path: Path, lost: Lost, before: Run) -> None:
    for host in every_cut(tmp_path, remove, lost, before=before):
        host.deploy(host.nothing)
        assert host.now == host.whole(host.nothing)
        assert host.left_over == []
        assert not (host.root / "kept").exists()


@utmost_cut
def test_what_a_killed_roll_back_left_and_the_next_run_does_not_list_goes(tmp_path: Path, lost: Lost) -> None:
    for host in every_cut(tmp_path, fail_to_move, lost):
        host.deploy(host.after)
        assert host.now == host.whole(host.after)
        assert host.left_over == []


@utmost_cut
def test_files_that_were_not_listed_any_more_come_back(tmp_path: Path, lost: Lost) -> None:
    for host in every_cut(tmp_path, move, lost):
        host.go_back()
        assert host.now == host.whole(host.before)


@pytest.mark.parametrize(
    ("run", "before"),
    [
        (deploy, None),
        (move, deploy),
        (move, begin),
        (deploy_next, deploy),
        (deploy_next, begin),
        (roll_back, begin),
        (go_back, begin),
        (go_back, deploy),
        (remove, None),
        (remove, begin),
    ],
    ids=[
        "deploy",
        "move",
        "moved goal",
        "next",
        "other goal",
        "roll back",
        "bad goal",
        "previous",
        "remove",
        "give up",
    ],
)
def test_a_host_is_not_called_ok_before_nginx_has_loaded_its_files_and_keys(
    tmp_path: Path, run: Run, before: Run | None
) -> None:
    called_ok = set()
    for host in every_cut(tmp_path, run, before=before or (lambda host: None)):
        for wanted in (host.before, host.after, host.next, host.elsewhere, host.nothing):
            if host.is_called_ok(wanted):
                assert host.loaded == host.whole(wanted)
                called_ok.add(wanted[host.main])
        assert host.kept.unfinished() or host.loaded == host.now
    assert called_ok


def test_a_key_is_never_readable_by_others_whenever_a_run_ends(tmp_path: Path) -> None:
    for number, host in enumerate(every_cut(tmp_path, deploy)):
        found = [path for path in host.root.rglob("*") if path.is_file() and b"key " in path.read_bytes()]
        assert host.key in found, number
        assert {path.stat().st_mode & 0o077 for path in found} == {0}


def test_bytes_are_synced_before_the_file_gets_its_name_and_the_name_right_after(tmp_path: Path) -> None:
    host = Host(tmp_path)
    disk = Disk(tmp_path, None)
    with in_steps(disk):
        deploy(host)
    disk.let_go()
    renamed = [number for number, step in enumerate(disk.steps) if step.what == "rename" and step.path.suffix == ".new"]
    assert len(renamed) == 8
    for number in renamed:
        path = disk.steps[number].path
        of_file = [step.what for step in disk.steps[:number] if step.path == path]
        assert of_file[-1] == "sync"
        assert disk.steps[number + 1] == Step("sync", path.parent)


def test_the_way_back_is_on_the_disk_before_the_first_file_changes(tmp_path: Path) -> None:
    host = Host(tmp_path)
    disk = Disk(tmp_path, None)
    with in_steps(disk):
        deploy(host)
    disk.let_go()
    changing = {Step("rename", path.parent / f".{path.name}.new") for path in host.before}
    changing |= {Step("unlink", path) for path in host.before}
    first = next(number for number, step in enumerate(disk.steps) if step in changing)
    journal = disk.steps.index(Step("rename", host.root / "kept" / ADDRESS / ".journal.new"))
    assert Step("sync", host.root / "kept" / ADDRESS) in disk.steps[journal:first]
    kept = [number for number, step in enumerate(disk.steps) if step.what == "link"]
    assert len(kept) == 4
    assert Step("sync", host.root / "nginx") in disk.steps[kept[-1] : first]
