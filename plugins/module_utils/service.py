# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The nginx service, through whatever started it: systemd, a sysvinit script, or nginx alone."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.wsfleet.nginx.plugins.module_utils import nginx


class ServiceError(Exception):
    """The service manager refused; its own words are the message."""


def start(build: nginx.Build) -> None:
    _run(_command(build, "start", alone=[build.binary]))


def reload(build: nginx.Build) -> None:
    """Ask the master to load the files. That it was asked does not mean that it did: see live.fingerprint."""
    _run(_command(build, "reload", alone=[build.binary, "-s", "reload"]))


def _command(build: nginx.Build, verb: str, alone: list[str]) -> list[str]:
    # The test of sd_booted(3).
    if Path("/run/systemd/system").is_dir():
        return ["systemctl", verb, "nginx.service"]
    if Path("/etc/init.d/nginx").is_file():
        return ["/etc/init.d/nginx", verb]
    return alone


def _run(command: list[str]) -> None:
    result = nginx.run(command)
    if result.returncode != 0:
        words = (result.stderr.strip() or result.stdout.strip()).splitlines()
        raise ServiceError(f"'{' '.join(command)}' failed" + (f": {words[0]}" if words else ""))
