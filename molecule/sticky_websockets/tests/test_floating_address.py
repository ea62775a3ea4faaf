# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An address that one gateway has at a time, as with keepalived: what the other one would say is not taken for it."""

from __future__ import annotations

import ipaddress
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from deployment import as_deployed
from gateway import Gateway, gateways, group_variables
from playbook import site
from verification import titles, verify

GATEWAYS = gateways()
FIRST, SECOND = GATEWAYS
ADDRESS = str(ipaddress.ip_address(FIRST.address) + 100)
(SITE,) = group_variables()["websockets_sites"]
FLOATING: dict[str, Any] = {"websockets_sites": [{**SITE, "listen": f"{ADDRESS}:3001"}]}


def inside(gateway: Gateway, *command: str, check: bool = True) -> None:
    """Run a command of this machine in the network of a gateway, which may not change that itself."""
    subprocess.run(["nsenter", f"--net={gateway.network}", *command], check=check, capture_output=True)


def give(gateway: Gateway) -> None:
    """Have a gateway take the address over."""
    for other in GATEWAYS:
        inside(other, "ip", "address", "delete", f"{ADDRESS}/32", "dev", "eth0", check=False)
    inside(gateway, "ip", "address", "add", f"{ADDRESS}/32", "dev", "eth0")
    for other in GATEWAYS:
        inside(other, "ip", "neighbour", "flush", "all")


def nonlocal_bind(value: int) -> None:
    for gateway in GATEWAYS:
        inside(gateway, "sh", "-c", f"echo {value} >/proc/sys/net/ipv4/ip_nonlocal_bind")


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    with as_deployed(*GATEWAYS):
        nonlocal_bind(1)
        try:
            yield
        finally:
            nonlocal_bind(0)
            for gateway in GATEWAYS:
                inside(gateway, "ip", "address", "delete", f"{ADDRESS}/32", "dev", "eth0", check=False)


def test_a_floating_address_is_verified_on_the_gateway_that_has_it(tmp_path: Path) -> None:
    give(SECOND)
    deployed = site(FLOATING)
    assert not deployed.failed, deployed.output
    assert f"{ADDRESS} is not on this host now" in " ".join(deployed.output.split())
    for holder, other in ((SECOND, FIRST), (FIRST, SECOND)):
        give(holder)
        # The other one would have its answer, for the asking.
        inside(other, "bash", "-c", f"exec 3<>/dev/tcp/{ADDRESS}/3001")
        run, report = verify(GATEWAYS, tmp_path, **FLOATING)
        assert not run.failed, run.output
        states = {gateway["name"]: gateway["routes"][0]["state"] for gateway in report["gateways"]}
        assert states == {holder.name: "verified", other.name: "unverified"}
        assert f"ws.serverlab.ca / is not verified on {other.name}" in titles(report, "note")
        assert report["state"] == "ok"
    # It passed on both before, and has left one: no reason to roll back.
    again = site({**FLOATING, "websockets_directives": "map_hash_max_size 4096;"})
    assert not again.failed, again.output
