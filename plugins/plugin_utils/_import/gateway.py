# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A tree of directives as the variables of a gateway."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import import grammar, redirects, sites, upstreams
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.blanks import filled
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.found import Found, Origins
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.locations import PLAIN
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.printing import short, text
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.scope import Scope
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.shortest import shortest
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.sound import sound
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.tree import Directive, Notes, Place
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.role_variables import VARIABLES

_STATUS = "websockets_status_listen"
# What the nginx.conf of a distribution has, and nginx takes once.
_OF_NGINX_CONF = (
    *("sendfile", "tcp_nopush", "tcp_nodelay", "keepalive_timeout", "types_hash_max_size", "types", "default_type"),
    *("server_tokens", "access_log", "error_log", "gzip", "ssl_protocols", "ssl_prefer_server_ciphers", "include"),
    *("charset", "index", "root", "user", "worker_processes", "worker_rlimit_nofile", "worker_shutdown_timeout", "pid"),
    *("events", "load_module", "daemon", "env", "worker_priority", "worker_cpu_affinity", "pcre_jit", "thread_pool"),
    *("lock_file", "master_process", "timer_resolution", "use", "worker_connections", "multi_accept"),
)
_STAYS = "it is a setting of nginx.conf, which stays as it is"
_GOES = "it holds for all sites: set it in nginx.conf, if that does not have it"
# What sites use by a name: the argument or the word that has it.
_DEFINED: dict[str, t.Callable[[t.Sequence[str]], t.Sequence[str]]] = {
    "map": lambda args: args[1:2],
    "geo": lambda args: args[-1:],
    "split_clients": lambda args: args[1:2],
    "log_format": lambda args: args[:1],
    "proxy_cache_path": lambda args: _zone_names(args, "keys_zone="),
    "limit_req_zone": lambda args: _zone_names(args, "zone="),
    "limit_conn_zone": lambda args: _zone_names(args, "zone="),
    "perl_set": lambda args: args[:1],
    "js_set": lambda args: args[:1],
    "js_import": lambda args: args[:1],
    "geoip_country": lambda args: ("$geoip_",),
    "geoip_city": lambda args: ("$geoip_",),
}
_SHARED = ("proxy_set_header", "set_real_ip_from", "real_ip_header", "real_ip_recursive", "proxy_http_version")
_CERTIFICATES = ("ssl_certificate", "ssl_certificate_key", "ssl_client_certificate", "ssl_verify_client")
_POLICY = (
    *("ssl_ciphers", "ssl_ecdh_curve", "ssl_dhparam", "ssl_session_cache", "ssl_session_timeout"),
    *("ssl_session_tickets", "http2", "client_header_timeout", "large_client_header_buffers"),
)


def _zone_names(args: t.Sequence[str], before: str) -> list[str]:
    return [word.partition("=")[2].partition(":")[0] for word in args if word.startswith(before)]


def variables(tree: t.Sequence[Directive], main: t.Collection[str], notes: Notes) -> dict[str, t.Any]:
    """The variables that serve what the directives of the http block serve.

    Given the files that are an nginx.conf, whose own settings stay there.
    """
    found = Found(notes)
    _read_maps(tree, found)
    _read_defined(tree, found)
    tree = [filled(one, found) for one in tree]
    _read_zones(tree, found)
    http = Scope(tree)
    blocks = http.take("upstream")
    for block in blocks:
        found.upstreams.setdefault(upstreams.name_of(block).lower(), block)
    made: dict[str, t.Any] = {"websockets_upstreams": _upstreams(blocks, found)}
    servers = _without_health(http.take("server"), made, found)
    _ask_for_main(servers, main, found)
    made["websockets_sites"] = _sites(servers, http, made, found)
    made["websockets_directives"] = _directives(http, made, main, found)
    made = sound(made, found)
    places = _places(made, found)
    made = shortest(made)
    if not found.is_ours:
        _note_taken(made, places, found)
        _note_default_servers(made, places, found)
    return made


