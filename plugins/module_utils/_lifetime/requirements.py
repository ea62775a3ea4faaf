# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host needs for the pacer. It is told before a deploy too, so it takes few files."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.wsfleet.nginx.plugins.module_utils import _units, _worker_sockets
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import service
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import atomic_files

_PTRACE_SCOPE = Path("/proc/sys/kernel/yama/ptrace_scope")


def obstacle() -> str:
    """Why no socket can be ended at a pace on this host, or nothing."""
    scope = ptrace_scope()
    if not service.has_systemd():
        return "the host has no systemd"
    if scope >= 3:
        return f"kernel.yama.ptrace_scope is {scope}"
    if scope and not _units.may(_units.CAP_SYS_PTRACE):
        return f"kernel.yama.ptrace_scope is {scope}, and the container that is the host lacks CAP_SYS_PTRACE"
    return atomic_files.unwritable(service.PROGRAM) or _worker_sockets.obstacle()


def ptrace_scope() -> int:
    try:
        return int(_PTRACE_SCOPE.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0


def warning() -> str:
    """What to do about it; nothing if there is no obstacle."""
    why = obstacle()
    return why and (
        f"websockets_reconnect_rate: this host cannot end the sockets of old workers at a pace: {why}. nginx ends all "
        "of a worker at once, after websockets_worker_shutdown_timeout. If that is to stay so, set "
        "websockets_reconnect_rate: 0"
    )
