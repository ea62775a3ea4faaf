# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the variables say is what another parser reads in the file: nothing more, nothing less, nothing else."""

from __future__ import annotations

import re
import typing as t
from dataclasses import replace

import pytest
import strategies
from ansible_collections.wsfleet.nginx.plugins.filter.gateway_model import gateway_model
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx.times import seconds_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from parsing import Directive, parse
from rendering import render

VERSIONS = [(1, 18, 0), (1, 22, 1), (1, 26, 3), (1, 30, 0)]
SLOW = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
HEADERS = [
    *("Host", "X-Real-IP", "X-Forwarded-For", "X-Forwarded-Proto"),
    *("X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Ssl", "X-Scheme", "Forwarded"),
    *("Upgrade", "Connection"),
]
TIMES_AND_SIZES = ("proxy_connect_timeout", "proxy_send_timeout", "proxy_read_timeout", "proxy_buffer_size")


def listed(value: t.Any) -> list[t.Any]:
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("nginx", VERSIONS, ids=lambda version: ".".join(map(str, version)))
@given(data=st.data())
@SLOW
def test_the_file_says_what_the_variables_say(nginx: strategies.Version, data: st.DataObject) -> None:
    variables = data.draw(strategies.gateways(nginx))
    text = render(variables)
    assert strategies.SECRET not in text
    assert strategies.SECRET not in str(gateway_model(variables, {}, {}))
    file = parse(text)
    given = parse("\n".join(listed(variables["websockets_directives"]))).block
    assert file.block[: len(given)] == given
    file = replace(file, block=file.block[len(given) :])
    assert {directive.name for directive in file.block} <= HTTP - {
        directive.name for directive in given if "hash" in directive.name
    }
    blocks = file.named("upstream")
    servers = [unasked(server, variables["websockets_health_path"]) for server in file.named("server")[:-1]]
    assert len(blocks) == len(variables["websockets_upstreams"])
    for block, upstream in zip(blocks, variables["websockets_upstreams"]):
        check_upstream(block, upstream, nginx)
    check_servers(servers, variables["websockets_sites"])
    check_sockets(servers, nginx)
    check_definitions(file)
    for server in servers:
        check_names(server)


@given(variables=strategies.gateways(VERSIONS[-1]))
@SLOW
def test_a_request_goes_where_the_variables_say(variables: strategies.Variables) -> None:
    """Each location's own lines are followed as nginx does: its ifs, its error pages and its limits."""
    file = parse(render(variables))
    maps = {block.args[1]: dict(zip_rows(block)) for block in file.named("map") if "foreign" in block.args[1]}
    all_servers = [unasked(server, variables["websockets_health_path"]) for server in file.named("server")[:-1]]
    servers = {server.arguments("server_name")[0]: server for server in all_servers if is_site(server)}
    for site in variables["websockets_sites"]:
        server = servers[tuple(listed(site["server_name"]))]
        for block, location in zip(server.named("location"), proxied_first(server, site)):
            if location is not None and ("upstream" in location or "proxy_pass" in location):
                check_requests(server, block, inherited(site, location), maps)


def unasked(server: Directive, path: str | None) -> Directive:
    """A server but for what balancers ask it."""
    asked = [block for block in server.named("location") if block.args == ("=", str(path))]
    assert len(asked) == (path is not None)
    for block in asked:
        assert block.named("if")[0].args == ("-f", "/etc/nginx/conf.d/.00-websockets.out")
        assert block.named("if")[0].arguments("return") == [("503", "out\n")]
        assert block.arguments("return") == [("200", "in\n")]
    return replace(server, block=tuple(directive for directive in server.block if directive not in asked))


def is_site(server: Directive) -> bool:
    redirects = all(args[0].rpartition(":")[2] == "80" for args in server.arguments("listen"))
    return bool(server.named("server_name")) and not redirects


def answering(server: Directive) -> Directive:
    """What has the answer of a server to everything."""
    return server.named("location")[0] if server.named("location") else server


def zip_rows(block: Directive) -> t.Iterator[tuple[str, str]]:
    for row in block.block:
        yield row.name, row.args[0]


LIMITS = (
    *("allowed_origins", "allow_missing_origin", "limit_conn_per_client", "limit_handshakes_per_client"),
    "limit_dry_run",
)


