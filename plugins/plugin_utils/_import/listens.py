# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a server listens: its listen directives as the key listen."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.found import Found
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.printing import short
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.scope import Scope
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.tree import Directive
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables import addresses
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.addresses import Address
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.errors import Errors

# As the role completes the options of a socket.
_OWN_OPTION = "so_keepalive=60s:10s:6"
_NEEDLESS = {"ipv6only=on": "it is nginx's default", "spdy": "HTTP/2 has taken its place"}


class Listens(t.NamedTuple):
    # As the key has them: a port alone is a number.
    values: list[int | str]
    has_tls: bool
    # Whether every one of them has TLS.
    is_tls: bool
    http2: bool


class _Listen(t.NamedTuple):
    directive: Directive
    address: str
    parameters: list[str]


def listens(block: Directive, scope: Scope, found: Found) -> Listens:
    given = [parsed for one in scope.take("listen") if (parsed := _parsed(one, found))]
    switch = scope.value("http2")
    http2 = any("http2" in one.parameters for one in given) or bool(switch and switch.args == ("on",))
    certificate = scope.value("ssl_certificate")
    legacy = scope.value("ssl")
    values: list[int | str] = []
    seen: set[Address] = set()
    tls: list[bool] = []
    for one in given:
        value, has_ssl, canonical = _value(one, bool(certificate), bool(legacy and legacy.args == ("on",)), found)
        if value is None or canonical in seen:
            if canonical in seen:
                found.note("left out", one.directive, f"'{short(one.directive)}': the server listens there already")
            continue
        if canonical:
            seen.add(canonical)
        values.append(value)
        tls.append(has_ssl)
    if not values:
        found.note("taken", block, "a server without 'listen' is at port 80, as nginx has it")
        return Listens([80], has_tls=False, is_tls=False, http2=False)
    if http2 and not any(tls):
        found.note("left out", given[0].directive, "http2: browsers speak it with TLS alone")
    return Listens(values, any(tls), all(tls), http2 and any(tls))


def _parsed(directive: Directive, found: Found) -> _Listen | None:
    if not directive.args:
        return None
    where, *parameters = directive.args
    if "quic" in parameters:
        found.note("left out", directive, f"'{short(directive)}': the role serves no HTTP/3, which has no WebSockets")
        return None
    if where.isdigit() or where.startswith("unix:"):
        return _Listen(directive, where, parameters)
    host, colon, port = where.rpartition(":")
    is_whole = colon and port.isdigit() and (":" not in host or host.startswith("["))
    if not is_whole:
        host = f"[{where}]" if where.count(":") > 1 and not where.startswith("[") else where
        port = "443" if "ssl" in parameters else "80"
        if colon and not where.endswith("]") and where.count(":") == 1:
            if not found.is_blank(where):
                found.ask(directive, f"the port of 'listen {where}' is not a number: which one is it?")
            host = host.partition(":")[0]
        elif where in found.blanks or not re.search(r"[.:*]|^localhost$", where):
            if not found.is_blank(where):
                found.ask(directive, f"'listen {where}' is neither a port nor an address: which one is it?")
            host = ""
    if host in Address.ANY_IPV4:
        return _Listen(directive, port, parameters)
    return _Listen(directive, f"{host}:{port}", parameters)


def _value(
    one: _Listen, has_certificate: bool, is_legacy: bool, found: Found
) -> tuple[int | str | None, bool, Address | None]:
    parameters = []
    for word in one.parameters:
        known = {"default": "default_server"}.get(word, word)
        if known in _NEEDLESS:
            found.note("left out", one.directive, f"'{known}': {_NEEDLESS[known]}")
        elif known != "http2" and not (found.is_ours and known == _OWN_OPTION):
            parameters.append(known)
    is_secure = one.address.rpartition(":")[2] in ("443", "8443") and not one.address.startswith("unix:")
    if "ssl" not in parameters and (is_legacy or (has_certificate and is_secure)):
        text = f"'{short(one.directive)}' gets 'ssl', as the server has a certificate"
        found.note("corrected", one.directive, text)
        parameters.append("ssl")
    order = ("ssl", "proxy_protocol", "default_server")
    parameters = [*(word for word in order if word in parameters), *(word for word in parameters if word not in order)]
    sound = []
    for word in dict.fromkeys(parameters):
        errors = Errors()
        if addresses.listens(f"80 {word}", "listen", errors):
            sound.append(word)
        else:
            found.note("left out", one.directive, f"'{word}': {errors.lines[0].partition(': ')[2]}")
    value: int | str = " ".join([one.address, *sound])
    if not sound and one.address.isdigit() and len(one.address) < 6:
        value = int(one.address)
    errors = Errors()
    checked = addresses.listens(value, "listen", errors)
    if not checked:
        found.ask(one.directive, f"'{short(one.directive)}' is left out: {errors.lines[0].partition(': ')[2]}")
        return None, False, None
    return value, "ssl" in sound, checked[0].address.canonical
