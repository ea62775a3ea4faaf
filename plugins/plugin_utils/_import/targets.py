# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a location passes requests on to: proxy_pass as the keys upstream, proxy_pass, strip_prefix and resolver."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import import grammar, upstreams
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.found import Found
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.scope import Scope
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.tree import Directive
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.nginx_syntax import quoted
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.values import LocationPath

_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):/{1,3}(?P<rest>.*)")
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
# The path and the query as the client sent them, which nginx passes on where proxy_pass has none.
_SAME_PATH = re.compile(r"/?(?:\$request_uri|\$\{request_uri\}|\$uri(?:\$is_args\$args)?|\$document_uri)$")
_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}


class Target(t.NamedTuple):
    """The keys, and the directives `set` that are in them."""

    keys: dict[str, t.Any]
    used: list[Directive]


class _Url(t.NamedTuple):
    scheme: str
    host: str
    port: str
    # None for none, which is not the same as '/'.
    uri: str | None


def target(directive: Directive, path: LocationPath, scope: Scope, found: Found) -> Target | None:
    """None for what no key can say: a URL with variables."""
    given, used = _without_variables("".join(directive.args), scope)
    shorter = _SAME_PATH.sub("", given)
    if shorter != given:
        found.note("taken", directive, f"'{given[len(shorter) :]}' is what nginx passes on anyway")
    if "$" in shorter or not shorter:
        return None
    url = _url(directive, shorter, found)
    if url.uri is not None and path.is_regex:
        found.note(
            "corrected",
            directive,
            f"nginx allows no path in proxy_pass at a regular expression: '{url.uri}' is left out",
        )
        url = url._replace(uri=None)
    name = _upstream(directive, url, found)
    if name is not None:
        return Target(_keys_of_upstream(directive, name, url, path, found), used)
    where = url.host if not url.port else f"{url.host}:{url.port}"
    keys: dict[str, t.Any] = {"proxy_pass": f"{url.scheme}://{where}{url.uri or ''}"}
    resolvers = scope.value("resolver")
    if used and resolvers and not re.fullmatch(r"[0-9.]+|\[.*|unix:.*", url.host) and url.uri is None:
        keys["resolver"] = " ".join(map(quoted, resolvers.args))
        used.append(resolvers)
    return Target(keys, used)


def _without_variables(given: str, scope: Scope) -> tuple[str, list[Directive]]:
    """The URL with the variables that have one value, and the directives that set them."""
    used: list[Directive] = []
    for _depth in range(5):
        changed = _VARIABLE.sub(lambda match: _constant(match[1] or match[2], scope, used) or match[0], given)
        if changed == given:
            break
        given = changed
    return given, used


def _constant(name: str, scope: Scope, used: list[Directive]) -> str | None:
    values = [one for one in _all(scope, "set") if one.args[:1] == (f"${name}",) and len(one.args) == 2]
    conditional = any(_sets(one, name) for one in _all(scope, "if"))
    if len(values) != 1 or conditional or f"${name}" in values[0].args[1]:
        return None
    used.append(values[0])
    return values[0].args[1]


def _all(scope: Scope | None, name: str) -> list[Directive]:
    """Those of a block and of all around it: variables hold for the whole request."""
    return [] if scope is None else [*scope.own(name), *_all(scope.outer, name)]


def _sets(block: Directive, name: str) -> bool:
    return any(one.args[:1] == (f"${name}",) for one in block.all("set"))


def _url(directive: Directive, given: str, found: Found) -> _Url:
    match = _URL.fullmatch(given)
    scheme, rest = (match["scheme"].lower(), match["rest"]) if match else ("http", given.lstrip("/"))
    if given.startswith("unix:"):
        scheme, rest, match = "http", given, None
    known = _SCHEMES.get(scheme, "http")
    if match is None or known != scheme:
        read = f"'{given}' is read as '{known}://{rest}'"
        found.note("corrected", directive, f"proxy_pass takes http:// and https:// alone, for WebSockets too: {read}")
    if rest.startswith("unix:"):
        socket, _colon, uri = rest[5:].partition(":")
        return _Url(known, f"unix:{socket}{':' if uri else ''}", "", uri or None)
    where, slash, uri = rest.partition("/")
    where, question, query = where.partition("?")
    host, colon, port = where.rpartition(":")
    if not colon or (":" in host and not host.startswith("[")) or where.endswith("]"):
        host, port = where, ""
    if port and not port.isdigit():
        if not found.is_blank(port):
            found.ask(directive, f"the port of '{given}' is not a number: which one is it?")
        port = ""
    path = f"/{uri}" if slash else None
    if question:
        found.note("left out", directive, f"'?{query}' behind a host")
    return _Url(known, host.rpartition("@")[2] or "localhost", port, path)


def _upstream(directive: Directive, url: _Url, found: Found) -> str | None:
    """The upstream that is meant, by its own name, or by what else it can be told by."""
    if url.host.startswith(("unix:", "[")):
        return None
    block = found.upstreams.get(url.host.lower())
    if block:
        if url.port:
            text = f"'{url.host}' is an upstream, whose servers have ports of their own: '{url.port}' is left out"
            found.note("corrected", directive, text)
        return upstreams.name_of(block)
    if url.port or "." in url.host or url.host == "localhost":
        return None
    guess = _guessed(url.host, found)
    if guess:
        name = upstreams.name_of(guess)
        found.note(
            "corrected",
            directive,
            f"'{url.host}' names no upstream; a guess: '{name}' is meant, {_why(url.host, guess)}",
        )
        return name
    if url.host not in found.blanks:
        text = (
            f"'{url.host}' names no upstream, so nginx looks up a host of this name and takes its port 80: is it one?"
        )
        found.ask(directive, text)
    return None


def _guessed(host: str, found: Found) -> Directive | None:
    having = [block for block in found.upstreams.values() if host in _hosts(block)]
    if having:
        return having[0] if len(having) == 1 else None
    near = [block for name, block in found.upstreams.items() if grammar.distance(host.lower(), name, 3) < 3]
    return near[0] if len(near) == 1 and len(host) > 4 else None


def _why(host: str, block: Directive) -> str:
    if host not in _hosts(block):
        return "which is one or two letters away"
    server = next(one for one in block.all("server") if one.args and one.args[0].partition(":")[0] == host)
    return f"which has the server '{server.args[0]}'"


def _hosts(block: Directive) -> set[str]:
    return {one.args[0].partition(":")[0] for one in block.all("server") if one.args}


def _keys_of_upstream(directive: Directive, name: str, url: _Url, path: LocationPath, found: Found) -> dict[str, t.Any]:
    if url.scheme == "https":
        return {"proxy_pass": f"https://{name}{url.uri or ''}"}
    if url.uri is None:
        return {"upstream": name}
    if url.uri != "/" or path.modifier == "=" or not path.path.endswith("/"):
        return {"proxy_pass": f"http://{name}{url.uri}"}
    if path.path == "/" and not found.is_ours:
        found.note("left out", directive, "the '/' of proxy_pass: it takes the place of '/' itself")
        return {"upstream": name}
    return {"upstream": name, "strip_prefix": True}
