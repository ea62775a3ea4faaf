# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every entry of the language does something: what is documented and accepted is printed too."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables import schema
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.keys import Key
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.location_keys import LIMITS, LOCATION, PROBE
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.role_variables import VARIABLES
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.site_keys import SITE
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.upstream_keys import SERVER, UPSTREAM
from rendering import render

Block = t.Dict[str, t.Any]


class Sample(t.NamedTuple):
    """A value of a key, the keys that it requires beside it, and those that it replaces."""

    value: t.Any
    beside: Block = {}  # noqa: RUF012
    instead_of: str = ""

    def without(self, block: Block) -> Block:
        return {**block, **self.beside}

    def within(self, block: Block, name: str) -> Block:
        kept = {key: value for key, value in self.without(block).items() if key != self.instead_of}
        return {**kept, name: self.value}


TLS = {"listen": "443 ssl", "ssl_certificate": "/etc/ssl/ws.pem", "ssl_certificate_key": "/etc/ssl/ws.key"}
HTTPS = {"proxy_pass": "https://b.example"}
LIMIT_SAMPLES = {
    "allowed_origins": Sample(["https://a.example"]),
    "allow_missing_origin": Sample(False, {"allowed_origins": ["https://a.example"]}),
    "limit_conn_per_client": Sample(5),
    "limit_handshakes_per_client": Sample("5r/s"),
    "limit_dry_run": Sample(True, {"limit_conn_per_client": 5}),
}
SAMPLES: dict[str, dict[str, Sample]] = {
    "variables": {
        "websockets_state": Sample("absent"),
        "websockets_upstreams": Sample([{"name": "one", "servers": ["10.0.0.9:1"]}]),
        "websockets_sites": Sample([]),
        "websockets_directives": Sample("geo $office { default 0; }"),
        "websockets_server": Sample({"weight": 2}),
        "websockets_probe_policy": Sample("warn"),
        "websockets_probe_interval": Sample("15s"),
        "websockets_group": Sample("edge"),
        "websockets_serial": Sample([1]),
        "websockets_health_path": Sample("/healthz"),
        "websockets_health_wait": Sample("5s", {"websockets_health_path": "/healthz"}),
        "websockets_drain": Sample("10.0.0.1"),
        "websockets_undrain": Sample("10.0.0.1"),
        "websockets_drain_timeout": Sample("1m"),
        "websockets_drain_force": Sample(True),
        "websockets_capacity": Sample(
            9_999_999,
            {
                "websockets_sites": [
                    {
                        "server_name": "a",
                        "listen": 80,
                        "limit_conn_per_client": 1,
                        "locations": [{"path": "/", "proxy_pass": "http://10.0.0.1"}],
                    }
                ]
            },
        ),
        "websockets_worker_shutdown_timeout": Sample("2h"),
        "websockets_reconnect_rate": Sample(20),
        "websockets_stop_timeout": Sample("2m"),
        "websockets_guard_upgrades": Sample("defer"),
        "websockets_manage_nginx_conf": Sample(False),
        "websockets_manage_service": Sample(False),
        "websockets_status_listen": Sample("127.0.0.1:7000"),
        "websockets_config_path": Sample("/etc/nginx/conf.d/ws.conf", {"websockets_health_path": "/healthz"}),
        "websockets_replaces": Sample("/etc/nginx/sites-enabled/chat"),
        "websockets_nginx_version": Sample("1.18.0"),
        "websockets_openssl_version": Sample(
            "3.5.4",
            {
                "websockets_sites": [
                    {**TLS, "server_name": "a", "locations": [{"path": "/", "return": 404}]},
                ]
            },
        ),
        "websockets_nginx_package_version": Sample("1.22.1-9+deb12u11"),
        "websockets_report": Sample("out"),
        "websockets_verify_fail_on": Sample("warnings"),
        "websockets_verify_address": Sample(False),
        "websockets_render_dir": Sample("out"),
        "websockets_blackbox_dir": Sample("out"),
        "websockets_blackbox_prober": Sample("websocket"),
    },
    "upstreams": {
        "name": Sample("four"),
        "servers": Sample([{"address": "d.example:1", "resolve": True}]),
        "group": Sample("others", {"group": "backends", "port": 80}),
        "port": Sample(81, {"group": "backends", "port": 80}),
        "address": Sample("own_address", {"group": "backends", "port": 80}),
        "balance": Sample("ip_hash"),
        "zone": Sample("1m"),
        "keepalive": Sample(8),
        "resolver": Sample(
            "10.0.0.53", {"servers": [{"address": "b.example:1", "resolve": True}], "resolver": "10.0.0.54"}
        ),
        "directives": Sample("keepalive_requests 5;"),
    },
    "servers": {
        "address": Sample("10.0.0.9:1"),
        "weight": Sample(2),
        "max_fails": Sample(3),
        "fail_timeout": Sample("5s"),
        "max_conns": Sample(9),
        "backup": Sample(True),
        "down": Sample(True),
        "resolve": Sample(True),
        "route": Sample("a"),
        "drain": Sample(True),
    },
    "sites": {
        "server_name": Sample("b.example"),
        "listen": Sample(81),
        "http2": Sample(True, TLS),
        "ssl_certificate": Sample("/etc/ssl/other.pem", TLS),
        "ssl_certificate_key": Sample("/etc/ssl/other.key", TLS),
        "ssl_policy": Sample("modern", TLS),
        "redirect_http": Sample(True, TLS),
        "hsts": Sample(True, TLS),
        "ssl_buffer_size": Sample("16k", TLS),
        "ssl_client_certificate": Sample("/etc/ssl/ca.pem", TLS),
        "ssl_verify_client": Sample("optional", {**TLS, "ssl_client_certificate": "/etc/ssl/ca.pem"}),
        "set_real_ip_from": Sample("10.0.0.1"),
        "real_ip_header": Sample("X-Client", {"set_real_ip_from": "10.0.0.1"}),
        **LIMIT_SAMPLES,
        "client_header_timeout": Sample("5s"),
        "large_client_header_buffers": Sample("8 16k"),
        "headers": Sample({"X-A": "b"}),
        "access_log": Sample(False),
        "locations": Sample([{"path": "/b/", "return": 404}]),
        "directives": Sample("send_timeout 5s;"),
    },
    "locations": {
        "path": Sample("/b/"),
        "upstream": Sample("two"),
        "proxy_pass": Sample("http://10.0.0.3", {}, "upstream"),
        "root": Sample("/srv", {}, "upstream"),
        "return": Sample(404, {}, "upstream"),
        "strip_prefix": Sample(True),
        "websocket": Sample("required"),
        "headers": Sample({"X-A": "b"}),
        "resolver": Sample("10.0.0.53", HTTPS),
        **LIMIT_SAMPLES,
        "proxy_connect_timeout": Sample("1s"),
        "proxy_send_timeout": Sample("1s"),
        "proxy_read_timeout": Sample("1s"),
        "proxy_buffering": Sample(False),
        "proxy_buffer_size": Sample("8k"),
        "proxy_buffers": Sample("8 64k"),
        "proxy_request_buffering": Sample(False),
        "proxy_next_upstream": Sample("error http_502"),
        "proxy_next_upstream_tries": Sample(2),
        "proxy_next_upstream_timeout": Sample("5s"),
        "proxy_ssl_verify": Sample(False, HTTPS),
        "proxy_ssl_trusted_certificate": Sample("/etc/ssl/ca.pem", HTTPS),
        "proxy_ssl_name": Sample("c.example", HTTPS),
        "client_max_body_size": Sample("8m"),
        "probe": Sample(False),
        "directives": Sample("gzip on;"),
    },
    "probes": {
        "path": Sample("/b"),
        "origin": Sample("https://a.example"),
        "subprotocol": Sample("chat"),
        "headers": Sample({"X-A": "b"}),
        "message": Sample("hello"),
        "expect": Sample("hello"),
        "ssl_certificate": Sample("/b.pem", {"ssl_certificate": "/a.pem", "ssl_certificate_key": "/a.key"}),
        "ssl_certificate_key": Sample("/b.key", {"ssl_certificate": "/a.pem", "ssl_certificate_key": "/a.key"}),
    },
}
TABLES: dict[str, t.Mapping[str, Key]] = {
    "variables": VARIABLES,
    "upstreams": UPSTREAM,
    "servers": SERVER,
    "sites": SITE,
    "locations": LOCATION,
    "probes": PROBE,
}


