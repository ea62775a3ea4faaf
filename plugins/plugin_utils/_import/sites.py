# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Server blocks as websockets_sites."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import import locations, values
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.found import Found
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.listens import Listens, listens
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.printing import short, text
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.scope import Scope
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.tree import Directive
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.errors import Errors
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.site_keys import SITE
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.values import hsts, server_names

_POLICY = ("ssl_protocols", "ssl_ciphers", "ssl_prefer_server_ciphers", "ssl_ecdh_curve", "ssl_dhparam")
_SESSIONS = ("ssl_session_cache", "ssl_session_timeout", "ssl_session_tickets", "ssl_session_ticket_key")
# What a server block of the role has, unless its own directives say otherwise.
_OWN = {
    "server_tokens": ("off",),
    "absolute_redirect": ("off",),
    "client_header_buffer_size": ("2k",),
    "request_pool_size": ("768",),
    "proxy_http_version": ("1.1",),
    "proxy_connect_timeout": ("5s",),
    "proxy_socket_keepalive": ("on",),
    "proxy_ssl_server_name": ("on",),
    "proxy_buffer_size": ("36k",),
    "proxy_buffers": ("4", "36k"),
}
_LOG = ("/var/log/nginx/websockets", "websockets")
# What stands for every name.
_ANY_NAMES = ("", "_", "__", "-", "--", "*", "!@#", "default", "default_server", "$hostname", '""')


def site(block: Directive, http: Scope, found: Found) -> dict[str, t.Any]:
    own = {one.name for one in block.block or ()}
    names_of_http = [name for name in locations.PLAIN if name not in own and _passes_on(block)]
    inherited = [one for name in names_of_http for one in http.in_force(name)]
    scope = Scope((*(block.block or ()), *inherited), http)
    heard = listens(block, scope, found)
    names = _names(block, scope, found)
    building = locations.Site(found, heard.is_tls, names)
    variables: dict[str, t.Any] = {
        "server_name": names[0] if len(names) == 1 else names,
        "listen": heard.values[0] if len(heard.values) == 1 else heard.values,
    }
    if heard.http2:
        variables["http2"] = True
    _tls(variables, scope, heard, found, block)
    building.hsts = hsts(variables.get("hsts", False), "hsts", Errors()) or ""
    _real_ip(variables, scope, found)
    _locations(scope, building, block)
    _clients(variables, scope, found)
    _shared(variables, building)
    variables["locations"] = building.locations
    _rest(variables, scope, building)
    return found.placed(variables, block)


def _passes_on(block: Directive) -> bool:
    return any(one.name == "proxy_pass" or _passes_on(one) for one in block.block or ())


def _names(block: Directive, scope: Scope, found: Found) -> list[str]:
    names: list[str] = []
    given = [(one, word) for one in scope.take("server_name") for word in one.args]
    for one, word in given:
        name = _name(one, word, found)
        if name and name.lower() not in [known.lower() for known in names]:
            names.append(name)
    if not names:
        if not given:
            found.note("taken", block, "a server without 'server_name' is the site '_', for any name")
        return ["_"]
    return names


def _name(one: Directive, word: str, found: Found) -> str | None:
    if word in _ANY_NAMES:
        return "_"
    if word.startswith("~"):
        name = word
    else:
        name = re.sub(r"^[a-z]+://", "", word.rstrip(",")).partition("/")[0]
        host, colon, port = name.rpartition(":")
        if colon and port.isdigit() and ":" not in host:
            name = host
        name = name.rstrip(".")
    if name != word:
        found.note("corrected", one, f"the server_name '{word}' is read as '{name}'")
    errors = Errors()
    if server_names(name, "server_name", errors):
        return name
    found.ask(one, f"the server_name '{word}' is left out: which name does the site have?")
    return None


