# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The model: what variables become, and every fault that stops them."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.wsfleet.nginx.plugins.plugin_utils.faults import Faults
from ansible_collections.wsfleet.nginx.plugins.plugin_utils.gateway import Model, gateway_model
from ansible_collections.wsfleet.nginx.plugins.plugin_utils.pools import Inventory
from hypothesis import given, settings
from hypothesis import strategies as st

POOL = {"name": "ws-backend", "balance": "ip_hash", "servers": ["server01:3000", "server02:3000", "server03:3000"]}
LOCATION = {"path": "/", "upstream": "ws-backend"}
SITE = {"server_name": "ws.serverlab.ca", "listen": 3000, "locations": [LOCATION]}

INVENTORY = Inventory(
    groups={"chat": ["chat2", "chat1", "chat10"], "nobody": []},
    hostvars={
        "chat1": {"ansible_host": "192.0.2.1", "chat_port": 9001, "lan": "10.0.0.1"},
        "chat2": {"ansible_host": "2001:db8::2", "chat_port": 9002},
        "chat10": {"chat_port": 9010},
    },
)


STATUS = {"address": "127.0.0.1:6455", "at": "websockets_status_listen"}


def check(upstreams: t.Any, sites: t.Any, status: t.Any = STATUS["address"]) -> tuple[Model | None, list[str]]:
    faults = Faults()
    variables = {
        "websockets_upstreams": upstreams,
        "websockets_sites": sites,
        "websockets_status_listen": status,
    }
    return gateway_model(variables, INVENTORY, faults), faults.lines


def sound(upstreams: t.Any, sites: t.Any) -> Model:
    model, faults = check(upstreams, sites)
    assert faults == []
    assert model is not None
    return model


def faults_of(upstreams: t.Any, sites: t.Any) -> list[str]:
    model, faults = check(upstreams, sites)
    assert model is None
    return faults


def pool(**keys: t.Any) -> dict[str, t.Any]:
    return {**POOL, **keys}


def site(**keys: t.Any) -> dict[str, t.Any]:
    return {**SITE, **keys}


def location(**keys: t.Any) -> dict[str, t.Any]:
    return {**LOCATION, **keys}


def test_the_first_founding_configuration_becomes_its_directives() -> None:
    model = sound([POOL], [SITE])
    assert model["upstreams"] == [
        {
            "name": "ws-backend",
            "lines": [
                "zone ws-backend 64k;",
                "ip_hash;",
                "server server01:3000;",
                "server server02:3000;",
                "server server03:3000;",
            ],
        }
    ]
    assert model["sites"] == [
        {
            "lines": ["listen 3000;", "server_name ws.serverlab.ca;"],
            "locations": [
                {
                    "path": "/",
                    "lines": [
                        "proxy_pass http://ws-backend;",
                        "proxy_http_version 1.1;",
                        "proxy_set_header Host $host;",
                        "proxy_set_header X-Real-IP $remote_addr;",
                        "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
                        "proxy_set_header X-Forwarded-Proto $scheme;",
                        "proxy_set_header Upgrade $websocket_upgrade;",
                        "proxy_set_header Connection $websocket_connection;",
                        "proxy_read_timeout 1h;",
                    ],
                }
            ],
        }
    ]
    assert model["listening"] == [STATUS, {"address": "3000", "at": "websockets_sites[0].listen"}]
    assert model["names"] == [
        {"name": f"server0{number}", "at": f"websockets_upstreams[0].servers[{number - 1}]"} for number in (1, 2, 3)
    ]
    assert model["proofs"] == [
        {
            "site": "ws.serverlab.ca",
            "path": "/",
            "url": "ws://ws.serverlab.ca:3000/",
            "connect_to": "127.0.0.1:3000",
            "websocket": True,
        }
    ]
    assert model["warnings"] == []


def test_nothing_is_a_model_of_nothing() -> None:
    nothing: t.Any = {
        "upstreams": [],
        "sites": [],
        "listening": [STATUS],
        "names": [],
        "proofs": [],
        "warnings": [],
    }
    assert sound([], []) == nothing


