# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a gateway does differently beside other sites, and what it cannot do beside them."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx.neighbours import Neighbours
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx.sharing import Sharing, Wanted, found, has_default

HTTP = "http {\n%s\ninclude conf.d/*.conf;\ninclude sites-enabled/*;\n}\n"
AT, PLACE = "websockets_sites[0].listen", "websockets_sites[0]"


def listen(text: str) -> dict[str, t.Any]:
    address, *parameters = text.split()
    flags = ("default", "http2", "proxy_protocol", "ssl")
    options = [parameter for parameter in parameters if parameter not in flags]
    return {"address": address, "options": options, **{flag: flag in parameters for flag in flags}}


STATUS = {"at": "websockets_status_listen", "names": [], "listens": [listen("127.0.0.1:488")]}


class Host:
    """A host with one file of others, in sites-enabled."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in ("conf.d", "sites-enabled"):
            (root / folder).mkdir()

    def beside(self, theirs: str, *listens: str, **how: t.Any) -> Sharing:
        (self.root / "nginx.conf").write_text(HTTP % how.get("http", ""))
        (self.root / "sites-enabled/app").write_text(theirs)
        usual = self.root / "conf.d/00-websockets.conf"
        site = {"at": PLACE, "names": how.get("names", ["ws.example"]), "listens": list(map(listen, listens))}
        others = {str(self.root / "sites-enabled" / name): status for name, status in how.get("others", {}).items()}
        wanted = Wanted(usual, [site, STATUS], how.get("upstreams", ()), how.get("hashes", {}))
        return found(Neighbours(self.root / "nginx.conf", [usual]), wanted, how.get("version", "1.26.3"), others)

    def notes(self, theirs: str, *listens: str, **how: t.Any) -> tuple[list[str], list[str]]:
        """The errors and warnings, with the file of others as "app"."""
        sharing = self.beside(theirs, *listens, **how)
        errors, warnings = (
            [note.replace(f"{self.root}/sites-enabled/", "").replace(f"{self.root}/", "") for note in notes]
            for notes in (sharing.errors, sharing.warnings)
        )
        return errors, warnings


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


@pytest.mark.parametrize("theirs", ["", "server { listen 81; }", "server { listen 192.0.2.9:81; }"])
def test_a_host_that_shares_nothing_requires_nothing(host: Host, theirs: str) -> None:
    assert host.beside(theirs, "80", "[::]:80").as_dict() == {}
    assert host.notes(theirs, "80") == ([], [])


@pytest.mark.parametrize(
    ("theirs", "listens", "defaults", "is_moved"),
    [
        ("server { listen 80; }", ["80"], ["80"], True),
        ("server { listen *:80; }", ["0.0.0.0:80", "3000"], ["0.0.0.0:80"], True),
        ("server { listen 80; } server { listen 80 default_server; }", ["80"], ["80"], False),
        ("server { }", ["80"], ["80"], True),
        ("server { listen localhost:80; }", ["127.0.0.1:80"], ["127.0.0.1:80"], True),
        ("server { listen [::]:80; listen 81 default_server; }", ["80", "[::]:80", "81"], ["[::]:80", "81"], True),
        ("server { listen unix:/run/a; }", ["unix:/run/a"], ["unix:/run/a"], True),
        # The operator says which.
        ("server { listen 80; }", ["80 default"], ["80"], False),
    ],
)
def test_the_default_server_of_a_shared_address_stays_the_others(
    host: Host, theirs: str, listens: list[str], defaults: list[str], *, is_moved: bool
) -> None:
    sharing = host.beside(theirs, *listens)
    assert (sharing.errors, sharing.defaults) == ([], defaults)
    assert sharing.path == (str(host.root / "sites-enabled/zz-websockets.conf") if is_moved else None)


def test_a_default_server_before_the_gateways_file_needs_no_other_place(host: Host) -> None:
    sharing = host.beside("", "80", http="server { listen 80; }")
    assert (sharing.errors, sharing.defaults, sharing.path) == ([], ["80"], None)


def test_a_default_server_that_nothing_can_come_after_is_an_error(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.HTTP", "http {\ninclude conf.d/*.conf;\nserver { listen 80; }\n%s\n}\n")
    assert host.notes("", "80")[0] == [
        "websockets_sites: the server at nginx.conf:3 is the default one of 80 only because it comes first, and no "
        "include of the http block can read the gateway's file after it: add default_server to its listen 80, or move "
        "it to a file of its own"
    ]


def test_the_default_server_of_rhels_nginx_conf_is_told_with_all_its_addresses(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = "server { listen 80%s; listen [::]:80%s; server_name _; include default.d/*.conf; }"
    http = "http {\ninclude conf.d/*.conf;\n" + server + "\n%s\n}\n"
    monkeypatch.setattr(f"{__name__}.HTTP", http % ("", "", "%s"))
    (error,) = host.notes("", "80", "[::]:80", "3000")[0]
    assert "the default one of 80 and [::]:80 only because it comes first" in error
    assert "add default_server to its listen 80 and [::]:80" in error
    monkeypatch.setattr(f"{__name__}.HTTP", http % (" default_server", " default_server", "%s"))
    sharing = host.beside("", "80", "[::]:80", "3000")
    assert (sharing.errors, sharing.defaults, sharing.path) == ([], ["80", "[::]:80"], None)


def test_a_size_of_maps_in_a_file_of_others_comes_before_the_maps_of_the_gateway(host: Host) -> None:
    late = str(host.root / "sites-enabled/zz-websockets.conf")
    assert host.beside("map_hash_max_size 4096;\nmap $uri $x { }", "80").path == late
    # It is too late already, or early enough.
    assert host.beside("map $uri $x { }\nmap_hash_max_size 4096;", "80").path is None
    assert host.beside("", "80", http="map_hash_bucket_size 128;").path is None


def test_options_of_a_socket_are_left_to_the_file_that_has_some(host: Host) -> None:
    sharing = host.beside("server { listen 80 backlog=9; listen 81; }", "80", "81")
    assert (sharing.errors, sharing.options) == ([], ["80"])


ERRORS = [
    pytest.param(
        "server { listen 80; server_name a.example WS.example; }",
        ["80"],
        {},
        f"{PLACE}: 'ws.example' on 80 is already served by app:1; remove it there or here",
        id="name",
    ),
    pytest.param(
        "server { listen 80; server_name .example.com; }",
        ["80"],
        {"names": ["*.example.com"]},
        f"{PLACE}: '*.example.com' on 80 is already served by app:1; remove it there or here",
        id="wildcard",
    ),
    pytest.param(
        "server {\nlisten 80 default_server; }",
        ["80 default"],
        {},
        f"{AT}: 80 has its default server at app:2, so no other can be; remove default_server there, or '_' and "
        "default_server here",
        id="default server",
    ),
    pytest.param(
        "server { listen 443 ssl; }",
        ["443"],
        {},
        f"{AT}: 443 has no ssl, but has it at app:1; it holds for the whole address",
        id="their TLS",
    ),
    pytest.param(
        "server { listen 443; }",
        ["443 ssl"],
        {},
        f"{AT}: 443 has ssl, but none at app:1; it holds for the whole address",
        id="our TLS",
    ),
    pytest.param(
        "server { listen 80; }",
        ["80 proxy_protocol"],
        {},
        f"{AT}: 80 has proxy_protocol, but none at app:1; it holds for the whole address",
        id="PROXY protocol",
    ),
    pytest.param(
        "server { listen 443 ssl; }",
        ["443 ssl http2"],
        {"version": "1.22.1"},
        f"{AT}: http2 on 443 would hold for app:1 too (nginx before 1.25.1); remove it here, or add it there",
        id="HTTP/2",
    ),
    pytest.param(
        "server { listen 80 backlog=9 bind; }",
        ["80 reuseport"],
        {},
        f"{AT}: the options of 80 are already given at app:1 (backlog=9 bind), and nginx accepts them once; remove "
        "reuseport here, or the others there",
        id="options",
    ),
    pytest.param(
        "server { listen [::]:80 ipv6only=off; }",
        ["80"],
        {},
        f"{AT}: 80 conflicts with [::]:80 ipv6only=off at app:1, which has the IPv4 addresses too; listen on [::]:80 "
        "here",
        id="their ipv6only=off",
    ),
    pytest.param(
        "server { listen 192.0.2.1:80; }",
        ["[::]:80 ipv6only=off"],
        {},
        f"{AT}: [::]:80 ipv6only=off conflicts with 192.0.2.1:80 at app:1; remove ipv6only=off",
        id="our ipv6only=off",
    ),
    pytest.param(
        "server { listen 80; server_name a.example; }",
        ["192.0.2.1:80"],
        {},
        f"{AT}: 192.0.2.1:80 takes this address from app:1, which listens on 0.0.0.0:80; listen on 80 here",
        id="specific address",
    ),
    pytest.param(
        "server { listen 488; server_name a.example; }",
        ["80"],
        {},
        "websockets_status_listen: 127.0.0.1:488 takes this address from app:1, which listens on 0.0.0.0:488; set "
        "another port",
        id="port of the status",
    ),
    pytest.param(
        "server { listen 127.0.0.1:488; }",
        ["80"],
        {},
        "websockets_status_listen: 127.0.0.1:488 is already used by the server at app:1; set another address",
        id="status",
    ),
    pytest.param(
        "server { listen 80; }",
        ["80"],
        {"others": {"app": "127.0.0.1:489"}},
        f"{AT}: 80 is already used by another gateway of this host, in app:1 "
        "(websockets_status_listen: 127.0.0.1:489); set another address, or make one gateway of both",
        id="another gateway",
    ),
    pytest.param(
        "upstream Chat { }",
        ["80"],
        {"upstreams": [{"at": "websockets_upstreams[0]", "name": "chat", "zone": "z"}]},
        "websockets_upstreams[0].name: 'chat' is already an upstream at app:1; choose another name",
        id="upstream",
    ),
    pytest.param(
        "server { listen 81; location / { proxy_pass http://chat; } }",
        ["80"],
        {"upstreams": [{"at": "websockets_upstreams[0]", "name": "chat", "zone": "z"}]},
        "websockets_upstreams[0].name: 'chat' is a host at app:1, whose requests would come to this upstream; choose "
        "another name",
        id="host of theirs",
    ),
    pytest.param(
        "limit_req_zone $uri zone=chat:1m rate=1r/s;",
        ["80"],
        {"upstreams": [{"at": "websockets_upstreams[0]", "name": "chat", "zone": "chat"}]},
        "websockets_upstreams[0]: 'chat' is already a zone at app:1; set another zone or name",
        id="zone",
    ),
    pytest.param(
        "",
        ["80"],
        {"http": "server_names_hash_bucket_size 64;", "hashes": {"server_names_hash_bucket_size": 128}},
        "websockets_sites: the names need server_names_hash_bucket_size 128, and nginx.conf:2 sets 64, which nginx "
        "accepts only once: set 128 there",
        id="hash",
    ),
    pytest.param(
        "",
        ["80"],
        {"http": "map $uri $x { }", "hashes": {"map_hash_bucket_size": 128}},
        "websockets_sites: the origins need map_hash_bucket_size 128, which nginx accepts only before the first map, "
        "at nginx.conf:2: set it before that",
        id="hash of maps",
    ),
]


@pytest.mark.parametrize(("theirs", "listens", "how", "error"), ERRORS)
def test_what_nginx_would_reject_or_take_from_others_is_an_error(
    host: Host, theirs: str, listens: list[str], how: dict[str, t.Any], error: str
) -> None:
    assert host.notes(theirs, *listens, **how) == ([error], [])


def test_a_port_of_another_protocol_is_an_error(host: Host) -> None:
    assert host.notes("", "80", http="}\nstream { server { listen 80; } }\nhttp {")[0] == [
        f"{AT}: 80 is already used by the stream server at nginx.conf:3; set another address"
    ]


def test_a_specific_address_beside_a_catch_all_is_a_warning(host: Host) -> None:
    """As beside Debian's own site, which nobody asks for by name."""
    assert host.notes("server { listen 80 default_server; server_name _; }", "192.0.2.1:80") == (
        [],
        [f"{AT}: 192.0.2.1:80 takes this address from app:1, which listens on 0.0.0.0:80; listen on 80 here"],
    )