def _read_defined(tree: t.Iterable[Directive], found: Found) -> None:
    for one in tree:
        if one.name in ("set", "map", "geo", "split_clients", "auth_request_set", "perl_set", "js_set"):
            found.defined |= {word[1:].lower() for word in one.args[:2] if word.startswith("$")}
        _read_defined(one.block or (), found)


def _read_maps(tree: t.Iterable[Directive], found: Found) -> None:
    """The maps of the upgrade: the role's own, and those that everybody has."""
    for block in tree:
        if block.name != "map" or len(block.args) != 2 or block.block is None:
            continue
        variable = block.args[1].lstrip("$")
        if variable == "websocket_upgrade":
            found.is_ours = True
        elif block.args[0] == "$http_upgrade" and _is_upgrade(block):
            found.upgrades[variable] = block.place
        elif block.args[0] == "$http_origin" and not variable.startswith("websocket_foreign"):
            found.origin_maps[variable] = block
        elif variable.startswith("websocket_foreign"):
            allowed = [one.name for one in block.block if one.name not in ("default", "")]
            found.origins[variable] = Origins(allowed, any(one.name == "" for one in block.block))


def _is_upgrade(block: Directive) -> bool:
    return any(word.lower() == "upgrade" for one in block.block or () for word in one.args[:1])


def _read_zones(tree: t.Iterable[Directive], found: Found) -> None:
    for one in tree:
        if one.name == "limit_req_zone":
            rate = next((word[5:] for word in one.args if word.startswith("rate=")), "1r/s")
            found.rates.update(dict.fromkeys(_zone_names(one.args, "zone="), rate))
        elif one.name == "log_format":
            found.formats.update(one.args[:1])


def _upstreams(blocks: t.Sequence[Directive], found: Found) -> list[dict[str, t.Any]]:
    made = []
    for block in blocks:
        name = upstreams.name_of(block)
        if found.upstreams[name.lower()] is not block:
            first = found.upstreams[name.lower()].place
            found.note("left out", block, f"the upstream '{name}' is already that of {first}")
            continue
        if " ".join(block.args) != name:
            found.note("corrected", block, f"the upstream '{' '.join(block.args)}' is called '{name}'")
        made.append(upstreams.upstream(block, found))
    return made


def _without_health(servers: t.Sequence[Directive], made: dict[str, t.Any], found: Found) -> list[Directive]:
    """The servers without what the role adds for load balancers and for itself."""
    if not found.is_ours:
        return list(servers)
    kept = []
    for server in servers:
        inner = []
        for one in server.block or ():
            if one.name == "location" and _is_health(one):
                made["websockets_health_path"] = one.args[-1]
            else:
                inner.append(one)
        rest = Directive(server.name, server.args, server.place, tuple(inner))
        if any(one.first("stub_status") for one in rest.all("location")):
            listen = rest.first("listen")
            made[_STATUS] = listen.args[0] if listen and listen.args else VARIABLES[_STATUS].default
        elif rest.first("server_name") or not _answers_421(rest):
            kept.append(rest)
    return kept


def _is_health(block: Directive) -> bool:
    return any(one.name == "if" and one.args[:1] == ("(-f",) and ".out" in one.args[-1] for one in block.block or ())


def _ask_for_main(servers: t.Iterable[Directive], main: t.Collection[str], found: Found) -> None:
    """The role leaves nginx.conf as it is, so that its servers would serve on."""
    firsts: dict[str, Directive] = {}
    for server in servers:
        if server.place.file in main and not found.is_ours:
            firsts.setdefault(server.place.file, server)
    for server in firsts.values():
        text_of_question = (
            "nginx.conf has servers of its own, which are in the variables now: are they taken out of it, and does it "
            "include conf.d/*.conf?"
        )
        found.ask(server, text_of_question)


def _answers_421(server: Directive) -> bool:
    return any(one.args == ("421",) for block in (server, *server.all("location")) for one in block.all("return"))


