# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What configurations of applications' manuals, panels and programs have, one thing at a time."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.imported import Imported, imported

TLS = "ssl_certificate /a.crt; ssl_certificate_key /a.key;"


def read(text: str, name: str = "a.conf", **others: str) -> Imported:
    return imported({name: text, **others})


def site(text: str, **more: str) -> dict[str, t.Any]:
    (found,) = read(f"server {{ server_name a.example; {text} }}", **more)["variables"]["websockets_sites"]
    return t.cast("dict[str, t.Any]", found)


def notes(found: Imported, kind: str) -> list[str]:
    return [note["text"] for note in found["notes"] if note["kind"] == kind]


def test_directives_without_arguments_are_kept() -> None:
    (location,) = site("location /x { internal; root /srv; }")["locations"]
    assert location == {"path": "/x", "root": "/srv", "directives": "internal;"}


def test_maps_are_kept_that_others_use_wherever_they_stand() -> None:
    found = read(
        "log_format own '$b'; map $a $b { default 1; } map $uri $a { default 2; } map $uri $unused { default 3; }\n"
        "server { listen 80; access_log /l own; location / { return 204; } }"
    )
    kept = "\n".join(found["variables"]["websockets_directives"])
    assert "log_format own" in kept
    assert "map $a $b" in kept
    assert "map $uri $a" in kept
    assert "$unused" not in kept


@pytest.mark.parametrize("condition", ["$scheme = http", '$scheme != "https"', "$server_port = 80", '$https = ""'])
def test_a_condition_that_leads_to_tls_is_redirect_http(condition: str) -> None:
    found = site(
        f"listen 80; listen 443 ssl; {TLS} if ({condition}) {{ return 301 https://$host$request_uri; }}"
        "location / { return 204; }"
    )
    assert found["listen"] == "443 ssl"
    assert found["redirect_http"] is True
    assert "directives" not in found


def test_a_rewrite_that_leads_to_tls_is_a_return() -> None:
    text = "server { listen 80; server_name a.example; rewrite ^(.*) https://$host$1 permanent; }"
    (alone,) = read(text)["variables"]["websockets_sites"]
    assert alone["locations"] == [{"path": "/", "return": "301 https://$host$request_uri"}]


@pytest.mark.parametrize(
    ("text", "allowed", "missing"),
    [
        ('default 0; "" 1; https://b.example 1; } | if ($ok = 0)', ["https://b.example"], None),
        ("default 0; https://b.example 1; } | if ($ok != 1)", ["https://b.example"], False),
        ('default 1; https://b.example 0; "" 0; } | if ($ok)', ["https://b.example"], None),
        (
            "default 0; ~^https://(a|b)\\.example$ 1; } | if ($ok = 0)",
            ["https://a.example", "https://b.example"],
            False,
        ),
        ("default 1; https://b.example 0; } | if ($ok = 0)", None, None),
        ("default 0; ~example 1; } | if ($ok = 0)", None, None),
    ],
)
def test_a_map_of_origins_is_allowed_origins(text: str, allowed: list[str] | None, missing: bool | None) -> None:
    table, condition = text.split(" | ")
    (found,) = read(
        f"map $http_origin $ok {{ {table} server {{ listen 80; server_name a.example; location / {{ "
        f"{condition} {{ return 403; }} "
        "proxy_pass http://10.0.0.1:1; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; "
        'proxy_set_header Connection "upgrade"; proxy_set_header Host $host; } }'
    )["variables"]["websockets_sites"]
    assert (found.get("allowed_origins"), found.get("allow_missing_origin")) == (allowed, missing)
    assert ("directives" in found["locations"][0]) is (allowed is None)


def test_a_variable_with_one_value_is_no_longer_set_unless_something_else_has_it() -> None:
    text = "listen 80; set $app 10.0.0.1; location / { proxy_pass http://$app:80; }"
    assert "directives" not in site(text)
    assert site(f"{text} location /b {{ return 200 $APP; }}")["directives"] == "set $app 10.0.0.1;"


@pytest.mark.parametrize(
    ("path", "rewrite", "expected"),
    [
        ("/app/", "^/app/(.*)$ /$1", "http://10.0.0.1:1/"),
        ("/app/live/", "^/app/(.*) /$1", "http://10.0.0.1:1/live/"),
        ("/app/live", "^/app(.*) $1", "http://10.0.0.1:1/live"),
    ],
)
def test_a_rewrite_that_takes_a_prefix_off_is_the_path_of_proxy_pass(path: str, rewrite: str, expected: str) -> None:
    (location,) = site(f"listen 80; location {path} {{ rewrite {rewrite} break; proxy_pass http://10.0.0.1:1; }}")[
        "locations"
    ]
    assert location == {"path": path, "proxy_pass": expected, "websocket": False}


@pytest.mark.parametrize("rewrite", ["^/app/(.*) /v2/$1 break", "^/app/(.*) /$1 last", "^/other/(.*) /$1 break"])
def test_another_rewrite_stays(rewrite: str) -> None:
    (location,) = site(f"listen 80; location /app/ {{ rewrite {rewrite}; proxy_pass http://10.0.0.1:1; }}")["locations"]
    assert location["directives"] == f"rewrite {rewrite};"


