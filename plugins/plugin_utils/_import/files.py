# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of a directory on the controller, such as a copy of /etc/nginx."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

# Keys and certificates, which nothing is read from.
_SECRETS = (".key", ".pem", ".crt", ".cer", ".p12", ".pfx", ".jks", ".csr")
_MOST = 5000


def read(path: str) -> dict[str, str]:
    """The text of a file, or of all files of a directory by their paths in it."""
    given = Path(path).expanduser()
    if not given.is_dir():
        return {given.name: _text(given)}
    return {str(file.relative_to(given)): text for file in _files(given) if (text := _text_of(file, given)) is not None}


def _files(directory: Path) -> t.Iterator[Path]:
    number = 0
    for parent, directories, names in os.walk(directory):
        directories[:] = sorted(name for name in directories if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and not name.lower().endswith(_SECRETS):
                number += 1
                if number > _MOST:
                    raise OSError(f"{directory} has more than {_MOST} files")
                yield Path(parent, name)


def _text_of(file: Path, directory: Path) -> str | None:
    """None for a link that leads nowhere."""
    if file.is_symlink() and not file.exists():
        # In a copy, a link of sites-enabled leads to the directory that the copy was made of.
        parts = Path(os.readlink(file)).parts
        ends = (directory.joinpath(*parts[-number:]) for number in range(len(parts), 0, -1))
        found = next((end for end in ends if end.is_file() and end != file), None)
        return None if found is None else _text(found)
    return _text(file) if file.is_file() else None


def _text(file: Path) -> str:
    return file.read_bytes().decode("utf-8", errors="replace")
