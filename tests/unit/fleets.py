# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fleets as the playbook verify finds them: models of real variables, with results as the module returns them."""

from __future__ import annotations

import datetime
import json
import typing as t
from dataclasses import replace

from ansible_collections.wsfleet.nginx.plugins.filter.gateway_model import gateway_model
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report import survey
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report.build import Found, Run, report
from ansible_collections.wsfleet.nginx.plugins.plugin_utils._report.schema import Report
from jsonschema import Draft202012Validator
from rendering import ROOT

RUN = Run(datetime.datetime(2026, 1, 31, 3, 0, 0), ["/fleet/production"], "0.8.0")
REFUSED = "refused the connection: nothing listens there"
_CHECKED = 8
SCHEMA = Draft202012Validator(json.loads((ROOT / "docs/report.schema.json").read_text()))
BAD_GATEWAY = {
    "status": 502,
    "failure": "returned 502 Bad Gateway",
    "hint": f"probed directly: server01:3000 {REFUSED}",
}


NGINX: dict[str, t.Any] = {
    "master": 4711,
    "is_recorded": True,
    "version": "1.26.3",
    "is_replaced": False,
    "replaced": [],
    "package": "1.26.3-3+deb13u11",
    "installed_package": "1.26.3-3+deb13u11",
    "unguarded": [],
    "earlier_master": None,
    "orphans": 0,
    "generations": [],
    "memory": {"available": 4_000_000_000, "needed": 196_608_000},
    "pacer": True,
    "prober": None,
    "shortfalls": [],
    "is_enabled": True,
}


def model(upstreams: t.Any, sites: t.Any) -> dict[str, t.Any]:
    found = gateway_model({"websockets_upstreams": upstreams, "websockets_sites": sites}, {}, {})
    assert found["errors"] == []
    return found


def wide(sites: int = 1, routes: int = 10, servers: int = 10) -> dict[str, t.Any]:
    """A gateway with upstreams of so many servers, and so many routes of each site."""
    upstreams = [
        {
            "name": f"upstream{site}",
            "servers": [f"10.{site // 200}.{site % 200}.{n % 250}:{3000 + n}" for n in range(servers)],
        }
        for site in range(sites)
    ]
    named = [
        {
            "server_name": f"site{site}.example",
            "listen": 80,
            "locations": [{"path": f"/path{number}/", "upstream": f"upstream{site}"} for number in range(routes)],
        }
        for site in range(sites)
    ]
    return model(upstreams, named)


def probe_result(at: str, **keys: t.Any) -> dict[str, t.Any]:
    verified = {"status": 101, "verified": "handshake", "failure": "", "unverified": "", "hint": ""}
    verified.update(elsewhere=False, milliseconds=1.84, expires=None, valid_from=None)
    failed = {"verified": ""} if keys.get("failure") or keys.get("unverified") else {}
    return {"at": at, "site": "", "path": "", **verified, **failed, **keys}


def refusal_result(probe: t.Mapping[str, t.Any], **keys: t.Any) -> dict[str, t.Any]:
    status = probe["refused_with"][0]
    verified = {"status": status, "verified": f"refused with {status}", "failure": "", "unverified": ""}
    named = {"at": probe["variable"], **{key: probe[key] for key in ("site", "path", "rule")}}
    return {**named, **verified, "milliseconds": 1.1, **keys}


def server_result(address: str, state: str = "up", at: str = "websockets_sites[0].locations[0]") -> dict[str, t.Any]:
    failure = {
        "up": "",
        "refused": REFUSED,
        "timeout": "timed out after 3 s",
        "unexpected": "returned 403 Forbidden",
        "closed": "closed the connection before the response",
    }[state]
    status = {"up": 101, "unexpected": 403}.get(state)
    return {"at": at, "address": address, "state": state, "status": status, "failure": failure, "milliseconds": 1.2}


def healthy(name: str, of: t.Mapping[str, t.Any]) -> Found:
    """A gateway that serves all its routes."""
    result = {
        "probes": [probe_result(probe["at"]) for probe in of["probes"]],
        "refusals": [refusal_result(probe) for probe in of["refusals"]],
        "backends": [],
        "nginx_version": "1.26.3",
        "openssl_version": "3.5.1",
        "fingerprint": of["digest"],
        "file": "live",
        "drained": [],
        "connections": 1234,
        "holder": None,
        "nginx": NGINX,
        "certificates": [],
        "unfinished": None,
        "deploying": False,
        "out_of_rotation": False,
        "left_out": False,
    }
    return Found(name, of, result, [probe_result(probe["at"], milliseconds=2.5) for probe in of["probes"]])


