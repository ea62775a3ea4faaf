# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small variables to change, and what becomes of them: a model or its errors."""

from __future__ import annotations

import re
import typing as t
from types import MappingProxyType

from ansible_collections.wsfleet.nginx.plugins.plugin_utils._model import gateway
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.errors import Errors
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.upstream_servers import Inventory

UPSTREAM = {"name": "ws-backend", "balance": "ip_hash", "servers": ["server01:3000", "server02:3000", "server03:3000"]}
LOCATION = {"path": "/", "upstream": "ws-backend"}
SITE = {"server_name": "ws.serverlab.ca", "listen": 3000, "locations": [LOCATION]}
PATHS = {"ssl_certificate": "/etc/ssl/ws.pem", "ssl_certificate_key": "/etc/ssl/ws.key"}

INVENTORY = Inventory(
    groups={"chat": ["chat2", "chat1", "chat10"], "nobody": [], "spare": ["spare1"], "wrong": ["wrong1", "wrong2"]},
    hostvars={
        "chat1": {"ansible_host": "192.0.2.1", "chat_port": 9001, "lan": "10.0.0.1"},
        "chat2": {"ansible_host": "2001:db8::2", "chat_port": 9002},
        "chat10": {"chat_port": 9010},
        "spare1": {"ansible_host": "192.0.2.10", "websockets_server": {"backup": True, "weight": 2}},
        "wrong1": {"ansible_host": "192.0.2.11", "websockets_server": {"weight": "2", "dwon": True}},
        "wrong2": {"ansible_host": "192.0.2.12", "websockets_server": 0, "websockets_sever": {}},
    },
)
# What every location passes on, and what those do beside it that pass WebSockets, or that do not.
OWN_HEADERS = [
    "proxy_set_header Host $host$websocket_port;",
    "proxy_set_header X-Real-IP $remote_addr;",
    "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
    "proxy_set_header X-Forwarded-Proto $scheme;",
    'proxy_set_header X-Forwarded-Host "";',
    'proxy_set_header X-Forwarded-Port "";',
    'proxy_set_header X-Forwarded-Ssl "";',
    'proxy_set_header X-Scheme "";',
    'proxy_set_header Forwarded "";',
]
UPGRADE_HEADERS = [
    "proxy_set_header Upgrade $websocket_upgrade;",
    "proxy_set_header Connection $websocket_connection;",
]
PLAIN_HEADERS = ['proxy_set_header Upgrade "";', 'proxy_set_header Connection "";']
SHARED = [
    "proxy_http_version 1.1;",
    *OWN_HEADERS,
    *UPGRADE_HEADERS,
    "proxy_connect_timeout 5s;",
    "proxy_socket_keepalive on;",
    "proxy_buffer_size 36k;",
    "proxy_buffers 4 36k;",
]
STATUS = {"address": "127.0.0.1:488", "at": "websockets_status_listen"}


class Block(t.TypedDict):
    """A server as the file has it."""

    comment: str
    lines: list[str]
    locations: list[LocationBlock]


class LocationBlock(t.TypedDict):
    comment: str
    path: str
    lines: list[str]


class Model(gateway.Model):
    """The model, and what its lines are, in their order."""

    directives: list[str]
    http: list[str]
    maps: list[list[str]]
    admission: list[list[str]]
    upstream_lines: list[list[str]]
    sites: list[Block]
    # The paths that the upstreams and servers come from.
    blocks: list[str]


def read(model: gateway.Model) -> Model:
    """The model with what its lines are: sections with an empty line between them, the maps of all gateways the first
    of those with a name, and the status server the last.
    """
    places = [source["at"] for source in model["sources"] for _line in range(source["lines"])]
    assert len(places) == len(model["lines"])
    directives = [line for line, at in zip(model["lines"], places) if line and at == "websockets_directives"]
    sections: list[list[str]] = [[]]
    blocks, is_inside = [], False
    for line, at in zip(model["lines"], places):
        if at == "websockets_directives":
            continue
        if line or is_inside:
            sections[-1].append(line)
        elif sections[-1]:
            sections.append([])
        if re.fullmatch(r"(upstream \S+|server) \{", line):
            blocks.append(at)
        is_inside = line != "}" and (is_inside or bool(re.fullmatch(r"[^ #].*\{", line)))
    first = next(number for number, section in enumerate(sections) if "# A handshake" in section[0])
    maps = [section for section in sections[first + 3 :] if "server {" not in section and "upstream" not in section[0]]
    admission = [section for section in maps if re.match(r"limit_|map \$http_origin \$websocket_foreign", section[0])]
    upstreams = [section[1:-1] for section in sections if section[0].startswith("upstream ")]
    return {
        **model,
        "directives": directives,
        "http": [line for section in sections[:first] for line in section],
        "maps": [section for section in maps if section not in admission],
        "admission": admission,
        "upstream_lines": [[line[4:] for line in lines] for lines in upstreams],
        "sites": [_server(section) for section in sections if "server {" in section][:-1],
        "blocks": blocks,
    }