def _tls(variables: dict[str, t.Any], scope: Scope, heard: Listens, found: Found, block: Directive) -> None:
    keys = ("ssl_certificate", "ssl_certificate_key", "ssl_client_certificate")
    policy = [one for name in _POLICY for one in scope.in_force(name)]
    sessions = [one for name in _SESSIONS for one in scope.in_force(name)]
    given = {name: scope.value(name) for name in keys}
    verify = scope.value("ssl_verify_client")
    strict = [one for one in scope.in_force("add_header") if locations.hsts_of(one)]
    scope.take(*keys, *_POLICY, *_SESSIONS, "ssl_verify_client", "ssl", "http2", "ssl_reject_handshake")
    buffers = scope.take("ssl_buffer_size")
    if not heard.has_tls:
        for one in [*filter(None, given.values()), *buffers]:
            if one in (block.block or ()):
                found.note("left out", one, f"'{short(one)}': no 'listen' of the site has 'ssl'")
        scope.drop(strict)
        for one in strict:
            found.note("left out", one, f"'{short(one)}': browsers ignore it without TLS")
        return
    for name, directive in given.items():
        if directive:
            variables[name] = locations.absolute(directive.args)
    for name in keys[:2]:
        if name not in variables:
            found.ask(block, f"the site '{_first(variables)}' has no '{name}': where is it on the gateway?")
            ending = {"ssl_certificate": "crt", "ssl_certificate_key": "key"}[name]
            variables[name] = f"/etc/nginx/ssl/{re.sub(r'[^A-Za-z0-9.-]', '_', _first(variables))}.{ending}"
    _client_certificates(variables, verify, found)
    protocols = scope.value("ssl_protocols")
    if protocols and set(protocols.args) == {"TLSv1.3"}:
        variables["ssl_policy"] = "modern"
    _note_policy(policy, sessions, found)
    if buffers:
        variables["ssl_buffer_size"] = values.plain(buffers[-1].args)
    _strict(variables, strict, scope, found)


def _first(variables: t.Mapping[str, t.Any]) -> str:
    name = variables["server_name"]
    return str(name if isinstance(name, str) else name[0])


def _client_certificates(variables: dict[str, t.Any], verify: Directive | None, found: Found) -> None:
    kind = verify.args[0] if verify and verify.args else "off"
    if kind == "off":
        variables.pop("ssl_client_certificate", None)
    elif kind == "optional" and "ssl_client_certificate" in variables:
        variables["ssl_verify_client"] = "optional"
    elif kind != "on" and verify:
        found.ask(verify, f"'{short(verify)}' is left out: the role knows 'on' and 'optional'; which one is it?")


def _note_policy(policy: t.Sequence[Directive], sessions: t.Sequence[Directive], found: Found) -> None:
    if found.is_ours:
        return
    for one in policy:
        old = [word for word in one.args if word in ("SSLv2", "SSLv3", "TLSv1", "TLSv1.1")]
        if one.name == "ssl_protocols" and old:
            found.note(
                "corrected", one, f"{', '.join(old)}: browsers have none of them any more; 'ssl_policy' sets others"
            )
        else:
            found.note("left out", one, f"'{one.name}': 'ssl_policy' sets protocols, ciphers and curves")
    for one in sessions:
        found.note("left out", one, f"'{one.name}': the role sets what is for sessions of TLS")


def _strict(variables: dict[str, t.Any], strict: t.Sequence[Directive], scope: Scope, found: Found) -> None:
    for one in strict:
        value = locations.hsts_of(one)
        if hsts(value, "hsts", Errors()):
            variables["hsts"] = True if value == hsts(True, "hsts", Errors()) else value
            scope.drop([one])
            if one.args[2:] != ("always",):
                found.note("corrected", one, "'hsts' is sent with every status, as 'always' does")


def _real_ip(variables: dict[str, t.Any], scope: Scope, found: Found) -> None:
    trusted = []
    inner = [one for block in scope.own("location") for one in block.all("set_real_ip_from")]
    for one in [*scope.in_force("set_real_ip_from"), *inner]:
        errors = Errors()
        word = " ".join(one.args)
        if SITE["set_real_ip_from"].check(word, "set_real_ip_from", errors):
            trusted.append(word)
        else:
            found.ask(one, f"'{short(one)}' is left out: {errors.lines[0].partition(': ')[2]}; whom is nginx to trust?")
    header = scope.value("real_ip_header")
    scope.take("set_real_ip_from", "real_ip_header", "real_ip_recursive")
    if trusted:
        unique = list(dict.fromkeys(trusted))
        variables["set_real_ip_from"] = unique[0] if len(unique) == 1 else unique
        if header and header.args:
            variables["real_ip_header"] = header.args[0]
        elif not found.is_ours:
            # What nginx goes by without the directive.
            variables["real_ip_header"] = "X-Real-IP"
    elif header and header in scope.own("real_ip_header"):
        found.note("left out", header, f"'{short(header)}': it has no effect without 'set_real_ip_from'")