def inherited(site: strategies.Variables, location: strategies.Variables) -> strategies.Variables:
    return {**{key: site[key] for key in LIMITS if key in site}, **location}


def proxied_first(server: Directive, site: strategies.Variables) -> t.Iterator[strategies.Variables | None]:
    """The variables of each location block, or nothing for those with a name of their own."""
    locations = iter(site["locations"])
    for block in server.named("location"):
        yield None if block.args[0].startswith("@") else next(locations, None)
    assert next(locations, None) is None


def check_requests(
    server: Directive, block: Directive, keys: strategies.Variables, maps: dict[str, dict[str, str]]
) -> None:
    websocket, origins = keys.get("websocket", True), keys.get("allowed_origins", "*")
    limits = bool(keys.get("limit_conn_per_client") or keys.get("limit_handshakes_per_client"))
    outcomes = {
        True: {"no upgrade": "plain", "other upgrade": "plain", "no handshake": "426"},
        "required": {"no upgrade": "426", "other upgrade": "426", "no handshake": "426"},
        False: {"no upgrade": "plain", "other upgrade": "plain", "no handshake": "400"},
    }[websocket]
    for kind, expected in outcomes.items():
        assert outcome(server, block, Request(kind, "https://evil.example"), maps) == (expected, False)
    for origin in ("", *strategies.ORIGINS, "https://evil.example"):
        admitted = origins == "*" or (keys.get("allow_missing_origin", True) if origin == "" else origin in origins)
        expected = "400" if websocket is False else "tunnel" if admitted else "403"
        found = outcome(server, block, Request("handshake", origin), maps)
        assert found == (expected, limits and expected == "tunnel")


class Request(t.NamedTuple):
    kind: str
    origin: str

    def variable(self, name: str, maps: dict[str, dict[str, str]]) -> str:
        upgrade = "websocket" if self.kind == "handshake" else ""
        if name in maps:
            found = maps[name].get(self.origin, maps[name]["default"])
            return upgrade if found == "$websocket_upgrade" else found
        known = {
            "$websocket_upgrade": upgrade,
            "$websocket_refused": "yes" if self.kind == "no handshake" else "",
            "$websocket_named": "yes" if self.kind in ("handshake", "no handshake") else "",
        }
        return known[name]

    def fulfils(self, condition: tuple[str, ...], maps: dict[str, dict[str, str]]) -> bool:
        name, *rest = condition
        value = self.variable(name, maps)
        if not rest:
            return value not in ("", "0")
        operator, other = rest
        assert operator == "="
        return value == other


def outcome(server: Directive, block: Directive, request: Request, maps: dict[str, dict[str, str]]) -> tuple[str, bool]:
    """How a request ends in a location, and whether its client was counted on the way."""
    for condition in block.named("if"):
        if condition.args[0] != "$arg_x" and request.fulfils(condition.args, maps):
            ((status,),) = condition.arguments("return")
            pages = {args[0]: args[-1] for args in inherited_by(block, server, "error_page").arguments("error_page")}
            if status in pages:
                (page,) = (found for found in server.named("location") if found.args == (pages[status],))
                assert page.arguments("return")[0][0] == status
            return status, False
    headers = {
        args[0]: args[1] for args in inherited_by(block, server, "proxy_set_header").arguments("proxy_set_header")
    }
    upgrades = headers["Upgrade"] == "$websocket_upgrade" and request.kind == "handshake"
    limited = bool(block.named("limit_conn") or block.named("limit_req"))
    return "tunnel" if upgrades else "plain", limited and is_counted(server, request, maps)


def is_counted(server: Directive, request: Request, maps: dict[str, dict[str, str]]) -> bool:
    """nginx counts no request whose key is empty."""
    client = [args[1] for args in server.arguments("set") if args[0] == "$websocket_client"]
    for condition in server.named("if"):
        if condition.args[0] == "$websocket_upgrade" and request.fulfils(condition.args, maps):
            client += [args[1] for args in condition.arguments("set") if args[0] == "$websocket_client"]
    return client[-1] != ""


def inherited_by(block: Directive, server: Directive, name: str) -> Directive:
    """The block that a location has its directives of a name from: nginx inherits all of them or none."""
    return block if block.named(name) else server


