# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys of the variables: what is none, and what does not suit one."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._model.gateway import gateway_model
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.errors import Errors
from modelling import INVENTORY, PATHS, SITE, UPSTREAM, check, errors_of, location, site, upstream


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        ({"name": 3}, ".name: must be a string, not an integer (3)"),
        ({"name": "a b"}, ".name: 'a b' is not a valid upstream name: letters, digits, '_', '.' and '-'"),
        ({"nmae": "x"}, ".nmae: unknown key (did you mean 'name'?)"),
        (
            {"balance": "iphash"},
            ".balance: 'iphash' is not one of round_robin, least_conn, ip_hash, random, hash, sticky, least_time"
            " (did you mean 'ip_hash'?)",
        ),
        ({"balance": False}, ".balance: must be a string, not a boolean (False)"),
        ({"servers": "a:1"}, ".servers: must be a list, not a string ('a:1')"),
        ({"servers": []}, ": no servers: requires 'servers', or 'group' with 'port'"),
        ({"servers": ["a"]}, ".servers[0]: missing port in 'a'; expected a:PORT"),
        ({"servers": ["a:b"]}, ".servers[0]: missing port in 'a:b'; expected HOST:PORT"),
        ({"servers": [":1"]}, ".servers[0]: missing host in ':1'; expected HOST:1"),
        ({"servers": ["*:1"]}, ".servers[0]: missing host in '*:1'; expected HOST:1"),
        ({"servers": ["::1"]}, ".servers[0]: missing port in '::1'; expected [::1]:PORT"),
        ({"servers": ["a:0"]}, ".servers[0]: 0 is out of range: 1 to 65535"),
        ({"servers": ["a:65536"]}, ".servers[0]: 65536 is out of range: 1 to 65535"),
        ({"servers": ["1.2.3.400:80"]}, ".servers[0]: '1.2.3.400' is neither a host name nor an address"),
        ({"servers": ["a;b:80"]}, ".servers[0]: 'a;b' is neither a host name nor an address"),
        ({"servers": ["unix:sock"]}, ".servers[0]: 'unix:sock' is not a Unix socket; expected unix:/path"),
        ({"servers": [80]}, ".servers[0]: must be an address or a mapping, not an integer (80)"),
        (
            {"servers": ["a:1", "a:1"]},
            ".servers[1]: 'a:1' is already a server of this upstream, from websockets_upstreams[0].servers[0]",
        ),
        ({"port": 80}, ".port: only valid together with `group`"),
        ({"address": "lan"}, ".address: only valid together with `group`"),
        (
            {"servers": ["a:1 weight=2"]},
            ".servers[0]: 'a:1 weight=2' contains more than an address; expected {address: a:1, weight: …}",
        ),
        ({"servers": ["unix:/tmp/"]}, ".servers[0]: 'unix:/tmp/' is not a Unix socket; expected unix:/path"),
        ({"group": "chat"}, ": missing required key 'port' for the group 'chat'"),
        ({"group": "chta", "port": 1}, ".group: 'chta' is not an inventory group (did you mean 'chat'?)"),
        (
            {"group": "chat", "port": "9000"},
            ".port: must be an integer or the name of a host variable, not '9000'",
        ),
        ({"group": "chat", "port": 70000}, ".port: 70000 is out of range: 1 to 65535"),
        (
            {"servers": [{"address": "a:1", "weight": "3"}]},
            ".servers[0].weight: must be an integer, not a string ('3')",
        ),
        (
            {"servers": [{"address": "a:1", "weight": 0}]},
            ".servers[0].weight: 0 is out of range: 1 to 999999999",
        ),
        ({"servers": [{"weight": 1}]}, ".servers[0]: missing required key 'address'"),
        (
            {"servers": [{"address": "a:1", "fail_timeout": "10ms"}]},
            ".servers[0].fail_timeout: '10ms' is not a time in nginx's syntax, such as 90, 90s, 30m, 1h30m",
        ),
        (
            {"servers": ["b:1", {"address": "a:1", "backup": True}]},
            ".servers[1].backup: not valid with balance: ip_hash",
        ),
        (
            {"balance": "random two", "servers": ["b:1", {"address": "a:1", "backup": True}]},
            ".servers[1].backup: not valid with balance: random",
        ),
        (
            {"balance": "least_conn", "servers": [{"address": "a:1", "backup": True}]},
            ": all servers are backup; nginx requires one that is not",
        ),
        (
            {"servers": ["a:1", {"address": "10.0.0.1:1", "resolve": True}], "resolver": "10.0.0.2"},
            ".servers[1].resolve: 10.0.0.1:1 is not a host name",
        ),
        (
            {"servers": [{"address": "a:1", "resolve": True}]},
            ": missing required key 'resolver': a server has resolve: true",
        ),
        ({"resolver": "10.0.0.2"}, ".resolver: requires a server with resolve: true"),
        (
            {"servers": [{"address": "a:1", "resolve": True}], "resolver": "10.0.0.2 vlaid=1s"},
            ".resolver: 'vlaid=1s' is not a name server, valid=TIME, ipv4=on|off or ipv6=on|off",
        ),
        ({"balance": "hash"}, ".balance: 'hash' is not 'hash KEY' or 'hash KEY consistent'"),
        (
            {"balance": "hash arg_room"},
            ".balance: 'hash arg_room' has a key without a variable: all clients would go to one server",
        ),
        ({"balance": "hash $"}, ".balance: '$' contains a '$' that starts no variable; nginx has no way to escape it"),
        ({"balance": "least_conn; ip_hash"}, ".balance: 'least_conn; ip_hash' has a ';' outside quotes"),
        (
            {"balance": "least_conn hash $x"},
            ".balance: 'least_conn hash $x' has invalid parameters; expected 'least_conn'",
        ),
        (
            {"balance": "sticky"},
            ".balance: 'sticky' is not 'sticky cookie NAME …', 'sticky route $VARIABLE …' or 'sticky learn …'",
        ),
        ({"ip_hash": True}, ".ip_hash: unknown key: set by the key 'balance'"),
        ({"directives": "hash $x;"}, ".directives: 'hash' is not allowed here: set by the key 'balance'"),
        ({"directives": ["a;", "server b:1;"]}, ".directives: 'server' is not allowed here: set by the key 'servers'"),
        ({"directives": "a b"}, ".directives: has no ';' at its end: 'a b'"),
        ({"directives": {"a": 1}}, ".directives: must be a string or a list of strings, not a mapping"),
        ({"zone": "16k"}, ".zone: '16k' is too small: nginx requires at least 32k"),
        ({"zone": 64}, ".zone: must be a string, not an integer (64)"),
        ({"keepalive": True}, ".keepalive: must be an integer, not a boolean (True)"),
        (
            {"group": "nobody", "port": 1, "servers": []},
            ": no servers: the group 'nobody' has no hosts",
        ),
        ({"group": "chat", "port": 1, "address": "x-y"}, ".address: 'x-y' is not the name of a host variable"),
    ],
)
def test_a_invalid_upstream_is_refused(keys: dict[str, t.Any], error: str) -> None:
    assert errors_of([upstream(**keys), upstream()][: 1 if "name" not in keys else 2], [SITE]) == [
        f"websockets_upstreams[0]{error}"
    ]


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        (
            {"server_name": ""},
            ".server_name: '' is not a server name; expected a host name, *.domain, .domain, name.*, ~regex or '_'",
        ),
        ({"server_name": []}, ".server_name: must not be empty: a site requires a name, or '_' for any"),
        ({"server_name": ["a", 1]}, ".server_name[1]: must be a string, not an integer (1)"),
        ({"server_name": ["a", "A"]}, ".server_name: 'a' is listed more than once"),
        ({"listen": 0}, ".listen: 0 is out of range: 1 to 65535"),
        ({"listen": True}, ".listen: must be an integer, not a boolean (True)"),
        ({"listen": None}, ".listen: must be a port or an address, not nothing (None)"),
        ({"listen": []}, ".listen: must not be empty: a site requires a port or an address"),
        ({"listen": "example.com"}, ".listen: missing port in 'example.com'; expected example.com:PORT"),
        (
            {"listen": "80 defualt_server"},
            ".listen: unknown parameter 'defualt_server' (did you mean 'default_server'?)",
        ),
        ({"listen": [80, 80]}, ".listen: '80' is listed more than once"),
        ({"locations": []}, ".locations: must not be empty: a site requires at least one location"),
        ({"locations": {}}, ".locations: must be a list, not a mapping"),
        ({"locations": ["/"]}, ".locations[0]: must be a mapping, not a string ('/')"),
        ({"location": []}, ".location: unknown key (did you mean 'locations'?)"),
        (
            {"locations": [{"path": "/"}]},
            ".locations[0]: missing one of the keys upstream, proxy_pass, root and return",
        ),
        (
            {"locations": [location(upstream="ws-backnd")]},
            ".locations[0].upstream: 'ws-backnd' is not an upstream (did you mean 'ws-backend'?)",
        ),
        (
            {"locations": [location(websocket="yes")]},
            ".locations[0].websocket: must be true, false or required, not 'yes'",
        ),
        (
            {"locations": [location(proxy_read_timeout="1 hour")]},
            ".locations[0].proxy_read_timeout: '1 hour' is not a time in nginx's syntax, such as 90, 90s, 30m, 1h30m,"
            " 500ms",
        ),
        (
            {"locations": [location(root="/a")]},
            ".locations[0]: upstream and root are mutually exclusive",
        ),
        (
            {"locations": [{"path": "/", "root": "/a", "websocket": True}]},
            ".locations[0].websocket: requires upstream or proxy_pass; not valid with root",
        ),
        ({"locations": [location(upstream=None)]}, ".locations[0].upstream: must be a string, not nothing (None)"),
        (
            {"locations": [location(proxy_http_version=1.1)]},
            ".locations[0].proxy_http_version: unknown key: it is always 1.1, which WebSockets require",
        ),
        (
            {"locations": [location(proxy_set_header={"A": "b"})]},
            ".locations[0].proxy_set_header: unknown key: set by the key 'headers'",
        ),
        (
            {"locations": [location(directives="proxy_set_header A b;")]},
            ".locations[0].directives: 'proxy_set_header' is not allowed here: set by the key 'headers'",
        ),
        (
            {"locations": [location(headers={"X": 1})]},
            ".locations[0].headers.X: must be a string, not an integer (1)",
        ),
        (
            {"locations": [location(headers={"X": "a\r\nY: b"})]},
            ".locations[0].headers.X: 'a\\r\\nY: b' contains a control character",
        ),
        (
            {"locations": [location(headers={"X": "5$"})]},
            ".locations[0].headers.X: '5$' contains a '$' that starts no variable; nginx has no way to escape it",
        ),
        (
            {"locations": [location(headers={"X-A": "b", "x-a": "c"})]},
            ".locations[0].headers.x-a: duplicate header: names are case-insensitive",
        ),
        (
            {"locations": [location(headers={"connection": "upgrade"})]},
            ".locations[0].headers.connection: cannot be set: nginx controls this header itself",
        ),
        (
            {"locations": [location(headers=["X"])]},
            ".locations[0].headers: must be a mapping, not a list",
        ),
        (
            {"locations": [location(path="/api", strip_prefix=True)]},
            ".locations[0].strip_prefix: requires a path that ends with '/': '/api' would leave '//'",
        ),
        (
            {"locations": [location(path="~ ^/a", strip_prefix=True, probe=False)]},
            ".locations[0].strip_prefix: '~ ^/a' is not a prefix",
        ),
        (
            {"locations": [{"path": "/a/", "proxy_pass": "http://ws-backend", "strip_prefix": True}]},
            ".locations[0].strip_prefix: requires upstream; with proxy_pass, add a path to its URL",
        ),
        (
            {"locations": [{"path": "~ /a", "proxy_pass": "http://ws-backend/"}]},
            ".locations[0].proxy_pass: contains a path, which nginx does not allow in a location with a regular"
            " expression",
        ),
        (
            {"locations": [{"path": "/a/", "proxy_pass": "http://ws-backend:80"}]},
            ".locations[0].proxy_pass: 'ws-backend' is an upstream, whose servers have ports of their own; remove the"
            " port",
        ),
        (
            {"locations": [{"path": "/a/", "proxy_pass": "http://$host"}]},
            ".locations[0].proxy_pass: 'http://$host' contains a variable, which is not allowed here",
        ),
        (
            {"locations": [{"path": "/a/", "proxy_pass": "ws://a"}]},
            ".locations[0].proxy_pass: 'ws://a' is not a URL; expected http://HOST:PORT, https://HOST or"
            " http://unix:/SOCKET",
        ),
        (
            {"locations": [location(proxy_buffer_size="64k", proxy_buffers="2 64k")]},
            ".locations[0].proxy_buffers: '2 64k' is too small: the buffers but one must hold twice the larger of"
            " proxy_buffer_size and one buffer, 131072 bytes",
        ),
        (
            {"locations": [location(proxy_buffering="yes")]},
            ".locations[0].proxy_buffering: 'yes' is not one of on, off",
        ),
        (
            {"locations": [{"path": "/", "return": 42}]},
            ".locations[0].return: 42 is not STATUS (200 to 599), STATUS TEXT or a URL",
        ),
        ({"locations": [{"path": "/", "return": 301}]}, ".locations[0].return: 301 requires a URL to redirect to"),
        ({"locations": [{"path": "/", "root": "www"}]}, ".locations[0].root: 'www' is not an absolute path"),
        (
            {"locations": [location(websocket=False, probe={"message": "hi"})]},
            ".locations[0].probe.message: requires a location that passes WebSockets",
        ),
        (
            {"locations": [location(probe={"headers": {"Authorization": 12345}})]},
            ".locations[0].probe.headers.Authorization: must be a string, not an integer",
        ),
        (
            {"locations": [location(probe={"headers": "Bearer x"})]},
            ".locations[0].probe.headers: must be a mapping, not a string",
        ),
        (
            {"locations": [location(probe={"headers": {"Origin": "x"}})]},
            ".locations[0].probe.headers.Origin: cannot be set: the handshake controls this header, or it has a key",
        ),
        (
            {"locations": [location(probe={"path": "ws"})]},
            ".locations[0].probe.path: 'ws' is not a path with an optional query, such as /ws/?room=1",
        ),
        (
            {"locations": [location(probe={"origin": "www.example.com"})]},
            ".locations[0].probe.origin: 'www.example.com' is not an origin as browsers send it, such as"
            " https://www.example.com",
        ),
        ({"locations": [location(probe="no")]}, ".locations[0].probe: must be false or a mapping, not a string"),
        ({"listen": "80 http2"}, ".listen: http2 on 80 requires `ssl`"),
        ({"http2": True}, ".http2: requires `ssl` in listen"),
        ({**PATHS, "http2": "off", "listen": "443 ssl http2"}, ".http2: is off, but listen has http2"),
        ({"listen": "80 backlog=many"}, ".listen: 'backlog=many' is not a valid value of backlog"),
        ({"listen": "80 ssl ssl"}, ".listen: 'ssl' is given more than once"),
        (
            {"listen": [80, "[::]:80 ipv6only=off"]},
            ".listen: [::]:80 with ipv6only=off conflicts with 80 of websockets_sites[0].listen",
        ),
        ({"access_log": True}, ".access_log: must be a string, not a boolean (True)"),
        (
            {"access_log": "ws.log"},
            ".access_log: 'ws.log' must be off, or start with an absolute path or syslog:server=",
        ),
        (
            {"access_log": "/ws.log $format"},
            ".access_log: '/ws.log $format' contains a variable, which is only allowed in if=",
        ),
        ({"directives": "listen 81;"}, ".directives: 'listen' is not allowed here: set by the key 'listen'"),
        ({"directives": "} server {"}, ".directives: has a '}' without its '{': '} server {'"),
        (
            {"locations": [location(path="/a"), location(path="^~ /a")]},
            ".locations[1].path: '^~ /a' is already the path of websockets_sites[0].locations[0]",
        ),
    ],
)
def test_a_invalid_site_is_refused(keys: dict[str, t.Any], error: str) -> None:
    assert errors_of([UPSTREAM], [site(**keys)]) == [f"websockets_sites[0]{error}"]


