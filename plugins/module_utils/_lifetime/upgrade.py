# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A new version of nginx's packages: installed, taken over by the running nginx and kept, or taken back.

What is kept of the earlier version is there from before the installation until the new version serves or the earlier
one is back: a run that finds it completes what was killed, with the same way back.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.wsfleet.nginx.plugins.module_utils._lifetime import exchange
from ansible_collections.wsfleet.nginx.plugins.module_utils._lifetime.apt import Apt
from ansible_collections.wsfleet.nginx.plugins.module_utils._lifetime.dnf import Dnf
from ansible_collections.wsfleet.nginx.plugins.module_utils._lifetime.exchange import ExchangeError
from ansible_collections.wsfleet.nginx.plugins.module_utils._lifetime.package_manager import (
    Manager,
    PackageError,
    Packages,
)
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import binary, processes
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.routes import Result
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import atomic_files

_DIRECTORY = Path("/var/lib/wsfleet-nginx-upgrade")


class UpgradeError(Exception):
    """The upgrade did not happen, or was taken back; the message says why, and what runs."""

    def __init__(self, message: str, *, rolled_back: bool = False) -> None:
        super().__init__(message)
        self.rolled_back = rolled_back


@dataclass(frozen=True)
class Report:
    """What was done, as the operator reads it."""

    # The versions of nginx's packages.
    before: Packages
    after: Packages
    actions: list[str] = field(default_factory=list)
    results: t.Sequence[Result] = ()
    # How many connections of clients were open before the exchange and still are; None without one.
    kept: int | None = None


@dataclass(frozen=True)
class Plan:
    """What an upgrade has to do."""

    before: Packages
    # What it would install.
    pending: Packages
    # Why the binary has to be exchanged, even if nothing is installed.
    replaced: t.Sequence[str]
    # Whether a run was killed.
    is_unfinished: bool

    @property
    def is_needed(self) -> bool:
        return bool(self.pending or self.replaced or self.is_unfinished)

    def actions(self) -> list[str]:
        """For check mode."""
        installs = [f"would install {words}" for words in changes(self.before, {**self.before, **self.pending})]
        return installs + ["would exchange the running nginx for the installed one"] * self.is_needed


def manager(name: str | None) -> Manager:
    """That of a host, by the name of _packages.manager()."""
    if name == "apt":
        return Apt()
    if name is None:
        raise UpgradeError("this host has neither apt nor dnf; nothing was changed")
    return Dnf()


def changes(before: Packages, after: Packages) -> list[str]:
    """The packages that differ, those with the same versions together."""
    found: dict[tuple[str, str], list[str]] = {}
    for name, version in after.items():
        if before.get(name) != version:
            found.setdefault((before.get(name, "none"), version), []).append(name)
    return [f"{', '.join(names)} {old} -> {new}" for (old, new), names in found.items()]


class Upgrade:
    """Call plan() and run() under the lock of deploys."""

    def __init__(self, packages: Manager, version: str | None, directory: Path = _DIRECTORY) -> None:
        self._packages, self._version, self._directory = packages, version, directory

    def plan(self) -> Plan:
        """UpgradeError if nginx could not exchange its binary."""
        unfinished = self._kept()
        before = self._packages.installed()
        if self._version and not before:
            raise UpgradeError("nginx is not from a package of this host; nothing was changed")
        # dpkg does nothing else before it has completed what was killed.
        pending = self._packages.pending(self._version) if before and unfinished is None else {}
        replaced: list[str] = []
        with contextlib.suppress(binary.NginxError):
            build = binary.installed()
            replaced = exchange.needed_for(build)
            why = exchange.obstacle(build) if pending or replaced else ""
            if why:
                raise UpgradeError(f"the running nginx cannot exchange its binary: {why}; nothing was changed")
        return Plan(unfinished or before, pending, replaced, unfinished is not None)

    def fetch(self) -> None:
        """Look for new versions."""
        if self._packages.installed() and self._kept() is None:
            self._packages.fetch(self._version)

    def run(self, plan: Plan) -> Report:
        if not plan.is_needed:
            # A run that was killed before it changed anything has left an incomplete copy.
            self._forget()
            return Report(plan.before, plan.before)
        try:
            if plan.is_unfinished:
                self._complete(plan)
            elif plan.pending:
                self._keep(plan.before)
            # The pid file of a binary that does not start is not known.
            runs = self._runs()
            if plan.pending or plan.is_unfinished:
                with self._held_back(runs):
                    self._packages.upgrade(self._version)
        except (PackageError, OSError) as error:
            raise self._taken_back(plan, _described(error)) from error
        after = self._packages.installed()
        done = [f"installed {words}" for words in changes(plan.before, after)]
        try:
            exchanged = exchange.run(binary.installed())
        except (ExchangeError, binary.NginxError) as error:
            raise self._taken_back(plan, str(error)) from error
        self._forget()
        return Report(plan.before, after, done + exchanged.actions, exchanged.results, exchanged.kept)

    def _complete(self, plan: Plan) -> None:
        """What a killed run of the package manager has left; or else the earlier packages, to begin again."""
        with self._held_back(self._runs()):
            try:
                self._packages.complete()
            except PackageError:
                self._packages.restore(plan.before, self._directory)

    def _taken_back(self, plan: Plan, why: str) -> UpgradeError:
        """The error of an upgrade, after the earlier packages are back."""
        if self._kept() is None:
            return UpgradeError(f"{why}\nLive now: what was live before this run, and its packages.")
        words = ", ".join(changes(self._packages.installed(), plan.before))
        try:
            with self._held_back(self._runs()):
                self._packages.restore(plan.before, self._directory)
        except (PackageError, OSError) as error:
            live = f"the earlier binary, but its packages could not be put back: {_described(error)}"
            return UpgradeError(f"{why}\nLive now: {live}")
        self._forget()
        back = f"Packages are back: {words}." if words else "No package was changed."
        try:
            # Scripts of the packages may have exchanged the binary, or an earlier run.
            exchange.run(binary.installed())
        except (ExchangeError, binary.NginxError) as error:
            back += f" But the binary that runs is not that of the package: {error}"
        return UpgradeError(f"{why}\nLive now: the earlier version. {back}", rolled_back=bool(words))

    def _runs(self) -> bool:
        return bool(processes.masters())

    def _held_back(self, runs: bool) -> t.ContextManager[None]:
        """Where nginx does not run, the scripts of the packages do what they do."""
        return self._packages.hold_back() if runs else contextlib.nullcontext()

    @property
    def _record(self) -> Path:
        return self._directory / "packages.json"

    def _kept(self) -> Packages | None:
        """The versions that a killed run has begun with."""
        try:
            found: Packages = json.loads(self._record.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return found

    def _keep(self, packages: Packages) -> None:
        """The record comes last: without it, what is in the directory is not complete."""
        self._forget()
        atomic_files.make_directory(self._directory, 0o700)
        self._packages.keep(self._directory)
        atomic_files.write(self._record, atomic_files.Content(json.dumps(packages).encode(), 0o600, (0, 0)))

    def _forget(self) -> None:
        """The record goes first."""
        with contextlib.suppress(FileNotFoundError):
            self._record.unlink()
        shutil.rmtree(self._directory, ignore_errors=True)


def _described(error: Exception) -> str:
    return atomic_files.described(error) if isinstance(error, OSError) else str(error)
