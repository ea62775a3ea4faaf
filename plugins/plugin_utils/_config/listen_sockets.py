# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sockets that sites share: which site answers for names that none of them has, and how dead clients are found."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._config.tls import is_of_an_address
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.addresses import Address, Listen
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.nginx_versions import Version
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.schema import Site

# A client that is gone without a word is found within two minutes. The kernel's own default is two hours.
_KEEPALIVE = "so_keepalive=60s:10s:6"


@dataclass(frozen=True)
class Neighbours:
    """What gateway_preflight_info returns of the host and its other sites; addresses are as the gateway has them."""

    defaults: t.Collection[str] = ()
    options: t.Collection[str] = ()
    hashes: t.Collection[str] = ()
    loopback: t.Collection[str] = ()
    # Where the host has its CAs, if not where Debian has them.
    ca_file: str | None = None
    path: str | None = None
    warnings: t.Sequence[str] = ()


def shared(
    sites: t.Sequence[Site], nginx: Version, neighbours: Neighbours = Neighbours()
) -> tuple[list[Site], list[Listen]]:
    """The sites with the options of their sockets completed and those that they are the default server of, and the
    listens of a server that refuses unknown names.

    That server comes before the sites, so that nginx takes it for the default one of these addresses. It leaves out
    those whose default server is in another file of the host, as Debian's is on port 80.
    """
    refusing: list[Listen] = []
    changed: dict[tuple[str, Address], Listen] = {}
    default_of: dict[str, list[str]] = {}
    for address, group in _by_address(sites).items():
        any_name = [at for at, listen, names in group if "_" in names or listen.default_server]
        at, listen, _names = next((member for member in group if member[1].options), group[0])
        has_default, has_options = (
            any(str(member.address) in texts for _at, member, _names in group)
            for texts in (neighbours.defaults, neighbours.options)
        )
        if has_default:
            if not has_options:
                changed[at, address] = _completed_options(listen, nginx)
        elif not any_name and not listen.options:
            refusing.append(
                _completed_options(Listen(listen.address, ssl=listen.ssl, proxy_protocol=listen.proxy_protocol), nginx)
            )
        else:
            changed[at, address] = _completed_options(listen, nginx)
            if not any_name:
                refusing.append(Listen(listen.address, ssl=listen.ssl, proxy_protocol=listen.proxy_protocol))
        # nginx's own default is the first site, and no address has two.
        said = [at for at, listen, _names in group if listen.default_server]
        if any_name and not said and (has_default or any_name[0] != group[0][0]):
            flagged = next(listen for at, listen, _names in group if at == any_name[0])
            flagged = changed.get((any_name[0], address), flagged)
            changed[any_name[0], address] = replace(flagged, default_server=True)
        for default in (said or any_name)[:1]:
            default_of.setdefault(default, []).extend(at for at, _listen, _names in group)
    by_path = {site["at"]: site for site in sites}
    return [
        _completed(site, changed, [by_path[at] for at in default_of.get(site["at"], ())]) for site in sites
    ], refusing


def by_policy(refusing: t.Sequence[Listen], sites: t.Sequence[Site]) -> list[list[Listen]]:
    """The listens of each server that refuses. nginx before 1.29.2 takes the versions of TLS from the default server of
    an address, whatever the site of the name says, so a modern address has one of its own. So has one with a site that
    clients reach by an IP address.
    """
    groups: dict[tuple[bool, str], list[Listen]] = {}
    by_address: dict[Address, list[Site]] = {}
    for site in sites:
        for address in {listen.address.canonical for listen in site["listen"]}:
            by_address.setdefault(address, []).append(site)
    for listen in refusing:
        here = by_address[listen.address.canonical] if listen.ssl else []
        unnamed = next((site["at"] for site in here if is_of_an_address(site)), "")
        groups.setdefault((any(site["ssl_policy"] == "modern" for site in here), unnamed), []).append(listen)
    return [groups[key] for key in sorted(groups)]


_Member = t.Tuple[str, Listen, t.Tuple[str, ...]]


def _by_address(sites: t.Sequence[Site]) -> dict[Address, list[_Member]]:
    groups: dict[Address, list[_Member]] = {}
    for site in sites:
        for listen in site["listen"]:
            groups.setdefault(listen.address.canonical, []).append((site["at"], listen, site["server_name"]))
    return groups


def _completed_options(listen: Listen, nginx: Version) -> Listen:
    if listen.address.unix:
        return listen
    missing = [] if any(option.startswith("so_keepalive=") for option in listen.options) else [_KEEPALIVE]
    if not nginx.spreads_connections and "reuseport" not in listen.options:
        missing.insert(0, "reuseport")
    return replace(listen, options=(*listen.options, *missing))


def _completed(site: Site, changed: t.Mapping[tuple[str, Address], Listen], default_of: t.Sequence[Site]) -> Site:
    listens = tuple(changed.get((site["at"], listen.address.canonical), listen) for listen in site["listen"])
    # A redirect has times and sizes of no site.
    others = tuple(other for other in default_of if "client_header_timeout" in other)
    return t.cast("Site", {**site, "listen": listens, "default_of": others})
