# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stop of nginx after an exchange of its binary, where systemd may take the earlier master for the main process."""

from __future__ import annotations

from deployment import as_deployed
from gateway import Gateway, echoes, gateways
from playbook import site
from waiting import wait_until

GATEWAYS = gateways()


def of_nginx(gateway: Gateway) -> list[str]:
    return [title for title in gateway.titles().values() if title.startswith("nginx: ")]


def exchange_by_hand(gateway: Gateway) -> int:
    """As in nginx's manual; returns the earlier master, which waits for its sockets."""
    earlier = gateway.master
    gateway.run(f"kill -s USR2 {earlier}")
    wait_until(lambda: gateway.master not in (0, earlier) and gateway.echoes(), "the new master serves")
    gateway.run(f"kill -s QUIT {earlier}")
    wait_until(lambda: "shutting down" in "".join(of_nginx(gateway)), "the earlier workers are shutting down")
    return earlier


def test_a_stop_asks_the_master_that_serves_and_leaves_nothing_behind() -> None:
    for gateway in GATEWAYS:
        with gateway.websocket("/") as connection:
            assert echoes(connection)
            earlier = exchange_by_hand(gateway)
            try:
                assert gateway.run("systemctl show --property MainPID --value nginx").strip() == str(earlier)
                gateway.run("systemctl stop nginx")
                assert not of_nginx(gateway)
                # It had no socket, so that nothing was waited for: timeout(1) exits with 124 otherwise.
                assert "status=124" not in gateway.run("systemctl show --property ExecStop nginx")
                assert gateway.run("systemctl show --property Result --value nginx").strip() == "success"
            finally:
                gateway.run("systemctl start nginx")
        assert gateway.echoes()


def test_a_longer_time_is_for_the_sockets_of_an_earlier_binary_too() -> None:
    gateway, *_others = GATEWAYS
    with as_deployed(gateway):
        # The other tests' clients may be there, and have to go.
        wanted = {"websockets_stop_timeout": "5m", "websockets_reconnect_rate": 200}
        assert not site(wanted, arguments=["--limit", gateway.name]).failed
        with gateway.websocket("/") as connection:
            exchange_by_hand(gateway)
            gateway.run("systemctl stop --no-block nginx")
            wait_until(lambda: not gateway.listens(gateway.port), "nginx is being stopped")
            assert echoes(connection)
        wait_until(lambda: not of_nginx(gateway), "nginx has ended with its last socket")
        gateway.run("systemctl start nginx")
