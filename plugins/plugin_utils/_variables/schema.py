# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The language of the variables: which keys an upstream, a site and a location have, and what each defaults to."""

from __future__ import annotations

import types
import typing as t
from dataclasses import dataclass

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables import addresses, raw_directives, values
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.errors import (
    Errors,
    described,
    did_you_mean,
    kind,
    member,
)

_NOTHING: t.Mapping[str, str] = types.MappingProxyType({})


class ProbeOptions(t.TypedDict, total=False):
    """websockets_sites[].locations[].probe."""

    path: str | None
    origin: str | None
    subprotocol: str | None
    headers: dict[str, str]
    message: str | None
    expect: str | None
    ssl_certificate: str | None
    ssl_certificate_key: str | None


class Limits(t.TypedDict, total=False):
    """What a site says of the clients of its WebSockets, and a location for itself."""

    allowed_origins: tuple[str, ...] | None
    allow_missing_origin: bool | None
    limit_conn_per_client: int | None
    limit_handshakes_per_client: values.Rate | None
    limit_dry_run: bool | None


_Return = t.TypedDict("_Return", {"return": t.Optional[values.Return]}, total=False)


class Location(_Return, Limits, total=False):
    """websockets_sites[].locations[]. Like all objects here, it has all its keys once no error was noted."""

    at: str
    path: values.LocationPath
    upstream: str | None
    proxy_pass: addresses.Url | None
    root: str | None
    strip_prefix: bool
    websocket: bool | str
    headers: dict[str, str]
    client_max_body_size: str | None
    resolver: tuple[str, ...] | None
    proxy_connect_timeout: str | None
    proxy_send_timeout: str | None
    proxy_read_timeout: str | None
    proxy_buffering: str | None
    proxy_buffer_size: str | None
    proxy_buffers: str | None
    proxy_request_buffering: str | None
    proxy_ssl_verify: str | None
    proxy_ssl_trusted_certificate: str | None
    proxy_ssl_name: str | None
    probe: bool | ProbeOptions
    directives: tuple[str, ...]


class Site(Limits, total=False):
    """websockets_sites[]."""

    at: str
    server_name: tuple[str, ...]
    listen: tuple[addresses.Listen, ...]
    http2: str | None
    ssl_certificate: values.Certificate | None
    ssl_certificate_key: values.Certificate | None
    ssl_policy: str
    ssl_buffer_size: str
    ssl_client_certificate: str | None
    ssl_verify_client: str | None
    redirect_http: bool
    hsts: str | None
    set_real_ip_from: tuple[str, ...] | None
    real_ip_header: str | None
    client_header_timeout: str
    large_client_header_buffers: str | None
    headers: dict[str, str]
    access_log: tuple[str, ...] | None
    locations: tuple[Location, ...]
    directives: tuple[str, ...]
    # Beside the operator's: the variables whose look-up keeps $1 what the operator means by it.
    captures: str


class Upstream(t.TypedDict, total=False):
    """websockets_upstreams[], without the hosts of its group."""

    at: str
    name: str
    balance: tuple[str, ...]
    servers: tuple[dict[str, t.Any], ...]
    group: str | None
    port: int | str | None
    address: str | None
    zone: values.Zone | None
    keepalive: int
    resolver: tuple[str, ...] | None
    directives: tuple[str, ...]


@dataclass(frozen=True)
class Key:
    """A key's check, and its default; a key without one is required."""

    check: t.Callable[[t.Any, str, Errors], t.Any]
    default: t.Any = ...


def has_http2(site: Site) -> bool:
    """Whether a site speaks HTTP/2: to nginx it is a matter of the whole site since 1.25.1, and so it is here."""
    return site.get("http2") == "on" or any(listen.http2 for listen in site.get("listen", ()))


def has_tls(site: Site) -> bool:
    return any(listen.ssl for listen in site.get("listen", ()))


def upstreams(value: object, path: str, errors: Errors) -> tuple[Upstream, ...]:
    return t.cast("tuple[Upstream, ...]", _objects(value, path, errors, _upstream) or ())


def sites(value: object, path: str, errors: Errors) -> tuple[Site, ...]:
    return t.cast("tuple[Site, ...]", _objects(value, path, errors, _site) or ())


def server_parameters(value: object, path: str, errors: Errors) -> dict[str, t.Any]:
    """The variable websockets_server of a host: the parameters of a server, without its address."""
    return _object(value, path, errors, SERVER_PARAMETERS)


