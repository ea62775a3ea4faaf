# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the tests wait: for an event, however long a busy machine takes for it."""

from __future__ import annotations

import time
from collections.abc import Callable

# Seconds. Far more than anything here takes: all it does is end a test that would hang.
PATIENCE = 180.0


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Return when a condition holds; what is the event that it stands for. With an OSError it does not hold yet."""
    deadline = time.monotonic() + PATIENCE
    error: OSError | None = None
    while True:
        try:
            if condition():
                return
            error = None
        except OSError as caught:
            error = caught
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {PATIENCE:.0f} s in vain for this: {what}") from error
        time.sleep(0.05)
