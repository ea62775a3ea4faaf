# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Directives as the lines of the keys `directives`."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.lexing import ELISION
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.tree import Directive
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.nginx_syntax import quoted

_INDENT = "    "


def text(directive: Directive, indent: str = "") -> str:
    """A directive as one would write it by hand; a block has several lines."""
    words = " ".join(map(quoted, (directive.name, *directive.args)))
    if directive.name.endswith("_by_lua_block") and directive.block is None:
        *before, code = directive.args or ("",)
        return f"{indent}{' '.join([directive.name, *before])} {{{code}}}"
    if directive.block is None:
        return f"{indent}{words};"
    inner = [text(one, indent + _INDENT) for one in directive.block if one.name != ELISION]
    return "\n".join([f"{indent}{words} {{", *inner, f"{indent}}}"])


def short(directive: Directive) -> str:
    """The directive in a message: one line, and not all of a long one."""
    words = " ".join((directive.name, *map(_shown, directive.args)))
    return words if len(words) <= 80 else words[:77] + "..."


def _shown(word: str) -> str:
    return quoted(word) if not word or re.search(r"[\s;]", word) else word


def renamed(directive: Directive, names: t.Mapping[str, str]) -> Directive:
    """The directive with other variables in it."""
    if not names:
        return directive

    def word(given: str) -> str:
        for old, new in names.items():
            given = re.sub(rf"\$(?:{old}\b|\{{{old}\}})", lambda _match, new=new: f"${new}", given)  # type: ignore[misc]
        return given

    block = None if directive.block is None else tuple(renamed(one, names) for one in directive.block)
    return Directive(directive.name, tuple(map(word, directive.args)), directive.place, block)
