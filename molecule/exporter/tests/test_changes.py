# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run changes where the exporter is there. Each run is one of all gateways."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from exporters import DEFAULTS, GATEWAYS, changes, everywhere, packages, run, shows_nginx
from waiting import PATIENCE


def processes() -> list[str]:
    return everywhere("systemctl show --property MainPID prometheus-nginx-exporter")


@pytest.fixture
def restored() -> Iterator[None]:
    """The exporter as the scenario has it, after the test."""
    yield
    ended = run()
    assert not ended.failed, ended.output


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


@pytest.mark.usefixtures("restored")
def test_a_change_restarts_it_where_it_is_to_listen() -> None:
    assert changes(run(exporter_listen=":9114")) == {2}
    for gateway in GATEWAYS:
        with socket.create_connection((gateway.address, 9114), PATIENCE):
            pass
        with pytest.raises(ConnectionRefusedError):
            shows_nginx(gateway, 9113)


@pytest.mark.usefixtures("restored")
def test_an_nginx_without_the_page_fails_the_run() -> None:
    ended = run(exporter_scrape_uri="http://127.0.0.1:488/no-such-page")
    assert ended.failed
    assert "Wait for nginx's metrics" in ended.output


def test_a_host_without_systemd_is_refused() -> None:
    before = processes(), everywhere(f"cat {DEFAULTS}"), packages()
    ended = run(__exporter_systemd_path="/nonexistent")
    assert ended.failed
    for gateway in GATEWAYS:
        assert "The exporter needs systemd" in ended.message(gateway.name)
    assert (processes(), everywhere(f"cat {DEFAULTS}"), packages()) == before
