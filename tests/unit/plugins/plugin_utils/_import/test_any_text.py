# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever the text, there is a report, and the role takes the variables."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.imported import imported
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._model.gateway import gateway_model
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.errors import Errors
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.upstream_servers import Inventory
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

CORPUS = Path(__file__).resolve().parent / "corpus"
TEXTS = {
    str(path.relative_to(CORPUS)): path.read_text(encoding="utf-8")
    for path in sorted(CORPUS.rglob("*"))
    if path.is_file() and path.name not in ("expected.yml", "report.txt")
}
WORDS = re.compile(r"\s+|[;{}]|[^\s;{}]+")
# What nginx, YAML, Markdown and templates read as something of their own.
ODD = (
    *(
        "{",
        "}",
        ";",
        '"',
        "'",
        "\\",
        "#",
        "$",
        "${",
        "\n",
        "\r\n",
        "\r",
        "\t",
        "\0",
        "\ufeff",
        "\u2028",
        "\u00a0",
        "\u201c",
    ),
    *(
        "\u201c",
        "...",
        "[ ... ]",
        "{{",
        "}}",
        "{%",
        "%}",
        "<name>",
        "```",
        "---",
        "- ",
        ": ",
        "location",
        "server",
        "http",
        "if",
    ),
    *(
        "include *;",
        "server {",
        "upstream a {",
        "location / {",
        "proxy_pass http://;",
        "return 200",
        "listen :;",
        "set",
    ),
    *(
        "~",
        "(",
        "[",
        "*",
        "=",
        "unix:",
        "ssl",
        "_by_lua_block {",
        "content_by_lua_block {",
        "\ud7ff",
        "\U0001f600",
        "0" * 30,
    ),
)
PHASES = [Phase.explicit, Phase.reuse, Phase.generate]


def check(files: dict[str, str]) -> None:
    found = imported(files)
    assert found["report"]
    assert (yaml.safe_load(found["yaml"].replace("!unsafe ", "")) or {}) == found["variables"]
    errors = Errors()
    gateway_model(found["variables"], Inventory({}, {}), errors)
    assert errors.lines == []


@st.composite
def damaged(draw: st.DrawFn) -> tuple[str, str]:
    """A text of the corpus with words that are gone, twice there, or others, and with an end too soon."""
    name = draw(st.sampled_from(sorted(TEXTS)))
    words = WORDS.findall(TEXTS[name])
    for _change in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, max(0, len(words) - 1)))
        kind = draw(st.sampled_from(["gone", "twice", "odd", "cut", "other"]))
        if kind == "gone":
            del words[at : at + draw(st.integers(1, 3))]
        elif kind == "twice":
            words[at:at] = words[at : at + draw(st.integers(1, 30))]
        elif kind == "odd":
            words.insert(at, draw(st.sampled_from(ODD)))
        elif kind == "other" and words:
            words[at : at + 1] = [words[draw(st.integers(0, len(words) - 1))]]
        elif draw(st.booleans()):
            words = words[:at]
    return name, "".join(words)


@settings(phases=PHASES)
@given(damaged())
def test_a_damaged_text_of_the_corpus(damage: tuple[str, str]) -> None:
    name, text = damage
    check({name.partition("/")[2]: text})


@settings(phases=PHASES)
@given(
    st.lists(st.sampled_from(ODD) | st.text(max_size=4), max_size=40), st.sampled_from(["a.conf", "a.md", "a", "a.yml"])
)
def test_words_at_random(words: list[str], name: str) -> None:
    check({name: " ".join(words)})
    check({name: "".join(words)})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\0\0\0",
        "\ufeff",
        "\x7fELF\x01\x02\x03\x04\x05\x06",
        "{" * 5000,
        "}" * 5000,
        "server {" * 3000,
        "a {" * 3000 + "}" * 3000,
        "location / {" * 100,
        '"' * 999,
        "\\",
        "server { listen 80; return 200 '\\",
        "$" * 100,
        "[" * 5000,
        "- " * 5000,
        "a: " * 2000,
        "server {\r\n listen 80;\r\n location / { proxy_pass http://a:1;\r\n }\r\n}\r\n",
        "\ufeffserver { listen 80; location / { proxy_pass http://a:1; } }",
        "ser\0ver { listen 80; location / { proxy_pass http://a:1; } }",
    ],
    ids=lambda text: repr(text[:20]),
)
@pytest.mark.parametrize("name", ["a.conf", "a.md", "a.txt", "a.yaml"])
def test_texts_that_are_hardly_any(name: str, text: str) -> None:
    check({name: text})


def test_line_ends_and_marks_of_other_systems_make_no_difference() -> None:
    plain = "server {\n listen 80;\n location / { proxy_pass http://a:1;\n }\n}\n"
    expected = imported({"a.conf": plain})["variables"]
    for text in (plain.replace("\n", "\r\n"), plain.replace("\n", "\r"), f"\ufeff{plain}", f"{plain}\n\n\x1a"[:-1]):
        assert imported({"a.conf": text})["variables"] == expected


def test_files_that_include_each_other_come_to_an_end() -> None:
    files: t.Mapping[str, str] = {
        "nginx.conf": "events {}\nhttp { include a.conf; }",
        "a.conf": "include b.conf;\nserver { listen 80; location / { return 204; } }",
        "b.conf": "include a.conf;",
    }
    found = imported(files)
    assert [site["locations"] for site in found["variables"]["websockets_sites"]] == [[{"path": "/", "return": 204}]]
    assert "b.conf:1: 'include a.conf' includes itself, which is left out" in found["report"]
