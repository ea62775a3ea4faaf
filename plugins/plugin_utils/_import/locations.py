# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Location blocks as the locations of a site."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._config.locations import CA_FILE
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import import grammar, values
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.found import Found, Origins
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.headers import headers
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.origins import listed, mapped
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.printing import short, text
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.scope import Scope
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.targets import target
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.tree import Directive
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.errors import Errors
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.location_keys import LOCATION
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.nginx_syntax import quoted
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.values import (
    REDIRECTS,
    LocationPath,
    Return,
    location_path,
    returned,
)

PLAIN = tuple(name for name, key in LOCATION.items() if key.plain)
_SHARED_BODY = "client_max_body_size"
# What answers instead of a backend or of files, and has no key.
HANDLERS = (
    *(
        "fastcgi_pass",
        "uwsgi_pass",
        "scgi_pass",
        "grpc_pass",
        "memcached_pass",
        "stub_status",
        "empty_gif",
        "flv",
        "mp4",
    ),
    *("alias", "random_index", "js_content", "content_by_lua_block", "content_by_lua_file", "content_by_lua", "echo"),
    *("passenger_enabled", "perl", "hls", "api", "vhost_traffic_status_display", "rtmp_stat", "tunnel_pass"),
)
# What the role sets by itself, so that it needs no key.
_OWN = {
    "proxy_http_version": ("1.1",),
    "proxy_socket_keepalive": ("on",),
    "proxy_ssl_server_name": ("on",),
}
_OF_BODY = ("content-length", "transfer-encoding")
# What is for requests to a backend alone.
_TO_BACKENDS = ("proxy_",)
_WITHOUT_CACHE = ("proxy_cache_bypass", "proxy_no_cache")
# What nginx does not inherit, or what decides what a request becomes.
_NOT_INHERITED = (
    *("if", "set", "rewrite", "return", "break", "internal", "try_files", "proxy_pass", "location", "limit_except"),
    *HANDLERS,
)
_UPGRADE_IF = re.compile(r"\(\s*\$http_upgrade\s+(?:!=|!~\*?)\s+\^?websocket\$?\s*\)", re.IGNORECASE)
_ORIGIN_IF = re.compile(r"\(\s*\$http_origin\s+(!=|!~\*?)\s+(.+?)\s*\)")
# A rewrite that takes the beginning of the path off.
_PREFIX_OFF = re.compile(r"\^?(?P<prefix>(?:/[A-Za-z0-9_.~-]+)+/?)\??\(\.[*+]\)\$?")
_MAPPED_IF = re.compile(r"\(\s*\$(?P<name>\w+)(?:\s+(?P<operator>!?=)(?:\s+(?P<value>\S*?))?)?\s*\)")
_FOREIGN = re.compile(r"\(\$(websocket_foreign\w*)\)")


@dataclass
class Site:
    """A server block while it becomes a site."""

    found: Found
    is_tls: bool
    names: t.Sequence[str]
    locations: list[dict[str, t.Any]] = field(default_factory=list)
    # The value of Strict-Transport-Security that the site has.
    hsts: str = ""
    # Blocks that no key can say, for the directives of the site.
    raw: list[Directive] = field(default_factory=list)
    # The zone of each location that counts the clients of WebSockets, by the location's identity.
    zones: dict[int, set[str]] = field(default_factory=dict)


def location(block: Directive, outer: Scope, site: Site) -> None:
    path = _path(block, site.found)
    if path is None or (path.modifier, path.path) == ("@", "upgrade_required"):
        return
    scope = Scope(block.block or (), outer)
    for nested in scope.take("location"):
        _nested(nested, path, scope, site)
    if path.modifier == "@":
        _raw(block, "a named location", site)
        return
    variables: dict[str, t.Any] = {"path": str(path)}
    if not _acts(variables, path, scope, site):
        _raw(block, "what answers here", site)
        return
    _limits(variables, scope, site)
    _plain_keys(variables, scope, site)
    _rest(variables, scope, site)
    site.locations.append(site.found.placed(variables, block))


