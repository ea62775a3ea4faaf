# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The probes of routes as modules and targets of Prometheus' blackbox_exporter."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.http_header import accept_value
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.request import Request, Target, target_of
from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.routes import NO_BACKEND, NOT_PASSED_ON

_TIMEOUT = "5s"
# The exporter sends a constant one: it cannot compute the accept value.
_KEY = "d3NmbGVldCBibGFja2JveA=="
# As the probe of a plain route: any status but those with which nginx says that it did not pass the request on.
_ANY_STATUS = sorted({*range(200, 600)} - {*NO_BACKEND, *NOT_PASSED_ON})

Probe = t.Mapping[str, t.Any]


@dataclass
class Blackbox:
    """What the exporter reads, and what Prometheus reads by file_sd_configs."""

    # Whether to use its own prober of that name, which few versions have.
    websocket: bool
    modules: dict[str, dict[str, t.Any]] = field(default_factory=dict)
    targets: list[dict[str, t.Any]] = field(default_factory=list)

    def add(self, gateway: str, probe: Probe) -> None:
        """Add a probe of a gateway, which connects to an address."""
        target, headers = _request(probe)
        if not probe["websocket"]:
            module, scheme = _http(probe, target, headers), "https" if target.secure else "http"
        elif self.websocket:
            module, scheme = _websocket(probe, target, headers), "wss" if target.secure else "ws"
        else:
            module, scheme = _tcp(probe, target, headers), ""
        address = probe["connect_to"]
        self.targets.append(
            {
                "targets": [f"{scheme}://{address}{target.resource}" if scheme else address],
                "labels": {
                    "__param_module": self._named(gateway, probe, module),
                    "gateway": gateway,
                    "site": probe["site"],
                    "path": probe["path"],
                },
            }
        )

    def _named(self, gateway: str, probe: Probe, module: dict[str, t.Any]) -> str:
        """The name of the module; gateways whose routes are alike share one."""
        route = f"{probe['site']} {probe['path']}"
        for name in (route, f"{route} on {gateway}"):
            if self.modules.setdefault(name, module) == module:
                return name
        # Several sites of the gateway have the name, at addresses of their own.
        name = f"{route} on {gateway}, {probe['at']}"
        self.modules[name] = module
        return name


def _request(probe: Probe) -> tuple[Target, dict[str, str]]:
    given = {name: str(value) for name, value in (probe.get("headers") or {}).items()}
    target = target_of(Request(url=probe["url"], connect_to=probe["connect_to"], headers=given))
    headers = {"Host": target.host_header, **{name: value for name, value in given.items() if name.lower() != "host"}}
    if probe["origin"]:
        headers["Origin"] = probe["origin"]
    if probe["subprotocols"]:
        headers["Sec-WebSocket-Protocol"] = ", ".join(probe["subprotocols"])
    return target, headers


def _tls(target: Target) -> dict[str, t.Any]:
    # As verify.yml does: the route is probed, and the exporter has figures of the certificate.
    return {"tls_config": {"insecure_skip_verify": True, "server_name": target.host}} if target.secure else {}


def _http(probe: Probe, target: Target, headers: t.Mapping[str, str]) -> dict[str, t.Any]:
    return {
        "prober": "http",
        "timeout": _TIMEOUT,
        "http": {
            "follow_redirects": False,
            "headers": dict(headers),
            "valid_status_codes": _ANY_STATUS if probe["status"] is None else [probe["status"]],
            **_tls(target),
        },
    }


def _tcp(probe: Probe, target: Target, headers: t.Mapping[str, str]) -> dict[str, t.Any]:
    """A handshake over a connection: the prober http reads an open WebSocket until its server closes it."""
    fields = {
        **headers,
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": _KEY,
    }
    lines = [f"GET {target.resource} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return {
        "prober": "tcp",
        "timeout": _TIMEOUT,
        "tcp": {
            "query_response": [
                # It appends the last line feed, and compares what comes back line by line.
                {"send": "\r\n".join([*lines, "", ""])[:-1]},
                {"expect": r"^HTTP/1\.1 101 "},
                {"expect": rf"^(?i:sec-websocket-accept):[ \t]*{re.escape(accept_value(_KEY))}[ \t]*$"},
            ],
            **({"tls": True, **_tls(target)} if target.secure else {}),
        },
    }


def _websocket(probe: Probe, target: Target, headers: t.Mapping[str, str]) -> dict[str, t.Any]:
    exchange = [{"send": probe["send"]}] if probe["send"] is not None else []
    if probe["expect"] is not None:
        exchange.append({"expect": f"^{re.escape(probe['expect'])}$"})
    return {
        "prober": "websocket",
        "timeout": _TIMEOUT,
        "websocket": {
            "headers": {name: {"values": [value]} for name, value in headers.items()},
            **({"query_response": exchange} if exchange else {}),
            **({"http_config": _tls(target)} if target.secure else {}),
        },
    }
