# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook verify on real gateways: it finds what is wrong, says it, writes it down, and changes nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from gateway import Gateway, gateways
from playbook import Run, site

GATEWAYS = gateways()
BACKEND = Gateway("server01", "ws.serverlab.ca", 3000)
ALL_WELL = "All 2 gateways serve all their routes"


def verify(folder: Path, **variables: Any) -> tuple[Run, dict[str, Any]]:
    """Run the playbook, and return what report.json says."""
    # Names of containers are none that this machine resolves.
    addresses = {gateway.name: gateway.address for gateway in GATEWAYS}
    own = {"addresses": addresses, "websockets_verify_address": "{{ addresses[inventory_hostname] }}"}
    given = {**own, "websockets_report": str(folder), **variables}
    run = site(given, playbook="wsfleet.nginx.verify")
    return run, json.loads((folder / "report.json").read_text())


def kinds(report: dict[str, Any]) -> list[str]:
    """What kinds of problems there are. The scenario has two versions of nginx, which is noted each time."""
    return [problem["kind"] for problem in report["problems"] if problem["kind"] != "nginx"]


@contextmanager
def stopped(host: Gateway, service: str) -> Iterator[None]:
    host.run(f"systemctl stop {service}")
    try:
        yield
    finally:
        host.run(f"systemctl start {service}")


@contextmanager
def edited(gateway: Gateway, line: str) -> Iterator[None]:
    before = gateway.path(gateway.configuration).read_text()
    try:
        gateway.path(gateway.configuration).write_text(f"{before}{line}\n")
        yield
    finally:
        gateway.path(gateway.configuration).write_text(before)


def untouched(gateway: Gateway) -> str:
    """The workers of nginx, and the files that are newer than the note."""
    found = "find /etc /usr /var/lib/wsfleet-nginx /run/wsfleet-nginx -xdev -type f -newer /root/note"
    return gateway.run(f"pgrep --parent {gateway.master}; {found}")


