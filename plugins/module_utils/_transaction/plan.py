# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a deploy: what has to change, given the goal and a snapshot. Nothing here reads from the host."""

from __future__ import annotations

import enum
import re
import typing as t
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import service
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction.atomic_files import Change
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction.goal import Goal
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction.snapshot import Running, Snapshot

_FINGERPRINT = re.compile(rb"\b[0-9a-f]{64}\b")


class Takeover(enum.Enum):
    """What nginx needs in order to serve the files."""

    NOTHING = "nothing"
    RELOAD = "a reload"
    START = "a start"


@dataclass(frozen=True)
class Plan:
    goal: Goal
    before: Snapshot
    # One for each file of the goal, in the order in which they are made. A rollback reverses it.
    changes: t.Sequence[Change]

    @property
    def pending(self) -> list[Change]:
        """The changes still to be made: a run that was killed may have made some."""
        return [change for change in self.changes if change.is_pending]

    def in_order(self, pending: t.Sequence[Change]) -> Plan:
        """The plan with the pending changes in this order, after those that are made."""
        done = [change for change in self.changes if not change.is_pending]
        return replace(self, changes=[*done, *pending])

    @cached_property
    def is_loaded(self) -> bool:
        """Whether nginx serves the goal already. Certificates can change while the fingerprint stays the same, so they
        are compared with the digests of the last deploy.
        """
        is_there = self.goal.live_address == self.before.live_address and self.goal.has(self.before.fingerprint)
        return is_there and self.before.deployed.secrets == self.goal.digests and not self.before.not_loaded

    @property
    def is_needed(self) -> bool:
        """Whether a file has to change, or the running nginx does not serve the files, or may not."""
        is_left_alone = self.before.running is not Running.ORPHANS and self.before.unfinished is None
        return bool(self.pending) or not is_left_alone or not self.is_loaded

    @property
    def takeover(self) -> Takeover:
        if self.before.master is None:
            return Takeover.START if self.goal.is_present else Takeover.NOTHING
        is_read_by_nginx = any(change.path not in service.beside_nginx() for change in self.pending)
        is_reload = is_read_by_nginx or not self.is_loaded or self.before.unfinished is not None
        return Takeover.RELOAD if is_reload else Takeover.NOTHING

    def actions(self, *, check_mode: bool = False) -> list[str]:
        """The actions of this plan, as the operator reads them."""
        if not self.is_needed:
            return []
        write, remove = ("would write", "would remove") if check_mode else ("wrote", "removed")
        load, start = ("would reload", "would start") if check_mode else ("reloaded", "started")
        done = [f"{write if change.after else remove} {change.path}" for change in self.pending]
        why = f", as {', '.join(self.before.not_loaded)} changed" if self.before.not_loaded else ""
        reached = {Takeover.NOTHING: [], Takeover.RELOAD: [f"{load} nginx{why}"], Takeover.START: [f"{start} nginx"]}
        return done + reached[self.takeover]

    @property
    def is_replacing(self) -> bool:
        """Whether a file differs from what it was before this deploy and the killed ones that it continues."""
        return any(change.before != change.after for change in self.changes)

    @property
    def has_earlier(self) -> bool:
        """Whether there is a configuration to roll back to."""
        return self.is_replacing and bool(self._earlier)

    @property
    def secrets(self) -> set[Path]:
        """The files whose content, current or earlier, is never shown."""
        unfinished = self.before.unfinished
        begun = unfinished.secrets if unfinished else set()
        return {*self.goal.secrets, *map(Path, self.before.deployed.secrets), *begun} & set(self.goal.files)

    @property
    def was_never_left(self) -> bool:
        """Whether the earlier fingerprint shows that nginx still has the configuration from before. It does not if both
        versions have the same one, or if a killed run may have changed the configuration before this run.
        """
        differs = self.before.fingerprint is not None and not self.goal.has(self.before.fingerprint)
        return differs and self.before.unfinished is None

    def is_earlier(self, fingerprint: str | None) -> bool:
        """Whether nginx returns this fingerprint once it serves the earlier files."""
        if fingerprint is None:
            # A configuration from before the first deploy has none.
            return not any(_FINGERPRINT.search(data) for data in self._earlier)
        is_theirs = any(fingerprint.encode() in data for data in self._earlier)
        return is_theirs or (fingerprint == self.before.fingerprint and self.before.unfinished is None)

    @property
    def _earlier(self) -> list[bytes]:
        """The files of the configuration before, or those that served its sites."""
        theirs = {*self.goal.own, *self.goal.replaces}
        return [change.before.data for change in self.changes if change.before and change.path in theirs]


def made(goal: Goal, before: Snapshot) -> Plan:
    """The plan: first the changes of a run that was killed, in its order, then the others in the order of the goal."""
    begun = {file.path: file for file in before.unfinished.files} if before.unfinished else {}
    changes = []
    for path in dict.fromkeys([*begun, *goal.files]):
        if path in goal.files:
            now = before.files[path]
            earlier = begun[path].earlier(now) if path in begun else now
            changes.append(Change(path, earlier, now, goal.files[path]))
    return Plan(goal, before, changes)
