# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The keys 'directives': lines of nginx's own syntax for what has no key, and what has one."""

from __future__ import annotations

import textwrap
import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables import nginx_syntax, values
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.errors import Errors, described, shown
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.keys import Key, owned


def key(block: str, keys: t.Mapping[str, Key], others: t.Mapping[str, str]) -> Key:
    """The key 'directives' of a block of nginx's file, given its other keys, and what else is refused and why.

    What the role writes once more in 'directives' would be a second opinion, or refused by nginx.
    """
    refused = {**owned(keys), **others}
    return Key(
        snippet(refused),
        f"Whole lines of nginx for the C({block}) block, for what has no key. One string or a list of them.",
        default=[],
        refused=refused,
        version_added="0.2.0",
        see="directives",
    )


def has(lines: t.Iterable[str], name: str) -> bool:
    """Whether checked lines have a directive on their uppermost level."""
    return name in nginx_syntax.statements("\n".join(lines))


def defaults(lines: t.Iterable[str], given: t.Iterable[str]) -> list[str]:
    """The lines whose directive the operator's own checked lines do not give."""
    return [line for line in lines if not has(given, line.split()[0])]


def argument(lines: t.Iterable[str], name: str) -> str | None:
    """What checked lines give a directive on their uppermost level."""
    words: list[str] = []
    depth = 0
    for mark, word in nginx_syntax.tokens("\n".join(lines)):
        if not mark:
            words.append(word)
            continue
        if mark == ";" and depth == 0 and words[0] == name:
            return " ".join(words[1:])
        depth += {"{": 1, "}": -1}.get(mark, 0)
        words = []
    return None


def snippet(owned: t.Mapping[str, str]) -> t.Callable[[object, str, Errors], tuple[str, ...] | None]:
    """The check of a block's key 'directives', given what the block's other keys say."""

    def check(value: object, path: str, errors: Errors) -> tuple[str, ...] | None:
        given = [value] if isinstance(value, str) else value
        if not isinstance(given, list):
            errors.add(path, f"must be a string or a list of strings, not {described(value)}")
            return None
        texts = values.each(given, path, errors, values.block)
        if texts is None:
            return None
        text = "\n".join(map(textwrap.dedent, texts)).replace("\r\n", "\n")
        try:
            names = nginx_syntax.statements(text)
        except nginx_syntax.NginxSyntaxError as error:
            errors.add(path, f"{error}: {shown(text)}")
            return None
        for name in dict.fromkeys(name for name in names if name in owned):
            errors.add(path, f"'{name}' is not allowed here: {owned[name]}")
        # What Python takes for a space or a line's end may be a part of a word to nginx.
        lines = (line.rstrip(" \t") for line in text.split("\n"))
        return tuple(line for line in lines if line)

    return check
