# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Under a real nginx: what differs in one thing alone is not the same, and what is the same has no difference."""

from __future__ import annotations

import os
import typing as t
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
proxy_cache_path /var/cache/no-such keys_zone=cache:1m;
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
CACHED = "location /c { proxy_cache cache; proxy_cache_valid 1h; proxy_pass http://chat; proxy_set_header X-Key a; }"
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
    ("header x-key to the backend", "X-Key a", "X-Key b", CACHED),
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


VARYING = BEFORE.replace(PASS, f"add_header X-Up $upstream_addr; proxy_set_header X-Port $remote_port; {PASS}")
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
    (
        "an alias and a root of the same directory",
        BEFORE.replace(OTHERS, "location /files/ { alias /srv/none-has-this/files/; expires 1d; }"),
        BEFORE.replace(OTHERS, "location /files/ { root /srv/none-has-this; expires 24h; }"),
    ),
    ("a size of the http block", *["server_names_hash_bucket_size 128;" + BEFORE] * 2),
    ("what is chance", VARYING, "upstream first { server other:1; server another:1; }" + VARYING),
]


@pytest.mark.parametrize(("before", "after"), [pair[1:] for pair in SAME], ids=[pair[0] for pair in SAME])
def test_a_pair_that_is_the_same_has_no_difference(before: str, after: str, tmp_path: Path) -> None:
    result = compared(tmp_path, before, after)
    assert [*result.differences] == []
    assert result.same
    assert result.requests > 50


TLS = BEFORE.replace("listen 8080;\n", "listen 8443 ssl;\n").replace(
    IN_SERVER, "ssl_certificate /etc/none-has-this/a.pem; ssl_certificate_key /etc/none-has-this/a.key; # of the server"
)


@pytest.mark.parametrize(
    ("what", "earlier", "later"),
    [
        ("response", IN_SERVER, "ssl_protocols TLSv1.3;"),
        ("response", "8443 ssl", "8443 ssl http2"),
        ("response", IN_SERVER, "ssl_client_certificate ca.pem; ssl_verify_client on;"),
        ("response", "8443 ssl", "8443"),
        ("response header location", "listen 8443", "listen 8444 ssl; listen 8443"),
    ],
)
def test_tls_is_compared_with_a_certificate_made_for_it(what: str, earlier: str, later: str, tmp_path: Path) -> None:
    before = TLS.replace(OTHERS, ROOMS)
    if what == "response header location":
        earlier, later = "/ws$uri", "http://$host/ws$uri"
    result = compared(tmp_path, before, before.replace(earlier, later, 1))
    assert what in {one.what for one in result.differences}
    assert compared(tmp_path, before, before).same


@pytest.mark.parametrize(
    "listen",
    [
        "8080 proxy_protocol",
        "[::]:8080",
        "[::]:8082 ipv6only=off",
        "10.0.0.1:8080",
        "127.0.0.1:8080",
        "[2001:db8::7]:8080",
        "localhost:8080",
        "unix:/run/none-has-this/gateway.sock",
        "8080-8081",
        "3000",
        "3000 reuseport",
        "0.0.0.0:3000 backlog=100 deferred",
    ],
)
def test_nginx_listens_as_it_is_written(listen: str, tmp_path: Path) -> None:
    before = BEFORE.replace("listen 8080;\n    server_name chat", f"listen {listen};\n    server_name chat")
    after = before.replace(PASS, "proxy_pass http://chat/;")
    assert compared(tmp_path, before, before).same
    different = compared(tmp_path, before, after).differences
    assert "path at the backend" in {one.what for one in different}


@pytest.mark.parametrize(
    "server",
    [
        "10.0.0.5:3000",
        "[2001:db8::5]:3000",
        "unix:/run/none-has-this/app.sock",
        "localhost:3000",
        "127.0.0.1:3000",
        "app",
    ],
)
def test_what_is_passed_to_any_server_is_received(server: str, tmp_path: Path) -> None:
    before = BEFORE.replace(PASS, f"proxy_pass http://{server};")
    colon = ":" if server.startswith("unix:") else ""
    different = compared(tmp_path, before, before.replace(f"{server};", f"{server}{colon}/other/;")).differences
    assert "path at the backend" in {one.what for one in different}


def test_a_server_whose_name_is_in_a_variable_is_received_from(tmp_path: Path) -> None:
    passed = "resolver 127.0.0.11; set $app http://app:3000; proxy_pass $app;"
    before = BEFORE.replace(PASS, passed)
    different = compared(tmp_path, before, before.replace("app:3000", "app:3001")).differences
    assert {one.what for one in different} == {"upstream"}