def _acts(variables: dict[str, t.Any], path: LocationPath, scope: Scope, site: Site) -> bool:
    """Find what the location does with requests; False where no key can say it."""
    if scope.own("return"):
        _answer(variables, scope, site)
        return True
    if scope.own("proxy_pass"):
        if not site.found.is_ours and _takes_body_off(scope):
            return False
        return _proxied(variables, path, scope, site)
    if scope.own(*HANDLERS):
        return _as_root(variables, path, scope, site)
    return _files(variables, scope, site.found)


def _takes_body_off(scope: Scope) -> bool:
    """Whether the backend gets no body, as with the subrequests of auth_request, for which no key is."""
    return any(one.args[0].lower() in _OF_BODY for one in scope.own("proxy_set_header") if one.args)


def _path(block: Directive, found: Found) -> LocationPath | None:
    modifier, given = _parts(block.args)
    if modifier == "@":
        return LocationPath("@", given)
    if not given:
        found.ask(block, "a location without a path is left out: which one is it?")
        return None
    if modifier not in ("~", "~*") and not given.startswith("/"):
        found.note("corrected", block, f"the location '{given}' could never match: it is '/{given}'")
        given = f"/{given}"
    errors = Errors()
    path = LocationPath(modifier, given)
    for text_of_path in (str(path), f"{modifier} {quoted(given)}".strip()):
        if location_path(text_of_path, "path", errors) == path:
            return path
    found.ask(
        block, f"the location '{path}' is left out: {errors.lines[-1].partition(': ')[2] if errors.lines else ''}"
    )
    return None


def _parts(args: t.Sequence[str]) -> tuple[str, str]:
    if not args:
        return "", ""
    if len(args) > 1 and args[0] in ("=", "^~", "~", "~*"):
        return args[0], " ".join(args[1:])
    given = " ".join(args)
    # nginx takes the modifier right before the path, too.
    for modifier in ("^~", "~*", "~", "=", "@"):
        if given.startswith(modifier):
            return modifier, given[len(modifier) :]
    return "", given


def _nested(block: Directive, path: LocationPath, scope: Scope, site: Site) -> None:
    """A location in a location, beside it where that makes no difference."""
    modifier = _parts(block.args)[0]
    if modifier in ("~", "~*") or path.is_regex:
        nested = site.found.renamed(block)
        site.found.note("directives", block, f"'{short(block)}' stays in the location '{path}', as its 'directives'")
        scope.keep(nested)
        return
    own = {one.name for one in block.block or ()}
    inherited = [one for one in scope.left if one.name not in (*own, *_NOT_INHERITED, "proxy_set_header", *PLAIN)]
    site.found.note("taken", block, f"'{short(block)}' stands beside the location '{path}' that it was in")
    location(Directive(block.name, block.args, block.place, (*inherited, *(block.block or ()))), scope, site)


def _raw(block: Directive, what: str, site: Site) -> None:
    text_of_note = f"'{short(block)}': {what} has no key: it is in the 'directives' of the site"
    if _parts(block.args)[0] in ("~", "~*") and any(str(one["path"]).startswith("~") for one in site.locations):
        text_of_note += ", and so before the other regular expressions, which were before it"
    site.found.note("directives", block, text_of_note)
    site.raw.append(site.found.renamed(block))


def _proxied(variables: dict[str, t.Any], path: LocationPath, scope: Scope, site: Site) -> bool:
    found = site.found
    *others, directive = scope.take("proxy_pass")
    for other in others:
        found.note("left out", other, f"'{short(other)}': the location has '{short(directive)}' too")
    directive, path = _without_capture(_with_rewrite(directive, path, scope, found), path, found)
    variables["path"] = str(path)
    aim = target(directive, path, scope, found)
    if aim is None:
        return False
    scope.drop(aim.used)
    variables.update(aim.keys)
    sent = headers(scope, directive, found, is_tls=site.is_tls, names=site.names)
    scope.take("proxy_set_header")
    if str(aim.keys.get("proxy_pass", "")).startswith("https:"):
        _backend_tls(variables, directive, scope, found)
    variables["websocket"] = sent.websocket
    variables["headers"] = sent.given
    return True


