# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sites of others answer beside the gateway as they did before it, and without it as they did before."""

from __future__ import annotations

from gateway import Gateway
from neighbourhood import answers, before


def test_neighbours_answer_as_before_the_first_deploy(gateway: Gateway) -> None:
    assert answers(gateway) == before(gateway)


def test_the_gateway_answers_beside_them(gateway: Gateway) -> None:
    assert gateway.echoes()
    assert gateway.site(gateway.server_name, 8080).echoes()
