# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""YAML as a person would write it, that reads back as it was."""

from __future__ import annotations

import typing as t

import pytest
import yaml
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.yaml_text import document
from hypothesis import given
from hypothesis import strategies as st

WRITTEN: list[tuple[dict[str, t.Any], str]] = [
    ({}, "---\n"),
    ({"a": 1, "b": True, "c": "text"}, "---\na: 1\nb: true\nc: text\n"),
    ({"a": ["x:1", "[::]:443 ssl", "on", "~ ^/a"]}, '---\na:\n  - x:1\n  - "[::]:443 ssl"\n  - "on"\n  - ~ ^/a\n'),
    ({"a": [{"b": ["x:1", "y"], "c": {"d": ""}}]}, '---\na:\n  - {b: [x:1, y], c: {d: ""}}\n'),
    ({"a": "x # y"}, '---\na: "x # y"\n'),
    ({"a": 'say "x: y"'}, "---\na: 'say \"x: y\"'\n"),
    ({"a": "map {\n    x y;\n}"}, "---\na: |-\n  map {\n      x y;\n  }\n"),
    ({"a": [{"b": 1, "directives": ["x;", "y;"]}]}, "---\na:\n  - b: 1\n    directives:\n      - x;\n      - y;\n"),
    ({"a": "{{ x }}"}, '---\na: !unsafe "{{ x }}"\n'),
]


@pytest.mark.parametrize(("variables", "expected"), WRITTEN)
def test_variables_as_yaml(variables: dict[str, t.Any], expected: str) -> None:
    assert document(variables) == expected


def test_questions_stand_above() -> None:
    assert document({"a": 1}, ["Questions:", "- one"]) == "---\n# Questions:\n# - one\na: 1\n"


values: st.SearchStrategy[t.Any] = st.recursive(
    st.integers() | st.booleans() | st.text() | st.text(":#{}[],&*!|>'\"%@`\\ -\n\t~=$;", max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)


class Loader(yaml.SafeLoader):
    """As Ansible's own: a text is not a template."""


Loader.add_constructor("!unsafe", lambda _loader, node: str(node.value))


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,9}", fullmatch=True), values, min_size=1, max_size=4))
def test_any_variables_read_back_as_they_were(variables: dict[str, t.Any]) -> None:
    assert yaml.load(document(variables), Loader) == variables
