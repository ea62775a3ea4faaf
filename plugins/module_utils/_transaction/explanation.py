# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx's messages, each with the operator's variable behind it and what to do."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.wsfleet.nginx.plugins.module_utils import _host
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import binary
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import source_map
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction.goal import Goal

_TAKEN = re.compile(r"bind\(\) to \S+:(\d+) failed \(98:")
_DUPLICATE = re.compile(r'"worker_\w+" directive is duplicate')


def explained(messages: t.Sequence[str], build: binary.Build, goal: Goal, master: int | None) -> list[str]:
    found = list(messages)
    for path, content in goal.own.items():
        text = content.data.decode("utf-8", "replace") if content else ""
        found = source_map.explained(found, path, text, goal.source(path))
        found = source_map.repeated(found, path, text, goal.source(path))
    found = source_map.bound(found, goal.listening)
    for path in goal.secrets:
        found = source_map.named(found, path, goal.source(path))
    if build.configuration in goal.beside and any(map(_DUPLICATE.search, messages)):
        found.append(
            f"This deploy sets it in {build.configuration}: remove it from the other file, or set "
            "websockets_manage_nginx_conf: false."
        )
    ports = dict.fromkeys(int(taken.group(1)) for taken in map(_TAKEN.search, messages) if taken)
    return [*found, *(_held(port, master) for port in ports)]


def _held(port: int, master: int | None) -> str:
    """Who listens on a port that nginx could not take."""
    listening = list(_host.listening(port))
    holders = [str(program) for program in listening if program.name != "nginx"]
    if any(program.pid == master for program in listening):
        # On *:80, say, and now on 192.0.2.1:80 as well: it opens new sockets before it closes old ones.
        return "nginx itself listens on that port for another address: remove that in a deploy of its own first."
    return f"Port {port} is in use by {', '.join(holders) or _host.UNSEEN}: stop it, or set another port."
