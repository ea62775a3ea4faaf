# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sockets that sites share."""

from __future__ import annotations

import typing as t

import pytest
from modelling import UPSTREAM, errors_of, refusing, secure, server_of, site, sound


@pytest.mark.parametrize(
    ("listen", "lines", "connect_to"),
    [
        (80, ["listen 80;"], "127.0.0.1:80"),
        ("8080", ["listen 8080;"], "127.0.0.1:8080"),
        ("*:8080", ["listen *:8080;"], "127.0.0.1:8080"),
        ("192.0.2.1:80", ["listen 192.0.2.1:80;"], "192.0.2.1:80"),
        ("[::]:80", ["listen [::]:80;"], "[::1]:80"),
        ("unix:/run/ws.sock", ["listen unix:/run/ws.sock;"], "unix:/run/ws.sock"),
        ("80 default_server", ["listen 80 default_server so_keepalive=60s:10s:6;"], "127.0.0.1:80"),
        ([80, "[::]:80"], ["listen 80;", "listen [::]:80;"], "127.0.0.1:80"),
    ],
)
def test_a_listen_is_printed_as_given_and_verified_where_it_answers(
    listen: t.Any, lines: list[str], connect_to: str
) -> None:
    model = sound([UPSTREAM], [site(listen=listen)])
    assert [line for line in server_of(model) if line.startswith("listen ")] == lines
    assert model["probes"][0]["connect_to"] == connect_to


@pytest.mark.parametrize(
    ("listen", "line"),
    [
        ("80 reuseport default_server", "listen 80 default_server reuseport so_keepalive=60s:10s:6;"),
        (
            "[::]:80 ipv6only=on backlog=4096 so_keepalive=30m::10",
            "listen [::]:80 ipv6only=on backlog=4096 so_keepalive=30m::10;",
        ),
        ("unix:/run/a.sock rcvbuf=8k sndbuf=8k", "listen unix:/run/a.sock rcvbuf=8k sndbuf=8k;"),
        ("80 deferred fastopen=10 bind", "listen 80 deferred fastopen=10 bind so_keepalive=60s:10s:6;"),
        ("80 so_keepalive=off", "listen 80 so_keepalive=off;"),
        ("80 ssl proxy_protocol backlog=9", "listen 80 ssl proxy_protocol backlog=9 so_keepalive=60s:10s:6;"),
    ],
)
def test_a_listen_keeps_the_options_of_its_socket(listen: str, line: str) -> None:
    assert (
        server_of(sound([UPSTREAM], [secure(listen=listen)] if "ssl" in listen else [site(listen=listen)]))[0] == line
    )


def test_sites_share_a_socket_in_peace() -> None:
    def other(listen: t.Any) -> list[str]:
        make = secure if "ssl" in listen else site
        return errors_of([UPSTREAM], [site(listen="80 backlog=9"), make(listen=listen, server_name="b.example")])

    sound([UPSTREAM], [site(listen="80 backlog=9"), site(listen=80, server_name="b.example")])
    place = "websockets_sites[1].listen"
    assert other("80 backlog=9") == [f"{place}: the options of 80 are already given in websockets_sites[0].listen"]
    assert other("*:80 ssl") == [f"{place}: *:80 has ssl, but no ssl in websockets_sites[0].listen"]
    assert other("80 proxy_protocol") == [
        f"{place}: 80 has proxy_protocol, but no proxy_protocol in websockets_sites[0].listen"
    ]


KEEPALIVE = " so_keepalive=60s:10s:6"


def listens(*sites: dict[str, t.Any]) -> list[list[str]]:
    """The listens of each server, that of the refusing one first."""
    model = sound([UPSTREAM], list(sites))
    servers = [[line[7:-1] for line in block["lines"] if line.startswith("listen ")] for block in model["sites"]]
    return servers if "websockets_sites" in model["blocks"] else [[], *servers]


OTHER = {"server_name": "b.example"}


