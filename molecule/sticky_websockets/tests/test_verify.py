# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook verify on real gateways: it finds what is wrong, says it, writes it down, and changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import verification
from gateway import Gateway, echoes, gateways
from playbook import Run

GATEWAYS = gateways()
BACKEND = Gateway("server01", "ws.serverlab.ca", 3000)
ALL_WELL = "All 2 gateways serve all their routes"


def verify(folder: Path, *arguments: str, **variables: Any) -> tuple[Run, dict[str, Any]]:
    return verification.verify(GATEWAYS, folder, *arguments, **variables)


def kinds(report: dict[str, Any]) -> list[str]:
    """What kinds of findings there are. The scenario has two versions of nginx, which is noted each time."""
    return [finding["kind"] for finding in report["findings"] if finding["kind"] != "nginx"]


def untouched(gateway: Gateway) -> str:
    """The workers of nginx, and the files that are newer than the note."""
    found = "find /etc /usr /var/lib/wsfleet-nginx /run/wsfleet-nginx -xdev -type f -newer /root/note"
    return gateway.run(f"pgrep --parent {gateway.master}; {found}")


def test_all_is_well_and_stays_as_it_is(tmp_path: Path) -> None:
    before = [gateway.run("touch /root/note") + untouched(gateway) for gateway in GATEWAYS]
    with GATEWAYS[0].websocket("/") as socket:
        run, report = verify(tmp_path)
        assert echoes(socket)
    assert not run.failed, run.output
    assert [untouched(gateway) for gateway in GATEWAYS] == before
    assert (report["state"], report["summary"], kinds(report)) == ("ok", ALL_WELL, [])
    assert f"{ALL_WELL}." in run.output
    assert [run.changed(gateway.name) for gateway in GATEWAYS] == [0, 0]
    for gateway, told in zip(GATEWAYS, report["gateways"], strict=True):
        assert (told["name"], told["state"], told["file"]) == (gateway.name, "ok", "live")
        assert told["fingerprint"] == gateway.fingerprint
        assert told["nginx_version"] in gateway.console.run("nginx -v").stderr
        (route,) = told["routes"]
        for place in ("gateway", "controller"):
            assert (route[place]["status"], route[place]["verified"]) == (101, "handshake")
            assert route[place]["milliseconds"] > 0
        (refusal,) = told["refusals"]
        assert (refusal["at"], refusal["rule"]) == ("websockets_sites[0].server_name", "host")
        assert (refusal["status"], refusal["verified"]) == (421, "refused with 421")
    # That of the client, and nginx's own to the backend.
    assert report["gateways"][0]["connections"] >= 1
    ((upstream,),) = (topology["upstreams"] for topology in report["topologies"])
    assert [(server["address"], server["state"]) for server in upstream["servers"]] == [
        *(("server01:3000", "up"), ("server02:3000", "up"), ("server03:3000", "up")),
    ]
    assert all(len(server["probes"]) == len(GATEWAYS) for server in upstream["servers"])
    root = ElementTree.parse(tmp_path / "junit.xml").getroot()
    assert [root.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["3", "0", "0", "0"]
    # A route of each, and the note that their versions of nginx differ.
    assert [suite.get("name") for suite in root] == ["findings", *(gateway.name for gateway in GATEWAYS)]
    assert f"<title>{ALL_WELL}</title>" in (tmp_path / "index.html").read_text()


def test_a_backend_that_is_down_is_named_while_all_is_served(tmp_path: Path) -> None:
    with BACKEND.stopped("echo-backend-3000"):
        run, report = verify(tmp_path, websockets_verify_address=False)
        strict, _report = verify(tmp_path, websockets_verify_fail_on="warnings")
    assert not run.failed, run.output
    assert report["summary"] == f"{ALL_WELL}, with 1 warning"
    assert kinds(report) == ["server"]
    assert "1 server is down: server01:3000" in run.output
    assert "2 other servers of ws-backend remain" in run.output
    # The controller was told not to ask.
    assert [route["controller"] for gateway in report["gateways"] for route in gateway["routes"]] == [None, None]
    assert strict.failed
    assert "websockets_verify_fail_on is warnings" in strict.output


def test_gateways_that_do_not_run_or_are_not_reached_fail_the_run_at_its_end(tmp_path: Path, lost: list[str]) -> None:
    # The controller reaches the first gateway under the name of the one that is lost.
    with GATEWAYS[1].stopped():
        run, report = verify(tmp_path, *lost)
    assert run.failed
    assert "1 of 3 gateways serves all its routes. Failed or unreachable: " in run.output
    states = {gateway["name"]: gateway["state"] for gateway in report["gateways"]}
    assert states == {GATEWAYS[0].name: "ok", GATEWAYS[1].name: "failed", "lost": "unreachable"}
    unreachable, failed, stopped = report["findings"][:3]
    assert stopped["title"] == f"nginx does not run on {GATEWAYS[1].name}"
    assert unreachable["details"][0].startswith("lost: ")
    assert "Connection refused" in unreachable["details"][0]
    assert unreachable["details"][0].endswith("(from the controller, 1 of 1 routes passed)")
    assert failed["title"] == f"ws.serverlab.ca / fails its probe on {GATEWAYS[1].name}"
    assert "nothing listens there. nginx does not run" in failed["text"]
    root = ElementTree.parse(tmp_path / "junit.xml").getroot()
    failures = [(case.get("classname"), case.get("name")) for case in root.iterfind(".//failure/..")]
    assert failures == [("findings.nginx", stopped["title"]), (GATEWAYS[1].name, "ws.serverlab.ca /")]
    assert [case.get("classname") for case in root.iterfind(".//error/..")] == ["lost"]
