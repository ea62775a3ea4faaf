# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What many sites cost, counted in calls, which no busy machine makes more. `make bench` has the seconds."""

from __future__ import annotations

import sys
import typing as t

from rendering import render


def calls(sites: int) -> int:
    """How many functions are called to render so many sites, with as many upstreams."""
    variables = {
        "websockets_upstreams": [
            {"name": f"upstream{i}", "servers": [f"10.{i // 250}.{i % 250}.{j + 1}:3000" for j in range(10)]}
            for i in range(sites)
        ],
        "websockets_sites": [
            {"server_name": f"site{i}.example", "listen": 80, "locations": [{"path": "/", "upstream": f"upstream{i}"}]}
            for i in range(sites)
        ],
    }
    events = {"call": 0, "c_call": 0}

    def count(_frame: t.Any, event: str, _argument: t.Any) -> None:
        if event in events:
            events[event] += 1

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        render(variables)
    finally:
        sys.setprofile(before)
    return sum(events.values())


def test_eight_times_the_sites_with_their_upstreams_cost_little_more_than_eight_times_the_calls() -> None:
    # What is loaded once is no part of it.
    calls(1)
    assert calls(800) < 10 * calls(100)
