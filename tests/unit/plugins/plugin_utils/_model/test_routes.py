# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the locations of a gateway lead."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._model.routes import Route
from modelling import PATHS, UPSTREAM, location, proxied, secure, site, sound, upstream


def routes(*sites: t.Any, upstreams: t.Any = (UPSTREAM,)) -> list[Route]:
    return sound(list(upstreams), list(sites))["routes"]


def test_a_route_leads_to_an_upstream_or_says_where_else() -> None:
    others: dict[str, dict[str, t.Any]] = {
        "/a": {"proxy_pass": "http://WS-backend/x"},
        "/b": {"proxy_pass": "https://10.0.0.1:8443"},
        "/c": {"root": "/srv/www"},
        "/d": {"return": 404},
        "/e": {"upstream": "ws-backend", "probe": False},
    }
    found = routes(site(locations=[location(), *(proxied(path=path, **keys) for path, keys in others.items())]))
    assert [(route["path"], route["upstream"], route["target"]) for route in found] == [
        ("/", "ws-backend", ""),
        # To nginx the case makes no difference.
        ("/a", "ws-backend", ""),
        ("/b", None, "https://10.0.0.1:8443"),
        ("/c", None, "files in /srv/www"),
        ("/d", None, "answers 404"),
        ("/e", "ws-backend", ""),
    ]
    assert found[0]["site"] == "ws.serverlab.ca"
    assert [route["at"] for route in found] == [f"websockets_sites[0].locations[{number}]" for number in range(6)]


@pytest.mark.parametrize(
    ("listen", "outside"),
    [
        (3000, "3000"),
        ("0.0.0.0:3000", "3000"),
        ("[::]:3000", "3000"),
        ("192.0.2.1:3000", "192.0.2.1:3000"),
        ("[2001:db8::1]:3000", "[2001:db8::1]:3000"),
        ("127.0.0.1:3000", None),
        ("[::1]:3000", None),
        ("unix:/run/ws.sock", None),
        # The probe goes by the first one.
        (["127.0.0.1:3000", 3001], None),
    ],
)
def test_other_hosts_reach_a_route_where_its_site_listens(listen: t.Any, outside: str | None) -> None:
    (found,) = routes(site(listen=listen))
    assert found["outside"] == outside


def test_a_route_that_wants_the_gateways_own_certificate_cannot_be_asked_from_elsewhere() -> None:
    probe = {**PATHS, "path": "/x"}
    (found,) = routes(secure(ssl_client_certificate="/ca.pem", locations=[location(probe=probe)]))
    assert found["outside"] is None


def test_gateways_with_the_same_text_have_the_same_digest() -> None:
    one = sound([UPSTREAM], [site()])
    assert one["digest"] == sound([UPSTREAM], [site()], websockets_capacity=9999)["digest"]
    others = [
        sound([upstream(balance="least_conn")], [site()]),
        sound([UPSTREAM], [site(listen=3001)]),
        sound([UPSTREAM], [site(allowed_origins=["https://a.example"])]),
        sound([UPSTREAM], [site(server_name=["a.example"])]),
    ]
    assert len({model["digest"] for model in [one, *others]}) == 5
