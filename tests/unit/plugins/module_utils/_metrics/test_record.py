# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the prober is handed."""

from __future__ import annotations

import hashlib
import typing as t

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils._metrics import record
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction.atomic_files import Content
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction.journal import Deployed

FINGERPRINT = "0123456789abcdef" * 4
TEXT = f'# not {FINGERPRINT[1:]}\nreturn 200 "{FINGERPRINT}";\n'.encode()


def deployed(routes: int = 1, interval: float | None = 15.0, servers: int = 0, **others: t.Any) -> Deployed:
    upstreams = [{"name": "Chat", "servers": [{"address": f"s{n}:80", "state": ""} for n in range(servers)]}]
    wants = {"probe_interval": interval, "upstreams": upstreams, "log": "/var/log/nginx/websockets.log"}
    left: dict[str, Content | None] = {"/a.conf": Content(b"# see /b.conf\n", 0o644), "/b.conf": Content(TEXT, 0o644)}
    probes = [{"site": "a", "path": f"/{number}", **others} for number in range(routes)]
    return Deployed(probes, ["x"], live_address="127.0.0.1:488", left=left, wants={"drop_in": wants})


def test_the_record_has_what_is_deployed_and_comes_back_as_it_was() -> None:
    found = record.made([deployed(2, servers=1)])
    (one,) = found.configurations
    assert (one.path, one.digest) == ("/b.conf", hashlib.sha256(TEXT).hexdigest())
    assert (one.fingerprints, one.log) == ([FINGERPRINT], "/var/log/nginx/websockets.log")
    assert one.servers == [record.UpstreamServer("Chat", "s0:80", "")]
    assert record.loaded(record.dumped(found).decode()) == found


@pytest.mark.parametrize("wants", [None, {"drop_in": None}, {"drop_in": {"sockets": 1}}])
def test_a_configuration_without_an_interval_is_not_probed(wants: t.Any) -> None:
    """As an earlier release has deployed it, or as its operator wants it."""
    found = record.made([deployed()._replace(wants=wants), deployed(interval=0), deployed(3)])
    assert [len(one.probes) for one in found.configurations] == [3]


def test_the_shortest_interval_of_a_host_counts() -> None:
    assert record.interval([{"sockets": 1}, {"probe_interval": 0}]) == 0
    assert record.interval([{"probe_interval": 60.0}, {"probe_interval": 0}, {"probe_interval": 15.0}]) == 15


def test_the_first_routes_and_servers_of_a_host_are_probed_and_others_are_counted() -> None:
    found = record.made([deployed(300, servers=400), deployed(300, servers=200)])
    assert [len(one.probes) for one in found.configurations] == [300, 200]
    assert [len(one.servers) for one in found.configurations] == [400, 100]
    assert (found.routes_left_out, found.servers_left_out) == (100, 100)
    found = record.made([deployed(300), deployed(300, rule="origin")])
    assert [len(one.probes) for one in found.configurations] == [300, 300]


def test_the_record_is_not_larger_than_what_systemd_hands_over() -> None:
    found = record.made([deployed(400, headers={"Authorization": "x" * 8000})])
    assert len(record.dumped(found)) < 1 << 20
    assert len(found.configurations[0].probes) + found.routes_left_out == 400
    assert len(found.configurations[0].probes) > 100
