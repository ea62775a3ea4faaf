# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that the configuration names and others write, such as certificates: nginx reads them when it loads it."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import binary, processes
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import atomic_files, journal


def digests(paths: t.Iterable[str]) -> dict[str, str]:
    """The digest of each file that exists, through symbolic links."""
    found = {path: journal.digest(atomic_files.read(Path(path))) for path in paths}
    return {path: digest for path, digest in found.items() if digest}


def changed(build: binary.Build | None, recorded: t.Mapping[str, str], now: t.Mapping[str, str | None]) -> list[str]:
    """The files that the running nginx has not loaded as they are now, given the digests that are recorded of the last
    deploy and those of now: those that differ, unless somebody has reloaded nginx since they changed. A file that is
    gone counts, as nginx could not load it again.
    """
    different = [path for path, digest in now.items() if digest is None or digest != recorded.get(path)]
    loaded = processes.loaded_at(build) if build and different else None
    return [path for path in different if loaded is not None and not _is_older(Path(path), loaded)]


def _is_older(path: Path, seconds: float) -> bool:
    """Whether a file and a symbolic link to it are as they were at that time; ctime(7) cannot be set by a program."""
    try:
        return max(path.lstat().st_ctime, path.stat().st_ctime) < seconds
    except OSError:
        return False
