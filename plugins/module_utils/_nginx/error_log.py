# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What nginx adds to its error logs."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import binary

_LARGEST = 1024 * 1024
_DIRECTIVE = re.compile(r"^[ \t]*error_log[ \t]+[\"']?(/[^\s;\"']+)", re.MULTILINE)
# What follows is of the request: its client, request line with the query, and headers.
_OF_REQUEST = re.compile(r"^\S+ \S+ (\[(?:error|crit|alert)\]) \d+#\d+: (?:\*\d+ )?(.+?), client: (.+)$", re.MULTILINE)
_LONGEST = 300


class ErrorLog:
    """The lines from now on, of the log of nginx.conf and those that these configurations name."""

    def __init__(self, build: binary.Build, configurations: t.Iterable[str] = ()) -> None:
        named = [Path(path) for text in configurations for path in _DIRECTIVE.findall(text)]
        paths = dict.fromkeys([*([build.error_log] if build.error_log else []), *named])
        self._starts = {path: _size(path) for path in paths}

    def emergencies(self) -> list[str]:
        return [message for message in binary.messages(self._text()) if message.startswith("[emerg]")]

    def about(self, request: str, host: str) -> list[str]:
        """What was logged of requests with this request line and Host, without what may be secret of them."""
        ends = (f'request: "{request}"', f'host: "{host}"')
        found = (
            f"{level} {message}"[:_LONGEST]
            for level, message, rest in _OF_REQUEST.findall(self._text())
            if all(end in rest for end in ends)
        )
        return list(dict.fromkeys(found))

    def _text(self) -> str:
        return "".join(_added(path, start) for path, start in self._starts.items())


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _added(path: Path, start: int) -> str:
    """Nothing if it may not be read."""
    try:
        with path.open("rb") as file:
            file.seek(start)
            return file.read(_LARGEST).decode("utf-8", "replace")
    except OSError:
        return ""
