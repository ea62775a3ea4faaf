# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which configuration is live: each returns its fingerprint on a local address."""

from __future__ import annotations

import re

from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.client import probe_body
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.request import Request

_RESPONSE_SECONDS = 5
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_CONNECTIONS = re.compile(r"Active connections: (\d+)")


def fingerprint(address: str) -> str | None:
    """The fingerprint that the running nginx returns at HOST:PORT or [V6]:PORT; None if it returns none.

    A Unix socket would need no port. But a killed nginx leaves it behind, and then does not start again.
    """
    text = _response(address, "/").strip()
    return text if _FINGERPRINT.fullmatch(text) else None


def connections(address: str) -> int | None:
    """How many connections are open, without this one; None if nginx does not return it."""
    # https://nginx.org/en/docs/http/ngx_http_stub_status_module.html
    found = _CONNECTIONS.match(_response(address, "/stub_status"))
    return int(found.group(1)) - 1 if found else None


def _response(address: str, path: str) -> str:
    """The start of a response; empty without one."""
    try:
        return probe_body(Request(f"http://{address}{path}", timeout=_RESPONSE_SECONDS), 200)
    except ValueError:  # The address is none.
        return ""
