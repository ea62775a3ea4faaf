# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the variables say is what another parser reads in the file: nothing more, nothing less, nothing else."""

from __future__ import annotations

import typing as t

import pytest
import strategies
from ansible_collections.wsfleet.nginx.plugins.filter.gateway_model import gateway_model
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from parsing import Directive, parse
from rendering import render

VERSIONS = [(1, 18, 0), (1, 22, 1), (1, 26, 3), (1, 30, 0)]
SLOW = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
HEADERS = ["Host", "X-Real-IP", "X-Forwarded-For", "X-Forwarded-Proto", "Upgrade", "Connection"]
TIMES_AND_SIZES = ("proxy_connect_timeout", "proxy_send_timeout", "proxy_read_timeout", "proxy_buffer_size")
LISTS = ("proxy_buffers", "client_max_body_size")


def listed(value: t.Any) -> list[t.Any]:
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("nginx", VERSIONS, ids=lambda version: ".".join(map(str, version)))
@given(data=st.data())
@SLOW
def test_the_file_says_what_the_variables_say(nginx: strategies.Version, data: st.DataObject) -> None:
    variables = data.draw(strategies.gateways(nginx))
    file = parse(render(variables))
    pools, sites = file.named("upstream"), file.named("server")[:-1]
    assert {directive.name for directive in file.block} <= {"map", "upstream", "server"}
    assert len(pools) == len(variables["websockets_upstreams"])
    assert len(sites) == len(variables["websockets_sites"])
    for pool, upstream in zip(pools, variables["websockets_upstreams"]):
        check_pool(pool, upstream, nginx)
    for server, site in zip(sites, variables["websockets_sites"]):
        check_site(server, site)


def check_pool(pool: Directive, upstream: strategies.Variables, nginx: strategies.Version) -> None:
    assert pool.args == (upstream["name"],)
    assert [set(args) for args in pool.arguments("server")] == [server_words(server) for server in upstream["servers"]]
    balance = upstream.get("balance", "least_conn")
    method = balance.split()[0]
    assert [" ".join(args) for args in pool.arguments(method)] == (
        [] if method == "round_robin" else [balance.replace('"', "").partition(" ")[2]]
    )
    methods = {"least_conn", "ip_hash", "random", "hash", "sticky"}
    assert {directive.name for directive in pool.block} & methods == (
        {"least_conn", "sticky"} if method == "sticky" else {method} - {"round_robin"}
    )
    assert [" ".join(args) for args in pool.arguments("resolver")] == listed(upstream.get("resolver", []))
    keepalive = upstream.get("keepalive", 32)
    expected = [] if keepalive == 0 and nginx < (1, 29, 7) else [(str(keepalive),)]
    assert pool.arguments("keepalive") == expected
    (zone,) = pool.arguments("zone")
    assert " ".join(zone).endswith(upstream.get("zone", "64k"))


def server_words(server: t.Any) -> set[str]:
    if isinstance(server, str):
        return {server}
    words = {server["address"]}
    for key, value in server.items():
        if value is True:
            words.add(key)
        elif key != "address" and value is not False:
            words.add(f"{key}={str(value).replace(' ', '')}")
    return words


def check_site(server: Directive, site: strategies.Variables) -> None:
    assert [" ".join(args) for args in server.arguments("listen")] == [str(value) for value in listed(site["listen"])]
    assert server.arguments("server_name") == [tuple(listed(site["server_name"]))]
    log = site.get("access_log")
    assert [" ".join(args) for args in server.arguments("access_log")] == (
        [] if log is None else ["off" if log is False else log]
    )
    locations = [block for block in server.named("location") if block.args != ("@down",)]
    assert len(locations) == len(site["locations"])
    for block, location in zip(locations, site["locations"]):
        check_location(block, location)


def check_location(block: Directive, location: strategies.Variables) -> None:
    modifier, path = block.args if len(block.args) == 2 else ("", *block.args)
    assert f"{modifier} {path}".strip(" ") == location["path"].strip(" ") or path == location["path"]
    for key in TIMES_AND_SIZES:
        if key in location:
            assert block.arguments(key) == [(str(location[key]).replace(" ", ""),)]
    for key in LISTS:
        if key in location:
            assert [" ".join(args) for args in block.arguments(key)] == [str(location[key])]
    for key in ("proxy_buffering", "proxy_request_buffering"):
        if key in location:
            assert block.arguments(key) == [("on" if location[key] in (True, "on") else "off",)]
    if "return" in location:
        check_return(block, str(location["return"]))
    elif "root" in location:
        assert block.arguments("root") == [(location["root"],)]
    else:
        check_proxy(block, location)
    inside_returns = [] if location.get("websocket") == "required" else block.arguments("return")
    assert len(inside_returns) == ("return" in location)


def check_return(block: Directive, value: str) -> None:
    ((status, *text),) = block.arguments("return")
    if value.startswith("http"):
        assert (status, *text) == ("302", value)
    else:
        given = parse(f"return {value};").arguments("return")
        assert [(status, *text)] == [tuple(filter(None, args)) for args in given]


