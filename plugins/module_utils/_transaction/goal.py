# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state that a deploy has to reach."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import journal, source_map
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction.atomic_files import Files


@dataclass(frozen=True)
class Goal:
    """The wanted files, and what is recorded with them.

    Own files are the configuration itself; one of them contains the fingerprint that nginx returns at the live address.
    Files beside them belong to the host, but need changes: nginx.conf, the service's drop-in, and the sites of others
    that this configuration replaces. Secrets are
    certificates with their keys, at the paths that the configuration names.
    """

    own: Files
    beside: Files
    live_address: str
    secrets: Files = field(default_factory=dict)
    # The variables to name in errors.
    sources: t.Mapping[Path, source_map.Source] = field(default_factory=dict)
    # Whether it is what was live before the last deploy.
    is_previous: bool = False
    # The variables behind the addresses that nginx listens on.
    listening: t.Mapping[str, str] = field(default_factory=dict)
    # See journal.Deployed.
    sockets: t.Sequence[str] = ()
    drained: journal.Drained | None = None
    # Files of others that nginx reads when it loads the configuration.
    loads: t.Sequence[str] = ()
    wants: journal.Wants | None = None
    serves: t.Sequence[str] = ()
    # Files that are no configuration, in a directory that nginx may include: empty in candidates.
    flags: t.Sequence[Path] = ()
    # Files beside them that go, as this configuration takes their place.
    replaces: t.Collection[Path] = ()

    @cached_property
    def files(self) -> Files:
        return {**self.beside, **self.own, **self.secrets}

    @property
    def is_present(self) -> bool:
        """Whether there is a configuration at all; without one, the deploy removes the existing one."""
        return any(content is not None for content in self.own.values())

    @cached_property
    def digests(self) -> dict[str, str]:
        """The digest of each secret."""
        return {str(path): str(journal.digest(content)) for path, content in self.secrets.items() if content}

    def has(self, fingerprint: str | None) -> bool:
        """Whether the live address returns this fingerprint once nginx serves this goal. Each version of the files
        contains a fingerprint of its own.
        """
        if fingerprint is None or not self.is_present:
            return fingerprint is None and not self.is_present
        return any(content and fingerprint.encode() in content.data for content in self.own.values())

    def source(self, path: Path) -> source_map.Source:
        return self.sources.get(path, source_map.Source())

    def with_leftovers(self, kept: journal.Journal, host_files: t.Collection[Path]) -> Goal:
        """With files that are no longer listed: those of the last deploy are removed in the same transaction, those of
        a run that was killed removed or restored. Host files are never removed.
        """
        own, beside, secrets = dict(self.own), dict(self.beside), dict(self.secrets)
        deployed = kept.deployed()
        for path in deployed.given_up({*own, *secrets, *host_files}):
            (secrets if str(path) in deployed.secrets else own)[path] = None
        unfinished = kept.unfinished()
        if unfinished:
            beside.update(unfinished.left_behind({*own, *secrets, *host_files}))
        return replace(self, own=own, beside=beside, secrets=secrets)
