# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The unit of the prober: whether a host can have it, what is in it, and how it follows a deploy."""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress

from ansible_collections.wsfleet.nginx.plugins.module_utils import _units
from ansible_collections.wsfleet.nginx.plugins.module_utils._metrics import record
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import binary, service
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import atomic_files, journal

# With LoadCredential.
_OLDEST_SYSTEMD = 247
_RECORD = f"{record.NAME}.json"
# The Unix socket of a backend may be anywhere.
_SANDBOX = """\
ProtectHome=read-only
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
ProtectProc=invisible
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
"""


def obstacle() -> str:
    """Why a host cannot have a prober, or nothing."""
    if not service.has_systemd():
        return "the host has no systemd"
    version = _systemd_version()
    if version < _OLDEST_SYSTEMD:
        return f"its systemd is {version}, and a service gets its secrets from {_OLDEST_SYSTEMD} on"
    return atomic_files.unwritable(service.PROGRAM)


def _systemd_version() -> int:
    found = re.match(r"systemd (\d+)", binary.run(["systemctl", "--version"]).stdout)
    return int(found.group(1)) if found else 0


def warning() -> str:
    """What to do about it; nothing if there is no obstacle."""
    why = obstacle()
    return why and (
        f"websockets_probe_interval: this host cannot probe its routes all the time: {why}. They are probed in deploys "
        "and by the playbook wsfleet.nginx.verify only. If that is to stay so, set websockets_probe_interval: 0"
    )


def content(build: binary.Build, interval: float) -> str:
    user, group = build.user
    return f"""\
# By the role wsfleet.nginx.websockets, from websockets_probe_interval.
[Unit]
Description=Probes the routes of this gateway's nginx
After=network-online.target nginx.service
Wants=network-online.target
# It is started however often deploys have restarted it.
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStart={sys.executable} -I {service.PROGRAM} probe --interval {interval:g}
# It has headers with tokens, which nginx's user must not find on the disk.
LoadCredential={record.NAME}:{journal.DIRECTORY / _RECORD}
User={user}
Group={group}
Nice=5
Restart=always
RestartSec=5s
RuntimeDirectory=wsfleet-prober
RuntimeDirectoryPreserve=restart
MemoryMax=128M
# A route that hangs has one for each of its first eight servers, and 256 may hang at once.
TasksMax=4096
CapabilityBoundingSet=
NoNewPrivileges=yes
UMask=0022
{_units.sandbox(_SANDBOX)}
[Install]
WantedBy=multi-user.target
"""


def follow(kept: journal.Journal, *, is_changed: bool) -> list[str]:
    """Have the prober run as its unit says, with what the last deploys of this host have left, or not at all without a
    unit; what was done. ServiceError if it does not.
    """
    path = kept.directory / _RECORD
    if service.PROBER.exists():
        found = record.made(one.deployed() for one in journal.all_on_host(kept.directory))
        known = atomic_files.Content(record.dumped(found), 0o600, (os.geteuid(), os.getegid()))
        if atomic_files.read(path) != known:
            atomic_files.write(path, known)
            is_changed = True
    elif path.exists():
        path.unlink()
        # Of a gateway that was removed.
        with suppress(OSError):
            path.parent.rmdir()
    return _units.follow(service.PROBER, service.PROBER_AT_BOOT, is_changed=is_changed)
