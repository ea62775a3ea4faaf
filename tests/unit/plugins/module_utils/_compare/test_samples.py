# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts for regular expressions: each is checked by the expression itself."""

from __future__ import annotations

import re

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils._compare.samples import sample


@pytest.mark.parametrize(
    "pattern",
    [
        "^/rooms/[0-9]+$",
        r"\.(jpg|png)$",
        r"^/(?<name>[a-z]{3,5})/\d{2}(/.*)?$",
        r"/a|b",
        "^/[^/]+/x$",
        r"^/(?:v1|v2)/(\w+)/\1$",
        "^/é",
        r"^(?!/admin)/.*",
        ".",
    ],
)
def test_a_sample_matches_its_pattern(pattern: str) -> None:
    found = sample(pattern, "/")
    assert found is not None
    assert found.startswith("/")
    assert re.search(pattern.replace("(?<name>", "(?P<name>"), found)


@pytest.mark.parametrize("pattern", ["(", r"\p{L}", "^a$", "(?=b)a", "[z-a]", ""])
def test_none_is_made_up_where_none_is_found(pattern: str) -> None:
    assert sample(pattern, "/") in (None, "/", "/a")


def test_case_is_ignored_where_nginx_ignores_it() -> None:
    assert sample("^/ROOMS$", "/", ignore_case=True) == "/ROOMS"
