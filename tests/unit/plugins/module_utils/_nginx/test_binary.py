# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nginx prints."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import binary

# The first as nginx.org's build prints it, the second as Debian's, the third from an error log.
OUTPUT = """\
nginx: [emerg] unknown directive "foo" in /etc/nginx/nginx.conf:1
2026/11/21 01:35:32 [warn] 31173#31173: conflicting server name "localhost" on 0.0.0.0:80, ignored
2026/11/21 01:35:33 [error] 31173#31173: *17 connect() failed (111: Connection refused) while connecting to upstream
nginx: configuration file /etc/nginx/nginx.conf test failed
"""


def test_messages_are_the_same_whatever_build_prints_them() -> None:
    assert binary.messages(OUTPUT) == [
        '[emerg] unknown directive "foo" in /etc/nginx/nginx.conf:1',
        '[warn] conflicting server name "localhost" on 0.0.0.0:80, ignored',
        "[error] connect() failed (111: Connection refused) while connecting to upstream",
    ]


@pytest.mark.parametrize(
    ("library", "version"),
    [
        ("built with OpenSSL 3.0.22 25 Aug 2026\n", "3.0.22"),
        # Debian 11's; letters come with versions before 3.0.
        ("built with OpenSSL 1.1.1w  11 Sep 2023\n", "1.1.1w"),
        ("built with OpenSSL 3.0.11 19 Sep 2023 (running with OpenSSL 3.0.15 3 Sep 2024)\n", "3.0.15"),
        ("built with OpenSSL 3.5.0-beta1 1 Apr 2025 (running with OpenSSL 3.5.0 8 Apr 2025)\n", "3.5.0"),
        ("built with OpenSSL 1.1.1w  11 Sep 2023 (running with LibreSSL 3.9.2)\n", None),
        ("built with LibreSSL 3.9.2\n", None),
        ("built with OpenSSL 1.1.1 (compatible; AWS-LC 1.29.0)\n", None),
        ("", None),
    ],
)
def test_the_openssl_that_nginx_runs_with_is_told(library: str, version: str | None) -> None:
    answer = (
        f"nginx version: nginx/1.22.1\nbuilt by gcc 12.2.0 (Debian 12.2.0-14)\n{library}TLS SNI support enabled\n"
        "configure arguments: --with-openssl=../openssl-3.9.9 --conf-path=/etc/nginx/nginx.conf\n"
    )
    assert binary.openssl_version(answer) == version


@pytest.mark.parametrize(
    ("text", "built_in", "user"),
    [
        ("user www-data;\nworker_processes auto;\n", "--user=nginx --group=nginx", ("www-data", "www-data")),
        ("# user root;\n  user  web  'clients';\n", "", ("web", "clients")),
        ('user "www-data";', "", ("www-data", "www-data")),
        # As in nginx.org's packages and, without options, in nginx's own sources.
        ("worker_processes auto;\n", "--user=nginx --group=web", ("nginx", "web")),
        ("worker_processes auto;\n", "--user=nginx", ("nginx", "nginx")),
        ("user_agent x;\n", "", ("nobody", "nobody")),
        (None, "", ("nobody", "nobody")),
    ],
)
def test_the_user_of_the_workers_is_that_of_nginx_conf_or_the_built_in_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, built_in: str, user: tuple[str, str]
) -> None:
    if text is not None:
        (tmp_path / "nginx.conf").write_text(text)
    printed = f"nginx version: nginx/1.26.3\nconfigure arguments: --conf-path={tmp_path}/nginx.conf {built_in}\n"
    monkeypatch.setattr(binary, "find_binary", lambda: "nginx")
    monkeypatch.setattr(binary, "run", lambda command: subprocess.CompletedProcess(command, 0, "", printed))
    assert binary.installed().user == user


def test_the_ports_of_each_file_are_read_from_what_nginx_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    printed = """\
# configuration file /etc/nginx/nginx.conf:
http { server { listen 8080; } server{listen 127.0.0.1:8081 ssl;}
    # listen 1;
}
# configuration file /etc/nginx/conf.d/a.conf:
    listen [::]:443 ssl;
    listen [::1];
    listen 192.0.2.1;
    listen "*:444";
    listen unix:/run/a.sock;
    listen 127.0.0.1:5000-5002;
"""

    def run(_command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess([], 0, printed, "")

    monkeypatch.setattr(binary, "run", run)
    build = binary.Build("nginx", "1.26.3", None, Path("/etc/nginx/nginx.conf"), None, None)
    assert binary.listens(build) == {
        "/etc/nginx/nginx.conf": {8080, 8081},
        "/etc/nginx/conf.d/a.conf": {443, 80, 444, 5000, 5001, 5002},
    }
