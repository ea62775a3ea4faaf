# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module as a process of its own, with its arguments as JSON."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.wsfleet.nginx.plugins.modules import compare
from comparing import NGINX, needs_nginx
from running import run

MODULE = "ansible_collections.wsfleet.nginx.plugins.modules.compare"
SITE = 'server { listen 8080; server_name a.example; location / { return 200 "a"; } }'


def result(tmp_path: Path, **options: t.Any) -> dict[str, t.Any]:
    before = tmp_path / "before.conf"
    before.write_text(SITE)
    (tmp_path / "after.conf").write_text(SITE.replace('"a"', '"b"'))
    given = {"before": str(before), "after": str(tmp_path / "after.conf"), "executable": NGINX}
    done = run(tmp_path, ["-m", MODULE], {**given, **options})
    assert done.stderr == ""
    returned: dict[str, t.Any] = json.loads(done.stdout)
    assert done.returncode == int(bool(returned.get("failed")))
    return returned


@needs_nginx
@pytest.mark.parametrize("check", [False, True])
def test_the_differences_are_returned_and_nothing_is_changed(check: bool, tmp_path: Path) -> None:
    found = result(tmp_path, _ansible_check_mode=check)
    assert (found["changed"], found["same"]) == (False, False)
    assert {
        "request": "GET http://a.example:8080/ (port 8080)",
        "what": "response body",
        "before": "a",
        "after": "b",
        "by_design": None,
    } in found["differences"]
    assert found["report"].startswith(f"{tmp_path}/before.conf and {tmp_path}/after.conf are not the same: ")
    assert str(found["requests"]) in found["report"]


@needs_nginx
def test_the_same_file_is_the_same(tmp_path: Path) -> None:
    found = result(tmp_path, after=str(tmp_path / "before.conf"), requests=[{"url": "http://a.example:8080/b"}])
    assert (found["same"], found["differences"]) == (True, [])


@needs_nginx
def test_what_nginx_rejects_fails_with_its_words(tmp_path: Path) -> None:
    (tmp_path / "wrong.conf").write_text("server { server_mame a; }")
    message = result(tmp_path, after=str(tmp_path / "wrong.conf"))["msg"]
    assert message.startswith('after: [emerg] unknown directive "server_mame" in ')


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"after": "/none-has-this"}, "/none-has-this does not exist"),
        ({"executable": "/none-has-this"}, "/none-has-this does not start: No such file or directory"),
        ({"executable": "/bin/true"}, "/bin/true is no nginx"),
        ({"requests": [{"url": "a"}]}, "requests[0].url: expected http://, https://, ws:// or wss:// and a host"),
    ],
)
def test_where_it_cannot_run_it_says_why(options: dict[str, t.Any], message: str, tmp_path: Path) -> None:
    assert result(tmp_path, **options)["msg"] == message


def test_the_documented_values_are_returned(tmp_path: Path) -> None:
    assert {*yaml.safe_load(compare.RETURN)} == {"same", "differences", "requests", "report", "msg"}
    documented = yaml.safe_load(compare.DOCUMENTATION)["options"]
    assert {*documented} == {*compare.ARGUMENT_SPEC}
    assert {*documented["requests"]["suboptions"]} == {*compare.ARGUMENT_SPEC["requests"]["options"]}
