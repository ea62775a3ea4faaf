# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nginx says."""

from __future__ import annotations

from ansible_collections.wsfleet.nginx.plugins.module_utils import nginx

# The first as nginx.org's build prints it, the second as Debian's, the third from an error log.
OUTPUT = """\
nginx: [emerg] unknown directive "foo" in /etc/nginx/nginx.conf:1
2026/11/21 01:35:32 [warn] 31173#31173: conflicting server name "localhost" on 0.0.0.0:80, ignored
2026/11/21 01:35:33 [error] 31173#31173: *17 connect() failed (111: Connection refused) while connecting to upstream
nginx: configuration file /etc/nginx/nginx.conf test failed
"""


def test_messages_are_the_same_whatever_build_prints_them() -> None:
    assert nginx.messages(OUTPUT) == [
        '[emerg] unknown directive "foo" in /etc/nginx/nginx.conf:1',
        '[warn] conflicting server name "localhost" on 0.0.0.0:80, ignored',
        "[error] connect() failed (111: Connection refused) while connecting to upstream",
    ]
