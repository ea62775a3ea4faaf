# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rendered file: what nginx reads in it, and how it looks."""

from __future__ import annotations

import hashlib
import re
import typing as t
from pathlib import Path

import crossplane
import pytest
import yaml
from ansible_collections.wsfleet.nginx.plugins.filter.gateway_model import gateway_model
from rendering import ROOT, render

README = (ROOT / "README.md").read_text()
SEED = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)[0])


def blocks(text: str, directory: Path) -> list[dict[str, t.Any]]:
    """The directives that nginx reads in the file."""
    path = directory / "00-websockets.conf"
    path.write_text(text)
    (parsed,) = crossplane.parse(str(path), check_ctx=False)["config"]
    assert parsed["errors"] == []
    return t.cast("list[dict[str, t.Any]]", parsed["parsed"])


def named(directives: list[dict[str, t.Any]], name: str) -> list[dict[str, t.Any]]:
    return [directive for directive in directives if directive["directive"] == name]


def test_the_readme_shows_seven_lines_and_parts_of_the_file_they_render() -> None:
    inventory, parts = re.findall(r"```(?:yaml|nginx)\n(.*?)```", README, re.DOTALL)[:2]
    assert len(inventory.splitlines()) <= 7
    rest = render(yaml.safe_load(inventory))
    for part in parts.split("# …\n"):
        _before, found, rest = rest.partition(part)
        assert found


def test_a_page_has_the_same_lines_and_the_whole_file() -> None:
    page = (ROOT / "docs/rendered-file.md").read_text()
    inventory, rendered = re.findall(r"```(?:yaml|nginx)\n(.*?)```", page, re.DOTALL)
    assert yaml.safe_load(inventory) == SEED
    assert render(SEED) == rendered


def test_the_readme_shows_the_errors_that_two_slips_make() -> None:
    shown = re.findall(r"^      - (websockets_\S*: .*)$", README, re.MULTILINE)
    (site,) = SEED["websockets_sites"]
    slips = {"server_name": site["server_name"], "listne": 3000, "locations": [{"path": "/", "upstream": "ws-backnd"}]}
    assert gateway_model({**SEED, "websockets_sites": [slips]}, {}, {})["errors"] == shown


def test_nginx_reads_the_first_founding_configuration_as_it_was_meant(tmp_path: Path) -> None:
    directives = blocks(render(SEED), tmp_path)
    (upstream,) = named(directives, "upstream")
    assert upstream["args"] == ["ws-backend"]
    assert [(item["directive"], item["args"]) for item in upstream["block"]][1:] == [
        ("ip_hash", []),
        ("server", ["server01:3000", "max_fails=0"]),
        ("server", ["server02:3000", "max_fails=0"]),
        ("server", ["server03:3000", "max_fails=0"]),
        ("keepalive", ["32"]),
    ]
    refusing, site, live = named(directives, "server")
    assert named(refusing["block"], "listen")[0]["args"][0] == "3000"
    assert named(refusing["block"], "return")[0]["args"] == ["421"]
    assert named(site["block"], "listen")[0]["args"] == ["3000"]
    assert named(site["block"], "server_name")[0]["args"] == ["ws.serverlab.ca"]
    every, refused = named(site["block"], "location")
    assert [location["args"] for location in (every, refused)] == [["/"], ["@upgrade_required"]]
    assert named(every["block"], "proxy_pass")[0]["args"] == ["http://ws-backend"]
    headers = dict(item["args"] for item in named(site["block"], "proxy_set_header"))
    assert headers["Host"] == "$host$websocket_port"
    assert headers["X-Forwarded-For"] == "$proxy_add_x_forwarded_for"
    assert headers["Upgrade"] == "$websocket_upgrade"
    assert headers["Connection"] == "$websocket_connection"
    assert named(every["block"], "proxy_set_header") == []
    assert named(live["block"], "listen")[0]["args"] == ["127.0.0.1:488"]


def test_the_fingerprint_is_that_of_everything_above_it(tmp_path: Path) -> None:
    text = render(SEED)
    start = text.index("log_format")
    end = text.index("# Tells a deploy")
    fingerprint = hashlib.sha256(text[start:end].rstrip("\n").encode() + b"\n").hexdigest()
    assert f'return 200 "{fingerprint}\\n";' in text


def test_other_variables_have_another_fingerprint() -> None:
    other = {**SEED, "websockets_sites": [{**SEED["websockets_sites"][0], "listen": 3001}]}
    fingerprints = [re.findall(r"[0-9a-f]{64}", render(variables)) for variables in (SEED, other, SEED)]
    assert fingerprints[0] == fingerprints[2] != fingerprints[1]


@pytest.mark.parametrize("websocket", [True, False, "required"])
def test_the_file_looks_hand_made(websocket: bool | str) -> None:
    location = {"path": "/", "upstream": "ws-backend", "websocket": websocket}
    text = render({**SEED, "websockets_sites": [{**SEED["websockets_sites"][0], "locations": [location]}]})
    depth = 0
    for line in text.splitlines():
        code = line.split("#")[0].strip()
        depth -= code == "}"
        if code:
            # A line of a text that goes on, as that of log_format.
            goes_on = code.startswith("'")
            assert len(line) - len(line.lstrip(" ")) == 4 * (depth + goes_on), line
        depth += code.endswith("{")
        assert line == line.rstrip()
        # What a map reads is one word, whatever its length.
        assert len(line) <= 120 or line.startswith("map ")
    assert "\n\n\n" not in text
    assert text.endswith("}\n")
    assert not text.endswith("\n\n")


def directives(text: str) -> int:
    """The lines that are directives, those that open a block included."""
    return len([line for line in text.splitlines() if line.strip(" }") and not line.lstrip().startswith("#")])


