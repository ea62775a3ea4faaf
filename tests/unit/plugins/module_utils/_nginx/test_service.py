# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A start by systemd that fails; systemd is stood in for."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import binary, service

BUILD = binary.Build("nginx", "1.22.1", None, Path("/etc/nginx/nginx.conf"), None, None)


class Systemd:
    """It starts nginx again and again after a start that failed."""

    def __init__(self, *, state: str) -> None:
        self.state = state

    def run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        code, printed = 0, ""
        if "show" in command:
            printed = f"ActiveState={self.state}\n"
        elif "start" in command:
            code, self.state = 1, "activating"
        elif "stop" in command:
            self.state = "inactive"
        return subprocess.CompletedProcess(command, code, printed, "Job failed." if code else "")


@pytest.mark.parametrize("state", ["inactive", "activating"])
def test_after_a_start_that_failed_systemd_tries_again_only_if_it_did_before(
    monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    """Otherwise nginx would start later, while the message of the deploy says that it does not run."""
    systemd = Systemd(state=state)
    monkeypatch.setattr(service, "has_systemd", lambda: True)
    monkeypatch.setattr(binary, "run", systemd.run)
    with pytest.raises(service.ServiceError, match="Job failed"):
        service.start(BUILD)
    assert systemd.state == state
    assert service.is_retrying() == (state == "activating")
