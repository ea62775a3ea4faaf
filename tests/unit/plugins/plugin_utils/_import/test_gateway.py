# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each directive becomes, and the note that says so."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.imported import imported

UPGRADE = "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $up;"
MAP = "map $http_upgrade $up { default upgrade; '' close; }"
TLS = "listen 443 ssl; ssl_certificate /c.pem; ssl_certificate_key /c.key;"
SECURE = {"listen": "443 ssl", "ssl_certificate": "/c.pem", "ssl_certificate_key": "/c.key"}


def variables(text: str) -> tuple[dict[str, t.Any], list[str]]:
    found = imported({"a.conf": text})
    return found["variables"], [f"{note['kind']} {note['line']}: {note['text']}" for note in found["notes"]]


def site(text: str, *, before: str = MAP) -> tuple[dict[str, t.Any], list[str]]:
    """The one site of a server, without its name."""
    found, notes = variables(f"{before}\nserver {{\nserver_name a.example;\n{text}\n}}")
    (made,) = found["websockets_sites"]
    assert made.pop("server_name") == "a.example"
    return made, notes


def location(text: str, path: str = "/", *, before: str = "") -> tuple[dict[str, t.Any], list[str]]:
    """The one location of a site, without its path."""
    made, notes = site(f"listen 80;\nlocation {path} {{\n{text}\n}}", before=f"{before} {MAP}")
    (only,) = made["locations"]
    return {key: value for key, value in only.items() if key != "path"}, notes


