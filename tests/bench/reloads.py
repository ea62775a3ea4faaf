# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures what a reload of each proxy does to open sockets: how many it ends, when, and how many in the worst second.

--write also writes the result to docs/sockets.md.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import platform
import subprocess
import sys
import tempfile
import time
import typing as t
from dataclasses import dataclass
from pathlib import Path

import page
import proxies
from ansible_collections.wsfleet.nginx.plugins.module_utils._lifetime import program
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

HERE = Path(__file__).resolve().parent
PAGE = proxies.ROOT / "docs" / "sockets.md"
SOCKETS = 500
# How long a socket may stay open after a reload where a proxy has such a setting, and in how many seconds the sockets
# are to be ended where it has one for that.
STAY, SPREAD = 5, 20
RATE = SOCKETS // SPREAD
WATCHED = STAY + SPREAD + 10
URL = "ws://ws.serverlab.ca:3000/chat"
# The clients that come while it reloads, one after the other.
PAUSE = 0.02

SHUTDOWN_TIMEOUT = "worker_shutdown_timeout {}s;\n"
PACER_STATE = "/run/wsfleet-pacer"
PACER = (
    f"python3 -I /bench/conf/nginx.pyz pace --binary=/usr/sbin/nginx --rate={RATE} --timeout={STAY} --stop-timeout=5"
)


@dataclass(frozen=True)
class Candidate:
    """A proxy, the command that reloads it, and what runs beside it."""

    proxy: proxies.Proxy
    reload: tuple[str, ...]
    is_paced: bool = False


class Watched(t.NamedTuple):
    """Seconds after the reload at which sockets were ended, and how many new clients were refused."""

    ends: list[float]
    refused: int

    @property
    def worst(self) -> int:
        """The most ends in any one second."""
        return max((sum(end <= other < end + 1 for other in self.ends) for end in self.ends), default=0)


def nginx(name: str, installed: t.Mapping[str, str], more: str = "", *, is_paced: bool = False) -> Candidate:
    """With its configuration at the usual place: of an nginx with another one, the pacer ends nothing."""
    proxy = proxies.nginx(name, proxies.ours(installed))
    files = {**proxy.files, "nginx.conf": more + proxy.files["nginx.conf"]}
    start = "cp /bench/conf/nginx.conf /etc/nginx/nginx.conf && exec /usr/sbin/nginx -g 'daemon off;'"
    return Candidate(proxies.Proxy(proxy.name, ("sh", "-c", start), files), ("nginx", "-s", "reload"), is_paced)


def haproxy() -> Candidate:
    settings = f"global\n    hard-stop-after {STAY + SPREAD}s\n    close-spread-time {SPREAD}s\n"
    text = proxies.fixture("haproxy.cfg").replace("global\n", settings)
    command = ("haproxy", "-W", "-db", "-f", "/bench/conf/haproxy.cfg")
    proxy = proxies.Proxy("HAProxy, close-spread-time", command, {"haproxy.cfg": text}, image=proxies.HAPROXY_IMAGE)
    return Candidate(proxy, ("kill", "-USR2", "1"))


def caddy(name: str, more: str = "") -> Candidate:
    text = proxies.fixture("Caddyfile").replace("\tadmin off\n", "").replace("lb_policy", f"{more}lb_policy")
    proxy = proxies.Proxy(name, proxies.CADDY, {"Caddyfile": text}, program=proxies.program("Caddy"))
    return Candidate(proxy, ("/bench/caddy", "reload", "--force", "--config", "/bench/conf/Caddyfile"))


def candidates(installed: t.Mapping[str, str]) -> list[Candidate]:
    return [
        nginx("nginx", installed),
        nginx("nginx, worker_shutdown_timeout", installed, SHUTDOWN_TIMEOUT.format(STAY)),
        nginx("wsfleet", installed, SHUTDOWN_TIMEOUT.format(10 * WATCHED), is_paced=True),
        haproxy(),
        caddy("Caddy"),
        caddy("Caddy, stream_close_delay", f"stream_close_delay {STAY}s\n\t\t"),
    ]