def _server(section: list[str]) -> Block:
    head = section.index("server {")
    lines, *inner = "\n".join(line[4:] for line in section[head + 1 : -1]).split("\n\n")
    return {
        "comment": "".join(section[:head])[2:],
        "lines": lines.split("\n"),
        "locations": [_location(text.split("\n")) for text in inner],
    }


def _location(section: list[str]) -> LocationBlock:
    head = next(number for number, line in enumerate(section) if line.startswith("location "))
    return {
        "comment": "".join(section[:head])[2:],
        "path": section[head][len("location ") : -2],
        "lines": [line[4:] for line in section[head + 1 : -1]],
    }


def check(
    upstreams: t.Any,
    sites: t.Any,
    status: t.Any = STATUS["address"],
    neighbours: t.Mapping[str, t.Any] = MappingProxyType({}),
    **others: t.Any,
) -> tuple[Model | None, list[str]]:
    errors = Errors()
    variables = {
        "websockets_upstreams": upstreams,
        "websockets_sites": sites,
        "websockets_status_listen": status,
        **others,
    }
    model = gateway.gateway_model(variables, INVENTORY, errors, (), neighbours)
    return None if model is None else read(model), errors.lines


def sound(upstreams: t.Any, sites: t.Any, **others: t.Any) -> Model:
    model, errors = check(upstreams, sites, **others)
    assert errors == []
    assert model is not None
    return model


def errors_of(upstreams: t.Any, sites: t.Any) -> list[str]:
    model, errors = check(upstreams, sites)
    assert model is None
    return errors


def on(nginx: str, upstreams: t.Any, sites: t.Any) -> tuple[Model | None, list[str]]:
    return check(upstreams, sites, websockets_nginx_version=nginx)


def upstream(**keys: t.Any) -> dict[str, t.Any]:
    return {**UPSTREAM, **keys}


def site(**keys: t.Any) -> dict[str, t.Any]:
    return {**SITE, **keys}


def secure(**keys: t.Any) -> dict[str, t.Any]:
    """A site with TLS."""
    return {**SITE, "listen": "443 ssl", **PATHS, **keys}


def location(**keys: t.Any) -> dict[str, t.Any]:
    return {**LOCATION, **keys}


def server_at(model: Model, place: str) -> Block:
    """The server that comes from a place in the variables."""
    places = model["blocks"][len(model["upstreams"]) : -1]
    assert len(places) == len(model["sites"])
    (server,) = (block for at, block in zip(places, model["sites"]) if at == place)
    return server


def server_of(model: Model, number: int = 0) -> list[str]:
    """The lines of a site's server, but for those that every site has alike."""
    lines = server_at(model, f"websockets_sites[{number}]")["lines"]
    alike = [
        *("server_tokens off;", "client_header_timeout 10s;", "client_header_buffer_size 2k;"),
        *("request_pool_size 768;", "absolute_redirect off;"),
        "access_log /var/log/nginx/websockets.log websockets;",
    ]
    return [line for line in lines if line not in alike]


def refusing(model: Model) -> list[str]:
    """The lines of the server for names that no site has."""
    return server_at(model, "websockets_sites")["lines"]


def blocks_of(model: Model, number: int = 0) -> dict[str, list[str]]:
    """The lines of a site's locations by their paths."""
    found = server_at(model, f"websockets_sites[{number}]")["locations"]
    blocks = {block["path"]: block["lines"] for block in found}
    assert len(blocks) == len(found)
    return blocks


def blocks_with(**keys: t.Any) -> dict[str, list[str]]:
    """The location blocks of one location."""
    return blocks_of(sound([UPSTREAM], [site(locations=[location(**keys)])]))


def proxied(**keys: t.Any) -> dict[str, t.Any]:
    """A location without an upstream."""
    return {"path": "/", **keys}
