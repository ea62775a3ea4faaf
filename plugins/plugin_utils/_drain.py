# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The result of a drain over many gateways, and its progress."""

from __future__ import annotations

import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils import _fleet

Facts = t.Mapping[str, t.Any]
_UNREACHABLE = "This gateway was unreachable, so its configuration may differ from the inventory."
_AGAIN = "Run the same command again to wait longer, or with websockets_drain_force=true to close them."


class Drained(t.TypedDict):
    """What to show at the end, and why the run fails for some gateways."""

    text: str
    failures: dict[str, str]


def progress(name: str, left: t.Mapping[str, int], remaining: float) -> str:
    minutes, seconds = divmod(round(remaining), 60)
    time = f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
    return f"{name}: {_counted(left)}, {time} remain{'' if minutes or seconds != 1 else 's'}"


def closing(name: str, left: t.Mapping[str, int]) -> str:
    return f"{name}: {_counted(left)}, which are being closed"


def result(facts_of: t.Callable[[str], Facts | None], names: t.Iterable[str]) -> Drained:
    """The result for the gateways with these names; one that the run leaves out has no facts."""
    gateways = {name: facts for name in names if (facts := facts_of(name)) is not None}
    failures = {name: failure for name, facts in gateways.items() if (failure := _failure(facts))}
    rotations: dict[str, list[str]] = {}
    for name, facts in gateways.items():
        state = facts.get("__websockets_rotation", {}).get("state")
        if state:
            rotations.setdefault(state, []).append(name)
    waited = any("open" in _left(facts) for facts in gateways.values())
    lines = [
        f"{'Out of' if state == 'out' else 'Back in'} their load balancers: {', '.join(found)}."
        for state, found in sorted(rotations.items())
    ]
    closed = {name: number for name, facts in gateways.items() if (number := _left(facts).get("closed", 0))}
    if closed:
        lines.append(f"Closed: {_on(closed)}.")
    left = {name: number for name, facts in gateways.items() if (number := _left(facts).get("open", 0))}
    if left:
        seconds = max(facts["__websockets_model"]["drain"]["seconds"] for facts in gateways.values())
        lines.append(f"Still open after {seconds:g} s: {_on(left)}.")
    elif waited:
        lines.append("No connection is left.")
    others = [name for name in failures if name not in left]
    if others:
        lines.append(f"Not done on {', '.join(others)}: see below.")
    return Drained(text="\n".join(lines), failures=failures)


def _failure(facts: Facts) -> str:
    """Why the run fails for a gateway, or nothing."""
    if _fleet.is_unreachable(facts):
        return _UNREACHABLE
    outcome = _fleet.outcome(facts)
    if outcome.state in ("failed", "rolled back"):
        return f"The drain is not done on this gateway: {outcome.words}"
    left = _left(facts)
    if left.get("open"):
        reason = f" They cannot be closed: {left['reason']}." if left["reason"] else f" {_AGAIN}"
        return f"Still open: {_counted(left['left'])}.{reason}"
    return f"The drain is not done on this gateway: {left['msg']}" if "msg" in left and "open" not in left else ""


def _left(facts: Facts) -> Facts:
    found: Facts = facts.get("__websockets_left", {})
    return found


def _counted(left: t.Mapping[str, int]) -> str:
    parts = [f"{number} {_named(where)}" for where, number in sorted(left.items())]
    return f"{_connections(sum(left.values()))} ({', '.join(parts)})"


def _named(where: str) -> str:
    return f"from clients at {where}" if where.startswith("port ") else f"to {where}"


def _connections(number: int) -> str:
    return f"{number} connection{'' if number == 1 else 's'}"


def _on(numbers: t.Mapping[str, int]) -> str:
    return ", ".join(f"{_connections(number)} on {name}" for name, number in numbers.items())
