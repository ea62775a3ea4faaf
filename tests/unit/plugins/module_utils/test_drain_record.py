# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of what is taken out."""

from __future__ import annotations

import errno
import time
from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils import _drain_record

SECONDS = 7


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that are made, which take no time."""
    made: list[float] = []
    monkeypatch.setattr(time, "sleep", made.append)
    return made


def test_a_gateway_without_a_file_has_no_record(tmp_path: Path) -> None:
    assert _drain_record.servers(tmp_path / "none.conf") is None
    (tmp_path / "a.conf").write_text("upstream a {\n    server b:1;\n    # server c:1 down; # drained: c\n}\n")
    assert _drain_record.servers(tmp_path / "a.conf") == []


def test_a_deploy_takes_the_gateway_out_for_its_time(tmp_path: Path, pauses: list[float]) -> None:
    flag = tmp_path / "flag"
    with _drain_record.gateway(flag, SECONDS):
        assert flag.exists()
        assert not _drain_record.is_out(flag)
        assert pauses == [SECONDS]
    assert not flag.exists()


def test_a_deploy_that_fails_brings_it_back(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no"), _drain_record.gateway(tmp_path / "flag", SECONDS):
        raise ValueError("no")
    assert not (tmp_path / "flag").exists()


def test_without_a_time_it_stays_in(tmp_path: Path) -> None:
    with _drain_record.gateway(tmp_path / "flag", 0):
        assert not (tmp_path / "flag").exists()


def test_a_read_only_file_system_hides_no_other_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It refuses to remove even what is not there."""

    def unlink(path: Path, *_arguments: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr(Path, "unlink", unlink)
    with pytest.raises(ValueError, match="no"), _drain_record.gateway(tmp_path / "flag", 0):
        raise ValueError("no")


def test_what_an_operator_took_out_stays_out_and_waits_for_nothing(tmp_path: Path, pauses: list[float]) -> None:
    flag = tmp_path / "flag"
    flag.write_text("drained\n")
    with _drain_record.gateway(flag, 60):
        pass
    assert _drain_record.is_out(flag)
    assert pauses == []


def test_what_a_killed_deploy_left_out_comes_back(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    with pytest.raises(SystemExit), _drain_record.gateway(flag, SECONDS):
        left = flag.read_text()
        raise SystemExit
    flag.write_text(left)
    with _drain_record.gateway(flag, 0):
        pass
    assert not flag.exists()
