# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deploys of every kind under hundreds of open WebSockets, none of which notices."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from deployment import NGINX_CONF, as_deployed
from gateway import Gateway, gateways, group_variables
from playbook import Run, site
from traffic import Dial, Traffic
from websockets.asyncio.client import connect

GATEWAYS = gateways()
SOCKETS = {"gateway-bookworm": 500, "gateway-sid": 50}
NOTHING = "0" * 64

VARIABLES = group_variables()
(SITE,) = VARIABLES["websockets_sites"]
OTHER = {**SITE, "server_name": "other.example", "listen": 3001}
THEIRS = "client_body_timeout 33s;"


def dialling(gateway: Gateway) -> Dial:
    uri = f"ws://{gateway.server_name}:{gateway.port}/a/"
    return lambda number: connect(
        uri, host=gateway.address, port=gateway.port, proxy=None, compression=None, ping_interval=None
    )


class Deploys:
    """Runs of playbooks on both gateways, and what holds after each of them."""

    def __init__(self, traffic: Sequence[Traffic]) -> None:
        self._traffic = traffic
        self._masters = {gateway.name: gateway.master for gateway in GATEWAYS}

    def change(self, variables: Mapping[str, Any], *, file: bool = True, fails: bool = False, **options: Any) -> Run:
        """Deploy what changes every gateway, and its file too; fails tells whether the run does so all the same."""
        before = [configuration(gateway) for gateway in GATEWAYS]
        run = self.run(variables, fails=fails, **options)
        for gateway, earlier in zip(GATEWAYS, before, strict=True):
            assert fails or run.changed(gateway.name) == 1, run.output
            assert (configuration(gateway) != earlier) == file
        return run

    def run(
        self, variables: Mapping[str, Any], *, fails: bool = False, arguments: Sequence[str] = (), **options: Any
    ) -> Run:
        """Run a playbook, whose end every socket has to see."""
        run = site(variables, arguments=["--limit", "ws_gateways", *arguments], **options)
        assert run.failed == fails, run.output
        for gateway in GATEWAYS:
            assert gateway.fingerprint in configuration(gateway).decode()
            assert gateway.master == self._masters[gateway.name]
            assert gateway.echoes()
        for traffic in self._traffic:
            assert not traffic.errors, "\n".join(traffic.errors[:5])
        return run


def configuration(gateway: Gateway) -> bytes:
    return gateway.path(gateway.configuration).read_bytes()


def lasting(seconds: int, **more: Any) -> dict[str, Any]:
    """A harmless change."""
    locations = [{**location, "proxy_read_timeout": f"{seconds}s"} for location in SITE["locations"]]
    return {"websockets_sites": [{**SITE, "locations": locations}], **more}


def open_files(gateway: Gateway) -> set[str]:
    """The limits of the workers that accept connections."""
    texts = [gateway.path(f"/proc/{pid}/limits").read_text() for pid in gateway.workers()]
    return {limit for text in texts for limit in re.findall(r"^Max open files +(\d+) ", text, re.MULTILINE)}


def wait_for_messages(traffic: Traffic, number: int) -> None:
    traffic.wait(lambda: traffic.count["heard"] >= number, f"{number} messages came back")


@pytest.fixture(scope="module")
def traffic() -> Iterator[list[Traffic]]:
    started = [Traffic(dialling(gateway), SOCKETS[gateway.name]) for gateway in GATEWAYS]
    try:
        for one in started:
            one.start()
        yield started
    finally:
        for one in started:
            one.end()
            assert not one.errors, "\n".join(one.errors[:5])


@pytest.fixture
def deploys(traffic: list[Traffic]) -> Iterator[Deploys]:
    """Deploys of one test, which begins and ends with the inventory's; no socket is dropped, no message lost in it."""
    for one in traffic:
        one.wait_for_all()
    before = [one.count.copy() for one in traffic]
    try:
        with as_deployed(*GATEWAYS):
            yield Deploys(traffic)
        for one, earlier in zip(traffic, before, strict=True):
            wait_for_messages(one, earlier["heard"] + one.number)
            one.settle()
            assert len(one.open) == one.number
            count = one.count - earlier
            assert count["lost"] == count["dropped"] == 0
    finally:
        # Not those of the next test.
        for one in traffic:
            one.errors.clear()


def test_routes_upstreams_and_sites_change(deploys: Deploys) -> None:
    upstreams = VARIABLES["websockets_upstreams"]
    one_server = {"websockets_upstreams": [{**upstreams[0], "servers": ["server01:3000"]}, *upstreams[1:]]}
    for variables in (
        lasting(601),
        lasting(602),
        one_server,
        lasting(603, **one_server),
        {"websockets_sites": [SITE, OTHER]},
        {"websockets_sites": [OTHER, SITE]},
        {},
    ):
        deploys.change(variables)