def _with_rewrite(directive: Directive, path: LocationPath, scope: Scope, found: Found) -> Directive:
    """The proxy_pass with a path in the place of a rewrite that takes a prefix off, as nginx does by itself."""
    rewrites, url = scope.own("rewrite"), "".join(directive.args)
    if len(rewrites) != 1 or path.is_regex or path.modifier == "=" or "$" in url or url.count("/") != 2:
        return directive
    (rewrite,) = rewrites
    match = _PREFIX_OFF.fullmatch(rewrite.args[0]) if len(rewrite.args) == 3 and rewrite.args[2] == "break" else None
    if match is None or not path.path.startswith(match["prefix"]):
        return directive
    rest = path.path.removeprefix(match["prefix"])
    uri = {"$1": rest, "/$1": f"/{rest}"}.get(rewrite.args[1], "")
    if not re.match(r"/(?!/)", uri) or (uri == "/" and not path.path.endswith("/")):
        return directive
    scope.drop(rewrites)
    found.note("taken", rewrite, f"'{short(rewrite)}' is the path of proxy_pass, '{uri}'")
    return Directive(directive.name, (f"{url}{uri}",), directive.place)


def _without_capture(directive: Directive, path: LocationPath, found: Found) -> tuple[Directive, LocationPath]:
    """The proxy_pass and the location without a regular expression that only takes a prefix off, or nothing."""
    match = _PREFIX_OFF.fullmatch(path.path) if path.modifier == "~" and path.path.startswith("^") else None
    url = re.fullmatch(r"(\w+://[^/$]+)(/[^$]*)\$1(?:\$is_args\$args)?", "".join(directive.args))
    if match is None or url is None:
        return directive, path
    prefix, before = match["prefix"], url[2]
    if prefix == before:
        found.note("taken", directive, f"'{before}$1' is what nginx passes on anyway")
        return Directive(directive.name, (url[1],), directive.place), path
    if not prefix.endswith("/") or not before.endswith("/"):
        return directive, path
    found.note("taken", directive, f"'{path}' takes '{prefix}' off, as '^~ {prefix}' does")
    return Directive(directive.name, (f"{url[1]}{before}",), directive.place), LocationPath("^~", prefix)


def _backend_tls(variables: dict[str, t.Any], directive: Directive, scope: Scope, found: Found) -> None:
    verify, name = scope.value("proxy_ssl_verify"), scope.value("proxy_ssl_name")
    if verify is None or verify.args[:1] == ("off",):
        variables["proxy_ssl_verify"] = False
        if not found.is_ours:
            text_of_question = (
                "nginx accepts any certificate of this backend: is it to? Leave out 'proxy_ssl_verify' if not"
            )
            found.ask(verify or directive, text_of_question)
    elif scope.value("proxy_ssl_trusted_certificate"):
        trusted = scope.value("proxy_ssl_trusted_certificate")
        if trusted and trusted.args != (CA_FILE,):
            variables["proxy_ssl_trusted_certificate"] = absolute(trusted.args)
    if name and "$" not in "".join(name.args):
        variables["proxy_ssl_name"] = " ".join(name.args)
    scope.take("proxy_ssl_verify", "proxy_ssl_name", "proxy_ssl_trusted_certificate", "proxy_ssl_verify_depth")


def absolute(args: t.Sequence[str]) -> str:
    """A path as nginx completes it."""
    given = " ".join(args)
    return given if given.startswith("/") else f"/etc/nginx/{given.removeprefix('./')}"


