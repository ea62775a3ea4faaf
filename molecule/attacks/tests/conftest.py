# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets the assertions of the scenario's own module tell what they saw."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("attacker")
