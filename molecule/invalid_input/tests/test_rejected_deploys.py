# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A deploy that nginx does not take, or whose probe fails, on a gateway that serves an earlier one."""

from __future__ import annotations

import typing as t

import pytest
from gateway import Gateway
from playbook import Run, site

# The backend is nginx's own default site, which answers plain HTTP alone.
UPSTREAM = {"name": "ws-backend", "servers": ["127.0.0.1:80"]}
LOCATION = {"path": "/", "upstream": "ws-backend", "websocket": False}
SITE = {"server_name": "ws.serverlab.ca", "listen": 8080, "locations": [LOCATION]}
SERVED = {"websockets_upstreams": [UPSTREAM], "websockets_sites": [SITE]}

FILE = "/etc/nginx/conf.d/00-websockets.conf"
STATE = f"cat {FILE}; curl --silent http://127.0.0.1:488/"

NOTHING = "0" * 64


def deploy(variables: t.Mapping[str, t.Any], *arguments: str) -> Run:
    return site(variables, arguments=["--limit", "gateway-serving", *arguments])


@pytest.fixture(scope="module")
def as_served(serving: Gateway) -> str:
    """The file, and which configuration answers, as the tests find them."""
    run = deploy(SERVED)
    assert not run.failed, run.output
    serving.run("apt-get install --yes curl procps")
    return serving.run(STATE)


@pytest.fixture(autouse=True)
def served(serving: Gateway, as_served: str) -> t.Iterator[None]:
    yield
    if serving.console.run(STATE).stdout != as_served:
        run = deploy(SERVED)
        assert not run.failed, run.output


@pytest.fixture
def kept(serving: Gateway, served: None) -> t.Iterator[None]:
    """The file's bytes, the configuration that answers, and the workers that serve are the same after the test."""
    state = f"{STATE}; pgrep --parent $(cat /run/nginx.pid)"
    before = serving.run(state)
    yield
    assert serving.run(state) == before
    serving.run("nginx -t")


def listening(listen: str) -> dict[str, t.Any]:
    return {**SERVED, "websockets_sites": [{**SITE, "listen": listen}]}


@pytest.mark.usefixtures("kept", "squatter_on_serving")
def test_a_reload_that_fails_without_a_word_is_rolled_back() -> None:
    run = deploy(listening("unix:/run/held.sock"))
    assert run.failed
    assert "nginx did not load the new configuration:" in run.output
    assert "bind() to unix:/run/held.sock failed (98: Address already in use)" in run.output
    assert "Live now: the earlier files are back, and nginx serves them." in run.output


@pytest.mark.usefixtures("kept")
def test_a_candidate_that_nginx_rejects_changes_nothing() -> None:
    run = deploy(listening("192.0.2.1:8080"))
    assert run.failed
    assert "nginx rejects the new configuration; nothing was changed:" in run.output
    assert "bind() to 192.0.2.1:8080 failed (99: " in run.output


@pytest.mark.usefixtures("kept")
def test_check_mode_tests_the_candidate_and_changes_nothing() -> None:
    rejected = deploy({**listening("192.0.2.1:8080")}, "--check")
    assert "nginx rejects the new configuration; nothing was changed:" in rejected.output
    accepted = deploy(listening("8081"), "--check", "--diff")
    assert not accepted.failed, accepted.output
    assert "-    listen 8080;" in accepted.output
    assert "+    listen 8081;" in accepted.output


@pytest.fixture
def broken_before(serving: Gateway) -> t.Iterator[None]:
    serving.run("echo 'server { lisssten 80; }' >/etc/nginx/conf.d/theirs.conf")
    yield
    serving.run("rm /etc/nginx/conf.d/theirs.conf")


@pytest.mark.usefixtures("kept", "broken_before")
def test_a_configuration_that_was_broken_before_is_told_apart() -> None:
    run = deploy(listening("8081"))
    assert run.failed
    assert "nginx rejects the configuration that this host had before this deploy; nothing was changed:" in run.output
    assert 'unknown directive "lisssten" in /etc/nginx/conf.d/theirs.conf:1' in run.output


