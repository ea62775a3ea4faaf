# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads nginx's configuration, and sets a few directives of its main and events contexts; other bytes stay."""

from __future__ import annotations

import re
import typing as t

DIRECTIVES = ("worker_processes", "worker_rlimit_nofile", "worker_shutdown_timeout", "worker_connections")
_EVENTS = ("events",)

# As ngx_conf_read_token in src/core/ngx_conf_file.c: a '#', a '}' or a quote inside a word is part of it, and so is the
# brace of '${'. The last group matches what is neither a space nor the start of a whole token.
_TOKEN = re.compile(
    r"""
    (?P<comment> \#[^\n]* )
    | (?P<mark> [;{}] )
    | (?P<word>
        (?: "(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*' ) (?=[ \t\r\n;{)])
        | (?!["']) (?: \\. | \$\{ | [^ \t\r\n;{\\] )+
    )
    | (?P<error> [^ \t\r\n] )
    """,
    re.DOTALL | re.VERBOSE,
)
# What nginx drops the backslash of.
_ESCAPED = re.compile(r"""\\(["'\\trn])""")
_MEANING = {"t": "\t", "r": "\r", "n": "\n"}
_REST_OF_LINE = re.compile(r"[ \t\r]*(?:#[^\n]*)?\n")
_BLANK_REST_OF_LINE = re.compile(r"[ \t\r]*(?:\n|\Z)")
_END_OF_BLOCK = re.compile(r"[ \t]*\}")


class MainContextError(Exception):
    """nginx.conf could not be parsed."""


class Directive(t.NamedTuple):
    """A directive: its name after those of the blocks around it, and its position in the text."""

    path: tuple[str, ...]
    start: int
    # From its first argument to its last one.
    value: slice
    # After its ';' or '{'.
    end: int
    mark: str


def values(text: str) -> dict[str, str]:
    """The values of DIRECTIVES that the text sets in the right context, as written (with quotes, if any)."""
    return {name: text[found.value] for name, found in _settings(text).items()}


def edited(text: str, wanted: t.Mapping[str, str | None]) -> str:
    """The text with each of the given directives set to a value, as written in the file, or (None) removed.

    Called again with the earlier values, and None for missing ones, it returns the earlier text.
    """
    _events(text)
    for name in DIRECTIVES:
        if name in wanted:
            text = _with(text, name, wanted[name])
    return text


def _with(text: str, name: str, value: str | None) -> str:
    settings = _settings(text)
    if name not in settings:
        return text if value is None else _inserted(text, name, f"{name} {value};")
    if value is None:
        return _without(text, settings[name])
    span = settings[name].value
    return text[: span.start] + value + text[span.stop :]


def _inserted(text: str, name: str, statement: str) -> str:
    directives = _directives(text)
    if _path(name)[:-1] == _EVENTS:
        inside = [found for found in directives if found.path[:-1] == _EVENTS]
        return _inserted_after(text, _events(text), _indentation(text, inside[0]) if inside else "    ", statement)
    relatives = [found for found in _settings(text).values() if len(found.path) == 1]
    if relatives:
        last = max(relatives, key=lambda found: found.end)
        return _inserted_after(text, last, _indentation(text, last), statement)
    at = _start_of_line(text, directives[0])
    return text[:at] + _indentation(text, directives[0]) + statement + _newline(text) + text[at:]


def _inserted_after(text: str, directive: Directive, indentation: str, statement: str) -> str:
    rest = _REST_OF_LINE.match(text, directive.end)
    if rest:
        return text[: rest.end()] + indentation + statement + _newline(text) + text[rest.end() :]
    # The next line may be in another block, or there is none.
    space = " " if _END_OF_BLOCK.match(text, directive.end) else ""
    return f"{text[: directive.end]} {statement}{space}{text[directive.end :]}"


