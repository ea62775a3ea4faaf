# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nginx reads of others, in its order, and where a file would come in it."""

from __future__ import annotations

import tempfile
import typing as t
from pathlib import Path

import crossplane
import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx.neighbours import (
    Listen,
    Neighbours,
    Server,
    addresses,
)
from hypothesis import given
from hypothesis import strategies as st
from parsing import unescaped

DEBIAN = """
events { }
http {
    server_names_hash_bucket_size 128;
    include conf.d/*.conf;
    include sites-enabled/*;
}
"""
OURS = "conf.d/00-websockets.conf"


def lay_out(root: Path, files: t.Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root / "nginx.conf"


def read(root: Path, **files: str) -> Neighbours:
    """Debian's layout, with files in sites-enabled."""
    sites = {f"sites-enabled/{name}": text for name, text in files.items()}
    return Neighbours(lay_out(root, {"nginx.conf": DEBIAN, "conf.d/.keep": "", **sites}), [root / OURS])


def shown(servers: t.Sequence[Server], root: Path) -> list[tuple[str, list[str], list[str]]]:
    return [
        (
            str(server.at).replace(f"{root}/", ""),
            [" ".join([*listen.addresses, *listen.parameters]) for listen in server.listens],
            server.names,
        )
        for server in servers
    ]


def test_servers_come_in_nginxs_order_with_their_lines(tmp_path: Path) -> None:
    main = """http {
server { listen 81; }
include conf.d/*.conf;
server {
    listen *:80 default_server; listen [::]:80 ipv6only=on;
    include names;
} }
stream { server { listen 5432; } }
"""
    files = {
        "nginx.conf": main,
        "names": "server_name a.example 'b.example';",
        "conf.d/b.conf": "server { server_name _; }",
        "conf.d/B.conf": "# nothing\nserver { listen 443 ssl; listen 443 quic; location / { return 200; } }",
        "conf.d/.hidden.conf": "server { }",
        "conf.d/c.conf.bak": "server { }",
    }
    found = Neighbours(lay_out(tmp_path, files))
    assert shown(found.servers, tmp_path) == [
        ("nginx.conf:2", ["0.0.0.0:81"], []),
        ("conf.d/B.conf:2", ["0.0.0.0:443 ssl"], []),
        ("conf.d/b.conf:1", ["0.0.0.0:80"], ["_"]),
        ("nginx.conf:4", ["0.0.0.0:80 default_server", "[::]:80 ipv6only=on"], ["a.example", "b.example"]),
        ("nginx.conf:8", ["0.0.0.0:5432"], []),
    ]
    assert [server.kind for server in found.servers] == ["http"] * 4 + ["stream"]


def test_the_gateways_own_files_are_left_out_and_symbolic_links_followed(tmp_path: Path) -> None:
    lay_out(tmp_path, {OURS: "server { }", "sites-available/app": "server { }"})
    (tmp_path / "sites-enabled").mkdir()
    (tmp_path / "sites-enabled/app").symlink_to("../sites-available/app")
    (tmp_path / "sites-enabled/ours").symlink_to("../" + OURS)
    (tmp_path / "sites-enabled/gone").symlink_to("nowhere")
    assert [server.at.file for server in read(tmp_path).servers] == [str(tmp_path / "sites-enabled/app")]


@pytest.mark.parametrize(
    "broken",
    ["server { listen 82; ", "server { listen 82; } }", 'server { listen 82; } "', "server { listen 82; } \0;"],
)
def test_what_comes_before_an_error_counts_and_so_do_other_files(tmp_path: Path, broken: str) -> None:
    found = read(tmp_path, a=broken, b="server { listen 83; }")
    assert [server.listens[0].addresses for server in found.servers] == [("0.0.0.0:82",), ("0.0.0.0:83",)]


def test_what_cannot_be_read_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "sites-enabled/directory").mkdir(parents=True)
    assert read(tmp_path, loop="include sites-enabled/loop; server { }").servers
    assert Neighbours(tmp_path / "nowhere/nginx.conf").servers == []


def test_names_and_sizes(tmp_path: Path) -> None:
    text = """upstream Chat { zone chat 64k; server unix:/chat; }
limit_req_zone $binary_remote_addr zone=per_client:1m rate=1r/s;
map $uri $x { include nothing; proxy_pass 1; }
server { location / { proxy_pass http://Backend/; } location /a { fastcgi_pass php; } }
"""
    found = read(tmp_path, app=text)
    assert set(found.upstreams) == {"chat"}
    assert set(found.zones) == {"chat", "per_client"}
    assert set(found.passes) == {"backend", "php"}
    assert {name: (value, place.line) for name, (value, place) in found.hashes.items()} == {
        "server_names_hash_bucket_size": (128, 4)
    }
    assert found.first_map
    assert found.first_map.line == 3


@pytest.mark.parametrize(
    ("listen", "expected"),
    [
        ("80", ["0.0.0.0:80"]),
        ("*:80", ["0.0.0.0:80"]),
        ("0.0.0.0:80", ["0.0.0.0:80"]),
        ("192.0.2.1", ["192.0.2.1:80"]),
        ("[::]:80", ["[::]:80"]),
        ("[0:0:0:0:0:0:0:1]", ["[::1]:80"]),
        ("unix:/run/a.sock", ["unix:/run/a.sock"]),
        ("no-such-name.invalid:80", []),
        ("a..b:80", []),
    ],
)
def test_an_address_has_one_spelling(listen: str, expected: list[str]) -> None:
    assert list(addresses(listen)) == expected


