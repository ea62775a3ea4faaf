# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The candidate: a copy of the whole configuration with the new files in it."""

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
_INCLUDE = re.compile(rb"((?:^|[\s;{}])include\s+[\"']?)([^\s;\"']+)")

# The entries of a directory, with their content if they may be configuration.
_Entries = t.Mapping[Path, t.Optional[bytes]]


@contextmanager
def tree(root: Path, files: t.Mapping[Path, bytes | None], directory: Path) -> t.Iterator[Path]:
    """A copy of the configuration directory in which the given files are new, changed, or (None) missing.

    Only root can read it, and it is removed at the end. Files without changes are linked, not copied, so that keys stay
    where they are and a website that is linked there costs nothing.
    """
    copy = Path(tempfile.mkdtemp(prefix="candidate-", dir=directory))
    try:
        entered = _entered(root, files)
        for original, entries in entered.items():
            target = copy / original.relative_to(root)
            target.mkdir(mode=0o700, parents=True, exist_ok=True)
            for entry, content in entries.items():
                if entry not in entered:
                    _link(entry, content, target / entry.name, root, copy)
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
    """Test the configuration with the given files in it; the result names the live paths."""
    with tree(build.root, files, directory) as copy:
        verdict = binary.test(build, copy / build.configuration.name)
        here, there = str(copy), str(build.root)
        return binary.Verdict(
            accepted=verdict.accepted,
            messages=[message.replace(here, there) for message in verdict.messages],
            files=[name.replace(here, there) for name in verdict.files],
        )


def _entered(root: Path, files: t.Mapping[Path, bytes | None]) -> dict[Path, _Entries]:
    """The directories that an include points to, or that contain one of the files: only these can differ in the
    candidate. Others, mostly of other programs, are not read.
    """
    entered: dict[Path, _Entries] = {}
    led_to = {root, *(above for path in files for above in path.parents if root in above.parents)}
    for content in filter(None, files.values()):
        led_to |= _led_to(content, root)
    while led_to:
        directory = led_to.pop()
        if directory not in entered and directory.is_dir():
            entered[directory] = {entry: _content(entry) for entry in sorted(directory.iterdir()) if entry not in files}
            for content in filter(None, entered[directory].values()):
                led_to |= _led_to(content, root) - set(entered)
    return entered


def _led_to(content: bytes, root: Path) -> set[Path]:
    """The directories below the root that the includes lead to, including symbolic links."""
    includes = {os.path.normpath(root / os.fsdecode(path)) for _word, path in _INCLUDE.findall(content)}
    parents = {above for path in includes for above in Path(path).parents if root in above.parents}
    # nginx knows no "**".
    patterns = {re.sub(r"\*+", "*", str(above.relative_to(root))) for above in parents}
    return {found for pattern in patterns for found in root.glob(pattern)}


def _content(entry: Path) -> bytes | None:
    is_configuration = entry.is_file() and entry.stat().st_size <= _LARGEST_CONFIGURATION
    return entry.read_bytes() if is_configuration else None


def _link(entry: Path, content: bytes | None, target: Path, root: Path, copy: Path) -> None:
    pointed = _point_includes(content, root, copy) if content else content
    if pointed is not None and pointed != content:
        target.write_bytes(pointed)
    else:
        # A dangling link stays one: nginx must find the error in the candidate that it would find in the live tree.
        target.symlink_to(os.path.realpath(entry))


def _point_includes(content: bytes, root: Path, copy: Path) -> bytes:
    """Point absolute includes of the live directory to its copy; relative ones need no change."""

    def point(found: re.Match[bytes]) -> bytes:
        path = os.path.normpath(found.group(2))
        inside = path.startswith(os.fsencode(root) + b"/")
        return found.group(1) + (os.fsencode(copy) + path[len(os.fsencode(root)) :] if inside else found.group(2))

    return _INCLUDE.sub(point, content)
