# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proxies of the data path's benchmark: their files, and each one running in a container of its own.

A container has its own loopback, a core that no client and no backend runs on, and half of that core's time. For each
message that a proxy takes and gives, a client and a backend do so too: on two cores they cannot keep a whole one busy.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import time
import typing as t
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT / "molecule" / "shared"
FIXTURES = Path(__file__).resolve().parent / "fixtures"
sys.path[:0] = [str(ROOT / ".venv" / "collections"), str(ROOT / "tests" / "unit")]

import rendering

# `make clean` removes the images of this name.
IMAGE = "localhost/wsfleet-molecule:data-path"
CONTAINER = "wsfleet-bench-data-path"
CORES = 0.5
CORE = 0
BACKENDS = (9001, 9002, 9003)
LISTENERS = {3000, 3443}
ENVIRONMENT = {**os.environ, "CONTAINERS_CONF": str(SHARED / "containers.conf")}

NGINX = ("nginx", "-c", "/bench/conf/nginx.conf", "-g", "daemon off;")
# nginx reserves memory by these.
SIZES = re.compile(r"^ *\w+(_buffer|_pool|_buffers)_size .*;\n", re.MULTILINE)


@dataclass(frozen=True)
class Proxy:
    name: str
    command: tuple[str, ...]
    files: t.Mapping[str, str]


def podman(*arguments: str | Path) -> str:
    ended = subprocess.run(
        ["podman", *arguments],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=ENVIRONMENT,
    )
    if ended.returncode:
        sys.exit(f"podman {arguments[0]}: {ended.stdout}")
    return ended.stdout


def build() -> None:
    base = subprocess.run(
        [SHARED / "build-image", "bookworm"], check=True, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT
    ).stdout.strip()
    podman("build", "--tag", IMAGE, "--build-arg", f"BASE={base}", FIXTURES)


def in_image(command: str) -> str:
    return podman("run", "--rm", "--network", "none", IMAGE, "sh", "-c", command)


def versions() -> dict[str, str]:
    told = in_image("nginx -V 2>&1; haproxy -v; echo caddy $(caddy version)")
    found = {
        name: re.search(pattern, told)
        for name, pattern in {
            "nginx": r"nginx/([\d.]+)",
            "OpenSSL": r"OpenSSL ([\d.]+)",
            "HAProxy": r"HAProxy version ([\d.]+)",
            "Caddy": r"caddy v?([\d.]+)",
        }.items()
    }
    return {name: match[1] for name, match in found.items() if match}


def ours(installed: t.Mapping[str, str]) -> str:
    """The founding configuration, and TLS."""
    return rendering.render(
        {
            "websockets_nginx_version": installed["nginx"],
            "websockets_openssl_version": installed["OpenSSL"],
            "websockets_upstreams": [
                {"name": "ws-backend", "balance": "ip_hash", "servers": [f"127.0.0.1:{port}" for port in BACKENDS]}
            ],
            "websockets_sites": [
                {
                    "server_name": "ws.serverlab.ca",
                    "listen": [3000, "3443 ssl"],
                    "ssl_certificate": "/bench/cert.pem",
                    "ssl_certificate_key": "/bench/key.pem",
                    "locations": [{"path": "/", "upstream": "ws-backend"}],
                }
            ],
        }
    )


def nginx(name: str, site: str) -> Proxy:
    return Proxy(name, NGINX, {"nginx.conf": fixture("nginx.conf"), "site.conf": site})


def fixture(name: str) -> str:
    return (FIXTURES / name).read_text()


def candidates(installed: t.Mapping[str, str]) -> list[Proxy]:
    site = ours(installed)
    return [
        nginx("wsfleet", site),
        nginx("tutorial", fixture("tutorial.conf")),
        nginx("nginx's sizes", SIZES.sub("", site)),
        Proxy("HAProxy", ("haproxy", "-db", "-f", "/bench/conf/haproxy.cfg"), {"haproxy.cfg": fixture("haproxy.cfg")}),
        Proxy("Caddy", ("caddy", "run", "--config", "/bench/conf/Caddyfile"), {"Caddyfile": fixture("Caddyfile")}),
    ]


def listening(pid: int) -> set[int]:
    """The ports on which anything listens in the network of this process, by proc(5); none once it has ended."""
    tables = [path.read_text() for name in ("tcp", "tcp6") if (path := Path(f"/proc/{pid}/net/{name}")).exists()]
    return {int(port, 16) for table in tables for port in re.findall(r":(\w{4}) [\dA-F]+:0000 0A ", table)}


def other_cores() -> list[int]:
    return sorted(os.sched_getaffinity(0) - {CORE})


def cpu(pids: t.Iterable[int]) -> float:
    """Seconds that all threads of these processes ran."""
    tasks = (task for pid in pids for task in Path(f"/proc/{pid}/task").glob("*/schedstat"))
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


@contextlib.contextmanager
def running(proxy: Proxy, directory: Path) -> t.Iterator[Running]:
    """Start a proxy in its container, and wait until it listens."""
    for name, text in proxy.files.items():
        (directory / name).write_text(text)
    limits = ("--network", "none", "--cpus", str(CORES), "--cpuset-cpus", str(CORE), "--env", "GOMAXPROCS=1")
    mount = ("--volume", f"{directory}:/bench/conf:ro")
    podman("rm", "--force", "--time", "0", "--ignore", CONTAINER)
    try:
        podman("run", "--detach", "--name", CONTAINER, *limits, *mount, IMAGE, *proxy.command)
        pid = int(podman("inspect", "--format", "{{.State.Pid}}", CONTAINER))
        deadline = time.monotonic() + 20
        while not listening(pid) >= LISTENERS:
            if time.monotonic() > deadline:
                subprocess.run(["podman", "logs", CONTAINER], check=False, env=ENVIRONMENT)
                sys.exit(f"{proxy.name} does not listen")
            time.sleep(0.05)
        yield Running(pid)
    finally:
        podman("rm", "--force", "--time", "0", CONTAINER)


class Running:
    """A proxy in its container."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def _pids(self) -> list[int]:
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [self.pid, *map(int, children)]

    def cpu(self) -> float:
        return cpu(self._pids())

    def memory(self) -> int:
        """Bytes of its own, as the kernel counts them: neither files nor what processes share."""
        texts = [Path(f"/proc/{pid}/status").read_text() for pid in self._pids()]
        return sum(int(text.split("RssAnon:")[1].split()[0]) for text in texts) * 1024

    def command(self, *command: str | Path) -> list[str | Path]:
        """A command of the host, on the container's loopback and on the cores that the proxy leaves."""
        cores = ",".join(str(core) for core in other_cores())
        return ["nsenter", "--target", str(self.pid), "--net", "taskset", "--cpu-list", cores, *command]
