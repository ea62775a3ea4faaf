# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Services of Kubernetes that an Ingress passes requests on to, as upstreams."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.documents import (
    is_scalar,
    items,
    line_of,
    mapping,
)
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.ingress_annotations import Annotations
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.ingress_directives import Translation
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.tree import Directive, Notes, Place

Objects = t.Mapping[t.Tuple[str, str, str], t.Mapping[t.Any, t.Any]]
_NAMED_PORTS = {"http": 80, "https": 443, "web": 80, "ws": 80, "wss": 443}


@dataclass
class Upstream:
    name: str
    place: Place
    balance: list[Directive]
    servers: list[Directive]

    def directive(self) -> Directive:
        return Directive("upstream", (self.name,), self.place, (*self.balance, *self.servers))


class Backends:
    """The upstreams, given the objects beside the Ingresses by their kinds, namespaces and names."""

    def __init__(self, objects: Objects, balance_by_default: str, translation: Translation) -> None:
        self.upstreams: dict[tuple[str, str, str], Upstream] = {}
        self._objects = objects
        self._balance_by_default = balance_by_default
        self._translation = translation
        self._notes: Notes = translation.notes

    def _place(self, container: object, key: object = None) -> Place:
        return Place(self._translation.file, line_of(container, key))

    def passes(
        self,
        namespace: str,
        backend: Mapping[t.Any, t.Any],
        annotations: Annotations,
        place: Place,
    ) -> tuple[str, str] | None:
        """The directive that passes requests on and its URL, or None where there is no backend."""
        service, port = service_of(backend)
        if not service:
            self._notes.add("question", place, "the path has no Service as its backend: where should its requests go?")
            return None
        if port == "use-annotation":
            self._notes.add("left out", place, f"{service} is an action of another controller's annotations")
            return None
        upstream = self._upstream(namespace, service, port, annotations, place)
        protocol = annotations.protocol(service)
        if protocol in ("GRPC", "GRPCS"):
            return "grpc_pass", f"{protocol.lower()}://{upstream.name}"
        if protocol == "FCGI":
            return "fastcgi_pass", upstream.name
        if protocol not in ("HTTP", "HTTPS", "AUTO_HTTP"):
            self._notes.add(
                "question", annotations.place("backend-protocol"), f"nginx does not speak {protocol}: HTTP is taken"
            )
        return "proxy_pass", f"{'https' if protocol == 'HTTPS' else 'http'}://{upstream.name}"

    def _upstream(self, namespace: str, service: str, port: str, annotations: Annotations, place: Place) -> Upstream:
        key = (namespace, service, port)
        if key not in self.upstreams:
            taken = {upstream.name for upstream in self.upstreams.values()}
            names = (service, f"{service}-{port}", f"{namespace}-{service}-{port}")
            name = next((name for name in names if name not in taken), "-".join((*names[2:], str(len(taken)))))
            servers = [
                Directive("server", (address, *annotations.server_parameters()), where)
                for address, where in self._servers_of(namespace, service, port, place)
            ]
            self.upstreams[key] = Upstream(name, place, self._balance(annotations), servers)
        return self.upstreams[key]

    def _servers_of(self, namespace: str, name: str, port: str, place: Place) -> list[tuple[str, Place]]:
        service = mapping(self._objects.get(("Service", namespace, name)))
        spec = mapping(service.get("spec"))
        number, target = self._port(spec, name, port, place)
        endpoints = self._endpoints(namespace, name, target)
        if endpoints:
            return endpoints
        if spec.get("type") == "ExternalName" and spec.get("externalName"):
            return [(f"{spec['externalName']}:{number}", self._place(spec, "externalName"))]
        where = self._place(service) if service else place
        ports = [each.get("nodePort") for each in map(mapping, items(spec.get("ports"))) if each.get("nodePort")]
        node_port = f", such as the nodes' with port {ports[0]}" if ports else ""
        address = f"{name}.{namespace}.svc:{target if spec.get('clusterIP') == 'None' else number}"
        self._notes.add(
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
        self._notes.add(
            "question", place, f"which number has the port {port or '(none)'} of Service {service}? {number} is taken"
        )
        return number, number

    def _endpoints(self, namespace: str, name: str, port: str) -> list[tuple[str, Place]]:
        document = mapping(self._objects.get(("Endpoints", namespace, name)))
        found = []
        for subset in map(mapping, items(document.get("subsets"))):
            ports = [mapping(each).get("port") for each in items(subset.get("ports"))]
            number = next((each for each in ports if str(each) == port), ports[0] if ports else port)
            for address in map(mapping, items(subset.get("addresses"))):
                if isinstance(address.get("ip"), str):
                    ip = f"[{address['ip']}]" if ":" in address["ip"] else address["ip"]
                    found.append((f"{ip}:{number}", self._place(address)))
        return found

    def _balance(self, annotations: Annotations) -> list[Directive]:
        if annotations.of("affinity"):
            return [self._sticky(annotations)]
        key = annotations.of("upstream-hash-by")
        if key:
            return [Directive("hash", (key, "consistent"), annotations.place("upstream-hash-by"))]
        method = annotations.of("load-balance") or annotations.of("lb-method") or self._balance_by_default
        where = annotations.place("load-balance" if annotations.has("load-balance") else "lb-method")
        if method == "ewma":
            self._notes.add("corrected", where, "nginx has no ewma: least_conn takes its place")
            method = "least_conn"
        if not method and annotations.is_of_f5:
            method = "random two least_conn"
        return (
            []
            if method in (None, "", "round_robin")
            else [self._translation.words(method.split()[0], method.partition(" ")[2], where)]
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
        self._notes.add(
            "question",
            where,
            f"affinity by a cookie requires nginx 1.29.6, and then 'balance: sticky {' '.join(words)}': does the "
            "gateway have it? ip_hash is taken, by which the address of a client decides",
        )
        return Directive("ip_hash", (), where)


def service_of(backend: Mapping[t.Any, t.Any]) -> tuple[str, str]:
    """The name of the Service of a backend, and the number or the name of its port."""
    service = mapping(backend.get("service"))
    port = mapping(service.get("port"))
    name = service.get("name") or backend.get("serviceName")
    found = port.get("number") or port.get("name") or backend.get("servicePort") or ""
    return (str(name) if is_scalar(name) and name else "", str(found) if is_scalar(found) else "")
