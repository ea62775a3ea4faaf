# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of the clients' traffic, from the lines that nginx writes to its log in JSON.

A line is of a request that is over: of a WebSocket, when it is closed. The format is that of the configuration,
_config/server_blocks.py.
"""

from __future__ import annotations

import collections
import contextlib
import http
import json
import os
import re
import stat
import typing as t
from bisect import bisect_left
from pathlib import Path

from ansible_collections.wsfleet.nginx.plugins.module_utils._metrics import exposition
from ansible_collections.wsfleet.nginx.plugins.module_utils._metrics.exposition import Family, Sample
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.client import USER_AGENT

RECORD = "traffic.json"
# A line has the path, the origin and the agent of a request, which nginx's buffers for a header bound.
_CHUNK = 1 << 18
# Of a file at once, so that a turn ends soon; the next one goes on.
_MOST_BYTES = 1 << 26
# What a log was before its last rotation: workers that have not opened the new file yet write to it.
_FILES = 2

_SECONDS = (1, 10, 60, 300, 900, 3600, 14400, 86400)
_STATUSES = {str(int(status)) for status in http.HTTPStatus} | {"000", "444", "499"}
_NUMBER = re.compile(r"[0-9]{1,15}")
_TIME = re.compile(r"[0-9]{1,10}\.[0-9]{3}")
_STATUS = re.compile(r"[0-9]{3}")
# What nginx answers by itself to what it lets in nowhere.
_REFUSALS = {"400": "request", "401": "token", "403": "origin", "421": "host", "426": "upgrade"}
_LIMITS = ("limit_conn", "limit_req")

_SESSIONS = "wsfleet_sessions_total"
_LENGTH = "wsfleet_session_seconds"
_HANDSHAKES = "wsfleet_handshakes_total"
_REFUSED = "wsfleet_refusals_total"
_BYTES = "wsfleet_bytes_total"
_MALFORMED = "wsfleet_log_lines_malformed_total"
_COUNTERS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    (
        _SESSIONS,
        ("site", "reason"),
        "WebSockets that have ended, by who closed them: shutdown if nginx with its worker.",
    ),
    (_HANDSHAKES, ("site", "status"), "Handshakes by the status of the response, those with 101 once it is closed."),
    (_REFUSED, ("site", "reason"), "Requests that nginx has refused by itself."),
    (_BYTES, ("site", "direction"), "Bytes from clients and to them, in requests that are over."),
)

# The name of a figure with the values of its labels; of the histogram, "le" is the number of the bucket.
_Key = t.Tuple[str, ...]


class Traffic:
    """What the logs have said since they were first looked at.

    The record has what was counted, and up to where the logs were read: after a restart no line is counted again.
    """

    def __init__(self, paths: t.Sequence[Path], directory: Path, sites: t.Mapping[str, bool]) -> None:
        """Of each site, whether it refuses clients without a certificate."""
        self._sites = sites
        self._record = directory / RECORD
        counts, self._saved = self._recorded()
        # Of the first one of these, Prometheus would see no increase.
        counts = {**{(_SESSIONS, site, "shutdown"): 0.0 for site in self._sites}, **counts}
        self._counts: collections.defaultdict[_Key, float] = collections.defaultdict(float, counts)
        self._logs = [_Log(path, self._saved.get(str(path))) for path in paths]
        self._is_readable = True

    def read(self) -> None:
        """Count what the logs have got since the last time."""
        for log in self._logs:
            for line in log.lines():
                self._count(line)
        self._is_readable = all(log.is_readable for log in self._logs)
        positions = {str(log.path): log.positions() for log in self._logs}
        if positions != self._saved:
            counts = [[*key, number] for key, number in self._counts.items()]
            exposition.write(self._record, json.dumps({"counts": counts, "logs": positions}))
            self._saved = positions

    def families(self) -> list[Family]:
        found = [
            Family(name, "counter", about, [Sample(n, dict(zip(labels, key))) for key, n in self._of(name)])
            for name, labels, about in _COUNTERS
        ]
        malformed = Sample(self._counts[(_MALFORMED,)])
        about = "Whether the access logs in JSON can be read."
        return [
            *found,
            Family(_LENGTH, "histogram", "How long WebSockets were open that are closed.", self._lengths()),
            Family(_MALFORMED, "counter", "Lines of the logs that are not in the role's format.", [malformed]),
            Family("wsfleet_log_readable", "gauge", about, [Sample(self._is_readable)] if self._logs else []),
        ]

    def _of(self, name: str) -> list[tuple[_Key, float]]:
        return sorted((key[1:], number) for key, number in self._counts.items() if key[0] == name)

    def _lengths(self) -> list[Sample]:
        samples = []
        for (site,), seconds in self._of(f"{_LENGTH}_sum"):
            number = 0.0
            for at, bound in enumerate((*map(str, _SECONDS), "+Inf")):
                number += self._counts[(_LENGTH, site, str(at))]
                samples.append(Sample(number, {"site": site, "le": bound}, "_bucket"))
            samples += [Sample(seconds, {"site": site}, "_sum"), Sample(number, {"site": site}, "_count")]
        return samples

    def _count(self, line: bytes) -> None:
        try:
            found = _parsed(line)
        # A value may be nested as deep as the line is long.
        except (ValueError, TypeError, KeyError, RecursionError):
            self._counts[(_MALFORMED,)] += 1
            return
        if found.is_probe:
            return
        site = found.site if found.site in self._sites else "other"
        self._counts[(_BYTES, site, "in")] += found.received
        self._counts[(_BYTES, site, "out")] += found.sent
        if found.is_handshake:
            self._counts[(_HANDSHAKES, site, found.status if found.status in _STATUSES else "other")] += 1
        if found.refusal:
            # nginx answers 400 to them, as to other requests that it does not take.
            lacks = found.refusal == "request" and found.is_tls and self._sites.get(site)
            self._counts[(_REFUSED, site, "certificate" if lacks else found.refusal)] += 1
        if found.status == "101":
            self._counts[(_SESSIONS, site, "closed" if found.is_complete else "shutdown")] += 1
            self._counts[(_LENGTH, site, str(bisect_left(_SECONDS, found.seconds)))] += 1
            self._counts[(f"{_LENGTH}_sum", site)] += found.seconds

    def _recorded(self) -> tuple[dict[_Key, float], dict[str, list[_Position]]]:
        """What the record has of the sites that there are; a damaged one is no record."""
        try:
            record = json.loads(self._record.read_bytes())
            logs = {path: [_Position(*map(int, one)) for one in of] for path, of in record["logs"].items()}
            counts = {tuple(map(str, key)): float(number) for *key, number in record["counts"]}
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return {}, {}
        return {key: n for key, n in counts.items() if len(key) < 2 or key[1] in {*self._sites, "other"}}, logs


class _Line(t.NamedTuple):
    site: str
    status: str
    seconds: float
    received: int
    sent: int
    refusal: str | None
    is_tls: bool
    is_handshake: bool
    is_complete: bool
    is_probe: bool


def _parsed(line: bytes) -> _Line:
    """ValueError, TypeError or KeyError for a line that is not in the format."""
    fields = json.loads(line)
    status = _checked(_STATUS, fields["status"])
    return _Line(
        site=fields["site"] if isinstance(fields["site"], str) else "",
        status=status,
        seconds=float(_checked(_TIME, fields["seconds"])),
        # Of each server that the request was passed to: https://nginx.org/en/docs/http/ngx_http_upstream_module.html
        received=sum(map(int, _NUMBER.findall(fields["bytes_from_client"]))),
        sent=int(_checked(_NUMBER, fields["bytes_to_client"])),
        refusal=None if fields["upstream"] else _refusal(status, fields),
        is_tls=bool(fields["tls"]),
        # Lines of workers that began before 0.11.0 have neither of these two fields.
        is_handshake=status == "101" or fields.get("upgrade") == "websocket",
        is_complete=fields.get("completion") != "",
        is_probe=fields["user_agent"] == USER_AGENT,
    )


def _refusal(status: str, fields: t.Mapping[str, object]) -> str | None:
    if status == "429":
        return next((limit for limit in _LIMITS if fields[limit] == "REJECTED"), None)
    return _REFUSALS.get(status)


def _checked(pattern: t.Pattern[str], value: str) -> str:
    if not pattern.fullmatch(value):
        raise ValueError
    return value


class _Position(t.NamedTuple):
    """A file, whatever its name, and up to where it was read."""

    device: int
    inode: int
    offset: int


class _Log:
    """Follows a log through its rotations."""

    def __init__(self, path: Path, positions: list[_Position] | None) -> None:
        self.path = path
        self.is_readable = True
        # The latest one is the last.
        self._files: list[_File] = []
        # What is there at the first look is not news.
        self._add_current(skip=positions is None)
        for position in reversed(positions or []):
            self._resume(position)

    def positions(self) -> list[_Position]:
        return [file.position() for file in self._files]

    def lines(self) -> t.Iterator[bytes]:
        self._add_current()
        for file in self._files:
            yield from file.lines()

    def _add_current(self, *, skip: bool = False) -> None:
        """The file that the log is by now, if it is another one than before."""
        current = _File.opened(self.path)
        self.is_readable = current is not None
        if current is None:
            return
        if self._files and self._files[-1].is_same(current):
            current.close()
            return
        if skip:
            current.skip()
        self._files.append(current)
        for file in self._files[:-_FILES]:
            file.close()
        del self._files[:-_FILES]

    def _resume(self, position: _Position) -> None:
        """Go on in a file that was read before, which rotations may have given another name."""
        for file in self._files:
            if file.is_at(position):
                file.offset = position.offset
                return
        for path in (self.path.with_name(f"{self.path.name}.1"), *self._rotated()):
            found = _File.opened(path)
            if found is None:
                continue
            if found.is_at(position) and len(self._files) < _FILES:
                found.offset = position.offset
                self._files.insert(0, found)
                return
            found.close()

    def _rotated(self) -> list[Path]:
        with contextlib.suppress(OSError):
            return [path for path in self.path.parent.iterdir() if path.name.startswith(f"{self.path.name}-")]
        return []


class _File:
    """One file of a log, which stays the same through renames."""

    def __init__(self, descriptor: int, found: os.stat_result) -> None:
        self._descriptor = descriptor
        self._identity = (found.st_dev, found.st_ino)
        self.offset = 0

    @classmethod
    def opened(cls, path: Path) -> _File | None:
        try:
            # Whoever may write to the directory must not have this wait for a pipe.
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return None
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            os.close(descriptor)
            return None
        return cls(descriptor, found)

    def close(self) -> None:
        os.close(self._descriptor)

    def position(self) -> _Position:
        return _Position(*self._identity, self.offset)

    def is_same(self, other: _File) -> bool:
        return self._identity == other._identity

    def is_at(self, position: _Position) -> bool:
        return self._identity == position[:2]

    def skip(self) -> None:
        self.offset = os.fstat(self._descriptor).st_size

    def lines(self) -> t.Iterator[bytes]:
        """The whole lines since the last time."""
        if os.fstat(self._descriptor).st_size < self.offset:
            # It was truncated.
            self.offset = 0
        until = self.offset + _MOST_BYTES
        while self.offset < until:
            chunk = os.pread(self._descriptor, _CHUNK, self.offset)
            whole = chunk.rfind(b"\n") + 1
            if not whole and len(chunk) < _CHUNK:
                return
            # No line of the format is longer than a chunk.
            self.offset += whole or len(chunk)
            yield from (chunk[: whole - 1] if whole else chunk).split(b"\n")
