# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What must fit together: values that are sound alone, and impossible or senseless side by side."""

from __future__ import annotations

import typing as t

from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx.times import seconds_of
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._config import tls
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables import (
    addresses,
    nginx_syntax,
    raw_directives,
    values,
)
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.addresses import Address, Listen
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.errors import Errors, repeated, shown
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.schema import (
    Limits,
    Location,
    Site,
    Upstream,
    has_http2,
    has_tls,
)
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.upstream_servers import (
    METHODS_WITHOUT_BACKUP,
    Server,
)

# By default the kernel lets root alone listen on a lower one.
_FIRST_UNPRIVILEGED = 1024
_LEAST_PROBE_INTERVAL = 5


def check_upstreams(upstreams: t.Sequence[Upstream], errors: Errors) -> None:
    names: dict[str, str] = {}
    zones: dict[str, str] = {}
    for upstream in upstreams:
        if "name" not in upstream:
            continue
        at, name, zone = upstream["at"], upstream["name"], upstream.get("zone")
        # To nginx the case of an upstream's name makes no difference, and that of a zone's name does.
        first = names.setdefault(name.lower(), at)
        if first != at:
            errors.add(f"{at}.name", f"{shown(name)} is already the name of {first}")
            continue
        zone_name = (zone and zone.name) or name
        first = zones.setdefault(zone_name, at)
        if first != at:
            errors.add(f"{at}.zone" if zone else at, f"{shown(zone_name)} is already the zone of {first}")


def check_upstream(upstream: Upstream, servers: t.Sequence[Server], errors: Errors) -> None:
    method = upstream.get("balance", ("",))[0]
    for server in servers:
        if server.parameters.get("backup") and method in METHODS_WITHOUT_BACKUP:
            errors.add(f"{server.parameters['at']}.backup", f"not valid with balance: {method}")
        if server.parameters.get("resolve") and (server.address.unix or not addresses.is_name(server.address.host)):
            errors.add(f"{server.parameters['at']}.resolve", f"{server.address} is not a host name")
    if servers and all(server.parameters.get("backup") for server in servers):
        errors.add(upstream["at"], "all servers are backup; nginx requires one that is not")
    resolves = any(server.parameters.get("resolve") for server in servers)
    if resolves and upstream.get("resolver", ()) is None:
        errors.add(upstream["at"], "missing required key 'resolver': a server has resolve: true")
    if servers and upstream.get("resolver") and not resolves:
        errors.add(f"{upstream['at']}.resolver", "requires a server with resolve: true")


def check_sites(sites: t.Sequence[Site], redirects: t.Sequence[Site], status: Address | None, errors: Errors) -> None:
    _check_names([*sites, *redirects], errors)
    _check_sockets([*sites, *redirects], errors)
    _check_unnamed(sites, errors)
    for site in [*sites, *redirects]:
        for listen in site.get("listen", ()):
            if status and listen.address.port == status.port:
                errors.add(
                    f"{site['at']}.listen",
                    f"{listen.address} conflicts with websockets_status_listen, which has the same port",
                )
    for site in sites:
        _check_tls(site, errors)
        _check_balancers(site, errors)
        _check_listed_once(site, errors)
        _check_http2(site, errors)
        _check_paths(site, errors)


def _check_names(sites: t.Sequence[Site], errors: Errors) -> None:
    """nginx itself only warns of a name used twice on one address, and serves the first site alone."""
    names: dict[tuple[Address, str], str] = {}
    defaults: dict[Address, str] = {}
    for site in sites:
        # What a site itself lists twice is another check's.
        for listen in {listen.address.canonical: listen for listen in site.get("listen", ())}.values():
            address = listen.address.canonical
            for name in {_forms(name): name for name in site.get("server_name", ())}.values():
                firsts = {names.setdefault((address, form), site["at"]) for form in _forms(name)} - {site["at"]}
                if firsts:
                    errors.add(site["at"], f"{shown(name)} on {listen.address} is already served by {min(firsts)}")
            if listen.default_server and defaults.setdefault(address, site["at"]) != site["at"]:
                first = defaults[address]
                errors.add(f"{site['at']}.listen", f"{first} is already the default server of {listen.address}")


