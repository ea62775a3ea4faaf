# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an upgrade needs of a package manager: those of Debian's and of RHEL's family are beside this file."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import time
import typing as t
from pathlib import Path

# By name, with the version.
Packages = t.Dict[str, str]

# Of other sources than nginx itself: Debian's and RHEL's modules, and those of nginx.org.
MODULES = ("libnginx-mod-", "nginx-mod-", "nginx-module-")
# Which processes are part of an upgrade by the collection: the scripts of packages inherit it.
HELD_BACK = "WSFLEET_NGINX_UPGRADE"

_SECONDS, _LOCK_SECONDS, _POLL_SECONDS = 1800, 300, 2
_LOCKED = re.compile(r"Could not get lock|lock was locked by|Unable to (?:acquire|lock)|lock by another")
_ENVIRONMENT = {
    HELD_BACK: "1",
    "LC_ALL": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
    # It would restart nginx if a library of it was upgraded.
    "NEEDRESTART_SUSPEND": "1",
}


class PackageError(Exception):
    """The package manager failed; the message is its own."""


class Manager(t.Protocol):
    """A package manager, as far as nginx's packages are concerned: nginx, what is built with it, and its modules."""

    def installed(self) -> Packages:
        """The installed ones."""

    def fetch(self, version: str | None) -> None:
        """Look which versions there are, and download those of an upgrade as far as that changes nothing."""

    def pending(self, version: str | None) -> Packages:
        """What an upgrade would install, by what is known of the versions that there are."""

    def keep(self, directory: Path) -> None:
        """Keep what is installed, so that restore() can bring it back."""

    def upgrade(self, version: str | None) -> None:
        """Install this version or, without one, the newest."""

    def restore(self, packages: Packages, directory: Path) -> None:
        """Bring back what was kept."""

    def complete(self) -> None:
        """Complete a run that was killed. PackageError if that is not possible."""

    def hold_back(self) -> t.ContextManager[None]:
        """Keep the scripts of the packages from restarting nginx meanwhile, as far as they do."""


def run(command: list[str], *, accepted: t.Collection[int] = (0,)) -> str:
    """The output of a command that is part of an upgrade. It waits for others that have the package manager's lock."""
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            status, output, errors = _run(command)
        except OSError as error:
            raise PackageError(f"{command[0]} does not start: {error.strerror}") from error
        except subprocess.TimeoutExpired as error:
            raise PackageError(f"'{' '.join(command)}' did not end within {_SECONDS // 60} minutes") from error
        if status in accepted:
            return output
        if not _LOCKED.search(errors) or time.monotonic() > deadline:
            reasons = _reasons(output + errors) or [f"exit status {status}"]
            raise PackageError("\n".join([f"'{' '.join(command[:2])}' failed:", *reasons]))
        time.sleep(_POLL_SECONDS)


def _run(command: list[str]) -> tuple[int, str, str]:
    """The exit status of a command, what it has printed, and its errors.

    It prints to files: with a pipe, the end of this process would have apt and the scripts of packages fail.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        # No module is at hand here to call its run_command.
        status = subprocess.run(  # pylint: disable=ansible-bad-function
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            env={**os.environ, **_ENVIRONMENT},
            timeout=_SECONDS,
        ).returncode
        return status, _text(output), _text(errors)


def _text(file: t.BinaryIO) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace")


def _reasons(printed: str) -> list[str]:
    """The errors of what a command has printed, or its last lines."""
    lines = [line for line in printed.splitlines() if line.strip()]
    return ([line for line in lines if re.match(r"E: |dpkg: error|Error", line)] or lines)[-4:]