@pytest.mark.parametrize(
    ("sites", "expected"),
    [
        # A name of its own on each: unknown names are refused, and dead clients found, on each address once.
        ([site(listen=80), site(listen=80, **OTHER)], [[f"80{KEEPALIVE}"], ["80"], ["80"]]),
        ([site(listen=80), site(listen="*:80", **OTHER)], [[f"80{KEEPALIVE}"], ["80"], ["*:80"]]),
        (
            [site(listen=[80, "[::]:80"]), site(listen="[0::0]:80", **OTHER)],
            [[f"80{KEEPALIVE}", f"[::]:80{KEEPALIVE}"], ["80", "[::]:80"], ["[0::0]:80"]],
        ),
        # The operator's options stay where they are, with the one for dead clients.
        (
            [site(listen=80), site(listen="80 backlog=9", **OTHER)],
            [["80"], ["80"], [f"80 backlog=9{KEEPALIVE}"]],
        ),
        (
            [site(listen="80 so_keepalive=off"), site(listen=80, **OTHER)],
            [["80"], ["80 so_keepalive=off"], ["80"]],
        ),
        # Nothing is refused where a site takes all names.
        ([site(listen=80, server_name="_")], [[], [f"80{KEEPALIVE}"]]),
        ([site(listen=80, server_name=["a", "_"])], [[], [f"80{KEEPALIVE}"]]),
        ([site(listen="80 default_server")], [[], [f"80 default_server{KEEPALIVE}"]]),
        # nginx's default is the first site, so a later one has to say that it is.
        (
            [site(listen=80), site(listen=80, server_name="_")],
            [[], [f"80{KEEPALIVE}"], ["80 default_server"]],
        ),
        (
            [site(listen="80 backlog=9"), site(listen=80, server_name="_")],
            [[], [f"80 backlog=9{KEEPALIVE}"], ["80 default_server"]],
        ),
        (
            [site(listen=80), site(listen="80 backlog=9", server_name="_")],
            [[], ["80"], [f"80 default_server backlog=9{KEEPALIVE}"]],
        ),
        (
            [site(listen=80), site(listen=80, server_name="_"), site(listen="80 default_server", **OTHER)],
            [[], [f"80{KEEPALIVE}"], ["80"], ["80 default_server"]],
        ),
        # Each address for itself.
        (
            [site(listen=[80, 81]), site(listen=80, server_name="_")],
            [[f"81{KEEPALIVE}"], [f"80{KEEPALIVE}", "81"], ["80 default_server"]],
        ),
        # A Unix socket has no dead clients.
        ([site(listen="unix:/run/a")], [["unix:/run/a"], ["unix:/run/a"]]),
        ([site(listen="unix:/run/a backlog=9")], [["unix:/run/a"], ["unix:/run/a backlog=9"]]),
        (
            [secure(listen="443 ssl proxy_protocol")],
            [[f"443 ssl proxy_protocol{KEEPALIVE}"], ["443 ssl proxy_protocol"]],
        ),
    ],
)
def test_each_address_has_one_that_says_its_options_and_answers_for_other_names(
    sites: list[dict[str, t.Any]], expected: list[list[str]]
) -> None:
    assert listens(*sites) == expected


def test_the_refusing_server_comes_first_and_has_a_block_of_its_own() -> None:
    model = sound([UPSTREAM], [site()])
    assert model["blocks"][1] == "websockets_sites"
    assert model["sites"][0]["lines"][-1] == "return 421;"
    assert model["sites"][0]["locations"] == []
    assert sound([UPSTREAM], [site(server_name="_")])["blocks"][1:] == [
        "websockets_sites[0]",
        "websockets_status_listen",
    ]


def neighbours(**found: t.Any) -> dict[str, t.Any]:
    return {"neighbours": found}


def listens_of(model: t.Any, number: int) -> list[str]:
    return [line for line in server_of(model, number) if line.startswith("listen ")]


def test_where_others_have_the_default_server_nothing_is_refused() -> None:
    sites = [site(listen=[80, 3000]), site(listen="*:80", server_name="b.example")]
    model = sound([UPSTREAM], sites, **neighbours(defaults=["80"]))
    assert [line for line in refusing(model) if line.startswith("listen ")] == ["listen 3000 so_keepalive=60s:10s:6;"]
    assert listens_of(model, 0) == ["listen 80 so_keepalive=60s:10s:6;", "listen 3000;"]
    assert listens_of(model, 1) == ["listen *:80;"]


