# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts that nginx would refuse, as they were meant, each with a note of its file and line."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import import grammar
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.reading import parsed
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.tree import Directive, Notes


def read(text: str, line: int = 1) -> tuple[list[t.Any], list[str]]:
    """The directives as nested lists of words, and the notes."""
    notes = Notes()
    tree = parsed(text, "a.conf", line, notes)
    return list(map(plain, tree)), [f"{note.kind} {note.place}: {note.text}" for note in notes.found]


def plain(one: Directive) -> list[t.Any]:
    words: list[t.Any] = [one.name, *one.args]
    return words if one.block is None else [*words, list(map(plain, one.block))]


SOUND: list[tuple[str, list[t.Any]]] = [
    ("listen 80;", [["listen", "80"]]),
    ("# listen 80;\nlisten 81; # 82;", [["listen", "81"]]),
    ("return 200 'a \"b\" {;}';", [["return", "200", 'a "b" {;}']]),
    (r'return 200 "a \"b\"\t\$";', [["return", "200", 'a "b"\t\\$']]),
    ("map $a $b { default 0; listen 1; }", [["map", "$a", "$b", [["default", "0"], ["listen", "1"]]]]),
    ("log_format main '$remote_addr '\n    '$request';", [["log_format", "main", "$remote_addr ", "$request"]]),
    ('location ~ "^/a{2}$" { }', [["location", "~", "^/a{2}$", []]]),
    ("server_name a\n  b;", [["server_name", "a", "b"]]),
    ("more_set_headers 'X: y';", [["more_set_headers", "X: y"]]),
    ('add_header CSP "a;\n  b-src c;\n  d";', [["add_header", "CSP", "a;\n  b-src c;\n  d"]]),
    ("return 200 '\u201cquoted\u201d … and \u00a0';", [["return", "200", "\u201cquoted\u201d … and \u00a0"]]),
]


@pytest.mark.parametrize(("text", "expected"), SOUND)
def test_what_nginx_takes_is_read_without_a_word(text: str, expected: list[t.Any]) -> None:
    assert read(text) == (expected, [])