def test_one_message_has_every_error_even_where_they_pile_up() -> None:
    given = [upstream(balance="x", extra=1), upstream(servers=[])]
    sites = [{"listen": 99999, "locations": [location(upstream="nowhere", websocket=1)]}, None]
    assert errors_of(given, sites) == [
        "websockets_upstreams[0].extra: unknown key: for a directive without a key, use 'directives'",
        "websockets_upstreams[0].balance: 'x' is not one of round_robin, least_conn, ip_hash, random, hash, sticky,"
        " least_time",
        "websockets_sites[0]: missing required key 'server_name'",
        "websockets_sites[0].listen: 99999 is out of range: 1 to 65535",
        "websockets_sites[0].locations[0].websocket: must be true, false or required, not 1",
        "websockets_sites[1]: must be a mapping, not nothing (None)",
        "websockets_upstreams[1]: no servers: requires 'servers', or 'group' with 'port'",
        "websockets_upstreams[1].name: 'ws-backend' is already the name of websockets_upstreams[0]",
        "websockets_sites[0].locations[0].upstream: 'nowhere' is not an upstream",
    ]


def test_a_slip_in_the_name_of_a_variable_is_no_default() -> None:
    errors = Errors()
    variables = {
        "websockets_upstreams": [UPSTREAM],
        "websockets_site": [SITE],
        "websockets_sites": [],
        "websockets_status_listen": "127.0.0.1:488",
    }
    assert gateway_model(variables, INVENTORY, errors) is None
    assert errors.lines == ["websockets_site: unknown variable (did you mean 'websockets_sites'?)"]


