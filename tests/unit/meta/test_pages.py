# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages say what is so: their links lead somewhere, and what they quote is what it is quoted from."""

from __future__ import annotations

import re
import subprocess

import pytest
from rendering import ROOT

OWN = re.compile(r"https://github\.com/wsfleet/nginx/(?:blob|tree)/main/([^)\s#>]+)")
LINK = re.compile(r"\]\(([^)\s#]+)(?:#[^)\s]*)?\)")
TRACKED = subprocess.run(
    ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md", "*.rst", "*.yml"],
    cwd=ROOT,
    check=True,
    capture_output=True,
    text=True,
).stdout.split()
# Galaxy shows these alone, where a relative link leads nowhere.
SHOWN_ON_GALAXY = ["README.md", *sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("roles/*/README.md"))]


@pytest.mark.parametrize("name", SHOWN_ON_GALAXY)
def test_links_of_a_page_hold_on_galaxy_too(name: str) -> None:
    assert [link for link in LINK.findall((ROOT / name).read_text()) if not link.startswith("https://")] == []


def test_what_is_linked_to_in_this_repository_exists() -> None:
    lost = []
    for name in TRACKED:
        page = ROOT / name
        linked = [ROOT / path for path in OWN.findall(page.read_text())]
        if page.suffix == ".md":
            linked += [page.parent / link for link in LINK.findall(page.read_text()) if ":" not in link]
        lost += [(name, str(path)) for path in linked if not path.exists()]
    assert lost == []


def quoted(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


def test_the_page_on_molecule_shows_the_files_of_its_example() -> None:
    example = ROOT / "examples/molecule/molecule"
    (playbook,) = quoted("docs/molecule.md", "yaml")
    (test,) = quoted("docs/molecule.md", "python")
    assert (example / "podman/converge.yml").read_text() == f"---\n{playbook}"
    assert test in (example / "tests/test_gateway.py").read_text()