def unreachable(name: str, of: t.Mapping[str, t.Any], message: str = "Connection timed out") -> Found:
    return replace(healthy(name, of), gateway={"unreachable": True, "msg": message})


def changed(found: Found, place: int | None = None, **keys: t.Any) -> Found:
    """The gateway with other results: of one route, or of the gateway as a whole."""
    result = dict(found.gateway)
    if place is None:
        return replace(found, gateway={**result, **keys})
    probes = list(result["probes"])
    probes[place] = probe_result(probes[place]["at"], **keys)
    return replace(found, gateway={**result, "probes": probes})


def with_nginx(found: Found, **keys: t.Any) -> Found:
    """The gateway with another condition of its nginx."""
    return changed(found, nginx={**NGINX, **keys})


def from_controller(found: Found, place: int, **keys: t.Any) -> Found:
    """The gateway with another result of one route from the controller."""
    probes = list(found.controller)
    probes[place] = probe_result(probes[place]["at"], **keys)
    return replace(found, controller=probes)


def probed(fleet: t.Sequence[Found], states: t.Mapping[str, str]) -> list[Found]:
    """The fleet with the states of its servers: those not in states are up."""
    plan = survey.servers_to_probe({found.name: found.model for found in fleet})
    return [
        changed(
            found,
            backends=[
                server_result(address, states.get(address, "up"), item["at"])
                for item in plan.get(found.name, ())
                for address in item["addresses"]
            ],
        )
        if "probes" in found.gateway
        else found
        for found in fleet
    ]


def reported(*fleet: Found) -> Report:
    """The report, which is as its JSON Schema says; to check a large one takes long."""
    made = report(fleet, RUN)
    if len(fleet) <= _CHECKED:
        SCHEMA.validate(json.loads(json.dumps(made)))
    return made


def troubled(gateways: int = 500) -> list[Found]:
    """A fleet with one of everything that can be wrong."""
    first = model(
        [
            {"name": "chat", "servers": [f"10.0.0.{n}:3000" for n in range(1, 7)]},
            {"name": "feed", "servers": [f"10.0.1.{n % 250}:{4000 + n}" for n in range(2000)]},
            {"name": "old", "servers": ["10.0.2.1:80", "10.0.2.2:80"]},
        ],
        [
            {
                "server_name": "chat.example",
                "listen": 80,
                "locations": [
                    {"path": "/", "upstream": "chat"},
                    {"path": "/api/", "upstream": "chat", "websocket": False},
                    {"path": "/health", "return": 200},
                ],
            },
            {
                "server_name": "feed.example",
                "listen": 80,
                "locations": [
                    *({"path": f"/v{n}/", "upstream": "feed"} for n in range(1, 6)),
                    {"path": "/old/", "upstream": "old"},
                ],
            },
            {
                "server_name": "admin.example",
                "listen": "127.0.0.1:8080",
                "locations": [{"path": "/", "upstream": "chat"}],
            },
        ],
    )
    names = [f"gateway{number:03}" for number in range(1, gateways + 1)]
    fleet = [healthy(name, first) for name in names]
    fleet = [replace(found, controller=found.controller[:-1]) for found in fleet]
    for number, found in enumerate(fleet):
        fleet[number] = changed(found, 8, **BAD_GATEWAY) if number % 2 else found
    fleet[2] = unreachable(names[2], first, "Failed to connect to the host via ssh: Connection timed out")
    fleet[4] = changed(fleet[4], fingerprint="b" * 64)
    fleet[6] = changed(fleet[6], file="edited")
    fleet[8] = changed(fleet[8], 0, expires="2026-02-03T12:00:00Z")
    fleet[10] = with_nginx(changed(fleet[10], nginx_version="1.22.1"), version="1.22.1")
    fleet[12] = from_controller(
        fleet[12], 0, status=None, failure="timed out after 5 s connecting to gateway013:80", milliseconds=None
    )
    fleet[14] = changed(fleet[14], drained=[{"name": "10.0.0.6", "address": "10.0.0.6:3000"}])
    old = {"workers": 2, "since": "2026-01-31T02:00:00Z", "sockets": 37, "bytes": 9_400_000}
    fleet[16] = with_nginx(fleet[16], generations=[old])
    fleet[18] = with_nginx(fleet[18], is_enabled=False)
    fleet[15] = changed(fleet[15], unfinished="2026-01-31 02:00:00 UTC")
    states = {
        "10.0.0.2:3000": "refused",
        "10.0.1.5:4005": "timeout",
        "10.0.2.1:80": "refused",
        "10.0.2.2:80": "refused",
    }
    return probed(fleet, states)
