# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What drain.yml refuses, before any gateway is asked. Real gateways are for the scenario fleet."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from playing import run

SITE = {"server_name": "a.example", "listen": 3000, "allowed_origins": "*"}
UPSTREAMS = [{"name": "chat", "servers": ["10.0.0.1:3000", "10.0.0.2:3000"]}]
INVENTORY = {
    "ws_gateways": {
        # Nothing listens there.
        "hosts": {name: {"ansible_host": "127.0.0.1", "ansible_port": 1} for name in ("one", "two", "three")},
        "vars": {
            "websockets_upstreams": UPSTREAMS,
            "websockets_sites": [{**SITE, "locations": [{"path": "/", "upstream": "chat"}]}],
        },
    }
}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({}, "Set websockets_drain or websockets_undrain to the names of servers or gateways."),
        ({"drain": "10.0.0.1,10.0.0.3"}, "Neither servers of an upstream nor gateways: 10.0.0.3."),
        ({"drain": "10.0.0.1", "undrain": "four"}, "Neither servers of an upstream nor gateways: four."),
        ({"drain": "two"}, "two has no websockets_health_path, so load balancers could not see that it is drained."),
    ],
)
def test_names_that_cannot_be_meant_are_refused_once(names: dict[str, str], message: str, tmp_path: Path) -> None:
    (tmp_path / "inventory").mkdir()
    (tmp_path / "inventory/hosts.yml").write_text(yaml.safe_dump(INVENTORY))
    variables = [f"websockets_{name}={value}" for name, value in names.items()]
    code, output = run(
        tmp_path, "wsfleet.nginx.drain", *(argument for given in variables for argument in ("-e", given))
    )
    assert code == 2
    assert len(re.findall(r"^fatal: ", output, re.MULTILINE)) == 1
    assert message in " ".join(output.split())
    assert "UNREACHABLE" not in output
