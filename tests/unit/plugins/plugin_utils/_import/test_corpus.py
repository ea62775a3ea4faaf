# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Configurations in the style of tutorials, distributions and manuals, each with the YAML and the report it comes to.

A folder of corpus/ has the files of one input, expected.yml and report.txt. `WSFLEET_WRITE_CORPUS=1 pytest …` writes
the latter two as they are now, for a new folder and for a diff to read.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._import.imported import Imported, imported
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._model.gateway import gateway_model
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.errors import Errors
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._variables.upstream_servers import Inventory

CORPUS = Path(__file__).resolve().parent / "corpus"
RESULTS = ("expected.yml", "report.txt")
ENTRIES = sorted(path.name for path in CORPUS.iterdir())


def result(name: str) -> Imported:
    directory = CORPUS / name
    paths = sorted(path for path in directory.rglob("*") if path.is_file() and path.name not in RESULTS)
    found = imported({str(path.relative_to(directory)): path.read_bytes().decode() for path in paths})
    if os.environ.get("WSFLEET_WRITE_CORPUS"):
        (directory / "expected.yml").write_text(found["yaml"], encoding="utf-8")
        (directory / "report.txt").write_text(found["report"] + "\n", encoding="utf-8")
    return found


@pytest.mark.parametrize("name", ENTRIES)
def test_each_comes_to_its_yaml_and_its_report(name: str) -> None:
    found = result(name)
    assert found["yaml"] == (CORPUS / name / "expected.yml").read_text(encoding="utf-8")
    assert found["report"] + "\n" == (CORPUS / name / "report.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ENTRIES)
def test_the_yaml_is_the_variables_and_the_role_takes_them(name: str) -> None:
    found = result(name)
    assert (yaml.safe_load(found["yaml"]) or {}) == found["variables"]
    errors = Errors()
    gateway_model(found["variables"], Inventory({}, {}), errors)
    assert errors.lines == []
