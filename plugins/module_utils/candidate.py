# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The candidate: the whole configuration as it will be, with the new files in place, apart from the live one."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import typing as t
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import binary

# A larger file is data (a database of addresses, say), not configuration.
_LARGEST_CONFIGURATION = 1024 * 1024


@contextmanager
def tree(root: Path, files: t.Mapping[Path, bytes | None], directory: Path) -> t.Iterator[Path]:
    """A copy of the configuration directory in which the given files are new, changed, or (None) missing.

    Only root can read it, and it is gone from the directory at the end. What needs no change is linked, not copied, so
    that keys stay where they are.
    """
    copy = Path(tempfile.mkdtemp(prefix="candidate-", dir=directory))
    try:
        _link(root, root, copy, set(files), above=())
        for path, content in files.items():
            if content is not None:
                target = copy / path.relative_to(root)
                target.parent.mkdir(parents=True, exist_ok=True)
                # "x": a link to a live file must never be written through.
                with target.open("xb") as file:
                    file.write(_point_includes(content, root, copy))
        yield copy
    finally:
        shutil.rmtree(copy, ignore_errors=True)


def test(build: binary.Build, files: t.Mapping[Path, bytes | None], directory: Path) -> binary.Verdict:
    """What nginx says of the configuration with the given files in it, in the words of the live paths."""
    with tree(build.root, files, directory) as copy:
        verdict = binary.test(build, copy / build.configuration.name)
        here, there = str(copy), str(build.root)
        return binary.Verdict(
            accepted=verdict.accepted,
            messages=[message.replace(here, there) for message in verdict.messages],
            files=[name.replace(here, there) for name in verdict.files],
        )


def _link(directory: Path, root: Path, copy: Path, left_out: set[Path], above: tuple[str, ...]) -> None:
    real = os.path.realpath(directory)
    # A link to a directory above it has no end.
    if real in above:
        return
    for entry in sorted(directory.iterdir()):
        target = copy / entry.relative_to(root)
        if entry in left_out:
            continue
        if entry.is_dir():
            target.mkdir(mode=0o700)
            _link(entry, root, copy, left_out, (*above, real))
        else:
            _link_file(entry, target, root, copy)


def _link_file(entry: Path, target: Path, root: Path, copy: Path) -> None:
    if entry.is_file() and entry.stat().st_size <= _LARGEST_CONFIGURATION:
        content = entry.read_bytes()
        pointed = _point_includes(content, root, copy)
        if pointed != content:
            target.write_bytes(pointed)
            return
    # A dangling link stays one: nginx must find the error in the candidate that it would find in the live tree.
    target.symlink_to(os.path.realpath(entry))


def _point_includes(content: bytes, root: Path, copy: Path) -> bytes:
    """Turn the absolute includes of the live directory to its copy; relative ones follow by themselves."""

    def point(found: re.Match[bytes]) -> bytes:
        path = os.path.normpath(found.group(2))
        inside = path.startswith(os.fsencode(root) + b"/")
        return found.group(1) + (os.fsencode(copy) + path[len(os.fsencode(root)) :] if inside else found.group(2))

    return re.sub(rb"((?:^|[\s;{}])include\s+[\"']?)(/[^\s;\"']+)", point, content)
