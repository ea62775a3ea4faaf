# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The model of a gateway: the operator's variables, checked and completed, as everything after them uses it."""

from __future__ import annotations

import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils import (
    addresses,
    admission,
    consistency,
    directives,
    limits,
    locations,
    pools,
    proofs,
    schema,
    sockets,
    tls,
    versions,
)
from ansible_collections.wsfleet.nginx.plugins.plugin_utils.addresses import Address
from ansible_collections.wsfleet.nginx.plugins.plugin_utils.faults import Faults

if t.TYPE_CHECKING:
    from ansible_collections.wsfleet.nginx.plugins.plugin_utils.pools import Inventory, Server
    from ansible_collections.wsfleet.nginx.plugins.plugin_utils.schema import Location, Site, Upstream
    from ansible_collections.wsfleet.nginx.plugins.plugin_utils.versions import Version


_STATUS = "websockets_status_listen"
_DEFAULT_STATUS = Address("127.0.0.1", 6455)
_REFUSES = "Refuses names that no site here has; nginx would take them to the first one."


class UpstreamBlock(t.TypedDict):
    name: str
    lines: list[str]


class SiteBlock(t.TypedDict):
    # What it is for, where that is not plain.
    comment: str
    lines: list[str]
    locations: list[locations.LocationBlock]


class Listening(t.TypedDict):
    """An address that nginx will listen on, and the place in the variables that says so."""

    address: str
    at: str


class Name(t.TypedDict):
    """A host name that the gateway must be able to resolve, and the place in the variables that says so."""

    name: str
    at: str


class Model(t.TypedDict):
    """What the template prints, what the gateway is asked before the deploy, and what proves it after."""

    # None while the gateway has not been asked.
    nginx_version: str | None
    openssl_version: str | None
    # Whether another version takes another text, or not all of it.
    depends_on_nginx: bool
    http: list[str]
    # The maps and zones of those who may open WebSockets.
    admission: list[list[str]]
    upstreams: list[UpstreamBlock]
    sites: list[SiteBlock]
    listening: list[Listening]
    names: list[Name]
    proofs: list[proofs.Proof]
    # The places of all upstream and server blocks of the file, in their order.
    blocks: list[str]
    # The directives of nginx.conf, and the drop-in of the service.
    nginx_conf: dict[str, str]
    drop_in: str
    warnings: list[str]


class _Checked(t.NamedTuple):
    """The variables after all checks, and the servers of each pool by the pool's place."""

    upstreams: tuple[Upstream, ...]
    sites: tuple[Site, ...]
    servers: dict[str, tuple[Server, ...]]
    status: Address
    nginx: Version
    needs: list[versions.Need]
    capacity: int
    shutdown_timeout: str
    openssl: tuple[int, int] | None
    openssl_version: str | None
    config_path: str


def gateway_model(variables: t.Mapping[str, t.Any], inventory: Inventory, faults: Faults) -> Model | None:
    """Check and complete the variables of the role: the model, or None after faults were noted."""
    checked = _checked(variables, inventory, faults)
    return None if checked is None else _model(checked)


def _checked(variables: t.Mapping[str, t.Any], inventory: Inventory, faults: Faults) -> _Checked | None:
    given = schema.variables(variables, faults)
    upstreams = schema.upstreams(given["websockets_upstreams"], "websockets_upstreams", faults)
    sites = schema.sites(given["websockets_sites"], "websockets_sites", faults)
    status = addresses.loopback(given[_STATUS], _STATUS, faults)
    nginx = versions.given(given["websockets_nginx_version"], "websockets_nginx_version", faults)
    servers = {upstream["at"]: pools.servers(upstream, inventory, faults) for upstream in upstreams}
    needs = [need for upstream in upstreams for need in versions.needs(upstream, servers[upstream["at"]])]

    versions.check(needs, nginx, faults)
    consistency.check_upstreams(upstreams, faults)
    for upstream in upstreams:
        consistency.check_pool(upstream, servers[upstream["at"]], faults)
    consistency.check_sites(sites, tls.redirects(sites), status, faults)
    consistency.check_delivered(sites, given["websockets_config_path"], faults)
    names = _pool_names(given["websockets_upstreams"], upstreams)
    for site in sites:
        for location in site.get("locations", ()):
            consistency.check_location(location, site, names, faults)

    if faults.lines or status is None:
        return None
    capacity, timeout = given["websockets_capacity"], given["websockets_worker_shutdown_timeout"]
    openssl, text = given["websockets_openssl_version"], variables.get("websockets_openssl_version")
    return _Checked(
        *(upstreams, sites, servers, status, nginx, needs, capacity, timeout, openssl, text),
        given["websockets_config_path"],
    )


def _pool_names(given: object, upstreams: t.Sequence[Upstream]) -> set[str] | None:
    """The names of all pools; None where one has no sound name, for it could be the one that a location means."""
    known = isinstance(given, list) and all("name" in upstream for upstream in upstreams)
    return {upstream["name"] for upstream in upstreams} if known else None


