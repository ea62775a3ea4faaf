# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which addresses are those of this host."""

from __future__ import annotations

import socket

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.local_address import is_elsewhere


@pytest.mark.parametrize(
    ("address", "elsewhere"),
    [
        *(("127.0.0.1", False), ("127.0.0.9", False), ("::1", False), ("::ffff:127.0.0.1", False)),
        # Of the networks for documentation (RFC 5737, RFC 3849), and one that each link has.
        *(("203.0.113.7", True), ("2001:db8::7", True), ("fe80::7", False)),
        *(("localhost", False), ("unix", False), ("", False)),
    ],
)
def test_an_address_is_on_this_host_or_elsewhere(address: str, elsewhere: bool) -> None:
    assert is_elsewhere(address) is elsewhere


def test_where_the_kernel_does_not_tell_an_address_is_taken_for_one_of_this_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(*_arguments: object) -> None:
        raise PermissionError

    monkeypatch.setattr(socket, "socket", refused)
    assert not is_elsewhere("203.0.113.7")
