# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The model of a gateway: the operator's variables, checked and completed, as everything after them uses it."""

from __future__ import annotations

import functools
import typing as t
from types import MappingProxyType

from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import sharing
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx.times import seconds_of
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._config import (
    access_control,
    configuration,
    listen_sockets,
    locations,
    request_headers,
    server_blocks,
    tls,
)
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._config.configuration import Block
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._model import balance, cross_checks, probes, routes
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._model.probes import Probe, Refusal
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables import (
    addresses,
    nginx_versions,
    raw_directives,
    schema,
    upstream_servers,
)
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.addresses import Address, Listen
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.errors import Errors
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.role_variables import VARIABLES

if t.TYPE_CHECKING:
    from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.nginx_versions import Version
    from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.schema import Location, Site, Upstream
    from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.upstream_servers import Inventory, Server


_STATUS, _CONFIG_PATH = "websockets_status_listen", "websockets_config_path"
_STOP_TIMEOUT, _PROBE_INTERVAL = "websockets_stop_timeout", "websockets_probe_interval"
# Within this time a full gateway's clients come back.
_RECONNECT_SECONDS = 300
_AFTER_OTHERS = [
    "# nginx takes the first server that it reads as the default one of an address, and accepts sizes of maps before",
    "# the first map only. This file comes after those of other sites on the host, so that theirs stay what they are.",
]
_REFUSES = "Refuses names that no site here has; nginx would take them to the first one."


class UpstreamServer(t.TypedDict):
    address: str
    # drained, or disabled where the inventory has it down, or nothing.
    state: str


class UpstreamServers(t.TypedDict):
    name: str
    servers: list[UpstreamServer]


class Listening(t.TypedDict):
    """An address that nginx will listen on, and the place in the variables that says so."""

    address: str
    at: str


class Name(t.TypedDict):
    """A host name that the gateway must be able to resolve, and the place in the variables that says so."""

    name: str
    at: str


class Presented(t.TypedDict):
    """The file of the certificate that nginx presents for a site."""

    site: str
    path: str


class Certificate(t.TypedDict):
    """A certificate on the gateway with its key, or CAs, and the place in the variables that says so."""

    path: str
    key: str | None
    at: str


class Directory(t.TypedDict):
    """A directory of the gateway in which nginx creates a file, and the place in the variables that says so."""

    path: str
    at: str


class Drained(t.TypedDict):
    """A server that is taken out of its upstreams, and the name by which it was."""

    name: str
    address: str


class Compared(t.TypedDict):
    """What is compared with other sites of the host: option compared of gateway_preflight_info."""

    servers: list[dict[str, t.Any]]
    upstreams: list[dict[str, str]]
    hashes: dict[str, int]
    # Where Debian has the CAs that a host trusts, if the configuration uses them.
    ca_file: str | None
    # Files that are not compared, as this configuration takes their place.
    replaces: list[str]


class Drain(t.TypedDict):
    """What an operator takes out and brings back in this run."""

    out: list[str]
    back: list[str]
    # Those of them that a server of this gateway is called by, and the addresses of those that are taken out.
    here: list[str]
    addresses: list[str]
    seconds: float
    # Whether what is left after that is closed.
    force: bool


class Model(t.TypedDict):
    """What the template prints, what the gateway is asked before the deploy, and what probes it after."""

    # None while the gateway has not been asked.
    nginx_version: str | None
    openssl_version: str | None
    # The version since which each takes the same text; none where later ones take another one, or not all of it.
    suits_since: str | None
    # Whether another version of OpenSSL takes another text.
    depends_on_openssl: bool
    # Where the file is: at websockets_config_path, if no other site of the host requires another place.
    path: str
    # The lines of the file below its head, and where they come from, in runs that end with the last line.
    lines: list[str]
    sources: list[configuration.Source]
    # The same for gateways that get the same lines, if they have the same nginx; what the live file returns.
    digest: str
    upstreams: list[UpstreamServers]
    drained: list[Drained]
    listening: list[Listening]
    names: list[Name]
    # Whether nginx connects to servers over TCP.
    connects: bool
    # Each site by its first address and name, which tell the gateway from others on its host.
    serves: list[str]
    # The files of others that nginx reads when it loads the configuration: certificates, keys and CAs by path.
    loads: list[str]
    compared: Compared
    certificates: list[Certificate]
    directories: list[Directory]
    # Headers may be secret, so not everybody may read a file that has some.
    mode: str
    # What nginx logs to by default, or none where no site does.
    log: str | None
    # Of each site with TLS. A path with a variable is another file for each client.
    presented: list[Presented]
    # What nginx is to refuse.
    refusals: list[Refusal]
    probes: list[Probe]
    routes: list[routes.Route]
    # The directives of nginx.conf that do not depend on the host's processors.
    nginx_conf: dict[str, str]
    # Sockets that are ended in a second; 0 for nginx's own way.
    reconnect_rate: int
    # Seconds from one probe of each route to the next; 0 for none but in deploys.
    probe_interval: float
    # The file that takes the gateway out of its balancers, and for how many seconds a deploy does so.
    health_flag: str | None
    health_wait: float
    # Where the controller reaches the sites; False where it does not, None where it is the address of the host.
    verify_address: str | bool | None
    drain: Drain
    # What the playbook rebalance moves.
    balanced: list[balance.Balanced]
    warnings: list[str]


