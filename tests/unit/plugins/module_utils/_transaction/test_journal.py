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
import typing as t
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import atomic_files, journal, lock
from waiting import PATIENCE

NAME = "127.0.0.1:8099"
GATEWAY, OTHER = Path("/etc/nginx/conf.d/gateway.conf"), Path("/etc/nginx/conf.d/other.conf")
KEY = Path("/etc/nginx/conf.d/gateway.pem")
CONFIGURATION = Path("/etc/nginx/nginx.conf")


NOTHING = journal.Deployed([], [])
# What gateways need of the files that belong to all of a host.
NEEDS = {"nginx_conf": {"directives": {}, "sockets": 100}, "drop_in": None}
NEEDS_NOTHING = {"nginx_conf": None, "drop_in": None}
PROBE = {
    "site": "a.example",
    "path": "/",
    "connect_to": "127.0.0.1:80",
    "url": "ws://a.example/",
    "websocket": True,
}


def content(data: bytes, mode: int = 0o644) -> atomic_files.Content:
    return atomic_files.Content(data=data, mode=mode, owner=(os.getuid(), os.getgid()))


def changes(
    before: t.Mapping[Path, atomic_files.Content | None], after: t.Mapping[Path, atomic_files.Content | None]
) -> list[atomic_files.Change]:
    return [atomic_files.Change(path, given, given, after[path]) for path, given in before.items()]


def begin(kept: journal.Journal, number: int) -> None:
    """Begin the deploy that writes that number into the file, which holds the one before."""
    kept.begin(changes({GATEWAY: content(b"%d" % (number - 1))}, {GATEWAY: content(b"%d" % number)}))


def deployed(kept: journal.Journal, *numbers: int) -> None:
    for number in numbers:
        begin(kept, number)
        kept.commit()


def number_of(entry: journal.Entry | None) -> int | None:
    file = entry.file(GATEWAY) if entry else None
    return int(file.before.data) + 1 if file and file.before else None


def numbers(kept: journal.Journal) -> list[int]:
    """The deploys that can be rolled back, the last one first."""
    found: list[int] = []
    while True:
        number = number_of(kept.last())
        if number is None:
            return found
        found.append(number)
        kept.discard_last()


@pytest.fixture
def kept(tmp_path: Path) -> journal.Journal:
    return journal.Journal(NAME, tmp_path / "kept")


def test_nothing_is_known_of_a_new_host(kept: journal.Journal) -> None:
    assert (kept.unfinished(), kept.last(), kept.deployed(), kept.original(CONFIGURATION)) == (
        None,
        None,
        NOTHING,
        None,
    )
    kept.commit()
    kept.discard()
    kept.remove(originals=True)
    assert not kept.directory.exists()


