# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The nginx service, by means of systemd, a sysvinit script, or nginx itself."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import binary

# It was killed, or has crashed.
ENDED = "nginx has ended: see its error log and `systemctl status nginx`"


class ServiceError(Exception):
    """The service manager failed; the message is its own."""


# The test of sd_booted(3).
_SYSTEMD = Path("/run/systemd/system")
_DISABLED = ("disabled", "enabled-runtime", "masked", "masked-runtime", "linked", "linked-runtime")
_INIT_SCRIPT = Path("/etc/init.d/nginx")
_RUN_LEVELS = Path("/etc")
DROP_IN = Path("/etc/systemd/system/nginx.service.d/50-wsfleet.conf")
PACER = Path("/etc/systemd/system/wsfleet-pacer.service")
PACER_AT_BOOT = Path("/etc/systemd/system/multi-user.target.wants/wsfleet-pacer.service")
PROBER = Path("/etc/systemd/system/wsfleet-prober.service")
PROBER_AT_BOOT = Path("/etc/systemd/system/multi-user.target.wants/wsfleet-prober.service")
# What runs on the gateway without a controller, as in these units.
PROGRAM = Path("/usr/local/lib/wsfleet/nginx.pyz")
EXCHANGE = Path("/etc/systemd/system/wsfleet-exchange.service")
# What decides about restarts by others.
POLICY = Path("/usr/sbin/policy-rc.d")
NEEDRESTART = Path("/etc/needrestart/restart.d/nginx.service")


def units() -> tuple[Path, ...]:
    """Those of this role."""
    return DROP_IN, PACER, PROBER, EXCHANGE


def beside_nginx() -> tuple[Path, ...]:
    """The files of this role that nginx does not read."""
    return (*units(), PROGRAM, POLICY, NEEDRESTART)


def has_systemd() -> bool:
    return _SYSTEMD.is_dir()


def is_enabled() -> bool | None:
    """Whether nginx starts at boot; None if that cannot be told, as where its unit is part of another one."""
    if has_systemd():
        state = binary.run(["systemctl", "is-enabled", "nginx.service"]).stdout.strip()
        # systemctl(1): "enabled-runtime" ends with the next boot.
        return {**dict.fromkeys(_DISABLED, False), "enabled": True}.get(state)
    levels = list(_RUN_LEVELS.glob("rc[2-5].d"))
    if not levels or not _INIT_SCRIPT.is_file():
        return None
    return any(link for level in levels for link in level.glob("S[0-9][0-9]nginx"))


def runs(unit: Path) -> bool | None:
    """Whether a service of this role runs; None where a deploy has not set it up."""
    if not has_systemd() or not unit.exists():
        return None
    return binary.run(["systemctl", "is-active", unit.name]).stdout.strip() == "active"


def start(build: binary.Build) -> None:
    if has_systemd():
        # With cgroups v1, systemd may have missed the end of a killed nginx and wait for it. This makes it look again.
        was_retrying = is_retrying()
        reload_units()
        try:
            run(["systemctl", "start", "nginx.service"])
        except (ServiceError, binary.NginxError):
            # By the drop-in, systemd would go on trying, with whatever files are there by then.
            if not was_retrying:
                binary.run(["systemctl", "stop", "nginx.service"])
            raise
    elif _INIT_SCRIPT.is_file():
        run([str(_INIT_SCRIPT), "start"])
    else:
        run([build.binary])


def is_retrying() -> bool:
    """Whether systemd starts nginx again and again until it succeeds."""
    state = ["systemctl", "show", "--property=ActiveState", "nginx.service"]
    return has_systemd() and binary.run(state).stdout.strip() == "ActiveState=activating"


def reload(master: int) -> None:
    """Signal the master to load the files. Whether it did is seen by live_config.fingerprint.

    The signal works no matter who started nginx, and whatever state a service manager believes it to be in.
    """
    try:
        os.kill(master, signal.SIGHUP)
    except ProcessLookupError as error:
        raise ServiceError(ENDED) from error


def reload_units() -> None:
    """Have systemd read its unit files again; the running nginx keeps the settings it was started with."""
    run(["systemctl", "daemon-reload"])


def run(command: list[str]) -> None:
    result = binary.run(command)
    if result.returncode != 0:
        words = (result.stderr.strip() or result.stdout.strip()).splitlines()
        raise ServiceError(f"'{' '.join(command)}' failed" + (f": {words[0]}" if words else ""))
