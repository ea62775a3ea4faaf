# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The model of a gateway: the operator's variables, checked and completed, as everything after them uses it."""

from __future__ import annotations

import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils import directives, pools, schema, values
from ansible_collections.wsfleet.nginx.plugins.plugin_utils.faults import Faults, did_you_mean, shown
from ansible_collections.wsfleet.nginx.plugins.plugin_utils.proofs import Proof, proofs


class UpstreamBlock(t.TypedDict):
    name: str
    lines: list[str]


class LocationBlock(t.TypedDict):
    path: str
    lines: list[str]


class SiteBlock(t.TypedDict):
    lines: list[str]
    locations: list[LocationBlock]


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

    upstreams: list[UpstreamBlock]
    sites: list[SiteBlock]
    listening: list[Listening]
    names: list[Name]
    proofs: list[Proof]
    warnings: list[str]


def gateway_model(variables: t.Mapping[str, t.Any], inventory: pools.Inventory, faults: Faults) -> Model | None:
    """Check and complete the variables of the role: the model, or None after faults were noted."""
    given = schema.variables(variables, faults)
    checked_upstreams = schema.upstreams(given["websockets_upstreams"], "websockets_upstreams", faults)
    checked_sites = schema.sites(given["websockets_sites"], "websockets_sites", faults)
    servers = {upstream["at"]: pools.servers(upstream, inventory, faults) for upstream in checked_upstreams}
    status = values.loopback(given["websockets_status_listen"], "websockets_status_listen", faults)
    _check_upstream_names(checked_upstreams, faults)
    _check_site_names(checked_sites, faults)
    for site in checked_sites:
        _check_status_port(site, status, faults)
        _check_listed_once(site, faults)
        _check_paths(site, faults)
        _check_references(site, checked_upstreams, faults)
    if status is None or faults.lines:
        return None
    return _model(checked_upstreams, checked_sites, servers, status)


def _model(
    upstreams: tuple[schema.Upstream, ...],
    sites: tuple[schema.Site, ...],
    servers: dict[str, tuple[pools.Server, ...]],
    status: values.Address,
) -> Model:
    return Model(
        upstreams=[
            UpstreamBlock(name=upstream["name"], lines=directives.upstream_lines(upstream, servers[upstream["at"]]))
            for upstream in upstreams
        ],
        sites=[
            SiteBlock(
                lines=directives.site_lines(site),
                locations=[
                    LocationBlock(path=str(location["path"]), lines=directives.location_lines(location))
                    for location in site["locations"]
                ],
            )
            for site in sites
        ],
        listening=_listening(sites, status),
        names=_names(servers.values()),
        proofs=[proof for site in sites for proof in proofs(site)],
        warnings=_unused(upstreams, sites),
    )


def _check_upstream_names(upstreams: tuple[schema.Upstream, ...], faults: Faults) -> None:
    places: dict[str, str] = {}
    for upstream in upstreams:
        if "name" in upstream:
            # To nginx the case of a name makes no difference.
            first = places.setdefault(upstream["name"].lower(), upstream["at"])
            if first != upstream["at"]:
                faults.add(f"{upstream['at']}.name", f"{shown(upstream['name'])} is the name of {first} already")


def _check_site_names(sites: tuple[schema.Site, ...], faults: Faults) -> None:
    """nginx itself only warns of a name used twice on one address, and serves the first site alone."""
    names: dict[tuple[values.Address, str], str] = {}
    defaults: dict[values.Address, str] = {}
    for site in sites:
        # What a site itself lists twice is another check's.
        for listen in {listen.address.canonical: listen for listen in site.get("listen", ())}.values():
            for name in {name.lower(): name for name in site.get("server_name", ())}.values():
                first = names.setdefault((listen.address.canonical, name.lower()), site["at"])
                if first != site["at"]:
                    faults.add(site["at"], f"{shown(name)} on {listen.address} is served by {first} already")
            if listen.default_server:
                first = defaults.setdefault(listen.address.canonical, site["at"])
                if first != site["at"]:
                    faults.add(f"{site['at']}.listen", f"{first} is the default server of {listen.address} already")


def _check_status_port(site: schema.Site, status: values.Address | None, faults: Faults) -> None:
    for listen in site.get("listen", ()):
        if status and listen.address.port == status.port:
            faults.add(f"{site['at']}.listen", f"{listen.address} has the port of websockets_status_listen")


def _check_listed_once(site: schema.Site, faults: Faults) -> None:
    for key, listed in (
        ("server_name", [name.lower() for name in site.get("server_name", ())]),
        ("listen", [str(listen.address.canonical) for listen in site.get("listen", ())]),
    ):
        for item in dict.fromkeys(item for item in listed if listed.count(item) > 1):
            faults.add(f"{site['at']}.{key}", f"{shown(item)} is listed more than once")


def _check_paths(site: schema.Site, faults: Faults) -> None:
    places: dict[tuple[bool, str], str] = {}
    for location in site.get("locations", ()):
        if "path" not in location:
            continue
        # nginx refuses the same path as '/a/' and '^~ /a/'; '= /a/' is a location of its own.
        path = location["path"]
        first = places.setdefault((path.modifier == "=", path.path), location["at"])
        if first != location["at"]:
            faults.add(f"{location['at']}.path", f"{shown(str(path))} is the path of {first} already")


def _check_references(site: schema.Site, upstreams: tuple[schema.Upstream, ...], faults: Faults) -> None:
    known = {upstream["name"] for upstream in upstreams if "name" in upstream}
    for location in site.get("locations", ()):
        name = location.get("upstream")
        if name is not None and name not in known:
            hint = did_you_mean(name, known)
            faults.add(f"{location['at']}.upstream", f"{shown(name)} is not an upstream{hint}")


def _listening(sites: tuple[schema.Site, ...], status: values.Address) -> list[Listening]:
    places: dict[str, str] = {str(status): "websockets_status_listen"}
    for site in sites:
        for listen in site["listen"]:
            places.setdefault(str(listen.address), f"{site['at']}.listen")
    return [Listening(address=address, at=at) for address, at in places.items()]


def _names(servers: t.Iterable[tuple[pools.Server, ...]]) -> list[Name]:
    places: dict[str, str] = {}
    for pool in servers:
        for server in pool:
            if not server.address.unix and values.is_name(server.address.host):
                places.setdefault(server.address.host, server.at)
    return [Name(name=name, at=at) for name, at in places.items()]


def _unused(upstreams: tuple[schema.Upstream, ...], sites: tuple[schema.Site, ...]) -> list[str]:
    used = {location["upstream"] for site in sites for location in site["locations"]}
    return [
        f"{upstream['at']}: no location uses the upstream '{upstream['name']}'"
        for upstream in upstreams
        if upstream["name"] not in used
    ]