HTTP = {
    *("map", "upstream", "server", "log_format", "limit_conn_zone", "limit_req_zone"),
    *("map_hash_bucket_size", "server_names_hash_bucket_size", "variables_hash_bucket_size"),
}


def check_servers(servers: list[Directive], sites: list[strategies.Variables]) -> None:
    """First come those that refuse, one for each policy and certificate, and after each site its redirect."""
    left = list(servers)
    policies = []
    while left and not left[0].named("server_name"):
        refusing = left.pop(0)
        assert answering(refusing).arguments("return") == [("421",)]
        policies.append((refusing.arguments("ssl_protocols"), refusing.arguments("ssl_certificate")))
    assert len(policies) <= 4
    assert all(policies.count(policy) == 1 for policy in policies)
    for site in sites:
        check_site(left.pop(0), site, sites)
        if site.get("redirect_http"):
            check_redirect(left.pop(0), site)
    assert left == []


def check_redirect(server: Directive, site: strategies.Variables) -> None:
    hosts = {str(listen).split()[0].rpartition(":")[0] for listen in listed(site["listen"])}
    found = {args[0] for args in server.arguments("listen")}
    assert found == {f"{host}:80".lstrip(":") for host in hosts if host != "unix"}
    assert server.arguments("server_name") == [tuple(listed(site["server_name"]))]
    assert answering(server).arguments("return")[0][0] == "301"
    assert [block.args for block in server.named("location")] in ([], [("/",)])


def check_sockets(servers: list[Directive], nginx: strategies.Version) -> None:
    """nginx refuses two listens of one address with options, and takes the first server where none is the default."""
    listens: dict[str, list[tuple[Directive, set[str]]]] = {}
    for server in servers:
        addresses = [args[0] for args in server.arguments("listen")]
        assert len(addresses) == len(set(addresses))
        for address, *parameters in server.arguments("listen"):
            listens.setdefault(address, []).append((server, set(parameters)))
    flags = {"default_server", "ssl", "http2", "proxy_protocol"}
    for address, group in listens.items():
        with_options = [given - flags for _server, given in group if given - flags]
        assert len(with_options) <= 1
        keepalive = [option for given in with_options for option in given if option.startswith("so_keepalive=")]
        assert len(keepalive) == (not address.startswith("unix:"))
        if nginx < (1, 21, 6):
            assert ("reuseport" in set().union(*with_options)) == (not address.startswith("unix:"))
        for flag in ("ssl", "proxy_protocol"):
            assert len({flag in given for _server, given in group}) == 1
        defaults = [server for server, given in group if "default_server" in given]
        assert len(defaults) <= 1
        default = (defaults or [group[0][0]])[0]
        names = default.arguments("server_name")
        assert names == [] or "_" in names[0] or defaults


def check_definitions(file: Directive) -> None:
    """What is used is defined once, and what is defined is used."""
    everything = list(within(file))
    zones = [
        arg for name in ("limit_conn_zone", "limit_req_zone") for args in file.arguments(name) for arg in args[1:2]
    ]
    defined = [zone.partition("=")[2].partition(":")[0] for zone in zones]
    used = {args[0] for name, args in everything if name == "limit_conn"}
    used |= {args[0].partition("=")[2] for name, args in everything if name == "limit_req"}
    assert sorted(defined) == sorted(used)
    maps = {block.args[1]: block for block in file.named("map")}
    assert len(maps) == len(file.named("map"))
    words = [arg for name, args in everything for arg in args]
    words += [block.args[0] for block in maps.values()]
    used_variables = set(re.findall(r"\$websocket_\w+", "\n".join(words)))
    own = {args[0] for name, args in everything if name == "set"}
    own |= {f"${name}" for block in maps.values() for row in block.block for name in re.findall(r"<(\w+)>", row.name)}
    assert used_variables <= {*maps, *own}
    everywhere = {"upgrade", "connection", "port"}
    assert maps.keys() - {f"$websocket_{name}" for name in everywhere} <= used_variables
    formats = [args[0] for args in file.arguments("log_format")]
    logs = {args[1] for name, args in everything if name == "access_log" and args[1:2] not in ((), ("combined",))}
    assert formats == sorted(logs)


def within(directive: Directive) -> t.Iterator[tuple[str, tuple[str, ...]]]:
    for inner in directive.block:
        if inner.name != "map":
            yield inner.name, inner.args
        yield from within(inner)


