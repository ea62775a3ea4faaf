# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only one of the versions can: sid's nginx has sticky sessions and upstreams that follow the name server."""

from __future__ import annotations

import os
import subprocess
from http.cookies import SimpleCookie

import pytest
from gateway import Gateway, gateways
from playbook import site
from waiting import wait_until
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection

NETWORK = f"wsfleet-{os.environ['MOLECULE_SCENARIO_NAME']}"
SERVER03 = f"{os.environ['MOLECULE_SCENARIO_NAME']}-server03"
PROCESSES = "grep -lsE '^nginx: (master|worker)' /proc/[0-9]*/cmdline || true"
STATE = f"sha256sum /etc/nginx/conf.d/* /etc/nginx/nginx.conf; dpkg-query --show; {PROCESSES}"
ROUTES = {"one": "server01", "two": "server02", "three": "server03"}


def named(name: str) -> Gateway:
    (found,) = (gateway for gateway in gateways() if gateway.name == name)
    return found


def followed(gateway: Gateway) -> str | None:
    """The backend that a location with a resolver leads to."""
    answer = gateway.request("GET", "/followed/")
    return str(answer.json["backend"]) if answer.status == 200 else None


def backend_of(connection: ClientConnection) -> str:
    assert connection.response is not None
    return connection.response.headers["X-Echo-Backend"]


@pytest.fixture
def newest() -> Gateway:
    return named("gateway-sid").site("newest.example")


def visit(newest: Gateway, cookie: str = "") -> tuple[str, SimpleCookie]:
    """The backend that a WebSocket meets, and the cookie that comes with its handshake."""
    headers = {"Cookie": f"server={cookie}"} if cookie else {}
    with newest.websocket("/sticky/", additional_headers=headers) as connection:
        assert connection.response is not None
        return backend_of(connection), SimpleCookie(connection.response.headers.get("Set-Cookie", ""))


def test_a_new_client_gets_a_cookie_that_names_its_server(newest: Gateway) -> None:
    backend, cookie = visit(newest)
    assert ROUTES[cookie["server"].value] == backend
    assert (cookie["server"]["path"], cookie["server"]["httponly"], cookie["server"]["max-age"]) == ("/", True, "3600")


@pytest.mark.parametrize(("route", "backend"), ROUTES.items())
def test_the_cookie_leads_back_to_its_server_even_to_the_drained_one(newest: Gateway, route: str, backend: str) -> None:
    assert {visit(newest, route)[0] for _visit in range(6)} == {backend}


def test_new_clients_never_meet_the_drained_server(newest: Gateway) -> None:
    assert {visit(newest)[0] for _visit in range(20)} == {"server01", "server02"}


def test_an_older_nginx_refuses_what_it_cannot_do_and_stays_as_it_was() -> None:
    older = named("gateway-trixie")
    before = older.run(STATE)
    upstream = {"name": "trial", "balance": "sticky cookie x", "servers": ["server01:3000"]}
    ended = site({"gateway_upstreams_trial": [upstream]}, arguments=["--limit", "gateway-trixie"])
    assert ended.failed
    assert "'sticky' requires nginx 1.29.6 or later; this gateway has 1.26.3" in ended.output
    assert older.run(STATE) == before


def move(address: str = "") -> None:
    """Give server03 another address, or this one."""
    to = ["--ip", address] if address else []
    subprocess.run(["podman", "network", "disconnect", NETWORK, SERVER03], check=True)
    subprocess.run(["podman", "network", "connect", "--alias", "server03", *to, NETWORK, SERVER03], check=True)


def met(newest: Gateway) -> str | None:
    """The backend of an upstream with a resolver, if there is one."""
    try:
        with newest.websocket("/resolved/") as connection:
            return backend_of(connection)
    except InvalidStatus as refusal:
        assert refusal.response.status_code in (502, 504)
        return None


def test_a_resolved_upstream_follows_its_name_to_another_address(newest: Gateway) -> None:
    """And back to the one that everything else knows. A location with a resolver follows on each version."""
    processes = newest.run(PROCESSES)
    older = [gateway.site("chat.example") for gateway in gateways()]

    def wait_until_it_is_found() -> None:
        wait_until(lambda: met(newest) == "server03", "the upstream follows")
        wait_until(lambda: [followed(one) for one in older] == ["server03"] * len(older), "the locations follow")

    address = Gateway("server03", "", 0).address
    assert met(newest) == "server03"
    assert [followed(gateway) for gateway in older] == ["server03"] * len(older)
    try:
        move()
        assert Gateway("server03", "", 0).address != address
        wait_until_it_is_found()
    finally:
        move(address)
        wait_until_it_is_found()
    assert newest.run(PROCESSES) == processes
