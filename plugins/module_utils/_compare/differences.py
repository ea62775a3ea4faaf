# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How two answers to one request differ."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ansible_collections.wsfleet.nginx.plugins.module_utils._compare.exchange import Answer, Received, Request

# They say when, not what.
_TIMES = frozenset({"date", "age"})
# What is new in each request: an id of 16 bytes, and the time, as of Expires, which Cache-Control tells too.
_NEW = (
    (re.compile(r"\b[0-9a-f]{32}\b"), "ID"),
    (re.compile(r"\b\d{10}\.\d{3}\b"), "TIME"),
    (re.compile(r"\b[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT\b"), "DATE"),
)


@dataclass(frozen=True)
class Case:
    """One difference, with what it was found by."""

    request: Request
    what: str
    before: str
    after: str
    answers: tuple[Answer, Answer]
    # The name of a header that differs, in lower case.
    header: str = ""
    # The place in the configuration, of what no request has shown.
    where: str = ""

    @property
    def name(self) -> str:
        return self.where or self.request.name


def summary(answer: Answer) -> str:
    """The answer in a few words: the status, and who gave it."""
    if answer.error:
        return f"no response: {answer.error}"
    if answer.refused:
        return answer.refused
    if answer.status is None:
        return "nginx asks for the body" if answer.continued else "a connection"
    servers = " and ".join(dict.fromkeys(one.server for one in answer.received))
    return f"{answer.status} " + (f"through {servers}" if servers else "by nginx itself")


def _cases(request: Request, answers: tuple[Answer, Answer]) -> t.Iterator[Case]:
    before, after = answers
    if (before.error, before.status, before.continued) != (after.error, after.status, after.continued):
        # What else differs follows from that.
        yield Case(request, "response", summary(before), summary(after), answers)
        return
    if before.refused != after.refused:
        yield Case(request, "limit", before.refused or "", after.refused or "", answers)
    if before.tls != after.tls:
        yield Case(request, "TLS", before.tls or "none", after.tls or "none", answers)
    if len(before.received) != len(after.received):
        yield Case(request, "backend", _backends(before), _backends(after), answers)
    else:
        for first, second in zip(before.received, after.received):
            yield from _at_backend(request, first, second, answers)
    for name, one, other in _different_fields(before.headers, after.headers):
        # The length of nginx's own pages depends on whether they have its version.
        is_same = before.body == after.body and bool(before.body or not before.received)
        is_own_page = name == "content-length" and is_same
        if name not in _TIMES and not is_own_page:
            yield Case(request, f"response header {name}", one, other, answers, name)
    if before.body != after.body:
        yield Case(request, "response body", _short(before.body), _short(after.body), answers)
    if before.websocket != after.websocket:
        yield Case(request, "WebSocket", before.websocket or "", after.websocket or "", answers)


def _backends(answer: Answer) -> str:
    return ", ".join(f"{one.method} {one.target} at {one.server}" for one in answer.received) or "none"


def _at_backend(
    request: Request, first: Received, second: Received, answers: tuple[Answer, Answer]
) -> t.Iterator[Case]:
    for name, one, other in (
        ("protocol to the backend", first.protocol, second.protocol),
        ("TLS to the backend", str(first.tls), str(second.tls)),
        ("method at the backend", first.method, second.method),
        ("path at the backend", first.target, second.target),
        ("version of HTTP to the backend", first.version, second.version),
        ("body at the backend", _short(first.body), _short(second.body)),
    ):
        if one != other:
            yield Case(request, name, one, other, answers)
    for name, one, other in _different_fields(first.headers, second.headers):
        yield Case(request, f"header {name} to the backend", one, other, answers, name)


def _different_fields(
    before: t.Sequence[tuple[str, str]], after: t.Sequence[tuple[str, str]]
) -> t.Iterator[tuple[str, str, str]]:
    one, other = _fields(before), _fields(after)
    for name in sorted({*one, *other}):
        values = one.get(name, "none"), other.get(name, "none")
        if values[0] != values[1]:
            yield (name, *values)


def _fields(headers: t.Sequence[tuple[str, str]]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for name, value in headers:
        key = name.lower()
        fields[key] = f"{fields[key]}, {value}" if key in fields else value
    return fields


def _short(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:197]}..."


def _steady(text: str) -> str:
    for pattern, name in _NEW:
        text = pattern.sub(name, text)
    return text


def cases(request: Request, before: Answer, after: Answer) -> list[Case]:
    """The differences, without those of values that are new in each request."""
    return [one for one in _cases(request, (before, after)) if _steady(one.before) != _steady(one.after)]
