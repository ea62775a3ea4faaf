# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which ports firewalld, if it runs, does not open."""

from __future__ import annotations

import re
import shutil
import typing as t
from pathlib import Path

from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import binary

# firewalld.service(5): an own service comes before the one of the package.
_SERVICES = (Path("/etc/firewalld/services"), Path("/usr/lib/firewalld/services"))
_ZONE = re.compile(r"^(\S+) \((.*)\)\n((?:[ \t]+.*\n?)+)", re.MULTILINE)


def is_installed() -> bool:
    return shutil.which("firewall-cmd") is not None


def closed(ports: t.Collection[int]) -> list[int]:
    """Those of the ports that firewalld opens to no address at all; none if it does not run."""
    # It takes a second.
    result = binary.run(["firewall-cmd", "--list-all-zones"]) if ports else None
    return closed_in(result.stdout, ports) if result and result.returncode == 0 else []


def closed_in(listing: str, ports: t.Iterable[int]) -> list[int]:
    """The same from what firewall-cmd prints."""
    zones = [text for _name, flags, text in _ZONE.findall(listing) if "active" in flags.split(", ")]
    if not zones or any(_field(text, "target") == "ACCEPT" for text in zones):
        return []
    opened = [item for text in zones for item in _opened(text)]
    return sorted(port for port in ports if not any(first <= port <= last for first, last in opened))


def _opened(zone: str) -> t.Iterator[tuple[int, int]]:
    """The ranges of ports that a zone opens, if only for some addresses."""
    rules = zone.partition("rich rules:")[2]
    services = [*_field(zone, "services").split(), *re.findall(r'service name="([^"]+)"', rules)]
    texts = [_field(zone, "ports"), *(f"{port}/tcp" for port in re.findall(r' port="([\d-]+)"', rules))]
    texts += [f"{port}/tcp" for name in services for port in _ports_of(name)]
    for first, last in re.findall(r"\b(\d+)(?:-(\d+))?/tcp", " ".join(texts)):
        yield int(first), int(last or first)


def _field(zone: str, name: str) -> str:
    found = re.search(rf"^[ \t]+{name}:(.*)$", zone, re.MULTILINE)
    return found.group(1).strip() if found else ""


def _ports_of(service: str) -> list[str]:
    for directory in _SERVICES:
        try:
            text = (directory / f"{service}.xml").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        elements = (element for element in re.findall(r"<port\b[^>]*>", text) if '"tcp"' in element)
        return [found for element in elements for found in re.findall(r'port="([\d-]+)"', element)]
    return []
