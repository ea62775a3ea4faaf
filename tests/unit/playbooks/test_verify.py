# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What verify.yml does where nothing answers. Real gateways are for a scenario of Molecule."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from fleets import SCHEMA
from playing import run
from websockets.sync.server import serve

# They look at all of the machine's processes, or start some that look like nginx: one test at a time.
pytestmark = pytest.mark.xdist_group("nginx processes")

TOKEN = "Bearer 0123456789"
PROBE = {"headers": {"Authorization": TOKEN}}
# Nothing listens on any of these ports.
GATEWAYS: dict[str, Any] = {
    "hosts": {
        "here": {"ansible_connection": "local", "websockets_verify_address": "127.0.0.1"},
        "lost": {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1},
        "gone": {"ansible_connection": "local", "websockets_state": "absent", "websockets_sites": "nonsense"},
    },
    "vars": {
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
        "ansible_become": False,
        "websockets_status_listen": "127.0.0.1:4",
        "websockets_upstreams": [{"name": "upstream", "servers": ["127.0.0.1:2", "127.0.0.1:3"]}],
        "websockets_sites": [
            {
                "server_name": "a.example",
                "listen": 5,
                "allowed_origins": "*",
                "locations": [{"path": "/", "upstream": "upstream", "probe": PROBE}],
            },
            {
                "server_name": "b.example",
                "listen": "127.0.0.1:5",
                "allowed_origins": "*",
                "locations": [
                    {"path": "/", "upstream": "upstream"},
                    {"path": "/b", "upstream": "upstream", "probe": False},
                ],
            },
        ],
    },
}


@pytest.fixture(scope="module")
def verified(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, str, Path]:
    directory = tmp_path_factory.mktemp("verify")
    (directory / "inventory").mkdir()
    # Nothing answers there: whatever the inventory says of this machine, it is not connected to.
    machines = {"hosts": {"localhost": {"ansible_connection": "ssh", "ansible_port": 1}}}
    (directory / "inventory/hosts.yml").write_text(yaml.safe_dump({"ws_gateways": GATEWAYS, "machines": machines}))
    code, output = run(directory, "wsfleet.nginx.verify", "-e", "websockets_report=out", "-vvv")
    return code, output, directory / "out"


def test_the_run_fails_at_its_end_and_names_the_gateways(verified: tuple[int, str, Path]) -> None:
    code, output, _folder = verified
    assert code == 2
    assert "0 of 2 gateways serve all their routes. Failed or unreachable: here, lost" in output
    assert output.rindex("1 gateway is unreachable: lost") < output.rindex("Failed or unreachable: ")


def test_the_files_tell_what_was_found(verified: tuple[int, str, Path]) -> None:
    _code, _output, folder = verified
    report = json.loads((folder / "report.json").read_text())
    SCHEMA.validate(report)
    here, lost = report["gateways"]
    assert (here["name"], here["state"], lost["name"], lost["state"]) == ("here", "failed", "lost", "unreachable")
    assert [route["state"] for route in here["routes"]] == ["failed", "failed", "not_probed"]
    # The controller asks for what the gateway itself was answered for.
    assert [route["controller"] for route in here["routes"] + lost["routes"]] == [None] * 6
    assert "nginx does not run" in here["routes"][0]["gateway"]["hint"]
    assert "Connection refused" in lost["message"]
    ((upstream,),) = (topology["upstreams"] for topology in report["topologies"])
    assert [(server["address"], server["state"]) for server in upstream["servers"]] == [
        *(("127.0.0.1:2", "down"), ("127.0.0.1:3", "down")),
    ]
    root = ElementTree.parse(folder / "junit.xml").getroot()
    counts = ("tests", "failures", "errors", "skipped")
    found = {suite.get("name"): [suite.get(name) for name in counts] for suite in root}
    # What there is of nginx depends on this machine, and is an error in any case.
    assert int(found.pop("findings")[1] or 0) >= 1
    assert found == {"here": ["3", "2", "0", "1"], "lost": ["3", "0", "2", "1"]}
    assert "<h1>" in (folder / "index.html").read_text()


def test_the_headers_of_probes_are_told_nowhere(verified: tuple[int, str, Path]) -> None:
    _code, output, folder = verified
    assert "gateway_probe_info" in output
    for text in (output, *(file.read_text() for file in folder.iterdir())):
        assert "0123456789" not in text


def test_without_a_folder_no_file_is_written(tmp_path: Path) -> None:
    (tmp_path / "inventory").mkdir()
    (tmp_path / "inventory/hosts.yml").write_text(yaml.safe_dump({"ws_gateways": GATEWAYS}))
    code, output = run(tmp_path, "wsfleet.nginx.verify", "--limit", "gone")
    assert code == 0, output
    assert "No gateway was probed." in output
    assert [file.name for file in tmp_path.iterdir()] == ["inventory"]


def test_a_gateway_without_ansible_host_is_probed_by_its_name_and_not_at_the_controller(tmp_path: Path) -> None:
    """What listens on this machine answers as the gateway itself, and is not taken for what clients of it reach."""
    with serve(lambda connection: None, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        port = server.socket.getsockname()[1]
        site = {"server_name": "a.example", "listen": port, "locations": [{"path": "/", "upstream": "upstream"}]}
        upstream = {"name": "upstream", "servers": [f"127.0.0.1:{port}"]}
        own = {"websockets_upstreams": [upstream], "websockets_sites": [{**site, "allowed_origins": "*"}]}
        # The address is the gateway's wherever it is read.
        templated = {"ansible_host": "other.invalid", "websockets_verify_address": "{{ ansible_host }}"}
        hosts = {"gateway.invalid": {}, "other": templated}
        variables = {**GATEWAYS["vars"], **own, "ansible_connection": "local"}
        (tmp_path / "inventory").mkdir()
        inventory = {"ws_gateways": {"hosts": hosts, "vars": variables}}
        (tmp_path / "inventory/hosts.yml").write_text(yaml.safe_dump(inventory))
        code, output = run(tmp_path, "wsfleet.nginx.verify", "-e", "websockets_report=out")
        server.shutdown()
        thread.join()
    assert code == 2, output
    report = json.loads((tmp_path / "out/report.json").read_text())
    found = {gateway["name"]: gateway["routes"][0] for gateway in report["gateways"]}
    assert [route["gateway"]["verified"] for route in found.values()] == ["handshake", "handshake"]
    failures = {name: route["controller"]["failure"] for name, route in found.items()}
    assert failures["gateway.invalid"].startswith("the name 'gateway.invalid' does not resolve")
    assert failures["other"].startswith("the name 'other.invalid' does not resolve")
