# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lines of the whole file, in their order and indented, each with the path of the variable that it comes from."""

from __future__ import annotations

import hashlib
import typing as t
from dataclasses import dataclass

_HANDSHAKE = [
    [
        "# A handshake as RFC 6455 section 4.2.1 has it, and without a body. Only that is passed on, and never in the "
        "client's",
        '# own words: a backend sees "websocket" or nothing. A line break is between the parts, for no header holds '
        "one.",
        r'map "$request_method\n$server_protocol\n$http_transfer_encoding$content_length\n$http_upgrade'
        r'\n$http_sec_websocket_version\n$http_sec_websocket_key\n$http_connection" $websocket_upgrade {',
        '    default "";',
        r'    "~*^GET\nHTTP/1\.1\n0?\nwebsocket\n13\n[^\n]+\n(?:[^\n]*,)?[ \t]*upgrade[ \t]*(?:,[^\n]*)?$" websocket;',
        "}",
    ],
    [
        "map $websocket_upgrade $websocket_connection {",
        "    default upgrade;",
        '    ""      "";',
        "}",
    ],
    [
        "# The port as the client wrote it, behind the very name that nginx has chosen the site by.",
        'map "$host $http_host" $websocket_port {',
        '    default "";',
        r'    "~*^(\S+) \1\.?(:[0-9]{1,5})$" $2;',
        "}",
    ],
]
_STATUS = (
    "Tells a deploy which configuration is live, by the SHA-256 of the lines above, and how many connections are open."
)


@dataclass(frozen=True)
class Block:
    """An upstream, a server or a location, and the path of the variable that it comes from."""

    head: str
    at: str
    lines: t.Sequence[str]
    # The operator's own lines, which come after the others.
    directives: t.Sequence[str] = ()
    blocks: t.Sequence[Block] = ()
    # What it is for, where that is not plain.
    comment: str = ""


class Source(t.TypedDict):
    """So many lines come from this path in the variables; where it is empty, from none."""

    at: str
    lines: int


class Lines:
    """Lines, and where they come from."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.sources: list[Source] = []

    @property
    def digest(self) -> str:
        return hashlib.sha256("".join(f"{line}\n" for line in self.lines).encode()).hexdigest()

    def add(self, at: str, lines: t.Sequence[str], indent: str = "") -> None:
        if self.sources and self.sources[-1]["at"] == at:
            self.sources[-1]["lines"] += len(lines)
        elif lines:
            self.sources.append(Source(at=at, lines=len(lines)))
        self.lines += [f"{indent}{line}" for line in lines]

    def section(self, at: str, lines: t.Sequence[str]) -> None:
        if lines:
            self._separate(at)
        self.add(at, lines)

    def block(self, block: Block, indent: str = "") -> None:
        self._separate(block.at)
        self.add(block.at, [*([f"# {block.comment}"] if block.comment else []), f"{block.head} {{"], indent)
        self.add(block.at, block.lines, f"{indent}    ")
        self.add(f"{block.at}.directives", block.directives, f"{indent}    ")
        for inner in block.blocks:
            self.block(inner, f"{indent}    ")
        self.add(block.at, ["}"], indent)

    def _separate(self, at: str) -> None:
        if self.lines:
            self.add(at, [""])


def complete(
    *,
    comment: t.Sequence[str] = (),
    directives: t.Sequence[str],
    http: t.Sequence[str],
    maps: t.Sequence[t.Sequence[str]],
    blocks: t.Sequence[Block],
) -> Lines:
    """The lines of a gateway, but for the server that returns their digest."""
    file = Lines()
    file.section("", comment)
    file.section("websockets_directives", directives)
    file.section("", http)
    for own in _HANDSHAKE:
        file.section("", own)
    for made in maps:
        file.section("websockets_sites", made)
    for block in blocks:
        file.block(block)
    return file


def status_block(digest: str, listen: str, at: str) -> Block:
    """The server by which a deploy learns what is live."""
    answer = ["default_type text/plain;", f'return 200 "{digest}\\n";']
    return Block(
        "server",
        at,
        [f"listen {listen};", "server_tokens off;", "access_log off;"],
        blocks=[
            Block("location /", at, answer),
            Block("location = /stub_status", at, ["allow 127.0.0.1;", "allow ::1;", "deny all;", "stub_status;"]),
        ],
        comment=_STATUS,
    )