def gateway(table: str, change: t.Callable[[Block], Block]) -> Block:
    """The variables of a gateway, with a change to one of its mappings."""

    def changed(name: str, block: Block) -> Block:
        return change(block) if name == table else block

    # A name, and one that is always resolved, for what goes with those.
    servers = [changed("servers", {"address": "b.example:1"}), {"address": "c.example:1", "resolve": True}]
    upstream: Block = {"name": "three", "balance": "round_robin", "servers": servers, "resolver": "10.0.0.54"}
    if table == "variables":
        upstream = {"name": "three", "servers": ["10.0.0.2:80"]}
    location: Block = {"path": "/a/", "upstream": "one", "probe": changed("probes", {})}
    location = changed("locations", location)
    if "proxy_pass" in location:
        location.pop("upstream", None)
    site: Block = {"server_name": "a.example", "listen": 80, "locations": [location]}
    return changed(
        "variables",
        {
            "websockets_upstreams": [
                {"name": "one", "servers": ["10.0.0.1:80", "10.0.0.2:80"]},
                {"name": "two", "servers": ["10.0.0.2:80"]},
                changed("upstreams", upstream),
            ],
            "websockets_sites": [changed("sites", site)],
        },
    )


HOSTVARS = {"b1": {"ansible_host": "10.0.1.1", "own_address": "10.0.2.1"}, "b2": {"ansible_host": "10.0.1.2"}}


