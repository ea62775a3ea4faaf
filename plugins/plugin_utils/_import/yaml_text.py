# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Variables as YAML, as a person would write it."""

from __future__ import annotations

import functools
import json
import re
import textwrap
import typing as t

import yaml
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.expressions import Templated

# A line that a reader takes in at once.
_WIDTH = 100
_LONGEST = 118
_WRAPPED: t.Any = {"subsequent_indent": "  ", "break_long_words": False, "break_on_hyphens": False}


def document(variables: t.Mapping[str, t.Any], comments: t.Sequence[str] = ()) -> str:
    """A file for group_vars."""
    lines = ["---", *(f"# {line}" for comment in comments for line in textwrap.wrap(comment, _WIDTH, **_WRAPPED))]
    for name, value in variables.items():
        lines += _member(name, value, "")
    return "\n".join(lines) + "\n"


def _member(name: str, value: t.Any, indent: str) -> list[str]:
    key = _key(name)
    if isinstance(value, str) and ("\n" in value or _is_long(f"{indent}{key}: {value}")):
        return _block(f"{indent}{key}:", value, indent)
    is_long = not indent or _is_of_lines(name, value) or not _fits(f"{indent}{key}: ", value)
    if isinstance(value, list) and value and is_long:
        return [f"{indent}{key}:", *(line for item in value for line in _item(item, f"{indent}  "))]
    if isinstance(value, dict) and value and not _fits(f"{indent}{key}: ", value):
        return [f"{indent}{key}:", *(line for inner in value.items() for line in _member(*inner, f"{indent}  "))]
    return [f"{indent}{key}: {_flow(value) if isinstance(value, (list, dict)) else _scalar(value)}"]


def _item(value: t.Any, indent: str) -> list[str]:
    if isinstance(value, str) and ("\n" in value or _is_long(f"{indent}- {value}")):
        return _block(f"{indent}-", value, indent)
    if not isinstance(value, (dict, list)):
        return [f"{indent}- {_scalar(value)}"]
    if isinstance(value, list) or not value or _fits(f"{indent}- ", value):
        return [f"{indent}- {_flow(value)}"]
    lines = [line for inner in value.items() for line in _member(*inner, f"{indent}  ")]
    return [f"{indent}- {lines[0].lstrip(' ')}", *lines[1:]]


def _fits(before: str, value: t.Any) -> bool:
    """Whether a list or a mapping stands well on one line."""
    return not _has_lines(value) and len(before) + len(_flow(value)) <= _WIDTH


def _is_of_lines(name: str, value: t.Any) -> bool:
    """Whether a list has lines of nginx, whose semicolons would stand before commas."""
    return name.endswith("directives") and isinstance(value, list) and len(value) > 1


def _is_long(line: str) -> bool:
    """Whether a line is longer than yamllint allows in Ansible's collections."""
    return len(line) > _LONGEST


def _has_lines(value: t.Any) -> bool:
    if isinstance(value, dict):
        return any(_is_of_lines(name, inner) or _has_lines(inner) for name, inner in value.items())
    if isinstance(value, list):
        return any(map(_has_lines, value))
    return isinstance(value, str) and "\n" in value


def _block(before: str, value: str, indent: str) -> list[str]:
    """A text of several lines, or of a long one, if YAML can have it as such."""
    lines = value.split("\n")
    if len(lines) == 1:
        folded = textwrap.wrap(value, _WIDTH - len(indent) - 2, break_long_words=False, break_on_hyphens=False)
        if " ".join(folded) != value or not value.isprintable():
            return [f"{before} {_scalar(value)}"]
        return [f"{before} >-", *(f"{indent}  {line}" for line in folded)]
    if any(brace in value for brace in ("{{", "{%", "{#")):
        return [f"{before} {_scalar(value)}"]
    plain = lines[0][:1] not in ("", " ") and lines[-1] and value.isprintable() is False
    if not plain or any(not line.replace("\t", " ").isprintable() or line != line.rstrip() for line in lines):
        return [f"{before} {_quoted(value)}"]
    return [f"{before} |-", *(f"{indent}  {line}" if line else "" for line in lines)]


def _flow(value: t.Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(key)}: {_flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return _scalar(value, in_flow=True)


def _key(name: str) -> str:
    return _scalar(name) if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", name) else _quoted(name)


def _scalar(value: t.Any, *, in_flow: bool = False) -> str:
    if value is None or isinstance(value, (bool, int, float)):
        return json.dumps(value)
    text = str(value)
    # Ansible would take these for expressions, and is to, where they were some.
    is_unsafe = not isinstance(value, Templated) and any(brace in text for brace in ("{{", "{%", "{#"))
    mark = "!unsafe " if is_unsafe else ""
    return text if not mark and _is_plain(text, in_flow=in_flow) else mark + _quoted(text)


@functools.lru_cache(maxsize=65536)
def _is_plain(text: str, *, in_flow: bool) -> bool:
    """Whether YAML reads the text as it is, without quotes."""
    if not text.isascii() or "\n" in text or text != text.strip() or text.startswith("="):
        return False
    try:
        return bool(
            yaml.safe_load(f"[k, {text}]" if in_flow else f"k: {text}") == (["k", text] if in_flow else {"k": text})
        )
    except (yaml.YAMLError, ValueError):
        return False


def _quoted(text: str) -> str:
    """In double quotes, as elsewhere in Ansible, unless that takes more than the text itself."""
    if text.isprintable() and ('"' in text or "\\" in text):
        single = yaml.safe_dump(text, default_style="'", width=10**6, allow_unicode=True).strip()
        if single.startswith("'") and "\n" not in single:
            return single
    return yaml.safe_dump(text, default_style='"', width=10**6, allow_unicode=True).strip()
