# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of the role are the same in its defaults, its argument specs, its README and the model's schema."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables import location_keys, site_keys, upstream_keys
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.keys import Key
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.role_variables import VARIABLES

ROLES = Path(__file__).resolve().parents[3] / "roles"


def options(role: str) -> dict[str, t.Any]:
    specs = yaml.safe_load((ROLES / role / "meta" / "argument_specs.yml").read_text())
    return t.cast("dict[str, t.Any]", specs["argument_specs"]["main"]["options"])


def defaults(role: str) -> dict[str, t.Any]:
    return t.cast("dict[str, t.Any]", yaml.safe_load((ROLES / role / "defaults" / "main.yml").read_text()))


def table(role: str, heading: str) -> list[str]:
    """The first column of the README's table under a heading."""
    section = (ROLES / role / "README.md").read_text().split(f"{heading}\n", 1)[1].split("\n#", 1)[0]
    return re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)


@pytest.mark.parametrize("role", ["websockets", "echo_backend", "packages", "exporter"])
def test_every_variable_has_a_default_a_specification_and_a_line_in_the_readme(role: str) -> None:
    assert {name: spec.get("default") for name, spec in options(role).items()} == defaults(role)
    assert sorted(table(role, "## Variables")) == sorted(defaults(role))


def test_every_variable_has_the_same_default_in_the_schema() -> None:
    assert defaults("websockets") == {name: key.default for name, key in VARIABLES.items()}


UPSTREAM = options("websockets")["websockets_upstreams"]["options"]
SITE = options("websockets")["websockets_sites"]["options"]
LOCATION = SITE["locations"]["options"]


@pytest.mark.parametrize(
    ("heading", "keys", "specified"),
    [
        ("### `websockets_upstreams[]`", upstream_keys.UPSTREAM, UPSTREAM),
        (
            "### `websockets_upstreams[].servers[]` and `websockets_server`",
            upstream_keys.SERVER,
            UPSTREAM["servers"]["options"],
        ),
        ("### `websockets_sites[]`", site_keys.SITE, SITE),
        ("### `websockets_sites[].locations[]`", location_keys.LOCATION, LOCATION),
        ("### `websockets_sites[].locations[].probe`", location_keys.PROBE, LOCATION["probe"]["options"]),
    ],
)
def test_every_key_is_known_to_the_schema_the_specification_and_the_readme(
    heading: str, keys: dict[str, Key], specified: dict[str, t.Any]
) -> None:
    assert sorted(table("websockets", heading)) == sorted(keys)
    assert {name: spec.get("required", False) for name, spec in specified.items()} == {
        name: key.default is ... for name, key in keys.items()
    }


def test_a_host_has_the_parameters_of_a_server_in_the_same_words() -> None:
    server = {name: spec for name, spec in UPSTREAM["servers"]["options"].items() if name != "address"}
    assert options("websockets")["websockets_server"]["options"] == server
    assert server.keys() == upstream_keys.SERVER_PARAMETERS.keys()
