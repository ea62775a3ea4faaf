# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A deploy that is cut short before each of its steps, by a kill or a power cut, and what the next run makes of it."""

from __future__ import annotations

import io
import itertools
import os
import typing as t
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils import files, state

Files = t.Mapping[Path, t.Optional[files.Content]]


class PowerCut(BaseException):
    """Nothing gets to the disk after it; no handler of errors may notice."""


def content(text: str, mode: int = 0o644) -> files.Content:
    return files.Content(data=text.encode(), mode=mode, owner=(os.getuid(), os.getgid()))


@pytest.fixture(autouse=True)
def _no_real_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is synced is noted here; a real disk would only take its time."""
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)


class Host:
    """Four files and a deploy that changes, creates and removes one each, and renews a key, in this order, in two
    directories; and an nginx that has loaded those of before.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        changed, removed = root / "nginx" / "nginx.conf", root / "nginx" / "old.conf"
        created = root / "service.d" / "limits.conf"
        key = root / "nginx" / "key.pem"
        self.before: Files = {changed: content("before\n", 0o640), created: None, removed: content("old\n")}
        self.after: Files = {changed: content("after " * 20), created: content("created\n", 0o600), removed: None}
        self.next: Files = {changed: content("next\n"), created: None, removed: content("next\n", 0o600)}
        for number, version in enumerate((self.before, self.after, self.next)):
            version[key] = content(f"key {number}\n", 0o600)
        # Other files than those: the ones that are not in this list have to go.
        moved, other_key = root / "nginx" / "moved.conf", root / "nginx" / "other.pem"
        self.elsewhere: Files = {changed: content("else\n"), moved: content("moved\n"), other_key: content("k", 0o600)}
        self.changed, self.key = changed, key
        (root / "nginx").mkdir(parents=True)
        for path, given in self.before.items():
            if given:
                path.write_bytes(given.data)
                path.chmod(given.mode)
        self.kept = state.State("gateway", root / "kept")
        self.kept.set_deployed(self._record(self.before))
        self.loaded = self.now

    @property
    def now(self) -> Files:
        return {path: files.read(path) for path in {**self.before, **self.elsewhere}}

    def deploy(self, listed: Files) -> None:
        """The protocol of a transaction that is kept."""
        wanted = self._wanted(listed)
        if self._swap(wanted):
            self.reload()
            self.kept.set_deployed(self._record(listed))
        files.clean(wanted)
        self.kept.commit()

    def begin(self, wanted: Files) -> None:
        """A transaction, up to where its probes would be made."""
        assert self._swap(self._wanted(wanted))
        self.reload()

    def undo(self) -> None:
        """The protocol of a transaction that is rolled back, in the run that made it or in the next one."""
        files.restore(self._earlier)
        self.reload()
        files.clean(self.now)
        self.kept.forget()

    def reload(self) -> None:
        """nginx loads what is there."""
        self.loaded = self.now

    def is_called_ok(self, wanted: Files) -> bool:
        """Whether a run would find nothing to do. Of its files nginx tells only the configuration, by a fingerprint."""
        tells = self.loaded[self.changed] == wanted[self.changed]
        done = not files.plan(wanted) and self.kept.journal() is None
        return done and tells and self.kept.deployed() == self._record(wanted)

    def whole(self, listed: Files) -> Files:
        """All files as they are where nothing but these is deployed."""
        return {path: listed.get(path) for path in self.now}

    def _record(self, listed: Files) -> state.Deployed:
        there = [path for path, given in listed.items() if given]
        secrets = {str(path): str(state.digest(listed[path])) for path in there if path.suffix == ".pem"}
        return state.Deployed([], [], secrets, tuple(str(path) for path in there if path.suffix != ".pem"))

    def _wanted(self, listed: Files) -> Files:
        """With those that go."""
        unfinished = self.kept.journal()
        wanted = {**listed, **dict.fromkeys(self.kept.deployed().given_up(listed))}
        return {**wanted, **(unfinished.left_behind(wanted) if unfinished else {})}

    @property
    def _earlier(self) -> Files:
        """As a run finds them that knows nothing but what is on the disk."""
        entry = self.kept.journal() or self.kept.last()
        return {path: entry.earlier(path, now) if entry else now for path, now in self.now.items()}

    def _swap(self, wanted: Files) -> bool:
        changes, unfinished = files.plan(wanted), self.kept.journal()
        if not changes and unfinished is None:
            return False
        now = {path: files.read(path) for path in wanted}
        earlier = {path: unfinished.earlier(path, given) if unfinished else given for path, given in now.items()}
        original = earlier[self.changed]
        if original is not None:
            self.kept.keep_original(self.changed, original)
        self.kept.begin(earlier, wanted, secrets=[self.key])
        files.prepare(changes, earlier)
        files.swap(changes)
        return True

    @property
    def left_over(self) -> list[str]:
        return [str(path.relative_to(self.root)) for path in sorted(self.root.rglob(".*"))]


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
        self._bytes: dict[int, files.Content] = {}
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
        found = files.read(path)
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

    def opened(path: Path, flags: int, *arguments: int) -> int:
        if not flags & os.O_CREAT:
            return make(path, flags, *arguments)
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
        patch.setattr(Host, "reload", reload)
        yield


