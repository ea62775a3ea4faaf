# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ingresses of Kubernetes as the directives that ingress-nginx, or F5's controller, has nginx read."""

from __future__ import annotations

import typing as t

import pytest
import yaml
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import import gateway, ingress, ingress_annotations
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.tree import Directive, Notes
from hypothesis import given, settings
from hypothesis import strategies as st
from importing_yaml import printed, read, replace_somewhere, walked

HEADERS = (
    "proxy_http_version 1.1; proxy_set_header Host $host; proxy_set_header X-Real-IP $remote_addr; "
    "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme; "
    "proxy_set_header Upgrade $websocket_upgrade; proxy_set_header Connection $websocket_connection;"
)
PREFIX = "nginx.ingress.kubernetes.io/"
CERTIFICATE = "ssl_certificate /etc/nginx/tls/cert.crt; ssl_certificate_key /etc/nginx/tls/cert.key;"
HSTS = 'add_header Strict-Transport-Security "max-age=31536000; includeSubDomains" always;'
TLS = f"listen 443 ssl; http2 on; {CERTIFICATE} {HSTS}"


def manifest(
    annotations: dict[str, t.Any] | None = None,
    paths: list[dict[str, t.Any]] | None = None,
    **more: t.Any,
) -> dict[str, t.Any]:
    """An Ingress; more are its name, its host (None for any), whether it has a certificate, the annotations' prefix."""
    host, prefix = more.get("host", "a.example.com"), more.get("prefix", PREFIX)
    backend = {"service": {"name": "chat", "port": {"number": 80}}}
    entries = [{"backend": backend, "pathType": "Prefix", **path} for path in paths or [{"path": "/"}]]
    rule: dict[str, t.Any] = {"http": {"paths": entries}}
    spec: dict[str, t.Any] = {"rules": [rule if host is None else {"host": host, **rule}]}
    if more.get("tls"):
        spec["tls"] = [{"hosts": [host], "secretName": "cert"}]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {
            "name": more.get("name", "chat"),
            "annotations": {f"{prefix}{key}": value for key, value in (annotations or {}).items()},
        },
        "spec": spec,
    }


def run(*documents: t.Any) -> tuple[list[Directive], list[str]]:
    return read(yaml.safe_dump_all(documents), ingress.directives)


def servers(*documents: t.Any) -> list[str]:
    return [printed([each]) for each in run(*documents)[0] if each.name == "server"]


def location(annotations: dict[str, t.Any], **more: t.Any) -> str:
    """The directives of the one location, less those that all have."""
    (server,) = [each for each in run(manifest(annotations, **more))[0] if each.name == "server"]
    return printed(next(server.all("location")).block or ()).replace("\n", " ").replace(HEADERS, "…")


def notes(annotations: dict[str, t.Any], **more: t.Any) -> list[str]:
    """What was noted of the annotations: neither of the Service nor of what the controller does by default."""
    found = [note.partition(": ")[::2] for note in run(manifest(annotations, **more))[1]]
    return [
        f"{kind.split()[0]}: {text}"
        for kind, text in found
        if "Service default/chat" not in text and "by default also" not in text
    ]


def test_websockets_pass_on_all_paths_and_a_prefix_has_two_locations() -> None:
    directives, found = run(manifest(paths=[{"path": "/ws"}, {"path": "/up/", "pathType": "Exact"}]))
    assert printed(directives).split("\n") == [
        "upstream chat { server chat.default.svc:80; }",
        "server { listen 80; server_name a.example.com; "
        f"location = /ws {{ {HEADERS} proxy_pass http://chat; }} "
        f"location /ws/ {{ {HEADERS} proxy_pass http://chat; }} "
        f"location = /up/ {{ {HEADERS} proxy_pass http://chat; }} "
        "location / { return 404; } }",
    ]
    assert [note.partition(":")[0].split()[0] for note in found] == ["question", "left"]
    assert "which addresses do its servers have outside the cluster?" in found[0]


@pytest.mark.parametrize(
    ("kind", "path", "locations"),
    [
        ("Prefix", "/", ["/"]),
        ("Prefix", "/a/", ["/a/", "/"]),
        ("Prefix", "/a", ["= /a", "/a/", "/"]),
        ("Exact", "/a", ["= /a", "/"]),
        ("ImplementationSpecific", "/a", ["/a", "/"]),
        (None, "/a", ["/a", "/"]),
    ],
)
def test_path_types(kind: str | None, path: str, locations: list[str]) -> None:
    (server,) = [each for each in run(manifest(paths=[{"path": path, "pathType": kind}]))[0] if each.name == "server"]
    assert [" ".join(each.args) for each in server.all("location")] == locations


