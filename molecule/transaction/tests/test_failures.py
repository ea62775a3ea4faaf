# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deploys that fail leave files and nginx as they were, and tell why."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from deployment import LEFT_BEHIND, contents
from gateway import Gateway, echoes, group_variables
from playbook import site

VARIABLES = group_variables()
(SITE,) = VARIABLES["websockets_sites"]
LOCATIONS = SITE["locations"]
CONFIGURATION = Gateway.configuration
LARGER = {"websockets_capacity": 5000}
CONF_D = "/etc/nginx/conf.d"
# Shown in one look.
MOST_LINES = 10

ROLLED_BACK = "Live now: the earlier files are back, and nginx serves them."


def deployed(bookworm: Gateway, variables: Mapping[str, Any]) -> str:
    """What a deploy says that has to fail."""
    run = site({**LARGER, **variables}, arguments=["--limit", bookworm.name])
    assert run.failed, run.output
    assert run.changed(bookworm.name) == 0, run.output
    message = run.message(bookworm.name)
    assert len(message.splitlines()) < MOST_LINES, message
    return message


def with_locations(*locations: Mapping[str, Any]) -> dict[str, Any]:
    return {"websockets_sites": [{**SITE, "locations": list(locations)}]}


@pytest.fixture(autouse=True)
def kept(bookworm: Gateway, restored: None) -> Iterator[None]:
    """Files, fingerprint and open sockets are as before after each test, and nothing is left for the next run to do.

    Each deploy would change all of the files.
    """
    before, fingerprint, master = contents(bookworm), bookworm.fingerprint, bookworm.master
    with bookworm.websocket("/a/") as connection:
        assert echoes(connection)
        yield
        assert echoes(connection)
    assert contents(bookworm) == before
    assert (bookworm.fingerprint, bookworm.master) == (fingerprint, master)
    assert bookworm.echoes("/a/")
    assert bookworm.console.run(LEFT_BEHIND).stdout == ""
    again = site({}, arguments=["--limit", bookworm.name])
    assert not again.failed, again.output
    assert again.changed(bookworm.name) == 0, again.output


def test_what_nginx_rejects_never_gets_there(bookworm: Gateway) -> None:
    rejected = {**LOCATIONS[0], "directives": "proxy_cookie_path /a;"}
    message = deployed(bookworm, with_locations(rejected, *LOCATIONS[1:]))
    assert message.startswith("nginx rejects the new configuration; nothing was changed:\n[emerg] ")
    assert f'invalid parameter "/a" in {CONFIGURATION}:' in message
    assert "'proxy_cookie_path /a;', from websockets_sites[0].locations[0]" in message


# What is told of an upstream that a verified route is given instead of its own: the route's answer, and what to do.
ANSWERS = {
    "nothing": ("502 Bad Gateway", "server02:3999 refused the connection"),
    "plain": ("200 OK", "websocket: false"),
    "credentials": (
        "401 Unauthorized",
        "server02:4002 returns the same: it requires credentials: set probe.headers",
    ),
    "origin": ("403 Forbidden", "set probe.origin to an Origin that it accepts"),
    "path": ("404 Not Found", "set probe.path to the path of its WebSocket"),
    "subprotocol": ("400 Bad Request", "set probe.subprotocol, probe.headers or probe.path to what it requires"),
    "silent": ("", "server02:4006 "),
    "closing": ("no server gives a response that nginx accepts", "server02:4007 "),
}


@pytest.mark.parametrize(
    "upstreams",
    [("nothing", "plain", "credentials"), ("origin", "path", "subprotocol"), ("silent", "closing")],
    ids="-".join,
)
def test_a_route_that_is_not_verified_any_more_is_rolled_back(bookworm: Gateway, upstreams: tuple[str, ...]) -> None:
    changed = [{**location, "upstream": upstream} for location, upstream in zip(LOCATIONS[1:], upstreams, strict=False)]
    message = deployed(bookworm, with_locations(LOCATIONS[0], *changed, *LOCATIONS[1 + len(upstreams) :]))
    assert message.startswith(f"Rolled back: {len(upstreams)} of 4 routes failed their probes.")
    assert ROLLED_BACK.lower() in message.lower()
    for number, upstream in enumerate(upstreams, 1):
        answer, advice = ANSWERS[upstream]
        (line,) = (
            i for i, line in enumerate(message.splitlines()) if f"websockets_sites[0].locations[{number}] " in line
        )
        told, hint = message.splitlines()[line : line + 2]
        assert answer in told
        assert advice in hint


def test_a_probe_that_changes_with_its_route_hides_nothing(bookworm: Gateway) -> None:
    asked_anew = {**LOCATIONS[1], "upstream": "nothing", "probe": {"subprotocol": "v2"}}
    message = deployed(bookworm, with_locations(LOCATIONS[0], asked_anew, *LOCATIONS[2:]))
    assert message.startswith("Rolled back: 1 of 4 routes failed its probe.")
    assert "returned 502 Bad Gateway, but passed before this deploy" in message