LOCATIONS: list[tuple[str, dict[str, t.Any], str]] = [
    ("proxy_pass http://10.0.0.1:80;", {"proxy_pass": "http://10.0.0.1:80", "websocket": False}, ""),
    (f"proxy_pass http://10.0.0.1:80; {UPGRADE}", {"proxy_pass": "http://10.0.0.1:80"}, ""),
    (f"proxy_pass http://10.0.0.1:80/; {UPGRADE}", {"proxy_pass": "http://10.0.0.1:80/"}, ""),
    (f"proxy_pass http://unix:/run/a.sock:/b/; {UPGRADE}", {"proxy_pass": "http://unix:/run/a.sock:/b/"}, ""),
    (
        f"proxy_pass ws://10.0.0.1:80; {UPGRADE}",
        {"proxy_pass": "http://10.0.0.1:80"},
        "corrected 6: proxy_pass takes http:// and https:// alone, for WebSockets too: 'ws://10.0.0.1:80' is read as "
        "'http://10.0.0.1:80'",
    ),
    (
        f"proxy_pass 10.0.0.1:80; {UPGRADE}",
        {"proxy_pass": "http://10.0.0.1:80"},
        "corrected 6: proxy_pass takes http:// and https:// alone, for WebSockets too: '10.0.0.1:80' is read as "
        "'http://10.0.0.1:80'",
    ),
    (
        f"proxy_pass http://<backend>; {UPGRADE}",
        {"proxy_pass": "http://backend"},
        "question 6: 'proxy_pass http://<backend>': what is to be in the place of '<backend>'?",
    ),
    (
        f"proxy_pass http://caht; {UPGRADE}",
        {"proxy_pass": "http://caht"},
        "question 6: 'caht' names no upstream, so nginx looks up a host of this name and takes its port 80: is it one?",
    ),
    (
        f"set $to 10.0.0.1:80; proxy_pass http://$to; {UPGRADE}",
        {"proxy_pass": "http://10.0.0.1:80"},
        "",
    ),
    (
        f"resolver 10.0.0.2; set $to chat.internal; proxy_pass http://$to; {UPGRADE}",
        {"proxy_pass": "http://chat.internal", "resolver": "10.0.0.2"},
        "",
    ),
    (
        f"proxy_pass http://10.0.0.1:80$request_uri; {UPGRADE}",
        {"proxy_pass": "http://10.0.0.1:80"},
        "taken 6: '$request_uri' is what nginx passes on anyway",
    ),
    (
        "proxy_pass http://10.0.0.1:80; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade;\n"
        'proxy_set_header Connection "upgrade";',
        {"proxy_pass": "http://10.0.0.1:80"},
        "corrected 7: 'Connection \"upgrade\"' went along with every request: it is sent with a handshake alone now",
    ),
    (
        "proxy_pass http://10.0.0.1:80; proxy_set_header Upgrade $http_upgrade;\nproxy_set_header Connection $up;",
        {"proxy_pass": "http://10.0.0.1:80"},
        "corrected 6: without 'proxy_http_version 1.1' nginx before 1.29.7 passes no upgrade on: it is always set now",
    ),
    (
        "proxy_pass http://10.0.0.1:80; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade;",
        {"proxy_pass": "http://10.0.0.1:80"},
        "corrected 6: Upgrade without Connection lets no WebSocket through: both are passed on now",
    ),
    (
        "proxy_pass http://10.0.0.1:80; proxy_http_version 1.1; proxy_set_header Connection upgrade;",
        {"proxy_pass": "http://10.0.0.1:80"},
        "corrected 6: Connection without Upgrade lets no WebSocket through: both are passed on now",
    ),
    (
        f"proxy_pass http://10.0.0.1:80; {UPGRADE} if ($http_upgrade != 'websocket') {{ return 400; }}",
        {"proxy_pass": "http://10.0.0.1:80", "websocket": "required"},
        "taken 6: 'if ($http_upgrade != websocket )' is 'websocket: required', which answers 426",
    ),
    (
        f"proxy_pass http://10.0.0.1:80; {UPGRADE} proxy_set_header Host $http_host;",
        {"proxy_pass": "http://10.0.0.1:80"},
        "corrected 6: '$http_host' is whatever the client says: the backend gets $host with its port",
    ),
    (
        f"proxy_pass http://10.0.0.1:80; {UPGRADE} proxy_set_header X-Token t;",
        {"proxy_pass": "http://10.0.0.1:80", "headers": {"X-Token": "t"}},
        "",
    ),
    (
        f"proxy_pass http://10.0.0.1:80; {UPGRADE} proxy_set_header Cookie $http_cookie;",
        {"proxy_pass": "http://10.0.0.1:80"},
        "left out 6: 'proxy_set_header Cookie $http_cookie': nginx passes headers of the client on anyway",
    ),
    (
        f"proxy_pass https://api.example.com; {UPGRADE}",
        {
            "proxy_pass": "https://api.example.com",
            "headers": {"Host": "$proxy_host"},
            "proxy_ssl_verify": False,
        },
        "question 6: nginx accepts any certificate of this backend: is it to? Leave out 'proxy_ssl_verify' if not",
    ),
    (
        f"proxy_pass http://10.0.0.1:80; {UPGRADE} proxy_read_timeout 1d; proxy_buffering off;",
        {"proxy_pass": "http://10.0.0.1:80", "proxy_read_timeout": "1d", "proxy_buffering": False},
        "",
    ),
    (f"proxy_pass http://10.0.0.1:80; {UPGRADE} proxy_read_timeout 3600s;", {"proxy_pass": "http://10.0.0.1:80"}, ""),
    (
        f"proxy_pass http://10.0.0.1:80; {UPGRADE} proxy_read_timeout soon;",
        {"proxy_pass": "http://10.0.0.1:80"},
        "question 6: 'proxy_read_timeout soon' is left out: proxy_read_timeout: 'soon' is not a time in nginx's "
        "syntax, such as 90, 90s, 30m, 1h30m, 500ms",
    ),
    (
        f"proxy_pass http://10.0.0.1:80; {UPGRADE} proxy_cache_bypass $http_upgrade;",
        {"proxy_pass": "http://10.0.0.1:80"},
        "left out 6: 'proxy_cache_bypass $http_upgrade': it has no effect without 'proxy_cache'",
    ),
    (
        f"proxy_pass http://10.0.0.1:80; {UPGRADE} auth_basic Login;",
        {"proxy_pass": "http://10.0.0.1:80", "directives": "auth_basic Login;"},
        "directives 6: 'auth_basic Login' has no key: it is in the 'directives' of the location '/'",
    ),
    (
        f"proxy_pass http://10.0.0.1:80; {UPGRADE} if ($http_origin != 'https://b.example') {{ return 403; }}",
        {"proxy_pass": "http://10.0.0.1:80"},
        "taken 6: 'if ($http_origin != https://b.example )' is 'allowed_origins', for handshakes",
    ),
    (
        f"proxy_pass http://10.0.0.1:80; {UPGRADE} server_name x;",
        {"proxy_pass": "http://10.0.0.1:80"},
        "question 6: 'server_name x' is left out: nginx does not allow it in a location; where does it belong?",
    ),
    ("return 301 https://b.example$request_uri;", {"return": "301 https://b.example$request_uri"}, ""),
    ("return 200 'it works';", {"return": "200 it works"}, ""),
    ("return 404;", {"return": 404}, ""),
    ("deny all;", {"return": 403}, ""),
    ("root /srv; try_files $uri /index.html;", {"root": "/srv", "directives": "try_files $uri /index.html;"}, ""),
]