def text(table: str, change: t.Callable[[Block], Block]) -> str:
    return render(gateway(table, change), groups={"backends": ["b1"], "others": ["b2"]}, hostvars=HOSTVARS)


@pytest.mark.parametrize(("table", "name"), [(table, name) for table, keys in TABLES.items() for name in keys])
def test_a_key_that_is_accepted_is_printed_or_says_why_not(table: str, name: str) -> None:
    sample = SAMPLES[table][name]
    before = text(table, sample.without)
    after = text(table, lambda block: sample.within(block, name))
    assert (before == after) == bool(TABLES[table][name].unprinted)
    if TABLES[table][name].plain:
        assert [line for line in after.splitlines() if line.strip().startswith(f"{name} ")]


@pytest.mark.parametrize(
    ("typed", "keys"),
    [
        (schema.Upstream, UPSTREAM),
        (schema.Site, SITE),
        (schema.Location, LOCATION),
        (schema.Limits, LIMITS),
        (schema.ProbeOptions, PROBE),
    ],
)
def test_the_types_have_the_keys_that_the_code_reads_by_name(typed: t.Any, keys: t.Mapping[str, Key]) -> None:
    typed_keys = t.get_type_hints(typed).keys() - {"at", "captures", "default_of", "trusted"}
    assert typed_keys <= keys.keys()
    assert all(keys[name].plain for name in keys.keys() - typed_keys)


def test_what_points_to_a_heading_of_the_readme_finds_it() -> None:
    readme = Path(__file__).resolve().parents[5].joinpath("roles/websockets/README.md").read_text()
    headings = {line.lstrip("# ").strip("`") for line in readme.splitlines() if line.startswith("#")}
    assert {key.see for keys in TABLES.values() for key in keys.values() if key.see} <= headings


def test_a_key_is_refused_in_directives_by_its_own_name() -> None:
    for keys in (UPSTREAM, SITE, LOCATION):
        refused = keys["directives"].refused or {}
        assert refused.keys() >= keys.keys() - {"directives"}