def test_a_deploy_that_was_begun_is_in_the_journal_with_all_that_was_known(tmp_path: Path) -> None:
    before = {GATEWAY: content(b"before", 0o600), OTHER: None, CONFIGURATION: atomic_files.Content(b"", 0o644, (0, 33))}
    after = {GATEWAY: content(b"after"), OTHER: content(b""), CONFIGURATION: None}
    probes = [{**PROBE, "headers": {"X-Token": "secret"}}]
    journal.Journal(NAME, tmp_path / "kept").begin(changes(before, after), probes, ["127.0.0.1:80 a.example /"])
    kept = journal.Journal(NAME, tmp_path / "kept")
    begun = kept.unfinished()
    assert begun
    assert begun.files == [
        journal.FileEntry(path, before[path], [journal.digest(after[path])]) for path in (GATEWAY, OTHER, CONFIGURATION)
    ]
    assert (begun.probes, begun.passed) == (probes, ["127.0.0.1:80 a.example /"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", begun.time)
    assert kept.last() is None


def test_what_is_recorded_of_a_configuration_comes_back_with_it(kept: journal.Journal) -> None:
    """Else a rollback would leave servers out that the earlier configuration has, or forget those that it has not."""
    drained = [{"name": "chat1", "address": "10.0.0.1:80"}]
    told = journal.Deployed([], [], drained=drained, sockets=("/run/a.sock",), wants=NEEDS)
    kept.set_deployed(told)
    assert kept.deployed() == told
    deployed(kept, 1)
    kept.set_deployed(told._replace(drained=[], sockets=(), wants=NEEDS_NOTHING))
    deployed(kept, 2)
    entries = [kept.last()]
    kept.discard_last()
    entries.append(kept.last())
    found = [(entry.drained, tuple(entry.sockets), entry.wants) for entry in entries if entry]
    assert found == [([], (), NEEDS_NOTHING), (told.drained, told.sockets, NEEDS)]


def test_a_deploy_that_is_done_can_be_rolled_back(kept: journal.Journal) -> None:
    deployed(kept, 1, 2)
    assert kept.unfinished() is None
    assert number_of(kept.last()) == 2
    kept.discard_last()
    assert number_of(kept.last()) == 1
    kept.discard_last()
    assert kept.last() is None


def test_a_deploy_that_was_rolled_back_is_discarded(kept: journal.Journal) -> None:
    deployed(kept, 1)
    begin(kept, 2)
    kept.discard()
    assert kept.unfinished() is None
    assert number_of(kept.last()) == 1


def test_a_deploy_that_was_begun_anew_is_the_one_in_the_journal(kept: journal.Journal) -> None:
    begin(kept, 1)
    begin(kept, 2)
    assert number_of(kept.unfinished()) == 2
    kept.commit()
    assert numbers(kept) == [2]


def test_ten_deploys_can_be_rolled_back(kept: journal.Journal) -> None:
    deployed(kept, *range(1, 11))
    assert numbers(kept) == list(range(10, 0, -1))


def test_the_oldest_deploys_go_and_the_numbers_go_on(kept: journal.Journal, tmp_path: Path) -> None:
    deployed(kept, *range(1, 13))
    own = tmp_path / "kept" / NAME
    assert sorted(path.name for path in own.iterdir()) == [f"{number:06}" for number in range(3, 13)]
    kept.discard_last()
    deployed(kept, 13)
    assert numbers(kept) == [13, *range(11, 2, -1)]


def test_the_deploy_after_the_999999th_is_the_last_one(kept: journal.Journal, tmp_path: Path) -> None:
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
def test_each_byte_of_a_file_comes_back(kept: journal.Journal, data: bytes) -> None:
    before = content(data, 0o4751)
    kept.begin(changes({GATEWAY: before}, {GATEWAY: None}))
    (file,) = t.cast(journal.Entry, kept.unfinished()).files
    assert file.before == before


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
def test_nobody_else_reads_what_is_kept(tmp_path: Path, umask: int) -> None:
    kept = journal.Journal(NAME, tmp_path / "kept")
    earlier = os.umask(umask)
    try:
        deployed(kept, 1)
        begin(kept, 2)
        kept.set_deployed(journal.Deployed([{"headers": {"X-Token": "secret"}}], []))
        with lock.locked(tmp_path / "run"):
            pass
    finally:
        os.umask(earlier)
    for directory in (tmp_path / "kept", tmp_path / "kept" / NAME, tmp_path / "run"):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    found = list((tmp_path / "kept" / NAME).iterdir())
    assert sorted(path.name for path in found) == ["000001", "deployed", "journal"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in found} == {0o600}


Given = t.Optional[atomic_files.Content]
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
    before: atomic_files.Content | None,
    after: atomic_files.Content | None,
    now: atomic_files.Content | None,
    earlier: atomic_files.Content | None,
) -> None:
    killed = journal.FileEntry(GATEWAY, before, [journal.digest(after)])
    assert killed.earlier(now) == earlier


def test_the_way_back_leads_past_all_deploys_that_were_killed(kept: journal.Journal) -> None:
    kept.begin(changes({GATEWAY: BEFORE}, {GATEWAY: AFTER}))
    kept.begin(changes({GATEWAY: BEFORE}, {GATEWAY: content(b"another goal")}))
    (killed,) = t.cast(journal.Entry, kept.unfinished()).files
    for now in (BEFORE, AFTER, content(b"another goal")):
        assert killed.earlier(now) == BEFORE
    assert killed.earlier(THEIRS) == THEIRS


SHAPE = "it has JSON of another shape"
DAMAGED = [
    (b"", "Expecting value: line 1 column 1 (char 0)"),
    (b"\0" * 100, "Expecting value: line 1 column 1 (char 0)"),
    (b'{"time": "', "Unterminated string starting at: line 1 column 10 (char 9)"),
    (b"\xff\xfe", "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
    (b"null\n}", "Extra data: line 2 column 1 (char 5)"),
    *((text, SHAPE) for text in (b"null", b"[]", b"{}", b"7", b'"a"')),
]


@pytest.mark.parametrize(("damaged", "reason"), DAMAGED)
def test_what_is_damaged_is_named_and_what_can_be_done_without_is_left_out(
    kept: journal.Journal, tmp_path: Path, damaged: bytes, reason: str
) -> None:
    deployed(kept, 1, 2, 3)
    begin(kept, 4)
    kept.set_deployed(journal.Deployed([PROBE], []))
    own = tmp_path / "kept" / NAME
    for name in ("journal", "000002", "000003", "deployed"):
        (own / name).write_bytes(damaged)
    with pytest.raises(journal.Damaged) as raised:
        kept.unfinished()
    assert str(raised.value) == f"{own}/journal is damaged: {reason}"
    assert str(kept.damaged_record()) == f"{own}/deployed is damaged: {reason}"
    assert [str(found) for found in kept.damaged_history()] == [
        f"{own}/{name} is damaged: {reason}" for name in ("000003", "000002")
    ]
    assert (number_of(kept.last()), kept.deployed()) == (1, NOTHING)
    kept.set_deployed(journal.Deployed([PROBE], []))
    assert (kept.deployed().probes, kept.damaged_record()) == ([PROBE], None)
    kept.discard_last()
    assert (kept.last(), list(kept.damaged_history()), sorted(path.name for path in own.iterdir())) == (
        *(None, []),
        ["deployed", "journal"],
    )


def test_directories_in_the_place_of_records_are_damage_too(kept: journal.Journal, tmp_path: Path) -> None:
    deployed(kept, 1)
    own = tmp_path / "kept" / NAME
    for name in ("journal", "000002", "deployed"):
        (own / name / "inside").mkdir(parents=True)
    with pytest.raises(journal.Damaged, match="/journal is a directory"):
        kept.unfinished()
    assert [str(found) for found in (kept.damaged_record(), *kept.damaged_history())] == [
        f"{own}/deployed is a directory",
        f"{own}/000002 is a directory",
    ]
    (own / "journal" / "inside").rmdir()
    (own / "journal").rmdir()
    deployed(kept, 3)
    assert [path.name for path in sorted(own.iterdir())] == ["000001", "000002", "000003", "deployed"]
    kept.set_deployed(journal.Deployed([PROBE], []))
    assert kept.deployed().probes == [PROBE]
    kept.discard_last()
    assert number_of(kept.last()) == 1
    kept.discard_last()
    assert [path.name for path in own.iterdir()] == ["deployed"]


# Each value in the place of one that was written.
OTHERS = [5, "a", [5], {"a": 5}, [[]], None]


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("key", ["proofs", "passed", "secrets", "files", "live_address", "drained", "sockets"])
def test_a_record_whose_values_have_another_shape_is_damaged(
    kept: journal.Journal, tmp_path: Path, key: str, other: object
) -> None:
    kept.set_deployed(journal.Deployed([PROBE], ["a"], {"/a": "digest"}, ("/b",), NAME, [], ("/c",)))
    path = tmp_path / "kept" / NAME / "deployed"
    plain = json.loads(path.read_text())
    path.write_text(json.dumps({**plain, key: other}))
    if (key, other) in (("live_address", "a"), ("drained", None)):
        assert kept.damaged_record() is None
    else:
        assert str(kept.damaged_record()) == f"{path} is damaged: {SHAPE}"
        assert kept.deployed() == NOTHING


@pytest.mark.parametrize("other", [5, "a", [5], {}, [], None])
@pytest.mark.parametrize("key", ["site", "path", "connect_to", "url", "websocket", "headers", "backends"])
def test_a_record_with_a_probe_that_could_not_be_made_is_damaged(
    kept: journal.Journal, tmp_path: Path, key: str, other: object
) -> None:
    kept.set_deployed(journal.Deployed([{**PROBE, key: other}], []))
    is_fit = (other == "a" and key in ("site", "path", "connect_to", "url")) or (
        not other and key in ("headers", "backends")
    )
    assert (kept.damaged_record() is None) == is_fit


def test_the_probes_of_the_last_deploy_are_kept(kept: journal.Journal, tmp_path: Path) -> None:
    kept.set_deployed(journal.Deployed([], []))
    assert kept.deployed() == NOTHING
    probes = [{**PROBE, "websocket": "required", "wait": 0.5, "status": None}]
    deployed = journal.Deployed(probes, ["a"], {"/etc/nginx/a.pem": "digest"}, ("/etc/nginx/a.conf",), NAME)
    kept.set_deployed(deployed)
    assert journal.Journal(NAME, tmp_path / "kept").deployed() == deployed
    assert kept.last() is None


def test_what_an_older_release_kept_can_be_read(kept: journal.Journal, tmp_path: Path) -> None:
    begin(kept, 1)
    kept.set_deployed(journal.Deployed([PROBE], ["a"], {"/etc/nginx/a.pem": "digest"}, ("/etc/nginx/a.conf",)))
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
    assert kept.deployed() == journal.Deployed([PROBE], ["a"])
    assert kept.deployed().given_up([]) == []
    assert (number_of(kept.unfinished()), list(t.cast(journal.Entry, kept.unfinished()).secrets)) == (1, [])


@pytest.mark.parametrize("damage", ['"secrets": null', '"secrets": [1]', '"files": null', '"files": [1]', '"files": 1'])
def test_a_record_with_a_damaged_list_of_files_counts_as_none(
    kept: journal.Journal, tmp_path: Path, damage: str
) -> None:
    deployed(kept, 1)
    text = f'{{"proofs": [], "passed": ["a"], {damage}}}'
    (tmp_path / "kept" / NAME / "deployed").write_text(text)
    assert kept.deployed() == NOTHING


def test_what_is_not_listed_any_more_is_given_up() -> None:
    deployed = journal.Deployed([], [], {str(KEY): "digest"}, (str(GATEWAY), str(OTHER)))
    assert deployed.given_up([]) == [GATEWAY, OTHER, KEY]
    assert deployed.given_up([GATEWAY, KEY, CONFIGURATION]) == [OTHER]
    assert NOTHING.given_up([]) == []


def moved(kept: journal.Journal, *listed: Path, serves: t.Collection[str] = ()) -> journal.Journal:
    """The state that a configuration with these files and sites and another live address goes on with."""
    found = journal.Journal("127.0.0.1:7000", kept.directory)
    found.take_over(listed, serves)
    return found


def test_a_configuration_whose_live_address_has_changed_keeps_its_deploys(kept: journal.Journal) -> None:
    deployed(kept, 1)
    record = journal.Deployed([PROBE], ["a"], {}, (str(GATEWAY),), NAME)
    kept.set_deployed(record)
    new = moved(kept, OTHER, GATEWAY)
    assert (new.deployed(), new.live_address, number_of(new.last())) == (record, NAME, 1)
    # Nothing has changed yet, for a run may only look.
    assert [path.name for path in kept.directory.iterdir()] == [NAME]
    begin(new, 2)
    assert [path.name for path in kept.directory.iterdir()] == ["127.0.0.1:7000"]
    assert t.cast(journal.Entry, new.unfinished()).live_address == NAME
    new.set_deployed(record._replace(live_address="127.0.0.1:7000"))
    new.commit()
    again = moved(kept, GATEWAY)
    assert (again.live_address, numbers(again)) == ("127.0.0.1:7000", [2, 1])


SITES = ["127.0.0.1:443 a.example", "127.0.0.1:443 b.example"]


def test_a_configuration_whose_files_and_live_address_have_changed_is_found_by_a_site(kept: journal.Journal) -> None:
    deployed(kept, 1)
    record = NOTHING._replace(files=(str(GATEWAY),), live_address=NAME, serves=tuple(SITES))
    kept.set_deployed(record)
    other = journal.Journal("127.0.0.1:8098", kept.directory)
    other.set_deployed(NOTHING._replace(files=(str(OTHER),), serves=("127.0.0.1:444 a.example",)))
    new = moved(kept, KEY, serves=[SITES[1], "127.0.0.1:80 c.example"])
    assert (new.deployed(), new.live_address, number_of(new.last())) == (record, NAME, 1)
    # A new gateway of that host is none of them.
    assert moved(kept, KEY, serves=["127.0.0.1:80 a.example"]).deployed() == NOTHING
    # A file is what tells them apart first.
    assert moved(kept, OTHER, serves=SITES).deployed() == other.deployed()
    # What cannot be told apart is left alone.
    other.set_deployed(other.deployed()._replace(serves=(SITES[0],)))
    assert moved(kept, KEY, serves=SITES).deployed() == NOTHING


def test_a_site_that_an_earlier_release_has_deployed_is_known_from_its_probe(kept: journal.Journal) -> None:
    kept.set_deployed(NOTHING._replace(probes=[PROBE], files=(str(GATEWAY),)))
    path = kept.directory / NAME / "deployed"
    plain = json.loads(path.read_text())
    del plain["serves"]
    path.write_text(json.dumps(plain))
    assert moved(kept, KEY, serves=["127.0.0.1:80 a.example"]).deployed().files == (str(GATEWAY),)


def test_what_a_failed_first_deploy_left_is_no_state(kept: journal.Journal) -> None:
    kept.set_deployed(NOTHING._replace(files=(str(GATEWAY),)))
    failed = journal.Journal("127.0.0.1:7000", kept.directory)
    failed.begin([])
    failed.discard()
    new = moved(kept, GATEWAY)
    assert new.deployed().files == (str(GATEWAY),)
    begin(new, 2)
    assert [path.name for path in kept.directory.iterdir()] == ["127.0.0.1:7000"]


def test_a_configuration_without_a_deploy_takes_over_none_of_other_files(kept: journal.Journal) -> None:
    moved(kept, GATEWAY).remove(originals=True)
    deployed(kept, 1)
    kept.set_deployed(journal.Deployed([PROBE], ["a"], {str(KEY): "digest"}, (str(GATEWAY),)))
    new = moved(kept, OTHER, KEY)
    assert (new.deployed(), new.last(), new.live_address) == (NOTHING, None, "127.0.0.1:7000")
    begin(new, 7)
    assert moved(kept, GATEWAY).unfinished()
    assert number_of(kept.last()) == 1


def test_a_configuration_that_is_taken_away_with_its_new_address_leaves_nothing(kept: journal.Journal) -> None:
    deployed(kept, 1)
    kept.set_deployed(journal.Deployed([], [], {}, (str(GATEWAY),)))
    moved(kept, GATEWAY).remove(originals=True)
    assert not kept.directory.exists()


def test_what_a_killed_run_wrote_and_the_next_does_not_list_is_as_before_or_gone(tmp_path: Path) -> None:
    names = ("created", "not yet", "over theirs", "to go", "gone", "listed")
    created, not_yet, over_theirs, to_go, gone, listed = (tmp_path / name for name in names)
    before = {created: None, not_yet: None, over_theirs: THEIRS, to_go: BEFORE, gone: BEFORE, listed: BEFORE}
    after = {path: None if path in (to_go, gone) else AFTER for path in before}
    for path in (created, over_theirs):
        atomic_files.write(path, AFTER)
    atomic_files.write(to_go, BEFORE)
    entry = journal.Entry(
        [journal.FileEntry(path, before[path], [journal.digest(given)]) for path, given in after.items()], "", [], []
    )
    left = {created: None, not_yet: None, over_theirs: THEIRS, to_go: None, gone: None}
    assert entry.left_behind([listed]) == left


def test_which_files_are_secret_is_known_of_each_deploy(kept: journal.Journal) -> None:
    kept.begin(changes({GATEWAY: BEFORE, KEY: None}, {GATEWAY: AFTER, KEY: AFTER}), secrets=[KEY])
    assert list(t.cast(journal.Entry, kept.unfinished()).secrets) == [KEY]
    kept.commit()
    assert list(t.cast(journal.Entry, kept.last()).secrets) == [KEY]


def test_a_file_whose_place_was_taken_is_known_as_a_link_and_its_copy_outlives_the_configuration(
    kept: journal.Journal,
) -> None:
    theirs = replace(BEFORE, link="../sites-available/chat")
    kept.begin(changes({GATEWAY: None, OTHER: theirs}, {GATEWAY: AFTER, OTHER: None}), replaced=[OTHER])
    begun = t.cast(journal.Entry, kept.unfinished())
    assert [file.is_replaced for file in begun.files] == [False, True]
    file = t.cast(journal.FileEntry, begun.file(OTHER))
    assert file.before and file.before.link == theirs.link
    # A run that does not list it any more, after this one was killed.
    assert begun.left_behind([GATEWAY]) == {OTHER: theirs if OTHER.exists() else file.earlier(None)}
    kept.keep_replaced(OTHER, theirs)
    kept.commit()
    kept.remove(originals=True)
    copy = kept.directory / "replaced" / OTHER.relative_to("/")
    assert atomic_files.read(copy) == content(theirs.data, 0o600)
    assert journal.all_on_host(kept.directory) == []


@pytest.mark.parametrize("probe", ["{}", "1", '{"site": "a.example"}', "null"])
def test_probes_that_could_not_be_made_count_as_none(kept: journal.Journal, tmp_path: Path, probe: str) -> None:
    deployed(kept, 1)
    (tmp_path / "kept" / NAME / "deployed").write_text(f'{{"proofs": [{probe}], "passed": []}}')
    assert kept.deployed() == NOTHING


def test_what_release_0_6_0_left_on_a_host_is_read(kept: journal.Journal, tmp_path: Path) -> None:
    """Else an upgrade would forget which routes passed, and could not be rolled back past itself."""
    own = tmp_path / "kept" / NAME
    own.mkdir(parents=True)
    probe = {
        **{"site": "a.example", "path": "/", "connect_to": "127.0.0.1:80"},
        **{"url": "ws://a.example/", "websocket": True},
    }
    recorded = {"proofs": [probe], "passed": ["a.example /"], "secrets": {}, "files": [str(GATEWAY)]}
    (own / "deployed").write_text(json.dumps({**recorded, "live_address": NAME}))
    before = {"data": "# before", "mode": "0644", "owner": [0, 0]}
    files = [{"path": str(GATEWAY), "before": before, "after": ["digest"], "secret": False}]
    entry = {"files": files, "time": "2026-11-25T00:00:00Z", "proofs": [probe], "passed": [], "live_address": NAME}
    (own / "000001").write_text(json.dumps(entry))
    serves = ("127.0.0.1:80 a.example",)
    assert kept.deployed() == journal.Deployed([probe], ["a.example /"], {}, (str(GATEWAY),), NAME, serves=serves)
    last = kept.last()
    assert last is not None
    assert (last.probes, last.files[0].before) == ([probe], content(b"# before"))


def test_an_original_that_was_not_restored_stays(kept: journal.Journal) -> None:
    deployed(kept, 1)
    kept.keep_original(CONFIGURATION, content(b"theirs"))
    kept.remove(originals=False)
    assert kept.last() is None
    assert kept.original(CONFIGURATION) == content(b"theirs")
    kept.remove(originals=True)
    assert not kept.directory.exists()


def test_probes_that_did_not_change_are_not_written_again(kept: journal.Journal, tmp_path: Path) -> None:
    kept.set_deployed(journal.Deployed([PROBE], []))
    inode = (tmp_path / "kept" / NAME / "deployed").stat().st_ino
    kept.set_deployed(journal.Deployed([PROBE], []))
    assert (tmp_path / "kept" / NAME / "deployed").stat().st_ino == inode


def test_the_original_of_a_file_is_kept_once_for_all_configurations(kept: journal.Journal) -> None:
    original = content(b"caf\xe9", 0o640)
    kept.keep_original(CONFIGURATION, original)
    kept.keep_original(CONFIGURATION, content(b"managed"))
    other = journal.Journal("127.0.0.1:8098", kept.directory)
    other.keep_original(CONFIGURATION, content(b"managed"))
    assert kept.original(CONFIGURATION) == other.original(CONFIGURATION) == original
    assert kept.original(GATEWAY) is None


def test_each_configuration_has_its_own_deploys(kept: journal.Journal) -> None:
    other = journal.Journal("127.0.0.1:8098", kept.directory)
    deployed(kept, 1)
    deployed(other, 2)
    begin(kept, 3)
    assert other.unfinished() is None
    assert (number_of(kept.last()), number_of(other.last())) == (1, 2)


@pytest.mark.parametrize("wants", [NEEDS, None])
def test_what_another_configuration_needs_stays(
    kept: journal.Journal, tmp_path: Path, wants: journal.Wants | None
) -> None:
    other = journal.Journal("127.0.0.1:8098", kept.directory)
    (tmp_path / "other.conf").touch()
    other.set_deployed(NOTHING._replace(files=(str(tmp_path / "other.conf"),), wants=wants))
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


def test_what_no_other_configuration_needs_goes(kept: journal.Journal, tmp_path: Path) -> None:
    """It would be restored when it is no longer what was there before the first deploy."""
    other = journal.Journal("127.0.0.1:8098", kept.directory)
    (tmp_path / "other.conf").touch()
    other.set_deployed(NOTHING._replace(files=(str(tmp_path / "other.conf"),), wants=NEEDS_NOTHING))
    kept.keep_original(CONFIGURATION, content(b"original"))
    deployed(kept, 1)
    shared = journal.Shared({"worker_connections": "1024"}, content(b"[Service]\n"), {"/usr/sbin/policy-rc.d": "0a"})
    kept.set_shared(shared)
    kept.remove(originals=True)
    assert (other.original(CONFIGURATION), len(other.deployed().files)) == (None, 1)
    # The drop-in may be the other's.
    assert other.shared() == shared
    other.remove(originals=False)
    assert not kept.directory.exists()


def test_the_other_configurations_of_a_host_are_those_whose_files_are_there(
    kept: journal.Journal, tmp_path: Path
) -> None:
    """Not one whose first deploy failed, and not one that was removed by hand."""
    assert (kept.others(), kept.wanted_by_others("nginx_conf")) == ([], [])
    file = tmp_path / "other.conf"
    others = [NOTHING._replace(files=(str(file),), wants=wants) for wants in (NEEDS, NEEDS_NOTHING)]
    for number, record in enumerate((NOTHING, *others)):
        journal.Journal(f"127.0.0.1:{number}", kept.directory).set_deployed(record)
    journal.Journal("127.0.0.1:4", kept.directory).begin([])
    deployed(kept, 1)
    assert kept.others() == []
    file.touch()
    assert kept.others() == others
    assert kept.wanted_by_others("nginx_conf") == [NEEDS["nginx_conf"]]
    assert kept.wanted_by_others("drop_in") == []
    journal.Journal("127.0.0.1:5", kept.directory).set_deployed(others[0]._replace(wants=None))
    assert kept.wanted_by_others("nginx_conf") is None


@contextmanager
def deploy_elsewhere(directory: Path) -> t.Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock until it is told to end, or killed."""
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import lock\n"
        "with lock.locked(Path(sys.argv[1])) as scratch:\n"
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
        with lock.locked(tmp_path / "run"):
            entered.set()

    with deploy_elsewhere(tmp_path / "run") as other:
        thread = threading.Thread(target=enter)
        thread.start()
        assert not entered.wait(0.3)
        other.communicate("\n")
        assert entered.wait(PATIENCE)
        thread.join()


def test_a_deploy_does_not_wait_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "_LOCK_SECONDS", 0.2)
    with deploy_elsewhere(tmp_path / "run"):
        with pytest.raises(lock.Busy, match="nothing was changed"), lock.locked(tmp_path / "run"):
            pytest.fail("two deploys at once")
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
    with lock.locked(run) as scratch:
        assert scratch == run
        assert not (run / "candidate").exists()
        assert (elsewhere / "file").exists()


def test_a_deploy_that_failed_lets_the_next_one_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "_LOCK_SECONDS", 0.2)
    with pytest.raises(KeyError), lock.locked(tmp_path / "run"):
        raise KeyError
    with lock.locked(tmp_path / "run"):
        pass


def test_whether_a_deploy_runs_is_seen_without_a_trace(tmp_path: Path) -> None:
    directory = tmp_path / "run"
    assert not lock.is_held(directory)
    assert not directory.exists()
    with lock.locked(directory):
        assert lock.is_held(directory)
    assert not lock.is_held(directory)
