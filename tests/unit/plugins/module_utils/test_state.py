# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What deploys keep on a host."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
import threading
import time
import typing as t
from contextlib import contextmanager
from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils import files, state

NAME = "127.0.0.1:8099"
GATEWAY, OTHER = Path("/etc/nginx/conf.d/gateway.conf"), Path("/etc/nginx/conf.d/other.conf")
KEY = Path("/etc/nginx/conf.d/gateway.pem")
CONFIGURATION = Path("/etc/nginx/nginx.conf")


NOTHING = state.Deployed([], [])
PROBE = {"site": "a.example", "path": "/", "connect_to": "127.0.0.1:80"}


def content(data: bytes, mode: int = 0o644) -> files.Content:
    return files.Content(data=data, mode=mode, owner=(os.getuid(), os.getgid()))


def begin(kept: state.State, number: int) -> None:
    """Begin the deploy that writes that number into the file, which holds the one before."""
    kept.begin({GATEWAY: content(b"%d" % (number - 1))}, {GATEWAY: content(b"%d" % number)})


def deployed(kept: state.State, *numbers: int) -> None:
    for number in numbers:
        begin(kept, number)
        kept.commit()


def number_of(entry: state.Entry | None) -> int | None:
    before = entry.before[GATEWAY] if entry else None
    return int(before.data) + 1 if before else None


def numbers(kept: state.State) -> list[int]:
    """The deploys that can be rolled back, the last one first."""
    found: list[int] = []
    while True:
        number = number_of(kept.last())
        if number is None:
            return found
        found.append(number)
        kept.rolled_back()


@pytest.fixture
def kept(tmp_path: Path) -> state.State:
    return state.State(NAME, tmp_path / "kept")


def test_nothing_is_known_of_a_new_host(kept: state.State) -> None:
    assert (kept.journal(), kept.last(), kept.deployed(), kept.original(CONFIGURATION)) == (None, None, NOTHING, None)
    kept.commit()
    kept.forget()
    kept.remove(originals=True)
    assert not kept.directory.exists()


