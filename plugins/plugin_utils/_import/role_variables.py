# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variables of other roles for nginx as the directives that the templates of those roles print.

They are nginxinc.nginx_config, in its three forms (nginx_config_shapes), geerlingguy.nginx and ome.nginx_proxy.
"""

from __future__ import annotations

import typing as t
from collections.abc import Iterator, Mapping

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.documents import items, mapping
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.nginx_config import NginxConfig
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.templates import Printer
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.tree import Directive, Notes, Place

_NGINX_CONFIG = ("nginx_config_http_template", "nginx_http_template")
_GEERLINGGUY = ("nginx_vhosts", "nginx_upstreams", "nginx_extra_http_options")
_OME = (
    "nginx_proxy_sites",
    "nginx_proxy_backends",
    "nginx_proxy_upstream_servers",
    "nginx_proxy_upstreams",
    "nginx_proxy_direct_locations",
    "nginx_proxy_server_name",
)
_DEEPEST = 8

# Of geerlingguy.nginx: what its nginx.conf has in the http block.
_HTTP = {
    "nginx_server_names_hash_bucket_size": "server_names_hash_bucket_size",
    "nginx_client_max_body_size": "client_max_body_size",
    "nginx_access_log": "access_log",
    "nginx_sendfile": "sendfile",
    "nginx_tcp_nopush": "tcp_nopush",
    "nginx_tcp_nodelay": "tcp_nodelay",
    "nginx_keepalive_timeout": "keepalive_timeout",
    "nginx_keepalive_requests": "keepalive_requests",
    "nginx_server_tokens": "server_tokens",
    "nginx_proxy_cache_path": "proxy_cache_path",
}
_MAIN = (
    "nginx_user",
    "nginx_worker_processes",
    "nginx_worker_connections",
    "nginx_multi_accept",
    "nginx_pidfile",
    "nginx_error_log",
    "nginx_extra_conf_options",
    "nginx_proxy_worker_processes",
    "nginx_proxy_worker_connections",
    "nginx_config_main_template",
)
_STREAMS = ("nginx_proxy_streams", "nginx_config_stream_template", "nginx_config_stream_template_enable")
_PER_SITE = "nginx_proxy_"


def is_known(document: object) -> bool:
    """Whether a document has variables of one of those roles, also within a play."""
    return next(_found(document), None) is not None


def directives(document: object, file: str, notes: Notes) -> list[Directive]:
    """The directives of nginx's http block that the variables of a document stand for."""
    found = []
    for variables in _found(document):
        reader = _Reader(variables, file, notes)
        found += reader.directives()
    return found


def _found(value: object, depth: int = 0) -> Iterator[Mapping[t.Any, t.Any]]:
    """The mappings with variables of those roles."""
    if depth > _DEEPEST:
        return
    if isinstance(value, Mapping):
        if any(key in value for key in (*_NGINX_CONFIG, *_GEERLINGGUY, *_OME)):
            yield value
            return
        value = list(value.values())
    for item in items(value):
        yield from _found(item, depth + 1)


