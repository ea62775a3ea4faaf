# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the annotations of an Ingress come to in nginx's server and location blocks."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import import reading
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.documents import line_of
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.ingress_annotations import (
    LOCATION_DIRECTIVES,
    Annotations,
)
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.tree import Directive, Notes, Place
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables import nginx_syntax

_CORS_METHODS = "GET, PUT, POST, DELETE, PATCH, OPTIONS"
_CORS_HEADERS = (
    "DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization"
)
_MORE_SET_HEADERS = re.compile(r"(?P<name>[A-Za-z0-9_-]+) *: *(?P<value>.*)", re.DOTALL)


class RoutedPath(t.Protocol):
    """A path, as far as its headers depend on it."""

    place: Place
    annotations: Annotations
    passes: tuple[str, str] | None

    @property
    def websocket(self) -> bool: ...


class Translation:
    def __init__(self, file: str, notes: Notes) -> None:
        self.file = file
        self.notes = notes
        # Directives of the http block that those of servers and locations use, in their order, each once.
        self.http: dict[tuple[str, ...], Directive] = {}

    def of_server(self, annotations: Annotations) -> list[Directive]:
        """The directives of annotations that hold for the whole server."""
        found = []
        for name, directive in (
            ("ssl-ciphers", "ssl_ciphers"),
            ("ssl-prefer-server-ciphers", "ssl_prefer_server_ciphers"),
        ):
            value = annotations.of(name)
            if value:
                found.append(
                    Directive(directive, ({"true": "on", "false": "off"}.get(value, value),), annotations.place(name))
                )
        secret = annotations.of("auth-tls-secret")
        if secret:
            where = annotations.place("auth-tls-secret")
            path = f"/etc/nginx/tls/{secret.rpartition('/')[2]}-ca.crt"
            self.notes.add("question", where, f"where on the gateway is the CA of the Secret {secret}? {path} is taken")
            found.append(Directive("ssl_client_certificate", (path,), where))
            found.append(Directive("ssl_verify_client", (annotations.of("auth-tls-verify-client") or "on",), where))
            depth = annotations.of("auth-tls-verify-depth")
            if depth:
                found.append(Directive("ssl_verify_depth", (depth,), annotations.place("auth-tls-verify-depth")))
        auth_url = annotations.of("auth-url")
        if auth_url:
            found.append(self._auth_location(annotations, auth_url))
        name = "server-snippets" if annotations.is_of_f5 else "server-snippet"
        found += self.text(annotations.values, annotations.key(name), annotations.of(name))
        return found

    def _auth_location(self, annotations: Annotations, url: str) -> Directive:
        """The location of the subrequest that asks whether a request may pass."""
        where = annotations.place("auth-url")
        if ".svc" in url:
            self.notes.add("question", where, f"which address has the host of auth-url outside the cluster: {url}")
        inner = [
            Directive("internal", (), where),
            Directive("proxy_pass_request_body", ("off",), where),
            Directive("proxy_set_header", ("Content-Length", ""), where),
            Directive("proxy_set_header", ("X-Original-URL", "$scheme://$http_host$request_uri"), where),
            Directive("proxy_set_header", ("X-Original-Method", "$request_method"), where),
            Directive("proxy_set_header", ("X-Real-IP", "$remote_addr"), where),
            Directive("proxy_set_header", ("X-Forwarded-For", "$remote_addr"), where),
            *self.text(annotations.values, annotations.key("auth-snippet"), annotations.of("auth-snippet")),
            Directive("proxy_pass", (url,), where),
        ]
        return Directive("location", ("=", annotations.auth_path), where, tuple(inner))

    def headers(self, path: RoutedPath, snippet: list[Directive]) -> list[Directive]:
        """The request headers: those that the role sends too, and what annotations change."""
        if path.passes is None or path.passes[0] != "proxy_pass":
            return []
        annotations = path.annotations
        host = annotations.of("upstream-vhost")
        prefix = annotations.of("x-forwarded-prefix")
        headers = {
            "Host": (host or "$host", annotations.place("upstream-vhost") if host else path.place),
            "X-Real-IP": ("$remote_addr", path.place),
            "X-Forwarded-For": ("$proxy_add_x_forwarded_for", path.place),
            "X-Forwarded-Proto": ("$scheme", path.place),
        }
        if prefix and prefix != "true":
            headers["X-Forwarded-Prefix"] = (prefix, annotations.place("x-forwarded-prefix"))
        if path.websocket:
            # The role's own variables, so that no map is needed for them.
            headers["Upgrade"] = ("$websocket_upgrade", path.place)
            headers["Connection"] = ("$websocket_connection", path.place)
        connection = annotations.of("connection-proxy-header")
        if connection:
            self.notes.add(
                "corrected",
                annotations.place("connection-proxy-header"),
                f"connection-proxy-header {connection} breaks every WebSocket: Connection stays as it must be",
            )
        for variable, name in annotations.auth_headers():
            headers[name] = (variable, annotations.place("auth-response-headers"))
        for name, value in annotations.f5_headers():
            headers[name] = (value, annotations.place("proxy-set-headers"))
        for each in snippet:
            if each.name == "proxy_set_header" and each.args:
                headers = {name: value for name, value in headers.items() if name.lower() != each.args[0].lower()}
        version = [Directive("proxy_http_version", ("1.1",), path.place)] if path.websocket else []
        return [
            *version,
            *(Directive("proxy_set_header", (name, value), where) for name, (value, where) in headers.items()),
        ]

    def snippet(self, annotations: Annotations, name: str) -> list[Directive]:
        found = []
        for each in self.text(annotations.values, annotations.key(name), annotations.of(name)):
            header = _MORE_SET_HEADERS.fullmatch(each.args[0]) if each.args else None
            if each.name == "more_set_headers" and len(each.args) == 1 and header:
                self.notes.add(
                    "corrected", each.place, "more_set_headers is of a module that few nginx have: add_header is taken"
                )
                found.append(Directive("add_header", (header["name"], header["value"], "always"), each.place))
            elif "_by_lua" in each.name:
                self.notes.add("left out", each.place, f"{each.name}: Lua is no part of nginx")
            elif (
                each.name == "proxy_set_header" and each.args and each.args[0].lower() in ("upgrade", "connection")
            ) or (each.name == "proxy_http_version" and not annotations.is_of_f5):
                self.notes.add(
                    "corrected", each.place, f"{' '.join((each.name, *each.args))}: upgrades pass without it"
                )
            else:
                found.append(each)
        return found

    def plain(self, annotations: Annotations, passes: str) -> list[Directive]:
        """The annotations that are a directive each."""
        found = []
        for name, (directive, unit) in LOCATION_DIRECTIVES.items():
            value = annotations.of(name)
            if not value:
                continue
            where = annotations.place(name)
            if passes != "proxy_pass" and directive.startswith("proxy_"):
                self.notes.add("left out", where, f"{name} has no effect on a backend that does not speak HTTP")
                continue
            if unit == "s" and not annotations.is_of_f5 and not value.isdigit():
                self.notes.add(
                    "corrected",
                    where,
                    f"{name} must be a number of seconds, else ingress-nginx ignores it: {value} is taken",
                )
            found.append(self.words(directive, with_unit(value, "" if annotations.is_of_f5 else unit), where))
        number = annotations.of("proxy-buffers-number")
        size = annotations.of("proxy-buffer-size")
        if number or size:
            name = "proxy-buffers-number" if number else "proxy-buffer-size"
            found.append(self.words("proxy_buffers", f"{number or 4} {size or '4k'}", annotations.place(name)))
        source = annotations.of("proxy-redirect-from")
        if source:
            words = (source,) if source in ("off", "default") else (source, annotations.of("proxy-redirect-to") or "/")
            found.append(Directive("proxy_redirect", words, annotations.place("proxy-redirect-from")))
        if annotations.is_false("enable-access-log"):
            found.append(Directive("access_log", ("off",), annotations.place("enable-access-log")))
        secret = annotations.of("proxy-ssl-secret")
        if secret:
            where = annotations.place("proxy-ssl-secret")
            path = f"/etc/nginx/tls/{secret.rpartition('/')[2]}"
            self.notes.add(
                "question",
                where,
                f"where on the gateway are the certificate, the key and the CA of the Secret {secret}? {path}.crt, "
                f"{path}.key and {path}-ca.crt are taken",
            )
            found.append(Directive("proxy_ssl_certificate", (f"{path}.crt",), where))
            found.append(Directive("proxy_ssl_certificate_key", (f"{path}.key",), where))
            found.append(Directive("proxy_ssl_trusted_certificate", (f"{path}-ca.crt",), where))
        return found

    def admission(self, annotations: Annotations) -> list[Directive]:
        """Who gets in: the same in all locations of an Ingress, so once for the server if that has no other one."""
        return [*self._access(annotations), *self._auth(annotations), *self._limits(annotations)]

    def _access(self, annotations: Annotations) -> list[Directive]:
        found = []
        for name, directive in (
            ("denylist-source-range", "deny"),
            ("whitelist-source-range", "allow"),
            ("allowlist-source-range", "allow"),
        ):
            where = annotations.place(name)
            networks = [each.strip() for each in (annotations.of(name) or "").split(",") if each.strip()]
            found += [Directive(directive, (each,), where) for each in networks]
            if networks and directive == "allow":
                found.append(Directive("deny", ("all",), where))
        return found

    def _auth(self, annotations: Annotations) -> list[Directive]:
        found = []
        secret = annotations.of("auth-secret") or annotations.of("basic-auth-secret")
        if secret and annotations.of("auth-type") == "digest":
            self.notes.add("left out", annotations.place("auth-type"), "nginx has no digest authentication")
        elif secret:
            where = annotations.place("auth-secret" if annotations.has("auth-secret") else "basic-auth-secret")
            path = f"/etc/nginx/{secret.rpartition('/')[2]}.htpasswd"
            realm = annotations.of("auth-realm") or annotations.of("basic-auth-realm") or "Authentication Required"
            self.notes.add(
                "question", where, f"where on the gateway are the users of the Secret {secret}? {path} is taken"
            )
            found.append(Directive("auth_basic", (realm,), where))
            found.append(Directive("auth_basic_user_file", (path,), where))
        for name in ("auth-secret-type", "auth-type", "auth-realm"):
            annotations.of(name)
        if annotations.of("auth-url"):
            found += self._auth_request(annotations)
        return found

    def _auth_request(self, annotations: Annotations) -> list[Directive]:
        where = annotations.place("auth-url")
        found = [Directive("auth_request", (annotations.auth_path,), where)]
        for variable, header in annotations.auth_headers():
            value = f"$upstream_http_{header.lower().replace('-', '_')}"
            found.append(Directive("auth_request_set", (variable, value), annotations.place("auth-response-headers")))
        sign_in = annotations.of("auth-signin")
        if sign_in:
            there = annotations.place("auth-signin")
            if "$escaped_request_uri" in sign_in:
                self.notes.add(
                    "corrected",
                    there,
                    "$escaped_request_uri is a variable of ingress-nginx: $request_uri takes its place",
                )
                sign_in = sign_in.replace("$escaped_request_uri", "$request_uri")
            parameter = annotations.of("auth-signin-redirect-param") or "rd"
            if f"{parameter}=" not in sign_in:
                sign_in += f"{'&' if '?' in sign_in else '?'}{parameter}=$scheme://$http_host$request_uri"
            found.append(Directive("error_page", ("401", "=302", sign_in), there))
        return found

    def _limits(self, annotations: Annotations) -> list[Directive]:
        found = []
        zone = annotations.zone
        for name, unit in (("limit-rps", "r/s"), ("limit-rpm", "r/m")):
            number = annotations.of(name)
            if number and number.isdigit() and number != "0":
                where = annotations.place(name)
                times = annotations.of("limit-burst-multiplier") or "5"
                burst = int(number) * (int(times) if times.isdigit() else 5)
                key = f"{zone}_{name[-3:]}"
                self.http["limit_req_zone", key] = Directive(
                    "limit_req_zone", ("$binary_remote_addr", f"zone={key}:5m", f"rate={number}{unit}"), where
                )
                found.append(Directive("limit_req", (f"zone={key}", f"burst={burst}", "nodelay"), where))
        number = annotations.of("limit-connections")
        if number and number.isdigit() and number != "0":
            where = annotations.place("limit-connections")
            self.http["limit_conn_zone", zone] = Directive(
                "limit_conn_zone", ("$binary_remote_addr", f"zone={zone}_conn:5m"), where
            )
            found.append(Directive("limit_conn", (f"{zone}_conn", number), where))
        return found

    def cors(self, annotations: Annotations, name: str) -> list[Directive]:
        if not annotations.is_true("enable-cors"):
            return []
        where = annotations.place("enable-cors")
        origins = [each.strip() for each in (annotations.of("cors-allow-origin") or "*").split(",") if each.strip()]
        origin = origins[0] if len(origins) == 1 and "*." not in origins[0] else "$http_origin"
        if origin == "$http_origin":
            origin = f"$cors_origin_of_{annotations.zone}"
            lines = [Directive(_origin_key(each), ("$http_origin",), where) for each in origins]
            block = (Directive("default", ("",), where), *lines)
            self.http["map", origin] = Directive("map", ("$http_origin", origin), where, block)
        if origins != ["*"]:
            self.notes.add(
                "question",
                annotations.place("cors-allow-origin"),
                "CORS does not hold for WebSockets: should these origins alone open them? Then they are "
                f"allowed_origins of {name or 'the site'}: {', '.join(origins)}",
            )
        headers = [
            ("Access-Control-Allow-Origin", origin),
            ("Access-Control-Allow-Credentials", "" if annotations.is_false("cors-allow-credentials") else "true"),
            ("Access-Control-Allow-Methods", annotations.of("cors-allow-methods") or _CORS_METHODS),
            ("Access-Control-Allow-Headers", annotations.of("cors-allow-headers") or _CORS_HEADERS),
            ("Access-Control-Expose-Headers", annotations.of("cors-expose-headers") or ""),
            ("Access-Control-Max-Age", annotations.of("cors-max-age") or "1728000"),
        ]
        lines = [Directive("add_header", (name, value, "always"), where) for name, value in headers if value]
        preflight = (Directive("return", ("204",), where),)
        return [*lines, Directive("if", ("($request_method", "=", "OPTIONS)"), where, preflight)]

    def words(self, name: str, value: str, place: Place) -> Directive:
        try:
            return Directive(name, tuple(nginx_syntax.words(value)), place)
        except nginx_syntax.NginxSyntaxError as error:
            self.notes.add("question", place, f"the value of {name} {error}: {value}")
            return Directive(name, (value,), place)

    def text(self, container: object, key: object, text: str | None) -> list[Directive]:
        return reading.parsed(text, self.file, line_of(container, key), self.notes) if text else []


def with_unit(value: str, unit: str) -> str:
    return f"{value}{unit}" if unit and value.isdigit() else {"true": "on", "false": "off"}.get(value, value)


def _origin_key(origin: str) -> str:
    """The key of a map for an origin, of which * may be one label."""
    return f"~^{re.escape(origin).replace(re.escape('*.'), '[^.]+[.]', 1)}$" if "*" in origin else origin
