# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where in the operator's variables a line of a rendered file comes from."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path


class Source(t.NamedTuple):
    """Where a file comes from: the variable behind the file itself, and those behind its lines, in runs of which the
    last one ends with the file. What stands above them comes from none.
    """

    at: str = ""
    lines: t.Sequence[tuple[str, int]] = ()

    def of_line(self, from_end: int) -> str:
        """The variable behind a line, counted from the last one, which is 1."""
        for at, number in reversed(self.lines):
            if from_end <= number:
                return at
            from_end -= number
        return ""


_PLACE = re.compile(r" in (/\S+):(\d+)$")
_BIND = re.compile(r" bind\(\) to (?:0\.0\.0\.0:)?(\S+) failed ")


def explained(messages: t.Sequence[str], path: Path, text: str, source: Source) -> list[str]:
    """nginx's messages, each about the file followed by the line that it is about and the variable behind that."""
    # As nginx counts them.
    lines = text[: -1 if text.endswith("\n") else None].split("\n")
    found = []
    for message in messages:
        found.append(message)
        place = _PLACE.search(message)
        number = int(place.group(2)) if place and place.group(1) == str(path) else 0
        if 0 < number <= len(lines):
            at = source.of_line(len(lines) - number + 1)
            found.append(f"That is {lines[number - 1].strip()!r}{f', from {at}' if at else ''}.")
    return found


def bound(messages: t.Sequence[str], listening: t.Mapping[str, str]) -> list[str]:
    """nginx's messages, each about an address that it cannot listen on followed by the variable behind that."""
    found = []
    for message in messages:
        found.append(message)
        bind = _BIND.search(message)
        if bind and bind.group(1) in listening:
            found.append(f"That address is from {listening[bind.group(1)]}.")
    return found


def named(messages: t.Sequence[str], path: Path, source: Source) -> list[str]:
    """nginx's messages, each that names the file followed by the variable behind it, and by none of its lines."""
    found = []
    for message in messages:
        found.append(message)
        if source.at and f'"{path}"' in message:
            found.append(f"That file is from {source.at}.")
    return found
