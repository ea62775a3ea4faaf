# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The checked variables: those of the role, and their upstreams, sites and locations as the code reads them."""

from __future__ import annotations

import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables import addresses, values
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.errors import Errors
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.keys import mapping
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.role_variables import VARIABLES
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.upstream_keys import SERVER_PARAMETERS


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


class Location(_Return, Limits, total=False):  # pylint: disable=inherit-non-class
    """websockets_sites[].locations[]. Like all mappings here, it has all its keys once no error was noted, plain ones
    too, which nothing but keys.lines() reads.
    """

    at: str
    path: values.LocationPath
    upstream: str | None
    proxy_pass: addresses.Url | None
    root: str | None
    strip_prefix: bool
    websocket: bool | str
    headers: dict[str, str]
    resolver: tuple[str, ...] | None
    proxy_read_timeout: str | None
    proxy_buffer_size: str | None
    proxy_buffers: tuple[str, ...] | None
    proxy_ssl_verify: str | None
    proxy_ssl_trusted_certificate: str | None
    proxy_ssl_name: str | None
    probe: bool | ProbeOptions
    directives: tuple[str, ...]
    # Beside the operator's: the CAs of backends.
    trusted: str | None


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
    large_client_header_buffers: tuple[str, ...] | None
    headers: dict[str, str]
    access_log: tuple[str, ...] | None
    locations: tuple[Location, ...]
    directives: tuple[str, ...]
    # Beside the operator's: the variables whose look-up keeps $1 what the operator means by it, and the sites whose
    # requests begin at this one, for it is the default server of an address.
    captures: str
    default_of: tuple[Site, ...]


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


def has_http2(site: Site) -> bool:
    """Whether a site speaks HTTP/2: to nginx it is a matter of the whole site since 1.25.1, and so it is here."""
    return site.get("http2") == "on" or any(listen.http2 for listen in site.get("listen", ()))


def has_tls(site: Site) -> bool:
    return any(listen.ssl for listen in site.get("listen", ()))


def upstreams(value: object, path: str, errors: Errors) -> tuple[Upstream, ...]:
    return t.cast("tuple[Upstream, ...]", VARIABLES["websockets_upstreams"].check(value, path, errors) or ())


def server_parameters(value: object, path: str, errors: Errors) -> dict[str, t.Any]:
    """The variable websockets_server of a host: the parameters of a server, without its address."""
    return mapping(value, path, errors, SERVER_PARAMETERS)


def host_variables(names: t.Iterable[str], place: str, errors: Errors) -> None:
    """The variables of a backend: a slip in the one that is read would go unseen."""
    for name in names:
        if name.startswith("websockets_s") and name not in VARIABLES:
            errors.add(f"{place}, {name}", f"unknown variable{errors.suggestion(name, VARIABLES)}")


def variables(given: t.Mapping[str, t.Any], errors: Errors) -> dict[str, t.Any]:
    """All variables of the role in their completed form, None for those with an error."""
    for name in given:
        if name not in VARIABLES:
            errors.add(name, f"unknown variable{errors.suggestion(name, VARIABLES)}")
    return {
        name: key.completed_default
        if given.get(name, key.default) is None and key.default is None
        else key.check(given.get(name, key.default), name, errors)
        for name, key in VARIABLES.items()
    }
