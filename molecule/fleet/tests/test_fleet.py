# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of 300 clients behind a load balancer while their fleet changes, fails and is repaired.

A message is lost where it was sent on a socket and did not come back, although neither the gateway nor the backend of
that socket was killed. A test that ends without an error has lost none, and nobody but its client ended a socket.
"""

from __future__ import annotations

import csv
import re
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import pytest
from gateway import Gateway, gateways, group_variables
from playbook import Run, site
from traffic import LONGEST_VISIT, Socket, Traffic
from waiting import PATIENCE
from websockets.asyncio.client import connect

CLIENTS = 300
# So many of them come and go, so that there are new sockets all the time.
VISITORS = 60

VARIABLES = group_variables()
(SITE,) = VARIABLES["websockets_sites"]
BALANCER = Gateway("balancer", SITE["server_name"], SITE["listen"])
FLAG = "/etc/nginx/conf.d/.00-websockets.out"
ALL = ["gateway1", "gateway2", "gateway3"]
# Longer than the balancer takes to notice.
LEAVE = "4s"
# Long enough for all who were about to leave, on a busy machine too.
VISITORS_LEAVE = f"{LONGEST_VISIT + 6:.0f}s"


def dial(number: int) -> connect:
    """Open a socket from inside the balancer, where each client has a network of its own, as ip_hash sees it."""
    source = f"127.{1 + number // 250}.{number % 250}.1"
    return connect(
        f"ws://{BALANCER.server_name}:{BALANCER.port}{SITE['locations'][number % 2]['path']}",
        host="127.0.0.1",
        port=BALANCER.port,
        local_addr=(source, 0),
        proxy=None,
        compression=None,
        open_timeout=PATIENCE,
    )


def is_hashed(client: int) -> bool:
    """Whether its address decides on its backend."""
    return client % 2 == 0


@pytest.fixture(scope="module")
def clients() -> Iterator[Traffic]:
    clients = Traffic(dial, CLIENTS, visitors=VISITORS, network=BALANCER.network)
    try:
        clients.start()
        yield clients
    finally:
        clients.end()


@pytest.fixture(autouse=True)
def measured(clients: Traffic, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Tell what a test did to the clients, and let none of them lose anything."""
    before, start = clients.count.copy(), time.monotonic()
    try:
        yield
        clients.wait_for_all()
        clients.settle()
    finally:
        errors = [*clients.errors]
        clients.errors.clear()
    count = clients.count - before
    with capsys.disabled():
        print(
            f"\n{request.node.name}, {time.monotonic() - start:.0f} s:"
            f"\n  messages: {count['sent']} sent, {count['heard']} came back, {count['lost']} lost,"
            f" {count['unanswered there']} unanswered by killed hosts"
            f"\n  sockets: {count['opened']} opened, {count['left']} left by their clients, {count['dropped']} dropped,"
            f" {count['cut with their host']} cut by killed hosts, {count['refused']} handshakes refused"
        )
    assert not errors, "\n".join(errors[:5])
    assert count["lost"] == count["dropped"] == 0


@pytest.fixture(autouse=True)
def in_service(measured: None) -> Iterator[None]:
    """What a test has taken out comes back, however it ends."""
    yield
    out = {gateway.name for gateway in gateways() if gateway.path(FLAG).exists()}
    for gateway in gateways():
        out.update(re.findall(r"# drained: (\S+)$", gateway.path(gateway.configuration).read_text(), re.MULTILINE))
    for name in sorted(out):
        drain(undrain=name)


def deploy(variables: Mapping[str, Any], **options: Any) -> Run:
    return site(variables, arguments=["--limit", "ws_gateways"], **options)


def drain(*, leaves: bool = False, **variables: str) -> Run:
    """A drain, which fails if it leaves connections open."""
    run = deploy({f"websockets_{name}": value for name, value in variables.items()}, playbook="wsfleet.nginx.drain")
    assert run.failed == leaves, run.output
    return run


def lasting(seconds: int, *more: Mapping[str, Any]) -> dict[str, Any]:
    """A harmless change, and more locations."""
    locations = [{**location, "proxy_read_timeout": f"{seconds}s"} for location in SITE["locations"]]
    return {"websockets_sites": [{**SITE, "locations": [*locations, *more]}]}


def trace(gateway: Gateway) -> tuple[bytes, int, set[int]]:
    """The file, when it was written, and the workers that take new sockets: what a deploy changes."""
    file = gateway.path(gateway.configuration)
    return file.read_bytes(), file.stat().st_mtime_ns, gateway.workers()


