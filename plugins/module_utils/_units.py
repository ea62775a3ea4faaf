# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's own services on a gateway: their sandbox, how they follow a deploy, and what they tell systemd."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import binary, service

CAP_SYS_PTRACE, _CAP_SYS_ADMIN = 19, 21
_STATUS_OF_SYSTEMD = Path("/proc/1/status")
_SANDBOX = """\
PrivateDevices=yes
ProtectSystem=strict
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
"""


def may(capability: int) -> bool:
    """Whether systemd can give a service this capability, which a container may lack."""
    status = _STATUS_OF_SYSTEMD.read_text(encoding="ascii", errors="replace")
    (bounding,) = re.findall(r"^CapBnd:\s+(\w+)$", status, re.MULTILINE)
    return bool(int(bounding, 16) >> capability & 1)


def sandbox(own: str) -> str:
    """What every service has, and what this one has of its own; nothing where systemd cannot do it.

    Without CAP_SYS_ADMIN, systemd 257 starts no unit that has a user and a filter of system calls.
    """
    return _SANDBOX + own if may(_CAP_SYS_ADMIN) else ""


def follow(unit: Path, at_boot: Path, *, is_changed: bool, is_stopped: bool = True) -> list[str]:
    """Have a service run as its unit says, or not at all without one; what was done. ServiceError if it does not.

    A service without a unit that is not stopped ends by itself.
    """
    name = unit.name
    if not unit.exists():
        return _removed(name, at_boot, is_stopped=is_stopped) if at_boot.is_symlink() else []
    is_active = binary.run(["systemctl", "is-active", "--quiet", name]).returncode == 0
    if is_active and not is_changed and at_boot.is_symlink():
        return []
    service.run(["systemctl", "enable", name])
    service.run(["systemctl", "restart", name])
    return [f"{'re' if is_active else ''}started {name}"]


def _removed(name: str, at_boot: Path, *, is_stopped: bool) -> list[str]:
    at_boot.unlink()
    service.reload_units()
    if not is_stopped:
        return [f"disabled {name}"]
    service.run(["systemctl", "stop", name])
    return [f"stopped {name}"]


def notify_ready() -> None:
    """sd_notify(3): systemd waits for it."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.sendto(b"READY=1", address.replace("@", "\0", 1))
