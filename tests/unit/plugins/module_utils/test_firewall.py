# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils import _firewall

# What `firewall-cmd --list-all-zones` of firewalld 1.3 prints.
ZONES = """\
block
  target: %%REJECT%%
  interfaces: 
  services: 
  ports: 3001/tcp
  rich rules: 

public (active)
  target: default
  icmp-block-inversion: no
  interfaces: eth0
  sources: 
  services: dhcpv6-client grafana ssh
  ports: 8000-8010/tcp 443/udp
  protocols: 
  forward-ports: 
  source-ports: 1/tcp
  icmp-blocks: 
  rich rules: 
	rule family="ipv4" source address="10.1.0.0/16" service name="https" accept
	rule family="ipv4" source address="10.0.0.0/8" port port="4000" protocol="tcp" accept

trusted
  target: ACCEPT
  interfaces: 
"""  # noqa: W291
GRAFANA = '<service>\n  <port protocol="tcp" port="3000"/>\n  <port port="3002" protocol="udp"/>\n</service>\n'


@pytest.fixture(autouse=True)
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "grafana.xml").write_text(GRAFANA)
    (tmp_path / "https.xml").write_text('<port protocol="tcp" port="443"/>')
    monkeypatch.setattr(_firewall, "_SERVICES", (tmp_path / "none", tmp_path))


def test_a_port_is_open_by_itself_in_a_range_by_a_service_or_by_a_rule() -> None:
    assert _firewall.closed_in(ZONES, [3000, 8000, 8005, 8010, 443, 4000]) == []


def test_what_is_of_another_zone_or_protocol_does_not_open_it() -> None:
    assert _firewall.closed_in(ZONES, [8011, 80, 3001, 3002, 1]) == [1, 80, 3001, 3002, 8011]


def test_a_zone_that_accepts_all_closes_nothing() -> None:
    assert _firewall.closed_in(ZONES.replace("trusted", "trusted (default, active)"), [80]) == []


def test_without_an_active_zone_nothing_is_known() -> None:
    assert _firewall.closed_in(ZONES.replace(" (active)", ""), [80]) == []