def test_fastcgi_is_compared_too(tmp_path: Path) -> None:
    php = r"location ~ \.php$ { fastcgi_param SCRIPT_FILENAME /srv$fastcgi_script_name; fastcgi_pass unix:/run/a; }"
    before = BEFORE.replace(OTHERS, php)
    different = compared(tmp_path, before, before.replace("/srv$", "/srv/app$")).differences
    assert {one.what for one in different} == {"header script_filename to the backend"}


TUTORIAL = """
upstream ws-backend { ip_hash; server server01:3000; server server02:3000; server server03:3000; }
server {
    listen 3000;
    server_name ws.serverlab.ca;
    location / {
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header Host $host;
        proxy_pass http://ws-backend;
        proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection "upgrade";
    }
}
"""
TUTORIAL_VARIABLES = {
    "websockets_upstreams": [
        {"name": "ws-backend", "balance": "ip_hash", "servers": ["server01:3000", "server02:3000", "server03:3000"]}
    ],
    "websockets_sites": [
        {"server_name": "ws.serverlab.ca", "listen": 3000, "locations": [{"path": "/", "upstream": "ws-backend"}]}
    ],
    "websockets_nginx_version": "1.22.1",
}
API = """
upstream backend-rest1 { server apirest1:8000; }
upstream backend-rest2 { server apicommon:8001; }
server {
    listen 80;
    server_name localhost;
    location /apiv1/ {
        proxy_pass http://backend-rest1;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header Host $host;
    }
    location /apiv2/ {
        proxy_pass http://backend-rest2;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header Host $host;
    }
    location /ws/ {
        proxy_pass http://backend-rest2;
        proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection "Upgrade";
        proxy_set_header Host $host;
    }
    location / { proxy_pass http://frontend:8080; }
}
"""
API_VARIABLES = {
    "websockets_upstreams": [
        {"name": "backend-rest1", "servers": ["apirest1:8000"]},
        {"name": "backend-rest2", "servers": ["apicommon:8001"]},
    ],
    "websockets_sites": [
        {
            "server_name": "localhost",
            "listen": 80,
            "locations": [
                {"path": "/apiv1/", "upstream": "backend-rest1", "websocket": False},
                {"path": "/apiv2/", "upstream": "backend-rest2", "websocket": False},
                {"path": "/ws/", "upstream": "backend-rest2"},
                {"path": "/", "proxy_pass": "http://frontend:8080", "websocket": False},
            ],
        }
    ],
    "websockets_nginx_version": "1.22.1",
}
# A site with TLS, of which one location is for WebSockets alone, and pages of other origins are kept out.
PEM = "/etc/none-has-this/a.pem"
SECURE = f"""
map $http_upgrade $connection_upgrade {{ default upgrade; "" close; }}
upstream app {{ least_conn; server 10.0.0.5:3000; server 10.0.0.6:3000; }}
server {{ listen 80; listen [::]:80; server_name a.example www.a.example; return 301 https://$host$request_uri; }}
server {{
    listen 443 ssl;
    listen [::]:443 ssl;
    server_name a.example www.a.example;
    ssl_certificate {PEM};
    ssl_certificate_key {PEM};
    location / {{ proxy_pass http://app; proxy_set_header Host $host; proxy_set_header X-Forwarded-Proto $scheme; }}
    location /ws/ {{
        proxy_pass http://app/;
        proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection $connection_upgrade;
        proxy_set_header Host $host;
        proxy_read_timeout 3600s;
    }}
    location /only {{
        proxy_pass http://socket:80;
        proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection "upgrade";
    }}
    location /static/ {{ root /srv/none-has-this; }}
}}
"""
SECURE_VARIABLES = {
    "websockets_upstreams": [{"name": "app", "servers": ["10.0.0.5:3000", "10.0.0.6:3000"]}],
    "websockets_sites": [
        {
            "server_name": ["a.example", "www.a.example"],
            "listen": ["443 ssl", "[::]:443 ssl"],
            "ssl_certificate": PEM,
            "ssl_certificate_key": PEM,
            "redirect_http": True,
            "allowed_origins": ["https://a.example", "https://www.a.example"],
            "locations": [
                {"path": "/", "upstream": "app", "websocket": False},
                {"path": "/ws/", "upstream": "app", "strip_prefix": True},
                {"path": "/only", "proxy_pass": "http://socket:80", "websocket": "required"},
                {"path": "/static/", "root": "/srv/none-has-this"},
            ],
        }
    ],
    "websockets_nginx_version": "1.22.1",
    "websockets_openssl_version": "3.0.2",
}
BALANCED = """
upstream app { server app1:3000; server app2:3000 weight=2; server app3:3000 backup; server app4:3000 down; }
upstream local { server unix:/run/none-has-this.sock; }
map $http_upgrade $connection_upgrade { default upgrade; "" close; }
proxy_http_version 1.1;
proxy_set_header Upgrade $http_upgrade;
proxy_set_header Connection $connection_upgrade;
proxy_set_header Host $http_host;
server {
    listen 8080;
    server_name balanced.example;
    set_real_ip_from 10.9.0.0/16;
    real_ip_header X-Forwarded-For;
    location / { proxy_pass http://app; }
    location = /exact { proxy_pass http://local; }
    location ~ ^/rooms/[0-9]+$ { proxy_pass http://local; }
}
server {
    listen 8081 proxy_protocol;
    server_name proxied.example;
    set_real_ip_from 10.9.0.0/16;
    real_ip_header proxy_protocol;
    location / { return 404; }
    location /old { return 301 /new; }
}
server { listen 8082; server_name _; location / { proxy_pass http://app5:9000/base/; proxy_read_timeout 300s; } }
"""
BALANCED_VARIABLES = {
    "websockets_upstreams": [
        {
            "name": "app",
            "balance": "round_robin",
            "servers": [
                "app1:3000",
                {"address": "app2:3000", "weight": 2},
                {"address": "app3:3000", "backup": True},
                {"address": "app4:3000", "down": True},
            ],
        },
        {"name": "local", "servers": ["unix:/run/none-has-this.sock"]},
    ],
    "websockets_sites": [
        {
            "server_name": "balanced.example",
            "listen": 8080,
            "set_real_ip_from": "10.9.0.0/16",
            "locations": [
                {"path": "/", "upstream": "app"},
                {"path": "= /exact", "upstream": "local"},
                {"path": "~ ^/rooms/[0-9]+$", "upstream": "local"},
            ],
        },
        {
            "server_name": "proxied.example",
            "listen": "8081 proxy_protocol",
            "set_real_ip_from": "10.9.0.0/16",
            "locations": [{"path": "/", "return": "404"}, {"path": "/old", "return": "301 /new"}],
        },
        {
            "server_name": "_",
            "listen": 8082,
            "locations": [{"path": "/", "proxy_pass": "http://app5:9000/base/", "proxy_read_timeout": "5m"}],
        },
    ],
    "websockets_nginx_version": "1.22.1",
}


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        (TUTORIAL, TUTORIAL_VARIABLES),
        (API, API_VARIABLES),
        (SECURE, SECURE_VARIABLES),
        (BALANCED, BALANCED_VARIABLES),
    ],
    ids=["tutorial", "api", "secure", "balanced"],
)
def test_what_the_role_renders_differs_from_a_tutorial_by_design_alone(
    text: str, variables: dict[str, object], tmp_path: Path
) -> None:
    result = compared(tmp_path, text, render(variables))
    assert [one for one in result.differences if not one.by_design] == []
    assert result.same
    purposes = {one.by_design for one in result.differences}
    assert "a Host that no site has gets 421" in purposes
    assert "Connection is computed for each request, and not hard-coded" in purposes


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("proxy_pass http://ws-backend;", "proxy_pass http://ws-backend/;"),
        ("server_name ws.serverlab.ca", "server_name ws.serverlab.com"),
        ("server server03:3000 max_fails=0;", ""),
        ("ip_hash;", "least_conn;"),
        ("location / {", "location / { deny 198.18.0.0/15;"),
        ("proxy_set_header Upgrade $websocket_upgrade;", ""),
        ("proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;", 'proxy_set_header X-Forwarded-For "";'),
        ("proxy_set_header Host $host$websocket_port;", "proxy_set_header Host $proxy_host;"),
        ("proxy_read_timeout 1h;", "proxy_read_timeout 5s;"),
    ],
)
def test_a_fault_in_what_the_role_renders_is_not_by_design(earlier: str, later: str, tmp_path: Path) -> None:
    rendered = render(TUTORIAL_VARIABLES)
    assert earlier in rendered
    assert not compared(tmp_path, TUTORIAL, rendered.replace(earlier, later)).same