async def watch() -> None:
    """Open the sockets, say so, wait for a line, and print what becomes of them."""
    sockets = [
        await connect(URL, host="127.0.0.1", port=3000, proxy=None, compression=None) for _number in range(SOCKETS)
    ]
    print("ready", flush=True)
    loop = asyncio.get_running_loop()
    ends: list[float] = []

    async def follow(socket: ClientConnection) -> None:
        await socket.wait_closed()
        ends.append(loop.time())

    following = [asyncio.create_task(follow(socket)) for socket in sockets]
    await loop.run_in_executor(None, sys.stdin.readline)
    start, refused = loop.time(), 0
    while loop.time() < start + WATCHED:
        try:
            async with connect(URL, host="127.0.0.1", port=3000, proxy=None, compression=None):
                pass
        except (OSError, WebSocketException):
            refused += 1
        await asyncio.sleep(PAUSE)
    for task in following:
        task.cancel()
    print(json.dumps([[end - start for end in ends], refused]), flush=True)


def start_pacer(directory: Path) -> None:
    """As its unit does: by nginx's own user, with a directory of its own."""
    (directory / "nginx.pyz").write_bytes(program.content())
    directory.chmod(0o755)
    proxies.podman("exec", proxies.CONTAINER, "install", "-d", "-o", "www-data", PACER_STATE)
    proxies.podman("exec", "--detach", "--user", "www-data", proxies.CONTAINER, *PACER.split())


def measured(candidate: Candidate) -> Watched:
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        running = stack.enter_context(proxies.running(candidate.proxy, directory))

        def python(*arguments: str | Path) -> subprocess.Popen[str]:
            command = running.command(sys.executable, *arguments)
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            stack.callback(process.wait)
            stack.callback(process.kill)
            return process

        backends = python(HERE / "echo.py", *map(str, proxies.BACKENDS))
        assert backends.stdout
        backends.stdout.readline()
        clients = python(__file__, "--watch")
        assert clients.stdout
        clients.stdout.readline()
        if candidate.is_paced:
            start_pacer(directory)
        time.sleep(1)
        assert clients.stdin
        clients.stdin.write("\n")
        clients.stdin.flush()
        proxies.podman("exec", proxies.CONTAINER, *candidate.reload)
        assert clients.stdout
        ends, refused = json.loads(clients.stdout.readline())
        return Watched(ends, refused)


def row(name: str, watched: Watched) -> list[str]:
    if not watched.ends:
        return [name, "0", "", "", "", str(watched.refused)]
    first, last = min(watched.ends), max(watched.ends)
    return [name, str(len(watched.ends)), f"{first:.0f}", f"{last:.0f}", str(watched.worst), str(watched.refused)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write docs/sockets.md too")
    parser.add_argument("--watch", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.watch:
        asyncio.run(watch())
        return
    proxies.build()
    proxies.build_haproxy()
    installed = proxies.versions()
    head = ["", f"of {SOCKETS} ended", "the first after s", "the last after s", "in the worst second", "refused"]
    found = []
    for candidate in candidates(installed):
        print(f"reload of {candidate.proxy.name}", file=sys.stderr)
        found.append(row(candidate.proxy.name, measured(candidate)))
    versions = ", ".join(
        f"{name} {version}" for name, version in {**installed, **proxies.peer_versions()}.items() if name in NAMED
    )
    words = (
        f"One reload with {SOCKETS} open sockets, watched for {WATCHED} s; what has a setting for it lets them stay "
        f"for {STAY} s, and ends them within {SPREAD} s. Linux {platform.release().split('-')[0]}, {versions}."
    )
    text = f"{page.paragraph(words)}\n{page.table([head, *found])}"
    print(text)
    if arguments.write:
        page.write(PAGE, text)


NAMED = ("nginx", "HAProxy", "Caddy")

if __name__ == "__main__":
    main()
