# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the results of a benchmark into a page in docs/."""

from __future__ import annotations

import re
import textwrap
import typing as t
from pathlib import Path


def table(lines: t.Iterable[t.Sequence[str]]) -> str:
    """A Markdown table; the first line is its header."""
    head, *body = lines
    widths = [max(len(cell) for cell in column) for column in zip(head, *body)]
    rows = [head, ["-" * width for width in widths], *body]
    padded = (" | ".join(cell.ljust(width) for cell, width in zip(row, widths)) for row in rows)
    return "".join(f"| {row} |\n" for row in padded)


def paragraph(text: str) -> str:
    return textwrap.fill(text, 120) + "\n"


def write(page: Path, text: str) -> None:
    """Put the text between the two comments that mark its position in the page."""
    begin, end = "(<!-- measured: .* -->\n)", "(<!-- /measured -->\n)"
    found = re.sub(
        f"{begin}.*?{end}", lambda match: f"{match[1]}\n{text}\n{match[2]}", page.read_text(), flags=re.DOTALL
    )
    page.write_text(found)