def test_a_new_route_that_the_gateway_itself_breaks_is_rolled_back(bookworm: Gateway) -> None:
    refused = {"path": "/refused/", "upstream": "echo", "directives": "deny all;"}
    astray = {
        "path": "/astray/",
        "upstream": "path",
        "probe": {"path": "/astray/socket"},
        "directives": "rewrite ^ /nothing break;",
    }
    # A line of directives that lets pages of any site in.
    open_to_all = {"path": "/open/", "upstream": "echo", "allowed_origins": ["https://a.example"]}
    variables = with_locations(*LOCATIONS, refused, astray, open_to_all)
    variables["websockets_sites"][0]["directives"] = 'set $websocket_foreign_1 "";'
    message = deployed(bookworm, variables)
    assert message.startswith(
        "Rolled back: 2 of 7 routes failed their probes and 1 of 2 requests that must be refused was not."
    )
    assert (
        "websockets_sites[0].locations[6].allowed_origins (ws.example /open/): rule origin: a handshake with a foreign "
        "Origin returned 101 Switching Protocols, not 403"
    ) in message
    assert "websockets_sites[0].locations[4] (ws.example /refused/): returned 403 Forbidden" in message
    assert "websockets_sites[0].locations[5] (ws.example /astray/): returned 404 Not Found" in message
    assert "probed directly, server02:4004 passes" in message
    assert "verified before" not in message.partition("What to fix:")[2]


def inside(bookworm: Gateway, script: str) -> None:
    """Run what only the machine may do with the file systems that the gateway sees."""
    process = bookworm.path("").parent.name
    command = ["nsenter", "--target", process, "--mount", "--pid", "sh", "-euc", script]
    subprocess.run(command, check=True, capture_output=True, text=True)


@pytest.fixture
def full_disk(bookworm: Gateway) -> Iterator[None]:
    inside(
        bookworm,
        f"""
        mkdir /root/copy && mount --types tmpfs --options size=64k,mode=0755 none /root/copy
        cp --archive {CONF_D}/. /root/copy
        dd if=/dev/zero of=/root/copy/filler bs=1k 2>/dev/null || true
        mount --move /root/copy {CONF_D}
        """,
    )
    yield
    inside(bookworm, f"umount {CONF_D} && rmdir /root/copy")


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_changes_nothing(bookworm: Gateway) -> None:
    message = deployed(bookworm, with_locations(*LOCATIONS, {**LOCATIONS[1], "path": "/new/"}))
    assert f"cannot write {CONFIGURATION} (websockets_config_path): No space left on device" in message
    assert "nothing was changed" in message
    assert bookworm.console.run(LEFT_BEHIND).stdout == ""


@pytest.fixture
def read_only(bookworm: Gateway) -> Iterator[None]:
    inside(bookworm, f"mount --bind {CONF_D} {CONF_D} && mount --options remount,bind,ro {CONF_D}")
    yield
    inside(bookworm, f"umount {CONF_D}")


@pytest.mark.usefixtures("read_only")
def test_a_file_system_that_is_read_only_changes_nothing(bookworm: Gateway) -> None:
    message = deployed(bookworm, with_locations(*LOCATIONS, {**LOCATIONS[1], "path": "/new/"}))
    assert f"cannot write {CONFIGURATION} (websockets_config_path): {CONF_D} is read-only" in message
    assert "nothing was changed" in message
    assert bookworm.console.run(LEFT_BEHIND).stdout == ""


BROKEN = "/etc/nginx/sites-enabled/broken"
SOUND = f"{CONF_D}/zz-theirs.conf"


@pytest.fixture
def others(bookworm: Gateway) -> Iterator[None]:
    """A sound site of somebody else's, and one that nginx would not take, put there while it runs."""
    sound = 'server { listen 8088; location / { return 200 "theirs"; } }'
    bookworm.path(SOUND).write_text(sound)
    bookworm.reload()
    bookworm.path(BROKEN).write_text("server { lisssten 8089; }\n")
    yield
    bookworm.path(BROKEN).unlink()
    bookworm.path(SOUND).unlink()
    bookworm.reload()


@pytest.mark.usefixtures("others")
def test_what_was_broken_before_is_named_and_nothing_is_changed(bookworm: Gateway) -> None:
    message = deployed(bookworm, with_locations(*LOCATIONS, {**LOCATIONS[1], "path": "/new/"}))
    assert "nginx rejects the configuration that this host had before this deploy; nothing was changed:" in message
    assert f'unknown directive "lisssten" in {BROKEN}:1' in message
    assert bookworm.site("theirs.example", 8088).request("GET", "/").body == b"theirs"
    assert bookworm.path(SOUND).exists()