def _answer(variables: dict[str, t.Any], scope: Scope, site: Site) -> None:
    first, *others = scope.take("return")
    for other in others:
        site.found.note("left out", other, f"'{short(other)}': '{short(first)}' comes before it")
    for other in scope.take("proxy_pass", "root", "try_files", *HANDLERS):
        site.found.note("left out", other, f"'{short(other)}': 'return' comes before it")
    value = return_value(first.args)
    if value is None:
        site.found.ask(first, f"'{short(first)}' is not a return that the role knows: the location answers 404")
        value = 404
    variables["return"] = value
    if isinstance(value, str) and value[:3].isdigit() and int(value[:3]) not in REDIRECTS:
        plain_type = [one for one in scope.own("default_type") if one.args == ("text/plain",)]
        scope.drop(plain_type)
        kind = [one for one in scope.own("add_header") if one.args[:1] and one.args[0].lower() == "content-type"]
        scope.drop(kind)
        for one in kind:
            site.found.note("corrected", one, "a second Content-Type: it is the 'default_type' now")
            if one.args[1:2] != ("text/plain",) and len(one.args) > 1:
                scope.keep(Directive("default_type", one.args[1:2], one.place))


def return_value(args: t.Sequence[str]) -> int | str | None:
    """The value of the key return."""
    if not args:
        return None
    status, text_of = (args[0], args[1] if len(args) > 1 else None)
    if not status.isdigit():
        candidates: list[int | str] = [status]
        wanted = Return(302, status)
    elif not text_of:
        candidates, wanted = [int(status[:9])], Return(int(status[:9]))
    else:
        wanted = Return(int(status[:9]), text_of)
        alone = [text_of] if wanted.status == 302 else []
        candidates = [*alone, f"{status} {text_of}", f"{status} {quoted(text_of)}", f'{status} "{_escaped(text_of)}"']
    return next((one for one in candidates if returned(one, "return", Errors()) == wanted), None)


def _escaped(given: str) -> str:
    return given.replace("\\", "\\\\").replace('"', '\\"')


def _as_root(variables: dict[str, t.Any], path: LocationPath, scope: Scope, site: Site) -> bool:
    """An alias that ends with the path of its location is a root."""
    alias = scope.own("alias")
    if len(scope.own(*HANDLERS)) != 1 or not alias or path.is_regex or len(alias[0].args) != 1:
        return False
    directory, wanted = alias[0].args[0], path.path.rstrip("/")
    before = directory.rstrip("/").removesuffix(wanted)
    if path.path == "/" and directory.endswith("/") and "$" not in before:
        wanted, directory = "/", f"{before}/"
    elif (
        directory.endswith("/") != path.path.endswith("/")
        or not wanted
        or before == directory.rstrip("/")
        or "$" in before
    ):
        return False
    scope.drop(alias)
    variables["root"] = before or "/"
    site.found.note("taken", alias[0], f"'{short(alias[0])}' is the root '{before or '/'}'")
    return bool(before)


def _files(variables: dict[str, t.Any], scope: Scope, found: Found) -> bool:
    """A location without a handler: nginx serves files."""
    if [one.args for one in scope.own("deny")] == [("all",)] and not scope.own("allow"):
        scope.drop(scope.own("deny"))
        variables["return"] = 403
        return True
    root = scope.value("root")
    if root is None or len(root.args) != 1 or "$" in root.args[0]:
        return False
    scope.take("root")
    directory = root.args[0]
    if not directory.startswith("/"):
        # Unlike other paths, it is relative to the prefix that nginx was built with.
        directory = f"/usr/share/nginx/{directory.removeprefix('./')}"
        guess = f"'{short(root)}' is relative; a guess: '{directory}', as nginx has it on Debian and RHEL's family"
        found.note("corrected", root, guess)
    variables["root"] = directory
    return True


