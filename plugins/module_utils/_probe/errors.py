# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What peers do wrong, and their words made safe for a message."""

from __future__ import annotations

import enum


class Cause(enum.Enum):
    """What kind of failure it is, for code that decides by it: the words are for people."""

    TIMED_OUT = "nothing came in time"
    REFUSED = "nothing listens there"
    OTHER = "any other"


class ProbeError(Exception):
    """What the peer or the way to it did: becomes the failure of an Outcome."""

    cause = Cause.OTHER


class TimedOutError(ProbeError):
    """The time of the probe is up."""

    cause = Cause.TIMED_OUT


class RefusedError(ProbeError):
    """The peer does not take the connection."""

    cause = Cause.REFUSED


class ClosedError(ProbeError):
    """The peer ended the connection before it had answered."""


class ProtocolError(ProbeError):
    """The peer sent bytes that HTTP or WebSocket do not allow."""


def quote(text: str) -> str:
    """Text of a peer for a message: escaped and short, so that it can neither forge lines nor flood a log."""
    return ascii(text if len(text) <= 80 else f"{text[:77]}...")


def printable(text: str) -> str:
    return quote(text)[1:-1]
