# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The syntax of nginx's files: how nginx splits a text into words, and how a value is written so that it stays one."""

from __future__ import annotations

import re
import typing as t

# What ends a word, starts a comment or a block, or closes one (ngx_conf_read_token in src/core/ngx_conf_file.c).
_NEEDS_QUOTES = re.compile(r"[\s;{}\"'#]|^$")
# A backslash before any other character is that backslash.
_READ_AS_ESCAPE = re.compile(r"\\(?=[\\\"'tnr\t\n\r]|\Z)")
_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", '"': '"', "'": "'", "\\": "\\"}
_SPACES = " \t\r\n"
_VARIABLE_NAME = r"(?:[A-Za-z_][A-Za-z0-9_]*|[1-9](?![0-9]))"
_CAPTURE = re.compile(r"\$\{?[1-9]")
_BRACED_VARIABLE = re.compile(r"\$\{[A-Za-z0-9_]+\}")
# nginx has no way to write a dollar sign that starts no variable.
_DOLLARS = re.compile(rf"(?:[^$]|\${_VARIABLE_NAME}|\$\{{{_VARIABLE_NAME}\}})*")


class NginxSyntaxError(ValueError):
    """What nginx would not read, or would read as something else."""


class Token(t.NamedTuple):
    """A word, or one of the marks ; { and }."""

    mark: str
    word: str = ""


def quoted(value: str) -> str:
    """The value as one word of nginx's file: bare where that is enough, as one would write it by hand."""
    escaped = _READ_AS_ESCAPE.sub(r"\\\\", value)
    if not _NEEDS_QUOTES.search(value):
        return escaped
    for letter in "tnr":
        escaped = escaped.replace(_ESCAPES[letter], f"\\{letter}")
    quote = "'" if '"' in value and "'" not in value else '"'
    return quote + escaped.replace(quote, f"\\{quote}") + quote


def line(*words: str) -> str:
    """A directive and its arguments."""
    return f"{' '.join(map(quoted, words))};"


def variables_are_sound(value: str) -> bool:
    """Whether every dollar sign starts a variable: $name or ${name}."""
    return _DOLLARS.fullmatch(value) is not None


def has_capture(value: str) -> bool:
    """Whether a sound value has one of the variables $1 to $9."""
    return _CAPTURE.search(value) is not None


def words(text: str) -> list[str]:
    """The words that nginx reads in the text, or a NginxSyntaxError where it holds anything else."""
    found = list(tokens(text))
    for token in found:
        if token.mark:
            raise NginxSyntaxError(f"has a '{token.mark}' outside quotes")
    return [token.word for token in found]


def statements(text: str) -> list[str]:
    """The names of the directives on the text's uppermost level, or a NginxSyntaxError where it is not whole."""
    if "\r" in text:
        # nginx takes it for a space, and most programs for the end of a line, where a comment ends too.
        raise NginxSyntaxError("has a carriage return alone")
    names: list[str] = []
    depth = 0
    last = ";"
    for mark, word in tokens(text):
        if mark in (";", "{") and last != "word":
            raise NginxSyntaxError(f"has a '{mark}' without a directive before it")
        if mark == "}" and last == "word":
            raise NginxSyntaxError("has a directive without ';' before a '}'")
        if not mark and last != "word" and depth == 0:
            names.append(word)
        depth += {"{": 1, "}": -1}.get(mark, 0)
        if depth < 0:
            raise NginxSyntaxError("has a '}' without its '{'")
        last = mark or "word"
    if depth:
        raise NginxSyntaxError("has a '{' without its '}'")
    if last == "word":
        raise NginxSyntaxError("has no ';' at its end")
    return names


def tokens(text: str) -> t.Iterator[Token]:
    """The words and marks of the text, without comments."""
    at = 0
    while at < len(text):
        char = text[at]
        if char in _SPACES:
            at += 1
        elif char == "#":
            at = _find(text, "\n", at)
        elif char in ";{}":
            yield Token(char)
            at += 1
        elif char in "\"'":
            end = _end_of_quotes(text, at)
            yield Token("", _unescaped(text[at + 1 : end]))
            at = end + 1
            if at < len(text) and text[at] not in _SPACES + ";{)":
                raise NginxSyntaxError(f"has {text[at]!r} right after a closing quote")
        else:
            end = _end_of_word(text, at)
            yield Token("", _unescaped(text[at:end]))
            at = end


def _end_of_quotes(text: str, start: int) -> int:
    at = start + 1
    while at < len(text):
        if text[at] == text[start]:
            return at
        # With the indentation of the file a line break would change the value.
        if "\n" in (text[at], text[at + 1 : at + 2] if text[at] == "\\" else ""):
            raise NginxSyntaxError("has a quote that is not closed on its line")
        at += 2 if text[at] == "\\" else 1
    raise NginxSyntaxError("has a quote that is not closed")


def _end_of_word(text: str, start: int) -> int:
    at = start
    while at < len(text):
        variable = _BRACED_VARIABLE.match(text, at)
        if variable:
            at = variable.end()
        elif text.startswith("${", at):
            # To nginx this brace is a part of the word.
            raise NginxSyntaxError("has a '${' that starts no variable")
        elif text[at] in _SPACES + ";{":
            return at
        elif text[at].isspace():
            # As pasted from a page: most programs would end the word there.
            raise NginxSyntaxError(
                f"has a space outside quotes that nginx does not treat as one, U+{ord(text[at]):04X}"
            )
        elif text[at] == "}":
            raise NginxSyntaxError("has a '}' inside a word without quotes")
        elif text[at] == "\\" and text[at + 1 : at + 2] in ("", *_SPACES):
            raise NginxSyntaxError("has a backslash at the end of a word")
        else:
            at += 2 if text[at] == "\\" else 1
    return at


def _unescaped(raw: str) -> str:
    return re.sub(r"\\([\\\"'tnr])", lambda found: _ESCAPES[found.group(1)], raw)


def _find(text: str, wanted: str, start: int) -> int:
    at = text.find(wanted, start)
    return len(text) if at < 0 else at
