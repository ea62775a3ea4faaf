# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two gateways on one host share nginx.conf and the drop-in, and a gateway may move."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from deployment import DROP_IN, NGINX_CONF, Contents, contents
from gateway import Gateway, gateways, group_variables
from playbook import Run, site

STATE = "/var/lib/wsfleet-nginx"
SITES = group_variables()["websockets_sites"]
SECOND_SITE = {**SITES[0], "server_name": "second.example", "listen": 3001}
SECOND = {
    "websockets_config_path": "/etc/nginx/conf.d/second.conf",
    "websockets_status_listen": "127.0.0.1:489",
    "websockets_capacity": 6000,
    "websockets_upstreams": [{"name": "second-backend", "servers": ["127.0.0.1:9001"]}],
    "websockets_sites": [{**SECOND_SITE, "locations": [{"path": "/", "upstream": "second-backend"}]}],
}
ABSENT = {"websockets_state": "absent"}
MOVED = {
    "websockets_config_path": "/etc/nginx/conf.d/moved.conf",
    "websockets_status_listen": "127.0.0.1:499",
}


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Leave the first gateway alone on the host, and as the scenario deployed it."""
    yield
    succeeded(site({**SECOND, **ABSENT}))
    succeeded(site({}))


def succeeded(run: Run) -> Run:
    assert not run.failed, run.output
    return run


def changes(run: Run) -> int:
    return sum(run.changed(gateway.name) for gateway in gateways())


def shared(gateway: Gateway) -> Contents:
    """The files that both gateways need, without the first one's."""
    return {name: found for name, found in contents(gateway).items() if name != Gateway.configuration}


def states(gateway: Gateway) -> list[str]:
    return sorted(path.name for path in gateway.path(STATE).iterdir() if path.is_dir())


def second(gateway: Gateway) -> Gateway:
    return gateway.site("second.example", 3001)


def test_the_larger_limits_hold_for_both_and_neither_takes_them_from_the_other() -> None:
    first = {gateway: shared(gateway) for gateway in gateways()}
    succeeded(site(SECOND))
    both = {gateway: shared(gateway) for gateway in gateways()}
    for gateway, found in both.items():
        assert found != first[gateway]
        assert b"LimitNOFILE=13024:" in (found[DROP_IN] or b"")
    # Neither changes what the other has written.
    assert changes(succeeded(site({}))) == changes(succeeded(site(SECOND))) == 0
    succeeded(site({**SECOND, **ABSENT}))
    for gateway in gateways():
        assert shared(gateway) == first[gateway]
        assert gateway.echoes()
        assert states(gateway) == ["127.0.0.1:488"]


def test_the_first_one_may_leave_the_second() -> None:
    succeeded(site(SECOND))
    both = {gateway: shared(gateway) for gateway in gateways()}
    masters = {gateway: gateway.master for gateway in gateways()}
    left = succeeded(site(ABSENT))
    for gateway in gateways():
        assert "/etc/nginx/conf.d/second.conf" in left.output
        assert second(gateway).echoes()
        assert shared(gateway) == both[gateway]
        assert gateway.master == masters[gateway]
        assert states(gateway) == ["127.0.0.1:489"]
    succeeded(site({**SECOND, **ABSENT}))
    for gateway in gateways():
        assert [name for name, found in contents(gateway).items() if found is not None] == [NGINX_CONF]
        assert not gateway.path(STATE).exists()


def test_a_gateway_whose_file_and_live_address_change_in_one_run_moves_with_its_history() -> None:
    succeeded(site(SECOND))
    succeeded(site(MOVED))
    for gateway in gateways():
        assert states(gateway) == ["127.0.0.1:489", "127.0.0.1:499"]
        assert listening(gateway) == ["127.0.0.1:489", "127.0.0.1:499"]
        assert gateway.echoes()
        assert second(gateway).echoes()
    assert changes(succeeded(site(MOVED))) == 0
    succeeded(site(MOVED, playbook="wsfleet.nginx.rollback"))
    for gateway in gateways():
        assert listening(gateway) == ["127.0.0.1:488", "127.0.0.1:489"]
        assert gateway.echoes()
    assert changes(succeeded(site({}))) == 0


def listening(gateway: Gateway) -> list[str]:
    """The addresses at which configurations report what is live."""
    return sorted(gateway.run("ss --listening --tcp --numeric --no-header | grep -o '127.0.0.1:4[0-9]*'").split())
