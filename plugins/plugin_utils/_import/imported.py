# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the texts of files to variables, their YAML, and a report of what became of what."""

from __future__ import annotations

import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import import gateway, texts, yaml_text
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.expressions import plain, restored
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.tree import Directive, Kind, Note, Notes, Place

_TITLES: dict[Kind, str] = {
    "question": "Questions, to answer before a deploy",
    "corrected": "Corrected",
    "taken": "Taken",
    "directives": "Without a key, so in 'directives'",
    "left out": "Left out",
}


class Imported(t.TypedDict):
    variables: dict[str, t.Any]
    yaml: str
    notes: list[dict[str, t.Any]]
    report: str


def imported(files: t.Mapping[str, str]) -> Imported:
    notes = Notes()
    read = texts.read(files, notes)
    variables = restored(gateway.variables(read.tree, read.main, notes), notes.expressions)
    notes.found = [Note(note.kind, note.place, restored(note.text, notes.expressions)) for note in notes.found]
    ordered = sorted(map(_printable, notes.found), key=_order)
    return Imported(
        variables=plain(variables),
        yaml=yaml_text.document(variables, [*_comments(ordered), *_replaced(read.tree, read.main)]),
        notes=[
            {"kind": note.kind, "file": note.place.file, "line": note.place.line, "text": note.text} for note in ordered
        ],
        report=_report(variables, ordered, list(map(_shown, files))),
    )


def _printable(note: Note) -> Note:
    """The note without what a terminal or YAML would take for something of its own."""
    place = Place(_shown(note.place.file), note.place.line)
    return Note(note.kind, place, _shown(note.text))


def _shown(text: str) -> str:
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def _order(note: Note) -> tuple[int, str, int]:
    return list(_TITLES).index(note.kind), note.place.file, note.place.line


def _comments(notes: t.Sequence[Note]) -> list[str]:
    questions = [note for note in notes if note.kind == "question"]
    return [f"{_TITLES['question']}:", *(f"- {note.place}: {note.text}" for note in questions)] if questions else []


def _replaced(tree: t.Sequence[Directive], main: t.Collection[str]) -> list[str]:
    """How the gateway takes the place of the host's own files that were read, such as those of nginx -T."""
    files = dict.fromkeys(one.place.file for one in tree if one.name in ("server", "upstream"))
    there = [_shown(file) for file in files if file.startswith("/etc/nginx/") and file not in main]
    if not there:
        return []
    return ["For the gateway to take the place of these files:", f"websockets_replaces: [{', '.join(there)}]"]


def _report(variables: t.Mapping[str, t.Any], notes: t.Sequence[Note], files: t.Sequence[str]) -> str:
    lines = [_summary(variables, files)]
    for kind, title in _TITLES.items():
        of_kind = [note for note in notes if note.kind == kind]
        if of_kind:
            lines += ["", title, *(f"  {note.place}: {note.text}" for note in of_kind)]
    return "\n".join(lines)


def _summary(variables: t.Mapping[str, t.Any], files: t.Sequence[str]) -> str:
    upstreams, sites = (variables.get(f"websockets_{name}", []) for name in ("upstreams", "sites"))
    locations = sum(len(site["locations"]) for site in sites)
    counts = [_counted(len(upstreams), "upstream"), _counted(len(sites), "site"), _counted(locations, "location")]
    source = files[0] if len(files) == 1 else f"{len(files)} files"
    return f"{counts[0]}, and {counts[1]} with {counts[2]}, from {source}"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
