# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One deploy: test the candidate, apply it; then settle, or roll files and nginx back.

The protocol, with its reasons, is in docs/architecture.md.
"""

from __future__ import annotations

import typing as t
from contextlib import suppress
from pathlib import Path

from ansible_collections.wsfleet.nginx.plugins.module_utils import _host
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import binary, package, processes, service
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx.error_log import ErrorLog
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import (
    apply_order,
    atomic_files,
    candidate,
    live_config,
    other_hands,
    plan,
    snapshot,
)
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction.activation import Activation, Outcome
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction.explanation import explained
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction.goal import Goal
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction.journal import (
    Deployed,
    Journal,
    Shared,
    digest,
)
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction.plan import Takeover
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction.snapshot import Running

_NO_REACTION = "its processes do not react: see `ps` and the kernel's log"


class TransactionError(Exception):
    """The deploy did not happen, or was rolled back; the message says why, and what is live now."""


class _NotLive(Exception):
    """nginx did not load the files."""


class Transaction:
    """Brings an installed nginx to a goal, given the state on the host and a directory for temporary files.

    Call test() first; then apply(), and settle() or roll_back() after it. If the plan is not needed, settle() alone.
    """

    def __init__(self, build: binary.Build, goal: Goal, kept: Journal, scratch: Path) -> None:
        self._build, self._goal, self._journal, self._scratch = build, goal, kept, scratch
        try:
            self.before = snapshot.take(build, goal, kept)
        except OSError as error:
            raise TransactionError(f"{self._described(error)}; nothing was changed") from error
        self.plan = plan.made(goal, self.before)

    def test(self) -> list[str]:
        """Have nginx test the candidate, and find an order for the changes; returns nginx's warnings."""
        if not self.plan.is_needed:
            return []
        self._check_host()
        verdict = self._candidate(self._goal.files)
        if not verdict.accepted:
            raise self._rejection(verdict)
        self._check_is_included(verdict)
        self.plan = self.plan.in_order(self._ordered())
        return verdict.messages

    def warnings(self, *, check: bool) -> list[str]:
        """What this deploy replaces that somebody else has changed."""
        return other_hands.warnings(self.plan, self._journal, self._build.configuration, check=check)

    def apply(self, passed: t.Sequence[str]) -> list[str]:
        """Change the files and have nginx serve them; returns the actions, as the operator reads them.

        Passed are the routes that pass now, for the next run if this one is killed.
        """
        actions = self.plan.actions()
        # This changes no live file. A kill leaves staged files, which the next run uses or removes.
        self._make_ready(passed)
        try:
            # After a kill from here on, the next run finds the journal and completes this deploy, or rolls it back.
            atomic_files.swap(self.plan.pending)
            self._load_units()
            self._activate()
        except Exception as error:
            raise TransactionError(f"{self._described(error)}\nLive now: {self.roll_back()}") from error
        return actions

    def settle(self, passed: Deployed) -> None:
        """Keep what is live. docs/architecture.md explains the order: each step needs what the later ones remove."""
        try:
            if self._goal.is_present or self._journal.others():
                self._record_shared()
            if self._goal.is_present:
                self._settle_present(passed)
            else:
                atomic_files.clean(self._goal.files)
                self._journal.remove(originals=self._build.configuration in self._goal.files)
        except Exception as error:
            raise TransactionError(
                f"nginx serves the new configuration, but {self._described(error)}; the next run completes this deploy"
            ) from error
        for path in (service.DROP_IN, service.PROGRAM):
            if self._goal.files.get(path, ...) is None:
                with suppress(OSError):
                    path.parent.rmdir()

    def roll_back(self) -> str:
        """Put the earlier files back; returns what is live now, as the operator reads it.

        If that fails, the journal stays, so that the next run has nginx load them: where only secrets differ, it could
        not notice by itself that nginx has not.
        """
        try:
            atomic_files.restore(self.plan.changes)
        except Exception as error:
            return f"not known: the earlier files could not be put back, {self._described(error)}"
        # A failure here is no reason to stop: systemd reads its unit files again later.
        with suppress(service.ServiceError, binary.NginxError):
            self._load_units()
        try:
            live = self._activate_earlier()
            atomic_files.clean(self._goal.files)
            self._journal.discard()
        except Exception as error:
            return f"the earlier files are back, but {self._described(error)}"
        return live

    def error_log(self) -> ErrorLog:
        """What nginx logs from now on."""
        contents = filter(None, self._goal.own.values())
        return ErrorLog(self._build, [content.data.decode("utf-8", "replace") for content in contents])

    def check_runs(self) -> None:
        """ServiceError if nginx has ended."""
        if processes.master_pid(self._build) is None:
            raise service.ServiceError(service.ENDED)

    # The steps of test().

    def _check_host(self) -> None:
        files = (*self._goal.own, *self._goal.secrets, *self._goal.replaces)
        outside = [str(path) for path in files if self._build.root not in path.parents]
        if outside:
            raise TransactionError(f"{', '.join(outside)}: not in {self._build.root}, so nginx could not test it")
        if self.before.running is Running.UNKNOWN:
            raise TransactionError(f"{self._holder()}; nothing was changed")
        master = self.before.master
        if master and self._goal.is_present and processes.is_stopping(master):
            raise TransactionError(f"{self._stopping()}; nothing was changed")

    def _holder(self) -> str:
        """Which program responds at the live address if no master is known."""
        address = self.before.live_address
        program = next(_host.listening(int(address.rpartition(":")[2])), None)
        if program and program.name == "nginx":
            return (
                f"nginx runs, but its process id is not in {self._build.pid_file}: write that of its master there, as "
                "nginx itself does only when it starts"
            )
        return f"{address} answers, but no nginx runs: {program or _host.UNSEEN} holds it"

    def _stopping(self) -> str:
        return f"nginx (pid {self.before.master}) is being stopped, and waits for its open WebSockets to close"

    def _candidate(self, wanted: atomic_files.Files) -> binary.Verdict:
        root = self._build.root
        contents: dict[Path, bytes | None] = dict.fromkeys(self._unread, b"")
        contents.update({path: file.data if file else None for path, file in wanted.items()})
        contents = {path: data for path, data in contents.items() if root in path.parents}
        try:
            return candidate.test(self._build, contents, self._scratch)
        except OSError as error:
            raise TransactionError(
                f"cannot stage the candidate: {self._described(error)}; nothing was changed"
            ) from error

    def _rejection(self, verdict: binary.Verdict) -> TransactionError:
        if binary.test(self._build, self._build.configuration).accepted:
            head, words = "nginx rejects the new configuration; nothing was changed:", self._explained(verdict.messages)
        else:
            head = "nginx rejects the configuration that this host had before this deploy; nothing was changed:"
            words = verdict.messages
        return TransactionError("\n".join([head, *words]))

    @property
    def _unread(self) -> list[Path]:
        """Files that nginx must not read as configuration, beside those that it must."""
        return [*self._goal.flags, *map(atomic_files.staged, self._goal.own)]

    def _check_is_included(self, verdict: binary.Verdict) -> None:
        read = set(verdict.files)
        # Only hidden ones: releases up to 0.7.0 had a flag that an include may cover. Until 1.0.
        covered = [str(path) for path in self._unread if path.name.startswith(".") and str(path) in read]
        if covered:
            raise TransactionError(
                f"an include directive in {self._build.configuration} or the files that it includes covers "
                f"{', '.join(covered)}, which nginx must not read: have it match no hidden files; nothing was changed"
            )
        unread = [str(path) for path, content in self._goal.own.items() if content and str(path) not in read]
        if unread:
            raise TransactionError(
                f"nginx would not read {', '.join(unread)}: no include directive in {self._build.configuration} or the "
                "files that it includes matches; nothing was changed"
            )

    def _ordered(self) -> list[atomic_files.Change]:
        def accepts(step: apply_order.Step, now: atomic_files.Files) -> bool:
            of_nginx = any(self._build.root in change.path.parents for change in step)
            return not of_nginx or self._candidate(now).accepted

        found = apply_order.ordered(self.plan.pending, self._goal.secrets, accepts)
        if found is None:
            names = ", ".join(str(change.path) for change in self.plan.pending)
            raise TransactionError(
                "these files cannot be applied one at a time; split the change, and deploy what they share first: "
                f"{names}; nothing was changed. A run that ends between two of them would leave what nginx rejects."
            )
        return found

    # The steps of apply().

    def _make_ready(self, passed: t.Sequence[str]) -> None:
        """Write the journal, and stage new files and those for a rollback."""
        original = next(
            (change.before for change in self.plan.changes if change.path == self._build.configuration), None
        )
        try:
            if original is not None:
                self._journal.keep_original(self._build.configuration, original)
            for change in self.plan.pending:
                if change.path in self._goal.replaces and change.now:
                    self._journal.keep_replaced(change.path, change.now)
            probes, replaced = self.before.deployed.probes, self._goal.replaces
            self._journal.begin(self.plan.changes, probes, passed, self.plan.secrets, replaced)
            atomic_files.prepare(self.plan.pending)
        except Exception as error:
            # The journal of a run that was killed stays: a rollback of what that run has changed needs it.
            if self.before.unfinished is None:
                with suppress(OSError):
                    atomic_files.clean(self._goal.files)
                    self._journal.discard()
            raise TransactionError(f"{self._described(error)}; nothing was changed") from error

    def _load_units(self) -> None:
        if any(change.path in service.units() for change in self.plan.pending):
            service.reload_units()

    def _activate(self) -> None:
        if self.plan.takeover is Takeover.NOTHING:
            return
        # systemd may have started it since the snapshot.
        master = self.before.master or processes.master_pid(self._build)
        activation = Activation(self._build, master)
        if master:
            activation.reload(master)
        else:
            try:
                activation.start(self.before.orphans, map(Path, self._goal.sockets))
            except service.ServiceError as error:
                raise self._not_live(str(error), activation) from error
        outcome = activation.wait(lambda: self._goal.has(live_config.fingerprint(self._goal.live_address)))
        if outcome is Outcome.STOPPING:
            raise _NotLive(self._stopping())
        if outcome is Outcome.ENDED:
            raise self._not_live(service.ENDED, activation)
        if outcome is not Outcome.SERVES:
            silent = f"; {_NO_REACTION}" if outcome is Outcome.SILENT else ""
            raise self._not_live(f"nginx did not load the new configuration{silent}", activation)

    def _not_live(self, what: str, activation: Activation) -> _NotLive:
        errors = activation.errors()
        return _NotLive("\n".join([f"{what}:" if errors else what, *self._explained(errors)]))

    # The steps of settle() and roll_back().

    def _record_shared(self) -> None:
        wanted, configuration, before = self._goal.beside, self._build.configuration, self._journal.shared()
        if wanted:
            values = other_hands.values_of(wanted[configuration]) if configuration in wanted else before.nginx_conf
            digests = {str(path): digest(wanted[path]) for path in service.beside_nginx() if path in wanted}
            drop_in = wanted.get(service.DROP_IN, before.drop_in)
            self._journal.set_shared(Shared(values, drop_in, {**before.digests, **digests}))

    def _settle_present(self, passed: Deployed) -> None:
        own = tuple(str(path) for path, content in self._goal.own.items() if content)
        # As long as the journal exists, a kill after this leaves an unfinished deploy, which the next run repeats.
        goal = self._goal
        self._journal.set_deployed(
            passed._replace(
                secrets=goal.digests,
                files=own,
                live_address=goal.live_address,
                drained=goal.drained,
                sockets=tuple(goal.sockets),
                # As they were before nginx loaded them: if one has changed meanwhile, the next run has it loaded.
                loaded=self.before.digests,
                wants=goal.wants,
                serves=tuple(goal.serves),
                left={str(path): content for path, content in goal.own.items() if content},
                binary=package.running(self._build, self.before.deployed.binary),
            )
        )
        # Before the journal is removed: only that has the names of files which the next run may not list.
        atomic_files.clean(self._goal.files)
        if self.plan.is_replacing and not self._goal.is_previous:
            self._journal.commit()
        self._journal.discard()
        # Last: until then another run restores the same files.
        if self._goal.is_previous:
            self._journal.discard_last()

    def _activate_earlier(self) -> str:
        master = processes.master_pid(self._build)
        if master is None and self.before.running is Running.NOTHING:
            again = ", but systemd tries again and again to start it" if service.is_retrying() else ""
            return f"the earlier files are back; nginx does not run, as before{again}."
        if master and processes.is_stopping(master):
            return "the earlier files are back; nginx is being stopped."
        activation = Activation(self._build, master)
        address, before = self.before.live_address, self.before.fingerprint
        if master is None:
            activation.start(processes.orphans(), map(Path, self.before.deployed.sockets))
        elif not self.plan.was_never_left or live_config.fingerprint(address) != before:
            activation.reload(master)
        outcome = activation.wait(lambda: self.plan.is_earlier(live_config.fingerprint(address)), to_the_end=True)
        if outcome is Outcome.SERVES:
            started = "" if master else ": it had ended, and was started again"
            return f"the earlier files are back, and nginx serves them{started}."
        why = "see its error log" if outcome is Outcome.REFUSED else _NO_REACTION
        raise _NotLive(f"nginx does not serve them: {'it is being stopped' if outcome is Outcome.STOPPING else why}.")

    # Messages.

    def _explained(self, messages: t.Sequence[str]) -> list[str]:
        return explained(messages, self._build, self._goal, self.before.master)

    def _described(self, error: Exception) -> str:
        if isinstance(error, (_NotLive, service.ServiceError, binary.NginxError)):
            return str(error)
        if isinstance(error, OSError) and error.filename:
            return atomic_files.described(error, self._goal.source(Path(error.filename)).at)
        return f"{type(error).__name__}: {error}"
