# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the deploy or a backend is the cause of a failed probe, and what the operator can do about it."""

from __future__ import annotations

import typing as t
import urllib.parse
from dataclasses import replace

from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.errors import Cause
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.routes import (
    NO_BACKEND,
    NOT_PASSED_ON,
    Probe,
    Response,
    Result,
    as_logged,
    probe_all,
    probe_backends,
)

# Once more, and with an upstream of several servers a few times: least_conn tries them by turns.
PATIENCE = 1.0
# How many are listed: a message has fewer than ten lines.
_ROUTES = 3
_ROUTES_OF_MORE = 2
_ADDRESSES = 4
_LOGGED = 2
_EXAMPLE = "EIO=4&transport=websocket"
_PLAIN = "it serves plain HTTP there: set websocket: false, or probe.path to the path of its WebSocket"
# Where a backend gives the response.
_HINTS = {
    400: "it rejects the handshake: set probe.subprotocol, probe.headers or probe.path to what it requires, or "
    "websocket: false if it serves plain HTTP only",
    401: "it requires credentials: set probe.headers",
    403: "it rejects the client: set probe.origin to an Origin that it accepts",
    404: "it serves nothing there: set probe.path to the path of its WebSocket, or websocket: false if it has none",
    405: _PLAIN,
    421: "it does not serve this Host: set headers.Host to one that it serves",
    426: "it finds no acceptable upgrade: set probe.subprotocol or probe.headers to what it requires",
    429: "it limits its clients",
}
_HINTS_BY_CLASS = {
    2: _PLAIN,
    3: "it redirects, which WebSocket clients do not follow: set probe.path to the target",
    4: "it rejects the handshake",
    5: "it failed on the handshake: see its own log",
}
# Where nginx gives the response.
_NGINX_HINTS = {
    401: "set probe.headers to credentials that it accepts",
    403: "set probe.origin to one of the site's allowed_origins, if it has them",
    421: "no site there has the requested Host as a server_name: add the name to the site, and set no Host in "
    "probe.headers",
    426: "it did not recognize the handshake, or a proxy_set_header in directives drops Upgrade",
    429: "the limits of the site count the gateway's own probes: raise limit_handshakes_per_client or "
    "limit_conn_per_client",
    502: "the backend's response header may be larger than proxy_buffer_size, or its certificate may not match "
    "proxy_ssl_name and proxy_ssl_trusted_certificate: see nginx's error log",
}
# For what nginx logs.
_LOG_HINTS = {
    "access forbidden by rule": "remove the deny in directives, or allow the gateway's own addresses",
    "limiting connections": _NGINX_HINTS[429],
    "limiting requests": _NGINX_HINTS[429],
    "upstream sent too big header": "raise proxy_buffer_size",
    "upstream SSL certificate": "set proxy_ssl_name and proxy_ssl_trusted_certificate to those of the backend",
}
_CERTIFICATE_HINT = (
    "the site requires a client certificate: set probe.ssl_certificate and probe.ssl_certificate_key to one that it "
    "accepts"
)
# What to set where a backend rejects a handshake that the operator did not describe.
_REMEDIES = {
    401: "set probe.headers to credentials that it accepts",
    403: "set probe.origin to one that it accepts, or probe.headers",
    421: "set headers.Host to one that it serves",
    426: "set probe.subprotocol or probe.headers to what it requires",
    429: "it limits its clients",
}
_NOT_REFUSED = "nginx does not refuse it: check the directives of this location and its site, and other files of nginx"
_PROBED_WITHOUT = "probed directly, without what its headers and directives change"


def probe_routes(
    probes: t.Sequence[Probe],
    passed: t.Collection[str],
    logged: t.Callable[[str, str], t.Sequence[str]] | None = None,
    *,
    on_gateway: bool = True,
) -> list[Result]:
    """Probe every route, and the backends of those that fail; passed are the routes that passed before, and logged
    returns what nginx has logged of a request.
    """
    results = probe_backends(probe_all(probes, PATIENCE, on_gateway=on_gateway))
    results = [classify(result, passed) for result in results]
    if logged is None:
        return results
    return [
        replace(result, logged=logged(*as_logged(result.probe)))
        if result.failed and not result.rule and result.response.status is not None
        else result
        for result in results
    ]


