# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A thousand sites are no reason to wait. The time is that of one core, so that a busy machine makes no difference."""

from __future__ import annotations

import time

from rendering import render


def test_a_thousand_sites_with_a_thousand_upstreams_are_rendered_within_two_seconds() -> None:
    upstreams = [
        {"name": f"upstream{i}", "servers": [f"10.{i // 250}.{i % 250}.{j + 1}:3000" for j in range(10)]}
        for i in range(1000)
    ]
    sites = [
        {"server_name": f"site{i}.example", "listen": 80, "locations": [{"path": "/", "upstream": f"upstream{i}"}]}
        for i in range(1000)
    ]
    start = time.process_time()
    render({"websockets_upstreams": upstreams, "websockets_sites": sites})
    assert time.process_time() - start < 2