def test_a_host_with_a_certificate_redirects_to_it() -> None:
    where = f"location / {{ {HEADERS} proxy_pass http://chat; }}"
    assert servers(manifest(tls=True)) == [
        "server { listen 80; server_name a.example.com; return 308 https://$host$request_uri; }",
        f"server {{ {TLS} server_name a.example.com; {where} }}",
    ]
    assert servers(manifest({"ssl-redirect": "false"}, tls=True)) == [
        f"server {{ listen 80; {TLS} server_name a.example.com; {where} }}"
    ]


def test_of_two_ingresses_of_a_host_one_may_do_without_tls() -> None:
    plain = manifest({"ssl-redirect": False}, [{"path": "/plain/"}], name="b")
    http, https = servers(manifest(tls=True), plain)
    assert "location / { return 308 https://$host$request_uri; } location /plain/ { proxy_http_version" in http
    assert "location / { proxy_http_version" in https
    assert "location /plain/ { proxy_http_version" in https


def test_a_redirect_without_a_certificate_is_a_question() -> None:
    assert notes({"force-ssl-redirect": "true"}) == [
        "question: a.example.com has no certificate, and is redirected to https: where does TLS end? It is taken as "
        "plain HTTP"
    ]


def test_a_rule_without_a_host_has_the_default_server() -> None:
    (server,) = servers(manifest(host=None))
    assert server.startswith("server { listen 80 default_server; server_name _; ")


def test_a_wildcard_certificate_covers_one_label() -> None:
    document = manifest()
    document["spec"]["tls"] = [{"hosts": ["*.example.com", "b.test"], "secretName": "cert"}]
    directives, found = run(document)
    assert "ssl_certificate /etc/nginx/tls/cert.crt;" in printed(directives)
    assert any("TLS for b.test, which no rule has" in note for note in found)
    document["spec"]["rules"][0]["host"] = "a.b.example.com"
    assert "ssl_certificate" not in printed(run(document)[0])


def test_forms_before_networking_v1() -> None:
    backend = {"serviceName": "old", "servicePort": "http"}
    document = {
        "apiVersion": "extensions/v1beta1",
        "kind": "Ingress",
        "metadata": {"name": "old", "namespace": "prod"},
        "spec": {
            "backend": backend,
            "rules": [{"host": "a.test", "http": {"paths": [{"path": "/a/", "backend": backend}]}}],
        },
    }
    directives, found = run({"apiVersion": "v1", "kind": "List", "items": [document]})
    assert "upstream old { server old.prod.svc:80; }" in printed(directives)
    assert "location /a/ {" in printed(directives)
    assert f"location / {{ {HEADERS} proxy_pass http://old; }}" in printed(directives)
    assert any("which number has the port http of Service old? 80 is taken" in note for note in found)


