# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What verify says while sockets of before a deploy live in old workers: how many, and that this is normal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from gateway import gateways, group_variables
from playbook import site
from traffic import Traffic
from verification import verify

GATEWAYS = gateways()
(SITE,) = group_variables()["websockets_sites"]
(LOCATION,) = SITE["locations"]
TITLE = "Earlier generations of nginx's workers still have open sockets on "


@pytest.mark.usefixtures("restored")
def test_each_generation_has_its_sockets_and_its_memory(clients: Traffic, tmp_path: Path) -> None:
    changed: dict[str, Any] = {
        "websockets_sites": [{**SITE, "locations": [{**LOCATION, "proxy_read_timeout": "700s"}]}]
    }
    before = {gateway.name: len(clients.on(gateway.name)) for gateway in GATEWAYS}
    assert sum(before.values()) == clients.number
    deploy = site(changed, arguments=["--limit", "ws_gateways"])
    assert not deploy.failed, deploy.output
    run, report = verify(GATEWAYS, tmp_path, **changed)
    assert not run.failed, run.output
    for gateway in report["gateways"]:
        generations = gateway["nginx"]["generations"]
        assert sum(one["sockets"] for one in generations) >= before[gateway["name"]]
        assert all(one["bytes"] > 0 and one["workers"] > 0 for one in generations)
        assert [one["since"] for one in generations] == sorted({one["since"] for one in generations})
    (finding,) = (finding for finding in report["findings"] if finding["title"].startswith(TITLE))
    assert finding["severity"] == "note"
    assert "That is normal after a deploy, which closes no socket" in " ".join(run.output.split())
    assert finding["details"][0].split("; ")[-1] in run.output
