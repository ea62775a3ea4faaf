# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gateways of the fleet's benchmark: a real nginx each, all on one machine, which Ansible sees as separate hosts.

A gateway is Debian 12 from the shared image, in its own mount and PID namespaces: with its own /etc/nginx, /run and
/var/lib/wsfleet-nginx, and only its own processes. All share one isolated network, where each has a loopback address
and one program serves as every backend. So nothing on the machine changes, and everything ends with the processes that
are started here.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import signal
import subprocess
import sys
import time
import typing as t
from dataclasses import dataclass
from pathlib import Path

import proxies
import rendering
from ansible_collections.wsfleet.nginx.plugins.filter.gateway_model import gateway_model
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import capacity, nginx_conf

CONTAINER = "wsfleet-bench-fleet"
CONFIGURATION = "conf.d/00-websockets.conf"
BY_HAND = "by-hand.txt"
PLACEHOLDER = "{{ address }}"
BACKEND_PORT = 9001
# nginx makes room for all of them when it starts.
CAPACITY = 256
# Only gateways have it, so that no module can run on the machine itself.
INTERPRETER = "/usr/bin/gateways-python3"
DIRECTORIES = {"run": "run", "log": "var/log/nginx", "state": "var/lib/wsfleet-nginx", "nginx": "etc/nginx"}

NETWORK = 'ip link set lo up && exec "$@"'
HOST = """
set -e
root=$1 own=$2
mount --rbind /dev "$root/dev"
{mounts}
exec chroot "$root" nginx -g "daemon off;"
""".format(mounts="\n".join(f'mount --bind "$own/{own}" "$root/{place}"' for own, place in DIRECTORIES.items()))
# Ansible takes this for sudo. What runs in there is the gateway's cost, and is noted apart from the controller's.
ENTER = """#!/bin/bash
pid=$1
shift 3
nsenter --target "$pid" --mount --pid --net --root -- "$@"
code=$?
times >>{cpu}
exit $code
"""

Variables = t.Dict[str, t.Any]


def address(network: int, number: int) -> str:
    return f"127.{network}.{number // 250}.{number % 250 + 1}"


@dataclass(frozen=True)
class Gateway:
    name: str
    address: str
    own: Path
    host: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        """nginx's master, whose namespaces are the gateway's."""
        (master,) = children(self.host.pid)
        return master

    def has_started(self) -> bool:
        return (self.own / "run/nginx.pid").exists()


