# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The installed nginx: its version, the paths that were built in, and whether it accepts a configuration."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import typing as t
from dataclasses import dataclass
from pathlib import Path

# sbin is not on every user's PATH.
_SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])
_COMMAND_SECONDS = 60
OLDEST = "1.18.0"


class NginxError(Exception):
    """nginx is missing or cannot be run."""


@dataclass(frozen=True)
class Build:
    """An installed nginx: its binary, its versions, and the paths that were built in."""

    binary: str
    version: str
    # The version of OpenSSL; None with another TLS library.
    openssl: str | None
    configuration: Path
    pid_file: Path | None
    error_log: Path | None
    # The user and the group of the workers.
    user: tuple[str, str] = ("nobody", "nogroup")

    @property
    def root(self) -> Path:
        """The directory that relative includes start from."""
        return self.configuration.parent


@dataclass(frozen=True)
class Verdict:
    """The result of testing a configuration: nginx's messages and the files it read."""

    accepted: bool
    messages: list[str]
    files: list[str]


# "nginx: [emerg] text", or, in builds that log to the standard error stream as Debian's do and in log files,
# "2026/01/31 12:00:00 [emerg] 4711#4711: text".
_MESSAGE = re.compile(r"^(?:nginx:|\d{4}/\d\d/\d\d \S+) (\[\w+\]) (?:\d+#\d+: )?(?:\*\d+ )?(.+)$", re.MULTILINE)


_VERSION = re.compile(r"nginx version: \S*?/(\d+(?:\.\d+)+)")


def find_binary() -> str | None:
    # A file that is not executable counts too: installing nginx again would not help.
    return shutil.which("nginx", path=_SEARCH_PATH) or shutil.which("nginx", os.F_OK, _SEARCH_PATH)


def installed() -> Build:
    """What nginx -V prints, on the standard error stream."""
    binary = find_binary()
    if binary is None:
        raise NginxError("nginx is not installed")
    result = run([binary, "-V"])
    output = result.stderr
    version = _VERSION.search(output)
    if version is None and result.returncode != 0:
        printed = output.strip().splitlines()
        raise NginxError(f"{binary} does not start: {printed[-1] if printed else f'exit status {result.returncode}'}")
    if version is None:
        raise NginxError(f"{binary} -V prints no version: {output.strip()[:200]!r}")
    configuration = Path(_built_in(output, "conf-path") or "/etc/nginx/nginx.conf")
    return Build(
        binary=binary,
        version=version.group(1),
        openssl=openssl_version(output),
        configuration=configuration,
        pid_file=_named_file("pid", configuration, _built_in(output, "pid-path")),
        error_log=_named_file("error_log", configuration, _built_in(output, "error-log-path")),
        user=_user(configuration, output),
    )


def version(executable: str) -> str | None:
    """The version of a binary, which may be one that runs and whose file was replaced."""
    try:
        found = _VERSION.search(run([executable, "-v"]).stderr)
    except NginxError:
        return None
    return found.group(1) if found else None


def openssl_version(output: str) -> str | None:
    """The version of OpenSSL that nginx runs with, which after an upgrade is not the one it was built with."""
    # BoringSSL and AWS-LC call themselves "OpenSSL 1.1.1 (compatible; BoringSSL)".
    libraries = dict(re.findall(r"\b(built|running) with (\S+ [^\s)]+(?: \(compatible)?)", output))
    found = re.fullmatch(r"OpenSSL (\d\S*)", libraries.get("running") or libraries.get("built") or "")
    return found.group(1) if found else None


def is_too_old(version: str) -> bool:
    return _numbers(version) < _numbers(OLDEST)


def _numbers(version: str) -> list[int]:
    return [int(number) for number in version.split(".")]


def _built_in(output: str, option: str) -> str | None:
    found = re.search(rf"--{option}=(\S+)", output)
    return found.group(1) if found else None


_NAME = r"""["']?([^\s;"']+)["']?"""


def _user(configuration: Path, output: str) -> tuple[str, str]:
    """https://nginx.org/en/docs/ngx_core_module.html#user: without a group, it is the one with the user's name."""
    try:
        text = configuration.read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    found = re.search(rf"^\s*user\s+{_NAME}(?:\s+{_NAME})?\s*;", text, re.MULTILINE)
    if found:
        return found.group(1), found.group(2) or found.group(1)
    user = _built_in(output, "user") or "nobody"
    return user, _built_in(output, "group") or user


def _named_file(directive: str, configuration: Path, built_in: str | None) -> Path | None:
    """The file that a directive of the main configuration names, or else the one that was built in."""
    try:
        text = configuration.read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    found = re.search(rf"^\s*{directive}\s+([^\s;]+)", text, re.MULTILINE)
    name = found.group(1) if found else built_in
    return Path(name) if name and name.startswith("/") else None


def test(build: Build, configuration: Path) -> Verdict:
    """Run nginx -T, which tests as nginx -t does and prints which files were read."""
    result = run([build.binary, "-T", "-q", "-c", str(configuration)])
    files = re.findall(r"^# configuration file (.+):$", result.stdout, re.MULTILINE)
    return Verdict(accepted=result.returncode == 0, messages=messages(result.stderr), files=files)


def listens(build: Build) -> dict[str, set[int]]:
    """The ports of the listen directives in each file of the live configuration."""
    result = run([build.binary, "-T", "-q"])
    if result.returncode != 0:
        raise NginxError(f"nginx rejects its configuration: {'; '.join(messages(result.stderr)) or result.stderr}")
    _head, *parts = re.split(r"^# configuration file (.+):$", result.stdout, flags=re.MULTILINE)
    return {path: set(_ports(text)) for path, text in zip(parts[::2], parts[1::2])}


def _ports(text: str) -> t.Iterator[int]:
    for address in re.findall(r"(?:^|[;{}])\s*listen\s+[\"']?([^\s;\"']+)", text, re.MULTILINE):
        port = address.rpartition("]")[2].rpartition(":")[2]
        if not address.startswith("unix:"):
            first, _dash, last = port.partition("-")
            # Without a port it is 80.
            yield from range(int(first), int(last or first) + 1) if first.isdigit() else (80,)


def messages(text: str) -> list[str]:
    """nginx's messages, each as "[emerg] text", out of its log or its standard error stream."""
    return [" ".join(found) for found in _MESSAGE.findall(text)]


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command, for a minute at most."""
    try:
        # No module is at hand here to call its run_command.
        return subprocess.run(  # pylint: disable=ansible-bad-function
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_COMMAND_SECONDS,
        )
    except OSError as error:
        raise NginxError(f"{command[0]} does not start: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise NginxError(f"'{' '.join(command)}' did not end within {_COMMAND_SECONDS} seconds") from error