def check_names(server: Directive) -> None:
    """Each location has its name alone, and whatever is handed over to one finds it."""
    names = [block.args for block in server.named("location")]
    assert len(names) == len(set(names))
    for name, args in within(server):
        target = args[-1] if name == "error_page" else ""
        assert not target.startswith("@") or (target,) in names


def check_upstream(block: Directive, upstream: strategies.Variables, nginx: strategies.Version) -> None:
    assert block.args == (upstream["name"],)
    balance = upstream.get("balance", "least_conn")
    method = balance.split()[0]
    assert [set(args) for args in block.arguments("server")] == servers_words(upstream["servers"], method)
    assert [" ".join(args) for args in block.arguments(method)] == (
        [] if method == "round_robin" else [balance.replace('"', "").partition(" ")[2]]
    )
    methods = {"least_conn", "ip_hash", "random", "hash", "sticky"}
    assert {directive.name for directive in block.block} & methods == (
        {"least_conn", "sticky"} if method == "sticky" else {method} - {"round_robin"}
    )
    assert [" ".join(args) for args in block.arguments("resolver")] == listed(upstream.get("resolver", []))
    keepalive = upstream.get("keepalive", 32)
    expected = [] if keepalive == 0 and nginx < (1, 29, 7) else [(str(keepalive),)]
    assert block.arguments("keepalive") == expected
    (zone,) = block.arguments("zone")
    assert " ".join(zone).endswith(upstream.get("zone", "64k"))


def servers_words(servers: list[t.Any], method: str) -> list[set[str]]:
    """Of each server, and of those that nginx can turn to when all others have failed."""
    found = [server_words(server) for server in servers]
    kept = [
        {*words, *(["max_fails=0"] if not any(word.startswith("max_fails") for word in words) else [])}
        for words in found
    ]
    if len(found) == 1:
        return found
    if method in ("ip_hash", "hash", "random"):
        return kept
    if any("backup" in words for words in found):
        return [other if "backup" in words else words for words, other in zip(found, kept)]
    limited = any(re.match("max_conns=[1-9]", word) for words in found for word in words)
    if limited:
        return found
    free = [not words & {"down"} and words != other for words, other in zip(found, kept)]
    return [*found, *({*other, "backup"} for other, is_free in zip(kept, free) if is_free)]


def server_words(server: t.Any) -> set[str]:
    if isinstance(server, str):
        return {server}
    words = {server["address"]}
    for key, value in server.items():
        if value is True:
            words.add(key)
        elif key != "address" and value is not False:
            words.add(f"{key}={str(value).replace(' ', '')}")
    return words


def check_site(server: Directive, site: strategies.Variables, sites: list[strategies.Variables]) -> None:
    for found, value in zip(server.arguments("listen"), listed(site["listen"])):
        given = str(value).split()
        assert found[0] == given[0]
        # One site completes what all say of a socket.
        assert set(given) <= set(found) <= {*given, "default_server", "so_keepalive=60s:10s:6", "http2", "reuseport"}
    assert len(server.named("listen")) == len(listed(site["listen"]))
    assert server.arguments("server_name") == [tuple(listed(site["server_name"]))]
    log = site.get("access_log")
    (found_log,) = server.arguments("access_log")
    if log is None:
        assert found_log[1].startswith("websockets")
        assert found_log[0] == f"/var/log/nginx/{found_log[1]}.log"
    else:
        assert " ".join(found_log) == (log or "off")
    assert server.arguments("set_real_ip_from") == [(value,) for value in listed(site.get("set_real_ip_from", []))]
    check_times_and_sizes(server, site, sites)
    check_tls(server, site)
    named = {block.args[0]: block for block in server.named("location") if block.args[0].startswith("@")}
    entrances = [block for block in server.named("location") if not block.args[0].startswith("@")]
    assert len(entrances) == len(site["locations"])
    for block, location in zip(entrances, site["locations"]):
        check_location(block, server, site, location)
    assert named.keys() <= {"@down", "@upgrade_required"}


