# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection says of releases of ansible-core is what the scenario cores tests."""

from __future__ import annotations

import yaml
from rendering import ROOT

TESTED = [line.split()[0] for line in (ROOT / "tests/cores.txt").read_text().splitlines() if not line.startswith("#")]
FIRST = TESTED[0].rpartition(".")[0]


def test_the_first_release_that_is_required_is_the_first_that_is_tested() -> None:
    assert yaml.safe_load((ROOT / "meta/runtime.yml").read_text()) == {"requires_ansible": f">={FIRST}.0"}
    roles = {path: yaml.safe_load(path.read_text()) for path in ROOT.glob("roles/*/meta/main.yml")}
    assert {found["galaxy_info"]["min_ansible_version"] for found in roles.values()} == {FIRST}


def test_the_ansible_that_the_checkout_installs_is_one_that_is_tested() -> None:
    assert [f"ansible-core=={version}" in (ROOT / "requirements.txt").read_text() for version in TESTED].count(
        True
    ) == 1
