# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the exporter changes and goes: each run is one of all gateways, and in this order."""

from __future__ import annotations

import socket
import time

import pytest
from gateway import TIMEOUT, Gateway, gateways
from playbook import INVENTORIES, Run, site

GATEWAYS = gateways()
PLAYBOOK = str(INVENTORIES[-1].with_name("exporter.yml"))
DEFAULTS = "/etc/default/prometheus-nginx-exporter"
TRACES = (
    "find /etc /usr /var /run -xdev \\( -path /var/log -o -path /var/lib/apt -o -path /var/cache \\) -prune"
    " -o -name '*nginx-exporter*' -print -o -name '*wsfleet-exporter*' -print"
)


def run(*arguments: str, **variables: str) -> Run:
    """Run the role on all gateways."""
    return site(variables, playbook=PLAYBOOK, arguments=arguments)


def changes(ended: Run) -> set[int]:
    """How many tasks changed something, on any gateway."""
    assert not ended.failed, ended.output
    return {ended.changed(gateway.name) for gateway in GATEWAYS}


def shows_nginx(gateway: Gateway, port: int) -> bool:
    answer = gateway.request("GET", "/metrics", sock=gateway.open_socket(port, "127.0.0.1"))
    return b"\nnginx_up 1\n" in answer.body


def everywhere(command: str) -> list[str]:
    return [gateway.run(command) for gateway in GATEWAYS]


def processes() -> list[str]:
    return everywhere("systemctl show --property MainPID prometheus-nginx-exporter")


def packages() -> list[str]:
    return everywhere("dpkg --get-selections")


def test_a_run_without_a_change_restarts_nothing() -> None:
    before = processes()
    assert changes(run()) == {0}
    assert processes() == before


def test_check_mode_shows_the_change_and_makes_none() -> None:
    before = processes(), everywhere(f"cat {DEFAULTS}")
    ended = run("--check", "--diff", exporter_listen="127.0.0.1:9114")
    assert not ended.failed, ended.output
    assert ended.output.count('+ARGS="--web.listen-address=127.0.0.1:9114') == len(GATEWAYS)
    assert (processes(), everywhere(f"cat {DEFAULTS}")) == before


def test_a_change_restarts_it_where_it_is_to_listen() -> None:
    assert changes(run(exporter_listen=":9114")) == {2}
    for gateway in GATEWAYS:
        with socket.create_connection((gateway.address, 9114), TIMEOUT):
            pass
        with pytest.raises(ConnectionRefusedError):
            shows_nginx(gateway, 9113)


def test_an_nginx_without_the_page_fails_the_run() -> None:
    ended = run(exporter_scrape_uri="http://127.0.0.1:6455/no-such-page")
    assert ended.failed
    assert "Wait until it shows nginx's figures" in ended.output


def test_a_host_without_systemd_is_refused() -> None:
    ended = run(__exporter_systemd_path="/nonexistent")
    assert ended.failed
    for gateway in GATEWAYS:
        assert "The exporter needs systemd" in ended.message(gateway.name)


def test_absent_takes_away_all_that_the_role_brought() -> None:
    assert 0 not in changes(run(exporter_state="absent"))
    assert packages() == everywhere("cat /root/packages")
    assert set(everywhere(TRACES)) == {""}
    for gateway in GATEWAYS:
        with pytest.raises(ConnectionRefusedError):
            shows_nginx(gateway, 9113)
        assert gateway.echoes()


def test_absent_again_changes_nothing() -> None:
    assert changes(run(exporter_state="absent")) == {0}


def test_check_mode_on_a_host_without_it_installs_nothing() -> None:
    before = packages()
    assert 0 not in changes(run("--check"))
    assert packages() == before
    assert set(everywhere(TRACES)) == {""}


def test_an_exporter_that_was_there_before_goes_on_as_it_was() -> None:
    everywhere("apt-get install --yes --no-install-recommends prometheus-nginx-exporter")
    own = "--web.listen-address=127.0.0.1:9200 --nginx.scrape-uri=http://127.0.0.1:6455/stub_status"
    everywhere(f"sed -i 's|^ARGS=.*|ARGS=\"{own}\"|' {DEFAULTS}")
    before = packages(), everywhere(f"cat {DEFAULTS}")
    assert 0 not in changes(run())
    assert all(shows_nginx(gateway, 9113) for gateway in GATEWAYS)
    assert 0 not in changes(run(exporter_state="absent"))
    assert (packages(), everywhere(f"cat {DEFAULTS}")) == before
    # Until it listens.
    time.sleep(2)
    assert all(shows_nginx(gateway, 9200) for gateway in GATEWAYS)
