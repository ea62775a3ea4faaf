# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx's messages, followed to the variables."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import source_map

FILE = Path("/etc/nginx/conf.d/gateway.conf")
TEXT = """\
# From the variables.
server_tokens off;
map $http_upgrade $websocket_upgrade {
    default   "";
}

upstream chat {
    least_conn;
    server 10.0.0.1:80;
}

server {
    listen 80;
    listen 127.0.0.1:8080;
    server_name a.example;
    if ($slow) {
        return 503;
    }

    location / {
        proxy_pass http://chat;
    }

    location = /only {
        return 204;
    }
}

server {
    listen [::]:443 ssl;
    listen unix:/run/a.sock;
    server_name b.example;
}

# Tells a deploy which configuration is live.
server {
    listen 127.0.0.1:8099;

    location / {
        return 200 "x";
    }
}
"""
# All but the comment at the head.
RUNS = [
    ("", 5),
    ("upstreams[0]", 5),
    ("sites[0]", 8),
    ("sites[0].locations[0]", 3),
    ("sites[0]", 1),
    ("sites[0].locations[1]", 3),
    ("sites[0]", 2),
    ("sites[1]", 5),
    ("", 9),
]
SOURCE = source_map.Source("websockets_sites", RUNS)
LISTENING = {"80": "sites[0].listen", "127.0.0.1:8080": "sites[0].listen", "[::]:443": "sites[1].listen"}
LISTENING["unix:/run/a.sock"] = "sites[1].listen"


def line_number(line: str, which: int = 0) -> int:
    return [number for number, text in enumerate(TEXT.splitlines(), 1) if text == line][which]


def explained(message: str) -> list[str]:
    first, *rest = source_map.bound(source_map.explained([message], FILE, TEXT, SOURCE), LISTENING)
    assert first == message
    return rest


@pytest.mark.parametrize(
    ("line", "which", "origin"),
    [
        ("upstream chat {", 0, "upstreams[0]"),
        ("    least_conn;", 0, "upstreams[0]"),
        ("    server 10.0.0.1:80;", 0, "upstreams[0]"),
        # nginx names this line where an upstream has no server.
        ("}", 1, "upstreams[0]"),
        ("server {", 0, "sites[0]"),
        ("    server_name a.example;", 0, "sites[0]"),
        ("        return 503;", 0, "sites[0]"),
        ("    location / {", 0, "sites[0].locations[0]"),
        ("        proxy_pass http://chat;", 0, "sites[0].locations[0]"),
        ("    }", 1, "sites[0].locations[0]"),
        ("    location = /only {", 0, "sites[0].locations[1]"),
        ("        return 204;", 0, "sites[0].locations[1]"),
        ("server {", 1, "sites[1]"),
        ("    server_name b.example;", 0, "sites[1]"),
        ("}", 3, "sites[1]"),
    ],
)
def test_a_line_is_followed_to_where_it_comes_from(line: str, which: int, origin: str) -> None:
    message = f'[emerg] "x" directive is invalid in {FILE}:{line_number(line, which)}'
    assert explained(message) == [f"That is {line.strip()!r}, from {origin}."]


@pytest.mark.parametrize(
    ("line", "which"),
    [
        ("server_tokens off;", 0),
        ('    default   "";', 0),
        ("# Tells a deploy which configuration is live.", 0),
        # The server for the fingerprint is nobody's variable.
        ("    listen 127.0.0.1:8099;", 0),
        ('        return 200 "x";', 0),
        ("}", 4),
    ],
)
def test_a_line_outside_the_operators_blocks_is_shown_alone(line: str, which: int) -> None:
    message = f"[emerg] unknown directive in {FILE}:{line_number(line, which)}"
    assert explained(message) == [f"That is {line.strip()!r}."]


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("0.0.0.0:80", "sites[0]"),
        ("127.0.0.1:8080", "sites[0]"),
        ("[::]:443", "sites[1]"),
        ("unix:/run/a.sock", "sites[1]"),
    ],
)
def test_an_address_that_is_taken_is_followed_to_its_listen(address: str, origin: str) -> None:
    message = f"[emerg] bind() to {address} failed (98: Address already in use)"
    assert explained(message) == [f"That address is from {origin}.listen."]


@pytest.mark.parametrize(
    "message",
    [
        "[emerg] host not found in upstream",
        "[emerg] unknown directive in /etc/nginx/nginx.conf:2",
        f"[emerg] unknown directive in {FILE}.bak:2",
        f"[emerg] unknown directive in {FILE}:0",
        f"[emerg] unexpected end of file in {FILE}:4711",
        f"[emerg] in {FILE}:2 there is more to say",
        "[emerg] bind() to 0.0.0.0:8 failed (98: Address already in use)",
        "[emerg] bind() to 127.0.0.1:80 failed (98: Address already in use)",
        "[emerg] still could not bind()",
    ],
)
def test_a_message_about_something_else_is_left_alone(message: str) -> None:
    assert explained(message) == []


