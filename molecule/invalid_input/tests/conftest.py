# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host that must not change, and what is in its way."""

from __future__ import annotations

import typing as t

import pytest
import testinfra

# Everything but what apt keeps about the packages that it could install.
FILES = r"find /etc /usr /var -xdev -type f -not -path '/var/lib/apt/*' -not -path '/var/cache/*' \
    -not -path '/var/log/*' -printf '%p %s %T@\n' | sort"


@pytest.fixture(scope="session")
def console() -> t.Any:
    return testinfra.get_host("podman://invalid_input-gateway")


@pytest.fixture
def unchanged(console: t.Any) -> t.Iterator[None]:
    """The test must leave the host's packages and files as they were."""
    before = console.check_output("dpkg-query --show"), console.check_output(FILES).splitlines()
    yield
    after = console.check_output("dpkg-query --show"), console.check_output(FILES).splitlines()
    assert after == before


@pytest.fixture
def squatter(console: t.Any) -> t.Iterator[None]:
    """Another program on port 3000 and on a Unix socket."""
    console.check_output("systemd-run --unit=squatter python3 -m http.server 3000")
    console.check_output(
        "systemd-run --unit=squatter-unix python3 -c "
        "'import socket, time; s = socket.socket(1); s.bind(\"/run/held.sock\"); s.listen(); time.sleep(600)'"
    )
    console.check_output(
        "timeout 10 sh -c 'until test -S /run/held.sock && ss -ltn | grep -q :3000; do sleep 0.1; done'"
    )
    yield
    console.check_output("systemctl stop squatter squatter-unix; rm -f /run/held.sock")