def classify(result: Result, passed: t.Collection[str]) -> Result:
    """The result, as unverified where the backends reject a handshake that the operator did not describe."""
    probe = result.probe
    is_loose = result.failed and probe["websocket"] and not probe.get("strict", True) and result.route not in passed
    # If a backend accepts it directly, nginx is the cause.
    if not is_loose or any(not response.failure for response in result.backends.values()):
        return result
    reason = _backend_rejection(result)
    return replace(result, unverified=f"{reason}; {_remedy(result)}") if reason else result


def is_caused_by_deploy(result: Result, *, passed: t.Collection[str], known: t.Collection[str]) -> bool:
    """Whether a route fails that passed before the deploy, or a new one that its backends would serve."""
    return result.route in passed or (result.route not in known and not is_caused_by_backends(result))


def is_caused_by_backends(result: Result) -> bool:
    """Whether all backends fail when they are probed directly, or one fails just as it does through nginx."""
    responses = list(result.backends.values())
    if not responses:
        return False
    return all(response.failure for response in responses) or any(
        _is_same(response, result.response) for response in responses
    )


def describe(failed: t.Sequence[Result], passed: t.Collection[str]) -> list[str]:
    """What failed and what to do about it, in two lines for each of the first routes."""
    lines: list[str] = []
    shown = len(failed) if len(failed) <= _ROUTES else _ROUTES_OF_MORE
    for result in failed[:shown]:
        before = ", but passed before this deploy" if result.route in passed else ""
        lines.append(f"- {label(result)}: {result.response.failure}{before}")
        lines += [f"  {line}" for line in _advice(result)]
    if failed[shown:]:
        names = [_variable(result) or label(result) for result in failed[shown:]]
        lines.append(f"- and {len(names)} more: {_first(names)}")
    return lines


def label(result: Result) -> str:
    """A route by its path in the variables, and its site and location."""
    at = _variable(result)
    name = f"{result.probe['site']} {result.probe['path']}"
    return f"{at} ({name})" if at else name


def _variable(result: Result) -> str | None:
    """The path of a route in the variables, or of the variable that has the request refused."""
    return result.probe.get("variable") or result.probe.get("at")


def _backend_rejection(result: Result) -> str:
    """How the backends reject the handshake that may serve others, or nothing where the failure is another one."""
    status, responses = result.response.status, result.backends.values()
    if not responses:
        return ""
    path = urllib.parse.urlsplit(result.probe["backends"]["url"]).path or "/"
    if result.plain_status and not _is_server_error(result.plain_status):
        return f"the backend does not respond to a handshake at {path}, but it responds to plain HTTP"
    has_status = any(response.status is not None for response in responses)
    if {response.cause for response in responses if response.is_harmful} == {Cause.CLOSED} and not has_status:
        closes = _closes(result, path)
        if closes:
            return closes
    is_rejection = result.response.is_refusal and not _is_server_error(status)
    if not is_rejection or not any(response.is_refusal and response.status == status for response in responses):
        return ""
    if _is_exact(result):
        return f"the backend returns {status} at {path}"
    return f"returned {status}; {_PROBED_WITHOUT}, the backend returns {status} at {path} too"


def _closes(result: Result, path: str) -> str:
    status = result.response.status
    if result.held_back or (_is_exact(result) and status in NO_BACKEND):
        return f"the backend closes the connection at {path}"
    if status in NO_BACKEND:
        return f"returned {status}; {_PROBED_WITHOUT}, the backend closes the connection at {path}"
    return ""


def _is_server_error(status: int | None) -> bool:
    return (status or 0) >= 500


def _is_exact(result: Result) -> bool:
    """Whether nginx sends the backends just what they are sent directly."""
    exact: bool = (result.probe.get("backends") or {}).get("exact", True)
    return exact


