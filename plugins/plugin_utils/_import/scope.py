# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A block with what it inherits: its directives are taken out one by one, so that what is left has no key."""

from __future__ import annotations

import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.lexing import ELISION
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.tree import Directive


class Scope:
    """The directives of one block, inside those of the blocks around it."""

    def __init__(self, directives: t.Iterable[Directive], outer: Scope | None = None) -> None:
        self._left = [one for one in directives if one.name != ELISION]
        self._named: dict[str, list[Directive]] = {}
        for one in self._left:
            self._named.setdefault(one.name, []).append(one)
        self.outer = outer

    def take(self, *names: str) -> list[Directive]:
        """Its own directives of these names, which are left no more."""
        found = [one for one in self._left if one.name in names]
        self._left = [one for one in self._left if one.name not in names]
        return found

    def drop(self, directives: t.Iterable[Directive]) -> None:
        gone = [id(one) for one in directives]
        self._left = [one for one in self._left if id(one) not in gone]

    def keep(self, directive: Directive) -> None:
        """Have one more among those that are left."""
        self._left.append(directive)

    def own(self, *names: str) -> list[Directive]:
        """Its own directives of these names, taken already or not."""
        return [one for name in names for one in self._named.get(name, ())]

    def in_force(self, name: str) -> list[Directive]:
        """What nginx goes by here: its own, or all of those of the nearest block around it that has some."""
        found = self.own(name)
        return found if found or self.outer is None else self.outer.in_force(name)

    def value(self, name: str) -> Directive | None:
        """The last one of those, of which nginx takes one alone."""
        return next(reversed(self.in_force(name)), None)

    @property
    def left(self) -> list[Directive]:
        return list(self._left)
