# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that was configured by hand comes over to the role, and goes back, without an end of a WebSocket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from deployment import NGINX_CONF
from gateway import gateways, group_variables
from playbook import Run, site
from traffic import Traffic
from websockets.asyncio.client import connect

SOCKETS = 200
ENABLED = "/etc/nginx/sites-enabled/chat"
KEPT = f"/var/lib/wsfleet-nginx/replaced{ENABLED}"
AVAILABLE = "../sites-available/chat"
(GATEWAY,) = gateways()


def succeeded(run: Run) -> Run:
    assert not run.failed, run.output
    return run


def is_by_hand() -> bool:
    """Whether nginx serves the file that was written by hand, which is where it was, and has no other."""
    link = GATEWAY.path(ENABLED)
    is_enabled = link.is_symlink() and str(link.readlink()) == AVAILABLE
    return is_enabled and not GATEWAY.path(GATEWAY.configuration).exists() and not reports()


def reports() -> bool:
    """Whether nginx says which configuration of the role is live."""
    try:
        return bool(GATEWAY.fingerprint)
    except OSError:
        return False


@pytest.fixture
def by_hand() -> Iterator[None]:
    """The host as it was before its first deploy; a test leaves it as the scenario deploys it."""
    succeeded(site({"websockets_state": "absent"}))
    if not GATEWAY.path(ENABLED).is_symlink():
        GATEWAY.path(ENABLED).symlink_to(AVAILABLE)
    GATEWAY.reload()
    assert is_by_hand()
    assert GATEWAY.echoes()
    yield
    succeeded(site({}))


@pytest.fixture
def traffic() -> Iterator[Traffic]:
    def dial(_number: int) -> connect:
        return connect(f"ws://{GATEWAY.server_name}:{GATEWAY.port}/", host=GATEWAY.address, proxy=None)

    found = Traffic(dial, SOCKETS)
    try:
        yield found
    finally:
        found.end()
        assert not found.errors, "\n".join(found.errors[:5])


@pytest.mark.usefixtures("by_hand")
def test_the_variables_are_those_of_the_scenario(tmp_path: Path) -> None:
    """Of what the running nginx has: the file itself, and Debian's own site beside it."""
    given = {"websockets_import": GATEWAY.name, "websockets_import_to": str(tmp_path / "vars.yml")}
    succeeded(site(given, playbook="wsfleet.nginx.import"))
    text = (tmp_path / "vars.yml").read_text()
    assert f"# websockets_replaces: [{ENABLED}, /etc/nginx/sites-enabled/default]" in text
    found = yaml.safe_load(text)
    chat = [one for one in found["websockets_sites"] if one["server_name"] == "chat.example"]
    assert chat == group_variables()["websockets_sites"]
    assert found["websockets_upstreams"] == group_variables()["websockets_upstreams"]


@pytest.mark.usefixtures("by_hand")
def test_no_websocket_ends_on_the_way_to_the_role_and_back(traffic: Traffic) -> None:
    nginx_conf = GATEWAY.path(NGINX_CONF).read_bytes()
    traffic.start()
    there = traffic.staying
    checked = succeeded(site({}, arguments=["--check", "--diff"]))
    assert f"would remove {ENABLED}" in checked.output
    assert is_by_hand()
    succeeded(site({}))
    assert GATEWAY.fingerprint
    assert not GATEWAY.path(ENABLED).is_symlink()
    assert GATEWAY.path(KEPT).read_bytes() == GATEWAY.path("/etc/nginx/sites-available/chat").read_bytes()
    assert site({}).states == {GATEWAY.name: "verified"}
    traffic.settle()
    succeeded(site({}, playbook="wsfleet.nginx.rollback"))
    assert is_by_hand()
    assert GATEWAY.echoes()
    assert GATEWAY.path(NGINX_CONF).read_bytes() == nginx_conf
    traffic.settle()
    assert traffic.staying == there
    assert len(there) == SOCKETS


@pytest.mark.usefixtures("by_hand")
def test_a_takeover_that_breaks_the_route_is_rolled_back_to_the_file() -> None:
    (given,) = group_variables()["websockets_sites"]
    run = site({"websockets_sites": [{**given, "directives": "deny all;"}]})
    assert run.states == {GATEWAY.name: "rolled back"}
    assert is_by_hand()
    assert GATEWAY.echoes()


def test_beside_the_file_the_site_is_an_error_unless_it_takes_its_place() -> None:
    GATEWAY.path("/etc/nginx/sites-enabled/other").symlink_to(AVAILABLE)
    try:
        run = site({"websockets_replaces": []})
        assert run.failed
        assert "/etc/nginx/sites-enabled/other" in run.message(GATEWAY.name)
    finally:
        GATEWAY.path("/etc/nginx/sites-enabled/other").unlink()
