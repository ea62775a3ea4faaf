# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The host's record of what is drained: servers of upstreams, and the gateway itself."""

from __future__ import annotations

import contextlib
import re
import time
import typing as t
from pathlib import Path

from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import journal

# Releases up to 0.6.0 recorded this in comments of the configuration.
_OF_0_6 = re.compile(r"^\s*server (\S+) .*; # drained: (\S+)$", re.MULTILINE)
# The content of the flag while a deploy has taken the gateway out of rotation. Any other is an operator's.
_BY_DEPLOY = "deploy\n"


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


def is_out(flag: Path) -> bool:
    """Whether an operator took the gateway out of its load balancers."""
    return flag.exists() and flag.read_text(encoding="utf-8", errors="replace") != _BY_DEPLOY


@contextlib.contextmanager
def gateway(flag: Path, seconds: float, stays_out: t.Callable[[OSError], None]) -> t.Iterator[None]:
    """Take the gateway out of rotation, wait, and bring it back at the end, also if a killed run had taken it out. The
    next run does so if this one cannot.
    """
    if is_out(flag):
        yield
        return
    if seconds:
        flag.write_text(_BY_DEPLOY, encoding="utf-8")
        time.sleep(seconds)
    try:
        yield
    finally:
        try:
            # A read-only file system refuses to remove even what is not there.
            if flag.exists():
                flag.unlink()
        except OSError as error:
            stays_out(error)
