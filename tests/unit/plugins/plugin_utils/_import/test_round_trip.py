# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role renders is imported back to the variables that it was rendered from."""

from __future__ import annotations

import re
import typing as t

import pytest
import yaml
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.imported import imported
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.reading import parsed
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.shortest import shortest
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.tree import Directive, Notes
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._model.gateway import gateway_model
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.errors import Errors
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.upstream_servers import Inventory
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from rendering import ROOT
from strategies import OPENSSL, PATHS, PEM, Variables, gateways

# With the profile that has more than by default, and else.
MANY, FEW = 1000, 25
EXAMPLES = [
    text
    for page in ("docs/examples.md", "docs/rendered-file.md", "roles/websockets/README.md")
    for text in re.findall(r"```yaml\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
]
INVENTORIES = [path.read_text() for path in sorted((ROOT / "inventories").glob("*/group_vars/ws_gateways*.yml"))]
# What is no part of the file.
UNSEEN = ("probe", "allow_missing_origin")


# Of a default server, the largest of all sites on its addresses.
HIDDEN = ("client_header_buffer_size",)


def lines(variables: t.Mapping[str, t.Any]) -> list[str]:
    errors = Errors()
    model = gateway_model(variables, Inventory({}, {}), errors)
    assert errors.lines == []
    assert model is not None
    return model["lines"]


def comparable(directives: t.Iterable[Directive]) -> list[t.Any]:
    """Directives without their places; but for locations, their order is nginx's own affair."""
    found = [
        (one.name, one.args, None if one.block is None else comparable(one.block))
        for one in directives
        if one.name not in HIDDEN and not any(re.fullmatch(r"[0-9a-f]{64}\n", word) for word in one.args)
    ]
    ordered = [one for one in found if one[0] in ("location", "server") and one[2] is not None]
    return [*sorted((one for one in found if one not in ordered), key=repr), *ordered]


def tree(text: t.Sequence[str]) -> list[t.Any]:
    return comparable(parsed("\n".join(text), "", 1, Notes()))


def seen(value: t.Any) -> t.Any:
    """Variables without what no file has."""
    if isinstance(value, dict):
        return {
            key: seen(inner)
            for key, inner in value.items()
            if key not in UNSEEN and not (key == "allowed_origins" and inner == "*")
        }
    return [seen(one) for one in value] if isinstance(value, list) else value


def alike(sites: list[Variables]) -> None:
    """Have sites say what the file does not hide: a certificate that is delivered is a path there, and a server that is
    the default one has the largest sizes of all sites on its addresses.
    """
    for site in sites:
        site.update({key: PATHS[key] for key, value in PEM.items() if site.get(key) == value})
        for key in ("client_header_timeout", "large_client_header_buffers"):
            site[key] = sites[0].get(key, "10s" if key == "client_header_timeout" else "4 8k")


def is_whole(text: str) -> bool:
    """Whether an example is all of a gateway, without groups of an inventory."""
    variables = yaml.safe_load(text)
    if not isinstance(variables, dict) or "websockets_sites" not in variables:
        return False
    errors = Errors()
    names = ("websockets_upstreams", "websockets_sites", "websockets_directives")
    gateway_model({key: variables[key] for key in names if key in variables}, Inventory({}, {}), errors)
    return not errors.lines


WHOLE = [text for text in [*EXAMPLES, *INVENTORIES] if is_whole(text)]


def test_there_are_examples() -> None:
    assert len(WHOLE) > 8


@pytest.mark.parametrize("text", WHOLE)
def test_examples_come_back_as_they_were_written(text: str) -> None:
    names = ("websockets_upstreams", "websockets_sites", "websockets_directives")
    variables = {name: value for name, value in yaml.safe_load(text).items() if name in names}
    found = imported({"00-websockets.conf": "\n".join(lines(variables))})
    assert found["variables"] == shortest(seen(variables))


def test_the_sizes_of_hashes_that_the_role_works_out_are_its_own() -> None:
    name = f"{'a' * 60}.example"
    variables = {
        "websockets_sites": [{"server_name": name, "listen": 80, "locations": [{"path": "/", "return": 204}]}],
    }
    written = lines(variables)
    assert "server_names_hash_bucket_size 128;" in written
    assert imported({"00-websockets.conf": "\n".join(written)})["variables"] == variables


# Shrinking takes minutes, as each attempt is an import.
@settings(max_examples=MANY if settings().max_examples > 100 else FEW, phases=[Phase.reuse, Phase.generate])
@given(st.sampled_from(list(OPENSSL)).flatmap(gateways))
def test_any_variables_come_back_as_what_renders_the_same_file(variables: Variables) -> None:
    alike(variables["websockets_sites"])
    expected = lines(variables)
    found = imported({"00-websockets.conf": "\n".join(expected)})["variables"]
    # The host has them, and the file has them not.
    of_host = ("websockets_nginx_version", "websockets_openssl_version", "websockets_capacity")
    again = lines({**found, **{name: variables[name] for name in of_host}})
    assert tree(again) == tree(expected)
