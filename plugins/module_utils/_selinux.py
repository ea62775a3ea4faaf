# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What SELinux does not let nginx do on this host: listen on a port, and connect to servers."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import binary

_KERNEL = Path("/sys/fs/selinux")
_STORE = Path("/var/lib/selinux")
_TYPE = "http_port_t"
_BOOLEAN = "httpd_can_network_connect"
# The ports of http_port_t in the policy of RHEL 8 to 10. Only semanage changes them.
_PORTS = frozenset({80, 81, 443, 488, 8008, 8009, 8443, 9000})

# As semanage prints them: the ports and ranges of each type, tcp only.
Ports = t.Mapping[str, t.Sequence[str]]


@dataclass(frozen=True)
class Missing:
    """What the policy has to allow before nginx can serve the gateway."""

    ports: t.Sequence[int] = ()
    # Those of them that have another type, which semanage modifies rather than adds.
    typed: t.Collection[int] = ()
    connects: bool = False
    has_semanage: bool = True

    def errors(self) -> t.Iterator[str]:
        """With the commands that an operator types."""
        if self.ports:
            commands = [
                f"`semanage port -{'m' if port in self.typed else 'a'} -t {_TYPE} -p tcp {port}`" for port in self.ports
            ]
            tools = "" if self.has_semanage else " (from the package policycoreutils-python-utils)"
            yield f"SELinux does not let nginx listen on {_listed(self.ports)}: run {', '.join(commands)}{tools}"
        if self.connects:
            yield f"SELinux does not let nginx connect to servers: run `setsebool -P {_BOOLEAN} on`"


def missing(ports: t.Iterable[int], *, connects: bool) -> Missing:
    """What the policy does not allow an nginx that listens on these ports, and that connects to servers over TCP."""
    known = _ports()
    allowed = {_TYPE: [str(port) for port in _PORTS]} if known is None else known
    types = {port: {name for name, items in allowed.items() if _has(items, port)} for port in ports}
    lacking = sorted(port for port, names in types.items() if _TYPE not in names)
    return Missing(
        ports=lacking,
        typed={port for port in lacking if any(str(port) in items for items in allowed.values())},
        connects=connects and _is_off(_BOOLEAN),
        has_semanage=known is not None,
    )


def enforces() -> bool:
    """Whether SELinux stops nginx, rather than only logging what its policy forbids."""
    # `semanage permissive` keeps the exception of one domain as a module.
    is_permissive = any(_STORE.glob("*/active/modules/*/permissive_httpd_t"))
    return _read(_KERNEL / "enforce") == "1" and not is_permissive


def _is_off(boolean: str) -> bool:
    # The value now, and the one that is pending; a policy without nginx has none.
    return _read(_KERNEL / "booleans" / boolean).startswith("0")


def _ports() -> Ports | None:
    """None without semanage."""
    try:
        result = binary.run(["semanage", "port", "--list", "--noheading"])
    except binary.NginxError:
        return None
    return parsed(result.stdout) if result.returncode == 0 else None


def parsed(listing: str) -> Ports:
    """What semanage prints: "http_port_t                    tcp      80, 81, 443, 8000-8010"."""
    rows = re.findall(r"^(\w+)\s+tcp\s+(.+)$", listing, re.MULTILINE)
    return {name: [item.strip() for item in items.split(",")] for name, items in rows}


def _has(items: t.Iterable[str], port: int) -> bool:
    bounds = (item.partition("-") for item in items)
    return any(int(first) <= port <= int(last or first) for first, _dash, last in bounds)


def _listed(ports: t.Sequence[int]) -> str:
    return f"port {ports[0]}" if len(ports) == 1 else f"ports {', '.join(map(str, ports))}"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""