def lines_of(**keys: t.Any) -> list[str]:
    return sound([POOL], [site(locations=[location(**keys)])])["sites"][0]["locations"][0]["lines"]


def test_a_plain_route_passes_no_upgrade_and_keeps_nginx_timeouts() -> None:
    lines = lines_of(websocket=False)
    assert 'proxy_set_header Upgrade "";' in lines
    assert 'proxy_set_header Connection "";' in lines
    assert not any("proxy_read_timeout" in line or "$websocket" in line for line in lines)


def test_a_required_route_answers_426_and_names_the_protocol() -> None:
    lines = lines_of(websocket="required")
    start = lines.index('if ($websocket_upgrade = "") {')
    assert lines[start + 1] == "    add_header Upgrade websocket always;"
    assert lines[start + 2].startswith("    return 426 ")
    assert "proxy_set_header Upgrade $websocket_upgrade;" in lines


def test_every_proxied_route_sets_the_whole_set_of_headers() -> None:
    for websocket in (True, False, "required"):
        headers = [line.split()[1] for line in lines_of(websocket=websocket) if line.startswith("proxy_set_header")]
        assert headers == ["Host", "X-Real-IP", "X-Forwarded-For", "X-Forwarded-Proto", "Upgrade", "Connection"]


@pytest.mark.parametrize(
    ("given", "printed"), [("90s", "90s"), (90, "90"), ("1h 30m", "1h30m"), ("0", "0"), ("100ms", "100ms")]
)
def test_a_read_timeout_is_printed_as_nginx_takes_it(given: str | int, printed: str) -> None:
    assert f"proxy_read_timeout {printed};" in lines_of(proxy_read_timeout=given)


@pytest.mark.parametrize(
    ("balance", "directives"), [("ip_hash", ["ip_hash;"]), ("least_conn", ["least_conn;"]), ("round_robin", [])]
)
def test_the_balance_method_stands_before_the_servers(balance: str, directives: list[str]) -> None:
    lines = sound([pool(balance=balance, servers=["a:1"])], [SITE])["upstreams"][0]["lines"]
    assert lines == ["zone ws-backend 64k;", *directives, "server a:1;"]


def test_least_conn_is_the_default() -> None:
    pools = [{"name": "ws-backend", "servers": ["a:1"]}]
    assert "least_conn;" in sound(pools, [SITE])["upstreams"][0]["lines"]


def test_the_zone_grows_with_the_pool() -> None:
    servers = [f"10.0.{number // 250}.{number % 250}:80" for number in range(1000)]
    assert sound([pool(servers=servers)], [SITE])["upstreams"][0]["lines"][0] == "zone ws-backend 2000k;"


@pytest.mark.parametrize(
    ("listen", "lines", "connect_to"),
    [
        (80, ["listen 80;"], "127.0.0.1:80"),
        ("8080", ["listen 8080;"], "127.0.0.1:8080"),
        ("*:8080", ["listen *:8080;"], "127.0.0.1:8080"),
        ("192.0.2.1:80", ["listen 192.0.2.1:80;"], "192.0.2.1:80"),
        ("[::]:80", ["listen [::]:80;"], "[::1]:80"),
        ("unix:/run/ws.sock", ["listen unix:/run/ws.sock;"], "unix:/run/ws.sock"),
        ("80 default_server", ["listen 80 default_server;"], "127.0.0.1:80"),
        ([80, "[::]:80"], ["listen 80;", "listen [::]:80;"], "127.0.0.1:80"),
    ],
)
def test_a_listen_is_printed_as_given_and_proven_where_it_answers(
    listen: t.Any, lines: list[str], connect_to: str
) -> None:
    model = sound([POOL], [site(listen=listen)])
    assert model["sites"][0]["lines"][:-1] == lines
    assert model["proofs"][0]["connect_to"] == connect_to


