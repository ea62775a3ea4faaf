# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures what the model costs in seconds of one core, in Ansible's template engine, and a template without checks.

The template is written by hand for the same variables and prints the same upstreams and sites. Both run several times
in turn, and the result is the fastest run of each.
"""

from __future__ import annotations

import sys
import time
import typing as t
from pathlib import Path

from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar, trust_as_template
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = (ROOT / "roles/websockets/templates/websockets.conf.j2").read_text().split("\n", 1)[1]
MODEL = (
    "{{ {'websockets_upstreams': upstreams, 'websockets_sites': sites}"
    " | wsfleet.nginx.gateway_model(groups, hostvars) }}"
)
BY_HAND = """
{% for upstream in upstreams %}
upstream {{ upstream.name }} {
    zone {{ upstream.name }} 64k;
    least_conn;
{% for server in upstream.servers %}
    server {{ server }};
{% endfor %}
    keepalive 32;
}
{% endfor %}
{% for site in sites %}
server {
    listen {{ site.listen }};
    server_name {{ site.server_name }};
{% for location in site.locations %}
    location {{ location.path }} {
        proxy_pass http://{{ location.upstream }};
        proxy_http_version 1.1;
        proxy_set_header Host $host$websocket_port;
        proxy_set_header X-Real-IP $remote_addr;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_set_header Upgrade $websocket_upgrade;
        proxy_set_header Connection $websocket_connection;
        proxy_read_timeout 1h;
    }
{% endfor %}
}
{% endfor %}
"""
# The same, with the servers of each upstream from an inventory group.
BY_HAND_FROM_GROUP = BY_HAND.replace(
    "{% for server in upstream.servers %}\n    server {{ server }};",
    "{% for host in groups[upstream.group] | sort %}\n"
    "    server {{ hostvars[host].ansible_host }}:{{ upstream.port }};",
)
RUNS = 5

Variables = t.Dict[str, t.Any]


def many_sites(count: int, servers: int) -> Variables:
    return {
        "upstreams": [
            {"name": f"upstream{i}", "servers": [f"10.{i // 250}.{i % 250}.{j + 1}:3000" for j in range(servers)]}
            for i in range(count)
        ],
        "sites": [
            {
                "server_name": f"site{i}.example.com",
                "listen": 8080,
                "locations": [{"path": "/", "upstream": f"upstream{i}"}],
            }
            for i in range(count)
        ],
        "groups": {},
        "hostvars": {},
    }


def large_group(count: int) -> Variables:
    """One upstream, of the hosts of a real inventory."""
    loader = DataLoader()
    inventory = InventoryManager(loader=loader, sources=["localhost,"])
    inventory.add_group("backends")
    for i in range(count):
        inventory.add_host(f"backend{i:04}", group="backends")
        inventory.get_host(f"backend{i:04}").set_variable("ansible_host", f"10.0.{i // 250}.{i % 250 + 1}")
    variables = VariableManager(loader=loader, inventory=inventory)
    return {
        "upstreams": [{"name": "upstream0", "group": "backends", "port": 3000}],
        "sites": many_sites(1, 0)["sites"],
        "groups": inventory.get_groups_dict(),
        "hostvars": HostVars(inventory, variables, loader),
    }


def rendered(template: str, variables: Variables) -> str:
    return str(Templar(loader=DataLoader(), variables=variables).template(trust_as_template(template)))


def ours(variables: Variables) -> str:
    model = Templar(loader=DataLoader(), variables=variables).template(trust_as_template(MODEL))
    if model["errors"]:
        sys.exit("\n".join(model["errors"]))
    return rendered(TEMPLATE, {"__websockets_model": model, "ansible_managed": "Ansible managed"})


def fastest(*cases: t.Callable[[], object]) -> list[float]:
    best = [float("inf")] * len(cases)
    for _run in range(RUNS):
        for number, case in enumerate(cases):
            start = time.process_time()
            case()
            best[number] = min(best[number], time.process_time() - start)
    return best


def lines(text: str) -> set[str]:
    return {line.strip() for line in text.splitlines() if line.strip().startswith(("server ", "server_name", "proxy"))}


def main() -> None:
    init_plugin_loader([])
    print(f"{'seconds of one core, best of ' + str(RUNS):40}  {'checked':>8}  {'by hand':>8}  ratio")
    for name, variables, by_hand in (
        ("500 sites, 500 upstreams of 10", many_sites(500, 10), BY_HAND),
        ("1000 sites, 1000 upstreams of 10", many_sites(1000, 10), BY_HAND),
        ("1 site, 1 upstream of 2000 from a group", large_group(2000), BY_HAND_FROM_GROUP),
    ):
        if not lines(rendered(by_hand, variables)) <= lines(ours(variables)):
            sys.exit(f"{name}: the files differ, so their times cannot be compared")
        checked, plain = fastest(lambda: ours(variables), lambda: rendered(by_hand, variables))  # noqa: B023
        print(f"{name:40}  {checked:8.2f}  {plain:8.2f}  {checked / plain:5.1f}")


if __name__ == "__main__":
    main()
