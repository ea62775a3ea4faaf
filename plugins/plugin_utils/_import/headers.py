# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The headers that a location sends to its backend: which of them the role sends by itself, and whether they pass
upgrades on.
"""

from __future__ import annotations

import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.found import Found
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.printing import short
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.scope import Scope
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.tree import Directive

# What the role sends, and what comes to the same.
_OWN = {
    "host": (
        *("$host", "$http_host", "$host:$server_port", "$http_host:$server_port", "$host:$proxy_port"),
        *("$host:80", "$host:443", "$host$websocket_port"),
    ),
    "x-real-ip": ("$remote_addr",),
    "x-forwarded-for": ("$proxy_add_x_forwarded_for", "$websocket_for"),
    "x-forwarded-proto": ("$scheme", "$websocket_proto"),
}
# As the role writes them.
_EXACTLY = {**_OWN, "host": ("$host$websocket_port",)}
_DROPPED = ("x-forwarded-host", "x-forwarded-port", "x-forwarded-ssl", "x-scheme", "forwarded")
_CONTROLLED = ("upgrade", "connection", "content-length", "transfer-encoding")


class Headers(t.NamedTuple):
    """The key headers, and the key websocket."""

    given: dict[str, str]
    websocket: bool


def headers(scope: Scope, proxy_pass: Directive, found: Found, *, is_tls: bool, names: t.Sequence[str]) -> Headers:
    """Of a location that has proxy_pass."""
    sent = [one for one in scope.in_force("proxy_set_header") if len(one.args) == 2]
    given: dict[str, str] = {}
    for one in sent:
        name, value = one.args
        if name.lower() in _CONTROLLED:
            continue
        if _is_own(name.lower(), value, found, is_tls=is_tls, names=names):
            _note_own(one, name.lower(), value, found)
        elif value == "$http_" + name.lower().replace("-", "_") and name.lower() not in (*_DROPPED, *_OWN):
            if not found.is_ours:
                found.note("left out", one, f"'{short(one)}': nginx passes headers of the client on anyway")
        else:
            given = {key: other for key, other in given.items() if key.lower() != name.lower()}
            given[name] = value
    host = any(one.args[0].lower() == "host" for one in sent)
    if not host and _is_foreign(proxy_pass, found):
        # Without a line nginx sends the name in proxy_pass, which such a server may know itself by.
        given["Host"] = "$proxy_host"
    elif not host and not found.is_ours:
        found.note("corrected", proxy_pass, "the backend gets the Host of the client, and not the name in proxy_pass")
    return Headers(given, _passes_upgrades(sent, scope, proxy_pass, found))


def _is_own(name: str, value: str, found: Found, *, is_tls: bool, names: t.Sequence[str]) -> bool:
    if name in _DROPPED:
        return value == ""
    if found.is_ours:
        return value in _EXACTLY.get(name, ())
    if name == "x-forwarded-proto" and value == "https" and is_tls:
        return True
    if name == "host" and value == "$server_name" and len(names) == 1 and names[0][0].isalnum():
        return True
    return value in _OWN.get(name, ())


def _note_own(one: Directive, name: str, value: str, found: Found) -> None:
    if name == "host" and "http_host" in value:
        found.note("corrected", one, f"'{value}' is whatever the client says: the backend gets $host with its port")


def _is_foreign(proxy_pass: Directive, found: Found) -> bool:
    """Whether the host of proxy_pass is a public name, such as that of an API."""
    host = "".join(proxy_pass.args).partition("://")[2].partition("/")[0].partition(":")[0]
    labels = host.split(".")
    if "$" in host or len(labels) < 2 or host.lower() in found.upstreams:
        return False
    return labels[-1].isalpha() and labels[-1] not in ("local", "internal", "lan")


def _passes_upgrades(sent: t.Sequence[Directive], scope: Scope, proxy_pass: Directive, found: Found) -> bool:
    upgrade = _last(sent, "upgrade")
    connection = _last(sent, "connection")
    value = connection.args[1] if connection else ""
    is_fixed = value.lower() == "upgrade"
    if upgrade is None or not upgrade.args[1]:
        if is_fixed and connection:
            text = "Connection without Upgrade lets no WebSocket through: both are passed on now"
            found.note("corrected", connection, text)
            return True
        _note_not_inherited(scope, proxy_pass, found)
        return False
    if found.is_ours:
        return True
    if connection is None:
        text = "Upgrade without Connection lets no WebSocket through: both are passed on now"
        found.note("corrected", upgrade, text)
    elif is_fixed:
        text = f"'Connection \"{value}\"' went along with every request: it is sent with a handshake alone now"
        found.note("corrected", connection, text)
    elif not found.connects(value) and _is_not_given(value, found):
        text = f"'{value}' is of a map that is not given: it is 'upgrade' with a handshake"
        found.note("corrected", connection, text)
    elif not found.connects(value):
        text = (
            f"'{short(connection)}' lets no WebSocket through, or what a client likes: it is 'upgrade' with a handshake"
        )
        found.note("corrected", connection, text)
    version = scope.value("proxy_http_version")
    if version is None or version.args[:1] == ("1.0",):
        text = "without 'proxy_http_version 1.1' nginx before 1.29.7 passes no upgrade on: it is always set now"
        found.note("corrected", version or upgrade, text)
    return True


def _is_not_given(value: str, found: Found) -> bool:
    """Whether the value is a variable that another file defines."""
    name = value.strip("${}").lower()
    return value.startswith("$") and name not in found.defined and not name.startswith("http_")


def _last(sent: t.Sequence[Directive], name: str) -> Directive | None:
    return next((one for one in reversed(sent) if one.args[0].lower() == name), None)


def _note_not_inherited(scope: Scope, proxy_pass: Directive, found: Found) -> None:
    """nginx inherits all headers of the blocks around or none."""
    outer = scope.outer
    if (
        scope.own("proxy_set_header")
        and outer
        and _last([one for one in outer.in_force("proxy_set_header") if len(one.args) == 2], "upgrade")
    ):
        found.ask(
            proxy_pass,
            "nginx does not inherit the headers of the server, Upgrade among them, as the location has headers of its "
            "own: are WebSockets to pass? Then leave out 'websocket: false'",
        )