@pytest.mark.parametrize(
    ("names", "directive", "url"),
    [
        ("a.example", "server_name a.example;", "ws://a.example/"),
        (["_"], "server_name _;", "ws://proof.invalid/"),
        (["*.a.example", "b.example"], "server_name *.a.example b.example;", "ws://b.example/"),
        ("*.a.example", "server_name *.a.example;", "ws://proof.a.example/"),
    ],
)
def test_a_site_is_proven_under_a_name_that_reaches_it(names: t.Any, directive: str, url: str) -> None:
    model = sound([POOL], [site(server_name=names, listen=80)])
    assert model["sites"][0]["lines"][-1] == directive
    assert model["proofs"][0]["url"] == url


@pytest.mark.parametrize("path", ["/", "/ws/", "= /ws", "^~ /a/", "/über"])
def test_a_location_is_printed_as_given(path: str) -> None:
    assert sound([POOL], [site(locations=[location(path=path)])])["sites"][0]["locations"][0]["path"] == path


def test_the_same_path_may_be_exact_and_a_prefix() -> None:
    sound([POOL], [site(locations=[location(path="/a"), location(path="= /a")])])


def group_servers(**keys: t.Any) -> list[str]:
    pools = [{"name": "ws-backend", "balance": "round_robin", **keys}]
    return sound(pools, [SITE])["upstreams"][0]["lines"][1:]


def test_a_group_becomes_a_pool_in_the_order_of_names() -> None:
    assert group_servers(group="chat", port=9000) == [
        "server 192.0.2.1:9000;",
        "server chat10:9000;",
        "server [2001:db8::2]:9000;",
    ]


def test_a_group_takes_each_hosts_port_from_the_variable_named() -> None:
    assert group_servers(group="chat", port="chat_port") == [
        "server 192.0.2.1:9001;",
        "server chat10:9010;",
        "server [2001:db8::2]:9002;",
    ]


def test_a_group_adds_to_the_servers_named() -> None:
    assert group_servers(group="chat", port=9000, servers=["extra:1"])[0] == "server extra:1;"


def test_an_unused_upstream_is_a_warning() -> None:
    model = sound([POOL, pool(name="spare")], [SITE])
    assert model["warnings"] == ["websockets_upstreams[1]: no location uses the upstream 'spare'"]


@pytest.mark.parametrize(
    ("keys", "fault"),
    [
        ({"name": 3}, ".name: must be a string, not an integer (3)"),
        ({"name": "a b"}, ".name: 'a b' is not a pool's name: letters, digits, '_', '.' and '-' only"),
        ({"nmae": "x"}, ".nmae: is not a key known here (did you mean 'name'?)"),
        (
            {"balance": "iphash"},
            ".balance: 'iphash' is not one of round_robin, least_conn, ip_hash (did you mean 'ip_hash'?)",
        ),
        ({"balance": False}, ".balance: must be a string, not a boolean (False)"),
        ({"servers": "a:1"}, ".servers: must be a list, not a string ('a:1')"),
        ({"servers": []}, ": the pool is empty: give it servers, or a group with hosts and a port"),
        ({"servers": ["a"]}, ".servers[0]: 'a' is no address with a port: write it as a:PORT"),
        ({"servers": ["a:b"]}, ".servers[0]: 'a:b' is no address with a port: write it as HOST:PORT"),
        ({"servers": [":1"]}, ".servers[0]: ':1' has no host: write it as HOST:1"),
        ({"servers": ["*:1"]}, ".servers[0]: '*:1' has no host: write it as HOST:1"),
        ({"servers": ["::1"]}, ".servers[0]: '::1' is no address with a port: write it as [::1]:PORT"),
        ({"servers": ["a:0"]}, ".servers[0]: 0 is out of range: ports are 1 to 65535"),
        ({"servers": ["a:65536"]}, ".servers[0]: 65536 is out of range: ports are 1 to 65535"),
        ({"servers": ["1.2.3.400:80"]}, ".servers[0]: '1.2.3.400' is neither a host name nor an address"),
        ({"servers": ["a;b:80"]}, ".servers[0]: 'a;b' is neither a host name nor an address"),
        ({"servers": ["unix:sock"]}, ".servers[0]: 'unix:sock' is not a Unix socket: write unix:/path"),
        ({"servers": [80]}, ".servers[0]: must be a string, not an integer (80)"),
        (
            {"servers": ["a:1", "a:1"]},
            ".servers[1]: 'a:1' is in the pool already, from websockets_upstreams[0].servers[0]",
        ),
        ({"port": 80}, ".port: goes with a group; a server has its own in its address"),
        ({"address": "lan"}, ".address: goes with a group; a server has its own in its address"),
        ({"servers": ["a:1 weight=2"]}, ".servers[0]: 'a:1 weight=2' is no address with a port: write it as HOST:PORT"),
        ({"servers": ["unix:/tmp/"]}, ".servers[0]: 'unix:/tmp/' is not a Unix socket: write unix:/path"),
        ({"group": "chat"}, ": the group 'chat' needs the key 'port'"),
        ({"group": "chta", "port": 1}, ".group: 'chta' is not a group of the inventory (did you mean 'chat'?)"),
        (
            {"group": "chat", "port": "9000"},
            ".port: must be an integer or the name of a host variable, not '9000'",
        ),
        ({"group": "chat", "port": 70000}, ".port: 70000 is out of range: ports are 1 to 65535"),
        (
            {"group": "nobody", "port": 1, "servers": []},
            ": the pool is empty: give it servers, or a group with hosts and a port",
        ),
        ({"group": "chat", "port": 1, "address": "x-y"}, ".address: 'x-y' is not the name of a host variable"),
    ],
)
def test_a_faulty_upstream_is_refused(keys: dict[str, t.Any], fault: str) -> None:
    assert faults_of([pool(**keys), pool()][: 1 if "name" not in keys else 2], [SITE]) == [
        f"websockets_upstreams[0]{fault}"
    ]


