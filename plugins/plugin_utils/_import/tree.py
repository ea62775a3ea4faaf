# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Directives of nginx as they were found, each with its file and line, whatever they were read from."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Place:
    """Where something is in what was given."""

    file: str
    # Counted from 1; 0 where a file has no lines, as the values of variables.
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True)
class Directive:
    """One directive: a name, its arguments without their quotes, and what its block holds, if it has one."""

    name: str
    args: tuple[str, ...]
    place: Place
    block: tuple[Directive, ...] | None = None

    def all(self, name: str) -> t.Iterator[Directive]:
        """The directives of its block with that name."""
        return (inner for inner in self.block or () if inner.name == name)

    def first(self, name: str) -> Directive | None:
        return next(self.all(name), None)


# What becomes of something that was read, in the order of the report.
Kind = t.Literal["question", "corrected", "taken", "directives", "left out"]


@dataclass(frozen=True)
class Note:
    kind: Kind
    place: Place
    text: str


@dataclass
class Notes:
    """What the report says of what was read."""

    found: list[Note] = field(default_factory=list)
    # Names that stand for expressions of Jinja2 while they are read, and the expressions.
    expressions: dict[str, str] = field(default_factory=dict)
    _known: set[Note] = field(default_factory=set)

    def add(self, kind: Kind, place: Place, text: str) -> None:
        note = Note(kind, place, text)
        if note not in self._known:
            self._known.add(note)
            self.found.append(note)
