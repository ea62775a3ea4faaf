# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of all scenarios share: every test that asks for a gateway runs on each one of the scenario."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest
from gateway import gateways

DIAGNOSIS = "tail -n 20 /var/log/nginx/error.log; journalctl --no-pager --lines 20 --unit nginx"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "gateway" in metafunc.fixturenames:
        metafunc.parametrize("gateway", gateways(), ids=lambda gateway: gateway.name, scope="module")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Function) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    gateway: Any = item.funcargs.get("gateway")
    if report.when == "call" and report.failed and gateway is not None:
        # nginx logs what clients sent as it came.
        text = gateway.console.run(DIAGNOSIS).stdout_bytes.decode(errors="replace")
        report.sections.append((f"nginx on {gateway.name}", text))
    return report
