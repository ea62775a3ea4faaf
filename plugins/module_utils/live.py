# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which configuration is live: it says so itself, with a fingerprint that it returns on a local Unix socket."""

from __future__ import annotations

import http.client
import socket
from pathlib import Path

_ANSWER_SECONDS = 5


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_ANSWER_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_ANSWER_SECONDS)
        self.sock.connect(str(self._path))


def fingerprint(path: Path) -> str | None:
    """What the running nginx answers on the socket, or None where nothing does."""
    connection = _UnixConnection(path)
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        return answer.read(200).decode("ascii", "replace").strip() or None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def remove_stale(path: Path) -> None:
    """Remove a socket that nobody listens on: a killed nginx leaves it, and the next would not start."""
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        probe.connect(str(path))
    except ConnectionRefusedError:
        path.unlink()
    except OSError:
        return
    finally:
        probe.close()
