# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nginx would reject beside other sites, or take from them, is an error before anything changes."""

from __future__ import annotations

import re

from gateway import Gateway, gateways, group_variables
from playbook import site

LOCATIONS = [{"path": "/", "upstream": "app-backend"}]
CONFLICTS = {
    "websockets_upstreams": [{"name": "app-backend", "servers": ["127.0.0.1:9001"]}],
    "websockets_sites": [
        {"server_name": "www.app.example", "listen": [8080, 3000], "allowed_origins": "*", "locations": LOCATIONS},
        {"server_name": "b.example", "listen": [443, "127.0.0.1:8080"], "allowed_origins": "*", "locations": LOCATIONS},
        {"server_name": "c.example", "listen": "[::]:443 backlog=9", "allowed_origins": "*", "locations": LOCATIONS},
    ],
}


def test_all_conflicts_are_told_with_both_places() -> None:
    files = {gateway: gateway.path(gateway.configuration).read_bytes() for gateway in gateways()}
    run = site(CONFLICTS)
    assert run.failed
    for gateway in gateways():
        app = "sites-enabled/app" if gateway.name == "gateway-debian" else "conf.d/my-app.conf"
        told = re.sub(rf"/etc/nginx/{app}:[0-9]+", "APP", run.message(gateway.name)).splitlines()[1:]
        assert told == [
            "websockets_sites[1].listen: 443 has no ssl, but has it at APP; it holds for the whole address",
            "websockets_sites[1].listen: 127.0.0.1:8080 takes this address from APP, which listens on 0.0.0.0:8080; "
            "listen on 8080 here",
            "websockets_sites[2].listen: [::]:443 has no ssl, but has it at APP; it holds for the whole address",
            "websockets_sites[2].listen: the options of [::]:443 are already given at APP (ipv6only=on), and nginx "
            "accepts them once; remove backlog=9 here, or the others there",
            "websockets_sites[0]: 'www.app.example' on 8080 is already served by APP; remove it there or here",
            "websockets_upstreams[0].name: 'app-backend' is already an upstream at APP; choose another name",
        ]
        assert gateway.path(gateway.configuration).read_bytes() == files[gateway]


def test_another_gateway_on_the_same_port_is_told_as_one() -> None:
    sites = group_variables()["websockets_sites"]
    second = {"websockets_config_path": "/etc/nginx/conf.d/second.conf", "websockets_status_listen": "127.0.0.1:489"}
    run = site({**second, "websockets_sites": [{**sites[0], "server_name": "b.example", "listen": 3000}]})
    assert run.failed
    for gateway in gateways():
        assert "websockets_sites[0].listen: 3000 is already used by another gateway of this host, in" in run.message(
            gateway.name
        )
        assert f"{gateway.configuration}:" in run.message(gateway.name)


def test_nginx_itself_rejects_them(gateway: Gateway) -> None:
    """So that the errors are not about what it would accept."""
    candidates = {
        "duplicate upstream": "upstream app-backend { server 127.0.0.1; }",
        "duplicate listen options": "server { listen [::]:443 ssl backlog=9; }",
        "directive is duplicate": "map_hash_bucket_size 64;",
    }
    for reason, text in candidates.items():
        path = f"{gateway.configuration.rpartition('/')[0]}/zzz-candidate.conf"
        gateway.path(path).write_text(text)
        try:
            assert reason in gateway.console.run("nginx -t").stderr
        finally:
            gateway.path(path).unlink()
