# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a thousand gateways is found as fast as what is wrong with one, for each of them."""

from __future__ import annotations

import typing as t
from datetime import datetime, timezone

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report.findings import problems
from growth import for_each_pair

NOW = datetime(2026, 1, 31, tzinfo=timezone.utc)


def found(number: int) -> t.Callable[[], object]:
    """As many gateways as upstreams: half of the gateways serve another configuration, no upstream has a server."""
    gateways: list[t.Any] = [
        {
            **{"name": f"g{n}", "state": "failed", "message": "", "routes": [], "file": "", "nginx_version": None},
            "fingerprint": "old" if n < number // 2 else "new",
            "out": False,
        }
        for n in range(number)
    ]
    upstreams = [
        {"name": f"u{n}", "servers": [{"address": f"10.0.0.{n}:1", "state": "down", "seen": []}]} for n in range(number)
    ]
    routes = [{"site": "a", "path": f"/{n}/", "upstream": f"u{n}", "target": ""} for n in range(number)]
    topology: t.Any = {"gateways": ["g0"], "upstreams": upstreams, "routes": routes}
    return lambda: problems(gateways, [topology], {gateway["name"]: () for gateway in gateways}, NOW)


def test_the_work_grows_in_step_with_gateways_and_upstreams() -> None:
    assert for_each_pair(found) < 1