@pytest.mark.parametrize(
    ("keys", "fault"),
    [
        ({"server_name": ""}, ".server_name: '' is not a server name: a host name, *.domain or '_'"),
        ({"server_name": []}, ".server_name: is empty: a site needs a name, '_' for none of its own"),
        ({"server_name": ["a", 1]}, ".server_name[1]: must be a string, not an integer (1)"),
        ({"server_name": ["a", "A"]}, ".server_name: 'a' is listed more than once"),
        ({"listen": 0}, ".listen: 0 is out of range: ports are 1 to 65535"),
        ({"listen": True}, ".listen: must be an integer, not a boolean (True)"),
        ({"listen": None}, ".listen: must be a port or an address, not nothing (None)"),
        ({"listen": []}, ".listen: is empty: a site needs a port or an address"),
        ({"listen": "example.com"}, ".listen: 'example.com' is no address with a port: write it as example.com:PORT"),
        (
            {"listen": "80 defualt_server"},
            ".listen: 'defualt_server' is not a parameter known here: default_server is"
            " (did you mean 'default_server'?)",
        ),
        ({"listen": [80, 80]}, ".listen: '80' is listed more than once"),
        ({"locations": []}, ".locations: is empty: a site needs at least one location"),
        ({"locations": {}}, ".locations: must be a list, not a mapping ({})"),
        ({"locations": ["/"]}, ".locations[0]: must be a mapping, not a string ('/')"),
        ({"location": []}, ".location: is not a key known here (did you mean 'locations'?)"),
        ({"locations": [{"path": "/"}]}, ".locations[0]: needs the key 'upstream'"),
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
            ".locations[0].proxy_read_timeout: '1 hour' is not a time as nginx writes it: 90, 90s, 30m, 1h30m",
        ),
        (
            {"locations": [location(path="/a"), location(path="^~ /a")]},
            ".locations[1].path: '^~ /a' is the path of websockets_sites[0].locations[0] already",
        ),
    ],
)
def test_a_faulty_site_is_refused(keys: dict[str, t.Any], fault: str) -> None:
    assert faults_of([POOL], [site(**keys)]) == [f"websockets_sites[0]{fault}"]


