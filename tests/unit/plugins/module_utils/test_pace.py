# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The turns in which a host closes connections. The clock is the test's."""

from __future__ import annotations

import os
import struct
import time
from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils._pace import Pace
from hypothesis import given
from hypothesis import strategies as st


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(time, "sleep", self.sleep)

    def sleep(self, seconds: float) -> None:
        self.now += seconds


RATES = st.floats(0.5, 500, allow_nan=False)
# Who takes the next turn, and how long that takes it.
TURNS = st.lists(st.tuples(st.booleans(), st.floats(0, 3, allow_nan=False)), min_size=1, max_size=60)


@given(RATES, TURNS, st.booleans())
def test_no_second_has_more_turns_than_the_rate_whoever_takes_them(
    tmp_path_factory: pytest.TempPathFactory, rate: float, turns: list[tuple[bool, float]], is_one: bool
) -> None:
    directory = tmp_path_factory.mktemp("pace")
    with pytest.MonkeyPatch.context() as monkeypatch:
        clock = Clock(monkeypatch)
        paces = [Pace(rate, directory), Pace(rate, directory)]
        if not is_one:
            paces[0].create()
        taken = []
        for which, seconds in turns:
            paces[0 if is_one else which].wait()
            taken.append(clock.now)
            clock.now += seconds
    for number, at in enumerate(taken):
        within = [other for other in taken[number:] if other < at + 1 - 1e-9]
        assert len(within) <= max(1, -(-rate // 1))


@pytest.mark.parametrize("left", [b"", b"x", struct.pack("=d", 1e12), struct.pack("=d", float("nan"))])
def test_a_file_that_is_damaged_holds_up_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, left: bytes) -> None:
    clock = Clock(monkeypatch)
    (tmp_path / "next").write_bytes(left)
    Pace(10, tmp_path).wait()
    assert clock.now == 1000
    Pace(10, tmp_path).wait()
    assert clock.now == pytest.approx(1000.1)


def test_a_link_or_a_pipe_is_not_followed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    Clock(monkeypatch)
    target = tmp_path / "target"
    target.write_bytes(b"kept")
    (tmp_path / "next").symlink_to(target)
    Pace(10, tmp_path).wait()
    assert target.read_bytes() == b"kept"
    (tmp_path / "next").unlink()
    os.mkfifo(tmp_path / "next")
    Pace(10, tmp_path).wait()
