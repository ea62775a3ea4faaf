# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A deploy that nginx does not take, or whose probe fails, on a gateway that serves an earlier one."""

from __future__ import annotations

import typing as t

import pytest
from gateway import Gateway
from playbook import Run, site
from waiting import wait_until

# The backend is nginx's own default site, which answers plain HTTP alone.
UPSTREAM = {"name": "ws-backend", "servers": ["127.0.0.1:80"]}
LOCATION = {"path": "/", "upstream": "ws-backend", "websocket": False}
SITE = {"server_name": "ws.serverlab.ca", "listen": 8080, "locations": [LOCATION]}
SERVED = {"websockets_upstreams": [UPSTREAM], "websockets_sites": [SITE]}

FILE = "/etc/nginx/conf.d/00-websockets.conf"
STATE = f"cat {FILE}; curl --silent http://127.0.0.1:488/"

NOTHING = "0" * 64


def deploy(variables: t.Mapping[str, t.Any], *arguments: str, **options: t.Any) -> Run:
    return site(variables, arguments=["--limit", "gateway-serving", *arguments], **options)


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


@pytest.mark.usefixtures("lost_process_id")
def test_an_nginx_whose_pid_file_is_lost_is_found_and_how_to_write_it_is_said(serving: Gateway) -> None:
    master = serving.run("cat /root/nginx.pid").strip()
    run = deploy(listening("8081"))
    assert not run.failed, run.output
    assert f"nginx runs, but its process id, {master}, is not in /run/nginx.pid" in run.output
    assert f"echo {master} > /run/nginx.pid" in run.output
    # Nothing is written in the place of nginx; its own test creates the file, and leaves it empty.
    assert serving.path("/run/nginx.pid").read_text() == ""


def test_an_nginx_that_is_killed_in_mid_deploy_is_started_with_the_earlier_files(
    serving: Gateway, as_served: str
) -> None:
    kill = f"until test -e /run/wsfleet-nginx/candidate-*; do :; done; kill -KILL {serving.master}"
    serving.run(f"systemd-run --unit=killer sh -c '{kill}'")
    run = deploy(listening("8081"))
    assert run.failed
    assert "nginx has ended: see its error log and `systemctl status nginx`" in run.output
    assert (
        "Live now: the earlier files are back, and nginx serves them: it had ended, and was started again" in run.output
    )
    assert serving.run(STATE) == as_served


STATE_FILES = "/var/lib/wsfleet-nginx"
OWN_STATE = f"{STATE_FILES}/127.0.0.1:488"


@pytest.fixture
def damaged(serving: Gateway) -> t.Iterator[None]:
    """All that a deploy can do without."""
    serving.run(f"cp --archive {STATE_FILES} /root/state")
    serving.run(
        f"echo 'events {{' >{STATE_FILES}/nginx.conf; echo 7 >{OWN_STATE}/deployed; echo '{{}}' >{OWN_STATE}/000099"
    )
    yield
    serving.run(f"rm -r {STATE_FILES}; mv /root/state {STATE_FILES}")


@pytest.mark.usefixtures("damaged")
def test_damaged_records_are_named_and_hold_up_neither_a_deploy_nor_a_rollback() -> None:
    run = deploy(listening("8081"))
    assert not run.failed, run.output
    assert f"{STATE_FILES}/nginx.conf is damaged: line 1: the block events is not closed" in run.output
    assert f"{OWN_STATE}/deployed is damaged: it has JSON of another shape" in run.output
    # The deploy has written the one, and comes after the other.
    back = deploy({}, playbook="wsfleet.nginx.rollback")
    assert not back.failed, back.output
    assert "is damaged: it has JSON" not in back.output
    further = deploy({}, playbook="wsfleet.nginx.rollback")
    assert f"{OWN_STATE}/000099 is damaged: it has JSON of another shape" in further.output


@pytest.fixture
def damaged_journal(serving: Gateway) -> t.Iterator[None]:
    serving.run(f"echo '{{' >{OWN_STATE}/journal")
    yield
    serving.run(f"rm {OWN_STATE}/journal")


@pytest.mark.usefixtures("kept", "damaged_journal")
@pytest.mark.parametrize("playbook", ["site", "rollback"])
def test_a_damaged_record_of_a_killed_deploy_changes_nothing_and_says_what_to_do(playbook: str) -> None:
    run = deploy(listening("8081"), playbook=f"wsfleet.nginx.{playbook}")
    assert run.failed
    assert f"{OWN_STATE}/journal is damaged: Expecting property name" in run.output
    assert "Live now: the files as they are." in run.output
    assert "remove that record, and run the playbook again" in run.output


@pytest.fixture
def in_the_way(serving: Gateway) -> t.Iterator[None]:
    """A directory in the place of the file."""
    serving.run(f"mv {FILE} /root && mkdir {FILE}")
    yield
    serving.run(f"rmdir {FILE} && mv /root/{FILE.rpartition('/')[2]} {FILE}")


@pytest.mark.usefixtures("in_the_way")
def test_a_directory_in_the_place_of_the_file_is_named() -> None:
    run = deploy(listening("8081"))
    assert run.failed
    assert f"cannot write {FILE} (websockets_config_path): it is a directory; move it away" in run.output


@pytest.fixture
def status_squatter(serving: Gateway) -> t.Iterator[None]:
    """Somebody else's program at the address where nginx, which is stopped, reports its configuration."""
    with serving.stopped():
        # Of root, as the files of other users' processes are hidden from root in a container.
        serving.run("systemd-run --unit=status-squatter python3 -m http.server --bind 127.0.0.1 488")
        wait_until(lambda: serving.console.run("ss -ltn | grep -q :488").rc == 0, "the other program listens")
        yield
        serving.run("systemctl stop status-squatter")


@pytest.mark.usefixtures("status_squatter")
def test_a_program_that_has_taken_the_status_port_is_named_with_its_user() -> None:
    run = deploy(SERVED)
    assert run.failed
    assert "websockets_status_listen: 127.0.0.1:488 is in use by python3 (pid " in run.output
    assert ", user root): stop it, or set another port" in run.output


def test_what_nginx_has_logged_of_a_probe_is_quoted_without_its_query() -> None:
    missing = {
        **{**LOCATION, "path": "/missing/", "websocket": True},
        "probe": {"path": "/missing/?token=sesame", "headers": {"Authorization": "Basic YTpi"}},
        "directives": "auth_basic users; auth_basic_user_file /etc/nginx/missing;",
    }
    denied = {
        **LOCATION,
        "path": "/denied/",
        "websocket": True,
        "directives": "deny all;",
        "probe": {"path": "/denied/"},
    }
    run = deploy({**SERVED, "websockets_sites": [{**SITE, "locations": [LOCATION, missing, denied]}]})
    assert run.failed
    assert 'nginx\'s error log: [error] open() "/etc/nginx/missing" failed (2: No such file or directory)' in run.output
    assert "nginx's error log: [error] access forbidden by rule: remove the deny in directives" in run.output
    assert "sesame" not in run.output


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