@pytest.mark.parametrize(("text", "expected", "note"), LOCATIONS)
def test_a_location(text: str, expected: dict[str, t.Any], note: str) -> None:
    made, notes = location(text)
    assert made == expected
    assert not note or note in notes


UPSTREAMS = "upstream backend-one { server apicommon:8001; } upstream two { server b:80; }"
TARGETS: list[tuple[str, str, dict[str, t.Any], str]] = [
    ("/", "http://two", {"upstream": "two"}, ""),
    ("/", "http://TWO", {"upstream": "two"}, ""),
    (
        "/",
        "http://apicommon",
        {"upstream": "backend-one"},
        "'apicommon' names no upstream; a guess: 'backend-one' is meant, which has the server 'apicommon:8001'",
    ),
    (
        "/",
        "http://backend-oen",
        {"upstream": "backend-one"},
        "'backend-oen' names no upstream; a guess: 'backend-one' is meant, which is one or two letters away",
    ),
    (
        "/",
        "http://two:81",
        {"upstream": "two"},
        "'two' is an upstream, whose servers have ports of their own: '81' is left out",
    ),
    ("/", "http://two/", {"upstream": "two"}, "the '/' of proxy_pass: it takes the place of '/' itself"),
    ("/b/", "http://two/", {"upstream": "two", "strip_prefix": True}, ""),
    ("/b", "http://two/", {"proxy_pass": "http://two/"}, ""),
    ("/b/", "http://two/c/", {"proxy_pass": "http://two/c/"}, ""),
    ("~ ^/b", "http://two", {"upstream": "two"}, ""),
    (
        "~ ^/b",
        "http://two/c",
        {"upstream": "two"},
        "nginx allows no path in proxy_pass at a regular expression: '/c' is left out",
    ),
    ("~ ^/b/(.*)$", "http://two/b/$1", {"upstream": "two"}, "'/b/$1' is what nginx passes on anyway"),
    ("/", "https://two", {"proxy_pass": "https://two", "proxy_ssl_verify": False}, ""),
]


@pytest.mark.parametrize(("path", "url", "expected", "note"), TARGETS)
def test_where_requests_go(path: str, url: str, expected: dict[str, t.Any], note: str) -> None:
    made, notes = location(f"proxy_pass {url}; {UPGRADE}", path, before=UPSTREAMS)
    assert made == expected
    assert any(note in line for line in notes)


def test_a_regular_expression_that_takes_a_prefix_off_is_a_prefix() -> None:
    made, _notes = site(
        f"listen 80; location ~ ^/b/(.*)$ {{ proxy_pass http://two/$1$is_args$args; {UPGRADE} }}",
        before=f"{UPSTREAMS} {MAP}",
    )
    assert made["locations"] == [{"path": "^~ /b/", "upstream": "two", "strip_prefix": True}]


