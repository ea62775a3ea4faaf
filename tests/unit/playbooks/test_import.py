# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Imports of a file, of a directory, and of what nginx on a host says that it has loaded."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml
from playing import run

CONF = """server {
    listen 8080;
    server_mame a.example;
    location / {
        proxy_pass http://10.0.0.1:80
    }
}
"""
SITE = {
    "server_name": "a.example",
    "listen": 8080,
    "locations": [{"path": "/", "proxy_pass": "http://10.0.0.1:80", "websocket": False}],
}
TO = ("-e", "websockets_import_to=vars.yml")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """With a host whose commands run here, where nginx is a script."""
    (tmp_path / "bin").mkdir()
    nginx = tmp_path / "bin/nginx"
    head = "# configuration file /etc/nginx/nginx.conf:"
    nginx.write_text(f"#!/bin/sh\n[ \"$1\" = -T ] && cat <<'END'\n{head}\n{CONF}END\n")
    nginx.chmod(0o755)
    here = f"ansible_connection=local ansible_become=false ansible_python_interpreter={sys.executable}"
    (tmp_path / "inventory").write_text(f"gateway1 {here}\ngateway2 ansible_connection=ssh ansible_port=1\n")
    return tmp_path


def test_a_file_becomes_variables_and_a_report(directory: Path) -> None:
    (directory / "chat.conf").write_text(CONF)
    code, output = run(directory, "wsfleet.nginx.import", "-e", "websockets_import=chat.conf", *TO)
    assert code == 0, output
    assert yaml.safe_load((directory / "vars.yml").read_text()) == {"websockets_sites": [SITE]}
    assert "\n  chat.conf:3: 'server_mame' is no directive of nginx: read as 'server_name'\n" in output
    assert "\n  chat.conf:5: the ';' after 'proxy_pass http://10.0.0.1:80' is missing\n" in output
    code, output = run(directory, "wsfleet.nginx.import", "-e", "websockets_import=chat.conf", *TO)
    assert "changed=0" in output


def test_a_directory_is_imported_and_shown_without_a_file_for_the_result(directory: Path) -> None:
    (directory / "sites-available").mkdir()
    (directory / "sites-available/a").write_text(CONF)
    (directory / "etc").mkdir()
    (directory / "etc/a").symlink_to("../sites-available/a")
    code, output = run(directory, "wsfleet.nginx.import", "-e", "websockets_import=etc")
    assert code == 0, output
    assert "\nwebsockets_sites:\n  - server_name: a.example\n" in output
    assert not (directory / "vars.yml").exists()


def test_a_host_says_what_its_nginx_has_loaded(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(directory / "bin"), prepend=":")
    code, output = run(directory, "wsfleet.nginx.import", "-e", "websockets_import=gateway1", *TO)
    assert code == 0, output
    assert yaml.safe_load((directory / "vars.yml").read_text()) == {"websockets_sites": [SITE]}
    assert "\n  /etc/nginx/nginx.conf:3: 'server_mame' is no directive of nginx: read as 'server_name'\n" in output


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((), "set websockets_import to a file or a directory on the controller, or to the name of a host of the"),
        (("-e", "websockets_import=none.conf"), "'none.conf' is neither a file nor a directory on the controller, nor"),
        (("-e", "websockets_import=gateway2"), "UNREACHABLE!"),
        (("-e", "websockets_import=empty.conf"), "There is nothing to import, as listed above."),
    ],
)
def test_what_cannot_be_imported_fails_with_the_reason(directory: Path, given: tuple[str, ...], message: str) -> None:
    (directory / "empty.conf").write_text("\n")
    code, output = run(directory, "wsfleet.nginx.import", *given, *TO)
    assert code != 0
    assert message in " ".join(output.split())
    assert "Traceback" not in output
    assert not (directory / "vars.yml").exists()


def test_a_run_in_check_mode_writes_nothing(directory: Path) -> None:
    (directory / "chat.conf").write_text(CONF)
    code, output = run(directory, "wsfleet.nginx.import", "-e", "websockets_import=chat.conf", *TO, "--check")
    assert code == 0, output
    assert "changed=1" in output
    assert not (directory / "vars.yml").exists()
