# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The annotations of an Ingress by their names without the controller's prefix, and what nobody asked for."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterator, Mapping

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.documents import is_scalar, line_of, mapping
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.tree import Notes, Place

_OF_F5 = ("nginx.org/", "nginx.com/")
_PREFIXES = ("nginx.ingress.kubernetes.io/", "ingress.kubernetes.io/", *_OF_F5)
# Of Kubernetes, of the tools that make manifests, and of programs that read them: nothing of nginx.
_OF_OTHERS = re.compile(
    r"kubernetes\.io/|kubectl\.kubernetes\.io/|meta\.helm\.sh/|argocd\.argoproj\.io/|[a-z-]+\.toolkit\.fluxcd\.io/"
)

# Annotations that are one directive of a location, each with the unit of its bare numbers.
LOCATION_DIRECTIVES = {
    "proxy-connect-timeout": ("proxy_connect_timeout", "s"),
    "proxy-send-timeout": ("proxy_send_timeout", "s"),
    "proxy-read-timeout": ("proxy_read_timeout", "s"),
    "proxy-body-size": ("client_max_body_size", ""),
    "client-max-body-size": ("client_max_body_size", ""),
    "client-body-buffer-size": ("client_body_buffer_size", ""),
    "proxy-buffering": ("proxy_buffering", ""),
    "proxy-buffer-size": ("proxy_buffer_size", ""),
    "proxy-buffers": ("proxy_buffers", ""),
    "proxy-busy-buffers-size": ("proxy_busy_buffers_size", ""),
    "proxy-request-buffering": ("proxy_request_buffering", ""),
    "proxy-max-temp-file-size": ("proxy_max_temp_file_size", ""),
    "proxy-next-upstream": ("proxy_next_upstream", ""),
    "proxy-next-upstream-tries": ("proxy_next_upstream_tries", ""),
    "proxy-next-upstream-timeout": ("proxy_next_upstream_timeout", ""),
    "proxy-cookie-domain": ("proxy_cookie_domain", ""),
    "proxy-cookie-path": ("proxy_cookie_path", ""),
    "proxy-ssl-name": ("proxy_ssl_name", ""),
    "proxy-ssl-server-name": ("proxy_ssl_server_name", ""),
    "proxy-ssl-verify": ("proxy_ssl_verify", ""),
    "proxy-ssl-verify-depth": ("proxy_ssl_verify_depth", ""),
    "proxy-ssl-protocols": ("proxy_ssl_protocols", ""),
    "proxy-ssl-ciphers": ("proxy_ssl_ciphers", ""),
    "proxy-hide-headers": ("proxy_hide_header", ""),
    "limit-rate": ("limit_rate", "k"),
    "limit-rate-after": ("limit_rate_after", "k"),
    "satisfy": ("satisfy", ""),
}

# Why an annotation has no translation, where there is more to say than that.
_REASONS = {
    "server-snippets": "ingress-nginx calls it server-snippet, and knows none of this name",
    "location-snippets": "ingress-nginx calls it configuration-snippet, and knows none of this name",
    "websocket-services": "ingress-nginx knows no such annotation: WebSockets pass on all of its paths",
    "proxy-http-version": "the role speaks HTTP/1.1 to backends, without which there are no WebSockets",
    "service-upstream": "nginx reaches the servers that the upstream lists",
    "custom-http-errors": "the backend's own error pages pass; error_page in directives replaces them",
    "default-backend": "it is for error pages and for a Service without servers, which nginx answers with 502",
    "stream-snippet": "the role writes nothing for nginx's stream block",
    "custom-headers": "the ConfigMap with the headers is another object; add_header in directives adds them",
    "sticky-cookie-services": "it is of NGINX Plus; sticky in balance requires nginx 1.29.6",
    "slow-start": "it is of NGINX Plus",
    "health-checks": "they are of NGINX Plus; the role's probes take their place",
    "http2-push-preload": "nginx pushes nothing any more since 1.25.1",
    "modsecurity-snippet": "ModSecurity is no part of nginx",
    "enable-modsecurity": "ModSecurity is no part of nginx",
    "listen-ports": "write the ports into listen",
    "listen-ports-ssl": "write the ports into listen",
    "use-port-in-redirects": "redirects go to the usual ports",
    "preserve-trailing-slash": "redirects keep the whole path as it is",
}


