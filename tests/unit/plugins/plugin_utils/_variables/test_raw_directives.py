# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys 'directives': what has another place is refused there."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables import raw_directives
from modelling import UPSTREAM, blocks_of, errors_of, location, secure, server_at, sound

LIMITS = {"limit_conn_per_client": 1, "limit_handshakes_per_client": "1r/s"}
# Every line that a site and a location could have.
FULL = secure(
    **LIMITS,
    http2=True,
    hsts=True,
    ssl_client_certificate="/ca.pem",
    allowed_origins=["https://a.example"],
    set_real_ip_from="10.0.0.1",
    large_client_header_buffers="4 8k",
    locations=[
        location(client_max_body_size=0, proxy_buffering=True, proxy_request_buffering=True, proxy_buffers="8 8k"),
        {
            "path": "/b/",
            "proxy_pass": "https://a/b",
            "proxy_ssl_name": "a",
            "proxy_connect_timeout": 1,
            "proxy_send_timeout": 1,
        },
        {"path": "/c/", "proxy_pass": "http://a.example", "resolver": "10.0.0.1", "headers": {"X": "a"}},
    ],
)
# nginx takes these more than once in a block, or they mean more than one thing.
REPEATED = {"add_header", "error_page", "if", "set", "}", "limit_conn", "limit_req", "return"}
# A line of a site's own takes the place of these.
REPLACED = {
    *("absolute_redirect", "client_header_buffer_size", "request_pool_size"),
    *("proxy_connect_timeout", "proxy_socket_keepalive", "proxy_buffer_size", "proxy_buffers"),
}
# A location has them only where its site or it has limits, and their values are not to be had otherwise.
OF_LIMITS = {"limit_conn_status", "limit_req_status", "default_type"}


def names(lines: t.Iterable[str]) -> set[str]:
    return {line.split(" ")[0].rstrip(";") for line in lines if not line.startswith(" ")}


def test_whatever_is_written_anyway_is_refused_in_directives() -> None:
    """A second line would be one that nginx refuses, or a second opinion."""
    model = sound([UPSTREAM], [FULL])
    of_site = names(server_at(model, "websockets_sites[0]")["lines"])
    assert of_site - REPEATED - REPLACED - raw_directives.SITE.keys() == set()
    assert of_site > REPLACED
    assert REPLACED.isdisjoint(raw_directives.SITE)
    of_locations = names(line for lines in blocks_of(model).values() for line in lines)
    assert of_locations - REPEATED - OF_LIMITS - raw_directives.LOCATION.keys() == set()


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("server_tokens on;", "has 'server_tokens': it is written anyway, and nginx takes it once"),
        ("ssl_session_timeout 5m;", "has 'ssl_session_timeout': it is written anyway, and nginx takes it once"),
        ("ssl_ciphers HIGH;", "has 'ssl_ciphers': the key 'ssl_policy' is for it"),
        ("ssl_certificate /a.pem;", "has 'ssl_certificate': the key 'ssl_certificate' is for it"),
        ("set_real_ip_from 0.0.0.0/0;", "has 'set_real_ip_from': the key 'set_real_ip_from' is for it"),
        ("real_ip_recursive off;", "has 'real_ip_recursive': it is on where set_real_ip_from is"),
        (
            "recursive_error_pages on;",
            "has 'recursive_error_pages': with it the answer 426 would be looked for without end",
        ),
        ("proxy_set_header A b;", "has 'proxy_set_header': the key 'headers' is for it"),
        ("proxy_read_timeout 5m;", "has 'proxy_read_timeout': the key 'proxy_read_timeout' of a location is for it"),
        ("proxy_http_version 1.0;", "has 'proxy_http_version': it is always 1.1, for WebSockets need it"),
    ],
)
def test_a_line_of_a_site_that_has_another_place_is_refused(line: str, error: str) -> None:
    assert errors_of([UPSTREAM], [secure(directives=line)]) == [f"websockets_sites[0].directives: {error}"]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("resolver 10.0.0.1;", "has 'resolver': the key 'resolver' is for it"),
        ("proxy_set_header A b;", "has 'proxy_set_header': the key 'headers' is for it"),
        ("proxy_ssl_verify off;", "has 'proxy_ssl_verify': the key 'proxy_ssl_verify' is for it"),
        ("proxy_ssl_verify_depth 9;", "has 'proxy_ssl_verify_depth': it is 3 where proxy_ssl_verify is on"),
    ],
)
def test_a_line_of_a_location_that_has_another_place_is_refused(line: str, error: str) -> None:
    assert errors_of([UPSTREAM], [secure(locations=[location(directives=line)])]) == [
        f"websockets_sites[0].locations[0].directives: {error}"
    ]


def test_a_location_may_have_lines_for_what_its_site_has_a_default_for() -> None:
    for line in ("proxy_socket_keepalive off;", "absolute_redirect on;"):
        blocks = blocks_of(sound([UPSTREAM], [secure(locations=[location(directives=line)])]))
        assert blocks["/"][-1] == line