def test_services_and_endpoints_beside_it_name_the_servers() -> None:
    spec: dict[str, t.Any] = {
        "type": "NodePort",
        "ports": [{"name": "ws", "port": 80, "targetPort": 8080, "nodePort": 30080}],
    }
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "chat"}, "spec": spec}
    directives, found = run(manifest(), service)
    assert "server chat.default.svc:80;" in printed(directives)
    assert any("outside the cluster, such as the nodes' with port 30080?" in note for note in found)
    subsets = [{"addresses": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}], "ports": [{"port": 9}, {"port": 8080}]}]
    endpoints = {"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "chat"}, "subsets": subsets}
    directives, found = run(manifest(), service, endpoints)
    assert "upstream chat { server 10.0.0.1:8080; server [fd00::1]:8080; }" in printed(directives)
    assert not any("question" in note for note in found)
    spec.update({"type": "ExternalName", "externalName": "chat.example.net"})
    assert "server chat.example.net:80;" in printed(run(manifest(), service)[0])
    spec.update({"type": "ClusterIP", "clusterIP": "None"})
    assert "server chat.default.svc:8080;" in printed(run(manifest(), service)[0])


def test_affinity_by_a_cookie_is_a_question_with_what_it_would_be() -> None:
    annotations = {
        "affinity": "cookie",
        "session-cookie-name": "route",
        "session-cookie-max-age": "3600",
        "session-cookie-samesite": "Lax",
        "session-cookie-secure": "true",
        "affinity-mode": "persistent",
    }
    (note,) = notes(annotations)
    assert "'balance: sticky cookie route expires=3600s path=/ samesite=lax httponly secure'" in note


def test_one_upstream_for_each_port_and_namespace() -> None:
    paths = [
        {"path": f"/{number}/", "backend": {"service": {"name": "chat", "port": {"number": number}}}}
        for number in (1, 2, 1)
    ]
    other = manifest(host="b.example.com")
    other["metadata"]["namespace"] = "prod"
    names = [each.args[0] for each in run(manifest(paths=paths), other)[0] if each.name == "upstream"]
    assert names == ["chat", "chat-2", "chat-80"]


@pytest.mark.parametrize(
    ("name", "value", "directive"),
    [
        ("proxy-connect-timeout", "5", "proxy_connect_timeout 5s;"),
        ("proxy-send-timeout", "3600", "proxy_send_timeout 3600s;"),
        ("proxy-read-timeout", 3600, "proxy_read_timeout 3600s;"),
        ("proxy-body-size", "8m", "client_max_body_size 8m;"),
        ("client-body-buffer-size", "1M", "client_body_buffer_size 1M;"),
        ("proxy-buffering", "off", "proxy_buffering off;"),
        ("proxy-buffering", False, "proxy_buffering off;"),
        ("proxy-buffer-size", "8k", "proxy_buffer_size 8k; proxy_buffers 4 8k;"),
        ("proxy-buffers-number", "8", "proxy_buffers 8 4k;"),
        ("proxy-busy-buffers-size", "16k", "proxy_busy_buffers_size 16k;"),
        ("proxy-request-buffering", "off", "proxy_request_buffering off;"),
        ("proxy-max-temp-file-size", "1024m", "proxy_max_temp_file_size 1024m;"),
        ("proxy-next-upstream", "error timeout http_502", "proxy_next_upstream error timeout http_502;"),
        ("proxy-next-upstream-tries", "3", "proxy_next_upstream_tries 3;"),
        ("proxy-next-upstream-timeout", "10", "proxy_next_upstream_timeout 10;"),
        ("proxy-cookie-domain", "localhost example.org", "proxy_cookie_domain localhost example.org;"),
        ("proxy-cookie-path", "/one/ /", "proxy_cookie_path /one/ /;"),
        ("proxy-redirect-from", "off", "proxy_redirect off;"),
        ("proxy-redirect-from", "http://a/", "proxy_redirect http://a/ /;"),
        ("proxy-ssl-name", "a.test", "proxy_ssl_name a.test;"),
        ("proxy-ssl-server-name", "on", "proxy_ssl_server_name on;"),
        ("proxy-ssl-verify", "on", "proxy_ssl_verify on;"),
        ("proxy-ssl-verify-depth", "2", "proxy_ssl_verify_depth 2;"),
        ("proxy-ssl-protocols", "TLSv1.2", "proxy_ssl_protocols TLSv1.2;"),
        ("proxy-ssl-ciphers", "HIGH", "proxy_ssl_ciphers HIGH;"),
        (
            "proxy-ssl-secret",
            "default/mtls",
            "proxy_ssl_certificate /etc/nginx/tls/mtls.crt; proxy_ssl_certificate_key /etc/nginx/tls/mtls.key; "
            "proxy_ssl_trusted_certificate /etc/nginx/tls/mtls-ca.crt;",
        ),
        ("limit-rate", "100", "limit_rate 100k;"),
        ("limit-rate-after", "10", "limit_rate_after 10k;"),
        ("satisfy", "any", "satisfy any;"),
        ("enable-access-log", "false", "access_log off;"),
        ("configuration-snippet", "deny 10.0.0.1;\nadd_header X a;", "deny 10.0.0.1; add_header X a;"),
    ],
)
def test_annotations_that_are_directives_of_a_location(name: str, value: object, directive: str) -> None:
    assert location({name: value}) == f"… {directive} proxy_pass http://chat;"


def test_all_directives_of_locations_are_tested() -> None:
    parameters = t.cast("t.Any", test_annotations_that_are_directives_of_a_location).pytestmark[0].args[1]
    of_f5 = {"client-max-body-size", "proxy-buffers", "proxy-hide-headers"}
    assert set(ingress_annotations.LOCATION_DIRECTIVES) - of_f5 <= {name for name, _value, _directive in parameters}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("server-alias", "b.example.com, ~^c\\d$", "server_name a.example.com b.example.com ~^c\\d$;"),
        ("server-snippet", "gzip on;", "gzip on;"),
        ("whitelist-source-range", "10.0.0.0/8,192.168.0.1", "allow 10.0.0.0/8; allow 192.168.0.1; deny all;"),
        ("allowlist-source-range", "10.0.0.0/8", "allow 10.0.0.0/8; deny all;"),
        ("denylist-source-range", "10.0.0.0/8", "deny 10.0.0.0/8;"),
        ("limit-rps", "10", "limit_req zone=chat_rps burst=50 nodelay;"),
        ("limit-rpm", "10", "limit_req zone=chat_rpm burst=50 nodelay;"),
        ("limit-connections", "5", "limit_conn chat_conn 5;"),
        (
            "auth-secret",
            "users",
            'auth_basic "Authentication Required"; auth_basic_user_file /etc/nginx/users.htpasswd;',
        ),
        ("ssl-ciphers", "HIGH", "ssl_ciphers HIGH;"),
        ("ssl-prefer-server-ciphers", "true", "ssl_prefer_server_ciphers on;"),
        ("auth-tls-secret", "prod/ca", "ssl_client_certificate /etc/nginx/tls/ca-ca.crt; ssl_verify_client on;"),
        ("app-root", "/app", "location = / { return 302 /app; }"),
        ("permanent-redirect", "https://b.test", "location / { return 301 https://b.test; }"),
        ("temporal-redirect", "https://b.test", "location / { return 302 https://b.test; }"),
        ("upstream-vhost", "b.test", "proxy_set_header Host b.test;"),
        ("x-forwarded-prefix", "/app", "proxy_set_header X-Forwarded-Prefix /app;"),
        ("backend-protocol", "HTTPS", "proxy_pass https://chat;"),
        ("secure-backends", "true", "proxy_pass https://chat;"),
        ("backend-protocol", "GRPC", "location / { grpc_pass grpc://chat; }"),
        ("backend-protocol", "FCGI", "location / { fastcgi_pass chat; }"),
    ],
)
def test_annotations_of_a_server_and_its_locations(name: str, value: str, expected: str) -> None:
    (server,) = servers(manifest({name: value}))
    assert expected in server


