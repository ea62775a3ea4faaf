# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines of the whole file: each is blamed on the variable that it comes from, whatever stands in it."""

from __future__ import annotations

import hashlib
import typing as t
from pathlib import Path

import pytest
import strategies
from ansible_collections.wsfleet.nginx.plugins.filter.gateway_model import gateway_model
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import source_map
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from modelling import PATHS
from rendering import render

FILE = Path("/etc/nginx/conf.d/00-websockets.conf")
SITES = "websockets_sites"
BAD = "this_is_no_directive on;"
# Of what the operator writes, the lines that look like others.
LOOKS = "# server {\nif ($a) { # }\n    # location /x {\n}\nlocation @own {\n    return 204; # }\n}"
VARIABLES: dict[str, t.Any] = {
    "websockets_directives": ["geo $a {\n    # server {\n    default 0;\n}", "server_names_hash_max_size 2048;"],
    "websockets_health_path": "/healthz",
    "websockets_upstreams": [
        {"name": "a", "servers": ["10.0.0.1:80", "10.0.0.2:80"]},
        {"name": "b", "servers": ["10.0.0.3:80"], "directives": "# }\nkeepalive_time 2h;"},
    ],
    SITES: [
        {
            "server_name": "a.example",
            "listen": "443 ssl",
            **PATHS,
            "redirect_http": True,
            "allowed_origins": ["https://a.example"],
            "directives": f"{LOOKS}\nlast_of_a on;",
            "locations": [
                {"path": "/", "upstream": "a"},
                {"path": "/static/", "root": "/srv", "directives": BAD},
                {"path": "/b/", "upstream": "b", "directives": f"# }}\nif ($a) {{\n    return 403;\n}}\nb_{BAD}"},
            ],
        },
        {
            "server_name": "b.example",
            "listen": 8080,
            "locations": [
                {"path": "/b/", "upstream": "b"},
                {"path": "= /only", "return": 299, "directives": f"c_{BAD}"},
            ],
        },
    ],
}


def blamed(variables: dict[str, t.Any], managed: str = "Ansible managed") -> list[tuple[str, str]]:
    """Each line of the file, with the variable that a message of nginx about it would be followed by."""
    model = gateway_model(variables, {}, {})
    text = render(variables, ansible_managed=managed)
    source = source_map.Source("websockets_config_path", [(run["at"], run["lines"]) for run in model["sources"]])
    lines = text.split("\n")[:-1]
    found = []
    for number, line in enumerate(lines, 1):
        message = f"[emerg] unknown directive in {FILE}:{number}"
        first, second = source_map.explained([message], FILE, text, source)
        assert first == message
        said, _from, at = second[: -len(".")].partition(", from websockets_")
        assert said == f"That is {line.strip()!r}"
        found.append((line, f"websockets_{at}" if at else ""))
    return found


FOUND = blamed(VARIABLES)
# Lines that come from several variables.
ALIKE = ("    server_name a.example;", "    # server {", "    location / {", "    location = /healthz {")


@pytest.mark.parametrize(
    ("line", "at"),
    [
        ("geo $a {", "websockets_directives"),
        ("    default 0;", "websockets_directives"),
        ("server_names_hash_max_size 2048;", "websockets_directives"),
        ("log_format websockets escape=json", ""),
        ("map $websocket_upgrade $websocket_connection {", ""),
        ("map $http_origin $websocket_foreign_1 {", SITES),
        ("upstream a {", "websockets_upstreams[0]"),
        ("    server 10.0.0.1:80;", "websockets_upstreams[0]"),
        ("    server 10.0.0.3:80;", "websockets_upstreams[1]"),
        ("    # }", "websockets_upstreams[1].directives"),
        ("    keepalive_time 2h;", "websockets_upstreams[1].directives"),
        ("        return 421;", SITES),
        ("    server_name a.example;", f"{SITES}[0]"),
        ("    # server {", f"{SITES}[0].directives"),
        ("        # location /x {", f"{SITES}[0].directives"),
        ("    location @own {", f"{SITES}[0].directives"),
        ("    last_of_a on;", f"{SITES}[0].directives"),
        ("    location / {", f"{SITES}[0].locations[0]"),
        ("        proxy_pass http://a;", f"{SITES}[0].locations[0]"),
        ("    location /static/ {", f"{SITES}[0].locations[1]"),
        ("        root /srv;", f"{SITES}[0].locations[1]"),
        (f"        {BAD}", f"{SITES}[0].locations[1].directives"),
        ("            return 403;", f"{SITES}[0].locations[2].directives"),
        (f"        b_{BAD}", f"{SITES}[0].locations[2].directives"),
        ("        return 301 https://$host$request_uri;", f"{SITES}[0].redirect_http"),
        ("    server_name b.example;", f"{SITES}[1]"),
        ("    location = /only {", f"{SITES}[1].locations[1]"),
        (f"        c_{BAD}", f"{SITES}[1].locations[1].directives"),
        ("    location = /healthz {", "websockets_health_path"),
        ("    listen 127.0.0.1:488;", "websockets_status_listen"),
        ("        stub_status;", "websockets_status_listen"),
    ],
)
def test_a_line_is_blamed_on_the_variable_it_comes_from(line: str, at: str) -> None:
    places = {place for text, place in FOUND if text == line}
    assert at in places
    assert len(places) == 1 or line in ALIKE


def test_a_location_is_counted_among_those_of_the_variables_only() -> None:
    """The location that refuses plain requests, and those in the operator's own lines, are none of them."""
    locations = [{"path": "/", "upstream": "a"}, {"path": "/static/", "root": "/srv", "directives": BAD}]
    site = {"server_name": "a.example", "listen": 80, "locations": locations}
    for directives in ("", "location @own {\n    return 204;\n}"):
        variables = {
            "websockets_upstreams": [{"name": "a", "servers": ["10.0.0.1:80"]}],
            SITES: [{**site, "directives": directives}],
        }
        assert (f"        {BAD}", f"{SITES}[0].locations[1].directives") in blamed(variables)


def test_the_closing_brace_of_an_upstream_is_blamed_on_it() -> None:
    """nginx names that line where an upstream has no server."""
    first = next(number for number, (line, _at) in enumerate(FOUND) if line == "upstream a {")
    assert next(at for line, at in FOUND[first:] if line == "}") == "websockets_upstreams[0]"


@pytest.mark.parametrize("managed", ["Ansible managed", "Ansible managed\nby a team\n\nof its own"])
def test_the_comment_at_the_head_comes_from_no_variable_however_long_it_is(managed: str) -> None:
    head, body = (blamed(VARIABLES, managed) for managed in (managed, "Ansible managed"))
    extra = len(managed.split("\n")) - 1
    assert head[extra + 3 :] == body[3:]
    assert {at for _line, at in head[: extra + 3]} == {""}


@given(variables=st.sampled_from([(1, 18, 0), (1, 30, 0)]).flatmap(strategies.gateways))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_every_line_has_its_place_and_the_fingerprint_is_of_those_above_it(variables: dict[str, t.Any]) -> None:
    model = gateway_model(variables, {}, {})
    lines = model["lines"]
    assert sum(run["lines"] for run in model["sources"]) == len("\n".join(lines).split("\n"))
    assert all(one["at"] != other["at"] for one, other in zip(model["sources"], model["sources"][1:]))
    # An empty line is between them.
    above = lines[: next(n for n, line in enumerate(lines, -1) if line.startswith("# Tells a deploy"))]
    assert model["digest"] == hashlib.sha256("".join(f"{line}\n" for line in above).encode()).hexdigest()
    assert f'        return 200 "{model["digest"]}\\n";' in lines
