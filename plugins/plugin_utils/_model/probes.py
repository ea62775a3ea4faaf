# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How each route is verified: one probe for each location of each site, run on the gateway itself."""

from __future__ import annotations

import itertools
import re
import typing as t
import urllib.parse

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._config import access_control, locations, request_headers
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables import raw_directives
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.addresses import Address, is_name
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.schema import Location, ProbeOptions, Site
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.upstream_servers import Server
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.values import bytes_of

# The servers of each upstream by its name in lower case, as nginx takes it.
Upstreams = t.Mapping[str, t.Sequence[Server]]

# Where a listen on every address can be reached.
_LOOPBACK = {"": "127.0.0.1", "::": "::1"}
# Until the first answer of a name server the upstream is empty, and nginx asks again after 5 seconds without one.
_RESOLVING_SECONDS = 6.0
# nginx's own status for closing the connection without an answer.
_NO_ANSWER = 444
# Enough to tell whose error it is where a route is not verified.
_MOST_BACKENDS = 8
# Lines that change neither what a backend is asked nor what is made of its answer.
_HARMLESS = re.compile(
    r"#|(?:access_log|add_header|charset|client_\w+|default_type|error_log|etag|expires|gzip\w*|keepalive_\w+|"
    r"proxy_(?:\w+_timeout|buffering|buffers|busy_buffers_size|cookie_\w+|hide_header|next_upstream\w*|redirect|"
    r"socket_keepalive)|send_timeout|server_tokens|ssl_\w+|tcp_\w+)\b"
)
# Of the origins that a backend may want to be told.
_MOST_ORIGINS = 4
# Whose pages no site lets open WebSockets, and a name that none has (RFC 6761 section 6.4).
_FOREIGN = "foreign.invalid"
_FOREIGN_ORIGIN = f"https://{_FOREIGN}"
# What asks for credentials, with the statuses of a client without.
_ASKING = {"auth_basic": [401], "auth_request": [401, 403]}
# The host as the client sent it.
_CLIENTS_HOST = ("$host", "$http_host", "$host$websocket_port")


class Backends(t.TypedDict):
    """Where a route leads, and what nginx asks for there."""

    url: str
    addresses: list[str]
    # What nginx says of itself and of the client; an empty value leaves a header out.
    forwarded: dict[str, str]
    # Other headers of the location, which may hold tokens.
    headers: dict[str, str]
    # Whether nginx asks them for just that: not where a header needs nginx, or a line of directives may change it.
    exact: bool
    # The bytes of an answer's header that nginx takes.
    header_size: int
    # Its name in lower case; None for a single address.
    upstream: str | None
    # Those that clients of the site may have, to find out whether they want one.
    origins: list[str]


class Probe(t.TypedDict):
    """A route, where to reach it, what to ask and what the answer must be: options of the module config_transaction.

    The headers of probe are not in it, for they may be secret, and the model becomes a fact of the host.
    """

    at: str
    site: str
    path: str
    url: str
    connect_to: str
    websocket: bool | str
    # Whether the operator said how it is verified; else its backends may speak WebSocket elsewhere.
    strict: bool
    status: int | None
    origin: str | None
    subprotocols: list[str]
    send: str | None
    expect: str | None
    backends: Backends | None
    wait: float
    proxy_protocol: bool
    ssl_certificate: str | None
    ssl_certificate_key: str | None


class Refusal(Probe):
    """What nginx is to refuse: a probe without backends."""

    # The rule, and its variable.
    rule: str
    variable: str
    # Statuses of nginx itself.
    refused_with: list[int]
    # Another Host than that of the url.
    host: str | None


def probes(site: Site, upstreams: Upstreams) -> list[Probe]:
    """The probes of a site."""
    return [_probe(site, location, upstreams) for location in site["locations"] if _is_verified(site, location)]


def refusals(site: Site, refusing: t.Collection[Address], http: t.Sequence[str]) -> list[Refusal]:
    """The probes of what a site is to refuse, given the addresses at which a foreign name is, and the lines of the http
    block.

    A location without a probe has none of these either. Where an error_page of the operator's changes the status,
    nothing tells a refusal from a response.
    """
    found = list(_refusals_of_site(site, refusing))
    for location in site["locations"]:
        if _is_verified(site, location):
            found += _refusals_of_location(site, location)
    blocks = {location["at"]: location["directives"] for location in site["locations"]}
    return [
        probe
        for probe in found
        if not _has_error_page([*http, *site["directives"], *blocks[probe["at"]]], probe["refused_with"])
    ]


