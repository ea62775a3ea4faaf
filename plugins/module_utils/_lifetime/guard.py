# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What becomes of the restarts of nginx by Debian's package and by needrestart: an exchange of the binary, or nothing.

nginx-common restarts nginx when it is configured, and nginx then has its init script exchange the binary, unproven.
Both ask policy-rc.d, through deb-systemd-invoke and invoke-rc.d; needrestart, after an upgrade of a library, does not.
Without systemd the first does not happen, so that nothing is to be guarded there.
"""

from __future__ import annotations

import sys
import time
import typing as t
from pathlib import Path

from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import service
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction import atomic_files, lock
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction.atomic_files import Content, Files

EXCHANGE, DEFER = "exchange", "defer"
# Ordered by what it costs if two configurations of a host differ: the last one has its way.
CHOICES = ("ignore", EXCHANGE, DEFER)
_LOCKS = Path("/proc/locks")
_DPKG_LOCKS = (Path("/var/lib/dpkg/lock-frontend"), Path("/var/lib/dpkg/lock"))
_POLL_SECONDS = 0.5
_INVOKE = Path("/usr/sbin/invoke-rc.d")
_MARK = "# By the role wsfleet.nginx.websockets, from websockets_guard_upgrades"

# Nothing of a package may fail for it, so it is started and not waited for.
_UNIT = f"""\
{_MARK}.
[Unit]
Description=Exchange of nginx's binary for the installed one, which closes no WebSocket
Documentation=https://nginx.org/en/docs/control.html#upgrade
After=nginx.service

[Service]
Type=oneshot
ExecStart=PYTHON -I PROGRAM exchange --wait
"""
# In an upgrade by the playbook (package_manager.HELD_BACK), the module exchanges the binary.
_POLICY = f"""\
#!/bin/sh
{_MARK}: CHOICE
# The scripts of packages ask it what they may do to a service: 0 is yes, 101 no.
# https://people.debian.org/~hmh/invokerc.d-policyrc.d-specification.txt
while [ "${{1#--}}" != "$1" ]; do shift; done
case "${{1%.service}} $2" in
# In parentheses is what invoke-rc.d itself does not do, as the service does not start at boot.
*" ("*) exit 101 ;;
"nginx restart" | "nginx try-restart" | "nginx upgrade") ;;
*) exit 0 ;;
esac
systemctl is-active --quiet nginx.service || exit 0
[ -z "${{WSFLEET_NGINX_UPGRADE-}}" ] || exit 101
INSTEAD
exit 101
"""
_NEEDRESTART = f"""\
#!/bin/sh
{_MARK}: CHOICE
# needrestart runs it in place of a restart.
INSTEAD
"""
_INSTEAD = {
    EXCHANGE: """\
echo "nginx is not restarted, its binary is exchanged: journalctl --unit wsfleet-exchange" >&2
systemctl start --no-block wsfleet-exchange.service""",
    DEFER: 'echo "nginx is not restarted: run the playbook wsfleet.nginx.upgrade" >&2',
}


def wait() -> None:
    """Wait until dpkg has ended, as all of an upgrade's packages are there only then, and no deploy runs."""
    while _is_dpkg_running() or lock.is_held():
        time.sleep(_POLL_SECONDS)


def _is_dpkg_running() -> bool:
    """Whether a process holds one of the locks that dpkg and apt take. To try and take one would be in their way."""
    # proc_locks(5): "1: POSIX  ADVISORY  WRITE 4711 fd:01:131085 0 EOF". The device may be another one.
    held = {line.split()[5].rpartition(":")[2] for line in _LOCKS.read_text().splitlines() if "->" not in line}
    found = [path.stat() for path in _DPKG_LOCKS if path.exists()]
    return any(str(status.st_ino) in held for status in found)


def is_of_use() -> bool:
    """Whether packages of this host restart nginx through policy-rc.d."""
    return service.has_systemd() and _INVOKE.exists()


def strongest(choices: t.Iterable[str]) -> str:
    """That of a host whose configurations have these."""
    return max(choices, key=CHOICES.index, default=CHOICES[0])


def wanted(choice: str) -> Files:
    """The files for a choice, without those that are of somebody else or of no use here; None for one that is to go."""
    found = _all(choice) if is_of_use() and not _obstacle(choice) else dict.fromkeys(files())
    return {path: content for path, content in found.items() if not is_others(path) and _has_place(path, content)}


def _obstacle(choice: str) -> str:
    """The file that cannot be made, with the reason, or nothing."""
    needed = (service.POLICY, *([service.PROGRAM] if choice == EXCHANGE else []))
    return next(filter(None, map(atomic_files.unwritable, needed)), "")


def files() -> tuple[Path, ...]:
    return service.EXCHANGE, service.POLICY, service.NEEDRESTART


def _all(choice: str) -> dict[Path, Content | None]:
    if choice not in _INSTEAD:
        return dict.fromkeys(files())
    words = {"CHOICE": choice, "INSTEAD": _INSTEAD[choice], "PYTHON": sys.executable, "PROGRAM": str(service.PROGRAM)}
    return {
        # Before what starts it.
        service.EXCHANGE: _content(_UNIT, words, 0o644) if choice == EXCHANGE else None,
        service.POLICY: _content(_POLICY, words, 0o755),
        service.NEEDRESTART: _content(_NEEDRESTART, words, 0o755),
    }


def _content(text: str, words: t.Mapping[str, str], mode: int) -> Content:
    for name, value in words.items():
        text = text.replace(name, value)
    return Content(text.encode(), mode)


def is_others(path: Path) -> bool:
    """Whether somebody else has written this file."""
    now = atomic_files.read(path)
    return path.is_symlink() or (now is not None and _MARK.encode() not in now.data)


def _has_place(path: Path, content: Content | None) -> bool:
    """needrestart may not be installed."""
    return content is None or path.parent.is_dir()


def missing(choice: str) -> list[str]:
    """What is not there of a guard, or is of somebody else: for verify, which knows neither Python nor program."""
    if choice not in _INSTEAD or not is_of_use():
        return []
    mark = f"{_MARK}: {choice}\n"
    found = [path for path in (service.POLICY, service.NEEDRESTART) if path.parent.is_dir() and not _has(path, mark)]
    if choice == EXCHANGE and not _has(service.EXCHANGE, _MARK):
        found.append(service.EXCHANGE)
    return [
        atomic_files.unwritable(path) or f"{path} {'is of somebody else' if is_others(path) else 'is missing'}"
        for path in found
    ]


def _has(path: Path, mark: str) -> bool:
    now = atomic_files.read(path)
    return now is not None and mark.encode() in now.data


def warning(choice: str) -> str:
    """What to do about a host that cannot have the guard, or has a policy of somebody else; otherwise nothing."""
    if choice not in _INSTEAD or not is_of_use():
        return ""
    obstacle = _obstacle(choice)
    if obstacle:
        return (
            f"websockets_guard_upgrades: {obstacle}. So an upgrade of nginx's package closes all WebSockets: have it "
            "mounted writable while this role runs, or set websockets_guard_upgrades: ignore"
        )
    if not is_others(service.POLICY):
        return ""
    instead = f", and run `systemctl start --no-block {service.EXCHANGE.name}`" if choice == EXCHANGE else ""
    return (
        f"{service.POLICY} is of somebody else, and stays as it is. If it lets the scripts of nginx's package restart "
        "nginx, an upgrade of it closes all WebSockets: have it exit with 101 for the actions restart and upgrade of "
        f"nginx and nginx.service{instead}. Or set websockets_guard_upgrades: ignore"
    )
