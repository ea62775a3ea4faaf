# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils import _packages

DEBIAN = "ID=debian\nVERSION_ID=12\n"
UBUNTU = 'ID=ubuntu\nID_LIKE=debian\nVERSION_ID="24.04"\n'
ROCKY = 'NAME="Rocky Linux"\nID="rocky"\nID_LIKE="rhel centos fedora"\nPLATFORM_ID="platform:el9"\n'
AMAZON = 'ID="amzn"\nID_LIKE="fedora"\nPLATFORM_ID="platform:al2023"\n'
FEDORA = "ID=fedora\nPLATFORM_ID='platform:f43'\n"
EIGHT = ROCKY.replace("el9", "el8")


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> t.Callable[..., None]:
    def host(release: str | None, *programs: str) -> None:
        for name in ("dnf5", *programs):
            path = tmp_path / name
            path.symlink_to("dnf5") if name == "dnf" and release == FEDORA else path.touch(0o755)
        if release is not None:
            (tmp_path / "os-release").write_text(release)

    monkeypatch.setattr(_packages, "_OS_RELEASE", tmp_path / "os-release")
    monkeypatch.setenv("PATH", str(tmp_path))
    return host


@pytest.mark.parametrize(
    ("release", "programs", "manager"),
    [
        (DEBIAN, ["apt-get"], "apt"),
        (UBUNTU, ["apt-get"], "apt"),
        (ROCKY, ["dnf"], "dnf"),
        (AMAZON, ["dnf"], "dnf"),
        (FEDORA, ["dnf"], "dnf5"),
        # Those of both families, as for building packages.
        (DEBIAN, ["apt-get", "dnf"], "apt"),
        (ROCKY, ["apt-get", "dnf"], "dnf"),
        (None, ["apt-get", "dnf"], "apt"),
        ("ID=openEuler\n", ["dnf"], "dnf"),
        ("ID=alpine\n", [], None),
    ],
)
def test_the_package_manager_is_that_of_the_hosts_family(
    host: t.Callable[..., None], release: str | None, programs: list[str], manager: str | None
) -> None:
    host(release, *programs)
    assert _packages.manager() == manager
    assert (_packages.obstacle() is None) == (manager is not None)


def test_where_ansible_cannot_use_dnf_the_commands_are_named(host: t.Callable[..., None]) -> None:
    host(EIGHT, "dnf")
    assert _packages.obstacle() == (
        "nginx is not installed, and Ansible cannot use dnf on this release (8): install nginx yourself, with "
        "`dnf module enable nginx:1.24` and `dnf install nginx`, and run again"
    )
