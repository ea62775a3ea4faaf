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


# What is true of requests without TLS.
_WITHOUT_TLS = re.compile(r"\( ?(?:\$scheme (?:= http|!= https)|\$https = (?:\"\")?|\$server_port (?:= 80|!= 443)) ?\)")


def of_both(server: Directive) -> Directive | None:
    """The condition that sends requests without TLS on, in a server that listens with TLS at 443 and without at 80."""
    listens = list(server.all("listen"))
    plain = [one for one in listens if not {"ssl", "http2", "quic"} & set(one.args[1:]) and not _is_secure(one)]
    if not plain or len(plain) == len(listens) or not all(_at_80(one) for one in plain):
        return None
    for one in server.all("if"):
        inner = [inside for inside in one.block or () if inside.name not in _BESIDE]
        if _WITHOUT_TLS.fullmatch(" ".join(one.args)) and len(inner) == 1 and _sends(inner[0], server):
            return one
    return None


def without(server: Directive, condition: Directive) -> Directive:
    """The server without that condition, and without what it is for."""
    gone = [one for one in server.all("listen") if "ssl" not in one.args[1:] and _at_80(one)]
    inner = tuple(one for one in server.block or () if one is not condition and one not in gone)
    return Directive(server.name, server.args, server.place, inner)


def _is_secure(listen: Directive) -> bool:
    return bool(listen.args) and listen.args[0].rpartition(":")[2] == "443"


def as_return(server: Directive) -> Directive:
    """A server that sends all requests on by a rewrite, as one that does it by a return."""
    sending = redirect(server)
    if sending is None or sending.name != "rewrite" or sending not in (server.block or ()):
        return server
    status = "301" if sending.args[2] == "permanent" else "302"
    url = re.sub(r"(?:/?\$1|/?\$request_uri)\??$", "", sending.args[1]).rstrip("/")
    answer = Directive("return", (status, f"{url}$request_uri"), sending.place)
    inner = tuple(answer if one is sending else one for one in server.block or ())
    return Directive(server.name, server.args, server.place, inner)


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
    sending, wanted = redirect(server), names(server) or ["_"]
    if sending is None or not _listens_at_80(server):
        return False
    secure = [(block, site) for block, site in sites if _has_tls(site)]
    known = {name: site for block, site in secure for name in names(block) or ["_"] if name != ""}
    if any(name not in known for name in wanted):
        return False
    for site in {id(known[name]): known[name] for name in wanted}.values():
        site["redirect_http"] = True
    if sending.args[:1] not in (("301",), ("^",)) and sending.name == "return":
        found.note("corrected", sending, f"'{short(sending)}': 'redirect_http' sends browsers on with 301")
    if any(word.startswith("default") for one in server.all("listen") for word in one.args[1:]):
        text = "as the default server it sends any other name on, too; the role refuses them (421)"
        found.note("left out", server, text)
    if not found.is_ours:
        found.note("taken", server, "the redirect to TLS is 'redirect_http', which answers handshakes with 403")
    return True


def _listens_at_80(server: Directive) -> bool:
    return all(_at_80(one) for one in server.all("listen") if one.args)


def _at_80(listen: Directive) -> bool:
    port = listen.args[0].rpartition(":")[2] if listen.args else ""
    return port in ("80", "]") or not port.isdigit()


def _has_tls(site: t.Mapping[str, t.Any]) -> bool:
    given = site["listen"] if isinstance(site["listen"], list) else [site["listen"]]
    return any("ssl" in str(listen).split() for listen in given)
