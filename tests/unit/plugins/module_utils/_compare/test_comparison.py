# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Under a real nginx: what differs in one thing alone is not the same, and what is the same has no difference."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils._compare.own_requests import own_requests
from ansible_collections.wsfleet.nginx.plugins.module_utils._compare.side import CompareError
from comparing import compared, compared_paths, needs_nginx
from rendering import render

pytestmark = needs_nginx

BEFORE = r"""
map $http_upgrade $connection_upgrade { default upgrade; "" close; }
limit_conn_zone $binary_remote_addr zone=clients:1m;
upstream chat { server chat1:3000; server chat2:3000; }
server { listen 8080; server_name _; return 404; }
server {
    listen 8080;
    server_name chat.example;
    add_header X-Served-By gateway;
    # of the server
    location /ws/ {
        proxy_pass http://chat;
        proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection $connection_upgrade;
        proxy_set_header Host $host;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }
    # others
}
"""
IN_SERVER, OTHERS, PASS = "# of the server", "# others", "proxy_pass http://chat;"
EXACT = 'location = /health { return 200 "well"; }'
STATIC = "location /files/ { root /srv/none-has-this; }"
APP = "location /app/ { proxy_pass http://chat/app/; }"
ROOMS = "location ~ ^/rooms/[0-9]+$ { return 301 /ws$uri; }"

# What is different, the text that is replaced (in BEFORE, or in one that stands for OTHERS), and by what.
MUTATIONS = [
    # the response
    ("response", 'return 200 "well"', "return 204", EXACT),
    ("response body", "well", "fine", EXACT),
    ("response header content-type", "return 200", "default_type text/html; return 200", EXACT),
    ("response", "= /health", "/health", EXACT),
    ("response header location", "/ws$uri", "/wss$uri", ROOMS),
    ("response", "301", "302", ROOMS),
    ("response", "[0-9]+$", "[0-9][0-9]$", ROOMS),
    ("response", "~ ^/rooms", "~* ^/rooms", ROOMS),
    ("response body", "none-has-this", "nor-this", STATIC),
    ("response header x-served-by", "X-Served-By gateway", "X-Served-By other", ""),
    ("response header x-served-by", PASS, f"add_header X-Own a; {PASS}", ""),
    ("response header location", "http://chat/app/;", "http://chat/app/; proxy_redirect off;", APP),
    ("response header set-cookie", PASS, f"proxy_cookie_path /app /other; {PASS}", ""),
    ("response header x-powered-by", PASS, f"proxy_hide_header X-Powered-By; {PASS}", ""),
    ("response header cache-control", PASS, f"expires 1h; {PASS}", ""),
    ("response header content-encoding", PASS, f"gzip on; gzip_types text/plain; {PASS}", ""),
    ("response header server", IN_SERVER, "server_tokens off;", ""),
    ("response body", PASS, f"proxy_intercept_errors on; error_page 404 /none; {PASS}", ""),
    ("response", PASS, f"proxy_buffer_size 16k; proxy_buffers 4 16k; {PASS}", ""),
    # what is let in
    ("response", IN_SERVER, "client_max_body_size 3m;", ""),
    ("response", IN_SERVER, "allow 10.0.0.0/8; deny all;", ""),
    ("response", IN_SERVER, 'if ($http_origin = "https://foreign.invalid") { return 403; }', ""),
    ("response", IN_SERVER, "if ($request_method = DELETE) { return 405; }", ""),
    ("response", IN_SERVER, 'auth_basic "a"; auth_basic_user_file /etc/none-has-this;', ""),
    ("response", "server_name _; return 404", "server_name _; return 403", ""),
    ("response", "listen 8080;\n", "listen 8080 default_server;\n", ""),
    ("limit", IN_SERVER, "limit_conn clients 3;", ""),
    ("response", IN_SERVER, "large_client_header_buffers 2 1k;", ""),
    # where a site is
    ("response", "chat.example", "chat.example.org", ""),
    ("response", "chat.example", "chat.example www.chat.example", ""),
    ("response", "listen 8080;\n", "listen 8081;\n", ""),
    ("response", "listen 8080;\n", "listen 8080; listen unix:/run/none-has-this.sock;\n", ""),
    # what a backend receives
    ("path at the backend", PASS, "proxy_pass http://chat/;", ""),
    ("path at the backend", PASS, f"rewrite ^/ws/(.*)$ /ws/other/$1 break; {PASS}", ""),
    ("method at the backend", PASS, f"proxy_method PUT; {PASS}", ""),
    ("body at the backend", PASS, f'proxy_pass_request_body off; proxy_set_header Content-Length ""; {PASS}', ""),
    ("header host to the backend", "Host $host", "Host $proxy_host", ""),
    ("header x-forwarded-for to the backend", "$proxy_add_x_forwarded_for", "$remote_addr", ""),
    ("header x-forwarded-for to the backend", IN_SERVER, "set_real_ip_from 10.0.0.0/8;", ""),
    ("header x-own to the backend", PASS, f'proxy_set_header X-Own ""; {PASS}', ""),
    ("header x_underscore to the backend", "server {\n", "server {\n    underscores_in_headers on;", ""),
    ("header connection to the backend", "Connection $connection_upgrade", "Connection upgrade", ""),
    ("TLS to the backend", "http://chat;", "https://chat;", ""),
    ("version of HTTP to the backend", "1.1;", "1.0;", ""),
    ("backend", PASS, f"mirror /mirror; {PASS}", "location = /mirror { internal; proxy_pass http://mirror:1; }"),
    # the servers of an upstream
    ("upstream", "chat2:3000", "chat3:3000", ""),
    ("upstream", "chat2:3000", "chat2:3001", ""),
    ("upstream", "chat2:3000;", "chat2:3000 weight=2;", ""),
    ("upstream", "chat2:3000;", "chat2:3000 backup;", ""),
    ("upstream", "chat2:3000;", "chat2:3000 down;", ""),
    ("upstream", "upstream chat {", "upstream chat { ip_hash;", ""),
    ("upstream", PASS, "proxy_pass http://chat1:3000;", ""),
    # WebSockets
    ("response", "proxy_set_header Upgrade $http_upgrade;", "", ""),
    ("response", "Connection $connection_upgrade", "Connection close", ""),
    ("proxy_read_timeout", PASS, f"proxy_read_timeout 5s; {PASS}", ""),
]