SITES: list[tuple[str, dict[str, t.Any], str]] = [
    ("", {"listen": 80}, "taken 2: a server without 'listen' is at port 80, as nginx has it"),
    ("listen *:8080;", {"listen": 8080}, ""),
    ("listen 0.0.0.0:8080; listen [::]:8080 ipv6only=on;", {"listen": [8080, "[::]:8080"]}, ""),
    ("listen 127.0.0.1;", {"listen": "127.0.0.1:80"}, ""),
    ("listen 80 default;", {"listen": "80 default_server"}, ""),
    ("listen 80 setfib=1;", {"listen": 80}, "left out 4: 'setfib=1': unknown parameter 'setfib=1'"),
    (f"{TLS} listen 443 quic;", SECURE, "left out 4: 'listen 443 quic': the role serves no HTTP/3"),
    (f"{TLS} http2 on;", {**SECURE, "http2": True}, ""),
    (TLS.replace("443 ssl", "443 ssl http2"), {**SECURE, "http2": True}, ""),
    (TLS.replace("443 ssl", "443"), SECURE, "corrected 4: 'listen 443' gets 'ssl', as the server has a certificate"),
    (f"{TLS.replace('443 ssl', '8000')} ssl on;", {**SECURE, "listen": "8000 ssl"}, ""),
    (
        TLS.replace(" /c.pem", " ssl/c.pem"),
        {**SECURE, "ssl_certificate": "/etc/nginx/ssl/c.pem"},
        "",
    ),
    (
        "listen 443 ssl;",
        {
            "listen": "443 ssl",
            "ssl_certificate": "/etc/nginx/ssl/a.example.crt",
            "ssl_certificate_key": "/etc/nginx/ssl/a.example.key",
        },
        "question 2: the site 'a.example' has no 'ssl_certificate': where is it on the gateway?",
    ),
    (f"{TLS} ssl_protocols TLSv1.3;", {**SECURE, "ssl_policy": "modern"}, ""),
    (
        f"{TLS} ssl_protocols TLSv1 TLSv1.2;",
        SECURE,
        "corrected 4: TLSv1: browsers have none of them any more; 'ssl_policy' sets others",
    ),
    (
        f"{TLS} ssl_session_cache shared:SSL:1m;",
        SECURE,
        "left out 4: 'ssl_session_cache': the role sets what is for sessions of TLS",
    ),
    (
        f"{TLS} ssl_client_certificate /ca.pem; ssl_verify_client optional;",
        {**SECURE, "ssl_client_certificate": "/ca.pem", "ssl_verify_client": "optional"},
        "",
    ),
    (
        f"{TLS} add_header Strict-Transport-Security 'max-age=63072000; includeSubdomains;' always;",
        {**SECURE, "hsts": "max-age=63072000; includeSubDomains"},
        "",
    ),
    (
        "listen 80; add_header Strict-Transport-Security max-age=9 always;",
        {"listen": 80},
        "left out 4: 'add_header Strict-Transport-Security max-age=9 always': browsers ignore it without TLS",
    ),
    (
        "listen 80; set_real_ip_from 10.0.0.0/8; real_ip_header X-Forwarded-For; real_ip_recursive on;",
        {"listen": 80, "set_real_ip_from": "10.0.0.0/8"},
        "",
    ),
    (
        "listen 80; set_real_ip_from 0.0.0.0/0;",
        {"listen": 80},
        "question 4: 'set_real_ip_from 0.0.0.0/0' is left out: '0.0.0.0/0' trusts every client to name another address "
        "as its own; whom is nginx to trust?",
    ),
    ("listen 80; access_log off;", {"listen": 80, "access_log": False}, ""),
    ("listen 80; access_log /var/log/a.log;", {"listen": 80, "access_log": "/var/log/a.log"}, ""),
    (
        "listen 80; access_log /var/log/a.log own;",
        {"listen": 80, "access_log": "/var/log/a.log own"},
        "question 4: the log format 'own' is not given: does the gateway's nginx.conf have it?",
    ),
    ("listen 80; client_max_body_size 8m;", {"listen": 80, "directives": "client_max_body_size 8m;"}, ""),
    ("listen 80; server_tokens off;", {"listen": 80}, ""),
    ("listen 80; gzip on;", {"listen": 80, "directives": "gzip on;"}, ""),
]


@pytest.mark.parametrize(("text", "expected", "note"), SITES)
def test_a_site(text: str, expected: dict[str, t.Any], note: str) -> None:
    made, notes = site(f"{text}\nlocation / {{ return 204; }}")
    assert made.pop("locations") == [{"path": "/", "return": 204}]
    assert made == expected
    assert not note or any(line.startswith(note) for line in notes)


