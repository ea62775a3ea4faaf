# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What blackbox.yml writes, and how Debian's exporter probes by it."""

from __future__ import annotations

import contextlib
import http
import subprocess
import threading
import typing as t
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
import yaml
from playing import run
from rendering import ROOT
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

# As tests/blackbox.sh has it.
EXPORTER = ROOT / ".cache/blackbox/usr/bin/prometheus-blackbox-exporter"
TOKEN = "Bearer 0123456789"
WRITE = ("wsfleet.nginx.blackbox", "-e", "websockets_blackbox_dir=out")
LOCATIONS = [
    {"path": "/", "upstream": "u", "probe": {"headers": {"Authorization": TOKEN}}},
    {"path": "/closed", "upstream": "u"},
    {"path": "/page", "upstream": "u", "websocket": False},
    {"path": "/bad", "upstream": "u", "websocket": False},
]


def respond(connection: ServerConnection, request: t.Any) -> t.Any:
    """As a gateway whose route / asks for a token, and whose routes /closed and /bad have no server."""
    if request.path == "/page":
        return connection.respond(http.HTTPStatus.NOT_FOUND, "")
    if request.path in ("/closed", "/bad"):
        return connection.respond(http.HTTPStatus.BAD_GATEWAY, "")
    is_right = request.headers.get("Authorization") == TOKEN and request.headers["Host"].startswith("a.example:")
    return None if is_right else connection.respond(http.HTTPStatus.UNAUTHORIZED, "")


def hold(connection: ServerConnection) -> None:
    with contextlib.suppress(ConnectionClosed):
        connection.recv()


def write(directory: Path, port: int, *arguments: str) -> dict[str, t.Any]:
    """The files of two gateways that are alike, and of some that are not to be probed."""
    site = {"server_name": "a.example", "listen": port, "allowed_origins": "*"}
    behind = {"server_name": "b.example", "listen": f"{port + 1} proxy_protocol", "allowed_origins": "*"}
    gateways = {
        "hosts": {
            "g1": {"ansible_host": "127.0.0.1", "ansible_connection": "local"},
            "g2": {"websockets_verify_address": "localhost"},
            "hidden": {"websockets_verify_address": False},
            "gone": {"websockets_state": "absent"},
        },
        "vars": {
            "websockets_upstreams": [{"name": "u", "servers": ["10.0.0.1:3000"]}],
            "websockets_sites": [
                {**site, "locations": LOCATIONS},
                {**behind, "set_real_ip_from": ["10.0.0.2"], "locations": LOCATIONS[:1]},
            ],
        },
    }
    (directory / "inventory").mkdir()
    (directory / "inventory/hosts.yml").write_text(yaml.safe_dump({"ws_gateways": gateways}))
    code, output = run(directory, *WRITE, "-vvv", "--diff", *arguments)
    assert code == 0, output
    assert "0123456789" not in output
    assert [(directory / "out" / name).stat().st_mode & 0o777 for name in ("blackbox.yml", "targets.yml")] == [
        *(0o600, 0o644),
    ]
    return {name: yaml.safe_load((directory / "out" / f"{name}.yml").read_text()) for name in ("blackbox", "targets")}


@pytest.mark.skipif(not EXPORTER.exists(), reason="needs blackbox_exporter: tests/blackbox.sh fetches it")
def test_the_exporter_finds_which_routes_are_up(tmp_path: Path) -> None:
    with serve(hold, "127.0.0.1", 0, process_request=respond) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        written = write(tmp_path, server.socket.getsockname()[1])
        file = f"--config.file={tmp_path / 'out/blackbox.yml'}"
        subprocess.run([EXPORTER, file, "--config.check"], check=True, capture_output=True)
        with subprocess.Popen(
            [EXPORTER, file, "--web.listen-address=127.0.0.1:0"], stderr=subprocess.PIPE, text=True
        ) as exporter:
            assert exporter.stderr
            line = next(line for line in exporter.stderr if "Listening on" in line)
            where = line.rpartition("address=")[2].strip()
            found = {
                (item["labels"]["gateway"], item["labels"]["site"], item["labels"]["path"]): probed(where, item)
                for item in written["targets"]
            }
            exporter.terminate()
        server.shutdown()
        thread.join()
    up = {"/": 1, "/closed": 0, "/page": 1, "/bad": 0}
    assert found == {(gateway, "a.example", path): up[path] for gateway in ("g1", "g2") for path in up}
    # Routes that are alike share a module.
    assert len(written["blackbox"]["modules"]) == len(up)


def probed(where: str, item: t.Mapping[str, t.Any]) -> int:
    (target,) = item["targets"]
    query = urllib.parse.urlencode({"target": target, "module": item["labels"]["__param_module"]})
    with urllib.request.urlopen(f"http://{where}/probe?{query}") as response:
        figures = dict(line.rsplit(" ", 1) for line in response.read().decode().splitlines() if line[0] != "#")
    return int(figures["probe_success"])


def test_the_exporters_own_prober_gets_the_address_of_the_websocket(tmp_path: Path) -> None:
    written = write(tmp_path, 3000, "-e", "websockets_blackbox_prober=websocket")
    first = written["targets"][0]
    assert first["targets"] == ["ws://127.0.0.1:3000/"]
    assert written["blackbox"]["modules"][first["labels"]["__param_module"]] == {
        "prober": "websocket",
        "timeout": "5s",
        "websocket": {"headers": {"Host": {"values": ["a.example:3000"]}, "Authorization": {"values": [TOKEN]}}},
    }


def test_it_asks_for_the_directory(tmp_path: Path) -> None:
    (tmp_path / "inventory").mkdir()
    (tmp_path / "inventory/hosts.yml").write_text(yaml.safe_dump({"ws_gateways": {"hosts": {"g1": {}}}}))
    code, output = run(tmp_path, WRITE[0])
    assert code == 2
    assert "Set websockets_blackbox_dir" in output
