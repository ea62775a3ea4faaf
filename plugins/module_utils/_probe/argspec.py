# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option `probes` of the modules that probe routes, as plugins/doc_fragments/probes.py documents it."""

from __future__ import annotations

import typing as t

from ansible_collections.wsfleet.nginx.plugins.module_utils._probe.routes import RULES

SPEC: dict[str, t.Any] = {
    "type": "list",
    "elements": "dict",
    "default": [],
    "options": {
        "at": {"type": "str"},
        "site": {"type": "str", "required": True},
        "path": {"type": "str", "required": True},
        "url": {"type": "str", "required": True},
        "connect_to": {"type": "str", "required": True},
        "websocket": {"type": "raw", "choices": [True, False, "required"], "required": True},
        "strict": {"type": "bool", "default": True},
        "rule": {"type": "str", "choices": list(RULES)},
        "variable": {"type": "str"},
        "refused_with": {"type": "list", "elements": "int", "default": []},
        "host": {"type": "str"},
        "status": {"type": "int"},
        "origin": {"type": "str"},
        "subprotocols": {"type": "list", "elements": "str", "default": []},
        "headers": {"type": "dict", "default": {}, "no_log": True},
        "send": {"type": "str"},
        "expect": {"type": "str"},
        "proxy_protocol": {"type": "bool", "default": False},
        "ssl_certificate": {"type": "path"},
        "ssl_certificate_key": {"type": "path", "no_log": False},
        "backends": {
            "type": "dict",
            "options": {
                "url": {"type": "str", "required": True},
                "addresses": {"type": "list", "elements": "str", "required": True},
                "forwarded": {"type": "dict", "default": {}},
                "headers": {"type": "dict", "default": {}, "no_log": True},
                "exact": {"type": "bool", "default": True},
                "header_size": {"type": "int", "default": 36864},
                "upstream": {"type": "str"},
                "origins": {"type": "list", "elements": "str", "default": []},
            },
        },
        "wait": {"type": "float", "default": 0},
    },
}
