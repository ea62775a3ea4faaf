# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which packages a run of a package manager newly installed, dependencies included."""

from __future__ import annotations

import re
import typing as t

# apt-get lists the names below this heading, each line indented by two spaces.
_NEW_PACKAGES = re.compile(r"^The following NEW packages will be installed:\n((?:  .+(?:\n|$))+)", re.MULTILINE)


def of_apt(stdout: str) -> list[str]:
    """The names in the output of apt-get, in its order.

    Expects the output of the C locale, which ansible.builtin.apt sets.
    """
    return [name for block in _NEW_PACKAGES.findall(stdout.replace("\r\n", "\n")) for name in block.split()]


def of_dnf(results: t.Sequence[str]) -> list[str]:
    """The names in the results of ansible.builtin.dnf. Of a package that was upgraded, these also list the removal."""
    removed = _names(results, "Removed: ")
    return [name for name in _names(results, "Installed: ") if name not in removed]


def _names(results: t.Sequence[str], action: str) -> list[str]:
    """As in "Installed: nginx-1:1.20.1-20.el9.x86_64"; neither a version nor a release has a hyphen."""
    return [line[len(action) :].rsplit("-", 2)[0] for line in results if line.startswith(action)]
