# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of the documentation: each renders without errors and warnings, and to the lines that it shows."""

from __future__ import annotations

import re
import typing as t

import pytest
import yaml
from ansible_collections.wsfleet.nginx.plugins.filter.gateway_model import gateway_model
from rendering import ROOT, render

BLOCK = re.compile(r"^```(yaml|nginx)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# The title of each example, and its blocks in their order; the last section is about Ansible, and shows no nginx.
EXAMPLES = {
    section.partition("\n")[0]: BLOCK.findall(section)
    for section in (ROOT / "docs" / "examples.md").read_text().split("\n## ")[1:]
    if "```nginx" in section
}

FOUNDING = yaml.safe_load((ROOT / "inventories/mixed/group_vars/ws_gateways.yml").read_text())


def test_there_are_nine_examples() -> None:
    assert len(EXAMPLES) == 9


@pytest.mark.parametrize("blocks", EXAMPLES.values(), ids=EXAMPLES)
def test_an_example_renders_to_the_lines_that_it_shows(blocks: list[tuple[str, str]]) -> None:
    variables: dict[str, t.Any] = {}
    hosts: dict[str, dict[str, dict[str, t.Any] | None]] = {}
    for language, text in blocks:
        if language == "nginx":
            groups = {group: list(members) for group, members in hosts.items()}
            hostvars = {name: given or {} for members in hosts.values() for name, given in members.items()}
            warnings = gateway_model(variables, groups, hostvars)["warnings"]
            # The second founding configuration is as it was before there were origins.
            assert warnings == [] or ("allowed_origins" in warnings[0] and variables == FOUNDING)
            assert text in render(variables, groups=groups, hostvars=hostvars)
            continue
        # A later block takes the place of what it defines again.
        for name, value in yaml.safe_load(text).items():
            if name.startswith("websockets_"):
                variables[name] = value
            else:
                hosts[name] = value["hosts"]