def test_where_others_have_all_default_servers_there_is_no_refusing_server() -> None:
    model = sound([UPSTREAM], [secure(redirect_http=True)], **neighbours(defaults=["443", "80"]))
    assert model["blocks"] == ["websockets_upstreams[0]", *places(), "websockets_status_listen"]
    assert "ssl_reject_handshake" not in "".join(model["lines"])


def places() -> list[str]:
    return ["websockets_sites[0]", "websockets_sites[0].redirect_http"]


def test_options_of_a_socket_are_left_to_others_that_have_some() -> None:
    found = neighbours(defaults=["80", "81"], options=["80"])
    assert listens_of(sound([UPSTREAM], [site(listen=[80, 81])], **found), 0) == [
        "listen 80;",
        "listen 81 so_keepalive=60s:10s:6;",
    ]


def test_a_site_for_any_name_becomes_the_default_server_where_others_do_not_say_that_they_are() -> None:
    found = neighbours(defaults=["80"])
    assert listens_of(sound([UPSTREAM], [site(server_name="_", listen=80)], **found), 0) == [
        "listen 80 default_server so_keepalive=60s:10s:6;"
    ]
    assert listens_of(sound([UPSTREAM], [site(listen="80 default_server")], **found), 0) == [
        "listen 80 default_server so_keepalive=60s:10s:6;"
    ]


def test_a_file_that_comes_after_others_says_why() -> None:
    path = "/etc/nginx/sites-enabled/zz-websockets.conf"
    model = sound([UPSTREAM], [site(listen=80)], **neighbours(defaults=["80"], path=path, warnings=["a", "b"]))
    assert model["path"] == path
    assert model["lines"][0].startswith("# nginx takes the first server")
    assert model["warnings"][-2:] == ["a", "b"]


def test_preflight_compares_servers_redirects_and_names_with_others() -> None:
    sites = [secure(redirect_http=True, listen="443 ssl backlog=9", http2="on", server_name=["a.example", "_"])]
    servers = sound([UPSTREAM], sites)["compared"]["servers"]
    assert [(server["at"], server["names"]) for server in servers] == [
        *[(at, ["a.example", "_"]) for at in places()],
        ("websockets_status_listen", []),
    ]
    plain = {"default": True, "http2": False, "options": [], "proxy_protocol": False, "ssl": False}
    assert servers[0]["listens"] == [{**plain, "address": "443", "http2": True, "options": ["backlog=9"], "ssl": True}]
    assert servers[1]["listens"] == [{**plain, "address": "80"}]


def test_hashes_that_others_set_are_left_out() -> None:
    name = f"{'a' * 60}.example"
    needed = {"server_names_hash_bucket_size": 128}
    model = sound([UPSTREAM], [site(server_name=name)])
    assert model["compared"]["hashes"] == needed
    assert "server_names_hash_bucket_size 128;" in model["lines"]
    model = sound([UPSTREAM], [site(server_name=name)], **neighbours(hashes=list(needed)))
    assert "server_names_hash_bucket_size 128;" not in model["lines"]
    # The operator's own line is nobody else's matter.
    own = sound([UPSTREAM], [site(server_name=name)], websockets_directives="server_names_hash_bucket_size 256;")
    assert own["compared"]["hashes"] == {}


def test_probes_go_past_a_loopback_address_of_others() -> None:
    sites = [site(listen=80), site(listen="127.0.0.1:81", server_name="b.example"), site(listen=82, server_name="c")]
    model = sound([UPSTREAM], sites, **neighbours(loopback=["127.0.0.1:80", "[::1]:82"]))
    assert [probe["connect_to"] for probe in model["probes"]] == ["127.0.0.2:80", "127.0.0.1:81", "127.0.0.1:82"]


def test_what_the_default_server_of_others_decides_for_tls_is_a_warning() -> None:
    sites = [secure(ssl_policy="modern", server_name=["a.example", "192.0.2.1"], listen=["443 ssl", "444 ssl"])]
    before = sound([UPSTREAM], sites)["warnings"]
    assert sound([UPSTREAM], sites, **neighbours(defaults=["443"]))["warnings"] == [
        *before,
        "websockets_sites[0].ssl_policy: before 1.29.2 nginx accepts the versions of TLS of the default server, which "
        "for 443 is in another file",
        "websockets_sites[0].server_name: clients send no SNI for an IP address, and get the certificate of the "
        "default server of 443, which is in another file",
    ]
