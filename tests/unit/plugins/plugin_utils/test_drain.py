# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The result of a drain over many gateways."""

from __future__ import annotations

from typing import Any

from ansible_collections.wsfleet.nginx.plugins.plugin_utils import _drain

MODEL = {"__websockets_model": {"drain": {"seconds": 5}}}
OUT = {**MODEL, "__websockets_rotation": {"changed": True, "state": "out"}, "websockets_result": {"changed": False}}


def result(**gateways: dict[str, Any]) -> _drain.Drained:
    return _drain.result(gateways.get, gateways)


def test_a_gateway_that_is_out_is_named_so_with_connections_left_and_without() -> None:
    none = {"open": 0, "left": {}, "closed": 0, "reason": ""}
    some = {"open": 2, "left": {"port 3000": 2}, "closed": 0, "reason": ""}
    found = result(g1={**OUT, "__websockets_left": none}, g2={**OUT, "__websockets_left": some})
    assert found["text"] == "Out of their load balancers: g1, g2.\nStill open after 5 s: 2 connections on g2."
    assert found["failures"] == {"g2": f"Still open: 2 connections (2 from clients at port 3000). {_drain._AGAIN}"}