def _locations(scope: Scope, building: locations.Site, block: Directive) -> None:
    found = building.found
    blocks = _without_files(scope.take("location"), scope, found)
    answers = scope.own("return")
    if answers:
        for one in blocks:
            if not found.is_ours:
                found.note("left out", one, f"'{short(one)}': the 'return' of the server comes before it")
        blocks = []
        scope.take("return", "root", "index", "try_files")
        locations.location(Directive("location", ("/",), answers[0].place, tuple(answers)), scope, building)
    seen: dict[tuple[str, ...], Directive] = {}
    for one in blocks:
        key = tuple(word for word in one.args if word != "^~")
        if key in seen:
            place = seen[key].place
            found.note("left out", one, f"'{short(one)}': nginx takes one location with this path, that of {place}")
            continue
        seen[key] = one
        locations.location(one, scope, building)
    has_all = any(str(one["path"]) in ("/", "^~ /") for one in building.locations) or ("@",) in seen
    raw_all = any(one.args[-1:] == ("/",) for one in building.raw)
    files = scope.own("try_files", "root", "alias")
    if files and not has_all and not raw_all and not answers:
        tried = scope.take("try_files")
        locations.location(Directive("location", ("/",), files[0].place, tuple(tried)), scope, building)
    if not building.locations and not building.raw:
        found.ask(block, "the site has no location: where do its requests go? It answers 404")
        building.locations.append(found.placed({"path": "/", "return": 404}, block))
    elif not building.locations:
        # A site of the role has one location at least; nginx answers the same without.
        building.locations.append(found.placed({"path": "= /.well-known/no-location", "return": 404}, block))


def _without_files(blocks: list[Directive], scope: Scope, found: Found) -> list[Directive]:
    """The locations, with a named one in the place of those that lead there after no file was found, as without a root
    there is none.
    """
    named = {one.args: one for one in blocks if one.first("proxy_pass")}
    taken: list[Directive] = []
    tried = [(one, one.first("try_files")) for one in blocks]
    tried += [(one, one) for one in scope.own("try_files") if not any(other.args == ("/",) for other in blocks)]
    for one, files in tried:
        target = named.get(files.args[-1:]) if files else None
        inner = one.block or ()
        if files is None or target is None or scope.in_force("root") or any(other.name == "root" for other in inner):
            continue
        if scope.own("alias") or any(other.name in locations.HANDLERS for other in inner):
            continue
        text_of_note = f"'{short(files)}': without a root there are no files, so all goes to '{files.args[-1]}'"
        found.note("corrected", files, text_of_note)
        rest = tuple(other for other in inner if other is not files)
        args = ("/",) if one is files else one.args
        made = Directive("location", args, one.place, (*rest, *(target.block or ())))
        scope.drop([files])
        taken.append(target)
        blocks = [made if other is one else other for other in blocks] + ([made] if one is files else [])
    used = " ".join(map(text, [*blocks, *scope.left]))
    return [one for one in blocks if one not in taken or used.count(one.args[0]) > 1]


def _clients(variables: dict[str, t.Any], scope: Scope, found: Found) -> None:
    for name in ("client_header_timeout", "large_client_header_buffers"):
        one = scope.value(name)
        scope.take(name)
        if one and (found.is_ours or not values.is_nginx_default(name, values.plain(one.args))):
            variables[name] = values.plain(one.args)
    logs = scope.take("access_log")
    for one in logs[:1]:
        if one.args[:1] == ("off",):
            variables["access_log"] = False
        elif not (
            found.is_ours and one.args[0].startswith(_LOG[0]) and one.args[1:2] and one.args[1].startswith(_LOG[1])
        ):
            value = " ".join(one.args)
            errors = Errors()
            if SITE["access_log"].check(value, "access_log", errors):
                variables["access_log"] = value
                unknown = [word for word in one.args[1:2] if word not in found.formats and "=" not in word]
                if unknown:
                    found.ask(
                        one, f"the log format '{unknown[0]}' is not given: does the gateway's nginx.conf have it?"
                    )
            else:
                found.ask(one, f"'{short(one)}' is left out: {errors.lines[0].partition(': ')[2]}")
    for one in logs[1:]:
        found.note("left out", one, f"'{short(one)}': the role writes one access log for each site")