def newcomers(clients: Traffic, number: int = VISITORS) -> list[Socket]:
    """The next sockets that are asked for."""
    now = time.monotonic()
    clients.wait(lambda: len(since(clients, now)) >= number, "many come")
    return since(clients, now)


def since(clients: Traffic, when: float) -> list[Socket]:
    return [socket for socket in list(clients.sockets) if socket.asked > when]


def left(run: Run) -> Counter[str]:
    """The connections that are left after a drain, by gateway, as it says."""
    result = run.output.partition("Still open after")[2].partition("TASK")[0]
    found = re.findall(r"(\d+)\s+connections?\s+on\s+(gateway\d)", result)
    return Counter({gateway: int(number) for number, gateway in found})


def test_a_change_rolls_over_the_fleet_and_a_second_run_changes_nothing(clients: Traffic) -> None:
    before = clients.staying
    run = deploy(lasting(601))
    assert not run.failed, run.output
    assert run.states == dict.fromkeys(ALL, "changed"), run.output
    assert "\nbatch 1 of 2: 1 of 3 gateways done, 0 failed, next 100 %\n" in run.output
    (_file, first, _workers), *others = map(trace, gateways())
    assert first < min(time for _file, time, _workers in others)
    after = [*map(trace, gateways())]
    again = deploy(lasting(601))
    assert not again.failed, again.output
    assert again.states == dict.fromkeys(ALL, "verified"), again.output
    assert [again.changed(gateway) for gateway in ALL] == [0, 0, 0]
    assert [*map(trace, gateways())] == after
    assert clients.staying == before


def test_a_drained_backend_keeps_its_sockets_and_gets_no_new_ones(clients: Traffic) -> None:
    homes: dict[int, set[str | None]] = {}
    for socket in list(clients.sockets):
        homes.setdefault(socket.client, set()).add(socket.backend)
    assert all(len(backends) == 1 for client, backends in homes.items() if is_hashed(client))
    kept = clients.staying & clients.on("server02")
    assert len(kept) > CLIENTS / 10

    run = drain(drain="server02", drain_timeout=VISITORS_LEAVE, leaves=True)
    assert run.states == dict.fromkeys(ALL, "changed"), run.output
    assert left(run) == Counter(socket.gateway for socket in kept), run.output
    drained = time.monotonic()
    for came in newcomers(clients):
        assert came.backend != "server02"
        if is_hashed(came.client) and homes[came.client] != {"server02"}:
            assert {came.backend} == homes[came.client]

    # The next deploy of a change keeps it.
    changed = deploy(lasting(602))
    assert not changed.failed, changed.output
    assert changed.states == dict.fromkeys(ALL, "changed")
    assert "server02 is drained" in " ".join(changed.output.split())
    newcomers(clients)
    assert "server02" not in {socket.backend for socket in since(clients, drained)}
    assert clients.staying & clients.on("server02") == kept

    assert drain(undrain="server02").states == dict.fromkeys(ALL, "changed")
    back = newcomers(clients)
    assert "server02" in {socket.backend for socket in back}
    for socket in back:
        assert not is_hashed(socket.client) or {socket.backend} == homes[socket.client]
    assert clients.staying & clients.on("server02") >= kept


@contextmanager
def broken(backend: Gateway) -> Iterator[None]:
    """Its service is killed and does not start again."""
    service, program = "echo-backend-3000", "/usr/local/lib/echo-backend-3000.py"
    backend.run(f"mv {program} {program}.away && systemctl kill --signal KILL {service}")
    try:
        yield
    finally:
        backend.run(f"mv {program}.away {program} && systemctl reset-failed {service} && systemctl start {service}")


def test_clients_of_a_killed_backend_come_back_to_others(clients: Traffic) -> None:
    lost = clients.on("server03")
    kept = clients.staying - lost
    assert len(lost) > CLIENTS / 10
    with clients.without("server03"), broken(Gateway("server03", "", 0)):
        clients.wait(lambda: all(socket.over for socket in lost), "no socket on server03 is open")
        clients.wait_for_all()
        assert "server03" not in {socket.backend for socket in newcomers(clients)}
    assert clients.staying >= kept


