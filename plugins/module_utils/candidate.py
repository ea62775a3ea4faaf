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

from ansible_collections.wsfleet.nginx.plugins.module_utils import nginx

# A larger file is data (a database of addresses, say), not configuration.
_LARGEST_CONFIGURATION = 1024 * 1024


@contextmanager
def tree(root: Path, files: t.Mapping[Path, bytes | None]) -> t.Iterator[Path]:
    """A copy of the configuration directory in which the given files are new, changed, or (None) missing.

    Only root can read it, and it is gone at the end. What needs no change is linked, not copied, so that keys stay
    where they are.
    """
    copy = Path(tempfile.mkdtemp(prefix="nginx-candidate-"))
    try:
        _link(root, root, copy, {path for path in files if root in path.parents}, seen=set())
        for path, content in files.items():
            if content is not None and root in path.parents:
                target = copy / path.relative_to(root)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(_point_includes(content, root, copy))
        yield copy
    finally:
        shutil.rmtree(copy, ignore_errors=True)


def test(build: nginx.Build, files: t.Mapping[Path, bytes | None]) -> nginx.Verdict:
    """What nginx says of the configuration with the given files in it, in the words of the live paths."""
    with tree(build.root, files) as copy:
        verdict = nginx.test(build, copy / build.configuration.name)
        here, there = str(copy), str(build.root)
        return nginx.Verdict(
            accepted=verdict.accepted,
            messages=[message.replace(here, there) for message in verdict.messages],
            files=[name.replace(here, there) for name in verdict.files],
        )


def _link(directory: Path, root: Path, copy: Path, left_out: set[Path], seen: set[str]) -> None:
    real = os.path.realpath(directory)
    if real in seen:
        return
    seen.add(real)
    for entry in sorted(directory.iterdir()):
        target = copy / entry.relative_to(root)
        if entry in left_out:
            continue
        if entry.is_dir():
            target.mkdir(mode=0o700)
            _link(entry, root, copy, left_out, seen)
        else:
            _link_file(entry, target, root, copy)


def _link_file(entry: Path, target: Path, root: Path, copy: Path) -> None:
    if entry.is_file() and entry.stat().st_size <= _LARGEST_CONFIGURATION:
        content = entry.read_bytes()
        pointed = _point_includes(content, root, copy)
        if pointed != content:
            target.write_bytes(pointed)
            return
    # A dangling link stays one: nginx must find the fault in the candidate that it would find in the live tree.
    target.symlink_to(os.path.realpath(entry))


def _point_includes(content: bytes, root: Path, copy: Path) -> bytes:
    """Turn the absolute includes of the live directory to its copy; relative ones follow by themselves."""
    pattern = rb"((?:^|[\s;{}])include\s+[\"']?)" + re.escape(os.fsencode(root)) + rb"(?=/)"
    return re.sub(pattern, lambda found: found.group(1) + os.fsencode(copy), content)
