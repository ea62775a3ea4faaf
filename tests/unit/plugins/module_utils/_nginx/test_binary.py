# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nginx says."""

from __future__ import annotations

import os
import signal
import subprocess
import typing as t
from contextlib import contextmanager
from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import binary
from waiting import wait_until

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


@contextmanager
def master(*workers: str) -> t.Iterator[int]:
    """A process with children, all with the titles that nginx gives to its own."""
    children = "".join(f"(exec -a 'nginx: {worker}' sleep 60) & " for worker in workers)
    command = f"exec -a 'nginx: master process nginx' bash -c \"{children}wait\""
    with subprocess.Popen(["bash", "-c", command], start_new_session=True) as process:
        try:
            wait_until(lambda: len(titles(process.pid)) == len(workers), "all processes have their titles")
            yield process.pid
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def titles(pid: int) -> list[str]:
    """Of the children that have theirs already."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    found = [Path(f"/proc/{child}/cmdline").read_text() for child in children]
    return [title for title in found if title.startswith("nginx: worker")]


@pytest.mark.parametrize(
    ("workers", "accepting", "is_stopping"),
    [
        (["worker process"], 1, False),
        # A reload: those of the old configuration have open sockets.
        (["worker process is shutting down", "worker process", "worker process"], 2, False),
        # A stop.
        (["worker process is shutting down"], 0, True),
        # It has just started.
        ([], 0, False),
    ],
)
def test_a_master_is_being_stopped_where_all_its_workers_are_shutting_down(
    workers: list[str], accepting: int, is_stopping: bool
) -> None:
    with master("worker process"), master("worker process is shutting down"), master(*workers) as pid:
        assert len(binary.accepting_workers(pid)) == accepting
        assert binary.is_stopping(pid) == is_stopping