@pytest.mark.parametrize(
    "path",
    [
        "/a?b",
        "//a",
        "/a/../b",
        "/a/.",
        "/" + "a" * 4000,
        "ws",
        "/a b",
        "/a;",
        "/a{",
        '/a"',
        "/a$b",
        "/a#",
        "/a\n",
        "~ ^/a",
        "",
        "= ",
        "/a\\",
    ],
)
def test_a_path_that_could_become_another_directive_is_refused(path: str) -> None:
    (fault,) = faults_of([POOL], [site(locations=[location(path=path)])])
    assert fault.startswith("websockets_sites[0].locations[0].path: ")


def test_a_host_without_an_address_or_a_port_is_named() -> None:
    pools = [{"name": "ws-backend", "group": "chat", "port": "lan_port", "address": "lan"}]
    at = "websockets_upstreams[0].group 'chat', host"
    assert faults_of(pools, [SITE]) == [
        f"{at} chat1: has no variable 'lan_port', which websockets_upstreams[0].port names",
        f"{at} chat10: has no variable 'lan_port', which websockets_upstreams[0].port names",
        f"{at} chat10: has no variable 'lan', which websockets_upstreams[0].address names",
        f"{at} chat2: has no variable 'lan_port', which websockets_upstreams[0].port names",
        f"{at} chat2: has no variable 'lan', which websockets_upstreams[0].address names",
    ]


def test_names_are_unique_among_upstreams_and_on_an_address() -> None:
    assert faults_of([POOL, pool(servers=["a:1"])], [SITE, site(server_name=["x", "WS.serverlab.ca"])]) == [
        "websockets_upstreams[1].name: 'ws-backend' is the name of websockets_upstreams[0] already",
        "websockets_sites[1]: 'WS.serverlab.ca' on 3000 is served by websockets_sites[0] already",
    ]


@pytest.mark.parametrize(
    ("one", "other"),
    [(80, "*:80"), ("80", "0.0.0.0:80"), ("[::1]:80", "[0:0::1]:80"), ("unix:/run/a", "unix:/run/a")],
)
def test_an_address_is_the_same_in_every_spelling(one: t.Any, other: t.Any) -> None:
    (fault,) = faults_of([POOL], [site(listen=one), site(listen=other)])
    assert fault.endswith("is served by websockets_sites[0] already")
    (fault,) = faults_of([POOL], [site(listen=[one, other])])
    assert fault.endswith("is listed more than once")


def test_upstreams_that_differ_by_case_alone_are_one_to_nginx() -> None:
    assert faults_of([POOL, pool(name="WS-Backend")], [SITE]) == [
        "websockets_upstreams[1].name: 'WS-Backend' is the name of websockets_upstreams[0] already"
    ]


def test_a_path_is_encoded_in_its_proof() -> None:
    model = sound([POOL], [site(locations=[location(path="/\u00fc/%")])])
    assert model["proofs"][0]["url"] == "ws://ws.serverlab.ca:3000/%C3%BC/%25"


@pytest.mark.parametrize("time", ["30m1h", "1h1h", "1M", "1y", "9" * 20, 10**30, "\u0661s", "", "h", -1, 1.5])
def test_a_time_that_nginx_would_not_take_is_refused(time: t.Any) -> None:
    (fault,) = faults_of([POOL], [site(locations=[location(proxy_read_timeout=time)])])
    assert fault.startswith("websockets_sites[0].locations[0].proxy_read_timeout: ")


def test_an_address_has_one_default_server() -> None:
    sites = [site(listen="80 default_server"), site(listen="80 default_server", server_name="other")]
    assert faults_of([POOL], sites) == [
        "websockets_sites[1].listen: websockets_sites[0] is the default server of 80 already"
    ]


def test_one_message_has_every_fault_even_where_they_pile_up() -> None:
    pools = [pool(balance="x", extra=1), pool(servers=[])]
    sites = [{"listen": 99999, "locations": [location(upstream="nowhere", websocket=1)]}, None]
    assert faults_of(pools, sites) == [
        "websockets_upstreams[0].extra: is not a key known here",
        "websockets_upstreams[0].balance: 'x' is not one of round_robin, least_conn, ip_hash",
        "websockets_sites[0]: needs the key 'server_name'",
        "websockets_sites[0].listen: 99999 is out of range: ports are 1 to 65535",
        "websockets_sites[0].locations[0].websocket: must be true, false or required, not 1",
        "websockets_sites[1]: must be a mapping, not nothing (None)",
        "websockets_upstreams[1]: the pool is empty: give it servers, or a group with hosts and a port",
        "websockets_upstreams[1].name: 'ws-backend' is the name of websockets_upstreams[0] already",
        "websockets_sites[0].locations[0].upstream: 'nowhere' is not an upstream",
    ]