def test_a_name_is_its_addresses() -> None:
    assert "127.0.0.1:80" in addresses("localhost:80")


def test_a_file_has_its_order_before_it_exists(tmp_path: Path) -> None:
    found = read(tmp_path, app="server { }", shop="server { }")
    app, shop = (server.at.order for server in found.servers)
    orders = [found.order_of(tmp_path / name) for name in (OURS, "sites-enabled/b", "sites-enabled/z")]
    assert None not in orders
    assert (orders[0] or 0) < app <= (orders[1] or 0) < shop <= (orders[2] or 0)
    assert found.order_of(tmp_path / "conf.d/a.cfg") is None
    assert found.order_of(tmp_path / "conf.d/.a.conf") is None


def place(found: Neighbours, root: Path) -> str | None:
    path = found.place_after(found.servers[-1].at.order, "zz-websockets")
    return str(path.relative_to(root)) if path else None


def test_the_place_after_others(tmp_path: Path) -> None:
    assert place(read(tmp_path / "1", app="server { }"), tmp_path / "1") == "sites-enabled/zz-websockets.conf"
    found = read(tmp_path / "2", **{"zzz-app": "server { }"})
    assert place(found, tmp_path / "2") == "sites-enabled/zzz-websockets.conf"
    found = read(tmp_path / "3", **{"app": "server { }", "zz-websockets.conf": ""})
    assert place(found, tmp_path / "3") == "sites-enabled/zzz-websockets.conf"


@pytest.mark.parametrize(
    ("http", "expected"),
    [
        ("include conf.d/*.conf; include vhosts/*.vhost;", "vhosts/zz-websockets.vhost"),
        ("include conf.d/*.conf; include */site;", "conf.d/zz-websockets.conf"),
        ("include conf.d/*.conf; include /srv/*;", "conf.d/zz-websockets.conf"),
        ("include conf.d/*.conf; server { }", None),
        ("include conf.d/one.conf;", None),
    ],
)
def test_the_place_is_where_an_include_of_the_http_block_matches(
    tmp_path: Path, http: str, expected: str | None
) -> None:
    text = "server { }"
    files = {"nginx.conf": f"http {{ {http} }}", "conf.d/one.conf": text, "vhosts/a.vhost": text, "b/site": ""}
    assert place(Neighbours(lay_out(tmp_path, files)), tmp_path) == expected


WORDS = st.sampled_from(["80", "[::]:81", "unix:/a", "ssl", "default_server", "a.example", "'b c'", '"d\\"e"', "f\\;g"])
DIRECTIVES = st.builds(
    lambda name, words: f"{name} {' '.join(words)};",
    st.sampled_from(["listen", "server_name"]),
    st.lists(WORDS, min_size=1, max_size=4),
)
SERVERS = st.lists(DIRECTIVES, max_size=4).map(lambda lines: "\n".join(["server {", *lines, "location / { }", "}"]))
FILES = st.dictionaries(
    st.sampled_from(["a", "B", "b-1", "b.1", "ö", ".hidden"]), st.lists(SERVERS, max_size=3).map("\n# {;\n".join)
)


@given(FILES, FILES)
def test_crossplane_reads_the_same_servers(early: dict[str, str], late: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        files = {f"conf.d/{name}.conf": text for name, text in early.items()}
        files.update({f"sites-enabled/{name}": text for name, text in late.items()})
        configuration = lay_out(root, {"nginx.conf": DEBIAN, **files})
        by_file = {
            parsed["file"]: parsed["parsed"]
            for parsed in crossplane.parse(str(configuration), check_ctx=False, check_args=False)["config"]
        }
        # crossplane sorts by code points, and glob of Python as of a shell leaves hidden ones out.
        expected = [
            (f"{file}:{item['line']}", [unescaped(arg) for arg in inner["args"]])
            for folder in ("conf.d", "sites-enabled")
            for file in sorted((name for name in by_file if f"/{folder}/" in name), key=str.encode)
            for item in by_file[file]
            for inner in item["block"]
            if inner["directive"] == "listen"
        ]
        found = [
            (str(server.at), listen)
            for server in Neighbours(configuration).servers
            for listen in server.listens
            if listen.at != server.at
        ]
        assert [(at, list(listen.parameters)) for at, listen in found] == [(at, args[1:]) for at, args in expected]


@given(FILES, FILES, st.sampled_from(["conf.d/b.conf", "conf.d/zz.conf", "sites-enabled/b", "sites-enabled/A.conf"]))
def test_the_order_of_a_file_is_the_one_that_it_has_once_it_is_there(
    early: dict[str, str], late: dict[str, str], name: str
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        files = {f"conf.d/{name}.conf": text for name, text in early.items()}
        files.update({f"sites-enabled/{name}": text for name, text in late.items()})
        before = Neighbours(
            lay_out(root, {"nginx.conf": DEBIAN, "conf.d/.keep": "", "sites-enabled/.keep": "", **files})
        )
        predicted = before.order_of(root / name) or 0
        (root / name).write_text("server { }")
        after = Neighbours(root / "nginx.conf").servers
        position = next(index for index, server in enumerate(after) if server.at.file == str(root / name))
        assert position == sum(server.at.order <= predicted for server in before.servers)


def test_options_are_those_of_the_socket(tmp_path: Path) -> None:
    (server,) = read(tmp_path, app="server { listen 80 default_server ssl http2 backlog=9 bind; }").servers
    (listen,) = server.listens
    assert isinstance(listen, Listen)
    assert (listen.is_default, listen.options) == (True, ["backlog=9", "bind"])
