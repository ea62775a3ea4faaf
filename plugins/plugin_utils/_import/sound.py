# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The checks of the role: what they refuse becomes a question, so that the variables have no error."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.found import Found
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.tree import Place
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._model.gateway import gateway_model
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.errors import Errors
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.upstream_servers import Inventory

_STEP = re.compile(r"([A-Za-z_0-9]+)|\[(\d+)\]")
_PATH = re.compile(r"(websockets_\w+(?:\[\d+\]|\.[A-Za-z0-9_-]+)*)(?:\.'[^']*')?: (.*)", re.DOTALL)
_REFUSED = re.compile(r"'([^']+)' is not allowed here")
# What a mapping is nothing without, so that it goes as a whole.
_REQUIRED = (
    "server_name",
    "listen",
    "locations",
    "path",
    "address",
    "name",
    "upstream",
    "proxy_pass",
    "root",
    "return",
)
_MOST = 500


def sound(variables: dict[str, t.Any], found: Found) -> dict[str, t.Any]:
    """The variables without what has an error; each is asked about."""
    for _attempt in range(_MOST):
        errors = Errors()
        gateway_model(variables, Inventory({}, {}), errors)
        if not errors.lines:
            return variables
        match = _PATH.match(errors.lines[0])
        if match is None or not _take_out(variables, match[1], match[2], found):
            break
    found.ask(Place("the variables"), "they have errors that the check of the role shows")
    return {name: value for name, value in variables.items() if not name.startswith(("websockets_up", "websockets_si"))}


def _take_out(variables: dict[str, t.Any], path: str, message: str, found: Found) -> bool:
    steps: list[str | int] = [int(number) if number else name for name, number in _STEP.findall(path)]
    holders: list[t.Any] = [variables]
    for step in steps:
        try:
            holders.append(holders[-1][step])
        except (KeyError, IndexError, TypeError):
            break
    steps = steps[: len(holders) - 1]
    if not steps:
        return False
    place = next(
        (found.places[id(one)] for one in reversed(holders) if id(one) in found.places), Place("the variables")
    )
    refused = _REFUSED.match(message)
    if steps[-1] == "directives" and refused:
        kept = [line for line in holders[-1] if line.split(None, 1)[0].rstrip(";") != refused[1]]
        if kept != holders[-1]:
            holders[-2]["directives"] = kept
            found.ask(place, f"'{refused[1]}' is left out: {message}")
            return True
    return _removed(steps, holders, place, message, found)


def _removed(steps: list[str | int], holders: list[t.Any], place: Place, message: str, found: Found) -> bool:
    """Take out the innermost part that can go alone."""
    while steps:
        step, holder = steps[-1], holders[-2]
        value = holders[-1]
        steps, holders = steps[:-1], holders[:-1]
        is_needed = step in _REQUIRED or (isinstance(step, int) and len(holder) == 1)
        if is_needed and steps:
            continue
        what = f"number {step + 1}" if isinstance(step, int) else f"'{step}'"
        if isinstance(value, (str, int)):
            what = f"'{value}'" if isinstance(step, int) else f"'{step}: {value}'"
        elif isinstance(value, dict):
            named = value.get("path") or value.get("name") or value.get("server_name") or value.get("address")
            what = f"'{named if isinstance(named, str) else ', '.join(named or [])}'"
        found.ask(place, f"{what} is left out: {message}")
        if isinstance(step, str) and not steps:
            holder[step] = []
        else:
            del holder[step]
        return True
    return False