@pytest.mark.parametrize(
    ("annotations", "upstream"),
    [
        ({}, ""),
        ({"load-balance": "round_robin"}, ""),
        ({"load-balance": "ewma"}, "least_conn; "),
        ({"load-balance": "ip_hash"}, "ip_hash; "),
        ({"upstream-hash-by": "$arg_room"}, "hash $arg_room consistent; "),
        ({"affinity": "cookie"}, "ip_hash; "),
    ],
)
def test_how_requests_are_balanced(annotations: dict[str, str], upstream: str) -> None:
    (found,) = [each for each in run(manifest(annotations))[0] if each.name == "upstream"]
    assert printed([found]) == f"upstream chat {{ {upstream}server chat.default.svc:80; }}"


@pytest.mark.parametrize(
    ("path", "target", "words", "rest"),
    [
        ("/app(/|$)(.*)", "/$2", "/app/", "proxy_pass http://chat/;"),
        ("/app/?(.*)", "/$1", "/app/", "proxy_pass http://chat/;"),
        ("/app/(.*)", "/$1", "/app/", "proxy_pass http://chat/;"),
        ("/(.*)", "/$1", "/", "proxy_pass http://chat;"),
        ("/", "/", "/", "proxy_pass http://chat;"),
        ("/app", "/", "/app", "rewrite (?i)/app / break; proxy_pass http://chat;"),
        ("/app/(.*)", "/v2/$1", "~* ^/app/(.*)", "rewrite (?i)/app/(.*) /v2/$1 break; proxy_pass http://chat;"),
        ("/app(.*)", "/$1", "~* ^/app(.*)", "rewrite (?i)/app(.*) /$1 break; proxy_pass http://chat;"),
    ],
)
def test_rewrites(path: str, target: str, words: str, rest: str) -> None:
    entries = [{"path": path, "pathType": "ImplementationSpecific"}]
    (server,) = [each for each in run(manifest({"rewrite-target": target}, entries))[0] if each.name == "server"]
    found = next(server.all("location"))
    assert " ".join(found.args) == words
    assert printed(found.block or ()).replace("\n", " ").replace(HEADERS, "…") == f"… {rest}"