def _refusals_of_site(site: Site, refusing: t.Collection[Address]) -> t.Iterator[Refusal]:
    location = next((place for place in site["locations"] if place["probe"] and _has_url(site, place)), None)
    if location is None:
        return
    listen = site["listen"][0]
    if listen.address.canonical in refusing:
        yield _refusal(site, location, "host", f"{site['at']}.server_name", [421], host=_FOREIGN)
    if listen.ssl and site["ssl_client_certificate"] and site["ssl_verify_client"] in (None, "on"):
        key = "ssl_verify_client" if site["ssl_verify_client"] else "ssl_client_certificate"
        bare = {"ssl_certificate": None, "ssl_certificate_key": None}
        yield _refusal(site, location, "certificate", f"{site['at']}.{key}", [400], **bare)


def _refusals_of_location(site: Site, location: Location) -> t.Iterator[Refusal]:
    origins, at = access_control.given(site, location, "allowed_origins")
    if location["websocket"] and origins and not {"*", _FOREIGN_ORIGIN} & set(origins):
        yield _refusal(site, location, "origin", f"{at}.allowed_origins", [403], websocket=True, origin=_FOREIGN_ORIGIN)
    if location["websocket"] == "required":
        yield _refusal(site, location, "upgrade", f"{location['at']}.websocket", [426])
    # nginx returns before it asks anybody.
    if not location["return"] and not any(
        raw_directives.has(block["directives"], "satisfy") for block in (site, location)
    ):
        for name, statuses in _ASKING.items():
            asking: t.Sequence[t.Mapping[str, t.Any]] = (location, site)
            block = next((block for block in asking if raw_directives.has(block["directives"], name)), None)
            if block and raw_directives.argument(block["directives"], name) != "off":
                # A plain request may be refused for what it is, and the body that never comes kept from who is asked.
                is_handshake = location["websocket"] == "required" or (name != "auth_basic" and location["websocket"])
                at = f"{block['at']}.directives"
                probe = _refusal(site, location, "token", at, statuses, websocket=bool(is_handshake))
                yield {**probe, "url": probe["url"].partition("?")[0]}
                return


def _refusal(
    site: Site, location: Location, rule: str, variable: str, refused_with: list[int], **keys: t.Any
) -> Refusal:
    """The probe of a location, as one that nginx is to refuse: without anything that is for backends alone."""
    refusal = {
        **_probe(site, location, {}),
        "websocket": False,
        "strict": True,
        "status": None,
        "send": None,
        "expect": None,
        "backends": None,
        "wait": 0,
        "rule": rule,
        "variable": variable,
        "refused_with": refused_with,
        "host": None,
        **keys,
    }
    return t.cast("Refusal", refusal)


def _has_error_page(lines: t.Sequence[str], statuses: t.Sequence[int]) -> bool:
    codes = "|".join(map(str, [*statuses, *((495, 496) if 400 in statuses else ())]))
    return bool(re.search(rf"\berror_page\b[^;]*\b(?:{codes})\b", "\n".join(lines)))


def is_foreign(name: str) -> bool:
    """Whether a server_name has the foreign name. An expression that Python does not read may have it."""
    if not name.startswith("~"):
        return name.lower().strip("*.") in ("foreign", "invalid", _FOREIGN)
    try:
        return bool(re.search(name[1:], _FOREIGN, re.IGNORECASE))
    except re.error:
        return True


def with_headers(
    probes: t.Sequence[t.Mapping[str, t.Any]], sites: t.Sequence[t.Mapping[str, t.Any]]
) -> list[dict[str, t.Any]]:
    """The probes, each with the headers of its location's key probe, from the operator's own checked variable."""
    own: dict[str, tuple[t.Mapping[str, t.Any], t.Mapping[str, t.Any]]] = {
        f"websockets_sites[{number}].locations[{index}]": (
            location["probe"].get("headers") or {},
            request_headers.merged(site.get("headers") or {}, location.get("headers") or {}),
        )
        for number, site in enumerate(sites)
        for index, location in enumerate(site["locations"])
        if isinstance(location.get("probe"), t.Mapping)
    }
    return [
        _with_headers(probe, _sent(probe, own[probe["at"]][0]), own[probe["at"]][1])
        if probe["at"] in own
        else {**probe, "headers": {}}
        for probe in probes
    ]


def _sent(probe: t.Mapping[str, t.Any], headers: t.Mapping[str, t.Any]) -> t.Mapping[str, t.Any]:
    """The headers of a probe; without any that may be a credential, where a client without is to be refused."""
    if probe.get("rule") != "token":
        return headers
    return {name: value for name, value in headers.items() if name.lower() == "host"}


def _with_headers(
    probe: t.Mapping[str, t.Any], asked: t.Mapping[str, t.Any], given: t.Mapping[str, t.Any]
) -> dict[str, t.Any]:
    """The probe with the headers of the key probe, and what of them nginx passes on in other words."""
    backends = probe["backends"]
    if backends and asked:
        passed = _passed_on(asked, given, backends["forwarded"])
        backends = {**backends, "headers": {**backends["headers"], **passed}}
    return {**probe, "headers": dict(asked), "backends": backends}


