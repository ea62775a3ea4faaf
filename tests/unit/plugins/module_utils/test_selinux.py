# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's and semanage's files in the form that RHEL has them; no SELinux runs."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils import _selinux

# What `semanage port --list --noheading` prints.
LISTING = """\
http_cache_port_t              tcp      8080, 8118, 8123, 10001-10010
http_cache_port_t              udp      3130
http_port_t                    tcp      80, 81, 443, 488, 8000-8010, 8443, 9000
http_port_t                    udp      80, 443, 3000
ntop_port_t                    tcp      3000-3001
"""


class Host(t.NamedTuple):
    kernel: Path
    store: Path

    def semanage(self, listing: str) -> None:
        program = self.kernel.parent / "semanage"
        program.write_text(f"#!/bin/sh\ncat <<'END'\n{listing}END\n")
        program.chmod(0o755)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    """One that enforces its policy, and has no semanage."""
    kernel, store = tmp_path / "kernel", tmp_path / "store"
    (kernel / "booleans").mkdir(parents=True)
    (kernel / "enforce").write_text("1")
    (kernel / "booleans/httpd_can_network_connect").write_text("0 0")
    monkeypatch.setattr(_selinux, "_KERNEL", kernel)
    monkeypatch.setattr(_selinux, "_STORE", store)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    return Host(kernel, store)


def test_it_enforces_only_with_a_kernel_that_says_so_and_no_exception_for_nginx(host: Host) -> None:
    assert _selinux.enforces()
    (host.kernel / "enforce").write_text("0")
    assert not _selinux.enforces()
    (host.kernel / "enforce").write_text("1")
    (host.store / "targeted/active/modules/400/permissive_httpd_t").mkdir(parents=True)
    assert not _selinux.enforces()
    (host.kernel / "enforce").unlink()
    assert not _selinux.enforces()


def test_the_errors_are_commands_to_type(host: Host) -> None:
    host.semanage(LISTING)
    assert list(_selinux.missing([3000, 8080, 443, 488, 8005], connects=True).errors()) == [
        "SELinux does not let nginx listen on ports 3000, 8080: run `semanage port -a -t http_port_t -p tcp 3000`, "
        "`semanage port -m -t http_port_t -p tcp 8080`",
        "SELinux does not let nginx connect to servers: run `setsebool -P httpd_can_network_connect on`",
    ]


def test_without_semanage_the_ports_are_those_of_the_policy(host: Host) -> None:
    (host.kernel / "booleans/httpd_can_network_connect").write_text("1 1")
    assert list(_selinux.missing([3000, 443, 8443], connects=True).errors()) == [
        "SELinux does not let nginx listen on port 3000: run `semanage port -a -t http_port_t -p tcp 3000` (from the "
        "package policycoreutils-python-utils)"
    ]


@pytest.mark.parametrize(("value", "connects"), [("1 1", True), ("0 0", False), (None, True)])
def test_the_boolean_is_asked_for_only_if_it_is_off_and_nginx_connects(
    host: Host, value: str | None, connects: bool
) -> None:
    boolean = host.kernel / "booleans/httpd_can_network_connect"
    boolean.write_text(value) if value else boolean.unlink()
    host.semanage(LISTING)
    assert list(_selinux.missing([80], connects=connects).errors()) == []
