# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much memory nginx can still have: by the host, and by each limit of cgroups that holds for it."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import memory

MASTER = 7


class Host:
    """The files of a kernel."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._directory = directory
        monkeypatch.setattr(memory, "_PROC", directory / "proc")
        monkeypatch.setattr(memory, "_CGROUP", directory / "cgroup")
        self.write("proc/meminfo", "MemTotal: 9000 kB\nMemAvailable:    1000 kB\n")

    def write(self, name: str, text: object) -> None:
        path = self._directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")

    def limit(self, group: str, most: object, now: int, cache: int = 0) -> None:
        self.write(f"{group}/memory.max", most)
        self.write(f"{group}/memory.current", now)
        self.write(f"{group}/memory.stat", f"anon 5\ninactive_file {cache}\n")

    @property
    def available(self) -> int:
        found = memory.memory(MASTER, 10)
        assert found is not None
        assert found["needed"] == 480_000
        return found["available"]


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(tmp_path, monkeypatch)


def test_without_limits_it_is_that_of_the_host(host: Host) -> None:
    assert host.available == 1_024_000
    host.write(f"proc/{MASTER}/cgroup", "0::/system.slice/nginx.service")
    host.limit("cgroup/system.slice/nginx.service", "max", 1)
    assert host.available == 1_024_000


@pytest.mark.parametrize("group", ["cgroup", "cgroup/system.slice", "cgroup/system.slice/nginx.service"])
def test_a_limit_of_the_service_or_of_what_it_is_in_holds(host: Host, group: str) -> None:
    host.write(f"proc/{MASTER}/cgroup", "0::/system.slice/nginx.service")
    host.limit(group, 900_000, 500_000, cache=1)
    assert host.available == 400_001
    host.limit(group, 900_000, 900_002)
    assert host.available == 0


def test_the_first_version_of_cgroups_has_limits_too(host: Host) -> None:
    host.write(f"proc/{MASTER}/cgroup", "1:name=systemd:/x\n4:cpu,memory:/nginx\n0::/x")
    host.write("cgroup/memory/nginx/memory.limit_in_bytes", 300_000)
    host.write("cgroup/memory/nginx/memory.usage_in_bytes", 100_000)
    host.write("cgroup/memory/nginx/memory.stat", "inactive_file 4\ntotal_inactive_file 5")
    assert host.available == 200_005


def test_a_host_that_does_not_tell_is_not_judged(host: Host) -> None:
    host.write("proc/meminfo", "")
    assert memory.memory(MASTER, 10) is None
