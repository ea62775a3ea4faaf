# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backends that speak WebSocket at another path, or on other terms, than anybody has told."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from gateway import Gateway, group_variables
from playbook import Run, site

(SITE,) = group_variables()["websockets_sites"]
ELSEWHERE = "elsewhere.example"
pytestmark = pytest.mark.usefixtures("restored")
DEPLOYED = "/var/lib/wsfleet-nginx/127.0.0.1:488/deployed"
# What is said of a new route to each upstream.
SOCKET_IO = "set probe.path, such as /{}/socket.io/?EIO=4&transport=websocket"
SAID = {
    "plain": f"the backend returns 200 at /plain/; {SOCKET_IO.format('plain')}",
    "credentials": "the backend returns 401 at /credentials/; set probe.headers to credentials that it accepts",
    "origin": "the backend returns 403 at /origin/; set probe.origin to one that it accepts, or probe.headers",
    "path": f"the backend returns 404 at /path/; {SOCKET_IO.format('path')}",
    "subprotocol": f"the backend returns 400 at /subprotocol/; {SOCKET_IO.format('subprotocol')}, or probe.subprotocol",
    "closing": f"the backend closes the connection at /closing/; {SOCKET_IO.format('closing')}",
    "rails": f"the backend returns 404 at /rails/; set probe.origin: http://{ELSEWHERE}:3000",
    "socket-io": f"the backend closes the connection at /socket-io/; {SOCKET_IO.format('socket-io')}",
}


def with_site(*locations: Mapping[str, Any]) -> dict[str, Any]:
    """The site of the scenario, and another one."""
    return {"websockets_sites": [SITE, {**SITE, "server_name": ELSEWHERE, "locations": list(locations)}]}


def run(gateway: Gateway, variables: Mapping[str, Any], **options: Any) -> Run:
    return site(variables, arguments=["--limit", gateway.name], **options)


def verified(gateway: Gateway, variables: Mapping[str, Any], folder: Path) -> tuple[Run, dict[str, Any]]:
    """The playbook verify, and its report."""
    own = {"websockets_verify_address": gateway.address, "websockets_report": str(folder)}
    done = run(gateway, {**variables, **own}, playbook="wsfleet.nginx.verify")
    (found,) = json.loads((folder / "report.json").read_text())["gateways"]
    return done, found


def said(output: str) -> str:
    """What was printed, without the ends of its lines."""
    return re.sub(r"\s+", " ", output)


def test_new_routes_are_served_and_not_verified_and_each_is_told_with_what_to_set(
    bookworm: Gateway, tmp_path: Path
) -> None:
    wanted = with_site(*({"path": f"/{upstream}/", "upstream": upstream} for upstream in SAID))
    added = run(bookworm, wanted)
    assert not added.failed, added.output
    assert added.states == {bookworm.name: "changed"}
    for number, (upstream, words) in enumerate(SAID.items()):
        line = f"websockets_sites[1].locations[{number}] ({ELSEWHERE} /{upstream}/): not verified: {words}"
        assert line in said(added.output), added.output
        assert f"/{upstream}/ not verified" in re.sub(r" +[0-9]* +not", " not", added.output), added.output
    assert f"{len(SAID)} routes not verified" in added.output
    passed = json.loads(bookworm.path(DEPLOYED).read_text())["passed"]
    # Beside them, each of the two sites refuses a foreign host.
    refusals = [name for name in passed if name.endswith(" host")]
    assert len(refusals) == 2
    assert len(passed) - len(refusals) == len(SITE["locations"])
    again = run(bookworm, wanted)
    assert not again.failed, again.output
    assert again.changed(bookworm.name) == 0
    assert again.states == {bookworm.name: "verified"}

    done, found = verified(bookworm, wanted, tmp_path)
    assert not done.failed, done.output
    assert found["state"] == "ok"
    routes = found["routes"][len(SITE["locations"]) :]
    assert [route["state"] for route in routes] == ["unverified"] * len(SAID)
    assert [route["gateway"]["unverified"] for route in routes] == list(SAID.values())
    # What hangs up is not asked for from elsewhere.
    assert [not route["controller"] for route in routes] == [upstream in ("closing", "socket-io") for upstream in SAID]
    assert "path/ is not verified on" in said(done.output)


def test_a_route_that_was_verified_and_has_lost_its_backend_is_rolled_back(bookworm: Gateway) -> None:
    assert not run(bookworm, with_site({"path": "/x/", "upstream": "echo"})).failed
    for upstream, answer in (("path", "returned 404 Not Found"), ("closing", "not sent through nginx")):
        broken = run(bookworm, with_site({"path": "/x/", "upstream": upstream}))
        assert broken.failed, broken.output
        assert broken.message(bookworm.name).startswith("Rolled back"), broken.output
        assert f"{answer}" in broken.message(bookworm.name)
        assert "but passed before this deploy" in broken.message(bookworm.name)


def test_what_nginx_refuses_and_backends_that_fail_are_failures(bookworm: Gateway) -> None:
    refusing = {"path": "/refusing/", "upstream": "path", "directives": "deny all;"}
    failed = run(bookworm, with_site({"path": "/nothing/", "upstream": "nothing"}, refusing))
    assert failed.failed, failed.output
    message = failed.message(bookworm.name)
    assert "websockets_sites[1].locations[0] (elsewhere.example /nothing/): returned 502 Bad Gateway" in message
    assert "websockets_sites[1].locations[1] (elsewhere.example /refusing/): returned 403 Forbidden" in message


@contextmanager
def polling(gateway: Gateway) -> Iterator[Counter[object]]:
    """A client who polls all the time, and what it is answered."""
    answers: Counter[object] = Counter()
    ended = threading.Event()

    def poll() -> None:
        while not ended.wait(0.05):
            try:
                answers[gateway.request("GET", "/socket.io/?EIO=4&transport=polling").status] += 1
            except OSError as error:
                answers[repr(error)] += 1

    thread = threading.Thread(target=poll)
    thread.start()
    try:
        yield answers
    finally:
        ended.set()
        thread.join()


@pytest.mark.parametrize("balance", ["least_conn", "ip_hash"])
def test_runs_cost_clients_no_request_where_a_probe_makes_backends_hang_up(
    bookworm: Gateway, tmp_path: Path, balance: str
) -> None:
    upstreams = [
        {**upstream, "balance": balance} if upstream["name"] == "socket-io" else upstream
        for upstream in group_variables()["websockets_upstreams"]
    ]
    wanted = {**with_site({"path": "/", "upstream": "socket-io"}), "websockets_upstreams": upstreams}
    assert not run(bookworm, wanted).failed
    with polling(bookworm.site(ELSEWHERE)) as answers:
        unchanged = run(bookworm, wanted)
        done, _found = verified(bookworm, wanted, tmp_path)
        changed = run(bookworm, {**wanted, "websockets_worker_shutdown_timeout": "2h"})
    assert not (unchanged.failed or done.failed or changed.failed)
    assert unchanged.changed(bookworm.name) == 0
    assert set(answers) == {200}
    assert answers[200] > 10