def _passed_on(
    asked: t.Mapping[str, t.Any], given: t.Mapping[str, t.Any], forwarded: t.Mapping[str, str]
) -> dict[str, str]:
    told = {name.lower(): str(value) for name, value in asked.items()}
    own = {name.lower(): value for name, value in given.items()}
    passed: dict[str, str] = {}
    if "host" in told and own.get("host", "$host") in _CLIENTS_HOST:
        passed["Host"] = told["host"].lower()
    if "x-forwarded-for" in told and "x-forwarded-for" not in own:
        passed["X-Forwarded-For"] = f"{told['x-forwarded-for']}, {forwarded['X-Forwarded-For']}"
    return passed


def served(site: Site) -> str:
    """Where the site is probed, and its name."""
    return f"{_reachable(site['listen'][0].address)} {site['server_name'][0]}"


def unprobed(site: Site) -> list[str]:
    """The locations that are to be verified, and cannot be."""
    return [
        f"{location['at']}: cannot be verified: {_obstacle(site, location)}"
        for location in site["locations"]
        if location["probe"] is not False and not _closes(location) and _obstacle(site, location)
    ]


def _is_verified(site: Site, location: Location) -> bool:
    return bool(location["probe"]) and not _closes(location) and not _obstacle(site, location)


def _has_url(site: Site, location: Location) -> bool:
    """Whether a name and a path are known by which the location is reached."""
    return any(not name.startswith("~") for name in site["server_name"]) and bool(_path(location))


def _obstacle(site: Site, location: Location) -> str:
    """Why nothing could be asked that tells whether the route works."""
    if not any(not name.startswith("~") for name in site["server_name"]):
        return "server_name of its site has only regular expressions; add a name that they match"
    if not _path(location):
        return "the regular expression requires probe.path"
    shows_none = site["listen"][0].ssl and not _options(location).get("ssl_certificate")
    if site["ssl_client_certificate"] and site["ssl_verify_client"] != "optional" and shows_none:
        return "the site requires a client certificate: set probe.ssl_certificate and probe.ssl_certificate_key"
    return ""


def _closes(location: Location) -> bool:
    returned = location["return"]
    return returned is not None and returned.status == _NO_ANSWER


def _probe(site: Site, location: Location, upstreams: Upstreams) -> Probe:
    listen = site["listen"][0]
    given = _options(location)
    scheme = ("ws" if location["websocket"] else "http") + ("s" if listen.ssl else "")
    returned = location["return"]
    subprotocol = given.get("subprotocol")
    return Probe(
        at=location["at"],
        site=site["server_name"][0],
        path=str(location["path"]),
        url=f"{scheme}://{_clients_host(site)}{_path(location)}",
        connect_to=str(_reachable(listen.address)),
        websocket=location["websocket"],
        strict=not location["websocket"] or not isinstance(location["probe"], bool),
        status=returned.status if returned else None,
        origin=given.get("origin") or _origin(site, location),
        subprotocols=[subprotocol] if subprotocol else [],
        send=given.get("message"),
        expect=given.get("expect"),
        backends=_backends(site, location, upstreams),
        # An upstream that nginx resolves while it runs may have no server until it has resolved one.
        proxy_protocol=listen.proxy_protocol,
        ssl_certificate=given.get("ssl_certificate"),
        ssl_certificate_key=given.get("ssl_certificate_key"),
        wait=_RESOLVING_SECONDS
        if any(s.parameters.get("resolve") for s in upstreams.get(_upstream(location), ()))
        else 0,
    )


def _origin(site: Site, location: Location) -> str | None:
    """An origin that may open WebSockets, where one has to be told."""
    origins, _at = access_control.given(site, location, "allowed_origins")
    told = access_control.given(site, location, "allow_missing_origin")[0] is False
    return origins[0] if location["websocket"] and told and origins and origins != ("*",) else None


def _backends(site: Site, location: Location, upstreams: Upstreams) -> Backends | None:
    url = location["proxy_pass"]
    secure = url is not None and url.scheme == "https"
    servers = (server for server in upstreams.get(_upstream(location), ()) if not server.is_down)
    addresses = [server.address for server in itertools.islice(servers, _MOST_BACKENDS)]
    if url and _upstream(location) not in upstreams:
        addresses = [url.address if url.address.unix or url.address.port else _with_port(url.address, secure)]
    if not addresses:
        return None
    forwarded, others, whole = _forwarded(site, location)
    lines = (*site["directives"], *location["directives"])
    scheme = ("ws" if location["websocket"] else "http") + ("s" if secure else "")
    return Backends(
        url=f"{scheme}://{_backend_name(site, location)}{_backend_path(location)}",
        addresses=list(map(str, addresses)),
        forwarded=forwarded,
        headers=others,
        exact=whole and all(_HARMLESS.match(line.strip()) for line in lines),
        header_size=bytes_of(locations.buffers(site, location)[0] or locations.BUFFER),
        upstream=_upstream(location) if _upstream(location) in upstreams else None,
        origins=_origins(site, location) if location["websocket"] else [],
    )


