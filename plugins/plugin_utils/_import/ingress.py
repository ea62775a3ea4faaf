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

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import import reading
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.documents import (
    is_scalar,
    items,
    line_of,
    mapping,
)
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.ingress_annotations import (
    LOCATION_DIRECTIVES,
    Annotations,
)
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.tree import Directive, Notes, Place
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables import nginx_syntax

_GROUPS = ("networking.k8s.io/", "extensions/")
# Objects that say something of an Ingress beside it.
_HELPFUL = ("Service", "ConfigMap", "Secret", "Endpoints", "EndpointSlice", "IngressClass", "Namespace")
_NAMED_PORTS = {"http": 80, "https": 443, "web": 80, "ws": 80, "wss": 443}
_REGEX = re.compile(r"[\\^$|?*+()\[\]{}]")
# A prefix, also where it is written as a regular expression: /app/, /app/.* and /app/(.*).
_PREFIX = re.compile(r"(?P<prefix>/[^\\^$|?*+()\[\]{}]*?)(?:\(\.\*\)|\.\*)?\$?")
# The ways to take a prefix off: /app(/|$)(.*) with /$2, /app/?(.*) and /app/(.*) with /$1.
_STRIPPED = re.compile(r"(?P<prefix>(?:/[^\\^$|?*+()\[\]{}/]+)*)(?:(?P<two>\(/\|\$\)\(\.\*\))|/\??\(\.[*+]\))\$?")
_HTTPS = "https://$host$request_uri"
# What ingress-nginx sends where its ConfigMap has no hsts-max-age.
_HSTS_AGE = "31536000"
_CORS_METHODS = "GET, PUT, POST, DELETE, PATCH, OPTIONS"
_CORS_HEADERS = (
    "DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization"
)
_MORE_SET_HEADERS = re.compile(r"(?P<name>[A-Za-z0-9_-]+) *: *(?P<value>.*)", re.DOTALL)


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
class _Upstream:
    name: str
    place: Place
    balance: list[Directive]
    servers: list[Directive]

    def directive(self) -> Directive:
        return Directive("upstream", (self.name,), self.place, (*self.balance, *self.servers))


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
        self.upstreams: dict[tuple[str, str, str], _Upstream] = {}
        # Directives of the http block beside servers and upstreams, in their order, each once.
        self.http: dict[tuple[str, ...], Directive] = {}
        self.annotations: list[Annotations] = []
        self.settings: Mapping[t.Any, t.Any] = {}
        self.objects: dict[tuple[str, str, str], Mapping[t.Any, t.Any]] = {}

    def place(self, container: object, key: object = None) -> Place:
        return Place(self.file, line_of(container, key))

    def directives(self, documents: list[Mapping[t.Any, t.Any]]) -> list[Directive]:
        self.objects = {(str(each["kind"]), *_name(each)): each for each in documents}
        self._read_settings(documents)
        for document in documents:
            if document["kind"] == "Ingress" and document["apiVersion"].startswith(_GROUPS):
                self._read_ingress(document)
            elif document["kind"] not in _HELPFUL:
                what = f"{document['kind']} {'/'.join(_name(document))}"
                self.notes.add("left out", self.place(document), f"{what}: only Ingresses are read")
        servers = [server for host in self.hosts.values() for server in self._servers(host)]
        upstreams = [upstream.directive() for upstream in self.upstreams.values()]
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
        return [*self._of_settings(), *self.http.values(), *upstreams, *servers]

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
                found.append(self._words(name, _with_unit(value, unit), self.place(self.settings, key)))
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
        found += self._text(self.settings, "http-snippet", self._setting("http-snippet"))
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
            passes = self._backend(document, mapping(default), annotations, self.place(spec))
            for host in hosts or [self._host("", self.place(document), annotations)]:
                if not any(path.path == "/" for path in host.paths):
                    service = _service(mapping(default))[0]
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
        passes = self._backend(document, backend, annotations, place)
        host.paths.append(_Path(path, kind, place, annotations, passes, _service(backend)[0]))

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

    def _backend(
        self,
        document: Mapping[t.Any, t.Any],
        backend: Mapping[t.Any, t.Any],
        annotations: Annotations,
        place: Place,
    ) -> tuple[str, str] | None:
        """The directive that passes requests on and its URL, or None where there is no backend."""
        service, port = _service(backend)
        if not service:
            self.notes.add("question", place, "the path has no Service as its backend: where should its requests go?")
            return None
        if port == "use-annotation":
            self.notes.add("left out", place, f"{service} is an action of another controller's annotations")
            return None
        upstream = self._upstream(_name(document)[0], service, port, annotations, place)
        protocol = annotations.protocol(service)
        if protocol in ("GRPC", "GRPCS"):
            return "grpc_pass", f"{protocol.lower()}://{upstream.name}"
        if protocol == "FCGI":
            return "fastcgi_pass", upstream.name
        if protocol not in ("HTTP", "HTTPS", "AUTO_HTTP"):
            self.notes.add(
                "question", annotations.place("backend-protocol"), f"nginx does not speak {protocol}: HTTP is taken"
            )
        return "proxy_pass", f"{'https' if protocol == 'HTTPS' else 'http'}://{upstream.name}"

    def _upstream(self, namespace: str, service: str, port: str, annotations: Annotations, place: Place) -> _Upstream:
        key = (namespace, service, port)
        if key not in self.upstreams:
            taken = {upstream.name for upstream in self.upstreams.values()}
            names = (service, f"{service}-{port}", f"{namespace}-{service}-{port}")
            name = next((name for name in names if name not in taken), "-".join((*names[2:], str(len(taken)))))
            servers = [
                Directive("server", (address, *annotations.server_parameters()), where)
                for address, where in self._servers_of(namespace, service, port, place)
            ]
            self.upstreams[key] = _Upstream(name, place, self._balance(annotations), servers)
        return self.upstreams[key]

    def _servers_of(self, namespace: str, name: str, port: str, place: Place) -> list[tuple[str, Place]]:
        service = mapping(self.objects.get(("Service", namespace, name)))
        spec = mapping(service.get("spec"))
        number, target = self._port(spec, name, port, place)
        endpoints = self._endpoints(namespace, name, target)
        if endpoints:
            return endpoints
        if spec.get("type") == "ExternalName" and spec.get("externalName"):
            return [(f"{spec['externalName']}:{number}", self.place(spec, "externalName"))]
        where = self.place(service) if service else place
        ports = [each.get("nodePort") for each in map(mapping, items(spec.get("ports"))) if each.get("nodePort")]
        node_port = f", such as the nodes' with port {ports[0]}" if ports else ""
        address = f"{name}.{namespace}.svc:{target if spec.get('clusterIP') == 'None' else number}"
        self.notes.add(
            "question",
            where,
            f"Service {namespace}/{name}: which addresses do its servers have outside the cluster{node_port}? "
            f"{address} has one inside it alone",
        )
        return [(address, where)]

    def _port(self, spec: Mapping[t.Any, t.Any], service: str, port: str, place: Place) -> tuple[str, str]:
        """The number of a Service's port, and that of its pods."""
        for each in map(mapping, items(spec.get("ports"))):
            number = str(each.get("port"))
            if port in (str(each.get("name")), number) and number.isdigit():
                target = str(each.get("targetPort") or number)
                return number, target if target.isdigit() else number
        if port.isdigit():
            return port, port
        number = str(_NAMED_PORTS.get(port, 80))
        self.notes.add(
            "question", place, f"which number has the port {port or '(none)'} of Service {service}? {number} is taken"
        )
        return number, number

    def _endpoints(self, namespace: str, name: str, port: str) -> list[tuple[str, Place]]:
        document = mapping(self.objects.get(("Endpoints", namespace, name)))
        found = []
        for subset in map(mapping, items(document.get("subsets"))):
            ports = [mapping(each).get("port") for each in items(subset.get("ports"))]
            number = next((each for each in ports if str(each) == port), ports[0] if ports else port)
            for address in map(mapping, items(subset.get("addresses"))):
                if isinstance(address.get("ip"), str):
                    ip = f"[{address['ip']}]" if ":" in address["ip"] else address["ip"]
                    found.append((f"{ip}:{number}", self.place(address)))
        return found

    def _balance(self, annotations: Annotations) -> list[Directive]:
        if annotations.of("affinity"):
            return [self._sticky(annotations)]
        key = annotations.of("upstream-hash-by")
        if key:
            return [Directive("hash", (key, "consistent"), annotations.place("upstream-hash-by"))]
        method = annotations.of("load-balance") or annotations.of("lb-method") or self._setting("load-balance")
        where = annotations.place("load-balance" if annotations.has("load-balance") else "lb-method")
        if method == "ewma":
            self.notes.add("corrected", where, "nginx has no ewma: least_conn takes its place")
            method = "least_conn"
        if not method and annotations.is_of_f5:
            method = "random two least_conn"
        return (
            []
            if method in (None, "", "round_robin")
            else [self._words(method.split()[0], method.partition(" ")[2], where)]
        )

    def _sticky(self, annotations: Annotations) -> Directive:
        where = annotations.place("affinity")
        words = ["cookie", annotations.of("session-cookie-name") or "INGRESSCOOKIE"]
        age = annotations.of("session-cookie-max-age") or annotations.of("session-cookie-expires")
        if age and age.isdigit() and age != "0":
            words.append(f"expires={age}s")
        for name, word in (("domain", "domain"), ("path", "path"), ("samesite", "samesite")):
            value = annotations.of(f"session-cookie-{name}")
            value = value.lower() if value and name == "samesite" else value or ("/" if name == "path" else None)
            if value:
                words.append(f"{word}={value}")
        words.append("httponly")
        if annotations.is_true("session-cookie-secure"):
            words.append("secure")
        for name in (
            "affinity-mode",
            "affinity-canary-behavior",
            "session-cookie-hash",
            "session-cookie-change-on-failure",
        ):
            annotations.of(name)
        self.notes.add(
            "question",
            where,
            f"affinity by a cookie requires nginx 1.29.6, and then 'balance: sticky {' '.join(words)}': does the "
            "gateway have it? ip_hash is taken, by which the address of a client decides",
        )
        return Directive("ip_hash", (), where)

    # The servers.

    def _servers(self, host: _Host) -> list[Directive]:
        names = self._server_names(host)
        where = host.place
        locations = self._locations(host)
        head = [Directive("server_name", tuple(names), where)]
        default = () if host.name else ("default_server",)
        extra = [each for annotations in host.annotations for each in self._of_server(annotations)]
        if len(host.annotations) == 1:
            extra += self._admission(host.annotations[0])
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

    def _of_server(self, annotations: Annotations) -> list[Directive]:
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
        for name in ("server-snippet", "server-snippets"):
            found += self._text(annotations.values, annotations.key(name), annotations.of(name))
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
            *self._text(annotations.values, annotations.key("auth-snippet"), annotations.of("auth-snippet")),
            Directive("proxy_pass", (url,), where),
        ]
        return Directive("location", ("=", annotations.auth_path), where, tuple(inner))

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
                places = self._plain_location(path, exact)
            for words, rest in places:
                found.append((path, Directive("location", words, path.place, tuple(self._location(path, host, rest)))))
        app_root = next((each for each in host.annotations if each.has("app-root")), None)
        if app_root is not None and host.paths and "/" not in exact:
            where = app_root.place("app-root")
            back = Directive("return", ("302", app_root.of("app-root") or "/"), where)
            found.insert(0, (host.paths[0], Directive("location", ("=", "/"), where, (back,))))
        return found

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
            each for name in ("configuration-snippet", "location-snippets") for each in self._snippet(annotations, name)
        ]
        return [
            *(self._admission(annotations) if len(host.annotations) > 1 else ()),
            *self._cors(annotations, host),
            *self._headers(path, snippet),
            *self._plain(annotations, path.passes[0]),
            *(each for each in rest if each.name != "(uri)"),
            *snippet,
            Directive(path.passes[0], (path.passes[1] + uri,), path.place),
        ]

    def _headers(self, path: _Path, snippet: list[Directive]) -> list[Directive]:
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

    def _snippet(self, annotations: Annotations, name: str) -> list[Directive]:
        found = []
        for each in self._text(annotations.values, annotations.key(name), annotations.of(name)):
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

    def _plain(self, annotations: Annotations, passes: str) -> list[Directive]:
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
            found.append(self._words(directive, _with_unit(value, "" if annotations.is_of_f5 else unit), where))
        number = annotations.of("proxy-buffers-number")
        size = annotations.of("proxy-buffer-size")
        if number or size:
            name = "proxy-buffers-number" if number else "proxy-buffer-size"
            found.append(self._words("proxy_buffers", f"{number or 4} {size or '4k'}", annotations.place(name)))
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

    def _admission(self, annotations: Annotations) -> list[Directive]:
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

    def _cors(self, annotations: Annotations, host: _Host) -> list[Directive]:
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
                f"allowed_origins of {host.name or 'the site'}: {', '.join(origins)}",
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

    # Texts.

    def _words(self, name: str, value: str, place: Place) -> Directive:
        try:
            return Directive(name, tuple(nginx_syntax.words(value)), place)
        except nginx_syntax.NginxSyntaxError as error:
            self.notes.add("question", place, f"the value of {name} {error}: {value}")
            return Directive(name, (value,), place)

    def _text(self, container: object, key: object, text: str | None) -> list[Directive]:
        return reading.parsed(text, self.file, line_of(container, key), self.notes) if text else []


def _service(backend: Mapping[t.Any, t.Any]) -> tuple[str, str]:
    """The name of the Service of a backend, and the number or the name of its port."""
    service = mapping(backend.get("service"))
    port = mapping(service.get("port"))
    name = service.get("name") or backend.get("serviceName")
    found = port.get("number") or port.get("name") or backend.get("servicePort") or ""
    return (str(name) if is_scalar(name) and name else "", str(found) if is_scalar(found) else "")


def _covers(pattern: str, name: str) -> bool:
    """Whether a host of a certificate is that of a rule: the same, or one label for its star."""
    return pattern == name or (pattern.startswith("*.") and name.partition(".")[2] == pattern[2:])


def _with_unit(value: str, unit: str) -> str:
    return f"{value}{unit}" if unit and value.isdigit() else {"true": "on", "false": "off"}.get(value, value)


def _origin_key(origin: str) -> str:
    """The key of a map for an origin, of which * may be one label."""
    return f"~^{re.escape(origin).replace(re.escape('*.'), '[^.]+[.]', 1)}$" if "*" in origin else origin


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
