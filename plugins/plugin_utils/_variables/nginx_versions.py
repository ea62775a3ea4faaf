# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""nginx's versions: what a gateway's nginx can do, and where it writes the same thing in another way."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables import values
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.errors import Errors, shown
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.keys import Key
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.location_keys import LOCATION
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.site_keys import SITE
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.upstream_keys import SERVER_PARAMETERS, UPSTREAM

if t.TYPE_CHECKING:
    from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.schema import Site, Upstream
    from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.upstream_servers import Server

# From https://nginx.org/en/CHANGES.
_OLDEST = (1, 18, 0)
BALANCES = {"sticky": (1, 29, 6), "least_time": (1, 31, 0)}
_HTTP2_DIRECTIVE = (1, 25, 1)
_REJECT_HANDSHAKE = (1, 19, 4)
_SPREADS_CONNECTIONS = (1, 21, 6)
_KEEPALIVE_BY_DEFAULT = (1, 29, 7)

# What any nginx can do instead.
_OTHER_WAYS = dict.fromkeys(
    ("resolve", "resolver"), "; proxy_pass: http://NAME:PORT with a resolver does the same on any nginx"
)

_VERSION = re.compile(r"([0-9]{1,4})\.([0-9]{1,4})(?:\.([0-9]{1,4}))?")


class Version(t.NamedTuple):
    """A version of nginx."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return ".".join(map(str, self))

    @property
    def has_http2_directive(self) -> bool:
        """Whether HTTP/2 is a directive of the server and no longer a parameter of listen."""
        return self >= _HTTP2_DIRECTIVE

    @property
    def can_reject_handshakes(self) -> bool:
        """Whether a server can end a TLS handshake without a certificate of its own."""
        return self >= _REJECT_HANDSHAKE

    @property
    def spreads_connections(self) -> bool:
        """Whether the connections of a socket that all workers listen on are spread over them. Before, one gets all."""
        return self >= _SPREADS_CONNECTIONS

    @property
    def keeps_connections_by_default(self) -> bool:
        """Whether an upstream keeps idle connections unless told otherwise, and takes keepalive 0 for that."""
        return self >= _KEEPALIVE_BY_DEFAULT


# What the variables are checked for while no nginx is known.
NEWEST = Version(9999, 0, 0)


def given(value: object, path: str, errors: Errors) -> Version:
    """The version that the file is for, or a version that can do everything where none is known."""
    text = None if value is None else values.text(value, path, errors)
    if text is None:
        return NEWEST
    found = _VERSION.fullmatch(text)
    if found is None:
        errors.add(path, f"{shown(text)} is not an nginx version, such as '1.26.3'")
        return NEWEST
    version = Version(int(found[1]), int(found[2]), int(found[3] or 0))
    if version < _OLDEST:
        errors.add(path, f"nginx {version} is too old; {_dotted(_OLDEST)} or later is required")
    return version


class Need(t.NamedTuple):
    """Something that an older nginx cannot do, and its place in the variables."""

    at: str
    what: str
    since: tuple[int, int, int]


def needs(
    upstreams: t.Iterable[Upstream], servers: t.Mapping[str, t.Sequence[Server]], sites: t.Iterable[Site]
) -> t.Iterator[Need]:
    """What the variables need beyond the oldest nginx, given the servers of each upstream by its path."""
    for upstream in upstreams:
        method = upstream.get("balance", ("",))[0]
        if method in BALANCES:
            yield Need(f"{upstream['at']}.balance", method, BALANCES[method])
        yield from _needs_of_keys(UPSTREAM, upstream)
        for server in servers[upstream["at"]]:
            yield from _needs_of_keys(SERVER_PARAMETERS, server.parameters)
    for site in sites:
        yield from _needs_of_keys(SITE, site)
        for location in site.get("locations", ()):
            yield from _needs_of_keys(LOCATION, location)


def _needs_of_keys(keys: t.Mapping[str, Key], block: t.Mapping[str, t.Any]) -> t.Iterator[Need]:
    for name, key in keys.items():
        value = block.get(name)
        if key.nginx and value is not None and value is not False:
            yield Need(f"{block['at']}.{name}", name, key.nginx)


def check(found: t.Iterable[Need], nginx: Version, errors: Errors) -> None:
    """Note each thing that the gateway's nginx is too old for."""
    for need in found:
        if nginx < need.since:
            since = f"'{need.what}' requires nginx {_dotted(need.since)} or later; this gateway has {nginx}"
            errors.add(need.at, f"{since}{_OTHER_WAYS.get(need.what, '')}")


def suits_since(upstreams: t.Iterable[Upstream], sites: t.Iterable[Site]) -> str | None:
    """The version since which each nginx reads the same text for the variables, or none where later ones differ."""
    listens = [listen for site in sites for listen in site["listen"]]
    if any(listen.ssl for listen in listens) or any(upstream["keepalive"] == 0 for upstream in upstreams):
        return None
    return _dotted(_SPREADS_CONNECTIONS if any(not listen.address.unix for listen in listens) else _OLDEST)


def _numbers(text: str | None) -> tuple[int, ...] | None:
    found = _VERSION.match(text or "")
    return None if found is None else tuple(int(number or 0) for number in found.groups())


def _dotted(since: tuple[int, int, int]) -> str:
    return ".".join(map(str, since))