def check_proxy(block: Directive, location: strategies.Variables) -> None:
    target = location.get("proxy_pass") or f"http://{location['upstream']}"
    assert block.arguments("proxy_pass") == [(target,)]
    assert block.arguments("proxy_http_version") == [("1.1",)]
    headers = dict(t.cast("list[tuple[str, str]]", block.arguments("proxy_set_header")))
    assert len(headers) == len(block.named("proxy_set_header"))
    by_name = {name.lower(): value for name, value in headers.items()}
    for name, value in location.get("headers", {}).items():
        assert by_name[name.lower()] == value
    assert {name.lower() for name in HEADERS} <= by_name.keys()
    assert by_name.keys() <= {name.lower() for name in [*HEADERS, *location.get("headers", {})]}
    upgrades = location.get("websocket", True) is not False
    assert by_name["upgrade"] == ("$websocket_upgrade" if upgrades else "")
    assert by_name["connection"] == ("$websocket_connection" if upgrades else "")
    if "proxy_read_timeout" not in location:
        assert block.arguments("proxy_read_timeout") == ([("1h",)] if upgrades else [])


def variables_with(value: str, key: str) -> strategies.Variables:
    """A gateway in which one key has the value, whatever it is."""
    location: strategies.Variables = {"path": "/", "upstream": "one"}
    site: strategies.Variables = {"server_name": "a.example", "listen": 80, "locations": [location]}
    pool: strategies.Variables = {"name": "one", "servers": ["10.0.0.1:80"]}
    if key == "header":
        location["headers"] = {"X-One": value}
    elif key in ("root", "return"):
        location.pop("upstream")
        location[key] = f"200 {value}" if key == "return" else value
    elif key == "proxy_pass":
        pool.clear()
        location.pop("upstream")
        location[key] = value
    elif key in ("path", "headers"):
        location[key] = value if key == "path" else {value: "x"}
    elif key in site or key == "access_log":
        site[key] = value
    elif key == "server":
        pool["servers"] = [value]
    else:
        pool[key] = value
    return {"websockets_upstreams": [pool] if pool else [], "websockets_sites": [site]}


FORMS = {
    "header": ["{}", "a {}", "$host{}"],
    "headers": ["X{}", "{}"],
    "root": ["/{}", "{}"],
    "return": ["{}", '"{}"', "a {}"],
    "path": ["/{}", "= /{}", "~ {}", "~* ^/{}$", '~ "{}"', "{}"],
    "proxy_pass": ["http://a{}", "http://10.0.0.1/{}", "{}"],
    "server_name": ["~{}", "a{}.example", "{}"],
    "listen": ["80 {}", "{}", "unix:/{}"],
    "access_log": ["/{}", "/a.log {}", "/a.log combined if={}", "{}"],
    "server": ["10.0.0.1:{}", "a{}:80", "unix:/{}", "{}"],
    "name": ["a{}", "{}"],
    "balance": ["hash $a{}", "hash {}", "sticky cookie {}", "{}"],
    "zone": ["a{} 64k", "{}"],
    "resolver": ["{}", "10.0.0.1 {}"],
}


@pytest.mark.parametrize(("key", "form"), [(key, form) for key, forms in FORMS.items() for form in forms])
@given(text=st.text(strategies.NASTY + "a$\r\0", max_size=8) | st.text(max_size=8))
@SLOW
def test_no_value_becomes_another_directive(key: str, form: str, text: str) -> None:
    """The shape of the file is that of a harmless one: only the arguments of one directive differ, if any."""
    variables = variables_with(form.replace("{}", text), key)
    if gateway_model(variables, {}, {})["faults"]:
        return
    assert shape(parse(render(variables))) in HARMLESS[key]


@given(text=st.text(strategies.NASTY + "ab\r", max_size=20), before=st.sampled_from(["", "a 'b", "# c\n"]))
@SLOW
def test_directives_are_read_as_they_were_written(text: str, before: str) -> None:
    variables = variables_with("/", "path")
    variables["websockets_sites"][0]["directives"] = [f"{before}{text}", "last;"]
    if gateway_model(variables, {}, {})["faults"]:
        return
    (server, _status) = parse(render(variables)).named("server")
    written = parse(f"{before}{text}\nlast;")
    assert server.block[2 : 2 + len(written.block)] == written.block
    assert [directive.name for directive in server.block[2 + len(written.block) :]] == ["location"]


def shape(directive: Directive) -> t.Any:
    blocks = [shape(inner) for inner in directive.block if inner.name not in ("http2", "hash", "sticky")]
    return directive.name, blocks


HARMLESS = {
    key: [shape(parse(render(variables_with(value, key)))) for value in values]
    for key, values in {
        "header": ["x"],
        # A name of one that is always set takes its place.
        "headers": ["X", "Host"],
        "root": ["/x"],
        "return": ["x", "", "200"],
        "path": ["/x"],
        "proxy_pass": ["http://10.0.0.1", "https://10.0.0.1"],
        "server_name": ["x"],
        "listen": ["80"],
        "access_log": ["/x"],
        "server": ["10.0.0.1:80"],
        "name": ["one"],
        "balance": ["hash $x", "sticky cookie x", "round_robin", "ip_hash", "random", "least_time header"],
        "zone": ["64k"],
        "resolver": [],
    }.items()
}