def _sites(servers: t.Sequence[Directive], http: Scope, made: dict[str, t.Any], found: Found) -> list[dict[str, t.Any]]:
    redirecting = [server for server in servers if redirects.redirect(server)]
    pairs = [_site(server, http, found) for server in servers if server not in redirecting]
    for server in redirecting:
        if not redirects.taken(server, pairs, found):
            at = sum(1 for other in servers[: servers.index(server)] if other in [block for block, _site in pairs])
            pairs.insert(at, _site(server, http, found))
    _share_http2([site for _block, site in pairs], found)
    _drop_known_names(pairs, found)
    return [site for _block, site in pairs if site["server_name"]]


def _site(server: Directive, http: Scope, found: Found) -> tuple[Directive, dict[str, t.Any]]:
    condition = None if found.is_ours else redirects.of_both(server)
    if condition is None:
        return server, sites.site(redirects.as_return(server), http, found)
    made = sites.site(redirects.without(server, condition), http, found)
    made["redirect_http"] = True
    text_of_note = f"'{short(condition)}' is 'redirect_http', which answers handshakes with 403"
    found.note("taken", condition, text_of_note)
    return server, made


def _listens(site: t.Mapping[str, t.Any]) -> dict[str, bool]:
    """The addresses of a site, and whether they have TLS."""
    given = site["listen"] if isinstance(site["listen"], list) else [site["listen"]]
    return {str(listen).split()[0]: "ssl" in str(listen).split() for listen in given}


def _share_http2(made: t.Sequence[dict[str, t.Any]], found: Found) -> None:
    """What one site says of HTTP/2 nginx before 1.25.1 takes for all on its address, and so do the checks."""
    for _round in made:
        secure = {address for site in made if site.get("http2") for address, tls in _listens(site).items() if tls}
        others = [
            site for site in made if not site.get("http2") and secure & {a for a, tls in _listens(site).items() if tls}
        ]
        if not others:
            return
        for site in others:
            site["http2"] = True
            name = site["server_name"] if isinstance(site["server_name"], str) else site["server_name"][0]
            place = found.places[id(site)]
            found.note("corrected", place, f"'http2' of another site on the same address is for '{name}', too")


def _drop_known_names(pairs: t.Sequence[tuple[Directive, dict[str, t.Any]]], found: Found) -> None:
    """nginx serves a name on an address by the first server that has it."""
    seen: dict[tuple[str, str], Directive] = {}
    for block, site in pairs:
        names = site["server_name"] if isinstance(site["server_name"], list) else [site["server_name"]]
        kept = []
        for name in names:
            addresses = list(_listens(site))
            firsts = [seen[address, name.lower()] for address in addresses if (address, name.lower()) in seen]
            if len(firsts) == len(addresses):
                place = firsts[0].place
                text_of_note = f"the name '{name}' is that of the server of {place} already, which nginx takes"
                found.note("left out", block, text_of_note)
                continue
            kept.append(name)
            for address in addresses:
                seen.setdefault((address, name.lower()), block)
        site["server_name"] = kept[0] if len(kept) == 1 else kept


def _directives(http: Scope, made: dict[str, t.Any], main: t.Collection[str], found: Found) -> list[str]:
    """What has no variable, for the http block."""
    left = [one for one in http.left if one.name not in (*PLAIN, *_SHARED, *_CERTIFICATES, *_POLICY)]
    kept: list[Directive] = []
    # A definition may use others, before it and after it.
    while True:
        used = f"{made} {[text(other) for other in kept]}"
        more = [one for one in left if one not in kept and not _needless(one, main, used, found)]
        more = [one for one in more if found.is_ours or not is_no_directive(one)]
        if not more:
            break
        kept += more
    for one in left:
        if not found.is_ours and is_no_directive(one):
            found.ask(one, f"'{short(one)}' is left out: nginx has no such directive; what is it for?")
        elif one not in kept and not found.is_ours:
            found.note("left out", one, f"'{short(one)}': {_needless(one, main, used, found)}")
        elif not found.is_ours:
            found.note("directives", one, f"'{short(one)}' has no variable: it is in 'websockets_directives'")
    for one in http.left:
        if one.name in _POLICY and not found.is_ours:
            found.note("left out", one, f"'{short(one)}': the role sets it for its sites")
    return [text(found.renamed(one)) for one in left if one in kept]


