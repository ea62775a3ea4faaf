# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of nginxinc.nginx_config, geerlingguy.nginx and ome.nginx_proxy as what their templates print."""

from __future__ import annotations

import typing as t

import pytest
import yaml
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import import gateway, role_variables
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.tree import Directive, Notes
from hypothesis import given, settings
from hypothesis import strategies as st
from importing_yaml import printed, read, replace_somewhere


def _directives(documents: list[t.Any], file: str, notes: Notes) -> list[Directive]:
    return [each for document in documents for each in role_variables.directives(document, file, notes)]


def run(variables: t.Any) -> tuple[str, list[str]]:
    """What is printed, and what is noted without the lines."""
    text = variables if isinstance(variables, str) else yaml.safe_dump(variables, sort_keys=False)
    directives, notes = read(text, _directives)
    return printed(directives), [f"{note.split()[0]}: {note.partition(': ')[2]}" for note in notes]


def config(**more: t.Any) -> dict[str, t.Any]:
    return {"nginx_config_http_template": [{"template_file": "http/default.conf.j2", "config": more}]}


def test_which_documents_are_known() -> None:
    assert role_variables.is_known({"nginx_vhosts": []})
    assert role_variables.is_known([{"hosts": "all", "roles": [{"role": "x", "nginx_proxy_sites": []}]}])
    assert role_variables.is_known([{"tasks": [{"include_role": {}, "vars": {"nginx_config_http_template": []}}]}])
    assert not role_variables.is_known({"apiVersion": "v1", "kind": "List"})
    assert not role_variables.is_known(["nginx_vhosts"])


# nginxinc.nginx_config


