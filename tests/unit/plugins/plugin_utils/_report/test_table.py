# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of probes."""

from __future__ import annotations

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report.table import probe_table


def test_columns_are_aligned_and_numbers_stand_to_the_right() -> None:
    probes = {
        "gateway1": [
            {"site": "a.example", "path": "/ws/", "status": 101, "verified": "handshake", "milliseconds": 1.84},
            {"site": "b", "path": "/", "status": 200, "verified": "plain HTTP", "milliseconds": 12.0},
        ],
        "g2": [],
    }
    assert probe_table(probes).splitlines() == [
        "gateway   site       path  status  verified      ms",
        "gateway1  a.example  /ws/     101  handshake    1.8",
        "gateway1  b          /        200  plain HTTP  12.0",
    ]


def test_a_route_that_a_policy_lets_pass_is_told_from_a_verified_one() -> None:
    probe = {"site": "a", "path": "/", "status": None, "verified": "", "milliseconds": None}
    assert probe_table({"g1": [probe]}).splitlines()[1] == "g1       a     /             FAILED"


def test_a_route_over_tls_tells_how_long_its_certificate_holds() -> None:
    probe = {"site": "a", "path": "/", "status": 101, "verified": "handshake", "milliseconds": 1.0}
    until = {**probe, "expires": "2027-02-01T12:30:00Z"}
    _head, first, second = probe_table({"g1": [until, {**probe, "expires": None}]}).splitlines()
    assert "handshake, certificate until 2027-02-01 " in first
    assert "certificate" not in second


def test_many_gateways_are_a_line_for_each_way_in_which_a_route_went() -> None:
    well = {"site": "a", "path": "/", "status": 101, "verified": "handshake"}
    probes = {f"g{number}": [{**well, "milliseconds": float(number)}] for number in range(51)}
    probes["bad"] = [{"site": "a", "path": "/", "status": 502, "verified": "", "milliseconds": 3.0}]
    assert probe_table(probes).splitlines() == [
        "gateway          site  path  status  verified     ms",
        "51, slowest g50  a     /        101  handshake  50.0",
        "bad              a     /        502  FAILED      3.0",
    ]