def _origins(site: Site, location: Location) -> list[str]:
    """Where pages come from that open WebSockets: the site itself, or whoever may."""
    own = f"http{'s' if site['listen'][0].ssl else ''}://{_clients_host(site)}"
    allowed, _at = access_control.given(site, location, "allowed_origins")
    if not allowed or allowed == ("*",):
        return [own]
    return sorted(allowed, key=lambda origin: origin != own)[:_MOST_ORIGINS]


def _variables(site: Site) -> dict[str, str]:
    """What nginx puts for its variables where the gateway itself is the client."""
    listen = site["listen"][0]
    reached = _reachable(listen.address)
    # Who connects to an address of the host has the same one.
    client = "unix:" if reached.unix else _LOOPBACK[""] if is_name(reached.host) else reached.canonical.host
    return {
        "$host": _request_host(site).lower(),
        "$http_host": _clients_host(site),
        "$host$websocket_port": _clients_host(site).lower(),
        "$remote_addr": client,
        # The gateway is no load balancer that would be believed.
        **dict.fromkeys(("$proxy_add_x_forwarded_for", "$websocket_for"), client),
        **dict.fromkeys(("$scheme", "$websocket_proto"), "https" if listen.ssl else "http"),
    }


def _forwarded(site: Site, location: Location) -> tuple[dict[str, str], dict[str, str], bool]:
    """What a backend is told of nginx and the client, the other headers of a location, and whether that is all.

    What holds any other variable is for nginx alone to complete, and left out.
    """
    variables, given = _variables(site), location["headers"]
    told = {name: variables.get(value, value) for name, value in request_headers.forwarded(site).items()}
    names = {name.lower(): name for name in told}
    others: dict[str, str] = {}
    for name, value in given.items():
        completed = variables.get(value, value)
        if "$" not in completed:
            own = names.get(name.lower())
            (told if own else others)[own or name] = completed
    return told, others, not any("$" in variables.get(value, value) for value in given.values())


def _backend_name(site: Site, location: Location) -> str:
    """The name that the certificate of a backend is asked for, which without TLS is only one for messages."""
    url = location["proxy_pass"]
    if url is None or url.scheme != "https":
        return _request_host(site)
    name = location["proxy_ssl_name"] or url.address.host or _request_host(site)
    return f"[{name}]" if ":" in name else name


def _with_port(address: Address, secure: bool) -> Address:
    return Address(host=address.host, port=443 if secure else 80)


def _backend_path(location: Location) -> str:
    """The path that nginx asks a backend for: with a path behind the upstream that replaces the location's own."""
    asked, url = _path(location), location["proxy_pass"]
    replacement = "/" if location["strip_prefix"] else url.uri if url else ""
    own = urllib.parse.quote(location["path"].path)
    if not replacement or location["path"].is_regex or not asked.startswith(own):
        return asked
    return replacement + asked[len(own) :]


def _options(location: Location) -> ProbeOptions:
    probe = location["probe"]
    return {} if isinstance(probe, bool) else probe


def _upstream(location: Location) -> str:
    url = location["proxy_pass"]
    # To nginx the case of an upstream's name makes no difference.
    return (url.address.host if url else location["upstream"] or "").lower()


def _path(location: Location) -> str:
    """The path to ask for, or nothing where none is known."""
    given = _options(location).get("path")
    if given:
        return given
    path = location["path"]
    # nginx compares a location with the decoded path.
    return "" if path.is_regex else urllib.parse.quote(path.path)


def _reachable(address: Address) -> Address:
    host = address.canonical.host
    return address if address.unix else Address(host=_LOOPBACK.get(host, host), port=address.port)


def _clients_host(site: Site) -> str:
    """The host as a client of the site sends it: with its port, unless that is the scheme's own."""
    listen = site["listen"][0]
    standard = listen.address.unix or listen.address.port == (443 if listen.ssl else 80)
    return _request_host(site) if standard else f"{_request_host(site)}:{listen.address.port}"


def _request_host(site: Site) -> str:
    """A host name that clients reach the site by: its first whole one, one of a wildcard, or for '_' any other."""
    wild = ""
    for name in site["server_name"]:
        if name != "_" and not name.startswith(("*.", ".", "~")) and not name.endswith(".*"):
            return name
        if not wild and not name.startswith("~"):
            wild = name
    if wild == "_":
        return "probe.invalid"
    return wild.replace("*.", "probe.").replace(".*", ".invalid").lstrip(".")
