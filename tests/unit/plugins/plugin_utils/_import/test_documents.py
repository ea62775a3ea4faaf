# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""YAML with the lines of its values, and no text that is more than an error."""

from __future__ import annotations

import pytest
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import import documents
from hypothesis import given
from hypothesis import strategies as st

# Two keys to each of nine names, nine times over: 9 ** 9 values.
ALIASES = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join(['*' + before] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def test_each_value_has_its_line_and_a_block_of_text_that_of_its_first_one() -> None:
    (document,) = documents.load("one: 1\ntwo:\n  - x\n  - |\n    a;\n    b;\nthree: >\n  c\n")
    assert document.lines == {"one": 1, "two": 2, "three": 8}
    assert document["two"].lines == {0: 3, 1: 5}
    assert documents.line_of(document["two"], 1) == 5
    assert documents.line_of({"plain": 1}, "plain") == 0


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True),
        ("'yes'", "yes"),
        ("Off", False),
        ("1.1", 1.1),
        ("0o17", "0o17"),
        ("2026-13-99", "2026-13-99"),
        ("~", None),
        ("{{ name }}", "{{ name }}"),
        ("!vault |\n  $ANSIBLE_VAULT;1.1\n", "{{ !vault }}"),
        ("!unsafe '{{ x }}'", "{{ x }}"),
        ("!!python/object:os.system x", "x"),
        ("!!int x", "x"),
    ],
)
def test_scalars(text: str, value: object) -> None:
    (document,) = documents.load(f"key: {text}")
    assert document == {"key": value}
    assert type(document["key"]) is type(value)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: 1\nb: [", 2, "expected the node content"),
        ("a: {{ x }}y", 1, "expected <block end>"),
        ("\x00", 0, "unacceptable character"),
        ("[" * 5000, 0, "nested too deeply"),
        ("a: 1\nb: &b\n  - *b", 2, "contains itself"),
        (ALIASES, 6, "has more than 200000 values"),
        ("<<: 3", 1, "expected a mapping"),
    ],
)
def test_what_is_no_yaml_is_an_error_with_its_line(text: str, line: int, message: str) -> None:
    with pytest.raises(documents.DocumentError, match=message) as raised:
        documents.load(text)
    assert raised.value.line == line


@given(st.text("ab:-{}[]&*!|>'\"#%,? \n\t<~1.") | st.text())
def test_no_text_is_more_than_an_error(text: str) -> None:
    try:
        documents.load(text)
    except documents.DocumentError as error:
        assert str(error)
