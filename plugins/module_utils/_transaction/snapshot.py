# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of the host before a deploy changes anything."""

from __future__ import annotations

import enum
import typing as t
from dataclasses import dataclass

from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import binary, processes
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import atomic_files, live_config, loaded_files
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction.atomic_files import Files
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction.goal import Goal
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction.journal import Deployed, Entry, Journal


class Running(enum.Enum):
    """Which processes of nginx run."""

    NOTHING = "nothing"
    MASTER = "a master, which can be signalled"
    # They continue to serve their configuration and keep the ports.
    ORPHANS = "workers whose master was killed"
    # A master whose process id is not in the pid file, or another program on that port.
    UNKNOWN = "something that returns a fingerprint"


@dataclass(frozen=True)
class Snapshot:
    """The host as it is."""

    # The files of the goal.
    files: Files
    # The configuration that was deployed last, and the address where it returns its fingerprint.
    deployed: Deployed
    live_address: str
    # The fingerprint that is returned there.
    fingerprint: str | None
    running: Running
    master: int | None
    orphans: frozenset[int]
    # The digests of the files of others that nginx loads, and those that it has not loaded as they are.
    digests: t.Mapping[str, str]
    not_loaded: t.Sequence[str]
    # A deploy that was killed before its end.
    unfinished: Entry | None

    @property
    def passed(self) -> list[str]:
        """The recorded routes that passed before, if they cannot be probed any more: nginx is down, or a run was
        killed.
        """
        unseen = [] if self.master else self.deployed.passed
        return unseen + (self.unfinished.passed if self.unfinished else [])


def take(build: binary.Build, goal: Goal, kept: Journal) -> Snapshot:
    fingerprint = live_config.fingerprint(kept.live_address)
    master = processes.master_pid(build)
    orphans = processes.orphans() if fingerprint and not master else set()
    deployed, digests = kept.deployed(), loaded_files.digests(goal.loads)
    running = Running.NOTHING
    if master:
        running = Running.MASTER
    elif orphans:
        running = Running.ORPHANS
    elif fingerprint:
        running = Running.UNKNOWN
    return Snapshot(
        files={path: atomic_files.read(path) for path in goal.files},
        deployed=deployed,
        live_address=kept.live_address,
        fingerprint=fingerprint,
        running=running,
        master=master,
        orphans=frozenset(orphans),
        digests=digests,
        not_loaded=loaded_files.changed(build, deployed.loaded, {path: digests.get(path) for path in goal.loads}),
        unfinished=kept.unfinished(),
    )