def test_a_slip_in_the_name_of_a_variable_is_no_default() -> None:
    faults = Faults()
    variables = {
        "websockets_upstreams": [POOL],
        "websockets_site": [SITE],
        "websockets_sites": [],
        "websockets_status_listen": "127.0.0.1:6455",
    }
    assert gateway_model(variables, INVENTORY, faults) is None
    assert faults.lines == ["websockets_site: is not a variable of the role (did you mean 'websockets_sites'?)"]


def test_the_plain_variables_are_checked_too() -> None:
    faults = Faults()
    variables = {"websockets_state": "presnt", "websockets_config_path": "00-websockets.conf"}
    assert gateway_model(variables, INVENTORY, faults) is None
    assert faults.lines == [
        "websockets_state: 'presnt' is not one of present, absent (did you mean 'present'?)",
        "websockets_config_path: '00-websockets.conf' is not an absolute path",
    ]


def test_variables_of_the_wrong_type_are_refused() -> None:
    assert faults_of({}, "x") == [
        "websockets_upstreams: must be a list, not a mapping ({})",
        "websockets_sites: must be a list, not a string ('x')",
    ]


@pytest.mark.parametrize("listen", ["127.0.0.1:6455", "[::1]:6455", "127.0.0.2:80"])
def test_the_status_is_told_on_the_loopback_interface(listen: str) -> None:
    model, faults = check([POOL], [SITE], listen)
    assert faults == []
    assert model is not None
    assert model["listening"][0] == {"address": listen, "at": "websockets_status_listen"}


@pytest.mark.parametrize(
    ("listen", "fault"),
    [
        (6455, "must be a string, not an integer (6455)"),
        ("6455", "'6455' is not an address of the loopback interface, such as 127.0.0.1:6455"),
        ("192.0.2.1:80", "'192.0.2.1:80' is not an address of the loopback interface, such as 127.0.0.1:6455"),
        ("localhost:80", "'localhost:80' is not an address of the loopback interface, such as 127.0.0.1:6455"),
        ("unix:/run/x", "'unix:/run/x' is not an address of the loopback interface, such as 127.0.0.1:6455"),
    ],
)
def test_the_status_is_told_nowhere_else(listen: t.Any, fault: str) -> None:
    assert check([POOL], [SITE], listen) == (None, [f"websockets_status_listen: {fault}"])


def test_no_site_has_the_port_of_the_status() -> None:
    assert faults_of([POOL], [site(listen=[80, 6455])]) == [
        "websockets_sites[0].listen: 6455 has the port of websockets_status_listen"
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def spoilt(draw: st.DrawFn, sound: t.Any) -> t.Any:
    """Sound variables in which any value, at any depth, may be any other."""
    if draw(st.integers(0, 9)) == 0:
        return draw(JSON)
    if isinstance(sound, dict):
        return {key: draw(spoilt(value)) for key, value in sound.items() if draw(st.integers(0, 9))}
    return [draw(spoilt(value)) for value in sound] if isinstance(sound, list) else sound


@given(
    upstreams=spoilt([POOL, {"name": "chat", "group": "chat", "port": "chat_port"}]),
    sites=spoilt([SITE, site(server_name="b", locations=[location(path="/b", upstream="chat", websocket=False)])]),
)
@settings(max_examples=500, deadline=None)
def test_whatever_the_variables_are_there_is_a_model_or_a_fault(upstreams: t.Any, sites: t.Any) -> None:
    model, faults = check(upstreams, sites)
    assert (model is None) == bool(faults)
    for fault in faults:
        assert fault.startswith(("websockets_upstreams", "websockets_sites"))
