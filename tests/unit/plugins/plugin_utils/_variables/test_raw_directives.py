# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys 'directives': what has another place is refused there."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.location_keys import LOCATION
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.site_keys import SITE
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
REFUSED = {"server": SITE["directives"].refused or {}, "location": LOCATION["directives"].refused or {}}
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
    assert of_site - REPEATED - REPLACED - REFUSED["server"].keys() == set()
    assert of_site > REPLACED
    assert REPLACED.isdisjoint(REFUSED["server"])
    of_locations = names(line for lines in blocks_of(model).values() for line in lines)
    assert of_locations - REPEATED - OF_LIMITS - REFUSED["location"].keys() == set()


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("server_tokens on;", "'server_tokens' is not allowed here: the role sets it"),
        ("ssl_session_timeout 5m;", "'ssl_session_timeout' is not allowed here: the role sets it"),
        ("ssl_ciphers HIGH;", "'ssl_ciphers' is not allowed here: set by the key 'ssl_policy'"),
        ("ssl_certificate /a.pem;", "'ssl_certificate' is not allowed here: set by the key 'ssl_certificate'"),
        ("set_real_ip_from 0.0.0.0/0;", "'set_real_ip_from' is not allowed here: set by the key 'set_real_ip_from'"),
        ("real_ip_recursive off;", "'real_ip_recursive' is not allowed here: set by the key 'set_real_ip_from'"),
        (
            "recursive_error_pages on;",
            "'recursive_error_pages' is not allowed here: nginx would look for the error page of 426 without end",
        ),
        ("proxy_set_header A b;", "'proxy_set_header' is not allowed here: set by the key 'headers'"),
        (
            "proxy_read_timeout 5m;",
            "'proxy_read_timeout' is not allowed here: use the key 'proxy_read_timeout' of the locations",
        ),
        (
            "proxy_http_version 1.0;",
            "'proxy_http_version' is not allowed here: it is always 1.1, which WebSockets require",
        ),
    ],
)
def test_a_line_of_a_site_that_has_another_place_is_refused(line: str, error: str) -> None:
    assert errors_of([UPSTREAM], [secure(directives=line)]) == [f"websockets_sites[0].directives: {error}"]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("resolver 10.0.0.1;", "'resolver' is not allowed here: set by the key 'resolver'"),
        ("proxy_set_header A b;", "'proxy_set_header' is not allowed here: set by the key 'headers'"),
        ("proxy_ssl_verify off;", "'proxy_ssl_verify' is not allowed here: set by the key 'proxy_ssl_verify'"),
        (
            "proxy_ssl_verify_depth 9;",
            "'proxy_ssl_verify_depth' is not allowed here: set by the key 'proxy_ssl_verify'",
        ),
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
