# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The differences that this collection makes on purpose. Each is as narrow as can be, so as not to hide another one."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.wsfleet.nginx.plugins.module_utils._compare.corpus import FOREIGN_ORIGIN
from ansible_collections.wsfleet.nginx.plugins.module_utils._compare.differences import Case
from ansible_collections.wsfleet.nginx.plugins.module_utils._compare.exchange import Answer, Request

_NONE = "none"
_NOT_TRUSTED = frozenset({"x-forwarded-host", "x-forwarded-port", "x-forwarded-ssl", "x-scheme", "forwarded"})
# https://nginx.org/en/docs/http/ngx_http_headers_module.html#add_header
_WITH_HEADERS = frozenset({200, 201, 204, 206, 301, 302, 303, 304, 307, 308})
_STATUS_ADDRESS = re.compile(r"127\.0\.0\.1:\d+")


def _field(answer: Answer, name: str) -> str | None:
    return next((value for key, value in answer.headers if key.lower() == name), None)


def _refused_by_nginx(case: Case, status: int) -> bool:
    after = case.answers[1]
    return case.what == "response" and after.error is None and after.status == status and not after.received


def _foreign_host(case: Case) -> bool:
    return case.request.foreign and _refused_by_nginx(case, 421)


def _foreign_name_in_tls(case: Case) -> bool:
    names_nothing = case.request.foreign or bool(case.request.sni)
    error = case.answers[1].error or ""
    return case.what == "response" and names_nothing and "UNRECOGNIZED_NAME" in error


def _is_handshake(request: Request) -> bool:
    return request.websocket and not request.note.startswith("no handshake")


def _asks_for_upgrade(case: Case) -> bool:
    return _refused_by_nginx(case, 426) and _field(case.answers[1], "upgrade") == "websocket"


def _no_handshake(case: Case) -> bool:
    return case.request.note.startswith("no handshake") and _asks_for_upgrade(case)


def _not_upgraded(case: Case) -> bool:
    """Where the location is one of "directives": a handshake alone has an Upgrade there, too."""
    before, after = case.answers
    if not case.request.note.startswith("no handshake") or before.status != 101 or not after.received:
        return False
    return after.status != 101 and not any(name.lower() == "upgrade" for name, _value in after.received[0].headers)


def _upgrade_required(case: Case) -> bool:
    return not case.request.websocket and _asks_for_upgrade(case)


def _no_websocket(case: Case) -> bool:
    """Only where the earlier configuration opened no WebSocket either."""
    return case.request.websocket and case.answers[0].status != 101 and _refused_by_nginx(case, 400)


def _foreign_origin(case: Case) -> bool:
    is_foreign = case.request.header("Origin") in (FOREIGN_ORIGIN, "null")
    return (
        is_foreign and _is_handshake(case.request) and bool(case.answers[0].received) and _refused_by_nginx(case, 403)
    )


def _plain_websocket(case: Case) -> bool:
    """Of a site with TLS: WebSocket clients follow no redirect, and what they send has been read by then."""
    before = case.answers[0]
    is_redirect = before.status in (301, 302, 307, 308) and not before.received
    return case.request.websocket and not case.request.tls and is_redirect and _refused_by_nginx(case, 403)


def _connection_computed(case: Case) -> bool:
    if case.what != "header connection to the backend":
        return False
    if case.request.websocket and "upgrade" in case.before.lower() and case.after.lower() == "upgrade":
        return True
    is_open = any(one.status == 101 for one in case.answers)
    return not (_is_handshake(case.request) and is_open) and case.after == _NONE


def _upgrade_in_own_words(case: Case) -> bool:
    if case.what != "header upgrade to the backend":
        return False
    if case.request.websocket and case.before.lower() == case.after == "websocket":
        return True
    return not _is_handshake(case.request) and case.after == _NONE


def _http_1_1(case: Case) -> bool:
    return case.what == "version of HTTP to the backend" and (case.before, case.after) == ("HTTP/1.0", "HTTP/1.1")


def _not_trusted(case: Case) -> bool:
    is_given = case.before == case.request.header(case.header)
    return (
        case.what == f"header {case.header} to the backend"
        and case.header in _NOT_TRUSTED
        and is_given
        and (case.after == _NONE)
    )


def _client_told(case: Case) -> bool:
    """The headers that tell the client's address and scheme: not there before, or what the client said."""
    given = case.request.header(case.header)
    if case.what != f"header {case.header} to the backend" or case.before not in (_NONE, given):
        return False
    clients = [case.request.client or "CLIENT", "127.0.0.1", "::1", "unix:"]
    forwarded = case.request.header("X-Forwarded-For")
    if case.request.note.startswith("forwarded by") and forwarded:
        # nginx may trust this one to name the client.
        clients.append(forwarded)
    if case.header == "x-real-ip":
        return case.after in clients
    if case.header == "x-forwarded-for":
        return case.after in [*clients, *(f"{given}, {client}" for client in clients)]
    return case.header == "x-forwarded-proto" and case.after == ("https" if case.request.tls else "http")


def _host_of_client(case: Case) -> bool:
    """Host as the client has sent it, instead of its name alone or that of the upstream."""
    host = (case.request.host or "").lower()
    if case.what != "header host to the backend":
        return False
    name = host.rpartition(":")[0] if re.search(r":\d+$", host) else host
    return case.after.lower() in (host, name.rstrip("."), host.replace(".:", ":"))


def _no_host(case: Case) -> bool:
    if case.request.host is not None:
        return False
    if case.what == "response header location":
        # Such as https:///a of $http_host.
        found = re.fullmatch(r"(https?://)(/.*)", case.before)
        return bool(found and re.fullmatch(rf"{found[1]}[^/]+{re.escape(found[2])}", case.after))
    return case.what == "header host to the backend" and case.after != _NONE