def test_a_deploy_that_was_begun_is_in_the_journal_with_all_that_was_known(tmp_path: Path) -> None:
    before = {GATEWAY: content(b"before", 0o600), OTHER: None, CONFIGURATION: files.Content(b"", 0o644, (0, 33))}
    after = {GATEWAY: content(b"after"), OTHER: content(b""), CONFIGURATION: None}
    probes = [{"site": "a.example", "path": "/", "headers": {"X-Token": "secret"}}]
    state.State(NAME, tmp_path / "kept").begin(before, after, probes, ["127.0.0.1:80 a.example /"])
    kept = state.State(NAME, tmp_path / "kept")
    begun = kept.journal()
    assert begun
    assert list(begun.before) == [GATEWAY, OTHER, CONFIGURATION]
    assert begun.before == before
    assert begun.after == {path: [state.digest(given)] for path, given in after.items()}
    assert (begun.probes, begun.passed) == (probes, ["127.0.0.1:80 a.example /"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", begun.time)
    assert kept.last() is None


def test_a_deploy_that_is_done_can_be_undone(kept: state.State) -> None:
    deployed(kept, 1, 2)
    assert kept.journal() is None
    assert number_of(kept.last()) == 2
    kept.rolled_back()
    assert number_of(kept.last()) == 1
    kept.rolled_back()
    assert kept.last() is None


def test_a_deploy_that_was_rolled_back_is_forgotten(kept: state.State) -> None:
    deployed(kept, 1)
    begin(kept, 2)
    kept.forget()
    assert kept.journal() is None
    assert number_of(kept.last()) == 1


def test_a_deploy_that_was_begun_anew_is_the_one_in_the_journal(kept: state.State) -> None:
    begin(kept, 1)
    begin(kept, 2)
    assert number_of(kept.journal()) == 2
    kept.commit()
    assert numbers(kept) == [2]


def test_ten_deploys_can_be_undone(kept: state.State) -> None:
    deployed(kept, *range(1, 11))
    assert numbers(kept) == list(range(10, 0, -1))


def test_the_oldest_deploys_go_and_the_numbers_go_on(kept: state.State, tmp_path: Path) -> None:
    deployed(kept, *range(1, 13))
    own = tmp_path / "kept" / NAME
    assert sorted(path.name for path in own.iterdir()) == [f"{number:06}" for number in range(3, 13)]
    kept.rolled_back()
    deployed(kept, 13)
    assert numbers(kept) == [13, *range(11, 2, -1)]


def test_the_deploy_after_the_999999th_is_the_last_one(kept: state.State, tmp_path: Path) -> None:
    deployed(kept, 1)
    own = tmp_path / "kept" / NAME
    (own / "000001").rename(own / "999999")
    deployed(kept, 2)
    assert numbers(kept) == [2, 1]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(range(256)),
        "caf\u00e9 \U0001f600 \u2028\n".encode(),
        # Latin-1, and what looks like halves of a surrogate pair.
        b"caf\xe9",
        "\U0001f600".encode() + b"\xff",
        b"\xed\xa0\xbd\xed\xb8\x80",
        b"# \r\n\0",
    ],
)
def test_each_byte_of_a_file_comes_back(kept: state.State, data: bytes) -> None:
    before = content(data, 0o4751)
    kept.begin({GATEWAY: before}, {GATEWAY: None})
    assert t.cast(state.Entry, kept.journal()).before == {GATEWAY: before}


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
def test_nobody_else_reads_what_is_kept(tmp_path: Path, umask: int) -> None:
    kept = state.State(NAME, tmp_path / "kept")
    earlier = os.umask(umask)
    try:
        deployed(kept, 1)
        begin(kept, 2)
        kept.set_deployed(state.Deployed([{"headers": {"X-Token": "secret"}}], []))
        with state.locked(tmp_path / "run"):
            pass
    finally:
        os.umask(earlier)
    for directory in (tmp_path / "kept", tmp_path / "kept" / NAME, tmp_path / "run"):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    found = list((tmp_path / "kept" / NAME).iterdir())
    assert sorted(path.name for path in found) == ["000001", "deployed", "journal"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in found} == {0o600}


BEFORE, AFTER, THEIRS = content(b"before"), content(b"after"), content(b"somebody else's")


@pytest.mark.parametrize(
    ("before", "after", "now", "earlier"),
    [
        # The run was killed after the change,
        (BEFORE, AFTER, AFTER, BEFORE),
        (None, AFTER, AFTER, None),
        (BEFORE, None, None, BEFORE),
        # before it,
        (BEFORE, AFTER, BEFORE, BEFORE),
        (None, AFTER, None, None),
        (BEFORE, None, BEFORE, BEFORE),
        # and somebody else changed the file since.
        (BEFORE, AFTER, THEIRS, THEIRS),
        (BEFORE, AFTER, None, None),
        (None, AFTER, THEIRS, THEIRS),
        (BEFORE, None, THEIRS, THEIRS),
    ],
)
def test_the_way_back_leads_to_before_the_deploy_but_keeps_what_is_somebody_elses(
    before: files.Content | None, after: files.Content | None, now: files.Content | None, earlier: files.Content | None
) -> None:
    killed = state.Entry({GATEWAY: before}, {GATEWAY: [state.digest(after)]}, "", [], [])
    assert killed.earlier(GATEWAY, now) == earlier


def test_the_way_back_leads_past_all_deploys_that_were_killed(kept: state.State) -> None:
    kept.begin({GATEWAY: BEFORE}, {GATEWAY: AFTER})
    kept.begin({GATEWAY: BEFORE}, {GATEWAY: content(b"another goal")})
    killed = t.cast(state.Entry, kept.journal())
    for now in (BEFORE, AFTER, content(b"another goal")):
        assert killed.earlier(GATEWAY, now) == BEFORE
    assert killed.earlier(GATEWAY, THEIRS) == THEIRS