class Files(t.TypedDict):
    """Those that a gateway has beside its configuration."""

    flag: str
    # The flag's name in releases up to 0.7.0. Until 1.0.
    former_flag: str
    log: str


class Basics(t.TypedDict):
    """What is known of a gateway whose variables have errors, too."""

    files: Files
    # None where it is one of the errors.
    serial: list[int | str] | None
    # How long WebSockets stay open when nginx is stopped.
    stop_seconds: int


class _Checked(t.NamedTuple):
    """The variables after all checks, and the servers of each upstream by the upstream's place."""

    upstreams: tuple[Upstream, ...]
    sites: tuple[Site, ...]
    servers: dict[str, tuple[Server, ...]]
    status: Address
    nginx: Version
    needs: list[nginx_versions.Need]
    capacity: int
    shutdown_timeout: str
    openssl: tuple[int, int] | None
    openssl_version: str | None
    neighbours: listen_sockets.Neighbours
    # What has no place in the file alone: all variables, checked.
    given: t.Mapping[str, t.Any]


def gateway_model(
    variables: t.Mapping[str, t.Any],
    inventory: Inventory,
    errors: Errors,
    drained: t.Collection[str] = (),
    neighbours: t.Mapping[str, t.Any] = MappingProxyType({}),
) -> Model | None:
    """Check and complete the variables of the role: the model, or None after errors were noted. Drained are the names
    by which servers were taken out before, neighbours what preflight found of other sites.
    """
    checked = _checked(variables, inventory, errors, drained, listen_sockets.Neighbours(**neighbours))
    return None if checked is None else _model(checked)


def basics(variables: t.Mapping[str, t.Any]) -> Basics:
    def read(name: str) -> t.Any:
        key = VARIABLES[name]
        return key.check(variables[name], name, Errors()) if name in variables else key.completed_default

    status, path, serial = read(_STATUS), read(_CONFIG_PATH), read("websockets_serial")
    path = path or VARIABLES[_CONFIG_PATH].default
    stop = read(_STOP_TIMEOUT) or VARIABLES[_STOP_TIMEOUT].default
    return Basics(
        files=Files(
            flag=_flag(path),
            former_flag=f"{path.removesuffix('.conf')}.out",
            log=server_blocks.log_file(_label(status)),
        ),
        serial=None if serial is None else list(serial),
        stop_seconds=int(seconds_of(stop)),
    )