def _forms(name: str) -> tuple[str, ...]:
    """What a server name stands for: .domain is short for the domain and *.domain."""
    if name.startswith("~"):
        return (name,)
    name = name.lower()
    return (name[1:], f"*{name}") if name.startswith(".") else (name,)


def _check_sockets(sites: t.Sequence[Site], errors: Errors) -> None:
    """Sites on one address share its socket: one says its options, and all of them or none speak TLS."""
    firsts: dict[Address, tuple[Listen, Site]] = {}
    owners: dict[Address, str] = {}
    ipv4: dict[int, list[str]] = {}
    for site in sites:
        for address in (listen.address for listen in site.get("listen", ()) if not listen.address.is_ipv6):
            ipv4.setdefault(address.port, []).append(f"{address} of {site['at']}.listen")
    for site in sites:
        for listen in site.get("listen", ()):
            place, address = f"{site['at']}.listen", listen.address.canonical
            first, first_site = firsts.setdefault(address, (listen, site))
            for flag in ("ssl", "proxy_protocol"):
                has, had = getattr(listen, flag), getattr(first, flag)
                if has != had:
                    said, before = (flag, f"no {flag}") if has else (f"no {flag}", flag)
                    errors.add(place, f"{listen.address} has {said}, but {before} in {first_site['at']}.listen")
            if not listen.ssl or not first.ssl:
                pass
            elif has_http2(site) != has_http2(first_site):
                # Before 1.25.1 one site speaks for all on its address, and since then each for itself.
                said, before = ("http2", "no http2") if has_http2(site) else ("no http2", "http2")
                errors.add(place, f"{listen.address} has {said}, but {before} in {first_site['at']}")
            elif site.get("ssl_policy") != first_site.get("ssl_policy"):
                # The version of TLS is chosen before the name is known, by the default server (nginx before 1.29.2).
                said, before = f"ssl_policy {site.get('ssl_policy')}", str(first_site.get("ssl_policy"))
                errors.add(place, f"{listen.address} has {said}, but {before} in {first_site['at']}")
            if listen.options and owners.setdefault(address, place) != place:
                errors.add(place, f"the options of {listen.address} are already given in {owners[address]}")
            if "ipv6only=off" in listen.options and address.host == "::":
                for taken in ipv4.get(address.port, ()):
                    errors.add(place, f"{listen.address} with ipv6only=off conflicts with {taken}")


def _check_unnamed(sites: t.Sequence[Site], errors: Errors) -> None:
    """Clients name no IP address in a TLS handshake (RFC 6066 section 3), so all sites that an address is reached for
    by one have one certificate.
    """
    groups: dict[Address, list[tuple[Site, Listen]]] = {}
    for site in sites:
        for address, listen in {listen.address.canonical: listen for listen in site.get("listen", ())}.items():
            if listen.ssl:
                groups.setdefault(address, []).append((site, listen))
    for group in groups.values():
        reached = [member for member in group if tls.is_of_an_address(member[0])]
        for site, listen in reached[1:]:
            first = reached[0][0]
            # Of a text nothing is known here but that it is one.
            if site.get("ssl_certificate") and site.get("ssl_certificate") != first.get("ssl_certificate"):
                why = "clients send no SNI for an IP address, and would get the first one"
                errors.add(
                    f"{site['at']}.ssl_certificate", f"differs from that of {first['at']} on {listen.address}: {why}"
                )
        _check_client_certificates(group, reached[:1], errors)


def _check_client_certificates(
    group: t.Sequence[tuple[Site, Listen]], reached: t.Sequence[tuple[Site, Listen]], errors: Errors
) -> None:
    """Who names no site in the handshake is asked for the certificates of one, and nginx then serves any of them."""
    any_name = [(site, listen) for site, listen in group if "_" in site.get("server_name", ()) or listen.default_server]
    for first, _listen in (any_name or reached)[:1]:
        for site, listen in group:
            has, had = site.get("ssl_client_certificate"), first.get("ssl_client_certificate")
            if not has or has == had:
                continue
            said = f"differs from that of {first['at']} on {listen.address}"
            if had:
                why = "clients with one of those could connect here without SNI"
                errors.add(f"{site['at']}.ssl_client_certificate", f"{said}: {why}")
            elif tls.is_of_an_address(site):
                why = "clients send no SNI for an IP address, and would be asked for none"
                errors.add(f"{site['at']}.ssl_client_certificate", f"{said}: {why}")