def is_no_directive(one: Directive) -> bool:
    """Whether a name is none of nginx's, and does not look like one of a module's."""
    return not grammar.is_known(one.name) and not re.fullmatch(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)+", one.name)


def _needless(one: Directive, main: t.Collection[str], used: str, found: Found) -> str:
    """Why a directive of the http block is not needed; nothing where it is."""
    names = list(_DEFINED[one.name](one.args)) if one.name in _DEFINED else []
    if one.name == "map" and names and names[0].lstrip("$") in found.upgrades:
        return "the role has a map of its own for the upgrade"
    if found.is_ours:
        words = " ".join(one.args)
        own = "websocket" in words and one.name in ("map", "log_format", "limit_conn_zone", "limit_req_zone")
        return "the role writes it" if own else ""
    if names and not any(re.search(rf"{re.escape(name)}\b", used, re.IGNORECASE) for name in names if name):
        return "no site uses it"
    is_in_main = one.place.file in main
    if not names and (is_in_main or one.name in _OF_NGINX_CONF):
        return _STAYS if is_in_main else _GOES
    if one.name in ("stream", "mail"):
        return f"the role serves HTTP and WebSockets alone, and not '{one.name}'"
    return ""


def _note_taken(made: dict[str, t.Any], places: t.Mapping[str, Place], found: Found) -> None:
    """Where the upstreams, sites and locations come from."""
    for name in ("websockets_upstreams", "websockets_sites"):
        for number, one in enumerate(made.get(name, ())):
            at = f"{name}[{number}]"
            names = one["name"] if "name" in one else one["server_name"]
            what = "the upstream" if "name" in one else "the site"
            shown = names if isinstance(names, str) else ", ".join(names)
            found.note("taken", places[at], f"{what} '{shown}' is {at}")
            for inner, location in enumerate(one.get("locations", ())):
                path = f"{at}.locations[{inner}]"
                found.note("taken", places[path], f"the location '{location['path']}' is {path}")


def _note_default_servers(made: dict[str, t.Any], places: t.Mapping[str, Place], found: Found) -> None:
    """nginx has the first site of an address serve all names that none has; the role refuses them."""
    firsts: dict[str, int] = {}
    explicit: set[str] = set()
    all_sites = made.get("websockets_sites", ())
    for number, site in enumerate(all_sites):
        names = site["server_name"] if isinstance(site["server_name"], list) else [site["server_name"]]
        for listen in site["listen"] if isinstance(site["listen"], list) else [site["listen"]]:
            address = str(listen).split()[0]
            firsts.setdefault(address, number)
            if "default_server" in str(listen).split() or "_" in names:
                explicit.add(address)
    for number in sorted({number for address, number in firsts.items() if address not in explicit}):
        text_of_note = (
            "as the first server it has answered requests for any other name, too; the role refuses them (421)"
        )
        found.note("left out", places[f"websockets_sites[{number}]"], f"{text_of_note}, unless 'server_name' has '_'")


def _places(made: t.Mapping[str, t.Any], found: Found) -> dict[str, Place]:
    """Where the mappings come from, by their paths."""
    places = {}
    for name in ("websockets_upstreams", "websockets_sites"):
        for number, one in enumerate(made.get(name, ())):
            places[f"{name}[{number}]"] = found.places[id(one)]
            for inner, location in enumerate(one.get("locations", ())):
                places[f"{name}[{number}].locations[{inner}]"] = found.places[id(location)]
    return places
