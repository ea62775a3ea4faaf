# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was read of a text, in nginx's syntax, and what was noted of it."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Iterable, Iterator

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import import documents
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.tree import Directive, Notes
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables import nginx_syntax
from hypothesis import strategies as st

FILE = "given.yml"


def printed(directives: Iterable[Directive]) -> str:
    """The directives in nginx's syntax, each on one line."""
    return "\n".join(_line(each) for each in directives)


def _line(directive: Directive) -> str:
    words = " ".join(nginx_syntax.quoted(word) for word in (directive.name, *directive.args))
    if directive.block is None:
        return f"{words};"
    inner = " ".join(_line(each) for each in directive.block)
    return f"{words} {{ {inner} }}" if inner else f"{words} {{ }}"


def walked(directives: Iterable[Directive]) -> Iterator[Directive]:
    for directive in directives:
        yield directive
        yield from walked(directive.block or ())


def read(text: str, reader: Callable[[list[t.Any], str, Notes], list[Directive]]) -> tuple[list[Directive], list[str]]:
    """The directives that a reader makes of YAML, and its notes: kind, line and text."""
    notes = Notes()
    directives = reader(documents.load(text), FILE, notes)
    return directives, [f"{note.kind} {note.place.line}: {note.text}" for note in notes.found]


def replace_somewhere(value: t.Any, data: st.DataObject, values: st.SearchStrategy[t.Any]) -> None:
    """Put something else in some place of what a document holds."""
    while True:
        keys = list(value) if isinstance(value, dict) else range(len(value))
        if not keys:
            return
        key = data.draw(st.sampled_from(keys))
        if not isinstance(value[key], (dict, list)) or data.draw(st.booleans()):
            value[key] = data.draw(values)
            return
        value = value[key]