def _limits(variables: dict[str, t.Any], scope: Scope, site: Site) -> None:
    """What a file of the role has of them, and the usual ways to write some of them by hand."""
    zones = set()
    for one in scope.own("limit_conn"):
        if one.args[:1] and one.args[0].startswith("websocket_conn"):
            zones.add(one.args[0])
            variables["limit_conn_per_client"] = values.number(one.args[1:2])
    for one in scope.own("limit_req"):
        name = next((word[5:] for word in one.args if word.startswith("zone=websocket_rate")), None)
        if name:
            zones.add(name)
            burst = next((word[6:] for word in one.args if word.startswith("burst=")), "0")
            rate = site.found.rates.get(name, "1r/s")
            default = re.match(r"[0-9]*", rate)
            variables["limit_handshakes_per_client"] = (
                rate if default and burst == default[0] else f"{rate} burst={burst}"
            )
    if zones:
        if scope.own("limit_conn_dry_run", "limit_req_dry_run"):
            variables["limit_dry_run"] = True
        site.zones[id(variables)] = zones
        scope.take("limit_conn_status", "limit_req_status", "limit_conn_dry_run", "limit_req_dry_run")
        scope.take("limit_conn", "limit_req")
    for one in scope.own("if"):
        if _is_taken(one, variables, site.found):
            scope.drop([one])


def _is_taken(block: Directive, variables: dict[str, t.Any], found: Found) -> bool:
    """Whether a condition is one that a key stands for."""
    condition = " ".join(block.args)
    inner = block.block or ()
    if [one.name for one in inner] != ["return"]:
        return False
    if found.is_ours and "$websocket_" in condition:
        foreign = _FOREIGN.fullmatch(condition)
        if foreign and foreign[1] in found.origins:
            _admit(variables, found.origins[foreign[1]])
        elif condition.split() == ["($websocket_upgrade", "=", ")"]:
            variables["websocket"] = "required"
        return True
    is_refusal = inner[0].args[:1] and inner[0].args[0].startswith("4")
    return bool(variables.get("websocket") is True and is_refusal) and _is_refusal(block, condition, variables, found)


def _is_refusal(block: Directive, condition: str, variables: dict[str, t.Any], found: Found) -> bool:
    if _UPGRADE_IF.fullmatch(condition):
        variables["websocket"] = "required"
        found.note("taken", block, f"'{short(block)}' is 'websocket: required', which answers 426")
        return True
    origin = _ORIGIN_IF.fullmatch(condition)
    allowed = listed(origin[1], origin[2]) if origin else _mapped(condition, found)
    if allowed is None:
        return False
    _admit(variables, allowed)
    found.note("taken", block, f"'{short(block)}' is 'allowed_origins', for handshakes")
    return True


def _mapped(condition: str, found: Found) -> Origins | None:
    match = _MAPPED_IF.fullmatch(condition)
    block = found.origin_maps.get(match["name"]) if match else None
    if match is None or block is None:
        return None
    wanted, is_equal = match["value"] or "", match["operator"] == "="
    if match["operator"]:
        return mapped(block, lambda value: (value == wanted) is is_equal)
    return mapped(block, lambda value: value not in ("", "0"))


def _admit(variables: dict[str, t.Any], origins: Origins) -> None:
    variables["allowed_origins"] = origins.allowed
    if not origins.missing:
        variables["allow_missing_origin"] = False


def _plain_keys(variables: dict[str, t.Any], scope: Scope, site: Site) -> None:
    is_proxied = "upstream" in variables or "proxy_pass" in variables
    for name in PLAIN:
        own = scope.take(name)
        inherited = scope.value(name) if is_proxied and name in _of_locations(scope) else None
        one = own[-1] if own else inherited
        if one is None:
            continue
        if not is_proxied and name != _SHARED_BODY:
            site.found.note("left out", one, f"'{short(one)}': nothing is passed on here")
            continue
        value = values.plain(one.args)
        if isinstance(value, bool) and LOCATION[name].check(value, name, Errors()) is None:
            # Of proxy_next_upstream it is a word.
            value = " ".join(one.args)
        errors = Errors()
        if LOCATION[name].check(value, name, errors) is None:
            site.found.ask(one, f"'{short(one)}' is left out: {errors.lines[0]}")
        elif _is_needed(name, value, variables, scope) or site.found.is_ours:
            variables[name] = value


def _of_locations(scope: Scope) -> set[str]:
    """What the site cannot say for its locations, so that each of them does."""
    names = {"proxy_read_timeout"}
    if not scope.in_force("proxy_buffers"):
        names.add("proxy_buffer_size")
    return names