def test_nothing_is_by_design_of_another_file_than_the_role_s(tmp_path: Path) -> None:
    after = TUTORIAL + "server { listen 3000 default_server; return 421; }"
    result = compared(tmp_path, TUTORIAL, after)
    assert result.differences
    assert all(one.by_design is None for one in result.differences)


def test_the_tree_of_an_nginx_conf_takes_the_place_of_nginx_s_own(tmp_path: Path) -> None:
    for name in ("before", "after"):
        directory = tmp_path / name
        (directory / "conf.d").mkdir(parents=True)
        (directory / "nginx.conf").write_text(
            "user www-data; pid /run/none-has-this/nginx.pid; error_log /var/log/none-has-this/error.log;"
            "daemon off; events {} http { include /etc/nginx/conf.d/*.conf; include sites-enabled/*; }"
        )
        (directory / "sites-available").mkdir()
        (directory / "sites-available/chat").write_text(BEFORE)
        (directory / "sites-enabled").mkdir()
        (directory / "sites-enabled/chat").symlink_to("/etc/nginx/sites-available/chat")
    (tmp_path / "after/conf.d/more.conf").write_text('add_header X-More "yes";')
    (tmp_path / "after/sites-available/chat").write_text(BEFORE.replace("add_header X-Served-By gateway;", ""))
    main = tmp_path / "before/nginx.conf", tmp_path / "after/nginx.conf"
    assert compared_paths(main[0], main[0]).same
    whats = {one.what for one in compared_paths(*main).differences}
    assert whats >= {"response header x-more", "response header x-served-by"}


