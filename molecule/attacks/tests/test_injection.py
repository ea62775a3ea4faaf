# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Injection: values of the inventory that would be directives of nginx, and paths of a client that would be headers."""

from __future__ import annotations

from typing import Any

import pytest
from attacker import HANDSHAKE, Route, ours, tutorial
from gateway import Gateway, group_variables
from playbook import site

NOTED = Route("app.example", 4000, "/noted/")
PWNED = Route("app.example", 4000, "/pwned")


def test_a_value_that_ends_its_directive_and_adds_a_location(gateway: Gateway) -> None:
    """Where a template prints it between quotes, there is a new location."""
    assert tutorial(gateway).ask(PWNED).body == b"pwned"
    assert ours(gateway).ask(PWNED).json["path"] == "/pwned"
    assert ours(gateway).ask(NOTED).json["headers"]["x-note"] == [group_variables()["attacks_note"]]


@pytest.mark.parametrize("fields", [(), HANDSHAKE], ids=["plain", "handshake"])
def test_a_path_that_ends_its_request_line(gateway: Gateway, fields: tuple[str, ...]) -> None:
    """$uri is the decoded path, and a proxy_pass with variables is sent as it is. strip_prefix needs none."""
    rooms = Route("app.example", 4000, "/rooms/1%20HTTP/1.1%0d%0aX-Evil:%20yes%0d%0aX-Rest:%20")
    (before,) = tutorial(gateway).smuggle(rooms, *fields).arrived
    assert "\r\nX-Evil: yes\r\n" in before
    (now,) = ours(gateway).smuggle(rooms, *fields).arrived
    assert "\r\nX-Evil" not in now
    assert now.startswith("GET /1%20HTTP/1.1%0D%0AX-Evil:%20yes%0D%0AX-Rest:%20?")


def test_a_path_that_ends_the_header_of_a_redirect(gateway: Gateway) -> None:
    """https://github.com/yandex/gixy/blob/master/docs/en/plugins/httpsplitting.md"""
    path = "/%0d%0aSet-Cookie:%20session=of-the-attacker"
    secure = Route("secure.example", 80, path)
    assert tutorial(gateway).ask(secure).headers["Set-Cookie"] == "session=of-the-attacker"
    answer = ours(gateway).ask(secure)
    assert answer.headers["Set-Cookie"] is None
    assert answer.headers["Location"] == f"https://secure.example:8443{path}"


@pytest.fixture(scope="session")
def refusal() -> str:
    """What a run says to an inventory of attacks."""
    location: dict[str, Any] = {"path": "/", "upstream": "upstream"}
    sites = [
        {"server_name": "a.example; return 200 pwned", "listen": 4000, "locations": [location]},
        {"server_name": "b.example", "listen": "4000; return 200 pwned", "locations": [location]},
        {"server_name": "c.example", "listen": 4000, "locations": [location | {"headers": {"X-A": "a\r\nX-B: b"}}]},
        {"server_name": "d.example", "listen": 4000, "locations": [location | {"headers": {"X-A: a\nX-B": "b"}}]},
        {
            "server_name": "e.example",
            "listen": 4000,
            "allowed_origins": ['https://a.example"; default ""; "'],
            "locations": [location],
        },
    ]
    upstreams = [{"name": "upstream", "servers": ["server01:3000; server 192.0.2.1"]}]
    run = site({"websockets_sites": sites, "websockets_upstreams": upstreams})
    assert run.failed
    # One message for all gateways.
    message = run.message("gateway-bullseye")
    assert "unknown key" not in message
    return message


@pytest.mark.parametrize(
    "place",
    [
        "websockets_sites[0].server_name",
        "websockets_sites[1].listen",
        "websockets_sites[2].locations[0].headers",
        "websockets_sites[3].locations[0].headers",
        "websockets_sites[4].allowed_origins",
        "websockets_upstreams[0].servers[0]",
    ],
)
def test_what_cannot_be_one_value_is_refused(refusal: str, place: str) -> None:
    assert place in refusal