def _checked(
    variables: t.Mapping[str, t.Any],
    inventory: Inventory,
    errors: Errors,
    drained: t.Collection[str],
    neighbours: listen_sockets.Neighbours,
) -> _Checked | None:
    given = schema.variables(variables, errors)
    out, back = sorted({*drained, *(given["websockets_drain"] or ())}), given["websockets_undrain"] or ()
    upstreams: tuple[Upstream, ...] = given["websockets_upstreams"] or ()
    sites: tuple[Site, ...] = given["websockets_sites"] or ()
    status: Address | None = given[_STATUS]
    nginx = given["websockets_nginx_version"] or nginx_versions.NEWEST
    servers = {
        upstream["at"]: upstream_servers.drained(upstream_servers.servers(upstream, inventory, errors), out, back)
        for upstream in upstreams
    }
    needs = list(nginx_versions.needs(upstreams, servers, sites))

    nginx_versions.check(needs, nginx, errors)
    cross_checks.check_upstreams(upstreams, errors)
    for upstream in upstreams:
        cross_checks.check_upstream(upstream, servers[upstream["at"]], errors)
        cross_checks.check_left(upstream, servers[upstream["at"]], errors)
    cross_checks.check_sites(sites, tls.redirects(sites), status, errors)
    cross_checks.check_delivered(sites, given["websockets_config_path"], errors)
    cross_checks.check_health(sites, given["websockets_health_path"], given["websockets_health_wait"], errors)
    cross_checks.check_probe_interval(given[_PROBE_INTERVAL], errors)
    cross_checks.check_drain(given["websockets_drain"], given["websockets_undrain"], errors)
    cross_checks.check_locations(sites, _upstream_names(given["websockets_upstreams"]), errors)

    if errors.lines or status is None:
        return None
    label = _label(status)
    methods = {upstream["name"].lower(): upstream["balance"] for upstream in upstreams}
    ca_file = neighbours.ca_file or locations.CA_FILE
    completed = tuple(_completed(site, methods, f"{label}_{number}", ca_file) for number, site in enumerate(sites, 1))
    capacity, timeout = given["websockets_capacity"], given["websockets_worker_shutdown_timeout"]
    openssl, text = given["websockets_openssl_version"], variables.get("websockets_openssl_version")
    return _Checked(
        *(upstreams, completed, servers, status, nginx, needs, capacity, timeout, openssl, text, neighbours),
        given,
    )


def _completed(site: Site, methods: t.Mapping[str, tuple[str, ...]], label: str, ca_file: str) -> Site:
    """The site with its captures, and each location with the site's headers too, and the CAs that it trusts."""
    locations_of = [
        {
            **location,
            "headers": request_headers.merged(site["headers"], location["headers"]),
            "trusted": locations.trusted_certificate(location, ca_file),
        }
        for location in site["locations"]
    ]
    urls = [location["proxy_pass"] for location in site["locations"] if location["proxy_pass"]]
    used = {location["upstream"].lower() for location in site["locations"] if location["upstream"]}
    used |= {url.address.host.lower() for url in urls}
    keys = [word for name in used for word in methods.get(name, ())]
    completed = t.cast("Site", {**site, "locations": tuple(locations_of)})
    return t.cast("Site", {**completed, "captures": locations.captures(completed, keys, label)})


def _upstream_names(upstreams: t.Sequence[Upstream] | None) -> set[str] | None:
    """The names of all upstreams; None where one has no valid name, for it could be the one that a location means."""
    known = upstreams is not None and all("name" in upstream for upstream in upstreams)
    return {upstream["name"] for upstream in upstreams or ()} if known else None


def _model(checked: _Checked) -> Model:
    upstreams, sites, servers, nginx = checked.upstreams, checked.sites, checked.servers, checked.nginx
    all_locations = [location for site in sites for location in site["locations"]]
    by_name = {upstream["name"].lower(): servers[upstream["at"]] for upstream in upstreams}
    label = _label(checked.status)
    admitted = access_control.admissions(sites, checked.capacity, label)
    maps = [*server_blocks.map_blocks(sites, label), *admitted.blocks]
    hashes = server_blocks.hashes(sites, len(maps))
    completed, listens = listen_sockets.shared([*sites, *tls.redirects(sites)], nginx, checked.neighbours)
    refusing = _refusing(sites, listens)
    servers_of = _server_blocks(checked, admitted, label, completed, listens)
    file = _file(checked, label, maps, hashes, [*_upstream_blocks(checked), *servers_of])
    digest = file.digest
    file.block(configuration.status_block(digest, checked.given[_STATUS], _STATUS))
    names = {upstream["name"].lower(): upstream["name"] for upstream in upstreams}
    http = checked.given["websockets_directives"]

    def reached(address: str) -> str:
        return sharing.reached(address, checked.neighbours.loopback)

    return Model(
        nginx_version=None if nginx == nginx_versions.NEWEST else str(nginx),
        openssl_version=checked.openssl_version,
        suits_since=None if checked.needs else nginx_versions.suits_since(upstreams, sites),
        depends_on_openssl=any(map(schema.has_tls, sites)),
        path=checked.neighbours.path or checked.given[_CONFIG_PATH],
        lines=file.lines,
        sources=file.sources,
        digest=digest,
        upstreams=[
            UpstreamServers(name=upstream["name"], servers=list(map(_upstream_server, servers[upstream["at"]])))
            for upstream in upstreams
        ],
        drained=_drained_servers(servers.values()),
        listening=_listening([*sites, *tls.redirects(sites)], checked.status),
        names=_names(servers.values(), all_locations, by_name),
        connects=_connects(servers.values(), all_locations),
        serves=sorted({probes.served(site) for site in sites}),
        loads=_loads(sites, all_locations),
        compared=_compared(checked, hashes),
        certificates=_certificates(sites),
        directories=_directories(sites),
        mode="0640" if any(location["headers"] for location in all_locations) else "0644",
        log=server_blocks.log_path(sites, label),
        presented=_presented(sites, checked.given[_CONFIG_PATH]),
        probes=[
            {**probe, "connect_to": reached(probe["connect_to"])}
            for site in sites
            for probe in probes.probes(site, by_name)
        ],
        refusals=[
            {**refusal, "connect_to": reached(refusal["connect_to"])}
            for site in sites
            for refusal in probes.refusals(site, refusing, http)
        ],
        routes=[route for site in sites for route in routes.routes(site, names)],
        nginx_conf={"worker_processes": "auto", "worker_shutdown_timeout": checked.shutdown_timeout},
        reconnect_rate=_reconnect_rate(checked),
        probe_interval=seconds_of(checked.given[_PROBE_INTERVAL]),
        health_flag=_health_flag(checked),
        health_wait=seconds_of(checked.given["websockets_health_wait"]),
        verify_address=checked.given["websockets_verify_address"],
        drain=_drain(checked),
        balanced=balance.balanced(upstreams, servers, all_locations),
        warnings=[
            *cross_checks.unattended(checked.given),
            *_drained(upstreams, servers),
            *_unused(upstreams, all_locations),
            *_down(upstreams, servers),
            *(warning for site in sites for warning in probes.unprobed(site)),
            *cross_checks.warnings(upstreams, sites, checked.status),
            *checked.neighbours.warnings,
            *(warning for site in sites for warning in tls.warnings_beside(site, checked.neighbours.defaults)),
        ],
    )


