# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The version of nginx's package, which tells security updates apart: that of nginx itself stays the same."""

from __future__ import annotations

import hashlib
import shutil
import typing as t
from pathlib import Path

from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import binary, processes


class Binary(t.NamedTuple):
    """A binary, by its digest, and the version of the package that it is of."""

    digest: str
    package: str


def installed(build: binary.Build) -> str | None:
    """The version of the package that the installed binary is of; None if it is of none."""
    try:
        if shutil.which("dpkg-query"):
            # "nginx-core: /usr/sbin/nginx", after a line for each diversion.
            found = binary.run(["dpkg-query", "--search", build.binary]).stdout.splitlines()[-1:]
            name = "".join(found).partition(": ")[0]
            return _printed(["dpkg-query", "--show", "--showformat=${Version}", name]) if name else None
        return _printed(["rpm", "--query", "--file", "--queryformat=%{VERSION}-%{RELEASE}", build.binary])
    except binary.NginxError:  # Neither of them is there.
        return None


def _printed(command: list[str]) -> str | None:
    result = binary.run(command)
    return result.stdout.strip() or None if result.returncode == 0 else None


def running(build: binary.Build, recorded: Binary | None) -> Binary | None:
    """The running binary: the installed one, or that of the record. None if it is neither."""
    master = processes.master_pid(build)
    now = master and _digest(str(processes.executable(master)))
    if not now:
        return None
    if recorded and now == recorded.digest:
        return recorded
    version = installed(build) if now == _digest(build.binary) else None
    return Binary(now, version) if version else None


def _digest(path: str) -> str | None:
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError:
        return None
