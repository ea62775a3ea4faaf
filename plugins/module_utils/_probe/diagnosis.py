# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who is at fault where a route is not verified, the deploy or a backend, and what an operator does about it."""

from __future__ import annotations

import typing as t
import urllib.parse
from dataclasses import replace

from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.http_head import NO_CERTIFICATE
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.routes import NO_BACKEND, NOT_ASKED, Answer, Result

# What is shown of many: a message has fewer than ten lines.
_ROUTES = 3
_ROUTES_OF_MORE = 2
_ADDRESSES = 4
_EXAMPLE = "EIO=4&transport=websocket"
_PLAIN = "it speaks plain HTTP there: websocket: false, or the path of its WebSocket in probe.path"
_HINTS = {
    400: "it refuses the handshake: what it wants goes into probe.subprotocol, probe.headers or probe.path; "
    "websocket: false if it speaks plain HTTP only",
    401: "it wants credentials: they go into probe.headers",
    403: "it refuses the client: an Origin that it accepts goes into probe.origin",
    404: "it has nothing there: the path of its WebSocket goes into probe.path; websocket: false if it has none",
    405: _PLAIN,
    421: "it does not serve the Host that it is sent: the one that it does goes into headers.Host",
    426: "it saw no upgrade that it takes: what else it wants goes into probe.subprotocol or probe.headers",
    429: "it limits its clients",
}
# Where nginx itself gives the answer.
_NGINX_HINTS = {
    401: "credentials for it go into probe.headers",
    403: "one of the site's allowed_origins goes into probe.origin, if it has them",
    421: "no server_name of a site there is the Host that was asked for: give the site that name, and no Host in "
    "probe.headers",
    426: "it took the handshake for none, or a proxy_set_header in directives keeps Upgrade from the backend",
    429: "the limits of the site count the gateway's own probes: a higher limit_handshakes_per_client or "
    "limit_conn_per_client lets them through",
    502: "its answer may be larger than proxy_buffer_size, or its certificate not what proxy_ssl_name and "
    "proxy_ssl_trusted_certificate ask for; nginx's error log tells",
}
_CERTIFICATE_HINT = (
    "the site asks clients for a certificate: one that it accepts goes into probe.ssl_certificate and "
    "probe.ssl_certificate_key"
)
_ASKED_WITHOUT = "asked directly, without what its headers and directives change"
_REMEDIES = {
    401: "set probe.headers to credentials that it takes",
    403: "set probe.origin to one that it takes, or probe.headers",
    421: "set headers.Host to one that it serves",
    426: "set probe.subprotocol or probe.headers to what it wants",
    429: "it limits its clients",
}
_HINTS_BY_CLASS = {
    2: _PLAIN,
    3: "it redirects, which WebSocket clients do not follow: the other place goes into probe.path",
    4: "it refuses the handshake",
    5: "it failed on the handshake, and its own log tells why",
}


def is_backends(result: Result) -> bool:
    """Whether the answer is that of the route's backends: none takes the handshake, or one answers just so itself."""
    answers = list(result.backends.values())
    if not answers:
        return False
    return all(answer.failure for answer in answers) or any(_is_same(answer, result.answer) for answer in answers)


def is_deploys(result: Result, *, passed: t.Collection[str], known: t.Collection[str]) -> bool:
    """Whether the deploy broke a route that passed before it, or brought a new one that its backend would serve."""
    return result.route in passed or (result.route not in known and not is_backends(result))


def judged(result: Result, passed: t.Collection[str]) -> Result:
    """The result, as not verified where the backends themselves do not take the handshake that the role made up."""
    probe = result.probe
    is_open = result.failed and probe["websocket"] and not probe.get("strict", True) and result.route not in passed
    # One that takes it directly would be served but for nginx.
    if not is_open or any(not answer.failure for answer in result.backends.values()):
        return result
    words = _own_answer(result)
    return replace(result, unverified=f"{words}; {_remedy(result)}") if words else result


def _own_answer(result: Result) -> str:
    """What the backends answer that speak WebSocket elsewhere or on other terms, or nothing for any other failure."""
    status, answers = result.answer.status, result.backends.values()
    if not answers:
        return ""
    path = urllib.parse.urlsplit(result.probe["backends"]["url"]).path or "/"
    if result.plain_status and not _is_error(result.plain_status):
        return f"the backend itself leaves a handshake at {path} unanswered, and a plain request not"
    if {answer.harm for answer in answers if answer.harm} == {"closed"} and not any(map(_has_status, answers)):
        closed = _closed(result, path)
        if closed:
            return closed
    if not result.answer.is_refusal or _is_error(status) or not any(_is_refused(answer, status) for answer in answers):
        return ""
    if _is_exact(result):
        return f"the backend itself answers {status} at {path}"
    return f"answered {status}; {_ASKED_WITHOUT}, the backend answers {status} at {path} too"


