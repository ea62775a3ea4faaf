# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose pages may open WebSockets is the application's own rule, and a gateway makes no difference to it."""

from __future__ import annotations

from dataclasses import astuple, dataclass

import pytest
from applications import Place, Way


@dataclass(frozen=True)
class Rule:
    """The statuses of handshakes from the application's own page, and from others."""

    application: str
    path: str
    own: int
    other_port: int
    other_name: int
    missing: int


RULES = [
    # Host and port of the Origin must be those of Host.
    Rule("tornado", "/ws", own=101, other_port=403, other_name=403, missing=101),
    # The scheme too, and there must be one.
    Rule("cable", "/cable", own=101, other_port=404, other_name=404, missing=404),
    # The name must be an allowed one.
    Rule("channels", "/ws", own=101, other_port=101, other_name=403, missing=403),
    # They take everybody's.
    Rule("asgi", "/ws", own=101, other_port=101, other_name=101, missing=101),
    Rule("express", "/ws", own=101, other_port=101, other_name=101, missing=101),
]


def origins(place: Place) -> list[str | None]:
    """In the order of a rule."""
    scheme = place.origin.partition(":")[0]
    return [place.origin, f"{scheme}://{place.name}:{place.port + 1}", f"{scheme}://other.example", None]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.application)
def test_an_application_takes_the_handshakes_of_the_pages_that_it_would_take_without_a_gateway(
    way: Way, rule: Rule
) -> None:
    place = way.to(rule.application)
    statuses = [place.handshake(rule.path, origin=origin) for origin in origins(place)]
    assert statuses == list(astuple(rule)[2:])


@pytest.mark.parametrize("application", ["tornado", "cable"])
def test_a_page_of_the_same_name_on_another_port_is_a_stranger(way: Way, application: str) -> None:
    """Whoever may open port 3000 of a host need not be whom port 80 belongs to."""
    place = way.to(application)
    path = "/ws" if application == "tornado" else "/cable"
    for port in {80, 443, 3000} - {place.port}:
        origin = Place(place.name, place.address, port, secure=place.secure).origin
        assert place.handshake(path, origin=origin) in (403, 404)
