# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The JSON Schema of report.json: every report of these tests is checked against it where it is made."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report import schema
from fleets import SCHEMA, healthy, reported, troubled, wide
from jsonschema import Draft202012Validator, ValidationError

DEFINITIONS = SCHEMA.schema["$defs"]
TYPES = {
    "finding": schema.Finding,
    "gateway": schema.Gateway,
    "nginx": schema.Nginx,
    "result": schema.ProbeResult,
    "route": schema.Route,
    "server": schema.Server,
    "topology": schema.Topology,
    "refusal": schema.Refusal,
    "upstream": schema.Upstream,
}


def objects(found: t.Any) -> t.Iterator[dict[str, t.Any]]:
    """All objects that the schema describes."""
    if isinstance(found, dict):
        if "properties" in found and "type" in found:
            yield found
        for member in found.values():
            yield from objects(member)


def test_the_schema_is_valid_and_allows_no_other_keys() -> None:
    Draft202012Validator.check_schema(SCHEMA.schema)
    described = list(objects(SCHEMA.schema))
    assert len(described) > len(DEFINITIONS)
    for found in described:
        assert found["additionalProperties"] is False
        assert found["required"] == list(found["properties"])
        assert found["description"]


def test_it_has_the_keys_that_the_report_has() -> None:
    assert set(TYPES) == set(DEFINITIONS)
    for name, kind in TYPES.items():
        assert set(DEFINITIONS[name]["properties"]) == set(kind.__annotations__)
    assert set(SCHEMA.schema["properties"]) == set(schema.Report.__annotations__)
    assert SCHEMA.schema["properties"]["version"]["const"] == schema.VERSION
    assert DEFINITIONS["finding"]["properties"]["severity"]["enum"] == list(schema.SEVERITIES)


def test_reports_of_empty_and_troubled_fleets_are_as_it_says() -> None:
    for fleet in ([], troubled(20), [healthy("g1", wide())]):
        SCHEMA.validate(json.loads(json.dumps(reported(*fleet))))


@pytest.mark.parametrize("change", [{"other": 1}, {"version": 2}, {"state": "red"}, {"time": "today"}, {"counts": {}}])
def test_another_report_is_refused(change: dict[str, t.Any]) -> None:
    with pytest.raises(ValidationError):
        SCHEMA.validate({**json.loads(json.dumps(reported())), **change})