def check_times_and_sizes(server: Directive, site: strategies.Variables, sites: list[strategies.Variables]) -> None:
    """A site's own, and at least those where requests for other sites begin at it."""
    timeouts = [(str(one.get("client_header_timeout", "10s")).replace(" ", ""),) for one in (site, *sites)]
    given = [one.get("large_client_header_buffers") for one in sites]
    buffers = [[tuple(value.split())] if value else [] for value in given]
    ((timeout,),) = server.arguments("client_header_timeout")
    sizes = server.arguments("large_client_header_buffers")
    if "_" in listed(site["server_name"]) or any("default_server" in str(one) for one in listed(site["listen"])):
        assert (timeout,) in timeouts
        assert seconds_of(timeout) >= seconds_of(timeouts[0][0])
        assert sizes in buffers
        assert sizes >= buffers[sites.index(site)]
    else:
        assert (timeout,) == timeouts[0]
        assert sizes == buffers[sites.index(site)]


def check_tls(server: Directive, site: strategies.Variables) -> None:
    for key in ("ssl_certificate", "ssl_certificate_key"):
        given = site.get(key)
        (found,) = server.arguments(key) or [("",)]
        delivered = given is not None and not given.startswith("/")
        assert found == (f"conf.d/.00-websockets.{site_name(site)}.pem" if delivered else given or "",)
    assert bool(server.named("ssl_protocols")) == ("ssl_certificate" in site)
    asks = site.get("ssl_client_certificate")
    assert server.arguments("ssl_client_certificate") == ([(asks,)] if asks else [])
    verify = "optional" if site.get("ssl_verify_client") == "optional" else "on"
    assert server.arguments("ssl_verify_client") == ([(verify,)] if asks else [])
    hsts = {False: None, True: "max-age=63072000"}.get(site.get("hsts", False), site.get("hsts"))
    for block in (server, *server.named("location")):
        own = block.arguments("add_header")
        told = [args[1] for args in own if args[0] == "Strict-Transport-Security"]
        inherits = block is not server and not own
        assert told == ([hsts] if hsts and not inherits else []), block.args


def site_name(site: strategies.Variables) -> str:
    return str(listed(site["server_name"])[0])


def check_location(
    block: Directive, server: Directive, site: strategies.Variables, location: strategies.Variables
) -> None:
    modifier, path = block.args if len(block.args) == 2 else ("", *block.args)
    assert f"{modifier} {path}".strip(" ") == location["path"].strip(" ") or path == location["path"]
    for key in TIMES_AND_SIZES:
        if key in location:
            assert block.arguments(key) == [(str(location[key]).replace(" ", ""),)]
    if "proxy_buffers" in location:
        assert [" ".join(args) for args in block.arguments("proxy_buffers")] == [location["proxy_buffers"]]
    for key in ("proxy_buffering", "proxy_request_buffering"):
        if key in location:
            assert block.arguments(key) == [("on" if location[key] in (True, "on") else "off",)]
    if "client_max_body_size" in location:
        assert block.arguments("client_max_body_size") == [(str(location["client_max_body_size"]),)]
    if "return" in location:
        check_return(block, str(location["return"]))
    elif "root" in location:
        assert block.arguments("root") == [(location["root"],)]
    else:
        check_proxy(block, server, site, location)
    assert len(block.named("return")) == ("return" in location)
    assert len(block.named("proxy_pass")) == ("upstream" in location or "proxy_pass" in location)


def check_return(block: Directive, value: str) -> None:
    ((status, *text),) = block.arguments("return")
    if value.startswith("http"):
        assert (status, *text) == ("302", value)
    else:
        given = parse(f"return {value};").arguments("return")
        assert [(status, *text)] == [tuple(filter(None, args)) for args in given]


def check_proxy(
    block: Directive, server: Directive, site: strategies.Variables, location: strategies.Variables
) -> None:
    check_target(block, location)
    assert server.arguments("proxy_http_version") == [("1.1",)]
    assert len(server.named("proxy_connect_timeout")) == len(server.named("proxy_socket_keepalive")) == 1
    listed_headers = inherited_by(block, server, "proxy_set_header").arguments("proxy_set_header")
    by_name = {name.lower(): value for name, value in listed_headers}
    assert len(by_name) == len(listed_headers)
    given = {name.lower(): value for block in (site, location) for name, value in block.get("headers", {}).items()}
    assert {name: by_name[name] for name in given} == given
    assert {name.lower() for name in HEADERS} <= by_name.keys()
    assert by_name.keys() <= {*(name.lower() for name in [*HEADERS, "Origin"]), *given}
    upgrades = location.get("websocket", True) is not False
    assert by_name["upgrade"] == ("$websocket_upgrade" if upgrades else "")
    assert by_name["connection"] == ("$websocket_connection" if upgrades else "")
    if "host" not in given:
        assert by_name["host"] == "$host$websocket_port"
    if "proxy_read_timeout" not in location:
        assert block.arguments("proxy_read_timeout") == ([("1h",)] if upgrades else [])