def test_the_plain_variables_are_checked_too() -> None:
    errors = Errors()
    variables = {
        "websockets_state": "presnt",
        "websockets_config_path": "00-websockets.conf",
        "websockets_probe_policy": "rolback",
        "websockets_capacity": 0,
        "websockets_worker_shutdown_timeout": "1 hour",
        "websockets_manage_nginx_conf": "no",
        "websockets_manage_service": 1,
    }
    assert gateway_model(variables, INVENTORY, errors) is None
    assert errors.lines == [
        "websockets_state: 'presnt' is not one of present, absent (did you mean 'present'?)",
        "websockets_probe_policy: 'rolback' is not one of rollback, fail, warn, skip (did you mean 'rollback'?)",
        "websockets_capacity: 0 is out of range: 1 to 10000000",
        "websockets_worker_shutdown_timeout: '1 hour' is not a time in nginx's syntax, such as 90, 90s, 30m, 1h30m,"
        " 500ms",
        "websockets_manage_nginx_conf: must be true or false, not a string ('no')",
        "websockets_manage_service: must be true or false, not an integer (1)",
        "websockets_config_path: '00-websockets.conf' is not an absolute path",
    ]


def test_variables_of_the_wrong_type_are_refused() -> None:
    assert errors_of({}, "x") == [
        "websockets_upstreams: must be a list, not a mapping",
        "websockets_sites: must be a list, not a string ('x')",
    ]


