# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every test that asks for a way runs on each one to the applications: past the gateways, and through them."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("applications")

from applications import ways


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "way" in metafunc.fixturenames:
        metafunc.parametrize("way", ways(), ids=str, scope="module")