class _Reader:
    """The variables of one mapping."""

    def __init__(self, variables: Mapping[t.Any, t.Any], file: str, notes: Notes) -> None:
        self.variables = variables
        self.file = file
        self.notes = notes
        self.printer = Printer(file, notes)
        self.asked: set[object] = set()

    def directives(self) -> list[Directive]:
        found = []
        for name in _NGINX_CONFIG:
            if name in self.variables:
                self.asked.add(name)
                found += NginxConfig(self.printer).directives(self.variables, name)
        if any(name in self.variables for name in _OME):
            found += self._ome()
        elif any(name in self.variables for name in _GEERLINGGUY):
            found += self._geerlingguy()
        self._rest()
        return found

    def _get(self, name: str) -> object:
        self.asked.add(name)
        return self.variables.get(name)

    def _rest(self) -> None:
        for name in self.variables:
            if name in self.asked or not str(name).startswith("nginx_"):
                continue
            if name in _MAIN:
                reason = "it is for nginx's main context, which follows from websockets_capacity"
            elif name in _STREAMS:
                reason = "the role writes nothing for nginx's stream block"
            elif str(name).endswith("_enable"):
                continue
            else:
                reason = "it says nothing of sites and upstreams"
            self.notes.add("left out", self.printer.place(self.variables, name), f"{name}: {reason}")

    # geerlingguy.nginx: templates/nginx.conf.j2 and templates/vhost.j2.

    def _geerlingguy(self) -> list[Directive]:
        found = []
        for name, directive in _HTTP.items():
            value = self._get(name)
            if value not in (None, ""):
                found += self.printer.line(directive, value, self.variables, name)
        if "nginx_client_max_body_size" not in self.variables:
            found += self.printer.statement("client_max_body_size 64m", 0)
            self.notes.add("taken", Place(self.file), "client_max_body_size is 64m by geerlingguy.nginx's own default")
        found += self._log_formats()
        found += self.printer.raw(self._get("nginx_extra_http_options"), self.variables, "nginx_extra_http_options")
        for upstream in self.printer.mappings(self.variables, "nginx_upstreams"):
            found.append(self._upstream(upstream))
        self.asked.add("nginx_upstreams")
        for vhost in self.printer.mappings(self.variables, "nginx_vhosts"):
            found += self._vhost(vhost)
        self.asked.add("nginx_vhosts")
        return found

    def _log_formats(self) -> list[Directive]:
        found = []
        if self._get("nginx_log_format"):
            found += self.printer.line(
                "log_format main", self._get("nginx_log_format"), self.variables, "nginx_log_format"
            )
        for each in self.printer.mappings(self.variables, "nginx_extra_log_formats"):
            found += self.printer.line(f"log_format {each.get('name')}", each.get("format"), each, "format")
        self.asked.add("nginx_extra_log_formats")
        return found

    def _upstream(self, upstream: Mapping[t.Any, t.Any]) -> Directive:
        """Of geerlingguy.nginx as of ome.nginx_proxy, which have other names for the method alone."""
        inner = []
        for key in ("strategy", "balance"):
            inner += self.printer.raw(upstream.get(key), upstream, key)
        servers = upstream.get("servers")
        # A set, as the role's own example has it, is a mapping to YAML.
        for at, server in enumerate(list(servers) if isinstance(servers, Mapping) else self.printer.values(servers)):
            inner += self.printer.line("server", server, servers, server if isinstance(servers, Mapping) else at)
        if upstream.get("keepalive") is not None:
            inner += self.printer.line("keepalive", upstream["keepalive"], upstream, "keepalive")
        self.printer.rest(upstream, ("name", "strategy", "balance", "servers", "keepalive"))
        return self.printer.block(f"upstream {upstream.get('name') or ''}", inner, upstream, "name")

    def _vhost(self, vhost: Mapping[t.Any, t.Any]) -> list[Directive]:
        name = str(vhost.get("server_name") or "")
        if vhost.get("state") == "absent":
            self.notes.add("left out", self.printer.place(vhost), f"{name} has the state absent")
            return []
        if vhost.get("template"):
            self.notes.add(
                "question",
                self.printer.place(vhost, "template"),
                f"{name or 'the site'} has a template of its own, {vhost['template']}: what does it print?",
            )
        printer = self.printer
        inner = self._listens(vhost)
        for key in ("server_name", "root", "index", "error_page", "access_log", "error_log", "return"):
            if vhost.get(key) not in (None, ""):
                inner += printer.line(key, vhost[key], vhost, key)
        if vhost.get("root") and not vhost.get("index"):
            inner += printer.statement("index index.html index.htm", printer.place(vhost, "root").line)
        inner += printer.raw(vhost.get("extra_parameters"), vhost, "extra_parameters")
        known = (
            "server_name",
            "root",
            "index",
            "error_page",
            "access_log",
            "error_log",
            "return",
            "listen",
            "filename",
        )
        printer.rest(vhost, (*known, "server_name_redirect", "extra_parameters", "template", "state"))
        server = printer.block("server", inner, vhost)
        if not vhost.get("server_name_redirect"):
            return [server]
        first = name.partition(" ")[0]
        back = [
            *self._listens(vhost),
            *printer.line("server_name", vhost["server_name_redirect"], vhost, "server_name_redirect"),
            *printer.line("return", f"301 $scheme://{first}$request_uri", vhost, "server_name_redirect"),
        ]
        return [printer.block("server", back, vhost), server]

    def _listens(self, vhost: Mapping[t.Any, t.Any]) -> list[Directive]:
        found = []
        for value in self.printer.values(vhost.get("listen") or "80"):
            found += self.printer.line("listen", value, vhost, "listen")
            if self._get("nginx_listen_ipv6") is True and str(value)[:1].isdigit() and "." not in str(value):
                found += self.printer.line("listen", f"[::]:{value}", vhost, "listen")
        return found

    # ome.nginx_proxy: templates/nginx-confd-proxy.j2 and those beside it.

    def _ome(self) -> list[Directive]:
        printer = self.printer
        found = []
        for at, line in enumerate(printer.values(self._get("nginx_proxy_conf_http"))):
            found += printer.raw(line, self.variables.get("nginx_proxy_conf_http"), at)
        if self._get("nginx_proxy_websockets_enable") is True:
            line = printer.place(self.variables, "nginx_proxy_websockets_enable").line
            found += printer.statement("map $http_upgrade $connection_upgrade { default upgrade; '' close; }", line)
        for each in printer.mappings(self.variables, "nginx_proxy_additional_maps"):
            lines = [
                one for line in printer.values(each.get("mapvalues")) for one in printer.raw(line, each, "mapvalues")
            ]
            found.append(printer.block(f"map {each.get('from')} {each.get('to')}", lines, each))
        found += self._redirect_map()
        for name in ("nginx_proxy_upstream_servers", "nginx_proxy_upstreams"):
            found += [self._upstream(each) for each in printer.mappings(self.variables, name)]
            self.asked.add(name)
        caches = ("nginx_proxy_cache_parent_path", "nginx_proxy_caches")
        self.asked |= {"nginx_proxy_additional_maps", "nginx_proxy_redirect_map"}
        for name in self.variables:
            if name in caches or "cache" in str(name):
                self._left_out_cache(self.variables, name)
        sites = list(printer.mappings(self.variables, "nginx_proxy_sites"))
        self.asked |= {"nginx_proxy_sites", *(name for name in self.variables if str(name).startswith(_PER_SITE))}
        for site in sites or [{"nginx_proxy_is_default": True}]:
            found += self._site(site)
        return found

    def _left_out_cache(self, variables: Mapping[t.Any, t.Any], name: object) -> None:
        self.notes.add(
            "left out",
            self.printer.place(variables, name),
            f"{name}: a cache is proxy_cache_path in websockets_directives and proxy_cache in directives of a location",
        )

    def _redirect_map(self) -> list[Directive]:
        lines = []
        for each in self.printer.mappings(self.variables, "nginx_proxy_redirect_map"):
            lines += self.printer.line(str(each.get("match")), each.get("dest"), each, "match")
        if not lines:
            return []
        return [self.printer.block("map $request_uri $redirect_uri", lines, self.variables, "nginx_proxy_redirect_map")]

    def _of_site(self, site: Mapping[t.Any, t.Any], name: str, default: object = None) -> object:
        """A site's own value, else that of all sites, else the role's default."""
        return site.get(name, self.variables.get(name, default))

    def _site(self, site: Mapping[t.Any, t.Any]) -> list[Directive]:
        printer = self.printer
        where = site if site.get("nginx_proxy_server_name") or "nginx_proxy_backends" in site else self.variables
        is_default = " default_server" if site.get("nginx_proxy_is_default") is True else ""
        port = self._of_site(site, "nginx_proxy_listen_http", 80)
        head = printer.line("listen", f"{port}{is_default}", where, "nginx_proxy_listen_http") if port else []
        name = self._of_site(site, "nginx_proxy_server_name", "$hostname")
        names = printer.line("server_name", name, where, "nginx_proxy_server_name")
        found = []
        if self._of_site(site, "nginx_proxy_ssl"):
            if self._of_site(site, "nginx_proxy_force_ssl"):
                redirect = printer.line("return", "301 https://$host$request_uri", where, "nginx_proxy_force_ssl")
                found.append(printer.block("server", [*head, *names, *redirect], where))
                head = []
            http2 = " http2" if self._of_site(site, "nginx_proxy_http2") else ""
            head += printer.line("listen", f"443 ssl{http2}{is_default}", where, "nginx_proxy_ssl")
            for directive in ("ssl_certificate", "ssl_certificate_key"):
                value = self._of_site(site, f"{_PER_SITE}{directive}")
                if value:
                    names += printer.line(directive, value, where, f"{_PER_SITE}{directive}")
            age = self._of_site(site, "nginx_proxy_hsts_age")
            if age:
                names += printer.line(
                    "add_header", f'Strict-Transport-Security "max-age={age}"', where, "nginx_proxy_hsts_age"
                )
        inner = [*head, *names, *self._site_directives(site, where), *self._site_locations(site, where)]
        known = ("is_default", "listen_http", "server_name", "ssl", "force_ssl", "http2", "hsts_age", *_OME_SITE_KEYS)
        for key in site:
            bare = str(key).removeprefix(_PER_SITE)
            if "cache" in bare:
                self._left_out_cache(site, key)
            elif bare not in known and key != "nginx_dynamic_proxy_resolvers":
                self.notes.add("left out", printer.place(site, key), f"{key} has no translation")
        return [*found, printer.block("server", inner, where)]

    def _site_directives(self, site: Mapping[t.Any, t.Any], where: Mapping[t.Any, t.Any]) -> list[Directive]:
        printer = self.printer
        found = []
        for variable, directive in (
            ("nginx_proxy_404", "error_page 404"),
            ("nginx_dynamic_proxy_resolvers", "resolver"),
            ("nginx_proxy_buffers", "proxy_buffers"),
        ):
            value = self._of_site(site, variable)
            if value:
                found += printer.line(directive, " ".join(map(str, printer.values(value))), where, variable)
        self.asked.add("nginx_dynamic_proxy_resolvers")
        found += printer.statement(
            "error_page 500 502 503 504 /50x.html; port_in_redirect off;", printer.place(where).line
        )
        host = self._of_site(site, "nginx_proxy_set_header_host", "$host")
        found += printer.line("proxy_set_header Host", host, where, "nginx_proxy_set_header_host")
        common = "proxy_set_header X-Real-IP $remote_addr; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"
        found += printer.statement(common, printer.place(where).line)
        header = self._of_site(site, "nginx_proxy_forward_scheme_header")
        if header:
            found += printer.line("proxy_set_header", f"{header} $scheme", where, "nginx_proxy_forward_scheme_header")
        return found

    def _site_locations(self, site: Mapping[t.Any, t.Any], where: Mapping[t.Any, t.Any]) -> list[Directive]:
        printer = self.printer
        found = printer.statement("location = /50x.html { root /usr/share/nginx/html; }", printer.place(where).line)
        blocked = "nginx_proxy_block_locations"
        for path in printer.values(self._of_site(site, blocked)):
            body = printer.line("return", "404", where, blocked)
            found.append(printer.block(f"location {path}", body, where, blocked))
        mapped = "nginx_proxy_redirect_map_locations"
        for each in map(mapping, items(self._of_site(site, mapped))):
            body = printer.line("return", f"{each.get('code') or 302} $redirect_uri", each, "location")
            found.append(printer.block(f"location {each.get('location')}", body, each, "location"))
        for each in map(mapping, items(self._of_site(site, "nginx_proxy_direct_locations"))):
            found.append(self._direct(each))
        for each in map(mapping, items(self._of_site(site, "nginx_proxy_backends"))):
            found.append(self._backend(each))
        additional = "nginx_proxy_additional_directives"
        values = self._of_site(site, additional)
        for at, line in enumerate(printer.values(values)):
            found += printer.raw(line, values, at)
        return found

    def _direct(self, entry: Mapping[t.Any, t.Any]) -> Directive:
        inner = []
        for key, name in (
            ("redirect301", "return 301"),
            ("redirect302", "return 302"),
            ("index", "index"),
            ("root", "root"),
            ("alias", "alias"),
        ):
            if key in entry:
                inner += self.printer.line(name, entry[key], entry, key)
        for line in self.printer.values(entry.get("custom")):
            inner += self.printer.raw(line, entry, "custom")
        self.printer.rest(entry, ("location", "redirect301", "redirect302", "index", "root", "alias", "custom"))
        return self.printer.block(f"location {entry.get('location')}", inner, entry, "location")

    def _backend(self, entry: Mapping[t.Any, t.Any]) -> Directive:
        printer = self.printer
        inner = []
        if entry.get("websockets"):
            if entry.get("websocketsonly"):
                line = printer.place(entry, "websocketsonly").line
                inner += printer.statement("if ($http_upgrade !~* websocket) { return 400; }", line)
            inner += printer.statement(
                "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; "
                "proxy_set_header Connection $connection_upgrade;",
                printer.place(entry, "websockets").line,
            )
            if self.variables.get("nginx_proxy_websockets_enable") is not True:
                self.notes.add(
                    "corrected",
                    printer.place(entry, "websockets"),
                    "websockets without nginx_proxy_websockets_enable: the role refuses that; it is taken as enabled",
                )
        if entry.get("limit_methods"):
            body = printer.statement("deny all;", printer.place(entry, "limit_methods").line)
            inner.append(printer.block(f"limit_except {entry['limit_methods']}", body, entry, "limit_methods"))
        server = entry.get("server")
        if entry.get("dynamic"):
            inner += printer.line(f"set $backend_{entry.get('name')}", server, entry, "server")
            server = f"$backend_{entry.get('name')}"
        if not server:
            self.notes.add(
                "question", printer.place(entry), f"{entry.get('name') or 'a backend'} has no server: which one is it?"
            )
            return printer.block(f"location {entry.get('location') or '/'}", [], entry, "location")
        inner += printer.line("proxy_pass", server, entry, "server")
        inner += printer.line("proxy_redirect", f"{server} $scheme://$server_name", entry, "server")
        if "cache_validity" in entry:
            self._left_out_cache(entry, "cache_validity")
        for key, name in (("read_timeout", "proxy_read_timeout"), ("host_header", "proxy_set_header Host")):
            if key in entry:
                inner += printer.line(name, entry[key], entry, key)
        if "maintenance_flag" in entry:
            flag = f"if (-f {entry['maintenance_flag']}) {{ return 503; }}"
            inner += printer.statement(flag, printer.place(entry, "maintenance_flag").line)
            inner += printer.line("error_page 503", entry.get("maintenance_uri"), entry, "maintenance_uri")
        for line in printer.values(entry.get("additional")):
            inner += printer.raw(line, entry, "additional")
        known = (
            "name",
            "location",
            "websockets",
            "websocketsonly",
            "limit_methods",
            "server",
            "dynamic",
            "cache_validity",
        )
        printer.rest(
            entry, (*known, "read_timeout", "host_header", "maintenance_flag", "maintenance_uri", "additional")
        )
        return printer.block(f"location {entry.get('location') or '/'}", inner, entry, "location")


_OME_SITE_KEYS = (
    "ssl_certificate",
    "ssl_certificate_key",
    "ssl_certificate_source_path",
    "ssl_certificate_key_source_path",
    "404",
    "buffers",
    "set_header_host",
    "forward_scheme_header",
    "block_locations",
    "redirect_map_locations",
    "direct_locations",
    "backends",
    "additional_directives",
)