def test_a_gateways_own_parameters_as_a_server_are_checked() -> None:
    _model, errors = check([UPSTREAM], [SITE], websockets_server={"wieght": 3}, websockets_render_dir="")
    assert errors == [
        "websockets_server.wieght: unknown key (did you mean 'weight'?)",
        "websockets_render_dir: must not be empty: expected a directory",
    ]


def test_the_variables_of_fleets_are_checked() -> None:
    _model, errors = check(
        [UPSTREAM],
        [SITE],
        websockets_serial=[1, "10%", 0, "0%", "101%", "half", True, "2"],
        websockets_health_path="healthz",
        websockets_health_wait="10 s",
        websockets_drain={"a": 1},
        websockets_undrain=["server01", "a b", ""],
        websockets_drain_timeout="soon",
    )
    size = "is not a batch size, such as 1, 10 or '25%'"
    time = "is not a time in nginx's syntax, such as 90, 90s, 30m, 1h30m"
    assert errors == [
        f"websockets_serial[2]: 0 {size}",
        f"websockets_serial[3]: '0%' {size}",
        f"websockets_serial[4]: '101%' {size}",
        f"websockets_serial[5]: 'half' {size}",
        f"websockets_serial[6]: True {size}",
        "websockets_health_path: 'healthz' is not a valid path, such as /healthz",
        f"websockets_health_wait: '10 s' {time}",
        "websockets_drain: must be a list or a comma-separated string, not a mapping",
        "websockets_undrain[1]: 'a b' is not a host name or address",
        "websockets_undrain[2]: '' is not a host name or address",
        f"websockets_drain_timeout: 'soon' {time}",
    ]
    assert check([UPSTREAM], [SITE], websockets_serial=[])[1] == [
        "websockets_serial: must not be empty: at least one batch size is required"
    ]


def test_what_contradicts_itself_about_balancers_and_drains_is_an_error() -> None:
    assert check(
        [UPSTREAM], [SITE], websockets_health_wait="1s", websockets_drain="a,server01", websockets_undrain="a"
    )[1] == [
        "websockets_health_wait: requires websockets_health_path",
        "websockets_undrain: 'a' is also in websockets_drain",
    ]
    taken = site(locations=[location(), location(path="= /up"), location(path="/up/")])
    assert check([UPSTREAM], [taken], websockets_health_path="/up")[1] == [
        "websockets_sites[0].locations[1].path: '= /up' is already websockets_health_path"
    ]