def _check_listed_once(site: Site, errors: Errors) -> None:
    for key, listed in (
        ("server_name", [name if name.startswith("~") else name.lower() for name in site.get("server_name", ())]),
        ("listen", [str(listen.address.canonical) for listen in site.get("listen", ())]),
    ):
        for item in repeated(listed):
            errors.add(f"{site['at']}.{key}", f"{shown(item)} is listed more than once")


def _check_http2(site: Site, errors: Errors) -> None:
    listens = site.get("listen", ())
    for listen in listens:
        if listen.http2 and not listen.ssl:
            errors.add(f"{site['at']}.listen", f"http2 on {listen.address} requires `ssl`")
    if site.get("http2") == "off" and any(listen.http2 for listen in listens):
        errors.add(f"{site['at']}.http2", "is off, but listen has http2")
    if site.get("http2") == "on" and listens and not any(listen.ssl for listen in listens):
        errors.add(f"{site['at']}.http2", "requires `ssl` in listen")


def _check_tls(site: Site, errors: Errors) -> None:
    at, secure = site["at"], has_tls(site)
    for key in ("ssl_certificate", "ssl_certificate_key", "ssl_client_certificate", "redirect_http", "hsts"):
        if site.get(key) and "listen" in site and not secure:
            errors.add(f"{at}.{key}", "requires `ssl` in listen")
    for key in ("ssl_certificate", "ssl_certificate_key"):
        if secure and site.get(key, ...) is None:
            errors.add(at, f"missing required key '{key}': listen has ssl")
    if site.get("redirect_http") and secure and all(listen.address.unix for listen in site["listen"] if listen.ssl):
        errors.add(f"{at}.redirect_http", "requires a port with `ssl` in listen; a Unix socket has none to redirect to")
    if site.get("ssl_verify_client") and site.get("ssl_client_certificate", ...) is None:
        errors.add(f"{at}.ssl_verify_client", "requires the key 'ssl_client_certificate'")
    certificate, private = site.get("ssl_certificate"), site.get("ssl_certificate_key")
    if certificate and private and bool(certificate.path) != bool(private.path):
        errors.add(f"{at}.ssl_certificate_key", "must be a path or a text, as ssl_certificate is")


def check_delivered(sites: t.Sequence[Site], config_path: object, errors: Errors) -> None:
    """A file for a certificate has the name of its site."""
    files: dict[str, str] = {}
    for site in sites:
        certificate = site.get("ssl_certificate")
        if certificate is None or certificate.path or "server_name" not in site:
            continue
        first = files.setdefault(tls.delivered_path(site, str(config_path)), site["at"])
        if first != site["at"]:
            errors.add(
                f"{site['at']}.ssl_certificate",
                f"conflicts with {first}: the first names are the same, and so would be the files",
            )


def _check_balancers(site: Site, errors: Errors) -> None:
    header = site.get("real_ip_header")
    spoken = any(listen.proxy_protocol for listen in site.get("listen", ()))
    if header and site.get("set_real_ip_from", ...) is None:
        errors.add(f"{site['at']}.real_ip_header", "requires the key 'set_real_ip_from'")
    if header == "proxy_protocol" and "listen" in site and not spoken:
        errors.add(f"{site['at']}.real_ip_header", "requires `proxy_protocol` in listen")


def warnings(upstreams: t.Sequence[Upstream], sites: t.Sequence[Site], status: Address) -> t.Iterator[str]:
    """What is allowed, and usually a mistake."""
    if status.port >= _FIRST_UNPRIVILEGED:
        yield (
            f"websockets_status_listen: any local user can take port {status.port} while nginx is stopped, and nginx "
            f"then does not start; use a port below {_FIRST_UNPRIVILEGED}"
        )
    sticky = {upstream["name"] for upstream in upstreams if upstream["balance"][0] == "ip_hash"}
    for site in sites:
        sockets = [location for location in site["locations"] if location["websocket"]]
        if any(location["allowed_origins"] is None for location in sockets) and site["allowed_origins"] is None:
            yield (
                f"{site['at']}: any web page can open WebSockets here with its visitor's cookies; list your origins in "
                "allowed_origins, or set it to '*'"
            )
        if site["set_real_ip_from"] or not any(listen.proxy_protocol for listen in site["listen"]):
            continue
        yield f"{site['at']}: proxy_protocol without set_real_ip_from: the client address is ignored"
        for location in site["locations"]:
            if location["upstream"] in sticky:
                yield f"{location['at']}: ip_hash of its upstream sees the load balancer's address only"