def host_variables(names: t.Iterable[str], place: str, errors: Errors) -> None:
    """The variables of a backend: a slip in the one that is read would go unseen."""
    for name in names:
        if name.startswith("websockets_s") and name not in VARIABLES:
            errors.add(f"{place}, {name}", f"is not a variable known here{did_you_mean(name, VARIABLES)}")


def variables(given: t.Mapping[str, t.Any], errors: Errors) -> dict[str, t.Any]:
    """All variables of the role, with the defaults of those that are not given."""
    for name in given:
        if name not in VARIABLES:
            errors.add(name, f"is not a variable of the role{did_you_mean(name, VARIABLES)}")
    completed = {**VARIABLES, **given}
    for name, check in _SCALARS.items():
        completed[name] = check(completed[name], name, errors)
    for name, check in _OPTIONAL.items():
        if completed[name] is not None:
            completed[name] = check(completed[name], name, errors)
    address = completed["websockets_verify_address"]
    if address is not None and address is not False:
        addresses.host(address, "websockets_verify_address", errors)
    server_parameters(completed["websockets_server"], "websockets_server", errors)
    return completed


def _objects(
    value: object, path: str, errors: Errors, check: t.Callable[[object, str, Errors], dict[str, t.Any]]
) -> tuple[dict[str, t.Any], ...] | None:
    if not isinstance(value, list):
        errors.add(path, f"must be a list, not {described(value)}")
        return None
    return tuple(check(item, f"{path}[{index}]", errors) for index, item in enumerate(value))


def _object(
    value: object, path: str, errors: Errors, keys: t.Mapping[str, Key], owned: t.Mapping[str, str] = _NOTHING
) -> dict[str, t.Any]:
    """The sound keys of an object, so that one error in it hides no other; the invalid ones are noted and left out."""
    fields: dict[str, t.Any] = {"at": path}
    if not isinstance(value, t.Mapping):
        errors.add(path, f"must be a mapping, not {described(value)}")
        return fields
    for name in value:
        if name not in keys:
            errors.add(member(path, name), f"is not a key known here{_hint(name, keys, owned)}")
    for name, key in keys.items():
        if name in value:
            completed = key.check(value[name], f"{path}.{name}", errors)
            if completed is not None:
                fields[name] = completed
        elif key.default is ...:
            errors.add(path, f"needs the key '{name}'")
        else:
            fields[name] = key.default
    return fields


def _hint(name: object, keys: t.Mapping[str, Key], owned: t.Mapping[str, str]) -> str:
    if name in owned:
        return f": {owned[str(name)]}"
    near = did_you_mean(str(name), keys)
    return near if near or "directives" not in keys else ": what has no key goes into 'directives'"


def _upstream(value: object, path: str, errors: Errors) -> dict[str, t.Any]:
    return _object(value, path, errors, UPSTREAM, raw_directives.UPSTREAM)


def _site(value: object, path: str, errors: Errors) -> dict[str, t.Any]:
    return _object(value, path, errors, SITE, raw_directives.SITE)


def _location(value: object, path: str, errors: Errors) -> dict[str, t.Any]:
    location = _object(value, path, errors, LOCATION, raw_directives.LOCATION)
    if not isinstance(value, t.Mapping):
        return location
    actions = [key for key in ("upstream", "proxy_pass", "root", "return") if key in value]
    if not actions:
        errors.add(path, "needs one of the keys upstream, proxy_pass, root and return")
    if len(actions) > 1:
        errors.add(path, f"has {' and '.join(actions)}: a location does one of them")
    proxied = not actions or "upstream" in actions or "proxy_pass" in actions
    for key in value:
        if key in _PROXIED and not proxied:
            errors.add(f"{path}.{key}", f"goes with upstream or proxy_pass, not with {actions[0]}")
    if "websocket" not in value:
        location["websocket"] = proxied
    return location


def _locations(value: object, path: str, errors: Errors) -> tuple[dict[str, t.Any], ...] | None:
    if isinstance(value, list) and not value:
        errors.add(path, "is empty: a site needs at least one location")
    return _objects(value, path, errors, _location)


def _server(value: object, path: str, errors: Errors) -> dict[str, t.Any]:
    """A server: its address alone, or a mapping with parameters."""
    if isinstance(value, t.Mapping):
        return _object(value, path, errors, SERVER)
    if not isinstance(value, str):
        errors.add(path, f"must be an address or a mapping, not {described(value)}")
        return {"at": path}
    address = addresses.server(value, path, errors)
    return {**_object({}, path, errors, SERVER_PARAMETERS), **({"address": address} if address else {})}