@pytest.mark.parametrize(
    ("section", "value", "expected"),
    [
        ("core", {"listen": [{"port": 80}]}, "listen 80;"),
        (
            "core",
            {"listen": [{"address": "0.0.0.0", "port": 443, "ssl": True, "http2": True, "default_server": True}]},
            "listen 0.0.0.0:443 default_server ssl http2;",
        ),
        (
            "core",
            {"listen": [{"address": "unix:/a", "ipv6only": False, "backlog": 9}]},
            "listen unix:/a backlog=9 ipv6only=off;",
        ),
        ("core", {"server_name": "a.test b.test"}, "server_name a.test b.test;"),
        ("core", {"server_name": ["a.test", "b.test"]}, "server_name a.test b.test;"),
        ("core", {"client_max_body_size": "1m"}, "client_max_body_size 1m;"),
        ("core", {"client_max_body_size": 0}, "client_max_body_size 0;"),
        ("core", {"sendfile": True}, "sendfile on;"),
        ("core", {"include": ["a", "b"]}, "include a;\ninclude b;"),
        ("core", {"error_page": {"code": [404, 403], "response": "=200", "uri": "/x"}}, "error_page 404 403 =200 /x;"),
        ("core", {"keepalive_timeout": {"timeout": "75s"}}, "keepalive_timeout 75s;"),
        ("core", {"large_client_header_buffers": {"number": 4, "size": "8k"}}, "large_client_header_buffers 4 8k;"),
        (
            "core",
            {"resolver": {"address": ["1.1.1.1", "8.8.8.8"], "ipv6": False}},
            "resolver 1.1.1.1 8.8.8.8 ipv6=off;",
        ),
        ("core", {"try_files": {"files": ["$uri", "$uri/"], "code": "=404"}}, "try_files $uri $uri/ =404;"),
        (
            "core",
            {"limit_except": {"method": ["GET", "POST"], "directive": "deny all"}},
            "limit_except GET POST { deny all; }",
        ),
        ("core", {"types": [{"mime": "a/b", "extensions": ["c", "d"]}]}, "types { a/b c d; }"),
        ("core", {"internal": True}, "internal;"),
        ("ssl", {"certificate": "/a", "certificate_key": "/b"}, "ssl_certificate /a;\nssl_certificate_key /b;"),
        ("ssl", {"protocols": ["TLSv1.2", "TLSv1.3"]}, "ssl_protocols TLSv1.2 TLSv1.3;"),
        ("ssl", {"ciphers": ["HIGH", "!MD5"]}, "ssl_ciphers HIGH:!MD5;"),
        ("ssl", {"session_cache": {"shared": {"name": "c", "size": "1m"}}}, "ssl_session_cache shared:c:1m;"),
        ("ssl", {"session_cache": {"builtin": {"enable": True, "size": 9}}}, "ssl_session_cache builtin:9;"),
        ("ssl", {"session_cache": False}, "ssl_session_cache off;"),
        ("ssl", {"verify_client": "optional"}, "ssl_verify_client optional;"),
        ("proxy", {"pass": "http://a/"}, "proxy_pass http://a/;"),
        ("proxy", {"set_header": {"field": "Host", "value": "$host"}}, "proxy_set_header Host $host;"),
        (
            "proxy",
            {"set_header": [{"field": "Connection", "value": '"upgrade"'}]},
            "proxy_set_header Connection upgrade;",
        ),
        ("proxy", {"http_version": "1.1"}, "proxy_http_version 1.1;"),
        ("proxy", {"read_timeout": "1h"}, "proxy_read_timeout 1h;"),
        ("proxy", {"buffering": False}, "proxy_buffering off;"),
        ("proxy", {"buffers": {"number": 8, "size": "4k"}}, "proxy_buffers 8 4k;"),
        ("proxy", {"next_upstream": ["error", "timeout"]}, "proxy_next_upstream error timeout;"),
        ("proxy", {"next_upstream": False}, "proxy_next_upstream off;"),
        ("proxy", {"redirect": [{"original": "http://a/", "replacement": "/"}]}, "proxy_redirect http://a/ /;"),
        ("proxy", {"redirect": False}, "proxy_redirect off;"),
        ("proxy", {"hide_header": ["A", "B"]}, "proxy_hide_header A;\nproxy_hide_header B;"),
        ("proxy", {"cookie_path": {"path": "/a", "replacement": "/b"}}, "proxy_cookie_path /a /b;"),
        ("proxy", {"cache_bypass": [["$a", "$b"], "$c"]}, "proxy_cache_bypass $a $b;\nproxy_cache_bypass $c;"),
        (
            "proxy",
            {"cache_valid": [{"code": 200, "time": "1m"}, "2m"]},
            "proxy_cache_valid 200 1m;\nproxy_cache_valid 2m;",
        ),
        (
            "proxy",
            {"cache_path": [{"path": "/c", "levels": "1:2", "keys_zone": {"name": "z", "size": "1m"}}]},
            "proxy_cache_path /c levels=1:2 keys_zone=z:1m;",
        ),
        ("proxy", {"ssl_verify": True}, "proxy_ssl_verify on;"),
        ("grpc", {"pass": "grpc://a"}, "grpc_pass grpc://a;"),
        ("access", {"allow": ["10.0.0.1"], "deny": "all"}, "allow 10.0.0.1;\ndeny all;"),
        ("auth_basic", {"realm": '"a b"', "user_file": "/f"}, 'auth_basic "a b";\nauth_basic_user_file /f;'),
        ("auth_basic", {"realm": False}, "auth_basic off;"),
        (
            "auth_request",
            {"uri": "/a", "set": {"variable": "$a", "value": "b"}},
            "auth_request /a;\nauth_request_set $a b;",
        ),
        ("autoindex", {"enable": True}, "autoindex on;"),
        ("gzip", {"enable": True, "types": ["a/b", "c/d"]}, "gzip on;\ngzip_types a/b c/d;"),
        (
            "headers",
            {
                "add_headers": [{"name": "X", "value": '"a b"', "always": True}],
                "expires": {"modified": True, "time": "12h"},
            },
            'add_header X "a b" always;\nexpires modified 12h;',
        ),
        (
            "limit_req",
            {"limit_reqs": [{"zone": "one", "burst": 5, "delay": False}], "status": 429},
            "limit_req zone=one burst=5 nodelay;\nlimit_req_status 429;",
        ),
        (
            "limit_req",
            {"zones": [{"key": "$binary_remote_addr", "name": "one", "size": "1m", "rate": "10r/s"}]},
            "limit_req_zone $binary_remote_addr zone=one:1m rate=10r/s;",
        ),
        ("log", {"access": [{"path": "/l", "format": "main"}]}, "access_log /l main;"),
        ("log", {"access": False}, "access_log off;"),
        ("log", {"error": {"file": "/e", "level": "warn"}}, "error_log /e warn;"),
        ("log", {"format": [{"name": "main", "format": "'$host '\n'$uri'"}]}, 'log_format main "$host " $uri;'),
        (
            "map",
            {
                "mappings": [
                    {
                        "string": "$http_upgrade",
                        "variable": "$connection_upgrade",
                        "content": [{"value": "default", "new_value": "upgrade"}, {"value": "", "new_value": "close"}],
                    }
                ]
            },
            'map $http_upgrade $connection_upgrade { default upgrade; "" close; }',
        ),
        ("mirror", {"uri": "/m", "request_body": False}, "mirror /m;\nmirror_request_body off;"),
        (
            "realip",
            {"set_real_ip_from": "10.0.0.0/8", "real_ip_header": "X-Real-IP"},
            "set_real_ip_from 10.0.0.0/8;\nreal_ip_header X-Real-IP;",
        ),
        ("rewrite", {"return": {"code": 301, "url": "https://a"}}, "return 301 https://a;"),
        ("rewrite", {"return": 404}, "return 404;"),
        ("rewrite", {"rewrites": [{"regex": "^/a", "replacement": "/b", "flag": "last"}]}, "rewrite ^/a /b last;"),
        ("rewrite", {"set": {"variable": "$a", "value": "b"}}, "set $a b;"),
        (
            "split_clients",
            {"string": "$a", "variable": "$b", "content": [{"percentage": "*", "value": "c"}]},
            "split_clients $a $b { * c; }",
        ),
        (
            "sub_filter",
            {"sub_filters": [{"string": "a", "replacement": "b"}], "once": False},
            "sub_filter a b;\nsub_filter_once off;",
        ),
        ("stub_status", True, "stub_status;"),
        ("custom_directives", ["gzip on;", "if ($a) {\n  return 403;\n}"], "gzip on;\nif ($a) { return 403; }"),
        ("custom_directives", "gzip on;", "gzip on;"),
    ],
)
def test_nginx_config_sections(section: str, value: object, expected: str) -> None:
    text, notes = run(config(**{section: value}))
    assert text == expected
    assert notes == []
    assert run(config(servers=[{section: value}]))[0] == f"server {{ {expected} }}".replace("\n", " ")


