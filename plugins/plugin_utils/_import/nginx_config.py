# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variables of the role nginxinc.nginx_config as the directives that its templates print.

They have three forms: since 0.5.0 a list of files, each with `config`, whose sections name the modules of nginx; before
that a list whose servers have their keys directly; and before that, as in the role nginxinc.nginx, mappings of names in
place of lists.
"""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.documents import (
    is_scalar,
    line_of,
    mapping,
    scalar,
)
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.templates import Printer
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.tree import Directive

# The sections, in the order in which the template prints them: what the names of their keys begin with as directives,
# and the keys for which that is not so.
_SECTIONS: dict[str, tuple[str, dict[str, str]]] = {
    "core": ("", {}),
    "ssl": (
        "ssl_",
        {"cert": "ssl_certificate", "key": "ssl_certificate_key", "trusted_cert": "ssl_trusted_certificate"},
    ),
    "proxy": ("proxy_", {}),
    "proxy_ssl": (
        "proxy_ssl_",
        {
            "cert": "proxy_ssl_certificate",
            "key": "proxy_ssl_certificate_key",
            "trusted_cert": "proxy_ssl_trusted_certificate",
        },
    ),
    "grpc": ("grpc_", {}),
    "grpc_global": ("grpc_", {}),
    "access": ("", {}),
    "auth_basic": ("auth_basic_", {"realm": "auth_basic"}),
    "auth_request": ("auth_request_", {"uri": "auth_request"}),
    "autoindex": ("autoindex_", {"enable": "autoindex"}),
    "gunzip": ("gunzip_", {"enable": "gunzip"}),
    "gzip": ("gzip_", {"enable": "gzip"}),
    "headers": ("", {"add_headers": "add_header", "add_trailers": "add_trailer"}),
    "limit_req": ("limit_req_", {"limit_reqs": "limit_req", "zones": "limit_req_zone"}),
    "log": ("", {"format": "log_format", "access": "access_log", "error": "error_log"}),
    "map": ("map_", {"mappings": "map"}),
    "mirror": ("mirror_", {"uri": "mirror"}),
    "realip": ("", {}),
    "rewrite": ("", {"rewrites": "rewrite", "log": "rewrite_log"}),
    "split_clients": ("", {}),
    "sub_filter": ("sub_filter_", {"sub_filters": "sub_filter"}),
}
# Keys of servers and locations before 0.5.0 that are no section, and not the directive of their own name.
_RENAMED = {
    "add_headers": "add_header",
    "allows": "allow",
    "denies": "deny",
    "rewrites": "rewrite",
    "include_files": "include",
    "html_file_location": "root",
    "html_file_name": "index",
    "auth_request_http": "auth_request",
    "auth_request_set_http": "auth_request_set",
}
_RAW = ("custom_directives", "custom_options")
_LOCATIONS = ("locations", "reverse_proxy", "web_server")
_QUIET = ("template_file", "conf_file_name", "conf_file_location", "deployment_location", "backup", "http_demo_conf")
_OF_PLUS = (
    "app_protect",
    "app_protect_waf",
    "app_protect_dos",
    "auth_jwt",
    "api",
    "health_check",
    "keyval",
    "health_check_plus",
)

# What a mapping prints: the names of its keys, with = behind as NAME=VALUE, with ! as a word alone if it is true.
_SHAPES = {
    "proxy_bind": "address transparent!",
    "proxy_buffers": "number size",
    "proxy_cookie_domain": "domain replacement",
    "proxy_cookie_flags": "cookie flag",
    "proxy_cookie_path": "path replacement",
    "proxy_redirect": "original replacement",
    "proxy_set_header": "field name value",
    "proxy_cache_path": "path levels= use_temp_path= keys_zone= inactive= max_size= min_free=",
    "proxy_cache_valid": "code time",
    "proxy_temp_path": "path",
    "proxy_store_access": "user group all",
    "grpc_bind": "address transparent!",
    "grpc_set_header": "field value",
    "large_client_header_buffers": "number size",
    "output_buffers": "number size",
    "gzip_buffers": "number size",
    "gunzip_buffers": "number size",
    "keepalive_timeout": "timeout header_timeout",
    "client_body_temp_path": "path",
    "disable_symlinks": "check from=",
    "error_page": "code response uri",
    "error_log": "file location level",
    "open_file_cache": "max= inactive=",
    "open_log_file_cache": "max= inactive= min_uses= valid=",
    "resolver": "address valid= ipv6= status_zone=",
    "try_files": "files uri code",
    "ssl_ocsp_cache": "name size",
    "auth_request_set": "name variable value",
    "access_log": "path location format name buffer= gzip= flush= if=",
    "log_format": "name escape= format",
    "add_header": "name value always!",
    "add_trailer": "name value always!",
    "expires": "modified! time",
    "return": "code text url",
    "rewrite": "regex replacement flag",
    "set": "variable value",
    "sub_filter": "string replacement",
    "types": "mime extensions",
    "zone": "name size",
    "hash": "key consistent!",
    "least_time": "response inflight!",
    "random": "two! method",
    "queue": "number timeout=",
    "sticky cookie": "name expires= domain= httponly! samesite= secure! path=",
    "limit_req_zone": "key zone= rate= sync!",
    "server": "address weight= max_conns= max_fails= fail_timeout= backup! down! resolve! route= service= slow_start= "
    "drain!",
    "listen": "address default_server! ssl! http2! spdy! proxy_protocol! setfib= fastopen= backlog= rcvbuf= sndbuf= "
    "deferred! bind! ipv6only= reuseport! so_keepalive= opts",
}
# One directive for each item of a list; the items of other lists are the words of one.
_REPEATED = {
    *(name for name, shape in _SHAPES.items() if " " in shape),
    "allow",
    "deny",
    "include",
    "mirror",
    "proxy_hide_header",
    "proxy_pass_header",
    "proxy_cache_bypass",
    "proxy_no_cache",
    "proxy_ssl_conf_command",
    "ssl_conf_command",
    "ssl_certificate",
    "ssl_certificate_key",
    "ssl_session_ticket_key",
    "sub_filter",
}
_WITH_COLONS = ("ssl_ciphers", "ssl_ecdh_curve", "proxy_ssl_ciphers")
# The template prints them for booleans alone, and nothing for "off".
_BOOLEANS = (
    "proxy_buffering",
    "proxy_request_buffering",
    "proxy_intercept_errors",
    "proxy_ssl_server_name",
    "proxy_ssl_verify",
    "proxy_socket_keepalive",
)
_PRINTED_ANYWAY = ("ip_hash", "least_conn")


class NginxConfig:
    def __init__(self, printer: Printer) -> None:
        self._printer = printer

    def directives(self, variables: Mapping[t.Any, t.Any], name: str) -> list[Directive]:
        found = []
        for file in self._printer.mappings(variables, name):
            for key in file:
                if key not in (*_QUIET, "config") and "config" in file:
                    self._printer.notes.add("left out", self._printer.place(file, key), f"{key} has no translation")
            found += self._http(mapping(file["config"]) if "config" in file else file)
        return found

    def _http(self, config: Mapping[t.Any, t.Any]) -> list[Directive]:
        upstreams = [self._upstream(each) for each in self._printer.mappings(config, "upstreams")]
        inner = self._body(config, ("upstreams", "servers"))
        return [*upstreams, *inner, *(self._server(each) for each in self._printer.mappings(config, "servers"))]

    def _server(self, server: Mapping[t.Any, t.Any]) -> Directive:
        inner = self._body(server, ("https_redirect", *_LOCATIONS))
        if server.get("https_redirect"):
            to = f"301 https://{scalar(server['https_redirect'])}$request_uri"
            inner += self._printer.line("return", to, server, "https_redirect")
        for key in _LOCATIONS:
            within = mapping(server.get(key)) if key != "locations" else server
            inner += [self._location(each) for each in self._printer.mappings(within, "locations")]
        return self._printer.block("server", inner, server)

    def _location(self, location: Mapping[t.Any, t.Any]) -> Directive:
        inner = self._body(location, ("location", "websocket"))
        if location.get("websocket"):
            upgrade = 'proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "Upgrade";'
            inner += self._printer.statement(upgrade, self._printer.place(location, "websocket").line)
        head = f"location {scalar(location.get('location')) or '/'}"
        return self._printer.block(head, inner, location, "location")

    def _upstream(self, upstream: Mapping[t.Any, t.Any]) -> Directive:
        printer = self._printer
        inner: list[Directive] = []
        for name in _PRINTED_ANYWAY:
            if name in upstream:
                inner += printer.statement(name, printer.place(upstream, name).line)
                if upstream[name] is False:
                    printer.notes.add(
                        "question",
                        printer.place(upstream, name),
                        f"{name}: false has the role print {name} all the same: should it be there? It is taken",
                    )
        if upstream.get("lb_method"):
            inner += printer.raw(upstream["lb_method"], upstream, "lb_method")
        for name in ("hash", "least_time", "random"):
            if upstream.get(name):
                inner += self._directive(name, upstream[name], upstream, name)
        if upstream.get("zone_name"):
            inner += printer.line(
                "zone", f"{upstream['zone_name']} {scalar(upstream.get('zone_size'))}", upstream, "zone_name"
            )
        sticky = upstream.get("sticky_cookie")
        if sticky is True:
            sticky = {"name": "srv_id", "expires": "1h", "path": "/"}
        if sticky:
            inner += self._directive("sticky cookie", sticky, upstream, "sticky_cookie")
        if upstream.get("sticky_route"):
            route = " ".join(map(scalar, printer.values(upstream["sticky_route"])))
            inner += printer.line("sticky route", route, upstream, "sticky_route")
        for server in printer.mappings(upstream, "servers"):
            inner += self._upstream_server(server)
        known = (
            *_PRINTED_ANYWAY,
            "lb_method",
            "hash",
            "least_time",
            "random",
            "zone_name",
            "zone_size",
            "sticky_cookie",
        )
        inner += self._body(upstream, (*known, "sticky_route", "name", "servers"))
        return printer.block(f"upstream {scalar(upstream.get('name'))}", inner, upstream, "name")

    def _upstream_server(self, server: Mapping[t.Any, t.Any]) -> list[Directive]:
        port = f":{scalar(server['port'])}" if server.get("port") else ""
        words = [f"{scalar(server.get('address'))}{port}", *self._words("server", server)[1:]]
        # Before 0.5.0: the parameters of passive health checks, as nginx has them.
        words.append(scalar(server.get("health_check")))
        self._printer.rest(server, (*_keys("server"), "port", "health_check"))
        return self._printer.line("server", " ".join(filter(None, words)), server, "address")

    def _body(self, config: Mapping[t.Any, t.Any], known: tuple[str, ...]) -> list[Directive]:
        """The directives of a block: its sections in the template's order, then what else there is."""
        printer = self._printer
        found = []
        sections = [name for name in _SECTIONS if isinstance(config.get(name), Mapping)]
        for name in sections:
            found += self._section(name, config)
        for key in config:
            if key in sections or key in known or key in _QUIET:
                continue
            value = config[key]
            if key in _RAW:
                for at, line in enumerate(printer.values(value)):
                    found += printer.raw(
                        line, value if isinstance(value, list) else config, at if value is not line else key
                    )
            elif key in _OF_PLUS or not isinstance(key, str):
                printer.notes.add("left out", printer.place(config, key), f"{key} is of NGINX Plus or another product")
            elif key == "stub_status":
                found += printer.statement("stub_status", printer.place(config, key).line) if value is True else []
            elif key == "returns":
                for each in mapping(value).values():
                    found += self._directive("return", each, config, key)
            elif value is not None:
                found += self._directive(_RENAMED.get(key, key), value, config, key)
        return found

    def _section(self, name: str, config: Mapping[t.Any, t.Any]) -> list[Directive]:
        section = mapping(config[name])
        if name == "split_clients":
            return self._directive(name, section, config, name)
        start, others = _SECTIONS[name]
        found = []
        for key, value in section.items():
            directive = others.get(str(key), f"{start}{key}")
            if name == "auth_request" and key == "set":
                directive = "auth_request_set"
            if value is not None:
                found += self._directive(directive, value, section, key)
        return found

    def _directive(self, name: str, value: t.Any, container: object, key: object) -> list[Directive]:
        """What the template prints for one key."""
        printer = self._printer
        if name in ("map", "split_clients", "types", "limit_except"):
            return self._table(name, value, container, key)
        if name == "internal":
            return printer.statement("internal", printer.place(container, key).line) if value is True else []
        if name == "proxy_http_version" and isinstance(value, float):
            printer.notes.add(
                "corrected",
                printer.place(container, key),
                f"http_version {value} is a number, which nginxinc.nginx_config leaves out without a word; it is taken",
            )
        if name in _BOOLEANS and isinstance(value, str) and "{{" not in value:
            printer.notes.add(
                "corrected",
                printer.place(container, key),
                f"{key}: '{value}' is no boolean, which nginxinc.nginx_config leaves out without a word; it is taken",
            )
        if isinstance(value, Mapping) and value and all(isinstance(each, Mapping) for each in value.values()):
            value = list(value.values())
            if name == "ssl_session_cache":
                return self._session_cache(mapping(container)[key], container, key)
        if isinstance(value, list) and (name in _REPEATED or any(not is_scalar(each) for each in value)):
            return [one for at, each in enumerate(value) for one in self._one(name, each, value, at)]
        return self._one(name, value, container, key)

    def _one(self, name: str, value: t.Any, container: object, key: object) -> list[Directive]:
        printer = self._printer
        if isinstance(value, list):
            value = (":" if name in _WITH_COLONS else " ").join(map(scalar, value))
        if isinstance(value, Mapping):
            if name not in _SHAPES and name != "limit_req":
                printer.notes.add("question", printer.place(container, key), f"{key}: what does this mapping mean?")
                return []
            words = self._limit_req(value) if name == "limit_req" else self._words(name, value)
            if line_of(value):
                container, key = value, None
            value = " ".join(filter(None, words))
        return printer.line(name, value, container, key)

    def _words(self, name: str, value: Mapping[t.Any, t.Any]) -> list[str]:
        """The words of a mapping, as its shape has them."""
        words = []
        for part in _SHAPES[name].split():
            key = part.rstrip("=!")
            inner = value.get(key)
            if inner is None and not (name == "listen" and key == "address"):
                continue
            if part.endswith("!"):
                words += [key] if inner is True else []
            elif part.endswith("="):
                zone = ":".join(map(scalar, inner.values())) if isinstance(inner, Mapping) else scalar(inner)
                words.append(f"{key}={zone}")
            elif name == "listen" and key == "address":
                words.append(self._address(value))
            elif name in ("add_header", "add_trailer") and key == "value":
                words.append(_header_value(scalar(inner)))
            else:
                words.append(" ".join(map(scalar, self._printer.values(inner))))
        if name == "limit_req_zone":
            words.insert(1, f"zone={scalar(value.get('name'))}:{scalar(value.get('size'))}")
        known = {*_keys(name), "name", "size"} if name == "limit_req_zone" else {*_keys(name)}
        known |= {"port", "ip"} if name == "listen" else set()
        self._printer.rest(value, known if name != "server" else [str(key) for key in value])
        return words

    @staticmethod
    def _address(listen: Mapping[t.Any, t.Any]) -> str:
        address = scalar(listen.get("address", listen.get("ip")))
        port = scalar(listen.get("port"))
        return f"{address}:{port}" if address and port else address or port

    @staticmethod
    def _limit_req(value: Mapping[t.Any, t.Any]) -> list[str]:
        words = [f"{key}={scalar(value[key])}" for key in ("zone", "burst") if key in value]
        if "delay" in value:
            words.append(f"delay={scalar(value['delay'])}" if value["delay"] else "nodelay")
        return words

    def _session_cache(self, value: object, container: object, key: object) -> list[Directive]:
        words = []
        builtin, shared = mapping(mapping(value).get("builtin")), mapping(mapping(value).get("shared"))
        if builtin.get("enable") is True:
            words.append(":".join(filter(None, ("builtin", scalar(builtin.get("size"))))))
        if shared:
            words.append(f"shared:{scalar(shared.get('name'))}:{scalar(shared.get('size'))}")
        return self._printer.line("ssl_session_cache", " ".join(words), container, key)

    def _table(self, name: str, value: object, container: object, key: object) -> list[Directive]:
        """A block of lines: map, split_clients, types or limit_except."""
        printer = self._printer
        found = []
        tables = value if isinstance(value, list) and name != "types" else [value]
        for table in map(mapping, tables):
            content = table.get("content") if name in ("map", "split_clients") else table.get("directive", value)
            names = {"map": "value new_value", "split_clients": "percentage value", "types": "mime extensions"}.get(
                name
            )
            lines = []
            for each in printer.values(content):
                if names and isinstance(each, Mapping):
                    words = [" ".join(map(scalar, printer.values(each.get(part)))) for part in names.split()]
                    lines += printer.line(words[0] or "''", " ".join(words[1:]) or "''", each, None)
                elif is_scalar(each):
                    lines += printer.raw(each, table, "directive")
            for flag in ("hostnames", "volatile"):
                lines += printer.statement(flag, printer.place(table, flag).line) if table.get(flag) is True else []
            head = {
                "map": f"map {scalar(table.get('string'))} {scalar(table.get('variable'))}",
                "split_clients": f"split_clients {scalar(table.get('string'))} {scalar(table.get('variable'))}",
                "limit_except": f"limit_except {' '.join(map(scalar, printer.values(table.get('method'))))}",
            }.get(name, name)
            found.append(printer.block(head, lines, container, key))
        return found


def _keys(name: str) -> list[str]:
    return [part.rstrip("=!") for part in _SHAPES[name].split()]


def _header_value(value: str) -> str:
    """Before 0.5.0 the template had the quotes; since then they are in the value."""
    return value if value.startswith(('"', "'")) or not any(char in value for char in " ;") else f'"{value}"'