@pytest.mark.parametrize(
    ("http", "enough"),
    [
        ("server_names_hash_bucket_size 128;", ["server_names_hash_bucket_size"]),
        ("server_names_hash_bucket_size 256;", ["server_names_hash_bucket_size"]),
        ("map_hash_bucket_size 256;", []),
    ],
)
def test_what_the_host_has_enough_of_is_left_out(host: Host, http: str, enough: list[str]) -> None:
    sharing = host.beside("", "80", http=http, hashes={"server_names_hash_bucket_size": 128})
    assert (sharing.errors, sharing.hashes) == ([], enough)


def test_all_errors_come_at_once_and_each_once(host: Host) -> None:
    theirs = "server { listen 80 backlog=9; listen [::]:80; server_name ws.example; }"
    errors, _warnings = host.notes(theirs, "80 ssl bind", "[::]:80")
    assert len(errors) == len(set(errors)) == 4


def test_addresses_that_a_listen_on_all_of_them_does_not_include(host: Host) -> None:
    """Probes take another loopback address than one of others, as that of a status page."""
    theirs = "server { listen 127.0.0.1:80; listen 192.0.2.1:80; listen [::1]:81; listen 192.0.2.2:82; }"
    assert host.beside(theirs, "80", "[::]:81").loopback == ["127.0.0.1:80", "[::1]:81"]
    assert host.notes(theirs, "80")[1] == [
        f"{AT}: 80 does not include 192.0.2.1:80, as app:1 listens on that; list it here too if clients come there"
    ]
    assert host.notes(theirs, "82", "192.0.2.2:82")[1] == []


@pytest.mark.parametrize("listen", ["80", "*:80", "127.0.0.1:80", "localhost:80"])
def test_where_a_probe_meets_the_default_server_of_another_site(listen: str) -> None:
    assert has_default("127.0.0.1:80", [listen])
    assert not has_default("127.0.0.1:81", [listen])
    assert has_default("[::1]:80", ["[::]:80"]) and not has_default("[::1]:80", ["80"])
    assert has_default("unix:/run/a.sock", ["unix:/run/a.sock"])


def test_tls_by_the_directive_of_earlier_versions_counts(host: Host) -> None:
    assert host.notes("server { listen 443; ssl on; }", "443 ssl") == ([], [])
