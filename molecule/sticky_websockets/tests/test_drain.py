# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook drain where one of the gateways cannot be reached: the others wait all the same."""

from __future__ import annotations

from gateway import echoes, gateways
from playbook import Run, site


def drain(lost: list[str], **variables: str) -> Run:
    return site(variables, arguments=[*lost, "--limit", "ws_gateways"], playbook="wsfleet.nginx.drain")


def test_the_others_wait_and_the_run_fails_for_the_one_that_is_not_reached(lost: list[str]) -> None:
    before = [gateway.path(gateway.configuration).read_bytes() for gateway in gateways()]
    with gateways()[0].websocket("/") as connection:
        backend = connection.response.headers["X-Echo-Backend"] if connection.response else ""
        out = drain(lost, websockets_drain=backend, websockets_drain_timeout="1s")
        try:
            assert out.failed
            assert f"Still open after 1 s, and not closed: 1 connection on {gateways()[0].name}." in out.output
            assert "This gateway was unreachable" in out.message("lost")
            for gateway in gateways():
                line = f"server {backend}:3000 max_fails=0 down; # drained: {backend}"
                assert line in gateway.path(gateway.configuration).read_text()
        finally:
            back = drain(lost, websockets_undrain=backend)
        assert back.failed
        assert "This gateway was unreachable" in back.message("lost")
        assert echoes(connection)
    assert [gateway.path(gateway.configuration).read_bytes() for gateway in gateways()] == before
