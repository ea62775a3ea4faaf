# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of single values."""

from __future__ import annotations

import typing as t

import pytest
from modelling import UPSTREAM, errors_of, location, server_at, server_of, site, sound


@pytest.mark.parametrize(
    "path",
    [
        "/a?b",
        "//a",
        "/a/../b",
        "/a/.",
        "/" + "a" * 4000,
        "ws",
        "/a\n",
        "",
        "= ",
    ],
)
def test_a_path_that_could_become_another_directive_is_refused(path: str) -> None:
    (error,) = errors_of([UPSTREAM], [site(locations=[location(path=path)])])
    assert error.startswith("websockets_sites[0].locations[0].path: ")


@pytest.mark.parametrize("time", ["30m1h", "1h1h", "1M", "1y", "9" * 20, 10**30, "\u0661s", "", "h", -1, 1.5])
def test_a_time_that_nginx_would_not_take_is_refused(time: t.Any) -> None:
    (error,) = errors_of([UPSTREAM], [site(locations=[location(proxy_read_timeout=time)])])
    assert error.startswith("websockets_sites[0].locations[0].proxy_read_timeout: ")


@pytest.mark.parametrize("log", ["off", False])
def test_a_log_may_be_off(log: t.Any) -> None:
    assert "access_log off;" in server_of(sound([UPSTREAM], [site(access_log=log)]))


@pytest.mark.parametrize("time", ["10s", 10, "1m", "500ms"])
def test_a_client_has_a_time_for_its_headers(time: t.Any) -> None:
    assert (
        f"client_header_timeout {time};"
        in server_at(sound([UPSTREAM], [site(client_header_timeout=time)]), SITE_AT)["lines"]
    )


SITE_AT = "websockets_sites[0]"


@pytest.mark.parametrize("buffers", ["8", "8 0", "1 8k", "x 8k", "4 8k 1", ""])
def test_buffers_are_a_number_and_a_size(buffers: str) -> None:
    (error,) = errors_of([UPSTREAM], [site(large_client_header_buffers=buffers)])
    assert error.startswith("websockets_sites[0].large_client_header_buffers: ")
