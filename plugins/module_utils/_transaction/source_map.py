# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where in the operator's variables a line of a rendered file comes from."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path


class Source(t.NamedTuple):
    """Where a file comes from: the variable to blame for the file itself, and for each of its upstream and server
    blocks, in their order.
    """

    at: str = ""
    blocks: t.Sequence[str] = ()


# As the template prints them: blocks of the file begin at its left margin, locations are indented once.
_BLOCK = re.compile(r"(?:upstream \S+|server) \{")
_LOCATION = re.compile(r"    location .* \{")
_PLACE = re.compile(r" in (/\S+):(\d+)$")
_BIND = re.compile(r" bind\(\) to (?:0\.0\.0\.0:)?(\S+) failed ")


def explained(messages: t.Sequence[str], path: Path, text: str, source: Source) -> list[str]:
    """nginx's messages, each about the file followed by the line that it is about and the variable behind that."""
    lines = text.splitlines()
    return [line for message in messages for line in (message, *_origin(message, str(path), lines, source.blocks))]


def named(messages: t.Sequence[str], path: Path, source: Source) -> list[str]:
    """nginx's messages, each that names the file followed by the variable behind it, and by none of its lines."""
    found = []
    for message in messages:
        found.append(message)
        if source.at and f'"{path}"' in message:
            found.append(f"That file is from {source.at}.")
    return found


def _origin(message: str, path: str, lines: list[str], blocks: t.Sequence[str]) -> t.Iterator[str]:
    number = _line_number(message, path, lines)
    if 0 < number <= len(lines):
        at = _at(lines[:number], blocks)
        yield f"That is {lines[number - 1].strip()!r}{f', from {at}' if at else ''}."


def _line_number(message: str, path: str, lines: list[str]) -> int:
    found = _PLACE.search(message)
    if found:
        return int(found.group(2)) if found.group(1) == path else 0
    bind = _BIND.search(message)
    address = bind.group(1) if bind else None
    return next((n for n, line in enumerate(lines, 1) if address and _listens(line, address)), 0)


def _listens(line: str, address: str) -> bool:
    return line.strip().rstrip(";").split()[:2] == ["listen", address]


def _at(lines: list[str], blocks: t.Sequence[str]) -> str:
    """The block that the last of the lines is in, if it is in any."""
    block = location = -1
    inside = ended = False
    for line in lines:
        if ended:
            inside = ended = False
        if _BLOCK.fullmatch(line):
            block, location, inside = block + 1, -1, True
        elif _LOCATION.fullmatch(line):
            location += 1
        elif line == "}":
            location, ended = -1, True
    if not inside or block >= len(blocks):
        return ""
    # After a location's closing brace only the next one comes.
    return f"{blocks[block]}.locations[{location}]" if location >= 0 else blocks[block]