SHARED = """\
# chat is shared; 80 too
log_format main "x";
limit_req_zone $uri zone=one:1m rate=1r/s;
map_hash_bucket_size 128;

upstream chat {
    zone chat 64k;
}

server {
    listen 80;
    listen *:80 backlog=9;
    listen [::]:443 ssl;
}
"""


@pytest.mark.parametrize(
    ("message", "line", "origin"),
    [
        ('"map_hash_bucket_size" directive is duplicate', "map_hash_bucket_size 128;", "directives"),
        ('duplicate upstream "chat"', "upstream chat {", "upstreams[0]"),
        ('duplicate "log_format" name "main"', 'log_format main "x";', "directives"),
        (
            'limit_req_zone "one" is already bound to key "x"',
            "limit_req_zone $uri zone=one:1m rate=1r/s;",
            "directives",
        ),
        ('the shared memory zone "chat" is already declared for a different use', "upstream chat {", "upstreams[0]"),
        ("duplicate listen options for 0.0.0.0:80", "listen *:80 backlog=9;", "sites[0]"),
        ("a duplicate default server for [::]:443", "listen [::]:443 ssl;", "sites[0]"),
    ],
)
def test_what_another_file_is_blamed_for_is_followed_by_the_same_here(message: str, line: str, origin: str) -> None:
    source = source_map.Source("", [("directives", 5), ("upstreams[0]", 4), ("sites[0]", 5)])
    whole = f"[emerg] {message} in /etc/nginx/sites-enabled/app:3"
    assert source_map.repeated([whole], FILE, SHARED, source) == [
        whole,
        f"{FILE} has it too: {line!r}, from {origin}.",
    ]


@pytest.mark.parametrize(
    "message",
    [
        f'duplicate upstream "chat" in {FILE}:7',
        'duplicate upstream "other" in /etc/nginx/sites-enabled/app:3',
        'unknown directive "chat" in /etc/nginx/sites-enabled/app:3',
        'duplicate upstream "chat"',
        "duplicate listen options for 0.0.0.0:8 in /etc/nginx/sites-enabled/app:3",
    ],
)
def test_what_is_here_alone_or_not_here_is_left_alone(message: str) -> None:
    assert source_map.repeated([message], FILE, SHARED, source_map.Source()) == [message]


def test_each_message_is_followed_by_its_line() -> None:
    messages = [f"[warn] a in {FILE}:2", "[emerg] b", f"[emerg] c in {FILE}:{line_number('    least_conn;')}"]
    assert source_map.explained(messages, FILE, TEXT, SOURCE) == [
        messages[0],
        "That is 'server_tokens off;'.",
        messages[1],
        messages[2],
        "That is 'least_conn;', from upstreams[0].",
    ]


def test_a_line_ends_where_nginx_has_it_end() -> None:
    text, message = "# a\u2028b\x0cc\n\nlast;\n", f"[emerg] unknown directive in {FILE}:3"
    source = source_map.Source("", [("sites[0]", 1)])
    for given in (text, text[:-1]):
        assert source_map.explained([message], FILE, given, source)[1:] == ["That is 'last;', from sites[0]."]


def test_a_file_without_known_blocks_has_its_lines_shown() -> None:
    message = f"[emerg] unknown directive in {FILE}:{line_number('    least_conn;')}"
    assert source_map.explained([message], FILE, TEXT, source_map.Source()) == [message, "That is 'least_conn;'."]


@pytest.mark.parametrize(("source", "line"), [(SOURCE, "That is '}'."), (source_map.Source(), "That is '}'.")])
def test_a_closing_brace_before_the_first_block_is_nobodys(source: source_map.Source, line: str) -> None:
    message = f"[emerg] unknown directive in {FILE}:{line_number('}')}"
    assert source_map.explained([message], FILE, TEXT, source) == [message, line]


def test_a_message_about_a_secret_names_its_variable_and_shows_no_line() -> None:
    key = Path("/etc/nginx/conf.d/a.pem")
    messages = [f'[emerg] cannot load certificate "{key}": bad end line', f'[emerg] cannot load "{key}2"', "[warn] a"]
    assert source_map.named(messages, key, source_map.Source("sites[0].ssl_certificate")) == [
        messages[0],
        "That file is from sites[0].ssl_certificate.",
        *messages[1:],
    ]
    assert source_map.named(messages, key, source_map.Source()) == messages