def _servers(value: object, path: str, errors: Errors) -> tuple[dict[str, t.Any], ...] | None:
    return _objects(value, path, errors, _server)


def _probe(value: object, path: str, errors: Errors) -> bool | dict[str, t.Any] | None:
    if isinstance(value, bool):
        return value
    if not isinstance(value, t.Mapping):
        # Not shown, for it may be a secret that slipped in here.
        errors.add(path, f"must be false or a mapping, not {kind(value)}")
        return None
    return _object(value, path, errors, PROBE)


def _headers(
    check: t.Callable[[object, str, Errors], str | None], refused: t.Collection[str], why: str
) -> t.Callable[[object, str, Errors], dict[str, str] | None]:
    """The check of headers, given that of their values, and those that are not to be set."""

    def headers(value: object, path: str, errors: Errors) -> dict[str, str] | None:
        if not isinstance(value, t.Mapping):
            errors.add(path, f"must be a mapping, not {kind(value)}")
            return None
        found: dict[str, str] = {}
        for name, item in value.items():
            # A name that is none may be a secret in the wrong place.
            if not values.is_header_name(name):
                errors.add(path, "has a key that is no header's name: up to 46 letters, digits, '-' and '_'")
                continue
            checked = check(item, f"{path}.{name}", errors)
            if name.lower() in refused:
                errors.add(f"{path}.{name}", f"is not to be set: {why}")
            if name.lower() in map(str.lower, found):
                errors.add(f"{path}.{name}", "is there already: the case of a header's name makes no difference")
            if checked is not None:
                found[str(name)] = checked
        return found

    return headers


_OWN_HEADERS = ("connection", "upgrade", "content-length", "transfer-encoding")
_OWN_PROBE_HEADERS = (
    *_OWN_HEADERS,
    *("origin", "sec-websocket-key", "sec-websocket-version", "sec-websocket-protocol", "sec-websocket-extensions"),
)

VARIABLES: dict[str, t.Any] = {
    "websockets_state": "present",
    "websockets_directives": [],
    "websockets_upstreams": [],
    "websockets_sites": [],
    "websockets_server": {},
    "websockets_status_listen": "127.0.0.1:6455",
    "websockets_config_path": "/etc/nginx/conf.d/00-websockets.conf",
    "websockets_nginx_version": None,
    "websockets_openssl_version": None,
    "websockets_render_dir": None,
    "websockets_report": None,
    "websockets_verify_address": None,
    "websockets_probe_policy": "rollback",
    "websockets_serial": [1, "10%", "25%"],
    "websockets_health_path": None,
    "websockets_health_wait": "0s",
    "websockets_drain": [],
    "websockets_undrain": [],
    "websockets_drain_timeout": "10m",
    "websockets_capacity": 4096,
    "websockets_worker_shutdown_timeout": "1h",
    "websockets_manage_nginx_conf": True,
    "websockets_manage_service": True,
}

# Variables of one value each; what has its own place is checked there.
_SCALARS: dict[str, t.Callable[[object, str, Errors], t.Any]] = {
    "websockets_state": values.state,
    "websockets_directives": raw_directives.snippet(raw_directives.HTTP),
    "websockets_config_path": values.absolute_path,
    "websockets_probe_policy": values.probe_policy,
    "websockets_openssl_version": values.openssl_version,
    "websockets_serial": values.serial,
    "websockets_health_wait": values.seconds,
    "websockets_drain": values.machines,
    "websockets_undrain": values.machines,
    "websockets_drain_timeout": values.seconds,
    "websockets_capacity": values.capacity,
    "websockets_worker_shutdown_timeout": values.milliseconds,
    "websockets_manage_nginx_conf": values.boolean,
    "websockets_manage_service": values.boolean,
}

_OPTIONAL: dict[str, t.Callable[[object, str, Errors], t.Any]] = {
    "websockets_render_dir": values.directory,
    "websockets_report": values.directory,
    "websockets_health_path": values.health_path,
}

SERVER_PARAMETERS = {
    "weight": Key(values.positive, default=None),
    "max_fails": Key(values.count, default=None),
    "fail_timeout": Key(values.seconds, default=None),
    "max_conns": Key(values.count, default=None),
    "backup": Key(values.boolean, default=False),
    "down": Key(values.boolean, default=False),
    "resolve": Key(values.boolean, default=False),
    "route": Key(values.route, default=None),
    "drain": Key(values.boolean, default=False),
}

SERVER = {"address": Key(addresses.server), **SERVER_PARAMETERS}

