# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The nginx service, through whatever started it: systemd, a sysvinit script, or nginx alone."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import binary


class ServiceError(Exception):
    """The service manager refused; its own words are the message."""


# The test of sd_booted(3).
_SYSTEMD = Path("/run/systemd/system")
DROP_IN = Path("/etc/systemd/system/nginx.service.d/50-wsfleet.conf")


def has_systemd() -> bool:
    return _SYSTEMD.is_dir()


def start(build: binary.Build) -> None:
    if has_systemd():
        # In cgroups of version 1 it may have missed the end of a killed nginx, and wait for it: so it looks again.
        reload_units()
        _run(["systemctl", "start", "nginx.service"])
    elif Path("/etc/init.d/nginx").is_file():
        _run(["/etc/init.d/nginx", "start"])
    else:
        _run([build.binary])


def reload(master: int) -> None:
    """Ask the master to load the files. That it was asked does not mean that it did: see live_config.fingerprint.

    The signal reaches it whoever started it, and does not depend on what a service manager believes.
    """
    try:
        os.kill(master, signal.SIGHUP)
    except ProcessLookupError as error:
        raise ServiceError(f"nginx, process {master}, has ended") from error


def reload_units() -> None:
    """Have systemd read its files again; the running nginx keeps what it was started with."""
    _run(["systemctl", "daemon-reload"])


def _run(command: list[str]) -> None:
    result = binary.run(command)
    if result.returncode != 0:
        words = (result.stderr.strip() or result.stdout.strip()).splitlines()
        raise ServiceError(f"'{' '.join(command)}' failed" + (f": {words[0]}" if words else ""))
