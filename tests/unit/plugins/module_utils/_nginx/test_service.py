# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether nginx starts at boot, and a start by systemd that fails; systemd is stood in for."""

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


@pytest.mark.parametrize(
    ("state", "is_enabled"),
    [
        *(("enabled", True), ("disabled", False), ("masked", False), ("masked-runtime", False)),
        # That is so until the next boot.
        ("enabled-runtime", False),
        # Another unit may start it.
        *(("static", None), ("indirect", None), ("", None)),
    ],
)
def test_systemd_says_whether_nginx_starts_at_boot(
    monkeypatch: pytest.MonkeyPatch, state: str, is_enabled: bool | None
) -> None:
    asked: list[list[str]] = []

    def run(command: list[str]) -> subprocess.CompletedProcess[str]:
        asked.append(command)
        return subprocess.CompletedProcess(command, 0 if state == "enabled" else 1, f"{state}\n", "")

    monkeypatch.setattr(service, "has_systemd", lambda: True)
    monkeypatch.setattr(binary, "run", run)
    assert service.is_enabled() is is_enabled
    assert asked == [["systemctl", "is-enabled", "nginx.service"]]


@pytest.mark.parametrize(
    ("links", "has_script", "is_enabled"),
    [
        (["rc3.d/S01nginx"], True, True),
        (["rc3.d/K01nginx"], True, False),
        (["rc0.d/S01nginx", "rc2.d/S01other"], True, False),
        # Nothing starts services at boot, or nginx is none of them, as in a container.
        ([], True, None),
        (["rc2.d/S01other"], False, None),
    ],
)
def test_without_systemd_the_links_of_run_levels_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, links: list[str], has_script: bool, is_enabled: bool | None
) -> None:
    for link in links:
        (tmp_path / link).parent.mkdir(exist_ok=True)
        (tmp_path / link).touch()
    script = tmp_path / "nginx"
    if has_script:
        script.touch()
    monkeypatch.setattr(service, "has_systemd", lambda: False)
    monkeypatch.setattr(service, "_RUN_LEVELS", tmp_path)
    monkeypatch.setattr(service, "_INIT_SCRIPT", script)
    assert service.is_enabled() is is_enabled