UPSTREAM = {
    "name": Key(values.upstream_name),
    "servers": Key(_servers, default=()),
    "group": Key(values.text, default=None),
    "port": Key(values.port_or_variable, default=None),
    "address": Key(values.variable_name, default=None),
    # Sockets live for hours: by turns, an upstream never evens out again after one server was away.
    "balance": Key(values.balance, default=("least_conn",)),
    "zone": Key(values.zone, default=None),
    # nginx's own default was 0 before 1.29.7, and has been 32 since.
    "keepalive": Key(values.connections, default=32),
    "resolver": Key(addresses.resolver, default=None),
    "directives": Key(raw_directives.snippet(raw_directives.UPSTREAM), default=()),
}

# A location's own take the place of its site's.
_LIMITS = {
    "allowed_origins": Key(values.allowed_origins, default=None),
    "allow_missing_origin": Key(values.boolean, default=None),
    "limit_conn_per_client": Key(values.connections, default=None),
    "limit_handshakes_per_client": Key(values.rate, default=None),
    "limit_dry_run": Key(values.boolean, default=None),
}

# nginx reads variables in their values.
_REQUEST_HEADERS = Key(
    _headers(values.line, _OWN_HEADERS, "nginx frames the request, and passes on WebSockets alone"), default={}
)

SITE = {
    "server_name": Key(values.server_names),
    "listen": Key(addresses.listens),
    "http2": Key(values.on_off, default=None),
    "ssl_certificate": Key(values.certificate, default=None),
    "ssl_certificate_key": Key(values.private_key, default=None),
    "ssl_policy": Key(values.ssl_policy, default="intermediate"),
    # A WebSocket keeps one as long as it lives, and uses it for its handshake alone. Measured: docs/data-path.md.
    "ssl_buffer_size": Key(values.size, default="4k"),
    "ssl_client_certificate": Key(values.certificate_path, default=None),
    "ssl_verify_client": Key(values.ssl_verify_client, default=None),
    "redirect_http": Key(values.boolean, default=False),
    "hsts": Key(values.hsts, default=None),
    "set_real_ip_from": Key(addresses.balancers, default=None),
    "real_ip_header": Key(values.header_name, default=None),
    **_LIMITS,
    # A client that takes its time holds a connection: nginx's own 60s let a few of them hold many.
    "client_header_timeout": Key(values.milliseconds, default="10s"),
    "large_client_header_buffers": Key(values.buffers, default=None),
    "headers": _REQUEST_HEADERS,
    "access_log": Key(values.access_log, default=None),
    "locations": Key(_locations),
    "directives": Key(raw_directives.snippet(raw_directives.SITE), default=()),
}

_PROXIED = {
    "strip_prefix": Key(values.boolean, default=False),
    "websocket": Key(values.websocket, default=None),
    "resolver": Key(addresses.resolver, default=None),
    "headers": _REQUEST_HEADERS,
    "proxy_connect_timeout": Key(values.milliseconds, default=None),
    "proxy_send_timeout": Key(values.milliseconds, default=None),
    "proxy_read_timeout": Key(values.milliseconds, default=None),
    "proxy_buffering": Key(values.on_off, default=None),
    "proxy_buffer_size": Key(values.size, default=None),
    "proxy_buffers": Key(values.buffers, default=None),
    "proxy_request_buffering": Key(values.on_off, default=None),
    "proxy_ssl_verify": Key(values.on_off, default=None),
    "proxy_ssl_trusted_certificate": Key(values.certificate_path, default=None),
    "proxy_ssl_name": Key(values.host_name, default=None),
    **_LIMITS,
}

LOCATION = {
    "path": Key(values.location_path),
    "upstream": Key(values.upstream_name, default=None),
    "proxy_pass": Key(addresses.url, default=None),
    "root": Key(values.absolute_path, default=None),
    "return": Key(values.returned, default=None),
    **_PROXIED,
    "client_max_body_size": Key(values.large_size, default=None),
    "probe": Key(_probe, default=True),
    "directives": Key(raw_directives.snippet(raw_directives.LOCATION), default=()),
}

PROBE = {
    "path": Key(values.request_path, default=None),
    "origin": Key(values.origin, default=None),
    "subprotocol": Key(values.subprotocol, default=None),
    # They may hold a token, so no message shows their values.
    "headers": Key(_headers(values.secret, _OWN_PROBE_HEADERS, "it is the handshake's own, or has a key"), default={}),
    "message": Key(values.block, default=None),
    "expect": Key(values.block, default=None),
    "ssl_certificate": Key(values.certificate_path, default=None),
    "ssl_certificate_key": Key(values.certificate_path, default=None),
}
