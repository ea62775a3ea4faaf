# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest
from cores import Core, install_collection


@pytest.fixture(scope="session")
def collections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("collections")
    install_collection(directory)
    return directory


@pytest.fixture(scope="session")
def core(request: pytest.FixtureRequest, collections: Path, tmp_path_factory: pytest.TempPathFactory) -> Core:
    """The one that a test is parametrized with. Without a Python for it, the test is skipped."""
    return Core(request.param, collections, tmp_path_factory.mktemp("home"))
