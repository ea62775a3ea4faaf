# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which package the running binary is of."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import package, processes
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx.binary import Build

REPLIES = {
    "dpkg-query": 'if [ "$1" = --search ]; then printf "diversion by x\\nnginx: $2"; else printf 1-9+deb12u11; fi',
    "rpm": "printf 1.20.1-14.el9",
}


def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *programs: str) -> Build:
    for name in programs:
        (tmp_path / name).write_text(f"#!/bin/sh\n{REPLIES[name]}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    shutil.copy("/bin/true", tmp_path / "nginx")
    return Build(str(tmp_path / "nginx"), "1.22.1", None, tmp_path / "nginx.conf", None, None)


@pytest.mark.parametrize(
    ("programs", "version"), [(["dpkg-query"], "1-9+deb12u11"), (["rpm"], "1.20.1-14.el9"), ([], None)]
)
def test_the_version_of_the_package_is_that_of_the_hosts_own_packages(
    programs: list[str], version: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert package.installed(given(tmp_path, monkeypatch, *programs)) == version


def test_what_runs_is_known_from_the_record_after_the_binary_was_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = given(tmp_path, monkeypatch, "dpkg-query")
    monkeypatch.setattr(processes, "master_pid", lambda _build: os.getpid())
    assert package.running(build, None) is None
    own = processes.executable(os.getpid())
    shutil.copy(own, build.binary)
    recorded = package.running(build, None)
    assert recorded
    assert recorded.package == "1-9+deb12u11"
    shutil.copy("/bin/true", build.binary)
    assert package.running(build, recorded) == recorded
    assert package.running(build, package.Binary("another", "1-9+deb12u9")) is None
