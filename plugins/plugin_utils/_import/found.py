# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is known while a tree becomes variables: the notes, and what directives elsewhere say."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import import printing
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.tree import Directive, Kind, Notes, Place

_Mapping = t.TypeVar("_Mapping", bound=t.Dict[str, t.Any])


class Origins(t.NamedTuple):
    """What a map of the role's says of the Origin header: the keys allowed_origins and allow_missing_origin."""

    allowed: list[str]
    missing: bool


@dataclass
class Found:
    notes: Notes
    # Whether it is a file that the role has written.
    is_ours: bool = False
    # The upstreams by their names in lower case, as nginx compares them.
    upstreams: dict[str, Directive] = field(default_factory=dict)
    # Variables that are "upgrade" with an Upgrade header, by their names without the dollar sign.
    upgrades: dict[str, Place] = field(default_factory=dict)
    # The maps and zones of a file of the role.
    origins: dict[str, Origins] = field(default_factory=dict)
    rates: dict[str, str] = field(default_factory=dict)
    # Maps of the Origin header, by their variables without the dollar sign.
    origin_maps: dict[str, Directive] = field(default_factory=dict)
    # The variables that the files themselves define, in lower case and without the dollar sign.
    defined: set[str] = field(default_factory=set)
    # The log formats that are given.
    formats: set[str] = field(default_factory=lambda: {"combined"})
    # Names that stand in for what a reader is to fill in.
    blanks: set[str] = field(default_factory=set)
    # Where each mapping of the variables comes from, by its identity.
    places: dict[int, Place] = field(default_factory=dict)
    # They hold on to the mappings, so that no identity is another one's.
    _kept: list[t.Any] = field(default_factory=list)

    def note(self, kind: Kind, where: Directive | Place, text: str) -> None:
        self.notes.add(kind, where.place if isinstance(where, Directive) else where, text)

    def ask(self, where: Directive | Place, text: str) -> None:
        self.note("question", where, text)

    def is_blank(self, text: str) -> bool:
        """Whether something in a text is to be filled in, which is asked already."""
        return any(blank in text for blank in self.blanks)

    def placed(self, variables: _Mapping, where: Directive | Place) -> _Mapping:
        self.places[id(variables)] = where.place if isinstance(where, Directive) else where
        self._kept.append(variables)
        return variables

    def renamed(self, directive: Directive) -> Directive:
        """The directive as it may stand in a file of the role: with the role's variables of the upgrade."""
        return _safe(printing.renamed(directive, dict.fromkeys(self.upgrades, "websocket_connection")))

    def connects(self, value: str) -> bool:
        """Whether the value of Connection follows the request."""
        return value.strip("${}") in self.upgrades or value == "$websocket_connection"


def _safe(directive: Directive) -> Directive:
    """The headers of the upgrade as the role sends them, in a block that is kept as it is."""
    block, args = directive.block, directive.args
    if directive.name == "proxy_set_header" and len(args) == 2:
        name, value = args[0].lower(), args[1].lower()
        if (name, value) == ("upgrade", "$http_upgrade"):
            args = (args[0], "$websocket_upgrade")
        elif (name, value) in (("connection", "upgrade"), ("connection", "$http_connection")):
            args = (args[0], "$websocket_connection")
    return Directive(directive.name, args, directive.place, None if block is None else tuple(map(_safe, block)))