def test_a_file_that_the_deploy_did_not_know_is_as_it_is() -> None:
    assert state.Entry({GATEWAY: None}, {GATEWAY: [None]}, "", [], []).earlier(OTHER, THEIRS) == THEIRS


@pytest.mark.parametrize("damaged", [b"", b"\0" * 100, b'{"time": "', b"\xff\xfe", b"null\n}", b"null", b"[]", b"{}"])
def test_a_damaged_journal_counts_as_none(kept: state.State, tmp_path: Path, damaged: bytes) -> None:
    deployed(kept, 1)
    begin(kept, 2)
    kept.set_deployed(state.Deployed([PROBE], []))
    for name in ("journal", "000001", "deployed"):
        (tmp_path / "kept" / NAME / name).write_bytes(damaged)
    assert (kept.journal(), kept.last(), kept.deployed()) == (None, None, NOTHING)
    begin(kept, 3)
    kept.commit()
    assert number_of(kept.last()) == 3


def test_the_probes_of_the_last_deploy_are_kept(kept: state.State, tmp_path: Path) -> None:
    kept.set_deployed(state.Deployed([], []))
    assert kept.deployed() == NOTHING
    probes = [{**PROBE, "websocket": "required", "wait": 0.5, "status": None}]
    deployed = state.Deployed(probes, ["a"], {"/etc/nginx/a.pem": "digest"}, ("/etc/nginx/a.conf",), NAME)
    kept.set_deployed(deployed)
    assert state.State(NAME, tmp_path / "kept").deployed() == deployed
    assert kept.last() is None


def test_what_an_older_release_kept_can_be_read(kept: state.State, tmp_path: Path) -> None:
    begin(kept, 1)
    kept.set_deployed(state.Deployed([PROBE], ["a"], {"/etc/nginx/a.pem": "digest"}, ("/etc/nginx/a.conf",)))
    for name in ("journal", "deployed"):
        path = tmp_path / "kept" / NAME / name
        plain = json.loads(path.read_text())
        if name == "deployed":
            del plain["secrets"], plain["files"], plain["live_address"]
        else:
            del plain["live_address"]
            for file in plain["files"]:
                del file["secret"]
        path.write_text(json.dumps(plain))
    assert kept.deployed() == state.Deployed([PROBE], ["a"])
    assert kept.deployed().given_up([]) == []
    assert (number_of(kept.journal()), list(t.cast(state.Entry, kept.journal()).secrets)) == (1, [])


@pytest.mark.parametrize("damage", ['"secrets": null', '"secrets": [1]', '"files": null', '"files": [1]', '"files": 1'])
def test_a_record_with_a_damaged_list_of_files_counts_as_none(kept: state.State, tmp_path: Path, damage: str) -> None:
    deployed(kept, 1)
    text = f'{{"probes": [], "passed": ["a"], {damage}}}'
    (tmp_path / "kept" / NAME / "deployed").write_text(text)
    assert kept.deployed() == NOTHING


def test_what_is_not_listed_any_more_is_given_up() -> None:
    deployed = state.Deployed([], [], {str(KEY): "digest"}, (str(GATEWAY), str(OTHER)))
    assert deployed.given_up([]) == [GATEWAY, OTHER, KEY]
    assert deployed.given_up([GATEWAY, KEY, CONFIGURATION]) == [OTHER]
    assert NOTHING.given_up([]) == []


def moved(kept: state.State, *listed: Path) -> state.State:
    """The state that a configuration with these files and another live address goes on with."""
    found = state.State("127.0.0.1:7000", kept.directory)
    found.take_over(listed)
    return found


