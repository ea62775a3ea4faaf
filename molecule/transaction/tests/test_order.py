# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several files of one transaction, renamed in an order in which nginx takes what is there after each of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from gateway import Gateway
from playbook import Run, site

ADDRESS = "127.0.0.1:489"
# The site comes first in the lists of files, and before the upstream by its name.
SITE, UPSTREAM_FILE = "/etc/nginx/conf.d/x-site.conf", "/etc/nginx/conf.d/y-upstream.conf"
STATE = Path("/var/lib/wsfleet-nginx", ADDRESS)
UPSTREAM = "upstream moved { server 127.0.0.1:9; }\n"


def configuration(version: int, *, passed: bool) -> str:
    fingerprint = f"{version:064x}"
    action = "proxy_pass http://moved;" if passed else "return 404;"
    return f'server {{ listen {ADDRESS}; location = / {{ return 200 "{fingerprint}"; }} location /a {{ {action} }} }}\n'


def transaction(bookworm: Gateway, directory: Path, files: Mapping[str, str | None]) -> Run:
    """Run the module alone, in a play of its own."""
    items = [
        {"path": path, "state": "absent"} if content is None else {"path": path, "content": content}
        for path, content in files.items()
    ]
    options: Any = {"files": items, "live_address": ADDRESS}
    done = {"name": "Show it", "ansible.builtin.debug": {"msg": "{{ result.actions | join(', then ') }}"}}
    task = {"name": "Deploy", "wsfleet.nginx.config_transaction": options, "register": "result"}
    play = {"name": "Deploy", "hosts": "ws_gateways", "gather_facts": False, "tasks": [task, done]}
    playbook = directory / "play.yml"
    playbook.write_text(yaml.safe_dump([play]))
    return site({}, arguments=["--limit", bookworm.name], playbook=str(playbook))


@pytest.fixture
def removed(bookworm: Gateway, tmp_path: Path) -> Iterator[None]:
    yield
    run = transaction(bookworm, tmp_path, {SITE: None, UPSTREAM_FILE: None})
    assert not run.failed, run.output
    assert not bookworm.path(str(STATE)).exists()
    # That of the role's own configuration.
    assert bookworm.path(str(STATE.parent)).exists()


@pytest.mark.usefixtures("removed")
def test_an_upstream_comes_before_the_site_that_needs_it_and_never_moves_from_file_to_file(
    bookworm: Gateway, tmp_path: Path
) -> None:
    first = transaction(bookworm, tmp_path, {SITE: configuration(1, passed=False), UPSTREAM_FILE: ""})
    assert not first.failed, first.output
    second = transaction(bookworm, tmp_path, {SITE: configuration(2, passed=True), UPSTREAM_FILE: UPSTREAM})
    assert not second.failed, second.output
    # Ansible breaks long lines.
    assert f"wrote {UPSTREAM_FILE}, then wrote {SITE}, then reloaded nginx" in " ".join(second.output.split())
    third = transaction(bookworm, tmp_path, {SITE: configuration(3, passed=True) + UPSTREAM, UPSTREAM_FILE: ""})
    assert third.failed
    assert "these files cannot be applied one at a time; split the change" in third.message(bookworm.name)
    assert bookworm.path(SITE).read_text() == configuration(2, passed=True)
    assert bookworm.path(UPSTREAM_FILE).read_text() == UPSTREAM
    assert bookworm.site("any.example", 489).request("GET", "/", sock=bookworm.open_socket(489, "127.0.0.1")).body