def test_nginx_config_upstreams() -> None:
    upstream = {
        "name": "backend",
        "hash": {"key": "$arg_room", "consistent": True},
        "zone": {"name": "z", "size": "64k"},
        "keepalive": 32,
        "sticky_cookie": {"name": "c", "expires": "1d", "httponly": True},
        "servers": [
            {"address": "10.0.0.1:80", "weight": 2, "max_fails": 3, "fail_timeout": "5s", "down": False},
            {"address": "unix:/s", "backup": True, "max_conns": 9, "slow_start": "1s"},
        ],
    }
    text, notes = run(config(upstreams=[upstream]))
    assert text == (
        "upstream backend { hash $arg_room consistent; sticky cookie c expires=1d httponly; "
        "server 10.0.0.1:80 weight=2 max_fails=3 fail_timeout=5s; server unix:/s max_conns=9 backup slow_start=1s; "
        "zone z 64k; keepalive 32; }"
    )
    assert notes == []


def test_nginx_config_locations() -> None:
    servers = [
        {
            "core": {"listen": [{"port": 80}], "server_name": "a.test"},
            "locations": [
                {"location": "~ ^/(a|b)$", "proxy": {"pass": "http://a"}},
                {
                    "location": "= /x",
                    "rewrite": {"return": {"code": 200}},
                    "custom_directives": ["default_type text/plain;"],
                },
            ],
        }
    ]
    assert run(config(servers=servers)) == (
        "server { listen 80; server_name a.test; location ~ ^/(a|b)$ { proxy_pass http://a; } "
        "location = /x { return 200; default_type text/plain; } }",
        [],
    )