NAMES: list[tuple[str, str | list[str], str]] = [
    ("server_name a.example b.example;", ["a.example", "b.example"], ""),
    ("server_name _;", "_", ""),
    ("", "_", "taken 1: a server without 'server_name' is the site '_', for any name"),
    ('server_name "";', "_", ""),
    (
        "server_name a.example:8080;",
        "a.example",
        "corrected 1: the server_name 'a.example:8080' is read as 'a.example'",
    ),
    ("server_name https://a.example/;", "a.example", "corrected 1: the server_name 'https://a.example/' is read as"),
    ("server_name a.example, b.example;", ["a.example", "b.example"], "corrected 1: the server_name 'a.example,' is"),
    ("server_name ~^a\\d+\\.example$;", "~^a\\d+\\.example$", ""),
    ("server_name a_.*.example b;", "b", "question 1: the server_name 'a_.*.example' is left out: which name does the"),
]


@pytest.mark.parametrize(("text", "expected", "note"), NAMES)
def test_names(text: str, expected: str | list[str], note: str) -> None:
    found, notes = variables(f"server {{ {text} listen 80; location / {{ return 204; }} }}")
    assert found["websockets_sites"][0]["server_name"] == expected
    assert not note or any(line.startswith(note) for line in notes)


SERVERS: list[tuple[str, dict[str, t.Any], str]] = [
    ("server a:1;", {"servers": ["a:1"]}, ""),
    ("server a;", {"servers": ["a:80"]}, ""),
    (
        "server http://a:1/b;",
        {"servers": ["a:1"]},
        "corrected 1: 'http://a:1/b': a server of an upstream has no scheme",
    ),
    ("server [2001:db8::1];", {"servers": ["[2001:db8::1]:80"]}, ""),
    ("server unix:///run/a.sock;", {"servers": ["unix:/run/a.sock"]}, ""),
    (
        "least_conn; server a:1 weight=2 max_fails=3 fail_timeout=30s; server b:1 backup;",
        {
            "servers": [
                {"address": "a:1", "weight": 2, "max_fails": 3, "fail_timeout": "30s"},
                {"address": "b:1", "backup": True},
            ]
        },
        "",
    ),
    (
        "ip_hash; server a:1 slow_start=30s; server b:1 max_fails=0;",
        {"balance": "ip_hash", "servers": ["a:1", "b:1"]},
        "left out 1: 'slow_start=30s': nginx Plus alone has it",
    ),
    (
        "server a:1; server b:1;",
        {"balance": "round_robin", "servers": ["a:1", "b:1"]},
        "taken 1: balance: round_robin: by turns, as nginx does by default",
    ),
    ("least_conn; server a:1; server b:1;", {"servers": ["a:1", "b:1"]}, ""),
    ("hash $remote_addr consistent; server a:1;", {"balance": "hash $remote_addr consistent", "servers": ["a:1"]}, ""),
    ("server a:1; server a:1;", {"servers": ["a:1"]}, "left out 1: 'server a:1': the upstream has this server already"),
    ("server a:1; keepalive 16; zone u 64k;", {"servers": ["a:1"], "keepalive": 16}, ""),
    ("server a:1; keepalive_timeout 9s;", {"servers": ["a:1"], "directives": "keepalive_timeout 9s;"}, ""),
    ("", {"servers": ["backend.invalid:80"]}, "question 1: the upstream 'u' has no servers: which are they?"),
]


@pytest.mark.parametrize(("text", "expected", "note"), SERVERS)
def test_an_upstream(text: str, expected: dict[str, t.Any], note: str) -> None:
    found, notes = variables(f"upstream u {{ {text} }}")
    assert found["websockets_upstreams"] == [{"name": "u", **expected}]
    assert not note or any(line.startswith(note) for line in notes)


