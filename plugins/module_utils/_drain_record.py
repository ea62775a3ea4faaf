# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is taken out, servers of upstreams and the gateway itself: the gateway keeps the record."""

from __future__ import annotations

import contextlib
import re
import time
import typing as t
from pathlib import Path

# As plugin_utils/directives.py writes it. It is where somebody who reads the file would look for it.
_DRAINED = re.compile(r"^\s*server (\S+) .*; # drained: (\S+)$", re.MULTILINE)
# The content of the flag while a deploy has taken the gateway out. With any other it is an operator's.
_BY_DEPLOY = "deploy\n"


def servers(configuration: Path) -> list[str] | None:
    """The names by which servers were taken out of the upstreams of a live file; None where there is no file."""
    try:
        text = configuration.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    return sorted({name for _address, name in _DRAINED.findall(text)})


def addresses(text: str) -> list[str]:
    """Where those servers are, given the text of the file."""
    return sorted({address for address, _name in _DRAINED.findall(text)})


def is_out(flag: Path) -> bool:
    """Whether an operator took the gateway out of its balancers."""
    return flag.exists() and flag.read_text(encoding="utf-8", errors="replace") != _BY_DEPLOY


@contextlib.contextmanager
def gateway(flag: Path, seconds: float) -> t.Iterator[None]:
    """Take the gateway out of its balancers for so long, and back in the end, from a run that was killed too."""
    if is_out(flag):
        yield
        return
    if seconds:
        flag.write_text(_BY_DEPLOY, encoding="utf-8")
        time.sleep(seconds)
    try:
        yield
    finally:
        # A read-only file system refuses to remove even what is not there.
        if flag.exists():
            flag.unlink()
