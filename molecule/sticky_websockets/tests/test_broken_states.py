# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gateways that serve all their routes, or nearly all, and are broken: verify.yml is red, and for the right reason."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from deployment import as_deployed
from gateway import Gateway, echoes, gateways
from playbook import site
from verification import titles, verify
from waiting import wait_until

GATEWAYS = gateways()
FIRST, SECOND = GATEWAYS
CHANGED: dict[str, Any] = {"websockets_directives": "map_hash_max_size 4096;"}
# Says what a gateway says, and is none.
LIAR = """
import http.server

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"%s\\n")

http.server.HTTPServer(("127.0.0.1", 488), Handler).serve_forever()
"""
State = Callable[[Gateway], AbstractContextManager[Any]]


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    with as_deployed(*GATEWAYS):
        yield


@contextmanager
def edited(gateway: Gateway, *, live: bool) -> Iterator[None]:
    """Change the file by hand, and have nginx serve it where it is to be live."""
    file = gateway.path(gateway.configuration)
    before = file.read_text()
    file.write_text(before.replace("keepalive 32", "keepalive 33"))
    if live:
        gateway.reload()
    try:
        yield
    finally:
        file.write_text(before)
        gateway.reload()


@contextmanager
def removed(gateway: Gateway) -> Iterator[None]:
    gateway.run(f"mv {gateway.configuration} /root/kept")
    try:
        yield
    finally:
        gateway.run(f"mv /root/kept {gateway.configuration}")


@contextmanager
def disabled(gateway: Gateway) -> Iterator[None]:
    gateway.run("systemctl disable nginx")
    try:
        yield
    finally:
        gateway.run("systemctl enable nginx")


@contextmanager
def replaced(gateway: Gateway) -> Iterator[None]:
    """As a package is upgraded where nothing restarts nginx."""
    gateway.run("cp -p /usr/sbin/nginx /usr/sbin/nginx.new && mv /usr/sbin/nginx.new /usr/sbin/nginx")
    try:
        yield
    finally:
        gateway.run("systemctl restart nginx")


@contextmanager
def orphaned(gateway: Gateway) -> Iterator[None]:
    """Kill a master that the service does not watch."""
    gateway.run("systemctl stop nginx && nginx")
    os.kill(pid_here(gateway, "nginx: master"), signal.SIGKILL)
    try:
        yield
    finally:
        gateway.run("pkill -QUIT --full '^nginx: worker'; while pgrep nginx; do sleep 0.1; done; rm -f /run/nginx.pid")
        gateway.run("systemctl start nginx")


@contextmanager
def limited(gateway: Gateway) -> Iterator[None]:
    """Workers that may open fewer files, as where a service sets a lower limit."""
    lower = "runuser -u www-data -- prlimit --nofile=1024 --pid"
    gateway.run(f"for pid in $(pgrep --full '^nginx: worker'); do {lower} $pid; done")
    try:
        yield
    finally:
        gateway.reload()


@contextmanager
def without_pid_file(gateway: Gateway) -> Iterator[None]:
    gateway.run("mv /run/nginx.pid /root/nginx.pid")
    try:
        yield
    finally:
        gateway.run("mv /root/nginx.pid /run/nginx.pid")


@contextmanager
def impersonated(gateway: Gateway) -> Iterator[None]:
    """A program that is not nginx, with the right answer."""
    gateway.path("/root/liar.py").write_text(LIAR % gateway.fingerprint)
    with gateway.stopped():
        gateway.run("systemd-run --unit liar python3 /root/liar.py")
        wait_until(lambda: "LISTEN" in gateway.run("ss -ltn 'sport = 488'"), "the liar listens")
        try:
            yield
        finally:
            gateway.run("systemctl stop liar")


def pid_here(gateway: Gateway, title: str) -> int:
    """The process id that a process of the gateway has on this machine."""
    output = subprocess.run(
        ["podman", "top", gateway.container, "hpid", "args"], check=True, capture_output=True
    ).stdout
    lines = [line.split(maxsplit=1) for line in output.decode().splitlines()[1:]]
    return next(int(pid) for pid, words in lines if words.startswith(title))


STATES: dict[str, tuple[State, str]] = {
    "edited and loaded": (lambda g: edited(g, live=True), "The file is not as the last deploy left it on"),
    "edited and not loaded": (lambda g: edited(g, live=False), "The file is not what nginx serves on"),
    "removed": (removed, "The file is missing on"),
    "disabled": (disabled, "nginx does not start at boot on"),
    "replaced binary": (replaced, "nginx runs in another version than the installed one on"),
    "orphans": (orphaned, "Workers of nginx whose master was killed still serve on"),
    "low limits": (limited, "The limits of nginx are too low for websockets_capacity on"),
    "lost pid file": (without_pid_file, "nginx runs, but its pid file does not name its master on"),
}
NAMES = list(STATES)


