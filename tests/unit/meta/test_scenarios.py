# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of molecule/README.md that can be read off the files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SCENARIOS = sorted(path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml"))
TESTS = sorted(path for folder in ("molecule", "tests/unit") for path in (ROOT / folder).rglob("test_*.py"))
CLOCKS = re.compile(r"assert\b.*\b(monotonic|perf_counter|process_time|time\.time)\(")


def test_the_index_has_every_scenario() -> None:
    text = (ROOT / "molecule" / "README.md").read_text()
    assert sorted(re.findall(r"^\| \[(\w+)\]\(\1\) \|", text, re.MULTILINE)) == SCENARIOS


def test_the_scenarios_that_are_run_first_are_there() -> None:
    (names,) = re.findall(r"scenarios=\((\w[\w ]+)\)", (ROOT / "tests" / "molecule.sh").read_text())
    assert set(names.split()) <= set(SCENARIOS)


@pytest.mark.parametrize("path", TESTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_test_file_is_named_for_what_it_tests_and_asserts_no_time(path: Path) -> None:
    assert not re.match(r"test_\d", path.name)
    assert not CLOCKS.search(path.read_text())
