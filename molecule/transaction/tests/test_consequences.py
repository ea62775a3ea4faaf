# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stays after a deploy whose backends fail, after the role has left, and after its first deploy."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from deployment import FILES, NGINX_CONF, contents
from gateway import Gateway, echoes, group_variables
from playbook import Run, site
from waiting import PATIENCE, wait_until
from websockets.exceptions import ConnectionClosed

(SITE,) = group_variables()["websockets_sites"]
pytestmark = pytest.mark.usefixtures("restored")
STATE = "/var/lib/wsfleet-nginx"
# Shown in one look.
MOST_LINES = 10
THEIRS = "/etc/nginx/conf.d/zz-theirs.conf"


def deploy(bookworm: Gateway, variables: dict[str, Any], *, check: bool = False, **options: Any) -> Run:
    return site(variables, arguments=["--limit", bookworm.name, *(["--check"] if check else [])], **options)


def with_new(*locations: dict[str, Any]) -> dict[str, Any]:
    return {"websockets_sites": [{**SITE, "locations": [*SITE["locations"], *locations]}]}


def route(upstream: str, **more: Any) -> dict[str, Any]:
    return {"path": f"/{upstream}/", "upstream": upstream, **more}


def test_new_routes_whose_backends_refuse_stay_until_what_is_told_is_done(bookworm: Gateway) -> None:
    upstreams = ("plain", "credentials", "origin", "path", "subprotocol", "silent", "closing", "nothing")
    before, fingerprint = bookworm.path(bookworm.configuration).read_bytes(), bookworm.fingerprint
    with bookworm.websocket("/a/") as connection:
        added = deploy(
            bookworm, with_new(*(route(upstream, probe={"path": f"/{upstream}/"}) for upstream in upstreams))
        )
        assert echoes(connection)
    assert added.failed
    message = added.message(bookworm.name)
    assert message.startswith("8 of 12 routes failed their probes.\nLive now: the new configuration. Kept"), message
    assert len(message.splitlines()) < MOST_LINES, message
    assert "- websockets_sites[0].locations[4] (ws.example /plain/): returned 200 OK" in message
    assert "it serves plain HTTP there: set websocket: false" in message
    assert "- websockets_sites[0].locations[5] (ws.example /credentials/): returned 401 Unauthorized" in message
    assert "it requires credentials: set probe.headers" in message
    others = ", ".join(f"websockets_sites[0].locations[{number}]" for number in range(6, 10))
    assert message.endswith(f"- and 6 more: {others} and 2 more")
    assert "verified before" not in message
    after = bookworm.path(bookworm.configuration).read_bytes()
    assert after != before
    assert bookworm.fingerprint != fingerprint
    assert bookworm.fingerprint.encode() in after
    assert bookworm.echoes("/b/")

    wanted = with_new(
        route("plain", websocket=False),
        route("credentials", probe={"headers": {"Authorization": "Bearer sesame"}}),
        route("origin", probe={"origin": "https://app.example"}),
        route("path", probe={"path": "/path/socket"}),
        route("subprotocol", probe={"subprotocol": "v2"}),
    )
    healed = deploy(bookworm, wanted)
    assert not healed.failed, healed.output
    assert healed.changed(bookworm.name) == 1


def test_systemd_knows_what_nginx_needs(bookworm: Gateway) -> None:
    shown = bookworm.run("systemctl show nginx --property LimitNOFILESoft,TimeoutStopUSec").splitlines()
    # Five seconds for the sockets, and as many for nginx itself.
    assert set(shown) == {"LimitNOFILESoft=9216", "TimeoutStopUSec=10s"}


@contextmanager
def stopping(bookworm: Gateway) -> Iterator[Future[str]]:
    """systemd stops nginx, which takes no new connection any more and waits for those that are open."""
    try:
        with ThreadPoolExecutor(max_workers=1) as executor:
            stop = executor.submit(bookworm.run, "systemctl stop nginx")
            wait_until(lambda: not bookworm.listens(bookworm.port), "nginx is being stopped")
            yield stop
    finally:
        bookworm.run("systemctl start nginx")


def patience_ran_out(bookworm: Gateway) -> bool:
    """Whether the program timeout has ended the last stop: it exits with 124 then, and with 0 when nginx has ended."""
    stops = bookworm.run("systemctl show nginx --property ExecStop").splitlines()
    (status,) = [re.search(r"status=(\d+)", line) for line in stops if "/usr/bin/timeout" in line]
    assert status, stops
    assert status[1] in ("0", "124")
    return status[1] == "124"