def test_all_is_well_and_stays_as_it_is(tmp_path: Path) -> None:
    before = [gateway.run("touch /root/note") + untouched(gateway) for gateway in GATEWAYS]
    run, report = verify(tmp_path)
    assert not run.failed, run.output
    assert [untouched(gateway) for gateway in GATEWAYS] == before
    assert (report["state"], report["verdict"], kinds(report)) == ("well", ALL_WELL, [])
    assert f"{ALL_WELL}." in run.output
    assert [run.changed(gateway.name) for gateway in GATEWAYS] == [0, 0]
    for gateway, told in zip(GATEWAYS, report["gateways"], strict=True):
        assert (told["name"], told["state"], told["file"]) == (gateway.name, "well", "live")
        assert told["fingerprint"] == gateway.fingerprint
        assert told["nginx_version"] in gateway.console.run("nginx -v").stderr
        (route,) = told["routes"]
        for place in ("gateway", "controller"):
            assert (route[place]["status"], route[place]["proven"]) == (101, "handshake")
            assert route[place]["milliseconds"] > 0
    ((pool,),) = (topology["pools"] for topology in report["topologies"])
    assert [(server["address"], server["state"]) for server in pool["servers"]] == [
        *(("server01:3000", "up"), ("server02:3000", "up"), ("server03:3000", "up")),
    ]
    assert all(len(server["seen"]) == len(GATEWAYS) for server in pool["servers"])
    root = ElementTree.parse(tmp_path / "junit.xml").getroot()
    assert [root.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["2", "0", "0", "0"]
    assert f"<title>{ALL_WELL}</title>" in (tmp_path / "index.html").read_text()


def test_open_websockets_are_counted(tmp_path: Path) -> None:
    with GATEWAYS[0].websocket("/"):
        _run, report = verify(tmp_path)
    # The client's, and nginx's own to the backend.
    assert report["gateways"][0]["connections"] >= 1


def test_a_backend_that_is_down_is_named_while_others_serve_its_clients(tmp_path: Path) -> None:
    with stopped(BACKEND, "echo-backend"):
        run, report = verify(tmp_path)
    assert not run.failed, run.output
    assert report["verdict"] == f"{ALL_WELL}, with 1 warning"
    assert kinds(report) == ["server"]
    assert "1 server is down: server01:3000" in run.output
    assert "2 others of the pool ws-backend are left" in run.output


def test_a_file_that_was_edited_by_hand_is_told(tmp_path: Path) -> None:
    with edited(GATEWAYS[0], "# by hand"):
        run, report = verify(tmp_path)
    assert not run.failed, run.output
    assert (report["state"], kinds(report)) == ("warnings", ["configuration"])
    assert report["gateways"][0]["file"] == "edited"
    assert f"The file is not as the last deploy left it on {GATEWAYS[0].name}" in run.output


def test_a_gateway_that_serves_something_else_than_its_file_is_told(tmp_path: Path) -> None:
    gateway = GATEWAYS[1]
    before = gateway.path(gateway.configuration).read_text()
    try:
        gateway.path(gateway.configuration).write_text(before.replace(gateway.fingerprint, "0" * 64))
        _run, report = verify(tmp_path / "file")
        assert report["gateways"][1]["file"] == "other"
        gateway.run("systemctl reload nginx")
        time.sleep(1)
        _run, report = verify(tmp_path / "live")
    finally:
        gateway.path(gateway.configuration).write_text(before)
        gateway.run("systemctl reload nginx")
        time.sleep(1)
    assert "another configuration than" in " ".join(problem["title"] for problem in report["problems"])


def test_an_nginx_that_does_not_run_fails_the_run_at_its_end(tmp_path: Path) -> None:
    with stopped(GATEWAYS[1], "nginx"):
        run, report = verify(tmp_path)
    assert run.failed
    assert f"1 of 2 gateways serves all its routes. Not these: {GATEWAYS[1].name}" in run.output
    assert "nothing listens there" in report["problems"][0]["text"]
    assert (report["gateways"][1]["state"], report["gateways"][1]["fingerprint"]) == ("failed", None)
    root = ElementTree.parse(tmp_path / "junit.xml").getroot()
    (case,) = root.iterfind(".//failure/..")
    assert case.get("classname") == GATEWAYS[1].name


def test_a_gateway_that_ansible_does_not_reach_is_told_with_what_the_controller_sees(tmp_path: Path) -> None:
    hosts = {
        "ws_gateways": {
            "hosts": {"lost": {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}}
        }
    }
    (tmp_path / "hosts.yml").write_text(json.dumps(hosts))
    addresses = {**{gateway.name: gateway.address for gateway in GATEWAYS}, "lost": GATEWAYS[0].address}
    run = site(
        {
            "addresses": addresses,
            "websockets_verify_address": "{{ addresses[inventory_hostname] }}",
            "websockets_report": str(tmp_path),
        },
        playbook="wsfleet.nginx.verify",
        arguments=["--inventory", str(tmp_path / "hosts.yml")],
    )
    report = json.loads((tmp_path / "report.json").read_text())
    assert run.failed
    assert report["verdict"] == "2 of 3 gateways serve all their routes"
    (problem,) = (problem for problem in report["problems"] if problem["kind"] == "unreachable")
    assert problem["items"][0].startswith("lost: ")
    assert "Connection refused" in problem["items"][0]
    assert problem["items"][0].endswith("(from the controller 1 of 1 routes proven)")
    assert {gateway["name"]: gateway["state"] for gateway in report["gateways"]}["lost"] == "unreachable"


def test_the_controller_need_not_reach_the_sites(tmp_path: Path) -> None:
    run, report = verify(tmp_path, websockets_verify_address=False)
    assert not run.failed, run.output
    assert [route["controller"] for gateway in report["gateways"] for route in gateway["routes"]] == [None, None]
    run, report = verify(tmp_path, websockets_verify_address="nowhere.invalid")
    assert run.failed
    assert all(problem["title"].endswith("seen from the controller") for problem in report["problems"][:1])