@pytest.mark.parametrize(
    ("paths", "locations"),
    [
        (["/api/.*"], ["/api/", "/"]),
        (["/api/(.*)$", "/"], ["/api/", "/"]),
        (["/(a|b)/c", "/", "/(a|b)/longer"], ["~* ^/(a|b)/longer", "~* ^/(a|b)/c", "/"]),
        (["/rooms/[0-9]+", "/rooms/of/mine/alone"], ["^~ /rooms/of/mine/alone", "~* ^/rooms/[0-9]+", "/"]),
    ],
)
def test_regular_expressions_longest_first(paths: list[str], locations: list[str]) -> None:
    entries = [{"path": path, "pathType": "ImplementationSpecific"} for path in paths]
    (server,) = [each for each in run(manifest({"use-regex": "true"}, entries))[0] if each.name == "server"]
    assert [" ".join(each.args) for each in server.all("location")] == locations


def test_www_is_redirected_to_the_name_without_it_and_the_other_way() -> None:
    assert servers(manifest({"from-to-www-redirect": "true"}))[1] == (
        "server { listen 80; server_name www.a.example.com; return 308 $scheme://a.example.com$request_uri; }"
    )
    assert (
        "server_name b.test; return 308 $scheme://www.b.test$request_uri;"
        in servers(manifest({"from-to-www-redirect": "true"}, host="www.b.test", tls=True))[2]
    )


def test_auth_url_is_a_subrequest() -> None:
    annotations = {
        "auth-url": "http://auth.sso.svc.cluster.local/check",
        "auth-signin": "https://sso.test/start?rd=$escaped_request_uri",
        "auth-response-headers": "X-User, X-Group",
    }
    (server,) = servers(manifest(annotations))
    assert "location = /_auth_of_chat { internal; proxy_pass_request_body off;" in server
    assert "proxy_pass http://auth.sso.svc.cluster.local/check; }" in server
    assert (
        "auth_request /_auth_of_chat; auth_request_set $auth_header_1 $upstream_http_x_user; "
        "auth_request_set $auth_header_2 $upstream_http_x_group; "
        "error_page 401 =302 https://sso.test/start?rd=$request_uri;"
    ) in server
    assert "proxy_set_header X-User $auth_header_1; proxy_set_header X-Group $auth_header_2;" in server
    assert [note.partition(":")[0] for note in notes(annotations)] == ["question", "corrected"]


def test_cors() -> None:
    (server,) = servers(manifest({"enable-cors": "true", "cors-max-age": "60"}))
    assert "add_header Access-Control-Allow-Origin * always; add_header Access-Control-Allow-Credentials true" in server
    assert "add_header Access-Control-Max-Age 60 always; if ($request_method = OPTIONS) { return 204; }" in server
    annotations = {"enable-cors": "true", "cors-allow-origin": "https://a.test, https://*.b.test"}
    text = printed(run(manifest(annotations))[0])
    assert (
        'map $http_origin $cors_origin_of_chat { default ""; https://a.test $http_origin; '
        "~^https://[^.]+[.]b\\.test$ $http_origin; }"
    ) in text
    assert "add_header Access-Control-Allow-Origin $cors_origin_of_chat always;" in text
    assert notes(annotations) == [
        "question: CORS does not hold for WebSockets: should these origins alone open them? Then they are "
        "allowed_origins of a.example.com: https://a.test, https://*.b.test"
    ]


def test_snippets_lose_what_upgrades_need_no_more_and_what_nginx_has_not() -> None:
    snippet = (
        "proxy_http_version 1.1;\nproxy_set_header Upgrade $http_upgrade;\nproxy_set_header Connection upgrade;\n"
        'more_set_headers "X-A: b c";\nproxy_set_header Host $http_host;\naccess_by_lua_block { x }\n'
    )
    found = location({"configuration-snippet": snippet})
    assert found.count("Upgrade") == found.count("Connection") == found.count("proxy_http_version") == 1
    assert "proxy_set_header Host $host" not in found
    assert 'add_header X-A "b c" always; proxy_set_header Host $http_host;' in found
    assert "lua" not in found
    kinds = [note.partition(":")[0] for note in notes({"configuration-snippet": snippet})]
    assert kinds == ["corrected"] * 4 + ["left"]


