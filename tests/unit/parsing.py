# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rendered file read back by crossplane, which knows nothing of the model that made it."""

from __future__ import annotations

import re
import tempfile
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

import crossplane


@dataclass(frozen=True)
class Directive:
    """A directive as nginx reads it: its name, its arguments without quotes and escapes, and its block."""

    name: str
    args: tuple[str, ...]
    block: tuple[Directive, ...] = field(default=())

    def named(self, name: str) -> list[Directive]:
        return [directive for directive in self.block if directive.name == name]

    def arguments(self, name: str) -> list[tuple[str, ...]]:
        return [directive.args for directive in self.named(name)]


def parse(text: str) -> Directive:
    """The directives of a file, as the block of one without a name."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "file.conf")
        path.write_text(text, encoding="utf-8")
        (parsed,) = crossplane.parse(str(path), check_ctx=False, check_args=False)["config"]
    assert parsed["errors"] == []
    return Directive("", (), _directives(parsed["parsed"]))


def _directives(parsed: list[dict[str, t.Any]]) -> tuple[Directive, ...]:
    return tuple(
        Directive(item["directive"], tuple(map(unescaped, item["args"])), _directives(item.get("block", [])))
        for item in parsed
    )


def unescaped(arg: str) -> str:
    """crossplane takes off quotes and leaves nginx's other escapes (ngx_conf_read_token)."""
    known = {"t": "\t", "r": "\r", "n": "\n"}
    return re.sub(r"\\([\\\"'trn])", lambda found: known.get(found.group(1), found.group(1)), arg)