def test_a_gateway_loses_its_power_in_its_batch_and_the_next_run_goes_on_there(clients: Traffic) -> None:
    gateway2 = gateways()[1]
    change = {**lasting(603), "websockets_health_wait": LEAVE}
    kept = clients.staying - clients.on("gateway2")
    with clients.without("gateway2"), ThreadPoolExecutor() as executor:
        running = executor.submit(deploy, change)
        clients.wait(gateway2.path(FLAG).exists, "gateway2 is deployed to")
        with without_power(gateway2):
            # Those who came while it was still there too. It took the balancer some 30 seconds to give up, whatever its
            # tcp-ut says.
            lost = clients.on("gateway2")
            clients.wait(lambda: all(socket.over for socket in lost), "no socket on gateway2 is open")
            clients.wait_for_all()
            run = running.result()
            assert run.failed
            assert run.states == {"gateway1": "changed", "gateway2": "unreachable", "gateway3": "changed"}, run.output

        # It comes back as the run left it: out, and with the file of before.
        gateway2 = gateways()[1]
        clients.wait(lambda: gateway2.listens(22) and gateway2.listens(gateway2.port), "gateway2 has started")
        assert gateway2.request("GET", "/healthz").status == 503
        again = deploy(change)
        assert not again.failed, again.output
        assert again.states == {"gateway1": "verified", "gateway2": "changed", "gateway3": "verified"}, again.output
    assert gateway2.request("GET", "/healthz").status == 200
    assert "gateway2" in {socket.gateway for socket in newcomers(clients)}
    assert clients.staying >= kept


@contextmanager
def without_power(gateway: Gateway) -> Iterator[None]:
    """Killed processes still say goodbye to their peers; a host without power says nothing."""
    silence = ["nsenter", f"--net={gateway.network}", "ip", "link", "set", "eth0", "down"]
    for command in (silence, ["podman", "kill", gateway.container]):
        subprocess.run(command, check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["podman", "start", gateway.container], check=True, capture_output=True)


def test_a_canary_whose_probe_fails_is_rolled_back_and_the_others_are_not_touched(clients: Traffic) -> None:
    new = {"path": "/new/", "upstream": "fleet"}
    before, kept = [*map(trace, gateways())], clients.staying
    run = deploy(lasting(604, {**new, "directives": "deny all;"}))
    assert run.failed
    assert run.states == {"gateway1": "rolled back", "gateway2": "not started", "gateway3": "not started"}, run.output
    canary, *others = map(trace, gateways())
    assert canary[0] == before[0][0]
    assert others == before[1:]

    repaired = deploy(lasting(604, new))
    assert not repaired.failed, repaired.output
    assert repaired.states == dict.fromkeys(ALL, "changed")
    assert clients.staying == kept


def servers_down() -> set[str]:
    """The gateways to which the balancer sends nobody, in its own words."""
    with closing(BALANCER.open_unix_socket("/run/haproxy/admin.sock")) as admin:
        admin.sendall(b"show stat\n")
        text = admin.makefile().read()
    rows = csv.DictReader(text.lstrip("# ").splitlines())
    return {row["svname"] for row in rows if row["svname"] in ALL and row["status"] == "DOWN"}


def test_a_gateway_is_taken_out_of_the_balancer_and_brought_back(clients: Traffic) -> None:
    kept = clients.staying & clients.on("gateway3")
    assert len(kept) > CLIENTS / 10
    run = drain(drain="gateway3", drain_timeout=VISITORS_LEAVE, leaves=True)
    assert "Out of their load balancers: gateway3." in run.output
    assert servers_down() == {"gateway3"}
    # The balancer may be asking after its health.
    assert 0 <= left(run)["gateway3"] - len(kept) <= 1, run.output
    assert "gateway3" not in {socket.gateway for socket in newcomers(clients)}

    # A deploy leaves it out.
    changed = deploy(lasting(605))
    assert not changed.failed, changed.output
    assert servers_down() == {"gateway3"}
    assert clients.staying & clients.on("gateway3") == kept

    assert "Back in their load balancers: gateway3." in drain(undrain="gateway3").output
    clients.wait(lambda: not servers_down(), "gateway3 is back")
    assert "gateway3" in {socket.gateway for socket in newcomers(clients)}
    assert clients.staying & clients.on("gateway3") >= kept


@contextmanager
def watched() -> Iterator[set[frozenset[str]]]:
    """All that the balancer held down together."""
    seen: set[frozenset[str]] = set()
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.2):
            seen.add(frozenset(servers_down()))

    with ThreadPoolExecutor() as executor:
        watching = executor.submit(watch)
        try:
            yield seen
        finally:
            over.set()
        watching.result()


def test_a_deploy_takes_one_gateway_after_the_other_out_of_the_balancer(clients: Traffic) -> None:
    before = clients.staying
    with watched() as seen:
        run = deploy({**lasting(606), "websockets_serial": 1, "websockets_health_wait": LEAVE})
        assert not run.failed, run.output
        clients.wait(lambda: not servers_down(), "all gateways are back")
    assert run.states == dict.fromkeys(ALL, "changed")
    assert seen == {frozenset(), *(frozenset({gateway}) for gateway in ALL)}
    assert clients.staying == before