def test_a_stop_gives_open_sockets_the_time_that_it_has(bookworm: Gateway) -> None:
    """However long they might go on after a reload: no client gets in while nginx is being stopped. The pacer would
    end a single one at once.
    """
    longer = deploy(bookworm, {"websockets_stop_timeout": "20s", "websockets_reconnect_rate": 0})
    assert not longer.failed, longer.output
    with bookworm.websocket("/a/") as connection, stopping(bookworm) as stop:
        assert echoes(connection)
        with pytest.raises(ConnectionClosed):
            connection.recv(PATIENCE)
        stop.result()
        assert patience_ran_out(bookworm)
    assert bookworm.echoes()


def restarts(gateway: Gateway) -> int:
    """How often systemd has started nginx again since somebody did."""
    return int(gateway.run("systemctl show nginx --property NRestarts --value"))


def is_active(gateway: Gateway) -> bool:
    """Whether nginx has started; `nginx -t`, which runs before, listens for a moment too."""
    return bool(gateway.console.run("systemctl is-active nginx").rc == 0)


def test_a_master_that_was_killed_is_replaced_and_sockets_stay_where_workers_do(gateway: Gateway) -> None:
    """systemd ends the workers of a dead master and starts nginx again; without it they go on, hold the ports, and
    nobody reloads them.
    """
    with gateway.websocket("/a/") as connection:
        assert echoes(connection)
        before = restarts(gateway) if gateway.has_systemd else 0
        gateway.run("kill -KILL $(cat /run/nginx.pid)")
        if gateway.has_systemd:
            # In cgroups of version 1 systemd does not see by itself that the last process has ended.
            gateway.run("systemctl daemon-reload")
            wait_until(lambda: restarts(gateway) > before and is_active(gateway), "systemd has started nginx again")
        else:
            again = deploy(gateway, {})
            assert not again.failed, again.output
            assert "started nginx" in again.output
            assert echoes(connection)
    assert gateway.echoes()
    assert deploy(gateway, {}).changed(gateway.name) == 0


@pytest.fixture
def theirs(bookworm: Gateway) -> Iterator[Gateway]:
    """A site of somebody else's."""
    bookworm.path(THEIRS).write_text('server { listen 8088; location / { return 200 "theirs"; } }')
    bookworm.reload()
    yield bookworm.site("theirs.example", 8088)
    bookworm.path(THEIRS).unlink()
    bookworm.reload()


def test_without_the_role_only_its_own_is_gone_and_the_next_deploy_is_the_first_one(
    bookworm: Gateway, theirs: Gateway
) -> None:
    would = deploy(bookworm, {"websockets_state": "absent"}, check=True)
    assert f"would remove  {bookworm.name}: would write {NGINX_CONF}, " in would.output
    assert (
        f"would reload nginx, would remove /var/log/nginx/websockets.log, nginx is kept for {THEIRS}\n" in would.output
    )
    run = deploy(bookworm, {"websockets_state": "absent"})
    assert not run.failed, run.output
    assert run.states == {bookworm.name: "removed"}
    assert f"nginx is kept for {THEIRS}. WebSockets that are open end by themselves" in " ".join(run.output.split())
    # As the package brought it.
    recorded = bookworm.run(f"dpkg-query --show --showformat='${{Conffiles}}\\n' nginx-common | grep ' {NGINX_CONF} '")
    assert bookworm.run(f"md5sum {NGINX_CONF}").split()[0] == recorded.split()[1]
    for path in (*FILES, STATE):
        assert path == NGINX_CONF or not bookworm.path(path).exists()
    # The pacer ends after the last worker of before.
    units = "systemctl list-units --all --plain --no-legend 'wsfleet-*'"
    wait_until(lambda: bookworm.run(units) == "", "no unit of the role is left")
    assert bookworm.run("find /etc/systemd /etc/needrestart /usr/local -name '*wsfleet*' 2>/dev/null || true") == ""
    assert bookworm.run("systemctl show nginx --property DropInPaths").strip() == "DropInPaths="
    assert theirs.request("GET", "/").body == b"theirs"
    for port in (bookworm.port, 488):
        with pytest.raises(ConnectionRefusedError):
            bookworm.open_socket(port, "127.0.0.1")

    # Before the first deploy there is nothing to go back to.
    first = deploy(bookworm, {})
    assert not first.failed, first.output
    before, fingerprint = contents(bookworm), bookworm.fingerprint
    back = deploy(bookworm, {}, playbook="wsfleet.nginx.rollback")
    assert back.failed
    message = back.message(bookworm.name)
    assert "nothing to roll back to: the deploy of " in message
    assert contents(bookworm) == before
    assert bookworm.fingerprint == fingerprint
    assert bookworm.echoes()