def test_a_redirect_of_all_names_of_a_site_is_a_key_of_it() -> None:
    secure = f"server {{ server_name a b; {TLS} location / {{ return 204; }} }}"
    for redirect in (
        "return 301 https://$host$request_uri;",
        "location / { return 301 https://$host$request_uri; }",
        "rewrite ^ https://$host$request_uri? permanent;",
        "if ($host = a) { return 301 https://$host$request_uri; } return 404;",
    ):
        found, notes = variables(f"server {{ listen 80; server_name a; {redirect} }} {secure}")
        (made,) = found["websockets_sites"]
        assert made["redirect_http"] is True
        assert "taken 1: the redirect to TLS is 'redirect_http', which answers handshakes with 403" in notes


def test_another_redirect_is_a_site_of_its_own() -> None:
    found, _notes = variables("server { listen 80; server_name www.a; return 301 https://a$request_uri; }")
    assert found["websockets_sites"] == [
        {"server_name": "www.a", "listen": 80, "locations": [{"path": "/", "return": "301 https://a$request_uri"}]}
    ]


def test_headers_that_all_locations_send_stand_once() -> None:
    sent = f"proxy_set_header X-A 1; {UPGRADE}"
    made, _notes = site(
        f"listen 80; location / {{ proxy_pass http://10.0.0.1:1; {sent} proxy_set_header X-B 2; }}"
        f"location /b {{ proxy_pass http://10.0.0.1:2; {sent} }}"
    )
    assert made["headers"] == {"X-A": "1"}
    assert [one.get("headers") for one in made["locations"]] == [{"X-B": "2"}, None]


def test_what_the_server_says_for_its_locations_is_inherited_as_nginx_does() -> None:
    made, notes = site(
        f"listen 80; {UPGRADE} proxy_read_timeout 2h; location / {{ proxy_pass http://10.0.0.1:1; }}"
        "location /b { proxy_pass http://10.0.0.1:2; proxy_set_header X-B 2; }"
    )
    assert made["locations"] == [
        {"path": "/", "proxy_pass": "http://10.0.0.1:1", "proxy_read_timeout": "2h"},
        {
            "path": "/b",
            "proxy_pass": "http://10.0.0.1:2",
            "websocket": False,
            "headers": {"X-B": "2"},
            "proxy_read_timeout": "2h",
        },
    ]
    assert any(line.startswith("question 4: nginx does not inherit the headers of the server") for line in notes)


def test_nested_locations_stand_beside_the_one_around_them() -> None:
    made, notes = site(
        f"listen 80; location /a/ {{ auth_basic x; proxy_pass http://10.0.0.1:1; {UPGRADE}\n"
        "location /a/b/ { proxy_pass http://10.0.0.1:2; }\nlocation ~ x$ { return 204; } }"
    )
    assert [one["path"] for one in made["locations"]] == ["/a/b/", "/a/"]
    assert made["locations"][0]["directives"] == "auth_basic x;"
    assert made["locations"][1]["directives"] == ["auth_basic x;", "location ~ x$ {\n    return 204;\n}"]
    assert "taken 5: 'location /a/b/' stands beside the location '/a/' that it was in" in notes


def test_what_no_location_can_say_is_kept_as_it_is_with_the_safe_headers_of_an_upgrade() -> None:
    made, notes = site(
        "listen 80; location / { return 204; }\nlocation @app { proxy_pass http://10.0.0.1:1;"
        "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $up; }"
    )
    assert made["directives"] == (
        "location @app {\n    proxy_pass http://10.0.0.1:1;\n    proxy_set_header Upgrade $websocket_upgrade;\n"
        "    proxy_set_header Connection $websocket_connection;\n}"
    )
    assert any(line.startswith("directives 5: 'location @app': a named location has no key") for line in notes)


def test_without_a_root_no_file_is_tried_before_the_backend() -> None:
    app = f"location @app {{ proxy_pass http://10.0.0.1:1; {UPGRADE} }}"
    for text in (f"location / {{ try_files $uri @app; }} {app}", f"try_files $uri @app; {app}"):
        made, notes = site(f"listen 80; {text}")
        assert made == {"listen": 80, "locations": [{"path": "/", "proxy_pass": "http://10.0.0.1:1"}]}
        assert "corrected 4: 'try_files $uri @app': without a root there are no files, so all goes to '@app'" in notes
    made, _notes = site(f"listen 80; root /srv; location / {{ try_files $uri @app; }} {app}")
    assert made["locations"] == [{"path": "/", "root": "/srv", "directives": "try_files $uri @app;"}]


