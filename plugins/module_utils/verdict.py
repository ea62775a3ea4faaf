# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who is at fault where a route is not proven, the deploy or a backend, and what an operator does about it."""

from __future__ import annotations

import typing as t

from ansible_collections.wsfleet.nginx.plugins.module_utils.http_head import NO_CERTIFICATE
from ansible_collections.wsfleet.nginx.plugins.module_utils.proofs import NO_BACKEND, NOT_ASKED, Answer, Result

# What is shown of many: a message has fewer than ten lines.
_ROUTES = 3
_ROUTES_OF_MORE = 2
_ADDRESSES = 4
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
    429: "the limits of the site count the gateway's own proofs: a higher limit_handshakes_per_client or "
    "limit_conn_per_client lets them through",
    502: "its answer may be larger than proxy_buffer_size, or its certificate not what proxy_ssl_name and "
    "proxy_ssl_trusted_certificate ask for; nginx's error log tells",
}
_CERTIFICATE_HINT = (
    "the site asks clients for a certificate: one that it accepts goes into probe.ssl_certificate and "
    "probe.ssl_certificate_key"
)
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
    """Whether the deploy broke a route that was proven before it, or brought a new one that its backend would serve."""
    return result.route in passed or (result.route not in known and not is_backends(result))


def told(failed: t.Sequence[Result], passed: t.Collection[str]) -> list[str]:
    """What failed and what to do about it, in two lines for each of the first routes."""
    lines: list[str] = []
    shown = len(failed) if len(failed) <= _ROUTES else _ROUTES_OF_MORE
    for result in failed[:shown]:
        before = ", but was proven before this deploy" if result.route in passed else ""
        lines.append(f"- {place(result)}: {result.answer.failure}{before}")
        lines += [f"  {line}" for line in _advice(result)]
    if failed[shown:]:
        names = [result.proof.get("at") or place(result) for result in failed[shown:]]
        lines.append(f"- and {len(names)} more: {_some(names)}")
    return lines


def place(result: Result) -> str:
    at = result.proof.get("at")
    name = f"{result.proof['site']} {result.proof['path']}"
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
        yield f"asked directly, {_some(same)} {_answers(same)} the same: {_hint(result)}"
    elif status in NOT_ASKED:
        yield _NGINX_HINTS[status]
    elif same or (result.backends and is_backends(result)):
        # One that is as silent as nginx was is to blame, whatever the others answer: nginx waits for it, as we do.
        yield f"asked directly: {_grouped(result)}"
    elif result.backends:
        good = [address for address, answer in result.backends.items() if not answer.failure]
        hint = _NGINX_HINTS.get(status, "look at the directives of this location and its site")
        yield f"asked directly, {_some(good)} {_answers(good)} as wanted, so nginx is in the way: {hint}"
    elif status in _HINTS and result.proof["websocket"]:
        yield _hint(result)


def _answers(addresses: t.Sequence[str]) -> str:
    return "answers" if len(addresses) == 1 else "answer"


def _hint(result: Result) -> str:
    status = result.answer.status or 0
    if status in NO_BACKEND or (not result.proof["websocket"] and status not in NOT_ASKED):
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