def _without(text: str, directive: Directive) -> str:
    start_of_line = _start_of_line(text, directive)
    blank = _BLANK_REST_OF_LINE.match(text, directive.end)
    if blank and not text[start_of_line : directive.start].strip(" \t"):
        return text[:start_of_line] + text[blank.end() :]
    before, after = text[: directive.start], text[directive.end :]
    # An insertion into an empty block put a space on both sides.
    if before.endswith("{ ") and after.startswith(" ") and _END_OF_BLOCK.match(after):
        return before[:-1] + after[1:]
    if before.endswith(" "):
        return before[:-1] + after
    return before + (after[1:] if after.startswith(" ") else after)


def _start_of_line(text: str, directive: Directive) -> int:
    return text.rfind("\n", 0, directive.start) + 1


def _indentation(text: str, directive: Directive) -> str:
    line = text[_start_of_line(text, directive) : directive.start]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _newline(text: str) -> str:
    return "\r\n" if text.partition("\n")[0].endswith("\r") else "\n"


def _path(name: str) -> tuple[str, ...]:
    return (*_EVENTS, name) if name == "worker_connections" else (name,)


def _settings(text: str) -> dict[str, Directive]:
    directives = _directives(text)
    settings = {name: _only(text, directives, _path(name)) for name in DIRECTIVES}
    for name, found in settings.items():
        if found and (found.mark != ";" or found.value.start == found.value.stop):
            raise MainContextError(f"line {_line(text, found.start)}: {name} needs a value followed by ';'")
    return {name: found for name, found in settings.items() if found}


def _events(text: str) -> Directive:
    events = _only(text, _directives(text), _EVENTS)
    if not events or events.mark != "{":
        raise MainContextError(
            "there is no events { } block, where worker_connections is set: if it comes from an include, move it into "
            "this file"
        )
    return events


def _only(text: str, directives: list[Directive], path: tuple[str, ...]) -> Directive | None:
    found = [directive for directive in directives if directive.path == path]
    if len(found) > 1:
        lines = f"lines {_line(text, found[0].start)} and {_line(text, found[1].start)}"
        raise MainContextError(f"{lines} both contain {path[-1]}, which nginx accepts only once")
    return found[0] if found else None


def _directives(text: str) -> list[Directive]:
    return list(parsed(text))


def parsed(text: str) -> t.Iterator[Directive]:
    """All directives on all levels, in the order of the text."""
    blocks: list[Directive] = []
    words: list[re.Match[str]] = []
    for token in _TOKEN.finditer(text):
        mark = token["mark"]
        if token["error"] or (mark and bool(words) == (mark == "}")) or (mark == "}" and not blocks):
            raise MainContextError(f"line {_line(text, token.start())}: {_error(token[0])}")
        if token["word"]:
            words.append(token)
        elif mark == "}":
            blocks.pop()
        elif mark:
            directive = _directive(words, token, blocks[-1].path if blocks else ())
            blocks += [directive] if mark == "{" else []
            words = []
            yield directive
    if words:
        raise MainContextError(f"line {_line(text, words[0].start())}: {words[0][0]} has no ';' at its end")
    if blocks:
        raise MainContextError(f"line {_line(text, blocks[-1].start)}: the block {blocks[-1].path[-1]} is not closed")


def arguments(text: str, directive: Directive) -> list[str]:
    """What follows the name of a directive, as nginx takes it."""
    words = (token["word"] for token in _TOKEN.finditer(text, directive.value.start, directive.end))
    return [_ESCAPED.sub(_meant, word[1:-1] if word[0] in "\"'" else word) for word in words if word]


def _meant(escaped: re.Match[str]) -> str:
    return _MEANING.get(escaped[1], escaped[1])


def _directive(words: list[re.Match[str]], mark: re.Match[str], block: tuple[str, ...]) -> Directive:
    name, *arguments = words
    # nginx accepts a quoted name, too.
    path = (*block, name[0].strip("\"'"))
    value = slice(arguments[0].start() if arguments else name.end(), words[-1].end())
    return Directive(path, name.start(), value, mark.end(), mark[0])


def _error(found: str) -> str:
    if found in ("'", '"'):
        return f"the quote {found} is not closed, or not followed by a space"
    return f"unexpected {found}"


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1