def check_target(block: Directive, location: strategies.Variables) -> None:
    url = location.get("proxy_pass") or f"http://{location['upstream']}{'/' if location.get('strip_prefix') else ''}"
    scheme, _slashes, rest = url.partition("://")
    ((target,),) = block.arguments("proxy_pass")
    if "resolver" in location:
        # nginx looks a name up again only where it comes from a variable.
        assert [" ".join(args) for args in block.arguments("resolver")] == [location["resolver"]]
        ((variable, value),) = [args for args in block.arguments("set") if "websocket" in args[0]]
        assert (target, value) == (f"{scheme}://{variable}", rest)
    else:
        assert target == url
    assert not block.named("rewrite")
    verified = scheme == "https" and location.get("proxy_ssl_verify", "on") in (True, "on")
    assert block.arguments("proxy_ssl_verify") == ([("on",)] if verified else [])
    trusted = location.get("proxy_ssl_trusted_certificate", "/etc/ssl/certs/ca-certificates.crt")
    assert block.arguments("proxy_ssl_trusted_certificate") == ([(trusted,)] if verified else [])


def variables_with(value: str, key: str) -> strategies.Variables:
    """A gateway in which one key has the value, whatever it is."""
    location: strategies.Variables = {"path": "/", "upstream": "one"}
    site: strategies.Variables = {"server_name": "a.example", "listen": 80, "locations": [location]}
    upstream: strategies.Variables = {"name": "one", "servers": ["10.0.0.1:80"]}
    if key == "header":
        location["headers"] = {"X-One": value}
    elif key == "site header":
        site["headers"] = {"X-One": value}
    elif key in ("root", "return"):
        location.pop("upstream")
        location[key] = f"200 {value}" if key == "return" else value
    elif key in ("path", "headers"):
        location[key] = value if key == "path" else {value: "x"}
    elif key in ("allowed_origins", "set_real_ip_from"):
        site[key] = [value]
    elif key in site or key in ("access_log", "limit_handshakes_per_client", "large_client_header_buffers"):
        site[key] = value
    elif key in TLS_KEYS:
        site.update(listen="443 ssl", **strategies.PATHS, ssl_client_certificate="/ca")
        site[key] = value
    elif key == "real_ip_header":
        site.update(real_ip_header=value, set_real_ip_from="10.0.0.1")
    elif key in URLS:
        upstream.clear()
        location.pop("upstream")
        location.update({"proxy_pass": URLS[key], key.removeprefix("location "): value})
    elif key == "server":
        upstream["servers"] = [value]
    else:
        upstream[key] = value
    return {"websockets_upstreams": [upstream] if upstream else [], "websockets_sites": [site]}