def test_a_request_without_its_body_stays_as_it_is() -> None:
    text = 'proxy_pass http://10.0.0.1:1; proxy_pass_request_body off; proxy_set_header Content-Length "";'
    found = site(f"listen 80; location = /auth {{ internal; {text} }} location / {{ return 204; }}")
    assert [one["path"] for one in found["locations"]] == ["/"]
    assert 'proxy_set_header Content-Length "";' in found["directives"]


def test_an_alias_of_the_whole_site_is_a_root() -> None:
    assert site("listen 80; location / { alias /srv/app/; }")["locations"] == [{"path": "/", "root": "/srv/app"}]


def test_off_is_a_word_where_the_key_has_words() -> None:
    (location,) = site("listen 80; location / { proxy_next_upstream off; proxy_pass http://10.0.0.1:1; }")["locations"]
    assert location["proxy_next_upstream"] == "off"


@pytest.mark.parametrize("file", ["fastcgi_params", "snippets/fastcgi-php.conf"])
def test_files_beside_every_nginx_conf_are_no_question(file: str) -> None:
    found = read(f"server {{ listen 80; location ~ \\.php$ {{ include {file}; fastcgi_pass unix:/s; }} }}")
    assert notes(found, "question") == []


def test_no_file_includes_itself_for_the_want_of_its_directory() -> None:
    main = "events {} http { include /etc/nginx/conf.d/*.conf; }"
    other = "server { listen 80; server_name a.example; location / { return 204; } }"
    for names in (
        ("nginx.conf", "conf.d/a.conf"),
        ("nginx.conf", "a.conf"),
        ("/etc/nginx/nginx.conf", "/etc/nginx/conf.d/a.conf"),
    ):
        found = imported(dict(zip(names, (main, other), strict=True)))
        assert len(found["variables"]["websockets_sites"]) == 1
        assert notes(found, "corrected") == []


@pytest.mark.parametrize(
    ("text", "note"),
    [
        (
            "location ~ ^/[0-9]{4}/ { return 204; }",
            "a regular expression with braces gets the quotes that nginx requires",
        ),
        ("location / { return 204; }\n// a comment\n", "'//' is read as a comment, which '#' begins"),
        (
            "listen 81\nserver_mame b.example;\nlocation / { return 204; }",
            "'server_mame' is no directive of nginx: read as 'server_name'",
        ),
    ],
)
def test_faults_are_mended_and_told(text: str, note: str) -> None:
    found = read(f"server {{\nlisten 80;\n{text}\n}}")
    assert note in notes(found, "corrected")
    assert notes(found, "question") == []
    assert "directives" not in found["variables"]["websockets_sites"][0]


def test_blocks_that_a_program_formats_are_read_from_it() -> None:
    found = read(
        'def conf():\n    return f"""\nserver {{\n listen 80;\n location / {{\n  return 204;\n }}\n}}\n"""\n',
        "a.py",
    )
    assert found["variables"]["websockets_sites"] == [
        {"server_name": "_", "listen": 80, "locations": [{"path": "/", "return": 204}]}
    ]


@pytest.mark.parametrize("blank", ["%domain%", "YOUR_DOMAIN", "your.domain.com", "HOST.EXAMPLE.COM"])
def test_what_is_to_be_filled_in_is_a_question(blank: str) -> None:
    found = read(f"server {{ listen 80; server_name {blank}; location / {{ return 204; }} }}")
    assert any("what is to be in the place of" in text for text in notes(found, "question"))


def test_variables_in_capitals_are_no_blanks_where_they_are_variables() -> None:
    found = read(
        "server { listen 80; location / { set $ROOM 1; if ($HTTP_X_ROOM) { return 403; } return 200 $ROOM; } }"
    )
    assert notes(found, "question") == []


def test_a_map_that_is_not_given_is_named() -> None:
    found = read(
        "server { listen 80; location / { proxy_pass http://10.0.0.1:1; proxy_http_version 1.1; "
        "proxy_set_header Host $host; proxy_set_header Upgrade $http_upgrade; "
        "proxy_set_header Connection $connection_upgrade; } }"
    )
    assert notes(found, "corrected") == [
        "'$connection_upgrade' is of a map that is not given: it is 'upgrade' with a handshake"
    ]


def test_servers_in_nginx_conf_are_a_question() -> None:
    found = read("events {} http { server { listen 80; location / { return 204; } } }", "nginx.conf")
    assert any(text.startswith("nginx.conf has servers of its own") for text in notes(found, "question"))


def test_yaml_is_told_by_its_name_or_by_what_is_in_it() -> None:
    vhosts = "nginx_vhosts:\n- server_name: a.example\n"
    for name in ("vars.yml", "group_vars/all"):
        assert len(read(vhosts, name)["variables"]["websockets_sites"]) == 1
    assert "it is no YAML" in str(notes(read("a: [", "a.yml"), "left out"))
    chart = read("{{- if x }}\nkind: Ingress\n{{- end }}\n", "a.yaml")
    assert "give what 'helm template' prints" in str(notes(chart, "left out"))
    assert "it is neither nginx's nor an Ingress" in str(notes(read("a: 1", "a.yml"), "left out"))


def test_long_lines_are_folded() -> None:
    text = 'add_header Content-Security-Policy "' + "; ".join(f"part{number} 'self'" for number in range(12)) + '";'
    found = read(f"server {{ listen 80; {text} location / {{ return 204; }} }}")
    assert max(map(len, found["yaml"].split("\n"))) <= 120
    assert "directives: >-" in found["yaml"]
