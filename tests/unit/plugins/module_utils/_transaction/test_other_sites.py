# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the file of a configuration is."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx.binary import Build
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import journal, other_sites

LISTEN = {"address": "80", "default": False, "http2": False, "options": [], "proxy_protocol": False, "ssl": False}
USUAL = "/etc/nginx/conf.d/00-websockets.conf"


@pytest.mark.parametrize(
    ("usual", "recorded", "found"),
    [
        (USUAL, [], USUAL),
        (USUAL, [USUAL], USUAL),
        (USUAL, ["/etc/nginx/sites-enabled/zz-websockets.conf"], "/etc/nginx/sites-enabled/zz-websockets.conf"),
        (USUAL, ["/etc/nginx/vhosts/zzz-websockets.vhost"], "/etc/nginx/vhosts/zzz-websockets.vhost"),
        # Another value of websockets_config_path, which is not deployed yet.
        ("/etc/nginx/conf.d/chat.conf", [USUAL], "/etc/nginx/conf.d/chat.conf"),
        ("/etc/nginx/conf.d/chat.conf", ["/etc/nginx/conf.d/zz-chat.conf"], "/etc/nginx/conf.d/zz-chat.conf"),
    ],
)
def test_the_file_is_where_the_last_deploy_wrote_it_to_come_after_others(
    tmp_path: Path, usual: str, recorded: list[str], found: str
) -> None:
    kept = journal.Journal("127.0.0.1:488", tmp_path)
    kept.set_deployed(journal.Deployed([], [], files=recorded))
    assert other_sites.deployed_file(kept, Path(usual)) == Path(found)


@pytest.mark.parametrize("replaces", [True, False])
def test_a_file_whose_place_a_configuration_takes_is_no_other_site(tmp_path: Path, replaces: bool) -> None:
    main, chat = tmp_path / "nginx.conf", tmp_path / "chat"
    main.write_text(f"http {{ include {chat}; }}")
    chat.write_text("server { listen 80; server_name a.example; }")
    server = {"at": "websockets_sites[0]", "names": ["a.example"], "listens": [LISTEN]}
    compared: dict[str, object] = {"ca_file": None, "hashes": {}, "servers": [server], "upstreams": []}
    compared["replaces"] = [str(chat)] if replaces else []
    params = {"config_path": str(tmp_path / "a.conf"), "live_address": "127.0.0.1:488", "compared": compared}
    build = Build("/usr/sbin/nginx", "1.26.3", None, main, None, None)
    assert bool(other_sites.found(build, params).errors) is not replaces
