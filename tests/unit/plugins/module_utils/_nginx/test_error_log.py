# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nginx has logged of a request, without what may be secret of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx.binary import Build
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx.error_log import ErrorLog

REQUEST, HOST = "GET /chat?token=secret HTTP/1.1", "a.example:3000"
MISSING = 'open() "/etc/nginx/users" failed (2: No such file or directory)'


def build(tmp_path: Path, log: Path | None) -> Build:
    return Build("nginx", "1.22.1", None, tmp_path / "nginx.conf", None, log)


def line(message: str, request: str = REQUEST, host: str = HOST, level: str = "error") -> str:
    return (
        f"2026/11/26 04:00:00 [{level}] 12#12: *7 {message}, client: 127.0.0.1, server: a.example, "
        f'request: "{request}", upstream: "http://10.0.0.1:80/chat?token=secret", host: "{host}"\n'
    )


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "error.log"
    path.write_text(line("access forbidden by rule"))
    return path


def test_what_was_logged_of_the_request_from_then_on_is_returned_once_and_without_its_query(
    tmp_path: Path, log: Path
) -> None:
    found = ErrorLog(build(tmp_path, log))
    with log.open("a") as file:
        file.write(line(MISSING, request="GET / HTTP/1.1"))
        file.write(line(MISSING, host="b.example"))
        file.write("2026/11/26 04:00:00 [notice] 12#12: signal process started\n")
        file.write(line("an upstream response is buffered to a temporary file /var/a", level="warn"))
        file.write("2026/11/26 04:00:00 [emerg] 12#12: bind() to 0.0.0.0:80 failed (98: Address already in use)\n")
        file.write(line(MISSING) * 2)
        file.write(line("x" * 1000, level="crit"))
    assert found.about(REQUEST, HOST) == [f"[error] {MISSING}", f"[crit] {'x' * 293}"]
    assert found.emergencies() == ["[emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)"]
    assert "secret" not in str(found.about(REQUEST, HOST))


def test_the_logs_that_a_site_names_are_read_too_and_those_that_cannot_be_read_are_left_out(
    tmp_path: Path, log: Path
) -> None:
    own, later = tmp_path / "own.log", tmp_path / "later.log"
    own.write_text("")
    text = f"    error_log {own} info;\n    error_log '{later}';\n    error_log syslog:server=unix:/dev/log;\n"
    found = ErrorLog(build(tmp_path, log), [text, f"error_log {tmp_path};"])
    assert found.about(REQUEST, HOST) == []
    own.write_text(line("a"))
    # nginx creates it at the reload.
    later.write_text(line("b"))
    log.unlink()
    assert found.about(REQUEST, HOST) == ["[error] a", "[error] b"]
    assert ErrorLog(build(tmp_path, None)).about(REQUEST, HOST) == []
