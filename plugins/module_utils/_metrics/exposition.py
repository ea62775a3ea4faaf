# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prometheus' text format: https://prometheus.io/docs/instrumenting/exposition_formats/."""

from __future__ import annotations

import typing as t
from pathlib import Path
from types import MappingProxyType


class Sample(t.NamedTuple):
    """One value of a family, with the labels that tell it from the others."""

    value: float
    labels: t.Mapping[str, str] = MappingProxyType({})
    # Of a histogram: "_bucket", "_sum" or "_count".
    suffix: str = ""


class Family(t.NamedTuple):
    """A metric with its samples: `kind` is gauge, counter or histogram, and `about` one sentence."""

    name: str
    kind: str
    about: str
    samples: t.Sequence[Sample]


def text(families: t.Iterable[Family]) -> str:
    """The families in their order; of one without a sample, nothing."""
    return "".join(map(_family, families))


def write(path: Path, content: str) -> None:
    """Replace a file that others read at any moment."""
    staged = path.with_name(f".{path.name}.new")
    staged.write_text(content, encoding="utf-8")
    staged.replace(path)


def _family(family: Family) -> str:
    if not family.samples:
        return ""
    about = family.about.replace("\\", r"\\").replace("\n", r"\n")
    lines = [f"# HELP {family.name} {about}", f"# TYPE {family.name} {family.kind}"]
    lines += [f"{family.name}{one.suffix}{_labels(one.labels)} {_value(one.value)}" for one in family.samples]
    return "".join(f"{line}\n" for line in lines)


def _labels(labels: t.Mapping[str, str]) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}" if labels else ""


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _value(value: float) -> str:
    """Prometheus reads Go's floats; an integer stays one, as a count and a time in seconds are longer than `g` has."""
    return str(int(value)) if value == int(value) else repr(float(value))
