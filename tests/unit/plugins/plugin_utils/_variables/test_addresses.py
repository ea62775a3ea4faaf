# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where nginx listens, and whom it believes."""

from __future__ import annotations

import typing as t

import pytest
from modelling import UPSTREAM, errors_of, server_of, site, sound


@pytest.mark.parametrize(
    ("one", "other"),
    [(80, "*:80"), ("80", "0.0.0.0:80"), ("[::1]:80", "[0:0::1]:80"), ("unix:/run/a", "unix:/run/a")],
)
def test_an_address_is_the_same_in_every_spelling(one: t.Any, other: t.Any) -> None:
    (error,) = errors_of([UPSTREAM], [site(listen=one), site(listen=other)])
    assert error.endswith("is already served by websockets_sites[0]")
    (error,) = errors_of([UPSTREAM], [site(listen=[one, other])])
    assert error.endswith("is listed more than once")


@pytest.mark.parametrize(
    "network", ["10.0.0.1", "10.0.0.0/8", "10.0.0.0/32", "2001:db8::/32", "2001:db8::1", "::ffff:10.0.0.1", "unix:"]
)
def test_addresses_and_networks_of_load_balancers_are_believed(network: str) -> None:
    lines = server_of(sound([UPSTREAM], [site(set_real_ip_from=network)]))
    assert f"set_real_ip_from {network};" in lines


EVERYBODY = "trusts every client to name another address as its own"
NETWORK = "is not an address or a network"
NONE = f"{NETWORK}: 10.0.0.0/8, 2001:db8::1 or unix:"


@pytest.mark.parametrize(
    ("network", "error"),
    [
        ("0.0.0.0/0", f"'0.0.0.0/0' {EVERYBODY}"),
        ("::/0", f"'::/0' {EVERYBODY}"),
        ("10.0.0.1/8", f"'10.0.0.1/8' {NETWORK}: 10.0.0.0/8 is one"),
        ("2001:db8::1/32", f"'2001:db8::1/32' {NETWORK}: 2001:db8::/32 is one"),
        ("10.0.0.0/33", f"'10.0.0.0/33' {NONE}"),
        ("10.0.0.0/255.0.0.0", f"'10.0.0.0/255.0.0.0' {NONE}"),
        ("10.0.0.0/0.255.255.255", f"'10.0.0.0/0.255.255.255' {NONE}"),
        ("fe80::1%eth0", f"'fe80::1%eth0' {NONE}"),
        ("[2001:db8::1]", f"'[2001:db8::1]' {NONE}"),
        ("lb.example", f"'lb.example' {NONE}"),
        ("unix:/run/a", f"'unix:/run/a' {NONE}"),
        ("", f"'' {NONE}"),
        (1, "must be a string, not an integer (1)"),
    ],
)
def test_others_are_not(network: t.Any, error: str) -> None:
    place = "websockets_sites[0].set_real_ip_from"
    assert errors_of([UPSTREAM], [site(set_real_ip_from=network)]) == [f"{place}: {error}"]
    assert errors_of([UPSTREAM], [site(set_real_ip_from=["10.0.0.1", network])]) == [f"{place}[1]: {error}"]


def test_at_least_one_is_believed_where_anybody_is() -> None:
    assert errors_of([UPSTREAM], [site(set_real_ip_from=[])]) == [
        "websockets_sites[0].set_real_ip_from: must not be empty: list the addresses of the load balancers"
    ]
