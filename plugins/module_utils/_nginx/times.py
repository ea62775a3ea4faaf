# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""nginx's times, such as 1h30m."""

from __future__ import annotations

import re

_UNITS = {"w": 604_800, "d": 86_400, "h": 3600, "m": 60, "s": 1, "": 1, "ms": 0.001}


def seconds_of(given: str) -> float:
    """The seconds of a time that was checked."""
    parts = re.findall(r"([0-9]+)(ms|[wdhms]?)", given)
    return sum(int(number) * _UNITS[unit] for number, unit in parts)
