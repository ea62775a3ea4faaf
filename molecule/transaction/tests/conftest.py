# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gateway on which what needs no second one is tried."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest
from deployment import as_deployed
from gateway import Gateway, gateways

LOG = "/var/log/nginx/error.log"


@pytest.fixture(scope="session")
def bookworm() -> Gateway:
    (found,) = (gateway for gateway in gateways() if gateway.name == "gateway-bookworm")
    return found


@pytest.fixture
def restored(bookworm: Gateway) -> Iterator[None]:
    """The gateway as the scenario deployed it, before and after a test."""
    with as_deployed(bookworm):
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Function) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed and "gateway" not in item.funcargs:
        for gateway in gateways():
            lines = gateway.path(LOG).read_text(errors="replace").splitlines()[-20:]
            report.sections.append((f"nginx on {gateway.name}", "\n".join(lines)))
    return report
