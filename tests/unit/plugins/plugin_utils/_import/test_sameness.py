# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role renders from imported variables serves what the file did, under a real nginx."""

from __future__ import annotations

from pathlib import Path

import pytest
import rendering
from ansible_collections.wsfleet.nginx.plugins.module_utils._compare.report import report
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.imported import imported
from comparing import compared_paths, needs_nginx

CORPUS = Path(__file__).resolve().parent / "corpus"


@needs_nginx
@pytest.mark.parametrize(
    "name",
    [
        *("certbot", "cockpit", "debian_default", "grafana", "jupyter_notebook", "laravel_reverb", "nextcloud_talk"),
        *("rocketchat", "socketio", "uptime_kuma"),
    ],
)
def test_an_imported_file_serves_the_same_but_for_what_is_by_design(name: str, tmp_path: Path) -> None:
    (before,) = [
        path for path in (CORPUS / name).rglob("*") if path.is_file() and path.stem not in ("expected", "report")
    ]
    after = tmp_path / "after.conf"
    variables = imported({before.name: before.read_text()})["variables"]
    after.write_text(rendering.render({**variables, "websockets_nginx_version": "1.22.1"}))
    result = compared_paths(before, after)
    assert result.same, report(result, "before", "after")