def test_a_configuration_whose_live_address_has_changed_keeps_its_deploys(kept: state.State) -> None:
    deployed(kept, 1)
    record = state.Deployed([PROBE], ["a"], {}, (str(GATEWAY),), NAME)
    kept.set_deployed(record)
    new = moved(kept, OTHER, GATEWAY)
    assert (new.deployed(), new.live_address, number_of(new.last())) == (record, NAME, 1)
    # Nothing has changed yet, for a run may only look.
    assert [path.name for path in kept.directory.iterdir()] == [NAME]
    begin(new, 2)
    assert [path.name for path in kept.directory.iterdir()] == ["127.0.0.1:7000"]
    assert t.cast(state.Entry, new.journal()).live_address == NAME
    new.set_deployed(record._replace(live_address="127.0.0.1:7000"))
    new.commit()
    again = moved(kept, GATEWAY)
    assert (again.live_address, numbers(again)) == ("127.0.0.1:7000", [2, 1])


def test_a_configuration_without_a_deploy_takes_over_none_of_other_files(kept: state.State) -> None:
    moved(kept, GATEWAY).remove(originals=True)
    deployed(kept, 1)
    kept.set_deployed(state.Deployed([PROBE], ["a"], {str(KEY): "digest"}, (str(GATEWAY),)))
    new = moved(kept, OTHER, KEY)
    assert (new.deployed(), new.last(), new.live_address) == (NOTHING, None, "127.0.0.1:7000")
    begin(new, 7)
    assert moved(kept, GATEWAY).journal()
    assert number_of(kept.last()) == 1


def test_a_configuration_that_is_taken_away_with_its_new_address_leaves_nothing(kept: state.State) -> None:
    deployed(kept, 1)
    kept.set_deployed(state.Deployed([], [], {}, (str(GATEWAY),)))
    moved(kept, GATEWAY).remove(originals=True)
    assert not kept.directory.exists()


def test_what_a_killed_run_wrote_and_the_next_does_not_list_is_as_before_or_gone(tmp_path: Path) -> None:
    names = ("created", "not yet", "over theirs", "to go", "gone", "listed")
    created, not_yet, over_theirs, to_go, gone, listed = (tmp_path / name for name in names)
    before = {created: None, not_yet: None, over_theirs: THEIRS, to_go: BEFORE, gone: BEFORE, listed: BEFORE}
    after = {path: None if path in (to_go, gone) else AFTER for path in before}
    for path in (created, over_theirs):
        files.write(path, AFTER)
    files.write(to_go, BEFORE)
    entry = state.Entry(before, {path: [state.digest(given)] for path, given in after.items()}, "", [], [])
    left = {created: None, not_yet: None, over_theirs: THEIRS, to_go: None, gone: None}
    assert entry.left_behind([listed]) == left


def test_which_files_are_secret_is_known_of_each_deploy(kept: state.State) -> None:
    kept.begin({GATEWAY: BEFORE, KEY: None}, {GATEWAY: AFTER, KEY: AFTER}, secrets=[KEY])
    assert list(t.cast(state.Entry, kept.journal()).secrets) == [KEY]
    kept.commit()
    assert list(t.cast(state.Entry, kept.last()).secrets) == [KEY]


@pytest.mark.parametrize("probe", ["{}", "1", '{"site": "a.example"}', "null"])
def test_probes_that_could_not_be_made_count_as_none(kept: state.State, tmp_path: Path, probe: str) -> None:
    deployed(kept, 1)
    (tmp_path / "kept" / NAME / "deployed").write_text(f'{{"probes": [{probe}], "passed": []}}')
    assert kept.deployed() == NOTHING


def test_an_original_that_was_not_restored_stays(kept: state.State) -> None:
    deployed(kept, 1)
    kept.keep_original(CONFIGURATION, content(b"theirs"))
    kept.remove(originals=False)
    assert kept.last() is None
    assert kept.original(CONFIGURATION) == content(b"theirs")
    kept.remove(originals=True)
    assert not kept.directory.exists()


