# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The host's record of what is drained: servers of upstreams, and the gateway itself."""

from __future__ import annotations

import contextlib
import os
import re
import time
import typing as t
from pathlib import Path

from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import journal

# Releases up to 0.6.0 recorded this in comments of the configuration.
_OF_0_6 = re.compile(r"^\s*server (\S+) .*; # drained: (\S+)$", re.MULTILINE)
# The content of the flag that an operator set, and while a deploy has taken the gateway out of rotation. Both are
# comments to nginx, which may include the name that the flag had in earlier releases.
_BY_OPERATOR, _BY_DEPLOY = "# drained\n", "# deploy\n"


def servers(kept: journal.Journal, configuration: Path, serves: t.Collection[str] = ()) -> journal.Drained | None:
    """The servers that were drained in the last deploy; None without a configuration."""
    kept.take_over([configuration], serves)
    recorded = kept.deployed().drained
    return _of_0_6(configuration) if recorded is None else recorded


def _of_0_6(configuration: Path) -> journal.Drained | None:
    """Read once, so that an upgrade does not bring drained servers back. The next deploy records them."""
    try:
        text = configuration.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    return [{"name": name, "address": address} for address, name in _OF_0_6.findall(text)]


def former(flag: Path) -> Path:
    """The name of the flag in releases up to 0.7.0, whose configurations test for it. Until 1.0."""
    return flag.with_name(flag.name[1:])


def tested(flag: Path, configuration: bytes) -> list[Path]:
    """The flags that a configuration tests for."""
    return [path for path in (flag, former(flag)) if os.fsencode(path) in configuration]


def is_out(flag: Path) -> bool:
    """Whether an operator took the gateway out of its load balancers."""
    return any(map(is_by_operator, (flag, former(flag))))


def is_by_operator(flag: Path) -> bool:
    # Releases up to 0.7.0 wrote it without the "#".
    return flag.exists() and flag.read_text(encoding="utf-8", errors="replace").strip("# \n") != "deploy"


def take_out(flags: t.Iterable[Path]) -> None:
    """Take the gateway out of its load balancers until bring_back()."""
    for flag in flags:
        flag.write_text(_BY_OPERATOR, encoding="utf-8")


def bring_back(flags: t.Iterable[Path]) -> None:
    for flag in flags:
        # A read-only file system refuses to remove even what is not there.
        if flag.exists():
            flag.unlink()


def is_left_out(flag: Path) -> bool:
    """Whether a deploy took the gateway out, and has not brought it back."""
    return any(path.exists() for path in (flag, former(flag))) and not is_out(flag)


@contextlib.contextmanager
def gateway(
    flag: Path, seconds: float, now: bytes, after: bytes, stays_out: t.Callable[[OSError], None]
) -> t.Iterator[None]:
    """Take the gateway out of rotation, wait, and bring it back at the end, also if a killed run had taken it out. The
    next run does so if this one cannot. Now and after are the configurations before and after the deploy.
    """
    flags = {flag, *tested(flag, now), *tested(flag, after)}
    if former(flag).exists():
        # nginx may read it when it reloads.
        former(flag).write_text(_BY_OPERATOR if is_by_operator(former(flag)) else _BY_DEPLOY, encoding="utf-8")
    if is_out(flag):
        with _still_out(flags):
            yield
        # Not before the new configuration is live: the earlier one may not test for the other flag.
        if flag in tested(flag, after):
            bring_back([former(flag)])
        return
    if seconds:
        for path in flags:
            path.write_text(_BY_DEPLOY, encoding="utf-8")
        time.sleep(seconds)
    try:
        yield
    finally:
        try:
            bring_back([flag, former(flag)])
        except OSError as error:
            stays_out(error)


@contextlib.contextmanager
def _still_out(flags: t.Iterable[Path]) -> t.Iterator[None]:
    """Have a gateway that is out be out by all of these flags, unless the deploy fails."""
    added = [path for path in flags if not is_by_operator(path)]
    take_out(added)
    try:
        yield
    except BaseException:
        bring_back(added)
        raise
