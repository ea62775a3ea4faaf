# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each nginx can do, and how it is told."""

from __future__ import annotations

import typing as t

import pytest
from modelling import SITE, UPSTREAM, on, secure, server_of, site, sound, upstream

GATED = [
    (upstream(balance="sticky cookie a"), ".balance: 'sticky'", "1.29.6"),
    (upstream(balance="least_time header"), ".balance: 'least_time'", "1.31.0"),
    (upstream(servers=[{"address": "a:1", "drain": True}]), ".servers[0].drain: 'drain'", "1.29.6"),
    (upstream(servers=[{"address": "a:1", "route": "x"}]), ".servers[0].route: 'route'", "1.29.6"),
]


@pytest.mark.parametrize(("keys", "what", "since"), GATED)
def test_what_an_nginx_is_too_old_for_is_refused_with_the_version_it_takes(
    keys: dict[str, t.Any], what: str, since: str
) -> None:
    major, minor, patch = map(int, since.split("."))
    before = f"{major}.{minor}.{patch - 1}" if patch else f"{major}.{minor - 1}.9"
    assert on(before, [keys], [SITE])[1] == [
        f"websockets_upstreams[0]{what} requires nginx {since} or later; this gateway has {before}"
    ]
    model, errors = on(since, [keys], [SITE])
    assert errors == []
    assert model is not None
    assert model["nginx_version"] == since
    assert model["suits_since"] is None
    assert sound([keys], [SITE])["nginx_version"] is None


def test_resolving_at_run_time_takes_1_27_3() -> None:
    keys = upstream(balance="least_conn", servers=[{"address": "a:1", "resolve": True}], resolver="10.0.0.1")
    assert on("1.27.2", [keys], [SITE])[1] == [
        f"websockets_upstreams[0].{what} requires nginx 1.27.3 or later; this gateway has 1.27.2; proxy_pass:"
        f" http://NAME:PORT with a resolver does the same on any nginx"
        for what in ("resolver: 'resolver'", "servers[0].resolve: 'resolve'")
    ]
    assert on("1.27.3", [keys], [SITE])[1] == []


@pytest.mark.parametrize(
    ("version", "error"),
    [
        (1.26, "must be a string, not a decimal number (1.26)"),
        ("1.26.x", "'1.26.x' is not an nginx version, such as '1.26.3'"),
        ("1.16.1", "nginx 1.16.1 is too old; 1.18.0 or later is required"),
    ],
)
def test_a_version_is_one_that_can_be_a_gateways(version: t.Any, error: str) -> None:
    assert on(version, [UPSTREAM], [SITE])[1] == [f"websockets_nginx_version: {error}"]


def site_lines(nginx: str, **keys: t.Any) -> list[str]:
    model, errors = on(nginx, [UPSTREAM], [secure(**keys)])
    assert errors == []
    assert model is not None
    assert model["suits_since"] is None
    return server_of(model)


@pytest.mark.parametrize(
    "keys",
    [
        {"listen": [80, "443 ssl http2"]},
        {"listen": [80, "443 ssl"], "http2": True},
        {"listen": [80, "443 ssl"], "http2": "on"},
    ],
)
def test_http2_is_written_as_each_nginx_takes_it(keys: dict[str, t.Any]) -> None:
    assert site_lines("1.25.0", **keys)[:2] == ["listen 80;", "listen 443 ssl http2;"]
    assert site_lines("1.25.1", **keys)[:3] == ["listen 80;", "listen 443 ssl;", "http2 on;"]


def test_http2_is_a_matter_of_the_whole_site() -> None:
    assert site_lines("1.22.1", listen=["443 ssl http2", "8443 ssl"])[:2] == [
        "listen 443 ssl http2;",
        "listen 8443 ssl http2;",
    ]


def test_an_upstream_without_idle_connections_is_written_as_each_nginx_takes_it() -> None:
    lines = [on(nginx, [upstream(keepalive=0)], [SITE])[0]["upstream_lines"][0] for nginx in ("1.29.6", "1.29.7")]  # type: ignore[index]
    assert lines[1] == [*lines[0], "keepalive 0;"]


def listens(nginx: str, *sites: dict[str, t.Any]) -> list[str]:
    """The options of the sockets, each of which one server says."""
    model, errors = on(nginx, [UPSTREAM], list(sites))
    assert errors == []
    assert model is not None
    lines = [line for block in model["sites"] for line in block["lines"] if line.startswith("listen ")]
    return [line for line in lines if "so_keepalive" in line or "unix" in line]


KEEPALIVE = "so_keepalive=60s:10s:6;"


@pytest.mark.parametrize("nginx", ["1.18.0", "1.21.5"])
def test_each_worker_has_a_socket_of_its_own_where_one_would_get_all_connections(nginx: str) -> None:
    two = [site(listen=[80, "[::]:80"]), site(listen=80, server_name="b")]
    assert listens(nginx, *two) == [f"listen 80 reuseport {KEEPALIVE}", f"listen [::]:80 reuseport {KEEPALIVE}"]
    assert listens("1.21.6", *two) == [f"listen 80 {KEEPALIVE}", f"listen [::]:80 {KEEPALIVE}"]
    # nginx takes an option once.
    for given in ("80 reuseport", "80 backlog=9", "80 backlog=9 reuseport"):
        (line,) = listens(nginx, site(listen=given), site(listen=80, server_name="b"))
        assert sorted(line[:-1].split()) == sorted({*given.split(), "listen", "reuseport", KEEPALIVE[:-1]})
    assert listens(nginx, secure(listen="443 ssl")) == [f"listen 443 ssl reuseport {KEEPALIVE}"]
    assert listens(nginx, site(listen=80, server_name="_")) == [f"listen 80 reuseport {KEEPALIVE}"]
    # On a Unix socket nginx does not take it.
    unix = "listen unix:/run/a;"
    assert listens(nginx, site(listen="unix:/run/a")) == [unix, unix]


def test_a_port_is_listened_on_in_another_way_by_an_older_nginx() -> None:
    """So a model that was made without one is made again when the gateway's is known."""
    old, new, newest = (on(nginx, [UPSTREAM], [SITE])[0] for nginx in ("1.21.5", "1.21.6", "1.30.6"))
    assert old is not None
    assert new is not None
    assert newest is not None
    assert old["suits_since"] == new["suits_since"] == "1.21.6"
    assert {**new, "nginx_version": ""} == {**newest, "nginx_version": ""}
    of_sites = {"sites": [], "lines": [], "digest": ""}
    assert {**old, "nginx_version": "", **of_sites} == {**new, "nginx_version": "", **of_sites}


def test_variables_without_a_port_suit_every_nginx() -> None:
    sites = [site(listen="unix:/run/a")]
    oldest, newest = (on(nginx, [UPSTREAM], sites)[0] for nginx in ("1.18.0", "1.30.6"))
    assert oldest is not None
    assert newest is not None
    assert oldest["suits_since"] == "1.18.0"
    assert {**oldest, "nginx_version": ""} == {**newest, "nginx_version": ""}