@pytest.mark.parametrize(
    ("section", "note"),
    [
        (
            {"proxy": {"http_version": 1.1}},
            "corrected: http_version 1.1 is a number, which nginxinc.nginx_config leaves out",
        ),
        ({"proxy": {"buffering": "off"}}, "corrected: buffering: 'off' is no boolean"),
        ({"app_protect_waf": {"enable": True}}, "left: app_protect_waf is of NGINX Plus"),
        ({"unheard_of": {"a": 1}}, "question: unheard_of: what does this mapping mean?"),
        ({"core": {"listen": [{"port": 80, "colour": "red"}]}}, "left: colour has no translation"),
        ({"upstreams": [{"name": "a", "ip_hash": False}]}, "question: ip_hash: false has the role print ip_hash"),
        ({"servers": "{{ my_servers }}"}, "question: servers: what is {{ my_servers }}? It is an expression of Jinja2"),
        ({"servers": [3]}, "question: servers: item 0 is no mapping"),
    ],
)
def test_what_is_said_of_nginx_config(section: dict[str, t.Any], note: str) -> None:
    _text, notes = run(config(**section))
    assert len(notes) == 1
    assert notes[0].startswith(note)


def test_nginx_config_before_0_5_0() -> None:
    location = {
        "location": "/",
        "proxy_pass": "http://backend",
        "proxy_set_header": {"host": {"name": "Host", "value": "$host"}},
        "proxy_read_timeout": 90,
        "websocket": True,
        "rewrites": ["^/a /b last"],
        "returns": {"one": {"code": 301, "url": "/z"}},
        "proxy_ssl": {"server_name": True},
        "custom_options": ["gzip on;"],
        "allows": ["10.0.0.1"],
    }
    server = {
        "listen": {
            "one": {"port": 80, "opts": []},
            "two": {"ip": "10.0.0.1", "port": 443, "ssl": True, "opts": ["http2"]},
        },
        "server_name": "a.test",
        "ssl": {"cert": "/a", "key": "/b"},
        "add_headers": {"one": {"name": "X", "value": "max-age=1; y", "always": True}},
        "access_log": [{"name": "main", "location": "/l"}],
        "https_redirect": "$host",
        "reverse_proxy": {"locations": {"one": location}},
        "web_server": {
            "locations": {"one": {"location": "/s", "html_file_location": "/srv", "html_file_name": "i.html"}}
        },
    }
    upstream = {
        "name": "backend",
        "lb_method": "least_conn",
        "zone_name": "z",
        "zone_size": "64k",
        "sticky_cookie": True,
        "servers": {"one": {"address": "10.0.0.1", "port": 81, "weight": 1, "health_check": "max_fails=3"}},
    }
    text, notes = run(
        {"nginx_http_template": {"default": {"upstreams": {"one": upstream}, "servers": {"one": server}}}}
    )
    assert text.split("\n") == [
        "upstream backend { least_conn; zone z 64k; sticky cookie srv_id expires=1h path=/; "
        "server 10.0.0.1:81 weight=1 max_fails=3; }",
        "server { ssl_certificate /a; ssl_certificate_key /b; listen 80; listen 10.0.0.1:443 ssl http2; "
        'server_name a.test; add_header X "max-age=1; y" always; access_log /l main; '
        "return 301 https://$host$request_uri; location / { proxy_ssl_server_name on; proxy_pass http://backend; "
        "proxy_set_header Host $host; proxy_read_timeout 90; rewrite ^/a /b last; return 301 /z; gzip on; "
        "allow 10.0.0.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection Upgrade; } "
        "location /s { root /srv; index i.html; } }",
    ]
    assert notes == []


