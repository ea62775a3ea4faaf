# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the file of a configuration is."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import journal, other_sites

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