def test_a_directory_belongs_into_the_http_block(tmp_path: Path) -> None:
    for name in ("conf.d", "sites-enabled"):
        (tmp_path / name).mkdir()
    (tmp_path / "conf.d/chat.conf").write_text(BEFORE)
    (tmp_path / "conf.d/chat.conf.orig").write_text("no configuration")
    (tmp_path / "sites-enabled/chat").write_text(BEFORE)
    assert [*compared_paths(tmp_path / "conf.d", tmp_path / "sites-enabled").differences] == []


def test_what_nginx_rejects_is_told_with_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(CompareError, match=r'^after: \[emerg\] unknown directive "server_mame" in .*after.conf:\d+$'):
        compared(tmp_path, BEFORE, BEFORE.replace("server_name chat", "server_mame chat"))
    with pytest.raises(CompareError, match=r"^before: \[emerg\] "):
        compared(tmp_path, BEFORE.replace("upstream chat {", "upstream chat"), BEFORE)


def test_files_of_the_host_are_not_changed(tmp_path: Path) -> None:
    directory = tmp_path / "files"
    directory.mkdir()
    (directory / "index.html").write_text("an index")
    before = BEFORE.replace(OTHERS, f"location /files/ {{ alias {directory}/; dav_methods PUT DELETE; }}")
    before = before.replace(IN_SERVER, f"access_log {tmp_path}/access.log;")
    assert compared(tmp_path, before, before).same
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["after.conf", "before.conf", "files", "index.html"]


def test_no_process_and_no_mount_is_left(tmp_path: Path) -> None:
    mounts = Path("/proc/self/mounts").read_text()
    compared(tmp_path, BEFORE, BEFORE)
    assert Path("/proc/self/mounts").read_text() == mounts
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_requests_of_the_user_are_asked_too(tmp_path: Path) -> None:
    before = BEFORE.replace(IN_SERVER, 'if ($arg_secret = "a") { return 402; }')
    after = before.replace("return 402", "return 403")
    assert compared(tmp_path, before, after).same
    given: dict[str, t.Any] = {"method": "GET", "headers": {}, "body": "", "client": "10.1.2.3", "connect_to": None}
    requests, errors = own_requests([{"url": "http://chat.example:8080/ws/?secret=a", **given}])
    assert errors == []
    result = compared_paths(tmp_path / "before.conf", tmp_path / "after.conf", requests)
    assert [(one.before, one.after) for one in result.differences] == [("402 by nginx itself", "403 by nginx itself")]


def test_files_that_packages_bring_are_stood_in_for_and_told(tmp_path: Path) -> None:
    before = BEFORE.replace(PASS, f"include /etc/none-has-this/proxy_params; {PASS}")
    result = compared(tmp_path, before, BEFORE)
    assert "header x-real-ip to the backend" in {one.what for one in result.differences}
    assert result.notes == ["before: /etc/none-has-this/proxy_params is not there, a short form of it was used"]
    with pytest.raises(CompareError, match="none-has-this"):
        compared(tmp_path, before.replace("proxy_params", "own_params"), BEFORE)


def test_a_path_may_have_any_characters(tmp_path: Path) -> None:
    directory = tmp_path / 'a "b" é\\'
    directory.mkdir()
    assert compared(directory, BEFORE, BEFORE).same


def test_what_cannot_be_decoded_is_compared(tmp_path: Path) -> None:
    paths = tmp_path / "before.conf", tmp_path / "after.conf"
    for path, value in zip(paths, (b"\xff", b"\xfe"), strict=True):
        text = BEFORE.replace(OTHERS, 'location /\u00ff { add_header X-Own "VALUE"; return 200 "VALUE"; }')
        path.write_bytes(text.encode("latin-1").replace(b"VALUE", value))
    assert {one.what for one in compared_paths(*paths).differences} == {"response body", "response header x-own"}
