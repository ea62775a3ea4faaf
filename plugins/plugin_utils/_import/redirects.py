# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Servers that only send clients on to TLS: the key redirect_http of the site that they lead to."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.found import Found
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.printing import short
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.tree import Directive

_STATUSES = ("301", "302", "307", "308")
_URL = re.compile(
    r"https://(?P<host>[^/$]+|\$host|\$http_host|\$server_name)(?::\d+)?(?P<path>/?\$request_uri|/?\$1|/?)\??"
)
# What says nothing of where a request goes.
_BESIDE = (
    *("listen", "server_name", "access_log", "error_log", "server_tokens", "root", "index", "client_header_timeout"),
    *("client_header_buffer_size", "request_pool_size", "large_client_header_buffers", "default_type", "charset"),
    *("autoindex", "server_name_in_redirect", "port_in_redirect", "add_header"),
)


def redirect(server: Directive) -> Directive | None:
    """The directive that sends all requests of a server on to the same path over TLS."""
    inner = list(server.block or ())
    if any("ssl" in one.args[1:] for one in inner if one.name == "listen"):
        return None
    rest = [one for one in inner if one.name not in _BESIDE]
    sending = [found for one in rest if (found := _sends(one, server))]
    others = [one for one in rest if not _sends(one, server) and not _is_harmless(one)]
    return sending[0] if sending and not others else None


def _sends(one: Directive, server: Directive) -> Directive | None:
    if one.name == "return" and one.args[:1] and one.args[0] in _STATUSES and len(one.args) == 2:
        return one if _is_same(one.args[1], server) else None
    if one.name == "rewrite" and len(one.args) == 3 and one.args[2] in ("permanent", "redirect"):
        return (
            one
            if one.args[0] in ("^", "^(.*)$", "^(.*)", "^/(.*)$", "^/(.*)", "^.*$") and _is_same(one.args[1], server)
            else None
        )
    is_all = one.name == "location" and one.args in (("/",), ("^~", "/"))
    if is_all or (one.name == "if" and re.search(r"\$(?:host|scheme|https|server_port)\b", " ".join(one.args))):
        inner = [inside for inside in one.block or () if inside.name not in _BESIDE and not _is_harmless(inside)]
        return _sends(inner[0], server) if len(inner) == 1 else None
    return None


def _is_harmless(one: Directive) -> bool:
    """What follows a condition for each name, as Certbot has it, and the refusal of handshakes."""
    if one.name == "return" and one.args in (("404",), ("444",), ("403",)):
        return True
    is_refusal = one.name == "if" and "$http_upgrade" in " ".join(one.args)
    return is_refusal and all(inner.name == "return" for inner in one.block or ())


def _is_same(url: str, server: Directive) -> bool:
    match = _URL.fullmatch(url)
    if match is None:
        return False
    host = match["host"]
    return host.startswith("$") or host in names(server)


def names(server: Directive) -> list[str]:
    return [word.lower() for one in server.all("server_name") for word in one.args]


def taken(server: Directive, sites: t.Sequence[tuple[Directive, dict[str, t.Any]]], found: Found) -> bool:
    """Whether sites with TLS have all names of a redirect, and so the redirect as a key."""
    sending, wanted = redirect(server), names(server)
    if sending is None or not wanted or not _listens_at_80(server):
        return False
    secure = [(block, site) for block, site in sites if _has_tls(site)]
    known = {name: site for block, site in secure for name in names(block) if name not in ("_", "")}
    if any(name not in known for name in wanted):
        return False
    for site in {id(known[name]): known[name] for name in wanted}.values():
        site["redirect_http"] = True
    if sending.args[:1] not in (("301",), ("^",)) and sending.name == "return":
        found.note("corrected", sending, f"'{short(sending)}': 'redirect_http' sends browsers on with 301")
    if not found.is_ours:
        found.note("taken", server, "the redirect to TLS is 'redirect_http', which answers handshakes with 403")
    return True


def _listens_at_80(server: Directive) -> bool:
    ports = [one.args[0].rpartition(":")[2] for one in server.all("listen") if one.args]
    return all(port in ("80", "]") or not port.isdigit() for port in ports)


def _has_tls(site: t.Mapping[str, t.Any]) -> bool:
    given = site["listen"] if isinstance(site["listen"], list) else [site["listen"]]
    return any("ssl" in str(listen).split() for listen in given)
