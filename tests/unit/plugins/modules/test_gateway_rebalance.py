# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which sockets of a host the module ends, and when it ends none. The workers of nginx are this process."""

from __future__ import annotations

import os
import socket
import time
import typing as t
from contextlib import ExitStack
from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils import _balance, _drain_record, _worker_sockets
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import binary, processes
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import other_sites
from ansible_collections.wsfleet.nginx.plugins.modules import gateway_rebalance

Given = t.Dict[str, t.Any]


class Host:
    """A host with servers, and clients of them that come back to the emptiest, or do not."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch, stack: ExitStack) -> None:
        self._stack, self._file = stack, directory / "websockets.conf"
        self._servers: list[socket.socket] = []
        self.drained: list[dict[str, str]] = []
        self.ended = 0
        self.comes_back = True
        monkeypatch.setattr(binary, "installed", lambda: None)
        monkeypatch.setattr(processes, "workers_of", lambda _build, accepting: {os.getpid()} if accepting else set())
        monkeypatch.setattr(_drain_record, "servers", lambda *_arguments: self.drained)
        monkeypatch.setattr(other_sites, "deployed_file", lambda *_arguments: self._file)
        monkeypatch.setattr(gateway_rebalance, "_TICK_SECONDS", 0.0)
        monkeypatch.setattr(_worker_sockets, "end", self._end)

    def server(self) -> str:
        listening = self._stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        listening.setblocking(True)
        self._servers.append(listening)
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        with self._file.open("a") as file:
            file.write(f"    server {address};\n")
        return address

    def fill(self, address: str, number: int) -> None:
        listening = next(one for one in self._servers if f"127.0.0.1:{one.getsockname()[1]}" == address)
        for _number in range(number):
            self._stack.enter_context(socket.create_connection(listening.getsockname()))
            self._stack.enter_context(listening.accept()[0])

    def _end(self, one: _worker_sockets.Held) -> bool:
        self.ended += 1
        with socket.socket(fileno=os.dup(one.descriptor)) as found:
            found.shutdown(socket.SHUT_RDWR)
        if self.comes_back:
            self.fill(f"127.0.0.1:{self._servers[-1].getsockname()[1]}", 1)
        return True

    def rebalance(self, *upstreams: Given) -> list[_balance.Progress]:
        params = {"upstreams": upstreams, "rate": 1e6, "live_address": "x", "config_path": str(self._file)}
        gateway = gateway_rebalance.Gateway(params)
        found = [gateway.begin(upstream) for upstream in gateway.upstreams]
        for upstream, progress in zip(gateway.upstreams, found):
            gateway.move(upstream, progress, time.monotonic() + 60)
        return found


def chat(*addresses: str, name: str = "chat", obstacle: str = "") -> Given:
    servers = [{"address": address, "weight": 1} for address in addresses]
    return {"name": name, "servers": servers, "obstacle": obstacle}


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Host]:
    with ExitStack() as stack:
        yield Host(tmp_path, monkeypatch, stack)


def test_the_surplus_is_moved_and_no_more(host: Host) -> None:
    full, empty = host.server(), host.server()
    host.fill(full, 40)
    (progress,) = host.rebalance(chat(full, empty))
    assert progress["state"] == "balanced", progress
    assert (progress["closed"], progress["before"], progress["now"]) == (
        *(18, {full: 40, empty: 0}),
        {full: 22, empty: 18},
    )
    assert host.ended == 18


def test_a_drained_server_is_left_alone(host: Host) -> None:
    out, one, other = host.server(), host.server(), host.server()
    for address, number in ((out, 40), (one, 20), (other, 20)):
        host.fill(address, number)
    host.drained = [{"name": "out", "address": out}]
    (progress,) = host.rebalance(chat(out, one, other))
    assert (progress["state"], progress["now"], host.ended) == ("balanced", {one: 20, other: 20}, 0)


def test_what_cannot_be_told_or_is_not_deployed_is_left_alone_with_the_reason(host: Host) -> None:
    full, empty = host.server(), host.server()
    host.fill(full, 40)
    shared = "has {} too, and their sockets cannot be told apart"
    for upstreams, reasons in (
        ([chat(full, empty, obstacle="why")], ["why"]),
        ([chat(full, "127.0.0.1:1")], ["127.0.0.1:1 is not deployed: run playbooks/site.yml first"]),
        ([chat(full, empty), chat(full, name="b")], [shared.format(full)] * 2),
    ):
        found = host.rebalance(*upstreams)
        assert [progress["state"] for progress in found] == ["untouched"] * len(found)
        assert all(progress["reason"].endswith(reason) for progress, reason in zip(found, reasons)), found
    assert host.ended == 0


def test_a_socket_that_cannot_be_ended_stops_it(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def end(_one: object) -> bool:
        raise PermissionError(1, "no")

    monkeypatch.setattr(_worker_sockets, "end", end)
    full, empty = host.server(), host.server()
    host.fill(full, 40)
    (progress,) = host.rebalance(chat(full, empty))
    assert progress["state"] == "stopped"
    assert progress["reason"].startswith("connections cannot be closed: ")