def test_nginx_config_0_4_has_lists_and_sections_in_servers() -> None:
    location = {
        "location": "/",
        "proxy_pass": "http://a",
        "proxy": {"set_header": [{"field": "Host", "value": "$host"}]},
    }
    server = {"listen": [{"ip": "0.0.0.0", "port": 80}], "server_name": "a.test", "locations": [location]}
    text, notes = run({"nginx_config_http_template": [{"conf_file_name": "a.conf", "servers": [server]}]})
    assert text == (
        "server { listen 0.0.0.0:80; server_name a.test; "
        "location / { proxy_set_header Host $host; proxy_pass http://a; } }"
    )
    assert notes == []


# geerlingguy.nginx


def geerlingguy(**more: t.Any) -> tuple[str, list[str]]:
    text, notes = run({"nginx_client_max_body_size": "1m", "nginx_vhosts": [], **more})
    return text.replace("client_max_body_size 1m;", "").strip("\n"), notes


@pytest.mark.parametrize(
    ("vhost", "expected"),
    [
        ({"server_name": "a.test"}, "server { listen 80; server_name a.test; }"),
        (
            {"listen": "443 ssl http2", "server_name": "a.test b.test"},
            "server { listen 443 ssl http2; server_name a.test b.test; }",
        ),
        ({"listen": ["80", "[::]:80"]}, "server { listen 80; listen [::]:80; }"),
        ({"root": "/srv"}, "server { listen 80; root /srv; index index.html index.htm; }"),
        ({"root": "/srv", "index": "a.php"}, "server { listen 80; root /srv; index a.php; }"),
        ({"error_page": "404 /404.html"}, "server { listen 80; error_page 404 /404.html; }"),
        ({"access_log": "/l main", "error_log": ""}, "server { listen 80; access_log /l main; }"),
        ({"return": "301 https://a.test$request_uri"}, "server { listen 80; return 301 https://a.test$request_uri; }"),
        ({"filename": "a.conf", "state": "present"}, "server { listen 80; }"),
        (
            {"server_name": "a.test x", "server_name_redirect": "www.a.test"},
            "server { listen 80; server_name www.a.test; return 301 $scheme://a.test$request_uri; }\n"
            "server { listen 80; server_name a.test x; }",
        ),
        (
            {"extra_parameters": "location /ws {\n  proxy_pass http://app;\n}\nssl_protocols TLSv1.2;\n"},
            "server { listen 80; location /ws { proxy_pass http://app; } ssl_protocols TLSv1.2; }",
        ),
        ({"server_name": "a.test", "state": "absent"}, ""),
    ],
)
def test_geerlingguy_vhosts(vhost: dict[str, t.Any], expected: str) -> None:
    assert geerlingguy(nginx_vhosts=[vhost])[0] == expected


def test_geerlingguy_upstreams() -> None:
    upstream = {"name": "app", "strategy": "ip_hash", "keepalive": 16, "servers": ["a.test:80", "b.test:80 weight=3"]}
    expected = "upstream app { ip_hash; server a.test:80; server b.test:80 weight=3; keepalive 16; }"
    assert geerlingguy(nginx_upstreams=[upstream]) == (expected, [])
    # The form of the role's own example.
    assert run('nginx_upstreams:\n- name: app\n  servers: {"a.test", "b.test weight=3"}\n')[0].endswith(
        "upstream app { server a.test; server b.test weight=3; }"
    )


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("nginx_server_names_hash_bucket_size", "128", "server_names_hash_bucket_size 128;"),
        ("nginx_access_log", "off", "access_log off;"),
        ("nginx_sendfile", "on", "sendfile on;"),
        ("nginx_tcp_nopush", True, "tcp_nopush on;"),
        ("nginx_tcp_nodelay", "on", "tcp_nodelay on;"),
        ("nginx_keepalive_timeout", "65", "keepalive_timeout 65;"),
        ("nginx_keepalive_requests", 100, "keepalive_requests 100;"),
        ("nginx_server_tokens", "off", "server_tokens off;"),
        ("nginx_proxy_cache_path", "/c keys_zone=c:32m", "proxy_cache_path /c keys_zone=c:32m;"),
        ("nginx_proxy_cache_path", "", ""),
        (
            "nginx_extra_http_options",
            "proxy_buffering off;\nmap $a $b { default c; }\n",
            "proxy_buffering off;\nmap $a $b { default c; }",
        ),
        ("nginx_log_format", "'$host '\n'$uri'", 'log_format main "$host " $uri;'),
        ("nginx_extra_log_formats", [{"name": "x", "format": "'$uri'"}], "log_format x $uri;"),
    ],
)
def test_geerlingguy_http(name: str, value: object, expected: str) -> None:
    assert geerlingguy(**{name: value}) == (expected, [])