def test_probes_that_did_not_change_are_not_written_again(kept: state.State, tmp_path: Path) -> None:
    kept.set_deployed(state.Deployed([PROBE], []))
    inode = (tmp_path / "kept" / NAME / "deployed").stat().st_ino
    kept.set_deployed(state.Deployed([PROBE], []))
    assert (tmp_path / "kept" / NAME / "deployed").stat().st_ino == inode


def test_the_original_of_a_file_is_kept_once_for_all_configurations(kept: state.State) -> None:
    original = content(b"caf\xe9", 0o640)
    kept.keep_original(CONFIGURATION, original)
    kept.keep_original(CONFIGURATION, content(b"managed"))
    other = state.State("127.0.0.1:8098", kept.directory)
    other.keep_original(CONFIGURATION, content(b"managed"))
    assert kept.original(CONFIGURATION) == other.original(CONFIGURATION) == original
    assert kept.original(GATEWAY) is None


def test_each_configuration_has_its_own_deploys(kept: state.State) -> None:
    other = state.State("127.0.0.1:8098", kept.directory)
    deployed(kept, 1)
    deployed(other, 2)
    begin(kept, 3)
    assert other.journal() is None
    assert (number_of(kept.last()), number_of(other.last())) == (1, 2)


def test_what_another_configuration_needs_stays(kept: state.State) -> None:
    other = state.State("127.0.0.1:8098", kept.directory)
    original = content(b"original")
    kept.keep_original(CONFIGURATION, original)
    deployed(kept, 1)
    deployed(other, 2)
    kept.remove(originals=True)
    assert kept.last() is None
    assert (number_of(other.last()), other.original(CONFIGURATION)) == (2, original)
    other.remove(originals=True)
    assert not kept.directory.exists()
    other.remove(originals=True)


@contextmanager
def deploy_elsewhere(directory: Path) -> t.Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock until it is told to end, or killed."""
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from ansible_collections.wsfleet.nginx.plugins.module_utils import state\n"
        "with state.locked(Path(sys.argv[1])) as scratch:\n"
        "    (scratch / 'candidate').mkdir()\n"
        "    (scratch / 'candidate' / 'key').write_text('secret')\n"
        "    print('locked', flush=True)\n"
        "    sys.stdin.readline()\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", script, str(directory)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "locked\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_deploy_waits_for_another_one(tmp_path: Path) -> None:
    entered = threading.Event()

    def enter() -> None:
        with state.locked(tmp_path / "run"):
            entered.set()

    with deploy_elsewhere(tmp_path / "run") as other:
        thread = threading.Thread(target=enter)
        thread.start()
        assert not entered.wait(0.3)
        other.communicate("\n")
        assert entered.wait(5)
        thread.join()


def test_a_deploy_does_not_wait_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "_LOCK_SECONDS", 0.2)
    with deploy_elsewhere(tmp_path / "run"):
        started = time.monotonic()
        with pytest.raises(state.Busy, match="nothing was changed"), state.locked(tmp_path / "run"):
            pytest.fail("two deploys at once")
        assert 0.2 <= time.monotonic() - started < 5
        # What the other one works with is left alone.
        assert (tmp_path / "run" / "candidate" / "key").exists()


def test_what_a_killed_deploy_left_is_removed_at_the_next_one(tmp_path: Path) -> None:
    run, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").touch()
    with deploy_elsewhere(run) as other:
        other.kill()
        other.wait()
    assert (run / "candidate" / "key").exists()
    (run / "link").symlink_to(elsewhere)
    with state.locked(run) as scratch:
        assert scratch == run
        assert not (run / "candidate").exists()
        assert (elsewhere / "file").exists()


def test_a_deploy_that_failed_lets_the_next_one_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "_LOCK_SECONDS", 0.2)
    with pytest.raises(KeyError), state.locked(tmp_path / "run"):
        raise KeyError
    with state.locked(tmp_path / "run"):
        pass
