# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A deploy that nginx does not take, or whose probe fails, on a gateway that serves an earlier one."""

from __future__ import annotations

import typing as t

import pytest
from playbook import site

# The backend is nginx's own default site, which answers plain HTTP alone.
UPSTREAM = {"name": "ws-backend", "servers": ["127.0.0.1:80"]}
LOCATION = {"path": "/", "upstream": "ws-backend", "websocket": False}
SITE = {"server_name": "ws.serverlab.ca", "listen": 8080, "locations": [LOCATION]}
SERVED = {"websockets_upstreams": [UPSTREAM], "websockets_sites": [SITE]}

FILE = "/etc/nginx/conf.d/00-websockets.conf"
FINGERPRINT = "curl --silent http://127.0.0.1:6455/"

NOTHING = "0" * 64


@pytest.fixture(scope="module", autouse=True)
def served(console: t.Any) -> None:
    run = site(SERVED)
    assert not run.failed, run.output
    console.check_output("apt-get install --yes curl procps")


@pytest.fixture
def kept(console: t.Any) -> t.Iterator[None]:
    """The file's bytes, the configuration that answers, and the workers that serve are the same after the test."""
    state = f"cat {FILE}; {FINGERPRINT}; pgrep --parent $(cat /run/nginx.pid)"
    before = console.check_output(state)
    yield
    assert console.check_output(state) == before
    console.check_output("nginx -t")


def listening(listen: str) -> dict[str, t.Any]:
    return {**SERVED, "websockets_sites": [{**SITE, "listen": listen}]}


@pytest.mark.usefixtures("kept", "squatter")
def test_a_reload_that_fails_without_a_word_is_rolled_back() -> None:
    run = site(listening("unix:/run/held.sock"))
    assert run.failed
    assert "nginx did not take over the new configuration:" in run.output
    assert "bind() to unix:/run/held.sock failed (98: Address already in use)" in run.output
    assert "Live now: the earlier files are back, and nginx serves them." in run.output


@pytest.mark.usefixtures("kept")
def test_a_candidate_that_nginx_rejects_changes_nothing() -> None:
    run = site(listening("192.0.2.1:8080"))
    assert run.failed
    assert "nginx rejects the new configuration; nothing was changed:" in run.output
    assert "bind() to 192.0.2.1:8080 failed (99: " in run.output


@pytest.mark.usefixtures("kept")
def test_check_mode_tests_the_candidate_and_changes_nothing() -> None:
    rejected = site({**listening("192.0.2.1:8080")}, arguments=["--check"])
    assert "nginx rejects the new configuration; nothing was changed:" in rejected.output
    accepted = site(listening("8081"), arguments=["--check", "--diff"])
    assert not accepted.failed, accepted.output
    assert "-    listen 8080;" in accepted.output
    assert "+    listen 8081;" in accepted.output


@pytest.fixture
def broken_before(console: t.Any) -> t.Iterator[None]:
    console.check_output("echo 'server { lisssten 80; }' >/etc/nginx/conf.d/theirs.conf")
    yield
    console.check_output("rm /etc/nginx/conf.d/theirs.conf")


@pytest.mark.usefixtures("kept", "broken_before")
def test_a_configuration_that_was_broken_before_is_told_apart() -> None:
    run = site(listening("8081"))
    assert run.failed
    assert "nginx rejects the configuration that this host had before this deploy; nothing was changed:" in run.output
    assert 'unknown directive "lisssten" in /etc/nginx/conf.d/theirs.conf:1' in run.output


@pytest.fixture
def lost_process_id(console: t.Any) -> t.Iterator[None]:
    console.check_output("mv /run/nginx.pid /root")
    yield
    console.check_output("mv /root/nginx.pid /run")


@pytest.mark.usefixtures("kept", "lost_process_id")
def test_an_nginx_that_cannot_be_signalled_is_told_before_a_file_changes() -> None:
    run = site(listening("8081"))
    assert run.failed
    assert "nginx runs, but its process id is not in /run/nginx.pid; nothing was changed" in run.output


def test_a_route_that_is_not_verified_fails_the_host() -> None:
    routes = [
        LOCATION,
        {**LOCATION, "path": "/ws/", "websocket": True},
        {**LOCATION, "path": "/down/", "upstream": "down"},
    ]
    upstreams = [UPSTREAM, {"name": "down", "servers": ["127.0.0.1:9"]}]
    run = site({"websockets_upstreams": upstreams, "websockets_sites": [{**SITE, "locations": routes}]})
    assert run.failed
    assert "1 of 3 routes failed its probe." in run.output
    assert "Live now: the new configuration. Kept: this deploy did not cause the failure." in run.output
    place = "websockets_sites[0].locations"
    # Nobody said where its WebSocket is, or that it has one there.
    assert f"{place}[1] (ws.serverlab.ca /ws/): not verified: the backend itself answers 404 at /ws/" in run.output
    assert f"- {place}[2] (ws.serverlab.ca /down/): answered 502 Bad Gateway" in run.output
    assert "asked directly: 127.0.0.1:9 refused the connection: nothing listens there" in run.output
    probed = [{**route, "probe": {"path": "/ws/"}} for route in routes[1:2]]
    run = site(
        {"websockets_upstreams": upstreams[:1], "websockets_sites": [{**SITE, "locations": [LOCATION, *probed]}]}
    )
    assert run.failed
    assert f"- {place}[1] (ws.serverlab.ca /ws/): answered 404 Not Found" in run.output
    assert "asked directly, 127.0.0.1:80 answers the same: it has nothing there" in run.output
    assert not site(SERVED).failed


def test_a_configuration_that_is_not_live_is_loaded_by_the_next_run(console: t.Any) -> None:
    """A run that was killed between swap and reload leaves such a host; so does a hand edit."""
    console.check_output(f"sed -i 's/8080/8082/' {FILE} && systemctl reload nginx && cp {FILE} /root/edited")
    run = site(SERVED)
    assert "changed=1" in run.output
    live = console.check_output(FINGERPRINT)
    saved = console.check_output(f"cat {FILE}")
    assert live.strip() in saved
    console.check_output(f"sed -i 's/{live.strip()}/{NOTHING}/' {FILE} && systemctl reload nginx")
    console.check_output(f"timeout 10 sh -c 'until {FINGERPRINT} | grep -q ^{NOTHING}; do sleep 0.1; done'")
    console.check_output(f"sed -i 's/{NOTHING}/{live.strip()}/' {FILE}")
    run = site(SERVED)
    assert "changed=1" in run.output
    assert console.check_output(FINGERPRINT) == live
    assert "changed=0" in site(SERVED).output