def test_geerlingguys_defaults_are_taken_and_said() -> None:
    text, notes = run({"nginx_vhosts": []})
    assert text == "client_max_body_size 64m;"
    assert notes == ["taken: client_max_body_size is 64m by geerlingguy.nginx's own default"]


def test_ipv6_is_listened_on_where_it_is_said() -> None:
    vhosts = [{"listen": ["443 ssl", "10.0.0.1:80", "unix:/s"]}]
    assert geerlingguy(nginx_listen_ipv6=True, nginx_vhosts=vhosts)[0] == (
        "server { listen 443 ssl; listen [::]:443 ssl; listen 10.0.0.1:80; listen unix:/s; }"
    )


@pytest.mark.parametrize(
    ("more", "note"),
    [
        ({"nginx_worker_connections": 1024}, "left: nginx_worker_connections: it is for nginx's main context"),
        ({"nginx_ppa_use": True}, "left: nginx_ppa_use: it says nothing of sites and upstreams"),
        ({"nginx_vhosts": [{"template": "a.j2"}]}, "question: the site has a template of its own, a.j2"),
        ({"nginx_vhosts": [{"colour": "red"}]}, "left: colour has no translation"),
        ({"nginx_vhosts": [{"server_name": ["a"]}]}, "question: server_name: a text is expected here"),
        ({"nginx_vhosts": [{"server_name": "a", "state": "absent"}]}, "left: a has the state absent"),
        ({"nginx_extra_http_options": ["a"]}, "question: nginx_extra_http_options: a text is expected here"),
    ],
)
def test_what_is_said_of_geerlingguy(more: dict[str, t.Any], note: str) -> None:
    _text, notes = geerlingguy(**more)
    assert len(notes) == 1
    assert notes[0].startswith(note)


# ome.nginx_proxy

OME = (
    "error_page 500 502 503 504 /50x.html; port_in_redirect off; proxy_set_header Host $host; "
    "proxy_set_header X-Real-IP $remote_addr; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"
)
PAGE = "location = /50x.html { root /usr/share/nginx/html; }"


def ome(**more: t.Any) -> tuple[str, list[str]]:
    return run({"nginx_proxy_server_name": "a.test", **more})


def test_ome_has_one_site_by_default_and_its_headers() -> None:
    backends = [{"name": "a", "location": "/", "server": "http://a.test"}]
    assert ome(nginx_proxy_backends=backends) == (
        f"server {{ listen 80 default_server; server_name a.test; {OME} {PAGE} "
        "location / { proxy_pass http://a.test; proxy_redirect http://a.test $scheme://$server_name; } }",
        [],
    )


def test_ome_tls() -> None:
    text, notes = ome(
        nginx_proxy_ssl=True,
        nginx_proxy_http2=True,
        nginx_proxy_force_ssl=True,
        nginx_proxy_hsts_age=31536000,
        nginx_proxy_ssl_certificate="/a",
        nginx_proxy_ssl_certificate_key="/b",
    )
    assert text.split("\n") == [
        "server { listen 80 default_server; server_name a.test; return 301 https://$host$request_uri; }",
        "server { listen 443 ssl http2 default_server; server_name a.test; ssl_certificate /a; ssl_certificate_key /b; "
        f"add_header Strict-Transport-Security max-age=31536000; {OME} {PAGE} }}",
    ]
    assert notes == []