def test_the_last_site_goes_with_nginx_and_open_sockets_may_end_first(bookworm: Gateway) -> None:
    with ThreadPoolExecutor(1) as pool:
        with bookworm.websocket("/a/") as connection:
            wanted = {"websockets_state": "absent", "websockets_stop_timeout": "1m"}
            removal = pool.submit(deploy, bookworm, wanted)
            # Debian's own site, which is there until nginx is told to quit.
            wait_until(lambda: not bookworm.listens(80), "nginx lets nobody in")
            assert echoes(connection)
        run = removal.result()
    assert not run.failed, run.output
    assert run.states == {bookworm.name: "removed"}
    assert "stopped nginx, purged nginx" in run.output
    assert not bookworm.path("/etc/nginx").exists()
    would = deploy(bookworm, {}, check=True)
    assert f"would change  {bookworm.name}: would install nginx, would write {bookworm.configuration}" in would.output
    again = deploy(bookworm, {})
    assert not again.failed, again.output
    assert bookworm.echoes()


def test_a_stop_waits_for_open_sockets_no_longer_than_it_has_to(bookworm: Gateway) -> None:
    shorter = deploy(bookworm, {"websockets_worker_shutdown_timeout": "3s", "websockets_stop_timeout": "1m"})
    assert not shorter.failed, shorter.output
    with bookworm.websocket("/a/") as connection, stopping(bookworm) as stop:
        with pytest.raises(ConnectionClosed):
            connection.recv(PATIENCE)
        stop.result()
        assert not patience_ran_out(bookworm)
        assert bookworm.run("systemctl show nginx --property Result").strip() == "Result=success"


@pytest.fixture
def server01(bookworm: Gateway) -> Iterator[Callable[[bool], None]]:
    """Has the name of a backend resolve on the gateway, or not."""
    path = bookworm.path("/etc/hosts")
    hosts = path.read_text()
    without = "".join(line for line in hosts.splitlines(keepends=True) if "server01" not in line)
    # Without the network's name server, too.
    resolver = bookworm.path("/etc/resolv.conf").read_text()
    bookworm.path("/etc/resolv.conf").write_text("nameserver 127.0.0.77\n")

    def resolve(is_known: bool) -> None:
        path.write_text(hosts if is_known else without)

    yield resolve
    resolve(True)
    bookworm.path("/etc/resolv.conf").write_text(resolver)
    bookworm.run("systemctl restart nginx")


def test_nginx_starts_by_itself_as_soon_as_the_name_of_a_backend_resolves(
    bookworm: Gateway, server01: Callable[[bool], None]
) -> None:
    """As at boot, where the name server may respond later. systemd's own limit is five starts in ten seconds."""
    server01(False)
    assert bookworm.console.run("systemctl restart nginx").rc != 0
    wait_until(lambda: restarts(bookworm) >= 2, "systemd tries again")
    assert bookworm.run("systemctl show nginx --property ActiveState").strip() == "ActiveState=activating"
    server01(True)
    wait_until(lambda: is_active(bookworm), "nginx has started")
    assert bookworm.echoes()


def test_a_deploy_that_cannot_start_nginx_leaves_it_stopped(bookworm: Gateway) -> None:
    """Not to systemd, which would start it later with other files."""
    bookworm.run("systemctl stop nginx")
    bookworm.path(THEIRS).write_text("server { listen 8088; }")
    # Its port is taken, which `nginx -t` does not notice.
    bookworm.run("systemd-run --unit taken python3 -m http.server 8088")
    wait_until(lambda: bookworm.listens(8088), "the port is taken")
    try:
        failed = deploy(bookworm, {"websockets_capacity": 5000})
        assert failed.failed, failed.output
        assert "8088 failed (98: Address already in use)" in failed.message(bookworm.name)
        live = "Live now: the earlier files are back; nginx does not run, as before."
        assert failed.message(bookworm.name).endswith(live)
        assert bookworm.run("systemctl show nginx --property ActiveState").strip() == "ActiveState=inactive"
    finally:
        bookworm.run("systemctl stop taken")
        bookworm.path(THEIRS).unlink()
        bookworm.run("systemctl start nginx")


def test_nginx_that_was_stopped_by_hand_is_started(bookworm: Gateway) -> None:
    bookworm.run("systemctl stop nginx")
    again = deploy(bookworm, {})
    assert not again.failed, again.output
    assert again.changed(bookworm.name) == 1
    assert "started nginx" in again.output
    assert bookworm.echoes()
    assert deploy(bookworm, {}).changed(bookworm.name) == 0


def test_what_was_verified_before_nginx_was_stopped_counts(bookworm: Gateway) -> None:
    before = bookworm.path(bookworm.configuration).read_bytes()
    bookworm.run("systemctl stop nginx")
    moved = [{**location, "upstream": "nothing"} for location in SITE["locations"]]
    broken = deploy(bookworm, {"websockets_sites": [{**SITE, "locations": moved}]})
    assert broken.failed
    assert broken.message(bookworm.name).startswith("Rolled back: 4 of 4 routes failed their probes.")
    assert bookworm.path(bookworm.configuration).read_bytes() == before
    assert bookworm.echoes()
    assert deploy(bookworm, {}).changed(bookworm.name) == 0
