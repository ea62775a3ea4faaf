# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds on every gateway, whatever it serves."""

from __future__ import annotations

import re

import pytest
from gateway import Gateway, group_variables
from waiting import wait_until


def test_nginx_runs_and_starts_at_boot(gateway: Gateway) -> None:
    # It asks systemd where that runs, and the init script elsewhere.
    gateway.run("service nginx status")
    gateway.run("systemctl is-enabled nginx" if gateway.has_systemd else "ls /etc/rc3.d/S*nginx")


def test_nginx_accepts_its_configuration(gateway: Gateway) -> None:
    gateway.run("nginx -t")


def test_the_configuration_belongs_to_root_and_is_readable_by_all_unless_headers_are_in_it(gateway: Gateway) -> None:
    """They may be secret."""
    lists = [value for name, value in group_variables().items() if "_sites" in name and isinstance(value, list)]
    sites = [site for sites in lists for site in sites]
    has_headers = any(block.get("headers") for site in sites for block in (site, *site["locations"]))
    file = gateway.console.file(gateway.configuration)
    assert (file.user, file.group, file.mode) == ("root", "root", 0o640 if has_headers else 0o644)


def test_the_log_is_readable_by_those_who_may_read_nginxs_own(gateway: Gateway) -> None:
    text = gateway.console.file(gateway.configuration).content_string
    log = re.search(r"access_log (/var/log/nginx/websockets\S*\.log) ", text)
    if not log:
        pytest.skip("no site has it")
    files = [gateway.console.file(path) for path in (log[1], "/var/log/nginx/access.log")]
    modes = [(file.user, file.group, file.mode) for file in files]
    assert modes[0] == modes[1]
    assert not modes[0][2] & 0o007


def test_the_configuration_holds_no_blanks_at_line_ends_and_ends_with_a_newline(gateway: Gateway) -> None:
    text = gateway.console.file(gateway.configuration).content_string
    assert not [line for line in text.splitlines() if line != line.rstrip()]
    assert text.endswith("}\n")


def test_debians_own_site_still_answers(gateway: Gateway) -> None:
    answer = gateway.site("another.example", 80).request("GET", "/")
    assert answer.status == 200
    assert b"Welcome to nginx!" in answer.body


def test_a_killed_nginx_starts_again(gateway: Gateway) -> None:
    if "listen unix:" in gateway.console.file(gateway.configuration).content_string:
        pytest.skip("a killed nginx leaves its Unix socket behind, and does not start until that is removed")
    if not gateway.has_systemd:
        pytest.skip("its workers go on, and nothing but a deploy would end them")
    gateway.run("kill -KILL $(cat /run/nginx.pid)")
    # In cgroups of version 1 systemd does not see by itself that the last process has ended, and would wait for that.
    start = "systemctl daemon-reload && timeout 10 service nginx start"
    wait_until(lambda: gateway.console.run(start).rc == 0, f"systemd starts nginx on {gateway.name}")
    assert gateway.request("GET", "/").status in (200, 426)
