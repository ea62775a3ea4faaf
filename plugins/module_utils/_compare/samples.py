# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Texts that match a regular expression."""

from __future__ import annotations

import re
import typing as t

try:
    from re import _parser as parser  # type: ignore[attr-defined]
except ImportError:  # before Python 3.11
    import sre_parse as parser

_CATEGORIES = {"CATEGORY_DIGIT": "1", "CATEGORY_SPACE": " ", "CATEGORY_WORD": "a"}
_OTHERS = "a1-/_"


def sample(pattern: str, prefix: str = "", ignore_case: bool = False) -> str | None:
    """A short text with this beginning that the pattern of PCRE matches; None if none was found."""
    # Python calls named groups so, and PCRE both.
    pattern = re.sub(r"\(\?<(?=[A-Za-z_])", "(?P<", pattern)
    try:
        matches = re.compile(pattern, re.IGNORECASE if ignore_case else 0).search
        tree = parser.parse(pattern)
        text = _text(tree, {})
    except (re.error, KeyError, OverflowError, RecursionError):
        return None
    for found in (text, f"{prefix}a{text}", f"{prefix}{text}"):
        if found.startswith(prefix) and matches(found) and "\n" not in found:
            return found
    return None


def _text(tree: t.Iterable[t.Any], groups: dict[int, str]) -> str:
    return "".join(_item(str(kind), value, groups) for kind, value in tree)


def _item(kind: str, value: t.Any, groups: dict[int, str]) -> str:
    text = ""  # AT, ASSERT and the like stand for none.
    if kind == "LITERAL":
        text = chr(value)
    elif kind == "NOT_LITERAL":
        text = next(char for char in _OTHERS if ord(char) != value)
    elif kind == "ANY":
        text = "a"
    elif kind == "IN":
        text = _one_of(value)
    elif kind == "BRANCH":
        text = _text(value[1][0], groups)
    elif kind == "SUBPATTERN":
        text = groups[value[0]] = _text(value[3], groups)
    elif kind == "ATOMIC_GROUP":
        text = _text(value, groups)
    elif kind in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        least, most, inner = value
        # An optional part is left out, and what may be repeated stands once.
        text = _text(inner, groups) * (least or (1 if int(most) > 1 else 0))
    elif kind == "GROUPREF":
        text = groups[value]
    return text


def _one_of(values: t.Sequence[t.Any]) -> str:
    kinds = [(str(kind), value) for kind, value in values]
    if kinds[0][0] == "NEGATE":
        return next(char for char in _OTHERS if not any(_has(kind, value, char) for kind, value in kinds[1:]))
    kind, value = kinds[0]
    if kind == "RANGE":
        return chr(value[0])
    return _CATEGORIES.get(str(value), "a") if kind == "CATEGORY" else chr(value)


def _has(kind: str, value: t.Any, char: str) -> bool:
    if kind == "RANGE":
        return bool(value[0] <= ord(char) <= value[1])
    if kind == "CATEGORY":
        classes = {"CATEGORY_DIGIT": char.isdigit(), "CATEGORY_SPACE": char.isspace()}
        return classes.get(str(value), char.isalnum() or char == "_")
    return bool(ord(char) == value)