# What goes with a URL, and the URL.
URLS = {
    "proxy_pass": "",
    "location resolver": "http://a.example",
    "proxy_ssl_name": "https://10.0.0.1",
    "proxy_ssl_trusted_certificate": "https://10.0.0.1",
}
TLS_KEYS = ("ssl_certificate", "ssl_certificate_key", "ssl_client_certificate", "hsts")
FORMS = {
    "allowed_origins": ["https://a{}", "{}"],
    "set_real_ip_from": ["10.0.0.{}", "{}"],
    "real_ip_header": ["X{}", "{}"],
    "limit_handshakes_per_client": ["5r/s{}", "5r/s burst={}", "{}"],
    "large_client_header_buffers": ["4 8{}", "{}"],
    "ssl_certificate": ["/{}", "-----BEGIN CERTIFICATE-----\n{}-----END CERTIFICATE-----\n", "{}"],
    "ssl_certificate_key": ["/{}", "{}"],
    "ssl_client_certificate": ["/{}", "{}"],
    "hsts": ["max-age=1{}", "{}"],
    "proxy_ssl_name": ["a{}", "{}"],
    "proxy_ssl_trusted_certificate": ["/{}", "{}"],
    "header": ["{}", "a {}", "$host{}"],
    "site header": ["{}", "a {}", "$host{}"],
    "location resolver": ["{}", "10.0.0.1 {}"],
    "headers": ["X{}", "{}"],
    "root": ["/{}", "{}"],
    "return": ["{}", '"{}"', "a {}"],
    "path": ["/{}", "= /{}", "~ {}", "~* ^/{}$", '~ "{}"', "{}"],
    "proxy_pass": ["http://a{}", "http://10.0.0.1/{}", "{}"],
    "server_name": ["~{}", "a{}.example", "{}"],
    "listen": ["80 {}", "{}", "unix:/{}"],
    "access_log": ["/{}", "/a.log {}", "/a.log combined if={}", "{}"],
    "server": ["10.0.0.1:{}", "a{}:80", "unix:/{}", "{}"],
    "name": ["a{}", "{}"],
    "balance": ["hash $a{}", "hash {}", "sticky cookie {}", "{}"],
    "zone": ["a{} 64k", "{}"],
    "resolver": ["{}", "10.0.0.1 {}"],
}


@pytest.mark.parametrize(("key", "form"), [(key, form) for key, forms in FORMS.items() for form in forms])
@given(text=st.text(strategies.NASTY + "a$\r\0", max_size=8) | st.text(max_size=8))
@SLOW
def test_no_value_becomes_another_directive(key: str, form: str, text: str) -> None:
    """The shape of the file is that of a harmless one: only the arguments of one directive differ, if any."""
    variables = variables_with(form.replace("{}", text), key)
    if gateway_model(variables, {}, {})["errors"]:
        return
    assert shape(parse(render(variables))) in HARMLESS[key]


@given(text=st.text(strategies.NASTY + "ab\r", max_size=20), before=st.sampled_from(["", "a 'b", "# c\n"]))
@SLOW
def test_directives_are_read_as_they_were_written(text: str, before: str) -> None:
    variables = variables_with("/", "path")
    variables["websockets_sites"][0]["directives"] = [f"{before}{text}", "last;"]
    if gateway_model(variables, {}, {})["errors"]:
        return
    (_refusing, server, _status) = parse(render(variables)).named("server")
    written = parse(f"{before}{text}\nlast;").block
    (_refusing, plain, _status) = parse(render(variables_with("/", "path"))).named("server")
    own = len(plain.block) - len(plain.named("location"))
    assert server.block == (*plain.block[:own], *written, *plain.block[own:])


def shape(directive: Directive) -> t.Any:
    # The rows of a map are values.
    if directive.name == "map":
        return "map", [len(row.args) for row in directive.block]
    blocks = [shape(inner) for inner in directive.block if inner.name not in ("http2", "hash", "sticky")]
    return directive.name, blocks


HARMLESS = {
    key: [shape(parse(render(variables_with(value, key)))) for value in values]
    for key, values in {
        "header": ["x"],
        # A name of one that is always set takes its place.
        "headers": ["X", "Host"],
        "root": ["/x"],
        "return": ["x", "", "200"],
        "path": ["/x"],
        "proxy_pass": ["http://10.0.0.1", "https://10.0.0.1"],
        "location resolver": ["10.0.0.1"],
        "site header": ["x"],
        # The name of all others leaves none to refuse.
        "server_name": ["x", "_"],
        "allowed_origins": ["https://x"],
        "set_real_ip_from": ["10.0.0.1"],
        "real_ip_header": ["X"],
        "limit_handshakes_per_client": ["5r/s"],
        "large_client_header_buffers": ["4 8k"],
        "ssl_certificate": ["/x"],
        "ssl_certificate_key": ["/x"],
        "ssl_client_certificate": ["/x"],
        "hsts": ["max-age=1"],
        "proxy_ssl_name": ["x"],
        "proxy_ssl_trusted_certificate": ["/x"],
        "listen": ["80"],
        "access_log": ["/x"],
        # A name may stand for several servers, so it is listed again.
        "server": ["10.0.0.1:80", "a:80"],
        "name": ["one"],
        "balance": ["hash $x", "sticky cookie x", "round_robin", "ip_hash", "random", "least_time header"],
        "zone": ["64k"],
        "resolver": [],
    }.items()
}