def _is_same(direct: Response, response: Response) -> bool:
    if direct.status is None and response.status is None:
        return direct.cause is response.cause is Cause.TIMEOUT
    return bool(direct.failure) and direct.status == response.status


def _remedy(result: Result) -> str:
    """What the operator sets so that the route is verified."""
    status = result.response.status or 0
    if result.origin:
        return _set_origin(result)
    if status in _REMEDIES:
        return _REMEDIES[status]
    if result.plain_status:
        return "set probe.path or probe.subprotocol to what it waits for"
    remedy = f"set probe.path{_example(result.probe['path'])}"
    return f"{remedy}, or probe.subprotocol" if status == 400 else remedy


def _set_origin(result: Result) -> str:
    return f"set probe.origin: {result.origin}" if result.origin else ""


def _example(path: str) -> str:
    """An example of Socket.IO's path in a location; none where a location matches one path only."""
    if path.startswith("="):
        return " with the query that it requires"
    folder = path.rpartition(" ")[2].rstrip("/")
    socket_io = folder if folder.endswith("/socket.io") else f"{folder}/socket.io"
    return f", such as {socket_io}/?{_EXAMPLE}"


def _advice(result: Result) -> t.Iterator[str]:
    if result.rule:
        yield _NOT_REFUSED
        return
    status = result.response.status or 0
    logged = [line for line in result.logged if "upstream" not in line or not is_caused_by_backends(result)]
    if logged:
        yield _quoted(logged)
        return
    if result.response.cause is Cause.CERTIFICATE_REQUIRED:
        yield _CERTIFICATE_HINT
        return
    same = [address for address, response in result.backends.items() if _is_same(response, result.response)]
    if same and result.response.status is not None:
        hint = _set_origin(result) or _hint(result)
        verb = "returns" if len(same) == 1 else "return"
        if _is_exact(result):
            yield f"probed directly, {_first(same)} {verb} the same: {hint}"
        else:
            yield f"{_PROBED_WITHOUT}, {_first(same)} {verb} {status} too: {hint}"
    elif status in NOT_PASSED_ON:
        yield _NGINX_HINTS[status]
    elif same or (result.backends and is_caused_by_backends(result)):
        # A backend that times out as nginx did is the cause, whatever the others respond: nginx waits for it, as we do.
        yield "; ".join(filter(None, [f"probed directly: {_grouped(result)}", _set_origin(result)]))
    elif result.backends:
        good = [address for address, response in result.backends.items() if not response.failure]
        hint = _NGINX_HINTS.get(status, "check the directives of this location and its site")
        yield f"probed directly, {_first(good)} {'passes' if len(good) == 1 else 'pass'}, so nginx is the cause: {hint}"
    elif status in _HINTS and result.probe["websocket"]:
        yield _hint(result)


def _quoted(logged: t.Sequence[str]) -> str:
    text = "; ".join(logged[:_LOGGED])
    hint = next((hint for words, hint in _LOG_HINTS.items() if words in text), "")
    return f"nginx's error log: {text}{hint and f': {hint}'}"


def _hint(result: Result) -> str:
    status = result.response.status or 0
    if status in NO_BACKEND or (not result.probe["websocket"] and status not in NOT_PASSED_ON):
        return "it failed: see its own log"
    return _HINTS.get(status) or _HINTS_BY_CLASS.get(status // 100) or "it does not accept the handshake"


def _grouped(result: Result) -> str:
    """Each failure with the addresses that share it."""
    groups: dict[str, list[str]] = {}
    for address, response in result.backends.items():
        if response.failure:
            groups.setdefault(response.failure, []).append(address)
    return "; ".join(f"{_first(addresses)} {failure}" for failure, addresses in groups.items())


def _first(names: t.Sequence[str]) -> str:
    """The first of the names, and how many more there are."""
    listed = ", ".join(names[:_ADDRESSES])
    return f"{listed} and {len(names) - _ADDRESSES} more" if len(names) > _ADDRESSES else listed
