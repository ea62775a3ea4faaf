# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two configurations compared under a real nginx, where there is one and the kernel lets tests have namespaces."""

from __future__ import annotations

import functools
import os
import shutil
import tempfile
import typing as t
from pathlib import Path

import pytest
from ansible_collections.wsfleet.nginx.plugins.module_utils._compare import sandbox
from ansible_collections.wsfleet.nginx.plugins.module_utils._compare.comparison import Result, compare
from ansible_collections.wsfleet.nginx.plugins.module_utils._compare.exchange import Request

ROOT = Path(__file__).resolve().parents[2]
# As tests/nginx.sh has it, where none is installed.
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin") or str(ROOT / ".cache/nginx/usr/sbin/nginx")


@functools.lru_cache(maxsize=1)
def has_namespaces() -> bool:
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            sandbox.enter()
            sandbox.connect_all_addresses()
            status = 0
        finally:
            os._exit(status)
    return os.waitpid(pid, 0)[1] == 0


needs_nginx = pytest.mark.skipif(
    not Path(NGINX).exists() or not has_namespaces(), reason="needs nginx, which tests/nginx.sh fetches, and namespaces"
)


def compared_paths(before: Path, after: Path, requests: t.Sequence[Request] = ()) -> Result:
    with tempfile.TemporaryDirectory() as directory:
        return compare(before, after, requests, NGINX, Path(directory))


def compared(directory: Path, before: str, after: str) -> Result:
    """Of two texts that belong into the http block."""
    paths = directory / "before.conf", directory / "after.conf"
    for path, text in zip(paths, (before, after), strict=True):
        path.write_text(text)
    return compared_paths(*paths)
