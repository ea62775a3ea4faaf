# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories as they are found on hosts, and copies of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import import files


def write(directory: Path, **texts: str) -> None:
    for name, text in texts.items():
        path = directory / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_a_file_is_its_name_and_its_text(tmp_path: Path) -> None:
    (tmp_path / "chat.conf").write_bytes(b"listen 80;\xff")
    assert files.read(str(tmp_path / "chat.conf")) == {"chat.conf": "listen 80;\ufffd"}


def test_a_directory_is_all_files_but_those_with_secrets_and_hidden_ones(tmp_path: Path) -> None:
    write(tmp_path, **{"nginx.conf": "a", "conf.d__b.conf": "b", "ssl__c.key": "c", "ssl__d.PEM": "d"})
    write(tmp_path, **{".git__config": "e", ".f": "f"})
    assert files.read(str(tmp_path)) == {"conf.d/b.conf": "b", "nginx.conf": "a"}


def test_links_are_followed_in_a_copy_too_and_those_that_lead_nowhere_are_left_out(tmp_path: Path) -> None:
    write(tmp_path, **{"sites-available__a": "a", "sites-available__b": "b"})
    (tmp_path / "sites-enabled").mkdir()
    for name, target in (("a", "../sites-available/a"), ("b", "/etc/nginx/sites-available/b"), ("c", "/nowhere/c")):
        (tmp_path / "sites-enabled" / name).symlink_to(target)
    found = files.read(str(tmp_path))
    assert {name: text for name, text in found.items() if "enabled" in name} == {
        "sites-enabled/a": "a",
        "sites-enabled/b": "b",
    }


def test_what_is_not_there_and_what_is_too_much_are_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OSError, match="No such file"):
        files.read(str(tmp_path / "none"))
    write(tmp_path, a="", b="")
    monkeypatch.setattr(files, "_MOST", 1)
    with pytest.raises(OSError, match="has more than 1 files"):
        files.read(str(tmp_path))