def _reconnect_rate(checked: _Checked) -> int:
    given = checked.given["websockets_reconnect_rate"]
    return -(-checked.capacity // _RECONNECT_SECONDS) if given is None else int(given)


@functools.cache
def _default_status() -> Address | None:
    default: Address | None = VARIABLES[_STATUS].completed_default
    return default


def _label(status: Address | None) -> str:
    """What tells the names of this gateway from those of another one in the same nginx."""
    return "" if status in (None, _default_status()) else f"_{status.port}"


def _file(
    checked: _Checked,
    label: str,
    maps: t.Sequence[t.Sequence[str]],
    hashes: t.Mapping[str, int],
    blocks: t.Sequence[Block],
) -> configuration.Lines:
    directives = checked.given["websockets_directives"]
    missing = {name: size for name, size in hashes.items() if name not in checked.neighbours.hashes}
    return configuration.complete(
        comment=_AFTER_OTHERS if checked.neighbours.path else [],
        directives=directives,
        http=server_blocks.http_lines(checked.sites, directives, label, missing),
        maps=maps,
        blocks=blocks,
    )


def _upstream_blocks(checked: _Checked) -> t.Iterator[Block]:
    for upstream in checked.upstreams:
        lines = server_blocks.upstream_lines(upstream, checked.servers[upstream["at"]], checked.nginx)
        yield Block(f"upstream {upstream['name']}", upstream["at"], lines, upstream["directives"])


def _server_blocks(
    checked: _Checked,
    admitted: access_control.Admissions,
    label: str,
    completed: t.Sequence[Site],
    refusing: t.Sequence[Listen],
) -> t.Iterator[Block]:
    """The servers of the file, in their order."""
    by_place = {site["at"]: site for site in completed}
    sessions = tls.session_lines(checked.sites, label)
    secure = server_blocks.Tls(checked.openssl, checked.given["websockets_config_path"], sessions)
    health = locations.health_blocks(checked.given["websockets_health_path"], _health_flag(checked))
    for listens in listen_sockets.by_policy(refusing, checked.sites):
        lines = server_blocks.refusing_lines(listens, checked.sites, checked.nginx, secure, label)
        # RFC 9110 section 15.5.20: it is for what was sent to the wrong server.
        yield _answering("websockets_sites", lines, ["return 421;"], health, _REFUSES)
    for site in checked.sites:
        given = by_place[site["at"]]
        lines = server_blocks.site_lines(given, checked.nginx, secure, admitted.by_location, label)
        inner = [*locations.location_blocks(given, admitted.by_location), *health]
        yield Block("server", site["at"], lines, site["directives"], inner)
        redirect = by_place.get(f"{site['at']}.redirect_http")
        if redirect:
            lines = server_blocks.redirect_lines(redirect, site, checked.nginx, label)
            yield _answering(redirect["at"], lines, tls.redirect_lines(site), health)


def _answering(at: str, lines: list[str], answer: list[str], health: t.Sequence[Block], comment: str = "") -> Block:
    """A server with one answer to everything, but for the question whether the gateway is in."""
    if not health:
        return Block("server", at, [*lines, *answer], comment=comment)
    return Block("server", at, lines, blocks=[Block("location /", at, answer), *health], comment=comment)


def _refusing(sites: t.Sequence[Site], listens: t.Sequence[Listen]) -> set[Address]:
    """The addresses at which a foreign name is refused, for no site may have it."""
    taken = {
        listen.address.canonical
        for site in sites
        if any(map(probes.is_foreign, site["server_name"]))
        for listen in site["listen"]
    }
    return {listen.address.canonical for listen in listens} - taken


def _health_flag(checked: _Checked) -> str | None:
    """Beside the configuration, where it outlives a restart."""
    return None if checked.given["websockets_health_path"] is None else _flag(checked.given[_CONFIG_PATH])


def _flag(config_path: str) -> str:
    return tls.hidden_path(config_path, "out")


def _drain(checked: _Checked) -> Drain:
    out, back = checked.given["websockets_drain"], checked.given["websockets_undrain"]
    servers = [server for upstream in checked.servers.values() for server in upstream]
    called = {name for server in servers for name in server.names}
    return Drain(
        out=list(out),
        back=list(back),
        here=[name for name in (*out, *back) if name in called],
        addresses=list(dict.fromkeys(str(server.address) for server in servers if server.drained in out)),
        seconds=seconds_of(checked.given["websockets_drain_timeout"]),
        force=checked.given["websockets_drain_force"],
    )


def _upstream_server(server: Server) -> UpstreamServer:
    return UpstreamServer(
        address=str(server.address), state="drained" if server.drained else "disabled" if server.is_down else ""
    )


def _drained_servers(upstreams: t.Iterable[tuple[Server, ...]]) -> list[Drained]:
    found = {(server.drained, str(server.address)) for servers in upstreams for server in servers if server.drained}
    return [Drained(name=name, address=address) for name, address in sorted(found)]


def _listening(sites: t.Sequence[Site], status: Address) -> list[Listening]:
    places: dict[str, str] = {str(status): _STATUS}
    for site in sites:
        for listen in site["listen"]:
            places.setdefault(str(listen.address), f"{site['at']}.listen")
    return [Listening(address=address, at=at) for address, at in places.items()]


def _compared(checked: _Checked, hashes: t.Mapping[str, int]) -> Compared:
    given = checked.given["websockets_directives"]
    status = {"at": _STATUS, "names": [], "listens": [_plain_listen(Listen(checked.status))]}
    return Compared(
        servers=[*map(_plain_server, [*checked.sites, *tls.redirects(checked.sites)]), status],
        upstreams=[
            {
                "at": upstream["at"],
                "name": upstream["name"],
                "zone": (upstream["zone"] and upstream["zone"].name) or upstream["name"],
            }
            for upstream in checked.upstreams
        ],
        hashes={name: size for name, size in hashes.items() if not raw_directives.has(given, name)},
        ca_file=locations.CA_FILE if any(map(_trusts_host, checked.sites)) else None,
        replaces=list(checked.given["websockets_replaces"]),
    )


def _trusts_host(site: Site) -> bool:
    """Whether the host's own CAs sign the certificates of a backend."""
    return any(location["trusted"] and not location["proxy_ssl_trusted_certificate"] for location in site["locations"])


def _plain_server(site: Site) -> dict[str, t.Any]:
    names = list(site["server_name"])
    listens = [
        _plain_listen(listen, is_default="_" in names, http2=listen.ssl and schema.has_http2(site))
        for listen in site["listen"]
    ]
    return {"at": site["at"], "names": names, "listens": listens}


def _plain_listen(listen: Listen, *, is_default: bool = False, http2: bool = False) -> dict[str, t.Any]:
    return {
        "address": str(listen.address),
        "default": is_default or listen.default_server,
        "http2": http2,
        "options": list(listen.options),
        "proxy_protocol": listen.proxy_protocol,
        "ssl": listen.ssl,
    }


def _presented(sites: t.Sequence[Site], config_path: str) -> list[Presented]:
    paths = {
        site["server_name"][0]: tls.certificate_path(site, config_path)
        for site in sites
        if any(listen.ssl for listen in site["listen"])
    }
    return [Presented(site=site, path=path) for site, path in paths.items() if "$" not in path]


def _certificates(sites: t.Sequence[Site]) -> list[Certificate]:
    """Those that are there before the deploy, once each."""
    found: dict[tuple[str, str | None], str] = {}

    def add(at: str, path: str | None, key: str | None = None) -> None:
        if path:
            found.setdefault((path, key), at)

    for site in sites:
        certificate, key = site["ssl_certificate"], site["ssl_certificate_key"]
        if certificate and key:
            add(f"{site['at']}.ssl_certificate", certificate.path, key.path)
        add(f"{site['at']}.ssl_client_certificate", site["ssl_client_certificate"])
        for location in site["locations"]:
            add(f"{location['at']}.proxy_ssl_trusted_certificate", location["trusted"])
            probe = location["probe"]
            if not isinstance(probe, bool):
                path = probe.get("ssl_certificate")
                add(f"{location['at']}.probe.ssl_certificate", path, probe.get("ssl_certificate_key"))
    return [Certificate(path=path, key=key, at=at) for (path, key), at in found.items()]


def _directories(sites: t.Sequence[Site]) -> list[Directory]:
    """Those of logs and Unix sockets."""
    found: dict[str, str] = {}
    for site in sites:
        log = (site["access_log"] or ("",))[0]
        files = {listen.address.unix: "listen" for listen in site["listen"] if listen.address.unix}
        files.update({log: "access_log"} if log.startswith("/") else {})
        for path, key in files.items():
            found.setdefault(path.rpartition("/")[0] or "/", f"{site['at']}.{key}")
    return [Directory(path=path, at=at) for path, at in found.items()]


def _names(
    servers: t.Iterable[tuple[Server, ...]], proxied: t.Sequence[Location], upstreams: t.Collection[str]
) -> list[Name]:
    """What nginx looks up when it starts: one name that does not resolve, and it does not."""
    places: dict[str, str] = {}
    for server in (server for upstream in servers for server in upstream):
        if not server.parameters.get("resolve"):
            places.setdefault(server.address.host, server.at)
    for location in proxied:
        url = location["proxy_pass"]
        if url and not location["resolver"] and url.address.host.lower() not in upstreams:
            places.setdefault(url.address.host, f"{location['at']}.proxy_pass")
    return [Name(name=name, at=at) for name, at in places.items() if name and addresses.is_name(name)]


def _connects(servers: t.Iterable[tuple[Server, ...]], proxied: t.Sequence[Location]) -> bool:
    """Whether nginx connects to servers over TCP."""
    urls = (location["proxy_pass"] for location in proxied)
    found = [url.address for url in urls if url] + [server.address for upstream in servers for server in upstream]
    return any(not address.unix for address in found)


def _loads(sites: t.Sequence[Site], proxied: t.Sequence[Location]) -> list[str]:
    given = [site[key] for site in sites for key in ("ssl_certificate", "ssl_certificate_key")]
    paths = [certificate.path for certificate in given if certificate]
    paths += [site["ssl_client_certificate"] for site in sites]
    paths += [location["proxy_ssl_trusted_certificate"] for location in proxied]
    return sorted({path for path in paths if path})


def _unused(upstreams: t.Sequence[Upstream], proxied: t.Sequence[Location]) -> t.Iterator[str]:
    used = {location["upstream"].lower() for location in proxied if location["upstream"]}
    used |= {location["proxy_pass"].address.host.lower() for location in proxied if location["proxy_pass"]}
    for upstream in upstreams:
        if upstream["name"].lower() not in used:
            yield f"{upstream['at']} ({upstream['name']}): no location uses this upstream"


def _drained(upstreams: t.Sequence[Upstream], servers: dict[str, tuple[Server, ...]]) -> t.Iterator[str]:
    for upstream in upstreams:
        names = dict.fromkeys(server.drained for server in servers[upstream["at"]] if server.drained)
        for name in names:
            yield f"{upstream['at']}: {name} is drained until the drain playbook runs with websockets_undrain={name}"


def _down(upstreams: t.Sequence[Upstream], servers: dict[str, tuple[Server, ...]]) -> t.Iterator[str]:
    for upstream in upstreams:
        if all(server.is_down for server in servers[upstream["at"]]):
            yield f"{upstream['at']} ({upstream['name']}): all servers of this upstream are down"
