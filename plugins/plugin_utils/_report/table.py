# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The proofs of all gateways as a table for a terminal."""

from __future__ import annotations

import typing as t

_HEADER = ("gateway", "site", "path", "status", "proven", "ms")
_NUMBERS = ("status", "ms")
# With more of them nobody would look at each.
_MOST_ROWS = 50


def proof_table(proofs: t.Mapping[str, t.Sequence[t.Mapping[str, t.Any]]]) -> str:
    """One line for each route of each gateway under a line of headings, the columns aligned.

    With many of them, one line for all gateways on which a route went alike, with the slowest of them.
    """
    known = [(gateway, proof) for gateway, results in proofs.items() for proof in results]
    rows = [_row(*member) for member in (known if len(known) <= _MOST_ROWS else _grouped(known))]
    return "\n".join(aligned(_HEADER, rows, _NUMBERS)) if rows else ""


_Member = t.Tuple[str, t.Mapping[str, t.Any]]


def _grouped(known: t.Iterable[_Member]) -> t.Iterator[_Member]:
    groups: dict[tuple[t.Any, ...], list[_Member]] = {}
    for gateway, proof in known:
        alike = (
            proof["site"],
            proof["path"],
            proof["status"],
            proof["proven"],
            proof.get("expires"),
            proof.get("unverified"),
        )
        groups.setdefault(alike, []).append((gateway, proof))
    for members in groups.values():
        name, slowest = max(members, key=lambda member: member[1]["milliseconds"] or 0)
        yield name if len(members) == 1 else f"{len(members)}, slowest {name}", slowest


def _row(gateway: str, proof: t.Mapping[str, t.Any]) -> tuple[str, ...]:
    milliseconds = "" if proof["milliseconds"] is None else f"{proof['milliseconds']:.1f}"
    status = "" if proof["status"] is None else str(proof["status"])
    proven = proof["proven"] or ("not verified" if proof.get("unverified") else "NOT PROVEN")
    if proof.get("expires"):
        proven += f", certificate until {proof['expires'][:10]}"
    return (gateway, proof["site"], proof["path"], status, proven, milliseconds)


def aligned(header: t.Sequence[str], rows: t.Sequence[t.Sequence[str]], numbers: t.Collection[str]) -> list[str]:
    """The lines of a table under a line of headings; the columns of numbers stand to the right."""
    widths = [max(map(len, column)) for column in zip(header, *rows)]
    lines = (zip(header, row, widths) for row in (header, *rows))
    return [
        "  ".join(cell.rjust(width) if name in numbers else cell.ljust(width) for name, cell, width in line).rstrip()
        for line in lines
    ]
