# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames of every kind, byte for byte, in both directions."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from tunnel import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Tunnel, frame, masked


class Sent(NamedTuple):
    """A frame, before either end has encoded it."""

    opcode: int
    payload: bytes = b""
    fin: bool = True
    rsv1: bool = False


SPLIT = "Grüße, 世界".encode()
# The longest that a control frame may hold: RFC 6455, section 5.5.
LONG = bytes(range(125))
NOT_DEFINED_YET = (0x3, 0xB)

SEQUENCES = {
    "a text in fragments that split characters, with a ping and pongs between them": [
        Sent(TEXT, SPLIT[:3], fin=False),
        Sent(PING, LONG),
        Sent(CONTINUATION, SPLIT[3:10], fin=False),
        Sent(PONG, b"nobody asked"),
        Sent(PONG),
        Sent(CONTINUATION, SPLIT[10:]),
    ],
    "a binary message in fragments, empty ones too, with a ping between them": [
        Sent(BINARY, b"\x00\xff", fin=False),
        Sent(CONTINUATION, b"", fin=False),
        Sent(PING),
        Sent(CONTINUATION, b"\r\n\r\n", fin=False),
        Sent(CONTINUATION, b""),
    ],
    "an unsolicited pong": [Sent(PONG, b"alive")],
    "the longest ping and its pong": [Sent(PING, LONG), Sent(PONG, LONG)],
    "every encoding of a length": [Sent(BINARY, b"x" * length) for length in (0, 125, 126, 65535, 65536)],
    "compressed messages": [
        Sent(TEXT, b"\xf2\x48\xcd\xc9\xc9\x07\x00", rsv1=True),
        Sent(TEXT, b"\xf2\x48\xcd", fin=False, rsv1=True),
        Sent(CONTINUATION, b"\xc9\xc9\x07\x00"),
    ],
    "opcodes not defined yet": [Sent(opcode, b"?") for opcode in NOT_DEFINED_YET],
    "a close frame without a code": [Sent(CLOSE)],
    "a close frame in the middle of a message": [Sent(TEXT, b"unfin", fin=False), Sent(CLOSE, b"\x03\xe9ished")],
}


def exchange(tunnel: Tunnel, up: list[bytes], down: list[bytes]) -> tuple[bytes, bytes]:
    """All that the backend and the client have received when the connection ends."""
    for piece in up:
        tunnel.client.send(piece)
    heard_by_backend = tunnel.backend.receive(len(b"".join(up)))
    for piece in down:
        tunnel.backend.send(piece)
    tunnel.backend.end_sending()
    heard_by_client, _end = tunnel.client.receive_rest()
    tunnel.client.close()
    rest, _end = tunnel.backend.receive_rest()
    return heard_by_backend + rest, heard_by_client


@pytest.mark.parametrize("sequence", SEQUENCES.values(), ids=SEQUENCES)
def test_frames_arrive_as_they_were_sent(tunnel: Tunnel, sequence: list[Sent]) -> None:
    up = [masked(sent.opcode, sent.payload, fin=sent.fin, rsv1=sent.rsv1) for sent in sequence]
    down = [frame(sent.opcode, sent.payload, fin=sent.fin, rsv1=sent.rsv1) for sent in sequence]
    assert exchange(tunnel, up, down) == (b"".join(up), b"".join(down))


def test_a_frame_torn_into_single_bytes_arrives_whole(tunnel: Tunnel) -> None:
    up, down = masked(TEXT, b"bit by bit"), frame(TEXT, b"bit by bit")
    pieces_up, pieces_down = ([bytes([byte]) for byte in data] for data in (up, down))
    assert exchange(tunnel, pieces_up, pieces_down) == (up, down)


def test_a_ping_from_the_client_is_answered_before_its_message_ends(tunnel: Tunnel) -> None:
    first, ping, last = masked(TEXT, b"be", fin=False), masked(PING, LONG), masked(CONTINUATION, b"gin")
    tunnel.client.send(first + ping)
    assert tunnel.backend.receive(len(first + ping)) == first + ping
    pong = frame(PONG, LONG)
    tunnel.backend.send(pong)
    assert tunnel.client.receive(len(pong)) == pong
    tunnel.client.send(last)
    assert tunnel.backend.receive(len(last)) == last


def test_a_ping_from_the_backend_is_answered_before_its_message_ends(tunnel: Tunnel) -> None:
    first, ping, last = frame(TEXT, b"be", fin=False), frame(PING, LONG), frame(CONTINUATION, b"gin")
    tunnel.backend.send(first + ping)
    assert tunnel.client.receive(len(first + ping)) == first + ping
    pong = masked(PONG, LONG)
    tunnel.client.send(pong)
    assert tunnel.backend.receive(len(pong)) == pong
    tunnel.backend.send(last)
    assert tunnel.client.receive(len(last)) == last
