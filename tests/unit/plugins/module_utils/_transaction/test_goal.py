# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a deploy is to bring about."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import atomic_files, journal
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction.goal import Goal

ROOT = Path("/etc/nginx")
CONF, PEM = ROOT / "conf.d" / "00-websockets.conf", ROOT / "conf.d" / ".00-websockets.a.example.pem"
HOST_FILE = ROOT / "nginx.conf"
ADDRESS = "127.0.0.1:488"


def content(text: str) -> atomic_files.Content:
    return atomic_files.Content(text.encode(), 0o600)


def test_what_the_last_deploy_wrote_and_this_one_does_not_list_goes_with_it(tmp_path: Path) -> None:
    old, old_key = ROOT / "conf.d" / "old.conf", ROOT / "conf.d" / "old.pem"
    kept = journal.Journal(ADDRESS, tmp_path / "kept")
    # What only happens to be listed as a file once is never removed.
    written = (str(CONF), str(old), str(HOST_FILE))
    kept.set_deployed(journal.Deployed([], [], {str(PEM): "digest", str(old_key): "digest"}, written))
    goal = Goal({CONF: content("conf")}, {}, ADDRESS, {PEM: content("key")})
    whole = goal.with_leftovers(kept, [HOST_FILE])
    assert whole.own == {CONF: content("conf"), old: None}
    assert whole.secrets == {PEM: content("key"), old_key: None}
    assert whole.beside == {}


def test_the_fingerprint_that_answers_is_that_of_the_goal_that_holds_it() -> None:
    first, second = "1" * 64, "2" * 64
    goal = Goal({CONF: content(f"# {first}\n")}, {}, ADDRESS)
    assert [goal.has(answer) for answer in (first, second, None)] == [True, False, False]
    removal = Goal({CONF: None}, {}, ADDRESS)
    assert [removal.has(answer) for answer in (first, None)] == [False, True]
