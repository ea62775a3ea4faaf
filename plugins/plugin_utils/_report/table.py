# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The probes of all gateways as a table for a terminal."""

from __future__ import annotations

import typing as t

_HEADER = ("gateway", "site", "path", "status", "verified", "ms")
_NUMBERS = ("status", "ms")
# With more of them a table of each is too long to read.
_MOST_ROWS = 50
# Then so many of those that are verified are examples.
_VERIFIED = 20


def probe_table(probes: t.Mapping[str, t.Sequence[t.Mapping[str, t.Any]]]) -> str:
    """One line for each route of each gateway under a line of headings, the columns aligned.

    With many of them, one line for all gateways where a route has the same result, with the slowest of them.
    """
    known = [(gateway, probe) for gateway, results in probes.items() for probe in results]
    members = known if len(known) <= _MOST_ROWS else list(_grouped(known))
    if not members:
        return ""
    shown = len(members)
    if shown > _MOST_ROWS:
        # Those that need a look are not among those that are left out.
        members.sort(key=lambda member: bool(member[1]["verified"]))
        unverified = sum(not probe["verified"] for _gateway, probe in members)
        shown = max(_VERIFIED, min(unverified, _MOST_ROWS))
    rows = [_row(*member) for member in members[:shown]]
    left = members[shown:]
    if left:
        unverified = sum(not probe["verified"] for _gateway, probe in left)
        words = f"{unverified:,} not verified" if unverified else "all verified"
        rows.append(("", f"and {len(left):,} more", "", "", words, ""))
    return "\n".join(aligned(_HEADER, rows, _NUMBERS))


_Member = t.Tuple[str, t.Mapping[str, t.Any]]


def _grouped(known: t.Iterable[_Member]) -> t.Iterator[_Member]:
    groups: dict[tuple[t.Any, ...], list[_Member]] = {}
    for gateway, probe in known:
        key = (
            probe["site"],
            probe["path"],
            probe["status"],
            probe["verified"],
            probe.get("expires"),
            probe.get("unverified"),
        )
        groups.setdefault(key, []).append((gateway, probe))
    for members in groups.values():
        name, slowest = max(members, key=lambda member: member[1]["milliseconds"] or 0)
        yield name if len(members) == 1 else f"{len(members)}, slowest {name}", slowest


def _row(gateway: str, probe: t.Mapping[str, t.Any]) -> tuple[str, ...]:
    milliseconds = "" if probe["milliseconds"] is None else f"{probe['milliseconds']:.1f}"
    status = "" if probe["status"] is None else str(probe["status"])
    verified = probe["verified"] or ("not verified" if probe.get("unverified") else "FAILED")
    if probe.get("expires"):
        verified += f", certificate until {probe['expires'][:10]}"
    return (gateway, probe["site"], probe["path"], status, verified, milliseconds)


def aligned(header: t.Sequence[str], rows: t.Sequence[t.Sequence[str]], numbers: t.Collection[str]) -> list[str]:
    """The lines of a table under a line of headings; columns of numbers are aligned to the right."""
    widths = [max(map(len, column)) for column in zip(header, *rows)]
    lines = (zip(header, row, widths) for row in (header, *rows))
    return [
        "  ".join(cell.rjust(width) if name in numbers else cell.ljust(width) for name, cell, width in line).rstrip()
        for line in lines
    ]