def test_rollbacks_go_back_deploy_by_deploy_and_the_inventory_comes_back(deploys: Deploys) -> None:
    versions = [[configuration(gateway) for gateway in GATEWAYS]]
    for seconds in (611, 612):
        deploys.change(lasting(seconds))
        versions.append([configuration(gateway) for gateway in GATEWAYS])
    # What somebody else has done since is not rolled back with them.
    for gateway in GATEWAYS:
        gateway.run(f"sed -i 's/^http {{/&\\n{THEIRS}/' {NGINX_CONF}")
    try:
        for earlier in (versions[1], versions[0]):
            deploys.change({}, playbook="wsfleet.nginx.rollback")
            assert [configuration(gateway) for gateway in GATEWAYS] == earlier
        for gateway in GATEWAYS:
            assert THEIRS in gateway.path(NGINX_CONF).read_text()
    finally:
        for gateway in GATEWAYS:
            gateway.run(f"sed -i '/{THEIRS}/d' {NGINX_CONF}")
    deploys.change(lasting(613))


def connections(gateway: Gateway, capacity: int) -> int:
    """What a worker has room for: two for each socket of its share and a quarter more, and 512 others."""
    return 2 * min(capacity, math.ceil(1.25 * capacity / int(gateway.run("nproc")))) + 512


def test_a_larger_capacity_needs_one_deploy_and_no_restart(deploys: Deploys) -> None:
    small = [open_files(gateway) for gateway in GATEWAYS]
    assert small == [{f"{connections(gateway, 4096) + 512}"} for gateway in GATEWAYS]
    deploys.change(lasting(621, websockets_capacity=8000))
    for gateway in GATEWAYS:
        limit = connections(gateway, 8000)
        assert open_files(gateway) == {f"{limit + 512}"}
        text = gateway.path(NGINX_CONF).read_text()
        assert f"worker_rlimit_nofile {limit + 512};" in text
        assert f"worker_connections {limit};" in text
        # Debian's own.
        assert "include /etc/nginx/modules-enabled/*.conf;" in text
        assert "include /etc/nginx/conf.d/*.conf;" in text
        assert "include /etc/nginx/sites-enabled/*;" in text
    deploys.change({})
    assert [open_files(gateway) for gateway in GATEWAYS] == small


def test_a_limit_that_is_too_low_is_warned_of_where_nginx_conf_is_not_ours(deploys: Deploys) -> None:
    before = [gateway.path(NGINX_CONF).read_bytes() for gateway in GATEWAYS]
    run = deploys.run(
        {"websockets_manage_nginx_conf": False, "websockets_manage_service": False, "websockets_capacity": 8000}
    )
    assert [gateway.path(NGINX_CONF).read_bytes() for gateway in GATEWAYS] == before
    now, needed = connections(GATEWAYS[0], 4096), connections(GATEWAYS[0], 8000)
    assert (
        f"{GATEWAYS[-1].name}: websockets_capacity: worker_connections is {now}, but {needed} are needed" in run.output
    )
    assert f"a worker of the running nginx may open {now + 512} files, but {needed + 512} are needed" in run.output


def test_what_was_edited_by_hand_is_shown_and_put_right(deploys: Deploys) -> None:
    paths = [gateway.path(path) for gateway in GATEWAYS for path in (gateway.configuration, NGINX_CONF)]
    before = [path.read_bytes() for path in paths]
    limit = f"worker_connections {connections(GATEWAYS[0], 4096)};"
    for gateway in GATEWAYS:
        gateway.run(f"sed -i 's/listen 3000;/listen 3009;/' {gateway.configuration}")
        gateway.run(f"sed -i 's/{limit}/worker_connections 99;/' {NGINX_CONF}")
    run = deploys.change({}, arguments=["--diff"])
    for line in ("-    listen 3009;", "+    listen 3000;", "-\tworker_connections 99;", f"+\t{limit}"):
        assert run.output.count(line) == 2, run.output
    assert [path.read_bytes() for path in paths] == before


def test_what_is_live_and_not_in_the_file_is_replaced(deploys: Deploys) -> None:
    for gateway in GATEWAYS:
        live, file = gateway.fingerprint, gateway.configuration
        gateway.run(f"sed -i 's/{live}/{NOTHING}/' {file}")
        gateway.reload()
        assert gateway.fingerprint == NOTHING
        gateway.run(f"sed -i 's/{NOTHING}/{live}/' {file}")
    deploys.change({}, file=False)


def test_the_policy_says_what_follows_where_a_route_is_not_verified(deploys: Deploys) -> None:
    def leading_nowhere(place: int, policy: str) -> dict[str, Any]:
        locations = [*SITE["locations"]]
        locations[place] = {**locations[place], "upstream": "nothing"}
        return {"websockets_sites": [{**SITE, "locations": locations}], "websockets_probe_policy": policy}

    warned = deploys.change(leading_nowhere(2, "warn"))
    assert f"{GATEWAYS[-1].name}: 1 of 4 routes failed its probe." in warned.output
    assert "- websockets_sites[0].locations[2] (ws.example /b/): returned 502 Bad Gateway" in warned.output
    failed = deploys.change(leading_nowhere(3, "fail"), fails=True)
    for gateway in GATEWAYS:
        message = failed.message(gateway.name)
        assert "websockets_sites[0].locations[3] (ws.example /c/): returned 502 Bad Gateway" in message
        assert "server02:3999 refused the connection" in message
        assert "Live now: the new configuration." in message
    skipped = deploys.change(leading_nowhere(2, "skip"))
    assert "502" not in skipped.output
    assert "101  handshake" in warned.output
    assert "101  handshake" not in skipped.output
    deploys.change({})
