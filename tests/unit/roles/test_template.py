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


def test_the_readme_shows_seven_lines_and_the_file_they_render() -> None:
    inventory, rendered = re.findall(r"```(?:yaml|nginx)\n(.*?)```", README, re.DOTALL)[:2]
    assert len(inventory.splitlines()) <= 7
    assert render(yaml.safe_load(inventory)) == rendered


def test_the_readme_shows_the_faults_that_two_slips_make() -> None:
    shown = re.findall(r"^      - (websockets_\S*: .*)$", README, re.MULTILINE)
    (site,) = SEED["websockets_sites"]
    slips = {"server_name": site["server_name"], "listne": 3000, "locations": [{"path": "/", "upstream": "ws-backnd"}]}
    assert gateway_model({**SEED, "websockets_sites": [slips]}, {}, {})["faults"] == shown


def test_nginx_reads_the_first_founding_configuration_as_it_was_meant(tmp_path: Path) -> None:
    directives = blocks(render(SEED), tmp_path)
    (upstream,) = named(directives, "upstream")
    assert upstream["args"] == ["ws-backend"]
    assert [(item["directive"], item["args"]) for item in upstream["block"]][1:] == [
        ("ip_hash", []),
        ("server", ["server01:3000"]),
        ("server", ["server02:3000"]),
        ("server", ["server03:3000"]),
        ("keepalive", ["32"]),
    ]
    refusing, site, live = named(directives, "server")
    assert named(refusing["block"], "listen")[0]["args"][0] == "3000"
    assert named(refusing["block"], "return")[0]["args"] == ["421"]
    assert named(site["block"], "listen")[0]["args"] == ["3000"]
    assert named(site["block"], "server_name")[0]["args"] == ["ws.serverlab.ca"]
    every, handshake, refused = named(site["block"], "location")
    assert [location["args"] for location in (every, handshake, refused)] == [
        ["/"],
        ["@handshake_1"],
        ["@upgrade_required"],
    ]
    for location in (every, handshake):
        assert named(location["block"], "proxy_pass")[0]["args"] == ["http://ws-backend"]
        headers = dict(item["args"] for item in named(location["block"], "proxy_set_header"))
        assert headers["Host"] == "$host"
        assert headers["X-Forwarded-For"] == "$proxy_add_x_forwarded_for"
        assert headers["Upgrade"] == "$websocket_upgrade"
        assert headers["Connection"] == "$websocket_connection"
    assert named(live["block"], "listen")[0]["args"] == ["127.0.0.1:6455"]


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
        assert len(line) <= 120
    assert "\n\n\n" not in text
    assert text.endswith("}\n")
    assert not text.endswith("\n\n")


def test_no_line_of_ansible_managed_leaves_its_comment(tmp_path: Path) -> None:
    text = render(SEED, ansible_managed="Managed by ops\nlisten_here; do not edit")
    assert "# Managed by ops\n# listen_here; do not edit\n" in text
    assert {item["directive"] for item in blocks(text, tmp_path)} == {"log_format", "map", "upstream", "server"}
