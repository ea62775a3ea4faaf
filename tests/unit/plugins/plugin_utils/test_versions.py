# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each nginx can do, and how it is told."""

from __future__ import annotations

import typing as t

import pytest
from modelling import POOL, SITE, on, pool, secure, server_of, sound

GATED = [
    (pool(balance="sticky cookie a"), ".balance: 'sticky'", "1.29.6"),
    (pool(balance="least_time header"), ".balance: 'least_time'", "1.31.0"),
    (pool(servers=[{"address": "a:1", "drain": True}]), ".servers[0].drain: 'drain'", "1.29.6"),
    (pool(servers=[{"address": "a:1", "route": "x"}]), ".servers[0].route: 'route'", "1.29.6"),
]


@pytest.mark.parametrize(("keys", "what", "since"), GATED)
def test_what_an_nginx_is_too_old_for_is_refused_with_the_version_it_takes(
    keys: dict[str, t.Any], what: str, since: str
) -> None:
    major, minor, patch = map(int, since.split("."))
    before = f"{major}.{minor}.{patch - 1}" if patch else f"{major}.{minor - 1}.9"
    assert on(before, [keys], [SITE])[1] == [
        f"websockets_upstreams[0]{what} needs nginx {since} or later, and this gateway has {before}"
    ]
    model, faults = on(since, [keys], [SITE])
    assert faults == []
    assert model is not None
    assert model["nginx_version"] == since
    assert model["depends_on_nginx"]
    assert sound([keys], [SITE])["nginx_version"] is None


def test_resolving_at_run_time_takes_1_27_3() -> None:
    keys = pool(balance="least_conn", servers=[{"address": "a:1", "resolve": True}], resolver="10.0.0.1")
    assert on("1.27.2", [keys], [SITE])[1] == [
        "websockets_upstreams[0].resolver: 'resolver' needs nginx 1.27.3 or later, and this gateway has 1.27.2",
        "websockets_upstreams[0].servers[0].resolve: 'resolve' needs nginx 1.27.3 or later, and this gateway has"
        " 1.27.2",
    ]
    assert on("1.27.3", [keys], [SITE])[1] == []


@pytest.mark.parametrize(
    ("version", "fault"),
    [
        (1.26, "must be a string, not a decimal number (1.26)"),
        ("1.26.x", "'1.26.x' is not a version of nginx, such as '1.26.3'"),
        ("1.16.1", "nginx 1.16.1 is too old: 1.18.0 or later is needed"),
    ],
)
def test_a_version_is_one_that_can_be_a_gateways(version: t.Any, fault: str) -> None:
    assert on(version, [POOL], [SITE])[1] == [f"websockets_nginx_version: {fault}"]


def site_lines(nginx: str, **keys: t.Any) -> list[str]:
    model, faults = on(nginx, [POOL], [secure(**keys)])
    assert faults == []
    assert model is not None
    assert model["depends_on_nginx"]
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


def test_a_pool_without_idle_connections_is_written_as_each_nginx_takes_it() -> None:
    lines = [on(nginx, [pool(keepalive=0)], [SITE])[0]["upstreams"][0]["lines"] for nginx in ("1.29.6", "1.29.7")]  # type: ignore[index]
    assert lines[1] == [*lines[0], "keepalive 0;"]


def test_most_variables_suit_every_nginx() -> None:
    oldest, newest = (on(nginx, [POOL], [SITE])[0] for nginx in ("1.18.0", "1.30.6"))
    assert oldest is not None
    assert newest is not None
    assert not oldest["depends_on_nginx"]
    assert {**oldest, "nginx_version": ""} == {**newest, "nginx_version": ""}