def _hsts_always(case: Case) -> bool:
    """On each response, where the same without "always" is on none but these."""
    if case.what != "response header strict-transport-security":
        return False
    is_left_out = case.before == _NONE and case.answers[0].status not in _WITH_HEADERS
    return is_left_out or case.before.rstrip("; ") == case.after


def _host_in_response(case: Case) -> bool:
    """What the backend makes of the Host that it received."""
    if case.header not in ("location", "set-cookie") or not all(one.received for one in case.answers):
        return False
    before, after = ({key.lower(): value for key, value in one.received[0].headers} for one in case.answers)
    hosts = before.get("host", _NONE), after.get("host", _NONE)
    own = Case(case.request, "header host to the backend", *hosts, case.answers, "host")
    if hosts[0] != hosts[1] and not _host_of_client(own):
        return False
    # Where the Host was an address of the server, the answer has a word for it.
    expected = {
        re.sub(rf"(//|Domain=){re.escape(host)}(?=[/;])", lambda found: found[1] + hosts[1], case.before)
        for host in (hosts[0], "SERVER")
    }
    if case.request.tls and after.get("x-forwarded-proto") == "https":
        expected |= {text.replace("http://", "https://", 1) for text in expected}
    return case.after in expected


def _version_hidden(case: Case) -> bool:
    return case.what == "response header server" and case.before.startswith("nginx/") and case.after == "nginx"


def _relative_redirect(case: Case) -> bool:
    if case.what != "response header location":
        return False
    found = re.fullmatch(r"https?://([^/:]+)(?::\d+)?(/.*)", case.before)
    name = re.sub(r":\d+$", "", case.request.host or "").rstrip(".").lower()
    return found is not None and (found[1].lower(), found[2]) == (name, case.after)


def _own_status(case: Case) -> bool:
    """The port of the loopback interface that tells a deploy which configuration is live."""
    return (
        case.what == "response"
        and bool(_STATUS_ADDRESS.fullmatch(case.request.address))
        and (case.answers[0].error or "").startswith("Connection refused")
    )


def _long_header(case: Case) -> bool:
    return (
        case.what == "response"
        and case.answers[0].status != 200
        and case.answers[1].status == 200
        and (case.request.note.endswith("long_header"))
    )


def _balance(case: Case) -> bool:
    if case.what != "upstream":
        return False
    before, _by, method = case.before.rpartition(" by ")
    after, _by, chosen = case.after.rpartition(" by ")
    return before == after and (method, chosen) == ("round_robin", "least_conn")


def _silence(case: Case) -> bool:
    return case.what == "proxy_read_timeout" and (case.before, case.after) == ("60s, nginx's own", "1h")


def _connecting(case: Case) -> bool:
    return case.what == "proxy_connect_timeout" and (case.before, case.after) == ("60s, nginx's own", "5s")


def _limit(case: Case) -> bool:
    return case.what == "limit" and (case.before, case.after) == ("some are refused: 503", "some are refused: 429")


def _new_tls(case: Case) -> bool:
    before, after = case.answers
    if case.what == "TLS":
        return case.after == case.before.replace("TLSv1.2", "TLSv1.3")
    is_alone = case.request.tls_version == "TLSv1.3"
    return is_alone and (before.error or "").startswith("TLS:") and after.error is None


def _old_tls(case: Case) -> bool:
    return case.request.tls_version in ("TLSv1", "TLSv1.1") and (case.answers[1].error or "").startswith("TLS:")


DESIGNED: t.Sequence[tuple[str, t.Callable[[Case], bool]]] = (
    ("a Host that no site has gets 421", _foreign_host),
    ("a name that no site has is refused in the TLS handshake", _foreign_name_in_tls),
    ("what names websocket and is no handshake gets 426", _no_handshake),
    ("what is no handshake opens no WebSocket", _not_upgraded),
    ("websocket: required refuses plain requests with 426", _upgrade_required),
    ("a handshake without TLS is refused instead of redirected", _plain_websocket),
    ("websocket: false refuses handshakes with 400", _no_websocket),
    ("a handshake with a foreign Origin gets 403", _foreign_origin),
    ("Connection is computed for each request, and not hard-coded", _connection_computed),
    ("Upgrade gets to a backend in a handshake only, and never in the client's words", _upgrade_in_own_words),
    ("HTTP/1.1 to the backends", _http_1_1),
    ("a client cannot say by which host, port or scheme it has come", _not_trusted),
    ("X-Real-IP, X-Forwarded-For and X-Forwarded-Proto are set in every location", _client_told),
    ("Host is passed on as the client sent it", _host_of_client),
    ("a request of HTTP/1.0 without a Host gets the name of its site as one", _no_host),
    ("the backend refers to itself by the Host and the scheme that are passed on", _host_in_response),
    ("nginx does not tell its version", _version_hidden),
    ("HSTS is on each response", _hsts_always),
    ("nginx's own redirects are relative", _relative_redirect),
    ("a port of the loopback interface tells which configuration is live", _own_status),
    ("a response with a long header gets through", _long_header),
    ("least_conn is the default of balance, as sockets stay open for long", _balance),
    ("a WebSocket may be silent for an hour", _silence),
    ("a server that does not accept connections is left after five seconds", _connecting),
    ("limits refuse with 429", _limit),
    ("TLS 1.3 is offered", _new_tls),
    ("TLS before 1.2 is refused", _old_tls),
)


def by_design(case: Case) -> str | None:
    """The purpose of a difference, if it has one."""
    return next((text for text, has_made in DESIGNED if has_made(case)), None)
