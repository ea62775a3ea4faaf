# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ingresses of Kubernetes as the directives that their controller would have nginx read.

Two controllers run nginx: ingress-nginx, whose annotations begin with nginx.ingress.kubernetes.io/
(https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/annotations/), and the NGINX Ingress
Controller of F5, whose begin with nginx.org/ (https://docs.nginx.com/nginx-ingress-controller/). With the former
WebSockets pass on all paths, with the latter for the services that it is told.
"""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.documents import (
    is_scalar,
    items,
    line_of,
    mapping,
)
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.ingress_annotations import Annotations
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.ingress_backends import Backends, service_of
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.ingress_directives import Translation, with_unit
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.tree import Directive, Notes, Place

_GROUPS = ("networking.k8s.io/", "extensions/")
# Objects that say something of an Ingress beside it.
_HELPFUL = ("Service", "ConfigMap", "Secret", "Endpoints", "EndpointSlice", "IngressClass", "Namespace")
_REGEX = re.compile(r"[\\^$|?*+()\[\]{}]")
# A prefix, also where it is written as a regular expression: /app/, /app/.* and /app/(.*).
_PREFIX = re.compile(r"(?P<prefix>/[^\\^$|?*+()\[\]{}]*?)(?:\(\.\*\)|\.\*)?\$?")
# The ways to take a prefix off: /app(/|$)(.*) with /$2, /app/?(.*) and /app/(.*) with /$1.
_STRIPPED = re.compile(r"(?P<prefix>(?:/[^\\^$|?*+()\[\]{}/]+)*)(?:(?P<two>\(/\|\$\)\(\.\*\))|/\??\(\.[*+]\))\$?")
_HTTPS = "https://$host$request_uri"
# What ingress-nginx sends where its ConfigMap has no hsts-max-age.
_HSTS_AGE = "31536000"


def is_manifest(document: object) -> bool:
    """Whether a document is one of Kubernetes."""
    return isinstance(document, Mapping) and all(isinstance(document.get(key), str) for key in ("apiVersion", "kind"))


def directives(documents: Sequence[Mapping[t.Any, t.Any]], file: str, notes: Notes) -> list[Directive]:
    """The directives of nginx's http block that the Ingresses among the documents stand for."""
    return _Controller(file, notes).directives(list(_flat(documents)))


def _flat(documents: Sequence[object]) -> Iterator[Mapping[t.Any, t.Any]]:
    for document in documents:
        if not is_manifest(document):
            continue
        whole = mapping(document)
        if str(whole["kind"]).endswith("List"):
            yield from _flat(items(whole.get("items")))
        else:
            yield whole


def _name(document: Mapping[t.Any, t.Any]) -> tuple[str, str]:
    metadata = mapping(document.get("metadata"))
    return str(metadata.get("namespace") or "default"), str(metadata.get("name") or "")


@dataclass
class _Path:
    """One path of a rule."""

    path: str
    kind: str
    place: Place
    annotations: Annotations
    # The directive that passes requests on, less the URI.
    passes: tuple[str, str] | None
    service: str

    @property
    def websocket(self) -> bool:
        return self.annotations.passes_upgrades(self.service)

    @property
    def target(self) -> str | None:
        """What rewrite-target makes of the path, where that is another one."""
        target = self.annotations.of("rewrite-target")
        return None if target == self.path else target

    def stripped(self) -> str | None:
        """The prefix that the rewrite takes off the path, if that is all that it does."""
        found = _STRIPPED.fullmatch(self.path)
        if found and self.target == ("/$2" if found.group("two") else "/$1"):
            return f"{found.group('prefix')}/"
        return None

    def prefix(self) -> str | None:
        """The path as a prefix, if it is no more than that."""
        if self.stripped():
            return self.stripped()
        found = _PREFIX.fullmatch(self.path)
        return found.group("prefix") if found and (not self.target or self.path == found.group("prefix")) else None


@dataclass
class _Host:
    """What all rules say of one host."""

    name: str
    place: Place
    paths: list[_Path] = field(default_factory=list)
    secret: str | None = None
    secret_place: Place | None = None
    annotations: list[Annotations] = field(default_factory=list)


class _Controller:
    def __init__(self, file: str, notes: Notes) -> None:
        self.file = file
        self.notes = notes
        self.hosts: dict[str, _Host] = {}
        self.translation = Translation(file, notes)
        self.backends = Backends({}, "", self.translation)
        self.annotations: list[Annotations] = []
        self.settings: Mapping[t.Any, t.Any] = {}

    def place(self, container: object, key: object = None) -> Place:
        return Place(self.file, line_of(container, key))

    def directives(self, documents: list[Mapping[t.Any, t.Any]]) -> list[Directive]:
        self._read_settings(documents)
        objects = {(str(each["kind"]), *_name(each)): each for each in documents}
        self.backends = Backends(objects, self._setting("load-balance"), self.translation)
        for document in documents:
            if document["kind"] == "Ingress" and document["apiVersion"].startswith(_GROUPS):
                self._read_ingress(document)
            elif document["kind"] not in _HELPFUL:
                what = f"{document['kind']} {'/'.join(_name(document))}"
                self.notes.add("left out", self.place(document), f"{what}: only Ingresses are read")
        servers = [server for host in self.hosts.values() for server in self._servers(host)]
        upstreams = [upstream.directive() for upstream in self.backends.upstreams.values()]
        for each in self.annotations:
            each.report_rest()
        if any(not each.is_of_f5 for each in self.annotations):
            self.notes.add(
                "left out",
                Place(self.file),
                "ingress-nginx by default also passes responses on without buffering, sends X-Forwarded-Host, "
                "X-Forwarded-Port, X-Scheme and X-Request-ID to backends, and X-Forwarded-For with the client's "
                "address alone: where a backend relies on that, set proxy_buffering: false, or headers",
            )
        return [*self._of_settings(), *self.translation.http.values(), *upstreams, *servers]

    # What holds for all Ingresses.

    def _read_settings(self, documents: list[Mapping[t.Any, t.Any]]) -> None:
        for document in documents:
            data = mapping(document.get("data"))
            if document["kind"] == "ConfigMap" and (set(data) & _SETTINGS or "nginx" in _name(document)[1]):
                self.settings = data
                for key in data:
                    if key not in _SETTINGS:
                        self.notes.add(
                            "left out", self.place(data, key), f"{key} of the controller's ConfigMap has no translation"
                        )

    def _setting(self, key: str) -> str:
        value = self.settings.get(key)
        return (
            ("true" if value else "false") if isinstance(value, bool) else str(value or "") if is_scalar(value) else ""
        )

    def _of_settings(self) -> list[Directive]:
        found = []
        for key, (name, unit) in _HTTP_SETTINGS.items():
            value = self._setting(key)
            if value:
                found.append(self.translation.words(name, with_unit(value, unit), self.place(self.settings, key)))
        proxy_protocol = self._setting("use-proxy-protocol") == "true"
        if proxy_protocol or self._setting("use-forwarded-headers") == "true":
            key = "use-proxy-protocol" if proxy_protocol else "use-forwarded-headers"
            place = self.place(self.settings, key)
            networks = [each.strip() for each in self._setting("proxy-real-ip-cidr").split(",") if each.strip()]
            if not networks:
                self.notes.add(
                    "question",
                    place,
                    f"{key} trusts every address, for there is no proxy-real-ip-cidr: which addresses do the load "
                    "balancers have? They go into set_real_ip_from",
                )
            else:
                found += [Directive("set_real_ip_from", (each,), place) for each in networks]
                header = (
                    "proxy_protocol" if proxy_protocol else self._setting("forwarded-for-header") or "X-Forwarded-For"
                )
                found.append(Directive("real_ip_header", (header,), place))
        found += self.translation.text(self.settings, "http-snippet", self._setting("http-snippet"))
        return found

    # One Ingress.

    def _read_ingress(self, document: Mapping[t.Any, t.Any]) -> None:
        spec = mapping(document.get("spec"))
        annotations = Annotations(document, self.file, self.notes)
        self.annotations.append(annotations)
        what = f"Ingress {'/'.join(_name(document))}"
        self._check_class(document, spec, annotations, what)
        if annotations.is_true("canary"):
            for each in annotations.names("canary"):
                annotations.of(each)
            self.notes.add(
                "question",
                annotations.place("canary"),
                f"{what} is a canary: all requests go to the Ingress that it belongs to. Should some servers of the "
                "new version be in that upstream, with a weight?",
            )
            return
        if annotations.is_true("ssl-passthrough"):
            self.notes.add(
                "question",
                annotations.place("ssl-passthrough"),
                f"{what} passes TLS on without ending it, which nginx does in its stream block alone: should the "
                "gateway end TLS? It is taken as if it did",
            )
        default = spec.get("defaultBackend", spec.get("backend"))
        hosts = self._read_rules(document, spec, annotations, what)
        if default is not None:
            passes = self.backends.passes(_name(document)[0], mapping(default), annotations, self.place(spec))
            for host in hosts or [self._host("", self.place(document), annotations)]:
                if not any(path.path == "/" for path in host.paths):
                    service = service_of(mapping(default))[0]
                    host.paths.append(_Path("/", "Prefix", self.place(spec), annotations, passes, service))
        elif not hosts:
            self.notes.add("left out", self.place(document), f"{what} has no rules and no default backend")
        self._read_tls(spec, hosts, what)

    def _check_class(
        self, document: Mapping[t.Any, t.Any], spec: Mapping[t.Any, t.Any], annotations: Annotations, what: str
    ) -> None:
        found = spec.get("ingressClassName") or annotations.class_name()
        if isinstance(found, str) and not re.search("nginx|public|private|internal|external|default", found):
            self.notes.add(
                "question",
                self.place(spec, "ingressClassName") if spec.get("ingressClassName") else self.place(document),
                f"{what} is of the class {found}: does nginx serve it? It is taken as one of ingress-nginx",
            )

    def _read_rules(
        self, document: Mapping[t.Any, t.Any], spec: Mapping[t.Any, t.Any], annotations: Annotations, what: str
    ) -> list[_Host]:
        hosts = []
        for rule in map(mapping, items(spec.get("rules"))):
            name = rule.get("host")
            host = self._host(str(name) if isinstance(name, str) else "", self.place(rule), annotations)
            hosts.append(host)
            for path in map(mapping, items(mapping(rule.get("http")).get("paths"))):
                self._read_path(document, host, path, annotations, what)
        return hosts

    def _host(self, name: str, place: Place, annotations: Annotations) -> _Host:
        host = self.hosts.setdefault(name, _Host(name, place))
        if annotations not in host.annotations:
            host.annotations.append(annotations)
        return host

    def _read_path(
        self,
        document: Mapping[t.Any, t.Any],
        host: _Host,
        entry: Mapping[t.Any, t.Any],
        annotations: Annotations,
        what: str,
    ) -> None:
        path = str(entry.get("path") or "/") if is_scalar(entry.get("path")) else "/"
        kind = str(entry.get("pathType") or "ImplementationSpecific")
        place = self.place(entry, "path" if "path" in entry else None)
        if not path.startswith("/"):
            self.notes.add("question", place, f"{what}: the path {path} does not begin with '/': which one is meant?")
            path = f"/{path}"
        if path.endswith("/*"):
            self.notes.add(
                "corrected",
                place,
                f"{what}: to ingress-nginx {path} ends with a star and means no pattern: {path[:-1]} is taken",
            )
            path = path[:-1]
        if any((path, kind) == (other.path, other.kind) for other in host.paths):
            self.notes.add("left out", place, f"{what}: {host.name or 'any host'} has the path {path} already")
            return
        backend = mapping(entry.get("backend"))
        passes = self.backends.passes(_name(document)[0], backend, annotations, place)
        host.paths.append(_Path(path, kind, place, annotations, passes, service_of(backend)[0]))

    def _read_tls(self, spec: Mapping[t.Any, t.Any], hosts: list[_Host], what: str) -> None:
        for entry in map(mapping, items(spec.get("tls"))):
            names = [str(name) for name in items(entry.get("hosts"))]
            secret = entry.get("secretName")
            for host in hosts:
                if host.secret is None and (not names or any(_covers(name, host.name) for name in names)):
                    host.secret = str(secret or "")
                    host.secret_place = self.place(entry, "secretName" if secret else None)
            for name in names:
                if hosts and not any(_covers(name, host.name) for host in hosts):
                    self.notes.add("left out", self.place(entry), f"{what}: TLS for {name}, which no rule has")

    # The backends.

    # The servers.

    def _servers(self, host: _Host) -> list[Directive]:
        names = self._server_names(host)
        where = host.place
        locations = self._locations(host)
        head = [Directive("server_name", tuple(names), where)]
        default = () if host.name else ("default_server",)
        extra = [each for annotations in host.annotations for each in self.translation.of_server(annotations)]
        if len(host.annotations) == 1:
            extra += self.translation.admission(host.annotations[0])
        missing = [] if any("/" in (path.path, path.prefix()) for path in host.paths) else [self._not_found(where)]
        proxy_protocol = ("proxy_protocol",) if self._setting("use-proxy-protocol") == "true" else ()
        plain = Directive("listen", ("80", *default, *proxy_protocol), where)
        if host.secret is None:
            for each in host.annotations:
                if each.is_true("force-ssl-redirect"):
                    self.notes.add(
                        "question",
                        each.place("force-ssl-redirect"),
                        f"{host.name or 'the Ingress'} has no certificate, and is redirected to https: where does "
                        "TLS end? It is taken as plain HTTP",
                    )
            body = [each for _path, each in locations]
            return [self._server([plain, *head, *extra, *body, *missing], where), *self._www(host, [plain], [])]
        tls = self._tls(host, default, proxy_protocol)
        default_on = self._setting("ssl-redirect") != "false"
        redirected = [path.annotations.redirects_to_https(default_on) for path, _location in locations]
        secure = [*head, *extra, *(each for _path, each in locations), *missing]
        www = self._www(host, [plain], tls)
        code = self._setting("http-redirect-code") or "308"
        code = "301" if host.annotations and host.annotations[0].is_of_f5 else code
        redirect = Directive("return", (code, _HTTPS), where)
        if not any(redirected) and redirected:
            return [self._server([plain, *tls, *secure], where), *www]
        if all(redirected):
            return [self._server([plain, *head, redirect], where), self._server([*tls, *secure], where), *www]
        mixed = [
            Directive("location", each.args, each.place, (redirect,)) if to_https else each
            for (_path, each), to_https in zip(locations, redirected, strict=True)
        ]
        return [
            self._server([plain, *head, *extra, *mixed, *missing], where),
            self._server([*tls, *secure], where),
            *www,
        ]

    @staticmethod
    def _server(inner: list[Directive], place: Place) -> Directive:
        return Directive("server", (), place, tuple(inner))

    @staticmethod
    def _not_found(place: Place) -> Directive:
        return Directive("location", ("/",), place, (Directive("return", ("404",), place),))

    def _server_names(self, host: _Host) -> list[str]:
        names = [host.name or "_"]
        for each in host.annotations:
            names += [name.strip() for name in (each.of("server-alias") or "").split(",") if name.strip()]
        return names

    def _tls(self, host: _Host, default: tuple[str, ...], proxy_protocol: tuple[str, ...]) -> list[Directive]:
        where = host.secret_place or host.place
        name = host.secret or host.name.replace("*", "_") or "default"
        whose = f"the Secret {host.secret}" if host.secret else f"{host.name or 'the host'}, which names no Secret"
        path = f"/etc/nginx/tls/{name}"
        self.notes.add(
            "question",
            where,
            f"where on the gateway is the certificate of {whose}? {path}.crt and {path}.key are taken",
        )
        found = [
            Directive("listen", ("443", "ssl", *default, *proxy_protocol), where),
            Directive("ssl_certificate", (f"{path}.crt",), where),
            Directive("ssl_certificate_key", (f"{path}.key",), where),
        ]
        if self._setting("use-http2") != "false" and not (host.annotations and host.annotations[0].is_of_f5):
            found.insert(1, Directive("http2", ("on",), where))
        hsts = self._hsts(host)
        return (
            [*found, Directive("add_header", ("Strict-Transport-Security", hsts, "always"), where)] if hsts else found
        )

    def _hsts(self, host: _Host) -> str:
        first = host.annotations[0] if host.annotations else None
        if first is not None and first.is_of_f5:
            age = first.of("hsts-max-age") or "2592000"
            subdomains = first.is_true("hsts-include-subdomains")
            return f"max-age={age}{'; includeSubDomains' if subdomains else ''}" if first.is_true("hsts") else ""
        if self._setting("hsts") == "false":
            return ""
        subdomains = self._setting("hsts-include-subdomains") != "false"
        preload = self._setting("hsts-preload") == "true"
        return (
            f"max-age={self._setting('hsts-max-age') or _HSTS_AGE}{'; includeSubDomains' if subdomains else ''}"
            f"{'; preload' if preload else ''}"
        )

    def _www(self, host: _Host, plain: list[Directive], tls: list[Directive]) -> list[Directive]:
        """The server of from-to-www-redirect: that of the name with www. in front, or of the one without."""
        wanted = [each for each in host.annotations if each.is_true("from-to-www-redirect")]
        other = host.name.removeprefix("www.") if host.name.startswith("www.") else f"www.{host.name}"
        if not wanted or not host.name or other in self.hosts:
            return []
        where = wanted[0].place("from-to-www-redirect")
        back = Directive("return", ("308", f"$scheme://{host.name}$request_uri"), where)
        return [self._server([*plain, *tls, Directive("server_name", (other,), where), back], where)]

    # The locations.

    def _locations(self, host: _Host) -> list[tuple[_Path, Directive]]:
        """The locations of a host, each with the path that it comes from.

        Where one path of a host is rewritten or a regular expression, ingress-nginx makes all of them regular
        expressions, longest first.
        """
        regexes = any(path.annotations.is_true("use-regex") or path.target for path in host.paths)
        found = []
        exact = {path.path for path in host.paths if path.kind == "Exact"}
        longest = max((len(path.path) for path in host.paths if path.kind != "Exact" and not path.prefix()), default=0)
        for path in sorted(host.paths, key=lambda path: -len(path.path)) if regexes else host.paths:
            if path.annotations.is_of_f5:
                places = [self._location_of_f5(path)]
            elif path.kind == "Exact":
                places = [(("=", path.path), self._rewrite(path))]
            elif regexes:
                places = [self._among_regexes(path, longest)]
            else:
                self._ask_for_pattern(path)
                places = self._plain_location(path, exact)
            for words, rest in places:
                found.append((path, Directive("location", words, path.place, tuple(self._location(path, host, rest)))))
        app_root = next((each for each in host.annotations if each.has("app-root")), None)
        if app_root is not None and host.paths and "/" not in exact:
            where = app_root.place("app-root")
            back = Directive("return", ("302", app_root.of("app-root") or "/"), where)
            found.insert(0, (host.paths[0], Directive("location", ("=", "/"), where, (back,))))
        return found

    def _ask_for_pattern(self, path: _Path) -> None:
        if _REGEX.search(path.path):
            text = (
                f"without use-regex {path.path} is a plain path to ingress-nginx: is it meant as a regular expression?"
            )
            self.notes.add("question", path.place, text)

    @staticmethod
    def _location_of_f5(path: _Path) -> tuple[tuple[str, ...], list[Directive]]:
        """The words after location, and what becomes of the path there; (uri) is the one that proxy_pass has."""
        annotations = path.annotations
        target = annotations.f5_rewrite(path.service)
        rest = [Directive("(uri)", (target,), annotations.place("rewrites"))] if target else []
        kind = annotations.of("path-regex")
        if path.kind == "Exact" or kind == "exact":
            return ("=", path.path), rest
        if kind in ("case_sensitive", "case_insensitive"):
            return ("~" if kind == "case_sensitive" else "~*", f"^{path.path}"), rest
        return (path.path,), rest

    @staticmethod
    def _plain_location(path: _Path, exact: set[str]) -> list[tuple[tuple[str, ...], list[Directive]]]:
        """/app of the type Prefix is /app and what is below it, but not /apple: two locations."""
        if path.kind != "Prefix" or path.path.endswith("/"):
            return [((path.path,), [])]
        alone: list[tuple[tuple[str, ...], list[Directive]]] = [] if path.path in exact else [(("=", path.path), [])]
        return [*alone, ((f"{path.path}/",), [])]

    def _among_regexes(self, path: _Path, longest: int) -> tuple[tuple[str, ...], list[Directive]]:
        """A prefix where it does the same. The longest path wins, also over regular expressions."""
        prefix = path.prefix()
        if prefix is None:
            return ("~*", f"^{path.path}"), self._rewrite(path)
        words = ("^~", prefix) if 0 < longest < len(path.path) else (prefix,)
        if path.stripped() is None:
            return words, self._rewrite(path)
        where = path.annotations.place("rewrite-target")
        if prefix == "/":
            return words, []
        self.notes.add(
            "corrected",
            path.place,
            f"{path.path} with rewrite-target {path.target} takes {prefix} off the path, which proxy_pass does by "
            f"itself; {prefix[:-1]} alone is redirected to {prefix}",
        )
        return words, [Directive("(uri)", ("/",), where)]

    def _rewrite(self, path: _Path) -> list[Directive]:
        target = path.target
        if not target:
            return []
        where = path.annotations.place("rewrite-target")
        if not re.search(r"\$\d", target) and path.kind != "Exact":
            self.notes.add(
                "question",
                where,
                f"rewrite-target {target} without a capture sends every path below {path.path} to {target} alone: "
                f"should the rest of the path stay? Then it is strip_prefix, with the path {path.path.rstrip('/')}/",
            )
        return [Directive("rewrite", (f"(?i){path.path}", target, "break"), where)]

    def _location(self, path: _Path, host: _Host, rest: list[Directive]) -> list[Directive]:
        annotations = path.annotations
        for name, code in (("permanent-redirect", "301"), ("temporal-redirect", "302")):
            url = annotations.of(name)
            if url:
                return [Directive("return", (annotations.of(f"{name}-code") or code, url), annotations.place(name))]
        if path.passes is None:
            return [Directive("return", ("503",), path.place)]
        uri = "".join(each.args[0] for each in rest if each.name == "(uri)")
        snippet = [
            each
            for name in ["location-snippets" if annotations.is_of_f5 else "configuration-snippet"]
            for each in self.translation.snippet(annotations, name)
        ]
        return [
            *(self.translation.admission(annotations) if len(host.annotations) > 1 else ()),
            *self.translation.cors(annotations, host.name),
            *self.translation.headers(path, snippet),
            *self.translation.plain(annotations, path.passes[0]),
            *(each for each in rest if each.name != "(uri)"),
            *snippet,
            Directive(path.passes[0], (path.passes[1] + uri,), path.place),
        ]

    # Texts.


def _covers(pattern: str, name: str) -> bool:
    """Whether a host of a certificate is that of a rule: the same, or one label for its star."""
    return pattern == name or (pattern.startswith("*.") and name.partition(".")[2] == pattern[2:])


# The keys of the ConfigMap that hold for nginx's whole http block.
_HTTP_SETTINGS = {
    "proxy-connect-timeout": ("proxy_connect_timeout", "s"),
    "proxy-read-timeout": ("proxy_read_timeout", "s"),
    "proxy-send-timeout": ("proxy_send_timeout", "s"),
    "proxy-body-size": ("client_max_body_size", ""),
    "proxy-buffering": ("proxy_buffering", ""),
    "proxy-buffer-size": ("proxy_buffer_size", ""),
    "proxy-buffers": ("proxy_buffers", ""),
    "proxy-request-buffering": ("proxy_request_buffering", ""),
    "proxy-next-upstream": ("proxy_next_upstream", ""),
    "proxy-next-upstream-tries": ("proxy_next_upstream_tries", ""),
    "client-header-timeout": ("client_header_timeout", "s"),
    "client-max-body-size": ("client_max_body_size", ""),
    "large-client-header-buffers": ("large_client_header_buffers", ""),
    "server-tokens": ("server_tokens", ""),
}
_SETTINGS = {
    *_HTTP_SETTINGS,
    "use-forwarded-headers",
    "use-proxy-protocol",
    "proxy-real-ip-cidr",
    "forwarded-for-header",
    "compute-full-forwarded-for",
    "use-http2",
    "hsts",
    "hsts-max-age",
    "hsts-include-subdomains",
    "hsts-preload",
    "http-snippet",
    "http-redirect-code",
    "load-balance",
    "ssl-redirect",
    # What the role does by itself, or nginx by default.
    "allow-snippet-annotations",
    "annotations-risk-level",
    "ssl-protocols",
    "ssl-ciphers",
    "worker-processes",
    "worker-shutdown-timeout",
    "max-worker-connections",
    "keep-alive",
    "upstream-keepalive-connections",
}
