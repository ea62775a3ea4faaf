# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The unit of the pacer: whether a host has it, what is in it, and how it follows a deploy."""

from __future__ import annotations

import math
import sys
import typing as t

from ansible_collections.wsfleet.nginx.plugins.module_utils import _units
from ansible_collections.wsfleet.nginx.plugins.module_utils._lifetime import requirements
from ansible_collections.wsfleet.nginx.plugins.module_utils._lifetime.pacer import Settings
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import binary, capacity, service, times

# After the last socket was to be ended, nginx ends what is left itself: the pacer may not run.
_SPARE_SECONDS = 300

_SANDBOX = """\
PrivateNetwork=yes
RestrictAddressFamilies=AF_UNIX
IPAddressDeny=any
PrivateTmp=yes
ProtectHome=yes
SystemCallFilter=@system-service pidfd_open pidfd_getfd
SystemCallFilter=~ptrace process_vm_readv process_vm_writev @resources
"""


def settings(wanted: t.Sequence[t.Mapping[str, t.Any]]) -> Settings | None:
    """Those that are enough for each of these; None if nginx is to end sockets in its own way."""
    rate = max((item.get("reconnect_rate") or 0 for item in wanted), default=0)
    timeout = max((capacity.patience(item.get("shutdown_timeout") or "0") for item in wanted), default=math.inf)
    stop = max((times.seconds_of(item.get("stop_timeout") or "5s") for item in wanted), default=0)
    return Settings(rate, timeout, stop) if rate and timeout < math.inf else None


def nginx_timeout(found: Settings, sockets: int) -> str:
    """The worker_shutdown_timeout of nginx.conf: later than the pacer ends the last socket of a full gateway."""
    return f"{math.ceil(found.timeout + sockets / found.rate) + _SPARE_SECONDS}s"


def content(build: binary.Build, found: Settings) -> str:
    user, group = build.user
    # Root's capability, as Yama lets a process trace its own children only (1), or none (2).
    capability = "CAP_SYS_PTRACE" if requirements.ptrace_scope() else ""
    arguments = f"--rate {found.rate:g} --timeout {found.timeout:g} --stop-timeout {found.stop_timeout:g}"
    return f"""\
# By the role wsfleet.nginx.websockets, from websockets_reconnect_rate and websockets_worker_shutdown_timeout.
[Unit]
Description=Ends the sockets of old nginx workers at a pace
# It stops after nginx does, whose sockets it ends.
Before=nginx.service
# It is started however often deploys have restarted it.
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStart={sys.executable} -I {service.PROGRAM} pace --binary {build.binary} {arguments}
User={user}
Group={group}
Restart=always
RestartSec=5s
RuntimeDirectory=wsfleet-pacer
# Since when workers are shutting down is known after a restart too.
RuntimeDirectoryPreserve=yes
MemoryMax=128M
TasksMax=4
AmbientCapabilities={capability}
CapabilityBoundingSet={capability}
NoNewPrivileges=yes
UMask=0022
{_units.sandbox(_SANDBOX)}
[Install]
WantedBy=multi-user.target
"""


def follow(*, is_changed: bool) -> list[str]:
    """Have the pacer run as its unit says, or not at all without one; what was done. ServiceError if it does not.

    Where a gateway stays, nginx ends sockets in its own way at once. After a removal the pacer ends by itself, once
    the workers of before have: they have sockets to be ended at its pace.
    """
    is_stopped = service.DROP_IN.exists()
    return _units.follow(service.PACER, service.PACER_AT_BOOT, is_changed=is_changed, is_stopped=is_stopped)