def test_snippets_are_placed_on_their_own_lines() -> None:
    text = (
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: a\n  annotations:\n"
        f"    {PREFIX}server-snippet: |\n      gzip on;\n      etag off;\n"
        f"    {PREFIX}proxy-read-timeout: '60'\n"
        "spec:\n  rules:\n  - host: a.test\n    http:\n      paths:\n      - path: /\n"
        "        backend: {service: {name: a, port: {number: 80}}}\n"
    )
    directives, _notes = read(text, ingress.directives)
    lines = {each.name: each.place.line for each in walked(directives)}
    assert (lines["gzip"], lines["etag"], lines["proxy_read_timeout"]) == (7, 8, 9)
    assert (lines["server"], lines["location"]) == (12, 15)


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        (
            {"websocket-services": "chat"},
            "left: nginx.ingress.kubernetes.io/websocket-services: ingress-nginx knows no",
        ),
        (
            {"custom-http-errors": "404"},
            "left: nginx.ingress.kubernetes.io/custom-http-errors: the backend's own error",
        ),
        ({"modsecurity-snippet": "x"}, "left: nginx.ingress.kubernetes.io/modsecurity-snippet: ModSecurity is no part"),
        ({"unheard-of": "x"}, "left: nginx.ingress.kubernetes.io/unheard-of: it has no translation"),
        (
            {"server-snippets": "x;"},
            "left: nginx.ingress.kubernetes.io/server-snippets: ingress-nginx calls it server-snippet",
        ),
        (
            {"connection-proxy-header": "keep-alive"},
            "corrected: connection-proxy-header keep-alive breaks every WebSocket",
        ),
        ({"proxy-read-timeout": "1h"}, "corrected: proxy-read-timeout must be a number of seconds"),
        ({"ssl-passthrough": "true"}, "question: Ingress default/chat passes TLS on without ending it"),
        ({"affinity": "cookie"}, "question: affinity by a cookie requires nginx 1.29.6"),
        ({"auth-secret": "x", "auth-type": "digest"}, "left: nginx has no digest authentication"),
        ({"backend-protocol": "AJP"}, "question: nginx does not speak AJP"),
        ({"proxy-read-timeout": '1 "'}, "corrected: proxy-read-timeout must be a number"),
    ],
)
def test_what_is_said_of_annotations(annotations: dict[str, str], expected: str) -> None:
    assert any(note.startswith(expected) for note in notes(annotations))


def test_a_pattern_without_use_regex_is_a_question() -> None:
    paths = [{"path": "/v[0-9]+/ws", "pathType": "ImplementationSpecific"}]
    assert any("without use-regex /v[0-9]+/ws is a plain path" in note for note in notes({}, paths=paths))


def test_annotations_of_others_are_no_news_or_left_out() -> None:
    document = manifest()
    document["metadata"]["annotations"] = {
        "kubernetes.io/ingress.class": "nginx",
        "meta.helm.sh/release-name": "chat",
        "cert-manager.io/cluster-issuer": "letsencrypt",
    }
    found = [note.partition(": ")[2] for note in run(document)[1] if not note.startswith("question")]
    assert found[:-1] == ["cert-manager.io/cluster-issuer: it is for another program than nginx's controller"]


def test_a_canary_and_other_classes_are_questions() -> None:
    canary = manifest({"canary": "true", "canary-weight": "10"}, name="canary")
    directives, found = run(manifest(), canary)
    assert len([each for each in directives if each.name == "server"]) == 1
    assert any("Ingress default/canary is a canary" in note for note in found)
    other = manifest()
    other["spec"]["ingressClassName"] = "traefik"
    assert any("is of the class traefik: does nginx serve it?" in note for note in run(other)[1])


def test_the_controllers_configmap() -> None:
    data = {
        "proxy-read-timeout": "3600",
        "proxy-body-size": "0",
        "use-forwarded-headers": "true",
        "proxy-real-ip-cidr": "10.0.0.0/8,10.1.0.0/16",
        "hsts": "false",
        "use-http2": "false",
        "ssl-redirect": "false",
        "http-snippet": "etag off;",
        "custom-http-errors": "404",
    }
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ingress-nginx-controller"}, "data": data}
    directives, found = run(settings, manifest(tls=True))
    text = printed(directives)
    assert text.startswith(
        "proxy_read_timeout 3600s;\nclient_max_body_size 0;\nset_real_ip_from 10.0.0.0/8;\n"
        "set_real_ip_from 10.1.0.0/16;\nreal_ip_header X-Forwarded-For;\netag off;\n"
    )
    assert "Strict-Transport-Security" not in text
    assert "http2" not in text
    assert f"server {{ listen 80; listen 443 ssl; {CERTIFICATE} server_name" in text
    assert any("custom-http-errors of the controller's ConfigMap has no translation" in note for note in found)
    del data["proxy-real-ip-cidr"], data["use-forwarded-headers"]
    data["use-proxy-protocol"] = "true"
    directives, found = run(settings, manifest())
    assert "listen 80 proxy_protocol;" in printed(directives)
    assert any("use-proxy-protocol trusts every address" in note for note in found)


