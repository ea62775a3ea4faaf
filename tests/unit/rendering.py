# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's template rendered from variables, as a deploy renders it."""

from __future__ import annotations

import typing as t
from pathlib import Path

import jinja2
from ansible_collections.wsfleet.nginx.plugins.filter.gateway_model import gateway_model
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.role_variables import VARIABLES

ROOT = Path(__file__).resolve().parents[2]


def render(variables: t.Mapping[str, t.Any], **inventory: t.Any) -> str:
    model = gateway_model(variables, inventory.get("groups", {}), inventory.get("hostvars", {}))
    assert model["errors"] == []
    # As the first line of the template says.
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
    source = (ROOT / "roles/websockets/templates/websockets.conf.j2").read_text().split("\n", 1)[1]
    return environment.from_string(source).render(
        ansible_managed=inventory.get("ansible_managed", "Ansible managed"),
        __websockets_model=model,
        **{**{name: key.default for name, key in VARIABLES.items()}, **variables},
    )
