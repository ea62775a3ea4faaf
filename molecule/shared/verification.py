# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of the playbook verify, and what its report says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gateway import Gateway
from jsonschema import Draft202012Validator
from playbook import INVENTORIES, PROJECT, Run, site

SCHEMA = Draft202012Validator(json.loads((PROJECT / "docs/report.schema.json").read_text()))


def verify(
    gateways: Sequence[Gateway],
    folder: Path,
    *arguments: str,
    inventories: Sequence[Path] = INVENTORIES,
    **variables: Any,
) -> tuple[Run, dict[str, Any]]:
    """Run the playbook, and return what report.json says."""
    # Names of containers are none that this machine resolves.
    addresses = {gateway.name: gateway.address for gateway in gateways} | {"lost": gateways[0].address}
    own = {"addresses": addresses, "websockets_verify_address": "{{ addresses[inventory_hostname] }}"}
    given = {**own, "websockets_report": str(folder), **variables}
    run = site(given, playbook="wsfleet.nginx.verify", arguments=arguments, inventories=inventories)
    report = json.loads((folder / "report.json").read_text())
    SCHEMA.validate(report)
    return run, report


def titles(report: dict[str, Any], severity: str = "error") -> list[str]:
    """What the findings of a severity say."""
    return [finding["title"] for finding in report["findings"] if finding["severity"] == severity]
