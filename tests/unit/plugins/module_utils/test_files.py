# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that change together."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils import files


def content(text: str, mode: int = 0o644) -> files.Content:
    return files.Content(data=text.encode(), mode=mode, owner=(os.getuid(), os.getgid()))


def test_only_files_that_are_not_as_wanted_are_planned(tmp_path: Path) -> None:
    same, other, missing, gone = (tmp_path / name for name in ("same", "other", "missing", "gone"))
    same.write_text("a")
    other.write_text("a")
    for path in (same, other):
        path.chmod(0o644)
    changes = files.plan({same: content("a"), other: content("b"), missing: content("c"), gone: None})
    assert changes == [
        files.Change(path=other, before=content("a"), after=content("b")),
        files.Change(path=missing, before=None, after=content("c")),
    ]


def test_a_mode_that_is_not_as_wanted_is_a_change(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("a")
    path.chmod(0o600)
    assert len(files.plan({path: content("a", 0o640)})) == 1
    files.apply(files.plan({path: content("a", 0o640)}))
    assert files.plan({path: content("a", 0o640)}) == []


def test_changes_are_applied_and_restored_byte_for_byte(tmp_path: Path) -> None:
    changed, removed, created = (tmp_path / name for name in ("changed", "removed", "created"))
    changed.write_bytes(b"before \xff\n")
    changed.chmod(0o600)
    removed.write_text("kept")
    changes = files.plan({changed: content("after"), removed: None, created: content("new")})
    files.apply(changes)
    assert changed.read_text() == "after"
    assert changed.stat().st_mode & 0o777 == 0o644
    assert not removed.exists()
    assert created.read_text() == "new"
    files.restore(changes)
    assert changed.read_bytes() == b"before \xff\n"
    assert changed.stat().st_mode & 0o777 == 0o600
    assert removed.read_text() == "kept"
    assert not created.exists()


def test_nothing_is_left_changed_where_one_change_fails(tmp_path: Path) -> None:
    first = tmp_path / "first"
    first.write_text("before")
    changes = files.plan({first: content("after"), tmp_path / "no such directory" / "file": content("x")})
    with pytest.raises(OSError, match="no such directory/file"):
        files.apply(changes)
    assert first.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["first"]


def test_an_open_reader_keeps_the_old_bytes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("before")
    with path.open() as reader:
        files.apply(files.plan({path: content("after")}))
        assert reader.read() == "before"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_a_file_of_another_owner_is_a_change(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("a")
    path.chmod(0o644)
    os.chown(path, 1, 1)
    changes = files.plan({path: content("a")})
    files.apply(changes)
    assert (path.stat().st_uid, path.stat().st_gid) == (0, 0)
    files.restore(changes)
    assert (path.stat().st_uid, path.stat().st_gid) == (1, 1)
