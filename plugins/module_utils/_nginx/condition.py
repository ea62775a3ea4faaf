# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The condition of the running nginx: its master and workers, its binary, its limits, and whether it starts at boot."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import (
    binary,
    capacity,
    generations,
    memory,
    nginx_conf,
    package,
    processes,
    service,
)
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx.binary import Build


class Condition(t.TypedDict):
    """As the module gateway_probe_info returns it."""

    # The master's process id; None if none runs.
    master: int | None
    # Whether the pid file names it.
    is_recorded: bool
    version: str | None
    # Whether another file is in the place of the running binary.
    is_replaced: bool
    # The files that it has loaded, its binary, modules and libraries, that are others on the disk by now.
    replaced: list[str]
    # The versions of the packages that the running and the installed binary are of; None where that is not known.
    package: str | None
    installed_package: str | None
    # An upgrade of the binary that was not completed.
    earlier_master: int | None
    # How many workers still accept connections although their master was killed.
    orphans: int
    # The workers that are shutting down, by when they began to.
    generations: list[generations.Shown]
    # None without a number of sockets.
    memory: memory.Memory | None
    # Whether what ends their sockets at a pace runs; None where it is not in use.
    pacer: bool | None
    # The same of what probes the routes all the time.
    prober: bool | None
    # The limits that are too low for the sockets.
    shortfalls: list[str]
    # Whether it starts at boot; None if that is not known, or not asked.
    is_enabled: bool | None


def condition(
    build: Build, sockets: int | None, recorded: package.Binary | None = None, *, with_service: bool
) -> Condition:
    """The condition of nginx, with the limits for a number of sockets and its service where they are managed."""
    master = processes.master_pid(build)
    version, is_replaced = _running(build, master) if master else (None, False)
    now = package.running(build, recorded)
    return Condition(
        master=master,
        is_recorded=processes.recorded_pid(build) is not None,
        version=version,
        is_replaced=is_replaced,
        replaced=processes.replaced_files(master) if master else [],
        package=now.package if now else None,
        installed_package=package.installed(build),
        earlier_master=processes.earlier_master(build),
        orphans=len(processes.orphans()),
        generations=generations.shown(build),
        memory=memory.memory(master, sockets) if master and sockets else None,
        pacer=service.runs(service.PACER),
        prober=service.runs(service.PROBER),
        shortfalls=_shortfalls(build, master, sockets) if master and sockets else [],
        is_enabled=service.is_enabled() if with_service else None,
    )


def _running(build: Build, master: int) -> tuple[str | None, bool]:
    """The version of the running binary, and whether another file is in its place."""
    executable = processes.executable(master)
    try:
        is_replaced = os.readlink(executable).endswith(" (deleted)")
        if not is_replaced and executable.samefile(build.binary):
            return build.version, False
    except OSError:
        return None, False
    return binary.version(str(executable)), is_replaced


def _shortfalls(build: Build, master: int, sockets: int) -> list[str]:
    workers = sorted(processes.accepting_workers(master))
    try:
        now = nginx_conf.values(build.configuration.read_text(encoding="utf-8", errors="replace"))
    except (OSError, nginx_conf.MainContextError):
        # A deploy reports it; the running nginx has read another one.
        return []
    wanted = capacity.limits(sockets, capacity.workers(now.get("worker_processes")))
    return capacity.shortfalls(wanted, now, capacity.open_files(workers[0]) if workers else None)