def _model(checked: _Checked) -> Model:
    upstreams, sites, servers, nginx = checked.upstreams, checked.sites, checked.servers, checked.nginx
    all_locations = [location for site in sites for location in site["locations"]]
    by_name = {upstream["name"].lower(): servers[upstream["at"]] for upstream in upstreams}
    label = _label(checked.status)
    admitted = admission.admissions(sites, checked.capacity, label)
    servers_of_sites = _server_blocks(checked, admitted, label)
    return Model(
        nginx_version=None if nginx == versions.NEWEST else str(nginx),
        openssl_version=checked.openssl_version,
        depends_on_nginx=bool(checked.needs) or versions.differ(upstreams, sites),
        http=directives.http_lines(sites, label),
        admission=admitted.blocks,
        upstreams=[
            UpstreamBlock(
                name=upstream["name"], lines=directives.upstream_lines(upstream, servers[upstream["at"]], nginx)
            )
            for upstream in upstreams
        ],
        sites=[block for _at, block in servers_of_sites],
        listening=_listening([*sites, *tls.redirects(sites)], checked.status),
        names=_names(servers.values(), all_locations, by_name),
        proofs=[proof for site in sites for proof in proofs.proofs(site, by_name)],
        blocks=[*(upstream["at"] for upstream in upstreams), *(at for at, _block in servers_of_sites), _STATUS],
        nginx_conf=limits.directives(checked.capacity, checked.shutdown_timeout),
        drop_in=limits.drop_in(checked.capacity, checked.shutdown_timeout),
        warnings=[
            *_unused(upstreams, all_locations),
            *_down(upstreams, servers),
            *(warning for site in sites for warning in proofs.unproven(site)),
            *consistency.warnings(upstreams, sites),
        ],
    )


def _label(status: Address) -> str:
    """What tells the names of this gateway from those of another one in the same nginx."""
    return "" if status == _DEFAULT_STATUS else f"_{status.port}"


_Server = t.Tuple[str, SiteBlock]


def _server_blocks(checked: _Checked, admitted: admission.Admissions, label: str) -> list[_Server]:
    """The servers of the file in their order, each with the place of the variables it comes from."""
    redirects = tls.redirects(checked.sites)
    completed, refusing = sockets.shared([*checked.sites, *redirects])
    by_place = {site["at"]: site for site in completed}
    sessions = tls.session_lines(checked.sites, label)
    secure = directives.Tls(checked.openssl, checked.config_path, sessions)
    blocks: list[_Server] = []
    for listens in sockets.by_policy(refusing, checked.sites):
        lines = directives.refusing_lines(listens, checked.sites, checked.nginx, secure, label)
        blocks.append(("websockets_sites", SiteBlock(comment=_REFUSES, lines=lines, locations=[])))
    for site in checked.sites:
        blocks.append((site["at"], _site_block(by_place[site["at"]], checked.nginx, secure, admitted, label)))
        redirect = by_place.get(f"{site['at']}.redirect_http")
        if redirect:
            lines = directives.redirect_lines(redirect, site, checked.nginx, label)
            blocks.append((redirect["at"], SiteBlock(comment="", lines=lines, locations=[])))
    return blocks


def _site_block(
    site: Site, nginx: Version, secure: directives.Tls, admitted: admission.Admissions, label: str
) -> SiteBlock:
    return SiteBlock(
        comment="",
        lines=directives.site_lines(site, nginx, secure, admitted.by_location, label),
        locations=locations.location_blocks(site, admitted.by_location),
    )


def _listening(sites: t.Sequence[Site], status: Address) -> list[Listening]:
    places: dict[str, str] = {str(status): _STATUS}
    for site in sites:
        for listen in site["listen"]:
            places.setdefault(str(listen.address), f"{site['at']}.listen")
    return [Listening(address=address, at=at) for address, at in places.items()]


def _names(
    servers: t.Iterable[tuple[Server, ...]], proxied: t.Sequence[Location], upstreams: t.Collection[str]
) -> list[Name]:
    """What nginx looks up when it starts: one name that does not resolve, and it does not."""
    places: dict[str, str] = {}
    for server in (server for pool in servers for server in pool):
        if not server.parameters.get("resolve"):
            places.setdefault(server.address.host, server.at)
    for location in proxied:
        url = location["proxy_pass"]
        if url and url.address.host.lower() not in upstreams:
            places.setdefault(url.address.host, f"{location['at']}.proxy_pass")
    return [Name(name=name, at=at) for name, at in places.items() if name and addresses.is_name(name)]


def _unused(upstreams: t.Sequence[Upstream], proxied: t.Sequence[Location]) -> t.Iterator[str]:
    used = {location["upstream"].lower() for location in proxied if location["upstream"]}
    used |= {location["proxy_pass"].address.host.lower() for location in proxied if location["proxy_pass"]}
    for upstream in upstreams:
        if upstream["name"].lower() not in used:
            yield f"{upstream['at']}: no location uses the upstream '{upstream['name']}'"


def _down(upstreams: t.Sequence[Upstream], servers: dict[str, tuple[Server, ...]]) -> t.Iterator[str]:
    for upstream in upstreams:
        if all(server.parameters.get("down") for server in servers[upstream["at"]]):
            yield f"{upstream['at']}: all servers of '{upstream['name']}' are down"
