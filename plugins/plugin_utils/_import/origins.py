# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Conditions on the Origin header as a list of exact origins, where they come to one."""

from __future__ import annotations

import itertools
import re
import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.found import Origins
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.tree import Directive
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.errors import Errors
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.values import allowed_origins

_MOST = 20
# A group of alternatives, an escaped or a plain letter, each optional or not.
_PART = re.compile(r"(?:\((?:\?:)?([^()]*)\)|\\([./-])|([A-Za-z0-9:/._-]))(\?)?")


def listed(operator: str, given: str) -> Origins | None:
    """The origins that pass `if ($http_origin OPERATOR given) { return 403; }`; None where they are no short list."""
    origins = [given] if operator == "!=" else _expanded(given)
    if not origins or allowed_origins(list(origins), "", Errors()) is None:
        return None
    return Origins(list(origins), missing=False)


def mapped(block: Directive, refused: t.Callable[[str], bool]) -> Origins | None:
    """The origins that a map of the Origin header lets through, given which of its values are refused."""
    given = {one.name: "".join(one.args) for one in block.block or ()}
    default = given.pop("default", "")
    missing = given.pop("", default)
    if not refused(default):
        return None
    origins: list[str] = []
    for key, value in given.items():
        if refused(value):
            continue
        texts = _expanded(key[1:].lstrip("*")) if key.startswith("~") else [key]
        if texts is None:
            return None
        origins += texts
    if not origins or allowed_origins(list(origins), "", Errors()) is None:
        return None
    return Origins(origins, missing=not refused(missing))


def _expanded(pattern: str) -> list[str] | None:
    """All texts that a regular expression fits."""
    if not (pattern.startswith("^") and pattern.endswith("$")):
        return None
    return _texts(pattern[1:-1])


def _texts(pattern: str) -> list[str] | None:
    parts: list[list[str]] = []
    at = 0
    while at < len(pattern):
        found = _PART.match(pattern, at)
        if found is None:
            return None
        inner = _alternatives(found[1]) if found[1] is not None else [found[2] or found[3]]
        if inner is None:
            return None
        parts.append([*inner, *([""] if found[4] else [])])
        at = found.end()
        if len(parts) > 300:
            return None
    number = 1
    for part in parts:
        number *= len(part)
        if number > _MOST:
            return None
    return ["".join(words) for words in itertools.product(*parts)]


def _alternatives(inner: str) -> list[str] | None:
    found: list[str] = []
    for part in inner.split("|"):
        texts = _texts(part)
        if texts is None:
            return None
        found += texts
    return found
