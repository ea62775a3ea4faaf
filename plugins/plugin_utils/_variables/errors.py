# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The errors of an inventory, collected so that the operator sees all of them at once."""

from __future__ import annotations

import collections
import difflib
import re
import typing as t

_T = t.TypeVar("_T", bound=t.Hashable)


# Each compares a word with all that are known: with a thousand upstreams, a thousand slips would take seconds.
_MOST_SUGGESTIONS = 10


class Errors:
    """Errors in the order found, each with its place: a path in the operator's own variables."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._known: set[str] = set()
        self._suggestions = 0

    def add(self, path: str, message: str) -> None:
        line = f"{path}: {message}"
        # The variable of a host that is in several upstreams has its errors once.
        if line not in self._known:
            self._known.add(line)
            self.lines.append(line)

    def suggestion(self, word: str, known: t.Iterable[str]) -> str:
        """The known word that is near in brackets with a leading space, or nothing, as after the first few errors."""
        self._suggestions += 1
        if self._suggestions > _MOST_SUGGESTIONS:
            return ""
        near = difflib.get_close_matches(word, sorted(known), n=1)
        return f" (did you mean '{near[0]}'?)" if near else ""


def repeated(items: t.Iterable[_T]) -> list[_T]:
    """What is there more than once, in the order of the items."""
    return [item for item, number in collections.Counter(items).items() if number > 1]


def shown(value: object) -> str:
    """A value as a message shows it: in the operator's words, and never a screenful.

    Lists and mappings stay shut, for secrets may be in them.
    """
    if isinstance(value, (t.Mapping, list, tuple)):
        return kind(value)
    text = repr(value)
    if isinstance(value, str):
        text = f"'{value}'" if value.isprintable() else f"'{text[1:-1]}'"
    return text if len(text) <= 60 else text[:57] + "..."


def described(value: object) -> str:
    """A value of the wrong type: what it is, and its text."""
    return kind(value) if isinstance(value, (t.Mapping, list, tuple)) else f"{kind(value)} ({shown(value)})"


def member(path: str, name: object) -> str:
    """The path of a mapping's key, whatever it is."""
    return f"{path}.{name if re.fullmatch('[A-Za-z0-9_-]{1,60}', str(name)) else shown(str(name))}"


def kind(value: object) -> str:
    """The YAML name of a value's type; a subclass, such as Ansible's tagged strings, counts as what it extends."""
    for types, name in _KINDS:
        if isinstance(value, types):
            return name
    return type(value).__name__


# bool before int: in Python a bool is an int.
_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "a boolean"),
    (int, "an integer"),
    (float, "a decimal number"),
    (str, "a string"),
    (t.cast(type, t.Mapping), "a mapping"),
    ((list, tuple), "a list"),
    (type(None), "nothing"),
)
