# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets the tests import the collection by its name, from the place where make links the checkout."""

from __future__ import annotations

import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

# Hypothesis fails an example that takes long, which on a busy machine is any.
_ANY_TIME = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("any_time", _ANY_TIME)
settings.register_profile("long", _ANY_TIME, max_examples=10_000)
settings.load_profile("any_time")

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
# How to wait is shared with the tests of the scenarios.
sys.path[:0] = [str(ROOT / ".venv" / "collections"), str(HERE), str(ROOT / "molecule" / "shared")]