class Annotations:
    """What one Ingress is annotated with, and what of it was asked for."""

    def __init__(self, document: Mapping[t.Any, t.Any], file: str, notes: Notes) -> None:
        metadata = mapping(document.get("metadata"))
        self.values = mapping(metadata.get("annotations"))
        self._file = file
        self._notes = notes
        self._line = line_of(document)
        self._asked: set[str] = set()
        name = f"{metadata.get('namespace') or 'default'}_{metadata.get('name') or ''}"
        # The name of what belongs to this Ingress among those of nginx.
        self.zone = re.sub(r"\W", "_", name.removeprefix("default_"), flags=re.ASCII) or "ingress"
        self.auth_path = f"/_auth_of_{self.zone}"
        self.is_of_f5 = any(str(key).startswith(_OF_F5) for key in self.values)

    def key(self, name: str) -> str:
        """The annotation's whole name, or the bare one where it is not given."""
        return next((prefix + name for prefix in _PREFIXES if prefix + name in self.values), name)

    def has(self, name: str) -> bool:
        return self.of(name) is not None

    def of(self, name: str) -> str | None:
        """The value, as Kubernetes has it: a string, also where somebody forgot the quotes."""
        key = self.key(name)
        self._asked.add(key)
        value = self.values.get(key)
        if isinstance(value, bool):
            return "true" if value else "false"
        return str(value).strip() if value is not None and is_scalar(value) else None

    def is_true(self, name: str) -> bool:
        return (self.of(name) or "").lower() == "true"

    def is_false(self, name: str) -> bool:
        return (self.of(name) or "").lower() == "false"

    def names(self, start: str) -> list[str]:
        """The names, without their prefixes, that begin so."""
        bare = [str(key).partition("/")[2] for key in self.values]
        return [name for name in bare if name.startswith(start)]

    def place(self, name: str) -> Place:
        key = self.key(name)
        return Place(self._file, line_of(self.values, key) if key in self.values else self._line)

    def class_name(self) -> object:
        return self.values.get("kubernetes.io/ingress.class")

    def redirects_to_https(self, by_default: bool) -> bool:
        """Whether requests without TLS are redirected, where the host has a certificate."""
        said = self.of("ssl-redirect") or self.of("redirect-to-https")
        return self.is_true("force-ssl-redirect") or (said.lower() != "false" if said else by_default)

    def passes_upgrades(self, service: str) -> bool:
        return not self.is_of_f5 or service in self._services("websocket-services")

    def protocol(self, service: str) -> str:
        """What the servers of a Service speak."""
        for name, protocol in (("ssl-services", "HTTPS"), ("grpc-services", "GRPC")):
            if service in self._services(name):
                return protocol
        secure = "HTTPS" if self.is_true("secure-backends") else "HTTP"
        return (self.of("backend-protocol") or secure).upper()

    def _services(self, name: str) -> list[str]:
        # The one of ingress-nginx's that is not its own is left out with its reason.
        return [each.strip() for each in (self.of(name) or "").split(",")] if self.is_of_f5 else []

    def f5_rewrite(self, service: str) -> str | None:
        """Where F5's annotation sends the paths of a Service: serviceName=tea rewrite=/; serviceName=milk …"""
        for part in (self.of("rewrites") or "").split(";"):
            found = re.fullmatch(r"\s*serviceName=(\S+)\s+rewrite=(\S+)\s*", part)
            if found and found.group(1) == service:
                return found.group(2)
        return None

    def f5_headers(self) -> Iterator[tuple[str, str]]:
        """The request headers of proxy-set-headers: X-One: value, X-Two. Without a value it is the client's own."""
        for part in (self.of("proxy-set-headers") or "").replace("\n", ",").split(","):
            name, _colon, value = (each.strip() for each in part.partition(":"))
            if name:
                yield name, value or f"$http_{name.lower().replace('-', '_')}"

    def auth_headers(self) -> Iterator[tuple[str, str]]:
        """The headers that go from the response of auth-url to the backend, each with a variable for its value."""
        for at, name in enumerate((self.of("auth-response-headers") or "").split(","), 1):
            if name.strip():
                yield f"$auth_header_{at}", name.strip()

    def server_parameters(self) -> tuple[str, ...]:
        names = ("max-fails", "fail-timeout", "max-conns")
        return tuple(f"{name.replace('-', '_')}={self.of(name)}" for name in names if self.of(name))

    def report_rest(self) -> None:
        """Note what nobody asked for."""
        for key in self.values:
            if key in self._asked or _OF_OTHERS.match(str(key)):
                continue
            prefix, _slash, name = str(key).partition("/")
            if f"{prefix}/" not in _PREFIXES:
                reason = "it is for another program than nginx's controller"
            else:
                reason = _REASONS.get(name, "it has no translation")
            self._notes.add("left out", Place(self._file, line_of(self.values, key)), f"{key}: {reason}")
