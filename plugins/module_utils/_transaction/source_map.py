# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where in the operator's variables a line of a rendered file comes from."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path


class Source(t.NamedTuple):
    """The variable behind a file, and those behind its lines: each with its number of consecutive lines. The last one
    ends with the file; lines above the first come from no variable.
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


_POSITION = re.compile(r" in (/\S+):(\d+)$")
# What another file has too: a name or a directive in quotes, or an address.
_TWICE = re.compile(r"\bduplicate\b|\balready (?:bound|declared)\b|\bconflicts with\b")
_SUBJECT = re.compile(
    r'"(?P<name>[^"\s]+)"(?! name| directive is)|"(?P<directive>[^"]+)" directive is| for (?P<address>\S+) in '
)
_BIND = re.compile(r" bind\(\) to (?:0\.0\.0\.0:)?(\S+) failed ")


def explained(messages: t.Sequence[str], path: Path, text: str, source: Source) -> list[str]:
    """nginx's messages; one about a line of the file is followed by that line and the variable behind it."""
    # As nginx counts them.
    lines = text[: -1 if text.endswith("\n") else None].split("\n")
    found = []
    for message in messages:
        found.append(message)
        position = _POSITION.search(message)
        number = int(position.group(2)) if position and position.group(1) == str(path) else 0
        if 0 < number <= len(lines):
            at = source.of_line(len(lines) - number + 1)
            found.append(f"That is {lines[number - 1].strip()!r}{f', from {at}' if at else ''}.")
    return found


def repeated(messages: t.Sequence[str], path: Path, text: str, source: Source) -> list[str]:
    """nginx's messages; one that blames another file for what this one has too is followed by the line here."""
    lines = text.split("\n")
    found = []
    for message in messages:
        found.append(message)
        position, subject = _POSITION.search(message), _SUBJECT.search(message)
        if not (position and subject and _TWICE.search(message)) or position.group(1) == str(path):
            continue
        pattern = _line_about(subject)
        for number, line in enumerate(lines):
            if pattern.match(line):
                at = source.of_line(len(lines) - number - text.endswith("\n"))
                found.append(f"{path} has it too: {line.strip()!r}{f', from {at}' if at else ''}.")
                break
    return found


def _line_about(subject: re.Match[str]) -> re.Pattern[str]:
    """The first line that says the same, and is not a comment."""
    if subject["directive"]:
        return re.compile(rf"\s*{re.escape(subject['directive'])}\s")
    if subject["address"]:
        host, _colon, port = subject["address"].rpartition(":")
        any_host = r"(?:(?:0\.0\.0\.0|\*):)?" if host == "0.0.0.0" else re.escape(f"{host}:")
        return re.compile(rf"\s*listen {any_host}{re.escape(port)} \S")
    return re.compile(rf"[^#]*[\s=:\"']{re.escape(subject['name'])}[\s;:\"']")


def bound(messages: t.Sequence[str], listening: t.Mapping[str, str]) -> list[str]:
    """nginx's messages; one about an address that it cannot listen on is followed by the variable behind it."""
    found = []
    for message in messages:
        found.append(message)
        bind = _BIND.search(message)
        if bind and bind.group(1) in listening:
            found.append(f"That address is from {listening[bind.group(1)]}.")
    return found


def named(messages: t.Sequence[str], path: Path, source: Source) -> list[str]:
    """nginx's messages; one that names the file is followed by the variable behind it, never by its content."""
    found = []
    for message in messages:
        found.append(message)
        if source.at and f'"{path}"' in message:
            found.append(f"That file is from {source.at}.")
    return found
