# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads the output of apt-get."""

from __future__ import annotations

import re

# apt-get lists the names below this heading, each line indented by two spaces.
_NEW_PACKAGES = re.compile(r"^The following NEW packages will be installed:\n((?:  .+(?:\n|$))+)", re.MULTILINE)


def new_packages(stdout: str) -> list[str]:
    """Return the packages that a run of apt-get newly installed, in its order.

    Expects the output of the C locale, which ansible.builtin.apt sets.
    """
    return [name for block in _NEW_PACKAGES.findall(stdout.replace("\r\n", "\n")) for name in block.split()]
