# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why a probe fails, and text of a peer made safe for a message."""

from __future__ import annotations

import enum


class Cause(enum.Enum):
    """Why there is no HTTP response, or what is wrong with the one that came."""

    REFUSED = "refused"
    TIMEOUT = "timeout"
    CLOSED = "closed"
    # What came is not HTTP.
    INVALID = "invalid"
    # nginx does not take a header of that size.
    HEADER_TOO_LARGE = "header_too_large"
    # The server requires a client certificate.
    CERTIFICATE_REQUIRED = "certificate_required"


class ProbeError(Exception):
    """Why the probe failed: becomes the failure of an Outcome."""

    def __init__(self, message: str, cause: Cause | None = None) -> None:
        super().__init__(message)
        self.cause = cause


class ClosedError(ProbeError):
    """The peer closed the connection before it had responded."""

    def __init__(self, message: str) -> None:
        super().__init__(message, Cause.CLOSED)


class ProtocolError(ProbeError):
    """The peer sent bytes that HTTP or WebSocket do not allow."""

    def __init__(self, message: str) -> None:
        super().__init__(message, Cause.INVALID)


def quote(text: str) -> str:
    """Text of a peer for a message: escaped and short, so that it can neither forge lines nor flood a log."""
    return ascii(text if len(text) <= 80 else f"{text[:77]}...")


def printable(text: str) -> str:
    return quote(text)[1:-1]
