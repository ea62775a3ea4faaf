# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is added to nginx's own messages."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils import _host
from ansible_collections.wsfleet.nginx.plugins.module_utils._host import Program
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx.binary import Build
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction.explanation import explained
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction.goal import Goal

BUILD = Build("nginx", "1.22.1", None, Path("/etc/nginx/nginx.conf"), None, None)
GOAL = Goal({}, {}, "127.0.0.1:488", listening={"127.0.0.1:488": "websockets_status_listen"})
TAKEN = "[emerg] bind() to 127.0.0.1:488 failed (98: Address already in use)"
MASTER = Program(7, "nginx", "root")


@pytest.mark.parametrize(
    ("programs", "told"),
    [
        (
            [Program(12, "python3", "nobody"), Program(13, "python3", "nobody")],
            "Port 488 is in use by python3 (pid 12, user nobody), python3 (pid 13, user nobody): stop it, or set "
            "another port.",
        ),
        ([], "Port 488 is in use by a program that is not visible from here: stop it, or set another port."),
        ([MASTER], "nginx itself listens on that port for another address: remove that in a deploy of its own first."),
    ],
)
def test_who_holds_a_port_that_nginx_could_not_take_is_named_once(
    monkeypatch: pytest.MonkeyPatch, programs: list[Program], told: str
) -> None:
    monkeypatch.setattr(_host, "listening", lambda _port: iter(programs))
    assert explained([TAKEN, TAKEN], BUILD, GOAL, MASTER.pid) == [
        *[TAKEN, "That address is from websockets_status_listen."] * 2,
        told,
    ]