def test_ome_sites_have_their_own_values_else_those_of_all() -> None:
    sites = [
        {"nginx_proxy_server_name": "b.test", "nginx_proxy_listen_http": 8009, "nginx_proxy_backends": []},
        {"nginx_proxy_server_name": "c.test"},
    ]
    text, _notes = ome(nginx_proxy_sites=sites, nginx_proxy_block_locations=["^~ /x"])
    block = f"{PAGE} location ^~ /x {{ return 404; }}"
    assert text.split("\n") == [
        f"server {{ listen 8009; server_name b.test; {OME} {block} }}",
        f"server {{ listen 80; server_name c.test; {OME} {block} }}",
    ]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (
            {"websockets": True},
            "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; "
            "proxy_set_header Connection $connection_upgrade; …",
        ),
        (
            {"websockets": True, "websocketsonly": True},
            "if ($http_upgrade !~* websocket) { return 400; } proxy_http_version",
        ),
        ({"limit_methods": "GET HEAD"}, "limit_except GET HEAD { deny all; } …"),
        ({"dynamic": True}, "set $backend_a http://b.test; proxy_pass $backend_a; proxy_redirect $backend_a $scheme"),
        ({"read_timeout": 86400}, "… proxy_read_timeout 86400;"),
        ({"host_header": "$host"}, "… proxy_set_header Host $host;"),
        ({"maintenance_flag": "/f", "maintenance_uri": "/m"}, "… if (-f /f) { return 503; } error_page 503 /m;"),
        ({"additional": ["gzip on", "if ($a) { return 403; }"]}, "… gzip on; if ($a) { return 403; }"),
    ],
)
def test_ome_backends(entry: dict[str, t.Any], expected: str) -> None:
    backends = [{"name": "a", "location": "/b", "server": "http://b.test", **entry}]
    text, notes = ome(nginx_proxy_backends=backends, nginx_proxy_websockets_enable=True)
    assert text.startswith('map $http_upgrade $connection_upgrade { default upgrade; "" close; }\n')
    passes = "proxy_pass http://b.test; proxy_redirect http://b.test $scheme://$server_name;"
    assert f"location /b {{ {expected}" in text.replace(passes, "…")
    assert notes == []


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        (
            "nginx_proxy_conf_http",
            ["client_max_body_size 500m", "server_tokens off"],
            "client_max_body_size 500m;\nserver_tokens off;\n",
        ),
        (
            "nginx_proxy_upstream_servers",
            [{"name": "up", "balance": "ip_hash", "servers": ["10.0.0.1", "10.0.0.2 backup"]}],
            "upstream up { ip_hash; server 10.0.0.1; server 10.0.0.2 backup; }\n",
        ),
        (
            "nginx_proxy_additional_maps",
            [{"from": "$http_origin", "to": "$o", "mapvalues": ["default *", "~. $http_origin"]}],
            "map $http_origin $o { default *; ~. $http_origin; }\n",
        ),
        (
            "nginx_proxy_redirect_map",
            [{"match": "/a?b=1", "dest": "/c"}],
            "map $request_uri $redirect_uri { /a?b=1 /c; }\n",
        ),
        (
            "nginx_proxy_redirect_map_locations",
            [{"location": "~ ^/m($|/)", "code": 301}],
            "location ~ ^/m($|/) { return 301 $redirect_uri; }",
        ),
        ("nginx_proxy_direct_locations", [{"location": "/d", "redirect301": "/e"}], "location /d { return 301 /e; }"),
        (
            "nginx_proxy_direct_locations",
            [{"location": "^~ /d", "alias": "/srv", "index": "i", "custom": ["etag off"]}],
            "location ^~ /d { index i; alias /srv; etag off; }",
        ),
        (
            "nginx_proxy_additional_directives",
            ["location = /x { return 404; }", "etag off"],
            "location = /x { return 404; } etag off; }",
        ),
        ("nginx_proxy_404", "/404.html", "error_page 404 /404.html;"),
        ("nginx_dynamic_proxy_resolvers", ["1.1.1.1", "8.8.8.8"], "resolver 1.1.1.1 8.8.8.8;"),
        ("nginx_proxy_buffers", "8 16k", "proxy_buffers 8 16k;"),
        ("nginx_proxy_set_header_host", "$http_host", "proxy_set_header Host $http_host;"),
        ("nginx_proxy_forward_scheme_header", "X-Forwarded-Proto", "proxy_set_header X-Forwarded-Proto $scheme;"),
    ],
)
def test_ome_variables(name: str, value: object, expected: str) -> None:
    text, notes = ome(**{name: value})
    assert expected in text
    assert notes == []