def _shared(variables: dict[str, t.Any], building: locations.Site) -> None:
    """What all locations of a site have that pass requests on, once for the site."""
    proxied = [one for one in building.locations if "headers" in one]
    if len(proxied) > 1:
        shared = dict(set.intersection(*(set(one["headers"].items()) for one in proxied)))
        ordered = {name: value for name, value in proxied[0]["headers"].items() if shared.get(name) == value}
        variables["headers"] = ordered
        for one in proxied:
            one["headers"] = {name: value for name, value in one["headers"].items() if name not in ordered}
    sockets = [one for one in proxied if one.get("websocket") is not False]
    for key in ("allowed_origins", "allow_missing_origin"):
        _hoist(key, sockets, variables)
    used = [zone for one in sockets for zone in building.zones.get(id(one), ())]
    for key, kind in (("limit_conn_per_client", "websocket_conn"), ("limit_handshakes_per_client", "websocket_rate")):
        shared_zones = {zone for zone in used if zone.startswith(kind) and used.count(zone) > 1}
        _share_limit(key, shared_zones, sockets, variables, building)
    if len(sockets) == 1:
        # A zone of its own comes to the same as one of the site.
        for key in ("limit_conn_per_client", "limit_handshakes_per_client"):
            _hoist(key, sockets, variables)
    if any(key in variables for key in ("limit_conn_per_client", "limit_handshakes_per_client")):
        _hoist("limit_dry_run", [one for one in sockets if id(one) in building.zones], variables)


def _hoist(key: str, sockets: t.Sequence[dict[str, t.Any]], variables: dict[str, t.Any]) -> None:
    if sockets and all(key in one and one[key] == sockets[0][key] for one in sockets):
        variables[key] = sockets[0][key]
        for one in sockets:
            del one[key]


def _share_limit(
    key: str,
    shared: t.Collection[str],
    sockets: t.Sequence[dict[str, t.Any]],
    variables: dict[str, t.Any],
    building: locations.Site,
) -> None:
    """A zone that several locations count in is that of the site."""
    sharing = [one for one in sockets if building.zones.get(id(one), set()).intersection(shared)]
    if not sharing:
        return
    variables[key] = sharing[0][key]
    for one in sharing:
        del one[key]


def _rest(variables: dict[str, t.Any], scope: Scope, building: locations.Site) -> None:
    """What has no key, and what the role sets by itself."""
    found = building.found
    scope.take("proxy_set_header")
    if not _needs_root(scope, building):
        for one in scope.take("root"):
            if not any("root" in location for location in building.locations):
                found.note("left out", one, f"'{short(one)}': no location serves files")
    if not scope.in_force("proxy_buffers"):
        scope.take("proxy_buffer_size")
    kept = []
    for one in scope.left:
        if locations.is_own(one, found) or one.args == _OWN.get(one.name) or one.name == "proxy_read_timeout":
            continue
        if (
            not found.is_ours
            and one.name in locations.PLAIN
            and values.is_nginx_default(one.name, values.plain(one.args))
        ):
            continue
        why = _needless(one, scope, building)
        if why:
            found.note("left out", one, f"'{short(one)}': {why}")
        elif not found.is_ours and not locations.fits(one, "server"):
            found.ask(one, f"'{short(one)}' is left out: nginx does not allow it in a server; where does it belong?")
        else:
            kept.append(found.renamed(one))
            if not found.is_ours:
                where = f"the 'directives' of the site '{_first(variables)}'"
                found.note("directives", one, f"'{short(one)}' has no key: it is in {where}")
    variables["directives"] = [text(one) for one in [*kept, *building.raw]]


def _needless(one: Directive, scope: Scope, building: locations.Site) -> str:
    """Why a directive of the server is not needed; nothing where it is."""
    refused = SITE["directives"].refused or {}
    if one.name in refused:
        return refused[one.name]
    if one.name == "set" and not building.found.is_ours and not _is_used(one, scope, building):
        return "its value is where the variable was"
    is_proxied = any("upstream" in location or "proxy_pass" in location for location in building.locations)
    if one.name.startswith("proxy_") and not is_proxied and not building.raw and not building.found.is_ours:
        return "nothing is passed on here"
    return locations.reason(one, scope)


def _is_used(one: Directive, scope: Scope, building: locations.Site) -> bool:
    """Whether something that is kept has the variable that a directive sets."""
    others = [other for other in (*scope.left, *building.raw) if other is not one]
    everything = f"{building.locations} {list(map(text, others))}"
    return (
        not one.args
        or re.search(rf"\$\{{?{re.escape(one.args[0].lstrip('$'))}\b", everything, re.IGNORECASE) is not None
    )


def _needs_root(scope: Scope, building: locations.Site) -> bool:
    """Whether something that stays as it is finds files by the root of the server."""
    return any(block.first("root") is None and block.first("alias") is None for block in building.raw)
