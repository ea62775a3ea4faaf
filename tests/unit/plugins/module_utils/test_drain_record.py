# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of what is taken out."""

from __future__ import annotations

import errno
import time
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils import _drain_record
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import journal

SECONDS = 7


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that are made, which take no time."""
    made: list[float] = []
    monkeypatch.setattr(time, "sleep", made.append)
    return made


NAME, FLAG = "127.0.0.1:488", ".ws.out"


def configuration_with(*flags: Path) -> bytes:
    """A configuration."""
    return "".join(f"if (-f {flag}) {{ return 503; }}\n" for flag in flags).encode()


def stays_out(error: OSError) -> None:
    raise AssertionError(error)


def gateway(flag: Path, seconds: float, *, now: Path | None = None) -> AbstractContextManager[None]:
    """A deploy of a configuration that tests for the flag, over one that tests for another flag, or for this one."""
    return _drain_record.gateway(flag, seconds, configuration_with(now or flag), configuration_with(flag), stays_out)


@pytest.fixture
def kept(tmp_path: Path) -> journal.Journal:
    return journal.Journal(NAME, tmp_path / "kept")


def test_a_gateway_without_a_deploy_has_no_record(kept: journal.Journal, tmp_path: Path) -> None:
    assert _drain_record.servers(kept, tmp_path / "none.conf") is None


@pytest.mark.parametrize("name", [NAME, "[::1]:7000"])
def test_what_the_last_deploy_recorded_counts_whatever_the_file_says(name: str, tmp_path: Path) -> None:
    """Under another live address too, which the next deploy is to have."""
    path = tmp_path / "a.conf"
    path.write_text("upstream a {\n    server c:1 down; # drained: c\n    server d:1;\n}\n")
    drained: journal.Drained
    for drained in ([], [{"name": "d", "address": "d:1"}]):
        journal.Journal(NAME, tmp_path / "kept").set_deployed(
            journal.Deployed([], [], files=(str(path),), live_address=NAME, drained=drained)
        )
        assert _drain_record.servers(journal.Journal(name, tmp_path / "kept"), path) == drained


def test_a_server_that_release_0_6_0_drained_stays_out(kept: journal.Journal, tmp_path: Path) -> None:
    """That release had the record in the comments of the file, and its own record names no servers."""
    path = tmp_path / "a.conf"
    path.write_text(
        "upstream a {\n    server b:1;\n    # server x:1 down; # drained: x\n"
        "    server c:1 max_fails=0 down; # drained: chat1\n    server e:1 down;\n}\n"
    )
    found = [{"name": "chat1", "address": "c:1"}]
    assert _drain_record.servers(kept, path) == found
    kept.set_deployed(journal.Deployed([], [], files=(str(path),), live_address=NAME))
    assert _drain_record.servers(kept, path) == found


def test_a_deploy_takes_the_gateway_out_for_its_time(tmp_path: Path, pauses: list[float]) -> None:
    flag = tmp_path / FLAG
    with gateway(flag, SECONDS):
        assert flag.exists()
        assert not _drain_record.is_out(flag)
        assert pauses == [SECONDS]
    assert not flag.exists()


def test_a_deploy_that_fails_brings_it_back(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no"), gateway(tmp_path / FLAG, SECONDS):
        raise ValueError("no")
    assert not (tmp_path / FLAG).exists()


def test_without_a_time_it_stays_in(tmp_path: Path) -> None:
    with gateway(tmp_path / FLAG, 0):
        assert not (tmp_path / FLAG).exists()


def test_a_read_only_file_system_hides_no_other_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It refuses to remove even what is not there."""

    def unlink(path: Path, *_arguments: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr(Path, "unlink", unlink)
    with pytest.raises(ValueError, match="no"), gateway(tmp_path / FLAG, 0):
        raise ValueError("no")


def test_a_flag_that_cannot_be_removed_does_not_hide_what_came_of_the_deploy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flag = tmp_path / FLAG
    errors: list[OSError] = []

    def unlink(path: Path, *_arguments: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    with _drain_record.gateway(flag, SECONDS, configuration_with(flag), configuration_with(flag), errors.append):
        monkeypatch.setattr(Path, "unlink", unlink)
    assert [error.filename for error in errors] == [str(flag)]
    assert not _drain_record.is_out(flag)


def test_what_an_operator_took_out_stays_out_and_waits_for_nothing(tmp_path: Path, pauses: list[float]) -> None:
    flag = tmp_path / FLAG
    flag.write_text("drained by hand\n")
    with gateway(flag, 60):
        pass
    assert flag.read_text() == "drained by hand\n"
    assert _drain_record.is_out(flag)
    assert pauses == []


def test_what_a_killed_deploy_left_out_comes_back(tmp_path: Path) -> None:
    flag = tmp_path / FLAG
    with pytest.raises(SystemExit), gateway(flag, SECONDS):
        left = flag.read_text()
        raise SystemExit
    flag.write_text(left)
    with gateway(flag, 0):
        pass
    assert not flag.exists()


@pytest.fixture
def flags(tmp_path: Path) -> tuple[Path, Path]:
    """The flag, and that of release 0.7.0."""
    return tmp_path / FLAG, tmp_path / "ws.out"


def test_the_upgrade_of_a_drained_gateway_has_it_out_by_either_flag_until_the_end(flags: tuple[Path, Path]) -> None:
    flag, former = flags
    former.write_text("drained\n")
    assert _drain_record.is_out(flag)
    with gateway(flag, SECONDS, now=former):
        # nginx may include the name of the former flag.
        assert [path.read_text()[0] for path in flags] == ["#", "#"]
    assert (flag.exists(), former.exists()) == (True, False)
    assert _drain_record.is_out(flag)


def test_an_upgrade_that_is_rolled_back_leaves_the_former_flag(flags: tuple[Path, Path]) -> None:
    flag, former = flags
    former.write_text("drained\n")
    with pytest.raises(SystemExit), gateway(flag, SECONDS, now=former):
        raise SystemExit
    assert (flag.exists(), former.exists()) == (False, True)
    assert _drain_record.is_out(flag)


def test_a_rollback_to_release_0_7_0_keeps_a_drained_gateway_out(flags: tuple[Path, Path]) -> None:
    flag, former = flags
    _drain_record.take_out([flag])
    with _drain_record.gateway(flag, 0, configuration_with(flag), configuration_with(former), stays_out):
        assert former.exists()
    assert former.exists()
    assert _drain_record.is_out(flag)


def test_the_deploy_of_an_upgrade_takes_the_gateway_out_by_both_flags(flags: tuple[Path, Path]) -> None:
    flag, former = flags
    with gateway(flag, SECONDS, now=former):
        assert [path.read_text()[0] for path in flags] == ["#", "#"]
        assert not _drain_record.is_out(flag)
    assert not flag.exists()
    assert not former.exists()


def test_what_a_killed_deploy_of_release_0_7_0_left_out_comes_back(flags: tuple[Path, Path]) -> None:
    flag, former = flags
    former.write_text("deploy\n")
    with gateway(flag, 0, now=former):
        # nginx may include it.
        assert former.read_text().startswith("#")
    assert not former.exists()


def test_a_flag_is_found_where_the_configuration_tests_for_it(flags: tuple[Path, Path]) -> None:
    flag, former = flags
    assert _drain_record.tested(flag, configuration_with(flag)) == [flag]
    assert _drain_record.tested(flag, configuration_with(former)) == [former]
    assert _drain_record.tested(flag, b"") == []