@pytest.mark.parametrize(
    ("more", "note"),
    [
        ({"nginx_proxy_caches": []}, "left: nginx_proxy_caches: a cache is proxy_cache_path"),
        (
            {"nginx_proxy_backends": [{"location": "/", "server": "http://a", "cache_validity": "1d"}]},
            "left: cache_validity: a",
        ),
        (
            {"nginx_proxy_backends": [{"location": "/", "server": "http://a", "websockets": True}]},
            "corrected: websockets without",
        ),
        (
            {"nginx_proxy_backends": [{"name": "a", "backend": "http://a"}]},
            "question: a has no server: which one is it?",
        ),
        ({"nginx_proxy_sites": [{"nginx_proxy_colour": "red"}]}, "left: nginx_proxy_colour has no translation"),
        ({"nginx_proxy_sites": ["{{ sites }}"]}, "question: nginx_proxy_sites: what is {{ sites }}?"),
    ],
)
def test_what_is_said_of_ome(more: dict[str, t.Any], note: str) -> None:
    _text, notes = ome(**more)
    assert len(notes) == 1
    assert notes[0].startswith(note)


def test_places_are_those_of_the_values() -> None:
    text = (
        "- hosts: all\n  vars:\n    nginx_vhosts:\n    - server_name: a.test\n      extra_parameters: |\n"
        "        location / {\n          proxy_pass http://a;\n        }\n      return: 404\n"
    )
    directives, _notes = read(text, _directives)
    server = directives[-1]
    assert [each.place.line for each in (server, *(server.block or ()))] == [4, 4, 4, 9, 6]


# Values where variables have others.
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-5, 70000)
    | st.floats()
    | st.sampled_from(["on", "/", '"', "{", "a b;", "{{ x }}"])
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
)
SAMPLES: list[t.Any] = [
    config(
        upstreams=[{"name": "a", "zone": {"name": "z"}, "hash": {"key": "x"}, "servers": [{"address": "a:1"}]}],
        map={"mappings": [{"string": "$a", "variable": "$b", "content": [{"value": "c", "new_value": "d"}]}]},
        servers=[
            {
                "core": {"listen": [{"port": 80}], "server_name": "a", "types": {"mime": "a", "extensions": ["b"]}},
                "ssl": {"session_cache": {"shared": {"name": "a"}}},
                "locations": [{"location": "/", "proxy": {"pass": "x", "set_header": [{"field": "a", "value": "b"}]}}],
            }
        ],
    ),
    {
        "nginx_config_http_template": {
            "a": {"servers": {"b": {"reverse_proxy": {"locations": {"c": {"returns": {"d": {"code": 1}}}}}}}}
        }
    },
    {
        "nginx_vhosts": [{"server_name": "a b", "server_name_redirect": "c", "listen": ["80"]}],
        "nginx_upstreams": [{"servers": ["a"]}],
    },
    {
        "nginx_proxy_sites": [{"nginx_proxy_server_name": "a", "nginx_proxy_ssl": True}],
        "nginx_proxy_backends": [{"location": "/", "server": "b", "additional": ["c"], "dynamic": True}],
        "nginx_proxy_direct_locations": [{"location": "/"}],
        "nginx_proxy_redirect_map": [{"match": "a", "dest": "b"}],
        "nginx_proxy_additional_maps": [{"from": "a", "to": "b", "mapvalues": ["c"]}],
        "nginx_proxy_conf_http": ["a"],
    },
]


@settings(max_examples=200)
@given(st.data())
def test_no_variables_are_more_than_notes(data: st.DataObject) -> None:
    whole = yaml.safe_load(yaml.safe_dump(data.draw(st.sampled_from(SAMPLES))))
    for _number in range(data.draw(st.integers(1, 3))):
        replace_somewhere(whole, data, VALUES)
    notes = Notes()
    gateway.variables(role_variables.directives(whole, "a.yml", notes), (), notes)
