# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What breaks is red in Prometheus, with the labels that say where, and green again when it is repaired."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import testinfra
from gateway import SCENARIO, Gateway, gateways
from playbook import site
from waiting import wait_until

(GATEWAY,) = gateways()
CERTIFICATE = "/etc/ssl/scenario/site.pem"
# Accepts connections, and never responds.
SILENT = (
    'import socket; listening = socket.create_server(("", 3000)); connections = []\n'
    "while True: connections.append(listening.accept())"
)
Labels = dict[str, str]


def alerts() -> list[Labels]:
    """The labels of the alerts that Prometheus would send to Alertmanager, but for what is info."""
    answer = GATEWAY.request("GET", "/api/v1/alerts", sock=GATEWAY.open_socket(9090, "127.0.0.1")).body
    found = json.loads(answer)["data"]["alerts"]
    return [one["labels"] for one in found if one["state"] == "firing"]


def has(name: str, **labels: str) -> bool:
    wanted = {"alertname": name, **labels}
    return any(wanted.items() <= found.items() for found in alerts())


@pytest.fixture(autouse=True)
def green() -> None:
    """Before each test nothing is red."""
    wait_until(lambda: shown("wsfleet_route_up") and not alerts(), "nothing is red")


def shown(metric: str) -> list[Labels]:
    path = f"/api/v1/query?query={metric}"
    answer = GATEWAY.request("GET", path, sock=GATEWAY.open_socket(9090, "127.0.0.1")).body
    return [one["metric"] for one in json.loads(answer)["data"]["result"]]


@contextmanager
def red(name: str, capsys: pytest.CaptureFixture[str], **labels: str) -> Iterator[None]:
    """What is done within it makes an alert red."""
    start = time.monotonic()
    yield
    wait_until(lambda: has(name, **labels), f"{name} {labels} is red")
    seconds = time.monotonic() - start
    with capsys.disabled():
        print(f"\n{name} {labels}: red after {seconds:.0f} s", end="")


def test_every_route_server_and_certificate_has_figures(gateway: Gateway) -> None:
    routes = {(found["site"], found["path"]) for found in shown("wsfleet_route_up")}
    assert routes == {("ws.example", "/"), ("ws.example", "/pair/"), ("secure.example", "/")}
    servers = {(found["upstream"], found["server"]) for found in shown("wsfleet_server_up")}
    assert servers == {("echo", "server01:3000"), ("pair", "server01:3000"), ("pair", "server02:3000")}
    assert {found["site"] for found in shown("wsfleet_certificate_expiry_timestamp_seconds")} == {"secure.example"}
    assert {found["configuration"] for found in shown("wsfleet_configuration_live")} == {gateway.configuration}
    assert len(shown("wsfleet_old_generations")) == 1
    with gateway.websocket("/", origin="https://app.example") as connection:
        connection.send("counted")
    wait_until(lambda: shown("wsfleet_sessions_total"), "the session is counted")


def test_the_prober_has_no_rights_and_no_secret_on_the_disk(gateway: Gateway) -> None:
    pid = gateway.run("systemctl show wsfleet-prober --property MainPID --value").strip()
    status = gateway.path(f"/proc/{pid}/status").read_text()
    assert "CapEff:\t0000000000000000\n" in status
    assert "Uid:\t0" not in status
    written = gateway.run("ls -l /run/wsfleet-prober/wsfleet.prom /run/wsfleet-prober")
    assert "wsfleet.prom" in written


def test_a_backend_that_accepts_and_never_responds(capsys: pytest.CaptureFixture[str]) -> None:
    server = testinfra.get_host(f"podman://{SCENARIO}-server01")
    (unit,) = server.check_output("systemctl list-units --plain --no-legend 'echo-backend*'").splitlines()
    name = unit.split()[0]
    with red("WsfleetRouteDown", capsys, site="ws.example", path="/", severity="critical"):
        server.check_output(f"systemctl stop {name} && systemd-run --unit silent python3 -c '{SILENT}'")
    try:
        wait_until(lambda: has("WsfleetUpstreamDown", upstream="echo"), "the upstream is red")
        wait_until(lambda: has("WsfleetServerDown", upstream="pair", server="server01:3000"), "the server is red")
        assert not has("WsfleetServerDown", server="server02:3000")
        assert not has("WsfleetUpstreamDown", upstream="pair")
    finally:
        server.check_output(f"systemctl stop silent && systemctl start {name}")


def test_a_certificate_near_its_end(gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    gateway.run(f"cp {CERTIFICATE} /root/site.pem")
    with red("WsfleetCertificateExpiresSoon", capsys, site="secure.example", severity="critical"):
        gateway.run(f"cp /etc/ssl/scenario/soon.pem {CERTIFICATE}")
        gateway.reload()
    gateway.run(f"cp /root/site.pem {CERTIFICATE}")
    gateway.reload()


def test_a_hand_edit(gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    gateway.run(f"cp --preserve {gateway.configuration} /root/configuration")
    with red("WsfleetConfigurationEdited", capsys, configuration=gateway.configuration):
        gateway.run(f"echo '# by hand' >>{gateway.configuration}")
    gateway.run(f"cp --preserve /root/configuration {gateway.configuration}")


def test_a_rule_that_is_taken_away(gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    """An edit that lets every origin in."""
    gateway.run(f"cp --preserve {gateway.configuration} /root/configuration")
    with red("WsfleetRefusalNotUpheld", capsys, site="ws.example", rule="origin", severity="critical"):
        gateway.run(f"sed -i 's/return 403/set $unused 403/' {gateway.configuration} && nginx -t")
        gateway.reload()
    gateway.run(f"cp --preserve /root/configuration {gateway.configuration}")
    gateway.reload()


def test_a_drain(capsys: pytest.CaptureFixture[str]) -> None:
    with red("WsfleetServerDrained", capsys, upstream="pair", server="server02:3000", severity="info"):
        run = site({"websockets_drain": "server02"}, playbook="wsfleet.nginx.drain")
        assert not run.failed, run.output
    back = site({"websockets_undrain": "server02"}, playbook="wsfleet.nginx.drain")
    assert not back.failed, back.output


def test_nginx_that_has_ended(gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    with red("WsfleetConfigurationNotLive", capsys, severity="critical"):
        gateway.run("systemctl stop nginx")
    assert has("WsfleetNginxDown")
    assert has("WsfleetRouteDown")
    gateway.run("systemctl start nginx")


def test_a_prober_that_has_ended(gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    with red("WsfleetProberStopped", capsys):
        gateway.run("systemctl stop wsfleet-prober")
    gateway.run("systemctl start wsfleet-prober")
