# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook drain where one of the gateways cannot be reached: the others wait all the same."""

from __future__ import annotations

import json
from pathlib import Path

from gateway import echoes, gateways
from playbook import Run, site

LINE = "server server01:3000 down; # drained: server01"


def drain(folder: Path, **variables: str) -> Run:
    """Run the playbook on the gateways of the scenario and on one where nothing listens."""
    lost = {"ansible_ssh_common_args": "", "ansible_host": "127.0.0.1", "ansible_port": 1}
    hosts = folder / "hosts.yml"
    hosts.write_text(json.dumps({"ws_gateways": {"hosts": {"lost": lost}}}))
    arguments = ["--inventory", str(hosts), "--limit", "ws_gateways"]
    return site(variables, arguments=arguments, playbook="wsfleet.nginx.drain")


def test_the_others_wait_and_the_run_fails_for_the_one_that_is_not_reached(tmp_path: Path) -> None:
    before = [gateway.path(gateway.configuration).read_bytes() for gateway in gateways()]
    with gateways()[0].websocket("/") as connection:
        backend = connection.response.headers["X-Echo-Backend"] if connection.response else ""
        out = drain(tmp_path, websockets_drain=backend, websockets_drain_timeout="1s")
        assert out.failed
        assert f"Still open after 1 s, and left alone: 1 connection on {gateways()[0].name}." in out.output
        assert "It could not be reached" in out.message("lost")
        for gateway in gateways():
            assert LINE.replace("server01", backend) in gateway.path(gateway.configuration).read_text()
        back = drain(tmp_path, websockets_undrain=backend)
        assert back.failed
        assert "It could not be reached" in back.message("lost")
        assert echoes(connection)
    assert [gateway.path(gateway.configuration).read_bytes() for gateway in gateways()] == before
