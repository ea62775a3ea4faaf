# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The proofs of all gateways as a table for a terminal."""

from __future__ import annotations

import types
import typing as t

_HEADER = ("gateway", "site", "path", "status", "proven", "ms")
_NUMBERS = ("status", "ms")


def proof_table(
    proofs: t.Mapping[str, t.Sequence[t.Mapping[str, t.Any]]],
    actions: t.Mapping[str, t.Sequence[str]] = types.MappingProxyType({}),
) -> str:
    """One line for each route of each gateway under a line of headings, the columns aligned; above it what was done."""
    done = [f"{gateway}: {', '.join(what)}" for gateway, what in actions.items() if what]
    rows = [_HEADER, *(_row(gateway, proof) for gateway, results in proofs.items() for proof in results)]
    widths = [max(map(len, column)) for column in zip(*rows)]
    table = [_line(row, widths) for row in rows] if len(rows) > 1 else []
    return "\n".join([*done, *([""] if done and table else []), *table])


def _row(gateway: str, proof: t.Mapping[str, t.Any]) -> tuple[str, ...]:
    milliseconds = "" if proof["milliseconds"] is None else f"{proof['milliseconds']:.1f}"
    status = "" if proof["status"] is None else str(proof["status"])
    proven = proof["proven"] or "NOT PROVEN"
    if proof.get("expires"):
        proven += f", certificate until {proof['expires'][:10]}"
    return (gateway, proof["site"], proof["path"], status, proven, milliseconds)


def _line(row: t.Sequence[str], widths: t.Sequence[int]) -> str:
    cells = (
        cell.rjust(width) if name in _NUMBERS else cell.ljust(width) for name, cell, width in zip(_HEADER, row, widths)
    )
    return "  ".join(cells).rstrip()
