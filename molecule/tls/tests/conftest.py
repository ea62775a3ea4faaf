# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gateway on which what needs no second one is tried."""

from __future__ import annotations

import pytest
from gateway import Gateway, gateways


@pytest.fixture(scope="session")
def bookworm() -> Gateway:
    (found,) = (gateway for gateway in gateways() if gateway.name == "gateway-bookworm")
    return found