def test_with_f5s_controller_websockets_pass_for_the_services_that_it_is_told() -> None:
    paths = [
        {"path": "/ws", "backend": {"service": {"name": "ws", "port": {"number": 80}}}},
        {"path": "/tea", "backend": {"service": {"name": "tea", "port": {"number": 80}}}},
    ]
    annotations = {
        "nginx.org/websocket-services": "ws",
        "nginx.org/proxy-read-timeout": "3600s",
        "nginx.org/client-max-body-size": "4m",
        "nginx.org/rewrites": "serviceName=tea rewrite=/v2/",
        "nginx.org/ssl-services": "tea",
        "nginx.org/lb-method": "ip_hash",
        "nginx.org/max-fails": "3",
        "nginx.org/proxy-set-headers": "X-One: a, X-Two",
        "nginx.org/location-snippets": "gzip on;",
        "nginx.com/sticky-cookie-services": "serviceName=ws srv_id",
    }
    directives, found = run(manifest(annotations, paths, prefix="", tls=True))
    text = printed(directives)
    assert "upstream ws { ip_hash; server ws.default.svc:80 max_fails=3; }" in text
    assert "return 301 https://$host$request_uri;" in text
    ws, tea = (
        printed([each])
        for each in next(d for d in directives if "443" in printed([d])).all("location")
        if each.args[0] != "/"
    )
    assert ws.startswith("location /ws { proxy_http_version 1.1;")
    assert "proxy_set_header X-One a; proxy_set_header X-Two $http_x_two;" in ws
    assert "client_max_body_size 4m;" in ws
    assert "proxy_read_timeout 3600s;" in ws
    assert "gzip on; proxy_pass http://ws;" in ws
    assert "Upgrade" not in tea
    assert "proxy_pass https://tea/v2/;" in tea
    assert any("sticky-cookie-services: it is of NGINX Plus" in note for note in found)


def test_what_is_no_ingress_is_left_out() -> None:
    directives, found = run(
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "chat"}}, "no mapping", 3
    )
    assert directives == []
    assert found == ["left out 1: Deployment default/chat: only Ingresses are read"]
    assert ingress.is_manifest(manifest())
    assert not ingress.is_manifest({"nginx_vhosts": []})
    assert not ingress.is_manifest(None)


# Values where manifests have others, and manifests where values are.
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-5, 70000)
    | st.floats()
    | st.sampled_from(["true", "/", "$x", '"', "{", "a b;"])
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
)
NAMES = sorted(
    {*ingress_annotations.LOCATION_DIRECTIVES, "affinity", "auth-url", "auth-secret", "rewrite-target", "use-regex"}
    | {"enable-cors", "cors-allow-origin", "limit-rps", "limit-connections", "server-snippet", "configuration-snippet"}
    | {"app-root", "permanent-redirect", "backend-protocol", "canary", "server-alias", "force-ssl-redirect"}
)


@settings(max_examples=200)
@given(st.data())
def test_no_document_is_more_than_notes(data: st.DataObject) -> None:
    prefix = data.draw(st.sampled_from([PREFIX, "nginx.org/"]))
    document = manifest(data.draw(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4)), prefix=prefix, tls=True)
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "chat"}, "spec": {"ports": [{"port": 80}]}}
    endpoints = {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {"name": "chat"},
        "subsets": [{"addresses": [{"ip": "a"}]}],
    }
    whole = [document, service, endpoints, {"apiVersion": "v1", "kind": "ConfigMap", "data": {"proxy-body-size": "1m"}}]
    for _number in range(data.draw(st.integers(0, 3))):
        replace_somewhere(whole, data, VALUES)
    notes = Notes()
    gateway.variables(ingress.directives(whole, "a.yml", notes), (), notes)
