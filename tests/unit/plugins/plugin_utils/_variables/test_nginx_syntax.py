# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx's own syntax: words, quotes, and lines that are whole."""

from __future__ import annotations

import pytest
import strategies
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables import nginx_syntax
from hypothesis import given
from hypothesis import strategies as st
from parsing import parse

# nginx has no escape for other control characters, and the values' checks refuse them.
WORDS = st.text(strategies.NASTY + "a\r", max_size=12) | st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc"])
)


@given(st.lists(WORDS, min_size=1, max_size=4))
def test_quoted_words_are_read_as_they_were(words: list[str]) -> None:
    text = " ".join(map(nginx_syntax.quoted, words))
    assert nginx_syntax.words(text) == words
    (directive,) = parse(f"x {text};").block
    assert list(directive.args) == words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("/ws/", "/ws/"),
        ("$host", "$host"),
        ("${host}", '"${host}"'),
        ("", '""'),
        ("a b", '"a b"'),
        ('{"a": 1}', "'{\"a\": 1}'"),
        ('it\'s "x"', '"it\'s \\"x\\""'),
        (r"^/a\.b$", r"^/a\.b$"),
        (r"^/\d{2}$", r'"^/\d{2}$"'),
        (r"\t", r"\\t"),
        ("a\\", r"a\\"),
        ("a\nb", r'"a\nb"'),
    ],
)
def test_a_word_is_quoted_only_where_it_must_be(value: str, text: str) -> None:
    assert nginx_syntax.quoted(value) == text


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", []),
        ("# nothing }", []),
        ("a b; c;", ["a", "c"]),
        ("a {\n    b;\n}\nc;", ["a", "c"]),
        ("a '}' \"{;\" # }\n;", ["a"]),
        ("if ($x ~ ${y}z) { return 403; }", ["if"]),
        (r'a "\"}";', ["a"]),
        ("'quoted' x;", ["quoted"]),
    ],
)
def test_whole_lines_name_their_directives(text: str, names: list[str]) -> None:
    assert nginx_syntax.statements(text) == names


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a", "has no ';' at its end"),
        ("a b; c", "has no ';' at its end"),
        ("a; # ;\nb # ;", "has no ';' at its end"),
        ("a {", "has a '{' without its '}'"),
        ("a { b; ", "has a '{' without its '}'"),
        ("}", "has a '}' without its '{'"),
        ("a; } server { b;", "has a '}' without its '{'"),
        ("a { b }", "has a directive without ';' before a '}'"),
        (";", "has a ';' without a directive before it"),
        ("{ }", "has a '{' without a directive before it"),
        ('a "b;', "has a quote that is not closed"),
        ('a "b\nc";', "has a quote that is not closed on its line"),
        ('a "b\\\nc";', "has a quote that is not closed on its line"),
        ("a b\u00a0c;", "has a space outside quotes that nginx does not treat as one, U+00A0"),
        ('a "b"c;', "has 'c' right after a closing quote"),
        ("a b\\", "has a backslash at the end of a word"),
        ("a b\\ c;", "has a backslash at the end of a word"),
        ("a b\\\nc;", "has a backslash at the end of a word"),
        ("a ${ b; }", "has a '${' that starts no variable"),
        ("a b}\nc;", "has a '}' inside a word without quotes"),
    ],
)
def test_lines_that_would_reach_beyond_their_block_are_refused(text: str, error: str) -> None:
    with pytest.raises(nginx_syntax.NginxSyntaxError) as refusal:
        nginx_syntax.statements(text)
    assert str(refusal.value) == error


@given(st.text(strategies.NASTY + "ab\r", max_size=16))
def test_whole_lines_stay_in_their_block(text: str) -> None:
    """crossplane reads other lines around them as if they were not there."""
    try:
        nginx_syntax.statements(text)
    except nginx_syntax.NginxSyntaxError:
        return
    (outer,) = parse(f"outer {{\nbefore;\n{text}\nafter;\n}}\n").block
    assert outer.name == "outer"
    assert [directive.name for directive in outer.block][:: len(outer.block) - 1] == ["before", "after"]