@pytest.mark.parametrize(("what", "earlier", "later", "others"), MUTATIONS)
def test_a_pair_that_differs_in_one_thing_is_not_the_same(
    what: str, earlier: str, later: str, others: str, tmp_path: Path
) -> None:
    before = BEFORE.replace(OTHERS, others)
    after = before.replace(earlier, later, 1)
    assert after != before
    result = compared(tmp_path, before, after)
    assert not result.same
    assert what in {one.what for one in result.differences if one.by_design is None}


SAME = [
    ("two runs of one file", BEFORE, BEFORE),
    (
        "another order of servers",
        BEFORE,
        BEFORE.replace("chat1:3000; server chat2:3000", "chat2:3000; server chat1:3000"),
    ),
    (
        "another name of an upstream",
        BEFORE,
        BEFORE.replace("upstream chat {", "upstream c {").replace("//chat;", "//c;"),
    ),
    ("what is nginx's own value", BEFORE, BEFORE.replace(IN_SERVER, "client_max_body_size 1m; proxy_read_timeout 60;")),
    ("an id of each request", *[BEFORE.replace(PASS, f"proxy_set_header X-Request-ID $request_id; {PASS}")] * 2),
]


@pytest.mark.parametrize(("before", "after"), [pair[1:] for pair in SAME], ids=[pair[0] for pair in SAME])
def test_a_pair_that_is_the_same_has_no_difference(before: str, after: str, tmp_path: Path) -> None:
    result = compared(tmp_path, before, after)
    assert [*result.differences] == []
    assert result.same
    assert result.requests > 50
