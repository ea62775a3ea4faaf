# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real transactions on real files, with an nginx that is stood in for."""

from __future__ import annotations

import os
import re
import typing as t
from hashlib import sha256
from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import binary, processes, service
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import (
    atomic_files,
    candidate,
    journal,
    live_config,
)
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction.atomic_files import Files
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction.goal import Goal
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction.transaction import Transaction

ADDRESS = "127.0.0.1:488"
MASTER = 4711


def content(text: str, mode: int = 0o644) -> atomic_files.Content:
    return atomic_files.Content(data=text.encode(), mode=mode, owner=(os.getuid(), os.getgid()))


def configuration(text: str) -> atomic_files.Content:
    """One that returns a fingerprint of its own."""
    return content(f"# {sha256(text.encode()).hexdigest()} {text}\n")


def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in for nginx: it takes every configuration, and loads what is there when it is told to."""

    # Its candidates are staged outside of what is cut here, and each time anew.
    def tested(_build: binary.Build, files: t.Iterable[Path], _directory: Path) -> binary.Verdict:
        return binary.Verdict(True, [], [str(path) for path in files if not path.name.startswith(".")])

    monkeypatch.setattr(candidate, "test", tested)
    monkeypatch.setattr(processes, "master_pid", lambda _build: MASTER)
    monkeypatch.setattr(processes, "accepting_workers", lambda _master: {Host.latest.generation})
    monkeypatch.setattr(processes, "is_master", lambda pid: pid == MASTER)
    # Those of a real nginx would be ended.
    monkeypatch.setattr(processes, "orphans", set)
    monkeypatch.setattr(processes, "is_stopping", lambda _master: False)
    monkeypatch.setattr(service, "reload", lambda _master: Host.latest.reload())
    monkeypatch.setattr(service, "reload_units", lambda: None)
    for name in ("DROP_IN", "PROGRAM", "PACER", "EXCHANGE", "POLICY", "NEEDRESTART"):
        monkeypatch.setattr(service, name, getattr(service, name))
    monkeypatch.setattr(live_config, "fingerprint", lambda _address: Host.latest.fingerprint)


class Host:
    """Five files and a deploy that changes two, creates and removes one each, and renews a key, in this order, in two
    directories; and an nginx that has loaded those of before.
    """

    latest: Host

    def __init__(self, root: Path) -> None:
        Host.latest = self
        self.root = root
        self.main, self.conf = root / "nginx" / "nginx.conf", root / "nginx" / "gateway.conf"
        removed, created = root / "nginx" / "old.conf", root / "service.d" / "limits.conf"
        self.key = root / "nginx" / "key.pem"
        service.DROP_IN = created
        self.before: Files = {
            self.main: content("before\n", 0o640),
            created: None,
            self.conf: configuration("before"),
            removed: content("old\n"),
        }
        self.after: Files = {
            self.main: content("after " * 20),
            created: content("created\n", 0o600),
            self.conf: configuration("after"),
            removed: None,
        }
        self.next: Files = {
            self.main: content("next\n"),
            created: None,
            self.conf: configuration("next"),
            removed: content("next\n", 0o600),
        }
        for number, version in enumerate((self.before, self.after, self.next)):
            t.cast("dict[Path, t.Any]", version)[self.key] = content(f"key {number}\n", 0o600)
        # Other files than those: the ones that are not in this list have to go, but for those of the host.
        moved, other_key = root / "nginx" / "moved.conf", root / "nginx" / "other.pem"
        self.elsewhere: Files = {
            self.main: content("else\n"),
            created: None,
            moved: configuration("moved"),
            other_key: content("k", 0o600),
        }
        # What is the host's stays, as it was before the first deploy.
        self.nothing: Files = {self.main: self.before[self.main], created: None, self.conf: None}
        (root / "nginx").mkdir(parents=True)
        for path, given in self.before.items():
            if given:
                path.write_bytes(given.data)
                path.chmod(given.mode)
        there = [str(self.conf), str(removed)]
        secrets = {str(self.key): str(journal.digest(self.before[self.key]))}
        self.kept.set_deployed(journal.Deployed([], [], secrets, tuple(there), ADDRESS))
        self.generation = 0
        self.loaded = self.now

    @property
    def kept(self) -> journal.Journal:
        """As a run finds it that knows nothing but what is on the disk."""
        return journal.Journal(ADDRESS, self.root / "kept")

    @property
    def now(self) -> Files:
        return {path: atomic_files.read(path) for path in {**self.before, **self.elsewhere}}

    def deploy(self, wanted: Files, flags: t.Sequence[Path] = ()) -> None:
        """A transaction that is kept."""
        deal = self.transaction(wanted, flags=flags)
        deal.test()
        if deal.plan.is_needed:
            deal.apply([])
        deal.settle(journal.Deployed([], []))

    def begin(self, wanted: Files) -> None:
        """A transaction, up to where its probes would be made."""
        self.begun = self.transaction(wanted)
        self.begun.test()
        self.begun.apply([])

    def roll_back(self) -> None:
        """In the run that has begun it."""
        assert self.begun.roll_back() == "the earlier files are back, and nginx serves them."

    def go_back(self) -> None:
        """In the next run: what was not settled is left by a deploy that fails, and what was is brought back."""
        if self.kept.unfinished() or not self.kept.last():
            self.begin({**self.after, self.conf: configuration("bad")})
            self.roll_back()
        else:
            self.bring_back()

    def bring_back(self) -> None:
        """The files before the last deploy that was settled."""
        last = self.kept.last()
        assert last
        deal = self.transaction({file.path: file.before for file in last.files}, is_previous=True)
        deal.test()
        if deal.plan.is_needed:
            deal.apply([])
        deal.settle(journal.Deployed([], []))

    def reload(self) -> None:
        """nginx loads what is there, with workers of its own."""
        self.loaded = self.now
        self.generation += 1

    @property
    def fingerprint(self) -> str | None:
        texts = [given.data for path, given in self.loaded.items() if given and path.suffix == ".conf"]
        found = re.search(rb"[0-9a-f]{64}", b"".join(texts))
        return found.group().decode() if found else None

    def is_called_ok(self, wanted: Files) -> bool:
        """Whether a run would find nothing to do."""
        return not self.transaction(wanted).plan.is_needed

    def whole(self, listed: Files) -> Files:
        """All files as they are where nothing but these is deployed."""
        return {path: listed.get(path) for path in self.now}

    def transaction(self, wanted: Files, *, is_previous: bool = False, flags: t.Sequence[Path] = ()) -> Transaction:
        of_host = (*service.beside_nginx(), self.main)
        beside = {path: wanted[path] for path in of_host if path in wanted}
        secrets = {path: given for path, given in wanted.items() if path.suffix == ".pem"}
        own = {path: given for path, given in wanted.items() if path not in (*beside, *secrets)}
        ordered = {path: beside[path] for path in wanted if path in beside}
        goal = Goal(own, ordered, ADDRESS, secrets, {}, is_previous, flags=flags)
        build = binary.Build("nginx", "1.22.1", None, self.main, None, None)
        return Transaction(build, goal.with_leftovers(self.kept, of_host), self.kept, self.root)

    @property
    def left_over(self) -> list[str]:
        return [str(path.relative_to(self.root)) for path in sorted(self.root.rglob(".*"))]
