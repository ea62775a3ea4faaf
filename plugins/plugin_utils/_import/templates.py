# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a template prints of a variable, read again, with the variable's place."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Collection, Iterator, Mapping

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import import reading
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.documents import is_scalar, line_of, scalar
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.expressions import hidden
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.tree import Directive, Notes, Place

# What a text ends with that ends no block.
_EXPRESSION = re.compile(r"\{\{[^{}]*\}\}$")


class Printer:
    def __init__(self, file: str, notes: Notes) -> None:
        self.file = file
        self.notes = notes

    def place(self, container: object, key: object = None) -> Place:
        return Place(self.file, line_of(container, key))

    def statement(self, text: str, line: int) -> list[Directive]:
        """A text that may lack the semicolon at its end."""
        text = self._hidden(text.rstrip(), line)
        end = "" if not text or (text.endswith((";", "}")) and not _EXPRESSION.search(text)) else ";"
        return reading.parsed(text + end, self.file, line, self.notes)

    def raw(self, value: object, container: object, key: object) -> list[Directive]:
        """A value that is a text of nginx's."""
        if value is None:
            return []
        if not is_scalar(value):
            self._is_no_text(container, key)
            return []
        return self.statement(scalar(value), line_of(container, key))

    def line(self, name: str, value: object, container: object, key: object) -> list[Directive]:
        """A directive whose arguments are the value, word for word as a template prints it."""
        if not is_scalar(value):
            self._is_no_text(container, key)
            return []
        return self.statement(f"{name} {scalar(value)}", line_of(container, key))

    def block(self, head: str, inner: list[Directive], container: object, key: object = None) -> Directive:
        place = self.place(container, key)
        head = self._hidden(head, place.line)
        opened = next(iter(reading.parsed(f"{head} {{}}", self.file, place.line, self.notes)), None)
        name, args = (opened.name, opened.args) if opened else (head.partition(" ")[0], ())
        return Directive(name, args, place, tuple(inner))

    def _hidden(self, text: str, line: int) -> str:
        place = Place(self.file, line)
        return hidden(text, self.notes.expressions, lambda note: self.notes.add("taken", place, note))

    def values(self, value: object) -> list[t.Any]:
        """A list, or the one value that stands for it."""
        if value is None:
            return []
        return value if isinstance(value, list) else [value]

    def mappings(self, container: Mapping[t.Any, t.Any], key: object) -> Iterator[Mapping[t.Any, t.Any]]:
        """The mappings in a list, or in a mapping of names, as roles had before they had lists."""
        value = container.get(key)
        if value is None:
            return
        if isinstance(value, Mapping) and value and all(isinstance(each, Mapping) for each in value.values()):
            value = list(value.values())
        for at, item in enumerate(self.values(value)):
            if isinstance(item, Mapping):
                yield item
            elif isinstance(item, str) and "{{" in item:
                self.notes.add(
                    "question", self.place(container, key), f"{key}: what is {item}? It is an expression of Jinja2"
                )
            elif item is not None:
                self.notes.add(
                    "question", self.place(container, key), f"{key}: item {at} is no mapping: what does it mean?"
                )

    def rest(self, container: Mapping[t.Any, t.Any], known: Collection[str]) -> None:
        """Note the keys that nothing was made of."""
        for key in container:
            if key not in known:
                self.notes.add("left out", self.place(container, key), f"{key} has no translation")

    def _is_no_text(self, container: object, key: object) -> None:
        self.notes.add("question", self.place(container, key), f"{key}: a text is expected here: what does it mean?")
