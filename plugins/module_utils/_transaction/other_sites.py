# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option `compared` of modules, as plugins/doc_fragments/other_sites.py documents it, and what comes of it."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible_collections.wsfleet.nginx.plugins.module_utils import _certificates
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import binary, neighbours, sharing
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import journal

_LISTEN = {
    "address": {"type": "str", "required": True},
    "default": {"type": "bool", "default": False},
    "http2": {"type": "bool", "default": False},
    "options": {"type": "list", "elements": "str", "default": []},
    "proxy_protocol": {"type": "bool", "default": False},
    "ssl": {"type": "bool", "default": False},
}
_SERVER = {
    "at": {"type": "str", "required": True},
    "names": {"type": "list", "elements": "str", "default": []},
    "listens": {"type": "list", "elements": "dict", "required": True, "options": _LISTEN},
}
_UPSTREAM = {name: {"type": "str", "required": True} for name in ("at", "name", "zone")}
SPEC: dict[str, t.Any] = {
    "type": "dict",
    "options": {
        "ca_file": {"type": "path"},
        "hashes": {"type": "dict", "default": {}},
        "replaces": {"type": "list", "elements": "path", "default": []},
        "servers": {"type": "list", "elements": "dict", "default": [], "options": _SERVER},
        "upstreams": {"type": "list", "elements": "dict", "default": [], "options": _UPSTREAM},
    },
}


def found(build: binary.Build, params: t.Mapping[str, t.Any]) -> sharing.Sharing:
    """What a configuration shares with other sites, given the module's options."""
    path, kept, compared = Path(params["config_path"]), journal.Journal(params["live_address"]), params["compared"]
    kept.take_over([path], params.get("serves", ()))
    gateways = {file: other.live_address for other in kept.others() for file in other.files}
    # After its record was lost, too.
    moved = [file for file in build.root.glob(f"*/*{sharing.moved_name(path)}.*") if str(file) not in gateways]
    own = [path, *moved, *map(Path, kept.deployed().files), *map(Path, compared["replaces"])]
    others = neighbours.Neighbours(build.configuration, own)
    wanted = sharing.Wanted(path, compared["servers"], compared["upstreams"], compared["hashes"])
    found_there = sharing.found(others, wanted, build.version, gateways)
    ca_file = compared["ca_file"] and _certificates.ca_file(compared["ca_file"])
    found_there.ca_file = None if ca_file == compared["ca_file"] else ca_file
    return found_there


def deployed_file(kept: journal.Journal, usual: Path) -> Path:
    """The file of a configuration: the usual one, or where the last deploy wrote it to come after other sites."""
    try:
        files = map(Path, kept.deployed().files)
    except PermissionError:
        return usual
    return next((path for path in files if path.stem.endswith(sharing.moved_name(usual))), usual)
