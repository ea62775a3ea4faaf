# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Expressions of Jinja2 in another role's variables: they may stand in those of this role, too.

While they are read, names stand for them that are sound as hosts and in paths. Where a number is required, or a whole
URL, they are left to the reader, as in any template.
"""

from __future__ import annotations

import re
import typing as t

_FOR_NAMES = ("server_name", "server", "upstream", "proxy_set_header", "proxy_pass", "return")
_FOR_PATHS = ("ssl_certificate", "ssl_certificate_key", "root", "alias", "location")
_DIRECTIVE = re.compile(rf"\b({'|'.join((*_FOR_NAMES, *_FOR_PATHS))})(\s(?:\{{\{{[^{{}}\n]*\}}\}}|[^;{{}}\n])*)")
# What comes before it, and the expression with its first word.
_EXPRESSION = re.compile(r"(?P<before>^|.)(?P<whole>\{\{\s*(?P<word>\w*)[^{}\n]*\}\})")
_LOOP = re.compile(r"\{%-?\s*for\s+(\w+)")


def hidden(text: str, expressions: dict[str, str], note: t.Callable[[str], None]) -> str:
    """A text of nginx with names for the expressions, which are added to those that are known by their names."""
    loops = _LOOP.findall(text)

    def named(directive: str, found: re.Match[str]) -> str:
        before, expression = found["before"], found["whole"]
        is_whole = before.isspace()
        if found["word"] in loops or before == ":" or (is_whole and directive in ("proxy_pass", "return")):
            return found[0]
        start = "/" if is_whole and directive in _FOR_PATHS else ""
        known = {(one, name[0] == "/"): name for name, one in expressions.items()}
        name = known.get((expression, start == "/"), f"{start}expression-{len(expressions)}.internal")
        expressions[name] = expression
        note(f"{expression} stays: the gateways must know its variables, too")
        return before + name

    return _DIRECTIVE.sub(lambda found: found[1] + _EXPRESSION.sub(lambda one: named(found[1], one), found[2]), text)


class Templated(str):
    """A text with expressions that Ansible is to evaluate."""

    __slots__ = ()


def plain(value: t.Any) -> t.Any:
    """A value whose texts are no more than that."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return str(value) if isinstance(value, str) else value


def restored(value: t.Any, expressions: t.Mapping[str, str]) -> t.Any:
    """A value with the expressions again, as Templated where it has some and nothing else that looks like one."""
    if isinstance(value, dict):
        return {key: restored(inner, expressions) for key, inner in value.items()}
    if isinstance(value, list):
        return [restored(inner, expressions) for inner in value]
    if not isinstance(value, str) or not any(name in value for name in expressions):
        return value
    kind = str if "{{" in value or "{%" in value or "{#" in value else Templated
    for name, expression in expressions.items():
        value = value.replace(name, expression)
    return kind(value)
