# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long a module that takes long is called for at a time, so that what it has done until then can be shown."""

from __future__ import annotations

import itertools
import typing as t

# A call ends before an idle SSH connection may be closed.
_FIRST, LONGEST = (5.0, 10.0, 15.0), 30.0


def lengths() -> t.Iterator[float]:
    """The seconds of one call after the other."""
    return itertools.chain(_FIRST, itertools.repeat(LONGEST))
