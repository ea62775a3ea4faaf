# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What installs packages on this host."""

from __future__ import annotations

import os
import re
import shutil
import typing as t
from pathlib import Path

# os-release(5)
_OS_RELEASE = Path("/etc/os-release")
_RHEL = frozenset({"fedora", "rhel"})


def manager() -> str | None:
    """The package manager: apt, dnf or dnf5; None without one that the role knows."""
    programs = ("dnf", "apt-get") if _RHEL.intersection(_families()) else ("apt-get", "dnf")
    # A host may have that of another family too.
    found = next(filter(None, map(shutil.which, programs)), None)
    if found is None or found.endswith("apt-get"):
        return found and "apt"
    return "dnf5" if os.path.realpath(found).endswith("dnf5") else "dnf"


def obstacle() -> str | None:
    """Why the role cannot install nginx on this host."""
    found = manager()
    if found is None:
        return "nginx is not installed, and this host has neither apt nor dnf: install nginx yourself, and run again"
    if found == "dnf" and _release().get("PLATFORM_ID") == "platform:el8":
        # The default nginx of this release is 1.14, and dnf's Python 3.6, which no ansible-core after 2.16 runs on.
        return (
            "nginx is not installed, and Ansible cannot use dnf on this release (8): install nginx yourself, with "
            "`dnf module enable nginx:1.24` and `dnf install nginx`, and run again"
        )
    return None


def _families() -> t.Iterator[str]:
    release = _release()
    yield release.get("ID", "")
    yield from release.get("ID_LIKE", "").split()


def _release() -> dict[str, str]:
    try:
        text = _OS_RELEASE.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    return {name: value.strip("\"'") for name, value in re.findall(r"^(\w+)=(.*?)\s*$", text, re.MULTILINE)}