def _closed(result: Result, path: str) -> str:
    status = result.answer.status
    if result.held_back or (_is_exact(result) and status in NO_BACKEND):
        return f"the backend itself closes the connection at {path}"
    if status in NO_BACKEND:
        return f"answered {status}; {_ASKED_WITHOUT}, the backend closes the connection at {path}"
    return ""


def _has_status(answer: Answer) -> bool:
    return answer.status is not None


def _is_error(status: int | None) -> bool:
    return (status or 0) >= 500


def _is_refused(answer: Answer, status: int | None) -> bool:
    return answer.is_refusal and answer.status == status


def _is_exact(result: Result) -> bool:
    """Whether nginx asks the backends for just what they are asked directly."""
    exact: bool = (result.probe.get("backends") or {}).get("exact", True)
    return exact


def _remedy(result: Result) -> str:
    """What the operator sets so that the route is verified."""
    status = result.answer.status or 0
    if result.origin:
        return _with_origin(result)
    if status in _REMEDIES:
        return _REMEDIES[status]
    if result.plain_status:
        return "set probe.path or probe.subprotocol to what it waits for"
    remedy = f"set probe.path{_such_as(result.probe['path'])}"
    return f"{remedy}, or probe.subprotocol" if status == 400 else remedy


def _with_origin(result: Result) -> str:
    return f"set probe.origin: {result.origin}" if result.origin else ""


def _such_as(path: str) -> str:
    """A path of Socket.IO in a location, for what is meant by it; none where a location has one path alone."""
    if path.startswith("="):
        return " with the query that it wants"
    folder = path.rpartition(" ")[2].rstrip("/")
    socket_io = folder if folder.endswith("/socket.io") else f"{folder}/socket.io"
    return f", such as {socket_io}/?{_EXAMPLE}"


def told(failed: t.Sequence[Result], passed: t.Collection[str]) -> list[str]:
    """What failed and what to do about it, in two lines for each of the first routes."""
    lines: list[str] = []
    shown = len(failed) if len(failed) <= _ROUTES else _ROUTES_OF_MORE
    for result in failed[:shown]:
        before = ", but was verified before this deploy" if result.route in passed else ""
        lines.append(f"- {place(result)}: {result.answer.failure}{before}")
        lines += [f"  {line}" for line in _advice(result)]
    if failed[shown:]:
        names = [result.probe.get("at") or place(result) for result in failed[shown:]]
        lines.append(f"- and {len(names)} more: {_some(names)}")
    return lines


def place(result: Result) -> str:
    at = result.probe.get("at")
    name = f"{result.probe['site']} {result.probe['path']}"
    return f"{at} ({name})" if at else name


def _is_same(direct: Answer, answer: Answer) -> bool:
    if direct.status is None and answer.status is None:
        return direct.is_silence and answer.is_silence
    return bool(direct.failure) and direct.status == answer.status


def _advice(result: Result) -> t.Iterator[str]:
    status = result.answer.status or 0
    if NO_CERTIFICATE in result.answer.failure:
        yield _CERTIFICATE_HINT
        return
    same = [address for address, answer in result.backends.items() if _is_same(answer, result.answer)]
    if same and result.answer.status is not None:
        hint = _with_origin(result) or _hint(result)
        if _is_exact(result):
            yield f"asked directly, {_some(same)} {_answers(same)} the same: {hint}"
        else:
            yield f"{_ASKED_WITHOUT}, {_some(same)} {_answers(same)} {status} too: {hint}"
    elif status in NOT_ASKED:
        yield _NGINX_HINTS[status]
    elif same or (result.backends and is_backends(result)):
        # One that is as silent as nginx was is to blame, whatever the others answer: nginx waits for it, as we do.
        yield "; ".join(filter(None, [f"asked directly: {_grouped(result)}", _with_origin(result)]))
    elif result.backends:
        good = [address for address, answer in result.backends.items() if not answer.failure]
        hint = _NGINX_HINTS.get(status, "look at the directives of this location and its site")
        yield f"asked directly, {_some(good)} {_answers(good)} as wanted, so nginx is in the way: {hint}"
    elif status in _HINTS and result.probe["websocket"]:
        yield _hint(result)


def _answers(addresses: t.Sequence[str]) -> str:
    return "answers" if len(addresses) == 1 else "answer"


def _hint(result: Result) -> str:
    status = result.answer.status or 0
    if status in NO_BACKEND or (not result.probe["websocket"] and status not in NOT_ASKED):
        return "it failed, and its own log tells why"
    return _HINTS.get(status) or _HINTS_BY_CLASS.get(status // 100) or "it does not take the handshake"


def _grouped(result: Result) -> str:
    """Each failure with the addresses that share it."""
    groups: dict[str, list[str]] = {}
    for address, answer in result.backends.items():
        if answer.failure:
            groups.setdefault(answer.failure, []).append(address)
    return "; ".join(f"{_some(addresses)} {failure}" for failure, addresses in groups.items())


def _some(names: t.Sequence[str]) -> str:
    shown = ", ".join(names[:_ADDRESSES])
    return f"{shown} and {len(names) - _ADDRESSES} more" if len(names) > _ADDRESSES else shown