def _is_needed(name: str, value: object, variables: dict[str, t.Any], scope: Scope) -> bool:
    if name == "proxy_read_timeout":
        return values.seconds(value) != (3600 if variables.get("websocket", True) else 60)
    if name == "proxy_buffer_size" and scope.own("proxy_buffers"):
        return scope.own("proxy_buffers")[-1].args[1:] != (str(value),)
    outer = scope.outer.value(name) if scope.outer else None
    return outer is not None or not values.is_nginx_default(name, value)


def _rest(variables: dict[str, t.Any], scope: Scope, site: Site) -> None:
    """What has no key."""
    found = site.found
    is_proxied = "upstream" in variables or "proxy_pass" in variables
    refused = LOCATION["directives"].refused or {}
    kept = []
    for one in scope.left:
        if is_own(one, found) or one.args == _OWN.get(one.name) or is_hsts(one, site.hsts):
            continue
        if one.name in refused:
            found.note("left out", one, f"'{short(one)}': {refused[one.name]}")
        elif one.name.startswith(_TO_BACKENDS) and not is_proxied:
            found.note("left out", one, f"'{short(one)}': nothing is passed on here")
        elif reason(one, scope):
            found.note("left out", one, f"'{short(one)}': {reason(one, scope)}")
        elif not found.is_ours and not fits(one, "location"):
            found.ask(one, f"'{short(one)}' is left out: nginx does not allow it in a location; where does it belong?")
        else:
            kept.append(found.renamed(one))
            where = f"the 'directives' of the location '{variables['path']}'"
            if not found.is_ours and one.name != "location":
                found.note("directives", one, f"'{short(one)}' has no key: it is in {where}")
    variables["directives"] = [text(one) for one in kept]


def fits(one: Directive, context: str) -> bool:
    """Whether nginx would take a directive there; what it is not known to have may be a module's."""
    if not grammar.is_known(one.name):
        return re.fullmatch(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*", one.name) is not None
    return grammar.is_allowed(one.name, context)


def reason(one: Directive, scope: Scope) -> str:
    """Why a directive that would change nothing is left out; nothing where it may."""
    if one.name in _WITHOUT_CACHE and not scope.in_force("proxy_cache"):
        return "it has no effect without 'proxy_cache'"
    if one.name == "proxy_cache" and one.args == ("off",):
        return "it is off by default"
    if one.name == "proxy_redirect" and one.args in (("off",), ("default",)) and scope.in_force("proxy_set_header"):
        return "the backend knows the client's Host, so there is nothing to rewrite"
    if (one.name, one.args) in (("tcp_nodelay", ("on",)), ("proxy_ssl_session_reuse", ("on",))):
        return "it is nginx's default"
    if one.name.startswith("http2_push"):
        return "nginx has it no more"
    return ""


def is_hsts(one: Directive, value: str) -> bool:
    """Whether a header is the one that the key hsts of the site sets."""
    return one.name == "add_header" and hsts_of(one) == value != ""


def hsts_of(one: Directive) -> str:
    """The value of Strict-Transport-Security in one spelling."""
    if len(one.args) < 2 or one.args[0].lower() != "strict-transport-security":
        return ""
    words = {"includesubdomains": "includeSubDomains", "preload": "preload"}
    parts = [part.strip().replace('"', "") for part in one.args[1].lower().split(";")]
    return "; ".join(words.get(part, part) for part in parts if part)


def is_own(one: Directive, found: Found) -> bool:
    """Whether a directive is one that the role itself has written."""
    if not found.is_ours:
        return False
    words = " ".join(one.args)
    if one.name in ("set", "if") and "$websocket_" in words:
        return True
    if one.name == "if" and "$binary_remote_addr ~" in words:
        return any("$websocket_client" in inner.args for inner in one.block or ())
    if one.name == "if" and words.startswith("($realip_remote_addr"):
        return True
    return one.name == "error_page" and one.args == ("426", "=", "@upgrade_required")
