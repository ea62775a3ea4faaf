# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an entry of the language is: the check of a key, the directive it prints, and its documentation."""

from __future__ import annotations

import functools
import typing as t
from dataclasses import dataclass

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables import nginx_syntax
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.errors import (
    Errors,
    described,
    member,
)

Check = t.Callable[[t.Any, str, Errors], t.Any]


@dataclass(frozen=True)
class Key:
    """A key of a mapping of the operator's, or a variable of the role.

    tests/generate.py writes argument_specs.yml, the defaults and the tables of the README from it.
    """

    check: Check
    # In Ansible's markup, one paragraph a line; the README has the first one alone.
    description: str
    # As the operator would write it. A key without one is required; None leaves it to nginx or to the model.
    default: t.Any = ...
    # What None comes to, in words.
    otherwise: str = ""
    # Whether it prints `key value;` in its block, in the order of the table.
    plain: bool = False
    # The directives that it prints beside one of its own name.
    also: tuple[str, ...] = ()
    # The oldest nginx that has it, where that is not every one.
    nginx: tuple[int, int, int] | None = None
    # Why the file is the same with it, where it is.
    unprinted: str = ""
    # How Ansible documents it, unless the check says it. The elements of a variable are raw: Ansible's own validation
    # would convert them, and end the role with its messages before those of this code, which has all errors.
    type: str = ""
    elements: str = ""
    choices: tuple[t.Any, ...] = ()
    keys: t.Mapping[str, Key] | None = None
    version_added: str = ""
    # The heading of the README that says more.
    see: str = ""
    # Of the key 'directives': the directives that are refused there, and why.
    refused: t.Mapping[str, str] | None = None

    @functools.cached_property
    def completed_default(self) -> t.Any:
        return None if self.default is None else self.check(self.default, "", Errors())


def mapping(value: object, path: str, errors: Errors, keys: t.Mapping[str, Key]) -> dict[str, t.Any]:
    """The valid keys of a mapping, so that one error in it hides no other; the invalid ones are noted and left out."""
    fields: dict[str, t.Any] = {"at": path}
    if not isinstance(value, t.Mapping):
        errors.add(path, f"must be a mapping, not {described(value)}")
        return fields
    for name in value:
        if name not in keys:
            errors.add(member(path, name), f"unknown key{_hint(name, keys, errors)}")
    for name, key in keys.items():
        if name in value:
            completed = key.check(value[name], f"{path}.{name}", errors)
            if completed is not None:
                fields[name] = completed
        elif key.default is ...:
            errors.add(path, f"missing required key '{name}'")
        else:
            fields[name] = key.completed_default
    return fields


def list_of(
    check: t.Callable[[object, str, Errors], dict[str, t.Any]], value: object, path: str, errors: Errors
) -> tuple[dict[str, t.Any], ...] | None:
    if not isinstance(value, list):
        errors.add(path, f"must be a list, not {described(value)}")
        return None
    return tuple(check(item, f"{path}[{index}]", errors) for index, item in enumerate(value))


def lines(keys: t.Mapping[str, Key], block: t.Mapping[str, t.Any]) -> list[str]:
    """The lines of the plain keys of a block."""
    given = ((name, block[name]) for name, key in keys.items() if key.plain)
    return [
        nginx_syntax.line(name, *(value if isinstance(value, tuple) else (str(value),)))
        for name, value in given
        if value is not None
    ]


def owned(keys: t.Mapping[str, Key]) -> dict[str, str]:
    """The directives that keys stand for, with a hint to them."""
    return {directive: f"set by the key '{name}'" for name, key in keys.items() for directive in (name, *key.also)}


def _hint(name: object, keys: t.Mapping[str, Key], errors: Errors) -> str:
    refused = keys["directives"].refused if "directives" in keys else None
    if refused and name in refused:
        return f": {refused[str(name)]}"
    near = errors.suggestion(str(name), keys)
    return near if near or refused is None else ": for a directive without a key, use 'directives'"
