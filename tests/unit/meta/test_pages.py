# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages say what is so: their links lead somewhere, and what they quote is what it is quoted from."""

from __future__ import annotations

import ast
import re
import subprocess

import pytest
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.location_keys import LOCATION, PROBE
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.role_variables import VARIABLES
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.site_keys import SITE
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.upstream_keys import SERVER, UPSTREAM
from rendering import ROOT

OWN = re.compile(r"https://github\.com/wsfleet/nginx/(?:blob|tree)/main/([^)\s#>]+)")
# In a link, or in the line that defines one.
LINK = re.compile(r"\](?:\(|: )([^)\s#]+)(?:#[^)\s]*)?(?:\)|$)", re.MULTILINE)
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


def messages() -> str:
    """Every text of the code, with a … for what is put into it."""
    texts = []
    for path in sorted((ROOT / "plugins").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                parts = (part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
                texts.append("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
    texts += [path.read_text() for path in sorted((ROOT / "roles/websockets/tasks").rglob("*.yml"))]
    return "\n".join(" ".join(text.split()) for text in texts)


def test_the_messages_in_troubleshooting_are_those_of_the_code() -> None:
    page = (ROOT / "docs/troubleshooting.md").read_text()
    rows = re.findall(r"^\| (`.*?`) \| ", page, re.MULTILINE)
    quotes = [quote for row in rows for quote in re.findall(r"`([^`]+)`", row)] + re.findall(
        r"begins with\n`(.+)`", page
    )
    assert len(quotes) > 30
    known = messages()
    # Ansible's and nginx's own.
    others = {"the role 'wsfleet.nginx.websockets' was not found", "returned 502 Bad Gateway"}
    lost = [
        (quote, part)
        for quote in quotes
        if quote not in others
        for part in map(str.strip, quote.split("…"))
        if part not in known
    ]
    assert lost == []


def test_the_tables_for_moving_have_keys_that_exist() -> None:
    keys = set().union(VARIABLES, UPSTREAM, SERVER, SITE, LOCATION, PROBE)
    nginx = {"ip_hash", "least_conn", "least_time", "auth_basic", "auth_basic_user_file"}
    rows = re.findall(r"^\|.*\| (.*) \|$", (ROOT / "docs/moving.md").read_text(), re.MULTILINE)
    words = {
        word
        for row in rows
        for code in re.findall(r"`([^`]+)`", row)
        for word in re.findall(r"(?<!\$)\b[a-z]+_\w+", code)
    }
    assert words - keys - nginx == set()