Run = t.Callable[[Host], None]
# The directories whose unsynced names are lost, along with all unsynced bytes; a kill loses nothing.
Lost = t.Optional[t.Tuple[str, ...]]
KILL: Lost = None
DIRECTORIES = ("gateway", "nginx", "service.d")
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


def undo(host: Host) -> None:
    host.undo()


@any_cut
def test_each_file_is_the_old_or_the_new_one_and_they_change_in_order(tmp_path: Path, lost: Lost) -> None:
    seen = set()
    for host in every_cut(tmp_path, deploy, lost):
        now = {path: host.now[path] for path in host.before}
        assert all(given in (host.before[path], host.after[path]) for path, given in now.items())
        changed = [given == host.after[path] for path, given in now.items()]
        assert changed == sorted(changed, reverse=True)
        seen.add(sum(changed))
    assert seen == {0, 1, 2, 3, 4}


@any_cut
def test_the_next_run_ends_what_was_begun(tmp_path: Path, lost: Lost) -> None:
    for host in every_cut(tmp_path, deploy, lost):
        host.deploy(host.after)
        assert host.now == host.whole(host.after)
        assert host.left_over == []
        assert host.kept.journal() is None
        last = host.kept.last()
        assert last
        assert last.before == host.before
        assert host.kept.original(host.changed) == host.before[host.changed]


@any_cut
def test_the_next_run_can_put_everything_back(tmp_path: Path, lost: Lost) -> None:
    for host in every_cut(tmp_path, deploy, lost):
        host.undo()
        assert host.now == host.whole(host.before)
        assert host.kept.journal() is None
        # A journal that was never begun is replaced by the next one, and nobody reads it.
        names = ("kept/.nginx.conf.new", "kept/gateway/.journal.new", "kept/gateway/.deployed.new")
        assert set(host.left_over) <= set(names)


@utmost_cut
def test_an_undo_that_is_cut_short_is_ended_by_the_next_run(tmp_path: Path, lost: Lost) -> None:
    for host in every_cut(tmp_path, undo, lost, before=begin):
        now = {path: host.now[path] for path in host.before}
        assert all(given in (host.before[path], host.after[path]) for path, given in now.items())
        changed = [given == host.after[path] for path, given in now.items()]
        assert changed == sorted(changed, reverse=True)
        host.undo()
        assert host.now == host.whole(host.before)
        assert host.left_over == []


@utmost_cut
def test_a_run_that_goes_on_with_a_killed_one_may_be_cut_short_as_well(tmp_path: Path, lost: Lost) -> None:
    for host in every_cut(tmp_path, deploy, lost, before=begin):
        host.undo()
        assert host.now == host.whole(host.before)


@utmost_cut
def test_a_run_to_another_goal_than_that_of_a_killed_one_may_be_cut_short_as_well(tmp_path: Path, lost: Lost) -> None:
    for host in every_cut(tmp_path, deploy_next, lost, before=begin):
        host.undo()
        assert host.now == host.whole(host.before)


@utmost_cut
def test_the_deploy_after_another_one_can_be_cut_short_and_put_back(tmp_path: Path, lost: Lost) -> None:
    for host in every_cut(tmp_path, deploy_next, lost, before=deploy):
        entry = host.kept.journal()
        if entry is None and host.now == host.whole(host.after):
            continue
        host.undo()
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
        assert {path: last.before.get(path) for path in host.now} == host.whole(goal)


@utmost_cut
def test_what_a_killed_run_left_and_the_next_does_not_list_goes(tmp_path: Path, lost: Lost) -> None:
    for host in every_cut(tmp_path, move, lost):
        if host.kept.last() is None:
            host.deploy(host.after)
            assert host.now == host.whole(host.after)
            assert host.left_over == []


@utmost_cut
def test_files_that_were_not_listed_any_more_come_back(tmp_path: Path, lost: Lost) -> None:
    for host in every_cut(tmp_path, move, lost):
        host.undo()
        assert host.now == host.whole(host.before)


@pytest.mark.parametrize(
    ("run", "before"),
    [(deploy, None), (move, deploy), (move, begin), (deploy_next, deploy), (deploy_next, begin), (undo, begin)],
    ids=["deploy", "move", "moved goal", "next", "other goal", "undo"],
)
def test_a_host_is_not_called_ok_before_nginx_has_loaded_its_files_and_keys(
    tmp_path: Path, run: Run, before: Run | None
) -> None:
    called_ok = set()
    for host in every_cut(tmp_path, run, before=before or (lambda host: None)):
        for wanted in (host.before, host.after, host.next, host.elsewhere):
            if host.is_called_ok(wanted):
                assert host.loaded == host.whole(wanted)
                called_ok.add(wanted[host.changed])
        assert host.kept.journal() or host.loaded == host.now
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
    assert len(renamed) == 6
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
    journal = disk.steps.index(Step("rename", host.root / "kept" / "gateway" / ".journal.new"))
    assert Step("sync", host.root / "kept" / "gateway") in disk.steps[journal:first]
    kept = [number for number, step in enumerate(disk.steps) if step.what == "link"]
    assert len(kept) == 3
    assert Step("sync", host.root / "nginx") in disk.steps[kept[-1] : first]