def check_health(sites: t.Sequence[Site], path: str | None, wait: str | None, errors: Errors) -> None:
    if path is None:
        if wait and seconds_of(wait):
            errors.add("websockets_health_wait", "requires websockets_health_path")
        return
    for location in (location for site in sites for location in site.get("locations", ())):
        if "path" in location and (location["path"].modifier, location["path"].path) == ("=", path):
            errors.add(f"{location['at']}.path", f"'= {path}' is already websockets_health_path")


def check_probe_interval(interval: str | None, errors: Errors) -> None:
    if interval and 0 < seconds_of(interval) < _LEAST_PROBE_INTERVAL:
        errors.add(
            "websockets_probe_interval", f"must be 0, or at least {_LEAST_PROBE_INTERVAL}s, got {shown(interval)}"
        )


def unattended(given: t.Mapping[str, t.Any]) -> list[str]:
    """What no service does where none is managed."""
    if not seconds_of(given["websockets_probe_interval"]) or given["websockets_manage_service"]:
        return []
    return [
        "websockets_probe_interval: requires websockets_manage_service, which is false: routes are probed in deploys "
        "and by the playbook wsfleet.nginx.verify only"
    ]


def check_drain(out: t.Sequence[str] | None, back: t.Sequence[str] | None, errors: Errors) -> None:
    for name in out or ():
        if name in (back or ()):
            errors.add("websockets_undrain", f"{shown(name)} is also in websockets_drain")


def check_left(upstream: Upstream, servers: t.Sequence[Server], errors: Errors) -> None:
    """An upstream that has a server is not left without one."""
    names = list(dict.fromkeys(server.drained for server in servers if server.drained))
    if names and all(server.is_down for server in servers):
        errors.add(upstream["at"], f"draining {', '.join(names)} would leave the upstream empty")


def _check_paths(site: Site, errors: Errors) -> None:
    places: dict[tuple[str, str], str] = {}
    for location in site.get("locations", ()):
        if "path" not in location:
            continue
        # nginx refuses the same path as '/a/' and '^~ /a/'; '= /a/' is a location of its own.
        path = location["path"]
        key = ("" if path.modifier == "^~" else path.modifier, path.path)
        first = places.setdefault(key, location["at"])
        if first != location["at"]:
            errors.add(f"{location['at']}.path", f"{shown(str(path))} is already the path of {first}")


def check_locations(sites: t.Sequence[Site], upstreams: t.Collection[str] | None, errors: Errors) -> None:
    """Check all locations, given the names of all upstreams, or None where not all of them are known."""
    lowered = {name.lower() for name in upstreams or ()}
    for site in sites:
        is_regex = any(name.startswith("~") for name in site.get("server_name", ()))
        for location in site.get("locations", ()):
            _check_backend(location, upstreams, lowered, errors)
            if not is_regex:
                _check_captures(location, errors)
            _check_admission(location, errors)
            _check_backend_tls(location, errors)
            _check_buffers(location, errors)
            _check_probe(location, errors)
        if not is_regex and any(map(_takes_no_capture, site.get("locations", ()))):
            _check_headers(site, errors)


def _takes_no_capture(location: Location) -> bool:
    path = location.get("path")
    return path is not None and not path.is_regex and bool(location.get("upstream") or location.get("proxy_pass"))


def _check_captures(location: Location, errors: Errors) -> None:
    """$1 is empty where no regular expression was matched: a price, such as $5, more likely than a capture."""
    path, returned = location.get("path"), location.get("return")
    if path is None or path.is_regex:
        return
    _check_headers(location, errors)
    if returned and returned.text and nginx_syntax.has_capture(returned.text):
        errors.add(f"{location['at']}.return", _no_capture(returned.text))


