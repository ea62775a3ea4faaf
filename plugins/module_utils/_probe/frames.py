# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""WebSocket frames and messages (RFC 6455 section 5), without I/O."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.errors import ProtocolError, quote

# A hostile peer may not make the host hold more than this.
MAX_MESSAGE = 16 * 1024 * 1024
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

# RFC 6455 section 7.4.1 and the IANA registry it opens.
CLOSE_CODES = {
    1000: "normal closure",
    1001: "going away",
    1002: "protocol error",
    1003: "unsupported data",
    1007: "invalid payload",
    1008: "policy violation",
    1009: "message too big",
    1011: "internal error",
    1012: "service restart",
    1013: "try again later",
}


@dataclass(frozen=True)
class Frame:
    """A WebSocket frame (RFC 6455 section 5.2), its payload unmasked."""

    opcode: int
    payload: bytes
    fin: bool = True
    masked: bool = False


def apply_mask(payload: bytes, key: bytes) -> bytes:
    """Mask or unmask a payload (RFC 6455 section 5.3); one large XOR, as a loop over bytes takes seconds for MiBs."""
    size = len(payload)
    stream = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(stream, "big")).to_bytes(size, "big")


def encode_frame(frame: Frame, key: bytes) -> bytes:
    """A frame as a client sends it: masked with the key of four bytes (RFC 6455 section 5.1)."""
    size = len(frame.payload)
    first = frame.opcode | (0x80 if frame.fin else 0)
    if size < 126:
        header = bytes([first, 0x80 | size])
    elif size < 0x10000:
        header = bytes([first, 0x80 | 126]) + size.to_bytes(2, "big")
    else:
        header = bytes([first, 0x80 | 127]) + size.to_bytes(8, "big")
    return header + key + apply_mask(frame.payload, key)


def decode_frame(data: bytes | bytearray) -> tuple[Frame, int] | None:
    """The first frame of the data and its length in bytes; None while it is incomplete (RFC 6455 section 5.2)."""
    if len(data) < 2:
        return None
    fin, opcode, masked = bool(data[0] & 0x80), data[0] & 0x0F, bool(data[1] & 0x80)
    _check_first_bytes(data[0], data[1])
    extended = {126: 2, 127: 8}.get(data[1] & 0x7F, 0)
    start = 2 + extended + (4 if masked else 0)
    if len(data) < start:
        return None
    size = _payload_size(data[1] & 0x7F, bytes(data[2 : 2 + extended]))
    if len(data) < start + size:
        return None
    payload = bytes(data[start : start + size])
    if masked:
        payload = apply_mask(payload, bytes(data[start - 4 : start]))
    return Frame(opcode, payload, fin, masked), start + size


def _check_first_bytes(first: int, second: int) -> None:
    opcode = first & 0x0F
    if first & 0x70:
        raise ProtocolError("sent a frame with reserved bits, though no extension was agreed (RFC 6455 section 5.2)")
    if opcode not in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG):
        raise ProtocolError(f"sent a frame with the unknown opcode 0x{opcode:x} (RFC 6455 section 5.2)")
    if opcode >= CLOSE and (not first & 0x80 or second & 0x7F > 125):
        raise ProtocolError("sent a control frame that is fragmented or too long (RFC 6455 section 5.5)")


def _payload_size(short: int, extended: bytes) -> int:
    if not extended:
        return short
    size = int.from_bytes(extended, "big")
    if size < (126 if short == 126 else 0x10000):
        raise ProtocolError("sent a frame whose length is not in its shortest form (RFC 6455 section 5.2)")
    if size > MAX_MESSAGE:
        raise ProtocolError(f"sent a frame of {size} bytes, more than the probe accepts ({MAX_MESSAGE})")
    return size


class MessageAssembler:
    """Puts fragments together (RFC 6455 section 5.4): frames in, whole messages and control frames out."""

    def __init__(self) -> None:
        self._opcode = CONTINUATION
        self._payload = bytearray()

    def add(self, frame: Frame) -> Frame | None:
        """The message or control frame that this frame completes."""
        if frame.masked:
            raise ProtocolError("sent a masked frame, which only clients do (RFC 6455 section 5.1)")
        if frame.opcode >= CLOSE:
            return frame
        self._append(frame)
        return self._finish() if frame.fin else None

    def _append(self, frame: Frame) -> None:
        if (frame.opcode == CONTINUATION) != (self._opcode != CONTINUATION):
            raise ProtocolError("sent the fragments of a message out of order (RFC 6455 section 5.4)")
        if len(self._payload) + len(frame.payload) > MAX_MESSAGE:
            raise ProtocolError(f"sent a message of more than {MAX_MESSAGE} bytes, the most that the probe accepts")
        self._opcode = self._opcode or frame.opcode
        self._payload += frame.payload

    def _finish(self) -> Frame:
        message = Frame(self._opcode, bytes(self._payload))
        self._opcode = CONTINUATION
        self._payload.clear()
        if message.opcode == TEXT:
            _check_utf8(message.payload)
        return message


def _check_utf8(payload: bytes) -> None:
    try:
        payload.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise ProtocolError("sent a text message that is not UTF-8 (RFC 6455 section 8.1)") from exc


def explain_close(payload: bytes) -> str:
    """The code and reason of a close frame in words (RFC 6455 section 5.5.1)."""
    if len(payload) < 2:
        return "without a code"
    code = int.from_bytes(payload[:2], "big")
    words = f"code {code}"
    if code in CLOSE_CODES:
        words += f", {CLOSE_CODES[code]}"
    reason = payload[2:].decode("utf-8", "replace")
    return f"{words}: {quote(reason)}" if reason else words
