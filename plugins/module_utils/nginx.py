# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""nginx on this host: what was built in, whether it accepts a configuration, and which processes run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

# sbin is not on every user's PATH.
_SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])
_COMMAND_SECONDS = 60


class NginxError(Exception):
    """nginx is missing, or cannot be asked."""


@dataclass(frozen=True)
class Build:
    """An installed nginx: its binary, its version, and the paths that were built in."""

    binary: str
    version: str
    configuration: Path
    pid_file: Path
    error_log: Path

    @property
    def root(self) -> Path:
        """The directory that relative includes start from."""
        return self.configuration.parent


@dataclass(frozen=True)
class Verdict:
    """What nginx says of a configuration: its messages, a line each, and the files it read."""

    accepted: bool
    messages: list[str]
    files: list[str]


def find_binary() -> str | None:
    return shutil.which("nginx", path=_SEARCH_PATH)


def installed() -> Build:
    """Ask the installed nginx what it is; nginx -V answers on the standard error stream."""
    binary = find_binary()
    if binary is None:
        raise NginxError("nginx is not installed")
    answer = run([binary, "-V"]).stderr
    version = re.search(r"nginx version: \S*?/(\d+(?:\.\d+)+)", answer)
    if version is None:
        raise NginxError(f"{binary} -V does not tell its version: {answer.strip()[:200]!r}")
    return Build(
        binary=binary,
        version=version.group(1),
        configuration=_built_in(answer, "conf-path", "/etc/nginx/nginx.conf"),
        pid_file=_built_in(answer, "pid-path", "/run/nginx.pid"),
        error_log=_built_in(answer, "error-log-path", "/var/log/nginx/error.log"),
    )


def _built_in(answer: str, option: str, default: str) -> Path:
    found = re.search(rf"--{option}=(\S+)", answer)
    return Path(found.group(1) if found else default)


def test(build: Build, configuration: Path) -> Verdict:
    """Run nginx -T, which tests as nginx -t does and tells which files were read."""
    result = run([build.binary, "-T", "-q", "-c", str(configuration)])
    messages = [line for line in result.stderr.splitlines() if line.startswith("nginx: [")]
    files = re.findall(r"^# configuration file (.+):$", result.stdout, re.MULTILINE)
    return Verdict(accepted=result.returncode == 0, messages=messages, files=files)


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; a daemon it leaves behind holds none of its streams."""
    return subprocess.run(
        command,
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=_COMMAND_SECONDS,
    )


def master_pid(build: Build) -> int | None:
    """The process id of the running master, or None."""
    try:
        pid = int(_pid_file(build).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return pid if _command_line(pid).startswith("nginx: master") else None


def accepting_workers(master: int) -> set[int]:
    """The workers of a master that still accept connections: all but those that are shutting down."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name in brackets may hold anything; the fields after it are plain: state, parent, ...
            parent = int(stat.read_text(errors="replace").rpartition(")")[2].split()[1])
        except (OSError, IndexError, ValueError):
            continue
        pid = int(stat.parent.name)
        title = _command_line(pid) if parent == master else ""
        if title.startswith("nginx: worker process") and "shutting down" not in title:
            found.add(pid)
    return found


def _pid_file(build: Build) -> Path:
    try:
        text = build.configuration.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return build.pid_file
    named = re.search(r"^\s*pid\s+([^\s;]+)\s*;", text, re.MULTILINE)
    return Path(named.group(1)) if named else build.pid_file


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return ""