def _check_headers(block: Site | Location, errors: Errors) -> None:
    for name, value in block.get("headers", {}).items():
        if nginx_syntax.has_capture(value):
            errors.add(f"{block['at']}.headers.{name}", _no_capture(value))


def _no_capture(text: str) -> str:
    return f"{shown(text)} contains a capture, but no regular expression sets it"


def _check_backend(
    location: Location, upstreams: t.Collection[str] | None, lowered: t.Collection[str], errors: Errors
) -> None:
    at, name, url, path = location["at"], location.get("upstream"), location.get("proxy_pass"), location.get("path")
    if name and upstreams is not None and name not in upstreams:
        errors.add(f"{at}.upstream", f"{shown(name)} is not an upstream{errors.suggestion(name, upstreams)}")
    if url and url.address.port and url.address.host.lower() in lowered:
        errors.add(
            f"{at}.proxy_pass",
            f"'{url.address.host}' is an upstream, whose servers have ports of their own; remove the port",
        )
    if path and path.is_regex and url and url.uri:
        errors.add(
            f"{at}.proxy_pass", "contains a path, which nginx does not allow in a location with a regular expression"
        )
    if location.get("resolver"):
        _check_resolver(location, errors)
    if not location.get("strip_prefix"):
        return
    if url:
        errors.add(f"{at}.strip_prefix", "requires upstream; with proxy_pass, add a path to its URL")
    elif path and (path.is_regex or path.modifier == "="):
        errors.add(f"{at}.strip_prefix", f"{shown(str(path))} is not a prefix")
    elif path and not path.path.endswith("/"):
        errors.add(f"{at}.strip_prefix", f"requires a path that ends with '/': {shown(path.path)} would leave '//'")


def _check_resolver(location: Location, errors: Errors) -> None:
    url, at = location.get("proxy_pass"), f"{location['at']}.resolver"
    if url is None:
        if location.get("upstream"):
            errors.add(at, "requires proxy_pass; an upstream has its own 'resolver'")
    elif url.address.unix or not addresses.is_name(url.address.host):
        errors.add(at, f"{url.address.unix or url.address.host} is not a host name")
    elif url.uri:
        errors.add(at, "not valid with a path in proxy_pass: nginx would request that path for every request")


def _check_admission(location: Location, errors: Errors) -> None:
    plain = location.get("websocket") is False and (location.get("upstream") or location.get("proxy_pass"))
    for key in Limits.__annotations__:
        if location.get(key) is not None and plain:
            errors.add(f"{location['at']}.{key}", "requires a location that passes WebSockets")


def _check_backend_tls(location: Location, errors: Errors) -> None:
    url = location.get("proxy_pass")
    for key in ("proxy_ssl_verify", "proxy_ssl_trusted_certificate", "proxy_ssl_name"):
        if location.get(key) is not None and not (url and url.scheme == "https"):
            errors.add(f"{location['at']}.{key}", "requires proxy_pass: https://…")


def _check_buffers(location: Location, errors: Errors) -> None:
    """nginx keeps twice the larger buffer busy, and wants one more than that free."""
    size, buffers = location.get("proxy_buffer_size"), location.get("proxy_buffers")
    if not buffers or raw_directives.has(location.get("directives", ()), "proxy_busy_buffers_size"):
        return
    number, each = int(buffers[0]), values.bytes_of(buffers[1])
    largest = max(each, values.bytes_of(size) if size else 0)
    if 2 * largest > (number - 1) * each:
        need = (
            f"the buffers but one must hold twice the larger of proxy_buffer_size and one buffer, {2 * largest} bytes"
        )
        errors.add(f"{location['at']}.proxy_buffers", f"'{' '.join(buffers)}' is too small: {need}")


def _check_probe(location: Location, errors: Errors) -> None:
    probe = location.get("probe")
    if isinstance(probe, dict) and location.get("websocket") is False:
        for key in ("subprotocol", "message", "expect"):
            if probe.get(key) is not None:
                errors.add(f"{location['at']}.probe.{key}", "requires a location that passes WebSockets")
    if isinstance(probe, dict) and bool(probe.get("ssl_certificate")) != bool(probe.get("ssl_certificate_key")):
        errors.add(f"{location['at']}.probe", "requires both ssl_certificate and ssl_certificate_key")
