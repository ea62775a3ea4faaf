# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages with pieces of a configuration, and files that include others."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import import pages
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.imported import imported

SERVER = "server {\n    listen 80;\n    server_name a;\n    location / { return 204; }\n}"
FRAGMENTS: list[tuple[str, list[tuple[str, int]]]] = [
    ("Text\n\n```nginx\nlisten 80;\n```\n", [("listen 80;", 4)]),
    ("~~~\nlisten 80;\n~~~\n", [("listen 80;", 2)]),
    ("1. Item\n\n   ```\n   listen 80;\n   ```\n", [("listen 80;", 4)]),
    ("```js\nconst a = {b: 1};\n```\n```\nlisten 80;\n```", [("listen 80;", 5)]),
    ("```\nnpm install a;\n```\n", []),
    ("```bash\ncat > /etc/nginx/a.conf <<'EOF'\nlisten 80;\nEOF\n```\n", [("listen 80;", 3)]),
    ("```bash\ntee a <<EOF\nset $a \\$b;\nEOF\n```\n", [("set $a $b;", 3)]),
    ("<p>Text</p>\n<pre><code>listen 80; # &lt;b&gt;\n</code></pre>", [("listen 80; # <b>\n", 2)]),
    ("Put this there:\nserver { listen 80; }\nand go on with the next thing.", [("server { listen 80; }", 2)]),
    ("Put this there:\nlisten 80;\nand go on.", [("listen 80;", 2)]),
    ("Why does it fail?\nserver {\nlisten 80;\n\nWhat am I doing wrong here?", [("server {\nlisten 80;\n", 2)]),
]


@pytest.mark.parametrize(("page", "expected"), FRAGMENTS)
def test_the_pieces_of_a_page_with_their_lines(page: str, expected: list[tuple[str, int]]) -> None:
    assert [tuple(one) for one in pages.fragments(page)] == expected


def page(*pieces: str) -> tuple[dict[str, t.Any], list[str]]:
    text = "\n\nSome words here.\n\n".join(f"```nginx\n{piece}\n```" for piece in pieces)
    found = imported({"page.md": text})
    return found["variables"], [f"{note['kind']} {note['line']}: {note['text']}" for note in found["notes"]]


def test_a_block_that_grows_counts_once_with_all_that_is_in_it() -> None:
    small = SERVER.replace("return 204;", "proxy_pass http://10.0.0.1:1;")
    large = small.replace("location / {", "location / { proxy_read_timeout 2h;")
    found, _notes = page(small, large, "location /b { return 205; }")
    (site,) = found["websockets_sites"]
    assert site["locations"] == [
        {"path": "/b", "return": 205},
        {"path": "/", "proxy_pass": "http://10.0.0.1:1", "websocket": False, "proxy_read_timeout": "2h"},
    ]


def test_other_servers_of_the_same_upstream_are_told() -> None:
    found, notes = page("upstream u { server b:1; }", f"upstream u {{ server c:1; }}\n{SERVER}")
    assert found["websockets_upstreams"] == [{"name": "u", "servers": ["c:1"]}]
    assert (
        "corrected 2: the page has the upstream 'u' with other servers here, b:1: those of page.md:8 are taken" in notes
    )


def test_an_example_before_the_whole_to_a_backend_that_is_nowhere_else_is_asked_about() -> None:
    found, notes = page("location /b/ { proxy_pass http://backend; }", SERVER)
    assert [one["path"] for one in found["websockets_sites"][0]["locations"]] == ["/"]
    assert any(line.startswith("question 2: the location '/b/' is an example by itself") for line in notes)


def test_a_comment_in_a_block_whose_lines_were_joined_ends_before_the_next_directive() -> None:
    text = (
        "Put this there:\nupstream u { # the same one for each ip_hash; server a:1; server b:1; }\nThat is all of it."
    )
    found = imported({"page.txt": text})
    assert found["variables"]["websockets_upstreams"] == [
        {"name": "u", "balance": "ip_hash", "servers": ["a:1", "b:1"]}
    ]


def test_a_page_without_a_configuration_is_told() -> None:
    found = imported({"page.md": "# Title\n\nNothing here.\n"})
    assert found["variables"] == {}
    assert "page.md: no configuration of nginx is on this page" in found["report"]


MAIN = "events {}\nhttp {\n    include conf.d/*.conf;\n    include /etc/nginx/sites-enabled/*;\n}\n"


def names(files: dict[str, str]) -> list[str]:
    return [site["server_name"] for site in imported(files)["variables"].get("websockets_sites", [])]


def server(name: str) -> str:
    return SERVER.replace("server_name a", f"server_name {name}")


def test_what_nginx_conf_includes_is_read_in_its_order_and_nothing_else() -> None:
    files = {
        "conf.d/z.conf": server("z"),
        "conf.d/a.conf": server("a"),
        "conf.d/off.conf.disabled": server("off"),
        "nginx.conf": MAIN,
        "sites-available/s": server("available"),
        "sites-enabled/s": server("s"),
    }
    assert names(files) == ["a", "z", "s"]
    assert "sites-available/s: no file that is read includes it" in imported(files)["report"]


def test_a_directory_without_nginx_conf_is_all_that_nothing_includes() -> None:
    files = {
        "sites-available/a": server("a"),
        "sites-available/b": server("b"),
        "sites-enabled/a": server("a").replace("return 204;", "include snippets/p.conf;"),
        "snippets/p.conf": "return 205;",
    }
    found = imported(files)["variables"]
    assert [site["locations"] for site in found["websockets_sites"]] == [[{"path": "/", "return": 205}]]


def test_the_output_of_nginx_t_is_all_files_with_their_names_and_lines() -> None:
    heads = ("# configuration file /etc/nginx/nginx.conf:", "# configuration file /etc/nginx/conf.d/a.conf:")
    dump = f"{heads[0]}\n{MAIN}\n{heads[1]}\n{server('a')}"
    found = imported({"gateway1 (nginx -T)": f"nginx: the configuration file is ok\n{dump}\n"})
    assert [site["server_name"] for site in found["variables"]["websockets_sites"]] == ["a"]
    assert "/etc/nginx/conf.d/a.conf:4: the location '/' is websockets_sites[0].locations[0]" in found["report"]


def test_a_file_that_is_not_given_is_asked_about_and_its_include_stays() -> None:
    found = imported({"a.conf": SERVER.replace("listen 80;", "listen 80; include snippets/x.conf;")})
    assert found["variables"]["websockets_sites"][0]["directives"] == "include snippets/x.conf;"
    assert "a.conf:2: 'include snippets/x.conf': the file is not given; what is in it?" in found["report"]