@pytest.mark.parametrize(("first", "second"), list(zip(NAMES[::2], NAMES[1::2], strict=True)))
def test_a_broken_gateway_that_serves_its_routes_is_red_for_its_own_reason(
    tmp_path: Path, first: str, second: str
) -> None:
    broken, expected = zip(*(STATES[name] for name in (first, second)), strict=True)
    with broken[0](FIRST), broken[1](SECOND):
        run, report = verify(GATEWAYS, tmp_path)
    assert run.failed
    assert sorted(titles(report)) == sorted(f"{words} {g.name}" for words, g in zip(expected, GATEWAYS, strict=True))
    assert report["summary"] == "All 2 gateways serve all their routes, with 2 errors"
    assert [gateway["state"] for gateway in report["gateways"]] == ["failed", "failed"]
    well, report = verify(GATEWAYS, tmp_path)
    assert not well.failed, well.output
    assert titles(report) == []


def test_what_is_live_is_compared_with_the_variables(tmp_path: Path) -> None:
    reason = f"The live configuration is not what the variables say on {FIRST.name}, {SECOND.name}"
    run, report = verify(GATEWAYS, tmp_path, **CHANGED)
    assert (run.failed, titles(report)) == (True, [reason])
    assert not site(CHANGED).failed
    run, report = verify(GATEWAYS, tmp_path, **CHANGED)
    assert (run.failed, titles(report)) == (False, [])
    assert not site(CHANGED, playbook="wsfleet.nginx.rollback").failed
    run, report = verify(GATEWAYS, tmp_path, **CHANGED)
    assert (run.failed, titles(report)) == (True, [reason])
    assert reason in run.output


def test_a_killed_deploy_is_red_until_the_next_one_completes_it(tmp_path: Path) -> None:
    given = {**CHANGED, "websockets_health_path": "/healthz", "websockets_health_wait": "1s"}
    only = ["--limit", FIRST.name]
    deploy = threading.Thread(target=site, args=(given,), kwargs={"arguments": only})
    FIRST.run("kill -STOP $(cat /run/nginx.pid)")
    try:
        deploy.start()
        journal = "test -e /var/lib/wsfleet-nginx/127.0.0.1:488/journal"
        wait_until(lambda: FIRST.console.run(journal).rc == 0, "the deploy has begun")
        # It waits for a master that does not react. The pacer is not root's.
        FIRST.run("pkill -KILL --euid root python3")
        deploy.join()
    finally:
        FIRST.run("kill -CONT $(cat /run/nginx.pid)")
    run, report = verify(GATEWAYS, tmp_path, *only, **given)
    assert run.failed
    assert titles(report) == [
        f"A deploy was not completed on {FIRST.name}",
        f"A deploy has left {FIRST.name} out of the load balancers",
    ]
    assert not site(given, arguments=only).failed
    run, report = verify(GATEWAYS, tmp_path, *only, **given)
    assert (run.failed, titles(report)) == (False, [])


def test_an_nginx_that_is_not_nginx_is_named(tmp_path: Path) -> None:
    with impersonated(FIRST):
        run, report = verify(GATEWAYS, tmp_path)
    assert run.failed
    (finding,) = [finding for finding in report["findings"] if finding["title"].startswith("Another program listens")]
    assert "python3 (pid" in finding["details"][0]
    assert report["gateways"][0]["fingerprint"] is None


def test_workers_of_before_a_reload_are_a_note(tmp_path: Path) -> None:
    with FIRST.websocket("/") as socket:
        FIRST.reload()
        run, report = verify(GATEWAYS, tmp_path)
        assert echoes(socket)
    assert not run.failed, run.output
    (finding,) = [finding for finding in report["findings"] if finding["title"].startswith("Earlier generations")]
    assert finding["severity"] == "note"
    assert re.fullmatch(rf"{FIRST.name}: since \S+Z 1 worker, 1 open socket, \S+ MB", finding["details"][0])


def test_a_server_that_is_drained_on_one_gateway_is_named_with_the_commands(tmp_path: Path) -> None:
    drain = {"websockets_drain": "server02", "websockets_drain_timeout": "0s"}
    done = site(drain, playbook="wsfleet.nginx.drain", arguments=["--limit", f"{FIRST.name},ws_backends"])
    assert not done.failed, done.output
    run, report = verify(GATEWAYS, tmp_path)
    assert not run.failed, run.output
    assert titles(report, "warning") == [
        f"server02:3000 of ws-backend is drained on {FIRST.name}, and not on {SECOND.name}"
    ]
    for command in ("-e websockets_drain=server02", "-e websockets_undrain=server02"):
        assert command in run.output
    back = {"websockets_undrain": "server02", "websockets_drain_timeout": "0s"}
    assert not site(back, playbook="wsfleet.nginx.drain").failed
