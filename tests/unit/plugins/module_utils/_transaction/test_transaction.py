# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a transaction says and leaves where something fails; nginx is stood in for."""

from __future__ import annotations

import errno
import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils import _host as programs
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import binary, processes, service
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import activation, journal, live_config
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction.transaction import TransactionError
from transacting import MASTER, Host, stand_in

LIVE = "Live now: the earlier files are back, and nginx serves them."


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    stand_in(monkeypatch)
    return Host(tmp_path)


def failing(error: Exception, times: int = 1) -> t.Callable[..., t.Any]:
    """What fails so often, and then does nothing."""
    left = [error] * times

    def fail(*_arguments: object) -> None:
        if left:
            raise left.pop()

    return fail


def assert_nothing_is_left(host: Host) -> None:
    assert host.now == host.whole(host.before)
    assert host.left_over == []
    assert host.kept.unfinished() is None


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("can't start new thread"), "RuntimeError: can't start new thread"),
        (OSError(errno.EIO, "Input/output error", "/proc"), "cannot write /proc: Input/output error"),
        (binary.NginxError("'nginx -T' did not end"), "'nginx -T' did not end"),
        (service.ServiceError("nginx has ended"), "nginx has ended"),
    ],
)
def test_an_error_of_any_kind_after_the_first_change_rolls_back_and_says_what_is_live(
    host: Host, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    monkeypatch.setattr(service, "reload", failing(error))
    with pytest.raises(TransactionError) as raised:
        host.deploy(host.after)
    assert str(raised.value) == f"{words}\n{LIVE}"
    assert_nothing_is_left(host)


def test_where_the_earlier_files_do_not_come_back_it_says_so_and_the_next_run_puts_them_back(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(service, "reload", failing(RuntimeError("no")))
        patch.setattr(Path, "replace", failing_after(host, 4))
        with pytest.raises(TransactionError) as raised:
            host.deploy(host.after)
    lines = str(raised.value).splitlines()
    assert lines[1].startswith(
        f"Live now: not known: the earlier files could not be put back, cannot write {host.root}/"
    )
    assert host.kept.unfinished()
    host.go_back()
    assert_nothing_is_left(host)


def failing_after(host: Host, number: int) -> t.Callable[[Path, Path], Path]:
    """Renames of nginx's files work so often."""
    rename, done = Path.replace, []

    def renamed(path: Path, target: Path) -> Path:
        if (host.root / "kept") not in path.parents:
            done.append(path)
            if len(done) > number:
                raise OSError(errno.EIO, "Input/output error", str(path))
        return rename(path, target)

    return renamed


def full_disk(path: str) -> t.Callable[[int], None]:
    def fsync(descriptor: int) -> None:
        if os.readlink(f"/proc/self/fd/{descriptor}").endswith(path):
            raise OSError(errno.ENOSPC, "No space left on device")

    return fsync


def test_a_journal_that_has_no_room_is_named_and_nothing_is_changed(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Errors of write() and fsync() themselves name no file."""
    monkeypatch.setattr(os, "fsync", full_disk("/.journal.new"))
    with pytest.raises(TransactionError) as raised:
        host.deploy(host.after)
    path = f"{host.root}/kept/127.0.0.1:488/journal"
    assert str(raised.value) == f"cannot write {path}: No space left on device; nothing was changed"
    assert_nothing_is_left(host)


def test_a_record_that_has_no_room_is_named_and_the_next_run_completes_the_deploy(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full_disk("/.deployed.new"))
        with pytest.raises(TransactionError) as raised:
            host.deploy(host.after)
    path = f"{host.root}/kept/127.0.0.1:488/deployed"
    assert str(raised.value) == (
        f"nginx serves the new configuration, but cannot write {path}: No space left on device; "
        "the next run completes this deploy"
    )
    assert not host.is_called_ok(host.after)
    host.deploy(host.after)
    assert host.is_called_ok(host.after)


def test_an_nginx_that_does_not_react_is_rolled_back_with_where_to_look(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activation, "_SECONDS", 0.05)
    monkeypatch.setattr(service, "reload", lambda _master: None)
    with pytest.raises(TransactionError) as raised:
        host.deploy(host.after)
    silent = "nginx did not load the new configuration; its processes do not react: see `ps` and the kernel's log"
    assert str(raised.value) == f"{silent}\n{LIVE}"
    assert_nothing_is_left(host)


def test_an_nginx_that_systemd_has_started_meanwhile_is_reloaded(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """systemd tries again after a start that failed, so with the earlier files."""
    found = iter([None])
    monkeypatch.setattr(processes, "master_pid", lambda _build: next(found, MASTER))
    host.loaded = {}
    monkeypatch.setattr(service, "start", lambda _build: pytest.fail("it runs"))
    deal = host.transaction(host.after)
    deal.test()
    assert "started nginx" in deal.apply([])


@pytest.mark.parametrize("is_retrying", [True, False])
def test_where_nginx_does_not_run_it_says_whether_systemd_tries_to_start_it(
    host: Host, monkeypatch: pytest.MonkeyPatch, is_retrying: bool
) -> None:
    monkeypatch.setattr(processes, "master_pid", lambda _build: None)
    host.loaded = {}
    monkeypatch.setattr(service, "start", failing(service.ServiceError("Job failed.")))
    monkeypatch.setattr(service, "is_retrying", lambda: is_retrying)
    with pytest.raises(TransactionError) as raised:
        host.deploy(host.after)
    again = ", but systemd tries again and again to start it" if is_retrying else ""
    assert str(raised.value).endswith(f"the earlier files are back; nginx does not run, as before{again}.")
    assert_nothing_is_left(host)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (
            [programs.Program(12, "nginx", "root")],
            "nginx runs, but its process id is not in None: write that of its master there, as nginx itself does only "
            "when it starts",
        ),
        (
            [programs.Program(12, "ssh", "nobody")],
            "127.0.0.1:488 answers, but no nginx runs: ssh (pid 12, user nobody) holds it",
        ),
        ([], "127.0.0.1:488 answers, but no nginx runs: a program that is not visible from here holds it"),
    ],
)
def test_who_answers_where_no_master_is_known_is_named(
    host: Host, monkeypatch: pytest.MonkeyPatch, found: list[programs.Program], words: str
) -> None:
    monkeypatch.setattr(processes, "master_pid", lambda _build: None)
    monkeypatch.setattr(processes, "orphans", set)
    monkeypatch.setattr(live_config, "fingerprint", lambda _address: "0" * 64)
    monkeypatch.setattr(programs, "listening", lambda _port: iter(found))
    with pytest.raises(TransactionError) as raised:
        host.deploy(host.after)
    assert str(raised.value) == f"{words}; nothing was changed"


def test_the_changes_are_in_the_journal_in_the_order_in_which_they_were_made(host: Host) -> None:
    host.begin(host.after)
    begun = host.kept.unfinished()
    assert begun
    assert [file.path for file in begun.files] == list(host.after)
    # A run that goes on with other changes makes them after those that are made.
    other = host.transaction({**host.after, host.conf: host.next[host.conf]})
    other.test()
    order = [change.path for change in other.plan.changes]
    assert order == [*(path for path in host.after if path != host.conf), host.conf]


def test_a_thousand_secrets_are_looked_up_by_their_paths(host: Host) -> None:
    """Not by comparing each with each."""

    class Counted(type(host.root)):  # type: ignore[misc]
        compared = 0

        def __eq__(self, other: object) -> bool:
            Counted.compared += 1
            return bool(super().__eq__(other))

        def __hash__(self) -> int:
            return hash(Path(self))

    paths = [Counted(f"/etc/nginx/conf.d/{number}.pem") for number in range(1000)]
    entry = journal.Entry([journal.FileEntry(path, None, [None]) for path in paths], "", [], [])
    assert entry.left_behind(list(paths)) == {}
    assert journal.Deployed([], [], {str(path): "" for path in paths}).given_up(paths) == []
    assert Counted.compared < 10_000


@pytest.mark.parametrize("comes_first", ["the signal", "the end"])
def test_an_nginx_that_ends_in_mid_deploy_is_started_with_the_earlier_files(
    host: Host, monkeypatch: pytest.MonkeyPatch, comes_first: str
) -> None:
    """It was killed, say, before it was signalled or after."""
    masters = [MASTER]

    def end(_master: int) -> None:
        masters.clear()
        if comes_first == "the end":
            raise service.ServiceError(service.ENDED)

    def start(_build: binary.Build) -> None:
        masters.append(MASTER + 1)
        host.reload()

    monkeypatch.setattr(processes, "master_pid", lambda _build: masters[0] if masters else None)
    monkeypatch.setattr(processes, "is_master", lambda pid: pid in masters)
    monkeypatch.setattr(service, "reload", end)
    monkeypatch.setattr(service, "start", start)
    with pytest.raises(TransactionError) as raised:
        host.deploy(host.after)
    assert str(raised.value) == (
        "nginx has ended: see its error log and `systemctl status nginx`\n"
        "Live now: the earlier files are back, and nginx serves them: it had ended, and was started again."
    )
    assert_nothing_is_left(host)
    assert host.loaded == host.now


def test_an_nginx_that_cannot_be_started_again_is_said_to_be_down_and_the_next_run_tries_again(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    masters = [MASTER]

    def end(_master: int) -> None:
        masters.clear()

    with monkeypatch.context() as patch:
        patch.setattr(processes, "master_pid", lambda _build: masters[0] if masters else None)
        patch.setattr(processes, "is_master", lambda pid: pid in masters)
        patch.setattr(service, "reload", end)
        patch.setattr(service, "start", failing(service.ServiceError("'systemctl start nginx.service' failed"), 9))
        with pytest.raises(TransactionError) as raised:
            host.deploy(host.after)
    assert str(raised.value).splitlines()[1:] == [
        "Live now: the earlier files are back, but 'systemctl start nginx.service' failed"
    ]
    assert host.kept.unfinished()
    host.deploy(host.after)
    assert host.is_called_ok(host.after)
