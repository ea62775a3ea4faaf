# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures what the prober costs a gateway: processor time and memory, with 50 routes over TLS every 15 seconds."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import page
import proxies
from ansible_collections.wsfleet.nginx.plugins.module_utils._lifetime import program
from ansible_collections.wsfleet.nginx.plugins.module_utils._metrics import prober, record
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction.atomic_files import Content
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction.journal import Deployed
from modelling import Model, check

HERE = Path(__file__).resolve().parent
ROUTES, UPSTREAMS = 50, 5
INTERVAL, TURNS = 15, 4
STATUS = "127.0.0.1:488"


def model() -> Model:
    servers = [f"127.0.0.1:{port}" for port in proxies.BACKENDS]
    site = {
        "server_name": "ws.serverlab.ca",
        "listen": ["3443 ssl", 3000],
        "ssl_certificate": "/bench/cert.pem",
        "ssl_certificate_key": "/bench/key.pem",
        "locations": [
            {"path": f"/{number}", "upstream": f"chat{number % UPSTREAMS}", "probe": {"message": "a", "expect": "a"}}
            for number in range(ROUTES)
        ],
    }
    upstreams = [{"name": f"chat{number}", "servers": servers} for number in range(UPSTREAMS)]
    found, errors = check(upstreams, [site], STATUS, websockets_nginx_version=proxies.versions()["nginx"])
    assert found, errors
    return found


def text(found: Model) -> str:
    return "\n".join(found["lines"]) + "\n"


def handed_over(found: Model) -> bytes:
    """As systemd hands it to the service."""
    wants = {"drop_in": {"probe_interval": INTERVAL, "upstreams": found["upstreams"]}}
    file: dict[str, Content | None] = {"/bench/conf/site.conf": Content(text(found).encode(), 0o644)}
    deployed = Deployed([dict(probe) for probe in found["probes"]], [], live_address=STATUS, wants=wants, left=file)
    return record.dumped(record.made([deployed]))


def last_turn(metrics: Path) -> str:
    """When the last turn began; nothing before the first has ended."""
    told = re.search(r"^wsfleet_probe_timestamp_seconds (\S+)$", metrics.read_text(), re.MULTILINE)
    return told[1] if told else ""


def wait_for_turn(metrics: Path, last: str) -> str:
    deadline = time.monotonic() + 4 * INTERVAL
    while not metrics.exists() or last_turn(metrics) == last:
        if time.monotonic() > deadline:
            sys.exit("the prober writes nothing")
        time.sleep(0.1)
    return last_turn(metrics)


def cpu(pid: int) -> float:
    """Seconds that a process ran, with those of threads that have ended: proc(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    proxies.build()
    found = model()
    proxy = proxies.nginx("wsfleet", text(found))
    with contextlib.ExitStack() as stack:
        conf, own = (Path(stack.enter_context(tempfile.TemporaryDirectory())) for _number in range(2))
        running = stack.enter_context(proxies.running(proxy, conf))
        backends = subprocess.Popen(
            running.command(sys.executable, HERE / "echo.py", *map(str, proxies.BACKENDS)), stdout=subprocess.PIPE
        )
        stack.callback(backends.wait)
        stack.callback(backends.kill)
        assert backends.stdout
        backends.stdout.readline()
        (own / "nginx.pyz").write_bytes(program.content())
        (own / record.NAME).write_bytes(handed_over(found))
        arguments = ("probe", "--interval", str(INTERVAL))
        service = subprocess.Popen(
            running.command(sys.executable, "-I", own / "nginx.pyz", *arguments),
            env={**os.environ, "CREDENTIALS_DIRECTORY": str(own), "RUNTIME_DIRECTORY": str(own)},
        )
        stack.callback(service.wait)
        stack.callback(service.kill)
        metrics = own / prober.METRICS
        last = wait_for_turn(metrics, "")
        before = cpu(service.pid), running.cpu()
        for _turn in range(TURNS):
            last = wait_for_turn(metrics, last)
        after = cpu(service.pid), running.cpu()
        memory = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{service.pid}/status").read_text())
        assert memory
        failed = metrics.read_text().count("} 0\n")
        if failed:
            sys.exit(f"{failed} probes failed")
    seconds = [(end - start) / TURNS for start, end in zip(before, after)]
    print(
        page.paragraph(
            f"{ROUTES} routes over TLS and {UPSTREAMS * len(proxies.BACKENDS)} servers every {INTERVAL} s cost "
            f"{seconds[0]:.2f} s of a processor in each turn, {100 * seconds[0] / INTERVAL:.1f} % of one, nginx "
            f"{seconds[1]:.2f} s, and {int(memory[1]) / 1024:.0f} MB of memory."
        )
    )


if __name__ == "__main__":
    main()
