# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx's packages in RHEL's family, by dnf and rpm."""

from __future__ import annotations

import contextlib
import re
import typing as t
from pathlib import Path

from ansible_collections.wsfleet.nginx.plugins.module_utils._lifetime import package_manager
from ansible_collections.wsfleet.nginx.plugins.module_utils._lifetime.package_manager import PackageError, Packages

_FORMAT = "%{NAME}\\t%{VERSION}-%{RELEASE}\\t%{SOURCERPM}\\n"
_NGINX = re.compile(r"nginx-\d")


class Dnf:
    """See package_manager.Manager. The scripts of these packages exchange the binary themselves, by USR2 and QUIT, or
    do nothing: there is nothing to hold back, and to go back may be one more exchange.
    """

    def installed(self) -> Packages:
        return {name: version for name, (version, _source) in self._found().items()}

    def _found(self) -> dict[str, tuple[str, str]]:
        """The version and the source of each package."""
        printed = package_manager.run(["rpm", "--query", "--all", f"--queryformat={_FORMAT}"])
        rows = (line.split("\t") for line in printed.splitlines())
        return {
            name: (version, source)
            for name, version, source in rows
            if _NGINX.match(source) or name.startswith(package_manager.MODULES)
        }

    def fetch(self, version: str | None) -> None:
        package_manager.run(["dnf", "--assumeyes", "--quiet", "makecache", "--refresh"])

    def pending(self, version: str | None) -> Packages:
        found = self.installed()
        # Of a package without the version nothing is printed.
        available = self._available([*([] if version else ["--upgrades"]), "--latest-limit=1", *self._wanted(version)])
        return {name: new for name, new in available.items() if name in found and found[name] != new}

    def upgrade(self, version: str | None) -> None:
        verb = "install" if version else "upgrade"
        package_manager.run(["dnf", "--assumeyes", "--quiet", verb, *self._wanted(version)])

    def complete(self) -> None:
        """rpm has no half of a run to complete: what is left of it is installed again by the next one."""

    def keep(self, directory: Path) -> None:
        """The repositories have what is installed."""
        wanted = [f"{name}-{version}" for name, version in self.installed().items()]
        missing = set(self.installed()) - set(self._available(wanted))
        if missing:
            raise PackageError(
                f"the repositories do not have the installed version of {', '.join(sorted(missing))}, so there would "
                "be no way back; nothing was changed. Give them a repository that has it, or upgrade with dnf: the "
                "scripts of these packages keep open WebSockets too"
            )

    def restore(self, packages: Packages, directory: Path) -> None:
        different = [f"{name}-{version}" for name, version in packages.items() if self.installed().get(name) != version]
        if different:
            package_manager.run(["dnf", "--assumeyes", "--quiet", "downgrade", *different])

    def hold_back(self) -> t.ContextManager[None]:
        return contextlib.nullcontext()

    def _wanted(self, version: str | None) -> list[str]:
        return [
            f"{name}-{version}" if version and _NGINX.match(source) else name
            for name, (_version, source) in self._found().items()
        ]

    def _available(self, arguments: t.Sequence[str]) -> Packages:
        command = ["dnf", "--quiet", "repoquery", "--queryformat=%{name}\\t%{version}-%{release}\\n", *arguments]
        # dnf4 adds an empty line to each.
        rows = (line.partition("\t") for line in package_manager.run(command).splitlines() if line)
        return {name: version for name, _tab, version in rows}