def test_the_file_is_short() -> None:
    mixed = yaml.safe_load((ROOT / "inventories/mixed/group_vars/ws_gateways.yml").read_text())
    assert directives(render(SEED)) <= 105
    assert directives(render(mixed)) <= 135
    (site,) = SEED["websockets_sites"]
    kinds: list[dict[str, t.Any]] = [
        {},
        {"websocket": "required", "allowed_origins": ["https://a.example"]},
        {"websocket": False},
        {"headers": {"X-A": "b"}},
    ]
    for which in (kinds[:1], kinds):
        locations = [
            {"path": f"/{number}", "upstream": "ws-backend", **which[number % len(which)]} for number in range(33)
        ]
        assert directives(render({**SEED, "websockets_sites": [{**site, "locations": locations}]})) <= 700


def test_lines_of_the_http_block_come_first(tmp_path: Path) -> None:
    geo = "geo $office {\n    default 0;\n    10.0.0.0/8 1;\n}"
    text = render({**SEED, "websockets_directives": geo})
    first = next(line for line in text.splitlines() if line and not line.startswith("#"))
    assert first == "geo $office {"
    assert f"{geo}\n\nlog_format " in text
    assert blocks(text, tmp_path)[0]["directive"] == "geo"


PORT = [
    ("a.example", "a.example:3000", ":3000"),
    # nginx writes $host in lower case and without a dot at its end.
    ("a.example", "A.example.:3000", ":3000"),
    ("[::1]", "[::1]:3000", ":3000"),
    ("a.example", "a.example", ""),
    ("a.example", "", ""),
    # Never other text, or the port of another name.
    ("a.example", "a.example:evil", ""),
    ("a.example", "a.example:80@evil", ""),
    ("a.example", "a.example:123456", ""),
    ("a.example", "b.example:3000", ""),
    ("a.example", "a.example:80:81", ""),
    ("a.example", "xa.example:80", ""),
]


@pytest.mark.parametrize(("host", "given", "port"), PORT)
def test_the_port_for_a_backend_is_the_one_behind_the_name_that_nginx_chose(host: str, given: str, port: str) -> None:
    assert mapped("$websocket_port", f"{host} {given}") == port


HANDSHAKE = ["GET", "HTTP/1.1", "", "websocket", "13", "a2V5", "Upgrade"]


def sent(**parts: str) -> str:
    names = ("method", "protocol", "body", "upgrade", "version", "key", "connection")
    return "\n".join(parts.get(name, value) for name, value in zip(names, HANDSHAKE))


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"body": "0"},
        {"upgrade": "WebSocket"},
        *(
            {"connection": connection}
            for connection in (
                *("upgrade", "keep-alive, Upgrade", "keep-alive, Upgrade, foo", "upgrade,", "close, Upgrade"),
                *("Upgrade ", "\tupgrade\t", "a,\tupgrade  ,b", ",upgrade", "keep-alive,  upgrade"),
            )
        ),
    ],
)
def test_any_legal_handshake_is_one(parts: dict[str, str]) -> None:
    assert mapped("$websocket_upgrade", sent(**parts)) == "websocket"


@pytest.mark.parametrize(
    "parts",
    [
        {"method": "POST"},
        {"method": "XGET"},
        {"protocol": "HTTP/1.0"},
        {"protocol": "HTTP/2.0"},
        {"body": "1"},
        {"body": "chunked"},
        {"body": "00"},
        {"upgrade": ""},
        {"upgrade": "h2c"},
        {"upgrade": "websocket, h2c"},
        {"version": "8"},
        {"version": "130"},
        {"version": ""},
        {"key": ""},
        *(
            {"connection": connection}
            for connection in ("", "keep-alive", "upgraded", "xupgrade", "a upgrade", "up,grade")
        ),
    ],
)
def test_what_is_no_handshake_is_none(parts: dict[str, str]) -> None:
    assert mapped("$websocket_upgrade", sent(**parts)) == ""


@pytest.mark.parametrize(
    ("upgrade", "given", "refused"),
    [
        ("websocket", "websocket", ""),
        ("", "", ""),
        ("", "h2c", ""),
        ("", "TLS/1.2, HTTP/1.1", ""),
        ("", "websocket", "yes"),
        ("", "WebSocket", "yes"),
        ("", "h2c, websocket", "yes"),
        ("", "websocket/13", "yes"),
    ],
)
def test_only_what_names_websocket_and_is_no_handshake_is_refused(upgrade: str, given: str, refused: str) -> None:
    assert mapped("$websocket_refused", f"{upgrade} {given}") == refused


def mapped(variable: str, value: str) -> str:
    """What a map of the file makes of a value, as nginx does for strings and expressions."""
    rows = re.search(rf"^map .* {re.escape(variable)} \{{\n(.*?)^}}", render(SEED), re.MULTILINE | re.DOTALL)
    assert rows is not None
    pairs = [re.fullmatch(r'\s*("[^"]*"|\S+)\s+(\S+);', row) for row in rows[1].splitlines()]
    texts = {pair[1].strip('"'): pair[2].strip('"') for pair in pairs if pair}
    assert len(texts) == len(pairs)
    if value in texts:
        return texts[value]
    for text, found in texts.items():
        match = re.search(text[2:], value, re.IGNORECASE) if text.startswith("~*") else None
        if match:
            return match[int(found[1:])] if found.startswith("$") else found
    return texts["default"]


def test_no_line_of_ansible_managed_leaves_its_comment(tmp_path: Path) -> None:
    text = render(SEED, ansible_managed="Managed by ops\nlisten_here; do not edit")
    assert "# Managed by ops\n# listen_here; do not edit\n" in text
    assert {item["directive"] for item in blocks(text, tmp_path)} == {"log_format", "map", "upstream", "server"}