def children(pid: int) -> set[int]:
    return set(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def until(reached: t.Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not reached():
        if time.monotonic() > deadline:
            sys.exit("the gateways have not started what they were to start")
        time.sleep(0.1)


def backends(count: int) -> dict[str, Variables]:
    """The hosts of the upstream's group."""
    return {f"server{number:04}": {"ansible_host": address(2, number)} for number in range(count)}


def variables(where: str) -> Variables:
    """The variables of a gateway, given its address."""
    return {
        "websockets_capacity": CAPACITY,
        "websockets_status_listen": f"{where}:488",
        "websockets_upstreams": [{"name": "ws-backend", "group": "ws_backends", "port": BACKEND_PORT}],
        "websockets_sites": [
            {
                "server_name": "ws.serverlab.ca",
                "listen": f"{where}:3000",
                "locations": [{"path": "/", "upstream": "ws-backend"}],
            }
        ],
    }


class Fleet:
    """The gateways that have been started, and their inventory."""

    def __init__(self, directory: Path, root: Path, backend: int) -> None:
        self.directory, self._root, self._backend = directory, root, backend
        self.gateways: list[Gateway] = []
        self.enter = directory / "enter"
        self.cpu = directory / "cpu"
        self.enter.write_text(ENTER.format(cpu=self.cpu))
        self.enter.chmod(0o755)
        model = gateway_model(variables("127.0.0.1"), {"ws_backends": ["a"]}, {"a": {}})
        plain = (root / "etc/nginx/nginx.conf").read_text()
        wanted = capacity.largest([{"directives": model["nginx_conf"], "sockets": CAPACITY}])
        self._nginx_conf = nginx_conf.edited(plain, capacity.raised(wanted, nginx_conf.values(plain)))

    def grow(self, count: int, upstream: int) -> None:
        """Start gateways with the role's configuration, up to this number."""
        added = [self._start(number, upstream) for number in range(len(self.gateways), count)]
        self.gateways += added
        until(lambda: all(gateway.has_started() for gateway in added))

    def _start(self, number: int, upstream: int) -> Gateway:
        own = self.directory / f"{number + 1:04}"
        for name in DIRECTORIES:
            (own / name).mkdir(parents=True)
        shutil.copytree(self._root / "etc/nginx", own / "nginx", symlinks=True, dirs_exist_ok=True)
        (own / "nginx/sites-enabled/default").unlink()
        (own / "nginx/nginx.conf").write_text(self._nginx_conf)
        where = address(1, number)
        (own / "nginx" / CONFIGURATION).write_text(configuration(where, upstream))
        (own / "nginx" / BY_HAND).write_text(template(upstream).replace(PLACEHOLDER, where))
        unshare = ("unshare", "--mount", "--pid", "--fork", "--kill-child", f"--mount-proc={self._root}/proc")
        host = ("sh", "-c", HOST, "host", self._root, own)
        command = ("nsenter", "--target", str(self._backend), "--net", *unshare, *host)
        return Gateway(f"gateway{number + 1:04}", where, own, subprocess.Popen(command))

    def serve(self, gateways: t.Iterable[Gateway], upstream: int) -> None:
        """Give gateways an upstream of another size."""
        for gateway in gateways:
            master, workers = gateway.pid, children(gateway.pid)
            (gateway.own / "nginx" / CONFIGURATION).write_text(configuration(gateway.address, upstream))
            os.kill(master, signal.SIGHUP)
            # Others have taken their place.
            until(lambda: bool(now := children(master)) and not now & workers)  # noqa: B023

    def inventory(self, count: int, upstream: int) -> Variables:
        connection = {
            "ansible_connection": "local",
            "ansible_python_interpreter": INTERPRETER,
            "ansible_remote_tmp": str(self.directory / "tmp"),
            "ansible_become_exe": str(self.enter),
        }
        hosts = {
            gateway.name: {"address": gateway.address, "ansible_become_flags": str(gateway.pid)}
            for gateway in self.gateways[:count]
        }
        return {
            "ws_gateways": {"hosts": hosts, "vars": {**connection, **variables("{{ address }}")}},
            "ws_backends": {"hosts": backends(upstream)},
        }

    def end(self) -> None:
        for gateway in self.gateways:
            gateway.host.kill()
        for gateway in self.gateways:
            gateway.host.wait()


def configuration(where: str, upstream: int) -> str:
    """The file that the role writes for the gateway with this address."""
    servers = backends(upstream)
    return rendering.render(variables(where), groups={"ws_backends": list(servers)}, hostvars=servers)


@functools.cache
def template(upstream: int) -> str:
    """The same file as a template whose only variable is the address."""
    return configuration("127.0.0.2", upstream).replace("127.0.0.2", PLACEHOLDER)


@contextlib.contextmanager
def fleet(directory: Path) -> t.Iterator[Fleet]:
    """A network with backends and without gateways."""
    proxies.podman("rm", "--force", "--ignore", CONTAINER)
    proxies.podman("create", "--name", CONTAINER, proxies.IMAGE)
    try:
        root = Path(proxies.podman("mount", CONTAINER).strip())
        (root / "var/lib/wsfleet-nginx").mkdir()
        (root / INTERPRETER[1:]).symlink_to("python3")
        echo = (sys.executable, Path(__file__).with_name("echo.py"), str(BACKEND_PORT))
        command = ("unshare", "--net", "sh", "-c", NETWORK, "network", *echo)
        with subprocess.Popen(command, stdout=subprocess.PIPE) as backend:
            try:
                assert backend.stdout
                if not backend.stdout.readline():
                    sys.exit("the backends do not start")
                started = Fleet(directory, root, backend.pid)
                try:
                    yield started
                finally:
                    started.end()
            finally:
                backend.kill()
    finally:
        proxies.podman("rm", "--force", CONTAINER)