@pytest.fixture
def broad_include(serving: Gateway) -> t.Iterator[None]:
    serving.run("echo 'include /etc/nginx/conf.d/.0*;' >/etc/nginx/conf.d/theirs.conf && systemctl reload nginx")
    yield
    serving.run("rm /etc/nginx/conf.d/theirs.conf && systemctl reload nginx")


@pytest.mark.usefixtures("broad_include", "kept")
def test_an_include_that_covers_the_hidden_files_of_a_gateway_is_refused() -> None:
    """nginx would not start any more, once the gateway is drained."""
    run = deploy({**SERVED, "websockets_health_path": "/healthz"})
    assert run.failed
    assert "covers /etc/nginx/conf.d/.00-websockets.out, /etc/nginx/conf.d/.00-websockets.conf.new" in run.output
    assert "have it match no hidden files; nothing was changed" in run.output


@pytest.fixture
def lost_process_id(serving: Gateway) -> t.Iterator[None]:
    serving.run("mv /run/nginx.pid /root")
    yield
    serving.run("mv /root/nginx.pid /run")


@pytest.mark.usefixtures("kept", "lost_process_id")
def test_an_nginx_that_cannot_be_signalled_is_told_before_a_file_changes() -> None:
    run = deploy(listening("8081"))
    assert run.failed
    assert "nginx runs, but its process id is not in /run/nginx.pid; nothing was changed" in run.output


def test_a_route_that_is_not_verified_fails_the_host() -> None:
    routes = [
        LOCATION,
        {**LOCATION, "path": "/ws/", "websocket": True},
        {**LOCATION, "path": "/down/", "upstream": "down"},
    ]
    upstreams = [UPSTREAM, {"name": "down", "servers": ["127.0.0.1:9"]}]
    run = deploy({"websockets_upstreams": upstreams, "websockets_sites": [{**SITE, "locations": routes}]})
    assert run.failed
    assert "1 of 3 routes failed its probe." in run.output
    assert "Live now: the new configuration. Kept: this deploy did not cause the failure." in run.output
    place = "websockets_sites[0].locations"
    # Nobody said where its WebSocket is, or that it has one there.
    assert f"{place}[1] (ws.serverlab.ca /ws/): not verified: the backend returns 404 at /ws/" in run.output
    assert f"- {place}[2] (ws.serverlab.ca /down/): returned 502 Bad Gateway" in run.output
    assert "probed directly: 127.0.0.1:9 refused the connection: nothing listens there" in run.output
    probed = [{**route, "probe": {"path": "/ws/"}} for route in routes[1:2]]
    run = deploy(
        {"websockets_upstreams": upstreams[:1], "websockets_sites": [{**SITE, "locations": [LOCATION, *probed]}]}
    )
    assert run.failed
    assert f"- {place}[1] (ws.serverlab.ca /ws/): returned 404 Not Found" in run.output
    assert "probed directly, 127.0.0.1:80 returns the same: it serves nothing there" in run.output


def test_a_configuration_that_is_not_live_is_loaded_by_the_next_run(serving: Gateway) -> None:
    """A run that was killed between swap and reload leaves such a host; so does a hand edit."""
    serving.run(f"sed -i 's/8080/8082/' {FILE}")
    serving.reload()
    run = deploy(SERVED)
    assert "changed=1" in run.output
    live = serving.fingerprint
    assert live in serving.run(f"cat {FILE}")
    serving.run(f"sed -i 's/{live}/{NOTHING}/' {FILE}")
    serving.reload()
    assert serving.fingerprint == NOTHING
    serving.run(f"sed -i 's/{NOTHING}/{live}/' {FILE}")
    run = deploy(SERVED)
    assert "changed=1" in run.output
    assert serving.fingerprint == live
    assert "changed=0" in deploy(SERVED).output
