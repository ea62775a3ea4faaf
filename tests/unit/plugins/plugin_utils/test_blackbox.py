# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules of single routes. What an exporter makes of them is in the test of the playbook."""

from __future__ import annotations

import typing as t

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._blackbox import Blackbox

PROBE: dict[str, t.Any] = {
    "at": "websockets_sites[0].locations[0]",
    "site": "a.example",
    "path": "/",
    "url": "wss://a.example/chat?x=1",
    "connect_to": "[2001:db8::1]:443",
    "websocket": True,
    "status": None,
    "origin": "https://a.example",
    "subprotocols": ["mqtt", "v2"],
    "headers": {"X-Token": "$1"},
    "send": None,
    "expect": None,
}


def made(*probes: t.Mapping[str, t.Any], websocket: bool = False) -> Blackbox:
    found = Blackbox(websocket=websocket)
    for number, keys in enumerate(probes, 1):
        found.add(f"g{number}", {**PROBE, **keys})
    return found


def test_a_handshake_over_tls_has_the_headers_of_the_probe() -> None:
    found = made({})
    assert found.targets[0]["targets"] == ["[2001:db8::1]:443"]
    tcp = found.modules["a.example /"]["tcp"]
    assert (tcp["tls"], tcp["tls_config"]) == (True, {"insecure_skip_verify": True, "server_name": "a.example"})
    sent = tcp["query_response"][0]["send"]
    # The exporter adds the last line feed.
    assert sent.endswith("\r\n\r")
    assert sent.split("\r\n")[:5] == [
        "GET /chat?x=1 HTTP/1.1",
        "Host: a.example",
        "X-Token: $1",
        "Origin: https://a.example",
        "Sec-WebSocket-Protocol: mqtt, v2",
    ]


def test_the_exporters_own_prober_exchanges_messages() -> None:
    found = made({"send": "ping", "expect": "pong (1)"}, websocket=True)
    assert found.targets[0]["targets"] == ["wss://[2001:db8::1]:443/chat?x=1"]
    assert found.modules["a.example /"]["websocket"]["query_response"] == [
        {"send": "ping"},
        {"expect": r"^pong\ \(1\)$"},
    ]


def test_a_plain_route_is_requested_for_its_status() -> None:
    plain = {"websocket": False, "url": "https://a.example/page", "subprotocols": [], "origin": None}
    found = made(plain, {**plain, "path": "/old", "status": 301})
    assert found.targets[0]["targets"] == ["https://[2001:db8::1]:443/page"]
    any_status, old = (found.modules[f"a.example {path}"]["http"]["valid_status_codes"] for path in ("/", "/old"))
    assert {200, 404, 500} <= set(any_status)
    assert not {101, 421, 429, 502, 503, 504} & set(any_status)
    assert old == [301]


def test_only_routes_that_are_alike_share_a_module() -> None:
    found = made({}, {}, {"origin": None}, {"origin": None})
    assert [target["labels"]["__param_module"] for target in found.targets] == [
        *("a.example /", "a.example /", "a.example / on g3", "a.example / on g4"),
    ]
    twice = Blackbox(websocket=False)
    for number in range(3):
        twice.add("g1", {**PROBE, "at": f"websockets_sites[{number}].locations[0]", "origin": str(number)})
    assert list(twice.modules) == [
        *("a.example /", "a.example / on g1", "a.example / on g1, websockets_sites[2].locations[0]"),
    ]