def test_a_relative_root_is_a_guess_that_is_told() -> None:
    made, notes = location("root html;")
    assert made == {"root": "/usr/share/nginx/html"}
    guess = "'/usr/share/nginx/html', as nginx has it on Debian and RHEL's family"
    assert any(note.endswith(f"'root html' is relative; a guess: {guess}") for note in notes)


def test_an_alias_that_ends_like_its_location_is_a_root() -> None:
    assert location("alias /srv/static/;", "/static/")[0] == {"root": "/srv"}


def test_the_settings_of_nginx_conf_stay_there_and_what_sites_use_by_name_comes_along() -> None:
    found, notes = variables(
        "user www-data;\nevents {}\nhttp {\nsendfile on;\ninclude mime.types;\ngeo $inside { default 0; }\n"
        "geo $unused { default 0; }\nserver { listen 80; location / { if ($inside) { return 403; } root /srv; } }\n}"
    )
    assert found["websockets_directives"] == "geo $inside {\n    default 0;\n}"
    assert "left out 4: 'sendfile on': it is a setting of nginx.conf, which stays as it is" in notes
    assert "left out 7: 'geo $unused': no site uses it" in notes
    # In a file that nginx.conf includes, which goes where the gateway takes its place.
    _made, notes = variables("gzip on;\nserver { listen 80; server_name a.example; location / { root /srv; } }")
    assert "left out 1: 'gzip on': it holds for all sites: set it in nginx.conf, if that does not have it" in notes


def test_a_block_http_in_a_file_of_conf_d_is_read_as_what_it_holds() -> None:
    _found, notes = variables("http { server { listen 80; location / { return 204; } } }")
    assert any(line.startswith("corrected 1: the block 'http' stands in nginx.conf") for line in notes)


SNIPPETS: list[tuple[str, dict[str, t.Any]]] = [
    (
        f"location /ws/ {{ proxy_pass http://10.0.0.1:1; {UPGRADE} }}",
        {"server_name": "_", "listen": 80, "locations": [{"path": "/ws/", "proxy_pass": "http://10.0.0.1:1"}]},
    ),
    (
        f"proxy_pass http://10.0.0.1:1; {UPGRADE}",
        {"server_name": "_", "listen": 80, "locations": [{"path": "/", "proxy_pass": "http://10.0.0.1:1"}]},
    ),
    (
        "listen 81; server_name a; location / { return 204; }",
        {"server_name": "a", "listen": 81, "locations": [{"path": "/", "return": 204}]},
    ),
]


@pytest.mark.parametrize(("text", "expected"), SNIPPETS)
def test_a_snippet_gets_a_server(text: str, expected: dict[str, t.Any]) -> None:
    found, notes = variables(f"{MAP} {text}")
    assert found["websockets_sites"] == [expected]
    asked = any(line.startswith("question 1: no server block is around it") for line in notes)
    assert asked is (expected["server_name"] == "_")


def test_servers_of_an_upstream_alone_are_one() -> None:
    found, notes = variables("ip_hash; server a:1; server b:1;")
    assert found["websockets_upstreams"] == [{"name": "backend", "balance": "ip_hash", "servers": ["a:1", "b:1"]}]
    assert "question 1: servers without their upstream: what is its name? It is 'backend'" in notes


def test_a_name_that_two_servers_have_is_that_of_the_first() -> None:
    one = "server {{ listen 80; server_name a; location / {{ return {}; }} }}\n"
    found, notes = variables(one.format(204) + one.format(205))
    assert [site["locations"][0]["return"] for site in found["websockets_sites"]] == [204]
    assert "left out 2: the name 'a' is that of the server of a.conf:1 already, which nginx takes" in notes


def test_what_the_checks_of_the_role_refuse_is_a_question() -> None:
    found, notes = variables(
        "server { listen 80; listen 81; location /a//b { return 204; } location / { return 204; } }"
    )
    assert [one["path"] for one in found["websockets_sites"][0]["locations"]] == ["/"]
    assert any(line.startswith("question 1: the location '/a//b' is left out") for line in notes)