MENDED: list[tuple[str, list[t.Any], str]] = [
    (
        "server {\n  server_mame a;\n}",
        [["server", [["server_name", "a"]]]],
        "a.conf:2: 'server_mame' is no directive of nginx: read as 'server_name'",
    ),
    (
        "proxy-pass http://a;",
        [["proxy_pass", "http://a"]],
        "a.conf:1: 'proxy-pass' is no directive of nginx: read as 'proxy_pass'",
    ),
    (
        "Listen 80;",
        [["listen", "80"]],
        "a.conf:1: 'Listen' is no directive of nginx: read as 'listen'",
    ),
    (
        "locaton / {\n}",
        [["location", "/", []]],
        "a.conf:1: 'locaton' is no directive of nginx: read as 'location'",
    ),
    (
        "server {\n  listen 80\n  server_name a;\n}",
        [["server", [["listen", "80"], ["server_name", "a"]]]],
        "a.conf:2: the ';' after 'listen 80' is missing",
    ),
    (
        "server { server_name a location / { return 204; } }",
        [["server", [["server_name", "a"], ["location", "/", [["return", "204"]]]]]],
        "a.conf:1: the ';' after 'server_name a' is missing",
    ),
    (
        "proxy_set_header Host $host proxy_pass http://a;",
        [["proxy_set_header", "Host", "$host"], ["proxy_pass", "http://a"]],
        "a.conf:1: the ';' after 'proxy_set_header Host $host' is missing",
    ),
    (
        "upstream u { server a:1 server b:2; }",
        [["upstream", "u", [["server", "a:1"], ["server", "b:2"]]]],
        "a.conf:1: the ';' after 'server a:1' is missing",
    ),
    (
        "location / {\n  proxy_pass http://a\n}",
        [["location", "/", [["proxy_pass", "http://a"]]]],
        "a.conf:2: the ';' after 'proxy_pass http://a' is missing",
    ),
    (
        "location / {\n  return 204;\n",
        [["location", "/", [["return", "204"]]]],
        "a.conf:1: the block 'location' has no '}'; it ends where the text does",
    ),
    (
        "location / {\n  return 204;\n}\n}",
        [["location", "/", [["return", "204"]]]],
        "a.conf:4: a '}' without its '{' is left out",
    ),
    (
        "http { server {\n  listen 80;\nserver {\n  listen 81;\n} }",
        [["http", [["server", [["listen", "80"]]], ["server", [["listen", "81"]]]]]],
        "a.conf:3: the block 'server' of line 1 has no '}' before 'server'",
    ),
    (
        "location /\n  proxy_pass http://a;\n}",
        [["location", "/", [["proxy_pass", "http://a"]]]],
        "a.conf:1: 'location' has no '{'",
    ),
    ("if ($a) return 301 /;", [["if", "($a)", [["return", "301", "/"]]]], "a.conf:1: 'if' has no '{'"),
    (
        "location / { return 204; };",
        [["location", "/", [["return", "204"]]]],
        "a.conf:1: a ';' without a directive before it is left out",
    ),
    (
        "proxy_set_header Connection \u201cupgrade\u201d;",
        [["proxy_set_header", "Connection", "upgrade"]],
        "a.conf:1: typographic quotes are read as nginx's own quotes",
    ),
    (
        "listen\u00a080;",
        [["listen", "80"]],
        "a.conf:1: a space that is none to nginx, as pages have them, is read as one",
    ),
    (
        'proxy_set_header Connection "upgrade;\nproxy_pass http://a;\nproxy_set_header X "y";',
        [["proxy_set_header", "Connection", "upgrade"], ["proxy_pass", "http://a"], ["proxy_set_header", "X", "y"]],
        'a.conf:1: the quote " is not closed',
    ),
    ("lis\0ten 80;", [["listen", "80"]], "a.conf:1: NUL characters are taken out"),
]


@pytest.mark.parametrize(("text", "expected", "note"), MENDED)
def test_what_nginx_refuses_is_mended_and_told(text: str, expected: list[t.Any], note: str) -> None:
    tree, notes = read(text)
    assert tree == expected
    assert notes == [f"corrected {note}"]


def test_lines_are_counted_from_the_first_one_of_the_text() -> None:
    assert read("\nlisten 80;;", line=40)[1] == ["corrected a.conf:41: a ';' without a directive before it is left out"]


@pytest.mark.parametrize("text", ["[ ... truncated ... ]", "...", "…", "... # the rest"])
def test_what_stands_for_lines_that_are_left_out_is_no_directive(text: str) -> None:
    tree, _notes = read(f"server {{\n  listen 80;\n  {text}\n}}")
    assert tree == [["server", [["listen", "80"], ["..."]]]]


@pytest.mark.parametrize("text", ["{{ backend }}", "{{ backend | default('a') }}", "<%= backend %>", "<backend>"])
def test_what_is_to_be_filled_in_is_one_word(text: str) -> None:
    assert read(f"proxy_pass http://{text}:80;")[0] == [["proxy_pass", "http://<backend>:80"]]


def test_all_branches_of_a_template_are_read_and_asked_about() -> None:
    tree, notes = read("{% if a %}\nlisten 80;\n{% endif %}\n")
    assert tree == [["listen", "80"]]
    assert notes[0].startswith("question a.conf:1: {% if a %} is a template's")


@pytest.mark.parametrize("name", ["brotli_types", "vhost_traffic_status_zone", "js_import", "auth_jwt_key_file"])
def test_directives_of_modules_are_not_taken_for_slips(name: str) -> None:
    assert read(f"{name} a;") == ([[name, "a"]], [])


def test_the_library_that_is_missing_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grammar, "crossplane", None)
    with pytest.raises(grammar.CrossplaneMissing, match=r"-m pip install crossplane$"):
        read("listen 80;")
