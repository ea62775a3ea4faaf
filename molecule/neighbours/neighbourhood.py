# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the sites of others on a gateway answer: by name, by second name, by address, over TLS with and without SNI.

Run as a program it keeps the answers, for tests to compare later ones with.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import socket
import ssl
from pathlib import Path

from gateway import Gateway, gateways

# Where a question comes in: the container's address, and the loopback ones of both families.
_SOURCES = (None, "127.0.0.1", "::1")
_NAMES = ("app.example", "www.app.example", "shop.example", "localhost", "unknown.example", "127.0.0.1", "[::1]", "")

Answers = dict[str, str]


def answers(gateway: Gateway) -> Answers:
    """The answer to each question that a gateway's neighbours may be asked."""
    found = {}
    for port, source, name in itertools.product((80, 443, 8080), _SOURCES, _NAMES):
        for sni in (None, "shop.example", "unknown.example") if port == 443 else (None,):
            question = f"{name or 'no name'} on {port} from {source or 'outside'}{f' with SNI {sni}' if sni else ''}"
            found[question] = _answer(gateway.site(name, port), source, sni)
    return found


def changed(gateway: Gateway) -> dict[str, tuple[str, str]]:
    """What neighbours answered before the first deploy and answer now, where that differs."""
    before: Answers = json.loads(_kept(gateway).read_text())
    now = answers(gateway)
    # Where nobody listened, nobody is to miss an answer.
    return {
        question: (answer, now[question])
        for question, answer in before.items()
        if answer not in (now[question], ConnectionRefusedError.__name__)
    }


def _kept(gateway: Gateway) -> Path:
    return Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], f"{gateway.name}.json")


def _answer(gateway: Gateway, source: str | None, sni: str | None) -> str:
    """The status, the body and, over TLS, the certificate and the protocol; or the error."""
    host = f"Host: {gateway.server_name}\r\n" if gateway.server_name else ""
    try:
        with _connected(gateway, source, sni) as sock:
            # In HTTP/1.0 a name is not required.
            sock.sendall(f"GET / HTTP/1.0\r\n{host}\r\n".encode())
            with sock.makefile("rb") as response:
                head, _end, body = response.read().partition(b"\r\n\r\n")
            return f"{head.splitlines()[0].decode()}: {body.decode()}{_secured(sock)}"
    except OSError as error:
        return type(error).__name__


def _connected(gateway: Gateway, source: str | None, sni: str | None) -> socket.socket:
    sock = gateway.open_socket(gateway.port, source)
    if gateway.port != 443:
        return sock
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])
    try:
        return context.wrap_socket(sock, server_hostname=sni)
    except BaseException:
        sock.close()
        raise


def _secured(sock: socket.socket) -> str:
    if not isinstance(sock, ssl.SSLSocket):
        return ""
    certificate = sock.getpeercert(binary_form=True) or b""
    return f"{hashlib.sha256(certificate).hexdigest()[:8]} {sock.selected_alpn_protocol()}"


if __name__ == "__main__":
    for each in gateways():
        _kept(each).write_text(json.dumps(answers(each)))
