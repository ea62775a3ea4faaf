# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups of bars side by side, as SVG without any library."""

from __future__ import annotations

import typing as t
from html import escape

PANEL_WIDTH, PANEL_HEIGHT, MARGIN, TOP, LABELS = 560, 240, 20, 40, 30
COLUMNS = 2
COLORS = ("#4878a8", "#e49444")
STYLE = "text{font:12px sans-serif;fill:#222}.title{font-size:14px;font-weight:bold}.end{text-anchor:middle}"

# The value of each series, for each name on the axis.
Panel = t.Mapping[str, t.Sequence[float]]


def text(x: float, y: float, words: str, css: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{css}">{escape(words)}</text>'


def rectangle(x: float, y: float, width: float, height: float, color: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{color}"/>'


def number(value: float) -> str:
    return f"{value / 1000:.0f}k" if value >= 10_000 else f"{value:.0f}"


def bars(panel: Panel, left: float, base: float, height: float) -> t.Iterator[str]:
    highest = max(value for values in panel.values() for value in values)
    group = (PANEL_WIDTH - 2 * MARGIN) / len(panel)
    for place, (name, values) in enumerate(panel.items()):
        start, width = left + place * group, group * 0.8 / len(values)
        for index, value in enumerate(values):
            x, tall = start + group * 0.1 + index * width, height * value / highest
            yield rectangle(x, base - tall, width - 2, tall, COLORS[index])
            yield text(x + width / 2, base - tall - 4, number(value), "end")
        yield text(start + group / 2, base + 18, name, "end")


def svg(panels: t.Mapping[str, Panel], series: t.Sequence[str]) -> str:
    rows = -(-len(panels) // COLUMNS)
    width, height = COLUMNS * PANEL_WIDTH, rows * PANEL_HEIGHT + LABELS
    parts = [f"<style>{STYLE}</style>", rectangle(0, 0, width, height, "#fff")]
    for index, name in enumerate(series):
        parts += [rectangle(MARGIN + 80 * index, 10, 12, 12, COLORS[index]), text(MARGIN + 80 * index + 18, 21, name)]
    for place, (title, panel) in enumerate(panels.items()):
        left = place % COLUMNS * PANEL_WIDTH + MARGIN
        top = place // COLUMNS * PANEL_HEIGHT + LABELS
        parts.append(text(left, top + 20, title, "title"))
        parts += bars(panel, left, top + PANEL_HEIGHT - LABELS, PANEL_HEIGHT - TOP - LABELS - 15)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">'
    return "\n".join([head, f"<title>{escape(', '.join(panels))}</title>", *parts, "</svg>\n"])
